//! CreateTopics: which topics may be created, and the records that do it.
//!
//! The order of checks is Kafka's, because a client sees only the first that fails: duplicates, `__cluster_metadata`,
//! authorization, the partitions of all topics together, then per topic existence, name, null configs, configs, shape
//! (manual assignment or counts), limits, the caller's quota. A topic that fails does not disturb the others; too much at once fails all.
//!
//! Not done: create.topic.policy.class.name, rack-aware placement over many brokers.

use super::image::{ConfigResource, MetadataImage};
use super::placement::{self, MAX_RECORDS_PER_OPERATION, TopicLimits};
use super::records::{ConfigRecord, MetadataRecord, TopicRecord};
use super::{ApiError, BrokerId, PartitionRegistration, TopicId, TopicName};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// The topic whose log this shard itself is.
const CLUSTER_METADATA: &str = "__cluster_metadata";
/// Kafka's cap on partitions in one request.
const MAX_PARTITIONS_PER_REQUEST: i64 = 10_000;
/// The longest config value a record can hold.
const MAX_CONFIG_SIZE_BYTES: usize = i16::MAX as usize;

/// What CreateTopics depends on besides the image.
pub struct CreateTopicsContext<'a> {
    /// `num.partitions`.
    pub default_num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// What no request may exceed.
    pub limits: TopicLimits,
    /// The rules of topic configs.
    pub configs: &'a dyn TopicConfigs,
    /// What the caller may do.
    pub access: &'a dyn TopicAccess,
    /// Makes fresh random topic ids.
    pub new_topic_id: &'a mut dyn FnMut() -> TopicId,
}

/// What the metadata shard has to know about configs; the server answers from its `ConfigDef` table.
pub trait TopicConfigs {
    /// Whether `configs` may be everything that is set on `resource`; the error is the answer.
    ///
    /// # Errors
    /// A key is unknown, a value is out of range, or two values contradict each other.
    fn validate(&self, resource: &ConfigResource, configs: &BTreeMap<String, String>) -> Result<(), ApiError>;

    /// All effective configs of a topic with these `overrides`, in any order.
    fn describe(&self, overrides: &BTreeMap<String, String>) -> Vec<DescribedConfig>;

    /// The effective default of a key whose values are lists, `None` for keys that are not lists.
    fn list_default(&self, resource: &ConfigResource, key: &str) -> Option<String> {
        let _ = (resource, key);
        None
    }
}

/// One effective config as CreateTopics v5+ reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConfig {
    /// The key.
    pub name: String,
    /// The value; left out of replies when sensitive.
    pub value: Option<String>,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Kafka's number of the source: 1 topic, 2 broker, 3 cluster default, 4 static broker, 5 default.
    pub source: i8,
    /// Whether the value is a secret.
    pub sensitive: bool,
}

/// What a caller may do with topics.
pub trait TopicAccess {
    /// CREATE on the cluster or on the topic.
    fn may_create(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }
    /// DESCRIBE_CONFIGS on the topic.
    fn may_describe_configs(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }
    /// DESCRIBE on the topic, or DELETE on the cluster.
    fn may_describe(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }
    /// ALTER on the topic.
    fn may_alter(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }
    /// DELETE on the topic or on the cluster.
    fn may_delete(&self, topic: &str) -> bool {
        let _ = topic;
        true
    }
    /// Whether the caller's quota lets it create or delete so many partitions now; a yes has used it (KIP-599). Asked for each topic that
    /// passed all checks, also when nothing is to be changed.
    fn may_change_partitions(&self, count: usize) -> bool {
        let _ = count;
        true
    }
}

/// Everything is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Unrestricted;

impl TopicAccess for Unrestricted {}

/// A topic that passed all checks.
struct NewTopic {
    id: TopicId,
    name: TopicName,
    configs: BTreeMap<String, String>,
    partitions: Vec<PartitionRegistration>,
}

