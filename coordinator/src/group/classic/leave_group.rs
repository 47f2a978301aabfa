//! LeaveGroup of a classic group, in the shape of version 3 on: the API layer translates older ones.

use super::super::hard::Hard;
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects, GroupReply};
use super::state::ClassicState;
use super::turn::{Turn, text};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

/// The answer for one of those who are to leave.
pub(in super::super) fn member_response(identity: &MemberIdentity, outcome: Result<(), ResponseError>) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(text(&identity.member_id))
        .with_group_instance_id(identity.group_instance_id.as_deref().map(text))
        .with_error_code(outcome.err().map_or(0, |error| error.code()))
}

pub(in super::super) fn handle(
    _hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    _caller: &Caller<'_>,
    request: &LeaveGroupRequest,
) -> GroupEffects {
    let refuse = |error: ResponseError| GroupReply::LeaveGroup(LeaveGroupResponse::default().with_error_code(error.code()));
    if request.group_id.0.is_empty() {
        return GroupEffects::reply(ticket, refuse(ResponseError::InvalidGroupId));
    }
    let Some(mut turn) = Turn::of(soft, now, &request.group_id.0) else {
        let nobody = request.members.iter().map(|identity| member_response(identity, Err(ResponseError::UnknownMemberId))).collect();
        return GroupEffects::reply(ticket, GroupReply::LeaveGroup(LeaveGroupResponse::default().with_members(nobody)));
    };
    if turn.group.state == ClassicState::Dead {
        return GroupEffects::reply(ticket, refuse(ResponseError::CoordinatorNotAvailable));
    }
    let mut responses = Vec::with_capacity(request.members.len());
    let mut anybody = false;
    for identity in &request.members {
        let outcome = leave(&mut turn, identity);
        anybody |= outcome.is_ok();
        responses.push(member_response(identity, outcome));
    }
    if anybody {
        match turn.group.state {
            ClassicState::Stable | ClassicState::CompletingRebalance => turn.prepare_or_complete(),
            ClassicState::PreparingRebalance => turn.complete_if_all_joined(),
            ClassicState::Empty | ClassicState::Dead => {}
        }
    }
    turn.reply(ticket, GroupReply::LeaveGroup(LeaveGroupResponse::default().with_members(responses)));
    turn.effects
}

/// Takes one member out: by instance id when an administrator asks, by member id otherwise.
fn leave(turn: &mut Turn<'_>, identity: &MemberIdentity) -> Result<(), ResponseError> {
    let instance_id = identity.group_instance_id.as_deref();
    if identity.member_id.is_empty() {
        let member_id = instance_id.and_then(|id| turn.group.static_members.get(id)).cloned();
        turn.remove(member_id.ok_or(ResponseError::UnknownMemberId)?.as_str(), ResponseError::UnknownMemberId);
        return Ok(());
    }
    if !turn.group.pending_members.contains(&*identity.member_id) {
        turn.group.validate_member(&identity.member_id, instance_id)?;
    }
    turn.remove(&identity.member_id, ResponseError::UnknownMemberId);
    Ok(())
}
