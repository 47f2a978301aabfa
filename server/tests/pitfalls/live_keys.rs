//! Keys of a topic that are obeyed the moment they are changed, seen over the wire; and those of the broker that topics inherit.

use crate::kit::{BASE_MS, Batch, Client, Kit};
use kafka_protocol::ResponseError;

const BY_HAND: &str = "log.cleaner.enable=false";

fn error(client: &mut Client, batch: &Batch) -> Option<ResponseError> {
    ResponseError::try_from_code(client.try_produce("t", 0, batch).error_code)
}

fn started(configs: &[(&str, &str)]) -> (Kit, Client) {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, configs);
    (kit, client)
}

/// The timestamp of the newest record.
fn newest(client: &mut Client) -> i64 {
    client.left("t", 0).last().expect("a record").timestamp
}

#[test]
fn row_92_log_append_time_is_the_brokers_from_the_change_on_and_back() {
    let (kit, mut client) = started(&[]);
    kit.clock.advance(5_000);
    let old = Batch::of(&["a"]).at(&[-77]);
    assert_eq!((client.try_produce("t", 0, &old).log_append_time_ms, newest(&mut client)), (-1, BASE_MS - 77));
    client.alter("t", &[("message.timestamp.type", Some("LogAppendTime"))]);
    let stamped = BASE_MS + 5_000;
    assert_eq!((client.try_produce("t", 0, &old).log_append_time_ms, newest(&mut client)), (stamped, stamped));
    assert_eq!((client.list(8, "t", 0, stamped).offset, client.list(8, "t", 0, stamped).timestamp), (1, stamped));
    let far = Batch::of(&["from far ahead"]).at(&[i64::from(u32::MAX)]);
    assert_eq!(client.try_produce("t", 0, &far).error_code, 0, "the producer's time counts for nothing");
    client.alter("t", &[("message.timestamp.type", None)]);
    assert_eq!((client.try_produce("t", 0, &old).log_append_time_ms, newest(&mut client)), (-1, BASE_MS - 77));
    client.alter_brokers(&[("log.message.timestamp.type", Some("LogAppendTime"))]);
    assert_eq!((client.try_produce("t", 0, &old).log_append_time_ms, newest(&mut client)), (stamped, stamped), "all topics");
}

#[test]
fn timestamps_that_are_too_early_or_too_late_are_refused_with_the_record_to_blame() {
    let (kit, mut client) = started(&[]);
    let hour = 3_600_000;
    let refused = Some(ResponseError::InvalidTimestamp);
    let two = |late: i64| Batch::of(&["a", "b"]).at(&[0, late]);
    assert_eq!((error(&mut client, &two(hour)), error(&mut client, &two(hour + 1))), (None, refused), "an hour ahead by default");
    let answer = client.try_produce("t", 0, &two(hour + 1));
    assert_eq!(answer.record_errors.iter().map(|row| row.batch_index).collect::<Vec<_>>(), [1]);
    client.alter("t", &[("message.timestamp.after.max.ms", Some("10")), ("message.timestamp.before.max.ms", Some("20"))]);
    for (ms, expected) in [(10, None), (11, refused), (-20, None), (-21, refused)] {
        assert_eq!(error(&mut client, &two(ms)), expected, "{ms}");
    }
    kit.clock.advance(1);
    assert_eq!((error(&mut client, &two(11)), error(&mut client, &two(-20))), (None, refused), "counted from the broker's clock");
    client.alter("t", &[("message.timestamp.after.max.ms", None), ("message.timestamp.before.max.ms", None)]);
    assert_eq!(error(&mut client, &two(-1_000_000_000)), None);
}

