//! What goes into a log and what comes out, as plain data.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::producer::CompletedTransaction;
use crate::{LeaderEpoch, Millis, Offset, ProducerId, StorageError};

/// Who writes; decides which checks apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: every check, including producer sequences and de-duplication.
    Client,
    /// A coordinator of this broker: control batches allowed, no sequence checks.
    Coordinator,
    /// The metadata log: offsets are assigned, nothing about producers is checked.
    Raft,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record; of the earlier append when `duplicate`.
    pub first_offset: Offset,
    /// Offset of the last record, inclusive.
    pub last_offset: Offset,
    /// Set when the topic's timestamps are the broker's.
    pub log_append_time: Option<Millis>,
    /// Log start offset as of this append.
    pub log_start_offset: Offset,
    /// The batch had been appended before; nothing was written.
    pub duplicate: bool,
    /// Bytes written to the log.
    pub size_bytes: u64,
    /// Largest timestamp of what was appended, -1 for none.
    pub max_timestamp: Millis,
    /// Number of records appended.
    pub record_count: i64,
}

/// One record a produce request is refused for (KIP-467).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Index of the record in its batch.
    pub batch_index: i32,
    /// Why, in words.
    pub message: String,
}

/// Why an append was refused. All but `Storage` are the client's; in each case nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// CORRUPT_MESSAGE: lengths, CRC or magic do not fit.
    #[error("{0}")]
    Corrupt(String),
    /// INVALID_RECORD: well-formed but not allowed.
    #[error("{message}")]
    InvalidRecord {
        /// The whole produce request's message.
        message: String,
        /// The records to blame, may be empty.
        record_errors: Vec<RecordError>,
    },
    /// INVALID_TIMESTAMP: outside what the topic allows.
    #[error("{message}")]
    InvalidTimestamp {
        /// The whole produce request's message.
        message: String,
        /// The records to blame.
        record_errors: Vec<RecordError>,
    },
    /// MESSAGE_TOO_LARGE: a batch above `max.message.bytes`.
    #[error("{0}")]
    MessageTooLarge(String),
    /// RECORD_LIST_TOO_LARGE: more than fits into one segment.
    #[error("{0}")]
    RecordListTooLarge(String),
    /// UNSUPPORTED_FOR_MESSAGE_FORMAT: magic 0 or 1.
    #[error("{0}")]
    UnsupportedForMessageFormat(String),
    /// UNSUPPORTED_COMPRESSION_TYPE: an unknown codec.
    #[error("{0}")]
    UnsupportedCompressionType(String),
    /// OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error("{0}")]
    OutOfOrderSequence(String),
    /// DUPLICATE_SEQUENCE_NUMBER: older than the window of five batches.
    #[error("{0}")]
    DuplicateSequence(String),
    /// INVALID_PRODUCER_EPOCH: a zombie.
    #[error("{0}")]
    InvalidProducerEpoch(String),
    /// UNKNOWN_PRODUCER_ID.
    #[error("{0}")]
    UnknownProducerId(String),
    /// INVALID_TXN_STATE.
    #[error("{0}")]
    InvalidTxnState(String),
    /// TRANSACTION_COORDINATOR_FENCED: a marker from an older coordinator.
    #[error("{0}")]
    TransactionCoordinatorFenced(String),
    /// A follower got offsets that do not increase, or that begin below its log end.
    #[error("{0}")]
    OffsetsOutOfOrder(String),
    /// The disk failed or the log is offline; maybe a later attempt fares better.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A byte range of a file that holds whole batches. Stays readable when the segment is deleted meanwhile.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// First byte.
    pub position: u64,
    /// Number of bytes.
    pub size_bytes: u64,
}

/// What to send for one read: ranges in offset order, may be empty.
#[derive(Clone, Debug, Default)]
pub struct ReadPlan {
    /// The bytes, in offset order.
    pub ranges: Vec<FileRange>,
    /// Sum of the ranges.
    pub size_bytes: u64,
    /// Base offset of the first batch; the asked offset when there is none.
    pub first_offset: Offset,
    /// The offset after the last batch in the plan; the asked offset when there is none.
    pub next_offset: Offset,
}

/// Why a read gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Below the log start offset or above the log end offset.
    #[error("offset {requested} is outside {log_start_offset}..={log_end_offset}")]
    OffsetOutOfRange {
        /// What was asked for.
        requested: Offset,
        /// First readable offset.
        log_start_offset: Offset,
        /// The next offset to be written.
        log_end_offset: Offset,
    },
    /// The bytes on disk are damaged from this offset on; they are never served.
    #[error("{source}")]
    Corrupt {
        /// Smallest offset that cannot be served.
        offset: Offset,
        /// Where and what.
        source: StorageError,
    },
    /// The disk failed for this read, or the log is offline.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What the caller knows about how the log was left.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// The last stop was clean: nothing after the recovery point needs a scan.
    pub clean: bool,
    /// The machine went down since, not the process alone: of what lies above the recovery point any part may be missing.
    pub machine_stopped: bool,
    /// Everything below is known to be on disk.
    pub recovery_point: Offset,
    /// The checkpointed log start offset.
    pub log_start_offset: Offset,
    /// The time.
    pub now: Millis,
}

/// What opening a log had to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments whose batches were read and checked.
    pub segments_scanned: usize,
    /// Bytes read and checked.
    pub bytes_scanned: u64,
    /// Bytes of torn tail that were cut off.
    pub bytes_truncated: u64,
    /// Files with good batches that lay behind lost writes and are no longer part of the log (`*.quarantine`).
    pub set_aside: Vec<String>,
    /// Companion files (indexes) that were built anew.
    pub indexes_rebuilt: usize,
    /// Producer state was rebuilt by reading batches from here on.
    pub producers_rebuilt_from: Option<Offset>,
    /// Damage in the middle of the log. It is kept as found; the log serves reads below `log_end_offset` and refuses appends.
    pub corruption: Option<Corruption>,
}

/// Where a log is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// File name of the segment.
    pub file: String,
    /// First damaged byte.
    pub position: u64,
    /// Nothing from here on can be served.
    pub offset: Offset,
    /// What is wrong.
    pub reason: String,
}

/// What ListOffsets asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOffset {
    /// The log start offset.
    Earliest,
    /// The `up_to` given by the caller (high watermark or last stable offset).
    Latest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record whose timestamp is at least this.
    Timestamp(Millis),
}

/// An offset found for ListOffsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The record's offset.
    pub offset: Offset,
    /// The record's timestamp; -1 for `Earliest` and `Latest`, as Kafka answers.
    pub timestamp: Millis,
    /// Leader epoch of the record found; `None` when unknown.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// A transaction that was aborted, for read_committed fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// First offset of the transaction.
    pub first_offset: Offset,
    /// Offset of the abort marker.
    pub last_offset: Offset,
    /// Last stable offset when the transaction was aborted.
    pub last_stable_offset: Offset,
}

impl From<CompletedTransaction> for AbortedTransaction {
    fn from(ended: CompletedTransaction) -> Self {
        Self {
            producer_id: ended.producer_id,
            first_offset: ended.first_offset,
            last_offset: ended.last_offset,
            last_stable_offset: ended.last_stable_offset,
        }
    }
}
