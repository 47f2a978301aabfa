//! Committed offsets: of members, of tools, in transactions; and how they end.

pub(super) mod commit;
pub(super) mod delete;
pub(super) mod expire;
pub(super) mod fetch;
pub(super) mod size;
mod store;
#[cfg(test)]
mod tests;
pub(super) mod txn_commit;

pub(super) use store::Offsets;

use super::GroupEffects;
use super::hard::Hard;
use super::names::GroupId;
use super::records::GroupRecord;
use super::soft::{Soft, TimerKey};
use crate::metadata::TopicId;
use crate::timers::Millis;
use delete::DeletedTopic;
use std::collections::VecDeque;
use std::sync::Arc;

/// Tombstones in one call of what runs by itself: expiry, and offsets of deleted topics. Their timer brings the next call.
const RECORDS_MAX: usize = 1_000;
/// The same in bytes, for groups with long names; one record always goes.
const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Where long work stands. Forgotten by a reload: the next round of expiry sees to what is left.
#[derive(Debug, Default)]
pub(super) struct OffsetsSoft {
    /// The last group that this round of expiry has done with; `None` between two rounds.
    expired_to: Option<GroupId>,
    /// Topics whose offsets are still to go, the first one under way.
    deleted_topics: VecDeque<DeletedTopic>,
}

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

/// Forgets an offset, committed and pending.
fn tombstone(group: &GroupId, topic: &Arc<str>, partition: i32) -> GroupRecord {
    GroupRecord::OffsetCommit { group: group.clone(), topic: Arc::clone(topic), partition, value: None }
}

/// What one call of what runs by itself decides.
#[derive(Default)]
struct Batch {
    effects: GroupEffects,
    size_bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.effects.records.len() >= RECORDS_MAX || self.size_bytes >= RECORD_BYTES_MAX
    }

    fn push(&mut self, record: GroupRecord) {
        self.size_bytes += size::of_record(&record);
        self.effects.records.push(record);
    }
}

/// The next call, after whoever waits for the shard.
fn soon(now: Millis) -> Millis {
    Millis(now.0.saturating_add(1))
}
