//! AddPartitionsToTxn (key 24), v0-5.
//!
//! v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4 many transactions, verify only · v5 TRANSACTION_ABORTABLE (KIP-890).
//! Clients speak v0-3, for one transaction; v4 and above is brokers among themselves, who need no rights to the topics. One partition
//! that is refused refuses the others of its transaction: OPERATION_NOT_ATTEMPTED.

use super::{Api, RequestContext, fenced_before, is_internal_topic};
use crate::auth::{Operation, Resource};
use crate::coordinators::txn::Patience;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey};
use ottla_coordinator::txn::{Partitions, PartitionsOfProducer, ProducerIdAndEpoch, TransactionVersion};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_SINCE: i16 = 2;
/// The first version that brokers speak, on behalf of clients with transaction version 2.
const BATCHED_SINCE: i16 = 4;

pub(crate) enum AddPartitionsToTxn {}

impl Api for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;
    type Response = AddPartitionsToTxnResponse;
    const KEY: ApiKey = ApiKey::AddPartitionsToTxn;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
        let answer = AddPartitionsToTxnResponse::default();
        let mut patience = Patience::new();
        if ctx.api_version < BATCHED_SINCE {
            let results = of_transaction(&ctx, &mut patience, &single(request)).await;
            return answer.with_results_by_topic_v3_and_below(results);
        }
        if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
            return answer.with_error_code(ResponseError::ClusterAuthorizationFailed.code());
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let topic_results = of_transaction(&ctx, &mut patience, &transaction).await;
            let result = AddPartitionsToTxnResult::default().with_transactional_id(transaction.transactional_id);
            results.push(result.with_topic_results(topic_results));
        }
        answer.with_results_by_transaction(results)
    }
}

/// A client's request as a batch of one.
fn single(request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnTransaction {
    AddPartitionsToTxnTransaction::default()
        .with_transactional_id(request.v3_and_below_transactional_id)
        .with_producer_id(request.v3_and_below_producer_id)
        .with_producer_epoch(request.v3_and_below_producer_epoch)
        .with_topics(request.v3_and_below_topics)
}

async fn of_transaction(
    ctx: &RequestContext,
    patience: &mut Patience,
    transaction: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let (topics, id) = (&transaction.topics, &transaction.transactional_id);
    if ctx.api_version < BATCHED_SINCE && !ctx.allows(Operation::Write, Resource::TransactionalId(id)) {
        return results(topics, |_, _| Some(ResponseError::TransactionalIdAuthorizationFailed));
    }
    if let Some(refused) = refuse(ctx, topics) {
        return refused;
    }
    if id.is_empty() {
        return results(topics, |_, _| Some(ResponseError::InvalidRequest));
    }
    let partitions = partitions_of(topics);
    let asked = PartitionsOfProducer {
        transactional_id: id,
        producer: ProducerIdAndEpoch { id: transaction.producer_id.0, epoch: transaction.producer_epoch },
        version: TransactionVersion(if ctx.api_version < BATCHED_SINCE { 0 } else { 2 }),
        partitions: &partitions,
    };
    if !transaction.verify_only {
        let error = ctx.node.txns.add_partitions_within(patience, &asked).await.err();
        let error = error.map(|error| fenced_before(PRODUCER_FENCED_SINCE, ctx.api_version, error));
        return results(topics, |_, _| error);
    }
    match ctx.node.txns.verify_partitions(&asked).await {
        Ok(verified) => {
            let unknown = Some(ResponseError::UnknownServerError);
            let found = |topic: &AddPartitionsToTxnTopic, partition| {
                let (name, _) = partitions.get_key_value(topic.name.as_str())?;
                verified.get(&(Arc::clone(name), partition)).copied().unwrap_or(unknown)
            };
            results(topics, found)
        }
        Err(error) => results(topics, |_, _| Some(error)),
    }
}

/// The whole answer when some partition may not be written or does not exist.
fn refuse(ctx: &RequestContext, topics: &[AddPartitionsToTxnTopic]) -> Option<Vec<AddPartitionsToTxnTopicResult>> {
    let image = ctx.node.image();
    let from_client = ctx.api_version < BATCHED_SINCE;
    let error_of = |topic: &AddPartitionsToTxnTopic, partition| {
        let name = &topic.name;
        if from_client && (is_internal_topic(name) || !ctx.allows(Operation::Write, Resource::Topic(name))) {
            return Some(ResponseError::TopicAuthorizationFailed);
        }
        let exists = image.topics().by_name(name).is_some_and(|topic| topic.partitions.contains_key(&partition));
        (!exists).then_some(ResponseError::UnknownTopicOrPartition)
    };
    let refused = topics.iter().any(|topic| topic.partitions.iter().any(|partition| error_of(topic, *partition).is_some()));
    let answer = |topic: &AddPartitionsToTxnTopic, partition| error_of(topic, partition).or(Some(ResponseError::OperationNotAttempted));
    refused.then(|| results(topics, answer))
}

fn partitions_of(topics: &[AddPartitionsToTxnTopic]) -> Partitions {
    let mut partitions = Partitions::new();
    for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        partitions.entry(Arc::from(topic.name.as_str())).or_default().extend(&topic.partitions);
    }
    partitions
}

/// The answer in the order of the request.
fn results(
    topics: &[AddPartitionsToTxnTopic],
    error_of: impl Fn(&AddPartitionsToTxnTopic, i32) -> Option<ResponseError>,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let row = |topic: &AddPartitionsToTxnTopic, partition: i32| {
        let code = error_of(topic, partition).map_or(0, |error| error.code());
        AddPartitionsToTxnPartitionResult::default().with_partition_index(partition).with_partition_error_code(code)
    };
    let of_topic = |topic: &AddPartitionsToTxnTopic| {
        let rows = topic.partitions.iter().map(|partition| row(topic, *partition)).collect();
        AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone()).with_results_by_partition(rows)
    };
    topics.iter().map(of_topic).collect()
}
