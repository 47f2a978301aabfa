//! Committed offsets: of members, of tools, in transactions; and how they end.

pub(super) mod commit;
pub(super) mod delete;
pub(super) mod expire;
pub(super) mod fetch;
pub(super) mod kind;
mod store;
#[cfg(test)]
mod tests;
pub(super) mod txn_commit;

pub(super) use store::Offsets;

use super::GroupEffects;
use super::hard::Hard;
use super::names::GroupId;
use super::soft::{Soft, TimerKey};
use crate::metadata::TopicId;
use crate::timers::Millis;
use std::sync::Arc;

/// What a group has committed for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedOffset<'a> {
    /// Next offset to be read.
    pub offset: i64,
    /// Leader epoch of the last consumed record, -1 for unknown.
    pub leader_epoch: i32,
    /// The client's own text.
    pub metadata: &'a str,
    /// When the commit was made.
    pub commit_timestamp_ms: i64,
    /// When it expires, if the commit said so; else retention decides.
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id, nil for unknown.
    pub topic_id: TopicId,
}

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

pub(super) fn on_loaded(_hard: &Hard, soft: &mut Soft, now: Millis) -> GroupEffects {
    soft.timers.set(TimerKey::ExpireOffsets, Millis(now.0.saturating_add(soft.settings.offsets_retention_check_interval_ms)));
    GroupEffects::default()
}
