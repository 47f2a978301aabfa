//! The classic group protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
//!
//! `GroupShard`'s doors call the four request files. Offsets, admin and migration may call what is re-exported here and the questions
//! in `view.rs`. All of it is soft state: a reload brings back the last `GroupMetadata` record, with new sessions. Every parked ticket
//! is in a member, and is answered when the member goes or the wait ends; nothing here trusts what came from outside or from the log.
//!
//! | file | one thought |
//! |---|---|
//! | `state.rs` | states, transitions, how each request is answered in each |
//! | `member.rs` | one member |
//! | `group.rs` | who is in, the vote, where the rebalance stands |
//! | `turn.rs` | one handling of one group: timers, answers, records |
//! | `rebalance.rs` | from a reason to rebalance to the assignment; what timers do |
//! | `join_group.rs` `sync_group.rs` `heartbeat.rs` `leave_group.rs` | one request each |
//! | `view.rs` `subscription.rs` | what the rest of the shard asks |
//! | `load.rs` | groups that come and go without a request |

mod group;
pub(super) mod heartbeat;
pub(super) mod join_group;
pub(super) mod leave_group;
mod load;
mod member;
mod rebalance;
mod state;
mod subscription;
pub(super) mod sync_group;
#[cfg(test)]
mod tests;
mod turn;
mod view;

pub(super) use group::ClassicGroup;
pub(super) use load::{install, offsets_committed, on_loaded, uninstall};
pub(super) use member::ClassicMember;
pub(super) use state::ClassicState;
pub(super) use turn::join_error;

use super::GroupEffects;
use super::hard::Hard;
use super::names::{GroupId, MemberId};
use super::soft::Soft;
use crate::timers::Millis;
use turn::Turn;

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

pub(super) fn handle_timeout(_hard: &Hard, soft: &mut Soft, now: Millis, timer: ClassicTimer) -> GroupEffects {
    let (ClassicTimer::Join(group_id) | ClassicTimer::Sync(group_id) | ClassicTimer::Session(group_id, _)) = &timer;
    let Some(mut turn) = Turn::of(soft, now, group_id.as_str()) else { return GroupEffects::default() };
    match &timer {
        ClassicTimer::Join(_) => turn.join_timer_expired(),
        ClassicTimer::Sync(_) => turn.sync_timer_expired(),
        ClassicTimer::Session(_, member_id) => turn.session_expired(member_id.as_str()),
    }
    turn.effects
}