#[test]
fn compression_is_what_the_topic_says_now() {
    use ottla_storage::batch::compression::Compression;
    let (_kit, mut client) = started(&[]);
    let batch = Batch::of(&["many", "many", "many", "many"]);
    let codes: [(Option<&str>, u8); 7] = [
        (Some("gzip"), 1),
        (Some("snappy"), 2),
        (Some("lz4"), 3),
        (Some("zstd"), 4),
        (Some("uncompressed"), 0),
        (Some("producer"), 2),
        (None, 2),
    ];
    for (codec, code) in codes {
        client.alter("t", &[("compression.type", codec)]);
        let base = client.produce("t", 0, &batch.clone().compressed(Compression::Snappy));
        let stored: Vec<_> = client.left("t", 0).into_iter().filter(|record| record.offset >= base).collect();
        assert_eq!((stored.len(), stored[0].batch.compression_code()), (4, code), "{codec:?}");
        assert!(stored.iter().all(|record| record.value == b"many" && record.timestamp == BASE_MS), "{codec:?}");
    }
    client.alter_brokers(&[("compression.type", Some("zstd"))]);
    client.produce("t", 0, &batch);
    assert_eq!(client.left("t", 0).last().expect("a record").batch.compression_code(), 4, "all topics that say nothing");
}

#[test]
fn the_largest_batch_is_what_the_topic_says_now() {
    let (_kit, mut client) = started(&[]);
    let too_large = Some(ResponseError::MessageTooLarge);
    assert_eq!(error(&mut client, &Batch::sized(5_000)), None);
    client.alter("t", &[("max.message.bytes", Some("1000"))]);
    assert_eq!((error(&mut client, &Batch::sized(5_000)), error(&mut client, &Batch::sized(900))), (too_large, None));
    client.alter("t", &[("max.message.bytes", Some("2000000"))]);
    assert_eq!(error(&mut client, &Batch::sized(1_500_000)), None);
    client.alter("t", &[("max.message.bytes", None)]);
    client.alter_brokers(&[("message.max.bytes", Some("3000"))]);
    assert_eq!((error(&mut client, &Batch::sized(5_000)), error(&mut client, &Batch::sized(2_900))), (too_large, None));
    assert_eq!(client.left("t", 0).len(), 4, "what is there stays readable");
}

#[test]
fn min_insync_replicas_never_asks_for_more_than_there_are_replicas() {
    let (_kit, mut client) = started(&[]);
    for value in ["2", "1000"] {
        client.alter("t", &[("min.insync.replicas", Some(value))]);
        assert_eq!(error(&mut client, &Batch::of(&["v"])), None, "{value}");
    }
}

#[test]
fn segments_are_as_large_and_as_old_as_the_topic_says_now() {
    let (kit, mut client) = started(&[("segment.bytes", "1048576")]);
    let segments = |kit: &Kit| kit.files("t-0", ".log").len();
    client.produce("t", 0, &Batch::sized(700_000));
    client.produce("t", 0, &Batch::sized(700_000));
    assert_eq!(segments(&kit), 2);
    client.alter("t", &[("segment.bytes", Some("2097152"))]);
    client.produce("t", 0, &Batch::sized(700_000));
    assert_eq!(segments(&kit), 2);
    client.alter("t", &[("segment.ms", Some("1000"))]);
    client.produce("t", 0, &Batch::sized(10).at(&[1_001]));
    assert_eq!(segments(&kit), 3);
    assert_eq!(client.try_alter("t", &[("segment.bytes", Some("1"))]), ResponseError::InvalidConfig.code());
    assert_eq!(client.left("t", 0).len(), 4);
}

#[test]
fn a_flush_before_each_answer_is_the_topics_choice_and_changes_at_once() {
    let disk = crate::kit::GatedDisk::before("t-0");
    let kit = Kit::gated(BY_HAND, &disk);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let syncs = disk.syncs();
    client.produce("t", 0, &Batch::of(&["v"]));
    assert_eq!(disk.syncs(), syncs);
    client.alter("t", &[("flush.messages", Some("1"))]);
    client.produce("t", 0, &Batch::of(&["v"]));
    assert!(disk.syncs() > syncs);
}
