//! How a partition's records come to their end: DeleteRecords, retention, and the files that retention leaves for a while.
//!
//! `api/delete_records.rs` and the background call it.

use super::Partition;
use crate::errors::PartitionError;
use ottla_storage::manager::LogOffsets;
use ottla_storage::{Millis, Offset, StorageError};

/// Up to where records are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBefore {
    /// This offset; the one at it stays.
    Offset(Offset),
    /// All that is committed.
    HighWatermark,
}

impl Partition {
    /// Moves the log start offset forward, as leader; where the log stands now. Segments below go with the next retention.
    ///
    /// An offset below the log start changes nothing, and is no error.
    pub fn delete_records(&self, before: DeleteBefore) -> Result<LogOffsets, PartitionError> {
        let mut state = self.lock();
        let log = state.leader_log(-1)?;
        let policy = log.config().cleanup_policy;
        if policy.compact && !policy.delete {
            return Err(PartitionError::OnlyCompacted);
        }
        let (log_start_offset, high_watermark) = (log.log_start_offset(), log.high_watermark());
        let offset = match before {
            DeleteBefore::Offset(offset) => offset,
            DeleteBefore::HighWatermark => high_watermark,
        };
        if offset.0 < 0 || offset > high_watermark {
            return Err(PartitionError::OffsetOutOfRange { log_start_offset });
        }
        let log = state.log.as_mut().ok_or(PartitionError::NotLeader)?;
        log.advance_log_start_offset(offset)?;
        let offsets = LogOffsets::of(log);
        state.advance();
        Ok(offsets)
    }

    /// Takes the segments out that retention no longer asks to keep; how many.
    pub fn enforce_retention(&self, now: Millis) -> Result<usize, StorageError> {
        self.with_log(|log| if log.is_offline() { Ok(0) } else { log.enforce_retention(now) }).unwrap_or(Ok(0))
    }
}
