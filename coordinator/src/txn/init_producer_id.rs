//! InitProducerId with a transactional id.
//!
//! | state | no producer in the request | the current producer | the one before (a retry) | any other producer |
//! |---|---|---|---|---|
//! | (unknown id) | new id, epoch 0 | | | new id, epoch 0 |
//! | Empty, CompleteCommit, CompleteAbort | next epoch | next epoch | the same again | PRODUCER_FENCED |
//! | Ongoing | aborted, CONCURRENT_TRANSACTIONS | aborted, CONCURRENT_TRANSACTIONS | PRODUCER_FENCED | PRODUCER_FENCED |
//! | PrepareCommit, PrepareAbort | CONCURRENT_TRANSACTIONS | CONCURRENT_TRANSACTIONS | CONCURRENT_TRANSACTIONS | CONCURRENT_TRANSACTIONS |
//!
//! "Next epoch" is a new producer id at epoch 0 when the epochs are used up. Whoever is told CONCURRENT_TRANSACTIONS comes again, and then
//! gets an epoch above the one that the abort took.

use super::hard::{Hard, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction, TransactionalId};
use super::soft::Soft;
use super::transition::is_exhausted;
use super::{FreshProducerId, ProducerIdAndEpoch, TransactionState, TxnEffects, TxnReply, expire, write};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::InitProducerIdRequest;

pub(super) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    fresh: FreshProducerId,
    request: &InitProducerIdRequest,
) -> TxnEffects {
    match decide(hard, soft, now, fresh, request) {
        Ok(Step::Need) => TxnEffects::reply(ticket, TxnReply::NeedsProducerId),
        Ok(Step::Take(mut effects, outcome)) => {
            effects.replies.push((ticket, TxnReply::InitProducerId(outcome)));
            effects
        }
        Err(error) => TxnEffects::reply(ticket, TxnReply::InitProducerId(Err(error))),
    }
}

enum Step {
    Need,
    Take(TxnEffects, Result<ProducerIdAndEpoch, ResponseError>),
}

fn decide(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    fresh: FreshProducerId,
    request: &InitProducerIdRequest,
) -> Result<Step, ResponseError> {
    let expected = expected_producer(request)?;
    let id: &str = request.transactional_id.as_deref().map_or("", |id| id);
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let timeout_ms = request.transaction_timeout_ms;
    if timeout_ms <= 0 || timeout_ms > soft.settings.max_timeout_ms {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    let id = TransactionalId::from(id);
    let next = match hard.transactions.get(&id) {
        None => fresh.map(|fresh| Transaction::first(fresh, timeout_ms, now)),
        Some(current) if current.state.is_prepared() => return Err(ResponseError::ConcurrentTransactions),
        Some(current) if current.state == TransactionState::Ongoing => {
            if expected.is_some_and(|expected| expected != current.producer) {
                return Err(ResponseError::ProducerFenced);
            }
            let Some(prepared) = expire::fenced(soft, current, fresh, now) else { return Ok(Step::Need) };
            let effects = write::decision(soft, &id, prepared)?;
            return Ok(Step::Take(effects, Err(ResponseError::ConcurrentTransactions)));
        }
        Some(current) => next_producer(current, expected, fresh, timeout_ms, now)?,
    };
    let Some(next) = next else { return Ok(Step::Need) };
    let producer = next.producer;
    let record = write::record(soft, &id, next)?;
    Ok(Step::Take(TxnEffects { records: vec![record], ..TxnEffects::default() }, Ok(producer)))
}

/// The producer that the client goes on from (KIP-360).
fn expected_producer(request: &InitProducerIdRequest) -> Result<Option<ProducerIdAndEpoch>, ResponseError> {
    match (request.producer_id.0, request.producer_epoch) {
        (NO_PRODUCER_ID, NO_PRODUCER_EPOCH) => Ok(None),
        (NO_PRODUCER_ID, _) | (_, NO_PRODUCER_EPOCH) => Err(ResponseError::InvalidRequest),
        (id, epoch) => Ok(Some(ProducerIdAndEpoch { id, epoch })),
    }
}

/// What follows a producer that has no transaction; `None` takes a fresh producer id.
fn next_producer(
    current: &Transaction,
    expected: Option<ProducerIdAndEpoch>,
    fresh: FreshProducerId,
    timeout_ms: i32,
    now: Millis,
) -> Result<Option<Transaction>, ResponseError> {
    let ProducerIdAndEpoch { id, epoch } = current.producer;
    let last_epoch = match expected {
        None => NO_PRODUCER_EPOCH,
        Some(expected) if expected == current.producer => epoch,
        // It was done, and the answer has not arrived. Nobody else came in between: that would have forgotten the last epoch.
        Some(expected) if is_retry(current, expected) => {
            return Ok(Some(current.initialized(current.producer, current.last_epoch, timeout_ms, now)));
        }
        Some(_) => return Err(ResponseError::ProducerFenced),
    };
    let next = if is_exhausted(epoch) {
        let Some(fresh) = fresh else { return Ok(None) };
        ProducerIdAndEpoch { id: fresh, epoch: 0 }
    } else {
        ProducerIdAndEpoch { id, epoch: epoch.saturating_add(1) }
    };
    Ok(Some(current.initialized(next, last_epoch, timeout_ms, now)))
}

fn is_retry(current: &Transaction, expected: ProducerIdAndEpoch) -> bool {
    let same_id = expected.id == current.producer.id || (expected.id == current.previous_producer_id && is_exhausted(expected.epoch));
    same_id && expected.epoch == current.last_epoch
}
