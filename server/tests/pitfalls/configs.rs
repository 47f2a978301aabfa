//! Rows 72 to 74, 79 and 91: configs that are set, shown, changed while the broker runs, and kept.

use crate::kit::configs::{APPEND, BROKER, CLIENT_METRICS, DELETE, GROUP, LOGGER, SET, SUBTRACT, TOPIC, change};
use crate::kit::groups::{group_id, text, until};
use crate::kit::{Batch, Client, Kit, PATIENCE};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ListConfigResourcesRequest};
use std::io::{Read, Write};
use std::net::TcpStream;

const TOO_LARGE: i16 = 10;
const POLICY_VIOLATION: i16 = 44;

/// What Terraform providers, Kafka Streams and Connect set when they create topics, whether it has an effect here or not.
const SET_AT_CREATE: &[(&str, &str)] = &[
    ("cleanup.policy", "compact,delete"),
    ("compression.type", "producer"),
    ("delete.retention.ms", "86400000"),
    ("file.delete.delay.ms", "60000"),
    ("flush.messages", "9223372036854775807"),
    ("flush.ms", "9223372036854775807"),
    ("follower.replication.throttled.replicas", "0:1"),
    ("index.interval.bytes", "4096"),
    ("leader.replication.throttled.replicas", "*"),
    ("local.retention.bytes", "-2"),
    ("local.retention.ms", "-2"),
    ("max.compaction.lag.ms", "9223372036854775807"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"),
    ("min.cleanable.dirty.ratio", "0.5"),
    ("min.compaction.lag.ms", "0"),
    ("min.insync.replicas", "1"),
    ("preallocate", "false"),
    ("remote.log.copy.disable", "false"),
    ("remote.log.delete.on.disable", "false"),
    ("remote.storage.enable", "false"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.bytes", "1073741824"),
    ("segment.index.bytes", "10485760"),
    ("segment.jitter.ms", "0"),
    ("segment.ms", "604800000"),
    ("unclean.leader.election.enable", "false"),
];

#[test]
fn row_72_and_79_every_key_that_tools_set_is_taken_and_shown_again() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let created = client.try_create("t", 1, SET_AT_CREATE);
    assert_eq!(created.error_code, 0, "{:?}", created.error_message);
    for (key, value) in SET_AT_CREATE {
        let echoed = created.configs.iter().flatten().find(|row| &*row.name == *key).expect("echoed");
        assert_eq!((echoed.value.as_deref(), echoed.config_source), (Some(*value), 1), "{key}");
        assert_eq!(client.config(TOPIC, "t", key), (Some((*value).to_owned()), 1), "{key}");
        // And one after the other, as `kafka-configs --alter` does.
        client.set(TOPIC, "t", key, value);
    }
    let unknown = client.try_create("u", 1, &[("no.such.key", "1")]);
    assert_eq!(unknown.error_code, 40, "INVALID_CONFIG");
}

#[test]
fn row_73_what_was_described_can_be_written_back() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("retention.ms", "60000"), ("cleanup.policy", "compact"), ("segment.bytes", "2000000")]);
    client.set(BROKER, "", "message.max.bytes", "2000000");
    client.set(BROKER, "1", "log.segment.bytes", "3000000");
    for (kind, name, own) in [(TOPIC, "t", 1), (BROKER, "1", 2)] {
        let before = client.configs(kind, name);
        let rows = before.iter().filter(|row| row.config_source == own);
        let own: Vec<(String, String)> =
            rows.map(|row| (row.name.to_string(), row.value.as_ref().expect("no secret").to_string())).collect();
        assert!(!own.is_empty());
        assert_eq!(client.replace(kind, name, &own), 0);
        assert_eq!(client.configs(kind, name), before);
    }
    assert_eq!(client.config(TOPIC, "t", "max.message.bytes"), (Some("2000000".to_owned()), 3));
}

