//! ListOffsets (key 2), v1-10.
//!
//! v2 isolation level · v4 leader epochs (KIP-320) · v6 flexible · v7 max timestamp (KIP-734) · v8 earliest local (KIP-405) · v9 latest
//! tiered (KIP-1005) · v10 timeout. Below the version that brought it a special timestamp is UNSUPPORTED_VERSION.
//! Without tiered storage "earliest local" is the log start and "latest tiered" is -1.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{ApiKey, ListOffsetsRequest, ListOffsetsResponse, TopicName};
use ottla_storage::Millis;
use ottla_storage::log::ListOffset;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

pub(crate) enum ListOffsets {}

impl Api for ListOffsets {
    type Request = ListOffsetsRequest;
    type Response = ListOffsetsResponse;
    const KEY: ApiKey = ApiKey::ListOffsets;
    const VERSIONS: RangeInclusive<i16> = 1..=10;

    async fn handle(ctx: RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let read_committed = request.isolation_level == 1;
        let mut topics: Vec<ListOffsetsTopicResponse> = Vec::new();
        for (name, partitions) in by_topic(request) {
            let allowed = ctx.allows(Operation::Describe, Resource::Topic(&name));
            let rows = partitions
                .into_iter()
                .map(|(partition, twice)| {
                    let found = match (allowed, twice) {
                        (false, _) => Err(ResponseError::TopicAuthorizationFailed),
                        (true, true) => Err(ResponseError::InvalidRequest),
                        (true, false) => find(&ctx, &name, &partition, read_committed),
                    };
                    row(ctx.api_version, partition.partition_index, found)
                })
                .collect();
            topics.push(ListOffsetsTopicResponse::default().with_name(name).with_partitions(rows));
        }
        ListOffsetsResponse::default().with_topics(topics)
    }
}

/// Every partition of the request once, and whether it was asked more often; topics without partitions have no answer.
fn by_topic(request: ListOffsetsRequest) -> Vec<(TopicName, Vec<(ListOffsetsPartition, bool)>)> {
    let (mut places, mut seen) = (HashMap::new(), HashMap::new());
    let mut topics: Vec<(TopicName, Vec<(ListOffsetsPartition, bool)>)> = Vec::new();
    for topic in request.topics {
        for partition in topic.partitions {
            let at: usize = *places.entry(topic.name.clone()).or_insert_with(|| {
                topics.push((topic.name.clone(), Vec::new()));
                topics.len() - 1
            });
            let rows = &mut topics[at].1;
            match seen.entry((topic.name.clone(), partition.partition_index)) {
                Entry::Occupied(row) => {
                    let row: usize = *row.get();
                    rows[row].1 = true;
                }
                Entry::Vacant(row) => {
                    row.insert(rows.len());
                    rows.push((partition, false));
                }
            }
        }
    }
    topics
}

/// Offset, timestamp and leader epoch; `None` for "no such record".
type Found = Option<(i64, i64, i32)>;

fn find(ctx: &RequestContext, name: &TopicName, partition: &ListOffsetsPartition, read_committed: bool) -> Result<Found, ResponseError> {
    let since = match partition.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        LATEST | EARLIEST | 0.. => 1,
        _ => return Err(ResponseError::UnsupportedVersion),
    };
    if ctx.api_version < since {
        return Err(ResponseError::UnsupportedVersion);
    }
    let by = match partition.timestamp {
        LATEST => ListOffset::Latest,
        EARLIEST | EARLIEST_LOCAL => ListOffset::Earliest,
        MAX_TIMESTAMP => ListOffset::MaxTimestamp,
        // Nothing is tiered.
        LATEST_TIERED => ListOffset::Latest,
        timestamp => ListOffset::Timestamp(Millis(timestamp)),
    };
    let log = ctx.node.partition_by_name(name, partition.partition_index)?;
    if partition.current_leader_epoch < -1 {
        return Err(ResponseError::FencedLeaderEpoch);
    }
    let found = log.list_offset(partition.current_leader_epoch, by, read_committed).map_err(|error| error.response_error())?;
    let found = found.filter(|_| partition.timestamp != LATEST_TIERED);
    Ok(found.map(|found| (found.offset.0, found.timestamp.0, found.leader_epoch.map_or(-1, |epoch| epoch.0))))
}

fn row(version: i16, partition_index: i32, found: Result<Found, ResponseError>) -> ListOffsetsPartitionResponse {
    let row = ListOffsetsPartitionResponse::default().with_partition_index(partition_index);
    let row = row.with_offset(-1).with_timestamp(-1).with_leader_epoch(-1);
    match found {
        Err(error) => row.with_error_code(error.code()),
        Ok(None) => row,
        Ok(Some((offset, timestamp, leader_epoch))) => {
            row.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(if version >= 4 { leader_epoch } else { -1 })
        }
    }
}
