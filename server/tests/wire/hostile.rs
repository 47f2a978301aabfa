//! Bytes that are no requests, and clients that will not read or write.

use super::order::wait_until;
use super::*;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// Short enough not to wait for, long enough not to be passed by accident on a busy machine by those who do nothing wrong.
const SHORT: Duration = Duration::from_millis(150);

fn closed_after(bytes: &[u8]) {
    let server = Server::start();
    let mut other = server.connect();
    other.ping();
    let mut client = server.connect();
    client.send(bytes);
    assert!(client.is_closed(), "{bytes:02x?}");
    assert_eq!(*server.echo.dispatched.lock().unwrap(), [77], "{bytes:02x?} reached the broker");
    other.ping();
}

#[test]
fn sizes_that_are_no_sizes_close_the_connection() {
    for size in [-1, i32::MIN, 0, 9, i32::MAX, 100 * 1024 * 1024 + 1] {
        closed_after(&size.to_be_bytes());
    }
}

#[test]
fn an_oversized_request_is_refused_before_its_body_is_sent() {
    let head = |size: i32, key: i16| [&size.to_be_bytes()[..], &key.to_be_bytes(), &[0, 9]].concat();
    closed_after(&head(8 * 1024 * 1024 + 1, 3));

    // A Produce of that size is welcome.
    let server = Server::start();
    let mut client = server.connect();
    let size_bytes = 9 * 1024 * 1024;
    client.send(&head(size_bytes, 0));
    client.send(&[0, 0, 0, 4, 0, 4, b'e', b'c', b'h', b'o', 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
    let rest = vec![0; size_bytes as usize - 24];
    client.send(&rest);
    assert_eq!(client.receive_id(), 4);
}

#[test]
fn unknown_apis_and_versions_close_the_connection() {
    for (key, version) in [(-1, 0), (93, 0), (1000, 0), (4, 0), (3, 14), (3, -1), (0, 2), (8, 10)] {
        closed_after(&request(key, version, 1, "echo", false, &[]));
    }
}

#[test]
fn an_api_versions_request_of_the_future_reaches_the_broker_without_its_body() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&request(18, 99, 6, "echo", true, b"whatever it may say"));
    assert_eq!(client.receive(), [0, 0, 0, 6]);
    client.ping();
}

#[test]
fn a_garbled_request_header_closes_the_connection() {
    let mut long_client_id = request(18, 0, 1, "echo", false, &[]).to_vec();
    long_client_id[12..14].copy_from_slice(&[0x7f, 0xff]);
    closed_after(&long_client_id);
    let mut long_tags = request(18, 3, 1, "echo", true, &[1, 1, 0]).to_vec();
    long_tags[18] = 0xff;
    closed_after(&long_tags);
}

#[test]
fn what_came_before_garbage_is_still_answered() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[produce(1, "park"), api_versions(2, "echo"), Bytes::from_static(b"GET / HTTP/1.1")].concat());
    wait_until("both dispatched", || server.echo.dispatched.lock().unwrap().len() == 2);
    server.echo.release();
    assert_eq!([client.receive_id(), client.receive_id()], [1, 2]);
    assert!(client.is_closed());
}

#[test]
fn bombs_close_the_connection() {
    closed_after(&request(3, 1, 1, "echo", false, &[0x7f, 0xff, 0xff, 0xff]));
    closed_after(&request(3, 9, 1, "echo", true, &[0xff, 0xff, 0xff, 0xff, 0x0f]));
    closed_after(&request(1, 12, 1, "echo", true, &[[0; 4 + 4 + 4 + 4 + 1 + 4 + 4].as_slice(), &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat()));
}

#[test]
fn a_frame_that_never_ends_harms_nobody() {
    let server = Server::start();
    for cut in [1, 4, 7, 8, 12, 20] {
        let mut client = server.connect();
        client.ping();
        client.send(&produce(1, "echo")[..cut]);
    }
    wait_until("all cut connections gone", || server.open_connections() == 0);
    assert_eq!(*server.echo.dispatched.lock().unwrap(), [77; 6]);
    server.connect().ping();
}

/// Everything logged by this test binary.
fn logs() -> &'static Mutex<Vec<u8>> {
    static LOGS: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    LOGS.get_or_init(|| {
        struct Writer;
        impl Write for Writer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                logs().lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::WARN).with_writer(|| Writer);
        tracing::subscriber::set_global_default(log.finish()).expect("nobody else logs");
        Mutex::default()
    })
}

#[test]
fn other_protocols_are_closed_with_a_line_that_says_who_and_what() {
    let _ = logs();
    let server = Server::start();
    let client_hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4];
    for (bytes, guess) in [
        (&client_hello[..], "TLS handshake"),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP request"),
        (b"POST / HTTP/1.1\r\n\r\n", "HTTP request"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH client"),
    ] {
        let mut client = server.connect();
        let peer = client.0.local_addr().expect("an address");
        client.send(bytes);
        assert!(client.is_closed());
        let logged = String::from_utf8_lossy(&logs().lock().unwrap()).into_owned();
        let line = logged.lines().find(|line| line.contains(&peer.to_string())).unwrap_or_else(|| panic!("nothing logged of {peer}"));
        assert!(line.contains(guess), "{line}");
    }
}