pub(super) fn handle(
    image: &MetadataImage,
    request: &CreateTopicsRequest,
    mut context: CreateTopicsContext<'_>,
) -> (Vec<MetadataRecord>, CreateTopicsResponse) {
    let mut creator = Creator::new(image, &mut context);
    let response = match creator.create_all(request) {
        Ok(results) => CreateTopicsResponse::default().with_topics(results),
        Err(error) => {
            creator.records.clear();
            let failed = request.topics.iter().map(|topic| failure(&topic.name.0, &error));
            CreateTopicsResponse::default().with_topics(failed.collect())
        }
    };
    let records = if request.validate_only { Vec::new() } else { creator.records };
    (records, response)
}

/// One request under way.
struct Creator<'a, 'c> {
    image: &'a MetadataImage,
    context: &'a mut CreateTopicsContext<'c>,
    records: Vec<MetadataRecord>,
    partitions_total: usize,
    /// Folded names of existing topics, made when first needed.
    collisions: Option<HashMap<String, TopicName>>,
}

impl<'a, 'c> Creator<'a, 'c> {
    fn new(image: &'a MetadataImage, context: &'a mut CreateTopicsContext<'c>) -> Self {
        let partitions_total = image.topics().partition_count();
        Self { image, context, records: Vec::new(), partitions_total, collisions: None }
    }

    /// One result per topic: in the order asked, then duplicates, then what may not be created at all.
    fn create_all(&mut self, request: &CreateTopicsRequest) -> Result<Vec<CreatableTopicResult>, ApiError> {
        let mut seen = BTreeSet::new();
        let mut duplicates = BTreeSet::new();
        for topic in &request.topics {
            if !seen.insert(topic.name.0.as_str()) {
                duplicates.insert(topic.name.0.as_str());
            }
        }
        let mut wanted = Vec::new();
        let mut prohibited = Vec::new();
        for topic in request.topics.iter().filter(|topic| !duplicates.contains(topic.name.0.as_str())) {
            let name = &topic.name.0;
            if name.as_str() == CLUSTER_METADATA {
                let text = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
                prohibited.push(failure(name, &ApiError::new(ResponseError::InvalidRequest, text)));
            } else if !self.context.access.may_create(name.as_str()) {
                prohibited.push(failure(name, &ApiError::new(ResponseError::TopicAuthorizationFailed, "Authorization failed.")));
            } else {
                wanted.push(topic);
            }
        }
        self.check_request_size(&wanted)?;
        let mut results = Vec::new();
        for topic in wanted {
            results.push(match self.check(topic) {
                Ok(new) if !self.context.access.may_change_partitions(new.partitions.len()) => failure(&topic.name.0, &over_quota()),
                Ok(new) => self.accept(new)?,
                Err(error) => failure(&topic.name.0, &error),
            });
        }
        let duplicate = ApiError::new(ResponseError::InvalidRequest, "Duplicate topic name.");
        results.extend(duplicates.iter().map(|name| failure(&StrBytes::from_string((*name).to_owned()), &duplicate)));
        results.append(&mut prohibited);
        Ok(results)
    }

    fn check_request_size(&self, topics: &[&CreatableTopic]) -> Result<(), ApiError> {
        let partitions = topics.iter().map(|topic| match topic.num_partitions {
            _ if !topic.assignments.is_empty() => i64::try_from(topic.assignments.len()).unwrap_or(i64::MAX),
            -1 => i64::from(self.context.default_num_partitions),
            count => i64::from(count.max(0)),
        });
        if partitions.fold(0, i64::saturating_add) > MAX_PARTITIONS_PER_REQUEST {
            let text = "Excessively large number of partitions per request.";
            return Err(ApiError::new(ResponseError::PolicyViolation, text));
        }
        Ok(())
    }

