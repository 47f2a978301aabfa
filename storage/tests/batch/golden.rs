//! What Kafka wrote we read; what we write is what Kafka writes, to the byte where no codec is in between.

use crate::{LIMIT_BYTES, T, after, only, push_large, push_small};
use ottla_storage::batch::compression::Compression;
use ottla_storage::batch::{
    BatchBuilder, EndTransactionMarker, Header, Origin, TimestampRule, TimestampType, ValidateOptions, end_transaction_batch, recompress,
    records, validate,
};
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use std::path::PathBuf;

pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn contents(bytes: &[u8]) -> Vec<Owned> {
    let opened = records(&only(bytes), LIMIT_BYTES).unwrap();
    let mut iter = opened.iter();
    let mut all = Vec::new();
    for record in iter.by_ref() {
        let r = record.unwrap();
        let headers = r.headers.iter().map(|Header { key, value }| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        all.push((r.offset.0, r.timestamp.0, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec), headers));
    }
    assert_eq!(iter.remaining_bytes(), 0);
    all
}

fn strict() -> ValidateOptions {
    ValidateOptions { strict: true, ..ValidateOptions::client(after(1000)) }
}

fn small(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(compression, None);
    push_small(&mut builder);
    builder.build().unwrap()
}

fn large(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(compression, None);
    push_large(&mut builder);
    builder.build().unwrap()
}

#[test]
fn small_batches_of_every_codec_are_accepted_and_read_as_kafka_wrote_them() {
    let expected = contents(&small(Compression::None));
    assert_eq!(expected.len(), 5);
    for codec in Compression::ALL {
        let bytes = golden(&format!("small-{codec}.batch"));
        let view = only(&bytes);
        assert_eq!(view.compression(), Ok(codec));
        let facts = validate(&view, &strict()).unwrap();
        assert_eq!((facts.max_timestamp, facts.offset_delta_of_max_timestamp), (after(500), Some(3)));
        assert!(!facts.must_stamp_create_time);
        assert_eq!(contents(&bytes), expected, "{codec}");
    }
}

#[test]
fn null_and_empty_are_kept_apart_and_doubled_header_keys_stay() {
    let bytes = golden("small-zstd.batch");
    let all = contents(&bytes);
    assert_eq!(all[1].2, None);
    assert_eq!(all[2].3, None);
    assert_eq!(all[2].1, T.0 - 1000);
    assert_eq!((all[3].2.as_ref(), all[3].3.as_ref()), (None, None));
    assert_eq!((all[4].2.as_deref(), all[4].3.as_deref()), (Some(&b""[..]), Some(&b""[..])));
    let headers: Vec<_> = all[4].4.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
    assert_eq!(headers, [(&b"h"[..], Some(&b"1"[..])), (b"h", Some(b"2")), (b"null", None), (b"", Some(b""))]);
}

#[test]
fn large_batches_of_every_codec_are_accepted_and_read_as_kafka_wrote_them() {
    let expected = contents(&large(Compression::None));
    assert_eq!(expected.len(), 2000);
    for name in ["gzip", "snappy", "lz4", "lz4-17", "zstd", "zstd-22"] {
        let bytes = golden(&format!("large-{name}.batch"));
        let facts = validate(&only(&bytes), &ValidateOptions { strict: true, ..ValidateOptions::client(after(5000)) }).unwrap();
        assert_eq!(facts.max_timestamp, after(1999));
        assert_eq!(contents(&bytes), expected, "{name}");
    }
}

#[test]
fn uncompressed_batches_are_built_byte_for_byte_as_kafka_builds_them() {
    assert_eq!(small(Compression::None), golden("small-none.batch"));

    let mut builder = BatchBuilder::new().producer(ProducerId(4711), ProducerEpoch(3), Sequence(i32::MAX - 1)).transactional();
    push_small(&mut builder);
    let bytes = builder.build().unwrap();
    assert_eq!(bytes, golden("transactional-wrapping.batch"));
    assert_eq!(only(&bytes).header.last_sequence(), Sequence(2));

    let mut builder = BatchBuilder::new().leader_epoch(LeaderEpoch(3)).log_append_time(after(9999));
    push_small(&mut builder);
    assert_eq!(builder.build().unwrap(), golden("log-append-time.batch"));
}

#[test]
fn every_record_of_a_stamped_batch_bears_the_brokers_time() {
    let bytes = golden("log-append-time.batch");
    assert_eq!(only(&bytes).header.timestamp_type(), TimestampType::LogAppendTime);
    assert!(contents(&bytes).iter().all(|r| r.1 == T.0 + 9999));
}

