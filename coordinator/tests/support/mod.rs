//! A metadata log in memory: drives a shard the way the shell does, through bytes.

#![allow(dead_code, unreachable_pub, reason = "each test file compiles this for itself and uses its part")]

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{self, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::image::ConfigResource;
use ottla_coordinator::metadata::records::Endpoint;
use ottla_coordinator::metadata::*;
use ottla_coordinator::shard::Shard;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

pub const NODE: BrokerId = BrokerId(3);

/// Knows two topic keys and checks one of them.
pub struct Configs;

impl TopicConfigs for Configs {
    fn validate(&self, resource: &ConfigResource, configs: &BTreeMap<String, String>) -> Result<(), ApiError> {
        let refuse = |text: String| ApiError::new(ResponseError::InvalidConfig, text);
        for (name, value) in configs {
            match name.as_str() {
                "retention.ms" => {
                    let wrong = |_| refuse(format!("Invalid value {value} for configuration {name}: Not a number of type LONG"));
                    value.parse::<i64>().map_err(wrong)?;
                }
                "cleanup.policy" | "min.insync.replicas" => {}
                _ => {
                    let of = if resource.name.is_empty() { "broker" } else { "topic" };
                    return Err(refuse(format!("Unknown {of} config name: {name}")));
                }
            }
        }
        Ok(())
    }

    fn describe(&self, overrides: &BTreeMap<String, String>) -> Vec<DescribedConfig> {
        let describe = |name: &str, default: &str| {
            let set = overrides.get(name);
            DescribedConfig {
                name: name.to_owned(),
                value: Some(set.map_or(default, String::as_str).to_owned()),
                read_only: false,
                source: if set.is_some() { 1 } else { 5 },
                sensitive: false,
            }
        };
        vec![describe("retention.ms", "604800000"), describe("cleanup.policy", "delete")]
    }

    fn list_default(&self, _resource: &ConfigResource, key: &str) -> Option<String> {
        (key == "cleanup.policy").then(|| "delete".to_owned())
    }
}

/// One node's metadata: the log as bytes, and the shard that replays it.
#[derive(Default)]
pub struct Node {
    pub shard: MetadataShard,
    pub log: Vec<Bytes>,
    /// The deltas of all published batches.
    pub deltas: Vec<Arc<MetadataDelta>>,
    ids: u128,
}

impl Node {
    /// A node on an empty log that has bootstrapped and registered.
    pub fn started() -> Self {
        let mut node = Self::default();
        node.run(|shard, _| shard.bootstrap(Ticket(0), &Bootstrap { min_insync_replicas: 1 }));
        node.register();
        node
    }

    /// Handles, appends as bytes, replays what the bytes say, publishes; gives the replies.
    pub fn run(&mut self, handler: impl FnOnce(&MetadataShard, i64) -> MetadataEffects) -> Vec<MetadataReply> {
        let effects = handler(&self.shard, self.log.len() as i64);
        for record in &effects.records {
            self.append(record);
        }
        if let Some(published) = self.shard.publish(self.log.len() as i64 - 1, 1).expect("records that fit") {
            self.deltas.push(published.delta);
        }
        effects.replies.into_iter().map(|(_, reply)| reply).collect()
    }

    pub fn append(&mut self, record: &MetadataRecord) {
        let bytes = record.encode();
        let decoded = MetadataRecord::decode(&bytes).expect("our own bytes");
        assert_eq!(&decoded, record, "what is written is what is read");
        self.shard.replay(&decoded);
        self.log.push(bytes);
    }

    pub fn registration(&mut self) -> BrokerRegistrationRequest {
        self.ids += 1;
        BrokerRegistrationRequest {
            broker_id: NODE,
            incarnation_id: IncarnationId(Uuid::from_u128(self.ids)),
            endpoints: vec![Endpoint { name: "PLAINTEXT".into(), host: "localhost".into(), port: 9092, security_protocol: 0 }],
            features: features::supported(),
            rack: None,
            log_dirs: vec![DirectoryId(Uuid::from_u128(7 << 100))],
        }
    }

    pub fn register(&mut self) -> BrokerEpoch {
        let request = self.registration();
        match self.run(|shard, end| shard.register_broker(Ticket(0), &request, end)).remove(0) {
            MetadataReply::Registered(epoch) => epoch.expect("a registration in order"),
            other => panic!("{other:?}"),
        }
    }

    /// Another broker of the cluster starts.
    pub fn register_as(&mut self, broker_id: BrokerId) {
        let request =
            BrokerRegistrationRequest { broker_id, log_dirs: vec![DirectoryId(Uuid::from_u128(9 << 100))], ..self.registration() };
        self.run(|shard, end| shard.register_broker(Ticket(0), &request, end));
    }

    /// A feature at a level, whatever anybody says.
    pub fn feature(&mut self, name: &str, level: i16) {
        self.append(&MetadataRecord::FeatureLevel(records::FeatureLevelRecord { name: name.to_owned(), level }));
        self.run(|_, _| MetadataEffects::default());
    }

    pub fn topic_id(&self, topic: &str) -> TopicId {
        self.image().topics().by_name(topic).expect("a topic").id
    }

    pub fn create(&mut self, request: &CreateTopicsRequest) -> Vec<CreatableTopicResult> {
        self.create_with(request, &Unrestricted, TopicLimits::default())
    }

    pub fn create_with(
        &mut self,
        request: &CreateTopicsRequest,
        access: &dyn TopicAccess,
        limits: TopicLimits,
    ) -> Vec<CreatableTopicResult> {
        let mut next = self.ids;
        let mut new_topic_id = || {
            next += 1;
            // Scattered like real ones, so that the order of ids is not the order of creation.
            TopicId(Uuid::from_u128(next.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))
        };
        let mut replies = self.run(|shard, _| {
            let context = CreateTopicsContext {
                default_num_partitions: 1,
                default_replication_factor: 1,
                limits,
                configs: &Configs,
                access,
                new_topic_id: &mut new_topic_id,
            };
            shard.create_topics(Ticket(0), request, context)
        });
        self.ids = next;
        match replies.remove(0) {
            MetadataReply::CreateTopics(response) => response.topics,
            other => panic!("{other:?}"),
        }
    }

    pub fn grow(&mut self, topics: &[CreatePartitionsTopic]) -> Vec<CreatePartitionsTopicResult> {
        self.grow_with(&CreatePartitionsRequest::default().with_topics(topics.to_vec()), &Unrestricted, TopicLimits::default())
    }

    pub fn grow_with(
        &mut self,
        request: &CreatePartitionsRequest,
        access: &dyn TopicAccess,
        limits: TopicLimits,
    ) -> Vec<CreatePartitionsTopicResult> {
        let context = CreatePartitionsContext { limits, access };
        match self.run(|shard, _| shard.create_partitions(Ticket(0), request, &context)).remove(0) {
            MetadataReply::CreatePartitions(response) => response.results,
            other => panic!("{other:?}"),
        }
    }

    pub fn delete_with(
        &mut self,
        request: &DeleteTopicsRequest,
        api_version: i16,
        deletion_enabled: bool,
        access: &dyn TopicAccess,
    ) -> Vec<DeletableTopicResult> {
        let context = DeleteTopicsContext { api_version, deletion_enabled, access };
        match self.run(|shard, _| shard.delete_topics(Ticket(0), request, &context)).remove(0) {
            MetadataReply::DeleteTopics(response) => response.responses,
            other => panic!("{other:?}"),
        }
    }

    pub fn delete(&mut self, name: &str) -> i16 {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]);
        self.delete_with(&request, 5, true, &Unrestricted)[0].error_code
    }

    pub fn image(&self) -> &MetadataImage {
        self.shard.published()
    }

    pub fn last_delta(&self) -> &MetadataDelta {
        self.deltas.last().expect("something was published")
    }

    pub fn partition(&self, topic: &str, partition: i32) -> &PartitionRegistration {
        &self.image().topics().by_name(topic).expect("a topic").partitions[&partition]
    }

    /// A new process on the same log: replays the bytes.
    pub fn reloaded(&self) -> MetadataShard {
        let mut shard = MetadataShard::new();
        for bytes in &self.log {
            shard.replay(&MetadataRecord::decode(bytes).expect("our own bytes"));
        }
        shard.publish(self.log.len() as i64 - 1, 1).expect("records that fit");
        shard
    }
}

