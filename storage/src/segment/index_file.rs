//! A sorted file of fixed-size entries that grows at its end: what the offset index and the time index have in common.
//!
//! New entries wait in memory and are written in bunches; look-ups see both, and find the newest without touching the file. An index is a cache of what the `.log` says: losing the
//! waiting entries in a crash costs a rebuild, never a record. Whoever uses an entry checks it against the batch it points to.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::{FileKind, Place};
use crate::disk::{DiskFile, OpenMode};
use crate::{Offset, StorageError};

/// So many entries wait in memory before they are written.
const WAITING_COUNT: usize = 64;
/// So many entries are read at once at the end of a binary search.
const BLOCK_COUNT: usize = 64;
/// Largest index file that is believed; Kafka's `segment.index.bytes` is 10 MiB by default.
const FILE_SIZE_BYTES_MAX: u64 = 256 << 20;

/// An entry of an index.
pub(crate) trait Entry: Copy + PartialEq {
    const SIZE_BYTES: usize;
    const KIND: FileKind;
    fn encode(&self, out: &mut Vec<u8>);
    /// `bytes` has [`Entry::SIZE_BYTES`].
    fn decode(bytes: &[u8]) -> Self;
    /// Whether `self` may stand right after `earlier`.
    fn follows(&self, earlier: &Self) -> bool;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct IndexFile<E> {
    base_offset: Offset,
    /// Entries in the file.
    written_count: usize,
    /// The newest entries: some are in the file too, those from `written_count` on wait to be written.
    tail: Vec<E>,
    /// Number of entries before `tail`.
    tail_start: usize,
}

impl<E: Entry> IndexFile<E> {
    pub(crate) fn empty(base_offset: Offset) -> Self {
        Self { base_offset, written_count: 0, tail: Vec::new(), tail_start: 0 }
    }

    /// Reads the whole file and checks its order. `None` when there is no file or it cannot be right: it must be built anew.
    /// `acceptable` judges single entries.
    pub(crate) fn load(place: &Place, base_offset: Offset, acceptable: impl Fn(&E) -> bool) -> Result<Option<Self>, StorageError> {
        let path = place.path(base_offset, E::KIND);
        let Some(file) = place.open_existing(&path)? else { return Ok(None) };
        let failed = |source| StorageError::io("read", &path, source);
        let size_bytes = file.len().map_err(failed)?;
        if size_bytes > FILE_SIZE_BYTES_MAX || !size_bytes.is_multiple_of(E::SIZE_BYTES as u64) {
            return Ok(None);
        }
        let mut bytes = vec![0; size_bytes as usize];
        if file.read_at(&mut bytes, 0).map_err(failed)? != bytes.len() {
            return Ok(None);
        }
        let mut last: Option<E> = None;
        for entry in bytes.chunks_exact(E::SIZE_BYTES).map(E::decode) {
            if !acceptable(&entry) || last.is_some_and(|last| !entry.follows(&last)) {
                return Ok(None);
            }
            last = Some(entry);
        }
        let count = bytes.len() / E::SIZE_BYTES;
        Ok(Some(Self { base_offset, written_count: count, tail: last.into_iter().collect(), tail_start: count.saturating_sub(1) }))
    }

    fn path(&self, place: &Place) -> PathBuf {
        place.path(self.base_offset, E::KIND)
    }

    pub(crate) fn count(&self) -> usize {
        self.tail_start + self.tail.len()
    }

    pub(crate) fn last(&self) -> Option<E> {
        self.tail.last().copied()
    }

    /// True when no further entry fits into `size_bytes_max` but for the reserved ones.
    pub(crate) fn is_full(&self, size_bytes_max: u32, reserved_count: usize) -> bool {
        self.count() + reserved_count >= size_bytes_max as usize / E::SIZE_BYTES
    }

    /// Adds an entry at the end, in memory; false when it does not follow the last one, which is then wrong.
    pub(crate) fn push(&mut self, entry: E) -> bool {
        let follows = self.last().is_none_or(|last| entry.follows(&last));
        if follows {
            self.tail.push(entry);
        }
        follows
    }

    /// Writes the waiting entries when they are many enough to be worth it. After an error they still wait.
    pub(crate) fn write_some(&mut self, place: &Place) -> Result<(), StorageError> {
        if self.count() - self.written_count >= WAITING_COUNT {
            self.write(place)?;
        }
        Ok(())
    }

