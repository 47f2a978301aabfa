//! CreateDelegationToken (key 38), v1-3.
//!
//! v2 flexible · v3 an owner other than the requester (KIP-373). Nobody is authenticated yet, and such clients may not ask for tokens:
//! DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as Kafka answers on a PLAINTEXT listener. Not done: tokens.

use super::{Api, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, CreateDelegationTokenRequest, CreateDelegationTokenResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

pub(crate) enum CreateDelegationToken {}

impl Api for CreateDelegationToken {
    type Request = CreateDelegationTokenRequest;
    type Response = CreateDelegationTokenResponse;
    const KEY: ApiKey = ApiKey::CreateDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(ctx: RequestContext, request: CreateDelegationTokenRequest) -> CreateDelegationTokenResponse {
        let word = |word: &str| StrBytes::from_string(word.to_owned());
        let requester = (word(&ctx.connection.principal.kind), word(&ctx.connection.principal.name));
        let owner = match request.owner_principal_name.filter(|name| !name.is_empty()) {
            Some(name) => (request.owner_principal_type.unwrap_or_default(), name),
            None => requester.clone(),
        };
        let answer = CreateDelegationTokenResponse::default()
            .with_error_code(ResponseError::DelegationTokenRequestNotAllowed.code())
            .with_principal_type(owner.0)
            .with_principal_name(owner.1)
            .with_issue_timestamp_ms(-1)
            .with_expiry_timestamp_ms(-1)
            .with_max_timestamp_ms(-1);
        if ctx.api_version < 3 {
            return answer;
        }
        answer.with_token_requester_principal_type(requester.0).with_token_requester_principal_name(requester.1)
    }
}
