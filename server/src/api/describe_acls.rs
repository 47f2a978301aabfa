//! DescribeAcls (key 29), v1-3.
//!
//! v2 flexible · v3 user principals. There is no authorizer yet, so the answer is SECURITY_DISABLED, as Apache Kafka gives it then;
//! MirrorMaker takes it for "nothing to copy". Not done: ACLs.

use super::{RawApi, RequestContext, close};
use crate::net::Outcome;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, DescribeAclsRequest, DescribeAclsResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

pub(crate) enum DescribeAcls {}

impl RawApi for DescribeAcls {
    type Request = DescribeAclsRequest;
    const KEY: ApiKey = ApiKey::DescribeAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(ctx: RequestContext, request: DescribeAclsRequest) -> Outcome {
        if unknown([request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type]) {
            return close("DescribeAcls asks for what it does not know itself".to_owned());
        }
        let message = StrBytes::from_static_str("No Authorizer is configured on the broker");
        let error = ResponseError::SecurityDisabled.code();
        ctx.respond(&DescribeAclsResponse::default().with_error_code(error).with_error_message(Some(message)))
    }
}

/// Whether one of these enumerations is 0, "unknown": Kafka takes such a request for one that cannot be decoded.
pub(super) fn unknown(codes: [i8; 4]) -> bool {
    codes.contains(&0)
}
