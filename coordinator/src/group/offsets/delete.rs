//! OffsetDelete, and offsets of topics that are gone.

use super::super::GroupEffects;
use super::super::hard::Hard;
use super::super::soft::Soft;
use crate::effects::Ticket;
use crate::metadata::MetadataDelta;
use crate::timers::Millis;
use kafka_protocol::messages::OffsetDeleteRequest;

pub(in super::super) fn handle(_hard: &Hard, _soft: &Soft, _now: Millis, _ticket: Ticket, _request: &OffsetDeleteRequest) -> GroupEffects {
    GroupEffects::default()
}

pub(in super::super) fn of_deleted_topics(_hard: &Hard, _soft: &mut Soft, _now: Millis, _delta: &MetadataDelta) -> GroupEffects {
    GroupEffects::default()
}
