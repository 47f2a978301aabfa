//! Cuts bytes into batches by their lengths. Looks at 17 bytes per batch, whatever its size.

use super::compression::Compression;
use super::{BatchError, BatchHeader, HEADER_SIZE_BYTES, LOG_OVERHEAD_BYTES};

/// Kafka's smallest record of any format; a shorter length is corrupt whatever the magic says.
const SMALLEST_LENGTH: i32 = 14;
const MAGIC_POSITION: usize = 16;
const MAGIC_2: i8 = 2;

/// One whole batch in someone else's buffer. Only lengths and magic have been checked.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    /// A copy of the header.
    pub header: BatchHeader,
    /// The whole batch, header first.
    pub bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The bytes after the header: the records, compressed or not.
    #[must_use]
    pub fn record_bytes(&self) -> &'a [u8] {
        self.bytes.get(HEADER_SIZE_BYTES..).unwrap_or_default()
    }

    /// Size of the whole batch in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The codec of the records.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let code = self.header.compression_code();
        Compression::from_code(code).ok_or(BatchError::UnsupportedCompression { code })
    }

    /// Checks the CRC-32C: one pass over the batch.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let stored = self.header.crc();
        let computed = self.header.computed_crc(self.record_bytes());
        if stored == computed { Ok(()) } else { Err(BatchError::CrcMismatch { stored, computed }) }
    }
}

/// Iterates over the batches in `bytes`, by length only: constant time per batch, no look at any record.
///
/// After an error the iterator ends, because nothing behind it can be found. [`Batches::position`] tells where it stands.
#[must_use]
pub fn split(bytes: &[u8]) -> Batches<'_> {
    Batches { bytes, position: 0, failed: false }
}

/// Iterator made by [`split`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Byte where the next batch begins; after an error, where the bad batch begins.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    fn read(&self) -> Result<BatchView<'a>, BatchError> {
        let position = self.position;
        let rest = self.bytes.get(position..).unwrap_or_default();
        let truncated = |needed_bytes| BatchError::Truncated { position, needed_bytes, available_bytes: rest.len() };

        let length_bytes = rest.get(8..).and_then(|b| b.first_chunk::<4>()).ok_or(truncated(LOG_OVERHEAD_BYTES))?;
        let length = i32::from_be_bytes(*length_bytes);
        let out_of_range = BatchError::LengthOutOfRange { position, length };
        if length < SMALLEST_LENGTH {
            return Err(out_of_range);
        }
        let magic = rest.get(MAGIC_POSITION).map(|byte| byte.cast_signed()).ok_or(truncated(MAGIC_POSITION + 1))?;
        if magic != MAGIC_2 {
            return Err(BatchError::UnsupportedMagic { magic });
        }
        let size = usize::try_from(length).ok().and_then(|n| n.checked_add(LOG_OVERHEAD_BYTES)).ok_or(out_of_range.clone())?;
        if size < HEADER_SIZE_BYTES {
            return Err(out_of_range);
        }
        let bytes = rest.get(..size).ok_or(truncated(size))?;
        let header = BatchHeader::read(bytes).ok_or(out_of_range)?;
        Ok(BatchView { header, bytes })
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.position >= self.bytes.len() {
            return None;
        }
        let batch = self.read();
        match &batch {
            Ok(view) => self.position += view.size_bytes(),
            Err(_) => self.failed = true,
        }
        Some(batch)
    }
}
