//! Leader epoch -> the offset of its first record: the history by which replicas find where they part, in `leader-epoch-checkpoint`.
//!
//! The log that owns the cache calls it under its own lock. The cache changes in memory and says so; [`LeaderEpochCache::flush`] makes
//! it durable. Two promises rest on the caller: a new entry is flushed before the recovery point passes its start offset (else a crash
//! could lose an epoch that no rescan would find), and a flushed file may only ever hold too much, which the open repairs by
//! truncating to the log's two ends.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::checkpoint::{number, parse_lines};
use crate::disk::{Disk, put_file_unsynced, read_file, replace_file};
use crate::{LeaderEpoch, Offset, StorageError};

/// File name in a partition's directory.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

/// More than any partition's history of elections; a larger file is refused unread.
const FILE_SIZE_BYTES_MAX: u64 = 16 << 20;

/// One leader epoch and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Offset of the first record written in it; the log end offset at its beginning when none is written yet.
    pub start_offset: Offset,
}

/// The epochs of one log, strictly rising in epoch and in start offset.
#[derive(Debug)]
pub struct LeaderEpochCache {
    path: PathBuf,
    entries: Vec<EpochEntry>,
    dirty: bool,
}

impl LeaderEpochCache {
    /// An empty history for the log in `log_dir`.
    #[must_use]
    pub fn new(log_dir: &Path) -> Self {
        Self { path: log_dir.join(LEADER_EPOCH_CHECKPOINT), entries: Vec::new(), dirty: false }
    }

    /// Reads the history of the log in `log_dir`. A missing file is an empty history; an unreadable one is too, and comes with the
    /// reason. An empty history beside a log with records has been lost: the caller rebuilds it from the batches.
    #[must_use]
    pub fn open(disk: &dyn Disk, log_dir: &Path) -> (Self, Option<StorageError>) {
        let mut cache = Self::new(log_dir);
        match read_file(disk, &cache.path, FILE_SIZE_BYTES_MAX).and_then(|bytes| parse_epochs(&cache.path, &bytes.unwrap_or_default())) {
            Ok(entries) => {
                cache.entries = entries;
                (cache, None)
            }
            Err(warning) => (cache, Some(warning)),
        }
    }

