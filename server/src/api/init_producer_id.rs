//! InitProducerId (key 22), v0-5.
//!
//! v2 flexible · v3 producer id and epoch to resume (KIP-360) · v4 PRODUCER_FENCED (KIP-588) · v5 transaction v2 (KIP-890).
//! Without a transactional id a fresh producer id with epoch 0 is given, from blocks of 1,000 kept in the metadata log.
//! Not done: transactional ids (with the transaction coordinator): COORDINATOR_NOT_AVAILABLE.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use std::ops::RangeInclusive;

pub(crate) enum InitProducerId {}

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    type Response = InitProducerIdResponse;
    const KEY: ApiKey = ApiKey::InitProducerId;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse {
        let given = give(&ctx, &request).await;
        match given {
            Ok(producer_id) => InitProducerIdResponse::default().with_producer_id(ProducerId(producer_id)).with_producer_epoch(0),
            Err(error) => {
                InitProducerIdResponse::default().with_error_code(error.code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1)
            }
        }
    }
}

async fn give(ctx: &RequestContext, request: &InitProducerIdRequest) -> Result<i64, ResponseError> {
    if let Some(id) = &request.transactional_id {
        if !ctx.allows(Operation::Write, Resource::TransactionalId(id)) {
            return Err(ResponseError::TransactionalIdAuthorizationFailed);
        }
        return Err(if id.is_empty() { ResponseError::InvalidRequest } else { ResponseError::CoordinatorNotAvailable });
    }
    if !ctx.allows(Operation::IdempotentWrite, Resource::Cluster) {
        return Err(ResponseError::ClusterAuthorizationFailed);
    }
    ctx.node.producer_ids.next(&ctx.node).await
}
