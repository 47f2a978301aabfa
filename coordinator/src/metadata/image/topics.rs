//! Topics and their partitions.

use super::ReplayError;
use crate::metadata::records::{ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
use crate::metadata::{BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, TopicId, TopicName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All topics; the id is the identity, the name an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsImage {
    by_id: BTreeMap<TopicId, Arc<TopicImage>>,
    by_name: BTreeMap<TopicName, TopicId>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// The identity.
    pub id: TopicId,
    /// The name.
    pub name: TopicName,
    /// The partitions by number.
    pub partitions: BTreeMap<i32, Arc<PartitionRegistration>>,
}

/// One partition as the cluster has agreed on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRegistration {
    /// The replicas in order of preference; never empty.
    pub replicas: Vec<BrokerId>,
    /// The directory of each replica, in the order of `replicas`.
    pub directories: Vec<DirectoryId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Replicas on their way out.
    pub removing_replicas: Vec<BrokerId>,
    /// Replicas on their way in.
    pub adding_replicas: Vec<BrokerId>,
    /// The eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The last known eligible leader replicas (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// The leader; `None` while there is none.
    pub leader: Option<BrokerId>,
    /// Whether the leader was elected cleanly.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Counts the elections.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes.
    pub partition_epoch: PartitionEpoch,
}

/// Whether a leader came from the in-sync replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    /// It did, or has recovered since (0).
    #[default]
    Recovered,
    /// It did not and has yet to recover (1).
    Recovering,
}

impl LeaderRecoveryState {
    fn from_wire(state: i8) -> Self {
        if state == 1 { Self::Recovering } else { Self::Recovered }
    }

    fn to_wire(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }
}

impl TopicsImage {
    /// The topic with this id.
    #[must_use]
    pub fn by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// The topic with this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// All topics by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    /// All topics whose name is not before `first`, by name.
    pub fn iter_from(&self, first: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        use std::ops::Bound::{Included, Unbounded};
        self.by_name.range::<str, _>((Included(first), Unbounded)).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// All topics by id.
    pub fn iter_by_id(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_id.values()
    }

    /// One partition's registration.
    #[must_use]
    pub fn partition(&self, topic_id: TopicId, partition_id: i32) -> Option<&Arc<PartitionRegistration>> {
        self.by_id.get(&topic_id)?.partitions.get(&partition_id)
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are no topics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many partitions all topics have together.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.by_id.values().map(|topic| topic.partitions.len()).sum()
    }

    pub(super) fn create(&mut self, record: &TopicRecord) -> Result<(), ReplayError> {
        if self.by_id.contains_key(&record.topic_id) || self.by_name.contains_key(&record.name) {
            return Err(ReplayError::TopicExists { name: record.name.to_string(), topic_id: record.topic_id });
        }
        let topic = TopicImage { id: record.topic_id, name: record.name.clone(), partitions: BTreeMap::new() };
        self.by_name.insert(record.name.clone(), record.topic_id);
        self.by_id.insert(record.topic_id, Arc::new(topic));
        debug_assert_eq!(self.by_id.len(), self.by_name.len(), "every topic has one id and one name");
        Ok(())
    }

    pub(super) fn remove(&mut self, record: &RemoveTopicRecord) -> Result<Arc<TopicImage>, ReplayError> {
        let topic = self.by_id.remove(&record.topic_id).ok_or(ReplayError::UnknownTopic(record.topic_id))?;
        self.by_name.remove(&topic.name);
        debug_assert_eq!(self.by_id.len(), self.by_name.len(), "every topic has one id and one name");
        Ok(topic)
    }

    pub(super) fn set_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let topic = self.by_id.get_mut(&record.topic_id).ok_or(ReplayError::UnknownTopic(record.topic_id))?;
        let partition = PartitionRegistration::from_record(record)?;
        Arc::make_mut(topic).partitions.insert(record.partition_id, Arc::new(partition));
        Ok(())
    }

    pub(super) fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        let PartitionChangeRecord { topic_id, partition_id, .. } = *record;
        let topic = self.by_id.get_mut(&topic_id).ok_or(ReplayError::UnknownTopic(topic_id))?;
        let held = topic.partitions.get(&partition_id).ok_or(ReplayError::UnknownPartition { topic_id, partition_id })?;
        let changed = held.merge(record)?;
        Arc::make_mut(topic).partitions.insert(partition_id, Arc::new(changed));
        Ok(())
    }

    pub(super) fn clear_elr(&mut self, record: &ClearElrRecord) -> Result<(), ReplayError> {
        match &record.topic {
            None => self.by_id.values_mut().for_each(TopicImage::clear_elr),
            Some(name) => {
                // Kafka's brokers fail on a name they do not know; so do we.
                let id = self.by_name.get(name).copied().ok_or(ReplayError::UnknownTopic(TopicId::default()))?;
                self.by_id.get_mut(&id).into_iter().for_each(TopicImage::clear_elr);
            }
        }
        Ok(())
    }
}

