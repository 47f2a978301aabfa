//! Which bytes of a segment answer a read: whole batches, each written by this process or checked against its CRC.

use std::sync::Arc;

use super::indexes::relative;
use super::scan::{Located, ScanError};
use super::{Inner, Place, Segment};
use crate::disk::DiskFile;
use crate::{Offset, StorageError};

/// Bytes of one segment for a read.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) position: u64,
    pub(crate) size_bytes: u64,
    /// Base offset of the first batch.
    pub(crate) first_offset: Offset,
    /// The offset after the last batch.
    pub(crate) next_offset: Offset,
    /// The slice ends where the segment ends, so that a read may go on in the next one.
    pub(crate) reaches_end: bool,
}

/// Why a segment has nothing to give.
#[derive(Debug)]
pub(crate) enum SliceError {
    Disk(StorageError),
    /// The batch that should be read next is damaged.
    Corrupt(StorageError),
}

impl SliceError {
    fn from_scan(error: ScanError, path: &std::path::Path) -> Self {
        match error {
            ScanError::Disk(error) => Self::Disk(error),
            bad @ ScanError::Bad { .. } => Self::Corrupt(bad.into_storage(path)),
        }
    }
}

impl From<StorageError> for SliceError {
    fn from(error: StorageError) -> Self {
        Self::Disk(error)
    }
}

/// What a read wants of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) from: Offset,
    /// Only batches that end below.
    pub(crate) up_to: Offset,
    /// Offset after the last batch of the segment, or the base offset of the next one.
    pub(crate) segment_end: Offset,
    pub(crate) max_bytes: u64,
    /// The first batch is given even when it is larger than `max_bytes`.
    pub(crate) at_least_one_batch: bool,
}

/// What became of a read in this segment.
#[derive(Debug)]
pub(crate) enum Sliced {
    /// Nothing at or after `from` is in this segment.
    NothingHere,
    /// There is a batch, but the bounds do not allow it.
    Bounded,
    /// Here it is.
    Slice(Slice),
}

impl Segment {
    /// Finds the bytes for a read.
    pub(crate) fn slice(&self, place: &Place, want: Want, interval_bytes: u32) -> Result<Sliced, SliceError> {
        let mut inner = self.lock();
        let first = self.slice_in(place, &mut inner, want, interval_bytes);
        let doubtful = inner.indexes.as_ref().is_some_and(|indexes| indexes.doubtful);
        if doubtful && matches!(first, Err(SliceError::Corrupt(_))) {
            // Perhaps it is only the index that points between two batches.
            self.build_indexes_in(place, &mut inner, interval_bytes)?;
            return self.slice_in(place, &mut inner, want, interval_bytes);
        }
        first
    }

    fn slice_in(&self, place: &Place, inner: &mut Inner, want: Want, interval_bytes: u32) -> Result<Sliced, SliceError> {
        let located = self.locate_in(place, inner, want.from, interval_bytes);
        let Some(first) = located.map_err(|error| SliceError::from_scan(error, &self.log_path(place)))? else {
            return Ok(Sliced::NothingHere);
        };
        if first.header.next_offset() > want.segment_end {
            return Err(SliceError::from_scan(misplaced(&first), &self.log_path(place)));
        }
        if first.header.next_offset() > want.up_to || (first.size_bytes > want.max_bytes && !want.at_least_one_batch) {
            return Ok(Sliced::Bounded);
        }
        let (end, next_offset) = self.boundary_in(place, inner, &first, want, interval_bytes)?;
        let (end, next_offset) = self.check_in(place, inner, &first, want, (end, next_offset))?;
        Ok(Sliced::Slice(Slice {
            file: self.log_file_in(place, inner)?,
            position: first.position,
            size_bytes: end - first.position,
            first_offset: first.header.base_offset(),
            next_offset,
            reaches_end: end == self.size_bytes,
        }))
    }

