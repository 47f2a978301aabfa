//! Scrapers that are slow, greedy or no scrapers at all.

use crate::{answer_of, ask, connect, get, watched};
use std::io::{Read, Write};

#[test]
fn what_is_no_request_for_us_is_refused() {
    let kit = watched("");
    assert_eq!(ask(&kit, "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").status, 405);
    assert_eq!(ask(&kit, "HEAD /metrics HTTP/1.0\r\n\r\n").body, "");
    assert_eq!(ask(&kit, "\u{16}\u{3}\u{1} no HTTP at all\r\n\r\n").status, 400);
    let long = format!("GET /metrics HTTP/1.0\r\nCookie: {}\r\n\r\n", "c".repeat(100_000));
    let mut stream = connect(&kit);
    let _ = stream.write_all(long.as_bytes());
    // Whether the refusal arrives before the reset is up to the network.
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = (0..100).map(|index| format!("X-{index}: y\r\n")).collect::<String>();
    assert_eq!(ask(&kit, &format!("GET /metrics HTTP/1.0\r\n{many}\r\n")).status, 431);
    assert_eq!(get(&kit, "/livez").status, 200, "and nobody else noticed");
}

#[test]
fn those_who_say_nothing_take_no_more_than_their_places() {
    let kit = watched("");
    let held: Vec<_> = (0..ottla_server::limits::HTTP_CONNECTIONS_MAX).map(|_| connect(&kit)).collect();
    // One more is closed at once.
    let mut one_more = connect(&kit);
    let _ = one_more.write_all(b"GET /livez HTTP/1.0\r\n\r\n");
    let mut answer = Vec::new();
    let _ = one_more.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    // Brokers and their clients do not notice.
    kit.connect().create("t", 1, &[]);
    // A place that is given back is another's.
    let mut first = held.into_iter().next().expect("sixteen");
    first.write_all(b"GET /livez HTTP/1.0\r\n\r\n").expect("sent");
    assert_eq!(answer_of(first).status, 200);
}

#[test]
fn several_requests_at_once_on_a_connection_get_one_answer() {
    let kit = watched("");
    let answer = ask(&kit, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\nGET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert!(answer.head.contains("connection: close"));
}
