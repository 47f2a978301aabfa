//! DescribeUserScramCredentials (key 50), v0.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use ottla_coordinator::metadata::describe_user_scram_credentials;
use std::ops::RangeInclusive;

pub(crate) enum DescribeUserScramCredentials {}

impl Api for DescribeUserScramCredentials {
    type Request = DescribeUserScramCredentialsRequest;
    type Response = DescribeUserScramCredentialsResponse;
    const KEY: ApiKey = ApiKey::DescribeUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: DescribeUserScramCredentialsRequest) -> DescribeUserScramCredentialsResponse {
        if !ctx.allows(Operation::Describe, Resource::Cluster) {
            let error = ResponseError::ClusterAuthorizationFailed;
            return DescribeUserScramCredentialsResponse::default().with_error_code(error.code());
        }
        describe_user_scram_credentials(&ctx.node.image(), &request)
    }
}
