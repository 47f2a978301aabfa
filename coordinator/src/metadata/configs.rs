//! Changes of dynamic configs, on the level of records: IncrementalAlterConfigs and AlterConfigs.
//!
//! Authorization, the choice of resource types and broker loggers are the caller's business.
//!
//! With eligible leader replicas on, a change of `min.insync.replicas` changes who is eligible: Kafka then keeps the
//! cluster's value in the log, takes none per broker, and forgets the eligible replicas of the topics concerned.
//!
//! Not done: alter.config.policy.class.name.

use super::create_topics::too_long_config;
use super::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use super::image::{ConfigResource, ConfigResourceType, MetadataImage};
use super::records::{ClearElrRecord, ConfigRecord, MetadataRecord};
use super::{ApiError, TopicConfigs, TopicName};
use kafka_protocol::ResponseError;
use std::collections::BTreeMap;

/// The changes of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The resource.
    pub resource: ConfigResource,
    /// What to do, by key.
    pub operations: BTreeMap<String, ConfigOperation>,
}

/// What to do with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Give it this value.
    Set(String),
    /// Return it to its default.
    Delete,
    /// Add these comma-separated elements to its list.
    Append(String),
    /// Take these comma-separated elements out of its list.
    Subtract(String),
}

/// What happens to keys that are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigScope {
    /// They stay (IncrementalAlterConfigs).
    NamedKeys,
    /// They return to their defaults (AlterConfigs).
    AllKeys,
}

/// Records that one request may write, as in Kafka's controller.
const RECORDS_MAX: usize = 10_000;

/// The records of all changes that are in order, and one outcome per change. What would be too many records is none at all.
pub(super) fn alter(
    image: &MetadataImage,
    changes: &[ConfigChange],
    scope: ConfigScope,
    rules: &dyn TopicConfigs,
) -> (Vec<MetadataRecord>, Vec<Result<(), ApiError>>) {
    let mut records = Vec::new();
    let outcomes = changes.iter().map(|change| alter_one(image, change, scope, rules).map(|mut new| records.append(&mut new)));
    let outcomes: Vec<_> = outcomes.collect();
    if records.len() > RECORDS_MAX {
        let refused = ApiError::new(ResponseError::PolicyViolation, "Unable to perform excessively large batch operation.");
        return (Vec::new(), vec![Err(refused); changes.len()]);
    }
    (records, outcomes)
}

fn alter_one(
    image: &MetadataImage,
    change: &ConfigChange,
    scope: ConfigScope,
    rules: &dyn TopicConfigs,
) -> Result<Vec<MetadataRecord>, ApiError> {
    let resource = &change.resource;
    let held = image.configs().of(resource).map(|configs| BTreeMap::clone(configs)).unwrap_or_default();
    let mut wanted = match scope {
        ConfigScope::NamedKeys => held.clone(),
        ConfigScope::AllKeys => BTreeMap::new(),
    };
    for (key, operation) in &change.operations {
        match new_value(&held, resource, key, operation, rules)? {
            Some(value) if value.len().max(key.len()) > i16::MAX as usize => return Err(too_long_config()),
            Some(value) => wanted.insert(key.clone(), value),
            None => wanted.remove(key),
        };
    }
    check_cordoned(resource, change, &held, scope)?;
    check_name(resource)?;
    rules.validate(resource, &wanted)?;
    check_existence(image, resource)?;
    // A broker reloads files and certificates when told a value again, so it is told again.
    let tell_again = resource.resource_type == ConfigResourceType::Broker;
    let record = |key: &String, value: Option<String>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.resource_type.id(),
            resource_name: resource.name.clone(),
            name: key.clone(),
            value,
        })
    };
    let named = change.operations.keys().filter(|key| tell_again || held.get(*key) != wanted.get(*key));
    let mut records: Vec<MetadataRecord> = named.map(|key| record(key, wanted.get(key).cloned())).collect();
    let dropped = held.keys().filter(|key| !wanted.contains_key(*key) && !change.operations.contains_key(*key));
    records.extend(dropped.map(|key| record(key, None)));
    forget_eligible_replicas(image, resource, &mut records)?;
    Ok(records)
}

