//! InitProducerId with a transactional id.

use super::hard::Hard;
use super::soft::Soft;
use super::{FreshProducerId, TxnEffects, TxnReply};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::InitProducerIdRequest;

pub(super) fn handle(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    ticket: Ticket,
    _fresh: FreshProducerId,
    _request: &InitProducerIdRequest,
    _api_version: i16,
) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::InitProducerId(Err(ResponseError::CoordinatorNotAvailable)))
}
