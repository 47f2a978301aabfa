//! DescribeDelegationToken (key 41), v1-3.
//!
//! v2 flexible · v3 the requester of a token (KIP-373). There are no tokens, see CreateDelegationToken.

use super::{Api, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};
use std::ops::RangeInclusive;

pub(crate) enum DescribeDelegationToken {}

impl Api for DescribeDelegationToken {
    type Request = DescribeDelegationTokenRequest;
    type Response = DescribeDelegationTokenResponse;
    const KEY: ApiKey = ApiKey::DescribeDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=3;

    async fn handle(_: RequestContext, _: DescribeDelegationTokenRequest) -> DescribeDelegationTokenResponse {
        DescribeDelegationTokenResponse::default().with_error_code(ResponseError::DelegationTokenRequestNotAllowed.code())
    }
}
