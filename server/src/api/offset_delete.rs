//! OffsetDelete (key 47), v0.
//!
//! KIP-496. Partitions that do not exist or may not be read are answered here, the others by the group's shard. An error of the group
//! stands alone at the top.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{ApiKey, OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use ottla_coordinator::group::GroupReply;
use std::collections::HashMap;
use std::ops::RangeInclusive;

pub(crate) enum OffsetDelete {}

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;
    type Response = OffsetDeleteResponse;
    const KEY: ApiKey = ApiKey::OffsetDelete;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, mut request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let failed = |error: ResponseError| OffsetDeleteResponse::default().with_error_code(error.code());
        if !ctx.allows(Operation::Delete, Resource::Group(&request.group_id)) {
            return failed(ResponseError::GroupAuthorizationFailed);
        }
        if request.group_id.is_empty() {
            return failed(ResponseError::InvalidGroupId);
        }
        let mut answer = Answer::default();
        request.topics = keep_known(&ctx, request.topics, &mut answer);
        let deleted =
            ctx.node.groups.run(&ctx.node, &request.group_id, |shard, now, ticket| shard.offset_delete(now, ticket, &request)).await;
        match deleted {
            Ok(GroupReply::OffsetDelete(response)) if response.error_code != 0 => response,
            Ok(GroupReply::OffsetDelete(response)) => {
                answer.merge(response.topics);
                OffsetDeleteResponse::default().with_topics(answer.topics)
            }
            other => failed(no_answer(other)),
        }
    }
}

/// What the shard may see; the rest is answered at once.
fn keep_known(ctx: &RequestContext, asked: Vec<OffsetDeleteRequestTopic>, answer: &mut Answer) -> Vec<OffsetDeleteRequestTopic> {
    let image = ctx.node.image();
    let mut known = Vec::with_capacity(asked.len());
    for mut topic in asked {
        let allowed = ctx.allows(Operation::Read, Resource::Topic(&topic.name));
        let found = image.topics().by_name(&topic.name);
        let error = if allowed { ResponseError::UnknownTopicOrPartition } else { ResponseError::TopicAuthorizationFailed };
        if !allowed || found.is_none() {
            // The topic has its row even when no partition was asked for.
            answer.topic(&topic.name);
        }
        topic.partitions.retain(|partition| {
            let index = partition.partition_index;
            let exists = allowed && found.is_some_and(|topic| topic.partitions.contains_key(&index));
            if !exists {
                let row = OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(error.code());
                answer.topic(&topic.name).partitions.push(row);
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
    topics: Vec<OffsetDeleteResponseTopic>,
    places: HashMap<TopicName, usize>,
}

impl Answer {
    fn topic(&mut self, name: &TopicName) -> &mut OffsetDeleteResponseTopic {
        let place = *self.places.entry(name.clone()).or_insert_with(|| {
            self.topics.push(OffsetDeleteResponseTopic::default().with_name(name.clone()));
            self.topics.len() - 1
        });
        &mut self.topics[place]
    }

    /// The shard's rows come behind ours.
    fn merge(&mut self, of_shard: Vec<OffsetDeleteResponseTopic>) {
        if self.topics.is_empty() {
            self.topics = of_shard;
            return;
        }
        for topic in of_shard {
            self.topic(&topic.name).partitions.extend(topic.partitions);
        }
    }
}
