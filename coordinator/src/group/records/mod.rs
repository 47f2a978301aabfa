//! The records of `__consumer_offsets` and their bytes, in Kafka's schemas.
//!
//! A key is `type (i16) | fields`, never flexible; a value is `version (i16) | fields`; no value is a tombstone. We write what Kafka
//! 4.3 writes and read every version that it reads. Types that belong to share and streams groups, and types we do not know, are
//! `Foreign`: kept out of all state, never written.

mod codec;
mod values;

pub use crate::codec::FieldError;

use super::assignment::Assignment;
use super::names::{GroupId, MemberId};
use crate::metadata::TopicId;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRecord {
    /// Type 1 (and 0 of old logs): a committed offset.
    OffsetCommit {
        /// Group.
        group: GroupId,
        /// Topic name.
        topic: Arc<str>,
        /// Partition index.
        partition: i32,
        /// `None` forgets it.
        value: Option<OffsetCommitValue>,
    },
    /// Type 2: a classic group after a completed rebalance, or empty.
    GroupMetadata {
        /// Group.
        group: GroupId,
        /// `None` deletes the group.
        value: Option<GroupMetadataValue>,
    },
    /// Type 3: a consumer group's epoch.
    ConsumerGroupMetadata {
        /// Group.
        group: GroupId,
        /// `None` deletes the group.
        value: Option<ConsumerGroupMetadataValue>,
    },
    /// Type 4: topic metadata of a consumer group. Before Kafka 4.1; only its tombstone is written.
    ConsumerGroupPartitionMetadata {
        /// Group.
        group: GroupId,
        /// Number of partitions by topic.
        value: Option<BTreeMap<TopicId, (Arc<str>, i32)>>,
    },
    /// Type 5: a member's subscription.
    ConsumerGroupMemberMetadata {
        /// Group.
        group: GroupId,
        /// Member.
        member: MemberId,
        /// `None` removes the member.
        value: Option<ConsumerGroupMemberMetadataValue>,
    },
    /// Type 6: the epoch of the target assignment.
    ConsumerGroupTargetAssignmentMetadata {
        /// Group.
        group: GroupId,
        /// Epoch and time.
        value: Option<ConsumerGroupTargetAssignmentMetadataValue>,
    },
    /// Type 7: one member's target assignment.
    ConsumerGroupTargetAssignmentMember {
        /// Group.
        group: GroupId,
        /// Member.
        member: MemberId,
        /// What it should end up with.
        value: Option<Assignment>,
    },
    /// Type 8: one member's current assignment.
    ConsumerGroupCurrentMemberAssignment {
        /// Group.
        group: GroupId,
        /// Member.
        member: MemberId,
        /// Where it stands.
        value: Option<ConsumerGroupCurrentMemberAssignmentValue>,
    },
    /// Type 16: what a regular expression resolved to.
    ConsumerGroupRegularExpression {
        /// Group.
        group: GroupId,
        /// The expression.
        regex: Arc<str>,
        /// Topics and when.
        value: Option<ConsumerGroupRegularExpressionValue>,
    },
    /// Anything else: share groups, streams groups, newer types.
    Foreign {
        /// Key bytes.
        key: Bytes,
        /// Value bytes.
        value: Option<Bytes>,
    },
}

/// Value of type 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// Next offset to be read.
    pub offset: i64,
    /// Leader epoch of the last consumed record, -1 for unknown.
    pub leader_epoch: i32,
    /// The client's own text.
    pub metadata: Arc<str>,
    /// When the commit was made.
    pub commit_timestamp_ms: i64,
    /// When it expires (v1 only), -1 for by retention.
    pub expire_timestamp_ms: i64,
    /// The topic's id; nil in records before Kafka 4.1.
    pub topic_id: TopicId,
}

/// Value of type 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// `consumer`, `connect`, or empty.
    pub protocol_type: Arc<str>,
    /// Generation.
    pub generation: i32,
    /// The protocol that won the vote.
    pub protocol: Option<Arc<str>>,
    /// The leading member.
    pub leader: Option<MemberId>,
    /// When the group came into its state, -1 for unknown.
    pub current_state_timestamp_ms: i64,
    /// Members with their assignments.
    pub members: Vec<GroupMetadataMember>,
}

