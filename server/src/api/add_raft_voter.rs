//! AddRaftVoter (key 80), v0.
//!
//! The voter set is static, this node alone: UNSUPPORTED_VERSION, as Kafka answers at kraft.version 0. Not done: a quorum (KIP-853).

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AddRaftVoterRequest, AddRaftVoterResponse, ApiKey};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum AddRaftVoter {}

impl Api for AddRaftVoter {
    type Request = AddRaftVoterRequest;
    type Response = AddRaftVoterResponse;
    const KEY: ApiKey = ApiKey::AddRaftVoter;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: AddRaftVoterRequest) -> AddRaftVoterResponse {
        let asked = Asked { cluster_id: request.cluster_id, voter_id: request.voter_id, directory_id: request.voter_directory_id };
        let (error, message) = refusal(&ctx, &asked, ["Add", "adding"]);
        AddRaftVoterResponse::default().with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string))
    }
}

/// Who is to come or go, and in which cluster.
pub(super) struct Asked {
    pub(super) cluster_id: Option<StrBytes>,
    pub(super) voter_id: i32,
    pub(super) directory_id: Uuid,
}

/// Why not; the first reason in Kafka's order. `verbs` are for the texts.
pub(super) fn refusal(ctx: &RequestContext, asked: &Asked, verbs: [&str; 2]) -> (ResponseError, Option<String>) {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        return (ResponseError::ClusterAuthorizationFailed, None);
    }
    let own = &ctx.node.cluster_id;
    if let Some(other) = asked.cluster_id.as_deref().filter(|id| *id != own.as_str()) {
        let text = format!("The given id \"{other}\" doesn't match the cluster id \"{own}\"");
        return (ResponseError::InconsistentClusterId, Some(text));
    }
    if asked.voter_id < 0 || asked.directory_id.is_nil() {
        return (ResponseError::InvalidRequest, Some(format!("{} voter request didn't include a valid voter", verbs[0])));
    }
    let text = format!("Cluster doesn't support {} voter because the kraft.version feature is 0", verbs[1]);
    (ResponseError::UnsupportedVersion, Some(text))
}
