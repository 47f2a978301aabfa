//! JoinGroup (key 11), v0-9.
//!
//! v1 rebalance timeout · v4 MEMBER_ID_REQUIRED (KIP-394) · v5 static members (KIP-345) · v6 flexible · v7 protocol type in the answer,
//! protocol name may be null · v8 reason (KIP-800) · v9 skip assignment (KIP-814).
//! The answer waits for the rebalance. The rules are in the coordinator; here only what needs no group.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, JoinGroupRequest, JoinGroupResponse};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum JoinGroup {}

impl Api for JoinGroup {
    type Request = JoinGroupRequest;
    type Response = JoinGroupResponse;
    const KEY: ApiKey = ApiKey::JoinGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=9;

    async fn handle(ctx: RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
        let answer = match refuse(&ctx, &request) {
            // Who may not read the group hears nothing of itself.
            Some(ResponseError::GroupAuthorizationFailed) => refused(ResponseError::GroupAuthorizationFailed),
            Some(error) => refused(error).with_member_id(request.member_id),
            None => join(&ctx, request).await,
        };
        fit(ctx.api_version, answer)
    }
}

fn refuse(ctx: &RequestContext, request: &JoinGroupRequest) -> Option<ResponseError> {
    let config = &ctx.node.config;
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Some(ResponseError::GroupAuthorizationFailed);
    }
    if request.group_id.is_empty() {
        return Some(ResponseError::InvalidGroupId);
    }
    let allowed = config.group_min_session_timeout_ms()..=config.group_max_session_timeout_ms();
    (!allowed.contains(&request.session_timeout_ms)).then_some(ResponseError::InvalidSessionTimeout)
}

async fn join(ctx: &RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
    let (group_id, host, fresh_id) = (request.group_id.clone(), ctx.client_host(), Uuid::new_v4());
    // The request goes into the closure: while the member waits, nothing of it is held.
    let joined = ctx
        .node
        .groups
        .run(&ctx.node, &group_id, move |shard, now, ticket| shard.join_group(now, ticket, &ctx.caller(&host, fresh_id), &request))
        .await;
    match joined {
        Ok(GroupReply::JoinGroup(response)) => response,
        other => refused(no_answer(other)),
    }
}

fn refused(error: ResponseError) -> JoinGroupResponse {
    JoinGroupResponse::default().with_error_code(error.code()).with_generation_id(-1)
}

/// "No protocol" is null since v7, empty before.
fn fit(version: i16, mut answer: JoinGroupResponse) -> JoinGroupResponse {
    if version < 7 {
        answer.protocol_name.get_or_insert_default();
    } else if answer.protocol_name.as_ref().is_some_and(|name| name.is_empty()) {
        answer.protocol_name = None;
    }
    answer
}
