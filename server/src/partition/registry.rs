//! Every partition of this broker, following the metadata image: `apply` is the only way partitions appear, change or go.

use super::deleter::Deleter;
use super::{Partition, PartitionConfig, Role};
use crate::partition::flusher::Flusher;
use arc_swap::ArcSwap;
use foldhash::{HashMap, HashMapExt, HashSet};
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType, MetadataImage, PartitionRegistration, TopicImage};
use ottla_coordinator::metadata::{BrokerId, DirectoryId, LocalPartition, MetadataDelta};
use ottla_storage::log::{PartitionLog, RecoveryReport};
use ottla_storage::manager::{LogManager, LogState};
use ottla_storage::{LeaderEpoch, LogId, Millis, StorageError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

type Topics = HashMap<Uuid, Arc<[Option<Arc<Partition>>]>>;

/// Turns a topic's overrides into what its partitions obey.
pub type ConfigOf = dyn Fn(&MetadataImage, &str) -> PartitionConfig + Send + Sync;

/// Topic id and partition number -> partition.
pub struct Registry {
    broker_id: BrokerId,
    topics: ArcSwap<Topics>,
    manager: LogManager,
    deleter: Deleter,
    /// The logs of the last run are open: what is not there now is new.
    tidied: AtomicBool,
    config_of: Box<ConfigOf>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("broker_id", &self.broker_id).field("topics", &self.topics.load().len()).finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry over opened data directories.
    #[must_use]
    pub fn new(broker_id: BrokerId, manager: LogManager, config_of: Box<ConfigOf>) -> Self {
        Self {
            broker_id,
            topics: ArcSwap::from_pointee(Topics::new()),
            manager,
            deleter: Deleter::default(),
            tidied: AtomicBool::new(false),
            config_of,
        }
    }

    /// The partition, when this broker holds it.
    #[must_use]
    pub fn get(&self, topic_id: Uuid, partition: i32) -> Option<Arc<Partition>> {
        let topics = self.topics.load();
        topics.get(&topic_id)?.get(usize::try_from(partition).ok()?)?.clone()
    }

    /// Every partition, in no particular order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.topics.load().values().flat_map(|partitions| partitions.iter().flatten().cloned()).collect()
    }

    /// The data directories.
    #[must_use]
    pub fn manager(&self) -> &LogManager {
        &self.manager
    }

    /// Follows a change of the image: opens, leads, follows, reconfigures and deletes partitions. Called by the controller thread, in
    /// commit order, before the new image is shown to anybody.
    pub fn apply(&self, now_ms: i64, new: &MetadataImage, delta: &MetadataDelta) {
        let local = delta.local_changes(self.broker_id);
        let mut table = Topics::clone(&self.topics.load());
        let mut touched: HashMap<Uuid, Vec<Option<Arc<Partition>>>> = HashMap::new();
        let mut removed = Vec::new();
        for gone in &local.deletes {
            let slot = usize::try_from(gone.partition_id).ok();
            let slots = slots_of(&mut touched, &table, gone.topic_id.0);
            removed.extend(slot.and_then(|slot| slots.get_mut(slot)).and_then(Option::take));
        }
        for mine in local.leaders.iter().chain(&local.followers) {
            let Ok(slot) = usize::try_from(mine.partition_id) else { continue };
            let slots = slots_of(&mut touched, &table, mine.topic_id.0);
            if slots.len() <= slot {
                slots.resize(slot + 1, None);
            }
            let partition = slots[slot].get_or_insert_with(|| Arc::new(self.open(now_ms, new, mine)));
            partition.set_role(role_of(self.broker_id, &mine.registration));
        }
        for (topic_id, slots) in touched {
            if slots.iter().all(Option::is_none) {
                table.remove(&topic_id);
            } else {
                table.insert(topic_id, slots.into());
            }
        }
        self.reconfigure(new, delta, &table);
        self.topics.store(Arc::new(table));
        for partition in removed {
            self.delete(&partition);
        }
    }

    /// A topic's own keys, or the cluster's defaults for all topics.
    fn reconfigure(&self, image: &MetadataImage, delta: &MetadataDelta, table: &Topics) {
        let all = delta.changed_configs.iter().any(|resource| resource.resource_type == ConfigResourceType::Broker);
        let named = |resource: &ConfigResource| resource.resource_type == ConfigResourceType::Topic;
        let topics: Vec<&Arc<TopicImage>> = if all {
            image.topics().iter().collect()
        } else {
            delta
                .changed_configs
                .iter()
                .filter(|resource| named(resource))
                .filter_map(|resource| image.topics().by_name(&resource.name))
                .collect()
        };
        for topic in topics {
            let config = (self.config_of)(image, &topic.name);
            for partition in table.get(&topic.id.0).iter().flat_map(|held| held.iter().flatten()) {
                partition.reconfigure(config.clone());
            }
        }
    }

    fn open(&self, now_ms: i64, image: &MetadataImage, mine: &LocalPartition) -> Partition {
        let config = (self.config_of)(image, &mine.topic);
        let id = LogId { topic: mine.topic.to_string(), topic_id: mine.topic_id.0, partition: mine.partition_id };
        let directory = mine.registration.directory_of(self.broker_id).filter(|directory| !directory.is_reserved());
        let opened = self.open_or_create(&id, directory, &config, Millis(now_ms));
        match opened {
            Ok((log, report)) => {
                if let Some(damage) = report.corruption {
                    let (file, offset, reason) = (damage.file, damage.offset, damage.reason);
                    tracing::error!(log = %id, file, %offset, reason, "the log is damaged; reads below stay possible, nothing was removed");
                }
                Partition::new(id, log, config)
            }
            Err(error) => {
                tracing::error!(log = %id, %error, "cannot open the log; the partition is offline");
                Partition::offline(id, config, error.to_string())
            }
        }
    }

    /// A directory of that name with another topic id belongs to an earlier topic: it is put aside, never written to. At the start, a log
    /// that is not found while a data directory is missing may well lie there: beginning it anew elsewhere would look like a loss of data.
    fn open_or_create(
        &self,
        id: &LogId,
        directory: Option<DirectoryId>,
        config: &PartitionConfig,
        now: Millis,
    ) -> Result<(PartitionLog, RecoveryReport), StorageError> {
        let log_config = Arc::clone(&config.log);
        if self.manager.dir_of(&id.topic, id.partition).is_some() {
            match self.manager.open_log(id, Arc::clone(&log_config), now) {
                Err(StorageError::Refused { .. }) => self.manager.mark_stray(&id.topic, id.partition, Uuid::new_v4())?,
                outcome => return outcome,
            }
        }
        if !self.tidied.load(Ordering::SeqCst)
            && let Some(missing) = self.manager.dirs().iter().find(|dir| dir.offline_reason().is_some())
        {
            let reason = format!("it is not found, and the data directory {} is offline", missing.path().display());
            return Err(StorageError::Offline { log: id.to_string(), reason });
        }
        let log = self.manager.create_log(id, directory.map(|DirectoryId(uuid)| uuid), log_config, now)?;
        Ok((log, RecoveryReport::default()))
    }

    fn delete(&self, partition: &Partition) {
        let id = partition.id();
        drop(partition.retire());
        match self.manager.delete_log(id, Uuid::new_v4()) {
            Ok(job) => self.deleter.submit(job),
            Err(error) => tracing::warn!(log = %id, %error, "cannot remove a deleted log; the next start tries again"),
        }
    }

    /// Puts aside the logs on disk that belong to no partition of the image, and finishes deletions of the last run. Called once, after
    /// the first `apply`.
    pub fn tidy(&self) {
        self.tidied.store(true, Ordering::SeqCst);
        for job in self.manager.pending_deletions() {
            if let Err(error) = job.run() {
                tracing::warn!(%error, "cannot remove a deleted log; the next start tries again");
            }
        }
        let held: HashSet<(String, i32)> = self.all().iter().map(|mine| (mine.id().topic.clone(), mine.id().partition)).collect();
        for found in self.manager.logs() {
            if found.state == LogState::Current && !held.contains(&(found.topic.clone(), found.partition)) {
                tracing::warn!(log = found.directory, "belongs to no topic of this broker; put aside as stray");
                if let Err(error) = self.manager.mark_stray(&found.topic, found.partition, Uuid::new_v4()) {
                    tracing::warn!(log = found.directory, %error, "cannot put a stray log aside");
                }
            }
        }
    }

    /// Flushes and closes every log, the metadata log last, then records the clean stop.
    pub fn close(&self, flusher: &Flusher, metadata: Option<PartitionLog>, broker_epoch: i64) {
        flusher.stop();
        self.deleter.finish();
        let logs = self.all().into_iter().filter_map(|partition| partition.retire()).collect::<Vec<_>>();
        self.topics.store(Arc::new(Topics::new()));
        if let Err(error) = self.manager.close(logs.into_iter().chain(metadata), broker_epoch) {
            tracing::error!(%error, "the stop is not clean; the next start will check the logs");
        }
    }
}

fn slots_of<'a>(
    touched: &'a mut HashMap<Uuid, Vec<Option<Arc<Partition>>>>,
    table: &Topics,
    topic_id: Uuid,
) -> &'a mut Vec<Option<Arc<Partition>>> {
    touched.entry(topic_id).or_insert_with(|| table.get(&topic_id).map_or_else(Vec::new, |held| held.to_vec()))
}

fn role_of(broker_id: BrokerId, registration: &PartitionRegistration) -> Role {
    let leader_epoch = LeaderEpoch(registration.leader_epoch.0);
    if registration.leader == Some(broker_id) {
        Role::Leader { leader_epoch, isr: registration.isr.iter().map(|id| id.0).collect(), replicas: registration.replicas.len() }
    } else {
        Role::Follower { leader: registration.leader.map_or(-1, |id| id.0), leader_epoch }
    }
}
