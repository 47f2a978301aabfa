//! DescribeTransactions (key 65), v0.
//!
//! KIP-664. Topics that the client may not see are left out of a transaction; an id that may not be seen has nothing but its error.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::{ApiKey, DescribeTransactionsRequest, DescribeTransactionsResponse, TransactionalId};
use std::ops::RangeInclusive;

pub(crate) enum DescribeTransactions {}

impl Api for DescribeTransactions {
    type Request = DescribeTransactionsRequest;
    type Response = DescribeTransactionsResponse;
    const KEY: ApiKey = ApiKey::DescribeTransactions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
        let mut states = Vec::with_capacity(request.transactional_ids.len());
        for id in request.transactional_ids {
            let described = describe(&ctx, &id).await;
            states.push(
                described.unwrap_or_else(|error| TransactionState::default().with_error_code(error.code())).with_transactional_id(id),
            );
        }
        DescribeTransactionsResponse::default().with_transaction_states(states)
    }
}

async fn describe(ctx: &RequestContext, id: &TransactionalId) -> Result<TransactionState, ResponseError> {
    if !ctx.allows(Operation::Describe, Resource::TransactionalId(id)) {
        return Err(ResponseError::TransactionalIdAuthorizationFailed);
    }
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let mut state = ctx.node.txns.describe(id).await?;
    state.topics.retain(|topic| ctx.allows(Operation::Describe, Resource::Topic(&topic.topic)));
    Ok(state)
}
