//! Raw sockets against `net` alone: what bytes come in, what bytes go out, and what strangers cannot do.
//!
//! The broker behind it is [`echo::Echo`], which does what the client id of a request tells it to.

mod broker;
mod echo;
mod hostile;
mod listeners;
mod order;

use bytes::{BufMut, Bytes, BytesMut};
use echo::Echo;
use ottla_server::limits::Limits;
use ottla_server::net::{ListenerSpec, Listeners, Reactors, Serving};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Nothing here takes that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) echo: Arc<Echo>,
    serving: Option<Serving>,
    reactors: Option<Reactors>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(Limits::default())
    }

    pub(crate) fn start_with(limits: Limits) -> Self {
        Self::start_on(ListenerSpec { name: "PLAINTEXT".into(), host: "localhost".into(), port: 0 }, limits)
    }

    pub(crate) fn start_on(spec: ListenerSpec, limits: Limits) -> Self {
        let listeners = Listeners::bind(&[spec], &limits).expect("a free port");
        let address = listeners.bound()[0].addresses[0];
        let reactors = Reactors::start(2).expect("threads");
        let echo = Arc::new(Echo::default());
        let serving = listeners.serve(Arc::clone(&echo) as _, Arc::new(limits), reactors.handles()).expect("serving");
        Self { address, echo, serving: Some(serving), reactors: Some(reactors) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::to(self.address)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.serving.as_ref().expect("not stopped").open_connections()
    }

    /// Stops and says whether all connections ended in time.
    pub(crate) fn stop(&mut self, within: Duration) -> bool {
        let (Some(serving), Some(reactors)) = (self.serving.take(), self.reactors.take()) else { return true };
        let (tell, told) = std::sync::mpsc::channel();
        reactors.handles()[0].spawn(async move { tell.send(serving.stop(within).await) });
        let all_gone = told.recv_timeout(PATIENCE).expect("stop returns");
        reactors.stop();
        all_gone
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server takes bytes");
    }

    /// The next answer, without its size.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut size = [0; 4];
        self.0.read_exact(&mut size).expect("an answer");
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.0.read_exact(&mut answer).expect("the rest of an answer");
        answer
    }

    /// Correlation id of the next answer.
    pub(crate) fn receive_id(&mut self) -> i32 {
        let answer = self.receive();
        i32::from_be_bytes(answer[..4].try_into().expect("four bytes"))
    }

    /// True when the server has closed the connection and sent nothing more.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
            Err(error) => panic!("neither closed nor answered: {error}"),
        }
    }

    /// One request and its answer, to see that the server is well.
    pub(crate) fn ping(&mut self) {
        self.send(&api_versions(77, "echo"));
        assert_eq!(self.receive_id(), 77);
    }
}

/// A whole request with its size.
pub(crate) fn request(api_key: i16, api_version: i16, id: i32, client_id: &str, flexible: bool, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32((10 + client_id.len() + usize::from(flexible) + body.len()) as i32);
    frame.put_i16(api_key);
    frame.put_i16(api_version);
    frame.put_i32(id);
    frame.put_i16(client_id.len() as i16);
    frame.put_slice(client_id.as_bytes());
    if flexible {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    frame.freeze()
}

/// ApiVersions v0.
pub(crate) fn api_versions(id: i32, command: &str) -> Bytes {
    request(18, 0, id, command, false, &[])
}

/// Produce v9 without any topics.
pub(crate) fn produce(id: i32, command: &str) -> Bytes {
    request(0, 9, id, command, true, &[0, 0, 1, 0, 0, 0, 0, 1, 0])
}
