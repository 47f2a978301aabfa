//! Every partition knows the decision: the transaction is complete.
//!
//! Only the answer to the last command for an id counts, and only while the id stands where that command found it. Everything else is a
//! repetition, or comes from before a reload, and changes nothing.

use super::hard::Hard;
use super::soft::Soft;
use super::{TransactionState, TxnEffects, TxnReply, WriteMarkers, write};
use crate::effects::Ticket;
use crate::timers::Millis;

pub(super) fn handle(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, written: &WriteMarkers) -> TxnEffects {
    let mut effects = TxnEffects::reply(ticket, TxnReply::Done);
    let id = &written.transactional_id;
    let Some(current) = hard.transactions.get(id) else { return effects };
    let decided = if written.committed { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
    let is_last = soft.writing.get(id) == Some(&written.decision);
    if is_last && current.state == decided && current.producer == written.producer {
        // Smaller than the decision was, so it fits.
        if let Ok(record) = write::record(soft, id, current.completed(now)) {
            soft.writing.remove(id);
            effects.records.push(record);
        }
    }
    effects
}
