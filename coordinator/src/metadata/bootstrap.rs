//! The first records of an empty log: what Kafka's formatted node writes on its first activation.

use super::features;
use super::image::{ConfigResource, MetadataImage};
use super::records::{BeginTransactionRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord};

/// What the first records depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The static `min.insync.replicas`: with eligible leader replicas on, Kafka keeps the cluster's value in the log.
    pub min_insync_replicas: i32,
}

/// The records for `image`, none unless it is empty.
pub(super) fn handle(image: &MetadataImage, bootstrap: &Bootstrap) -> Vec<MetadataRecord> {
    if !image.is_empty() {
        return Vec::new();
    }
    let mut records = vec![MetadataRecord::BeginTransaction(BeginTransactionRecord { name: Some("Bootstrap records".to_owned()) })];
    let level = |(name, level): (&str, i16)| MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_owned(), level });
    records.extend(features::BOOTSTRAP_LEVELS.map(level));
    let cluster = ConfigResource::cluster_default();
    records.push(MetadataRecord::Config(ConfigRecord {
        resource_type: cluster.resource_type.id(),
        resource_name: cluster.name,
        name: "min.insync.replicas".to_owned(),
        value: Some(bootstrap.min_insync_replicas.to_string()),
    }));
    records.push(MetadataRecord::EndTransaction);
    records
}
