//! One topic-partition's log: segments, offsets, producers, epochs.

mod config;
mod flush;
mod types;

use std::path::Path;
use std::sync::Arc;

pub use config::{CleanupPolicy, LogConfig, TopicCompression};
pub use flush::FlushPlan;
pub use types::{
    AbortedTransaction, AppendError, AppendInfo, AppendOrigin, Corruption, FileRange, FoundOffset, ListOffset, OpenOptions, ReadError,
    ReadPlan, RecordError, RecoveryReport,
};

use crate::disk::Disk;
use crate::{LeaderEpoch, LogId, Millis, Offset, StorageError};

/// One topic-partition's log.
#[derive(Debug)]
pub struct PartitionLog {
    id: LogId,
}

#[allow(unused_variables, missing_docs, clippy::unused_self, clippy::needless_pass_by_value)]
impl PartitionLog {
    fn not_yet(&self) -> StorageError {
        StorageError::Offline { log: self.id.to_string(), reason: "not built yet".to_owned() }
    }

    /// Opens or creates the log in `root/<topic>-<partition>`.
    pub fn open(
        disk: Arc<dyn Disk>,
        root: &Path,
        id: LogId,
        config: Arc<LogConfig>,
        how: OpenOptions,
    ) -> Result<(Self, RecoveryReport), StorageError> {
        let log = Self { id };
        Err(log.not_yet())
    }

    /// The log's name.
    pub fn id(&self) -> &LogId {
        &self.id
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::default()
    }

    /// Appends what a producer or a coordinator sent; offsets are assigned here.
    pub fn append_as_leader(
        &mut self,
        now: Millis,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
    ) -> Result<AppendInfo, AppendError> {
        Err(self.not_yet().into())
    }

    /// Appends what the leader sent, offsets given.
    pub fn append_as_follower(&mut self, now: Millis, records: &[u8]) -> Result<AppendInfo, AppendError> {
        Err(self.not_yet().into())
    }

    /// Plans a read of whole batches from the one that contains `from`, below `up_to`.
    pub fn read(&self, from: Offset, up_to: Offset, max_bytes: u64, at_least_one_batch: bool) -> Result<ReadPlan, ReadError> {
        Err(self.not_yet().into())
    }

    /// Transactions aborted that have records in `from..up_to`.
    pub fn aborted_transactions(&self, from: Offset, up_to: Offset) -> Result<Vec<AbortedTransaction>, StorageError> {
        Err(self.not_yet())
    }

    /// First readable offset.
    pub fn log_start_offset(&self) -> Offset {
        Offset(0)
    }

    /// Everything below is committed.
    pub fn high_watermark(&self) -> Offset {
        Offset(0)
    }

    /// Everything below is committed and decided.
    pub fn last_stable_offset(&self) -> Offset {
        Offset(0)
    }

    /// The next offset to be written.
    pub fn log_end_offset(&self) -> Offset {
        Offset(0)
    }

    /// First offset of the oldest open transaction.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        None
    }

    /// Everything below is known to be on disk.
    pub fn recovery_point(&self) -> Offset {
        Offset(0)
    }

    /// Moves the high watermark; clamped to log start offset and log end offset, never backwards.
    pub fn set_high_watermark(&mut self, offset: Offset) {}

    /// Answers ListOffsets.
    pub fn list_offset(&self, by: ListOffset, up_to: Offset) -> Result<Option<FoundOffset>, StorageError> {
        Err(self.not_yet())
    }

    /// Largest epoch not above the asked one, with its end offset (KIP-101, KIP-320).
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        None
    }

    /// The epoch of the newest entry in the epoch cache.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        None
    }

    /// Notes that `epoch` begins at the log end offset; called when this broker becomes leader.
    pub fn assign_leader_epoch(&mut self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        Err(self.not_yet())
    }

    /// Removes everything from `offset` on. True when anything was removed.
    pub fn truncate_to(&mut self, offset: Offset) -> Result<bool, StorageError> {
        Err(self.not_yet())
    }

    /// Removes everything and begins anew at `offset`.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) -> Result<(), StorageError> {
        Err(self.not_yet())
    }

    /// Moves the log start offset forward (DeleteRecords, retention). True when it moved. Not above the high watermark.
    pub fn advance_log_start_offset(&mut self, offset: Offset) -> Result<bool, StorageError> {
        Err(self.not_yet())
    }

    /// Plans a flush of all that was appended so far. Made under the log's lock, run without it.
    pub fn prepare_flush(&self) -> FlushPlan {
        unreachable!("a log cannot be opened yet")
    }

    /// Moves the recovery point after `plan` ran without error.
    pub fn complete_flush(&mut self, plan: FlushPlan) {}

    /// Messages appended and not yet flushed.
    pub fn unflushed_messages(&self) -> i64 {
        0
    }

    /// Takes the log offline: every later append and read answers `StorageError::Offline` until it is opened again.
    pub fn fail(&mut self, reason: &str) {}

    /// True after `fail`, or after a disk failure that left the files in doubt.
    pub fn is_offline(&self) -> bool {
        true
    }

    /// Begins a new segment, whatever the size of the old one (not when it is empty).
    pub fn roll(&mut self, now: Millis) -> Result<(), StorageError> {
        Err(self.not_yet())
    }

    /// Deletes segments that retention no longer asks to keep: renames them to `.deleted`, and removes what was renamed
    /// `file.delete.delay.ms` ago. Number of segments retired now.
    pub fn enforce_retention(&mut self, now: Millis) -> Result<usize, StorageError> {
        Err(self.not_yet())
    }

    /// Removes `.deleted` files whose delay is over.
    pub fn remove_deleted_files(&mut self, now: Millis) -> Result<usize, StorageError> {
        Err(self.not_yet())
    }

    /// Forgets producers silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: Millis) {}

    /// Closes the log. With `clean`, everything is flushed and a producer snapshot written first.
    pub fn close(self, clean: bool) -> Result<(), StorageError> {
        Err(self.not_yet())
    }

    /// Bytes in all segments.
    pub fn size_bytes(&self) -> u64 {
        0
    }

    /// Takes a new configuration.
    pub fn reconfigure(&mut self, config: Arc<LogConfig>) {}
}