    /// Writes the waiting entries and sees to it that the file exists and ends with its last entry.
    pub(crate) fn finish(&mut self, place: &Place) -> Result<Arc<dyn DiskFile>, StorageError> {
        let file = self.write(place)?;
        file.set_len((self.written_count * E::SIZE_BYTES) as u64).map_err(|source| StorageError::io("trim", self.path(place), source))?;
        Ok(file)
    }

    fn write(&mut self, place: &Place) -> Result<Arc<dyn DiskFile>, StorageError> {
        let path = self.path(place);
        let file = place.open(&path, OpenMode::Create)?;
        let waiting = self.tail.get(self.written_count - self.tail_start..).unwrap_or_default();
        let mut bytes = Vec::with_capacity(waiting.len() * E::SIZE_BYTES);
        for entry in waiting {
            entry.encode(&mut bytes);
        }
        let position = (self.written_count * E::SIZE_BYTES) as u64;
        file.write_all_at(&[&bytes], position).map_err(|source| StorageError::io("write", path, source))?;
        self.written_count = self.count();
        let spare = self.tail.len().saturating_sub(WAITING_COUNT);
        self.tail.drain(..spare);
        self.tail_start += spare;
        Ok(file)
    }

    /// Keeps only the last entry in memory, for segments that take no more appends.
    pub(crate) fn shrink(&mut self) {
        if self.written_count == self.count() {
            let spare = self.tail.len().saturating_sub(1);
            self.tail.drain(..spare);
            self.tail.shrink_to_fit();
            self.tail_start += spare;
        }
    }

    /// The last entry for which `at_or_before` holds; it must hold for a prefix of the entries.
    pub(crate) fn find_last(&self, place: &Place, at_or_before: impl Fn(&E) -> bool) -> Result<Option<E>, StorageError> {
        let in_tail = self.tail.partition_point(&at_or_before);
        if in_tail > 0 {
            return Ok(self.tail.get(in_tail - 1).copied());
        }
        if self.tail_start == 0 {
            return Ok(None);
        }
        let path = self.path(place);
        let file = place.open(&path, OpenMode::Read)?;
        let read = |from: usize, count: usize| {
            let mut bytes = vec![0; count * E::SIZE_BYTES];
            let read = file.read_at(&mut bytes, (from * E::SIZE_BYTES) as u64).map_err(|source| StorageError::io("read", &path, source))?;
            Ok::<_, StorageError>(bytes[..read].chunks_exact(E::SIZE_BYTES).map(E::decode).collect::<Vec<_>>())
        };
        // Binary search over the file; the last steps within one read.
        let (mut low, mut high) = (0, self.tail_start);
        while high - low > BLOCK_COUNT {
            let middle = low + (high - low) / 2;
            match read(middle, 1)?.first() {
                Some(entry) if at_or_before(entry) => low = middle,
                _ => high = middle,
            }
        }
        let block = read(low, high - low)?;
        let found = block.partition_point(at_or_before);
        Ok(found.checked_sub(1).and_then(|index| block.get(index)).copied())
    }

    /// Removes the entries for which `keep` does not hold; it must hold for a prefix of the entries.
    pub(crate) fn truncate(&mut self, place: &Place, keep: impl Fn(&E) -> bool) -> Result<(), StorageError> {
        let path = self.path(place);
        let file = place.open(&path, OpenMode::Create)?;
        let failed = |source| StorageError::io("truncate", &path, source);
        let mut bytes = vec![0; self.tail_start * E::SIZE_BYTES];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        let mut entries: Vec<E> = bytes[..read].chunks_exact(E::SIZE_BYTES).map(E::decode).collect();
        entries.append(&mut self.tail);
        entries.truncate(entries.partition_point(keep));
        self.written_count = self.written_count.min(entries.len());
        file.set_len((self.written_count * E::SIZE_BYTES) as u64).map_err(failed)?;
        self.tail_start = self.written_count.saturating_sub(1);
        self.tail = entries.split_off(self.tail_start);
        Ok(())
    }

    /// Forgets every entry, in memory and in the file.
    pub(crate) fn reset(&mut self, place: &Place) -> Result<(), StorageError> {
        *self = Self::empty(self.base_offset);
        let path = self.path(place);
        match place.open_existing(&path)? {
            Some(file) => file.set_len(0).map_err(|source| StorageError::io("truncate", path, source)),
            None => Ok(()),
        }
    }
}
