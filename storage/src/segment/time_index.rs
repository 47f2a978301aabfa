//! The `.timeindex` file: timestamp -> offset. 12 bytes an entry, big-endian: timestamp (i64), offset minus base offset (i32).
//!
//! An entry says: no batch up to and including the one that ends at this offset has a larger timestamp, and that batch has this one.

use super::files::FileKind;
use super::index_file::Entry;
use crate::Millis;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// Largest timestamp so far.
    pub(crate) timestamp: Millis,
    /// Last offset of the first batch that has it, minus the segment's base offset.
    pub(crate) relative_offset: i32,
}

impl Entry for TimeEntry {
    const SIZE_BYTES: usize = 12;
    const KIND: FileKind = FileKind::TimeIndex;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let timestamp = bytes.first_chunk().copied().unwrap_or_default();
        let relative_offset = bytes.get(8..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        Self { timestamp: Millis(i64::from_be_bytes(timestamp)), relative_offset: i32::from_be_bytes(relative_offset) }
    }

    fn follows(&self, earlier: &Self) -> bool {
        self.timestamp > earlier.timestamp && self.relative_offset >= earlier.relative_offset
    }
}
