//! A sorted file of fixed-size entries that grows at its end: what the offset index and the time index have in common.
//!
//! New entries wait in memory and are written in bunches; look-ups see both, and find the newest without touching the file. What a
//! look-up read last stays in memory too, because a reader that catches up asks next for what lies right behind. An index is a cache
//! of what the `.log` says: losing the waiting entries in a crash costs a rebuild, never a record. Whoever uses an entry checks it
//! against the batch it points to.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::{FileKind, Place};
use crate::disk::{DiskFile, OpenMode};
use crate::{Offset, StorageError};

/// So many entries wait in memory before they are written.
const WAITING_COUNT: usize = 64;
/// So many entries are read at once at the end of a binary search, and kept: 2-3 KiB, a megabyte of log or more.
const BLOCK_COUNT: usize = 256;
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
    /// What a look-up read from the file last: entries before `tail`, from number `recent_start` on.
    recent: Vec<E>,
    recent_start: usize,
}

impl<E: Entry> IndexFile<E> {
    pub(crate) fn empty(base_offset: Offset) -> Self {
        Self::written(base_offset, 0, None)
    }

    /// With `count` entries in the file, the last of which is `last`.
    fn written(base_offset: Offset, count: usize, last: Option<E>) -> Self {
        let tail: Vec<E> = last.into_iter().collect();
        Self { base_offset, written_count: count, tail_start: count - tail.len(), tail, recent: Vec::new(), recent_start: 0 }
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
        Ok(Some(Self::written(base_offset, count, last)))
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
        self.recent = Vec::new();
    }