    fn check(&mut self, topic: &CreatableTopic) -> Result<NewTopic, ApiError> {
        let text = topic.name.0.as_str();
        if self.image.topics().by_name(text).is_some() {
            return Err(ApiError::new(ResponseError::TopicAlreadyExists, format!("Topic '{text}' already exists.")));
        }
        let name = TopicName::parse(text).map_err(|why| ApiError::new(ResponseError::InvalidTopicException, why.0))?;
        if let Some(other) = self.collision(&name) {
            let text = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(ApiError::new(ResponseError::InvalidTopicException, text));
        }
        let configs = self.check_configs(topic, &name)?;
        let partitions = if topic.assignments.is_empty() { self.place(topic)? } else { self.assign(topic)? };
        Ok(NewTopic { id: TopicId(Uuid::nil()), name, configs, partitions })
    }

    fn collision(&mut self, name: &TopicName) -> Option<&TopicName> {
        if !name.has_collision_chars() {
            return None;
        }
        let topics = self.image.topics();
        let with_chars = || topics.iter().map(|topic| &topic.name).filter(|name| name.has_collision_chars());
        let folded = self.collisions.get_or_insert_with(|| with_chars().map(|name| (name.collision_key(), name.clone())).collect());
        folded.get(&name.collision_key())
    }

    fn check_configs(&self, topic: &CreatableTopic, name: &TopicName) -> Result<BTreeMap<String, String>, ApiError> {
        let invalid = |text: String| ApiError::new(ResponseError::InvalidConfig, text);
        let nulls: Vec<&str> = topic.configs.iter().filter(|config| config.value.is_none()).map(|config| config.name.as_str()).collect();
        if !nulls.is_empty() {
            return Err(invalid(format!("Null value not supported for topic configs: {}", nulls.join(","))));
        }
        let mut configs = BTreeMap::new();
        for config in &topic.configs {
            let value = config.value.as_deref().unwrap_or_default();
            if config.name.len().max(value.len()) > MAX_CONFIG_SIZE_BYTES {
                return Err(too_long_config());
            }
            configs.insert(config.name.to_string(), value.to_owned());
        }
        if !configs.is_empty() {
            self.context.configs.validate(&ConfigResource::topic(name), &configs)?;
        }
        Ok(configs)
    }

