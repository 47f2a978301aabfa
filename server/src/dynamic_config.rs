//! The broker's configuration with what the metadata log sets on top: cluster-wide defaults, this broker's own keys, topics' overrides.

use crate::config::describe::{Described, Wanted};
use crate::config::key::Kind;
use crate::config::keys::{broker_key, topic_key};
use crate::config::{Config, TopicConfig, validate_group_configs, validate_topic_configs};
use crate::partition::PartitionConfig;
use kafka_protocol::ResponseError;
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType, MetadataImage};
use ottla_coordinator::metadata::{ApiError, BrokerId, DescribedConfig, TopicConfigs};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

type Overrides = Option<Arc<BTreeMap<String, String>>>;

/// Static configuration, and the last effective one, recomputed only when the broker keys of the image changed.
#[derive(Debug)]
pub(crate) struct DynamicConfig {
    base: Arc<Config>,
    broker: BrokerId,
    last: Mutex<(Overrides, Overrides, Arc<Config>)>,
}

impl DynamicConfig {
    /// Over a static configuration.
    #[must_use]
    pub(crate) fn new(base: Arc<Config>, broker: i32) -> Self {
        let last = Mutex::new((None, None, Arc::clone(&base)));
        Self { base, broker: BrokerId(broker), last }
    }

    /// The broker's effective configuration under an image.
    #[must_use]
    pub(crate) fn effective(&self, image: &MetadataImage) -> Arc<Config> {
        let all = image.configs().of(&ConfigResource::cluster_default()).cloned();
        let own = image.configs().of(&ConfigResource::broker(self.broker)).cloned();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !same(&last.0, &all) || !same(&last.1, &own) {
            let (config, refused) = self.base.with_dynamic(pairs(&all), pairs(&own));
            for message in refused {
                tracing::warn!("a dynamic broker setting is ignored: {message}");
            }
            *last = (all, own, Arc::new(config));
        }
        Arc::clone(&last.2)
    }

    /// What the partitions of a topic obey.
    #[must_use]
    pub(crate) fn partition_config(&self, image: &MetadataImage, topic: &str) -> PartitionConfig {
        let overrides = topic_overrides(image, topic);
        let resolved = TopicConfig::resolve(&self.effective(image), pairs(&overrides));
        PartitionConfig { min_insync_replicas: resolved.min_insync_replicas, log: Arc::new(resolved.log) }
    }
}

/// What was set for a topic.
#[must_use]
pub(crate) fn topic_overrides(image: &MetadataImage, topic: &str) -> Overrides {
    let resource = ConfigResource { resource_type: ConfigResourceType::Topic, name: topic.to_owned() };
    image.configs().of(&resource).cloned()
}

fn same(one: &Overrides, other: &Overrides) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

pub(crate) fn pairs(overrides: &Overrides) -> impl Iterator<Item = (&str, &str)> {
    overrides.iter().flat_map(|map| map.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Lends the table of keys to the metadata shard.
pub(crate) struct Rules(pub(crate) Arc<Config>);

impl TopicConfigs for Rules {
    fn validate(&self, resource: &ConfigResource, configs: &BTreeMap<String, String>) -> Result<(), ApiError> {
        let given = configs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let refused = |text| ApiError::new(ResponseError::InvalidConfig, text);
        match resource.resource_type {
            ConfigResourceType::Topic => validate_topic_configs(&self.0, given).map_err(refused),
            ConfigResourceType::Group => validate_group_configs(&self.0, given).map_err(refused),
            _ => Ok(()),
        }
    }

    fn list_default(&self, resource: &ConfigResource, key: &str) -> Option<String> {
        // Kafka's controller knows no lists of groups and of client metrics.
        let key = match resource.resource_type {
            ConfigResourceType::Topic => topic_key(key),
            ConfigResourceType::Broker => broker_key(key).map(|(_, key)| key),
            _ => None,
        };
        key.filter(|key| key.kind == Kind::List).map(|key| key.default.unwrap_or_default().to_owned())
    }

    fn describe(&self, overrides: &BTreeMap<String, String>) -> Vec<DescribedConfig> {
        // What was set is repeated as it was spelled (`TRUE`), as Kafka's controller does.
        let spelled = |row: &Described<'_>| overrides.get(&*row.name).filter(|_| row.value.is_some()).cloned();
        let row = |row: Described<'_>| DescribedConfig {
            value: spelled(&row).or(row.value.map(Cow::into_owned)),
            name: row.name.into_owned(),
            read_only: row.read_only,
            source: row.source as i8,
            sensitive: row.is_sensitive,
        };
        self.0.describe_topic(overrides, &Wanted::default()).into_iter().map(row).collect()
    }
}
