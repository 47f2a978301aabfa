//! One `.log` file and its companions: offset index, time index, transaction index.
//!
//! Called by `log` only, which keeps segments in offset order and decides what is appended where. A segment promises: bytes handed
//! out lie in whole batches that this process wrote itself or has checked against their CRC; an index entry is never believed, only
//! followed to a batch and checked there; companions that are missing or wrong are built anew from the `.log`. It does not decide
//! when to roll, what to keep, or what offsets mean.

mod active;
mod cleaned;
mod files;
mod index_file;
mod indexes;
mod offset_index;
mod read;
mod recover;
mod scan;
mod seal;
mod time_index;
mod transactions;
mod txn_index;
mod verified;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use active::RollRules;
pub(crate) use cleaned::listed_aborted_transactions;
pub(crate) use files::{FileKind, OpenFile, Phase, Place, file_name, parse_file_name};
pub(crate) use read::{SliceError, Sliced, Want};
pub(crate) use recover::Recovered;
pub(crate) use scan::{Located, Scan, ScanError};
pub(crate) use seal::{append as append_seal, sync as sync_seals, tidy as tidy_seals};

use crate::disk::{DiskFile, OpenMode};
use crate::{Millis, Offset, StorageError};
use indexes::Indexes;
use transactions::Transactions;
use verified::VerifiedRanges;

/// See the module.
#[derive(Debug)]
pub(crate) struct Segment {
    base_offset: Offset,
    size_bytes: u64,
    created_at: Millis,
    /// The file ends in a piece of a failed write.
    cut_due: bool,
    /// Something was cut off after a failed write, and the cut need not be on disk.
    cut_unsynced: bool,
    inner: Mutex<Inner>,
}

/// What is opened, read or found out when first needed.
#[derive(Debug)]
struct Inner {
    file: Option<Arc<dyn DiskFile>>,
    indexes: Option<Indexes>,
    transactions: Option<Transactions>,
    /// The `.txnindex` is not as it was left.
    txn_index_is_wrong: bool,
    first_timestamp: Option<Millis>,
    verified: VerifiedRanges,
}

impl Segment {
    fn new(base_offset: Offset, size_bytes: u64, created_at: Millis, inner: Inner) -> Self {
        Self { base_offset, size_bytes, created_at, cut_due: false, cut_unsynced: false, inner: Mutex::new(inner) }
    }

    /// Creates the `.log` file, empty. Companions follow when there is something to say, at the latest with `finish`.
    pub(crate) fn create(place: &Place, base_offset: Offset, now: Millis) -> Result<Self, StorageError> {
        for kind in FileKind::COMPANIONS {
            place.remove(&place.path(base_offset, kind))?;
        }
        // Last, so that an error leaves no segment.
        let file = place.open(&place.path(base_offset, FileKind::Log), OpenMode::Truncate)?;
        let inner = Inner {
            file: Some(file),
            indexes: Some(Indexes::empty(base_offset)),
            transactions: Some(Transactions::empty()),
            txn_index_is_wrong: false,
            first_timestamp: None,
            verified: VerifiedRanges::default(),
        };
        Ok(Self::new(base_offset, 0, now, inner))
    }

    /// A segment whose `.log` is there; nothing is read yet.
    pub(crate) fn existing(base_offset: Offset, size_bytes: u64, now: Millis) -> Self {
        let inner = Inner {
            file: None,
            indexes: None,
            transactions: None,
            txn_index_is_wrong: false,
            first_timestamp: None,
            verified: VerifiedRanges::default(),
        };
        Self::new(base_offset, size_bytes, now, inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is inside is a cache that is checked on use; a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Smallest offset the segment may hold; its name.
    pub(crate) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Bytes of whole batches in the `.log`.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// When this process created or opened the segment.
    pub(crate) fn created_at(&self) -> Millis {
        self.created_at
    }

    pub(crate) fn log_path(&self, place: &Place) -> PathBuf {
        place.path(self.base_offset, FileKind::Log)
    }

    /// The `.log`, opened when first asked for.
    pub(crate) fn log_file(&self, place: &Place) -> Result<Arc<dyn DiskFile>, StorageError> {
        self.log_file_in(place, &mut self.lock())
    }

    fn log_file_in(&self, place: &Place, inner: &mut Inner) -> Result<Arc<dyn DiskFile>, StorageError> {
        if let Some(file) = &inner.file {
            return Ok(Arc::clone(file));
        }
        let file = place.open(&self.log_path(place), OpenMode::ReadWrite)?;
        inner.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Closes the `.log` if it is open; the next use opens it again.
    pub(crate) fn release_file(&self) {
        self.lock().file = None;
    }

    /// Walks the batches from `position`, the beginning of one, to the end of the segment.
    pub(crate) fn scan<'a>(&self, place: &'a Place, position: u64) -> Result<Scan<'a>, StorageError> {
        self.scan_in(place, &mut self.lock(), position)
    }

    fn scan_in<'a>(&self, place: &'a Place, inner: &mut Inner, position: u64) -> Result<Scan<'a>, StorageError> {
        let file = self.log_file_in(place, inner)?;
        Ok(Scan::new(place, file, self.base_offset, position, self.size_bytes))
    }

    /// Largest timestamp of the first batch; `None` for an empty segment.
    pub(crate) fn first_timestamp(&self, place: &Place) -> Result<Option<Millis>, StorageError> {
        let mut inner = self.lock();
        if inner.first_timestamp.is_none() {
            let mut scan = self.scan_in(place, &mut inner, 0)?;
            let first = scan.next_header().map_err(|error| error.into_storage(&scan.path()))?;
            inner.first_timestamp = first.map(|batch| batch.header.max_timestamp());
        }
        Ok(inner.first_timestamp)
    }
}
