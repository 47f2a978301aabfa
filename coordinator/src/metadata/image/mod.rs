//! The state of the cluster as of one offset of the metadata log: immutable, shared, cheap to clone.
//!
//! Request handlers read an `Arc<MetadataImage>` and nothing else. Only `apply` changes an image, and only
//! [`super::MetadataShard`] calls it, on its own working copy: every part sits behind an `Arc`, so a change copies just
//! the part it touches and readers of older images are never disturbed. Maps are ordered wherever their order can
//! reach a record or a reply.

mod cluster;
mod configs;
mod features;
mod security;
mod topics;

pub use cluster::{BrokerRegistration, ClusterImage, ControllerRegistration};
pub use configs::{ConfigResource, ConfigResourceType, ConfigsImage};
pub use features::FeaturesImage;
pub use security::{AclsImage, ClientQuotasImage, DelegationTokensImage, QuotaEntity, ScramImage};
pub use topics::{LeaderRecoveryState, PartitionRegistration, TopicImage, TopicsImage};

use super::records::MetadataRecord;
use super::{BrokerEpoch, BrokerId, TopicId};
use std::sync::Arc;

/// Everything the metadata log says up to one offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    pub(super) provenance: Provenance,
    pub(super) features: Arc<FeaturesImage>,
    pub(super) cluster: Arc<ClusterImage>,
    pub(super) topics: Arc<TopicsImage>,
    pub(super) configs: Arc<ConfigsImage>,
    pub(super) client_quotas: Arc<ClientQuotasImage>,
    pub(super) next_producer_id: i64,
    pub(super) acls: Arc<AclsImage>,
    pub(super) scram: Arc<ScramImage>,
    pub(super) delegation_tokens: Arc<DelegationTokensImage>,
}

/// How far into the log an image reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The offset of the last record in the image, -1 for none.
    pub last_offset: i64,
    /// The raft leader epoch of that record, -1 for none.
    pub epoch: i32,
}

impl Default for Provenance {
    fn default() -> Self {
        Self { last_offset: -1, epoch: -1 }
    }
}

/// Why a record does not fit the image it is applied to; the log or the code is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A topic or partition that does not exist.
    #[error("record for unknown topic {0}")]
    UnknownTopic(TopicId),
    /// A partition that does not exist.
    #[error("record for unknown partition {topic_id} {partition_id}")]
    UnknownPartition {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition_id: i32,
    },
    /// A topic id or name that is taken.
    #[error("topic {name} with id {topic_id} is there already")]
    TopicExists {
        /// The name.
        name: String,
        /// The id.
        topic_id: TopicId,
    },
    /// A partition without replicas, or with replicas and directories of different lengths.
    #[error("partition {topic_id} {partition_id} is malformed")]
    MalformedPartition {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition_id: i32,
    },
    /// A broker that is not registered, or registered under another epoch.
    #[error("record for broker {broker_id} at epoch {broker_epoch}, which is not registered")]
    UnknownBroker {
        /// The broker.
        broker_id: BrokerId,
        /// The epoch.
        broker_epoch: BrokerEpoch,
    },
    /// An ACL that is not there.
    #[error("removal of unknown ACL {0}")]
    UnknownAcl(uuid::Uuid),
    /// A producer id below one that was handed out.
    #[error("next producer id {found} is below {held}")]
    ProducerIdWentBack {
        /// The value in the record.
        found: i64,
        /// The value in the image.
        held: i64,
    },
    /// A begin inside a transaction, or an end or abort outside one.
    #[error("{0} out of place")]
    TransactionOutOfPlace(&'static str),
}

