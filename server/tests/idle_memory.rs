//! What an idle connection costs. The figure is printed; the bound is loose, because the process around it breathes.
//!
//! A test binary of its own, so that nothing else allocates meanwhile.

use bytes::{BufMut, BytesMut};
use ottla_server::api::response::Response;
use ottla_server::limits::Limits;
use ottla_server::net::{ConnectionInfo, Dispatch, Dispatched, Frame, ListenerSpec, Listeners, Outcome, Reactors};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

const CONNECTIONS: usize = 1000;
const FRAME_BYTES: usize = 100_000;

struct Answer;

impl Dispatch for Answer {
    fn dispatch(&self, _: &Arc<ConnectionInfo>, frame: Frame) -> Dispatched {
        let mut head = BytesMut::new();
        head.put_i32(frame.correlation_id);
        Dispatched::serial(std::future::ready(Outcome::Respond(Response::new(head.freeze()))))
    }
}

/// Resident memory of this process that is not shared with files.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a line for anonymous memory");
    let kib: usize = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kib * 1024
}

#[test]
fn a_thousand_idle_connections_hold_no_receive_buffers() {
    if !std::path::Path::new("/proc/self/status").exists() {
        eprintln!("skipped: no procfs to measure with");
        return;
    }
    let limits = Limits::default();
    let spec = ListenerSpec { name: "PLAINTEXT".into(), host: "127.0.0.1".into(), port: 0 };
    let listeners = Listeners::bind(&[spec], &limits).expect("a free port");
    let address = listeners.bound()[0].addresses[0];
    let reactors = Reactors::start(1).expect("a thread");
    let serving = listeners.serve(Arc::new(Answer), Arc::new(limits), reactors.handles()).expect("serving");

    // Produce v9 with one large transactional id after the other would do; padding behind an ApiVersions v0 body is simplest.
    let mut request = BytesMut::new();
    request.put_i32(FRAME_BYTES as i32);
    request.put_slice(&[0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
    request.resize(4 + FRAME_BYTES, 0);
    let ask = |client: &mut TcpStream| {
        client.write_all(&request).expect("sent");
        client.read_exact(&mut [0; 8]).expect("answered");
    };
    let connect = || TcpStream::connect(address).expect("connected");

    // The first connections pay for what is shared.
    let mut clients: Vec<TcpStream> = (0..50).map(|_| connect()).collect();
    clients.iter_mut().for_each(ask);
    let before = resident_bytes();
    clients.extend((0..CONNECTIONS).map(|_| connect()));
    clients.iter_mut().for_each(ask);
    let each = resident_bytes().saturating_sub(before) / CONNECTIONS;
    println!("{each} bytes of user memory for each of {CONNECTIONS} idle connections");
    assert_eq!(serving.open_connections(), clients.len());
    assert!(each <= 16 * 1024, "{each} bytes for each idle connection");
    reactors.stop();
}
