//! Requests that are well formed and mean harm.

use crate::kit::{BASE_MS, Batch, Client, FetchOne, Kit, name, seen};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, FetchRequest, MetadataRequest};
use ottla_storage::batch::compression::Compression;
use std::collections::BTreeSet;
use std::path::Path;

fn tree(dir: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("listed") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                dirs.push(entry.path());
            }
            out.insert(entry.path().display().to_string());
        }
    }
    out
}

#[test]
fn names_that_look_like_paths_touch_no_file() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let root = kit.data().parent().expect("a parent").to_path_buf();
    let before = tree(&root);
    let long = "n".repeat(30_000);
    for bad in ["../evil", "/tmp/evil", "..", ".", "a/../../b", "a\\b", "a\0b", "\u{202e}evil", "-\n", "__cluster_metadata/../x", &long] {
        assert_ne!(client.try_create(bad, 1, &[]).error_code, 0, "{bad:?}");
        assert_ne!(client.metadata(&[bad], true).topics[0].error_code, 0, "{bad:?}");
        assert_ne!(client.try_produce(bad, 0, &Batch::of(&["a"])).error_code, 0, "{bad:?}");
        assert_ne!(client.fetch(bad, 0, &FetchOne::from(0)).error_code, 0, "{bad:?}");
        assert_ne!(client.list(8, bad, 0, -1).error_code, 0, "{bad:?}");
    }
    assert_eq!(tree(&root), before);
    // The metadata log is no topic.
    assert_ne!(client.try_create("__cluster_metadata", 1, &[]).error_code, 0);
    assert_ne!(client.metadata(&["__cluster_metadata"], true).topics[0].error_code, 0);
    assert_ne!(client.try_produce("__cluster_metadata", 0, &Batch::of(&["a"])).error_code, 0);
    client.create("well", 1, &[]);
}

#[test]
fn ten_thousand_topics_in_one_request_are_answered_and_more_are_not_read() {
    let kit = Kit::with("auto.create.topics.enable=false");
    let mut client = kit.connect();
    let request = |count: usize| {
        let topics = (0..count).map(|at| MetadataRequestTopic::default().with_name(Some(name(&format!("t{at}"))))).collect();
        MetadataRequest::default().with_topics(Some(topics))
    };
    assert_eq!(client.ask(12, &request(10_000)).topics.len(), 10_000);
    client.send(12, &request(10_001));
    assert!(client.is_closed());
    kit.connect().create("well", 1, &[]);
}

#[test]
fn a_request_for_too_many_partitions_makes_none() {
    let kit = Kit::start();
    let mut client = kit.connect();
    for partitions in [20_000, 1_000_000, i32::MAX] {
        assert_ne!(client.try_create("wide", partitions, &[]).error_code, 0, "{partitions}");
    }
    let topic = |at: usize| CreatableTopic::default().with_name(name(&format!("t{at}"))).with_num_partitions(30).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics((0..5000).map(topic).collect()).with_timeout_ms(10_000);
    let answer = client.ask(7, &request);
    assert_eq!(answer.topics.len(), 5000);
    assert!(answer.topics.iter().all(|topic| topic.error_code != 0), "all or none: one request is one change");
    let everything = client.ask(12, &MetadataRequest::default().with_topics(None));
    assert_eq!(everything.topics.len(), 0);
    client.create("well", 1, &[]);
}

/// 100 MiB of zeros in a few KiB.
fn bomb(codec: Compression) -> Batch {
    Batch::sized(100 << 20).keyed("k").compressed(codec)
}

