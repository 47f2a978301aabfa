//! The `.snapshot` file, byte for byte as Apache Kafka writes it (version 1).
//!
//! ```text
//! version int16 = 1 | crc uint32 = CRC-32C of all that follows | count int32 | count entries of 46 bytes:
//! producerId int64 | epoch int16 | lastSequence int32 | lastOffset int64 | offsetDelta int32 | timestamp int64 |
//! coordinatorEpoch int32 | currentTxnFirstOffset int64 (-1 for none)
//! ```
//! Only the last batch of each producer is stored. The file's name is the offset up to which the log has been applied, in 20
//! digits. Whoever owns the directory reads and writes the file; this module knows the bytes.

use super::entry::{ProducerEntry, RememberedBatch};
use crate::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

const VERSION: i16 = 1;
const HEADER_SIZE_BYTES: usize = 6;
const ENTRY_SIZE_BYTES: usize = 46;
const SUFFIX: &str = ".snapshot";

/// Why a snapshot file is not used. It is deleted then, and an older one or the log itself takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Not a version this code reads.
    #[error("unknown producer snapshot version {version}")]
    UnknownVersion {
        /// The version field.
        version: i16,
    },
    /// The size does not fit the number of entries.
    #[error("producer snapshot of {size_bytes} bytes is cut off or too long")]
    SizeMismatch {
        /// Size of the file.
        size_bytes: usize,
    },
    /// The bytes have changed since they were written.
    #[error("producer snapshot is corrupt (stored crc = {stored}, computed crc = {computed})")]
    CrcMismatch {
        /// What the file says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
}

/// Name of the snapshot file at `offset`.
#[must_use]
pub fn file_name(offset: Offset) -> String {
    format!("{:020}{SUFFIX}", offset.0)
}

/// The offset in a snapshot file's name; `None` for any other name.
#[must_use]
pub fn offset_of_file_name(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(SUFFIX)?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if well_formed { digits.parse().ok().map(Offset) } else { None }
}

/// The file's bytes for these producers, in the order given.
#[must_use]
pub fn encode<'a>(entries: impl IntoIterator<Item = &'a ProducerEntry>) -> Vec<u8> {
    let mut out = vec![0; HEADER_SIZE_BYTES + 4];
    let mut count = 0_i32;
    for entry in entries {
        count += 1;
        let last = entry.batches().last();
        out.extend_from_slice(&entry.producer_id.0.to_be_bytes());
        out.extend_from_slice(&entry.producer_epoch.0.to_be_bytes());
        out.extend_from_slice(&entry.last_sequence().0.to_be_bytes());
        out.extend_from_slice(&last.map_or(-1, |b| b.last_offset.0).to_be_bytes());
        out.extend_from_slice(&last.map_or(0, |b| b.offset_delta).to_be_bytes());
        out.extend_from_slice(&entry.last_timestamp.0.to_be_bytes());
        out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&entry.current_txn_first_offset.map_or(-1, |o| o.0).to_be_bytes());
    }
    out[HEADER_SIZE_BYTES..HEADER_SIZE_BYTES + 4].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&out[HEADER_SIZE_BYTES..]);
    out[..2].copy_from_slice(&VERSION.to_be_bytes());
    out[2..HEADER_SIZE_BYTES].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads the file's bytes; refuses anything that is not exactly what [`encode`] or Kafka wrote.
pub fn decode(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let size_mismatch = SnapshotError::SizeMismatch { size_bytes: bytes.len() };
    let (header, body) = bytes.split_first_chunk::<HEADER_SIZE_BYTES>().ok_or(size_mismatch)?;
    let [v0, v1, c0, c1, c2, c3] = *header;
    let version = i16::from_be_bytes([v0, v1]);
    if version != VERSION {
        return Err(SnapshotError::UnknownVersion { version });
    }
    let (stored, computed) = (u32::from_be_bytes([c0, c1, c2, c3]), crc32c::crc32c(body));
    if stored != computed {
        return Err(SnapshotError::CrcMismatch { stored, computed });
    }
    let (count, entries) = body.split_first_chunk::<4>().ok_or(size_mismatch)?;
    let (entries, rest) = entries.as_chunks::<ENTRY_SIZE_BYTES>();
    if !rest.is_empty() || usize::try_from(i32::from_be_bytes(*count)) != Ok(entries.len()) {
        return Err(size_mismatch);
    }
    Ok(entries.iter().map(decode_entry).collect())
}

fn decode_entry(bytes: &[u8; ENTRY_SIZE_BYTES]) -> ProducerEntry {
    let mut entry = ProducerEntry::unknown(ProducerId(i64::from_be_bytes(field(bytes, 0))));
    entry.producer_epoch = ProducerEpoch(i16::from_be_bytes(field(bytes, 8)));
    entry.last_timestamp = Millis(i64::from_be_bytes(field(bytes, 26)));
    entry.coordinator_epoch = i32::from_be_bytes(field(bytes, 34));
    let first_offset = i64::from_be_bytes(field(bytes, 38));
    entry.current_txn_first_offset = (first_offset >= 0).then_some(Offset(first_offset));
    let last_offset = i64::from_be_bytes(field(bytes, 14));
    if last_offset >= 0 {
        entry.remember(RememberedBatch {
            last_sequence: Sequence(i32::from_be_bytes(field(bytes, 10))),
            last_offset: Offset(last_offset),
            offset_delta: i32::from_be_bytes(field(bytes, 22)),
            timestamp: entry.last_timestamp,
        });
    }
    entry
}

fn field<const N: usize>(bytes: &[u8; ENTRY_SIZE_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
