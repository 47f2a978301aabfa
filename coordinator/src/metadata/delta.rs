//! What changed between two images, for `apply_delta(old, new)`.
//!
//! Computed from the images rather than collected from records: a loaded snapshot and a batch of records look the same
//! to whoever applies it, and anything absent from the new image counts as deleted. Parts that share their `Arc` are
//! skipped, so the cost follows the parts that changed.

use super::image::{ConfigResource, MetadataImage, PartitionRegistration, TopicImage};
use super::{BrokerId, LeaderEpoch, TopicId, TopicName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What changed from one image to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataDelta {
    /// Topics that appeared, by id. A topic deleted and created again under its name is in both lists, under two ids.
    pub created_topics: Vec<Arc<TopicImage>>,
    /// Topics of which some partition appeared or changed, by id.
    pub changed_topics: Vec<TopicChange>,
    /// Topics that are gone, as they last were, by id.
    pub deleted_topics: Vec<Arc<TopicImage>>,
    /// Resources whose configs changed or went.
    pub changed_configs: Vec<ConfigResource>,
    /// Brokers whose registration appeared or changed.
    pub changed_brokers: Vec<BrokerId>,
    /// Brokers that are gone.
    pub removed_brokers: Vec<BrokerId>,
    /// Whether a controller registration changed.
    pub controllers_changed: bool,
    /// Features whose level changed, with the new level; 0 is off.
    pub changed_features: BTreeMap<String, i16>,
    /// The first producer id not handed out, if it moved.
    pub next_producer_id: Option<i64>,
    /// Whether client quotas changed.
    pub client_quotas_changed: bool,
    /// Whether ACLs changed.
    pub acls_changed: bool,
    /// Whether SCRAM credentials changed.
    pub scram_changed: bool,
    /// Whether delegation tokens changed.
    pub delegation_tokens_changed: bool,
}

/// A topic that is in both images, and differs.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicChange {
    /// The topic as it was.
    pub old: Arc<TopicImage>,
    /// The topic as it is.
    pub new: Arc<TopicImage>,
    /// The numbers of the partitions that appeared or changed, ascending.
    pub partitions: Vec<i32>,
}

/// One partition named for the broker that must act on it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalPartition {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number.
    pub partition_id: i32,
    /// The registration to act on; for deletes the last one.
    pub registration: Arc<PartitionRegistration>,
}

/// What one broker must do after a delta, in this order: deletes, leaders, followers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalChanges {
    /// Replicas that are here no more: the topic is gone or the replica moved away.
    pub deletes: Vec<LocalPartition>,
    /// Partitions this broker leads whose registration changed.
    pub leaders: Vec<LocalPartition>,
    /// Those of `leaders` with a new leader epoch, as (topic, partition, epoch): coordinators load here.
    pub elected: Vec<(TopicName, i32, LeaderEpoch)>,
    /// Partitions this broker has a replica of, led by another broker or by none, whose registration changed.
    pub followers: Vec<LocalPartition>,
}

