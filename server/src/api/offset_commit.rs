//! OffsetCommit (key 8), v2-9.
//!
//! v2-4 retention time of its own · v6 leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible · v9 member epochs (KIP-848).
//! Partitions that do not exist or may not be read are answered here, the others by the group's shard. An empty group id is allowed, as
//! in Kafka.
//! Not done: v10 (topic ids; the codec ends at v9).

use super::by_topic::{by_topic, failed, keep_known};
use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{ApiKey, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum OffsetCommit {}

by_topic!(OffsetCommitRequestTopic, OffsetCommitRequestPartition => OffsetCommitResponseTopic, OffsetCommitResponsePartition);

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;
    const KEY: ApiKey = ApiKey::OffsetCommit;
    const VERSIONS: RangeInclusive<i16> = 2..=9;

    async fn handle(ctx: RequestContext, mut request: OffsetCommitRequest) -> OffsetCommitResponse {
        if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
            return OffsetCommitResponse::default().with_topics(failed(&request.topics, ResponseError::GroupAuthorizationFailed));
        }
        let (known, answer) = keep_known(&ctx, request.topics, |topic, id| topic.topic_id = id);
        request.topics = known;
        let committed = if request.topics.is_empty() { Vec::new() } else { commit(&ctx, &request).await };
        OffsetCommitResponse::default().with_topics(answer.with(committed))
    }
}

async fn commit(ctx: &RequestContext, request: &OffsetCommitRequest) -> Vec<OffsetCommitResponseTopic> {
    let host = ctx.client_host();
    let caller = ctx.caller(&host, Uuid::nil());
    let committed =
        ctx.node.groups.run(&ctx.node, &request.group_id, |shard, now, ticket| shard.offset_commit(now, ticket, &caller, request)).await;
    match committed {
        Ok(GroupReply::OffsetCommit(response)) => response.topics,
        other => failed(&request.topics, no_answer(other)),
    }
}
