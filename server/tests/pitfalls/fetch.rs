//! Rows 35 to 37, 39 to 41: what a Fetch gives and when it answers.

use crate::kit::{Batch, Client, FetchOne, Kit, name, seen};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchTopic;
use ottla_storage::batch::compression::Compression;

const LONG: FetchOne = FetchOne {
    from: 0,
    max_bytes: 10 << 20,
    request_max_bytes: 10 << 20,
    min_bytes: 1,
    max_wait_ms: 600_000,
    leader_epoch: -1,
    last_fetched_epoch: -1,
};

fn send(client: &mut Client, topic: &str, partitions: i32, fetch: &FetchOne) -> i32 {
    let partitions = (0..partitions).map(|partition| fetch.partition(partition)).collect();
    client.send(12, &fetch.request(FetchTopic::default().with_topic(name(topic)).with_partitions(partitions)))
}

fn offsets(records: Option<bytes::Bytes>) -> Vec<i64> {
    seen(&records.expect("never null")).iter().map(|seen| seen.offset).collect()
}

#[test]
fn row_35_a_fetch_into_a_batch_gets_the_whole_batch() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for codec in [Compression::None, Compression::Zstd] {
        let first = client.produce("t", 0, &Batch::count(10).compressed(codec));
        client.produce("t", 0, &Batch::count(10).compressed(codec));
        for from in [first, first + 1, first + 9] {
            let got = offsets(client.fetch("t", 0, &FetchOne::from(from)).records);
            assert_eq!((got[0], got[19]), (first, first + 19), "from {from}");
        }
        let got = offsets(client.fetch("t", 0, &FetchOne::from(first + 10)).records);
        assert_eq!(got[0], first + 10);
    }
}

#[test]
fn row_36_the_first_batch_comes_even_when_it_is_larger_than_asked_for() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    for partition in 0..2 {
        for _ in 0..3 {
            client.produce("t", partition, &Batch::sized(50_000));
        }
    }
    for (max_bytes, request_max_bytes) in [(1, 10 << 20), (10 << 20, 1), (1, 1), (0, 10 << 20), (49_999, 49_999)] {
        let fetch = FetchOne { max_bytes, request_max_bytes, ..FetchOne::from(1) };
        assert_eq!(offsets(client.fetch("t", 0, &fetch).records), [1], "{max_bytes} {request_max_bytes}");
    }
    // Only the first partition with data may break the limits.
    let id = send(&mut client, "t", 2, &FetchOne { max_bytes: 60_000, request_max_bytes: 1, ..FetchOne::from(0) });
    let mut partitions = client.receive::<FetchRequest>(12, id).responses.remove(0).partitions;
    assert_eq!(offsets(partitions[0].records.take()), [0]);
    assert_eq!(offsets(partitions[1].records.take()), [0; 0]);
}

#[test]
fn row_36_the_requests_limit_holds_for_all_partitions_together() {
    let kit = Kit::with("fetch.max.bytes=200000");
    let mut client = kit.connect();
    client.create("t", 4, &[]);
    for partition in 0..4 {
        for _ in 0..4 {
            client.produce("t", partition, &Batch::sized(49_000));
        }
    }
    for (request_max_bytes, limit) in [(100_000, 100_000), (i32::MAX, 200_000)] {
        let id = send(&mut client, "t", 4, &FetchOne { max_bytes: i32::MAX, request_max_bytes, ..FetchOne::from(0) });
        let answer = client.receive::<FetchRequest>(12, id);
        let sizes = answer.responses[0].partitions.iter().map(|partition| partition.records.as_ref().map_or(0, bytes::Bytes::len));
        let total: usize = sizes.sum();
        assert!(total <= limit && total > limit - 50_000, "{total} of {limit}");
    }
}

#[test]
fn row_37_a_fetch_that_waits_is_woken_by_an_append() {
    let kit = Kit::start();
    let (mut consumer, mut producer) = (kit.connect(), kit.connect());
    producer.create("t", 3, &[]);
    for round in 0..20 {
        let id = send(&mut consumer, "t", 3, &FetchOne { from: round, ..LONG });
        for partition in 0..3 {
            producer.produce("t", partition, &Batch::of(&["v"]));
        }
        let answer = consumer.receive::<FetchRequest>(12, id);
        let woken = answer.responses[0].partitions.iter().filter(|partition| !partition.records.as_ref().is_none_or(|r| r.is_empty()));
        assert!(woken.count() > 0, "round {round}");
    }
}

