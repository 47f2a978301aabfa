//! ConsumerGroupHeartbeat (key 68), v0-1.
//!
//! KIP-848 · v1 subscription by regular expression, member ids made by clients (KIP-1082).
//! What can be wrong with a request by itself is answered here, the rest by the group's shard.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;
use uuid::Uuid;

const JOIN: i32 = 0;
const LEAVE: i32 = -1;
const LEAVE_STATIC: i32 = -2;

pub(crate) enum ConsumerGroupHeartbeat {}

impl Api for ConsumerGroupHeartbeat {
    type Request = ConsumerGroupHeartbeatRequest;
    type Response = ConsumerGroupHeartbeatResponse;
    const KEY: ApiKey = ApiKey::ConsumerGroupHeartbeat;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        if let Some(error) = refuse(&ctx, &request) {
            return ConsumerGroupHeartbeatResponse::default().with_error_code(error.code());
        }
        if let Err((error, text)) = check(ctx.api_version, &request, &ctx.node.config.group_consumer_assignors()) {
            return ConsumerGroupHeartbeatResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(text)));
        }
        // Only a member that joins without an id of its own needs one.
        let fresh_id = if request.member_id.is_empty() { Uuid::new_v4() } else { Uuid::nil() };
        let host = ctx.client_host();
        let caller = ctx.caller(&host, fresh_id);
        let beat = ctx
            .node
            .groups
            .run(&ctx.node, &request.group_id, |shard, now, ticket| shard.consumer_group_heartbeat(now, ticket, &caller, &request))
            .await;
        match beat {
            Ok(GroupReply::ConsumerGroupHeartbeat(response)) => response,
            other => ConsumerGroupHeartbeatResponse::default().with_error_code(no_answer(other).code()),
        }
    }
}

fn refuse(ctx: &RequestContext, request: &ConsumerGroupHeartbeatRequest) -> Option<ResponseError> {
    if !ctx.node.consumer_protocol_enabled() {
        return Some(ResponseError::UnsupportedVersion);
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Some(ResponseError::GroupAuthorizationFailed);
    }
    let mut topics = request.subscribed_topic_names.iter().flatten();
    let all_visible = topics.all(|topic| ctx.allows(Operation::Describe, Resource::Topic(topic)));
    (!all_visible).then_some(ResponseError::TopicAuthorizationFailed)
}

/// Kafka's checks in Kafka's order, with its texts.
fn check(version: i16, request: &ConsumerGroupHeartbeatRequest, assignors: &[String]) -> Result<(), (ResponseError, String)> {
    let invalid = |text: &str| Err((ResponseError::InvalidRequest, text.to_owned()));
    let blank = |text: &StrBytes| is_blank(text);
    let epoch = request.member_epoch;
    if (version >= 1 || epoch > 0 || epoch == LEAVE) && is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.instance_id.as_ref().is_some_and(blank) {
        return invalid("InstanceId can't be empty.");
    }
    if request.rack_id.as_ref().is_some_and(blank) {
        return invalid("RackId can't be empty.");
    }
    match epoch {
        JOIN if request.rebalance_timeout_ms == -1 => return invalid("RebalanceTimeoutMs must be provided in first request."),
        JOIN if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        JOIN if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
        }
        LEAVE_STATIC if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        ..LEAVE_STATIC => return invalid("MemberEpoch is invalid."),
        _ => {}
    }
    match &request.server_assignor {
        Some(name) if !assignors.iter().any(|known| **known == **name) => {
            let text = format!("ServerAssignor {name} is not supported. Supported assignors: {}.", assignors.join(", "));
            Err((ResponseError::UnsupportedAssignor, text))
        }
        _ => Ok(()),
    }
}

/// Java's `trim().isEmpty()`: everything up to the space counts as white space.
fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter <= ' ')
}
