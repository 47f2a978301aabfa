//! Groups that change their protocol while they have members, and classic members of consumer groups.

use super::hard::Hard;
use super::soft::Soft;
use super::{Caller, GroupEffects};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};

pub(super) fn join_group(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    _ticket: Ticket,
    _caller: &Caller<'_>,
    _request: &JoinGroupRequest,
) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn sync_group(_hard: &Hard, _soft: &mut Soft, _now: Millis, _ticket: Ticket, _request: &SyncGroupRequest) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn heartbeat(_hard: &Hard, _soft: &mut Soft, _now: Millis, _ticket: Ticket, _request: &HeartbeatRequest) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn leave_group(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    _ticket: Ticket,
    _caller: &Caller<'_>,
    _request: &LeaveGroupRequest,
) -> GroupEffects {
    GroupEffects::default()
}