#[test]
fn stamping_the_broker_time_gives_the_bytes_that_kafka_gives() {
    let mut bytes = small(Compression::None);
    let mut header = only(&bytes).header;
    header.set_partition_leader_epoch(LeaderEpoch(3));
    header.stamp_log_append_time(after(9999), only(&bytes).record_bytes());
    bytes[..61].copy_from_slice(header.as_bytes());
    assert_eq!(bytes, golden("log-append-time.batch"));

    header.stamp_create_time(after(500), only(&bytes).record_bytes());
    header.set_partition_leader_epoch(LeaderEpoch(-1));
    bytes[..61].copy_from_slice(header.as_bytes());
    assert_eq!(bytes, golden("small-none.batch"));
}

#[test]
fn markers_are_built_byte_for_byte_as_kafka_builds_them() {
    for (name, offset, committed, coordinator_epoch) in [("commit", 42, true, 9), ("abort", 43, false, 10)] {
        let marker = EndTransactionMarker { committed, coordinator_epoch };
        let mut bytes = end_transaction_batch(T, ProducerId(4711), ProducerEpoch(3), marker, LeaderEpoch(5));
        let mut header = only(&bytes).header;
        header.set_base_offset(Offset(offset));
        bytes[..61].copy_from_slice(header.as_bytes());
        assert_eq!(bytes, golden(&format!("marker-{name}.batch")));
        assert_eq!(EndTransactionMarker::from_batch(&only(&bytes)), Ok(Some(marker)));
    }
}

#[test]
fn recompression_changes_the_codec_and_nothing_else() {
    let original = golden("transactional-wrapping.batch");
    let before = only(&original).header;
    for codec in Compression::ALL {
        let bytes = recompress(&only(&original), codec, None, LIMIT_BYTES).unwrap();
        let view = only(&bytes);
        assert_eq!(view.compression(), Ok(codec));
        validate(&view, &strict()).unwrap();
        assert_eq!(contents(&bytes), contents(&original));
        let fields = |h: ottla_storage::batch::BatchHeader| {
            (h.producer_id(), h.producer_epoch(), h.base_sequence(), h.is_transactional(), h.max_timestamp(), h.record_count())
        };
        assert_eq!(fields(view.header), fields(before));
        assert_eq!(recompress(&view, Compression::None, None, LIMIT_BYTES).unwrap(), original, "{codec} and back");
    }
}

#[test]
fn compressed_batches_judged_by_header_alone_report_the_headers_timestamp() {
    let bytes = golden("large-lz4.batch");
    let facts = validate(&only(&bytes), &ValidateOptions::client(after(5000))).unwrap();
    assert_eq!((facts.max_timestamp, facts.offset_delta_of_max_timestamp), (after(1999), None));
}

#[test]
fn our_batches_can_be_written_out_for_kafkas_own_reader() {
    let Some(directory) = std::env::var_os("OTTLA_WRITE_BATCHES").map(PathBuf::from) else { return };
    for codec in Compression::ALL {
        std::fs::write(directory.join(format!("small-{codec}.batch")), small(codec)).unwrap();
        std::fs::write(directory.join(format!("large-{codec}.batch")), large(codec)).unwrap();
        for level in codec.levels().into_iter().flat_map(|l| [*l.start(), *l.end()]) {
            let mut builder = BatchBuilder::new().compression(codec, Some(level));
            push_large(&mut builder);
            std::fs::write(directory.join(format!("large-{codec}-{level}.batch")), builder.build().unwrap()).unwrap();
        }
    }
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 9 };
    let bytes = end_transaction_batch(T, ProducerId(4711), ProducerEpoch(3), marker, LeaderEpoch(5));
    std::fs::write(directory.join("marker.batch"), bytes).unwrap();
}

#[test]
fn a_replica_takes_what_the_leader_took() {
    for name in ["small-gzip", "marker-commit", "log-append-time", "raft-voters", "transactional-wrapping"] {
        let bytes = golden(&format!("{name}.batch"));
        validate(&only(&bytes), &ValidateOptions::replication()).unwrap();
        let options = ValidateOptions { strict: true, ..ValidateOptions::replication() };
        validate(&only(&bytes), &options).unwrap();
        let coordinator =
            ValidateOptions { origin: Origin::Coordinator, timestamps: TimestampRule::Unchecked, ..ValidateOptions::client(Millis(0)) };
        validate(&only(&bytes), &coordinator).unwrap();
    }
}
