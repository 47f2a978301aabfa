//! OffsetFetch (key 9), v1-9.
//!
//! v2 null for "all topics", error of the group at the top · v5 leader epoch (KIP-320) · v6 flexible · v7 require_stable (KIP-447) ·
//! v8 several groups, an error for each (KIP-709) · v9 member id and epoch (KIP-848).
//! An empty group id is allowed, as in Kafka. Topics that may not be described are left out of "all topics" and refused when named.
//! Not done: v10 (topic ids; the codec ends at v9).

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use crate::lag;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{ApiKey, OffsetFetchRequest, OffsetFetchResponse};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;

pub(crate) enum OffsetFetch {}

impl Api for OffsetFetch {
    type Request = OffsetFetchRequest;
    type Response = OffsetFetchResponse;
    const KEY: ApiKey = ApiKey::OffsetFetch;
    const VERSIONS: RangeInclusive<i16> = 1..=9;

    async fn handle(ctx: RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse {
        if ctx.api_version < 8 {
            let topics = request.topics.map(|topics| topics.into_iter().map(renamed).collect());
            let group = OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_member_epoch(-1).with_topics(topics);
            return one(group_offsets(&ctx, group, request.require_stable).await);
        }
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            groups.push(group_offsets(&ctx, group, request.require_stable).await);
        }
        OffsetFetchResponse::default().with_groups(groups)
    }
}

async fn group_offsets(ctx: &RequestContext, mut asked: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup {
    if !ctx.allows(Operation::Describe, Resource::Group(&asked.group_id)) {
        return failed(ctx.api_version, &asked, &[], ResponseError::GroupAuthorizationFailed);
    }
    let may_describe = |topic: &str| ctx.allows(Operation::Describe, Resource::Topic(topic));
    let all = asked.topics.is_none();
    let mut refused = Vec::new();
    if let Some(topics) = asked.topics.take() {
        let (allowed, others): (Vec<_>, Vec<_>) = topics.into_iter().partition(|topic| may_describe(&topic.name));
        asked.topics = Some(allowed);
        refused = others.iter().map(|topic| refuse(topic, ResponseError::TopicAuthorizationFailed)).collect();
    }
    let fetched =
        ctx.node.groups.run(&ctx.node, &asked.group_id, |shard, now, ticket| shard.offset_fetch(now, ticket, &asked, require_stable)).await;
    match fetched {
        Ok(GroupReply::OffsetFetch(group)) if group.error_code != 0 => group,
        Ok(GroupReply::OffsetFetch(mut group)) => {
            if all {
                group.topics.retain(|topic| may_describe(&topic.name));
            }
            lag::clamp_to_log(&ctx.node, &mut group);
            group.topics.append(&mut refused);
            group
        }
        other => failed(ctx.api_version, &asked, &refused, understood(no_answer(other))),
    }
}

/// Consumers before 3.9 do not try again after COORDINATOR_NOT_AVAILABLE; they do after NOT_COORDINATOR.
fn understood(error: ResponseError) -> ResponseError {
    if error == ResponseError::CoordinatorNotAvailable { ResponseError::NotCoordinator } else { error }
}

/// An error of the group: its own field, or below v2 every partition's.
fn failed(
    version: i16,
    asked: &OffsetFetchRequestGroup,
    refused: &[OffsetFetchResponseTopics],
    error: ResponseError,
) -> OffsetFetchResponseGroup {
    let group = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
    if version >= 2 {
        return group.with_error_code(error.code());
    }
    let mut topics: Vec<_> = asked.topics.iter().flatten().map(|topic| refuse(topic, error)).collect();
    topics.extend(refused.iter().cloned().map(|mut topic| {
        topic.partitions.iter_mut().for_each(|partition| partition.error_code = error.code());
        topic
    }));
    group.with_topics(topics)
}

fn refuse(asked: &OffsetFetchRequestTopics, error: ResponseError) -> OffsetFetchResponseTopics {
    let row = |index: &i32| {
        OffsetFetchResponsePartitions::default().with_partition_index(*index).with_committed_offset(-1).with_error_code(error.code())
    };
    OffsetFetchResponseTopics::default().with_name(asked.name.clone()).with_partitions(asked.partition_indexes.iter().map(row).collect())
}

fn renamed(topic: OffsetFetchRequestTopic) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics::default().with_name(topic.name).with_partition_indexes(topic.partition_indexes)
}

/// The answer below v8.
fn one(group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |partition: OffsetFetchResponsePartitions| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code)
    };
    let topic = |topic: OffsetFetchResponseTopics| {
        let partitions = topic.partitions.into_iter().map(partition).collect();
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    };
    OffsetFetchResponse::default().with_error_code(group.error_code).with_topics(group.topics.into_iter().map(topic).collect())
}
