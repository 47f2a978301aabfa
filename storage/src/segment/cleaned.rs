//! A segment that the cleaner makes: it lives in files of its own phase until it takes the place of others.

use super::files::{FileKind, OpenFile};
use super::seal::{self, Finished};
use super::{Place, Segment, txn_index};
use crate::log::AbortedTransaction;
use crate::{Offset, StorageError};

impl Segment {
    /// How many aborted transactions the index lists; `None` when nobody has checked yet that it is right.
    pub(crate) fn aborted_count(&self, place: &Place, interval_bytes: u32) -> Result<Option<usize>, StorageError> {
        let mut inner = self.lock();
        // The seal, read with the indexes, knows about the transaction index too.
        self.indexes_in(place, &mut inner, interval_bytes)?;
        Ok(inner.transactions.as_ref().map(super::transactions::Transactions::count))
    }

    /// Writes the companions whole and syncs all files. What `ottla-seals` is to say of the segment once it is in its place.
    pub(crate) fn finish_cleaned(
        &mut self,
        place: &Place,
        end_offset: Offset,
        interval_bytes: u32,
    ) -> Result<Option<String>, StorageError> {
        let mut files = self.write_companions(place, interval_bytes)?;
        files.push(OpenFile { path: self.log_path(place), file: self.log_file(place)? });
        for OpenFile { path, file } in files {
            file.sync().map_err(|source| StorageError::io("sync", path, source))?;
        }
        seal::line(place, self.base_offset, Finished { end_offset, log_size_bytes: self.size_bytes })
    }

    /// Removes all files of a segment of this phase, whether there are any or not.
    pub(crate) fn remove_files(place: &Place, base_offset: Offset) -> Result<(), StorageError> {
        [FileKind::Log].into_iter().chain(FileKind::COMPANIONS).try_for_each(|kind| place.remove(&place.path(base_offset, kind)))
    }
}

/// What the transaction index of a segment lists; nothing when it cannot be right.
pub(crate) fn listed_aborted_transactions(place: &Place, base_offset: Offset) -> Result<Vec<AbortedTransaction>, StorageError> {
    Ok(txn_index::load(place, base_offset)?.unwrap_or_default())
}
