//! UnregisterBroker (key 64), v0.
//!
//! Whoever unregisters the node itself has partitions without leaders until it starts again, as in Kafka.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, UnregisterBrokerRequest, UnregisterBrokerResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::ApiError;
use std::ops::RangeInclusive;

pub(crate) enum UnregisterBroker {}

impl Api for UnregisterBroker {
    type Request = UnregisterBrokerRequest;
    type Response = UnregisterBrokerResponse;
    const KEY: ApiKey = ApiKey::UnregisterBroker;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
        let outcome = if ctx.allows(Operation::Alter, Resource::Cluster) {
            ctx.node.controller.unregister_broker(&ctx.node, request.broker_id.0).await
        } else {
            Err(ApiError { error: ResponseError::ClusterAuthorizationFailed, message: None })
        };
        match outcome {
            Ok(()) => UnregisterBrokerResponse::default().with_error_message(None),
            Err(ApiError { error, message }) => {
                UnregisterBrokerResponse::default().with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string))
            }
        }
    }
}
