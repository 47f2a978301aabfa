//! What must be in the log, kept without the log: a list of batches and a few offsets.

use ottla_storage::batch::{BatchHeader, BatchView, EndTransactionMarker};
use ottla_storage::log::AbortedTransaction;
use ottla_storage::producer::{Marker, ProducerStates};
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerId, Sequence};

use crate::script::after;

/// A batch as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) header: BatchHeader,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    pub(crate) fn marker(&self) -> Option<EndTransactionMarker> {
        let view = BatchView { header: self.header, bytes: &self.bytes };
        self.header.is_control().then(|| EndTransactionMarker::from_batch(&view).expect("a control batch")).flatten()
    }
}

/// The log as it must be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// From the last complete truncation on, also below the log start offset.
    pub(crate) batches: Vec<Stored>,
    /// Where an empty log begins.
    pub(crate) origin: Offset,
    pub(crate) log_start: Offset,
    pub(crate) epoch: i32,
    /// Everything below was flushed.
    pub(crate) durable_to: Offset,
    /// Segments that were deleted before a power loss may be back, some or all of them: only from here on must all be as it was.
    pub(crate) exact_from: Offset,
    /// The log was found empty, with a past that nobody knows.
    pub(crate) is_anew: bool,
    /// The log start offset of the last checkpoint that was written.
    pub(crate) durable_log_start: Offset,
}

impl Model {
    pub(crate) fn end(&self) -> Offset {
        self.batches.last().map_or(self.origin, |batch| batch.header.next_offset())
    }

    pub(crate) fn next_sequence(&self, producer: ProducerId) -> Sequence {
        let last = self.batches.iter().rev().find(|batch| batch.header.producer_id() == producer && !batch.header.is_control());
        last.map_or(Sequence(0), |batch| after(&batch.header))
    }

    /// First offset of the producer's open transaction.
    pub(crate) fn open_transaction(&self, producer: ProducerId) -> Option<Offset> {
        let own = self.batches.iter().filter(|batch| batch.header.producer_id() == producer);
        own.fold(None, |open, batch| match batch.header.is_control() {
            true => None,
            false => open.or(batch.header.is_transactional().then(|| batch.header.base_offset())),
        })
    }

    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        (1000..1004).filter_map(|producer| self.open_transaction(ProducerId(producer))).min()
    }

    /// The model cut to its first batches.
    pub(crate) fn cut(&self, batches: usize) -> Self {
        let mut cut = self.clone();
        cut.batches.truncate(batches);
        cut.log_start = cut.log_start.min(cut.end());
        cut.durable_to = cut.durable_to.min(cut.end());
        cut
    }

    /// Whether a log end offset is the end of one of the batches; how many batches that are.
    pub(crate) fn count_at(&self, end: Offset) -> Option<usize> {
        if end == self.origin {
            return Some(0);
        }
        self.batches.iter().position(|batch| batch.header.next_offset() == end).map(|at| at + 1)
    }

    /// The bytes that a reader of everything gets.
    pub(crate) fn readable_bytes(&self, log_start: Offset) -> Vec<u8> {
        let readable = self.batches.iter().filter(|batch| batch.header.next_offset() > log_start);
        readable.flat_map(|batch| batch.bytes.iter().copied()).collect()
    }

    /// Producer state by replay of every batch.
    pub(crate) fn producers(&self) -> ProducerStates {
        let mut states = ProducerStates::new(i64::MAX);
        for batch in &self.batches {
            states.update(Millis(0), &batch.header, batch.marker().map(Marker::from));
        }
        states
    }

    pub(crate) fn aborted(&self, log_start: Offset) -> Vec<(ProducerId, Offset, Offset)> {
        let mut open: Vec<(ProducerId, Offset)> = Vec::new();
        let mut aborted = Vec::new();
        for batch in &self.batches {
            let (producer, last_offset) = (batch.header.producer_id(), batch.header.last_offset());
            let begun = open.iter().position(|(other, _)| *other == producer);
            if let Some(marker) = batch.marker() {
                let (_, first_offset) = open.swap_remove(begun.expect("no marker without a transaction"));
                if !marker.committed && last_offset >= log_start {
                    aborted.push((producer, first_offset, last_offset));
                }
            } else if batch.header.is_transactional() && begun.is_none() {
                open.push((producer, batch.header.base_offset()));
            }
        }
        aborted
    }

    pub(crate) fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let batch = self.batches.iter().find(|batch| batch.header.base_offset() <= offset && offset < batch.header.next_offset());
        batch.map(|batch| batch.header.partition_leader_epoch())
    }
}

pub(crate) fn plain(transaction: &AbortedTransaction) -> (ProducerId, Offset, Offset) {
    (transaction.producer_id, transaction.first_offset, transaction.last_offset)
}
