//! The classic group protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

pub(super) mod heartbeat;
pub(super) mod join_group;
pub(super) mod leave_group;
pub(super) mod sync_group;

use super::GroupEffects;
use super::hard::Hard;
use super::names::{GroupId, MemberId};
use super::soft::Soft;
use crate::timers::Millis;

/// A live classic group.
#[derive(Debug)]
pub(super) struct ClassicGroup {}

impl ClassicGroup {
    /// A group without members: what a group that only has offsets is.
    pub(super) fn empty(_now: Millis) -> Self {
        Self {}
    }
}

/// What can come due in a classic group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ClassicTimer {
    /// The rebalance has waited long enough for members to join.
    Join(GroupId),
    /// Members have had long enough to ask for their assignment.
    Sync(GroupId),
    /// A member was not heard of for its session timeout.
    Session(GroupId, MemberId),
}

/// Live groups from the last records.
pub(super) fn on_loaded(_hard: &Hard, _soft: &mut Soft, _now: Millis) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn handle_timeout(_hard: &Hard, _soft: &mut Soft, _now: Millis, _timer: ClassicTimer) -> GroupEffects {
    GroupEffects::default()
}
