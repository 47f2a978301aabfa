//! How a partition's records come to their end: DeleteRecords, retention, the files that retention leaves for a while, the cleaner.
//!
//! `api/delete_records.rs`, `background` and `cleaner` call it. What may take long (syncs, removals, a pass of the cleaner) runs without the
//! partition's lock, as a job that the partition waits for before it gives its log away.

use super::{Partition, State};
use crate::errors::PartitionError;
use ottla_storage::cleaner::Cleanable;
use ottla_storage::manager::LogOffsets;
use ottla_storage::{Millis, Offset, StorageError};
use std::sync::atomic::Ordering;

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

    /// Takes the segments out that retention no longer asks to keep; how many. Not while the cleaner reads them, and of no log that takes
    /// no changes.
    pub fn enforce_retention(&self, now: Millis) -> Result<usize, StorageError> {
        let mut state = self.lock();
        let cleaning = state.cleaning;
        let prepared = match &mut state.log {
            Some(log) if !cleaning => log.prepare_retention(now),
            _ => return Ok(0),
        };
        state.follow_log();
        let plan = match prepared {
            Ok(Some(plan)) => plan,
            Ok(None) | Err(StorageError::Offline { .. }) => return Ok(0),
            Err(error) => return Err(error),
        };
        let job = Job::begin(self, &mut state);
        drop(state);
        if let Err(error) = plan.run() {
            self.lock().fail(&error.to_string());
            return Err(error);
        }
        let removed = self.with_log(|log| log.complete_retention(plan)).unwrap_or(Ok(0));
        drop(job);
        removed
    }

    /// Removes the files that retention and truncations have left and that are old enough.
    pub fn remove_deleted_files(&self, now: Millis) {
        let mut state = self.lock();
        let Some(removal) = state.log.as_mut().and_then(|log| log.take_deleted_files(now)) else { return };
        let job = Job::begin(self, &mut state);
        drop(state);
        let left = removal.run();
        if !left.is_empty() {
            self.with_log(|log| log.retry_deleted_files(left));
        }
        drop(job);
    }

    /// What the cleaner could do here, beside `min.cleanable.dirty.ratio`; `None` when it is at it, or there is nothing for it to do.
    pub fn cleanable(&self, checkpoint: Option<Offset>, now: Millis) -> Result<Option<(Cleanable, f64)>, StorageError> {
        let state = self.lock();
        match &state.log {
            Some(log) if !state.cleaning => {
                Ok(log.cleanable(checkpoint, now)?.map(|cleanable| (cleanable, log.config().min_cleanable_dirty_ratio)))
            }
            _ => Ok(None),
        }
    }

    /// True when the topic is compacted, whether or not its segments are deleted too.
    #[must_use]
    pub fn is_compacted(&self) -> bool {
        self.lock().config.log.cleanup_policy.compact
    }

    /// Lets one cleaner in.
    #[must_use]
    pub fn begin_cleaning(&self) -> Option<Cleaning<'_>> {
        let mut state = self.lock();
        if state.log.is_none() || std::mem::replace(&mut state.cleaning, true) {
            return None;
        }
        Some(Cleaning { job: Job::begin(self, &mut state) })
    }
}

/// Work on the log's files without the lock. The partition keeps its log until this is dropped.
#[derive(Debug)]
struct Job<'p>(&'p Partition);

impl<'p> Job<'p> {
    fn begin(partition: &'p Partition, state: &mut State) -> Self {
        state.jobs_running += 1;
        Self(partition)
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.jobs_running -= 1;
        if state.jobs_running == 0 {
            self.0.jobs_ended.notify_all();
        }
    }
}

/// The right to clean a log, held by one at a time. Retention stays away meanwhile.
#[derive(Debug)]
pub struct Cleaning<'p> {
    job: Job<'p>,
}

impl Cleaning<'_> {
    /// Somebody waits for the log: the topic is deleted, or the broker stops.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.job.0.leaving.load(Ordering::SeqCst)
    }
}

impl Drop for Cleaning<'_> {
    fn drop(&mut self) {
        self.job.0.lock().cleaning = false;
    }
}
