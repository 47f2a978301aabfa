//! LeaveGroup (key 13), v0-5.
//!
//! v3 several members, static ones by instance id, an error for each (KIP-345) · v4 flexible · v5 reason (KIP-800).
//! Below v3 the one member's error stands at the top.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{ApiKey, LeaveGroupRequest, LeaveGroupResponse};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum LeaveGroup {}

impl Api for LeaveGroup {
    type Request = LeaveGroupRequest;
    type Response = LeaveGroupResponse;
    const KEY: ApiKey = ApiKey::LeaveGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, mut request: LeaveGroupRequest) -> LeaveGroupResponse {
        if ctx.api_version < 3 {
            request.members = vec![MemberIdentity::default().with_member_id(request.member_id.clone())];
        }
        let answer = leave(&ctx, request).await;
        if ctx.api_version < 3 { flat(answer) } else { answer }
    }
}

async fn leave(ctx: &RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let refused = |error: ResponseError| LeaveGroupResponse::default().with_error_code(error.code());
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(ResponseError::GroupAuthorizationFailed);
    }
    if request.group_id.is_empty() {
        return refused(ResponseError::InvalidGroupId);
    }
    let host = ctx.client_host();
    let caller = ctx.caller(&host, Uuid::nil());
    let left =
        ctx.node.groups.run(&ctx.node, &request.group_id, |shard, now, ticket| shard.leave_group(now, ticket, &caller, &request)).await;
    match left {
        Ok(GroupReply::LeaveGroup(response)) if response.error_code == ResponseError::UnknownMemberId.code() => nobody(&request),
        Ok(GroupReply::LeaveGroup(response)) => response,
        other => refused(no_answer(other)),
    }
}

/// There is no such group: none of its members is known.
fn nobody(request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let row = |member: &MemberIdentity| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(ResponseError::UnknownMemberId.code())
    };
    LeaveGroupResponse::default().with_members(request.members.iter().map(row).collect())
}

/// The answer below v3.
fn flat(answer: LeaveGroupResponse) -> LeaveGroupResponse {
    let of_member = answer.members.first().map_or(0, |member| member.error_code);
    let error_code = if answer.error_code == 0 { of_member } else { answer.error_code };
    LeaveGroupResponse::default().with_error_code(error_code)
}
