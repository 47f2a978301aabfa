//! KIP-848: groups whose assignment the broker computes.
//!
//! Everything but timers and the deadline of the next look at the metadata is hard state, so a handler works on a `&ConsumerGroup`
//! and a list of records; the group that comes out is what replay makes of them.
//!
//! | file | one thought |
//! |---|---|
//! | `state.rs` `member.rs` `subscription.rs` | what is replayed; states of group and member |
//! | `heartbeat.rs` | ConsumerGroupHeartbeat: checks, the order of the steps, the answer |
//! | `change.rs` | one request's work on a group: records so far |
//! | `join.rs` | which member a request is about; static members |
//! | `refresh.rs` `regex/` | regular expressions |
//! | `target.rs` | the target assignment |
//! | `reconcile.rs` | one member's way to its target |
//! | `leave.rs` | leaving, being fenced |
//! | `config.rs` `metadata_hash.rs` | the times of a group; the hash over its topics |
//! | `commit.rs` `describe.rs` | what offsets and admin ask |

mod change;
pub(super) mod commit;
mod config;
pub(super) mod describe;
pub(super) mod heartbeat;
pub(super) mod join;
pub(super) mod leave;
pub(super) mod member;
mod metadata_hash;
pub(super) mod reconcile;
pub(super) mod refresh;
mod regex;
pub(super) mod state;
mod subscription;
pub(super) mod target;
#[cfg(test)]
pub(super) mod tests;

use super::GroupEffects;
use super::hard::Hard;
use super::names::{GroupId, MemberId};
use super::records::GroupRecord;
use super::soft::{Soft, TimerKey};
use crate::metadata::{MetadataDelta, TopicImage};
use crate::timers::Millis;
pub(super) use change::GroupChange;
use member::MemberState;
pub(super) use metadata_hash::TopicHashes;
pub(crate) use regex::TopicRegex;
use state::ConsumerGroup;
pub(super) use state::replay;
use std::collections::BTreeMap;

/// How long a group trusts what it knows of its topics when nothing is said to have changed.
const METADATA_REFRESH_INTERVAL_MS: i64 = i32::MAX as i64;

/// What consumer groups keep beside their records.
#[derive(Debug, Default)]
pub(super) struct ConsumerSoft {
    /// When each group looks at its topics again; a group that is not here does so at its next heartbeat.
    metadata_refresh: BTreeMap<GroupId, Millis>,
    topic_hashes: TopicHashes,
    /// The metadata offset as of which topics were last created.
    last_new_topics_version: i64,
}

impl ConsumerSoft {
    fn refreshed(&mut self, now: Millis, group_id: &GroupId) {
        self.metadata_refresh.insert(group_id.clone(), Millis(now.0.saturating_add(METADATA_REFRESH_INTERVAL_MS)));
    }

    pub(super) fn is_metadata_due(&self, now: Millis, group_id: &GroupId) -> bool {
        self.metadata_refresh.get(group_id).is_none_or(|next_at| now >= *next_at)
    }
}

/// What can come due in a consumer group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ConsumerTimer {
    /// A member was not heard of for its session timeout.
    Session(GroupId, MemberId),
    /// A member has not given up its partitions within its rebalance timeout.
    Rebalance(GroupId, MemberId),
    /// A classic member was told to rejoin and has not done so within its rebalance timeout.
    Join(GroupId, MemberId),
    /// A classic member has joined and has not asked for its assignment within its rebalance timeout.
    Sync(GroupId, MemberId),
}

/// Deletes a group without members: the records, and nothing of it stays in soft state.
pub(super) fn delete(soft: &mut Soft, group_id: &GroupId, group: &ConsumerGroup) -> Vec<GroupRecord> {
    forget(soft, group_id, group);
    group.tombstones(group_id)
}

/// Takes a group out of soft state, because it goes or becomes a classic one.
pub(super) fn forget(soft: &mut Soft, group_id: &GroupId, group: &ConsumerGroup) {
    for member in group.members().keys() {
        cancel_timers(soft, group_id, member);
    }
    soft.consumer.metadata_refresh.remove(group_id);
}

