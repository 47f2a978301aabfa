//! What a partition remembers of one producer: its epochs, its last five batches, its open transaction.

use crate::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

/// How many batches a producer may have in flight and still find a duplicate recognised.
pub const BATCHES_REMEMBERED: usize = 5;
pub(super) const NO_EPOCH: ProducerEpoch = ProducerEpoch(-1);
pub(super) const NO_SEQUENCE: Sequence = Sequence(-1);
pub(super) const NO_COORDINATOR_EPOCH: i32 = -1;

/// One remembered batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RememberedBatch {
    /// Sequence of its last record.
    pub last_sequence: Sequence,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset minus first offset; also last sequence minus first sequence.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: Millis,
}

impl RememberedBatch {
    /// Sequence of its first record; counts back over the wrap from `i32::MAX` to 0.
    #[must_use]
    pub fn first_sequence(&self) -> Sequence {
        if self.last_sequence.0 >= self.offset_delta {
            return Sequence(self.last_sequence.0 - self.offset_delta);
        }
        let wrapped = i64::from(self.last_sequence.0) - i64::from(self.offset_delta) + (i64::from(i32::MAX) + 1);
        Sequence(i32::try_from(wrapped).unwrap_or(NO_SEQUENCE.0))
    }

    /// Offset of its first record.
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        Offset(self.last_offset.0.wrapping_sub(i64::from(self.offset_delta)))
    }
}

/// The state of one producer in one partition.
#[derive(Clone, Copy, Debug)]
pub struct ProducerEntry {
    /// The producer.
    pub producer_id: ProducerId,
    /// Newest epoch seen; -1 for none.
    pub producer_epoch: ProducerEpoch,
    /// Epoch of the coordinator that sent the last marker; -1 for none.
    pub coordinator_epoch: i32,
    /// Timestamp of the last batch or marker, by the batch's own clock.
    pub last_timestamp: Millis,
    /// First offset of the open transaction.
    pub current_txn_first_offset: Option<Offset>,
    /// The broker's time of the last write; `i64::MIN` when it came from a snapshot. Not stored.
    pub(super) written_at: Millis,
    batches: [RememberedBatch; BATCHES_REMEMBERED],
    batch_count: u8,
}

impl PartialEq for ProducerEntry {
    fn eq(&self, other: &Self) -> bool {
        self.producer_id == other.producer_id
            && self.producer_epoch == other.producer_epoch
            && self.coordinator_epoch == other.coordinator_epoch
            && self.last_timestamp == other.last_timestamp
            && self.current_txn_first_offset == other.current_txn_first_offset
            && self.batches() == other.batches()
    }
}

impl Eq for ProducerEntry {}

impl ProducerEntry {
    /// A producer of which nothing is known.
    #[must_use]
    pub fn unknown(producer_id: ProducerId) -> Self {
        Self {
            producer_id,
            producer_epoch: NO_EPOCH,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            last_timestamp: crate::batch::NO_TIMESTAMP,
            current_txn_first_offset: None,
            written_at: Millis(i64::MIN),
            batches: [RememberedBatch::default(); BATCHES_REMEMBERED],
            batch_count: 0,
        }
    }

    /// The remembered batches of the current epoch, oldest first.
    #[must_use]
    pub fn batches(&self) -> &[RememberedBatch] {
        self.batches.get(..usize::from(self.batch_count)).unwrap_or_default()
    }

    /// Sequence of the last record written in this epoch; -1 for none.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.batches().last().map_or(NO_SEQUENCE, |b| b.last_sequence)
    }

    /// Offset of the last record written in this epoch; `None` for none.
    #[must_use]
    pub fn last_data_offset(&self) -> Option<Offset> {
        self.batches().last().map(|b| b.last_offset)
    }

    /// The remembered batch with exactly these sequences.
    pub(super) fn find(&self, epoch: ProducerEpoch, first: Sequence, last: Sequence) -> Option<&RememberedBatch> {
        if epoch != self.producer_epoch {
            return None;
        }
        self.batches().iter().find(|b| b.last_sequence == last && b.first_sequence() == first)
    }

    /// Takes on an epoch; another epoch than before forgets the batches.
    pub(super) fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if epoch != self.producer_epoch {
            self.producer_epoch = epoch;
            self.batch_count = 0;
        }
    }

    /// Remembers one more batch, forgetting the oldest of five.
    pub(super) fn remember(&mut self, batch: RememberedBatch) {
        if usize::from(self.batch_count) == BATCHES_REMEMBERED {
            self.batches.rotate_left(1);
            self.batch_count -= 1;
        }
        if let Some(slot) = self.batches.get_mut(usize::from(self.batch_count)) {
            *slot = batch;
            self.batch_count += 1;
        }
    }
}
