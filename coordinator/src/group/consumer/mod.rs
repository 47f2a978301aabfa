//! KIP-848: groups whose assignment the broker computes.
//!
//! Everything but timers and the deadline of the next look at the metadata is hard state, so a handler works on a `&ConsumerGroup`
//! and a list of records; the group that comes out is what replay makes of them.

pub(super) mod commit;
pub(super) mod describe;
pub(super) mod heartbeat;
pub(super) mod member;
mod regex;
pub(super) mod state;
mod subscription;
mod target;

use super::GroupEffects;
use super::hard::Hard;
use super::names::{GroupId, MemberId};
use super::records::GroupRecord;
use super::soft::{Soft, TimerKey};
use crate::metadata::MetadataDelta;
use crate::timers::Millis;
use state::ConsumerGroup;
pub(super) use state::replay;

/// What consumer groups keep beside their records.
#[derive(Debug, Default)]
pub(super) struct ConsumerSoft {}

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
    for member in group.members().keys() {
        cancel_timers(soft, group_id, member);
    }
    group.tombstones(group_id)
}

/// Cancels every timer of a member.
pub(super) fn cancel_timers(soft: &mut Soft, group: &GroupId, member: &MemberId) {
    for timer in [ConsumerTimer::Session, ConsumerTimer::Rebalance, ConsumerTimer::Join, ConsumerTimer::Sync] {
        soft.timers.cancel(&TimerKey::Consumer(timer(group.clone(), member.clone())));
    }
}

pub(super) fn on_loaded(_hard: &Hard, _soft: &mut Soft, _now: Millis) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn on_new_image(_hard: &Hard, _soft: &mut Soft, _delta: &MetadataDelta) {}

pub(super) fn handle_timeout(_hard: &Hard, _soft: &mut Soft, _now: Millis, _timer: ConsumerTimer) -> GroupEffects {
    GroupEffects::default()
}
