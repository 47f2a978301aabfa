//! The offset index and the time index of one segment together, and the largest timestamp that both hang on.

use super::index_file::IndexFile;
use super::offset_index::OffsetEntry;
use super::scan::{Located, ScanError};
use super::seal::{self, Seal};
use super::time_index::TimeEntry;
use super::transactions::Transactions;
use super::{Inner, Place, Segment, txn_index};
use crate::batch::NO_TIMESTAMP;
use crate::{Millis, Offset, StorageError};

/// The largest timestamp in a segment and the last offset of the first batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxTimestamp {
    pub(crate) timestamp: Millis,
    pub(crate) offset: Offset,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Indexes {
    base_offset: Offset,
    pub(super) offsets: IndexFile<OffsetEntry>,
    pub(super) times: IndexFile<TimeEntry>,
    pub(super) max_timestamp: MaxTimestamp,
    bytes_since_entry: u64,
    /// Offset after the last batch that the indexes know of.
    pub(super) next_offset: Offset,
    /// Byte after that batch.
    end_position: u64,
    /// Read from files that nobody vouches for; not yet proved wrong.
    pub(super) doubtful: bool,
}

impl Indexes {
    pub(super) fn empty(base_offset: Offset) -> Self {
        Self {
            base_offset,
            offsets: IndexFile::empty(base_offset),
            times: IndexFile::empty(base_offset),
            max_timestamp: MaxTimestamp { timestamp: NO_TIMESTAMP, offset: base_offset },
            bytes_since_entry: 0,
            next_offset: base_offset,
            end_position: 0,
            doubtful: false,
        }
    }

    /// Takes note of a batch at the end of the segment; adds entries when `interval_bytes` have gone by. False when the entries that
    /// are there contradict the batch.
    pub(super) fn note(&mut self, batch: &Located, interval_bytes: u32) -> bool {
        let mut fits = true;
        let last_offset = batch.header.last_offset();
        if batch.header.max_timestamp() > self.max_timestamp.timestamp {
            self.max_timestamp = MaxTimestamp { timestamp: batch.header.max_timestamp(), offset: last_offset };
        }
        if self.bytes_since_entry > u64::from(interval_bytes) {
            if let (Some(relative_offset), Ok(position)) = (relative(self.base_offset, last_offset), u32::try_from(batch.position)) {
                fits = self.offsets.push(OffsetEntry { relative_offset, position });
            }
            fits &= self.note_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch.size_bytes;
        self.next_offset = batch.header.next_offset();
        self.end_position = batch.end();
        fits
    }

    pub(super) fn end_position(&self) -> u64 {
        self.end_position
    }

    /// Adds the largest timestamp to the time index unless it is there. False when the entries that are there contradict it.
    pub(super) fn note_time(&mut self) -> bool {
        let MaxTimestamp { timestamp, offset } = self.max_timestamp;
        let is_new = timestamp > self.times.last().map_or(NO_TIMESTAMP, |last| last.timestamp);
        match relative(self.base_offset, offset) {
            Some(relative_offset) if is_new => self.times.push(TimeEntry { timestamp, relative_offset }),
            _ => true,
        }
    }

    pub(super) fn position_for(&mut self, place: &Place, offset: Offset) -> Result<Option<OffsetEntry>, StorageError> {
        let wanted = offset.since(self.base_offset);
        self.offsets.find_last(place, |entry| i64::from(entry.relative_offset) <= wanted)
    }
}

pub(super) fn relative(base_offset: Offset, offset: Offset) -> Option<i32> {
    i32::try_from(offset.since(base_offset)).ok().filter(|relative| *relative >= 0)
}

impl Segment {
    /// Loads the indexes from their files, or builds them; true when they had to be built.
    pub(crate) fn load_indexes(&self, place: &Place, interval_bytes: u32) -> Result<bool, StorageError> {
        let mut inner = self.lock();
        let rebuilt = inner.indexes.is_none() && self.load_indexes_in(place, &mut inner, interval_bytes)?;
        Ok(rebuilt)
    }

