//! Configs of resources: described and altered.

use super::Client;
use kafka_protocol::messages::alter_configs_request as legacy;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request as incremental;
use kafka_protocol::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;

pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const LOGGER: i8 = 8;
pub const CLIENT_METRICS: i8 = 16;
pub const GROUP: i8 = 32;

pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
pub const APPEND: i8 = 2;
pub const SUBTRACT: i8 = 3;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// One resource of an IncrementalAlterConfigs.
pub fn change(kind: i8, name: &str, operations: &[(i8, &str, Option<&str>)]) -> incremental::AlterConfigsResource {
    let config = |(operation, key, value): &(i8, &str, Option<&str>)| {
        incremental::AlterableConfig::default().with_name(text(key)).with_config_operation(*operation).with_value(value.map(text))
    };
    incremental::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(operations.iter().map(config).collect())
}

impl Client {
    /// IncrementalAlterConfigs of many resources; their error codes.
    pub fn change_all(&mut self, resources: Vec<incremental::AlterConfigsResource>) -> Vec<i16> {
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
        self.ask(1, &request).responses.iter().map(|row| row.error_code).collect()
    }

    /// IncrementalAlterConfigs of one resource; its error code.
    pub fn change(&mut self, kind: i8, name: &str, operations: &[(i8, &str, Option<&str>)]) -> i16 {
        self.change_all(vec![change(kind, name, operations)])[0]
    }

    /// Sets one key, which must work.
    pub fn set(&mut self, kind: i8, name: &str, key: &str, value: &str) {
        assert_eq!(self.change(kind, name, &[(SET, key, Some(value))]), 0, "{name}: {key}={value}");
    }

    /// AlterConfigs of one resource; its error code.
    pub fn replace(&mut self, kind: i8, name: &str, configs: &[(String, String)]) -> i16 {
        let config =
            |(key, value): &(String, String)| legacy::AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
        let resource = legacy::AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(configs.iter().map(config).collect());
        self.ask(2, &AlterConfigsRequest::default().with_resources(vec![resource])).responses[0].error_code
    }

    /// All configs of a resource, with synonyms.
    pub fn configs(&mut self, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
        let resource =
            DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name)).with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
        let mut answer = self.ask(4, &request);
        assert_eq!(answer.results[0].error_code, 0, "{name}: {:?}", answer.results[0].error_message);
        answer.results.remove(0).configs
    }

    /// Value and source of one key.
    pub fn config(&mut self, kind: i8, name: &str, key: &str) -> (Option<String>, i8) {
        let row = self.configs(kind, name).into_iter().find(|row| &*row.name == key).expect("a known key");
        (row.value.map(|value| value.to_string()), row.config_source)
    }
}
