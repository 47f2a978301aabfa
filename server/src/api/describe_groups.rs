//! DescribeGroups (key 15), v0-6.
//!
//! v3 authorized operations (KIP-430) · v4 static members (KIP-345) · v5 flexible · v6 error message, GROUP_ID_NOT_FOUND (KIP-1043).
//! An empty group id is allowed, as in Kafka. Groups that may not be described come first.

use super::{Api, GROUP_OPERATIONS, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{ApiKey, DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum DescribeGroups {}

impl Api for DescribeGroups {
    type Request = DescribeGroupsRequest;
    type Response = DescribeGroupsResponse;
    const KEY: ApiKey = ApiKey::DescribeGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle(ctx: RequestContext, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        let (allowed, refused): (Vec<_>, Vec<_>) =
            request.groups.into_iter().partition(|id| ctx.allows(Operation::Describe, Resource::Group(id)));
        let mut groups: Vec<_> = refused.into_iter().map(|id| failed(id, ResponseError::GroupAuthorizationFailed)).collect();
        for id in allowed {
            let mut group = describe(&ctx, id).await;
            if ctx.api_version >= 3 && request.include_authorized_operations && group.error_code == 0 {
                group.authorized_operations = GROUP_OPERATIONS;
            }
            groups.push(group);
        }
        DescribeGroupsResponse::default().with_groups(groups)
    }
}

async fn describe(ctx: &RequestContext, id: GroupId) -> DescribedGroup {
    let host = ctx.client_host();
    let caller = ctx.caller(&host, Uuid::nil());
    match ctx.node.groups.run(&ctx.node, &id, |shard, _, ticket| shard.describe_group(ticket, &caller, &id)).await {
        Ok(GroupReply::DescribeGroup(group)) => group,
        other => failed(id, no_answer(other)),
    }
}

fn failed(id: GroupId, error: ResponseError) -> DescribedGroup {
    DescribedGroup::default().with_group_id(id).with_error_code(error.code())
}
