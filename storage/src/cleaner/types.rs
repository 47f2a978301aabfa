//! What a pass is told and what it tells, as plain data.

use super::map::KeyMap;
use crate::log::PartitionLog;
use crate::{Offset, StorageError};

/// Calls its argument under a log's lock; false when there is no log any more.
pub type WithLog<'a> = dyn FnMut(&mut dyn FnMut(&mut PartitionLog)) -> bool + 'a;

/// How much memory a cleaner may use. Shares of `log.cleaner.*`, already divided by `log.cleaner.threads`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.dedupe.buffer.size`: the map of keys, 24 bytes for each of them.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`: how full the map may become.
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`: so much, by half, is written at once. (Reads are of 256 KiB, or of one batch where that is larger.)
    pub io_buffer_bytes: usize,
    /// What one batch may decompress to. A batch that is larger is kept as it is, with all its records.
    pub decompress_limit_bytes: usize,
}

impl Default for CleanerConfig {
    fn default() -> Self {
        Self {
            dedupe_buffer_bytes: 128 << 20,
            load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
            decompress_limit_bytes: crate::batch::DECOMPRESS_LIMIT_BYTES_DEFAULT,
        }
    }
}

/// The memory of one cleaner thread, used for one pass after the other.
#[derive(Debug)]
pub struct CleanerBuffers {
    config: CleanerConfig,
    map: KeyMap,
}

impl CleanerBuffers {
    /// Buffers of this size; memory is touched only as it is needed.
    #[must_use]
    pub fn new(config: CleanerConfig) -> Self {
        Self { map: KeyMap::new(config.dedupe_buffer_bytes, config.load_factor), config }
    }

    pub(super) fn map(&mut self) -> &mut KeyMap {
        &mut self.map
    }

    /// What they were made for.
    #[must_use]
    pub fn config(&self) -> CleanerConfig {
        self.config
    }
}

/// What a log has for the cleaner now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanable {
    /// Everything below has been cleaned before.
    pub first_dirty: Offset,
    /// Nothing from here on may be cleaned: the beginning of a segment.
    pub first_uncleanable: Offset,
    /// Bytes of the segments that were cleaned before.
    pub clean_bytes: u64,
    /// Bytes of the segments that may be cleaned and were not.
    pub dirty_bytes: u64,
    /// For how long `max.compaction.lag.ms` has been asking for a pass; 0 when it does not.
    pub overdue_ms: i64,
    /// The checkpoint lay outside the log; `first_dirty` takes its place and should be written there.
    pub checkpoint_was_wrong: bool,
}

impl Cleanable {
    /// The dirty share of all that a pass would read (`max-dirty-percent`); the filthiest log is cleaned first.
    #[must_use]
    pub fn dirty_ratio(&self) -> f64 {
        let total_bytes = self.clean_bytes + self.dirty_bytes;
        if total_bytes == 0 { 0.0 } else { self.dirty_bytes as f64 / total_bytes as f64 }
    }

    /// True when a pass is due: `max.compaction.lag.ms` asks for it, or the dirty share is above `min.cleanable.dirty.ratio`.
    #[must_use]
    pub fn is_due(&self, min_cleanable_dirty_ratio: f64) -> bool {
        self.dirty_bytes > 0 && (self.overdue_ms > 0 || self.dirty_ratio() > min_cleanable_dirty_ratio)
    }
}

/// Whether a pass goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Next batch, please.
    GoOn,
    /// Leave it.
    Stop,
}

/// Why a pass ended early. Nothing is lost, and nothing half made stays.
#[derive(Debug, thiserror::Error)]
pub enum CleaningError {
    /// `pace` said so.
    #[error("stopped")]
    Stopped,
    /// The log was truncated, deleted, taken offline, lost segments to retention, or may not be cleaned any more.
    #[error("the log changed underneath")]
    Changed,
    /// The disk failed, or a batch is damaged (`StorageError::Corrupt`): such a log is better left alone from now on.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a pass did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleaningDone {
    /// Everything below is clean now; not always the first uncleanable offset, because the map may have been full.
    pub first_dirty: Offset,
    /// In numbers.
    pub stats: CleaningStats,
}

/// A pass in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CleaningStats {
    /// Bytes read to fill the map.
    pub map_bytes_read: u64,
    /// Messages read to fill the map.
    pub map_messages_read: u64,
    /// Share of the map's slots that were used.
    pub map_fullness: f64,
    /// Bytes of the segments that were rewritten.
    pub bytes_read: u64,
    /// Bytes of what took their place.
    pub bytes_written: u64,
    /// Messages in the segments that were rewritten.
    pub messages_read: u64,
    /// Messages in what took their place.
    pub messages_written: u64,
    /// Messages without a key, which do not belong into a compacted log and are dropped.
    pub invalid_messages_read: u64,
    /// Batches that would not open within the limit and were kept as they are.
    pub batches_unopened: u64,
    /// Segments that were rewritten.
    pub segments_read: u64,
    /// Segments that took their place.
    pub segments_written: u64,
}
