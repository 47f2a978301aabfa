//! What AlterConfigs and IncrementalAlterConfigs have in common: the checks at the door, in Kafka's order, and the way to the controller.
//!
//! Each resource stands or falls for itself: what is refused here never reaches the controller, and what the controller refuses stops no
//! other. All that is accepted goes into the metadata log as one batch.

use super::RequestContext;
use crate::auth::{Operation, Resource};
use crate::config::keys;
use crate::log_levels::{LEVELS, ROOT};
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType};
use ottla_coordinator::metadata::{ApiError, ConfigChange, ConfigOperation, ConfigScope};
use std::collections::{BTreeMap, HashMap, HashSet};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// One resource of a request.
pub(super) struct Asked {
    pub(super) resource_type: i8,
    pub(super) resource_name: StrBytes,
    pub(super) configs: Vec<AskedConfig>,
}

/// One key of it.
pub(super) struct AskedConfig {
    pub(super) name: StrBytes,
    pub(super) operation: i8,
    pub(super) value: Option<StrBytes>,
}

impl AskedConfig {
    /// As AlterConfigs asks.
    pub(super) fn set(name: StrBytes, value: Option<StrBytes>) -> Self {
        Self { name, operation: SET, value }
    }
}

/// Changes what can be changed, or only says what could. One outcome for each resource, in the order asked.
pub(super) async fn alter(ctx: &RequestContext, asked: &[Asked], scope: ConfigScope, validate_only: bool) -> Vec<Result<(), ApiError>> {
    let mut times_asked: HashMap<(i8, &str), u32> = HashMap::new();
    for resource in asked {
        *times_asked.entry((resource.resource_type, &resource.resource_name)).or_default() += 1;
    }
    let mut outcomes: Vec<Result<(), ApiError>> = vec![Ok(()); asked.len()];
    let (mut changes, mut places) = (Vec::new(), Vec::new());
    for (place, resource) in asked.iter().enumerate() {
        let checked = if times_asked[&(resource.resource_type, &*resource.resource_name)] > 1 {
            Err(invalid_request("Each resource must appear at most once."))
        } else {
            check(ctx, resource, scope, validate_only)
        };
        match checked {
            Ok(Some(change)) => {
                changes.push(change);
                places.push(place);
            }
            Ok(None) => {}
            Err(error) => outcomes[place] = Err(error),
        }
    }
    if changes.is_empty() {
        return outcomes;
    }
    match ctx.node.controller.alter_configs(&ctx.node, changes, scope, validate_only).await {
        Ok(decided) => places.into_iter().zip(decided).for_each(|(place, outcome)| outcomes[place] = outcome),
        Err(error) => places.into_iter().for_each(|place| outcomes[place] = Err(ApiError { error, message: None })),
    }
    outcomes
}

/// Code and text of an outcome, as they go on the wire.
pub(super) fn on_wire(outcome: Result<(), ApiError>) -> (i16, Option<StrBytes>) {
    match outcome {
        Ok(()) => (0, None),
        Err(refused) => (refused.error.code(), refused.message.map(StrBytes::from_string)),
    }
}

/// The change for the controller, if there is anything left to do.
fn check(ctx: &RequestContext, asked: &Asked, scope: ConfigScope, validate_only: bool) -> Result<Option<ConfigChange>, ApiError> {
    let mut names = HashSet::new();
    if !asked.configs.iter().all(|config| names.insert(&*config.name)) {
        return Err(invalid_request("Error due to duplicate config keys"));
    }
    let nulls = asked.configs.iter().filter(|config| config.operation != DELETE && config.value.is_none());
    let nulls: Vec<&str> = nulls.map(|config| &*config.name).collect();
    if !nulls.is_empty() {
        return Err(invalid_request(&format!("Null value not supported for : {}", nulls.join(", "))));
    }
    let name: &str = &asked.resource_name;
    let (resource_type, resource) = match asked.resource_type {
        TOPIC => (ConfigResourceType::Topic, Resource::Topic(name)),
        BROKER => (ConfigResourceType::Broker, Resource::Cluster),
        CLIENT_METRICS => (ConfigResourceType::ClientMetrics, Resource::Cluster),
        GROUP => (ConfigResourceType::Group, Resource::Group(name)),
        BROKER_LOGGER if scope == ConfigScope::NamedKeys => return change_loggers(ctx, asked, validate_only).map(|()| None),
        other => return Err(invalid_request(&format!("Unknown resource type {other}"))),
    };
    if resource_type == ConfigResourceType::Broker {
        check_broker(ctx, asked, scope)?;
    }
    if !ctx.allows(Operation::AlterConfigs, resource) {
        let (error, message) = match resource {
            Resource::Topic(_) => (ResponseError::TopicAuthorizationFailed, "Topic authorization failed."),
            Resource::Group(_) => (ResponseError::GroupAuthorizationFailed, "Group authorization failed."),
            _ => (ResponseError::ClusterAuthorizationFailed, "Cluster authorization failed."),
        };
        return Err(ApiError::new(error, message));
    }
    let operations = asked.configs.iter().map(|config| Ok((config.name.to_string(), operation(config)?))).collect::<Result<_, _>>()?;
    Ok(Some(ConfigChange { resource: ConfigResource { resource_type, name: name.to_owned() }, operations }))
}

