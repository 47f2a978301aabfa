//! SyncGroup of a classic group.

use super::super::hard::Hard;
use super::super::soft::Soft;
use super::super::{GroupEffects, GroupReply};
use super::group::ClassicGroup;
use super::state::ClassicState;
use super::turn::{Turn, sync_error, synced};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::SyncGroupRequest;

pub(in super::super) fn handle(_hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, request: &SyncGroupRequest) -> GroupEffects {
    if request.group_id.0.is_empty() {
        return GroupEffects::reply(ticket, sync_error(ResponseError::InvalidGroupId));
    }
    let Some(mut turn) = Turn::of(soft, now, &request.group_id.0) else {
        return GroupEffects::reply(ticket, sync_error(ResponseError::UnknownMemberId));
    };
    if let Err(error) = validate(turn.group, request) {
        turn.reply(ticket, sync_error(error));
        return turn.effects;
    }
    let member_id: &str = &request.member_id;
    turn.group.pending_sync.remove(member_id);
    if turn.group.pending_sync.is_empty() {
        turn.cancel_sync_timer();
    }
    if turn.group.state == ClassicState::CompletingRebalance {
        turn.park_sync(member_id, ticket);
        if turn.group.is_leader(member_id) {
            turn.assign(request.assignments.iter().map(|share| (&*share.member_id, &*share.assignment)).collect());
        }
    } else if let Some(member) = turn.group.member(member_id) {
        let response = synced(turn.group, member);
        turn.reply(ticket, GroupReply::SyncGroup(response));
    }
    turn.effects
}

fn validate(group: &ClassicGroup, request: &SyncGroupRequest) -> Result<(), ResponseError> {
    if group.state == ClassicState::Dead {
        return Err(ResponseError::CoordinatorNotAvailable);
    }
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id != group.generation {
        return Err(ResponseError::IllegalGeneration);
    }
    let differs = |asked: Option<&str>, ours: Option<&str>| asked.zip(ours).is_some_and(|(asked, ours)| asked != ours);
    if differs(request.protocol_type.as_deref(), group.protocol_type.as_deref())
        || differs(request.protocol_name.as_deref(), group.protocol.as_deref())
    {
        return Err(ResponseError::InconsistentGroupProtocol);
    }
    if group.state == ClassicState::PreparingRebalance {
        return Err(ResponseError::RebalanceInProgress);
    }
    Ok(())
}
