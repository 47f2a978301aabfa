//! DescribeConfigs (key 32), v1-4.
//!
//! v1 synonyms and sources · v3 types and documentation (KIP-569) · v4 flexible. Every known key is answered, inert ones too: tools read,
//! modify and write back, and Connect refuses to start on an empty answer.

use super::{Api, MALFORMED, RequestContext};
use crate::auth::{Operation, Resource};
use crate::config::describe::{Described, Wanted, describe_client_metrics};
use crate::dynamic_config::topic_overrides;
use crate::limits::DESCRIBED_CONFIGS_MAX;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym};
use kafka_protocol::messages::{ApiKey, DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::TopicName;
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType, MetadataImage};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
const DYNAMIC_BROKER_LOGGER: i8 = 6;
pub(crate) enum DescribeConfigs {}

impl Api for DescribeConfigs {
    type Request = DescribeConfigsRequest;
    type Response = DescribeConfigsResponse;
    const KEY: ApiKey = ApiKey::DescribeConfigs;
    const VERSIONS: RangeInclusive<i16> = 1..=4;

    async fn handle(ctx: RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
        let mut rows_left = DESCRIBED_CONFIGS_MAX;
        let results = request
            .resources
            .iter()
            .map(|resource| {
                let names: Option<Vec<&str>> =
                    resource.configuration_keys.as_ref().map(|keys| keys.iter().map(|key| key.as_str()).collect());
                let wanted = Wanted {
                    names: names.as_deref(),
                    synonyms: request.include_synonyms,
                    documentation: request.include_documentation && ctx.api_version >= 3,
                };
                let row = DescribeConfigsResult::default()
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(resource.resource_name.clone());
                match within(&mut rows_left, || describe(&ctx, resource, &wanted)) {
                    Ok(configs) => row.with_configs(configs),
                    Err((error, message)) => row.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message))),
                }
            })
            .collect();
        DescribeConfigsResponse::default().with_results(results)
    }
}

type Refused = (ResponseError, String);

/// Four bytes of request stand for up to 360 rows: what an answer may hold is bounded, and what does not fit is refused by resource.
fn within<T>(rows_left: &mut usize, describe: impl FnOnce() -> Result<Vec<T>, Refused>) -> Result<Vec<T>, Refused> {
    if *rows_left == 0 {
        let message = format!("More than {DESCRIBED_CONFIGS_MAX} configs in one answer; ask for fewer resources, or name the configs.");
        return Err((ResponseError::InvalidRequest, message));
    }
    let rows = describe()?;
    *rows_left = rows_left.saturating_sub(rows.len());
    Ok(rows)
}

