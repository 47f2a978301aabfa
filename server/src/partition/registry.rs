//! Every partition of this broker, following the metadata image: `apply` is the only way partitions appear, change or go.

use super::deleter::Deleter;
use super::{Partition, PartitionConfig, Place, Role, Traffic};
use crate::partition::flusher::Flusher;
use arc_swap::ArcSwap;
use foldhash::{HashMap, HashMapExt, HashSet};
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType, MetadataImage, PartitionRegistration, TopicImage};
use ottla_coordinator::metadata::{BrokerId, DirectoryId, LocalPartition, MetadataDelta, TopicId};
use ottla_storage::log::{PartitionLog, RecoveryReport};
use ottla_storage::manager::{LogManager, LogState};
use ottla_storage::{LeaderEpoch, LogId, Millis, StorageError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

type Topics = HashMap<Uuid, Arc<[Option<Arc<Partition>>]>>;

/// A thread costs about as much as opening one log.
const LOGS_PER_THREAD_MIN: usize = 32;

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
    /// Partitions whose log could not be opened or created when it was wanted.
    unopened: AtomicUsize,
    /// Logs that lie elsewhere than the metadata says, until it says so.
    assignments: Mutex<Vec<(TopicId, i32, DirectoryId)>>,
    config_of: Box<ConfigOf>,
    opening_threads: usize,
    /// Of partitions that are not here any more.
    gone: Mutex<Traffic>,
}