fn operation(config: &AskedConfig) -> Result<ConfigOperation, ApiError> {
    let value = config.value.as_ref().map(ToString::to_string).unwrap_or_default();
    match config.operation {
        SET => Ok(ConfigOperation::Set(value)),
        DELETE => Ok(ConfigOperation::Delete),
        APPEND => Ok(ConfigOperation::Append(value)),
        SUBTRACT => Ok(ConfigOperation::Subtract(value)),
        other => Err(invalid_request(&format!("Unknown operations type {other}"))),
    }
}

/// What a broker checks of its own changes before the controller hears of them: whether all its settings together would be in order.
fn check_broker(ctx: &RequestContext, asked: &Asked, scope: ConfigScope) -> Result<(), ApiError> {
    let name: &str = &asked.resource_name;
    if !name.is_empty() {
        let id: i32 = name.parse().map_err(|_| invalid_request(&format!("Node id must be an integer, but it is: {name}")))?;
        if id != ctx.node.node_id {
            return Err(invalid_request(&format!("Unexpected broker id, expected {}, but received {name}", ctx.node.node_id)));
        }
    }
    let image = ctx.node.image();
    let held = ConfigResource { resource_type: ConfigResourceType::Broker, name: name.to_owned() };
    let mut wanted: BTreeMap<String, String> = match scope {
        ConfigScope::NamedKeys => image.configs().of(&held).map(|configs| BTreeMap::clone(configs)).unwrap_or_default(),
        ConfigScope::AllKeys => BTreeMap::new(),
    };
    for config in &asked.configs {
        let key = config.name.to_string();
        match operation(config)? {
            ConfigOperation::Set(value) => wanted.insert(key, value),
            ConfigOperation::Delete => wanted.remove(&key),
            ConfigOperation::Append(elements) => {
                let mut list = broker_list(&wanted, &key, "append")?;
                let new: Vec<&str> = elements.split(',').filter(|element| !list.iter().any(|held| held == element)).collect();
                list.extend(new.into_iter().map(str::to_owned));
                wanted.insert(key, list.join(","))
            }
            ConfigOperation::Subtract(elements) => {
                let mut list = broker_list(&wanted, &key, "subtract")?;
                for element in elements.split(',') {
                    if let Some(at) = list.iter().position(|held| held == element) {
                        list.remove(at);
                    }
                }
                wanted.insert(key, list.join(","))
            }
        };
    }
    ctx.node.dynamic.check(&image, &wanted, !name.is_empty()).map_err(|text| invalid_request(&text))
}

fn broker_list(settings: &BTreeMap<String, String>, key: &str, verb: &str) -> Result<Vec<String>, ApiError> {
    let refuse = |text: String| ApiError::new(ResponseError::InvalidConfig, text);
    let (_, known) = keys::broker_key(key).ok_or_else(|| refuse(format!("Unknown config name: {key}")))?;
    if known.kind != crate::config::key::Kind::List {
        return Err(refuse(format!("Config value {verb} is not allowed for config key: {key}")));
    }
    let text = settings.get(key).map_or(known.default.unwrap_or_default(), String::as_str);
    Ok(text.split(',').filter(|element| !element.is_empty()).map(str::to_owned).collect())
}

/// Loggers change here and now: nothing of them is kept in the metadata log.
fn change_loggers(ctx: &RequestContext, asked: &Asked, validate_only: bool) -> Result<(), ApiError> {
    if !ctx.allows(Operation::AlterConfigs, Resource::Cluster) {
        return Err(ApiError::new(ResponseError::ClusterAuthorizationFailed, "Cluster authorization failed."));
    }
    let name: &str = &asked.resource_name;
    let id: i32 = name.parse().map_err(|_| invalid_request(&format!("Node id must be an integer, but it is: {name}")))?;
    if id != ctx.node.node_id {
        return Err(invalid_request(&format!("Unexpected node id. Expected {}, but received {id}", ctx.node.node_id)));
    }
    let levels = &ctx.node.log_levels;
    let mut changes = Vec::new();
    for AskedConfig { name: logger, operation, value } in &asked.configs {
        let unknown = || ApiError::new(ResponseError::InvalidConfig, format!("Logger {logger} does not exist!"));
        let not_allowed = |verb: &str| invalid_request(&format!("{verb} operation is not allowed for the BROKER_LOGGER resource"));
        match *operation {
            SET | DELETE if !levels.exists(logger) => return Err(unknown()),
            SET => {
                let level = value.as_deref().unwrap_or_default();
                if !LEVELS.contains(&level) {
                    let text = format!(
                        "Cannot set the log level of {logger} to {level} as it is not a supported log level. Valid log levels are {}",
                        LEVELS.join(", ")
                    );
                    return Err(ApiError::new(ResponseError::InvalidConfig, text));
                }
                changes.push((&**logger, Some(level)));
            }
            DELETE if &**logger == ROOT => return Err(invalid_request("Removing the log level of the root logger is not allowed")),
            DELETE => changes.push((&**logger, None)),
            APPEND => return Err(not_allowed("APPEND")),
            SUBTRACT => return Err(not_allowed("SUBTRACT")),
            other => {
                return Err(invalid_request(&format!("Unknown operation type {other} is not allowed for the BROKER_LOGGER resource")));
            }
        }
    }
    if !validate_only {
        levels.change(changes);
    }
    Ok(())
}

fn invalid_request(text: &str) -> ApiError {
    ApiError::new(ResponseError::InvalidRequest, text)
}
