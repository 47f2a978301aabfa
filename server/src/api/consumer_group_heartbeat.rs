//! ConsumerGroupHeartbeat (key 68), v0-1.
//!
//! KIP-848 · v1 subscription by regular expression, member ids made by clients (KIP-1082).
//! What is wrong with a request by itself is answered before its group is looked for.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::group::{GroupReply, check_consumer_group_heartbeat};
use std::ops::RangeInclusive;
use uuid::Uuid;

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
        // Kafka does not ask where the group is before it has looked at the request.
        if let Err(refusal) = check_consumer_group_heartbeat(ctx.api_version, &request, &ctx.node.config.group_consumer_assignors()) {
            return ConsumerGroupHeartbeatResponse::default()
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.message.map(StrBytes::from_string));
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
