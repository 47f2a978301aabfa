//! What a Produce request may and may not bring, one rule per test.

use crate::golden::golden;
use crate::{LIMIT_BYTES, T, after, only, push_small};
use ottla_storage::batch::compression::Compression;
use ottla_storage::batch::{
    BatchBuilder, BatchError, HEADER_SIZE_BYTES, MalformedRecord, Origin, RecordRejection, RejectedRecord, TimestampRule, ValidateOptions,
    records, split, validate,
};
use ottla_storage::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

const LENGTH: usize = 8;
const MAGIC: usize = 16;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const MAX_TIMESTAMP: usize = 35;
const PRODUCER_ID: usize = 43;
const RECORD_COUNT: usize = 57;

fn client() -> ValidateOptions {
    ValidateOptions::client(after(1000))
}

fn compacted() -> ValidateOptions {
    ValidateOptions { require_keys: true, ..client() }
}

fn build(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(compression, None);
    push_small(&mut builder);
    builder.build().unwrap()
}

/// Overwrites bytes and puts the CRC right again: what a faulty or hostile client would send.
fn forge(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn with_records(count: i32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = build(Compression::None);
    bytes.truncate(HEADER_SIZE_BYTES);
    bytes.extend_from_slice(payload);
    let length = i32::try_from(bytes.len() - 12).unwrap();
    bytes[LENGTH..LENGTH + 4].copy_from_slice(&length.to_be_bytes());
    let bytes = forge(bytes, LAST_OFFSET_DELTA, &(count - 1).to_be_bytes());
    forge(bytes, RECORD_COUNT, &count.to_be_bytes())
}

fn error(bytes: &[u8], options: &ValidateOptions) -> BatchError {
    validate(&only(bytes), options).expect_err("must be refused")
}

#[test]
fn split_walks_batches_by_length_and_keeps_their_positions() {
    let mut bytes = build(Compression::None);
    let first = bytes.len();
    bytes.extend_from_slice(&build(Compression::Gzip));
    let mut batches = split(&bytes);
    assert_eq!(batches.next().unwrap().unwrap().size_bytes(), first);
    assert_eq!(batches.position(), first);
    assert_eq!(batches.next().unwrap().unwrap().compression(), Ok(Compression::Gzip));
    assert!(batches.next().is_none());
    assert_eq!(batches.position(), bytes.len());
    assert!(split(&[]).next().is_none());
}

#[test]
fn a_batch_cut_at_any_byte_is_truncated_and_ends_the_walk() {
    let whole = build(Compression::None);
    let mut bytes = whole.clone();
    bytes.extend_from_slice(&whole);
    for cut in 1..whole.len() {
        let mut batches = split(&bytes[..whole.len() + cut]);
        assert!(batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err();
        assert!(
            matches!(error, BatchError::Truncated { position, available_bytes, .. } if position == whole.len() && available_bytes == cut)
        );
        assert_eq!(batches.position(), whole.len());
        assert!(batches.next().is_none());
    }
}

#[test]
fn impossible_lengths_and_foreign_magic_are_told_apart() {
    let bytes = build(Compression::None);
    for length in [i32::MIN, -1, 0, 13, 14, 48] {
        let mut bad = bytes.clone();
        bad[LENGTH..LENGTH + 4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(split(&bad).next().map(|b| b.unwrap_err()), Some(BatchError::LengthOutOfRange { position: 0, length }));
    }
    let mut bad = bytes.clone();
    bad[LENGTH..LENGTH + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(matches!(split(&bad).next(), Some(Err(BatchError::Truncated { .. }))));
    // Too short to see a magic: a length below any record's is corrupt, any other may be the start of a batch.
    for (length, corrupt) in [(13_i32, true), (14, false)] {
        let head = [&[0; 8][..], &length.to_be_bytes()].concat();
        let refused = split(&head).next().unwrap().unwrap_err();
        assert_eq!(matches!(refused, BatchError::LengthOutOfRange { .. }), corrupt, "{refused:?}");
    }
    for magic in [0_i8, 1, 3, -1] {
        let mut bad = bytes.clone();
        bad[MAGIC] = magic.cast_unsigned();
        assert_eq!(split(&bad).next().unwrap().unwrap_err(), BatchError::UnsupportedMagic { magic });
    }
}

#[test]
fn a_wrong_crc_is_corrupt() {
    let mut bytes = build(Compression::None);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(error(&bytes, &client()), BatchError::CrcMismatch { .. }));
    assert!(matches!(error(&bytes, &ValidateOptions::replication()), BatchError::CrcMismatch { .. }));
}

#[test]
fn unknown_codecs_are_refused() {
    for code in 5..=7_u8 {
        let bytes = forge(build(Compression::None), ATTRIBUTES + 1, &[code]);
        assert_eq!(error(&bytes, &client()), BatchError::UnsupportedCompression { code });
    }
}

#[test]
fn counts_and_offsets_must_agree() {
    let bytes = build(Compression::None);
    for count in [0, -1, i32::MIN] {
        let bad = forge(bytes.clone(), RECORD_COUNT, &count.to_be_bytes());
        assert_eq!(error(&bad, &client()), BatchError::RecordCountInvalid { count });
    }
    for count in [4, 6, i32::MAX] {
        let bad = forge(bytes.clone(), RECORD_COUNT, &count.to_be_bytes());
        let (base_offset, last_offset) = (Offset(0), Offset(4));
        assert_eq!(error(&bad, &client()), BatchError::RecordCountMismatch { count, base_offset, last_offset });
    }
    for delta in [-1, i32::MIN] {
        let bad = forge(bytes.clone(), LAST_OFFSET_DELTA, &delta.to_be_bytes());
        assert!(matches!(error(&bad, &client()), BatchError::OffsetRangeInvalid { .. }));
    }
    let mut bad = bytes;
    bad[7] = 5;
    assert_eq!(error(&bad, &client()), BatchError::BaseOffsetNotZero { base_offset: Offset(5) });
}

#[test]
fn a_replica_takes_a_compacted_batch_with_fewer_records_than_offsets() {
    let empty = with_records(0, &[]);
    let empty = forge(empty, LAST_OFFSET_DELTA, &9_i32.to_be_bytes());
    validate(&only(&empty), &ValidateOptions::replication()).unwrap();
    assert_eq!(error(&empty, &client()), BatchError::RecordCountInvalid { count: 0 });

    let sparse = forge(build(Compression::None), LAST_OFFSET_DELTA, &9_i32.to_be_bytes());
    validate(&only(&sparse), &ValidateOptions::replication()).unwrap();
    let crowded = forge(build(Compression::None), LAST_OFFSET_DELTA, &2_i32.to_be_bytes());
    assert!(matches!(error(&crowded, &ValidateOptions::replication()), BatchError::RecordCountMismatch { .. }));
}

#[test]
fn clients_write_no_control_batches() {
    let mut bytes = golden("marker-commit.batch");
    bytes[..8].fill(0);
    assert_eq!(error(&bytes, &client()), BatchError::ControlBatchFromClient);
    let options = ValidateOptions { origin: Origin::Coordinator, ..client() };
    validate(&only(&bytes), &options).unwrap();
}

#[test]
fn a_producer_id_needs_a_sequence_unless_a_coordinator_writes() {
    let mut builder = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(0), Sequence(-1));
    push_small(&mut builder);
    let bytes = builder.build().unwrap();
    assert_eq!(error(&bytes, &client()), BatchError::SequenceMissing { producer_id: 7, base_sequence: -1 });
    validate(&only(&bytes), &ValidateOptions { origin: Origin::Coordinator, ..client() }).unwrap();
    let none = forge(bytes, PRODUCER_ID, &(-1_i64).to_be_bytes());
    validate(&only(&none), &client()).unwrap();
}

#[test]
fn keyless_records_on_a_compacted_topic_are_all_named() {
    for codec in Compression::ALL {
        let missing = |index| RejectedRecord { index, reason: RecordRejection::MissingKey };
        let refused = error(&build(codec), &compacted());
        assert_eq!(refused, BatchError::RecordsRejected { records: vec![missing(1), missing(3)] }, "{codec}");
        assert_eq!(refused.rejected_records().len(), 2);
    }
}

#[test]
fn timestamps_out_of_range_are_all_named_whatever_the_codec() {
    let rule = TimestampRule::CreateTime { now: after(100), before_max_ms: 500, after_max_ms: 300 };
    let rejected = |index, ms| RejectedRecord {
        index,
        reason: RecordRejection::TimestampOutOfRange { timestamp: after(ms), earliest: after(-400), latest: after(400) },
    };
    for codec in Compression::ALL {
        let options = ValidateOptions { timestamps: rule, ..client() };
        let expected = BatchError::TimestampsOutOfRange { records: vec![rejected(2, -1000), rejected(3, 500)] };
        assert_eq!(error(&build(codec), &options), expected, "{codec}");
    }
}

#[test]
fn a_missing_key_and_a_wrong_time_together_are_a_timestamp_error_as_in_kafka() {
    let rule = TimestampRule::CreateTime { now: after(100), before_max_ms: 500, after_max_ms: 3000 };
    let refused = error(&build(Compression::Zstd), &ValidateOptions { timestamps: rule, ..compacted() });
    let BatchError::TimestampsOutOfRange { records } = refused else { panic!("{refused:?}") };
    assert_eq!(records.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn the_bounds_themselves_are_in_range_and_so_is_a_record_without_a_timestamp() {
    let rule = TimestampRule::CreateTime { now: T, before_max_ms: 10, after_max_ms: 20 };
    let mut builder = BatchBuilder::new();
    for timestamp in [after(-10), after(20), Millis(-1)] {
        builder.push(timestamp, None, None, &[]);
    }
    let bytes = builder.build().unwrap();
    validate(&only(&bytes), &ValidateOptions { timestamps: rule, ..client() }).unwrap();
}

#[test]
fn of_equal_timestamps_the_first_record_is_the_one_found() {
    let mut builder = BatchBuilder::new();
    for timestamp in [T, after(9), after(9), after(3)] {
        builder.push(timestamp, None, None, &[]);
    }
    let facts = validate(&only(&builder.build().unwrap()), &client()).unwrap();
    assert_eq!(facts.offset_delta_of_max_timestamp, Some(1));
}

#[test]
fn extreme_bounds_do_not_overflow() {
    for now in [Millis(i64::MIN), Millis(0), T, Millis(i64::MAX)] {
        let rule = TimestampRule::CreateTime { now, before_max_ms: i64::MAX, after_max_ms: i64::MAX };
        let _ = validate(&only(&build(Compression::None)), &ValidateOptions { timestamps: rule, ..client() });
    }
}

#[test]
fn a_header_that_lies_about_the_largest_timestamp_is_put_right() {
    let bytes = forge(build(Compression::None), MAX_TIMESTAMP, &after(5).0.to_be_bytes());
    let facts = validate(&only(&bytes), &client()).unwrap();
    assert!(facts.must_stamp_create_time);
    assert_eq!((facts.max_timestamp, facts.offset_delta_of_max_timestamp), (after(500), Some(3)));

    // Unset, as some clients leave it: reason enough to open a compressed batch.
    let bytes = forge(build(Compression::Lz4), MAX_TIMESTAMP, &(-1_i64).to_be_bytes());
    let facts = validate(&only(&bytes), &client()).unwrap();
    assert!(facts.must_stamp_create_time);
    assert_eq!(facts.max_timestamp, after(500));
}

#[test]
fn a_batch_stamped_by_the_client_is_refused_where_the_broker_stamps() {
    let bytes = golden("log-append-time.batch");
    let options = ValidateOptions { timestamps: TimestampRule::LogAppendTime, ..client() };
    let BatchError::TimestampsOutOfRange { records } = error(&bytes, &options) else { panic!() };
    assert_eq!(records.len(), 5);
    assert!(records.iter().all(|r| r.reason == RecordRejection::LogAppendTimeFromClient));
    // On a CreateTime topic Kafka takes it and turns it into CreateTime.
    let facts = validate(&only(&bytes), &ValidateOptions::client(after(9999))).unwrap();
    assert!(facts.must_stamp_create_time);
    assert_eq!(facts.max_timestamp, after(9999));
    let timeless = forge(bytes, MAX_TIMESTAMP, &(-1_i64).to_be_bytes());
    assert_eq!(error(&timeless, &client()).rejected_records().len(), 5);
    // The ordinary batch is fine where the broker stamps, however old it says it is.
    validate(&only(&build(Compression::None)), &options).unwrap();
}

#[test]
fn malformed_records_are_named_by_index() {
    let record = |body: &[u8]| [&[u8::try_from(body.len() * 2).unwrap()], body].concat();
    let good = |delta: u8| record(&[0, 0, delta * 2, 1, 1, 0]);
    let cases: [(&[u8], MalformedRecord); 11] = [
        (&[], MalformedRecord::Ends),
        (&[0x80], MalformedRecord::Ends),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], MalformedRecord::Varint),
        (&[1], MalformedRecord::Length { length: -1, available_bytes: 0 }),
        (&[20, 0], MalformedRecord::Length { length: 10, available_bytes: 1 }),
        (&[0], MalformedRecord::Ends),
        (&record(&[0, 0, 2, 20, 1, 0]), MalformedRecord::FieldLength { length: 10 }),
        (&record(&[0, 0, 2, 1, 20, 0]), MalformedRecord::FieldLength { length: 10 }),
        (&record(&[0, 0, 2, 1, 1, 1]), MalformedRecord::HeaderCount { count: -1 }),
        (&record(&[0, 0, 2, 1, 1, 2, 1, 1]), MalformedRecord::HeaderKeyLength { length: -1 }),
        (&record(&[0, 0, 2, 1, 1, 0, 9]), MalformedRecord::Trailing { bytes: 1 }),
    ];
    for (second, reason) in cases {
        let bytes = with_records(2, &[&good(0), second].concat());
        assert_eq!(error(&bytes, &client()), BatchError::InvalidRecord { index: 1, reason }, "{second:x?}");
        let opened = records(&only(&bytes), LIMIT_BYTES).unwrap();
        let walked: Vec<_> = opened.iter().collect();
        assert_eq!(walked.len(), 2);
        assert_eq!(walked[1], Err(BatchError::InvalidRecord { index: 1, reason }));
    }
    let bytes = with_records(2, &[good(0), good(0)].concat());
    let reason = MalformedRecord::OffsetDelta { found: 0 };
    assert_eq!(error(&bytes, &client()), BatchError::InvalidRecord { index: 1, reason });
    let bytes = with_records(1, &[good(0), good(1)].concat());
    assert_eq!(error(&bytes, &client()), BatchError::TrailingBytes { count: 1, bytes: 7 });
    validate(&only(&with_records(2, &[good(0), good(1)].concat())), &client()).unwrap();
}

#[test]
fn a_header_count_of_two_billion_is_refused_at_once() {
    let bytes = with_records(1, &[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]);
    let refused = error(&bytes, &client());
    assert!(matches!(refused, BatchError::InvalidRecord { index: 0, reason: MalformedRecord::HeaderCount { .. } }), "{refused:?}");
}

#[test]
fn garbage_under_a_codec_is_found_only_when_the_batch_is_opened() {
    for codec in Compression::ALL.into_iter().skip(1) {
        let bytes = forge(with_records(1, b"this is no compressed stream at all"), ATTRIBUTES + 1, &[codec.code()]);
        validate(&only(&bytes), &client()).unwrap();
        let refused = error(&bytes, &ValidateOptions { strict: true, ..client() });
        assert!(matches!(refused, BatchError::DecompressionFailed { compression, .. } if compression == codec), "{refused:?}");
    }
}
