//! Heartbeat (key 12), v0-4.
//!
//! v3 static members (KIP-345) · v4 flexible. While the group's shard loads the answer is "fine", as Kafka's: nothing is known yet that
//! speaks against the member.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, HeartbeatRequest, HeartbeatResponse};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;

pub(crate) enum Heartbeat {}

impl Api for Heartbeat {
    type Request = HeartbeatRequest;
    type Response = HeartbeatResponse;
    const KEY: ApiKey = ApiKey::Heartbeat;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle(ctx: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse {
        let refused = |error: ResponseError| HeartbeatResponse::default().with_error_code(error.code());
        if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
            return refused(ResponseError::GroupAuthorizationFailed);
        }
        if request.group_id.is_empty() {
            return refused(ResponseError::InvalidGroupId);
        }
        let group_id = request.group_id.clone();
        let beat = ctx.node.groups.run(&ctx.node, &group_id, move |shard, now, ticket| shard.heartbeat(now, ticket, &request)).await;
        match beat {
            Ok(GroupReply::Heartbeat(response)) => response,
            Err(ResponseError::CoordinatorLoadInProgress) => HeartbeatResponse::default(),
            other => refused(no_answer(other)),
        }
    }
}
