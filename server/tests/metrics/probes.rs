//! The two probes.

use crate::kit::{Batch, GatedDisk};
use crate::{Kit, LISTENER, get, get_from, metrics_address, watched};
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

#[test]
fn a_broker_whose_groups_are_being_read_back_is_alive_and_not_ready() {
    let gate = GatedDisk::before_loads("__consumer_offsets-0");
    let mut kit = Kit::gated(&format!("{LISTENER}offsets.topic.num.partitions=1\n"), &gate);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    crate::groups::commit(&mut client, "g", "t", &[(0, 0)]);
    gate.shut();
    kit.restart();
    gate.until_waiting(1);
    let answer = get(&kit, "/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (503, "1 of 1 partitions of __consumer_offsets are being loaded\n"));
    assert_eq!(get(&kit, "/livez").status, 200);
    gate.open();
    crate::groups::commit(&mut kit.connect(), "g", "t", &[(0, 0)]);
    assert_eq!(get(&kit, "/readyz").body, "ok\n", "a commit was taken, so it is loaded");
}

#[test]
fn a_log_directory_that_is_offline_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    std::fs::write(&bad, "no directory").expect("written");
    let kit = watched(&format!("log.dirs={},{}\n", good.display(), bad.display()));
    let answer = get(&kit, "/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with(&format!("the log directory {} is offline: ", bad.display())), "{}", answer.body);
    assert_eq!(get(&kit, "/livez").status, 200, "a restart would not help");
    let offline = crate::scrape::Scrape::of(&kit).get("kafka_log_logmanager_offlinelogdirectorycount", &[]);
    assert_eq!(offline, 1.0);
}

#[test]
fn a_broker_that_stops_says_so_until_it_has() {
    let gate = GatedDisk::before("slow-0");
    let mut kit = Kit::gated(LISTENER, &gate);
    let mut client = kit.connect();
    client.create("slow", 1, &[]);
    client.produce("slow", 0, &Batch::of(&["a"]));
    let address = metrics_address(&kit);
    gate.shut();
    std::thread::scope(|scope| {
        scope.spawn(|| kit.stop());
        gate.until_waiting(1);
        let (ready, live) = (get_from(address, "/readyz"), get_from(address, "/livez"));
        gate.open();
        assert_eq!((ready.status, ready.body.as_str()), (503, "stopping\n"));
        assert_eq!(live.status, 200, "it comes to its end by itself");
    });
}
