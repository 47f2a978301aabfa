//! AlterPartitionReassignments (key 45), v0-1.
//!
//! v1 the replication factor may be kept from changing (KIP-860). A move to the replicas there are is done at once; one to a broker that
//! is not registered is INVALID_REPLICA_ASSIGNMENT; there is nothing to cancel.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiKey};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::ApiError;
use std::ops::RangeInclusive;

pub(crate) enum AlterPartitionReassignments {}

impl Api for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;
    type Response = AlterPartitionReassignmentsResponse;
    const KEY: ApiKey = ApiKey::AlterPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: AlterPartitionReassignmentsRequest) -> AlterPartitionReassignmentsResponse {
        let outcome = if ctx.allows(Operation::Alter, Resource::Cluster) {
            ctx.node.controller.alter_partition_reassignments(&ctx.node, request).await
        } else {
            Err(ApiError { error: ResponseError::ClusterAuthorizationFailed, message: None })
        };
        outcome.unwrap_or_else(|ApiError { error, message }| {
            AlterPartitionReassignmentsResponse::default()
                .with_error_code(error.code())
                .with_error_message(message.map(StrBytes::from_string))
        })
    }
}
