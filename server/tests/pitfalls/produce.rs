//! Rows 23 to 27, 32 to 34: what Produce takes, refuses and rewrites.

use crate::kit::{BASE_MS, Batch, Client, FetchOne, Kit, name, seen};
use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_storage::batch::compression::Compression;
use ottla_storage::batch::{BatchHeader, TimestampType};

const CODECS: [Compression; 5] = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn try_bytes(client: &mut Client, topic: &str, bytes: Bytes) -> i16 {
    client.ask(9, &Client::produce_request(topic, 0, -1, bytes)).responses[0].partition_responses[0].error_code
}

fn end(client: &mut Client, topic: &str) -> i64 {
    client.list(8, topic, 0, -1).offset
}

#[test]
fn row_23_a_batch_above_the_topics_limit_is_too_large_as_it_comes_over_the_wire() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("max.message.bytes", "1000")]);
    assert_eq!(client.try_produce("t", 0, &Batch::sized(1000)).error_code, 10);
    // 100 KiB that fit once compressed.
    assert_eq!(client.produce("t", 0, &Batch::sized(100 << 10).compressed(Compression::Zstd)), 0);
    assert_eq!(client.produce("t", 0, &Batch::sized(800)), 1);
    client.create("u", 1, &[]);
    assert_eq!(client.try_produce("u", 0, &Batch::sized(1 << 20)).error_code, 10, "Kafka's default: 1 MiB and 12 bytes, with the header");
    assert_eq!(client.produce("u", 0, &Batch::sized((1 << 20) - 100)), 0);
}

#[test]
fn row_23_a_batch_above_the_segment_size_is_a_record_list_too_large() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("max.message.bytes", "3000000"), ("segment.bytes", "1048576")]);
    assert_eq!(client.try_produce("t", 0, &Batch::sized(2_000_000)).error_code, 18);
    assert_eq!(client.produce("t", 0, &Batch::sized(1_000_000)), 0);
}

#[test]
fn row_24_damaged_batches_are_refused_and_leave_nothing_behind() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let good = Batch::of(&["a", "b"]).bytes();
    for at in 61..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        assert_eq!(try_bytes(&mut client, "t", bad.into()), 2, "byte {at} flipped");
    }
    let mut old = good.to_vec();
    old[16] = 1;
    assert_eq!(try_bytes(&mut client, "t", old.into()), 87, "magic 1");
    for cut in [0, 1, 12, 60, good.len() - 1] {
        assert_ne!(try_bytes(&mut client, "t", good.slice(..cut)), 0, "cut after {cut}");
    }
    let twice = [&good[..], &good[..]].concat();
    assert_eq!(try_bytes(&mut client, "t", twice.into()), 87, "one batch at a time");
    assert_eq!(end(&mut client, "t"), 0);
    assert_eq!(try_bytes(&mut client, "t", good), 0);
}

#[test]
fn row_25_records_without_a_key_do_not_enter_a_compacted_topic_and_others_are_not_harmed() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("compacted", 1, &[("cleanup.policy", "compact")]);
    client.create("plain", 1, &[]);
    for codec in CODECS {
        let topic = |topic: &str, batch: &Batch| {
            let data = PartitionProduceData::default().with_index(0).with_records(Some(batch.bytes()));
            TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data])
        };
        let keyless = Batch::of(&["a", "b"]).compressed(codec);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic("compacted", &keyless), topic("plain", &keyless)]);
        let answer = client.ask(9, &request);
        let refused = &answer.responses[0].partition_responses[0];
        assert_eq!((refused.error_code, refused.base_offset), (87, -1));
        assert_eq!(refused.record_errors.iter().map(|record| record.batch_index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(answer.responses[1].partition_responses[0].error_code, 0);
        client.produce("compacted", 0, &Batch::of(&["a"]).keyed("k").compressed(codec));
    }
    assert_eq!((end(&mut client, "compacted"), end(&mut client, "plain")), (5, 10));
}

#[test]
fn row_26_log_append_time_is_the_brokers_and_is_told() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("message.timestamp.type", "LogAppendTime")]);
    for (round, codec) in CODECS.into_iter().enumerate() {
        kit.clock.advance(1000);
        let now = kit.clock.now_ms();
        let answer = client.try_produce("t", 0, &Batch::of(&["a", "b"]).at(&[-5_000_000, 5_000_000_000]).compressed(codec));
        assert_eq!((answer.error_code, answer.log_append_time_ms, answer.base_offset), (0, now, round as i64 * 2));
        let last = client.read("t", 0).pop().expect("records");
        assert_eq!((last.timestamp, last.batch.max_timestamp().0, last.batch.timestamp_type()), (now, now, TimestampType::LogAppendTime));
        let found = client.list(8, "t", 0, now);
        assert_eq!((found.offset, found.timestamp), (round as i64 * 2, now));
    }
    client.create("u", 1, &[]);
    let answer = client.try_produce("u", 0, &Batch::of(&["a"]).at(&[-5]));
    assert_eq!(answer.log_append_time_ms, -1);
    let seen = client.read("u", 0).remove(0);
    assert_eq!((seen.timestamp, seen.batch.timestamp_type()), (BASE_MS - 5, TimestampType::CreateTime));
}

