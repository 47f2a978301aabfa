//! What a transactional id becomes by each step it can take. Every new state of it is made here, and every step is asserted against the
//! table in `state.rs`.
//!
//! Two versions of the protocol differ in when the epoch rises. With `transaction.version` 2 it rises with every decision, so that what is
//! written late falls into no other transaction; with the older ones only with InitProducerId and when the coordinator itself aborts. When
//! the epochs are used up (from 32766 on) another producer id takes over at epoch 0: at the next InitProducerId, and with version 2 when a
//! decision is complete.

use super::hard::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_TIMESTAMP, Transaction};
use super::{Partitions, ProducerIdAndEpoch, TransactionState, TransactionVersion};
use crate::timers::Millis;

/// From this epoch on a producer id is used up: the last one is kept for the coordinator, which may have to fence it.
const EXHAUSTED_EPOCH: i16 = i16::MAX - 1;

/// Whether no producer may be given an epoch above this one.
pub(super) fn is_exhausted(epoch: i16) -> bool {
    epoch >= EXHAUSTED_EPOCH
}

impl Transaction {
    /// The first producer of a transactional id.
    pub(super) fn first(producer_id: i64, timeout_ms: i32, now: Millis) -> Self {
        Self {
            producer: ProducerIdAndEpoch { id: producer_id, epoch: 0 },
            previous_producer_id: producer_id,
            next_producer_id: NO_PRODUCER_ID,
            last_epoch: NO_PRODUCER_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: Partitions::new(),
            start_ms: NO_TIMESTAMP,
            last_update_ms: now.0,
            client_version: TransactionVersion(0),
        }
    }

    /// Another producer takes over; `last_epoch` is the epoch by which the request that asked for it is known again.
    pub(super) fn initialized(&self, producer: ProducerIdAndEpoch, last_epoch: i16, timeout_ms: i32, now: Millis) -> Self {
        Self { producer, last_epoch, timeout_ms, start_ms: NO_TIMESTAMP, ..self.step(TransactionState::Empty, Partitions::new(), now) }
    }

    /// Partitions come in; the first ones open the transaction.
    pub(super) fn with_partitions(&self, added: &Partitions, version: TransactionVersion, now: Millis) -> Self {
        let mut partitions = self.partitions.clone();
        for (topic, more) in added {
            match partitions.get_mut(&**topic) {
                Some(known) => known.extend(more),
                None => {
                    partitions.insert((&**topic).into(), more.clone());
                }
            }
        }
        let start_ms = if self.state == TransactionState::Ongoing { self.start_ms } else { now.0 };
        Self { start_ms, client_version: version, ..self.step(TransactionState::Ongoing, partitions, now) }
    }

    /// The client's decision. `next_producer_id` is for a producer id that is used up with version 2.
    pub(super) fn decided(&self, committed: bool, version: TransactionVersion, next_producer_id: i64, now: Millis) -> Self {
        let state = if committed { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        let mut next = Self { client_version: version, next_producer_id, ..self.step(state, self.partitions.clone(), now) };
        if version.supports_epoch_bump() {
            next.last_epoch = self.producer.epoch;
            next.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        // An abort of nothing has no beginning, and a decision needs one.
        if self.state != TransactionState::Ongoing {
            next.start_ms = now.0;
        }
        next
    }

    /// The coordinator's decision to abort: whoever writes it is fenced.
    pub(super) fn fenced(&self, version: TransactionVersion, next_producer_id: i64, now: Millis) -> Self {
        if version.supports_epoch_bump() {
            return self.decided(false, version, next_producer_id, now);
        }
        let mut next = self.decided(false, TransactionVersion(0), NO_PRODUCER_ID, now);
        next.producer.epoch = self.producer.epoch.saturating_add(1);
        next.last_epoch = NO_PRODUCER_EPOCH;
        next
    }

    /// The producer once a decision is complete.
    pub(super) fn producer_afterwards(&self) -> ProducerIdAndEpoch {
        if self.client_version.supports_epoch_bump() && self.next_producer_id != NO_PRODUCER_ID {
            ProducerIdAndEpoch { id: self.next_producer_id, epoch: 0 }
        } else {
            self.producer
        }
    }

    /// Every partition knows the decision.
    pub(super) fn completed(&self, now: Millis) -> Self {
        let committed = self.state == TransactionState::PrepareCommit;
        let state = if committed { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort };
        Self { producer: self.producer_afterwards(), next_producer_id: NO_PRODUCER_ID, ..self.step(state, Partitions::new(), now) }
    }

    fn step(&self, state: TransactionState, partitions: Partitions, now: Millis) -> Self {
        debug_assert!(self.state.may_become(state), "{:?} does not become {state:?}", self.state);
        Self {
            producer: self.producer,
            previous_producer_id: self.producer.id,
            next_producer_id: self.next_producer_id,
            last_epoch: self.last_epoch,
            timeout_ms: self.timeout_ms,
            state,
            partitions,
            start_ms: self.start_ms,
            last_update_ms: now.0,
            client_version: self.client_version,
        }
    }
}
