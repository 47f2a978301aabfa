//! Rows 13 to 22 and 90: topics, leaders, ids, addresses.

use crate::kit::{Batch, FetchOne, Kit, name};
use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn row_13_a_topic_is_usable_the_moment_it_is_created() {
    let kit = Kit::start();
    let (mut admin, mut producer) = (kit.connect(), kit.connect());
    for round in 0..20 {
        let topic = format!("t{round}");
        admin.create(&topic, 3, &[]);
        for partition in 0..3 {
            assert_eq!(producer.produce(&topic, partition, &Batch::of(&["a"])), 0);
            assert_eq!(producer.values(&topic, partition), ["a"]);
        }
    }
}

#[test]
fn row_14_and_90_metadata_creates_a_topic_that_is_ready_at_once() {
    let kit = Kit::with("num.partitions=4");
    let mut client = kit.connect();
    let answer = client.metadata(&["fresh"], true);
    let topic = &answer.topics[0];
    assert_eq!((topic.error_code, topic.partitions.len()), (0, 4));
    assert!(topic.partitions.iter().all(|partition| partition.error_code == 0 && partition.leader_id.0 == answer.brokers[0].node_id.0));
    assert_eq!(client.produce("fresh", 3, &Batch::of(&["a"])), 0);
}

#[test]
fn row_14_metadata_creates_nothing_when_told_not_to() {
    let kit = Kit::start();
    let mut client = kit.connect();
    assert_eq!(client.metadata(&["t"], false).topics[0].error_code, 3);
    assert_eq!(client.metadata(&["t"], false).topics[0].error_code, 3);
    let kit = Kit::with("auto.create.topics.enable=false");
    let mut client = kit.connect();
    assert_eq!(client.metadata(&["t"], true).topics[0].error_code, 3);
    assert!(client.ask(12, &MetadataRequest::default().with_topics(None)).topics.is_empty());
}

#[test]
fn row_14_invalid_names_are_refused_and_not_created() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let long = "x".repeat(250);
    for bad in ["a b", "../../etc", "a/b", "", ".", "..", "\u{e9}", "a\0b", &long] {
        assert_eq!(client.metadata(&[bad], true).topics[0].error_code, 17, "{bad:?}");
        assert_eq!(client.try_create(bad, 1, &[]).error_code, 17, "{bad:?}");
    }
    assert!(client.ask(12, &MetadataRequest::default().with_topics(None)).topics.is_empty());
    let longest = "x".repeat(249);
    assert_eq!(client.metadata(&[&longest], true).topics[0].error_code, 0);
    assert_eq!(client.produce(&longest, 0, &Batch::of(&["a"])), 0);
}

#[test]
fn row_15_errors_for_missing_topics_come_at_once() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("here", 1, &[]);
    assert_eq!(client.try_produce("gone", 0, &Batch::of(&["a"])).error_code, 3);
    assert_eq!(client.try_produce("here", 7, &Batch::of(&["a"])).error_code, 3);
    // A fetch that would wait for ten minutes does not wait for what is not there.
    let patient = FetchOne { max_wait_ms: 600_000, ..FetchOne::from(0) };
    assert_eq!(client.fetch("gone", 0, &patient).error_code, 3);
    assert_eq!(client.fetch("here", 7, &patient).error_code, 3);
    assert_eq!(client.list(8, "gone", 0, -1).error_code, 3);
    assert_eq!(client.end_of_epoch("gone", 0, -1, 0).error_code, 3);
}

#[test]
fn row_18_ids_are_random_stay_over_restarts_and_change_on_recreation() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    let first = client.create("t", 1, &[]);
    let other = client.create("u", 1, &[]);
    assert!(!first.is_nil() && first != other);
    for kill in [false, true] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        assert_eq!(kit.connect().describe("t").topic_id, first);
    }
    let mut client = kit.connect();
    client.delete("t");
    let second = client.create("t", 1, &[]);
    assert_ne!(second, first);
    assert_eq!(client.describe("t").topic_id, second);
}

#[test]
fn row_18_metadata_by_id_knows_the_living_and_not_the_dead() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let id = client.create("t", 1, &[]);
    let by_id = |id| MetadataRequest::default().with_topics(Some(vec![MetadataRequestTopic::default().with_name(None).with_topic_id(id)]));
    let found = client.ask(12, &by_id(id)).topics.remove(0);
    assert_eq!((found.error_code, found.name), (0, Some(name("t"))));
    client.delete("t");
    client.create("t", 1, &[]);
    let lost = client.ask(12, &by_id(id)).topics.remove(0);
    assert_eq!((lost.error_code, lost.topic_id, lost.name), (100, id, None));
}

/// Ends the others, also when this thread fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whoever meets a topic that comes and goes is told so, and nothing else.
#[test]
fn row_19_topics_come_and_go_under_load_and_nobody_is_stuck() {
    let mut kit = Kit::start();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (kit, done) = (&kit, &done);
        for _ in 0..2 {
            scope.spawn(move || {
                let mut client = kit.connect();
                while !done.load(Ordering::Relaxed) {
                    let error = client.try_produce("t", 0, &Batch::of(&["a"])).error_code;
                    assert!([0, 3, 6].contains(&error), "produce: {error}");
                }
            });
            scope.spawn(move || {
                let mut client = kit.connect();
                while !done.load(Ordering::Relaxed) {
                    // Waits for ever while the topic lives and nothing is written beyond.
                    let answer = client.fetch("t", 0, &FetchOne { max_wait_ms: 600_000, ..FetchOne::from(0) });
                    assert!([0, 3, 6].contains(&answer.error_code), "fetch: {}", answer.error_code);
                    let error = client.list(8, "t", 0, -1).error_code;
                    assert!([0, 3, 6].contains(&error), "list: {error}");
                }
            });
        }
        let _end = SetOnDrop(done);
        let mut admin = kit.connect();
        for _ in 0..40 {
            admin.create("t", 1, &[]);
            let seen = admin.produce("t", 0, &Batch::of(&["mine"]));
            assert!(seen >= 0);
            admin.delete("t");
        }
    });
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.describe("t").error_code, 3);
    client.create("t", 1, &[]);
    assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 0);
}
