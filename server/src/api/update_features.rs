//! UpdateFeatures (key 57), v0-2.
//!
//! v1 upgrade types, validate_only (KIP-778) · v2 one error for all and no rows. A level takes effect with the answer: the next
//! transaction goes by a new transaction.version, group.version 0 ends the consumer protocol.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::ApiError;
use std::ops::RangeInclusive;

pub(crate) enum UpdateFeatures {}

impl Api for UpdateFeatures {
    type Request = UpdateFeaturesRequest;
    type Response = UpdateFeaturesResponse;
    const KEY: ApiKey = ApiKey::UpdateFeatures;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
        let outcome = if ctx.allows(Operation::Alter, Resource::Cluster) {
            ctx.node.controller.update_features(&ctx.node, ctx.api_version, request).await
        } else {
            Err(ApiError { error: ResponseError::ClusterAuthorizationFailed, message: None })
        };
        outcome.unwrap_or_else(|ApiError { error, message }| {
            UpdateFeaturesResponse::default().with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string))
        })
    }
}
