//! OffsetForLeaderEpoch (key 23), v2-4.
//!
//! v3 replica id · v4 flexible. An epoch the log does not know is answered with epoch -1, end offset -1 and no error (KIP-320).

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{ApiKey, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, TopicName};
use ottla_storage::{LeaderEpoch, Offset};
use std::ops::RangeInclusive;

pub(crate) enum OffsetForLeaderEpoch {}

impl Api for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;
    type Response = OffsetForLeaderEpochResponse;
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const VERSIONS: RangeInclusive<i16> = 2..=4;

    async fn handle(ctx: RequestContext, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
        let topics = request
            .topics
            .into_iter()
            .map(|topic| {
                let allowed = ctx.allows(Operation::Describe, Resource::Topic(&topic.topic));
                let partitions = topic
                    .partitions
                    .iter()
                    .map(|asked| {
                        let found = if allowed { find(&ctx, &topic.topic, asked) } else { Err(ResponseError::TopicAuthorizationFailed) };
                        row(asked.partition, found)
                    })
                    .collect();
                OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
            })
            .collect();
        OffsetForLeaderEpochResponse::default().with_topics(topics)
    }
}

fn find(ctx: &RequestContext, topic: &TopicName, asked: &OffsetForLeaderPartition) -> Result<Option<(LeaderEpoch, Offset)>, ResponseError> {
    let partition = ctx.node.partition_by_name(topic, asked.partition)?;
    if asked.current_leader_epoch < -1 {
        return Err(ResponseError::FencedLeaderEpoch);
    }
    partition.end_offset_for_epoch(asked.current_leader_epoch, LeaderEpoch(asked.leader_epoch)).map_err(|error| error.response_error())
}

fn row(partition: i32, found: Result<Option<(LeaderEpoch, Offset)>, ResponseError>) -> EpochEndOffset {
    let row = EpochEndOffset::default().with_partition(partition).with_leader_epoch(-1).with_end_offset(-1);
    match found {
        Err(error) => row.with_error_code(error.code()),
        Ok(None) => row,
        Ok(Some((epoch, end))) => row.with_leader_epoch(epoch.0).with_end_offset(end.0),
    }
}
