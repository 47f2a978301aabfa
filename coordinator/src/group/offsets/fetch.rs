//! OffsetFetch.

use super::super::GroupEffects;
use super::super::hard::Hard;
use super::super::soft::Soft;
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;

pub(in super::super) fn handle(
    _hard: &Hard,
    _soft: &Soft,
    _now: Millis,
    _ticket: Ticket,
    _request: &OffsetFetchRequestGroup,
    _require_stable: bool,
) -> GroupEffects {
    GroupEffects::default()
}
