//! OffsetCommit.

use super::super::hard::Hard;
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::messages::OffsetCommitRequest;

pub(in super::super) fn handle(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    _ticket: Ticket,
    _caller: &Caller<'_>,
    _request: &OffsetCommitRequest,
) -> GroupEffects {
    GroupEffects::default()
}
