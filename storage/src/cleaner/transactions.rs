//! Which transaction a batch belongs to while the cleaner goes through a log, and with it what may be dropped.
//!
//! | read | of an aborted transaction | of a committed one |
//! |---|---|---|
//! | batch of data | dropped | kept; its marker is needed |
//! | marker, data of it was seen | needed; its line of the transaction index too | needed |
//! | marker, no data of it was seen | may go, once its delete horizon has passed | the same |
//! | marker without record | went before | went before |

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::batch::{BatchError, BatchView, EndTransactionMarker};
use crate::log::AbortedTransaction;
use crate::{Offset, ProducerId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Aborted ones that begin further on, by their first offset.
    coming: BinaryHeap<Reverse<(Offset, Offset, ProducerId)>>,
    /// By marker offset and producer, the whole entry of those that are coming.
    entries: HashMap<(Offset, ProducerId), AbortedTransaction>,
    /// Aborted ones that have begun, and whether any data of them was seen.
    aborted: HashMap<ProducerId, (AbortedTransaction, bool)>,
    /// Producers of which committed data was seen since their last marker.
    committed: HashSet<ProducerId>,
}

/// What a batch means for the transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its records count.
    Needed,
    /// An abort marker of which data was seen: its transaction stays in the index.
    NeededAndListed(AbortedTransaction),
    /// Data that was aborted, or a marker of which no data is left.
    Superfluous,
}

impl Transactions {
    /// Tells of aborted transactions with records further on. To tell of one twice does no harm while it lasts.
    pub(super) fn add_aborted(&mut self, transactions: impl IntoIterator<Item = AbortedTransaction>) {
        for transaction in transactions {
            let key = (transaction.last_offset, transaction.producer_id);
            if self.entries.insert(key, transaction).is_none() {
                self.coming.push(Reverse((transaction.first_offset, transaction.last_offset, transaction.producer_id)));
            }
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(Reverse((first_offset, last_offset, producer_id))) = self.coming.peek().copied() {
            if first_offset > offset {
                break;
            }
            self.coming.pop();
            if let Some(transaction) = self.entries.remove(&(last_offset, producer_id)) {
                self.aborted.entry(producer_id).or_insert((transaction, false));
            }
        }
    }

    /// Takes note of the next batch.
    pub(super) fn on_batch(&mut self, view: &BatchView<'_>) -> Result<Verdict, BatchError> {
        self.begin_up_to(view.header.last_offset());
        if view.header.is_control() {
            return self.on_control_batch(view);
        }
        if !view.header.is_transactional() {
            return Ok(Verdict::Needed);
        }
        match self.aborted.get_mut(&view.header.producer_id()) {
            Some((_, data_seen)) => {
                *data_seen = true;
                Ok(Verdict::Superfluous)
            }
            None => {
                self.committed.insert(view.header.producer_id());
                Ok(Verdict::Needed)
            }
        }
    }

    fn on_control_batch(&mut self, view: &BatchView<'_>) -> Result<Verdict, BatchError> {
        if view.header.record_count() == 0 {
            return Ok(Verdict::Superfluous);
        }
        let producer_id = view.header.producer_id();
        let needed = match EndTransactionMarker::from_batch(view)? {
            // Not of a transaction.
            None => true,
            Some(marker) if marker.committed => self.committed.remove(&producer_id),
            Some(_) => match self.aborted.remove(&producer_id) {
                Some((transaction, true)) => return Ok(Verdict::NeededAndListed(transaction)),
                _ => false,
            },
        };
        Ok(if needed { Verdict::Needed } else { Verdict::Superfluous })
    }
}
