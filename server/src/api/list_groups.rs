//! ListGroups (key 16), v0-5.
//!
//! v3 flexible · v4 states (KIP-518) · v5 types (KIP-848). All shards of this broker together; while one of them loads, nothing is listed.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ListGroupsRequest, ListGroupsResponse};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;

pub(crate) enum ListGroups {}

impl Api for ListGroups {
    type Request = ListGroupsRequest;
    type Response = ListGroupsResponse;
    const KEY: ApiKey = ApiKey::ListGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
        let failed = |error: ResponseError| ListGroupsResponse::default().with_error_code(error.code());
        let replies = match ctx.node.groups.run_all(&ctx.node, |shard, _, ticket| shard.list_groups(ticket, &request)).await {
            Ok(replies) => replies,
            Err(error) => return failed(error),
        };
        let sees_all = ctx.allows(Operation::Describe, Resource::Cluster);
        let mut groups = Vec::new();
        for reply in replies {
            let GroupReply::ListGroups(of_shard) = reply else { return failed(no_answer(Ok(reply))) };
            groups
                .extend(of_shard.into_iter().filter(|group| sees_all || ctx.allows(Operation::Describe, Resource::Group(&group.group_id))));
        }
        ListGroupsResponse::default().with_groups(groups)
    }
}
