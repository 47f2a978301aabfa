//! PushTelemetry (key 72), v0.
//!
//! KIP-714: a client's own metrics. They are checked and dropped; served and not advertised, as by Kafka without a receiver.

use super::{Api, RequestContext};
use crate::telemetry::Push;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, PushTelemetryRequest, PushTelemetryResponse};
use ottla_storage::batch::compression::{Compression, decompress};
use std::ops::RangeInclusive;

/// Ids up to this one mean something else in Kafka.
const RESERVED_ID_MAX: u128 = 1;

pub(crate) enum PushTelemetry {}

impl Api for PushTelemetry {
    type Request = PushTelemetryRequest;
    type Response = PushTelemetryResponse;
    const KEY: ApiKey = ApiKey::PushTelemetry;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: PushTelemetryRequest) -> PushTelemetryResponse {
        let answer = PushTelemetryResponse::default();
        if request.client_instance_id.as_u128() <= RESERVED_ID_MAX {
            return answer.with_error_code(ResponseError::InvalidRequest.code());
        }
        let push = Push {
            subscription_id: request.subscription_id,
            terminating: request.terminating,
            compression_type: request.compression_type,
            size_bytes: request.metrics.len(),
        };
        let max_bytes = usize::try_from(ctx.node.config.telemetry_max_bytes()).unwrap_or(0);
        let checked = ctx.node.telemetry.push(&ctx, request.client_instance_id, &push, max_bytes);
        match checked.and_then(|()| open(&request, max_bytes)) {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code()),
        }
    }
}

/// Kafka decompresses what nobody will read, and so tells a client whose metrics cannot be opened. What is in them it does not look at.
fn open(request: &PushTelemetryRequest, max_bytes: usize) -> Result<(), ResponseError> {
    let code = u8::try_from(request.compression_type).unwrap_or(u8::MAX);
    let compression = Compression::from_code(code).filter(|compression| *compression != Compression::None);
    match compression.filter(|_| !request.metrics.is_empty()) {
        Some(compression) => decompress(compression, &request.metrics, max_bytes).map(drop).map_err(|_| ResponseError::InvalidRecord),
        None => Ok(()),
    }
}
