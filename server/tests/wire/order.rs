//! Requests and answers in their order; files; throttling; stopping.

use super::echo::TestFile;
use super::*;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} never came true");
        std::thread::yield_now();
    }
}

#[test]
fn both_loopback_addresses_answer_on_one_port() {
    let server = Server::start();
    Client::to(SocketAddr::from(([127, 0, 0, 1], server.address.port()))).ping();
    if let Ok(stream) = TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, server.address.port())) {
        drop(stream);
        Client::to(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, server.address.port()))).ping();
    }
}

#[test]
fn a_request_cut_at_every_byte_is_put_together_again() {
    let server = Server::start();
    let mut client = server.connect();
    let frame = request(3, 1, 5, "echo", false, &[0, 0, 0, 1, 0, 2, b'h', b'i']);
    for cut in 1..frame.len() {
        client.send(&frame[..cut]);
        // The other end may see both halves at once; it must not matter.
        std::thread::yield_now();
        client.send(&frame[cut..]);
        assert_eq!(client.receive(), [&[0, 0, 0, 5][..], &[0, 0, 0, 1, 0, 2, b'h', b'i']].concat());
    }
    let mut slow = server.connect();
    for byte in &frame {
        slow.send(&[*byte]);
    }
    assert_eq!(slow.receive_id(), 5);
}

#[test]
fn a_thousand_requests_in_one_write_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let all: Vec<u8> = (0..1000).flat_map(|id| if id % 3 == 0 { produce(id, "echo") } else { api_versions(id, "echo") }).collect();
    client.send(&all);
    for id in 0..1000 {
        assert_eq!(client.receive_id(), id);
    }
}

#[test]
fn a_produce_that_takes_hold_of_its_connection_keeps_later_requests_from_beginning_and_no_other_connection() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[produce(1, "hold"), produce(2, "park"), api_versions(3, "echo")].concat());
    wait_until("the first has begun", || !server.echo.dispatched.lock().unwrap().is_empty());
    server.connect().ping();
    wait_until("the third has begun", || {
        server.echo.release();
        server.echo.dispatched.lock().unwrap().contains(&3)
    });
    server.echo.release();
    assert_eq!([1, 2, 3].map(|_| client.receive_id()), [1, 2, 3]);
    let order: Vec<i32> = server.echo.dispatched.lock().unwrap().iter().copied().filter(|id| id.abs() <= 3).collect();
    assert_eq!(order, [1, -1, 2, 3], "the second waited for the first, and the third for neither");
}

#[test]
fn a_parked_produce_holds_back_answers_but_not_requests() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[produce(1, "park"), produce(2, "echo"), api_versions(3, "echo")].concat());
    wait_until("all three dispatched", || *server.echo.dispatched.lock().unwrap() == [1, 2, 3]);
    client.send(&produce(4, "echo"));
    wait_until("the fourth dispatched", || server.echo.dispatched.lock().unwrap().len() == 4);
    server.echo.release();
    for id in 1..=4 {
        assert_eq!(client.receive_id(), id);
    }
}

#[test]
fn a_request_that_is_not_pipelined_is_done_before_the_next_begins() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[api_versions(1, "park"), api_versions(2, "echo")].concat());
    wait_until("the first dispatched", || !server.echo.dispatched.lock().unwrap().is_empty());
    server.connect().ping();
    assert_eq!(*server.echo.dispatched.lock().unwrap(), [1, 77]);
    server.echo.release();
    assert_eq!([client.receive_id(), client.receive_id()], [1, 2]);
}

#[test]
fn requests_without_an_answer_do_not_hold_back_later_ones() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[produce(1, "nothing"), produce(2, "nothing"), produce(3, "echo")].concat());
    assert_eq!(client.receive_id(), 3);
}

#[test]
fn answers_before_a_close_still_leave_and_those_after_it_do_not() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[produce(1, "echo"), produce(2, "close"), produce(3, "echo")].concat());
    assert_eq!(client.receive_id(), 1);
    assert!(client.is_closed());
    let mut client = server.connect();
    client.send(&api_versions(1, "last"));
    assert_eq!(client.receive_id(), 1);
    assert!(client.is_closed());
}

#[test]
fn a_panic_closes_its_own_connection_only() {
    let server = Server::start();
    let mut other = server.connect();
    other.ping();
    let mut client = server.connect();
    client.send(&api_versions(1, "panic"));
    assert!(client.is_closed());
    other.ping();
}

