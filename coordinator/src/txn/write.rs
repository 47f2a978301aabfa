//! From a new state of a transactional id to the record that says it, and to the command that carries a decision out.

use super::hard::{Transaction, TransactionalId};
use super::soft::{Soft, TimerKey};
use super::{TransactionRecord, TransactionState, TransactionVersion, TxnCommand, TxnEffects, WriteMarkers};
use crate::metadata::TopicName;
use crate::timers::Millis;
use kafka_protocol::ResponseError;

const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// The record of a new state. One that the log would refuse is refused here, with what Kafka makes of MESSAGE_TOO_LARGE: an append that
/// fails costs every transaction of the shard a reload.
pub(super) fn record(soft: &Soft, id: &TransactionalId, transaction: Transaction) -> Result<TransactionRecord, ResponseError> {
    let record = TransactionRecord::new(id.clone(), transaction, soft.cluster_version());
    if record.batch_bytes_max() > batch_bytes_allowed(soft) || record.is_unwritable() {
        return Err(ResponseError::UnknownServerError);
    }
    Ok(record)
}

fn batch_bytes_allowed(soft: &Soft) -> usize {
    let of_topic = || {
        let topic = TopicName::parse(TRANSACTIONS_TOPIC).ok()?;
        soft.image.configs().of_topic(&topic)?.get("max.message.bytes")?.parse().ok()
    };
    of_topic().unwrap_or(soft.settings.message_max_bytes)
}

/// A decision is written, and told to the partitions. The transaction's time does not run out any more.
pub(super) fn decision(soft: &mut Soft, id: &TransactionalId, prepared: Transaction) -> Result<TxnEffects, ResponseError> {
    let record = record(soft, id, prepared)?;
    let commands = record.value.iter().map(|prepared| TxnCommand::WriteMarkers(markers(soft, id, prepared))).collect();
    stop_clock(soft, id);
    Ok(TxnEffects { records: vec![record], replies: Vec::new(), commands })
}

/// The command for a decision. Only the answer to the last one for an id counts, so each has a number of its own: with the older versions
/// two transactions may have the same producer and the same outcome.
pub(super) fn markers(soft: &mut Soft, id: &TransactionalId, prepared: &Transaction) -> WriteMarkers {
    debug_assert!(prepared.state.is_prepared(), "only a decision has markers");
    soft.last_decision = soft.last_decision.wrapping_add(1);
    soft.writing.insert(id.clone(), soft.last_decision);
    // A marker of version 2 must have an epoch above that of the data. The highest epoch there is may be that of the data, in a log of a
    // Kafka that let it come so far; nobody who writes with it is left, so the older rule is enough.
    let version = if prepared.producer.epoch == i16::MAX { TransactionVersion(0) } else { prepared.client_version };
    WriteMarkers {
        transactional_id: id.clone(),
        producer: prepared.producer,
        version,
        committed: prepared.state == TransactionState::PrepareCommit,
        partitions: prepared.partitions.clone(),
        decision: soft.last_decision,
    }
}

/// An open transaction's time begins to run, unless it may take for ever (two-phase commit).
pub(super) fn start_clock(soft: &mut Soft, id: &TransactionalId, transaction: &Transaction) {
    if transaction.timeout_ms != i32::MAX {
        let deadline = Millis(transaction.start_ms.saturating_add(i64::from(transaction.timeout_ms)));
        soft.timers.set(TimerKey::Timeout(id.clone()), deadline);
    }
}

fn stop_clock(soft: &mut Soft, id: &TransactionalId) {
    soft.timers.cancel(&TimerKey::Timeout(id.clone()));
    soft.overdue.remove(id);
}
