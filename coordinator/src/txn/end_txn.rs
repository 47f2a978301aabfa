//! EndTxn.
//!
//! With `transaction.version` 2, "retry" being the producer before the one that the last decision, of version 2 too, made:
//!
//! | state | commit, current | commit, retry | abort, current | abort, retry |
//! |---|---|---|---|---|
//! | Empty | INVALID_TXN_STATE | PRODUCER_FENCED | PrepareAbort of nothing | PRODUCER_FENCED |
//! | Ongoing | PrepareCommit | PRODUCER_FENCED | PrepareAbort | PRODUCER_FENCED |
//! | CompleteCommit | INVALID_TXN_STATE | the same again | PrepareAbort of nothing | INVALID_TXN_STATE |
//! | CompleteAbort | INVALID_TXN_STATE | INVALID_TXN_STATE | PrepareAbort of nothing | the same again |
//!
//! With the older versions the producer stays the same:
//!
//! | state | commit | abort |
//! |---|---|---|
//! | Empty | INVALID_TXN_STATE | INVALID_TXN_STATE |
//! | Ongoing | PrepareCommit | PrepareAbort |
//! | CompleteCommit | yes, nothing written | INVALID_TXN_STATE |
//! | CompleteAbort | INVALID_TXN_STATE | yes, nothing written |
//!
//! PrepareCommit and PrepareAbort answer CONCURRENT_TRANSACTIONS: with version 2 before anything else is looked at, as the client may know
//! the next producer already; with the older ones to the right producer.

use super::hard::{Hard, NO_PRODUCER_ID, Transaction, TransactionalId};
use super::soft::Soft;
use super::transition::is_exhausted;
use super::{FreshProducerId, ProducerIdAndEpoch, TransactionState, TransactionVersion, TxnEffects, TxnReply, write};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::EndTxnRequest;

pub(super) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    fresh: FreshProducerId,
    request: &EndTxnRequest,
    version: TransactionVersion,
) -> TxnEffects {
    let (mut effects, reply) = match end(hard, soft, now, fresh, request, version) {
        Ok(None) => (TxnEffects::default(), TxnReply::NeedsProducerId),
        Ok(Some((effects, producer))) => (effects, TxnReply::EndTxn(Ok(version.supports_epoch_bump().then_some(producer)))),
        Err(error) => (TxnEffects::default(), TxnReply::EndTxn(Err(error))),
    };
    effects.replies.push((ticket, reply));
    effects
}

/// What the state makes of the request.
enum Verdict {
    Decide,
    DoneBefore,
}

type Ended = Option<(TxnEffects, ProducerIdAndEpoch)>;

fn end(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    fresh: FreshProducerId,
    request: &EndTxnRequest,
    version: TransactionVersion,
) -> Result<Ended, ResponseError> {
    let id: &str = &request.transactional_id;
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let current = hard.transactions.get(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
    let bumps = version.supports_epoch_bump();
    match if bumps { judge(current, request)? } else { judge_without_bump(current, request)? } {
        Verdict::DoneBefore => Ok(Some((TxnEffects::default(), current.producer))),
        Verdict::Decide => {
            let next_producer_id = match fresh {
                _ if !(bumps && is_exhausted(current.producer.epoch)) => NO_PRODUCER_ID,
                Some(fresh) => fresh,
                None => return Ok(None),
            };
            let prepared = current.decided(request.committed, version, next_producer_id, now);
            let producer = prepared.producer_afterwards();
            Ok(Some((write::decision(soft, &TransactionalId::from(id), prepared)?, producer)))
        }
    }
}

fn judge(current: &Transaction, request: &EndTxnRequest) -> Result<Verdict, ResponseError> {
    if current.state.is_prepared() {
        return Err(ResponseError::ConcurrentTransactions);
    }
    let asked = ProducerIdAndEpoch { id: request.producer_id.0, epoch: request.producer_epoch };
    let same_id = asked.id == current.producer.id;
    // The decision took the epochs' last one, and the answer with the new producer id has not arrived.
    let retries_rotation = asked.id == current.previous_producer_id && asked.epoch == i16::MAX - 1 && current.producer.epoch == 0;
    if !same_id && !retries_rotation {
        return Err(ResponseError::InvalidProducerIdMapping);
    }
    let is_complete = matches!(current.state, TransactionState::CompleteCommit | TransactionState::CompleteAbort);
    // Only a decision of version 2 made a next producer. In Kafka any epoch above counts, so that a producer that was replaced by one of
    // an older version is told that its transaction ended as the other's did, and may go on as the other.
    let bumped = current.client_version.supports_epoch_bump() && i32::from(asked.epoch) + 1 == i32::from(current.producer.epoch);
    let is_retry = is_complete && (retries_rotation || bumped);
    if !is_retry && asked != current.producer {
        return Err(ResponseError::ProducerFenced);
    }
    match (current.state, request.committed) {
        (TransactionState::Ongoing, _) => Ok(Verdict::Decide),
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) if is_retry => Ok(Verdict::DoneBefore),
        (_, false) if !is_retry => Ok(Verdict::Decide),
        _ => Err(ResponseError::InvalidTxnState),
    }
}

fn judge_without_bump(current: &Transaction, request: &EndTxnRequest) -> Result<Verdict, ResponseError> {
    if request.producer_id.0 != current.producer.id {
        return Err(ResponseError::InvalidProducerIdMapping);
    }
    if request.producer_epoch != current.producer.epoch {
        return Err(ResponseError::ProducerFenced);
    }
    match (current.state, request.committed) {
        (TransactionState::PrepareCommit | TransactionState::PrepareAbort, _) => Err(ResponseError::ConcurrentTransactions),
        (TransactionState::Ongoing, _) => Ok(Verdict::Decide),
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => Ok(Verdict::DoneBefore),
        _ => Err(ResponseError::InvalidTxnState),
    }
}
