//! InitProducerId (key 22), v0-5.
//!
//! v2 flexible · v3 producer id and epoch to resume (KIP-360) · v4 PRODUCER_FENCED (KIP-588) · v5 TRANSACTION_ABORTABLE (KIP-890).
//! Without a transactional id a fresh producer id with epoch 0 is given, from blocks of 1,000 kept in the metadata log. With one, the
//! transaction coordinator decides.
//! Not done, as in Kafka by default: v6 (two-phase commit, KIP-939).

use super::{Api, RequestContext, fenced_before};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use ottla_coordinator::txn::ProducerIdAndEpoch;
use std::ops::RangeInclusive;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_SINCE: i16 = 4;

pub(crate) enum InitProducerId {}

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;
    const KEY: ApiKey = ApiKey::InitProducerId;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse {
        let answer = InitProducerIdResponse::default();
        match give(&ctx, &request).await {
            Ok(producer) => answer.with_producer_id(ProducerId(producer.id)).with_producer_epoch(producer.epoch),
            Err(error) => {
                let error = fenced_before(PRODUCER_FENCED_SINCE, ctx.api_version, error);
                answer.with_error_code(error.code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1)
            }
        }
    }
}

async fn give(ctx: &RequestContext, request: &InitProducerIdRequest) -> Result<ProducerIdAndEpoch, ResponseError> {
    match &request.transactional_id {
        Some(id) if !ctx.allows(Operation::Write, Resource::TransactionalId(id)) => {
            return Err(ResponseError::TransactionalIdAuthorizationFailed);
        }
        None if !ctx.allows(Operation::IdempotentWrite, Resource::Cluster) => return Err(ResponseError::ClusterAuthorizationFailed),
        _ => {}
    }
    if (request.producer_id.0 == -1) != (request.producer_epoch == -1) {
        return Err(ResponseError::InvalidRequest);
    }
    match &request.transactional_id {
        None => Ok(ProducerIdAndEpoch { id: ctx.node.producer_ids.next(&ctx.node).await?, epoch: 0 }),
        Some(id) if id.is_empty() => Err(ResponseError::InvalidRequest),
        Some(_) => ctx.node.txns.init_producer_id(&ctx.node, request).await,
    }
}
