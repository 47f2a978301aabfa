//! DescribeProducers (key 61), v0.
//!
//! KIP-664: `kafka-transactions describe-producers` and `find-hanging`. Every producer that the partition knows, by id, whoever leads it.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{ApiKey, DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::TopicName;
use ottla_storage::producer::ProducerEntry;
use std::ops::RangeInclusive;

pub(crate) enum DescribeProducers {}

impl Api for DescribeProducers {
    type Request = DescribeProducersRequest;
    type Response = DescribeProducersResponse;
    const KEY: ApiKey = ApiKey::DescribeProducers;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: DescribeProducersRequest) -> DescribeProducersResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let refusal = refuse(&ctx, &topic);
            let partitions = topic.partition_indexes.iter().map(|index| match &refusal {
                Some((error, text)) => PartitionResponse::default()
                    .with_partition_index(*index)
                    .with_error_code(error.code())
                    .with_error_message(Some(text.clone())),
                None => describe(&ctx, &topic, *index),
            });
            TopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
        });
        DescribeProducersResponse::default().with_topics(topics.collect())
    }
}

/// What is wrong with the topic as a whole.
fn refuse(ctx: &RequestContext, topic: &TopicRequest) -> Option<(ResponseError, StrBytes)> {
    let of = |error, text| Some((error, StrBytes::from_static_str(text)));
    if let Err(why) = TopicName::parse(&topic.name) {
        Some((ResponseError::InvalidTopicException, StrBytes::from_string(why.0)))
    } else if !ctx.allows(Operation::Read, Resource::Topic(&topic.name)) {
        of(ResponseError::TopicAuthorizationFailed, "Topic authorization failed.")
    } else if ctx.node.topic_id(&topic.name).is_none() {
        of(ResponseError::UnknownTopicOrPartition, "This server does not host this topic-partition.")
    } else {
        None
    }
}

fn describe(ctx: &RequestContext, topic: &TopicRequest, index: i32) -> PartitionResponse {
    let answer = PartitionResponse::default().with_partition_index(index);
    let found = ctx.node.partition_by_name(&topic.name, index);
    match found.and_then(|partition| partition.producers().map_err(|error| error.response_error())) {
        Ok(producers) => answer.with_active_producers(producers.iter().map(row).collect()),
        Err(error) => answer.with_error_code(error.code()),
    }
}

fn row(producer: &ProducerEntry) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id.0))
        .with_producer_epoch(i32::from(producer.producer_epoch.0))
        .with_last_sequence(producer.last_sequence().0)
        .with_last_timestamp(producer.last_timestamp.0)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.current_txn_first_offset.map_or(-1, |offset| offset.0))
}
