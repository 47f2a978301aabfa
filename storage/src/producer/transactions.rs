//! Transactions that keep the last stable offset back: open ones, and ended ones whose marker is not yet replicated.

use crate::{Millis, Offset, ProducerEpoch, ProducerId};
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

/// A transaction that holds the last stable offset back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnstableTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// The newest epoch known of it.
    pub producer_epoch: ProducerEpoch,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Timestamp of the producer's last batch or marker.
    pub last_timestamp: Millis,
    /// Offset of its marker, when it has ended and the marker is not below the high watermark yet.
    pub marker_offset: Option<Offset>,
}

/// Transactions by their first offset.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    ongoing: BTreeMap<Offset, ProducerId>,
    /// First offset to marker offset and producer.
    unreplicated: BTreeMap<Offset, (Offset, ProducerId)>,
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
        self.unreplicated.insert(first_offset, (last_offset, producer_id));
        let last_stable_offset = self.first_undecided().map_or(last_offset.plus(1), |(first, _)| first);
        CompletedTransaction { producer_id, first_offset, last_offset, aborted, last_stable_offset }
    }

    /// Forgets ended transactions whose marker lies below `offset`.
    pub(super) fn replicated_up_to(&mut self, offset: Offset) {
        self.unreplicated.retain(|_, (marker_offset, _)| *marker_offset >= offset);
    }

    /// What is unstable, by first offset: the producer, and where the marker is if there is one already.
    pub(super) fn unstable(&self) -> Vec<(Offset, ProducerId, Option<Offset>)> {
        let ended = self.unreplicated.iter().map(|(first, (marker, producer_id))| (*first, *producer_id, Some(*marker)));
        let mut all: Vec<_> = self.ongoing.iter().map(|(first, producer_id)| (*first, *producer_id, None)).chain(ended).collect();
        all.sort_unstable_by_key(|(first, ..)| *first);
        all
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
