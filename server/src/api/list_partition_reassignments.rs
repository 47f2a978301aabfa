//! ListPartitionReassignments (key 46), v0.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use ottla_coordinator::metadata::list_partition_reassignments;
use std::ops::RangeInclusive;

pub(crate) enum ListPartitionReassignments {}

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;
    type Response = ListPartitionReassignmentsResponse;
    const KEY: ApiKey = ApiKey::ListPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
        if !ctx.allows(Operation::Describe, Resource::Cluster) {
            let error = ResponseError::ClusterAuthorizationFailed;
            return ListPartitionReassignmentsResponse::default().with_error_code(error.code());
        }
        list_partition_reassignments(&ctx.node.image(), &request)
    }
}