#[test]
fn row_26_timestamps_outside_the_topics_range_are_invalid() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let range = [("message.timestamp.before.max.ms", "1000"), ("message.timestamp.after.max.ms", "500")];
    client.create("t", 1, &range);
    for codec in CODECS {
        for (at, error) in [(-1001, 32), (-1000, 0), (500, 0), (501, 32)] {
            let answer = client.try_produce("t", 0, &Batch::of(&["a", "b"]).at(&[0, at]).compressed(codec));
            assert_eq!(answer.error_code, error, "{at} ms, {codec:?}");
            if error != 0 {
                assert_eq!(answer.record_errors.iter().map(|record| record.batch_index).collect::<Vec<_>>(), [1], "{codec:?}");
            }
        }
    }
    assert_eq!(end(&mut client, "t"), 20);
}

#[test]
fn row_27_batches_keep_their_codec_unless_the_topic_has_its_own() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let topics =
        [("producer", None), ("uncompressed", Some(0)), ("gzip", Some(1)), ("snappy", Some(2)), ("lz4", Some(3)), ("zstd", Some(4))];
    for (topic, code) in topics {
        client.create(topic, 1, &[("compression.type", topic)]);
        for codec in CODECS {
            client.produce(topic, 0, &Batch::of(&["a", "b"]).compressed(codec));
        }
        let seen = client.read(topic, 0);
        let stored: Vec<u8> = seen.iter().step_by(2).map(|seen| seen.batch.compression_code()).collect();
        let wanted: Vec<u8> = CODECS.iter().map(|codec| code.unwrap_or(codec.code())).collect();
        assert_eq!(stored, wanted, "{topic}");
        assert_eq!(client.values(topic, 0).concat(), "ab".repeat(CODECS.len()));
    }
}

#[test]
fn row_27_recompression_keeps_the_producer_and_its_sequence() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("compression.type", "zstd")]);
    let pid = client.producer_id();
    let batch = Batch::of(&["a", "b"]).compressed(Compression::Gzip).by(pid, 0, 0);
    assert_eq!(client.produce("t", 0, &batch), 0);
    assert_eq!(client.produce("t", 0, &batch), 0, "a duplicate");
    let header = client.read("t", 0)[0].batch;
    assert_eq!((header.producer_id().0, header.base_sequence().0, header.compression_code()), (pid, 0, 4));
    assert_eq!(end(&mut client, "t"), 2);
}

#[test]
fn row_34_acks_of_unknown_meaning_are_invalid() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for acks in [2, -2, i16::MAX, i16::MIN] {
        let answer = client.ask(9, &Client::produce_request("t", 0, acks, Batch::of(&["a"]).bytes()));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 21, "acks={acks}");
    }
    assert_eq!(end(&mut client, "t"), 0);
}

#[test]
fn row_34_no_more_in_sync_replicas_are_asked_for_than_there_are_replicas() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[("min.insync.replicas", "2")]);
    for round in 0..2 {
        let mut client = kit.connect();
        assert_eq!(client.try_produce("t", 0, &Batch::of(&["a"])).error_code, 0);
        assert_eq!(end(&mut client, "t"), 2 * round + 1);
        let answer = client.ask(9, &Client::produce_request("t", 0, 1, Batch::of(&["b"]).bytes()));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "acks=1 does not ask the others");
        kit.restart();
    }
}

/// A batch whose header and CRC are right and whose records are noise.
fn noise(codec: Compression) -> Bytes {
    let mut bytes = Batch::count(3).compressed(codec).bytes().to_vec();
    let mut header = BatchHeader::read(&bytes).expect("a header");
    for byte in &mut bytes[61..] {
        *byte ^= 0x5a;
    }
    header.stamp_create_time(header.max_timestamp(), &bytes[61..]);
    bytes[..61].copy_from_slice(header.as_bytes());
    bytes.into()
}

#[test]
fn row_92_compressed_noise_never_makes_a_topic_unreadable() {
    for strict in [false, true] {
        let kit = Kit::with(&format!("ottla.batch.strict={strict}"));
        let mut client = kit.connect();
        client.create("t", 1, &[]);
        for codec in &CODECS[1..] {
            let error = try_bytes(&mut client, "t", noise(*codec));
            assert_eq!(error == 0, !strict, "{codec:?}: only the strict look inside");
            client.produce("t", 0, &Batch::of(&["good"]).at(&[10]).compressed(*codec));
        }
        let last = end(&mut client, "t") - 1;
        let answer = client.fetch("t", 0, &FetchOne::from(last));
        assert_eq!((answer.error_code, answer.high_watermark), (0, last + 1));
        assert_eq!(seen(&answer.records.expect("never null")).len(), 1);
        let all = client.fetch("t", 0, &FetchOne::from(0));
        assert_eq!((all.error_code, all.records.expect("never null").is_empty()), (0, false));
        client.list(8, "t", 0, BASE_MS + 5);
        assert_eq!(client.produce("t", 0, &Batch::of(&["more"])), last + 1);
    }
}

// A transaction that nobody can end would hold back every read_committed reader for good.
#[test]
fn row_32_a_transactional_batch_without_a_transaction_is_not_written() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    let transactional = Batch::of(&["a"]).by(pid, 0, 0).transactional();
    assert_eq!(client.try_produce("t", 0, &transactional).error_code, 53, "without a transactional id");
    let mut named = Client::produce_request("t", 0, -1, transactional.bytes());
    named.transactional_id = Some(kafka_protocol::messages::TransactionalId("tx".to_owned().into()));
    let answer = client.ask(9, &named);
    let answer = &answer.responses[0].partition_responses[0];
    let text = "Unable to verify the partition has been added to the transaction. Underlying error: COORDINATOR_NOT_AVAILABLE";
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (19, Some(text)), "no transaction was ever begun here");
    assert_eq!(client.produce("t", 0, &Batch::of(&["b"]).by(pid, 0, 0)), 0);
    let answer = client.fetch("t", 0, &FetchOne::from(0));
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (1, 1));
}
