//! The states of a classic group, and which may follow which.
//!
//! How each request is answered:
//!
//! | request | Empty | PreparingRebalance | CompletingRebalance | Stable | Dead |
//! |---|---|---|---|---|---|
//! | JoinGroup, no member id | MEMBER_ID_REQUIRED (v4+), or parked: rebalance after the initial delay | MEMBER_ID_REQUIRED (v4+), or parked | MEMBER_ID_REQUIRED (v4+), or parked: new rebalance | MEMBER_ID_REQUIRED (v4+), or parked: new rebalance | COORDINATOR_NOT_AVAILABLE |
//! | JoinGroup, known instance id without member id | cannot be | parked under a new member id | parked: new rebalance | this generation at once, unless the vote changes: parked, new rebalance | COORDINATOR_NOT_AVAILABLE |
//! | JoinGroup, member | UNKNOWN_MEMBER_ID | parked | same protocols: this generation at once; else parked: new rebalance | follower with the same protocols: this generation at once; else parked: new rebalance | COORDINATOR_NOT_AVAILABLE |
//! | SyncGroup | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | parked; from the leader: all parked are answered | assignment at once | COORDINATOR_NOT_AVAILABLE |
//! | Heartbeat | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS, counts | NONE | NONE | COORDINATOR_NOT_AVAILABLE |
//! | LeaveGroup | UNKNOWN_MEMBER_ID (a pending member may leave) | member goes | member goes: new rebalance | member goes: new rebalance | COORDINATOR_NOT_AVAILABLE |
//! | OffsetCommit of a member | UNKNOWN_MEMBER_ID | accepted, counts as a heartbeat | REBALANCE_IN_PROGRESS | accepted, counts as a heartbeat | COORDINATOR_NOT_AVAILABLE |
//! | OffsetCommit without a generation | accepted | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID | COORDINATOR_NOT_AVAILABLE |
//!
//! Which state follows which:
//!
//! | from \ to | Empty | PreparingRebalance | CompletingRebalance | Stable | Dead |
//! |---|---|---|---|---|---|
//! | Empty | | first member joins | | | deleted, expired, upgraded |
//! | PreparingRebalance | nobody joined, nobody is left | | all joined, or the rebalance timeout is over | | upgraded |
//! | CompletingRebalance | | join, leave, expiry, missing SyncGroup | | leader's SyncGroup | upgraded |
//! | Stable | | join, leave, expiry, missing SyncGroup | | | upgraded |
//! | Dead | | | | | |
//!
//! A group in Dead is on its way out of the shard's map within the same handling, so no request meets one; its column says what Kafka
//! answers when a group dies under a request that waits for a lock.

/// Where a classic group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ClassicState {
    /// No members. Also what a group is that only has offsets.
    Empty,
    /// Waiting for the members to join.
    PreparingRebalance,
    /// The generation is fixed; waiting for the leader's assignment.
    CompletingRebalance,
    /// Everybody has, or may fetch, an assignment.
    Stable,
    /// Removed.
    Dead,
}

use ClassicState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};

/// Every state.
#[cfg(test)]
pub(super) const STATES: [ClassicState; 5] = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];

/// The second table of this module as data: (from, to).
pub(super) const TRANSITIONS: [(ClassicState, ClassicState); 10] = [
    (Empty, PreparingRebalance),
    (Stable, PreparingRebalance),
    (CompletingRebalance, PreparingRebalance),
    (PreparingRebalance, Empty),
    (PreparingRebalance, CompletingRebalance),
    (CompletingRebalance, Stable),
    (Empty, Dead),
    (PreparingRebalance, Dead),
    (CompletingRebalance, Dead),
    (Stable, Dead),
];

impl ClassicState {
    /// The name in DescribeGroups and ListGroups.
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Empty => "Empty",
            PreparingRebalance => "PreparingRebalance",
            CompletingRebalance => "CompletingRebalance",
            Stable => "Stable",
            Dead => "Dead",
        }
    }

    /// Whether `next` may follow.
    pub(super) fn may_become(self, next: Self) -> bool {
        TRANSITIONS.contains(&(self, next))
    }
}
