//! EndTxn (key 26), v0-5.
//!
//! v2 PRODUCER_FENCED (KIP-588) · v3 flexible · v4 TRANSACTION_ABORTABLE (KIP-890) · v5 transaction version 2: the epoch rises with each
//! transaction, and the answer has the producer of the next one.

use super::{Api, RequestContext, fenced_before};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, EndTxnRequest, EndTxnResponse, ProducerId};
use ottla_coordinator::txn::{ProducerIdAndEpoch, TransactionVersion};
use std::ops::RangeInclusive;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_SINCE: i16 = 2;
/// The first version of clients that use transaction version 2.
const EPOCH_BUMP_SINCE: i16 = 5;

pub(crate) enum EndTxn {}

impl Api for EndTxn {
    type Request = EndTxnRequest;
    type Response = EndTxnResponse;
    const KEY: ApiKey = ApiKey::EndTxn;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, request: EndTxnRequest) -> EndTxnResponse {
        match end(&ctx, &request).await {
            Ok(None) => EndTxnResponse::default(),
            Ok(Some(next)) => EndTxnResponse::default().with_producer_id(ProducerId(next.id)).with_producer_epoch(next.epoch),
            Err(error) => EndTxnResponse::default().with_error_code(fenced_before(PRODUCER_FENCED_SINCE, ctx.api_version, error).code()),
        }
    }
}

async fn end(ctx: &RequestContext, request: &EndTxnRequest) -> Result<Option<ProducerIdAndEpoch>, ResponseError> {
    if !ctx.allows(Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return Err(ResponseError::TransactionalIdAuthorizationFailed);
    }
    if request.transactional_id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let version = TransactionVersion(if ctx.api_version >= EPOCH_BUMP_SINCE { 2 } else { 0 });
    ctx.node.txns.end_txn(&ctx.node, request, version).await
}
