//! Reading a whole segment after a stop that was not clean: what is good, where the first bad batch is, whether good ones follow it.

use super::files::{FileKind, file_name};
use super::indexes::Indexes;
use super::scan::{Located, ScanError};
use super::seal::{self, Finished};
use super::{Place, Segment};
use crate::batch::{BatchHeader, BatchView, EndTransactionMarker, HEADER_SIZE_BYTES};
use crate::disk::OpenMode;
use crate::producer::Marker;
use crate::{Offset, StorageError};

/// What a recovery scan found.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Offset after the last good batch.
    pub(crate) next_offset: Offset,
    /// First byte that does not begin a good batch, and why; `None` when all is good.
    pub(crate) bad: Option<(u64, String)>,
    /// Offsets are missing between or in the batches: it was cleaned, or copied from a log that was.
    pub(crate) has_gaps: bool,
}

/// Batches are searched for in pieces of this size.
const SEARCH_PIECE_BYTES: usize = 1 << 20;

impl Segment {
    /// Reads every batch and builds the indexes anew. Batches that end at `check_from` or later must have a good CRC, those before
    /// (known to have reached the disk) only a sound header. `each` sees every good batch, with its transaction marker.
    pub(crate) fn recover(
        &mut self,
        place: &Place,
        interval_bytes: u32,
        check_from: Offset,
        segment_end: Option<Offset>,
        mut each: impl FnMut(&BatchHeader, Option<Marker>),
    ) -> Result<Recovered, StorageError> {
        let mut inner = self.lock();
        let mut indexes = Indexes::empty(self.base_offset);
        indexes.offsets.reset(place)?;
        indexes.times.reset(place)?;
        let mut scan = self.scan_in(place, &mut inner, 0)?;
        let mut checked_from = None;
        // The batch before the current one, when it left a gap: where it lies, and the offset that was due instead.
        let mut gap: Option<(u64, Offset)> = None;
        let mut distrusted = None;
        let mut has_gaps = false;
        let bad = loop {
            let step = scan.peek().and_then(|found| {
                let Some(batch) = found else { return Ok(None) };
                let next_offset = batch.header.next_offset();
                if segment_end.is_some_and(|end| next_offset > end) {
                    let reason = format!("offsets up to {} run into the next segment", batch.header.last_offset());
                    return Err(ScanError::Bad { position: batch.position, reason });
                }
                let check = batch.header.last_offset() >= check_from;
                if check {
                    scan.check(&batch)?;
                    checked_from.get_or_insert(batch.position);
                }
                let marker = if batch.header.is_control() { marker_of(&scan.read(&batch)?, &batch)? } else { None };
                Ok(Some((batch, marker)))
            });
            match step {
                Ok(None) => break None,
                Ok(Some((batch, marker))) => {
                    let due = scan.offset_min();
                    gap = (batch.header.base_offset() > due).then_some((batch.position, due));
                    has_gaps |= gap.is_some() || batch.header.record_count() <= batch.header.last_offset_delta();
                    scan.skip(&batch);
                    assert!(indexes.note(&batch, interval_bytes), "entries built from the log rise");
                    // What cannot be written now is written later.
                    let _ = indexes.offsets.write_some(place).and_then(|()| indexes.times.write_some(place));
                    each(&batch.header, marker);
                }
                // Base offsets lie outside the CRC. After a jump ahead that the next batch does not follow, the jump is the damage.
                Err(ScanError::Bad { reason, .. }) if gap.is_some() => {
                    distrusted = gap;
                    break gap.map(|(position, _)| (position, reason));
                }
                Err(ScanError::Bad { position, reason }) => break Some((position, reason)),
                Err(ScanError::Disk(error)) => return Err(error),
            }
        };
        if let Some(from) = checked_from {
            inner.verified.add(from, distrusted.map_or(scan.position(), |(position, _)| position));
        }
        let next_offset = distrusted.map_or(indexes.next_offset, |(_, due)| due);
        inner.indexes = Some(indexes);
        Ok(Recovered { next_offset, bad, has_gaps })
    }

    /// Walks all headers without judging them further than their structure; markers are read.
    pub(crate) fn each_batch(&self, place: &Place, mut each: impl FnMut(&BatchHeader, Option<Marker>)) -> Result<(), ScanError> {
        let mut scan = self.scan(place, 0)?;
        while let Some(batch) = scan.peek()? {
            let marker = if batch.header.is_control() { marker_of(&scan.read(&batch)?, &batch)? } else { None };
            each(&batch.header, marker);
            scan.skip(&batch);
        }
        Ok(())
    }

    /// Pretends that the segment ends at `size_bytes`; the file keeps what follows.
    pub(crate) fn hide_from(&mut self, size_bytes: u64) {
        self.size_bytes = size_bytes;
    }

