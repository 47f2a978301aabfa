//! Everything that can be wrong with a batch, named for what happened. The server maps each variant to Kafka's answer.
//!
//! The doc of each variant names that answer. None of these is ever the disk's fault: they are the client's errors, or on
//! recovery the sign of a torn or corrupt file.

use super::compression::{Compression, CompressionError};
use crate::{Millis, Offset};

/// Why a batch was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end inside a batch. Kafka trims such a tail of a Produce request silently; with nothing before it the
    /// request holds no batch at all (INVALID_RECORD). In a log file this is a torn tail.
    #[error("the batch at byte {position} needs {needed_bytes} bytes but only {available_bytes} are there")]
    Truncated {
        /// Where the batch begins in the bytes given to `split`.
        position: usize,
        /// Size of the whole batch, or of the part of the header that was to be read.
        needed_bytes: usize,
        /// What is there.
        available_bytes: usize,
    },
    /// The length field cannot be true. CORRUPT_MESSAGE.
    #[error("the batch at byte {position} declares a length of {length}, which is less than any batch has")]
    LengthOutOfRange {
        /// Where the batch begins in the bytes given to `split`.
        position: usize,
        /// The length field.
        length: i32,
    },
    /// A message set of another format. Magic 0 and 1: INVALID_RECORD on Produce (UNSUPPORTED_FOR_MESSAGE_FORMAT when
    /// transactional); anything else: CORRUPT_MESSAGE.
    #[error("magic {magic} is not supported; record batches have magic 2")]
    UnsupportedMagic {
        /// The magic byte.
        magic: i8,
    },
    /// CORRUPT_MESSAGE.
    #[error("record batch is corrupt (stored crc = {stored}, computed crc = {computed})")]
    CrcMismatch {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Compression codes 5 to 7. UNSUPPORTED_COMPRESSION_TYPE.
    #[error("unknown compression type id {code}")]
    UnsupportedCompression {
        /// The low three attribute bits.
        code: u8,
    },
    /// A client sends offsets from 0; the broker assigns the real ones. INVALID_RECORD.
    #[error("the base offset of a produced batch should be 0 but is {base_offset}")]
    BaseOffsetNotZero {
        /// What the header says.
        base_offset: Offset,
    },
    /// The last offset lies before the base offset. INVALID_RECORD.
    #[error("batch has an invalid offset range [{base_offset}, {last_offset}]")]
    OffsetRangeInvalid {
        /// First offset.
        base_offset: Offset,
        /// Last offset, inclusive.
        last_offset: Offset,
    },
    /// No records, or a negative number. INVALID_RECORD.
    #[error("invalid record count {count} in batch header")]
    RecordCountInvalid {
        /// The count field.
        count: i32,
    },
    /// INVALID_RECORD.
    #[error("record count {count} does not agree with the offset range [{base_offset}, {last_offset}]")]
    RecordCountMismatch {
        /// The count field.
        count: i32,
        /// First offset.
        base_offset: Offset,
        /// Last offset, inclusive.
        last_offset: Offset,
    },
    /// Only the broker writes control records. INVALID_RECORD.
    #[error("clients are not allowed to write control records")]
    ControlBatchFromClient,
    /// A producer id without a sequence number. INVALID_RECORD.
    #[error("invalid sequence number {base_sequence} in a batch with producer id {producer_id}")]
    SequenceMissing {
        /// The producer id.
        producer_id: i64,
        /// The base sequence.
        base_sequence: i32,
    },
    /// A record that cannot be read, or whose offset delta is wrong. INVALID_RECORD, for the whole batch.
    #[error("record {index} is malformed: {reason}")]
    InvalidRecord {
        /// Index of the record in its batch.
        index: u32,
        /// What is wrong with it.
        reason: MalformedRecord,
    },
    /// Bytes follow the last record. INVALID_RECORD.
    #[error("{bytes} bytes follow the {count} records that the batch declares")]
    TrailingBytes {
        /// Declared records.
        count: i32,
        /// How many bytes remain.
        bytes: usize,
    },
    /// INVALID_TIMESTAMP with `record_errors`; may also list records without a key, as Kafka does.
    #[error("one or more records have been rejected due to invalid timestamp")]
    TimestampsOutOfRange {
        /// Every rejected record in order.
        records: Vec<RejectedRecord>,
    },
    /// Well-formed records that this topic does not take. INVALID_RECORD with `record_errors`.
    #[error("one or more records have been rejected due to {} record errors", records.len())]
    RecordsRejected {
        /// Every rejected record in order.
        records: Vec<RejectedRecord>,
    },
    /// The compressed bytes are not what the header says. INVALID_RECORD: final, where CORRUPT_MESSAGE would be retried.
    #[error("failed to decompress the {compression} record stream: {reason}")]
    DecompressionFailed {
        /// The codec.
        compression: Compression,
        /// In the codec's words.
        reason: String,
    },
    /// A decompression bomb, or a limit set too low. INVALID_RECORD.
    #[error("the records decompress to more than the {limit_bytes} bytes allowed")]
    DecompressionTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// Not a control record that can be read. CORRUPT_MESSAGE.
    #[error("invalid control record: {reason}")]
    InvalidControlRecord {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl BatchError {
    /// The rejected records that Kafka reports in `record_errors`; empty when the batch as a whole was refused.
    #[must_use]
    pub fn rejected_records(&self) -> &[RejectedRecord] {
        match self {
            Self::TimestampsOutOfRange { records } | Self::RecordsRejected { records } => records,
            _ => &[],
        }
    }

    pub(super) fn from_compression(compression: Compression, error: CompressionError) -> Self {
        match error {
            CompressionError::TooLarge { limit_bytes } => Self::DecompressionTooLarge { limit_bytes },
            CompressionError::Malformed { reason } | CompressionError::Failed { reason } => {
                Self::DecompressionFailed { compression, reason }
            }
        }
    }
}

/// What makes a record unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRecord {
    /// The record's length field.
    #[error("declared length {length} but {available_bytes} bytes remain")]
    Length {
        /// The length field.
        length: i32,
        /// Bytes that remain in the batch.
        available_bytes: usize,
    },
    /// The bytes end inside a field.
    #[error("it ends inside a field")]
    Ends,
    /// A number takes more bytes than its type allows.
    #[error("a number is longer than its type allows")]
    Varint,
    /// A key, value or header is longer than the record.
    #[error("a field of {length} bytes is longer than the record")]
    FieldLength {
        /// The field's length.
        length: i32,
    },
    /// The number of headers is negative or larger than the bytes left.
    #[error("invalid number of record headers {count}")]
    HeaderCount {
        /// The count field.
        count: i32,
    },
    /// Header keys are never null.
    #[error("invalid negative header key size {length}")]
    HeaderKeyLength {
        /// The key's length.
        length: i32,
    },
    /// The fields end before the record does.
    #[error("{bytes} bytes follow its last header")]
    Trailing {
        /// How many bytes remain.
        bytes: usize,
    },
    /// Offset deltas of a produced batch count 0, 1, 2...
    #[error("its offset delta is {found}")]
    OffsetDelta {
        /// What it says.
        found: i32,
    },
}

/// A record of an otherwise sound batch that the topic does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// Index of the record in its batch (`batch_index`).
    pub index: u32,
    /// Why, as text for `batch_index_error_message`.
    pub reason: RecordRejection,
}

/// Why a topic does not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordRejection {
    /// `cleanup.policy=compact` needs keys.
    #[error("Compacted topic cannot accept message without key")]
    MissingKey,
    /// Outside `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`.
    #[error("Timestamp {timestamp} is out of range. The timestamp should be within [{earliest}, {latest}]")]
    TimestampOutOfRange {
        /// The record's timestamp.
        timestamp: Millis,
        /// Earliest accepted.
        earliest: Millis,
        /// Latest accepted.
        latest: Millis,
    },
    /// Only the broker stamps LogAppendTime.
    #[error("Invalid timestamp type: a producer should not set the timestamp type to LogAppendTime")]
    LogAppendTimeFromClient,
}