    /// The last batch boundary that the bounds allow, and the offset that follows it.
    fn boundary_in(
        &self,
        place: &Place,
        inner: &mut Inner,
        first: &Located,
        want: Want,
        interval_bytes: u32,
    ) -> Result<(u64, Offset), SliceError> {
        let limit = first.position.saturating_add(want.max_bytes);
        if want.up_to >= want.segment_end && limit >= self.size_bytes {
            return Ok((self.size_bytes, want.segment_end));
        }
        let mut end = first.end();
        let mut next_offset = first.header.next_offset();
        let relative_end = relative(self.base_offset, want.up_to).unwrap_or(i32::MAX);
        let indexes = self.indexes_in(place, inner, interval_bytes)?;
        let hint = indexes
            .offsets
            .find_last(place, |entry| u64::from(entry.position) <= limit && entry.relative_offset < relative_end)?
            .filter(|entry| u64::from(entry.position) > end);
        let mut scan = self.scan_in(place, inner, hint.map_or(end, |entry| u64::from(entry.position)))?;
        if let Some(entry) = hint {
            let indexed = self.base_offset.plus(i64::from(entry.relative_offset));
            match scan.peek() {
                Err(ScanError::Disk(error)) => return Err(error.into()),
                // The batches before the hint are whole: the check walks over them, or they were checked before.
                Ok(Some(batch)) if batch.header.last_offset() <= indexed && batch.header.base_offset() >= next_offset => {
                    end = batch.position;
                    next_offset = batch.header.base_offset();
                }
                _ => scan = self.scan_in(place, inner, end)?,
            }
        }
        loop {
            match scan.next_header() {
                Ok(Some(batch)) if batch.end() <= limit && batch.header.next_offset() <= want.up_to => {
                    end = batch.end();
                    next_offset = batch.header.next_offset();
                }
                Ok(_) | Err(ScanError::Bad { .. }) => return Ok((end, next_offset)),
                Err(ScanError::Disk(error)) => return Err(error.into()),
            }
        }
    }

    /// Checks what has not been checked since the segment was opened; the end moves back to the first damaged batch.
    fn check_in(
        &self,
        place: &Place,
        inner: &mut Inner,
        first: &Located,
        want: Want,
        (end, next_offset): (u64, Offset),
    ) -> Result<(u64, Offset), SliceError> {
        let mut position = first.position;
        // The offset that is due at the position, when it is known.
        let mut due = Some(want.from);
        while position < end {
            if let Some(good_until) = inner.verified.good_until(position) {
                position = good_until;
                due = None;
                continue;
            }
            let mut scan = self.scan_in(place, inner, position)?;
            let damage = loop {
                if scan.position() >= end || inner.verified.good_until(scan.position()).is_some() {
                    break None;
                }
                let checked = scan.peek().and_then(|found| match found {
                    Some(batch) => {
                        scan.check(&batch)?;
                        let jumps = due.is_some_and(|due| batch.header.base_offset() > due);
                        self.check_offsets_in(place, inner, &batch, jumps, want.segment_end).map(|()| Some(batch))
                    }
                    None => Ok(None),
                });
                match checked {
                    Ok(Some(batch)) => {
                        scan.skip(&batch);
                        due = Some(batch.header.next_offset());
                    }
                    Ok(None) => break None,
                    Err(damage) => break Some(damage),
                }
            };
            let checked_until = scan.position();
            inner.verified.add(position, checked_until);
            match damage {
                // A boundary that came from an index and lies inside a batch: stop before that batch.
                None if checked_until > end => return self.last_boundary_in(place, inner, first, end),
                None => position = checked_until.max(position + 1),
                Some(ScanError::Disk(error)) => return Err(error.into()),
                Some(bad) if checked_until <= first.position => return Err(SliceError::from_scan(bad, &self.log_path(place))),
                Some(ScanError::Bad { position, reason }) => {
                    let path = self.log_path(place);
                    tracing::error!(path = %path.display(), position, reason, "damaged batch; reads stop before it");
                    return self.last_boundary_in(place, inner, first, checked_until);
                }
            }
        }
        Ok((end, next_offset))
    }

    /// Base offsets lie outside the CRC. One that leaves the segment, or jumps ahead where the next batch does not follow, is damaged.
    fn check_offsets_in(
        &self,
        place: &Place,
        inner: &mut Inner,
        batch: &Located,
        jumps: bool,
        segment_end: Offset,
    ) -> Result<(), ScanError> {
        if batch.header.next_offset() > segment_end {
            return Err(misplaced(batch));
        }
        if jumps {
            let mut scan = self.scan_in(place, inner, batch.position)?;
            scan.skip(batch);
            match scan.peek() {
                Ok(_) => {}
                Err(ScanError::Disk(error)) => return Err(error.into()),
                Err(ScanError::Bad { .. }) => return Err(misplaced(batch)),
            }
        }
        Ok(())
    }

    /// The last batch boundary at or before `limit`, walking from `first`.
    fn last_boundary_in(&self, place: &Place, inner: &mut Inner, first: &Located, limit: u64) -> Result<(u64, Offset), SliceError> {
        let mut scan = self.scan_in(place, inner, first.position)?;
        let mut found = (first.end(), first.header.next_offset());
        loop {
            match scan.next_header() {
                Ok(Some(batch)) if batch.end() <= limit => found = (batch.end(), batch.header.next_offset()),
                Ok(_) | Err(ScanError::Bad { .. }) => return Ok(found),
                Err(ScanError::Disk(error)) => return Err(error.into()),
            }
        }
    }
}

fn misplaced(batch: &Located) -> ScanError {
    let reason = format!("base offset {} does not fit its neighbours", batch.header.base_offset());
    ScanError::Bad { position: batch.position, reason }
}
