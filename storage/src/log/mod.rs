//! One topic-partition's log: segments in offset order, the offsets that say who may see what, producers, leader epochs.
//!
//! Who may call what: `server` owns each log behind one short lock. `append_*`, `truncate_*`, `roll`, retention and everything else
//! that takes `&mut self` is for the owner. `read`, `list_offset` and the getters take `&self`; a plan they return is carried out without
//! the lock, as is `FlushPlan::run`. Reads of data that is not in the page cache block: the caller decides on which thread.
//!
//! Promises: an append is either wholly in the log or not at all; what was read once reads the same until it is deleted; bytes are
//! handed out only when this process wrote them or has checked their CRC; nothing that may be damaged is cut or deleted.
//! The log never decides its own high watermark, never retries a failed sync, and knows no clock.

mod append;
mod cleaning;
mod config;
mod flush;
mod list_offsets;
mod offsets;
mod producers;
mod read;
mod recover;
mod retention;
#[cfg(test)]
mod tests;
mod truncate;
mod types;

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::batch::TimestampType;
pub use append::TransactionCheck;
pub use config::{CleanupPolicy, LogConfig, TopicCompression};
pub use flush::FlushPlan;
pub use truncate::{FileRemoval, RetentionPlan};
pub use types::{
    AbortedTransaction, AppendError, AppendInfo, AppendOrigin, Corruption, FileRange, FoundOffset, ListOffset, OpenOptions, ReadError,
    ReadPlan, RecordError, RecoveryReport,
};

use crate::batch::BatchHeader;
use crate::cleaner::Lease;
use crate::producer::ProducerStates;
use crate::segment::{OpenFile, Place, RollRules, Segment, tidy_seals};
use crate::{EpochEntry, LeaderEpoch, LeaderEpochCache, LogId, Millis, Offset, StorageError};
use offsets::Offsets;

/// One topic-partition's log.
#[derive(Debug)]
pub struct PartitionLog {
    id: LogId,
    place: Place,
    config: Arc<LogConfig>,
    /// In offset order, never empty; the last one takes the appends.
    segments: Vec<Segment>,
    offsets: Offsets,
    epochs: LeaderEpochCache,
    epochs_on_disk: Vec<EpochEntry>,
    producers: ProducerStates,
    /// Offsets of the snapshot files, rising.
    snapshots: Vec<Offset>,
    health: Health,
    corruption: Option<Corruption>,
    recovery_point: Offset,
    /// Companion files written since the last flush, numbered.
    unsynced: Vec<(u64, OpenFile)>,
    unsynced_count: u64,
    dir_changes: u64,
    dir_changes_synced: u64,
    /// Rises when files that a flush plan may name are cut or deleted.
    generation: u64,
    retired: Vec<Retired>,
    /// Held by the cleaner while a pass is under way.
    cleaning: Lease,
}

/// What a log still does.
#[derive(Debug)]
enum Health {
    Writable,
    /// Damaged in the middle: serves what lies before.
    ReadOnly(String),
    Offline(String),
}

/// A file that waits to be removed.
#[derive(Debug)]
struct Retired {
    path: PathBuf,
    /// `None` until somebody who knows the time comes by.
    remove_at: Option<Millis>,
}

impl PartitionLog {
    /// The log's name.
    #[must_use]
    pub fn id(&self) -> &LogId {
        &self.id
    }

