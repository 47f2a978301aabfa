//! LeaveGroup of a classic group.

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
use std::borrow::Cow;

/// First version that carries several members, and instance ids.
const BATCH_VERSION: i16 = 3;

/// Who is to leave, in any version.
pub(in super::super) fn leaving(request: &LeaveGroupRequest, api_version: i16) -> Cow<'_, [MemberIdentity]> {
    if api_version >= BATCH_VERSION {
        Cow::Borrowed(&request.members)
    } else {
        Cow::Owned(vec![MemberIdentity::default().with_member_id(request.member_id.clone())])
    }
}

/// The answer for one of those who are to leave.
pub(in super::super) fn member_response(identity: &MemberIdentity, outcome: Result<(), ResponseError>) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(text(&identity.member_id))
        .with_group_instance_id(identity.group_instance_id.as_deref().map(text))
        .with_error_code(outcome.err().map_or(0, |error| error.code()))
}

/// The answer in any version: old ones have the member's error on top.
pub(in super::super) fn reply(api_version: i16, outcome: Result<Vec<MemberResponse>, ResponseError>) -> GroupReply {
    let response = match outcome {
        Err(error) => LeaveGroupResponse::default().with_error_code(error.code()),
        Ok(members) if api_version >= BATCH_VERSION => LeaveGroupResponse::default().with_members(members),
        Ok(members) => LeaveGroupResponse::default().with_error_code(members.first().map_or(0, |member| member.error_code)),
    };
    GroupReply::LeaveGroup(response)
}

pub(in super::super) fn handle(
    _hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &LeaveGroupRequest,
) -> GroupEffects {
    let version = caller.api_version;
    if request.group_id.0.is_empty() {
        return GroupEffects::reply(ticket, reply(version, Err(ResponseError::InvalidGroupId)));
    }
    let leaving = leaving(request, version);
    let Some(mut turn) = Turn::of(soft, now, &request.group_id.0) else {
        let nobody = leaving.iter().map(|identity| member_response(identity, Err(ResponseError::UnknownMemberId))).collect();
        return GroupEffects::reply(ticket, reply(version, Ok(nobody)));
    };
    if turn.group.state == ClassicState::Dead {
        return GroupEffects::reply(ticket, reply(version, Err(ResponseError::CoordinatorNotAvailable)));
    }
    let mut responses = Vec::with_capacity(leaving.len());
    let mut anybody = false;
    for identity in leaving.iter() {
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
    turn.reply(ticket, reply(version, Ok(responses)));
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
