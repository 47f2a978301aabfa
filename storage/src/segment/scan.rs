//! Walks the batches of a `.log` file in order: headers only, or whole batches with their CRC.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{FileKind, Place};
use crate::batch::{BatchHeader, BatchView, HEADER_SIZE_BYTES};
use crate::disk::DiskFile;
use crate::{Offset, StorageError};

/// A batch found in a file: its header and where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) position: u64,
    pub(crate) size_bytes: u64,
    pub(crate) header: BatchHeader,
}

impl Located {
    pub(crate) fn end(&self) -> u64 {
        self.position + self.size_bytes
    }
}

/// Why the walk cannot go on at a position.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The disk failed.
    Disk(StorageError),
    /// What lies there is no batch that could follow.
    Bad { position: u64, reason: String },
}

impl From<StorageError> for ScanError {
    fn from(error: StorageError) -> Self {
        Self::Disk(error)
    }
}

impl ScanError {
    /// As an error about this file.
    pub(crate) fn into_storage(self, path: &Path) -> StorageError {
        match self {
            Self::Disk(error) => error,
            Self::Bad { position, reason } => StorageError::Corrupt { path: path.into(), position, reason },
        }
    }
}

const SMALL_READ_BYTES: usize = HEADER_SIZE_BYTES;
const LARGE_READ_BYTES: usize = 4096;
/// Whole batches are read in pieces of this size, or one batch at a time when they are larger.
const CHECKED_READ_BYTES: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    place: &'a Place,
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    offset_min: Offset,
    base_offset: Offset,
    buffer: Vec<u8>,
    buffer_position: u64,
    last_size_bytes: u64,
}

impl<'a> Scan<'a> {
    /// Walks from `position`, which must be the beginning of a batch, to `end`. Offsets must be in the segment that begins at
    /// `base_offset`, and rise.
    pub(crate) fn new(place: &'a Place, file: Arc<dyn DiskFile>, base_offset: Offset, position: u64, end: u64) -> Self {
        let offset_min = base_offset;
        Self { place, file, position, end, offset_min, base_offset, buffer: Vec::new(), buffer_position: 0, last_size_bytes: 0 }
    }

    /// Where the next batch begins, or where the bad one does.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Smallest offset that the next batch may have.
    pub(crate) fn offset_min(&self) -> Offset {
        self.offset_min
    }

    /// The file that is walked.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path(self.base_offset, FileKind::Log)
    }

    /// The next header without moving on.
    pub(crate) fn peek(&mut self) -> Result<Option<Located>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let wanted = if self.last_size_bytes < LARGE_READ_BYTES as u64 / 2 { LARGE_READ_BYTES } else { SMALL_READ_BYTES };
        self.fill(HEADER_SIZE_BYTES, wanted)?;
        let bytes = self.buffered();
        let bad = |reason: String| ScanError::Bad { position: self.position, reason };
        let header = BatchHeader::read(bytes).ok_or_else(|| bad(format!("{} bytes are no whole batch header", bytes.len())))?;
        if header.magic() != 2 {
            return Err(bad(format!("magic {}", header.magic())));
        }
        let size_bytes = header.size_bytes().ok_or_else(|| bad(format!("batch length {}", header.batch_length())))? as u64;
        if size_bytes > self.end - self.position {
            return Err(bad(format!("a batch of {size_bytes} bytes where {} are left", self.end - self.position)));
        }
        let (first, last) = (header.base_offset(), header.last_offset());
        if header.last_offset_delta() < 0 || first < self.offset_min || last < first || last.since(self.base_offset) > i64::from(i32::MAX) {
            return Err(bad(format!("offsets {first} to {last} where {} or later is next", self.offset_min)));
        }
        Ok(Some(Located { position: self.position, size_bytes, header }))
    }

    /// Moves behind a batch that `peek` returned.
    pub(crate) fn skip(&mut self, batch: &Located) {
        self.position = batch.end();
        self.offset_min = batch.header.next_offset();
        self.last_size_bytes = batch.size_bytes;
    }

    /// The next header.
    pub(crate) fn next_header(&mut self) -> Result<Option<Located>, ScanError> {
        let found = self.peek()?;
        if let Some(batch) = &found {
            self.skip(batch);
        }
        Ok(found)
    }

    /// The bytes of a batch that `peek` returned; nothing about them has been checked but the header's structure.
    pub(crate) fn read(&mut self, batch: &Located) -> Result<BatchView<'_>, ScanError> {
        let size_bytes = batch.size_bytes as usize;
        self.fill(size_bytes, CHECKED_READ_BYTES.max(size_bytes))?;
        let bytes = self.buffered().get(..size_bytes);
        let bytes =
            bytes.ok_or_else(|| ScanError::Bad { position: batch.position, reason: "the file ends inside the batch".to_owned() })?;
        Ok(BatchView { header: batch.header, bytes })
    }

    /// Checks the CRC of a batch that `peek` returned.
    pub(crate) fn check(&mut self, batch: &Located) -> Result<(), ScanError> {
        let checked = self.read(batch)?.check_crc();
        checked.map_err(|error| ScanError::Bad { position: batch.position, reason: error.to_string() })
    }

    fn buffered(&self) -> &[u8] {
        let from = self.position.checked_sub(self.buffer_position).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.buffer.get(from..)).unwrap_or_default()
    }

    /// Sees to it that `needed` bytes at the position are in the buffer if the walk's range has so many, reading `wanted` at once.
    fn fill(&mut self, needed: usize, wanted: usize) -> Result<(), StorageError> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        if self.buffered().len() >= needed.min(left) {
            return Ok(());
        }
        self.buffer.resize(wanted.min(left), 0);
        let read = self
            .file
            .read_at(&mut self.buffer, self.position)
            .map_err(|source| StorageError::io("read", self.place.path(self.base_offset, FileKind::Log), source))?;
        self.buffer.truncate(read);
        self.buffer_position = self.position;
        Ok(())
    }
}
