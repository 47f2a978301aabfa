//! The two probes.

use crate::{Kit, LISTENER, get, metrics_address, watched};
use std::net::TcpStream;

#[test]
fn a_broker_that_serves_is_alive_and_ready() {
    let kit = watched("");
    for path in ["/livez", "/readyz"] {
        let answer = get(&kit, path);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{path}");
        assert!(answer.head.contains("cache-control: no-store"));
    }
    assert_eq!(get(&kit, "/").body, "/metrics\n/livez\n/readyz\n");
    assert_eq!(get(&kit, "/elsewhere").status, 404);
}

#[test]
fn without_the_key_no_port_is_opened_and_with_it_the_port_is_given_back() {
    assert!(Kit::start().broker().metrics_bound().is_none());
    let mut kit = watched("");
    let address = metrics_address(&kit);
    kit.stop();
    assert!(TcpStream::connect(address).is_err(), "the stop closed it");
}

#[test]
fn a_listener_that_makes_no_sense_is_named() {
    let config = |listener: &str| {
        let text = format!("ottla.metrics.listener={listener}");
        ottla_server::config::Config::builder().properties(&text, "f").and_then(|builder| builder.build())
    };
    for wrong in ["9404", "localhost", "localhost:http", "a b:1", "localhost:70000"] {
        let error = config(wrong).expect_err(wrong).to_string();
        assert!(error.contains("ottla.metrics.listener") && error.contains("host:port"), "{error}");
    }
    for (right, host) in [("localhost:9404", "localhost"), (":9404", ""), ("[::1]:9404", "::1"), ("0.0.0.0:9404", "0.0.0.0")] {
        assert_eq!(config(right).expect(right).metrics_listener(), Some((host, 9404)));
    }
    assert!(LISTENER.contains("ottla.metrics.listener"));
}