#[test]
fn a_client_that_says_nothing_is_closed() {
    let server = Server::start_with(Limits { first_request_within: SHORT, ..Limits::default() });
    assert!(server.connect().is_closed());
}

#[test]
fn a_client_that_drips_its_bytes_is_closed() {
    let server = Server::start_with(Limits { whole_frame_within: SHORT, ..Limits::default() });
    let mut client = server.connect();
    client.ping();
    let began = Instant::now();
    client.0.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket option");
    // Each byte comes in time, the frame does not.
    for byte in [0, 0, 0, 99, 0, 18, 0, 0].iter().chain(std::iter::repeat(&0)) {
        if client.0.write_all(&[*byte]).is_err() || matches!(client.0.read(&mut [0; 1]), Ok(0)) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "still open");
    }
    assert!(began.elapsed() >= SHORT);
    server.connect().ping();
}

#[test]
fn an_idle_client_is_closed_but_not_one_whose_request_waits() {
    let server = Server::start_with(Limits { idle_max: SHORT, ..Limits::default() });
    let mut waiting = server.connect();
    waiting.send(&api_versions(1, "park"));
    let mut idle = server.connect();
    idle.ping();
    let began = Instant::now();
    assert!(idle.is_closed());
    assert!(began.elapsed() >= SHORT / 2);
    server.echo.release();
    assert_eq!(waiting.receive_id(), 1);
    // Its time begins anew with the answer.
    waiting.ping();
}

#[test]
fn a_client_that_does_not_read_is_no_longer_read_and_then_closed() {
    let server = Server::start_with(Limits { queued_response_bytes_max: 1 << 20, stalled_reader_max: SHORT, ..Limits::default() });
    let mut client = server.connect();
    client.ping();
    let all: Vec<u8> = (0..200).flat_map(|id| produce(id, "big")).collect();
    client.send(&all);
    wait_until("the connection gone", || server.open_connections() == 0);
    let dispatched = server.echo.dispatched.lock().unwrap().len();
    // 1 MiB each: some are in the kernel's buffers, about one in ours.
    assert!(dispatched < 25, "{dispatched} answers were made for a client that does not read");
    server.connect().ping();
}

#[test]
fn no_more_requests_are_taken_than_may_be_in_flight() {
    let server = Server::start_with(Limits { in_flight_requests_max: 10, ..Limits::default() });
    let mut client = server.connect();
    let all: Vec<u8> = (0..25).flat_map(|id| produce(id, "park")).collect();
    client.send(&all);
    let dispatched = || server.echo.dispatched.lock().unwrap().len();
    for expected in [10, 20, 25] {
        wait_until("as many dispatched as may be", || dispatched() == expected);
        server.connect().ping();
        server.connect().ping();
        server.echo.dispatched.lock().unwrap().retain(|id| *id != 77);
        assert_eq!(dispatched(), expected);
        server.echo.release();
    }
    for id in 0..25 {
        assert_eq!(client.receive_id(), id);
    }
}

#[test]
fn connections_beyond_the_limit_are_turned_away() {
    let server = Server::start_with(Limits { connections_max: 2, ..Limits::default() });
    let mut kept = [server.connect(), server.connect()];
    kept.iter_mut().for_each(Client::ping);
    assert!(server.connect().is_closed());
    kept.iter_mut().for_each(Client::ping);
    drop(kept);
    wait_until("the places free again", || server.open_connections() == 0);
    server.connect().ping();
}

#[test]
fn half_sent_requests_cannot_take_all_memory_for_good() {
    let limits = Limits {
        request_memory_bytes_max: 256 * 1024,
        produce_frame_bytes_max: 100 * 1024,
        other_frame_bytes_max: 100 * 1024,
        whole_frame_within: SHORT,
        ..Limits::default()
    };
    let server = Server::start_with(limits);
    let head = [&90_000_i32.to_be_bytes()[..], &[0, 0, 0, 9]].concat();
    let mut greedy: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in &mut greedy {
        client.send(&head);
        client.send(&[0; 80_000]);
    }
    for client in &mut greedy {
        assert!(client.is_closed());
    }
    server.connect().ping();
}

#[test]
fn requests_that_together_exceed_the_memory_are_answered_one_after_the_other() {
    let limits = Limits { request_memory_bytes_max: 200_000, produce_frame_bytes_max: 1_000_000, ..Limits::default() };
    let server = Server::start_with(limits);
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    // ApiVersions v0 with bytes behind it that mean nothing.
    let size_bytes = 600_000;
    let frame = [&(size_bytes as i32).to_be_bytes()[..], &[0, 18, 0, 0, 0, 0, 0, 9, 0xff, 0xff], &vec![0; size_bytes - 10]].concat();
    let (front, back) = frame.split_at(300_000);
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.send(front));
        }
    });
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                client.send(back);
                assert_eq!(client.receive_id(), 9);
            });
        }
    });
}
