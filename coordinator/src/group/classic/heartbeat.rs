//! Heartbeat of a classic group.

use super::super::hard::Hard;
use super::super::soft::Soft;
use super::super::{GroupEffects, GroupReply};
use super::state::ClassicState;
use super::turn::Turn;
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

pub(in super::super) fn handle(_hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, request: &HeartbeatRequest) -> GroupEffects {
    let error_code = match beat(soft, now, request) {
        Ok(()) => 0,
        Err(error) => error.code(),
    };
    GroupEffects::reply(ticket, GroupReply::Heartbeat(HeartbeatResponse::default().with_error_code(error_code)))
}

fn beat(soft: &mut Soft, now: Millis, request: &HeartbeatRequest) -> Result<(), ResponseError> {
    if request.group_id.0.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let mut turn = Turn::of(soft, now, &request.group_id.0).ok_or(ResponseError::UnknownMemberId)?;
    if turn.group.state == ClassicState::Dead {
        return Err(ResponseError::CoordinatorNotAvailable);
    }
    turn.group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id != turn.group.generation {
        return Err(ResponseError::IllegalGeneration);
    }
    // Also while it says that the member must join again: the member lives.
    turn.restart_session(&request.member_id);
    match turn.group.state {
        ClassicState::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
        _ => Ok(()),
    }
}
