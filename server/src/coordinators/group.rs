//! The group coordinator as request handlers see it: one call that runs a handler in the shard of a group.

use super::runtime::{CoordinatorShard, EffectsOf, Runtime, RuntimeConfig};
use super::settings::group_settings;
use crate::broker::Node;
use crate::clock::Clock;
use crate::config::Config;
use crate::partition::flusher::Flusher;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{GroupEffects, GroupRecord, GroupReply, GroupSettings, GroupShard};
use ottla_coordinator::metadata::MetadataDelta;
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::partitioner::partition_for;
use ottla_coordinator::timers::Millis;
use ottla_storage::batch::compression::Compression;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The topic that keeps groups and offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl CoordinatorShard for GroupShard {
    const TOPIC: &'static str = OFFSETS_TOPIC;
    type Settings = GroupSettings;

    fn new(settings: &Arc<GroupSettings>, image: Arc<MetadataImage>) -> Self {
        Self::new(Arc::clone(settings), image)
    }

    fn reconfigure(&mut self, settings: &Arc<GroupSettings>) {
        self.reconfigure(Arc::clone(settings));
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, String> {
        GroupRecord::decode(key, value).map(Some).map_err(|error| error.to_string())
    }

    fn encode(record: &GroupRecord) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        record.encode().map_err(|error| error.to_string())
    }

    fn replay_transactional(&mut self, producer_id: i64, record: &GroupRecord) {
        self.replay_transactional(producer_id, record);
    }

    fn replay_marker(&mut self, producer_id: i64, commit: bool) {
        self.replay_marker(producer_id, commit);
    }

    fn on_new_image(&mut self, now: Millis, image: &Arc<MetadataImage>, delta: &MetadataDelta) -> EffectsOf<Self> {
        self.on_new_image(now, image, delta)
    }
}

/// All group shards of this broker.
#[derive(Clone, Debug)]
pub(crate) struct GroupCoordinator {
    pub(crate) runtime: Runtime<GroupShard>,
}

impl GroupCoordinator {
    /// Without shards; they come with the metadata image.
    pub(crate) fn start(config: &Config, clock: Clock, flusher: Arc<Flusher>) -> io::Result<Self> {
        let compression = Compression::from_code(config.offsets_topic_compression_codec()).unwrap_or(Compression::None);
        let commit_timeout = Duration::from_millis(u64::try_from(config.offsets_commit_timeout_ms()).unwrap_or(0));
        let settings = Arc::new(group_settings(config));
        let load_buffer_bytes = config.offsets_load_buffer_bytes();
        let config = RuntimeConfig { settings, compression, commit_timeout, load_buffer_bytes, courier: None };
        Ok(Self { runtime: Runtime::start(config, clock, flusher)? })
    }

    /// From now on the shards obey these settings.
    pub(crate) fn reconfigure(&self, config: &Config) {
        self.runtime.reconfigure(Arc::new(group_settings(config)));
    }

    /// Runs a handler in the shard of a group and waits for its reply, which may take a rebalance.
    ///
    /// Errors: NOT_COORDINATOR when the shard is not here, COORDINATOR_LOAD_IN_PROGRESS while it loads, COORDINATOR_NOT_AVAILABLE when
    /// its log does not commit in time.
    pub(crate) async fn run(
        &self,
        _node: &Node,
        group_id: &str,
        handler: impl FnOnce(&mut GroupShard, Millis, Ticket) -> GroupEffects,
    ) -> Result<GroupReply, ResponseError> {
        self.runtime.run(group_id, handler).await
    }

    /// Runs a handler in every shard of this broker, in order of partitions. A shard that still loads makes the whole answer
    /// COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) async fn run_all(
        &self,
        _node: &Node,
        handler: impl FnMut(&mut GroupShard, Millis, Ticket) -> GroupEffects,
    ) -> Result<Vec<GroupReply>, ResponseError> {
        self.runtime.run_all(handler).await
    }

    /// The broker that coordinates a group, once there is `__consumer_offsets`.
    pub(crate) fn coordinator_of(&self, node: &Node, group_id: &str) -> Option<i32> {
        let image = node.image();
        let topic = image.topics().by_name(OFFSETS_TOPIC)?;
        let partition_count = i32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0)?;
        let (leader, _) = node.leader_by_name(OFFSETS_TOPIC, partition_for(group_id, partition_count))?;
        (leader >= 0).then_some(leader)
    }

    /// Creates `__consumer_offsets` unless it exists. What refuses it is logged; clients are told COORDINATOR_NOT_AVAILABLE.
    pub(crate) async fn ensure_topic(&self, node: &Arc<Node>) -> Result<(), ResponseError> {
        if node.topic_id(OFFSETS_TOPIC).is_some() {
            return Ok(());
        }
        let config = node.dynamic.kept();
        let row = |name: &'static str, value: String| {
            CreatableTopicConfig::default().with_name(StrBytes::from_static_str(name)).with_value(Some(StrBytes::from_string(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_static_str(OFFSETS_TOPIC)))
            .with_num_partitions(config.offsets_topic_num_partitions())
            .with_replication_factor(config.offsets_topic_replication_factor())
            .with_configs(vec![
                row("cleanup.policy", "compact".to_owned()),
                row("compression.type", "producer".to_owned()),
                row("segment.bytes", config.offsets_topic_segment_bytes().to_string()),
            ]);
        let response = node.controller.create_internal_topic(node, topic).await?;
        created(OFFSETS_TOPIC, "no consumer group", &response)
    }
}

/// What came of creating an internal topic; `unserved` is what cannot be served without it.
pub(super) fn created(name: &str, unserved: &str, response: &CreateTopicsResponse) -> Result<(), ResponseError> {
    let refused = response.topics.first().and_then(|topic| ResponseError::try_from_code(topic.error_code));
    match refused {
        None | Some(ResponseError::TopicAlreadyExists) => Ok(()),
        Some(error) => {
            let reason = response.topics.first().and_then(|topic| topic.error_message.clone());
            tracing::warn!(%error, ?reason, "cannot create {name}: {unserved} can be served");
            Err(ResponseError::CoordinatorNotAvailable)
        }
    }
}
