//! Making appended bytes durable without holding the log's lock.

use std::path::PathBuf;
use std::sync::Arc;

use super::PartitionLog;
use crate::disk::Disk;
use crate::segment::{OpenFile, Segment};
use crate::{EpochEntry, LeaderEpochCache, Offset, StorageError};

/// What has to reach the disk so that the recovery point can move to [`FlushPlan::up_to`].
///
/// Made under the log's lock, run without it, handed back to `complete_flush`. When `run` fails the caller takes the log offline
/// with `fail`; a failed sync is never tried again.
#[derive(Debug)]
pub struct FlushPlan {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// In the order in which they are synced: oldest segment first.
    files: Vec<OpenFile>,
    unopened: Option<StorageError>,
    sync_dir: bool,
    epochs: Option<Vec<EpochEntry>>,
    up_to: Offset,
    generation: u64,
    companions_until: u64,
    dir_changes: u64,
}

impl FlushPlan {
    /// Nothing was written since the last flush.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.sync_dir && self.epochs.is_none() && self.unopened.is_none()
    }

    /// Everything below this offset is durable once `run` has succeeded.
    #[must_use]
    pub fn up_to(&self) -> Offset {
        self.up_to
    }

    /// Syncs the files, oldest segment first, the leader epochs, then the directory when files were created in it.
    pub fn run(&self) -> Result<(), StorageError> {
        self.refuse_unopened()?;
        self.sync_files()?;
        if let Some(mut history) = self.history() {
            history.flush(&*self.disk)?;
        }
        self.sync_names()
    }

    fn refuse_unopened(&self) -> Result<(), StorageError> {
        match &self.unopened {
            Some(error) => Err(StorageError::Offline { log: self.dir.display().to_string(), reason: error.to_string() }),
            None => Ok(()),
        }
    }

    fn sync_files(&self) -> Result<(), StorageError> {
        let sync = |OpenFile { path, file }: &OpenFile| file.sync().map_err(|source| StorageError::io("sync", path, source));
        self.files.iter().try_for_each(sync)
    }

    fn sync_names(&self) -> Result<(), StorageError> {
        match self.sync_dir {
            true => self.disk.sync_dir(&self.dir).map_err(|source| StorageError::io("sync directory", &self.dir, source)),
            false => Ok(()),
        }
    }

    /// For the cleaner, which runs beside whoever flushes: makes the records durable, writes nothing, and completes nothing.
    pub(crate) fn sync_records(&self) -> Result<(), StorageError> {
        self.refuse_unopened()?;
        self.sync_files()?;
        self.sync_names()
    }

    /// Writes what would be written, and syncs nothing.
    pub(super) fn write(&self) -> Result<(), StorageError> {
        self.history().map_or(Ok(()), |history| history.write(&*self.disk))
    }

    fn history(&self) -> Option<LeaderEpochCache> {
        let mut history = LeaderEpochCache::new(&self.dir);
        for entry in self.epochs.as_ref()? {
            history.assign(entry.epoch, entry.start_offset);
        }
        Some(history)
    }
}

impl PartitionLog {
    /// Plans a flush of all that was appended so far. Made under the log's lock, run without it.
    #[must_use]
    pub fn prepare_flush(&self) -> FlushPlan {
        let mut plan = FlushPlan {
            disk: Arc::clone(&self.place.disk),
            dir: self.place.dir.clone(),
            files: Vec::new(),
            unopened: None,
            sync_dir: self.dir_changes > self.dir_changes_synced,
            dir_changes: self.dir_changes,
            epochs: (self.epochs.entries() != self.epochs_on_disk.as_slice()).then(|| self.epochs.entries().to_vec()),
            up_to: self.log_end_offset(),
            generation: self.generation,
            companions_until: self.unsynced_count,
        };
        if self.refuse_unless_writable().is_err() {
            return FlushPlan { sync_dir: false, epochs: None, up_to: self.recovery_point, companions_until: 0, ..plan };
        }
        if self.recovery_point < plan.up_to {
            for segment in &self.segments[self.segment_index(self.recovery_point)..] {
                match segment.log_file(&self.place) {
                    Ok(file) => plan.files.push(OpenFile { path: segment.log_path(&self.place), file }),
                    Err(error) => plan.unopened = Some(error),
                }
            }
        }
        plan.files.extend(self.unsynced.iter().map(|(_, open)| open.clone()));
        plan
    }

    /// Moves the recovery point after `plan` ran without error. A plan made before a truncation moves nothing.
    pub fn complete_flush(&mut self, plan: FlushPlan) {
        if plan.generation != self.generation {
            return;
        }
        self.recovery_point = self.recovery_point.max(plan.up_to.min(self.log_end_offset()));
        self.unsynced.retain(|(number, _)| *number >= plan.companions_until);
        if let Some(entries) = plan.epochs {
            self.epochs_on_disk = entries;
        }
        if plan.sync_dir {
            self.dir_changes_synced = self.dir_changes_synced.max(plan.dir_changes);
        }
    }

    /// How much a start after a crash would have to check: the segments from the recovery point on.
    #[must_use]
    pub fn unflushed_size_bytes(&self) -> u64 {
        if self.recovery_point >= self.log_end_offset() {
            return 0;
        }
        self.segments[self.segment_index(self.recovery_point)..].iter().map(Segment::size_bytes).sum()
    }

    /// Messages appended and not yet flushed.
    #[must_use]
    pub fn unflushed_messages(&self) -> i64 {
        self.log_end_offset().since(self.recovery_point)
    }
}
