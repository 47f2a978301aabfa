//! Transactions that keep the last stable offset back: open ones, and ended ones whose marker is not yet replicated.

use crate::{Offset, ProducerId};
use std::collections::BTreeMap;

/// A transaction that a marker has just ended: what goes into the transaction index when it was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Offset of the marker.
    pub last_offset: Offset,
    /// True for an abort marker.
    pub aborted: bool,
    /// The last stable offset right after the marker, as the transaction index records it.
    pub last_stable_offset: Offset,
}

/// Transactions by their first offset.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    ongoing: BTreeMap<Offset, ProducerId>,
    /// First offset to marker offset.
    unreplicated: BTreeMap<Offset, Offset>,
}

impl Transactions {
    pub(super) fn clear(&mut self) {
        self.ongoing.clear();
        self.unreplicated.clear();
    }

    pub(super) fn begin(&mut self, first_offset: Offset, producer_id: ProducerId) {
        self.ongoing.insert(first_offset, producer_id);
    }

    pub(super) fn complete(
        &mut self,
        producer_id: ProducerId,
        first_offset: Offset,
        last_offset: Offset,
        aborted: bool,
    ) -> CompletedTransaction {
        self.ongoing.remove(&first_offset);
        self.unreplicated.insert(first_offset, last_offset);
        let last_stable_offset = self.first_undecided().map_or(last_offset.plus(1), |(first, _)| first);
        CompletedTransaction { producer_id, first_offset, last_offset, aborted, last_stable_offset }
    }

    /// Forgets ended transactions whose marker lies below `offset`.
    pub(super) fn replicated_up_to(&mut self, offset: Offset) {
        self.unreplicated.retain(|_, marker_offset| *marker_offset >= offset);
    }

    pub(super) fn first_undecided(&self) -> Option<(Offset, ProducerId)> {
        self.ongoing.first_key_value().map(|(first, pid)| (*first, *pid))
    }

    pub(super) fn first_unstable(&self) -> Option<Offset> {
        let unreplicated = self.unreplicated.first_key_value().map(|(first, _)| *first);
        let undecided = self.first_undecided().map(|(first, _)| first);
        match (unreplicated, undecided) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
