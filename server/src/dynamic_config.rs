//! The broker's configuration with what the metadata log sets on top: cluster-wide defaults, this broker's own keys, topics' overrides.

use crate::config::client_metrics::{Refusal, validate_client_metrics};
use crate::config::describe::{Described, Wanted};
use crate::config::key::Kind;
use crate::config::keys::{broker_key, topic_key};
use crate::config::{Config, TopicConfig, validate_broker_configs, validate_group_configs, validate_topic_configs};
use crate::partition::PartitionConfig;
use arc_swap::{ArcSwap, Guard};
use kafka_protocol::ResponseError;
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType, MetadataImage};
use ottla_coordinator::metadata::{ApiError, BrokerId, DescribedConfig, TopicConfigs};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Overrides = Option<Arc<BTreeMap<String, String>>>;

type Watcher = Box<dyn Fn(&Config) + Send + Sync>;

/// Static configuration, and the effective one of the newest image. Only the controller thread changes it, before it shows the image that
/// asks for it; everybody else reads it without a lock.
pub(crate) struct DynamicConfig {
    base: Arc<Config>,
    broker: BrokerId,
    current: ArcSwap<Config>,
    /// What the current one was made from: the settings of all brokers and of this one.
    followed: Mutex<(Overrides, Overrides)>,
    watchers: Mutex<Vec<Watcher>>,
}

impl fmt::Debug for DynamicConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicConfig").field("broker", &self.broker).field("current", &self.current).finish_non_exhaustive()
    }
}

impl DynamicConfig {
    /// Over a static configuration.
    #[must_use]
    pub(crate) fn new(base: Arc<Config>, broker: i32) -> Self {
        let current = ArcSwap::new(Arc::clone(&base));
        Self { base, broker: BrokerId(broker), current, followed: Mutex::default(), watchers: Mutex::default() }
    }

    /// The broker's effective configuration. Cheap: no lock, and no count that other cores share.
    #[must_use]
    pub(crate) fn current(&self) -> Guard<Arc<Config>> {
        self.current.load()
    }

    /// The same, to be kept for a while.
    #[must_use]
    pub(crate) fn kept(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Tells `watcher` the current configuration, and every later one, on the controller thread. It must be quick.
    pub(crate) fn watch(&self, watcher: impl Fn(&Config) + Send + Sync + 'static) {
        // Whoever registers while a change goes on is told twice rather than not at all.
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watcher(&self.current());
        watchers.push(Box::new(watcher));
    }

    /// Follows the broker settings of an image. Called by the controller thread before anybody else sees the image.
    pub(crate) fn follow(&self, image: &MetadataImage) {
        let all = image.configs().of(&ConfigResource::cluster_default()).cloned();
        let own = image.configs().of(&ConfigResource::broker(self.broker)).cloned();
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if same(&followed.0, &all) && same(&followed.1, &own) {
            return;
        }
        let (config, refused) = self.base.with_dynamic(pairs(&all), pairs(&own));
        for message in refused {
            tracing::warn!("a dynamic broker setting is ignored: {message}");
        }
        *followed = (all, own);
        self.current.store(Arc::new(config));
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(|watcher| watcher(&self.current()));
    }

    /// Whether this broker, or all of them if not `per_broker`, may have these dynamic settings and no others; the error is Kafka's text.
    pub(crate) fn check(&self, image: &MetadataImage, wanted: &BTreeMap<String, String>, per_broker: bool) -> Result<(), String> {
        validate_broker_configs(wanted, per_broker)?;
        let wanted = wanted.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (new, _) = if per_broker {
            let all = image.configs().of(&ConfigResource::cluster_default()).cloned();
            self.base.with_dynamic(pairs(&all), wanted)
        } else {
            let own = image.configs().of(&ConfigResource::broker(self.broker)).cloned();
            self.base.with_dynamic(wanted, pairs(&own))
        };
        self.current().may_become(&new)
    }

    /// What the partitions of a topic obey under an image that was followed.
    #[must_use]
    pub(crate) fn partition_config(&self, image: &MetadataImage, topic: &str) -> PartitionConfig {
        let overrides = topic_overrides(image, topic);
        let resolved = TopicConfig::resolve(&self.current(), pairs(&overrides));
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
            ConfigResourceType::ClientMetrics => validate_client_metrics(&resource.name, configs).map_err(|refusal| match refusal {
                Refusal::Request(text) => ApiError::new(ResponseError::InvalidRequest, text),
                Refusal::Config(text) => refused(text),
            }),
            // A broker checks its own settings before the controller hears of them.
            ConfigResourceType::Broker | ConfigResourceType::Other(_) => Ok(()),
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

#[cfg(test)]
mod tests;
