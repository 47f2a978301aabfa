//! One shard: `__cluster_metadata`. Topics, partitions, configs, broker registrations, feature levels, producer-id
//! blocks, ACLs, quotas and credentials live here and nowhere else.
//!
//! Who calls what: the shell's metadata front feeds committed records to [`MetadataShard::replay`], takes the new image
//! and delta from [`MetadataShard::publish`] at the end of each batch, and asks the handlers for effects. Everything
//! else in the broker reads a published [`MetadataImage`].
//!
//! Promises: handlers change nothing, they return records; same inputs, same bytes. Nothing here does I/O, reads a
//! clock or rolls dice: ids, times and configuration come in as arguments.

mod bootstrap;
pub mod client_quotas;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod delta;
mod elections;
pub mod features;
mod ids;
pub mod image;
mod partition_change;
mod placement;
mod producer_ids;
mod reassignments;
pub mod records;
mod registration;
mod scram;
mod shard;
mod snapshot;
mod topic_name;
mod unregister_broker;
mod update_features;

pub use bootstrap::Bootstrap;
pub use configs::{ConfigChange, ConfigOperation, ConfigScope};
pub use create_partitions::CreatePartitionsContext;
pub use create_topics::{CreateTopicsContext, DescribedConfig, TopicAccess, TopicConfigs, Unrestricted};
pub use delete_topics::DeleteTopicsContext;
pub use delta::{LocalChanges, LocalPartition, MetadataDelta, TopicChange};
pub use ids::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, InvalidUuid, LeaderEpoch, PartitionEpoch, TopicId, parse_uuid, uuid_text,
};
pub use image::{MetadataImage, PartitionRegistration, Provenance, ReplayError, TopicImage};
pub use partition_change::ElectionRules;
pub use placement::TopicLimits;
pub use producer_ids::{PRODUCER_ID_BLOCK_SIZE, ProducerIdBlock};
pub use reassignments::list_partition_reassignments;
pub use records::{MetadataRecord, RecordError};
pub use registration::{BrokerRegistrationRequest, ControllerRegistrationRequest};
pub use scram::describe_user_scram_credentials;
pub use shard::{ApiError, MetadataEffects, MetadataReply, MetadataShard, Published};
pub use snapshot::{SnapshotId, image_records};
pub use topic_name::{InvalidTopicName, MAX_TOPIC_NAME_BYTES, TopicName};
pub use update_features::UpdateFeaturesContext;
