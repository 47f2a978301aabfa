//! Writing at the end of a segment, ending it, cutting it.

use std::io;

use super::files::{FileKind, OpenFile};
use super::scan::Located;
use super::seal::{self, Finished};
use super::{Place, Segment};
use crate::batch::{BatchHeader, NO_TIMESTAMP};
use crate::disk::{DiskFile, Trouble};
use crate::{Millis, Offset, StorageError};

/// A failed write.
#[derive(Debug)]
pub(crate) struct WriteFailed {
    pub(crate) error: StorageError,
    /// The file could not be cut back to what it was: nobody knows what its tail holds.
    pub(crate) in_doubt: bool,
}

/// When a segment is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RollRules {
    pub(crate) size_bytes_max: u64,
    pub(crate) age_ms_max: i64,
    pub(crate) index_size_bytes_max: u32,
}

impl Segment {
    /// Writes `parts`, which are `batches` in order, with one call. Afterwards the batches are readable; before, nothing has changed.
    pub(crate) fn append(
        &mut self,
        place: &Place,
        parts: &[&[u8]],
        headers: impl IntoIterator<Item = BatchHeader>,
        interval_bytes: u32,
    ) -> Result<(), WriteFailed> {
        let position = self.size_bytes;
        let unchanged = |error| WriteFailed { error, in_doubt: false };
        self.cut_back(place).map_err(unchanged)?;
        let file = self.log_file(place).map_err(unchanged)?;
        self.load_indexes(place, interval_bytes).map_err(unchanged)?;
        if let Err(source) = file.write_all_at(parts, position) {
            let in_doubt = !self.undo(&*file, &source);
            return Err(WriteFailed { error: StorageError::io("append", self.log_path(place), source), in_doubt });
        }
        let size_bytes = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.size_bytes += size_bytes;
        let inner = self.inner_mut();
        inner.verified.add(position, position + size_bytes);
        let mut at = position;
        for header in headers {
            let batch = Located { position: at, size_bytes: header.size_bytes().unwrap_or_default() as u64, header };
            at = batch.end();
            if batch.position == 0 {
                inner.first_timestamp = Some(header.max_timestamp());
            }
            if let Some(indexes) = &mut inner.indexes {
                assert!(indexes.note(&batch, interval_bytes), "entries were checked against the log when they were loaded");
                // A full disk is no reason to refuse what is in the log already: entries wait until they can be written.
                let written = indexes.offsets.write_some(place).and_then(|()| indexes.times.write_some(place));
                if let Err(error) = written {
                    tracing::debug!(%error, "index entries wait");
                }
            }
        }
        debug_assert_eq!(at, self.size_bytes, "headers and bytes agree");
        Ok(())
    }

    /// Cuts off what a failed write has left. False when nobody knows what the file holds.
    fn undo(&mut self, file: &dyn DiskFile, failed: &io::Error) -> bool {
        if file.len().is_ok_and(|len| len <= self.size_bytes) {
            return true;
        }
        let Err(error) = file.set_len(self.size_bytes) else {
            self.cut_unsynced = true;
            return true;
        };
        // A disk that takes nothing at the moment has lost nothing: the tail is cut before anything is written behind it.
        self.cut_due = [failed, &error].into_iter().all(|error| Trouble::of(error).is_some_and(Trouble::is_pressure));
        self.cut_due
    }

    /// Makes up for a cut that could not be made.
    fn cut_back(&mut self, place: &Place) -> Result<(), StorageError> {
        if self.cut_due {
            let cut = self.log_file(place)?.set_len(self.size_bytes);
            cut.map_err(|source| StorageError::io("truncate", self.log_path(place), source))?;
            self.cut_due = false;
            self.cut_unsynced = true;
        }
        Ok(())
    }

    /// Whether a batch must go into a new segment, as Kafka decides it.
    pub(crate) fn must_roll(
        &self,
        place: &Place,
        batch: &BatchHeader,
        size_bytes: u64,
        now: Millis,
        rules: RollRules,
    ) -> Result<bool, StorageError> {
        if self.size_bytes + size_bytes > rules.size_bytes_max {
            return Ok(self.size_bytes > 0);
        }
        if batch.last_offset().since(self.base_offset) > i64::from(i32::MAX) {
            return Ok(true);
        }
        if self.size_bytes == 0 {
            return Ok(false);
        }
        let waited_ms = match self.first_timestamp(place)? {
            Some(first) if first > NO_TIMESTAMP => batch.max_timestamp().0.saturating_sub(first.0),
            _ => now.0.saturating_sub(self.created_at.0),
        };
        if waited_ms > rules.age_ms_max {
            return Ok(true);
        }
        let inner = self.lock();
        Ok(inner.indexes.as_ref().is_some_and(|indexes| {
            // The time index keeps a slot for the entry that ends it.
            indexes.offsets.is_full(rules.index_size_bytes_max, 0) || indexes.times.is_full(rules.index_size_bytes_max, 1)
        }))
    }