    fn load_indexes_in(&self, place: &Place, inner: &mut Inner, interval_bytes: u32) -> Result<bool, StorageError> {
        let size_bytes = self.size_bytes;
        let seal = if size_bytes == 0 { Seal::Unknown } else { seal::check(place, self.base_offset, size_bytes)? };
        if inner.transactions.is_none() {
            match seal.transactions_intact() {
                Some(true) => {
                    inner.transactions = txn_index::load(place, self.base_offset)?.map(|found| Transactions::written(found.len()))
                }
                Some(false) => inner.txn_index_is_wrong = true,
                None => {}
            }
        }
        if matches!(seal, Seal::Broken { .. }) {
            self.build_indexes_in(place, inner, interval_bytes)?;
            return Ok(true);
        }
        let offsets: Option<IndexFile<OffsetEntry>> = IndexFile::load(place, self.base_offset, |entry: &OffsetEntry| {
            entry.relative_offset >= 0 && u64::from(entry.position) < size_bytes
        })?;
        let times: Option<IndexFile<TimeEntry>> =
            IndexFile::load(place, self.base_offset, |entry: &TimeEntry| entry.relative_offset >= 0 && entry.timestamp.0 >= 0)?;
        let (Some(offsets), Some(times)) = (offsets, times) else {
            if size_bytes == 0 {
                inner.indexes = Some(Indexes::empty(self.base_offset));
                return Ok(false);
            }
            self.build_indexes_in(place, inner, interval_bytes)?;
            return Ok(true);
        };
        let indexes = Indexes { offsets, times, doubtful: !matches!(seal, Seal::Intact { .. }), ..Indexes::empty(self.base_offset) };
        if let Some(indexes) = self.resume_in(place, inner, indexes, interval_bytes)? {
            inner.indexes = Some(indexes);
            return Ok(false);
        }
        self.build_indexes_in(place, inner, interval_bytes)?;
        Ok(true)
    }

    /// Walks what lies behind the last entry: it yields the next offset, the timestamps not yet indexed, and missing entries.
    /// `None` when the last entry does not fit what is in the `.log`.
    fn resume_in(
        &self,
        place: &Place,
        inner: &mut Inner,
        mut indexes: Indexes,
        interval_bytes: u32,
    ) -> Result<Option<Indexes>, StorageError> {
        let absolute = |relative_offset: i32| self.base_offset.plus(i64::from(relative_offset));
        if let Some(last) = indexes.times.last() {
            indexes.max_timestamp = MaxTimestamp { timestamp: last.timestamp, offset: absolute(last.relative_offset) };
        }
        let last = indexes.offsets.last();
        let mut scan = self.scan_in(place, inner, last.map_or(0, |entry| u64::from(entry.position)))?;
        if let Some(entry) = last {
            match scan.peek() {
                Err(ScanError::Disk(error)) => return Err(error),
                Ok(Some(batch))
                    if batch.header.last_offset() <= absolute(entry.relative_offset)
                        && batch.header.max_timestamp() <= indexes.max_timestamp.timestamp =>
                {
                    scan.skip(&batch);
                    indexes.bytes_since_entry = batch.size_bytes;
                    indexes.next_offset = batch.header.next_offset();
                    indexes.end_position = batch.end();
                }
                _ => return Ok(None),
            }
        }
        loop {
            match scan.next_header() {
                Ok(Some(batch)) if indexes.note(&batch, interval_bytes) => {}
                Ok(Some(_)) => return Ok(None),
                // A batch that is no batch: reads that come here will say so.
                Ok(None) | Err(ScanError::Bad { .. }) => break,
                Err(ScanError::Disk(error)) => return Err(error),
            }
        }
        let offsets_fit = indexes.offsets.last().is_none_or(|last| absolute(last.relative_offset) < indexes.next_offset);
        let times_fit = indexes.times.last().is_none_or(|last| absolute(last.relative_offset) < indexes.next_offset);
        Ok((offsets_fit && times_fit).then_some(indexes))
    }

    /// Removes entries for batches from `next_offset` on; the `.log` has been cut already.
    pub(super) fn truncate_indexes(&mut self, place: &Place, next_offset: Offset, interval_bytes: u32) -> Result<(), StorageError> {
        let size_bytes = self.size_bytes;
        let relative_end = next_offset.since(self.base_offset);
        let mut inner = self.lock();
        if let Some(old) = inner.indexes.take() {
            let mut indexes =
                Indexes { offsets: old.offsets, times: old.times, doubtful: old.doubtful, ..Indexes::empty(self.base_offset) };
            indexes.offsets.truncate(place, |entry| u64::from(entry.position) < size_bytes)?;
            indexes.times.truncate(place, |entry| i64::from(entry.relative_offset) < relative_end)?;
            if let Some(indexes) = self.resume_in(place, &mut inner, indexes, interval_bytes)? {
                inner.indexes = Some(indexes);
                return Ok(());
            }
        }
        self.build_indexes_in(place, &mut inner, interval_bytes)
    }