#[test]
fn a_client_that_leaves_frees_the_request_that_waits_for_it() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&api_versions(1, "park"));
    wait_until("the request parked", || !server.echo.dispatched.lock().unwrap().is_empty());
    drop(client);
    wait_until("the request dropped", || server.echo.abandoned.load(Ordering::SeqCst) == 1);
    wait_until("the connection gone", || server.open_connections() == 0);
}

#[test]
fn a_client_that_closes_its_sending_half_still_gets_its_answers() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&[produce(1, "park"), produce(2, "echo")].concat());
    client.0.shutdown(std::net::Shutdown::Write).expect("half closed");
    wait_until("both dispatched", || server.echo.dispatched.lock().unwrap().len() == 2);
    server.echo.release();
    assert_eq!([client.receive_id(), client.receive_id()], [1, 2]);
    assert!(client.is_closed());
}

#[test]
fn a_throttled_client_is_answered_at_once_and_then_muted() {
    let server = Server::start();
    let mut client = server.connect();
    let began = Instant::now();
    client.send(&[api_versions(1, "throttle"), api_versions(2, "echo")].concat());
    assert_eq!(client.receive_id(), 1);
    assert_eq!(client.receive_id(), 2);
    assert!(began.elapsed() >= Duration::from_millis(55), "muted for {:?} only", began.elapsed());
}

#[test]
fn a_client_that_wants_no_answer_is_muted_all_the_same() {
    let server = Server::start();
    let mut client = server.connect();
    let began = Instant::now();
    client.send(&[api_versions(1, "nothing-throttle"), api_versions(2, "echo")].concat());
    assert_eq!(client.receive_id(), 2);
    assert!(began.elapsed() >= Duration::from_millis(55), "muted for {:?} only", began.elapsed());
}

fn file_server(has_fd: bool, content: &[u8]) -> Server {
    let server = Server::start();
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(content).expect("written");
    *server.echo.file.lock().unwrap() = Some(Arc::new(TestFile { file, has_fd }));
    server
}

#[test]
fn file_ranges_arrive_between_bytes_as_promised() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    for has_fd in [true, false] {
        let server = file_server(has_fd, &content);
        let mut client = server.connect();
        client.send(&[api_versions(1, "file"), api_versions(2, "file")].concat());
        for id in 1..=2_i32 {
            let expected = [&id.to_be_bytes()[..], &content, b"between", &content[1..]].concat();
            assert!(client.receive() == expected, "answer {id}, descriptor {has_fd}");
        }
    }
}

#[test]
fn the_end_of_a_small_answer_is_not_held_back() {
    let server = file_server(true, &[9; 100]);
    let mut client = server.connect();
    let began = Instant::now();
    for id in 0..20 {
        client.send(&api_versions(id, "file"));
        assert_eq!(client.receive_id(), id);
    }
    // The kernel lets go of a corked segment by itself only after 200 ms.
    assert!(began.elapsed() < Duration::from_secs(2), "20 answers took {:?}", began.elapsed());
}

#[test]
fn a_file_shorter_than_promised_closes_the_connection_and_pads_nothing() {
    for has_fd in [true, false] {
        let server = file_server(has_fd, &[9; 1000]);
        let mut client = server.connect();
        client.send(&api_versions(1, "short-file"));
        let mut all = Vec::new();
        client.0.read_to_end(&mut all).expect("closed in order");
        assert_eq!(all.len(), 4 + 4 + 1000, "descriptor {has_fd}");
        server.connect().ping();
    }
}

#[test]
fn stopping_lets_requests_in_flight_finish_and_takes_no_new_ones() {
    let mut server = Server::start();
    let mut idle = server.connect();
    idle.ping();
    let mut busy = server.connect();
    busy.send(&produce(1, "park"));
    wait_until("the request parked", || server.echo.dispatched.lock().unwrap().len() == 2);
    let echo = Arc::clone(&server.echo);
    let releasing = std::thread::spawn(move || {
        assert!(idle.is_closed());
        echo.release();
        assert_eq!(busy.receive_id(), 1);
        assert!(busy.is_closed());
    });
    assert!(server.stop(PATIENCE));
    releasing.join().expect("the clients saw what they should");
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn stopping_gives_up_on_requests_that_do_not_finish() {
    let mut server = Server::start();
    let mut busy = server.connect();
    busy.send(&produce(1, "park"));
    wait_until("the request parked", || server.echo.dispatched.lock().unwrap().len() == 1);
    assert!(!server.stop(Duration::from_millis(20)));
    assert!(busy.is_closed());
}
