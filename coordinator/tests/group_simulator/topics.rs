//! The cluster's metadata: topics come, grow and go.

use super::rng::Rng;
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::metadata::records::{PartitionRecord, RemoveTopicRecord, TopicRecord};
use ottla_coordinator::metadata::{
    BrokerId, DirectoryId, LeaderEpoch, MetadataDelta, MetadataRecord, MetadataShard, PartitionEpoch, TopicId, TopicName,
};
use ottla_coordinator::shard::Shard;
use std::sync::Arc;

/// Every name a topic may have.
pub(crate) const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
const PARTITIONS_MAX: i32 = 6;

/// A new image and what changed.
pub(crate) type Change = (Arc<MetadataImage>, Arc<MetadataDelta>);

/// The metadata log of the cluster.
#[derive(Debug)]
pub(crate) struct Topics {
    shard: MetadataShard,
    last_offset: i64,
}

impl Topics {
    pub(crate) fn new() -> Self {
        Self { shard: MetadataShard::new(), last_offset: -1 }
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(self.shard.published())
    }

    /// Creates a topic, unless there is one of that name.
    pub(crate) fn create(&mut self, rng: &mut Rng, name: &str) -> Option<Change> {
        if self.image().topics().by_name(name).is_some() {
            return None;
        }
        let topic_id = TopicId(rng.uuid());
        let name = TopicName::parse(name).expect("a legal name");
        let mut records = vec![MetadataRecord::Topic(TopicRecord { name, topic_id })];
        records.extend((0..rng.between(1, 4) as i32).map(|index| partition(topic_id, index)));
        Some(self.publish(&records))
    }

    /// Adds partitions to a topic.
    pub(crate) fn grow(&mut self, rng: &mut Rng, name: &str) -> Option<Change> {
        let image = self.image();
        let topic = image.topics().by_name(name)?;
        let count = topic.partitions.len() as i32;
        if count >= PARTITIONS_MAX {
            return None;
        }
        let records: Vec<_> = (count..=rng.between(i64::from(count), 5) as i32).map(|index| partition(topic.id, index)).collect();
        Some(self.publish(&records))
    }

    pub(crate) fn delete(&mut self, name: &str) -> Option<Change> {
        let topic_id = self.image().topics().by_name(name)?.id;
        Some(self.publish(&[MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id })]))
    }

    fn publish(&mut self, records: &[MetadataRecord]) -> Change {
        records.iter().for_each(|record| self.shard.replay(record));
        self.last_offset += records.len() as i64;
        let published = self.shard.publish(self.last_offset, 1).expect("records that fit").expect("no transaction");
        (published.new, published.delta)
    }
}

fn partition(topic_id: TopicId, partition_id: i32) -> MetadataRecord {
    let broker = BrokerId(1);
    MetadataRecord::Partition(PartitionRecord {
        partition_id,
        topic_id,
        replicas: vec![broker],
        isr: vec![broker],
        removing_replicas: vec![],
        adding_replicas: vec![],
        leader: broker,
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        directories: vec![DirectoryId::UNASSIGNED],
        elr: None,
        last_known_elr: None,
    })
}