/// What a change of `min.insync.replicas` among `records` means for eligible leader replicas.
fn forget_eligible_replicas(image: &MetadataImage, resource: &ConfigResource, records: &mut Vec<MetadataRecord>) -> Result<(), ApiError> {
    if image.features().level(ELIGIBLE_LEADER_REPLICAS_VERSION) == 0 {
        return Ok(());
    }
    let min_isr = records.iter().find_map(|record| match record {
        MetadataRecord::Config(config) if config.name == "min.insync.replicas" => Some(config.value.is_some()),
        _ => None,
    });
    let Some(stays_set) = min_isr else { return Ok(()) };
    let refuse = |text: &str| Err(ApiError::new(ResponseError::InvalidConfig, text));
    match resource.resource_type {
        ConfigResourceType::Topic => {
            let topic = TopicName::parse(&resource.name).ok();
            records.push(MetadataRecord::ClearElr(ClearElrRecord { topic }));
        }
        ConfigResourceType::Broker if !resource.name.is_empty() => {
            return refuse("Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
        }
        ConfigResourceType::Broker if !stays_set => {
            return refuse("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
        }
        ConfigResourceType::Broker => records.push(MetadataRecord::ClearElr(ClearElrRecord { topic: None })),
        _ => {}
    }
    Ok(())
}

/// `cordoned.log.dirs` came with a metadata version that we do not write.
fn check_cordoned(
    resource: &ConfigResource,
    change: &ConfigChange,
    held: &BTreeMap<String, String>,
    scope: ConfigScope,
) -> Result<(), ApiError> {
    const KEY: &str = "cordoned.log.dirs";
    let touched = change.operations.contains_key(KEY) || (scope == ConfigScope::AllKeys && held.contains_key(KEY));
    if resource.resource_type == ConfigResourceType::Broker && touched {
        let text = "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0";
        return Err(ApiError::new(ResponseError::InvalidConfig, text));
    }
    Ok(())
}

fn check_name(resource: &ConfigResource) -> Result<(), ApiError> {
    let refuse = |text: &str| Err(ApiError::new(ResponseError::InvalidRequest, text));
    match resource.resource_type {
        ConfigResourceType::Topic if resource.name.is_empty() => refuse("Default topic resources are not allowed."),
        ConfigResourceType::Topic => {
            TopicName::parse(&resource.name).map(drop).map_err(|why| ApiError::new(ResponseError::InvalidTopicException, why.0))
        }
        ConfigResourceType::Broker if resource.name.is_empty() => Ok(()),
        ConfigResourceType::Broker => match resource.name.parse::<i32>() {
            Err(_) => refuse("Unable to parse broker name as a base 10 number."),
            Ok(id) if id < 0 => refuse("Invalid negative broker ID."),
            Ok(_) => Ok(()),
        },
        ConfigResourceType::Group if resource.name.is_empty() => refuse("Default group resources are not allowed."),
        ConfigResourceType::Group | ConfigResourceType::ClientMetrics => Ok(()),
        ConfigResourceType::Other(_) => refuse("Unknown resource type"),
    }
}

fn check_existence(image: &MetadataImage, resource: &ConfigResource) -> Result<(), ApiError> {
    if resource.resource_type == ConfigResourceType::Topic && image.topics().by_name(&resource.name).is_none() {
        let text = format!("The topic '{}' does not exist.", resource.name);
        return Err(ApiError::new(ResponseError::UnknownTopicOrPartition, text));
    }
    Ok(())
}

/// The value of `key` after `operation`, `None` for its default.
fn new_value(
    held: &BTreeMap<String, String>,
    resource: &ConfigResource,
    key: &str,
    operation: &ConfigOperation,
    rules: &dyn TopicConfigs,
) -> Result<Option<String>, ApiError> {
    let (verb, elements) = match operation {
        ConfigOperation::Set(value) => return Ok(Some(value.clone())),
        ConfigOperation::Delete => return Ok(None),
        ConfigOperation::Append(elements) => ("APPEND", elements),
        ConfigOperation::Subtract(elements) => ("SUBTRACT", elements),
    };
    let Some(default) = rules.list_default(resource, key) else {
        let text = format!("Can't {verb} to key {key} because its type is not LIST.");
        return Err(ApiError::new(ResponseError::InvalidConfig, text));
    };
    let current = held.get(key).unwrap_or(&default);
    let mut list: Vec<&str> = current.split(',').filter(|element| !element.is_empty()).collect();
    for element in split_as_java(elements) {
        if matches!(operation, ConfigOperation::Append(_)) {
            if !list.contains(&element) {
                list.push(element);
            }
        } else if let Some(slot) = list.iter().position(|held| *held == element) {
            list.remove(slot);
        }
    }
    Ok(Some(list.join(",")))
}

/// Commas at the end separate nothing, but of nothing at all there is one empty element.
fn split_as_java(elements: &str) -> impl Iterator<Item = &str> {
    let trimmed = elements.trim_end_matches(',');
    trimmed.split(',').filter(move |element| !(element.is_empty() && trimmed.is_empty() && !elements.is_empty()))
}
