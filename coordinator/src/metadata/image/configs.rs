//! Dynamic configs: what was set in the metadata log, per resource. Defaults and the file's values are not here.

use crate::metadata::TopicName;
use crate::metadata::records::ConfigRecord;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All dynamic configs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigsImage {
    by_resource: BTreeMap<ConfigResource, Arc<BTreeMap<String, String>>>,
}

/// What a config belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// The kind of resource.
    pub resource_type: ConfigResourceType,
    /// Its name; empty for the cluster-wide broker default.
    pub name: String,
}

/// The kinds of resources that have configs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigResourceType {
    /// A topic (2).
    Topic,
    /// A broker, or all brokers (4).
    Broker,
    /// A client-metrics subscription (16).
    ClientMetrics,
    /// A group (32).
    Group,
    /// A kind this code does not know; kept as it came.
    Other(i8),
}

impl ConfigResourceType {
    /// The kind with Kafka's number.
    #[must_use]
    pub fn from_id(id: i8) -> Self {
        match id {
            2 => Self::Topic,
            4 => Self::Broker,
            16 => Self::ClientMetrics,
            32 => Self::Group,
            other => Self::Other(other),
        }
    }

    /// Kafka's number of the kind.
    #[must_use]
    pub fn id(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::ClientMetrics => 16,
            Self::Group => 32,
            Self::Other(id) => id,
        }
    }
}

impl ConfigResource {
    /// A topic's configs.
    #[must_use]
    pub fn topic(name: &TopicName) -> Self {
        Self { resource_type: ConfigResourceType::Topic, name: name.to_string() }
    }

    /// One broker's configs.
    #[must_use]
    pub fn broker(id: crate::metadata::BrokerId) -> Self {
        Self { resource_type: ConfigResourceType::Broker, name: id.to_string() }
    }

    /// The configs of all brokers.
    #[must_use]
    pub fn cluster_default() -> Self {
        Self { resource_type: ConfigResourceType::Broker, name: String::new() }
    }
}

impl ConfigsImage {
    /// What was set for `resource`, by key.
    #[must_use]
    pub fn of(&self, resource: &ConfigResource) -> Option<&Arc<BTreeMap<String, String>>> {
        self.by_resource.get(resource)
    }

    /// What was set for a topic, by key.
    #[must_use]
    pub fn of_topic(&self, name: &TopicName) -> Option<&Arc<BTreeMap<String, String>>> {
        self.of(&ConfigResource::topic(name))
    }

    /// The value of one key of `resource`.
    #[must_use]
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.of(resource)?.get(key).map(String::as_str)
    }

    /// All resources that have configs.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<BTreeMap<String, String>>)> {
        self.by_resource.iter()
    }

    pub(super) fn set(&mut self, record: &ConfigRecord) {
        let resource =
            ConfigResource { resource_type: ConfigResourceType::from_id(record.resource_type), name: record.resource_name.clone() };
        match &record.value {
            Some(value) => {
                Arc::make_mut(self.by_resource.entry(resource).or_default()).insert(record.name.clone(), value.clone());
            }
            None => {
                if let Some(configs) = self.by_resource.get_mut(&resource) {
                    Arc::make_mut(configs).remove(&record.name);
                    // A resource without configs leaves no trace, so that a snapshot replays to the same image.
                    if configs.is_empty() {
                        self.by_resource.remove(&resource);
                    }
                }
            }
        }
    }

    pub(super) fn remove_resource(&mut self, resource: &ConfigResource) {
        self.by_resource.remove(resource);
    }
}
