//! Many connections to one broker on one thread, each with at most one request in flight.

use crate::wire;
use anyhow::{Context, Result, bail, ensure};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const EVENTS_PER_TURN: usize = 256;
const INPUT_SIZE_BYTES: usize = 1024;
const ANSWER_SIZE_BYTES_MAX: usize = 64 << 20;
/// Silence of this length is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connections, named by their number.
pub struct Pool {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<epoll::Event>,
    /// Connections whose answer is whole and was not handed out yet.
    answered: VecDeque<usize>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    /// Of the request in flight.
    correlation_id: i32,
    in_flight: bool,
}

impl Pool {
    /// Opens `count` connections.
    pub fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        let mut pool = Self::open(address, count)?;
        pool.greet(0)?;
        Ok(pool)
    }

    /// Opens connections until there are `count`.
    pub fn grow(&mut self, count: usize) -> Result<()> {
        let before = self.connections.len();
        self.add(count)?;
        self.greet(before)
    }

    fn open(address: SocketAddr, count: usize) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let events = Vec::with_capacity(EVENTS_PER_TURN);
        let mut pool = Self { epoll, connections: Vec::new(), events, answered: VecDeque::new(), address };
        pool.add(count)?;
        Ok(pool)
    }

    /// Asks for the versions, as every client does first: a broker need not keep connections that say nothing.
    fn greet(&mut self, from: usize) -> Result<()> {
        (from..self.connections.len()).try_for_each(|number| self.call(number, &mut wire::api_versions()).map(drop))
    }

    fn add(&mut self, count: usize) -> Result<()> {
        for number in self.connections.len()..count {
            let stream = TcpStream::connect(self.address).with_context(|| format!("connection {number} to {}", self.address))?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            epoll::add(&self.epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
            let input = vec![0; INPUT_SIZE_BYTES];
            self.connections.push(Connection { stream, input, filled: 0, correlation_id: 0, in_flight: false });
        }
        Ok(())
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True without connections.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Sends an encoded request; the answer to the one before must have been handed out.
    pub fn send(&mut self, number: usize, request: &mut [u8]) -> Result<()> {
        let connection = &mut self.connections[number];
        ensure!(!connection.in_flight, "connection {number} has a request in flight");
        connection.correlation_id = connection.correlation_id.wrapping_add(1);
        connection.filled = 0;
        connection.in_flight = true;
        wire::set_correlation_id(request, connection.correlation_id);
        (&connection.stream).write_all(request).with_context(|| format!("send on connection {number}"))
    }

    /// A connection whose answer has come; `None` when there was silence for as long as `quiet`.
    pub fn next_within(&mut self, quiet: Duration) -> Result<Option<usize>> {
        let deadline = Instant::now() + quiet;
        loop {
            if let Some(number) = self.answered.pop_front() {
                self.connections[number].in_flight = false;
                return Ok(Some(number));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.events.clear();
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll_wait"),
            }
            if self.events.is_empty() && left.is_zero() {
                return Ok(None);
            }
            for event in &self.events {
                let number = event.data.u64() as usize;
                if self.connections[number].read().with_context(|| format!("connection {number}"))? {
                    self.answered.push_back(number);
                }
            }
        }
    }

    /// A connection whose answer has come. Silence for a minute is an error.
    pub fn wait(&mut self) -> Result<usize> {
        self.next_within(PATIENCE)?.context("the broker has been silent for a minute")
    }

    /// The answer that came last on a connection, header included.
    pub fn answer(&self, number: usize) -> &[u8] {
        let connection = &self.connections[number];
        &connection.input[4..connection.filled]
    }

    /// Sends a request and waits for its answer; nothing else may be in flight.
    pub fn call(&mut self, number: usize, request: &mut [u8]) -> Result<&[u8]> {
        self.send(number, request)?;
        let answered = self.wait()?;
        ensure!(answered == number, "an answer on connection {answered} in place of {number}");
        Ok(self.answer(number))
    }
}

impl Connection {
    /// Takes what has come; true when the answer is whole.
    fn read(&mut self) -> Result<bool> {
        match recv(&self.stream, &mut self.input[self.filled..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => bail!("closed by the broker"),
            Ok((count, _)) => self.filled += count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        ensure!(self.in_flight, "an answer to nothing");
        let Some(prefix) = self.input[..self.filled].first_chunk::<4>() else { return Ok(false) };
        let whole = (u32::from_be_bytes(*prefix) as usize).saturating_add(4);
        ensure!((8..=ANSWER_SIZE_BYTES_MAX).contains(&whole), "an answer of {whole} bytes");
        if whole > self.input.len() {
            self.input.resize(whole, 0);
        }
        if self.filled < whole {
            return Ok(false);
        }
        ensure!(self.filled == whole, "{} bytes behind the only answer", self.filled - whole);
        let got = i32::from_be_bytes([self.input[4], self.input[5], self.input[6], self.input[7]]);
        ensure!(got == self.correlation_id, "answer to request {got} in place of {}", self.correlation_id);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn answers_are_matched_to_connections_and_silence_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut pool = Pool::open(listener.local_addr().unwrap(), 2).unwrap();
        let mut peers: Vec<TcpStream> = (0..2).map(|_| listener.accept().unwrap().0).collect();
        let mut request = wire::api_versions();
        pool.send(0, &mut request).unwrap();
        pool.send(1, &mut request).unwrap();
        assert!(pool.send(1, &mut request).is_err(), "one request in flight");
        assert_eq!(pool.next_within(Duration::ZERO).unwrap(), None);
        let mut asked = vec![0; request.len()];
        peers[1].read_exact(&mut asked).unwrap();
        let (id, body) = (&asked[8..12], [7; 5000]);
        peers[1].write_all(&[&5004_u32.to_be_bytes(), id, &body].concat()).unwrap();
        assert_eq!(pool.wait().unwrap(), 1);
        assert_eq!(pool.answer(1), [id, &body].concat());
    }

    #[test]
    fn an_answer_to_another_request_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut pool = Pool::open(listener.local_addr().unwrap(), 1).unwrap();
        let mut peer = listener.accept().unwrap().0;
        pool.send(0, &mut wire::api_versions()).unwrap();
        peer.write_all(&[0, 0, 0, 4, 0, 0, 0, 9]).unwrap();
        assert!(pool.wait().unwrap_err().root_cause().to_string().contains("answer to request 9"));
    }
}