#[test]
fn row_73_a_topic_beats_its_broker_which_beats_all_brokers_which_beat_the_file() {
    let kit = Kit::with("message.max.bytes=5000");
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let large = Batch::of(&["x".repeat(800).as_str()]);
    let key = "message.max.bytes";
    let takes = |client: &mut Client| client.try_produce("t", 0, &large).error_code == 0;
    let of = |client: &mut Client| client.config(TOPIC, "t", "max.message.bytes");
    let some = |value: &str, source: i8| (Some(value.to_owned()), source);
    assert_eq!((of(&mut client), takes(&mut client)), (some("5000", 4), true));
    client.set(BROKER, "", key, "100");
    assert_eq!((of(&mut client), client.try_produce("t", 0, &large).error_code), (some("100", 3), TOO_LARGE));
    client.set(BROKER, "1", key, "6000");
    assert_eq!((of(&mut client), takes(&mut client)), (some("6000", 2), true));
    client.set(TOPIC, "t", "max.message.bytes", "200");
    assert_eq!((of(&mut client), takes(&mut client)), (some("200", 1), false));
    for (kind, name, value, source, taken) in [(TOPIC, "t", "6000", 2, true), (BROKER, "1", "100", 3, false), (BROKER, "", "5000", 4, true)]
    {
        let key = if kind == TOPIC { "max.message.bytes" } else { key };
        assert_eq!(client.change(kind, name, &[(DELETE, key, None)]), 0);
        assert_eq!((of(&mut client), takes(&mut client)), (some(value, source), taken), "without that of {name:?}");
    }
}

#[test]
fn row_74_and_91_no_change_of_configs_harms_anybody() {
    let kit = Kit::start();
    let (mut client, mut bystander) = (kit.connect(), kit.connect());
    client.create("t", 1, &[]);
    let keys: Vec<String> = client.configs(TOPIC, "t").iter().map(|row| row.name.to_string()).collect();
    let broker_keys: Vec<String> = client.configs(BROKER, "1").iter().map(|row| row.name.to_string()).collect();
    let huge = "x,".repeat(16_000);
    for value in ["", ",", ",,,", "x", "\0", "-1", "9223372036854775808", "delete", huge.as_str(), "\u{1f980},\u{e9}"] {
        for operation in [APPEND, SUBTRACT, SET, 4, -1, 127] {
            for (kind, name, keys) in [(TOPIC, "t", &keys), (BROKER, "1", &broker_keys), (BROKER, "", &broker_keys)] {
                let only = |key: &String| change(kind, name, &[(operation, key.as_str(), Some(value))]);
                let resources: Vec<_> = keys.iter().map(only).collect();
                // Each for itself, only looked at: none may end the broker, some are in order.
                let first = resources.into_iter().step_by(if value.len() > 100 { 90 } else { 19 });
                for resource in first {
                    let request = kafka_protocol::messages::IncrementalAlterConfigsRequest::default();
                    client.ask(1, &request.with_resources(vec![resource]).with_validate_only(true));
                }
            }
        }
        assert!(bystander.produce("t", 0, &Batch::of(&["a"])) >= 0);
    }
    for kind in [0, 1, 3, 7, LOGGER, 64, -1, 127] {
        for name in ["", "t", "1", "\0", huge.as_str()] {
            assert_ne!(client.change(kind, name, &[(SET, "a", Some("b")), (APPEND, "c", Some("d"))]), 0, "{kind} {name:?}");
        }
    }
    assert!(bystander.produce("t", 0, &Batch::of(&["a"])) >= 0);
    assert_eq!(client.config(TOPIC, "t", "cleanup.policy"), (Some("delete".to_owned()), 5));
}