    /// The log's directory.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        &self.place.dir
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config)
    }

    /// Takes a new configuration; it holds from the next append on.
    pub fn reconfigure(&mut self, config: Arc<LogConfig>) {
        self.producers.set_expiration_ms(config.producer_id_expiration_ms);
        self.config = config;
    }

    /// First readable offset.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.offsets.log_start()
    }

    /// Everything below is committed.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.offsets.high_watermark()
    }

    /// Everything below is committed and decided.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        self.offsets.last_stable()
    }

    /// The next offset to be written.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.offsets.log_end()
    }

    /// First offset of the oldest transaction that is open, or whose end is not below the high watermark.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.offsets.first_unstable()
    }

    /// Everything below is known to be on disk.
    #[must_use]
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Moves the high watermark; clamped to the log end offset, never backwards.
    pub fn set_high_watermark(&mut self, offset: Offset) {
        if self.offsets.raise_high_watermark(offset) {
            self.producers.on_high_watermark_updated(self.offsets.high_watermark());
            self.offsets.set_first_unstable(self.producers.first_unstable_offset());
        }
    }

    /// Largest epoch not above the asked one, with its end offset (KIP-101, KIP-320).
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.end_offset_for(epoch, self.log_end_offset())
    }

    /// The newest leader epoch.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest().map(|entry| entry.epoch)
    }

    /// The epoch in which the record at `offset` was written.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.epoch_for_offset(offset)
    }

    /// Notes that `epoch` begins at the log end offset; called when this broker becomes leader.
    pub fn assign_leader_epoch(&mut self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        self.refuse_unless_writable()?;
        self.epochs.assign(epoch, self.log_end_offset());
        Ok(())
    }

    /// What is known of the partition's producers.
    #[must_use]
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// Forgets producers silent for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: Millis) {
        self.producers.remove_expired(now);
    }

    /// The clock was set by so much: producers are not older for it.
    pub fn note_clock_set(&mut self, by_ms: i64) {
        self.producers.note_clock_set(by_ms);
    }

    /// Takes the log offline: every later append and read answers `StorageError::Offline` until it is opened again.
    pub fn fail(&mut self, reason: &str) {
        if !self.is_offline() {
            tracing::error!(log = %self.id, reason, "the log goes offline");
            self.health = Health::Offline(reason.to_owned());
            self.cleaning.revoke();
        }
    }

    /// True after `fail`, or after a disk failure that left the files in doubt.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        matches!(self.health, Health::Offline(_))
    }

    fn offline_error(&self, reason: &str) -> StorageError {
        StorageError::Offline { log: self.id.to_string(), reason: reason.to_owned() }
    }

    pub(crate) fn refuse_unless_writable(&self) -> Result<(), StorageError> {
        match &self.health {
            Health::Writable => Ok(()),
            Health::ReadOnly(reason) | Health::Offline(reason) => Err(self.offline_error(reason)),
        }
    }

    fn refuse_unless_readable(&self) -> Result<(), StorageError> {
        match &self.health {
            Health::Writable | Health::ReadOnly(_) => Ok(()),
            Health::Offline(reason) => Err(self.offline_error(reason)),
        }
    }

    fn no_segment(&self) -> StorageError {
        self.offline_error("it has no segment")
    }

    fn corruption_error(&self, corruption: &Corruption) -> StorageError {
        StorageError::Corrupt {
            path: self.place.dir.join(&corruption.file),
            position: corruption.position,
            reason: corruption.reason.clone(),
        }
    }

    /// Bytes in all segments.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::size_bytes).sum()
    }

    /// Number of segments.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    fn active(&self) -> &Segment {
        self.segments.last().expect("a log always has a segment")
    }

    fn note_unsynced(&mut self, open: OpenFile) {
        self.unsynced.retain(|(_, other)| other.path != open.path);
        self.unsynced.push((self.unsynced_count, open));
        self.unsynced_count += 1;
        self.dir_changes += 1;
    }

    fn finish_segment(&mut self, index: usize, end_offset: Offset) -> Result<(), StorageError> {
        let Some(segment) = self.segments.get_mut(index) else { return Ok(()) };
        for open in segment.finish(&self.place, end_offset, self.config.index_interval_bytes)? {
            self.note_unsynced(open);
        }
        Ok(())
    }

    fn roll_if_needed(&mut self, now: Millis, header: &BatchHeader, size_bytes: u64) -> Result<(), StorageError> {
        let rules = RollRules {
            size_bytes_max: u64::from(self.config.segment_bytes),
            age_ms_max: self.config.segment_ms.saturating_sub(self.roll_jitter_ms()),
            index_size_bytes_max: self.config.segment_index_bytes,
        };
        if self.active().must_roll(&self.place, header, size_bytes, now, rules)? {
            self.roll_at(now, header.base_offset())?;
        }
        Ok(())
    }

    /// Differs from log to log and from segment to segment, the same each time it is asked.
    fn roll_jitter_ms(&self) -> i64 {
        match self.config.segment_jitter_ms.min(self.config.segment_ms) {
            ..=0 => 0,
            range => {
                i64::from(crc32c::crc32c_append(
                    crc32c::crc32c(self.id.to_string().as_bytes()),
                    &self.active().base_offset().0.to_be_bytes(),
                )) % range
            }
        }
    }

    /// Begins a new segment, whatever the size of the old one (not when it is empty).
    pub fn roll(&mut self, now: Millis) -> Result<(), StorageError> {
        self.refuse_unless_writable()?;
        if self.active().size_bytes() == 0 {
            return Ok(());
        }
        self.roll_at(now, self.log_end_offset())
    }

    /// An error leaves the log as it was.
    fn roll_at(&mut self, now: Millis, base_offset: Offset) -> Result<(), StorageError> {
        let last = self.segments.len() - 1;
        if self.active().size_bytes() == 0 {
            // A gap in the offsets is too wide for the empty segment: another one takes its place.
            let segment = Segment::create(&self.place, base_offset, now)?;
            let discarded = self.discard_segments_from(last);
            self.segments.push(segment);
            return discarded.inspect_err(|error| self.fail(&format!("an empty segment stays behind: {error}")));
        }
        self.finish_segment(last, base_offset)?;
        self.producers.set_end_offset(base_offset);
        self.write_snapshot()?;
        // Last: were the new segment there and not in use, the old one would go on growing past its name.
        let segment = Segment::create(&self.place, base_offset, now)?;
        if let Some(old) = self.segments.last_mut() {
            old.seal();
        }
        self.segments.push(segment);
        self.dir_changes += 1;
        Ok(())
    }

    /// Closes the log. With `clean`, everything is flushed and a producer snapshot written first.
    pub fn close(mut self, clean: bool) -> Result<(), StorageError> {
        if !clean || self.refuse_unless_writable().is_err() {
            return Ok(());
        }
        self.write_the_rest()?;
        let plan = self.prepare_flush();
        plan.run()?;
        self.complete_flush(plan);
        Ok(())
    }

    /// Closes the log cleanly for a caller that syncs the whole disk next: everything is written, nothing synced. The recovery point
    /// that holds once that sync has succeeded.
    pub fn close_before_disk_sync(mut self) -> Result<Offset, StorageError> {
        self.refuse_unless_writable()?;
        self.write_the_rest()?;
        self.prepare_flush().write()?;
        Ok(self.log_end_offset())
    }

    fn write_the_rest(&mut self) -> Result<(), StorageError> {
        self.finish_segment(self.segments.len() - 1, self.log_end_offset())?;
        self.producers.set_end_offset(self.log_end_offset());
        if self.producers.snapshot_is_due() {
            self.write_snapshot()?;
        }
        let bases: Vec<Offset> = self.segments.iter().map(Segment::base_offset).collect();
        tidy_seals(&self.place, &bases)
    }

    /// Closes the files of all segments but the active one; they are opened again when needed.
    pub fn release_files(&self) {
        for segment in &self.segments[..self.segments.len() - 1] {
            segment.release_file();
        }
    }

    /// Closes all files; they are opened again when needed. For logs without unflushed records: with the file goes the kernel's note
    /// of a failed write, which a later sync would report.
    pub fn release_all_files(&self) {
        self.segments.iter().for_each(Segment::release_file);
    }
}
