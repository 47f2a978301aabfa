//! Why a producer's write is refused. Nothing has been written when one of these is returned.

use crate::{Offset, ProducerEpoch, ProducerId, Sequence};

/// A refused write; the doc of each variant names Kafka's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The write comes from a producer that a newer one has replaced. INVALID_PRODUCER_EPOCH (never PRODUCER_FENCED here).
    #[error("Epoch of producer {producer_id} at offset {offset} is {epoch}, which is {relation} the last seen epoch {current_epoch}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// Where the batch would have gone.
        offset: Offset,
        /// Its epoch.
        epoch: ProducerEpoch,
        /// The newest epoch seen in this partition.
        current_epoch: ProducerEpoch,
        /// "smaller than", or for markers of transaction version 2 "not larger than".
        relation: &'static str,
    },
    /// A gap, or a batch older than the five that are remembered. OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error(
        "Out of order sequence number for producer {producer_id} at offset {offset}: {sequence} (incoming seq. number), \
         {last_sequence} (current end sequence number)"
    )]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// Where the batch would have gone.
        offset: Offset,
        /// First sequence of the batch.
        sequence: Sequence,
        /// Last sequence written; -1 for none in this epoch.
        last_sequence: Sequence,
    },
    /// A new epoch must begin at sequence 0. OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error(
        "Invalid sequence number for new epoch of producer {producer_id} at offset {offset}: {epoch} (request epoch), \
         {sequence} (seq. number), {current_epoch} (current producer epoch)"
    )]
    SequenceOfNewEpochNotZero {
        /// The producer.
        producer_id: ProducerId,
        /// Where the batch would have gone.
        offset: Offset,
        /// Its epoch.
        epoch: ProducerEpoch,
        /// First sequence of the batch.
        sequence: Sequence,
        /// The epoch known so far.
        current_epoch: ProducerEpoch,
    },
    /// An earlier batch of the same transaction is still being verified. OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error(
        "Out of order sequence number for producer {producer_id} at offset {offset}: {sequence} (incoming seq. number), \
         {lowest_sequence} (earliest seen sequence)"
    )]
    SequenceAheadOfVerification {
        /// The producer.
        producer_id: ProducerId,
        /// Where the batch would have gone.
        offset: Offset,
        /// First sequence of the batch.
        sequence: Sequence,
        /// Lowest sequence under verification.
        lowest_sequence: Sequence,
    },
    /// With transaction version 2 a producer unknown to the partition begins at 0. OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error(
        "Invalid sequence number for producer {producer_id} at offset {offset}: {sequence} (incoming seq. number). \
         A transactional producer without state in this partition begins at sequence 0"
    )]
    FirstSequenceNotZero {
        /// The producer.
        producer_id: ProducerId,
        /// Where the batch would have gone.
        offset: Offset,
        /// First sequence of the batch.
        sequence: Sequence,
    },
    /// A plain write while the producer's transaction is open. INVALID_TXN_STATE.
    #[error("Expected transactional write from producer {producer_id} at offset {offset}")]
    NotTransactional {
        /// The producer.
        producer_id: ProducerId,
        /// Where the batch would have gone.
        offset: Offset,
    },
    /// The transaction coordinator has not confirmed this partition. INVALID_TXN_STATE.
    #[error("Record of producer {producer_id} was not part of an ongoing transaction")]
    TransactionNotVerified {
        /// The producer.
        producer_id: ProducerId,
    },
    /// A marker from a coordinator that has been replaced. TRANSACTION_COORDINATOR_FENCED.
    #[error(
        "Invalid coordinator epoch for producer {producer_id} at offset {offset}: {coordinator_epoch} (zombie), \
         {current_coordinator_epoch} (current)"
    )]
    TransactionCoordinatorFenced {
        /// The producer.
        producer_id: ProducerId,
        /// Where the marker would have gone.
        offset: Offset,
        /// The marker's coordinator epoch.
        coordinator_epoch: i32,
        /// The newest one seen.
        current_coordinator_epoch: i32,
    },
}
