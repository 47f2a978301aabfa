//! The broker as a library: owns the rooms, starts and stops them in order. No globals: any number of brokers in one process.

use crate::api::{Dispatcher, FaultHook, RequestObserver};
use crate::auth::{AllowAll, Authorizer};
use crate::background::{Background, Errands};
use crate::cleaner::Cleaner;
use crate::clock::Clock;
use crate::config::{Advertised, Config};
use crate::coordinators::controller::Controller;
use crate::coordinators::group::GroupCoordinator;
pub use crate::coordinators::startup::StartError;
use crate::coordinators::startup::{self, Opened};
use crate::coordinators::txn::TxnCoordinator;
use crate::disks::Keepers;
use crate::dynamic_config::DynamicConfig;
use crate::fetch::session::SessionCache;
use crate::lag::LostTails;
use crate::limits::Limits;
use crate::log_levels::LogLevels;
use crate::metrics::{Detail, Endpoint, Watched};
use crate::net::{BoundListener, ConnectionInfo, ListenerSpec, Listeners, Reactors, Serving};
use crate::partition::Partition;
use crate::partition::flusher::Flusher;
use crate::partition::registry::Registry;
use crate::producer_ids::ProducerIds;
use crate::quota::Quotas;
use crate::stuck::LateTransactions;
use crate::telemetry::Telemetry;
use arc_swap::ArcSwap;
use kafka_protocol::ResponseError;
use ottla_coordinator::metadata::image::{MetadataImage, TopicImage};
use ottla_coordinator::metadata::{self as shard, TopicId, features};
use ottla_storage::disk::Disk;
use ottla_storage::log::PartitionLog;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use uuid::Uuid;

/// How long requests in flight may take to finish when the broker stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What an embedder may plug in.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Injects faults before requests.
    pub fault: Option<Arc<dyn FaultHook>>,
    /// Sees requests after they are done.
    pub observer: Option<Arc<dyn RequestObserver>>,
    /// The loggers that the config APIs show and change; a table that only remembers when `None`.
    pub log_levels: Option<Arc<LogLevels>>,
    /// Where the data is kept; the machine's own files when `None`.
    pub disk: Option<Arc<dyn Disk>>,
}

/// What the controller shows to the rest of the broker: the broker's own configuration and partitions follow first, then groups, then request handlers see the new image;
/// transactions last, as their markers go to partitions that they find in the image.
#[derive(Debug)]
pub(crate) struct Published {
    image: ArcSwap<MetadataImage>,
    dynamic: Arc<DynamicConfig>,
    pub(crate) registry: Registry,
    pub(crate) groups: GroupCoordinator,
    txns: TxnCoordinator,
    quotas: Arc<Quotas>,
}

impl Published {
    pub(crate) fn new(
        dynamic: Arc<DynamicConfig>,
        registry: Registry,
        groups: GroupCoordinator,
        txns: TxnCoordinator,
        quotas: Arc<Quotas>,
    ) -> Self {
        Self { image: ArcSwap::from_pointee(MetadataImage::default()), dynamic, registry, groups, txns, quotas }
    }

    /// The newest committed metadata.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    pub(crate) fn show(&self, now_ms: i64, published: &shard::Published) {
        self.dynamic.follow(&published.new);
        self.registry.apply(now_ms, &published.new, &published.delta);
        self.groups.runtime.follow(&self.registry, &published.new, &published.delta);
        if published.delta.client_quotas_changed {
            self.quotas.follow(published.new.client_quotas());
        }
        self.image.store(Arc::clone(&published.new));
        self.txns.runtime.follow(&self.registry, &published.new, &published.delta);
    }
}

