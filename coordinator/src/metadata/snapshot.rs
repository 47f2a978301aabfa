//! Snapshots: an image as the records that make it, in the order Kafka's own image writer uses.
//!
//! A snapshot file is `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint` next to the log; the end offset is
//! exclusive. It holds a control batch with the header, data batches with these records, and a control batch with the
//! footer (see [`super::records::control`]). Loading is replaying the records into a fresh shard and publishing at the
//! snapshot's last offset. Files are the shell's business.

use super::features::METADATA_VERSION;
use super::image::MetadataImage;
use super::records::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord, ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord,
    TopicRecord,
};
use super::{BrokerEpoch, BrokerId, Provenance};
use std::fmt;

/// Names one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// The offset after the last record in the snapshot.
    pub end_offset: i64,
    /// The raft leader epoch of that last record.
    pub epoch: i32,
}

impl SnapshotId {
    /// The snapshot of an image.
    #[must_use]
    pub fn of(provenance: Provenance) -> Self {
        Self { end_offset: provenance.last_offset + 1, epoch: provenance.epoch.max(0) }
    }

    /// Reads Kafka's file name; `None` for any other file.
    #[must_use]
    pub fn parse_file_name(name: &str) -> Option<Self> {
        let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
        if !digits(offset, 20) || !digits(epoch, 10) {
            return None;
        }
        Some(Self { end_offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// Kafka's file name.
impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }
}

/// The records that make `image`: features, cluster, topics, configs, quotas, producer ids, ACLs, SCRAM, tokens.
#[must_use]
pub fn image_records(image: &MetadataImage) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    features(image, &mut records);
    cluster(image, &mut records);
    topics(image, &mut records);
    configs(image, &mut records);
    security(image, &mut records);
    records
}

fn features(image: &MetadataImage, records: &mut Vec<MetadataRecord>) {
    // metadata.version goes first: it says how to read the rest.
    let (first, others): (Vec<_>, Vec<_>) = image.features().iter().partition(|(name, _)| *name == METADATA_VERSION);
    let record = |(name, level): (&str, i16)| MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_owned(), level });
    records.extend(first.into_iter().chain(others).map(record));
}

fn cluster(image: &MetadataImage, records: &mut Vec<MetadataRecord>) {
    for broker in image.cluster().brokers() {
        records.push(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: broker.id,
            is_migrating_zk_broker: false,
            incarnation_id: broker.incarnation_id,
            broker_epoch: broker.epoch,
            endpoints: broker.endpoints.clone(),
            features: broker.features.clone(),
            rack: broker.rack.clone(),
            fenced: broker.fenced,
            in_controlled_shutdown: broker.in_controlled_shutdown,
            log_dirs: broker.log_dirs.clone(),
            cordoned_log_dirs: broker.cordoned_log_dirs.clone(),
        }));
    }
    for controller in image.cluster().controllers() {
        records.push(MetadataRecord::RegisterController(RegisterControllerRecord {
            controller_id: controller.id,
            incarnation_id: controller.incarnation_id,
            zk_migration_ready: false,
            endpoints: controller.endpoints.clone(),
            features: controller.features.clone(),
        }));
    }
}

fn topics(image: &MetadataImage, records: &mut Vec<MetadataRecord>) {
    for topic in image.topics().iter_by_id() {
        records.push(MetadataRecord::Topic(TopicRecord { name: topic.name.clone(), topic_id: topic.id }));
        for (partition_id, partition) in &topic.partitions {
            records.push(MetadataRecord::Partition(partition.to_record(topic.id, *partition_id)));
        }
    }
}

fn configs(image: &MetadataImage, records: &mut Vec<MetadataRecord>) {
    for (resource, configs) in image.configs().iter() {
        for (name, value) in configs.iter() {
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: resource.resource_type.id(),
                resource_name: resource.name.clone(),
                name: name.clone(),
                value: Some(value.clone()),
            }));
        }
    }
}

fn security(image: &MetadataImage, records: &mut Vec<MetadataRecord>) {
    for (entity, quotas) in image.client_quotas().iter() {
        for (key, value) in quotas {
            records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
                entity: entity.parts().to_vec(),
                key: key.clone(),
                value: *value,
                remove: false,
            }));
        }
    }
    if image.next_producer_id() > 0 {
        records.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: BrokerId(-1),
            broker_epoch: BrokerEpoch(-1),
            next_producer_id: image.next_producer_id(),
        }));
    }
    records.extend(image.acls().iter().cloned().map(MetadataRecord::AccessControlEntry));
    records.extend(image.scram().iter().cloned().map(MetadataRecord::UserScramCredential));
    records.extend(image.delegation_tokens().iter().cloned().map(MetadataRecord::DelegationToken));
}