    /// The last entry for which `at_or_before` holds; it must hold for a prefix of the entries.
    pub(crate) fn find_last(&mut self, place: &Place, at_or_before: impl Fn(&E) -> bool) -> Result<Option<E>, StorageError> {
        let in_tail = self.tail.partition_point(&at_or_before);
        if in_tail > 0 {
            return Ok(self.tail.get(in_tail - 1).copied());
        }
        // It holds for all entries before `low` and for none from `high` on.
        let (mut low, mut high) = (0, self.tail_start);
        let in_recent = self.recent.partition_point(&at_or_before);
        if in_recent > 0 {
            low = self.recent_start + in_recent;
        }
        if in_recent < self.recent.len() {
            high = self.recent_start + in_recent;
        }
        if low == high {
            return Ok(in_recent.checked_sub(1).and_then(|index| self.recent.get(index)).copied());
        }
        let path = self.path(place);
        let file = place.open(&path, OpenMode::Read)?;
        let read = |from: usize, count: usize| {
            let mut bytes = vec![0; count * E::SIZE_BYTES];
            let read = file.read_at(&mut bytes, (from * E::SIZE_BYTES) as u64).map_err(|source| StorageError::io("read", &path, source))?;
            Ok::<_, StorageError>(bytes[..read].chunks_exact(E::SIZE_BYTES).map(E::decode).collect::<Vec<_>>())
        };
        // What lies right behind the last look-up first, from its last entry on, so that the answer is in the block if it ends there.
        if low > 0 {
            self.recent = read(low - 1, (high - low + 1).min(BLOCK_COUNT))?;
            self.recent_start = low - 1;
            let found = self.recent.partition_point(&at_or_before);
            if found > 0 && (found < self.recent.len() || self.recent_start + found == high) {
                return Ok(self.recent.get(found - 1).copied());
            }
            low = self.recent_start + found;
        }
        // Binary search over the file; the last steps within one read, from the last entry for which it holds.
        while high - low >= BLOCK_COUNT {
            let middle = low + (high - low) / 2;
            match read(middle, 1)?.first() {
                Some(entry) if at_or_before(entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        let start = low.saturating_sub(1);
        self.recent = read(start, high - start)?;
        self.recent_start = start;
        let found = self.recent.partition_point(at_or_before);
        Ok(found.checked_sub(1).and_then(|index| self.recent.get(index)).copied())
    }

    /// Removes the entries for which `keep` does not hold; it must hold for a prefix of the entries.
    pub(crate) fn truncate(&mut self, place: &Place, keep: impl Fn(&E) -> bool) -> Result<(), StorageError> {
        let path = self.path(place);
        let file = place.open(&path, OpenMode::Create)?;
        let failed = |source| StorageError::io("truncate", &path, source);
        self.recent = Vec::new();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::faulty::FaultyDisk;
    use crate::segment::offset_index::OffsetEntry;

    const COUNT: usize = 10_000;

    fn entry(number: usize) -> OffsetEntry {
        OffsetEntry { relative_offset: number as i32 * 10 + 9, position: number as u32 * 5000 + 1 }
    }

    /// Ten thousand entries, all but the last in the file alone.
    fn index() -> (Arc<FaultyDisk>, Place, IndexFile<OffsetEntry>) {
        let disk = Arc::new(FaultyDisk::new(1));
        let place = Place::new(Arc::clone(&disk) as _, PathBuf::from("/log"));
        place.disk.create_dir_all(&place.dir).expect("a directory");
        let mut index = IndexFile::empty(Offset(0));
        for number in 0..COUNT {
            assert!(index.push(entry(number)));
        }
        index.finish(&place).expect("written");
        let index = IndexFile::load(&place, Offset(0), |_| true).expect("read").expect("in order");
        (disk, place, index)
    }

    fn last_number_at_or_before(offset: i32) -> Option<usize> {
        usize::try_from((offset + 1).div_euclid(10) - 1).ok().map(|number| number.min(COUNT - 1))
    }

    #[test]
    fn any_order_of_look_ups_finds_what_a_fresh_index_finds() {
        let (_, place, mut index) = index();
        let mut state = 12345_u64;
        for step in 0..20_000_i32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Now far away, now a little further, now the same.
            let offset = match step % 4 {
                0 => (state >> 40) as i32 % (COUNT as i32 * 10 + 50),
                1 => step * 5,
                _ => step * 5 + (state >> 52) as i32,
            };
            let found = index.find_last(&place, |entry| entry.relative_offset <= offset).expect("no error");
            assert_eq!(found, last_number_at_or_before(offset).map(entry), "offset {offset} in step {step}");
        }
    }

    #[test]
    fn a_reader_that_catches_up_reads_the_index_once() {
        let (disk, place, mut index) = index();
        let before = disk.reads();
        for offset in (0..COUNT as i32 * 10).step_by(30) {
            let found = index.find_last(&place, |entry| entry.relative_offset <= offset).expect("no error");
            assert_eq!(found, last_number_at_or_before(offset).map(entry));
        }
        // Each block is an open and a read.
        let reads = disk.reads() - before;
        assert!(reads < (2 * COUNT / BLOCK_COUNT + 20) as u64, "{reads} reads for 3333 look-ups");
    }

    #[test]
    fn what_was_cut_off_is_not_found_any_more() {
        let (_, place, mut index) = index();
        assert_eq!(index.find_last(&place, |entry| entry.relative_offset <= 50_000).expect("no error"), Some(entry(4999)));
        index.truncate(&place, |entry| entry.relative_offset < 40_000).expect("cut");
        assert_eq!(index.find_last(&place, |entry| entry.relative_offset <= 50_000).expect("no error"), Some(entry(3999)));
        // Another history in the place of what was cut: the same number has another offset.
        let other = |number: usize| OffsetEntry { relative_offset: number as i32 * 10 + 5, ..entry(number) };
        for number in 4000..COUNT {
            assert!(index.push(other(number)));
        }
        index.finish(&place).expect("written");
        assert_eq!(index.find_last(&place, |entry| entry.relative_offset <= 50_000).expect("no error"), Some(other(4999)));
        index.reset(&place).expect("emptied");
        assert_eq!(index.find_last(&place, |entry| entry.relative_offset <= 30_000).expect("no error"), None);
    }

    #[test]
    fn a_failed_read_leaves_look_ups_right() {
        let (disk, place, mut index) = index();
        assert_eq!(index.find_last(&place, |entry| entry.relative_offset <= 50_000).expect("no error"), Some(entry(4999)));
        disk.fail_read_at(disk.reads() + 1);
        assert!(index.find_last(&place, |entry| entry.relative_offset <= 55_000).is_err());
        disk.heal();
        for offset in [52_000, 50_000, 90_000] {
            let found = index.find_last(&place, |entry| entry.relative_offset <= offset).expect("no error");
            assert_eq!(found, last_number_at_or_before(offset).map(entry), "offset {offset}");
        }
    }
}
