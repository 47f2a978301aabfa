//! SaslAuthenticate (key 36), v0-2.
//!
//! v1 session lifetime (KIP-368) · v2 flexible. See SaslHandshake.

use super::{Api, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

pub(crate) enum SaslAuthenticate {}

impl Api for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;
    type Response = SaslAuthenticateResponse;
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(_: RequestContext, _: SaslAuthenticateRequest) -> SaslAuthenticateResponse {
        let message = "SaslAuthenticate request received after successful authentication";
        SaslAuthenticateResponse::default()
            .with_error_code(ResponseError::IllegalSaslState.code())
            .with_error_message(Some(StrBytes::from_static_str(message)))
    }
}