/// Cancels every timer of a member.
pub(super) fn cancel_timers(soft: &mut Soft, group: &GroupId, member: &MemberId) {
    for timer in [ConsumerTimer::Session, ConsumerTimer::Rebalance, ConsumerTimer::Join, ConsumerTimer::Sync] {
        soft.timers.cancel(&TimerKey::Consumer(timer(group.clone(), member.clone())));
    }
}

/// Sets the timer of a member, anew if it was set.
pub(super) fn set_timer(soft: &mut Soft, now: Millis, timer: ConsumerTimer, timeout_ms: i32) {
    soft.timers.set(TimerKey::Consumer(timer), Millis(now.0.saturating_add(i64::from(timeout_ms))));
}

/// Starts the session of a member that uses the consumer protocol, anew if it was running.
pub(super) fn restart_session(soft: &mut Soft, now: Millis, group: &GroupId, member: &MemberId) {
    let timeout_ms = config::of(soft, group.as_str()).session_timeout_ms;
    set_timer(soft, now, ConsumerTimer::Session(group.clone(), member.clone()), timeout_ms);
}

/// After a reload everybody has a whole session, and a whole rebalance timeout, before them.
pub(super) fn on_loaded(hard: &Hard, soft: &mut Soft, now: Millis) -> GroupEffects {
    soft.consumer.last_new_topics_version = soft.image.provenance().last_offset;
    for (group_id, group) in &hard.consumer {
        for member in group.members().values() {
            restart_session(soft, now, group_id, &member.member_id);
            if member.state == MemberState::UnrevokedPartitions {
                let timer = ConsumerTimer::Rebalance(group_id.clone(), member.member_id.clone());
                set_timer(soft, now, timer, member.metadata.rebalance_timeout_ms);
            }
        }
    }
    GroupEffects::default()
}

/// Groups look again at topics that have changed, at their next heartbeat.
pub(super) fn on_new_image(hard: &Hard, soft: &mut Soft, delta: &MetadataDelta) {
    if !delta.created_topics.is_empty() {
        soft.consumer.last_new_topics_version = soft.image.provenance().last_offset;
    }
    if !delta.changed_brokers.is_empty() || !delta.removed_brokers.is_empty() {
        // Racks are part of the hashes.
        soft.consumer.topic_hashes.clear();
    }
    let changed = delta.changed_topics.iter().map(|change| &change.new);
    let touched: Vec<&TopicImage> = delta.created_topics.iter().chain(&delta.deleted_topics).chain(changed).map(|topic| &**topic).collect();
    for topic in &touched {
        soft.consumer.topic_hashes.forget(&topic.name);
    }
    if !touched.is_empty() {
        let reads = |group: &ConsumerGroup| touched.iter().any(|topic| group.is_subscribed_to(topic.name.as_str()));
        soft.consumer.metadata_refresh.retain(|group_id, _| hard.consumer.get(group_id).is_some_and(|group| !reads(group)));
    }
}

pub(super) fn handle_timeout(hard: &Hard, soft: &mut Soft, now: Millis, timer: ConsumerTimer) -> GroupEffects {
    let (ConsumerTimer::Session(group_id, member_id)
    | ConsumerTimer::Rebalance(group_id, member_id)
    | ConsumerTimer::Join(group_id, member_id)
    | ConsumerTimer::Sync(group_id, member_id)) = &timer;
    let Some(group) = hard.consumer.get(group_id) else { return GroupEffects::default() };
    let Some(member) = group.members().get(member_id) else { return GroupEffects::default() };
    if matches!(timer, ConsumerTimer::Rebalance(..)) {
        // A static member that has left meanwhile keeps its state until its session ends.
        let waits = member.state == MemberState::UnrevokedPartitions && member.member_epoch >= 0;
        if !waits {
            return GroupEffects::default();
        }
    }
    leave::fence(hard, soft, now, group_id, group, &[member])
}
