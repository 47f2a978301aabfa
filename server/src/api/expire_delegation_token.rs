//! ExpireDelegationToken (key 40), v1-2.
//!
//! v2 flexible. There are no tokens, see CreateDelegationToken.

use super::{Api, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
use std::ops::RangeInclusive;

pub(crate) enum ExpireDelegationToken {}

impl Api for ExpireDelegationToken {
    type Request = ExpireDelegationTokenRequest;
    type Response = ExpireDelegationTokenResponse;
    const KEY: ApiKey = ApiKey::ExpireDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(_: RequestContext, _: ExpireDelegationTokenRequest) -> ExpireDelegationTokenResponse {
        let error = ResponseError::DelegationTokenRequestNotAllowed;
        ExpireDelegationTokenResponse::default().with_error_code(error.code()).with_expiry_timestamp_ms(-1)
    }
}
