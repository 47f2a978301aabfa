//! Removing records: from the end (followers, recovery), from the beginning (DeleteRecords, retention), all of them.

use super::retention::{Candidate, Standing, deletable_count};
use super::{PartitionLog, Retired};
use crate::disk::Disk;
use crate::segment::{FileKind, Phase, Segment};
use crate::{Millis, Offset, StorageError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

impl PartitionLog {
    /// Removes every batch that ends at `offset` or later. True when anything was removed.
    ///
    /// The recovery point and with it the checkpoint may have to go back: see `LogManager::write_checkpoints`.
    pub fn truncate_to(&mut self, offset: Offset) -> Result<bool, StorageError> {
        self.refuse_unless_writable()?;
        assert!(offset.0 >= 0, "a log is not truncated to a negative offset");
        if offset >= self.log_end_offset() {
            // An epoch that began here without a record is not ours to remember.
            self.epochs.truncate_from_end(self.log_end_offset());
            return Ok(false);
        }
        if self.segments.first().is_some_and(|first| first.base_offset() > offset) {
            self.truncate_fully_and_start_at(offset)?;
            return Ok(true);
        }
        let outcome = self.truncate_within(offset);
        if let Err(error) = &outcome {
            self.fail(&format!("truncation to {offset} stopped half way: {error}"));
        }
        outcome.map(|()| true)
    }

    fn truncate_within(&mut self, offset: Offset) -> Result<(), StorageError> {
        self.generation += 1;
        self.cleaning.revoke();
        let kept = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        let removed = self.segments.split_off(kept);
        self.retire_from_the_end(&removed)?;
        let interval_bytes = self.config.index_interval_bytes;
        let Some(active) = self.segments.last_mut() else { return Err(self.no_segment()) };
        let cut = active.truncate(&self.place, offset, interval_bytes)?;
        let log_end = cut.map_or(offset, |base_offset| base_offset.min(offset));
        self.epochs.truncate_from_end(log_end);
        self.recovery_point = self.recovery_point.min(log_end);
        self.forget_snapshots_after(log_end)?;
        self.sync_removals()?;
        self.load_producers(log_end, None)?;
        self.producers.on_high_watermark_updated(self.offsets.high_watermark().min(log_end));
        self.offsets.truncate(log_end, self.producers.first_unstable_offset());
        Ok(())
    }

    /// Removes everything and begins anew at `offset`.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) -> Result<(), StorageError> {
        self.refuse_unless_writable()?;
        assert!(offset.0 >= 0, "a log does not begin at a negative offset");
        let outcome = self.restart_at(offset);
        if let Err(error) = &outcome {
            self.fail(&format!("starting anew at {offset} stopped half way: {error}"));
        }
        outcome
    }

    fn restart_at(&mut self, offset: Offset) -> Result<(), StorageError> {
        self.generation += 1;
        self.cleaning.revoke();
        let known_since = self.segments.last().map_or(Millis(0), Segment::created_at);
        let removed = std::mem::take(&mut self.segments);
        self.retire_from_the_end(&removed)?;
        self.forget_snapshots_after(Offset(-1))?;
        // A new segment must not be found beside snapshots that know of what was before.
        self.place.sync_dir()?;
        self.segments.push(Segment::create(&self.place, offset, known_since)?);
        self.sync_removals()?;
        self.epochs.clear();
        self.producers.truncate_fully_and_start_at(offset);
        self.recovery_point = offset;
        self.offsets.restart(offset);
        Ok(())
    }

    /// Moves the log start offset forward (DeleteRecords). True when it moved. Not above the high watermark: the caller checks.
    pub fn advance_log_start_offset(&mut self, offset: Offset) -> Result<bool, StorageError> {
        self.refuse_unless_writable()?;
        if offset <= self.log_start_offset() || offset > self.high_watermark() {
            return Ok(false);
        }
        self.epochs.truncate_from_start(offset);
        self.producers.on_log_start_offset_incremented(offset);
        self.offsets.raise_log_start(offset, self.producers.first_unstable_offset());
        Ok(true)
    }

    /// Deletes segments that retention no longer asks to keep: they are renamed to `.deleted` now and removed when
    /// `file.delete.delay.ms` have gone by. Number of segments taken out now. With the sync of the directory, unlike the three beats
    /// that it consists of.
    pub fn enforce_retention(&mut self, now: Millis) -> Result<usize, StorageError> {
        self.remove_deleted_files(now);
        match self.prepare_retention(now)? {
            None => Ok(0),
            Some(plan) => plan.run().and_then(|()| self.complete_retention(plan)),
        }
    }

    /// First beat of retention, under the log's lock: chooses what may go, and begins a new segment if that is all there is. `None`
    /// when nothing may.
    pub fn prepare_retention(&mut self, now: Millis) -> Result<Option<RetentionPlan>, StorageError> {
        self.refuse_unless_writable()?;
        let mut count = self.deletable_count(now)?;
        if count > 0 && count == self.segments.len() {
            match self.roll(now) {
                // A full disk takes no new segment, and the others go all the same.
                Err(error) if count == 1 => return Err(error),
                Err(_) => count -= 1,
                Ok(()) => {}
            }
        }
        let first_kept = match self.segments.get(count).map(Segment::base_offset) {
            Some(first_kept) if count > 0 => first_kept,
            _ => return Ok(None),
        };
        if let Err(error) = self.ensure_snapshot_at(first_kept) {
            // On a full disk the segments go all the same, as long as a later snapshot is there.
            if self.snapshots.last().is_none_or(|newest| *newest <= first_kept) {
                return Err(error);
            }
            tracing::warn!(log = %self.id, %error, "no snapshot of producers where the log now begins; a later one is there");
        }
        Ok(Some(RetentionPlan {
            disk: Arc::clone(&self.place.disk),
            dir: self.place.dir.clone(),
            sync_dir: self.dir_changes > self.dir_changes_synced,
            dir_changes: self.dir_changes,
            generation: self.generation,
            first_kept,
        }))
    }

    fn deletable_count(&self, now: Millis) -> Result<usize, StorageError> {
        let standing = Standing {
            log_start_offset: self.log_start_offset(),
            high_watermark: self.high_watermark(),
            log_end_offset: self.log_end_offset(),
        };
        let mut candidates = Vec::with_capacity(self.segments.len());
        for (index, segment) in self.segments.iter().enumerate() {
            let largest = segment.max_timestamp(&self.place, self.config.index_interval_bytes)?.timestamp;
            candidates.push(Candidate {
                size_bytes: segment.size_bytes(),
                largest_timestamp: if largest.0 >= 0 { largest } else { segment.created_at() },
                next_base_offset: self.segments.get(index + 1).map(Segment::base_offset),
            });
        }
        Ok(deletable_count(&candidates, standing, &self.config, now))
    }

    /// Last beat of retention, under the lock again and after [`RetentionPlan::run`] has succeeded: the segments go. None do when the
    /// log was changed meanwhile; the next retention looks again.
    pub fn complete_retention(&mut self, plan: RetentionPlan) -> Result<usize, StorageError> {
        self.refuse_unless_writable()?;
        let count = self.segments.partition_point(|segment| segment.base_offset() < plan.first_kept);
        if plan.generation != self.generation || count == self.segments.len() {
            return Ok(0);
        }
        self.dir_changes_synced = self.dir_changes_synced.max(plan.dir_changes);
        self.advance_log_start_offset(plan.first_kept)?;
        let removed: Vec<Segment> = self.segments.drain(..count).collect();
        self.generation += 1;
        self.cleaning.revoke();
        self.recovery_point = self.recovery_point.max(plan.first_kept);
        let mut outcome = Ok(());
        for segment in &removed {
            outcome = outcome.and(self.retire(segment));
            outcome = outcome.and(self.retire_file(segment.base_offset(), FileKind::Snapshot));
            self.snapshots.retain(|snapshot| *snapshot != segment.base_offset());
        }
        self.unsynced.retain(|(_, open)| !removed.iter().any(|segment| belongs_to(&open.path, segment)));
        outcome.map(|()| count)
    }

    /// Renames segments from the last to the first, each for good before the next, so that no crash leaves a gap.
    fn retire_from_the_end(&mut self, segments: &[Segment]) -> Result<(), StorageError> {
        for segment in segments.iter().rev() {
            self.retire(segment)?;
            self.place.sync_dir()?;
        }
        Ok(())
    }

    /// Makes the end that the log has now durable: what was cut off or removed must not come back after a power loss, behind or among
    /// what is appended from here on.
    pub(super) fn sync_removals(&mut self) -> Result<(), StorageError> {
        let active = self.active();
        let file = active.log_file(&self.place)?;
        file.sync().map_err(|source| StorageError::io("sync", active.log_path(&self.place), source))?;
        self.dir_changes += 1;
        self.place.sync_dir()?;
        self.dir_changes_synced = self.dir_changes;
        Ok(())
    }

    /// Renames a segment's files to `.deleted`.
    pub(super) fn retire(&mut self, segment: &Segment) -> Result<(), StorageError> {
        for kind in [FileKind::Log].into_iter().chain(FileKind::COMPANIONS) {
            self.retire_file(segment.base_offset(), kind)?;
        }
        self.unsynced.retain(|(_, open)| !belongs_to(&open.path, segment));
        Ok(())
    }

    pub(super) fn retire_file(&mut self, base_offset: Offset, kind: FileKind) -> Result<(), StorageError> {
        let from = self.place.path(base_offset, kind);
        let mut to = from.clone().into_os_string();
        to.push(Phase::Deleted.suffix());
        let to = PathBuf::from(to);
        if self.place.rename(&from, &to)? {
            // The cleaner may have put another file there a moment ago.
            self.retired.retain(|retired| retired.path != to);
            self.retired.push(Retired { path: to, remove_at: None });
            self.dir_changes += 1;
        }
        Ok(())
    }

    /// Removes `.deleted` files whose delay is over. Number of files removed.
    pub fn remove_deleted_files(&mut self, now: Millis) -> usize {
        let Some(removal) = self.take_deleted_files(now) else { return 0 };
        let (count, left) = (removal.paths.len(), removal.run());
        let removed = count - left.len();
        self.retry_deleted_files(left);
        removed
    }

    /// The `.deleted` files whose delay is over, to be removed without the log's lock. The delay of a file begins when this is first
    /// called after it was renamed.
    pub fn take_deleted_files(&mut self, now: Millis) -> Option<FileRemoval> {
        let delay_ms = self.config.file_delete_delay_ms;
        let mut due = Vec::new();
        self.retired.retain_mut(|retired| {
            let stays = now < *retired.remove_at.get_or_insert(Millis(now.0.saturating_add(delay_ms)));
            if !stays {
                due.push(std::mem::take(&mut retired.path));
            }
            stays
        });
        (!due.is_empty()).then(|| FileRemoval { disk: Arc::clone(&self.place.disk), paths: due })
    }

    /// Takes back the files that could not be removed: they are tried again next time, and at the latest when the log is opened.
    pub fn retry_deleted_files(&mut self, left: Vec<PathBuf>) {
        self.retired.extend(left.into_iter().map(|path| Retired { path, remove_at: Some(Millis(0)) }));
    }
}