/// What request handlers see of the broker.
#[derive(Debug)]
pub struct Node {
    /// This broker's id.
    pub node_id: i32,
    /// The cluster's id.
    pub cluster_id: String,
    /// The epoch of this run's registration.
    pub broker_epoch: i64,
    /// The configuration the broker was started with.
    pub config: Arc<Config>,
    /// Where `now` comes from.
    pub clock: Clock,
    /// When this run began to serve.
    pub started_at_ms: i64,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// How much a client may use.
    pub quota: Arc<Quotas>,
    /// Plugged-in hooks.
    pub hooks: Hooks,
    /// Levels of loggers.
    pub log_levels: Arc<LogLevels>,
    /// Bytes of one Fetch response at most (`fetch.max.bytes`).
    pub fetch_max_bytes: u64,
    /// `log.dirs`, for those who ask what is in them.
    pub(crate) log_dirs: Vec<PathBuf>,
    pub(crate) flusher: Arc<Flusher>,
    pub(crate) sessions: SessionCache,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) controller: Controller,
    pub(crate) groups: GroupCoordinator,
    pub(crate) txns: TxnCoordinator,
    pub(crate) lost_tails: LostTails,
    pub(crate) late_transactions: LateTransactions,
    pub(crate) telemetry: Telemetry,
    pub(crate) dynamic: Arc<DynamicConfig>,
    pub(crate) errands: Errands,
    pub(crate) cleaner: Cleaner,
    pub(crate) published: Arc<Published>,
    /// Listeners whose clients are told the address they came in on.
    pub(crate) of_connection: Vec<Arc<str>>,
    pub(crate) stopping: AtomicBool,
}

/// How a client reaches a broker over the listener it came in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedEndpoint {
    /// Broker id.
    pub node_id: i32,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Registered but not to be used.
    pub fenced: bool,
}

impl Node {
    /// The broker is going down: long polls answer with what they have.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// KIP-848 is offered: by configuration and by the cluster's features.
    #[must_use]
    pub fn consumer_protocol_enabled(&self) -> bool {
        let level = self.published.image.load().features().level(features::GROUP_VERSION);
        self.config.group_consumer_protocol_enabled() && level >= 1
    }

    /// Brings broker keys that changed to where they count. What partitions obey is the registry's business, and all else asks when it
    /// needs to know.
    fn follow_config(&self, admission: impl Fn(Limits) + Send + Sync + 'static) {
        let (groups, txns, quota) = (self.groups.clone(), self.txns.clone(), Arc::clone(&self.quota));
        self.dynamic.watch(move |config| {
            quota.configure(config);
            groups.reconfigure(config);
            txns.reconfigure(config);
            admission(config.limits());
        });
    }

    fn stop_waiting(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.txns.stop();
        self.groups.runtime.stop();
        self.published.registry.all().iter().for_each(|partition| partition.wake_all());
    }

    /// The newest committed metadata.
    #[must_use]
    pub fn image(&self) -> Arc<MetadataImage> {
        self.published.image.load_full()
    }

    /// The name of a topic id.
    #[must_use]
    pub fn topic_name(&self, topic_id: Uuid) -> Option<shard::TopicName> {
        self.published.image.load().topics().by_id(TopicId(topic_id)).map(|topic| topic.name.clone())
    }

