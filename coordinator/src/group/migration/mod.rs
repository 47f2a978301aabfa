//! Groups that change their protocol while they have members, and classic members of consumer groups.

use super::consumer::member::ConsumerGroupMember;
use super::consumer::state::ConsumerGroup;
use super::hard::Hard;
use super::names::GroupId;
use super::records::GroupRecord;
use super::soft::Soft;
use super::{Caller, GroupEffects};
use crate::effects::Ticket;
use crate::metadata::ApiError;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
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

/// A live classic group with members as a consumer group, and the records that make it one. Changes nothing: the heartbeat that asks may
/// still be refused.
pub(super) fn upgrade(_soft: &Soft, group_id: &GroupId) -> Result<(ConsumerGroup, Vec<GroupRecord>), ApiError> {
    let text = format!("Cannot upgrade classic group {group_id} to consumer group because online upgrade is disabled.");
    Err(ApiError::new(ResponseError::GroupIdNotFound, text))
}

/// The upgrade goes through, and the classic group has been uninstalled: starts the sessions of its members.
pub(super) fn upgraded(_soft: &mut Soft, _now: Millis, _group_id: &GroupId, _group: &ConsumerGroup) {}

/// Everything it takes to go on as a classic group without `leaving`, if only classic members are left and it is allowed.
pub(super) fn downgrade_without(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    _group_id: &GroupId,
    _group: &ConsumerGroup,
    _leaving: &[&ConsumerGroupMember],
) -> Option<GroupEffects> {
    None
}
