//! RenewDelegationToken (key 39), v1-2.
//!
//! v2 flexible. There are no tokens, see CreateDelegationToken.

use super::{Api, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, RenewDelegationTokenRequest, RenewDelegationTokenResponse};
use std::ops::RangeInclusive;

pub(crate) enum RenewDelegationToken {}

impl Api for RenewDelegationToken {
    type Request = RenewDelegationTokenRequest;
    type Response = RenewDelegationTokenResponse;
    const KEY: ApiKey = ApiKey::RenewDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=2;

    async fn handle(_: RequestContext, _: RenewDelegationTokenRequest) -> RenewDelegationTokenResponse {
        let error = ResponseError::DelegationTokenRequestNotAllowed;
        RenewDelegationTokenResponse::default().with_error_code(error.code()).with_expiry_timestamp_ms(-1)
    }
}