/// A member in type 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadataMember {
    /// Member id.
    pub member_id: MemberId,
    /// `group.instance.id`.
    pub group_instance_id: Option<Arc<str>>,
    /// Client id.
    pub client_id: Arc<str>,
    /// Client address.
    pub client_host: Arc<str>,
    /// Rebalance timeout in milliseconds, -1 for unknown (then the session timeout counts).
    pub rebalance_timeout_ms: i32,
    /// Session timeout in milliseconds.
    pub session_timeout_ms: i32,
    /// Opaque metadata for the chosen protocol.
    pub subscription: Bytes,
    /// Opaque assignment.
    pub assignment: Bytes,
}

/// Value of type 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupMetadataValue {
    /// Group epoch.
    pub epoch: i32,
    /// Hash over the subscribed topics (KIP-1101), 0 in records before Kafka 4.1.
    pub metadata_hash: i64,
}

/// Value of type 5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupMemberMetadataValue {
    /// `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// Client id.
    pub client_id: Arc<str>,
    /// Client address.
    pub client_host: Arc<str>,
    /// Sorted in records that we write.
    pub subscribed_topic_names: BTreeSet<Arc<str>>,
    /// Regular expression; empty and missing mean none.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// Rebalance timeout in milliseconds, -1 for unknown.
    pub rebalance_timeout_ms: i32,
    /// Assignor asked for.
    pub server_assignor: Option<Arc<str>>,
    /// There when the member uses the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
}

/// The classic side of a member of a consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicMemberMetadata {
    /// Session timeout in milliseconds.
    pub session_timeout_ms: i32,
    /// Protocol names with opaque metadata, in the member's order.
    pub supported_protocols: Vec<(Arc<str>, Bytes)>,
}

/// Value of type 6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupTargetAssignmentMetadataValue {
    /// Group epoch that the assignment was made for.
    pub assignment_epoch: i32,
    /// When it was made (KIP-1263), 0 for unknown.
    pub assignment_timestamp_ms: i64,
}

/// Value of type 8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupCurrentMemberAssignmentValue {
    /// Epoch expected in the member's heartbeats.
    pub member_epoch: i32,
    /// The one before; a member that missed an answer may still send it.
    pub previous_member_epoch: i32,
    /// Kafka's number of the member's state.
    pub state: i8,
    /// What the member owns or was given.
    pub assigned: EpochAssignment,
    /// What it must give up first.
    pub pending_revocation: EpochAssignment,
}

/// Partitions by topic, each with the epoch at which the member got it; `None` in records before Kafka 4.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochAssignment(pub BTreeMap<TopicId, BTreeMap<i32, Option<i32>>>);

/// Value of type 16.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupRegularExpressionValue {
    /// Topics that match and may be seen, sorted.
    pub topics: BTreeSet<Arc<str>>,
    /// Metadata offset as of the resolution.
    pub version: i64,
    /// When it was resolved.
    pub timestamp_ms: i64,
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not the record's fields.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A text is longer than any record can hold; only `encode` says so.
    #[error("a text of the record is longer than 32767 bytes")]
    TooLong,
    /// A value of a version that we do not know.
    #[error("record type {record_type}: value version {version} is not one of 0 to {newest}")]
    UnknownVersion {
        /// Type from the key.
        record_type: i16,
        /// Version of the value.
        version: i16,
        /// The newest we know.
        newest: i16,
    },
}

impl GroupRecord {
    /// Reads a record. Text and bytes are copied out of `key` and `value`.
    ///
    /// # Errors
    /// The bytes are not a record of a type and version that Kafka 4.3 reads.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        codec::decode(key, value)
    }

    /// Key bytes and, unless it is a tombstone, value bytes.
    ///
    /// # Errors
    /// `TooLong`, and nothing else.
    pub fn encode(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), RecordError> {
        codec::encode(self)
    }
}
