//! The aborted transactions of a segment: those in the `.txnindex` and those that wait to be written there.

use std::sync::Arc;

use super::files::{FileKind, Place};
use super::{Segment, txn_index};
use crate::disk::{DiskFile, OpenMode};
use crate::log::AbortedTransaction;
use crate::{Offset, StorageError};

/// See the module. Exists for segments whose `.txnindex` is known to be right.
#[derive(Debug)]
pub(super) struct Transactions {
    written_count: usize,
    waiting: Vec<AbortedTransaction>,
}

impl Transactions {
    pub(super) fn empty() -> Self {
        Self { written_count: 0, waiting: Vec::new() }
    }

    /// `count` entries are in the file, which is right.
    pub(super) fn written(count: usize) -> Self {
        Self { written_count: count, waiting: Vec::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.written_count + self.waiting.len()
    }

    fn write(&mut self, place: &Place, base_offset: Offset) -> Result<(), StorageError> {
        if !self.waiting.is_empty() {
            txn_index::append(place, base_offset, self.written_count, &self.waiting)?;
            self.written_count += self.waiting.len();
            self.waiting.clear();
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, place: &Place, base_offset: Offset) -> Result<Option<Arc<dyn DiskFile>>, StorageError> {
        self.write(place, base_offset)?;
        if self.written_count == 0 {
            return Ok(None);
        }
        place.open(&place.path(base_offset, FileKind::TxnIndex), OpenMode::ReadWrite).map(Some)
    }

    pub(super) fn truncate(&mut self, place: &Place, base_offset: Offset, next_offset: Offset) -> Result<(), StorageError> {
        let mut all = self.all(place, base_offset)?;
        let before = all.len();
        all.retain(|transaction| transaction.last_offset < next_offset);
        if all.len() < before {
            txn_index::store(place, base_offset, &all)?;
            *self = Self::written(all.len());
        }
        Ok(())
    }

    fn all(&self, place: &Place, base_offset: Offset) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut all = if self.written_count > 0 { txn_index::load(place, base_offset)?.unwrap_or_default() } else { Vec::new() };
        all.truncate(self.written_count);
        all.extend_from_slice(&self.waiting);
        Ok(all)
    }
}

impl Segment {
    /// Adds an aborted transaction whose marker was just appended; the index has been checked before. It is remembered even when the
    /// file cannot be written now.
    pub(crate) fn note_aborted(&mut self, place: &Place, transaction: AbortedTransaction) {
        let base_offset = self.base_offset;
        let Some(transactions) = &mut self.inner_mut().transactions else { return };
        transactions.waiting.push(transaction);
        if let Err(error) = transactions.write(place, base_offset) {
            tracing::debug!(%error, "transaction index entries wait");
        }
    }

    /// Everything in the transaction index; `None` when nobody has checked yet that the file is right.
    pub(crate) fn aborted_transactions(&self, place: &Place, interval_bytes: u32) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
        let mut inner = self.lock();
        // The seal, read with the indexes, knows about the transaction index too.
        self.indexes_in(place, &mut inner, interval_bytes)?;
        inner.transactions.as_ref().map(|transactions| transactions.all(place, self.base_offset)).transpose()
    }

    /// What the file says, right or wrong; `None` when it is certainly wrong.
    pub(crate) fn unchecked_aborted_transactions(&self, place: &Place) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
        if self.lock().txn_index_is_wrong { Ok(None) } else { txn_index::load(place, self.base_offset) }
    }

    /// Makes this the content of the transaction index, as found by reading the log.
    pub(crate) fn set_aborted_transactions(&self, place: &Place, found: Vec<AbortedTransaction>) -> Result<(), StorageError> {
        let mut inner = self.lock();
        let on_disk = txn_index::load(place, self.base_offset)?;
        if on_disk.as_ref() != Some(&found) {
            txn_index::store(place, self.base_offset, &found)?;
        }
        inner.transactions = Some(Transactions::written(found.len()));
        Ok(())
    }

    /// Believes the transaction index as it is on disk.
    pub(crate) fn trust_aborted_transactions(&self, count: usize) {
        self.lock().transactions = Some(Transactions::written(count));
    }
}
