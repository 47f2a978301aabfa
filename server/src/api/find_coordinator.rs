//! FindCoordinator (key 10), v0-6.
//!
//! v1 key type, error message · v3 flexible · v4 several keys (KIP-699) · v5 TRANSACTION_ABORTABLE (KIP-890) · v6 share groups (KIP-932).
//! The first look for a group's coordinator creates `__consumer_offsets`, that for a transactional id's `__transaction_state`. The address
//! is that of the listener the client came in on.
//! Not done: share coordinator: COORDINATOR_NOT_AVAILABLE.

use super::{Api, MALFORMED, RequestContext};
use crate::auth::{Operation, Resource};
use crate::broker::AdvertisedEndpoint;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{ApiKey, BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) enum FindCoordinator {}

impl Api for FindCoordinator {
    type Request = FindCoordinatorRequest;
    type Response = FindCoordinatorResponse;
    const KEY: ApiKey = ApiKey::FindCoordinator;
    const VERSIONS: RangeInclusive<i16> = 0..=6;

    async fn handle(ctx: RequestContext, mut request: FindCoordinatorRequest) -> FindCoordinatorResponse {
        if ctx.api_version < 4 {
            request.coordinator_keys = vec![std::mem::take(&mut request.key)];
        }
        let refused = refuse(&ctx, request.key_type);
        let mut rows = Vec::with_capacity(request.coordinator_keys.len());
        if refused.is_none() {
            create_topic(&ctx, &request).await;
        }
        for key in request.coordinator_keys {
            let found = refused.map_or_else(|| find(&ctx, request.key_type, &key), Err);
            if ctx.api_version < 4 {
                return one(found);
            }
            let mut row = row(found).with_key(key);
            if let Some(error) = refused {
                // Only what concerns the whole request has a text here.
                row.error_message = Some(StrBytes::from_static_str(text_of(error)));
            }
            rows.push(row);
        }
        FindCoordinatorResponse::default().with_coordinators(rows)
    }
}

/// The first look for a coordinator. Kafka lets the client ask again; here the topic is there when the answer leaves. Why it cannot be
/// created is logged, and shows as COORDINATOR_NOT_AVAILABLE.
async fn create_topic(ctx: &RequestContext, request: &FindCoordinatorRequest) {
    let keys = &request.coordinator_keys;
    match request.key_type {
        GROUP if keys.iter().any(|key| ctx.allows(Operation::Describe, Resource::Group(key))) => {
            let _ = ctx.node.groups.ensure_topic(&ctx.node).await;
        }
        TRANSACTION if keys.iter().any(|key| ctx.allows(Operation::Describe, Resource::TransactionalId(key))) => {
            let _ = ctx.node.txns.ensure_topic(&ctx.node).await;
        }
        _ => {}
    }
}

/// What is wrong with the request as a whole.
fn refuse(ctx: &RequestContext, key_type: i8) -> Option<ResponseError> {
    match key_type {
        GROUP | TRANSACTION => None,
        SHARE if ctx.api_version < 6 || ctx.allows(Operation::ClusterAction, Resource::Cluster) => None,
        SHARE => Some(ResponseError::ClusterAuthorizationFailed),
        _ => Some(ResponseError::InvalidRequest),
    }
}

fn find(ctx: &RequestContext, key_type: i8, key: &str) -> Result<AdvertisedEndpoint, ResponseError> {
    match key_type {
        GROUP => {
            if !ctx.allows(Operation::Describe, Resource::Group(key)) {
                return Err(ResponseError::GroupAuthorizationFailed);
            }
            endpoint(ctx, ctx.node.groups.coordinator_of(&ctx.node, key))
        }
        TRANSACTION => {
            if !ctx.allows(Operation::Describe, Resource::TransactionalId(key)) {
                return Err(ResponseError::TransactionalIdAuthorizationFailed);
            }
            endpoint(ctx, ctx.node.txns.coordinator_of(&ctx.node, key))
        }
        SHARE if ctx.api_version < 6 || !is_share_partition(key) => Err(ResponseError::InvalidRequest),
        _ => Err(ResponseError::CoordinatorNotAvailable),
    }
}

fn endpoint(ctx: &RequestContext, coordinator: Option<i32>) -> Result<AdvertisedEndpoint, ResponseError> {
    coordinator.and_then(|id| ctx.node.endpoint_of(id, &ctx.connection)).ok_or(ResponseError::CoordinatorNotAvailable)
}

/// `group:topic id:partition`; the group id may hold colons itself.
fn is_share_partition(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let (partition, topic_id, group) = (parts.next(), parts.next(), parts.next());
    partition.is_some_and(|text| text.parse::<i32>().is_ok())
        && topic_id.is_some_and(is_topic_id)
        && group.is_some_and(|group| !group.trim().is_empty())
}

/// Kafka's text form of a topic id: 16 bytes in URL-safe base64 without padding.
fn is_topic_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The answer below v4. Success has a text too.
fn one(found: Result<AdvertisedEndpoint, ResponseError>) -> FindCoordinatorResponse {
    let text = found.as_ref().err().map_or("NONE", |error| text_of(*error));
    let row = row(found);
    FindCoordinatorResponse::default()
        .with_error_code(row.error_code)
        .with_error_message(Some(StrBytes::from_static_str(text)))
        .with_node_id(row.node_id)
        .with_host(row.host)
        .with_port(row.port)
}

fn row(found: Result<AdvertisedEndpoint, ResponseError>) -> Coordinator {
    match found {
        Ok(endpoint) => Coordinator::default()
            .with_node_id(BrokerId(endpoint.node_id))
            .with_host(StrBytes::from_string(endpoint.host))
            .with_port(endpoint.port),
        Err(error) => Coordinator::default().with_error_code(error.code()).with_node_id(BrokerId(-1)).with_port(-1),
    }
}

fn text_of(error: ResponseError) -> &'static str {
    match error {
        ResponseError::CoordinatorNotAvailable => "The coordinator is not available.",
        ResponseError::GroupAuthorizationFailed => "Group authorization failed.",
        ResponseError::TransactionalIdAuthorizationFailed => "Transactional Id authorization failed.",
        ResponseError::ClusterAuthorizationFailed => "Cluster authorization failed.",
        ResponseError::InvalidRequest => MALFORMED,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_partition_key_has_group_topic_id_and_partition() {
        for good in ["g:AAAAAAAAAAAAAAAAAAAAAQ:0", "a:b:AAAAAAAAAAAAAAAAAAAAAQ:12"] {
            assert!(is_share_partition(good), "{good}");
        }
        for bad in ["", "g", "g:AAAAAAAAAAAAAAAAAAAAAQ", ":AAAAAAAAAAAAAAAAAAAAAQ:0", "g:AAAAAAAAAAAAAAAAAAAAAQ:x", "g:short:0"] {
            assert!(!is_share_partition(bad), "{bad}");
        }
    }
}
