//! The transaction coordinator as request handlers see it.
//!
//! Whoever meets a transaction that is decided but not complete waits a moment for its markers, so that clients hardly ever have to ask
//! again after CONCURRENT_TRANSACTIONS.

use super::markers::Markers;
use super::runtime::{CoordinatorShard, EffectsOf, Runtime, RuntimeConfig};
use super::settings::txn_settings;
use crate::broker::{Node, Published};
use crate::clock::Clock;
use crate::config::Config;
use crate::partition::flusher::Flusher;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_transactions_response::TransactionState as DescribedTransaction;
use kafka_protocol::messages::list_transactions_response::TransactionState as ListedTransaction;
use kafka_protocol::messages::{EndTxnRequest, InitProducerIdRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::MetadataDelta;
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::partitioner::partition_for;
use ottla_coordinator::timers::Millis;
pub(crate) use ottla_coordinator::txn::VerifiedPartitions;
use ottla_coordinator::txn::{
    ListFilter, PartitionsOfProducer, ProducerIdAndEpoch, TransactionRecord, TransactionVersion, TxnEffects, TxnReply, TxnSettings,
    TxnShard,
};
use ottla_storage::batch::compression::Compression;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The topic that keeps transactions.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// How long a request waits for the markers of the transaction before it.
const PATIENCE: Duration = Duration::from_millis(100);

impl CoordinatorShard for TxnShard {
    const TOPIC: &'static str = TRANSACTIONS_TOPIC;
    type Settings = TxnSettings;

    fn new(settings: &Arc<TxnSettings>, image: Arc<MetadataImage>) -> Self {
        Self::new(Arc::clone(settings), image)
    }

    fn reconfigure(&mut self, settings: &Arc<TxnSettings>) {
        self.reconfigure(Arc::clone(settings));
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<TransactionRecord>, String> {
        TransactionRecord::decode(key, value).map_err(|error| error.to_string())
    }

    fn encode(record: &TransactionRecord) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        record.encode().map_err(|error| error.to_string())
    }

    fn replay_transactional(&mut self, _producer_id: i64, _record: &TransactionRecord) {
        // Nobody writes transactions in a transaction.
    }

    fn replay_marker(&mut self, _producer_id: i64, _commit: bool) {}

    fn on_new_image(&mut self, _now: Millis, image: &Arc<MetadataImage>, _delta: &MetadataDelta) -> EffectsOf<Self> {
        self.on_new_image(image)
    }
}

/// All transaction shards of this broker.
#[derive(Clone, Debug)]
pub(crate) struct TxnCoordinator {
    pub(crate) runtime: Runtime<TxnShard>,
    pub(crate) markers: Markers,
    completed: Arc<Notify>,
}

impl TxnCoordinator {
    /// From now on the shards obey these settings.
    pub(crate) fn reconfigure(&self, config: &Config) {
        self.runtime.reconfigure(Arc::new(txn_settings(config)));
    }

    /// Without shards; they come with the metadata image.
    pub(crate) fn start(config: &Config, clock: Clock, flusher: Arc<Flusher>) -> io::Result<Self> {
        let completed = Arc::new(Notify::new());
        let markers = Markers::start(clock.clone(), Arc::clone(&flusher), Arc::clone(&completed))?;
        let config = RuntimeConfig {
            settings: Arc::new(txn_settings(config)),
            compression: Compression::None,
            commit_timeout: Duration::from_millis(u64::try_from(config.offsets_commit_timeout_ms()).unwrap_or(0)),
            load_buffer_bytes: config.transaction_state_log_load_buffer_bytes(),
            courier: Some(markers.courier()),
        };
        Ok(Self { runtime: Runtime::start(config, clock, flusher)?, markers, completed })
    }

    /// Shows the marker sender the partitions that it writes to.
    pub(crate) fn connect(&self, published: &Arc<Published>) {
        self.markers.connect(published, &self.runtime);
    }

    /// Shows the marker sender where producer ids come from.
    pub(crate) fn connect_node(&self, node: &Arc<Node>) {
        self.markers.connect_node(node);
    }

    /// Answers whoever waits and ends the threads.
    pub(crate) fn stop(&self) {
        self.runtime.stop();
        self.markers.stop();
    }

    /// InitProducerId with a transactional id. Older clients know other errors: the API maps them.
    pub(crate) async fn init_producer_id(&self, node: &Node, request: &InitProducerIdRequest) -> Result<ProducerIdAndEpoch, ResponseError> {
        let id = request.transactional_id.as_ref().ok_or(ResponseError::InvalidRequest)?;
        let mut fresh = None;
        let mut patience = Patience::new();
        loop {
            let completed = self.completed.notified();
            tokio::pin!(completed);
            completed.as_mut().enable();
            let reply = self.runtime.run(id, |shard, now, ticket| shard.init_producer_id(now, ticket, fresh, request)).await?;
            match reply {
                TxnReply::NeedsProducerId if fresh.is_none() => fresh = Some(node.producer_ids.next(node).await?),
                TxnReply::InitProducerId(Err(ResponseError::ConcurrentTransactions)) if patience.wait(completed).await => {}
                TxnReply::InitProducerId(outcome) => return outcome,
                _ => return Err(ResponseError::UnknownServerError),
            }
        }
    }

    /// Adds partitions to the producer's transaction, opening it if need be.
    pub(crate) async fn add_partitions(&self, request: &PartitionsOfProducer<'_>) -> Result<(), ResponseError> {
        self.add_partitions_within(&mut Patience::new(), request).await
    }

    /// The same for one of many: together they wait no longer than one.
    pub(crate) async fn add_partitions_within(
        &self,
        patience: &mut Patience,
        request: &PartitionsOfProducer<'_>,
    ) -> Result<(), ResponseError> {
        loop {
            let completed = self.completed.notified();
            tokio::pin!(completed);
            completed.as_mut().enable();
            match self.ask(request.transactional_id, |shard, now, ticket| shard.add_partitions(now, ticket, request)).await? {
                TxnReply::Added(Err(ResponseError::ConcurrentTransactions)) if patience.wait(completed).await => {}
                TxnReply::Added(outcome) => return outcome,
                _ => return Err(ResponseError::UnknownServerError),
            }
        }
    }

    /// Says which partitions are in the producer's open transaction.
    pub(crate) async fn verify_partitions(&self, request: &PartitionsOfProducer<'_>) -> Result<VerifiedPartitions, ResponseError> {
        match self.ask(request.transactional_id, |shard, _, ticket| shard.verify_partitions(ticket, request)).await? {
            TxnReply::Verified(outcome) => outcome,
            _ => Err(ResponseError::UnknownServerError),
        }
    }

    /// EndTxn. With transaction version 2 the answer has the producer of the next transaction.
    pub(crate) async fn end_txn(
        &self,
        node: &Node,
        request: &EndTxnRequest,
        version: TransactionVersion,
    ) -> Result<Option<ProducerIdAndEpoch>, ResponseError> {
        let mut fresh = None;
        let mut patience = Patience::new();
        loop {
            let completed = self.completed.notified();
            tokio::pin!(completed);
            completed.as_mut().enable();
            let id: &str = &request.transactional_id;
            let reply = self.ask(id, |shard, now, ticket| shard.end_txn(now, ticket, fresh, request, version)).await?;
            match reply {
                TxnReply::NeedsProducerId if fresh.is_none() => fresh = Some(node.producer_ids.next(node).await?),
                TxnReply::EndTxn(Err(ResponseError::ConcurrentTransactions)) if patience.wait(completed).await => {}
                TxnReply::EndTxn(outcome) => return outcome,
                _ => return Err(ResponseError::UnknownServerError),
            }
        }
    }

    /// One transactional id of a DescribeTransactions.
    pub(crate) async fn describe(&self, transactional_id: &str) -> Result<DescribedTransaction, ResponseError> {
        match self.ask(transactional_id, |shard, _, ticket| shard.describe(ticket, transactional_id)).await? {
            TxnReply::Described(described) => Ok(*described),
            _ => Err(ResponseError::UnknownServerError),
        }
    }

    /// The transactions of every shard here that pass the filter. A shard that still loads makes the whole answer
    /// COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) async fn list(&self, filter: &ListFilter) -> Result<Vec<ListedTransaction>, ResponseError> {
        let replies = self.runtime.run_all(|shard, now, ticket| shard.list(now, ticket, filter)).await?;
        let listed = replies.into_iter().flat_map(|reply| if let TxnReply::Listed(rows) = reply { rows } else { Vec::new() });
        Ok(listed.collect())
    }

    async fn ask(
        &self,
        transactional_id: &str,
        handler: impl FnOnce(&mut TxnShard, Millis, Ticket) -> TxnEffects,
    ) -> Result<TxnReply, ResponseError> {
        self.runtime.run(transactional_id, handler).await
    }

    /// The broker that coordinates a transactional id, once there is `__transaction_state`.
    pub(crate) fn coordinator_of(&self, node: &Node, transactional_id: &str) -> Option<i32> {
        let image = node.image();
        let topic = image.topics().by_name(TRANSACTIONS_TOPIC)?;
        let partition_count = i32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0)?;
        let (leader, _) = node.leader_by_name(TRANSACTIONS_TOPIC, partition_for(transactional_id, partition_count))?;
        (leader >= 0).then_some(leader)
    }

    /// Creates `__transaction_state` unless it exists. What refuses it is logged; clients are told COORDINATOR_NOT_AVAILABLE.
    pub(crate) async fn ensure_topic(&self, node: &Arc<Node>) -> Result<(), ResponseError> {
        if node.topic_id(TRANSACTIONS_TOPIC).is_some() {
            return Ok(());
        }
        let config = node.dynamic.kept();
        let row = |name: &'static str, value: String| {
            CreatableTopicConfig::default().with_name(StrBytes::from_static_str(name)).with_value(Some(StrBytes::from_string(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_static_str(TRANSACTIONS_TOPIC)))
            .with_num_partitions(config.transaction_state_log_num_partitions())
            .with_replication_factor(config.transaction_state_log_replication_factor())
            .with_configs(vec![
                row("cleanup.policy", "compact".to_owned()),
                row("compression.type", "uncompressed".to_owned()),
                row("min.insync.replicas", config.transaction_state_log_min_isr().to_string()),
                row("segment.bytes", config.transaction_state_log_segment_bytes().to_string()),
                row("unclean.leader.election.enable", "false".to_owned()),
            ]);
        let response = node.controller.create_internal_topic(node, topic).await?;
        super::group::created(TRANSACTIONS_TOPIC, "no transaction", &response)
    }
}

/// How much longer a request waits for other transactions to complete.
#[derive(Debug)]
pub(crate) struct Patience(tokio::time::Instant);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(tokio::time::Instant::now() + PATIENCE)
    }

    /// Waits until some transaction has completed; false when there is no patience left.
    async fn wait(&mut self, completed: impl Future<Output = ()>) -> bool {
        tokio::time::timeout_at(self.0, completed).await.is_ok()
    }
}