impl TopicImage {
    /// Whether every partition number from 0 up to the count is there.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.partitions.keys().copied().eq(0..i32::try_from(self.partitions.len()).unwrap_or(i32::MAX))
    }

    fn clear_elr(topic: &mut Arc<Self>) {
        let has_elr = |p: &PartitionRegistration| !p.elr.is_empty() || !p.last_known_elr.is_empty();
        if topic.partitions.values().any(|p| has_elr(p)) {
            for partition in Arc::make_mut(topic).partitions.values_mut().filter(|p| has_elr(p)) {
                let partition = Arc::make_mut(partition);
                partition.elr.clear();
                partition.last_known_elr.clear();
                partition.partition_epoch.0 = partition.partition_epoch.0.saturating_add(1);
            }
        }
    }
}

impl PartitionRegistration {
    /// The registration that a full record describes.
    fn from_record(record: &PartitionRecord) -> Result<Self, ReplayError> {
        let partition = Self {
            replicas: record.replicas.clone(),
            // Records older than KIP-858 name no directories.
            directories: if record.directories.is_empty() {
                vec![DirectoryId::MIGRATING; record.replicas.len()]
            } else {
                record.directories.clone()
            },
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            elr: record.elr.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: Some(record.leader).filter(|leader| *leader != BrokerId::NONE),
            leader_recovery_state: LeaderRecoveryState::from_wire(record.leader_recovery_state),
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        };
        partition.checked(record.topic_id, record.partition_id)
    }

    /// The registration after a change.
    ///
    /// # Errors
    /// The change leaves no replicas, or as many directories as replicas no more.
    pub fn merge(&self, record: &PartitionChangeRecord) -> Result<Self, ReplayError> {
        let keep = |new: &Option<Vec<BrokerId>>, held: &Vec<BrokerId>| new.as_ref().unwrap_or(held).clone();
        let replicas = keep(&record.replicas, &self.replicas);
        let mut directories = record.directories.as_ref().unwrap_or(&self.directories).clone();
        if record.directories.is_none() {
            // New replicas whose directory nobody named.
            directories.resize(replicas.len(), DirectoryId::MIGRATING);
        }
        let mut partition = Self {
            replicas,
            directories,
            isr: keep(&record.isr, &self.isr),
            removing_replicas: keep(&record.removing_replicas, &self.removing_replicas),
            adding_replicas: keep(&record.adding_replicas, &self.adding_replicas),
            elr: keep(&record.elr, &self.elr),
            last_known_elr: keep(&record.last_known_elr, &self.last_known_elr),
            leader: self.leader,
            leader_recovery_state: record.leader_recovery_state.map_or(self.leader_recovery_state, LeaderRecoveryState::from_wire),
            leader_epoch: self.leader_epoch,
            partition_epoch: PartitionEpoch(self.partition_epoch.0.saturating_add(1)),
        };
        if let Some(leader) = record.leader {
            partition.leader = Some(leader).filter(|leader| *leader != BrokerId::NONE);
            partition.leader_epoch = LeaderEpoch(self.leader_epoch.0.saturating_add(1));
        }
        partition.checked(record.topic_id, record.partition_id)
    }

    fn checked(self, topic_id: TopicId, partition_id: i32) -> Result<Self, ReplayError> {
        if self.replicas.is_empty() || self.directories.len() != self.replicas.len() {
            return Err(ReplayError::MalformedPartition { topic_id, partition_id });
        }
        Ok(self)
    }

    /// The directory that holds the replica of `broker`.
    #[must_use]
    pub fn directory_of(&self, broker: BrokerId) -> Option<DirectoryId> {
        let slot = self.replicas.iter().position(|replica| *replica == broker)?;
        self.directories.get(slot).copied()
    }

    /// Whether `broker` holds a replica.
    #[must_use]
    pub fn has_replica(&self, broker: BrokerId) -> bool {
        self.replicas.contains(&broker)
    }

    /// The full record of this registration.
    #[must_use]
    pub fn to_record(&self, topic_id: TopicId, partition_id: i32) -> PartitionRecord {
        let unless_empty = |brokers: &Vec<BrokerId>| if brokers.is_empty() { None } else { Some(brokers.clone()) };
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader.unwrap_or(BrokerId::NONE),
            leader_recovery_state: self.leader_recovery_state.to_wire(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            elr: unless_empty(&self.elr),
            last_known_elr: unless_empty(&self.last_known_elr),
        }
    }
}
