//! DeleteRecords (key 21), v0-2.
//!
//! v2 flexible. Offset -1 stands for the high watermark. The answer waits until the new log start offset is on disk, so that not even a
//! crash brings the records back; Apache Kafka writes it down within a minute. The timeout is for replicas, and there are none to wait for.

use super::{Api, RequestContext, is_internal_topic};
use crate::auth::{Operation, Resource};
use crate::partition::DeleteBefore;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{ApiKey, DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use ottla_storage::Offset;
use ottla_storage::manager::LogOffsets;
use std::collections::HashMap;
use std::ops::RangeInclusive;

const HIGH_WATERMARK: i64 = -1;
const NO_LOW_WATERMARK: i64 = -1;

pub(crate) enum DeleteRecords {}

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;
    type Response = DeleteRecordsResponse;
    const KEY: ApiKey = ApiKey::DeleteRecords;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        let mut moved = Vec::new();
        let mut topics = Vec::new();
        for (name, partitions) in by_topic(request) {
            let allowed = ctx.allows(Operation::Delete, Resource::Topic(&name));
            let delete = |(index, before)| {
                let deleted = if allowed { delete(&ctx, &name, index, before) } else { Err(ResponseError::TopicAuthorizationFailed) };
                let row = row(index, &deleted);
                moved.extend(deleted);
                row
            };
            let rows = partitions.into_iter().map(delete).collect();
            topics.push(DeleteRecordsTopicResult::default().with_name(name).with_partitions(rows));
        }
        if !moved.is_empty() {
            ctx.node.errands.write_log_start_offsets(moved).await;
        }
        DeleteRecordsResponse::default().with_topics(topics)
    }
}

/// Every partition of the request once, with the offset that was asked last; topics without partitions have no answer.
fn by_topic(request: DeleteRecordsRequest) -> Vec<(TopicName, Vec<(i32, i64)>)> {
    let mut topics: Vec<(TopicName, Vec<(i32, i64)>)> = Vec::new();
    let (mut places, mut rows): (HashMap<TopicName, usize>, HashMap<(usize, i32), usize>) = (HashMap::new(), HashMap::new());
    for topic in request.topics {
        for partition in topic.partitions {
            let place = *places.entry(topic.name.clone()).or_insert_with(|| {
                topics.push((topic.name.clone(), Vec::new()));
                topics.len() - 1
            });
            let asked = &mut topics[place].1;
            let row = *rows.entry((place, partition.partition_index)).or_insert_with(|| {
                asked.push((partition.partition_index, partition.offset));
                asked.len() - 1
            });
            asked[row].1 = partition.offset;
        }
    }
    topics
}

fn delete(ctx: &RequestContext, name: &TopicName, index: i32, before: i64) -> Result<LogOffsets, ResponseError> {
    let partition = ctx.node.partition_by_name(name, index)?;
    if is_internal_topic(name) {
        return Err(ResponseError::InvalidTopicException);
    }
    let before = if before == HIGH_WATERMARK { DeleteBefore::HighWatermark } else { DeleteBefore::Offset(Offset(before)) };
    partition.delete_records(before).map_err(|error| error.response_error())
}

fn row(index: i32, deleted: &Result<LogOffsets, ResponseError>) -> DeleteRecordsPartitionResult {
    let row = DeleteRecordsPartitionResult::default().with_partition_index(index);
    match deleted {
        // The lowest log start offset over the replicas, of which there is one.
        Ok(log) => row.with_low_watermark(log.log_start_offset.0),
        Err(error) => row.with_low_watermark(NO_LOW_WATERMARK).with_error_code(error.code()),
    }
}
