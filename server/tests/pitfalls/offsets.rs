//! Rows 42, 43, 91, 92: ListOffsets, and that one bad request harms nobody.

use crate::kit::{BASE_MS, Batch, Client, FetchOne, Kit, seen};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use ottla_storage::batch::compression::Compression;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const CODECS: [Compression; 5] = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn offset_and_time(client: &mut Client, topic: &str, at: i64) -> (i64, i64) {
    let found = client.list(8, topic, 0, at);
    assert_eq!(found.error_code, 0);
    (found.offset, found.timestamp)
}

#[test]
fn row_42_a_timestamp_finds_its_record_inside_compressed_batches_over_restarts() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for (round, codec) in CODECS.into_iter().enumerate() {
        let at = round as i64 * 100;
        client.produce("t", 0, &Batch::count(3).at(&[at, at + 10, at + 20]).compressed(codec));
    }
    for how in ["running", "restart", "kill"] {
        match how {
            "restart" => kit.restart(),
            "kill" => kit.kill_and_restart(),
            _ => {}
        }
        let mut client = kit.connect();
        for round in 0..5 {
            let (at, first) = (BASE_MS + round * 100, round * 3);
            for (wanted, found) in [(at - 1, 0), (at, 0), (at + 1, 1), (at + 10, 1), (at + 11, 2), (at + 20, 2)] {
                let time = at + found * 10;
                assert_eq!(offset_and_time(&mut client, "t", wanted), (first + found, time), "{how}, {}", wanted - BASE_MS);
            }
        }
        let none = client.list(8, "t", 0, BASE_MS + 421);
        assert_eq!((none.error_code, none.offset, none.timestamp, none.leader_epoch), (0, -1, -1, -1), "{how}");
        assert_eq!(offset_and_time(&mut client, "t", 0), (0, BASE_MS), "{how}");
        assert_eq!(offset_and_time(&mut client, "t", MAX_TIMESTAMP), (14, BASE_MS + 420), "{how}");
    }
}

#[test]
fn row_42_the_largest_timestamp_need_not_be_the_last_record() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let empty = client.list(8, "t", 0, MAX_TIMESTAMP);
    assert_eq!((empty.error_code, empty.offset, empty.timestamp), (0, -1, -1));
    for (round, codec) in CODECS.into_iter().enumerate() {
        let largest = 1000 + round as i64;
        client.produce("t", 0, &Batch::count(4).at(&[0, largest, 5, largest]).compressed(codec));
        assert_eq!(offset_and_time(&mut client, "t", MAX_TIMESTAMP), (round as i64 * 4 + 1, BASE_MS + largest), "the first of them");
    }
}

#[test]
fn row_42_timestamps_out_of_order_find_the_first_record_that_is_late_enough() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("segment.bytes", "1048576")]);
    client.produce("t", 0, &Batch::count(2).at(&[500, 100]));
    client.produce("t", 0, &Batch::count(2).at(&[50, 700]));
    client.produce("t", 0, &Batch::count(1).at(&[600]));
    for (wanted, offset) in [(0, 0), (500, 0), (501, 3), (700, 3)] {
        assert_eq!(client.list(8, "t", 0, BASE_MS + wanted).offset, offset, "{wanted}");
    }
    assert_eq!(client.list(8, "t", 0, BASE_MS + 701).offset, -1);
}

#[test]
fn row_42_specials_below_their_version_are_unsupported_and_duplicates_invalid() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for (special, since) in [(MAX_TIMESTAMP, 7), (-4, 8), (-5, 9), (-6, 11)] {
        for version in 1..=10 {
            let error = if version < since { 35 } else { 0 };
            assert_eq!(client.list(version, "t", 0, special).error_code, error, "{special} in v{version}");
        }
    }
    let row = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(LATEST).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(crate::kit::name("t")).with_partitions(vec![row.clone(), row]);
    let answer = client.ask(8, &ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]));
    assert!(answer.topics.iter().flat_map(|topic| &topic.partitions).all(|partition| partition.error_code == 42));
}

#[test]
fn row_43_ends_are_next_offsets_and_an_empty_partition_is_from_0_to_0() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for end in [0, 1, 2] {
        for version in 1..=10 {
            let (first, last) = (client.list(version, "t", 0, EARLIEST), client.list(version, "t", 0, LATEST));
            assert_eq!((first.error_code, first.offset, first.timestamp), (0, 0, -1), "v{version}");
            assert_eq!((last.error_code, last.offset, last.timestamp), (0, end, -1), "v{version}");
        }
        client.produce("t", 0, &Batch::of(&["a"]));
    }
}

#[test]
fn row_92_offsets_count_records_and_not_batches() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    assert_eq!(client.produce("t", 0, &Batch::count(100)), 0);
    assert_eq!(client.produce("t", 0, &Batch::count(50).compressed(Compression::Snappy)), 100);
    let answer = client.fetch("t", 0, &FetchOne::from(149));
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (150, 150));
    assert_eq!(seen(&answer.records.expect("never null")).len(), 50);
    assert_eq!(client.list(8, "t", 0, LATEST).offset, 150);
}

#[test]
fn row_92_validate_only_changes_nothing() {
    use kafka_protocol::messages::CreateTopicsRequest;
    use kafka_protocol::messages::create_topics_request::CreatableTopic;
    let kit = Kit::start();
    let mut client = kit.connect();
    let topic = CreatableTopic::default().with_name(crate::kit::name("t")).with_num_partitions(3).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000).with_validate_only(true);
    for version in 2..=7 {
        assert_eq!(client.ask(version, &request).topics[0].error_code, 0, "v{version}");
        assert_eq!(client.describe("t").error_code, 3, "v{version}");
    }
    client.create("t", 1, &[]);
    assert_eq!(client.ask(7, &request).topics[0].error_code, 36);
}

#[test]
fn row_91_no_bad_request_harms_the_next_client() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for partition in [-1, i32::MIN, i32::MAX, 1] {
        assert_ne!(kit.connect().try_produce("t", partition, &Batch::of(&["a"])).error_code, 0);
        assert_ne!(kit.connect().fetch("t", partition, &FetchOne::from(0)).error_code, 0);
        assert_ne!(kit.connect().list(8, "t", partition, 0).error_code, 0);
        assert_ne!(kit.connect().end_of_epoch("t", partition, i32::MAX, i32::MIN).error_code, 0);
    }
    for timestamp in [i64::MIN, -7, -100, i64::MAX] {
        kit.connect().list(10, "t", 0, timestamp);
    }
    for (partitions, configs) in [
        (0, vec![]),
        (-2, vec![]),
        (i32::MIN, vec![]),
        (1, vec![("no.such.key", "1")]),
        (1, vec![("retention.ms", "x")]),
        (1, vec![("", "")]),
    ] {
        assert_ne!(kit.connect().try_create("bad", partitions, &configs).error_code, 0, "{partitions} {configs:?}");
    }
    assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 0);
    assert_eq!(client.values("t", 0), ["a"]);
    client.create("bad", 1, &[]);
}
