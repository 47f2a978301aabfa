//! AddOffsetsToTxn (key 25), v0-4.
//!
//! v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4 TRANSACTION_ABORTABLE (KIP-890).
//! Adds the partition of `__consumer_offsets` that keeps the group to the transaction; clients of transaction version 2 leave that to
//! TxnOffsetCommit. An empty group id is allowed, as in Kafka. The topic is created if need be: Kafka, which knows its partitions from the
//! configuration, adds one of a topic that is not there yet.

use super::{Api, RequestContext, fenced_before};
use crate::auth::{Operation, Resource};
use crate::coordinators::group::OFFSETS_TOPIC;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, ApiKey};
use ottla_coordinator::partitioner::partition_for;
use ottla_coordinator::txn::{Partitions, PartitionsOfProducer, ProducerIdAndEpoch, TransactionVersion};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_SINCE: i16 = 2;

pub(crate) enum AddOffsetsToTxn {}

impl Api for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;
    type Response = AddOffsetsToTxnResponse;
    const KEY: ApiKey = ApiKey::AddOffsetsToTxn;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle(ctx: RequestContext, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
        let error = add(&ctx, &request).await.err();
        let error_code = error.map_or(0, |error| fenced_before(PRODUCER_FENCED_SINCE, ctx.api_version, error).code());
        AddOffsetsToTxnResponse::default().with_error_code(error_code)
    }
}

async fn add(ctx: &RequestContext, request: &AddOffsetsToTxnRequest) -> Result<(), ResponseError> {
    if !ctx.allows(Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return Err(ResponseError::TransactionalIdAuthorizationFailed);
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Err(ResponseError::GroupAuthorizationFailed);
    }
    ctx.node.groups.ensure_topic(&ctx.node).await?;
    let image = ctx.node.image();
    let topic = image.topics().by_name(OFFSETS_TOPIC).ok_or(ResponseError::CoordinatorNotAvailable)?;
    let partition_count = i32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0);
    let place = partition_for(&request.group_id, partition_count.ok_or(ResponseError::CoordinatorNotAvailable)?);
    let partitions = Partitions::from([(Arc::from(OFFSETS_TOPIC), [place].into())]);
    let of_producer = PartitionsOfProducer {
        transactional_id: &request.transactional_id,
        producer: ProducerIdAndEpoch { id: request.producer_id.0, epoch: request.producer_epoch },
        version: TransactionVersion(0),
        partitions: &partitions,
    };
    ctx.node.txns.add_partitions(&of_producer).await
}
