//! DescribeQuorum (key 55), v0-2.
//!
//! v1 when a replica fetched and caught up last (KIP-836) · v2 directory ids, listeners of the voters, error messages (KIP-853). The
//! quorum is this node alone: leader and only voter, always caught up. As in a static voter set, it has no directory id there.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use kafka_protocol::messages::{ApiKey, BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

const CLUSTER_METADATA: &str = "__cluster_metadata";

pub(crate) enum DescribeQuorum {}

impl Api for DescribeQuorum {
    type Request = DescribeQuorumRequest;
    type Response = DescribeQuorumResponse;
    const KEY: ApiKey = ApiKey::DescribeQuorum;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
        if !ctx.allows(Operation::Describe, Resource::Cluster) {
            return failed(ResponseError::ClusterAuthorizationFailed);
        }
        let is_known = match request.topics.as_slice() {
            [topic] if topic.topic_name.as_str() == CLUSTER_METADATA => {
                matches!(topic.partitions.as_slice(), [only] if only.partition_index == 0)
            }
            _ => false,
        };
        if !is_known {
            return unknown(request);
        }
        let state = match ctx.node.controller.quorum_state().await {
            Ok(state) => state,
            Err(error) => return failed(error),
        };
        let id = BrokerId(ctx.node.node_id);
        let now_ms = ctx.node.clock.now_ms();
        let voter = ReplicaState::default()
            .with_replica_id(id)
            .with_log_end_offset(state.log_end_offset)
            .with_last_fetch_timestamp(now_ms)
            .with_last_caught_up_timestamp(now_ms);
        let partition = PartitionData::default()
            .with_leader_id(id)
            .with_leader_epoch(state.leader_epoch)
            .with_high_watermark(state.log_end_offset)
            .with_current_voters(vec![voter]);
        let topic = TopicData::default().with_topic_name(topic_name()).with_partitions(vec![partition]);
        let answer = DescribeQuorumResponse::default().with_topics(vec![topic]);
        if ctx.api_version < 2 { answer } else { answer.with_nodes(vec![this_node(&ctx)]) }
    }
}

fn topic_name() -> kafka_protocol::messages::TopicName {
    kafka_protocol::messages::TopicName(StrBytes::from_static_str(CLUSTER_METADATA))
}

/// How the voter is reached: over the listener that the client came in on.
fn this_node(ctx: &RequestContext) -> Node {
    let endpoints = ctx.node.endpoints(&ctx.connection).into_iter().filter(|endpoint| endpoint.node_id == ctx.node.node_id);
    let listeners = endpoints.map(|endpoint| {
        Listener::default()
            .with_name(StrBytes::from_string(ctx.connection.listener_name.to_string()))
            .with_host(StrBytes::from_string(endpoint.host))
            .with_port(u16::try_from(endpoint.port).unwrap_or_default())
    });
    Node::default().with_node_id(BrokerId(ctx.node.node_id)).with_listeners(listeners.collect())
}

fn failed(error: ResponseError) -> DescribeQuorumResponse {
    DescribeQuorumResponse::default().with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(error.to_string())))
}

/// There is one partition to be asked for, and one at a time.
fn unknown(request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let message = "This server does not host this topic-partition.";
    let cell = |index: i32| {
        PartitionData::default()
            .with_partition_index(index)
            .with_error_code(ResponseError::UnknownTopicOrPartition.code())
            .with_error_message(Some(StrBytes::from_static_str(message)))
    };
    let topics = request.topics.into_iter().map(|topic| {
        let cells = topic.partitions.iter().map(|partition| cell(partition.partition_index)).collect();
        TopicData::default().with_topic_name(topic.topic_name).with_partitions(cells)
    });
    DescribeQuorumResponse::default().with_topics(topics.collect())
}