#[test]
fn row_37_a_fetch_waits_until_there_are_min_bytes_over_all_partitions() {
    let kit = Kit::start();
    let (mut consumer, mut producer) = (kit.connect(), kit.connect());
    producer.create("t", 2, &[]);
    let id = send(&mut consumer, "t", 2, &FetchOne { min_bytes: 5000, ..LONG });
    for round in 0..3 {
        for partition in 0..2 {
            assert_eq!(producer.produce("t", partition, &Batch::sized(1000)), round);
        }
    }
    let answer = consumer.receive::<FetchRequest>(12, id);
    let total: usize = answer.responses[0].partitions.iter().map(|partition| partition.records.as_ref().map_or(0, bytes::Bytes::len)).sum();
    assert!(total >= 5000, "{total}");
}

#[test]
fn row_37_one_partition_in_trouble_answers_for_all() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    // Partition 1 does not exist.
    let id = send(&mut client, "t", 2, &LONG);
    let answer = client.receive::<FetchRequest>(12, id);
    let errors: Vec<i16> = answer.responses[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(errors, [0, 3]);
}

#[test]
fn row_37_what_nobody_asked_for_wakes_nobody() {
    let kit = Kit::start();
    let (mut consumer, mut producer) = (kit.connect(), kit.connect());
    producer.create("t", 2, &[]);
    let id = send(&mut consumer, "t", 1, &LONG);
    producer.produce("t", 1, &Batch::of(&["other"]));
    producer.produce("t", 0, &Batch::of(&["mine"]));
    let mut answer = consumer.receive::<FetchRequest>(12, id);
    assert_eq!(offsets(answer.responses[0].partitions[0].records.take()), [0]);
}

#[test]
fn row_39_an_answer_by_id_echoes_the_id_also_of_who_is_not_there() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let here = client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["a"]));
    let gone = uuid::Uuid::from_u128(4711);
    for version in 13..=18 {
        let topics = [gone, here].map(|id| FetchTopic::default().with_topic_id(id).with_partitions(vec![LONG.partition(0)]));
        let request = LONG.request(FetchTopic::default()).with_topics(topics.to_vec());
        let answer = client.ask(version, &request);
        let told: Vec<_> = answer.responses.iter().map(|topic| (topic.topic_id, topic.partitions[0].error_code)).collect();
        assert_eq!((answer.error_code, told.len()), (0, 2), "v{version}");
        assert!(told.contains(&(gone, 100)) && told.contains(&(here, 0)), "v{version}: {told:?}");
    }
}

#[test]
fn row_40_offsets_out_of_range_are_told_at_once_and_the_end_is_in_range() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.create("empty", 1, &[]);
    client.produce("t", 0, &Batch::count(3));
    for from in [-1, -7, 4, i64::MAX, i64::MIN] {
        let answer = client.fetch("t", 0, &FetchOne { from, ..LONG });
        assert_eq!((answer.error_code, answer.high_watermark), (1, -1), "from {from}");
        assert_eq!(answer.records.as_deref(), Some(&[][..]));
    }
    for (topic, end) in [("t", 3), ("empty", 0)] {
        let answer = client.fetch(topic, 0, &FetchOne { max_wait_ms: 0, from: end, ..LONG });
        assert_eq!((answer.error_code, answer.high_watermark, answer.log_start_offset, answer.last_stable_offset), (0, end, 0, end));
    }
}

#[test]
fn row_41_zstd_batches_are_sent_to_everyone_as_they_are() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::count(3).compressed(Compression::Zstd));
    for version in 4..=12 {
        let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![FetchOne::from(0).partition(0)]);
        let mut request = FetchOne::from(0).request(topic);
        if version < 7 {
            request = request.with_session_epoch(-1);
        }
        let answer = client.ask(version, &request);
        let partition = &answer.responses[0].partitions[0];
        let records = seen(partition.records.as_ref().expect("never null"));
        assert_eq!((partition.error_code, records.len(), records[0].batch.compression_code()), (0, 3, 4), "v{version}");
    }
}
