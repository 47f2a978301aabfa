//! ListTransactions (key 66), v0-2.
//!
//! KIP-664 · v1 duration (KIP-994) · v2 pattern of transactional ids (KIP-1152). All shards of this broker together; while one of them
//! loads, nothing is listed. Ids that the client may not see are left out.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ListTransactionsRequest, ListTransactionsResponse};
use ottla_coordinator::txn::ListFilter;
use std::ops::RangeInclusive;

pub(crate) enum ListTransactions {}

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;
    type Response = ListTransactionsResponse;
    const KEY: ApiKey = ApiKey::ListTransactions;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: ListTransactionsRequest) -> ListTransactionsResponse {
        list(&ctx, &request).await.unwrap_or_else(|error| ListTransactionsResponse::default().with_error_code(error.code()))
    }
}

async fn list(ctx: &RequestContext, request: &ListTransactionsRequest) -> Result<ListTransactionsResponse, ResponseError> {
    let filter = ListFilter::new(request)?;
    let mut states = ctx.node.txns.list(&filter).await?;
    states.retain(|state| ctx.allows(Operation::Describe, Resource::TransactionalId(&state.transactional_id)));
    let answer = ListTransactionsResponse::default().with_unknown_state_filters(filter.unknown_states().to_vec());
    Ok(answer.with_transaction_states(states))
}
