//! What time ends: transactions that last too long, transactional ids that nobody uses any more. And what a start finds undone.

use super::hard::{Hard, NO_PRODUCER_ID, Transaction, TransactionalId};
use super::soft::{Soft, TimerKey};
use super::transition::is_exhausted;
use super::{FreshProducerId, TransactionRecord, TransactionState, TxnCommand, TxnEffects, TxnReply, write};
use crate::effects::Ticket;
use crate::timers::Millis;
use std::ops::Bound;

/// When an abort that could not be done is tried again; Kafka looks this often.
const RETRY_MS: i64 = 10_000;
/// Ids looked at in one call, so that requests come between.
const LOOKED_AT_MAX: usize = 20_000;
/// Tombstones in one batch.
const TOMBSTONES_MAX: usize = 1_000;
/// Bytes of ids in one batch, about; the smallest limit that a log is likely to have is four times that.
const TOMBSTONE_BYTES_MAX: usize = 256 * 1024;

/// Sets the timers and asks again for the markers of every decision that is not complete.
pub(super) fn on_loaded(hard: &Hard, soft: &mut Soft, now: Millis) -> TxnEffects {
    // A late answer to a command of the shard's former life must not be taken for one of this life's.
    soft.last_decision = now.0.unsigned_abs() << 20;
    let mut effects = TxnEffects::default();
    for (id, transaction) in &hard.transactions {
        if transaction.state == TransactionState::Ongoing {
            write::start_clock(soft, id, transaction);
        } else if transaction.state.is_prepared() {
            effects.commands.push(TxnCommand::WriteMarkers(write::markers(soft, id, transaction)));
        }
    }
    look_later(soft, now);
    effects
}

/// The abort that fences the producer of an open transaction; `None` takes a fresh producer id.
pub(super) fn fenced(soft: &Soft, current: &Transaction, fresh: FreshProducerId, now: Millis) -> Option<Transaction> {
    let version = soft.cluster_version();
    let rotates = version.supports_epoch_bump() && is_exhausted(current.producer.epoch);
    let next_producer_id = if rotates { fresh? } else { NO_PRODUCER_ID };
    Some(current.fenced(version, next_producer_id, now))
}

/// A transaction's time is up.
pub(super) fn on_timeout(hard: &Hard, soft: &mut Soft, now: Millis, id: &TransactionalId) -> TxnEffects {
    let Some(current) = open(hard, id) else { return TxnEffects::default() };
    soft.overdue.insert(id.clone());
    // Asked for again should the producer id, or room in the log, not be had this time.
    soft.timers.set(TimerKey::Timeout(id.clone()), Millis(now.0.saturating_add(RETRY_MS)));
    match fenced(soft, current, None, now) {
        Some(prepared) => write::decision(soft, id, prepared).unwrap_or_default(),
        None => TxnEffects { commands: vec![TxnCommand::AbortExpired(id.clone())], ..TxnEffects::default() },
    }
}

/// The same with a producer id, when its epochs are used up.
pub(super) fn abort(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, id: &TransactionalId, fresh: FreshProducerId) -> TxnEffects {
    let Some(current) = open(hard, id).filter(|_| soft.overdue.contains(id)) else {
        return TxnEffects::reply(ticket, TxnReply::Done);
    };
    let Some(prepared) = fenced(soft, current, fresh, now) else {
        return TxnEffects::reply(ticket, TxnReply::NeedsProducerId);
    };
    let mut effects = write::decision(soft, id, prepared).unwrap_or_default();
    effects.replies.push((ticket, TxnReply::Done));
    effects
}

fn open<'a>(hard: &'a Hard, id: &TransactionalId) -> Option<&'a Transaction> {
    hard.transactions.get(id).filter(|transaction| transaction.state == TransactionState::Ongoing)
}

/// A look for ids that were idle for `transactional.id.expiration.ms`. A round is cut into calls of bounded work.
pub(super) fn expire_ids(hard: &Hard, soft: &mut Soft, now: Millis) -> TxnEffects {
    let idle_since = now.0.saturating_sub(soft.settings.id_expiration_ms);
    let cluster_version = soft.cluster_version();
    let mut effects = TxnEffects::default();
    let mut bytes = 0;
    let from = soft.expired_to.take().map_or(Bound::Unbounded, Bound::Excluded);
    for (looked_at, (id, transaction)) in hard.transactions.range::<TransactionalId, _>((from, Bound::Unbounded)).enumerate() {
        if looked_at >= LOOKED_AT_MAX || effects.records.len() >= TOMBSTONES_MAX || bytes >= TOMBSTONE_BYTES_MAX {
            soft.timers.set(TimerKey::ExpireIds, Millis(now.0.saturating_add(1)));
            return effects;
        }
        if transaction.state.may_expire() && transaction.last_update_ms <= idle_since {
            bytes += id.0.len();
            effects.records.push(TransactionRecord { transactional_id: id.clone(), value: None, cluster_version });
        }
        soft.expired_to = Some(id.clone());
    }
    soft.expired_to = None;
    look_later(soft, now);
    effects
}

fn look_later(soft: &mut Soft, now: Millis) {
    let interval_ms = soft.settings.expire_ids_interval_ms.max(1);
    soft.timers.set(TimerKey::ExpireIds, Millis(now.0.saturating_add(interval_ms)));
}
