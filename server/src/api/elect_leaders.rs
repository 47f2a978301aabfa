//! ElectLeaders (key 43), v0-2.
//!
//! v1 unclean elections, an error for the whole request (KIP-460) · v2 flexible. On one node every leader is the preferred one:
//! ELECTION_NOT_NEEDED, unless the topic came from elsewhere and has replicas on brokers that are not here.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ApiKey, ElectLeadersRequest, ElectLeadersResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::ApiError;
use std::ops::RangeInclusive;

pub(crate) enum ElectLeaders {}

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;
    type Response = ElectLeadersResponse;
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: ElectLeadersRequest) -> ElectLeadersResponse {
        let named = request.topic_partitions.clone().unwrap_or_default();
        if !ctx.allows(Operation::Alter, Resource::Cluster) {
            return refused(&named, &ApiError { error: ResponseError::ClusterAuthorizationFailed, message: None });
        }
        match ctx.node.controller.elect_leaders(&ctx.node, request).await {
            Ok(response) => response,
            Err(error) => refused(&named, &error),
        }
    }
}

/// The same error for all.
fn refused(topics: &[TopicPartitions], error: &ApiError) -> ElectLeadersResponse {
    let cell = |number: &i32| {
        PartitionResult::default()
            .with_partition_id(*number)
            .with_error_code(error.error.code())
            .with_error_message(error.message.clone().map(StrBytes::from_string))
    };
    let row = |topic: &TopicPartitions| {
        let cells = topic.partitions.iter().map(cell).collect();
        ReplicaElectionResult::default().with_topic(topic.topic.clone()).with_partition_result(cells)
    };
    ElectLeadersResponse::default().with_error_code(error.error.code()).with_replica_election_results(topics.iter().map(row).collect())
}