#[test]
fn row_91_thousands_of_resources_are_one_change_and_too_many_are_none() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let interval = [(SET, "interval.ms", Some("1000"))];
    let all = [(SET, "interval.ms", Some("1000")), (SET, "metrics", Some("*"))];
    let many = |count: usize, operations: &[(i8, &str, Option<&str>)]| {
        (0..count).map(|n| change(CLIENT_METRICS, &format!("s{n}"), operations)).collect::<Vec<_>>()
    };
    assert!(client.change_all(many(9_000, &interval)).iter().all(|code| *code == 0));
    // More records than Kafka's controller writes at once: nothing is changed.
    assert!(client.change_all(many(9_000, &all)).iter().all(|code| *code == 0), "half of it stands already");
    assert_eq!(client.change(CLIENT_METRICS, "s8999", &[(DELETE, "metrics", None)]), 0);
    let fresh: Vec<_> = (0..6_000).map(|n| change(CLIENT_METRICS, &format!("t{n}"), &all)).collect();
    assert!(client.change_all(fresh).iter().all(|code| *code == POLICY_VIOLATION));
    let listed = client.ask(1, &ListConfigResourcesRequest::default().with_resource_types(vec![CLIENT_METRICS]));
    assert_eq!(listed.config_resources.len(), 9_000);
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let settings = [
        (TOPIC, "t", "retention.ms", "60000"),
        (BROKER, "", "log.retention.bytes", "700"),
        (BROKER, "1", "message.max.bytes", "7000"),
        (GROUP, "g", "consumer.session.timeout.ms", "50000"),
        (CLIENT_METRICS, "s", "interval.ms", "1000"),
    ];
    for (kind, name, key, value) in settings {
        client.set(kind, name, key, value);
    }
    client.set(TOPIC, "t", "segment.ms", "1");
    assert_eq!(client.change(TOPIC, "t", &[(DELETE, "segment.ms", None)]), 0);
    kit.kill_and_restart();
    let mut client = kit.connect();
    for (kind, name, key, value) in settings {
        assert_eq!(client.config(kind, name, key).0.as_deref(), Some(value), "{name} {key}");
    }
    assert_eq!(client.config(TOPIC, "t", "segment.ms").1, 5);
    assert_eq!(client.config(TOPIC, "t", "max.message.bytes"), (Some("7000".to_owned()), 2), "counts from the first moment on");
    let large = Batch::of(&["x".repeat(8_000).as_str()]);
    assert_eq!(client.try_produce("t", 0, &large).error_code, TOO_LARGE);
}

#[test]
fn the_bound_on_connections_counts_for_the_next_one() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let is_let_in = || {
        let mut stream = TcpStream::connect(kit.address(0)).expect("the kernel takes it");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        // ApiVersions v0. Whoever is turned away finds the connection closed.
        let _ = stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);
        matches!(stream.read(&mut [0; 4]), Ok(count) if count > 0)
    };
    assert!(is_let_in());
    client.set(BROKER, "", "max.connections", "1");
    assert!(!is_let_in());
    client.set(BROKER, "1", "max.connections", "100");
    assert!(is_let_in());
}

#[test]
fn clients_are_told_the_new_address_at_once() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    let told = |client: &mut Client| {
        let brokers = client.metadata(&[], false).brokers;
        (brokers[0].host.to_string(), brokers[0].port)
    };
    let before = told(&mut client);
    client.set(BROKER, "1", "advertised.listeners", "PLAINTEXT://broker.example:19092");
    assert_eq!(told(&mut client), ("broker.example".to_owned(), 19_092));
    assert_ne!(client.change(BROKER, "1", &[(SET, "advertised.listeners", Some("NOBODY://x:1"))]), 0);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(told(&mut client), ("broker.example".to_owned(), 19_092));
    assert_eq!(client.change(BROKER, "1", &[(DELETE, "advertised.listeners", None)]), 0);
    assert_eq!(told(&mut client).0, before.0);
}

#[test]
fn a_groups_own_interval_is_told_with_the_next_heartbeat() {
    let kit = Kit::with("offsets.topic.num.partitions=1");
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.find_coordinator("g");
    let join = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id("g"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(5_000)
        .with_subscribed_topic_names(Some(vec![crate::kit::name("t")]))
        .with_topic_partitions(Some(Vec::new()));
    let joined = client.ask(1, &join);
    assert_eq!((joined.error_code, joined.heartbeat_interval_ms), (0, 5_000));
    client.set(GROUP, "g", "consumer.heartbeat.interval.ms", "7000");
    let beat = ConsumerGroupHeartbeatRequest::default().with_group_id(group_id("g")).with_member_id(text("m"));
    // Shards see a new image a moment after it was answered.
    until(
        || client.ask(1, &beat.clone().with_member_epoch(joined.member_epoch).with_rebalance_timeout_ms(-1)).heartbeat_interval_ms,
        |interval| *interval == 7_000,
    );
}