impl MetadataDelta {
    /// What changed from `old` to `new`.
    #[must_use]
    pub fn between(old: &MetadataImage, new: &MetadataImage) -> Self {
        let mut delta = Self::default();
        delta.add_topics(old, new);
        delta.add_configs(old, new);
        delta.add_cluster(old, new);
        if !Arc::ptr_eq(&old.features, &new.features) {
            let names = old.features.iter().chain(new.features.iter()).map(|(name, _)| name);
            let moved = names.filter(|name| old.features.level(name) != new.features.level(name));
            delta.changed_features = moved.map(|name| (name.to_owned(), new.features.level(name))).collect();
        }
        delta.next_producer_id = Some(new.next_producer_id).filter(|next| *next != old.next_producer_id);
        delta.client_quotas_changed = differs(&old.client_quotas, &new.client_quotas);
        delta.acls_changed = differs(&old.acls, &new.acls);
        delta.scram_changed = differs(&old.scram, &new.scram);
        delta.delegation_tokens_changed = differs(&old.delegation_tokens, &new.delegation_tokens);
        delta
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add_topics(&mut self, old: &MetadataImage, new: &MetadataImage) {
        if Arc::ptr_eq(&old.topics, &new.topics) {
            return;
        }
        for topic in new.topics.iter_by_id() {
            match old.topics.by_id(topic.id) {
                None => self.created_topics.push(Arc::clone(topic)),
                Some(before) if Arc::ptr_eq(before, topic) => {}
                Some(before) => self.add_topic_change(before, topic),
            }
        }
        let gone = old.topics.iter_by_id().filter(|topic| new.topics.by_id(topic.id).is_none());
        self.deleted_topics.extend(gone.cloned());
    }

    fn add_topic_change(&mut self, old: &Arc<TopicImage>, new: &Arc<TopicImage>) {
        let same =
            |id: &i32, now: &Arc<PartitionRegistration>| old.partitions.get(id).is_some_and(|was| Arc::ptr_eq(was, now) || was == now);
        let partitions: Vec<i32> = new.partitions.iter().filter(|(id, now)| !same(id, now)).map(|(id, _)| *id).collect();
        if !partitions.is_empty() {
            self.changed_topics.push(TopicChange { old: Arc::clone(old), new: Arc::clone(new), partitions });
        }
    }

    fn add_configs(&mut self, old: &MetadataImage, new: &MetadataImage) {
        if Arc::ptr_eq(&old.configs, &new.configs) {
            return;
        }
        let changed = new.configs.iter().filter(|(resource, now)| old.configs.of(resource).is_none_or(|was| differs(was, now)));
        let gone = old.configs.iter().filter(|(resource, _)| new.configs.of(resource).is_none());
        self.changed_configs = changed.chain(gone).map(|(resource, _)| resource.clone()).collect();
        self.changed_configs.sort();
    }

    fn add_cluster(&mut self, old: &MetadataImage, new: &MetadataImage) {
        if Arc::ptr_eq(&old.cluster, &new.cluster) {
            return;
        }
        let changed = new.cluster.brokers().filter(|now| old.cluster.broker(now.id) != Some(*now));
        self.changed_brokers = changed.map(|broker| broker.id).collect();
        let gone = old.cluster.brokers().filter(|was| new.cluster.broker(was.id).is_none());
        self.removed_brokers = gone.map(|broker| broker.id).collect();
        self.controllers_changed = !old.cluster.controllers().eq(new.cluster.controllers());
    }

    /// What `broker` must do.
    #[must_use]
    pub fn local_changes(&self, broker: BrokerId) -> LocalChanges {
        let mut local = LocalChanges::default();
        for topic in &self.deleted_topics {
            let mine = topic.partitions.iter().filter(|(_, p)| p.has_replica(broker));
            local.deletes.extend(mine.map(|(id, p)| LocalPartition::of(topic, *id, p)));
        }
        for topic in &self.created_topics {
            for (id, now) in &topic.partitions {
                local.add(broker, LocalPartition::of(topic, *id, now), None);
            }
        }
        for TopicChange { old, new, partitions } in &self.changed_topics {
            for id in partitions {
                let Some(now) = new.partitions.get(id) else { continue };
                let was = old.partitions.get(id);
                local.add(broker, LocalPartition::of(new, *id, now), was.map(Arc::as_ref));
            }
        }
        local
    }
}

impl LocalPartition {
    fn of(topic: &TopicImage, partition_id: i32, registration: &Arc<PartitionRegistration>) -> Self {
        Self { topic_id: topic.id, topic: topic.name.clone(), partition_id, registration: Arc::clone(registration) }
    }
}

impl LocalChanges {
    fn add(&mut self, broker: BrokerId, partition: LocalPartition, was: Option<&PartitionRegistration>) {
        let now = &partition.registration;
        if !now.has_replica(broker) {
            if was.is_some_and(|was| was.has_replica(broker)) {
                self.deletes.push(partition);
            }
        } else if now.leader == Some(broker) {
            if was.is_none_or(|was| was.leader_epoch != now.leader_epoch || was.leader != now.leader) {
                self.elected.push((partition.topic.clone(), partition.partition_id, now.leader_epoch));
            }
            self.leaders.push(partition);
        } else {
            self.followers.push(partition);
        }
    }
}

fn differs<T: PartialEq>(old: &Arc<T>, new: &Arc<T>) -> bool {
    !Arc::ptr_eq(old, new) && old != new
}