    /// Builds both indexes from the headers in the `.log`, in memory; the files follow with later writes.
    pub(super) fn build_indexes_in(&self, place: &Place, inner: &mut Inner, interval_bytes: u32) -> Result<(), StorageError> {
        let mut indexes = Indexes::empty(self.base_offset);
        indexes.offsets.reset(place)?;
        indexes.times.reset(place)?;
        let mut scan = self.scan_in(place, inner, 0)?;
        loop {
            match scan.next_header() {
                Ok(Some(batch)) => {
                    assert!(indexes.note(&batch, interval_bytes), "entries built from the log rise");
                    indexes.offsets.write_some(place)?;
                    indexes.times.write_some(place)?;
                }
                Ok(None) | Err(ScanError::Bad { .. }) => break,
                Err(ScanError::Disk(error)) => return Err(error),
            }
        }
        inner.indexes = Some(indexes);
        Ok(())
    }

    pub(super) fn indexes_in<'a>(&self, place: &Place, inner: &'a mut Inner, interval_bytes: u32) -> Result<&'a mut Indexes, StorageError> {
        if inner.indexes.is_none() {
            self.load_indexes_in(place, inner, interval_bytes)?;
        }
        Ok(inner.indexes.get_or_insert_with(|| Indexes::empty(self.base_offset)))
    }

    /// The largest timestamp; its timestamp is -1 when no batch has one.
    pub(crate) fn max_timestamp(&self, place: &Place, interval_bytes: u32) -> Result<MaxTimestamp, StorageError> {
        Ok(self.indexes_in(place, &mut self.lock(), interval_bytes)?.max_timestamp)
    }

    /// The offset after the last batch; the base offset when there is none.
    pub(crate) fn next_offset(&self, place: &Place, interval_bytes: u32) -> Result<Offset, StorageError> {
        Ok(self.indexes_in(place, &mut self.lock(), interval_bytes)?.next_offset)
    }

    /// The first batch whose last offset is `offset` or later.
    pub(crate) fn locate(&self, place: &Place, offset: Offset, interval_bytes: u32) -> Result<Option<Located>, ScanError> {
        self.locate_in(place, &mut self.lock(), offset, interval_bytes)
    }

    pub(super) fn locate_in(
        &self,
        place: &Place,
        inner: &mut Inner,
        offset: Offset,
        interval_bytes: u32,
    ) -> Result<Option<Located>, ScanError> {
        let indexes = self.indexes_in(place, inner, interval_bytes)?;
        let doubtful = indexes.doubtful;
        let entry = indexes.position_for(place, offset)?;
        let mut scan = self.scan_in(place, inner, entry.map_or(0, |entry| u64::from(entry.position)))?;
        if let Some(entry) = entry {
            // The entry is only a hint: is there a batch, and does it end where the entry says or before?
            let indexed = self.base_offset.plus(i64::from(entry.relative_offset));
            let confirmed = match scan.peek() {
                Ok(found) => found.is_some_and(|batch| batch.header.last_offset() <= indexed),
                Err(ScanError::Disk(error)) => return Err(error.into()),
                Err(ScanError::Bad { .. }) => false,
            };
            if !confirmed && doubtful {
                self.build_indexes_in(place, inner, interval_bytes)?;
                return self.locate_in(place, inner, offset, interval_bytes);
            }
        }
        while let Some(batch) = scan.next_header()? {
            if batch.header.last_offset() >= offset {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl Segment {
    /// A batch boundary from which a search for the first record at or after `wanted` and at or after `start` may begin: no batch
    /// before it qualifies.
    pub(crate) fn position_before_timestamp(
        &self,
        place: &Place,
        wanted: Millis,
        start: Offset,
        interval_bytes: u32,
    ) -> Result<u64, StorageError> {
        let mut inner = self.lock();
        loop {
            let indexes = self.indexes_in(place, &mut inner, interval_bytes)?;
            let doubtful = indexes.doubtful;
            let entry = indexes.times.find_last(place, |entry| entry.timestamp <= wanted)?;
            let reached = entry.map(|entry| self.base_offset.plus(i64::from(entry.relative_offset)));
            let from = reached.unwrap_or(self.base_offset).max(start);
            let batch = match self.locate_in(place, &mut inner, from, interval_bytes) {
                Ok(batch) => batch,
                Err(error) => return Err(error.into_storage(&self.log_path(place))),
            };
            // The entry is only a hint: does the batch it names have the timestamp it names?
            let confirmed = match (entry, reached, &batch) {
                (None, ..) => true,
                (Some(entry), Some(reached), Some(batch)) if reached >= start => batch.header.max_timestamp() == entry.timestamp,
                (Some(_), Some(reached), _) => reached < start,
                _ => false,
            };
            if confirmed || !doubtful {
                return Ok(batch.map_or(self.size_bytes, |batch| batch.position));
            }
            self.build_indexes_in(place, &mut inner, interval_bytes)?;
        }
    }
}
