//! The `.index` file: offset -> position of a batch. 8 bytes an entry, big-endian: offset minus base offset (i32), position (i32).
//!
//! The offset is the *last* offset of the batch at the position, as in Kafka.

use super::files::FileKind;
use super::index_file::Entry;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of the batch minus the segment's base offset.
    pub(crate) relative_offset: i32,
    /// First byte of the batch.
    pub(crate) position: u32,
}

impl Entry for OffsetEntry {
    const SIZE_BYTES: usize = 8;
    const KIND: FileKind = FileKind::OffsetIndex;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        Self { relative_offset: i32::from_be_bytes(word(0)), position: u32::from_be_bytes(word(4)) }
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.relative_offset > earlier.relative_offset && self.position > earlier.position
    }
}