    /// Records that `epoch` begins at `start_offset`; true when that changed anything. Later entries that contradict it go: an epoch
    /// not below it, or one that begins at or after it. Epochs and offsets below zero are no history and are ignored.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch.0 < 0 || start_offset.0 < 0 {
            return false;
        }
        if self.entries.last().is_some_and(|last| last.epoch == epoch && last.start_offset <= start_offset) {
            return false;
        }
        while self.entries.pop_if(|last| last.epoch >= epoch || last.start_offset >= start_offset).is_some() {}
        self.entries.push(EpochEntry { epoch, start_offset });
        self.dirty = true;
        true
    }

    /// Forgets the epochs that begin at or after `end_offset`; true when there were any.
    pub fn truncate_from_end(&mut self, end_offset: Offset) -> bool {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        if end_offset.0 < 0 || kept == self.entries.len() {
            return false;
        }
        self.entries.truncate(kept);
        self.dirty = true;
        true
    }

    /// Forgets what lies before `start_offset`: the epoch that holds it now begins there; true when that changed anything.
    pub fn truncate_from_start(&mut self, start_offset: Offset) -> bool {
        let passed = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(holder) = passed.checked_sub(1) else { return false };
        if holder == 0 && self.entries[0].start_offset == start_offset {
            return false;
        }
        self.entries[holder].start_offset = start_offset;
        self.entries.drain(..holder);
        self.dirty = true;
        true
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.dirty |= !self.entries.is_empty();
        self.entries.clear();
    }

    /// What OffsetsForLeaderEpoch answers: the largest epoch not above `requested` and the offset where it ends. `None` when the
    /// epoch is unknown (-1) or newer than any here. An epoch older than all known ends where the first known begins.
    #[must_use]
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end_offset: Offset) -> Option<(LeaderEpoch, Offset)> {
        if requested.0 == -1 {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == requested) {
            return Some((requested, log_end_offset));
        }
        let next = self.entries.partition_point(|entry| entry.epoch <= requested);
        let end_offset = self.entries.get(next)?.start_offset;
        let epoch = next.checked_sub(1).map_or(requested, |floor| self.entries[floor].epoch);
        Some((epoch, end_offset))
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The oldest epoch still known.
    #[must_use]
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The newest epoch below `epoch`.
    #[must_use]
    pub fn previous(&self, epoch: LeaderEpoch) -> Option<EpochEntry> {
        let at = self.entries.partition_point(|entry| entry.epoch < epoch);
        at.checked_sub(1).map(|before| self.entries[before])
    }

    /// The epoch in which the record at `offset` was written.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|holder| self.entries[holder].epoch)
    }

    /// All epochs, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// True when memory is ahead of the file.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Makes the history durable when it changed since the last time. After an error it still counts as changed.
    pub fn flush(&mut self, disk: &dyn Disk) -> Result<(), StorageError> {
        if self.dirty {
            replace_file(disk, &self.path, encode_epochs(&self.entries).as_bytes())?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Writes the history and leaves the sync to a sync of the whole disk. What a power loss may leave until then, the old text, the
    /// new one or none, is what the open expects.
    pub(crate) fn write(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        put_file_unsynced(disk, &self.path, encode_epochs(&self.entries).as_bytes())
    }
}

/// Reads the text of a `leader-epoch-checkpoint`; an empty file is an empty history.
pub fn parse_epochs(path: &Path, bytes: &[u8]) -> Result<Vec<EpochEntry>, StorageError> {
    let mut entries: Vec<EpochEntry> = Vec::new();
    if bytes.is_empty() {
        return Ok(entries);
    }
    parse_lines(path, bytes, |[epoch, start_offset]: [&str; 2]| {
        let entry = EpochEntry { epoch: LeaderEpoch(number(epoch)?), start_offset: Offset(number(start_offset)?) };
        let rises = entries.last().is_none_or(|last| last.epoch < entry.epoch && last.start_offset <= entry.start_offset);
        if !rises {
            return Err(format!("epoch {epoch} at {start_offset} does not follow the entry before it"));
        }
        // Old Kafka versions kept epochs in which nothing was written.
        entries.pop_if(|last| last.start_offset == entry.start_offset);
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn encode_epochs(entries: &[EpochEntry]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        let _ = writeln!(text, "{} {}", entry.epoch, entry.start_offset);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn cache(entries: &[(i32, i64)]) -> LeaderEpochCache {
        let mut cache = LeaderEpochCache::new(Path::new("foo-0"));
        for &(epoch, start_offset) in entries {
            assert!(cache.assign(LeaderEpoch(epoch), Offset(start_offset)));
        }
        cache
    }

    fn pairs(cache: &LeaderEpochCache) -> Vec<(i32, i64)> {
        cache.entries().iter().map(|entry| (entry.epoch.0, entry.start_offset.0)).collect()
    }

    fn end(cache: &LeaderEpochCache, epoch: i32) -> Option<(i32, i64)> {
        cache.end_offset_for(LeaderEpoch(epoch), Offset(100)).map(|(epoch, offset)| (epoch.0, offset.0))
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins_and_the_last_at_the_log_end() {
        let cache = cache(&[(2, 10), (3, 20), (7, 40)]);
        assert_eq!(end(&cache, -1), None);
        assert_eq!(end(&cache, 1), Some((1, 10)), "older than all known: the first known begins where it ended");
        assert_eq!(end(&cache, 2), Some((2, 20)));
        assert_eq!(end(&cache, 3), Some((3, 40)));
        assert_eq!(end(&cache, 5), Some((3, 40)), "never seen: the one before it");
        assert_eq!(end(&cache, 7), Some((7, 100)));
        assert_eq!(end(&cache, 8), None);
        assert_eq!(end(&LeaderEpochCache::new(Path::new("foo-0")), 0), None);
    }

    #[test]
    fn assigning_the_same_epoch_again_keeps_its_first_offset() {
        let mut cache = cache(&[(2, 10)]);
        assert!(!cache.assign(LeaderEpoch(2), Offset(15)));
        assert!(!cache.assign(LeaderEpoch(2), Offset(10)));
        assert!(!cache.assign(LeaderEpoch(-1), Offset(15)));
        assert!(!cache.assign(LeaderEpoch(3), Offset(-1)));
        assert_eq!(pairs(&cache), [(2, 10)]);
    }

    #[test]
    fn a_new_entry_pushes_out_what_contradicts_it() {
        let mut unwritten = cache(&[(2, 10), (3, 20)]);
        assert!(unwritten.assign(LeaderEpoch(4), Offset(20)), "nothing was written in epoch 3");
        assert_eq!(pairs(&unwritten), [(2, 10), (4, 20)]);

        let mut truncated = cache(&[(2, 10), (3, 20), (4, 30)]);
        assert!(truncated.assign(LeaderEpoch(5), Offset(15)));
        assert_eq!(pairs(&truncated), [(2, 10), (5, 15)]);

        let mut backwards = cache(&[(2, 10), (3, 20), (4, 30)]);
        assert!(backwards.assign(LeaderEpoch(3), Offset(40)));
        assert_eq!(pairs(&backwards), [(2, 10), (3, 40)]);
    }

    #[test]
    fn truncating_the_end_forgets_epochs_without_records() {
        let mut cache = cache(&[(2, 10), (3, 20), (4, 30)]);
        assert!(!cache.truncate_from_end(Offset(31)));
        assert!(cache.truncate_from_end(Offset(30)));
        assert_eq!(pairs(&cache), [(2, 10), (3, 20)]);
        assert!(!cache.truncate_from_end(Offset(-1)));
        assert!(cache.truncate_from_end(Offset(0)));
        assert_eq!(pairs(&cache), []);
    }

    #[test]
    fn truncating_the_start_lets_the_holding_epoch_begin_there() {
        let mut cache = cache(&[(2, 10), (3, 20), (4, 30)]);
        assert!(!cache.truncate_from_start(Offset(9)));
        assert!(!cache.truncate_from_start(Offset(10)));
        assert!(cache.truncate_from_start(Offset(25)));
        assert_eq!(pairs(&cache), [(3, 25), (4, 30)]);
        assert!(cache.truncate_from_start(Offset(30)));
        assert_eq!(pairs(&cache), [(4, 30)]);
        assert!(cache.truncate_from_start(Offset(99)));
        assert_eq!(pairs(&cache), [(4, 99)]);
    }

    #[test]
    fn neighbours_and_holders_are_found() {
        let cache = cache(&[(2, 10), (3, 20), (7, 40)]);
        assert_eq!(cache.previous(LeaderEpoch(7)).map(|entry| entry.epoch), Some(LeaderEpoch(3)));
        assert_eq!(cache.previous(LeaderEpoch(2)), None);
        assert_eq!(cache.earliest().map(|entry| entry.start_offset), Some(Offset(10)));
        assert_eq!(cache.epoch_for_offset(Offset(9)), None);
        assert_eq!(cache.epoch_for_offset(Offset(39)), Some(LeaderEpoch(3)));
        assert_eq!(cache.epoch_for_offset(Offset(40)), Some(LeaderEpoch(7)));
    }

    #[test]
    fn the_history_survives_a_restart_once_flushed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (mut cache, warning) = LeaderEpochCache::open(&RealDisk, dir.path());
        assert!(warning.is_none() && !cache.is_dirty());
        cache.assign(LeaderEpoch(0), Offset(0));
        cache.assign(LeaderEpoch(5), Offset(77));
        assert!(cache.is_dirty());
        cache.flush(&RealDisk).expect("flushed");
        assert!(!cache.is_dirty());
        let text = std::fs::read_to_string(dir.path().join(LEADER_EPOCH_CHECKPOINT)).expect("there");
        assert_eq!(text, "0\n2\n0 0\n5 77\n");
        assert_eq!(pairs(&LeaderEpochCache::open(&RealDisk, dir.path()).0), [(0, 0), (5, 77)]);
    }

    #[test]
    fn an_epoch_without_records_in_an_old_file_gives_way_to_the_next() {
        let entries = parse_epochs(Path::new("f"), b"0\n3\n1 0\n4 9\n5 9\n").expect("right");
        assert_eq!(entries.iter().map(|entry| entry.epoch.0).collect::<Vec<_>>(), [1, 5]);
    }

    #[test]
    fn a_scrambled_history_is_given_up_with_a_reason() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for text in ["0\n2\n0 0\n", "0\n2\n5 0\n4 9\n", "0\n2\n4 9\n5 8\n", "0\n1\n4 9 9\n", "\u{0}\u{0}"] {
            std::fs::write(dir.path().join(LEADER_EPOCH_CHECKPOINT), text).expect("written");
            let (cache, warning) = LeaderEpochCache::open(&RealDisk, dir.path());
            assert!(cache.entries().is_empty());
            assert!(matches!(warning, Some(StorageError::Corrupt { .. })), "{text:?}");
        }
    }
}
