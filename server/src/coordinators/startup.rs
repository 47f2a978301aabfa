//! From data directories to a broker that may serve: locks, metadata log, image, partitions, registration.

use super::controller::Runtime;
use super::group::GroupCoordinator;
use super::metadata_log::{MetadataLog, MetadataLogError};
use super::txn::TxnCoordinator;
use crate::broker::Published;
use crate::clock::Clock;
use crate::config::{Advertised, Config};
use crate::dynamic_config::DynamicConfig;
use crate::net::{BindError, BoundListener};
use crate::partition::flusher::Flusher;
use crate::partition::registry::Registry;
use crate::quota::Quotas;
use kafka_protocol::ResponseError;
use ottla_coordinator::metadata::records::Endpoint;
use ottla_coordinator::metadata::{
    Bootstrap, BrokerId, BrokerRegistrationRequest, DirectoryId, IncarnationId, MetadataReply, MetadataShard, features,
};
use ottla_coordinator::metadata::{MetadataDelta, MetadataImage};
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use ottla_storage::StorageError;
use ottla_storage::disk::{Disk, RealDisk};
use ottla_storage::manager::{LogManager, LogManagerConfig};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

/// Why the broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A data directory.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The metadata log.
    #[error(transparent)]
    Metadata(#[from] MetadataLogError),
    /// The cluster runs at a level that this version cannot.
    #[error(
        "the data directory is at {name}={level}, this version supports {min} to {max}; nothing was changed. \
         Start the version that wrote it, or lower the level there with kafka-features downgrade"
    )]
    Feature {
        /// Feature name.
        name: String,
        /// Finalized level.
        level: i16,
        /// Lowest supported level.
        min: i16,
        /// Highest supported level.
        max: i16,
    },
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The port for metrics and health.
    #[error("cannot serve metrics and health: {0}")]
    Metrics(#[from] crate::metrics::EndpointError),
    /// The broker could not register itself.
    #[error("the broker could not register: {0}")]
    Registration(String),
    /// A thread or runtime of the system.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// Data that is open and replayed, not yet served.
pub(crate) struct Opened {
    pub(crate) cluster_id: String,
    pub(crate) node_id: i32,
    pub(crate) data_dirs: Vec<PathBuf>,
    pub(crate) dynamic: Arc<DynamicConfig>,
    pub(crate) flusher: Arc<Flusher>,
    pub(crate) groups: GroupCoordinator,
    pub(crate) txns: TxnCoordinator,
    pub(crate) published: Arc<Published>,
    pub(crate) runtime: Runtime,
}

/// Locks the data directories and replays the metadata log.
pub(crate) fn open(config: &Arc<Config>, clock: &Clock, disk: Option<Arc<dyn Disk>>) -> Result<Opened, StartError> {
    let disk = disk.unwrap_or_else(|| Arc::new(RealDisk));
    let dirs = LogManagerConfig {
        log_dirs: config.log_dirs(),
        metadata_log_dir: Some(config.metadata_log_dir()),
        node_id: config.node_id(),
        cluster_id: config.cluster_id().map(str::to_owned),
    };
    let manager = LogManager::open(disk, &dirs, &mut Uuid::new_v4)?;
    for warning in manager.warnings() {
        tracing::warn!("{warning}");
    }
    manager.keep_reserves(config.disk_reserve_bytes());
    let disk = manager.disk();
    let mut shard = MetadataShard::new();
    let mut stands_for = None;
    let mut log = MetadataLog::open(&manager, disk, clock.now_ms(), |at| {
        shard.replay(&at.record);
        stands_for = Some(at.stands_for);
        Ok(())
    })?;
    if let Some(at) = stands_for {
        // Nothing is shown yet: partitions follow only once this broker is registered under a new epoch.
        shard.publish(at.last_offset, at.epoch).map_err(MetadataLogError::from)?;
    }
    refuse_unsupported(shard.image())?;
    log.begin_epoch(manager.node_id(), clock.now_ms())?;
    let (cluster_id, node_id) = (manager.cluster_id().to_owned(), manager.node_id());
    let data_dirs = manager.dirs().iter().map(|dir| dir.path().to_path_buf()).collect();
    let dynamic = Arc::new(DynamicConfig::new(Arc::clone(config), node_id));
    dynamic.follow(shard.image());
    let config = &**dynamic.current();
    let config_of = Arc::clone(&dynamic);
    let config_of_topic = Box::new(move |image: &MetadataImage, topic: &str| config_of.partition_config(image, topic));
    let registry = Registry::new(BrokerId(node_id), manager, config_of_topic, config.num_recovery_threads_per_data_dir());
    let flusher = Arc::new(Flusher::new());
    let groups = GroupCoordinator::start(config, clock.clone(), Arc::clone(&flusher))?;
    let txns = TxnCoordinator::start(config, clock.clone(), Arc::clone(&flusher))?;
    let quotas = Arc::new(Quotas::new(config, clock.clone()));
    quotas.follow(shard.image().client_quotas());
    let published = Arc::new(Published::new(Arc::clone(&dynamic), registry, groups.clone(), txns.clone(), quotas));
    txns.connect(&published);
    let snapshot_bytes = config.metadata_log_max_record_bytes_between_snapshots();
    let runtime = Runtime::new(BrokerId(node_id), shard, log, clock.clone(), Arc::clone(&published), snapshot_bytes);
    Ok(Opened { cluster_id, node_id, data_dirs, dynamic, flusher, groups, txns, published, runtime })
}

/// A log at a feature level this version does not know may hold what it would misread: refused before anything is written.
fn refuse_unsupported(image: &MetadataImage) -> Result<(), StartError> {
    let supported = features::supported();
    for (name, level) in image.features().iter() {
        let range = supported.iter().find(|feature| feature.name == name).map_or((0, 0), |feature| (feature.min, feature.max));
        if level < range.0 || level > range.1 {
            return Err(StartError::Feature { name: name.to_owned(), level, min: range.0, max: range.1 });
        }
    }
    Ok(())
}

/// Writes what an empty log begins with, then registers this run of the broker: a new broker epoch, and a new leader epoch for every
/// partition it leads. The broker epoch.
pub(crate) fn register(opened: &mut Opened, config: &Config, bound: &[BoundListener]) -> Result<i64, StartError> {
    let refused = |error: ResponseError| StartError::Registration(error.to_string());
    let runtime = &mut opened.runtime;
    runtime.recover(|shard| shard.on_loaded(Millis(0))).map_err(refused)?;
    let bootstrap = Bootstrap { min_insync_replicas: config.min_insync_replicas() };
    runtime.run(|shard, ticket, _| shard.bootstrap(ticket, &bootstrap)).map_err(refused)?;
    let manager = opened.published.registry.manager();
    let request = BrokerRegistrationRequest {
        broker_id: BrokerId(opened.node_id),
        incarnation_id: IncarnationId(Uuid::new_v4()),
        endpoints: endpoints(config, bound),
        features: features::supported(),
        rack: config.broker_rack().map(str::to_owned),
        log_dirs: manager.dirs().iter().filter(|dir| dir.offline_reason().is_none()).map(|dir| DirectoryId(dir.directory_id())).collect(),
    };
    let reply = runtime.run(|shard, ticket, end_offset| shard.register_broker(ticket, &request, end_offset)).map_err(refused)?;
    let epoch = match reply {
        Some(MetadataReply::Registered(Ok(epoch))) => epoch.0,
        Some(MetadataReply::Registered(Err(error))) => {
            return Err(StartError::Registration(error.message.unwrap_or_else(|| error.error.to_string())));
        }
        _ => return Err(StartError::Registration("no answer".to_owned())),
    };
    let registry = &opened.published.registry;
    if registry.manager().dirs().iter().any(|dir| dir.offline_reason().is_some()) {
        // Registering changes nothing of partitions in a directory that did not come back, but there they are.
        let image = runtime.image();
        registry.apply(runtime.now_ms(), &image, &MetadataDelta::between(&MetadataImage::default(), &image));
    }
    registry.tidy();
    Ok(epoch)
}

/// What clients are told, by listener.
fn endpoints(config: &Config, bound: &[BoundListener]) -> Vec<Endpoint> {
    config
        .listeners()
        .iter()
        .zip(bound)
        .map(|(listener, bound)| {
            let (host, port) = match &listener.advertised {
                Advertised::Fixed { host, port } => (host.clone(), if *port == 0 { bound.port } else { *port }),
                // Handlers put the address the client came in on; the record needs some name.
                Advertised::OfConnection => ("localhost".to_owned(), bound.port),
            };
            Endpoint { name: listener.name.to_string(), host, port, security_protocol: 0 }
        })
        .collect()
}