/// What has to be durable before retention takes segments out.
///
/// Made under the log's lock, run without it, handed back to `complete_retention`.
#[derive(Debug)]
pub struct RetentionPlan {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    sync_dir: bool,
    dir_changes: u64,
    generation: u64,
    first_kept: Offset,
}

impl RetentionPlan {
    /// Makes the names of what stays durable, for they come before those of what goes. After an error the caller takes the log offline.
    pub fn run(&self) -> Result<(), StorageError> {
        match self.sync_dir {
            true => self.disk.sync_dir(&self.dir).map_err(|source| StorageError::io("sync directory", &self.dir, source)),
            false => Ok(()),
        }
    }
}

/// Files that nobody needs any more.
#[derive(Debug)]
#[must_use = "the files stay until it has run"]
pub struct FileRemoval {
    disk: Arc<dyn Disk>,
    paths: Vec<PathBuf>,
}

impl FileRemoval {
    /// Removes them; those that could not be removed.
    pub fn run(self) -> Vec<PathBuf> {
        let fails = |path: &PathBuf| match self.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a deleted file stays");
                true
            }
            _ => false,
        };
        self.paths.into_iter().filter(fails).collect()
    }
}

fn belongs_to(path: &std::path::Path, segment: &Segment) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(crate::segment::parse_file_name(name), Some((base_offset, kind, None)) if base_offset == segment.base_offset() && kind != FileKind::Snapshot)
}