#[test]
fn decompression_bombs_hurt_their_own_topic_only() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("compacted", 1, &[("cleanup.policy", "compact")]);
    client.create("recompressed", 1, &[("compression.type", "gzip")]);
    client.create("plain", 1, &[]);
    client.create("well", 1, &[]);
    client.produce("plain", 0, &Batch::of(&["a"]));
    let bomb = bomb(Compression::Zstd);
    for topic in ["compacted", "recompressed"] {
        assert_ne!(client.try_produce(topic, 0, &bomb).error_code, 0, "{topic}");
        assert_eq!(client.list(8, topic, 0, -1).offset, 0, "{topic}");
        assert_eq!(client.produce(topic, 0, &Batch::of(&["a"]).keyed("k")), 0, "{topic}");
    }
    // Nothing has to be opened here: it is stored as it came, and whoever reads it has the bomb.
    assert_eq!(client.produce("plain", 0, &bomb), 1);
    assert_eq!(client.produce("plain", 0, &Batch::of(&["b"]).at(&[10])), 2);
    assert_eq!(client.list(8, "plain", 0, BASE_MS).offset, 0, "before the bomb");
    let by_time = client.list(8, "plain", 0, BASE_MS + 5);
    assert!(by_time.error_code != 0 || by_time.offset == 2);
    client.list(8, "plain", 0, -3);
    let stored = client.fetch("plain", 0, &FetchOne::from(2));
    assert_eq!(seen(&stored.records.expect("never null")).len(), 1);
    assert_eq!(client.produce("well", 0, &Batch::of(&["a"])), 0);
}

fn ask(client: &mut Client, fetch: &FetchOne) -> (i16, usize) {
    let answer = client.fetch("t", 0, fetch);
    (answer.error_code, answer.records.expect("never null").len())
}

#[test]
fn giant_and_negative_sizes_and_waits_are_taken_for_what_they_can_mean() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::sized(5000));
    client.produce("t", 0, &Batch::sized(5000));
    let from = FetchOne::from(0);
    let (_, whole) = ask(&mut client, &from);
    let most = i32::MAX;
    assert_eq!(ask(&mut client, &FetchOne { max_bytes: most, request_max_bytes: most, max_wait_ms: most, ..from.clone() }), (0, whole));
    assert_eq!(ask(&mut client, &FetchOne { min_bytes: most, ..from.clone() }), (0, whole), "no wait");
    assert_eq!(ask(&mut client, &FetchOne { min_bytes: most, max_wait_ms: 1, ..from.clone() }), (0, whole), "a short wait");
    // More than max_bytes there will never be.
    let full = FetchOne { min_bytes: most, max_wait_ms: most, request_max_bytes: 5000, ..from.clone() };
    assert_eq!(ask(&mut client, &full).0, 0);
    for negative in [-1, i32::MIN] {
        let fetch = FetchOne { min_bytes: negative, max_wait_ms: negative, ..from.clone() };
        assert_eq!(ask(&mut client, &fetch), (0, whole));
        let fetch = FetchOne { max_bytes: negative, request_max_bytes: negative, ..from.clone() };
        assert_eq!(ask(&mut client, &fetch).0, 0);
        let fetch = FetchOne { min_bytes: negative, max_wait_ms: most, ..FetchOne::from(2) };
        assert_eq!(ask(&mut client, &fetch), (0, 0), "nothing to wait for");
    }
}

#[test]
fn who_waits_for_ever_and_leaves_holds_nothing_back() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    for _ in 0..50 {
        let mut client = kit.connect();
        let wait = FetchOne { max_wait_ms: i32::MAX, ..FetchOne::from(0) };
        let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![wait.partition(0)]);
        client.send::<FetchRequest>(12, &wait.request(topic));
    }
    assert_eq!(kit.connect().produce("t", 0, &Batch::of(&["a"])), 0);
    kit.restart();
    assert_eq!(kit.connect().values("t", 0), ["a"]);
}

#[test]
fn the_same_partition_many_times_in_one_request_is_no_trouble() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::sized(100_000));
    let fetch = FetchOne { request_max_bytes: 300_000, ..FetchOne::from(0) };
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![fetch.partition(0); 5000]);
    let answer = client.ask(12, &fetch.request(topic));
    let total: usize = answer.responses.iter().flat_map(|t| &t.partitions).map(|p| p.records.as_ref().map_or(0, bytes::Bytes::len)).sum();
    assert!(total <= 400_000, "{total}");
    assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 1);
}
