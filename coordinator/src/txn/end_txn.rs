//! EndTxn.

use super::hard::Hard;
use super::soft::Soft;
use super::{FreshProducerId, TransactionVersion, TxnEffects, TxnReply};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::EndTxnRequest;

pub(super) fn handle(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    ticket: Ticket,
    _fresh: FreshProducerId,
    _request: &EndTxnRequest,
    _version: TransactionVersion,
) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::EndTxn(Err(ResponseError::CoordinatorNotAvailable)))
}
