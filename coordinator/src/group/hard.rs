//! What a reload brings back. Written by replay and by nothing else.

use super::consumer::state::ConsumerGroup;
use super::names::GroupId;
use super::offsets::Offsets;
use super::records::{GroupMetadataValue, GroupRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The replayed state of one shard.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Hard {
    /// The last word of each classic group that ever completed a rebalance.
    pub(super) classic: BTreeMap<GroupId, Arc<GroupMetadataValue>>,
    /// KIP-848 groups.
    pub(super) consumer: BTreeMap<GroupId, ConsumerGroup>,
    /// Committed and pending offsets of groups of any kind.
    pub(super) offsets: Offsets,
}

impl Hard {
    pub(super) fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { group, topic, partition, value } => {
                self.offsets.replay(group, topic, *partition, value.as_ref());
            }
            GroupRecord::GroupMetadata { group, value: Some(value) } => {
                self.classic.insert(group.clone(), Arc::new(value.clone()));
            }
            GroupRecord::GroupMetadata { group, value: None } => {
                self.classic.remove(group);
            }
            GroupRecord::Foreign { .. } => {}
            consumer => super::consumer::replay(&mut self.consumer, consumer),
        }
    }

    pub(super) fn replay_transactional(&mut self, producer_id: i64, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { group, topic, partition, value: Some(value) } => {
                self.offsets.replay_pending(producer_id, group, topic, *partition, value);
            }
            // Kafka writes nothing else in a transaction.
            other => self.replay(other),
        }
    }

    pub(super) fn replay_marker(&mut self, producer_id: i64, commit: bool) {
        self.offsets.replay_marker(producer_id, commit);
    }
}
