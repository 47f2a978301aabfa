//! OffsetCommit (key 8), v2-9.
//!
//! v2-4 retention time of its own · v6 leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible · v9 member epochs (KIP-848).
//! Partitions that do not exist or may not be read are answered here, the others by the group's shard. An empty group id is allowed, as
//! in Kafka.
//! Not done: v10 (topic ids; the codec ends at v9).

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{ApiKey, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use ottla_coordinator::group::GroupReply;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum OffsetCommit {}

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;
    const KEY: ApiKey = ApiKey::OffsetCommit;
    const VERSIONS: RangeInclusive<i16> = 2..=9;

    async fn handle(ctx: RequestContext, mut request: OffsetCommitRequest) -> OffsetCommitResponse {
        if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
            return OffsetCommitResponse::default().with_topics(failed(&request.topics, ResponseError::GroupAuthorizationFailed));
        }
        let mut answer = Answer::default();
        request.topics = keep_known(&ctx, request.topics, &mut answer);
        if !request.topics.is_empty() {
            answer.merge(commit(&ctx, &request).await);
        }
        OffsetCommitResponse::default().with_topics(answer.topics)
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

/// What the shard may see; the rest is answered at once.
fn keep_known(ctx: &RequestContext, asked: Vec<OffsetCommitRequestTopic>, answer: &mut Answer) -> Vec<OffsetCommitRequestTopic> {
    let image = ctx.node.image();
    let mut known = Vec::with_capacity(asked.len());
    for mut topic in asked {
        if !ctx.allows(Operation::Read, Resource::Topic(&topic.name)) {
            answer.refuse(&topic, ResponseError::TopicAuthorizationFailed);
            continue;
        }
        let Some(found) = image.topics().by_name(&topic.name) else {
            answer.refuse(&topic, ResponseError::UnknownTopicOrPartition);
            continue;
        };
        topic.topic_id = found.id.0;
        topic.partitions.retain(|partition| {
            let exists = found.partitions.contains_key(&partition.partition_index);
            if !exists {
                answer.topic(&topic.name).partitions.push(row(partition.partition_index, ResponseError::UnknownTopicOrPartition));
            }
            exists
        });
        if !topic.partitions.is_empty() {
            known.push(topic);
        }
    }
    known
}

/// One row per topic name, in the order in which they were first answered.
#[derive(Default)]
struct Answer {
    topics: Vec<OffsetCommitResponseTopic>,
    places: HashMap<TopicName, usize>,
}

impl Answer {
    fn topic(&mut self, name: &TopicName) -> &mut OffsetCommitResponseTopic {
        let place = *self.places.entry(name.clone()).or_insert_with(|| {
            self.topics.push(OffsetCommitResponseTopic::default().with_name(name.clone()));
            self.topics.len() - 1
        });
        &mut self.topics[place]
    }

    fn refuse(&mut self, asked: &OffsetCommitRequestTopic, error: ResponseError) {
        let rows = asked.partitions.iter().map(|partition| row(partition.partition_index, error));
        self.topic(&asked.name).partitions.extend(rows);
    }

    /// The shard's rows come behind ours. A topic that was asked twice stays twice only when nothing was refused, as in Kafka.
    fn merge(&mut self, of_shard: Vec<OffsetCommitResponseTopic>) {
        if self.topics.is_empty() {
            self.topics = of_shard;
            return;
        }
        for topic in of_shard {
            self.topic(&topic.name).partitions.extend(topic.partitions);
        }
    }
}

fn row(partition_index: i32, error: ResponseError) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition::default().with_partition_index(partition_index).with_error_code(error.code())
}

fn failed(topics: &[OffsetCommitRequestTopic], error: ResponseError) -> Vec<OffsetCommitResponseTopic> {
    let topic = |topic: &OffsetCommitRequestTopic| {
        let rows = topic.partitions.iter().map(|partition| row(partition.partition_index, error)).collect();
        OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(rows)
    };
    topics.iter().map(topic).collect()
}