/// An opened or created log on its way to be a partition.
struct Opened {
    id: LogId,
    /// Where the metadata says it lies.
    recorded: Option<DirectoryId>,
    config: PartitionConfig,
    log: Result<PartitionLog, StorageError>,
    is_new: bool,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("broker_id", &self.broker_id).field("topics", &self.topics.load().len()).finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry over opened data directories, which opens many logs on up to so many threads for each directory.
    #[must_use]
    pub fn new(broker_id: BrokerId, manager: LogManager, config_of: Box<ConfigOf>, threads_per_dir: usize) -> Self {
        Self {
            broker_id,
            topics: ArcSwap::from_pointee(Topics::new()),
            opening_threads: manager.dirs().len().saturating_mul(threads_per_dir).max(1),
            manager,
            deleter: Deleter::default(),
            tidied: AtomicBool::new(false),
            unopened: AtomicUsize::new(0),
            assignments: Mutex::default(),
            config_of,
            gone: Mutex::default(),
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
        let mut missing = Vec::new();
        for mine in local.leaders.iter().chain(&local.followers) {
            let Ok(slot) = usize::try_from(mine.partition_id) else { continue };
            match slots_of(&mut touched, &table, mine.topic_id.0).get(slot) {
                Some(Some(partition)) => partition.set_role(role_of(self.broker_id, &mine.registration)),
                _ => missing.push((slot, mine)),
            }
        }
        for ((slot, mine), partition) in missing.iter().zip(self.open_all(now_ms, new, &missing)) {
            partition.set_role(role_of(self.broker_id, &mine.registration));
            let slots = slots_of(&mut touched, &table, mine.topic_id.0);
            if slots.len() <= *slot {
                slots.resize(slot + 1, None);
            }
            slots[*slot] = Some(Arc::new(partition));
        }
        let changes = !removed.is_empty() || !missing.is_empty();
        for (topic_id, slots) in touched {
            if slots.iter().all(Option::is_none) {
                table.remove(&topic_id);
            } else {
                table.insert(topic_id, slots.into());
            }
        }
        self.reconfigure(new, delta, &table);
        {
            let mut gone = self.traffic_of_gone();
            removed.iter().for_each(|partition| gone.add(&partition.traffic()));
            self.topics.store(Arc::new(table));
        }
        self.delete(&removed);
        if changes {
            self.count_unopened();
        }
    }

    /// Tries again to open or create the logs for which that failed: the disk may have room by now. Called by the controller thread.
    pub fn open_again(&self, now_ms: i64, image: &MetadataImage) {
        let mut table = Topics::clone(&self.topics.load());
        let unopened: Vec<Arc<Partition>> = self.all().into_iter().filter(|partition| partition.is_unopened()).collect();
        let mut missing: Vec<(usize, LocalPartition)> = Vec::new();
        for id in unopened.iter().map(|partition| partition.id()) {
            let (topic_id, slot) = (TopicId(id.topic_id), usize::try_from(id.partition));
            let topic = image.topics().by_id(topic_id);
            let registration = topic.and_then(|topic| topic.partitions.get(&id.partition));
            if let (Some(topic), Some(registration), Ok(slot)) = (topic, registration, slot) {
                let (topic, registration) = (topic.name.clone(), Arc::clone(registration));
                missing.push((slot, LocalPartition { topic_id, topic, partition_id: id.partition, registration }));
            }
        }
        let missing: Vec<(usize, &LocalPartition)> = missing.iter().map(|(slot, mine)| (*slot, mine)).collect();
        for ((slot, mine), partition) in missing.iter().zip(self.open_all(now_ms, image, &missing)) {
            if partition.is_unopened() {
                continue;
            }
            tracing::info!(log = %partition.id(), "the log could be opened after all; the partition is back");
            partition.set_role(role_of(self.broker_id, &mine.registration));
            let mut slots = table.get(&mine.topic_id.0).map_or_else(Vec::new, |held| held.to_vec());
            if let Some(held) = slots.get_mut(*slot) {
                *held = Some(Arc::new(partition));
                table.insert(mine.topic_id.0, slots.into());
            }
        }
        self.topics.store(Arc::new(table));
        // Whoever waits at the old ones looks again.
        unopened.iter().for_each(|partition| partition.wake_all());
        self.count_unopened();
    }

    fn count_unopened(&self) {
        let count = self.all().iter().filter(|partition| partition.is_unopened()).count();
        self.unopened.store(count, Ordering::Relaxed);
    }

    /// Whether [`Registry::open_again`] has something to try.
    #[must_use]
    pub fn has_unopened(&self) -> bool {
        self.unopened.load(Ordering::Relaxed) > 0
    }

    /// Which logs lie elsewhere than the metadata says; told once.
    #[must_use]
    pub fn take_assignments(&self) -> Vec<(TopicId, i32, DirectoryId)> {
        std::mem::take(&mut *self.assignments.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The partitions whose logs lie in a data directory.
    #[must_use]
    pub fn in_dir(&self, index: usize) -> Vec<Arc<Partition>> {
        self.all().into_iter().filter(|partition| partition.dir_index() == index && !partition.is_unopened()).collect()
    }

    /// A data directory has failed: its partitions serve nothing any more, the others do not notice. How many those are.
    pub fn fail_dir(&self, index: usize, reason: &str) -> usize {
        let Some(dir) = self.manager.dirs().get(index) else { return 0 };
        self.manager.fail_dir(dir.path(), reason);
        let partitions = self.in_dir(index);
        partitions.iter().for_each(|partition| partition.fail(reason));
        partitions.len()
    }

    /// What the partitions did that are not here any more. While it is held none goes away, so that a sum of all never falls.
    pub(crate) fn traffic_of_gone(&self) -> MutexGuard<'_, Traffic> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Opens or creates logs, many of them on several threads, in their order. What was created is durable afterwards.
    fn open_all(&self, now_ms: i64, image: &MetadataImage, missing: &[(usize, &LocalPartition)]) -> Vec<Partition> {
        let mut configs: HashMap<Uuid, PartitionConfig> = HashMap::new();
        for (_, mine) in missing {
            configs.entry(mine.topic_id.0).or_insert_with(|| (self.config_of)(image, &mine.topic));
        }
        let open = |some: &[(usize, &LocalPartition)]| -> Vec<Opened> {
            some.iter().map(|(_, mine)| self.open(now_ms, mine, configs[&mine.topic_id.0].clone())).collect()
        };
        let threads = (missing.len() / LOGS_PER_THREAD_MIN).clamp(1, self.opening_threads);
        let opened: Vec<Opened> = if threads == 1 {
            open(missing)
        } else {
            std::thread::scope(|scope| {
                let chunks = missing.chunks(missing.len().div_ceil(threads));
                let running: Vec<_> = chunks.map(|chunk| scope.spawn(move || open(chunk))).collect();
                running.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            })
        };
        self.settle(opened)
    }

    /// Syncs the new ones among the logs.
    fn settle(&self, mut opened: Vec<Opened>) -> Vec<Partition> {
        let mut created: Vec<&mut PartitionLog> = Vec::new();
        for Opened { log, is_new, .. } in &mut opened {
            if let (Ok(log), true) = (log, *is_new) {
                created.push(log);
            }
        }
        if let Err(error) = self.manager.sync_created(&mut created) {
            tracing::error!(%error, "new logs cannot be made durable; their partitions are offline");
        }
        let partition = |Opened { id, recorded, config, log, .. }| match log {
            Ok(log) => {
                let place = self.place_of(&id, recorded, log.dir());
                Partition::new(id, log, config).in_dir(place)
            }
            Err(error) => {
                tracing::error!(log = %id, %error, "cannot open the log; the partition is offline");
                Partition::offline(id, config, error.to_string())
            }
        };
        opened.into_iter().map(partition).collect()
    }

    /// Where a log has been opened; noted, when the metadata says something else.
    fn place_of(&self, id: &LogId, recorded: Option<DirectoryId>, log_dir: &Path) -> Place {
        let Some((index, dir)) = self.manager.dir_holding(log_dir) else { return Place::default() };
        let directory = DirectoryId(dir.directory_id());
        if recorded != Some(directory) {
            let mut assignments = self.assignments.lock().unwrap_or_else(PoisonError::into_inner);
            assignments.push((TopicId(id.topic_id), id.partition, directory));
        }
        Place { index, full: dir.fullness() }
    }

    fn open(&self, now_ms: i64, mine: &LocalPartition, config: PartitionConfig) -> Opened {
        let id = LogId { topic: mine.topic.to_string(), topic_id: mine.topic_id.0, partition: mine.partition_id };
        let recorded = mine.registration.directory_of(self.broker_id);
        let directory = recorded.filter(|directory| !directory.is_reserved());
        let opened = self.open_or_create(&id, directory, &config, Millis(now_ms));
        let is_new = matches!(opened, Ok((_, None)));
        let log = opened.map(|(log, report)| {
            if let Some(damage) = report.and_then(|report| report.corruption) {
                let (file, offset, reason) = (damage.file, damage.offset, damage.reason);
                tracing::error!(log = %id, file, %offset, reason, "the log is damaged; reads below stay possible, nothing was removed");
            }
            log
        });
        Opened { id, recorded, config, log, is_new }
    }

    /// The log, with a report when it was there. A directory of that name with another topic id belongs to an earlier topic: it is put
    /// aside, never written to. At the start, a log that is not found while a data directory is missing may well lie there: beginning it
    /// anew elsewhere would look like a loss of data.
    fn open_or_create(
        &self,
        id: &LogId,
        directory: Option<DirectoryId>,
        config: &PartitionConfig,
        now: Millis,
    ) -> Result<(PartitionLog, Option<RecoveryReport>), StorageError> {
        let log_config = Arc::clone(&config.log);
        if self.manager.dir_of(&id.topic, id.partition).is_some() {
            match self.manager.open_log(id, Arc::clone(&log_config), now) {
                Err(StorageError::Refused { .. }) => self.manager.mark_stray(&id.topic, id.partition, Uuid::new_v4())?,
                outcome => return outcome.map(|(log, report)| (log, Some(report))),
            }
        }
        let recorded_online = |directory: DirectoryId| {
            self.manager.dirs().iter().any(|dir| dir.directory_id() == directory.0 && dir.offline_reason().is_none())
        };
        if !self.tidied.load(Ordering::SeqCst)
            && !directory.is_some_and(recorded_online)
            && let Some(missing) = self.manager.dirs().iter().find(|dir| dir.offline_reason().is_some())
        {
            let reason = format!("it is not found, and the data directory {} is offline", missing.path().display());
            return Err(StorageError::Offline { log: id.to_string(), reason });
        }
        let log = self.manager.create_log_unsynced(id, directory.map(|DirectoryId(uuid)| uuid), log_config, now)?;
        Ok((log, None))
    }

    fn delete(&self, removed: &[Arc<Partition>]) {
        for partition in removed {
            drop(partition.retire());
        }
        let jobs = self.manager.delete_logs(removed.iter().map(|partition| (partition.id(), Uuid::new_v4())));
        for (partition, job) in removed.iter().zip(jobs) {
            match job {
                Ok(job) => self.deleter.submit(job),
                Err(error) => tracing::warn!(log = %partition.id(), %error, "cannot remove a deleted log; the next start tries again"),
            }
        }
    }

    /// Puts aside the logs on disk that belong to no partition of the image, and finishes deletions of the last run. Called once, after
    /// the first `apply`.
    pub fn tidy(&self) {
        self.tidied.store(true, Ordering::SeqCst);
        self.manager.pending_deletions().into_iter().for_each(|job| self.deleter.submit(job));
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
