//! Partitions enter a transaction, or are found in it.
//!
//! | | add | verify |
//! |---|---|---|
//! | unknown id, another producer id | INVALID_PRODUCER_ID_MAPPING | INVALID_PRODUCER_ID_MAPPING |
//! | another epoch | PRODUCER_FENCED | PRODUCER_FENCED |
//! | PrepareCommit, PrepareAbort | CONCURRENT_TRANSACTIONS, whoever asks | CONCURRENT_TRANSACTIONS |
//! | Ongoing, all of them in it | yes, nothing written | yes |
//! | otherwise | Ongoing with them | TRANSACTION_ABORTABLE for each that is missing |

use super::hard::{Hard, Transaction, TransactionalId};
use super::soft::Soft;
use super::{Partitions, PartitionsOfProducer, TransactionState, TxnEffects, TxnReply, VerifiedPartitions, write};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use std::sync::Arc;

pub(super) fn handle(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, request: &PartitionsOfProducer<'_>) -> TxnEffects {
    let (mut effects, outcome) = match add(hard, soft, now, request) {
        Ok(effects) => (effects, Ok(())),
        Err(error) => (TxnEffects::default(), Err(error)),
    };
    effects.replies.push((ticket, TxnReply::Added(outcome)));
    effects
}

fn add(hard: &Hard, soft: &mut Soft, now: Millis, request: &PartitionsOfProducer<'_>) -> Result<TxnEffects, ResponseError> {
    let current = known(hard, request)?;
    // Asked first: the producer may be the one that follows when this is complete.
    if current.state.is_prepared() {
        return Err(ResponseError::ConcurrentTransactions);
    }
    check_producer(current, request)?;
    let opens = current.state != TransactionState::Ongoing;
    if !opens && has_all(&current.partitions, request.partitions) {
        return Ok(TxnEffects::default());
    }
    let id = TransactionalId::from(request.transactional_id);
    let record = write::record(soft, &id, current.with_partitions(request.partitions, request.version, now))?;
    if let (true, Some(ongoing)) = (opens, &record.value) {
        write::start_clock(soft, &id, ongoing);
    }
    Ok(TxnEffects { records: vec![record], ..TxnEffects::default() })
}

pub(super) fn verify(hard: &Hard, ticket: Ticket, request: &PartitionsOfProducer<'_>) -> TxnEffects {
    TxnEffects::reply(ticket, TxnReply::Verified(find(hard, request)))
}

fn find(hard: &Hard, request: &PartitionsOfProducer<'_>) -> Result<VerifiedPartitions, ResponseError> {
    let current = known(hard, request)?;
    check_producer(current, request)?;
    if current.state.is_prepared() {
        return Err(ResponseError::ConcurrentTransactions);
    }
    let mut found = VerifiedPartitions::new();
    for (topic, partitions) in request.partitions {
        let added = current.partitions.get(topic);
        for partition in partitions {
            let is_in = added.is_some_and(|added| added.contains(partition));
            found.insert((Arc::clone(topic), *partition), (!is_in).then_some(ResponseError::TransactionAbortable));
        }
    }
    Ok(found)
}

fn known<'a>(hard: &'a Hard, request: &PartitionsOfProducer<'_>) -> Result<&'a Transaction, ResponseError> {
    if request.transactional_id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    hard.transactions.get(request.transactional_id).ok_or(ResponseError::InvalidProducerIdMapping)
}

fn check_producer(current: &Transaction, request: &PartitionsOfProducer<'_>) -> Result<(), ResponseError> {
    if current.producer.id != request.producer.id {
        Err(ResponseError::InvalidProducerIdMapping)
    } else if current.producer.epoch != request.producer.epoch {
        Err(ResponseError::ProducerFenced)
    } else {
        Ok(())
    }
}

fn has_all(known: &Partitions, asked: &Partitions) -> bool {
    asked.iter().all(|(topic, partitions)| known.get(topic).is_some_and(|known| partitions.is_subset(known)))
}
