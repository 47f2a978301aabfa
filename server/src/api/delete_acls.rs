//! DeleteAcls (key 31), v1-3.
//!
//! v2 flexible · v3 user principals. There is no authorizer yet: one SECURITY_DISABLED for each filter, as Apache Kafka gives it then.
//! Not done: ACLs.

use super::create_acls::NO_AUTHORIZER;
use super::describe_acls::unknown;
use super::{RawApi, RequestContext, close};
use crate::net::Outcome;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{ApiKey, DeleteAclsRequest, DeleteAclsResponse};
use std::ops::RangeInclusive;

pub(crate) enum DeleteAcls {}

impl RawApi for DeleteAcls {
    type Request = DeleteAclsRequest;
    const KEY: ApiKey = ApiKey::DeleteAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(ctx: RequestContext, request: DeleteAclsRequest) -> Outcome {
        let codes =
            request.filters.iter().map(|acl| [acl.resource_type_filter, acl.pattern_type_filter, acl.operation, acl.permission_type]);
        if codes.into_iter().any(unknown) {
            return close("DeleteAcls asks for what it does not know itself".to_owned());
        }
        let refused = DeleteAclsFilterResult::default()
            .with_error_code(ResponseError::SecurityDisabled.code())
            .with_error_message(Some(NO_AUTHORIZER));
        ctx.respond(&DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()]))
    }
}
