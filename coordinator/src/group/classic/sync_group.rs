//! SyncGroup of a classic group.

use super::super::GroupEffects;
use super::super::hard::Hard;
use super::super::soft::Soft;
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::messages::SyncGroupRequest;

pub(in super::super) fn handle(_hard: &Hard, _soft: &mut Soft, _now: Millis, _ticket: Ticket, _request: &SyncGroupRequest) -> GroupEffects {
    GroupEffects::default()
}