pub fn topic_name(name: &str) -> messages::TopicName {
    messages::TopicName(StrBytes::from_string(name.to_owned()))
}

pub fn topic(name: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(partitions).with_replication_factor(factor)
}

pub fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(partition, brokers): &(i32, &[i32])| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*partition)
            .with_broker_ids(brokers.iter().map(|id| messages::BrokerId(*id)).collect())
    };
    topic(name, -1, -1).with_assignments(assignments.iter().map(assignment).collect())
}

/// A topic that is to have `count` partitions, the new ones on these brokers.
pub fn grow(name: &str, count: i32, brokers: Option<&[Vec<i32>]>) -> CreatePartitionsTopic {
    let assignment = |brokers: &Vec<i32>| {
        CreatePartitionsAssignment::default().with_broker_ids(brokers.iter().map(|id| messages::BrokerId(*id)).collect())
    };
    let assignments = brokers.map(|rows| rows.iter().map(assignment).collect());
    CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(assignments)
}

pub fn with_config(topic: CreatableTopic, name: &str, value: Option<&str>) -> CreatableTopic {
    let mut topic = topic;
    topic.configs.push(
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.to_owned()))
            .with_value(value.map(|value| StrBytes::from_string(value.to_owned()))),
    );
    topic
}

pub fn create(topics: &[CreatableTopic]) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics.to_vec())
}

/// Name, error code and message of a result.
pub fn outcome(result: &CreatableTopicResult) -> (&str, i16, Option<&str>) {
    (result.name.0.as_str(), result.error_code, result.error_message.as_deref())
}