    /// The id of a topic name.
    #[must_use]
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.published.image.load().topics().by_name(name).map(|topic| topic.id.0)
    }

    /// The partition behind a topic name.
    pub fn partition_by_name(&self, name: &str, partition: i32) -> Result<Arc<Partition>, ResponseError> {
        let image = self.published.image.load();
        self.partition(image.topics().by_name(name).ok_or(ResponseError::UnknownTopicOrPartition)?, partition)
    }

    /// The partition behind a topic id.
    pub fn partition_by_id(&self, topic_id: Uuid, partition: i32) -> Result<Arc<Partition>, ResponseError> {
        let image = self.published.image.load();
        self.partition(image.topics().by_id(TopicId(topic_id)).ok_or(ResponseError::UnknownTopicId)?, partition)
    }

    /// The partition of a topic of the image. Known to the image but not here: NOT_LEADER_OR_FOLLOWER, so that producers retry instead of
    /// giving up.
    pub(crate) fn partition(&self, topic: &TopicImage, partition: i32) -> Result<Arc<Partition>, ResponseError> {
        match self.published.registry.get(topic.id.0, partition) {
            Some(found) => Ok(found),
            None if topic.partitions.contains_key(&partition) => Err(ResponseError::NotLeaderOrFollower),
            None => Err(ResponseError::UnknownTopicOrPartition),
        }
    }

    /// Leader and leader epoch of a partition, by topic name.
    #[must_use]
    pub fn leader_by_name(&self, name: &str, partition: i32) -> Option<(i32, i32)> {
        leader(self.published.image.load().topics().by_name(name)?, partition)
    }

    /// Leader and leader epoch of a partition, by topic id.
    #[must_use]
    pub fn leader_by_id(&self, topic_id: Uuid, partition: i32) -> Option<(i32, i32)> {
        leader(self.published.image.load().topics().by_id(TopicId(topic_id))?, partition)
    }

    /// How a client on this connection reaches a broker: the address registered for the listener it came in on.
    #[must_use]
    pub fn endpoint_of(&self, node_id: i32, connection: &ConnectionInfo) -> Option<AdvertisedEndpoint> {
        self.endpoints(connection).into_iter().find(|endpoint| endpoint.node_id == node_id)
    }

    /// All brokers that have an address on the connection's listener, by id.
    #[must_use]
    pub fn endpoints(&self, connection: &ConnectionInfo) -> Vec<AdvertisedEndpoint> {
        let here = self.of_connection.contains(&connection.listener_name);
        let own_address = connection.local_addr.ip().to_string();
        let config = self.dynamic.current();
        let anew = config.advertised_anew(&connection.listener_name);
        let image = self.published.image.load();
        image
            .cluster()
            .brokers()
            .filter_map(|broker| {
                let endpoint = broker.endpoint(&connection.listener_name)?;
                let (host, port) = match anew.filter(|_| broker.id.0 == self.node_id) {
                    Some((host, port)) => (host.to_owned(), port),
                    None if here && broker.id.0 == self.node_id => (own_address.clone(), endpoint.port),
                    None => (endpoint.host.clone(), endpoint.port),
                };
                Some(AdvertisedEndpoint {
                    node_id: broker.id.0,
                    host,
                    port: i32::from(port),
                    rack: broker.rack.clone(),
                    fenced: broker.fenced,
                })
            })
            .collect()
    }
}

fn listeners_of_connection(config: &Config) -> Vec<Arc<str>> {
    let of_connection = config.listeners().iter().filter(|listener| listener.advertised == Advertised::OfConnection);
    of_connection.map(|listener| Arc::clone(&listener.name)).collect()
}

fn leader(topic: &TopicImage, partition: i32) -> Option<(i32, i32)> {
    topic.partitions.get(&partition).map(|registration| (registration.leader.map_or(-1, |id| id.0), registration.leader_epoch.0))
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    node: Arc<Node>,
    bound: Vec<BoundListener>,
    serving: Serving,
    reactors: Reactors,
    background: Background,
    metrics: Option<Endpoint>,
    keepers: Keepers,
    controller_thread: JoinHandle<PartitionLog>,
    data_dirs: Vec<PathBuf>,
}

