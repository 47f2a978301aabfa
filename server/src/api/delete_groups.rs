//! DeleteGroups (key 42), v0-2.
//!
//! KIP-229 · v2 flexible. A group that is named twice is deleted once. Groups that may not be deleted come last.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{ApiKey, DeleteGroupsRequest, DeleteGroupsResponse, GroupId};
use ottla_coordinator::group::GroupReply;
use std::collections::HashSet;
use std::ops::RangeInclusive;

pub(crate) enum DeleteGroups {}

impl Api for DeleteGroups {
    type Request = DeleteGroupsRequest;
    type Response = DeleteGroupsResponse;
    const KEY: ApiKey = ApiKey::DeleteGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        let mut asked = request.groups_names;
        let mut seen = HashSet::new();
        asked.retain(|id| seen.insert(id.clone()));
        let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(|id| ctx.allows(Operation::Delete, Resource::Group(id)));
        let mut results = Vec::with_capacity(allowed.len() + refused.len());
        for id in allowed {
            results.push(delete(&ctx, id).await);
        }
        results.extend(refused.into_iter().map(|id| failed(id, ResponseError::GroupAuthorizationFailed)));
        DeleteGroupsResponse::default().with_results(results)
    }
}

async fn delete(ctx: &RequestContext, id: GroupId) -> DeletableGroupResult {
    match ctx.node.groups.run(&ctx.node, &id, |shard, now, ticket| shard.delete_group(now, ticket, &id)).await {
        Ok(GroupReply::DeleteGroup(result)) => result,
        other => failed(id, no_answer(other)),
    }
}

fn failed(id: GroupId, error: ResponseError) -> DeletableGroupResult {
    DeletableGroupResult::default().with_group_id(id).with_error_code(error.code())
}
