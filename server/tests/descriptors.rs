//! A process without file descriptors to spare: nobody is harmed, and it goes on when there are some again.
//!
//! A test binary of its own, because it uses up the descriptors of its process.
#![cfg(target_os = "linux")]

use bytes::{BufMut, BytesMut};
use ottla_server::api::response::Response;
use ottla_server::limits::Limits;
use ottla_server::net::{ConnectionInfo, Dispatch, Dispatched, Frame, ListenerSpec, Listeners, Outcome, Reactors};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

struct Answer;

impl Dispatch for Answer {
    fn dispatch(&self, _: &Arc<ConnectionInfo>, frame: Frame) -> Dispatched {
        let mut head = BytesMut::new();
        head.put_i32(frame.correlation_id);
        Dispatched::serial(std::future::ready(Outcome::Respond(Response::new(head.freeze()))))
    }
}

fn ping(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
    client.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]).expect("sent");
    client.read_exact(&mut [0; 8]).expect("answered");
}

#[test]
fn a_client_waits_until_there_is_a_descriptor_for_it_and_others_notice_nothing() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum }).expect("a limit");
    let limits = Limits::default();
    let spec = ListenerSpec { name: "PLAINTEXT".into(), host: "127.0.0.1".into(), port: 0 };
    let listeners = Listeners::bind(&[spec], &limits).expect("a free port");
    let address = listeners.bound()[0].addresses[0];
    let reactors = Reactors::start(1).expect("a thread");
    let serving = listeners.serve(Arc::new(Answer), Arc::new(limits), reactors.handles()).expect("serving");
    let mut first = TcpStream::connect(address).expect("connected");
    ping(&mut first);

    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    hoard.pop();
    // Takes the last descriptor on this side; there is none left for the other.
    let mut second = TcpStream::connect(address).expect("the kernel answers for the listener");
    for _ in 0..10 {
        ping(&mut first);
    }
    assert_eq!(serving.open_connections(), 1);
    drop(hoard);
    ping(&mut second);
    assert_eq!(serving.open_connections(), 2);
    reactors.stop();
}
