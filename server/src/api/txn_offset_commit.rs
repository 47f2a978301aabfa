//! TxnOffsetCommit (key 28), v0-5.
//!
//! v2 leader epoch (KIP-320) · v3 flexible; generation, member and instance (KIP-447) · v4 TRANSACTION_ABORTABLE (KIP-890) · v5 adds the
//! group's partition to the transaction by itself (KIP-890).
//! Partitions that do not exist or may not be read are answered here, the others by the group's shard, once the transaction coordinator
//! has said that the transaction is open. What is committed counts when the transaction is.

use super::by_topic::{by_topic, failed, keep_known};
use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use crate::coordinators::group::OFFSETS_TOPIC;
use crate::coordinators::runtime::{NO_SEQUENCE, WrittenBy, coordinator_error};
use crate::partition::Partition;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{ApiKey, TopicName, TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_coordinator::group::GroupReply;
use ottla_coordinator::txn::{Partitions, PartitionsOfProducer, ProducerIdAndEpoch, TransactionVersion};
use ottla_storage::log::TransactionCheck;
use ottla_storage::{ProducerEpoch, ProducerId};
use std::ops::RangeInclusive;
use std::sync::Arc;
use uuid::Uuid;

/// From here on the request adds the group's partition to the transaction.
const ADDS_PARTITION: i16 = 5;
/// From here on clients know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE: i16 = 4;
/// From here on clients know COORDINATOR_LOAD_IN_PROGRESS.
const KNOWS_LOADING: i16 = 2;

pub(crate) enum TxnOffsetCommit {}

by_topic!(TxnOffsetCommitRequestTopic, TxnOffsetCommitRequestPartition => TxnOffsetCommitResponseTopic, TxnOffsetCommitResponsePartition);

impl Api for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;
    type Response = TxnOffsetCommitResponse;
    const KEY: ApiKey = ApiKey::TxnOffsetCommit;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, mut request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
        if let Some(error) = refuse(&ctx, &request) {
            return TxnOffsetCommitResponse::default().with_topics(failed(&request.topics, error));
        }
        let (known, answer) = keep_known(&ctx, request.topics, |_, _| ());
        request.topics = known;
        let committed = if request.topics.is_empty() { Ok(Vec::new()) } else { commit(&ctx, &request).await };
        let committed = committed.unwrap_or_else(|error| failed(&request.topics, understood(ctx.api_version, error)));
        TxnOffsetCommitResponse::default().with_topics(answer.with(committed))
    }
}

fn refuse(ctx: &RequestContext, request: &TxnOffsetCommitRequest) -> Option<ResponseError> {
    if !ctx.allows(Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return Some(ResponseError::TransactionalIdAuthorizationFailed);
    }
    (!ctx.allows(Operation::Read, Resource::Group(&request.group_id))).then_some(ResponseError::GroupAuthorizationFailed)
}

async fn commit(ctx: &RequestContext, request: &TxnOffsetCommitRequest) -> Result<Vec<TxnOffsetCommitResponseTopic>, ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    let check = verify(ctx, request).await.map_err(coordinator_error)?;
    let by = WrittenBy { producer_id: request.producer_id.0, producer_epoch: request.producer_epoch, check };
    let host = ctx.client_host();
    let caller = ctx.caller(&host, Uuid::nil());
    let runtime = &ctx.node.groups.runtime;
    let committed =
        runtime.run_transactional(&request.group_id, by, |shard, now, ticket| shard.txn_offset_commit(now, ticket, &caller, request)).await;
    match committed {
        Ok(GroupReply::TxnOffsetCommit(response)) => Ok(response.topics),
        other => Err(no_answer(other)),
    }
}

/// Asks the transaction coordinator whether the transaction is open, unless it is open in the group's partition already.
async fn verify(ctx: &RequestContext, request: &TxnOffsetCommitRequest) -> Result<TransactionCheck, ResponseError> {
    let adds = ctx.api_version >= ADDS_PARTITION;
    let is_verified = ctx.node.dynamic.current().transaction_partition_verification_enable();
    if !adds && !is_verified {
        return Ok(TransactionCheck::Unchecked);
    }
    let (place, log) = partition_of(ctx, &request.group_id)?;
    let producer = (ProducerId(request.producer_id.0), ProducerEpoch(request.producer_epoch));
    let begun = log.begin_verification(ctx.node.clock.now_ms(), producer, NO_SEQUENCE, adds);
    let guard = begun.map_err(|error| error.response_error())?;
    if guard.is_some() {
        ask(ctx, request, place, adds).await.map_err(|error| unverified(ctx.api_version, error))?;
    }
    Ok(if is_verified { TransactionCheck::Verified(guard) } else { TransactionCheck::Unchecked })
}

/// Whether the group's partition is in the transaction, or from now on it is.
async fn ask(ctx: &RequestContext, request: &TxnOffsetCommitRequest, place: i32, adds: bool) -> Result<(), ResponseError> {
    let topic: Arc<str> = Arc::from(OFFSETS_TOPIC);
    let of_producer = PartitionsOfProducer {
        transactional_id: &request.transactional_id,
        producer: ProducerIdAndEpoch { id: request.producer_id.0, epoch: request.producer_epoch },
        version: TransactionVersion(if adds { 2 } else { 0 }),
        partitions: &Partitions::from([(Arc::clone(&topic), [place].into())]),
    };
    let txns = &ctx.node.txns;
    let answer = if adds {
        txns.add_partitions(&of_producer).await
    } else {
        let verified = txns.verify_partitions(&of_producer).await;
        verified
            .and_then(|verified| verified.get(&(topic, place)).copied().unwrap_or(Some(ResponseError::InvalidTxnState)).map_or(Ok(()), Err))
    };
    answer.map_err(|error| match error {
        // Nobody is the coordinator of anything before the topic exists.
        ResponseError::NotCoordinator if txns.runtime.places() == 0 => ResponseError::CoordinatorNotAvailable,
        error => error,
    })
}

fn partition_of(ctx: &RequestContext, group_id: &str) -> Result<(i32, Arc<Partition>), ResponseError> {
    let here = ctx.node.groups.runtime.partition_of(group_id);
    here.ok_or_else(|| match ctx.node.topic_id(OFFSETS_TOPIC) {
        Some(_) => ResponseError::NotCoordinator,
        None => ResponseError::CoordinatorNotAvailable,
    })
}

/// What the transaction coordinator said, as the producer is told.
fn unverified(version: i16, error: ResponseError) -> ResponseError {
    match error {
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        ResponseError::TransactionAbortable if version < KNOWS_ABORTABLE => ResponseError::InvalidTxnState,
        other => other,
    }
}

/// Old producers die of COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
fn understood(version: i16, error: ResponseError) -> ResponseError {
    match error {
        ResponseError::CoordinatorLoadInProgress if version < KNOWS_LOADING => ResponseError::CoordinatorNotAvailable,
        other => other,
    }
}
