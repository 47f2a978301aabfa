//! SaslHandshake (key 17), v0-1.
//!
//! Listeners have no authentication yet, so it comes where none was asked for: ILLEGAL_SASL_STATE, as Kafka answers on a PLAINTEXT
//! listener. Not done: SASL.

use super::{Api, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, SaslHandshakeRequest, SaslHandshakeResponse};
use std::ops::RangeInclusive;

pub(crate) enum SaslHandshake {}

impl Api for SaslHandshake {
    type Request = SaslHandshakeRequest;
    type Response = SaslHandshakeResponse;
    const KEY: ApiKey = ApiKey::SaslHandshake;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(_: RequestContext, _: SaslHandshakeRequest) -> SaslHandshakeResponse {
        SaslHandshakeResponse::default().with_error_code(ResponseError::IllegalSaslState.code())
    }
}