    /// Partitions as the caller wants them placed.
    fn assign(&self, topic: &CreatableTopic) -> Result<Vec<PartitionRegistration>, ApiError> {
        let invalid = |text: String| ApiError::new(ResponseError::InvalidReplicaAssignment, text);
        if topic.replication_factor != -1 {
            let text = "A manual partition assignment was specified, but replication factor was not set to -1.";
            return Err(ApiError::new(ResponseError::InvalidRequest, text));
        }
        if topic.num_partitions != -1 {
            let text = "A manual partition assignment was specified, but numPartitions was not set to -1.";
            return Err(ApiError::new(ResponseError::InvalidRequest, text));
        }
        let cluster = self.image.cluster();
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                return Err(invalid(format!("Found multiple manual partition assignments for partition {index}")));
            }
            let replicas: Vec<BrokerId> = assignment.broker_ids.iter().map(|id| BrokerId(id.0)).collect();
            placement::check_manual(cluster, &replicas, replication_factor)?;
            replication_factor = Some(replicas.len());
            let partition = placement::manual(cluster, replicas, index)?;
            partitions.insert(index, partition);
        }
        if !partitions.keys().copied().eq(0..i32::try_from(partitions.len()).unwrap_or(i32::MAX)) {
            return Err(invalid("partitions should be a consecutive 0-based integer sequence".to_owned()));
        }
        self.context.limits.check(partitions.len(), partitions.len(), self.partitions_total)?;
        Ok(partitions.into_values().collect())
    }

    /// Partitions spread over the active brokers.
    fn place(&self, topic: &CreatableTopic) -> Result<Vec<PartitionRegistration>, ApiError> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let text = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(ApiError::new(ResponseError::InvalidReplicationFactor, text));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            let text = "Number of partitions was set to an invalid non-positive value.";
            return Err(ApiError::new(ResponseError::InvalidPartitions, text));
        }
        let or_default = |asked, default| if asked == -1 { default } else { asked };
        let num_partitions = or_default(topic.num_partitions, self.context.default_num_partitions);
        let factor = i16::try_from(or_default(i32::from(topic.replication_factor), i32::from(self.context.default_replication_factor)))
            .unwrap_or(i16::MAX);
        let cluster = self.image.cluster();
        placement::usable_brokers(cluster, factor).map_err(|why| {
            let text = format!("Unable to replicate the partition {factor} time(s): {why}");
            ApiError::new(ResponseError::InvalidReplicationFactor, text)
        })?;
        let count = usize::try_from(num_partitions).unwrap_or_default();
        self.context.limits.check(count, count, self.partitions_total)?;
        placement::spread(cluster, 0..count, factor)
    }

    /// Adds the topic's records and words its success.
    fn accept(&mut self, mut topic: NewTopic) -> Result<CreatableTopicResult, ApiError> {
        topic.id = (self.context.new_topic_id)();
        assert!(!topic.id.is_zero() && self.image.topics().by_id(topic.id).is_none(), "the shell passes fresh topic ids");
        let NewTopic { id, name, configs, partitions } = &topic;
        if self.records.len() + 1 + configs.len() + partitions.len() > MAX_RECORDS_PER_OPERATION {
            let text = "Unable to perform excessively large batch operation.";
            return Err(ApiError::new(ResponseError::PolicyViolation, text));
        }
        self.partitions_total += partitions.len();
        // Kafka's order: the topic, its configs, its partitions.
        self.records.push(MetadataRecord::Topic(TopicRecord { name: name.clone(), topic_id: *id }));
        let resource = ConfigResource::topic(name);
        self.records.extend(configs.iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: resource.resource_type.id(),
                resource_name: resource.name.clone(),
                name: key.clone(),
                value: Some(value.clone()),
            })
        }));
        self.records.extend((0..).zip(partitions).map(|(number, partition)| MetadataRecord::Partition(partition.to_record(*id, number))));
        Ok(self.success(&topic))
    }

    fn success(&self, topic: &NewTopic) -> CreatableTopicResult {
        let result = CreatableTopicResult::default()
            .with_name(kafka_protocol::messages::TopicName(StrBytes::from_string(topic.name.to_string())))
            .with_topic_id(topic.id.0)
            .with_error_message(None);
        if !self.context.access.may_describe_configs(&topic.name) {
            return result.with_topic_config_error_code(ResponseError::TopicAuthorizationFailed.code());
        }
        let mut described = self.context.configs.describe(&topic.configs);
        described.sort_by(|a, b| a.name.cmp(&b.name));
        let factor = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        result
            .with_num_partitions(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
            .with_replication_factor(i16::try_from(factor).unwrap_or(i16::MAX))
            .with_configs(Some(described.into_iter().map(described_config).collect()))
    }
}

fn described_config(config: DescribedConfig) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(StrBytes::from_string(config.name))
        .with_value(config.value.filter(|_| !config.sensitive).map(StrBytes::from_string))
        .with_read_only(config.read_only)
        .with_config_source(config.source)
        .with_is_sensitive(config.sensitive)
}

/// The caller's quota of partitions to create or delete is used up (KIP-599).
pub(super) fn over_quota() -> ApiError {
    ApiError { error: ResponseError::ThrottlingQuotaExceeded, message: None }
}

pub(super) fn too_long_config() -> ApiError {
    let text = "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.";
    ApiError::new(ResponseError::InvalidConfig, text)
}

fn failure(name: &StrBytes, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(kafka_protocol::messages::TopicName(name.clone()))
        .with_error_code(error.error.code())
        .with_error_message(error.message.clone().map(StrBytes::from_string))
}
