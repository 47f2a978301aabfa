//! The `.txnindex` file: the aborted transactions whose marker lies in the segment.
//!
//! 34 bytes an entry, big-endian: version 0 (i16), producer id (i64), first offset (i64), last offset, which is the marker's (i64),
//! last stable offset at the time (i64). No file means no aborted transaction.

use super::files::{FileKind, Place};
use crate::disk::OpenMode;
use crate::log::AbortedTransaction;
use crate::{Offset, ProducerId, StorageError};

const ENTRY_SIZE_BYTES: usize = 34;
const FILE_SIZE_BYTES_MAX: u64 = 1 << 30;

fn encode(transaction: &AbortedTransaction, out: &mut Vec<u8>) {
    out.extend_from_slice(&0_i16.to_be_bytes());
    for number in [transaction.producer_id.0, transaction.first_offset.0, transaction.last_offset.0, transaction.last_stable_offset.0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn decode(bytes: &[u8]) -> Option<AbortedTransaction> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (producer_id, rest) = rest.split_first_chunk()?;
    let (first_offset, rest) = rest.split_first_chunk()?;
    let (last_offset, rest) = rest.split_first_chunk()?;
    let (last_stable_offset, _) = rest.split_first_chunk()?;
    (i16::from_be_bytes(*version) == 0).then_some(AbortedTransaction {
        producer_id: ProducerId(i64::from_be_bytes(*producer_id)),
        first_offset: Offset(i64::from_be_bytes(*first_offset)),
        last_offset: Offset(i64::from_be_bytes(*last_offset)),
        last_stable_offset: Offset(i64::from_be_bytes(*last_stable_offset)),
    })
}

/// Reads the whole index; `None` when the file cannot be right.
pub(crate) fn load(place: &Place, base_offset: Offset) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
    let path = place.path(base_offset, FileKind::TxnIndex);
    let Some(file) = place.open_existing(&path)? else { return Ok(Some(Vec::new())) };
    let failed = |source| StorageError::io("read", &path, source);
    let size_bytes = file.len().map_err(failed)?;
    if size_bytes > FILE_SIZE_BYTES_MAX || !size_bytes.is_multiple_of(ENTRY_SIZE_BYTES as u64) {
        return Ok(None);
    }
    let mut bytes = vec![0; size_bytes as usize];
    if file.read_at(&mut bytes, 0).map_err(failed)? != bytes.len() {
        return Ok(None);
    }
    let mut found: Vec<AbortedTransaction> = Vec::with_capacity(bytes.len() / ENTRY_SIZE_BYTES);
    for entry in bytes.chunks_exact(ENTRY_SIZE_BYTES) {
        let Some(entry) = decode(entry) else { return Ok(None) };
        let rises = found.last().is_none_or(|last| last.last_offset < entry.last_offset);
        if !rises || entry.last_offset < base_offset || entry.first_offset > entry.last_offset || entry.producer_id.0 < 0 {
            return Ok(None);
        }
        found.push(entry);
    }
    Ok(Some(found))
}

/// Makes the file say exactly this; removes it when there is nothing to say.
pub(crate) fn store(place: &Place, base_offset: Offset, transactions: &[AbortedTransaction]) -> Result<(), StorageError> {
    let path = place.path(base_offset, FileKind::TxnIndex);
    if transactions.is_empty() {
        return place.remove(&path);
    }
    let mut bytes = Vec::with_capacity(transactions.len() * ENTRY_SIZE_BYTES);
    for transaction in transactions {
        encode(transaction, &mut bytes);
    }
    let file = place.open(&path, OpenMode::Create)?;
    let written = file.write_all_at(&[&bytes], 0).and_then(|()| file.set_len(bytes.len() as u64));
    written.map_err(|source| StorageError::io("write", path, source))
}

/// Adds entries after the first `written_count`.
pub(crate) fn append(
    place: &Place,
    base_offset: Offset,
    written_count: usize,
    transactions: &[AbortedTransaction],
) -> Result<(), StorageError> {
    let path = place.path(base_offset, FileKind::TxnIndex);
    let mut bytes = Vec::with_capacity(transactions.len() * ENTRY_SIZE_BYTES);
    for transaction in transactions {
        encode(transaction, &mut bytes);
    }
    let file = place.open(&path, OpenMode::Create)?;
    let written = file.write_all_at(&[&bytes], (written_count * ENTRY_SIZE_BYTES) as u64);
    written.map_err(|source| StorageError::io("write", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_34_bytes_and_reads_back() {
        let entry = AbortedTransaction {
            producer_id: ProducerId(7),
            first_offset: Offset(1),
            last_offset: Offset(i64::MAX),
            last_stable_offset: Offset(3),
        };
        let mut bytes = Vec::new();
        encode(&entry, &mut bytes);
        assert_eq!(bytes.len(), ENTRY_SIZE_BYTES);
        assert_eq!(bytes[..11], [0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0]);
        assert_eq!(decode(&bytes), Some(entry));
        bytes[1] = 1;
        assert_eq!(decode(&bytes), None, "a version from the future");
    }
}
