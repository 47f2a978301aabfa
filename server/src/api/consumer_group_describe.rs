//! ConsumerGroupDescribe (key 69), v0-1.
//!
//! KIP-848 · v1 member type (KIP-1099). Groups that may not be described come first, then empty group ids. A group with a topic that the
//! client may not describe shows nothing but that.

use super::{Api, GROUP_OPERATIONS, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{DescribedGroup, Member};
use kafka_protocol::messages::{ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;

pub(crate) enum ConsumerGroupDescribe {}

impl Api for ConsumerGroupDescribe {
    type Request = ConsumerGroupDescribeRequest;
    type Response = ConsumerGroupDescribeResponse;
    const KEY: ApiKey = ApiKey::ConsumerGroupDescribe;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
        if !ctx.node.consumer_protocol_enabled() {
            let groups = request.group_ids.into_iter().map(|id| failed(id, ResponseError::UnsupportedVersion)).collect();
            return ConsumerGroupDescribeResponse::default().with_groups(groups);
        }
        let (allowed, refused): (Vec<_>, Vec<_>) =
            request.group_ids.into_iter().partition(|id| ctx.allows(Operation::Describe, Resource::Group(id)));
        let (named, nameless): (Vec<_>, Vec<_>) = allowed.into_iter().partition(|id| !id.is_empty());
        let mut groups: Vec<_> = refused.into_iter().map(|id| failed(id, ResponseError::GroupAuthorizationFailed)).collect();
        groups.extend(nameless.into_iter().map(|id| failed(id, ResponseError::InvalidGroupId)));
        for id in named {
            let mut group = describe(&ctx, id).await;
            if request.include_authorized_operations && group.error_code == 0 {
                group.authorized_operations = GROUP_OPERATIONS;
            }
            groups.push(visible(&ctx, group));
        }
        ConsumerGroupDescribeResponse::default().with_groups(groups)
    }
}

async fn describe(ctx: &RequestContext, id: GroupId) -> DescribedGroup {
    match ctx.node.groups.run(&ctx.node, &id, |shard, _, ticket| shard.consumer_group_describe(ticket, &id)).await {
        Ok(GroupReply::ConsumerGroupDescribe(group)) => group,
        other => failed(id, no_answer(other)),
    }
}

fn visible(ctx: &RequestContext, group: DescribedGroup) -> DescribedGroup {
    let topics = |member: &Member| {
        let assigned = member.assignment.topic_partitions.iter().chain(&member.target_assignment.topic_partitions);
        assigned.map(|topic| topic.topic_name.clone()).collect::<Vec<_>>()
    };
    if group.members.iter().flat_map(topics).all(|topic| ctx.allows(Operation::Describe, Resource::Topic(&topic))) {
        return group;
    }
    let text = "The group has described topic(s) that the client is not authorized to describe.";
    failed(group.group_id, ResponseError::TopicAuthorizationFailed).with_error_message(Some(StrBytes::from_static_str(text)))
}

fn failed(id: GroupId, error: ResponseError) -> DescribedGroup {
    DescribedGroup::default().with_group_id(id).with_error_code(error.code())
}
