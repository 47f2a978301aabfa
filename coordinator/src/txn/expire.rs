//! What time ends: transactions that last too long, transactional ids that nobody uses any more.

use super::hard::{Hard, TransactionalId};
use super::soft::Soft;
use super::{FreshProducerId, TxnEffects, TxnReply};
use crate::effects::Ticket;
use crate::timers::Millis;

/// Sets the timers and asks again for the markers of every decision that is not complete.
pub(super) fn on_loaded(_hard: &Hard, _soft: &mut Soft, _now: Millis) -> TxnEffects {
    TxnEffects::default()
}

/// A transaction's time is up.
pub(super) fn on_timeout(_hard: &Hard, _soft: &mut Soft, _now: Millis, _id: &TransactionalId) -> TxnEffects {
    TxnEffects::default()
}

/// The same with a producer id, when its epochs are used up.
pub(super) fn abort(
    _hard: &Hard,
    _soft: &mut Soft,
    _now: Millis,
    ticket: Ticket,
    _id: &TransactionalId,
    _fresh: FreshProducerId,
) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Done)
}

/// A look for ids that were idle for `transactional.id.expiration.ms`.
pub(super) fn expire_ids(_hard: &Hard, _soft: &mut Soft, _now: Millis) -> TxnEffects {
    TxnEffects::default()
}