fn describe(
    ctx: &RequestContext,
    resource: &DescribeConfigsResource,
    wanted: &Wanted<'_>,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let name: &str = &resource.resource_name;
    let image = ctx.node.image();
    let config = ctx.node.dynamic.current();
    let version = ctx.api_version;
    match resource.resource_type {
        TOPIC => {
            if !ctx.allows(Operation::DescribeConfigs, Resource::Topic(name)) {
                return Err(refused(ResponseError::TopicAuthorizationFailed, "Topic authorization failed."));
            }
            TopicName::parse(name).map_err(|invalid| (ResponseError::InvalidTopicException, invalid.to_string()))?;
            if image.topics().by_name(name).is_none() {
                return Err(refused(ResponseError::UnknownTopicOrPartition, ""));
            }
            let overrides = topic_overrides(&image, name).unwrap_or_default();
            Ok(config.describe_topic(&overrides, wanted).into_iter().map(|row| result(version, row)).collect())
        }
        GROUP if !ctx.allows(Operation::DescribeConfigs, Resource::Group(name)) => {
            Err(refused(ResponseError::GroupAuthorizationFailed, "Group authorization failed."))
        }
        _ if resource.resource_type != GROUP && !ctx.allows(Operation::DescribeConfigs, Resource::Cluster) => {
            Err(refused(ResponseError::ClusterAuthorizationFailed, "Cluster authorization failed."))
        }
        BROKER if name.is_empty() => Ok(config.describe_all_brokers(wanted).into_iter().map(|row| result(version, row)).collect()),
        BROKER => {
            this_broker(ctx, name, " or empty string,")?;
            Ok(config.describe_broker(wanted).into_iter().map(|row| result(version, row)).collect())
        }
        BROKER_LOGGER => {
            this_broker(ctx, name, "")?;
            let levels = ctx.node.log_levels.all().into_iter().filter(|(logger, _)| wanted.includes(logger));
            Ok(levels.map(|(logger, level)| logger_row(logger, level)).collect())
        }
        CLIENT_METRICS if !name.is_empty() => {
            let overrides = overrides_of(&image, ConfigResourceType::ClientMetrics, name);
            Ok(describe_client_metrics(&overrides, wanted).into_iter().map(|row| result(version, row)).collect())
        }
        GROUP if !name.is_empty() => {
            let overrides = overrides_of(&image, ConfigResourceType::Group, name);
            Ok(config.describe_group(&overrides, wanted).into_iter().map(|row| result(version, row)).collect())
        }
        CLIENT_METRICS => Err(refused(ResponseError::InvalidRequest, "Client metrics subscription name must not be empty")),
        GROUP => Err(refused(ResponseError::InvalidRequest, "Group name must not be empty")),
        _ => Err(refused(ResponseError::InvalidRequest, MALFORMED)),
    }
}

fn overrides_of(image: &MetadataImage, resource_type: ConfigResourceType, name: &str) -> Arc<BTreeMap<String, String>> {
    image.configs().of(&ConfigResource { resource_type, name: name.to_owned() }).cloned().unwrap_or_default()
}

fn logger_row(logger: String, level: String) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_string(logger))
        .with_value(Some(StrBytes::from_string(level)))
        .with_config_source(DYNAMIC_BROKER_LOGGER)
        .with_documentation(Some(StrBytes::default()))
}

fn refused(error: ResponseError, message: &str) -> Refused {
    (error, message.to_owned())
}

fn this_broker(ctx: &RequestContext, name: &str, or: &str) -> Result<(), Refused> {
    if name.is_empty() {
        return Err(refused(ResponseError::InvalidRequest, "Broker id must not be empty"));
    }
    let id: i32 = name.parse().map_err(|_| (ResponseError::InvalidRequest, format!("Broker id must be an integer, but it is: {name}")))?;
    if id == ctx.node.node_id {
        return Ok(());
    }
    let message = format!("Unexpected broker id, expected {}{or} but received {name}", ctx.node.node_id);
    Err((ResponseError::InvalidRequest, message))
}

fn result(version: i16, row: Described<'_>) -> DescribeConfigsResourceResult {
    let text = |text: std::borrow::Cow<'_, str>| StrBytes::from_string(text.into_owned());
    let synonyms = row
        .synonyms
        .into_iter()
        .map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(text(synonym.name))
                .with_value(synonym.value.map(text))
                .with_source(synonym.source as i8)
        })
        .collect();
    DescribeConfigsResourceResult::default()
        .with_name(text(row.name))
        .with_value(row.value.map(text))
        .with_read_only(row.read_only)
        .with_config_source(row.source as i8)
        .with_is_sensitive(row.is_sensitive)
        .with_synonyms(synonyms)
        .with_config_type(if version >= 3 { row.config_type } else { 0 })
        .with_documentation(row.documentation.map(StrBytes::from_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_the_answer_is_full_nothing_more_is_described() {
        let mut rows_left = 3;
        assert_eq!(within(&mut rows_left, || Ok(vec![1, 2])), Ok(vec![1, 2]));
        assert_eq!(within(&mut rows_left, || Ok(vec![3, 4])), Ok(vec![3, 4]), "a resource is answered whole");
        let refused = within::<i32>(&mut rows_left, || panic!("must not be asked")).unwrap_err();
        assert_eq!(refused.0, ResponseError::InvalidRequest);
    }
}
