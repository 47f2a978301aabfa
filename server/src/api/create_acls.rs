//! CreateAcls (key 30), v1-3.
//!
//! v2 flexible · v3 user principals. There is no authorizer yet: one SECURITY_DISABLED for each ACL, as Apache Kafka gives it then.
//! Not done: ACLs.

use super::describe_acls::unknown;
use super::{RawApi, RequestContext, close};
use crate::net::Outcome;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::{ApiKey, CreateAclsRequest, CreateAclsResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

/// Kafka's text for a change of ACLs without an authorizer.
pub(super) const NO_AUTHORIZER: StrBytes = StrBytes::from_static_str("No Authorizer is configured.");

pub(crate) enum CreateAcls {}

impl RawApi for CreateAcls {
    type Request = CreateAclsRequest;
    const KEY: ApiKey = ApiKey::CreateAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(ctx: RequestContext, request: CreateAclsRequest) -> Outcome {
        let codes = request.creations.iter().map(|acl| [acl.resource_type, acl.resource_pattern_type, acl.operation, acl.permission_type]);
        if codes.into_iter().any(unknown) {
            return close("CreateAcls asks for what it does not know itself".to_owned());
        }
        let refused =
            AclCreationResult::default().with_error_code(ResponseError::SecurityDisabled.code()).with_error_message(Some(NO_AUTHORIZER));
        ctx.respond(&CreateAclsResponse::default().with_results(vec![refused; request.creations.len()]))
    }
}
