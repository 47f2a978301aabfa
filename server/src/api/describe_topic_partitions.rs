//! DescribeTopicPartitions (key 75), v0.
//!
//! Metadata in pages (KIP-966): topics by name, at most `max.request.partition.size.limit` partitions an answer, and a cursor where to go
//! on. An empty list asks for every topic.

use super::{Api, NOT_ASKED, RequestContext, TOPIC_OPERATIONS, is_internal_topic};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_request::Cursor as From;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{ApiKey, BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::image::{ClusterImage, PartitionRegistration, TopicImage};
use ottla_coordinator::metadata::{self as meta};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

pub(crate) enum DescribeTopicPartitions {}

impl Api for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;
    type Response = DescribeTopicPartitionsResponse;
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
        let limit = request.response_partition_limit.min(ctx.node.config.max_request_partition_size_limit());
        let limit = usize::try_from(limit).unwrap_or(0).max(1);
        if let Some(cursor) = &request.cursor
            && cursor.partition_index < 0
        {
            return invalid(request);
        }
        let elsewhere = |cursor: &From| !request.topics.iter().any(|topic| topic.name == cursor.topic_name);
        if !request.topics.is_empty() && request.cursor.as_ref().is_some_and(elsewhere) {
            return invalid(request);
        }
        let page = Page { ctx: &ctx, left: limit, topics: Vec::new() };
        page.fill(names(&ctx, &request), request.cursor)
    }
}

/// The cursor is at no place that this request goes through.
fn invalid(request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.into_iter().map(|topic| refused(topic.name, ResponseError::InvalidRequest, NOT_ASKED));
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

/// Names in order; from the cursor's topic on.
fn names(ctx: &RequestContext, request: &DescribeTopicPartitionsRequest) -> Vec<TopicName> {
    let first: &str = request.cursor.as_ref().map_or("", |cursor| &cursor.topic_name);
    if request.topics.is_empty() {
        let image = ctx.node.image();
        let allowed = |topic: &&std::sync::Arc<TopicImage>| ctx.allows(Operation::Describe, Resource::Topic(&topic.name));
        return image.topics().iter_from(first).filter(allowed).map(|topic| name_of(topic)).collect();
    }
    let named: BTreeSet<&TopicName> = request.topics.iter().map(|topic| &topic.name).collect();
    named.into_iter().filter(|name| name.as_str() >= first).cloned().collect()
}

struct Page<'a> {
    ctx: &'a RequestContext,
    left: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
}

impl Page<'_> {
    fn fill(mut self, names: Vec<TopicName>, cursor: Option<From>) -> DescribeTopicPartitionsResponse {
        let image = self.ctx.node.image();
        let mut next = None;
        for name in names {
            let from = cursor.as_ref().filter(|cursor| cursor.topic_name == name).map_or(0, |cursor| cursor.partition_index);
            if !self.ctx.allows(Operation::Describe, Resource::Topic(&name)) {
                self.topics.push(refused(name, ResponseError::TopicAuthorizationFailed, NOT_ASKED));
                continue;
            }
            if self.left == 0 {
                next = Some(Cursor::default().with_topic_name(name).with_partition_index(0));
                break;
            }
            let Some(topic) = image.topics().by_name(&name) else {
                let valid = meta::TopicName::parse(&name).is_ok();
                let error = if valid { ResponseError::UnknownTopicOrPartition } else { ResponseError::InvalidTopicException };
                self.topics.push(refused(name, error, TOPIC_OPERATIONS));
                continue;
            };
            let rows: Vec<_> =
                topic.partitions.range(from..).take(self.left).map(|(index, partition)| row(image.cluster(), *index, partition)).collect();
            self.left -= rows.len();
            let after = rows.last().map_or(from, |row| row.partition_index + 1);
            self.topics.push(
                DescribeTopicPartitionsResponseTopic::default()
                    .with_name(Some(name_of(topic)))
                    .with_topic_id(topic.id.0)
                    .with_is_internal(is_internal_topic(&topic.name))
                    .with_partitions(rows)
                    .with_topic_authorized_operations(TOPIC_OPERATIONS),
            );
            if topic.partitions.range(after..).next().is_some() {
                next = Some(Cursor::default().with_topic_name(name).with_partition_index(after));
                break;
            }
        }
        DescribeTopicPartitionsResponse::default().with_topics(self.topics).with_next_cursor(next)
    }
}

fn name_of(topic: &TopicImage) -> TopicName {
    TopicName(StrBytes::from_string(topic.name.to_string()))
}

fn refused(name: TopicName, error: ResponseError, operations: i32) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_is_internal(is_internal_topic(&name))
        .with_name(Some(name))
        .with_topic_authorized_operations(operations)
}

fn ids(brokers: &[meta::BrokerId]) -> Vec<BrokerId> {
    brokers.iter().map(|id| BrokerId(id.0)).collect()
}

fn row(cluster: &ClusterImage, index: i32, partition: &PartitionRegistration) -> DescribeTopicPartitionsResponsePartition {
    let leader = partition.leader.filter(|leader| cluster.is_active(*leader));
    let offline: Vec<_> = partition.replicas.iter().copied().filter(|id| !cluster.serves(*id, partition)).collect();
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(if leader.is_some() { 0 } else { ResponseError::LeaderNotAvailable.code() })
        .with_partition_index(index)
        .with_leader_id(BrokerId(leader.map_or(-1, |id| id.0)))
        .with_leader_epoch(partition.leader_epoch.0)
        .with_replica_nodes(ids(&partition.replicas))
        .with_isr_nodes(ids(&partition.isr))
        .with_eligible_leader_replicas(Some(ids(&partition.elr)))
        .with_last_known_elr(Some(ids(&partition.last_known_elr)))
        .with_offline_replicas(ids(&offline))
}
