//! Committed offsets: of members, of tools, in transactions; and how they end.

pub(super) mod commit;
pub(super) mod delete;
pub(super) mod expire;
pub(super) mod fetch;
pub(super) mod txn_commit;

use super::GroupEffects;
use super::hard::Hard;
use super::names::GroupId;
use super::records::OffsetCommitValue;
use super::soft::{Soft, TimerKey};
use crate::timers::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a group has committed for a partition.
pub type CommittedOffset = OffsetCommitValue;

/// Whose offset of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetTarget<'a> {
    /// Group.
    pub group: &'a GroupId,
    /// Topic name.
    pub topic: &'a Arc<str>,
    /// Partition index.
    pub partition: i32,
}

/// The replayed offsets of a shard.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Offsets {
    committed: BTreeMap<GroupId, BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>>,
}

impl Offsets {
    pub(super) fn replay(&mut self, _group: &GroupId, _topic: &Arc<str>, _partition: i32, _value: Option<&OffsetCommitValue>) {}

    pub(super) fn replay_pending(
        &mut self,
        _producer_id: i64,
        _group: &GroupId,
        _topic: &Arc<str>,
        _partition: i32,
        _value: &OffsetCommitValue,
    ) {
    }

    pub(super) fn replay_marker(&mut self, _producer_id: i64, _commit: bool) {}

    pub(super) fn iter(&self) -> impl Iterator<Item = (OffsetTarget<'_>, &CommittedOffset)> {
        self.committed.iter().flat_map(|(group, topics)| {
            topics.iter().flat_map(move |(topic, partitions)| {
                partitions.iter().map(move |(partition, value)| (OffsetTarget { group, topic, partition: *partition }, value))
            })
        })
    }
}

pub(super) fn on_loaded(_hard: &Hard, soft: &mut Soft, now: Millis) -> GroupEffects {
    soft.timers.set(TimerKey::ExpireOffsets, Millis(now.0.saturating_add(soft.settings.offsets_retention_check_interval_ms)));
    GroupEffects::default()
}
