//! Which producers wait for the transaction coordinator to confirm that a partition belongs to their transaction (KIP-890).
//!
//! A guard is handed out before the coordinator is asked and shown again with the append. A marker or an append in between
//! removes it, so a late answer about an older transaction opens nothing.

use crate::{Millis, ProducerEpoch, ProducerId, Sequence};
use foldhash::{HashMap, HashMapExt};

/// Proof that verification was begun for the producer's current transaction in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// Verifications under way in one partition; at the bound the oldest is given up, and its write is refused and sent again.
const VERIFICATIONS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    begun_at: Millis,
    guard: VerificationGuard,
    pub(super) lowest_sequence: Sequence,
    epoch: ProducerEpoch,
    pub(super) supports_epoch_bump: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Verifications {
    by_producer: HashMap<ProducerId, Verification>,
    next_guard: u64,
}

impl Default for Verifications {
    fn default() -> Self {
        Self { by_producer: HashMap::new(), next_guard: 0 }
    }
}

impl Verifications {
    pub(super) fn begin(
        &mut self,
        now: Millis,
        producer_id: ProducerId,
        sequence: Sequence,
        epoch: ProducerEpoch,
        supports_epoch_bump: bool,
    ) -> VerificationGuard {
        if self.by_producer.len() >= VERIFICATIONS_MAX && !self.by_producer.contains_key(&producer_id) {
            let oldest = self.by_producer.iter().min_by_key(|(_, v)| v.guard.0).map(|(pid, _)| *pid);
            oldest.map(|pid| self.by_producer.remove(&pid));
        }
        let guard = VerificationGuard(self.next_guard);
        let verification = self.by_producer.entry(producer_id).or_insert_with(|| {
            self.next_guard += 1;
            Verification { begun_at: now, guard, lowest_sequence: sequence, epoch, supports_epoch_bump }
        });
        if epoch == verification.epoch && sequence < verification.lowest_sequence {
            verification.lowest_sequence = sequence;
        }
        if epoch > verification.epoch {
            verification.epoch = epoch;
            verification.lowest_sequence = sequence;
            // Another producer, who may be of another version: markers of its epoch mean what they mean to that version.
            verification.supports_epoch_bump = supports_epoch_bump;
        }
        verification.guard
    }

    pub(super) fn of(&self, producer_id: ProducerId) -> Option<&Verification> {
        self.by_producer.get(&producer_id)
    }

    pub(super) fn admits(&self, producer_id: ProducerId, guard: VerificationGuard) -> bool {
        self.of(producer_id).is_some_and(|v| v.guard == guard)
    }

    /// Ends the verification that a transactional batch answers. A marker of the epoch under verification does not: with
    /// transaction version 2 it ends the transaction before the one that is being verified.
    pub(super) fn end(&mut self, producer_id: ProducerId, epoch: ProducerEpoch, is_marker: bool) {
        let of_previous = |v: &Verification| v.supports_epoch_bump && is_marker && v.epoch == epoch;
        if !self.of(producer_id).is_some_and(of_previous) {
            self.by_producer.remove(&producer_id);
        }
    }

    pub(super) fn remove_expired(&mut self, now: Millis, expiration_ms: i64) {
        self.by_producer.retain(|_, v| now.0.saturating_sub(v.begun_at.0) < expiration_ms);
    }
}
