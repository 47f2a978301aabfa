//! Partitions enter a transaction, or are found in it.

use super::hard::Hard;
use super::soft::Soft;
use super::{PartitionsOfProducer, TxnEffects, TxnReply};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;

pub(super) fn handle(_hard: &Hard, _soft: &mut Soft, _now: Millis, ticket: Ticket, _request: &PartitionsOfProducer<'_>) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Added(Err(ResponseError::CoordinatorNotAvailable)))
}

pub(super) fn verify(_hard: &Hard, ticket: Ticket, _request: &PartitionsOfProducer<'_>) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Verified(Err(ResponseError::CoordinatorNotAvailable)))
}
