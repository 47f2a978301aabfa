//! Every partition knows the decision: the transaction is complete.

use super::hard::Hard;
use super::soft::Soft;
use super::{TxnEffects, TxnReply, WriteMarkers};
use crate::effects::Ticket;
use crate::timers::Millis;

pub(super) fn handle(_hard: &Hard, _soft: &mut Soft, _now: Millis, ticket: Ticket, _written: &WriteMarkers) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Done)
}
