//! GetTelemetrySubscriptions (key 71), v0.
//!
//! KIP-714: which metrics a client is asked to push, how often, how much. Served and not advertised, as by Kafka without a receiver.

use super::{Api, RequestContext};
use kafka_protocol::messages::{ApiKey, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;
use uuid::Uuid;

/// zstd, lz4, gzip, snappy: what Kafka prefers first.
const ACCEPTED_COMPRESSION: [i8; 4] = [4, 3, 1, 2];

pub(crate) enum GetTelemetrySubscriptions {}

impl Api for GetTelemetrySubscriptions {
    type Request = GetTelemetrySubscriptionsRequest;
    type Response = GetTelemetrySubscriptionsResponse;
    const KEY: ApiKey = ApiKey::GetTelemetrySubscriptions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: GetTelemetrySubscriptionsRequest) -> GetTelemetrySubscriptionsResponse {
        let id = if request.client_instance_id.is_nil() { Uuid::new_v4() } else { request.client_instance_id };
        match ctx.node.telemetry.get(&ctx, id) {
            Ok(subscription) => GetTelemetrySubscriptionsResponse::default()
                .with_client_instance_id(id)
                .with_subscription_id(subscription.id)
                .with_accepted_compression_types(ACCEPTED_COMPRESSION.to_vec())
                .with_push_interval_ms(subscription.push_interval_ms)
                .with_telemetry_max_bytes(ctx.node.config.telemetry_max_bytes())
                .with_delta_temporality(true)
                .with_requested_metrics(subscription.metrics.into_iter().map(StrBytes::from_string).collect()),
            Err(error) => GetTelemetrySubscriptionsResponse::default().with_error_code(error.code()),
        }
    }
}