impl MetadataImage {
    /// The offset and epoch of the last record in this image.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Whether nothing was ever recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.same_contents(&Self::default())
    }

    /// Finalized feature levels.
    #[must_use]
    pub fn features(&self) -> &FeaturesImage {
        &self.features
    }

    /// Brokers and controllers.
    #[must_use]
    pub fn cluster(&self) -> &ClusterImage {
        &self.cluster
    }

    /// Topics and partitions.
    #[must_use]
    pub fn topics(&self) -> &TopicsImage {
        &self.topics
    }

    /// Dynamic configs.
    #[must_use]
    pub fn configs(&self) -> &ConfigsImage {
        &self.configs
    }

    /// Client quotas.
    #[must_use]
    pub fn client_quotas(&self) -> &ClientQuotasImage {
        &self.client_quotas
    }

    /// ACLs.
    #[must_use]
    pub fn acls(&self) -> &AclsImage {
        &self.acls
    }

    /// SCRAM credentials.
    #[must_use]
    pub fn scram(&self) -> &ScramImage {
        &self.scram
    }

    /// Delegation tokens.
    #[must_use]
    pub fn delegation_tokens(&self) -> &DelegationTokensImage {
        &self.delegation_tokens
    }

    /// The first producer id that was never handed out.
    #[must_use]
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Whether two images say the same, wherever in the log they end.
    #[must_use]
    pub fn same_contents(&self, other: &Self) -> bool {
        let anywhere = |image: &Self| Self { provenance: Provenance::default(), ..image.clone() };
        anywhere(self) == anywhere(other)
    }

    /// Applies one record. Transaction records are the shard's business and change nothing here.
    ///
    /// # Errors
    /// The record does not fit; the image is then unchanged.
    pub(super) fn apply(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        use MetadataRecord as R;
        match record {
            R::RegisterBroker(record) => Arc::make_mut(&mut self.cluster).register(record),
            R::UnregisterBroker(record) => Arc::make_mut(&mut self.cluster).unregister(record)?,
            R::BrokerRegistrationChange(record) => Arc::make_mut(&mut self.cluster).change(record)?,
            R::FenceBroker(record) => Arc::make_mut(&mut self.cluster).set_fenced(record.broker_id, record.broker_epoch, true)?,
            R::UnfenceBroker(record) => Arc::make_mut(&mut self.cluster).set_fenced(record.broker_id, record.broker_epoch, false)?,
            R::RegisterController(record) => Arc::make_mut(&mut self.cluster).register_controller(record),
            R::Topic(record) => Arc::make_mut(&mut self.topics).create(record)?,
            R::Partition(record) => Arc::make_mut(&mut self.topics).set_partition(record)?,
            R::PartitionChange(record) => Arc::make_mut(&mut self.topics).change_partition(record)?,
            R::ClearElr(record) => Arc::make_mut(&mut self.topics).clear_elr(record)?,
            R::RemoveTopic(record) => {
                let removed = Arc::make_mut(&mut self.topics).remove(record)?;
                // A topic's configs go with it, so that a topic of the same name starts clean.
                let resource = ConfigResource::topic(&removed.name);
                if self.configs.of(&resource).is_some() {
                    Arc::make_mut(&mut self.configs).remove_resource(&resource);
                }
            }
            R::Config(record) => Arc::make_mut(&mut self.configs).set(record),
            R::FeatureLevel(record) => Arc::make_mut(&mut self.features).set(record),
            R::ClientQuota(record) => Arc::make_mut(&mut self.client_quotas).set(record),
            R::ProducerIds(record) => {
                if record.next_producer_id < self.next_producer_id {
                    return Err(ReplayError::ProducerIdWentBack { found: record.next_producer_id, held: self.next_producer_id });
                }
                self.next_producer_id = record.next_producer_id;
            }
            R::AccessControlEntry(record) => Arc::make_mut(&mut self.acls).add(record),
            R::RemoveAccessControlEntry(record) => Arc::make_mut(&mut self.acls).remove(record)?,
            R::UserScramCredential(record) => Arc::make_mut(&mut self.scram).set(record),
            R::RemoveUserScramCredential(record) => Arc::make_mut(&mut self.scram).remove(record),
            R::DelegationToken(record) => Arc::make_mut(&mut self.delegation_tokens).set(record),
            R::RemoveDelegationToken(record) => Arc::make_mut(&mut self.delegation_tokens).remove(record),
            R::NoOp | R::ZkMigrationState(_) | R::BeginTransaction(_) | R::EndTransaction | R::AbortTransaction(_) => {}
        }
        Ok(())
    }
}
