//! DescribeClientQuotas (key 48), v0-1.
//!
//! v1 flexible. Answered from the image (KIP-546).

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use ottla_coordinator::metadata::client_quotas::describe_client_quotas;
use std::ops::RangeInclusive;

pub(crate) enum DescribeClientQuotas {}

impl Api for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;
    type Response = DescribeClientQuotasResponse;
    const KEY: ApiKey = ApiKey::DescribeClientQuotas;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
        if !ctx.allows(Operation::DescribeConfigs, Resource::Cluster) {
            return DescribeClientQuotasResponse::default()
                .with_error_code(ResponseError::ClusterAuthorizationFailed.code())
                .with_error_message(None)
                .with_entries(None);
        }
        describe_client_quotas(&ctx.node.image(), &request)
    }
}
