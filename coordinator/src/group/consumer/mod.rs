//! KIP-848: groups whose assignment the broker computes.

pub(super) mod heartbeat;
mod regex;
pub(super) mod state;

use super::GroupEffects;
use super::hard::Hard;
use super::names::{GroupId, MemberId};
use super::records::GroupRecord;
use super::soft::Soft;
use crate::metadata::MetadataDelta;
use crate::timers::Millis;
use state::ConsumerGroup;
use std::collections::BTreeMap;

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
}

pub(super) fn replay(_groups: &mut BTreeMap<GroupId, ConsumerGroup>, _record: &GroupRecord) {}

pub(super) fn on_loaded(_hard: &Hard, _soft: &mut Soft, _now: Millis) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn on_new_image(_hard: &Hard, _soft: &mut Soft, _delta: &MetadataDelta) {}

pub(super) fn handle_timeout(_hard: &Hard, _soft: &mut Soft, _now: Millis, _timer: ConsumerTimer) -> GroupEffects {
    GroupEffects::default()
}
