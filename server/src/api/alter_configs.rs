//! AlterConfigs (key 33), v0-2.
//!
//! The keys that are not named return to their defaults; IncrementalAlterConfigs came to replace it (KIP-339) · v2 flexible.
//! Not done: alter.config.policy.class.name.

use super::config_changes::{Asked, AskedConfig, alter, on_wire};
use super::{Api, RequestContext};
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse, ApiKey};
use ottla_coordinator::metadata::ConfigScope;
use std::ops::RangeInclusive;

pub(crate) enum AlterConfigs {}

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;
    type Response = AlterConfigsResponse;
    const KEY: ApiKey = ApiKey::AlterConfigs;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: AlterConfigsRequest) -> AlterConfigsResponse {
        let asked: Vec<Asked> = request.resources.into_iter().map(asked).collect();
        let outcomes = alter(&ctx, &asked, ConfigScope::AllKeys, request.validate_only).await;
        let rows = asked.into_iter().zip(outcomes).map(|(asked, outcome)| {
            let (code, message) = on_wire(outcome);
            AlterConfigsResourceResponse::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name)
                .with_error_code(code)
                .with_error_message(message)
        });
        AlterConfigsResponse::default().with_responses(rows.collect())
    }
}

fn asked(resource: AlterConfigsResource) -> Asked {
    let configs = resource.configs.into_iter().map(|config| AskedConfig::set(config.name, config.value));
    Asked { resource_type: resource.resource_type, resource_name: resource.resource_name, configs: configs.collect() }
}
