//! SyncGroup (key 14), v0-5.
//!
//! v3 static members (KIP-345) · v4 flexible · v5 protocol type and name, which must be there (KIP-559).
//! The answer waits for the leader's assignment.

use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, SyncGroupRequest, SyncGroupResponse};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;

pub(crate) enum SyncGroup {}

impl Api for SyncGroup {
    type Request = SyncGroupRequest;
    type Response = SyncGroupResponse;
    const KEY: ApiKey = ApiKey::SyncGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(ctx: RequestContext, request: SyncGroupRequest) -> SyncGroupResponse {
        if let Some(error) = refuse(&ctx, &request) {
            return SyncGroupResponse::default().with_error_code(error.code());
        }
        let group_id = request.group_id.clone();
        // The request goes into the closure: while the member waits, nothing of it is held.
        let synced = ctx.node.groups.run(&ctx.node, &group_id, move |shard, now, ticket| shard.sync_group(now, ticket, &request)).await;
        match synced {
            Ok(GroupReply::SyncGroup(response)) => response,
            other => SyncGroupResponse::default().with_error_code(no_answer(other).code()),
        }
    }
}

fn refuse(ctx: &RequestContext, request: &SyncGroupRequest) -> Option<ResponseError> {
    if ctx.api_version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return Some(ResponseError::InconsistentGroupProtocol);
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return Some(ResponseError::GroupAuthorizationFailed);
    }
    request.group_id.is_empty().then_some(ResponseError::InvalidGroupId)
}