    /// How the segment stood when it was finished last; `None` when nobody left word of it.
    pub(crate) fn finished(&self, place: &Place) -> Result<Option<Finished>, StorageError> {
        seal::finished(place, self.base_offset, self.size_bytes)
    }

    /// True when every byte of the `.log` was taken for part of a batch when the indexes were loaded.
    pub(crate) fn ends_with_a_batch(&self, place: &Place, interval_bytes: u32) -> Result<bool, StorageError> {
        let mut inner = self.lock();
        Ok(self.indexes_in(place, &mut inner, interval_bytes)?.end_position() == self.size_bytes)
    }

    /// Looks for a good batch anywhere from byte `from` on: one that could not be there if the file had only been cut short. Where it
    /// begins.
    pub(crate) fn find_batch_after(&self, place: &Place, from: u64) -> Result<Option<u64>, StorageError> {
        let file = self.log_file(place)?;
        let failed = |source| StorageError::io("read", self.log_path(place), source);
        let mut piece = vec![0; SEARCH_PIECE_BYTES + HEADER_SIZE_BYTES];
        let mut position = from;
        while position + (HEADER_SIZE_BYTES as u64) <= self.size_bytes {
            let read = file.read_at(&mut piece, position).map_err(failed)?;
            let here = &piece[..read];
            for at in 0..read.saturating_sub(HEADER_SIZE_BYTES - 1).min(SEARCH_PIECE_BYTES) {
                // The magic byte, before anything that costs more.
                if here[at + 16] != 2 {
                    continue;
                }
                let Some(header) = BatchHeader::read(&here[at..]) else { continue };
                let begins = position + at as u64;
                let Some(size_bytes) = header.size_bytes().filter(|size| *size as u64 <= self.size_bytes - begins) else { continue };
                // Offsets are not looked at: they lie outside the CRC, and what came before may have had wrong ones.
                let (delta, count) = (i64::from(header.last_offset_delta()), i64::from(header.record_count()));
                if delta < 0 || count < 0 || count > delta + 1 {
                    continue;
                }
                let mut bytes = vec![0; size_bytes];
                if file.read_at(&mut bytes, begins).map_err(failed)? == size_bytes
                    && (BatchView { header, bytes: &bytes }).check_crc().is_ok()
                {
                    return Ok(Some(begins));
                }
            }
            position += SEARCH_PIECE_BYTES as u64;
        }
        Ok(None)
    }

    /// Copies the bytes from `position` on into a file beside the log that nobody reads, and syncs it. The file's name.
    pub(crate) fn set_tail_aside(&self, place: &Place, position: u64) -> Result<String, StorageError> {
        let name = unused_name(place, &format!("{}.{position}", file_name(self.base_offset, FileKind::Log)))?;
        let path = place.dir.join(&name);
        let (from, to) = (self.log_file(place)?, place.open(&path, OpenMode::Truncate)?);
        let mut piece = vec![0; SEARCH_PIECE_BYTES];
        let mut at = position;
        while at < self.size_bytes {
            let read = from.read_at(&mut piece, at).map_err(|source| StorageError::io("read", self.log_path(place), source))?;
            if read == 0 {
                break;
            }
            to.write_all_at(&[&piece[..read]], at - position).map_err(|source| StorageError::io("write", &path, source))?;
            at += read as u64;
        }
        to.sync().map_err(|source| StorageError::io("sync", &path, source))?;
        Ok(name)
    }

    /// Renames the `.log` so that nobody reads it. The file's name.
    pub(crate) fn set_aside(&self, place: &Place) -> Result<String, StorageError> {
        let name = unused_name(place, &file_name(self.base_offset, FileKind::Log))?;
        place.rename(&self.log_path(place), &place.dir.join(&name))?;
        Ok(name)
    }
}

/// `<stem>.quarantine`, or `<stem>.1.quarantine` and so on when there is one already.
fn unused_name(place: &Place, stem: &str) -> Result<String, StorageError> {
    let mut name = format!("{stem}.quarantine");
    for number in 1.. {
        let path = place.dir.join(&name);
        if !place.disk.exists(&path).map_err(|source| StorageError::io("look for", &path, source))? {
            break;
        }
        name = format!("{stem}.{number}.quarantine");
    }
    Ok(name)
}

fn marker_of(view: &BatchView<'_>, batch: &Located) -> Result<Option<Marker>, ScanError> {
    let marker = EndTransactionMarker::from_batch(view);
    let marker = marker.map_err(|error| ScanError::Bad { position: batch.position, reason: error.to_string() })?;
    Ok(marker.map(Marker::from))
}
