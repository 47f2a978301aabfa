//! What a pass is about, noted under the log's lock and read without it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::{AbortedTransaction, LogConfig};
use crate::producer::ProducerStates;
use crate::segment::{Place, Segment, listed_aborted_transactions};
use crate::{Millis, Offset, ProducerEpoch, ProducerId, StorageError};

/// The right to clean a log. The log takes it back when something happens that the cleaner did not see coming; dropping the log does too.
#[derive(Debug, Default)]
pub(crate) struct Lease(Arc<AtomicBool>);

/// The cleaner's end of a [`Lease`].
#[derive(Clone, Debug)]
pub(crate) struct LeaseHeld(Arc<AtomicBool>);

impl Lease {
    /// `None` while somebody holds it.
    pub(crate) fn take(&mut self) -> Option<LeaseHeld> {
        (!self.is_held()).then(|| LeaseHeld(Arc::clone(&self.0)))
    }

    pub(crate) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whoever holds it now holds nothing any more.
    pub(crate) fn revoke(&mut self) {
        self.0.store(true, Ordering::Release);
        self.0 = Arc::default();
    }

    pub(crate) fn is_this(&self, held: &LeaseHeld) -> bool {
        Arc::ptr_eq(&self.0, &held.0)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl LeaseHeld {
    pub(super) fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A segment that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) base_offset: Offset,
    pub(crate) size_bytes: u64,
    /// Where the next segment begins.
    pub(crate) end_offset: Offset,
    pub(crate) created_at: Millis,
    /// Lines in its transaction index, which is right.
    pub(crate) aborted_count: usize,
}

/// What a producer wrote last.
#[derive(Clone, Copy, Debug)]
struct LastOfProducer {
    data_offset: Option<Offset>,
    epoch: ProducerEpoch,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CleaningPlan {
    pub(crate) lease: LeaseHeld,
    pub(crate) place: Place,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) now: Millis,
    pub(crate) first_dirty: Offset,
    pub(crate) first_uncleanable: Offset,
    /// Everything below the first uncleanable offset, in offset order.
    pub(crate) sources: Vec<Source>,
    /// The source in which the dirty part begins, and the byte there.
    pub(crate) dirty_from: (usize, u64),
    /// Aborted transactions with records in the sources and their marker behind them.
    pub(crate) aborted_later: Vec<AbortedTransaction>,
    pub(crate) producers: ProducersLast,
}

/// The last batch of each producer.
#[derive(Debug)]
pub(crate) struct ProducersLast(HashMap<ProducerId, LastOfProducer>);

impl ProducersLast {
    pub(crate) fn of(states: &ProducerStates) -> Self {
        let last = |entry: &crate::producer::ProducerEntry| {
            (entry.producer_id, LastOfProducer { data_offset: entry.last_data_offset(), epoch: entry.producer_epoch })
        };
        Self(states.producers().map(last).collect())
    }

    /// Whether this batch holds the last sequence number of its producer, or, when it wrote nothing in its epoch, that epoch.
    pub(super) fn are_told_by(&self, header: &crate::batch::BatchHeader) -> bool {
        let Some(last) = self.0.get(&header.producer_id()).filter(|_| header.producer_id().0 >= 0) else { return false };
        match last.data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch() == last.epoch,
        }
    }
}

impl CleaningPlan {
    /// The aborted transactions with records in `from..to`, which begins in the source `index`.
    pub(super) fn aborted_in(&self, index: usize, from: Offset, to: Offset) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut found = Vec::new();
        let mut note = |transaction: &AbortedTransaction| {
            if transaction.last_offset >= from && transaction.first_offset < to {
                found.push(*transaction);
            }
            // Everything that began below has been decided by here.
            transaction.last_stable_offset >= to
        };
        for source in self.sources.get(index..).unwrap_or_default().iter().filter(|source| source.aborted_count > 0) {
            if listed_aborted_transactions(&self.place, source.base_offset)?.iter().any(&mut note) {
                return Ok(found);
            }
        }
        let _ = self.aborted_later.iter().any(note);
        Ok(found)
    }
}

/// What takes the place of some sources.
#[derive(Debug)]
pub(crate) struct CleanedGroup {
    pub(crate) lease: LeaseHeld,
    pub(crate) sources: Vec<Source>,
    pub(crate) segment: Segment,
    /// What `ottla-seals` is to say of it.
    pub(crate) seal: Option<String>,
}
