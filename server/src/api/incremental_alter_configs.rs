//! IncrementalAlterConfigs (key 44), v0-1.
//!
//! KIP-339: set, delete, append and subtract single keys · v1 flexible.
//! Not done: alter.config.policy.class.name.

use super::config_changes::{Asked, AskedConfig, alter, on_wire};
use super::{Api, RequestContext};
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{ApiKey, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use ottla_coordinator::metadata::ConfigScope;
use std::ops::RangeInclusive;

pub(crate) enum IncrementalAlterConfigs {}

impl Api for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;
    type Response = IncrementalAlterConfigsResponse;
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
        let asked: Vec<Asked> = request.resources.into_iter().map(asked).collect();
        let outcomes = alter(&ctx, &asked, ConfigScope::NamedKeys, request.validate_only).await;
        let rows = asked.into_iter().zip(outcomes).map(|(asked, outcome)| {
            let (code, message) = on_wire(outcome);
            AlterConfigsResourceResponse::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name)
                .with_error_code(code)
                .with_error_message(message)
        });
        IncrementalAlterConfigsResponse::default().with_responses(rows.collect())
    }
}

fn asked(resource: AlterConfigsResource) -> Asked {
    let configs = resource.configs.into_iter();
    let configs = configs.map(|config| AskedConfig { name: config.name, operation: config.config_operation, value: config.value });
    Asked { resource_type: resource.resource_type, resource_name: resource.resource_name, configs: configs.collect() }
}
