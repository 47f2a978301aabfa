//! `/metrics`, `/livez` and `/readyz` as a scraper sees them.

mod docs;
mod groups;
mod hostile;
#[path = "../kit/mod.rs"]
mod kit;
mod probes;
mod scrape;
mod values;

use kit::{Kit, PATIENCE};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const LISTENER: &str = "ottla.metrics.listener=127.0.0.1:0\n";

/// A broker that serves metrics, with more lines of `server.properties`.
fn watched(properties: &str) -> Kit {
    Kit::with(&format!("{LISTENER}{properties}"))
}

fn metrics_address(kit: &Kit) -> SocketAddr {
    kit.broker().metrics_bound().expect("configured").addresses[0]
}

/// An answer of the HTTP port.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn connect(kit: &Kit) -> TcpStream {
    connect_to(metrics_address(kit))
}

fn connect_to(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
    stream
}

/// Reads until the server closes. HTTP/1.0 answers are not chunked.
fn answer_of(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer, then the end");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn ask(kit: &Kit, request: &str) -> Answer {
    let mut stream = connect(kit);
    stream.write_all(request.as_bytes()).expect("sent");
    answer_of(stream)
}

fn get(kit: &Kit, path: &str) -> Answer {
    get_from(metrics_address(kit), path)
}

fn get_from(address: SocketAddr, path: &str) -> Answer {
    let mut stream = connect_to(address);
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: here\r\n\r\n").as_bytes()).expect("sent");
    answer_of(stream)
}
