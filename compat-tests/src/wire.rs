//! Raw sockets: bytes as no well-behaved client would send them.

use anyhow::Result;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How a broker answered raw bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One framed response, without its length.
    Answered(Vec<u8>),
    /// The connection was closed without a whole response.
    Closed,
    /// Neither, within the time allowed.
    Silent,
}

/// A connection that speaks raw bytes.
pub struct Raw(TcpStream);

impl Raw {
    /// Connects to a loopback port.
    pub fn connect(port: u16, patience: Duration) -> Result<Raw> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Raw(stream))
    }

    /// Sends bytes as they are. A broker may have hung up already: that shows in [`Raw::outcome`].
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends a request frame: length, key, version, correlation id, client id, and then `rest` (tagged fields of the header included).
    pub fn request(&mut self, key: i16, version: i16, correlation_id: i32, rest: &[u8]) {
        let mut body = Vec::with_capacity(16 + rest.len());
        body.extend_from_slice(&key.to_be_bytes());
        body.extend_from_slice(&version.to_be_bytes());
        body.extend_from_slice(&correlation_id.to_be_bytes());
        body.extend_from_slice(&[0, 3]);
        body.extend_from_slice(b"raw");
        body.extend_from_slice(rest);
        let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
        self.send(&[&length.to_be_bytes(), body.as_slice()].concat());
    }

    /// Waits for one response.
    pub fn outcome(&mut self) -> Outcome {
        let mut length = [0; 4];
        if let Some(end) = self.fill(&mut length) {
            return end;
        }
        let mut body = vec![0; u32::from_be_bytes(length).min(16 << 20) as usize];
        self.fill(&mut body).unwrap_or(Outcome::Answered(body))
    }

    /// The body of a response that must come.
    pub fn answer(&mut self) -> Result<Vec<u8>> {
        match self.outcome() {
            Outcome::Answered(body) => Ok(body),
            other => anyhow::bail!("an answer is due, not {other:?}"),
        }
    }

    /// Ends the connection's sending half in the middle of whatever was sent.
    pub fn hang_up(self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<Outcome> {
        match self.0.read_exact(buffer) {
            Ok(()) => None,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(Outcome::Silent),
            Err(_) => Some(Outcome::Closed),
        }
    }
}