    /// Ends the segment, or makes it fit to be left: the largest timestamp goes to the time index, all companions are written whole.
    /// `end_offset` is where the next segment begins. Returns what must be synced besides the `.log` that new
    /// records are in. May be done again.
    pub(crate) fn finish(&mut self, place: &Place, end_offset: Offset, interval_bytes: u32) -> Result<Vec<OpenFile>, StorageError> {
        self.cut_back(place)?;
        let mut files = self.write_companions(place, interval_bytes)?;
        let (base_offset, size_bytes) = (self.base_offset, self.size_bytes);
        if self.inner_mut().transactions.is_some() {
            seal::write(place, base_offset, Finished { end_offset, log_size_bytes: size_bytes })?;
        }
        if self.cut_unsynced {
            // A flush may have made durable what was cut off since, and with no records after it the next one would leave this file out.
            files.push(OpenFile { path: self.log_path(place), file: self.log_file(place)? });
            self.cut_unsynced = false;
        }
        Ok(files)
    }

    pub(super) fn write_companions(&mut self, place: &Place, interval_bytes: u32) -> Result<Vec<OpenFile>, StorageError> {
        self.load_indexes(place, interval_bytes)?;
        let base_offset = self.base_offset;
        let inner = self.inner_mut();
        let mut files = Vec::with_capacity(3);
        if let Some(indexes) = &mut inner.indexes {
            assert!(indexes.note_time(), "entries were checked against the log when they were loaded");
            files.push(OpenFile { path: place.path(base_offset, FileKind::OffsetIndex), file: indexes.offsets.finish(place)? });
            files.push(OpenFile { path: place.path(base_offset, FileKind::TimeIndex), file: indexes.times.finish(place)? });
        }
        if let Some(transactions) = &mut inner.transactions
            && let Some(file) = transactions.finish(place, base_offset)?
        {
            files.push(OpenFile { path: place.path(base_offset, FileKind::TxnIndex), file });
        }
        Ok(files)
    }

    /// Gives back memory and handles that only a segment under append needs.
    pub(crate) fn seal(&mut self) {
        let inner = self.inner_mut();
        inner.file = None;
        if let Some(indexes) = &mut inner.indexes {
            indexes.offsets.shrink();
            indexes.times.shrink();
        }
    }

    /// Cuts every batch that ends at or after `offset`. Returns the base offset of the first batch cut; `None` when there was none.
    pub(crate) fn truncate(&mut self, place: &Place, offset: Offset, interval_bytes: u32) -> Result<Option<Offset>, StorageError> {
        let path = self.log_path(place);
        let cut = self.locate(place, offset, interval_bytes).map_err(|error| error.into_storage(&path))?;
        let Some(cut) = cut else { return Ok(None) };
        self.cut_at(place, cut.position, cut.header.base_offset(), interval_bytes)?;
        Ok(Some(cut.header.base_offset()))
    }

    /// Cuts the segment at byte `size_bytes`, where the batch with `next_offset` begins, or where nothing begins that is to be kept.
    pub(crate) fn cut_at(&mut self, place: &Place, size_bytes: u64, next_offset: Offset, interval_bytes: u32) -> Result<(), StorageError> {
        let file = self.log_file(place)?;
        file.set_len(size_bytes).map_err(|source| StorageError::io("truncate", self.log_path(place), source))?;
        self.cut_due = false;
        self.size_bytes = size_bytes;
        let base_offset = self.base_offset;
        let inner = self.inner_mut();
        inner.verified.truncate(size_bytes);
        if size_bytes == 0 {
            inner.first_timestamp = None;
        }
        if let Some(transactions) = &mut inner.transactions {
            transactions.truncate(place, base_offset, next_offset)?;
        }
        self.truncate_indexes(place, next_offset, interval_bytes)
    }
}
