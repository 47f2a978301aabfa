//! Storage's errors to Kafka's error codes: the only such mapping.

use kafka_protocol::ResponseError;
use ottla_storage::log::{AppendError, ReadError, RecordError};
use ottla_storage::{Offset, StorageError};

/// Why a partition refused a request.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// Not the leader, or the log is closed.
    #[error("this broker is not the leader of the partition")]
    NotLeader,
    /// The log cannot be used.
    #[error("the partition is offline: {0}")]
    Offline(String),
    /// The disk is full, and what room is left is not for clients.
    #[error("the disk is full")]
    DiskFull,
    /// The client's leader epoch is older than ours.
    #[error("the leader epoch in the request is older than the broker's")]
    FencedLeaderEpoch,
    /// The client's leader epoch is newer than ours.
    #[error("the leader epoch in the request is newer than the broker's")]
    UnknownLeaderEpoch,
    /// A read outside the log.
    #[error("the offset is outside the log")]
    OffsetOutOfRange {
        /// Where the log starts.
        log_start_offset: Offset,
    },
    /// Damaged bytes; never served.
    #[error("damaged record batch: {0}")]
    Damaged(String),
    /// acks=all with too few in-sync replicas; nothing was appended.
    #[error("{isr} in-sync replicas, min.insync.replicas is {min_insync_replicas}")]
    NotEnoughReplicas {
        /// In-sync replicas.
        isr: usize,
        /// `min.insync.replicas`.
        min_insync_replicas: usize,
    },
    /// DeleteRecords where only compaction removes records.
    #[error("the records cannot be deleted: the cleanup policy is to compact only")]
    OnlyCompacted,
    /// The log refused an append.
    #[error(transparent)]
    Append(AppendError),
    /// The disk failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<AppendError> for PartitionError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Storage(error) => Self::Storage(error),
            other => Self::Append(other),
        }
    }
}

impl From<ReadError> for PartitionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OffsetOutOfRange { log_start_offset, .. } => Self::OffsetOutOfRange { log_start_offset },
            ReadError::Corrupt { source, .. } => Self::Damaged(source.to_string()),
            ReadError::Storage(error) => Self::Storage(error),
        }
    }
}

impl PartitionError {
    /// Kafka's error.
    #[must_use]
    pub fn response_error(&self) -> ResponseError {
        match self {
            Self::NotLeader => ResponseError::NotLeaderOrFollower,
            Self::Offline(_) | Self::DiskFull | Self::Storage(_) => ResponseError::KafkaStorageError,
            Self::FencedLeaderEpoch => ResponseError::FencedLeaderEpoch,
            Self::UnknownLeaderEpoch => ResponseError::UnknownLeaderEpoch,
            Self::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
            Self::Damaged(_) => ResponseError::CorruptMessage,
            Self::NotEnoughReplicas { .. } => ResponseError::NotEnoughReplicas,
            Self::OnlyCompacted => ResponseError::PolicyViolation,
            Self::Append(error) => append_error(error),
        }
    }

    /// The records to blame, for `record_errors` of a Produce response.
    #[must_use]
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            Self::Append(AppendError::InvalidRecord { record_errors, .. } | AppendError::InvalidTimestamp { record_errors, .. }) => {
                record_errors
            }
            _ => &[],
        }
    }
}

fn append_error(error: &AppendError) -> ResponseError {
    match error {
        AppendError::Corrupt(_) => ResponseError::CorruptMessage,
        AppendError::InvalidRecord { .. } => ResponseError::InvalidRecord,
        AppendError::InvalidTimestamp { .. } => ResponseError::InvalidTimestamp,
        AppendError::MessageTooLarge(_) => ResponseError::MessageTooLarge,
        AppendError::RecordListTooLarge(_) => ResponseError::RecordListTooLarge,
        AppendError::UnsupportedForMessageFormat(_) => ResponseError::UnsupportedForMessageFormat,
        // A code that no codec has; Kafka fails inside. UNSUPPORTED_COMPRESSION_TYPE means "not at this version of Produce".
        AppendError::UnsupportedCompressionType(_) => ResponseError::UnknownServerError,
        AppendError::OutOfOrderSequence(_) => ResponseError::OutOfOrderSequenceNumber,
        AppendError::DuplicateSequence(_) => ResponseError::DuplicateSequenceNumber,
        AppendError::InvalidProducerEpoch(_) => ResponseError::InvalidProducerEpoch,
        AppendError::UnknownProducerId(_) => ResponseError::UnknownProducerId,
        AppendError::InvalidTxnState(_) => ResponseError::InvalidTxnState,
        AppendError::TransactionCoordinatorFenced(_) => ResponseError::TransactionCoordinatorFenced,
        AppendError::OffsetsOutOfOrder(_) => ResponseError::UnknownServerError,
        AppendError::Storage(_) => ResponseError::KafkaStorageError,
    }
}