impl Broker {
    /// Starts a broker and returns when it serves.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Clock::system(), Hooks::default())
    }

    /// Starts a broker with an injected clock and hooks.
    pub fn start_with(config: Config, clock: Clock, hooks: Hooks) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let limits = Arc::new(config.limits());
        // First of all, so that probes are answered while logs are read back.
        let detail = Detail::of(config.metrics_detail());
        let metrics = config.metrics_listener().map(|(host, port)| Endpoint::start(host, port, detail, &limits)).transpose()?;
        let mut opened = startup::open(&config, &clock, hooks.disk.clone())?;
        // Bound before registration, so that the ports are known; clients that come early wait in the listen queue.
        let specs: Vec<ListenerSpec> = config
            .listeners()
            .iter()
            .map(|listener| ListenerSpec { name: listener.name.to_string(), host: listener.host.clone(), port: listener.port })
            .collect();
        let listeners = Listeners::bind(&specs, &limits)?;
        let bound = listeners.bound().to_vec();
        let broker_epoch = startup::register(&mut opened, &config, &bound)?;
        let Opened { cluster_id, node_id, data_dirs, dynamic, flusher, groups, txns, published, runtime } = opened;
        let (controller, jobs) = Controller::channel();
        let controller_thread = Controller::serve(runtime, jobs)?;
        let (errands, inbox) = Errands::new();
        let node = Arc::new(Node {
            node_id,
            cluster_id,
            broker_epoch,
            started_at_ms: clock.now_ms(),
            clock,
            authorizer: Arc::new(AllowAll),
            quota: Arc::clone(&published.quotas),
            log_levels: hooks.log_levels.clone().unwrap_or_default(),
            hooks,
            fetch_max_bytes: config.fetch_max_bytes(),
            log_dirs: config.log_dirs(),
            flusher,
            sessions: SessionCache::new(config.fetch_session_cache_slots()),
            producer_ids: ProducerIds::default(),
            controller,
            groups,
            txns,
            lost_tails: LostTails::default(),
            late_transactions: LateTransactions::default(),
            telemetry: Telemetry::default(),
            published,
            dynamic,
            errands,
            cleaner: Cleaner::default(),
            of_connection: listeners_of_connection(&config),
            stopping: AtomicBool::new(false),
            config: Arc::clone(&config),
        });
        node.txns.connect_node(&node);
        let background = Background::start(Arc::clone(&node), inbox)?;
        let keepers = Keepers::start(&node)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let reactors = Reactors::start(node.dynamic.current().reactors().unwrap_or(cores))?;
        let serving = listeners.serve(Arc::new(Dispatcher(Arc::clone(&node))), limits, reactors.handles())?;
        node.follow_config(serving.admission());
        if let Some(metrics) = &metrics {
            metrics.watch(Watched {
                node: Arc::clone(&node),
                reactors: reactors.handles().to_vec(),
                tallies: serving.tallies().to_vec(),
                listeners: bound.iter().map(|listener| Arc::clone(&listener.name)).collect(),
            });
        }
        Ok(Self { node, bound, serving, reactors, background, keepers, metrics, controller_thread, data_dirs })
    }

    /// The listeners with the addresses they are bound to.
    #[must_use]
    pub fn bound(&self) -> &[BoundListener] {
        &self.bound
    }

    /// Where metrics and health are served, if anywhere.
    #[must_use]
    pub fn metrics_bound(&self) -> Option<&BoundListener> {
        self.metrics.as_ref().map(Endpoint::bound)
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.node.cluster_id
    }

    /// Where the data is.
    #[must_use]
    pub fn data_dirs(&self) -> &[PathBuf] {
        &self.data_dirs
    }

    /// What request handlers see; for embedders and tests.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Stops gracefully: no new connections, requests in flight finish, logs are flushed and closed, the clean stop is recorded last.
    pub fn stop(self) {
        self.node.stop_waiting();
        let Self { node, serving, reactors, background, keepers, metrics, controller_thread, .. } = self;
        if let Some(handle) = reactors.handles().first() {
            let (done, finished) = std::sync::mpsc::channel();
            handle.spawn(async move {
                let _ = done.send(serving.stop(STOP_WITHIN).await);
            });
            if finished.recv() != Ok(true) {
                tracing::warn!("some connections did not end in time and were cut");
            }
        }
        reactors.stop();
        background.stop();
        node.cleaner.stop();
        keepers.stop();
        node.controller.stop();
        let metadata = controller_thread.join().ok();
        if metadata.is_none() {
            tracing::error!("the controller thread panicked");
        }
        node.published.registry.close(&node.flusher, metadata, node.broker_epoch);
        // Last, so that probes are answered while logs are flushed.
        if let Some(metrics) = metrics {
            metrics.stop();
        }
    }
}
