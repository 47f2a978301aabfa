//! One member of a consumer group: what it asked for, where it stands, and the records that say so.

use super::super::names::{GroupId, MemberId};
use super::super::records::{ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue, EpochAssignment, GroupRecord};
use crate::metadata::TopicId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The member epoch of a request to leave, and of a member whose assignment has been deleted.
pub(in crate::group) const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// The member epoch of a static member that has left and may come back.
pub(in crate::group) const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;

/// Where a member stands on its way to the target assignment. Numbers are Kafka's, as in the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It has what it should have as of its epoch.
    Stable,
    /// It must give up partitions before it may have the next epoch.
    UnrevokedPartitions,
    /// It has the newest epoch and waits for partitions that others still hold.
    UnreleasedPartitions,
    /// A state of a newer version; the member has to start over.
    Unknown,
}

/// What a reconciliation may do to a member's state.
///
/// | from | may become | when |
/// |---|---|---|
/// | Stable | Stable | everything of the target is free, or nothing changes |
/// | Stable | UnrevokedPartitions | it holds what the target or its own subscription takes away |
/// | Stable | UnreleasedPartitions | nothing to give up, but others hold what it should get |
/// | UnrevokedPartitions | the same three | it still holds something / all is given up |
/// | UnreleasedPartitions | the same three | a newer target, or partitions became free |
/// | Unknown | Stable, UnreleasedPartitions | it has come back without partitions |
///
/// Nothing becomes Unknown: only a record can say so.
const TRANSITIONS: [(MemberState, &[MemberState]); 4] = [
    (MemberState::Stable, &[MemberState::Stable, MemberState::UnrevokedPartitions, MemberState::UnreleasedPartitions]),
    (MemberState::UnrevokedPartitions, &[MemberState::Stable, MemberState::UnrevokedPartitions, MemberState::UnreleasedPartitions]),
    (MemberState::UnreleasedPartitions, &[MemberState::Stable, MemberState::UnrevokedPartitions, MemberState::UnreleasedPartitions]),
    (MemberState::Unknown, &[MemberState::Stable, MemberState::UnreleasedPartitions]),
];

impl MemberState {
    pub(in crate::group) fn from_number(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }

    pub(in crate::group) fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    /// Whether the table has the step.
    pub(in crate::group) fn may_become(self, next: Self) -> bool {
        TRANSITIONS.iter().any(|(from, to)| *from == self && to.contains(&next))
    }
}

/// Partitions by topic, each with the epoch at which its holder got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct PartitionEpochs(pub(in crate::group) BTreeMap<TopicId, BTreeMap<i32, i32>>);

impl PartitionEpochs {
    pub(in crate::group) fn insert(&mut self, topic: TopicId, partition: i32, epoch: i32) {
        self.0.entry(topic).or_default().insert(partition, epoch);
    }

    pub(in crate::group) fn epoch(&self, topic: TopicId, partition: i32) -> Option<i32> {
        self.0.get(&topic)?.get(&partition).copied()
    }

    pub(in crate::group) fn contains(&self, topic: TopicId, partition: i32) -> bool {
        self.epoch(topic, partition).is_some()
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All partitions in order.
    pub(in crate::group) fn iter(&self) -> impl Iterator<Item = (TopicId, i32, i32)> + '_ {
        self.0.iter().flat_map(|(topic, partitions)| partitions.iter().map(|(partition, epoch)| (*topic, *partition, *epoch)))
    }

    /// The same partitions, all as if got at epoch 0.
    pub(in crate::group) fn at_epoch_zero(&self) -> Self {
        let zero = |partitions: &BTreeMap<i32, i32>| partitions.keys().map(|partition| (*partition, 0)).collect();
        Self(self.0.iter().map(|(topic, partitions)| (*topic, zero(partitions))).collect())
    }

    /// From a record; before Kafka 4.3 there are no epochs in it and the member's own counts, never below 0.
    fn from_record(record: &EpochAssignment, member_epoch: i32) -> Self {
        let known = |epoch: Option<i32>| epoch.unwrap_or(member_epoch.max(0));
        let topic = |partitions: &BTreeMap<i32, Option<i32>>| partitions.iter().map(|(id, epoch)| (*id, known(*epoch))).collect();
        Self(record.0.iter().map(|(id, partitions)| (*id, topic(partitions))).collect())
    }

    fn to_record(&self) -> EpochAssignment {
        let topic = |partitions: &BTreeMap<i32, i32>| partitions.iter().map(|(id, epoch)| (*id, Some(*epoch))).collect();
        EpochAssignment(self.0.iter().map(|(id, partitions)| (*id, topic(partitions))).collect())
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct ConsumerGroupMember {
    pub(in crate::group) member_id: MemberId,
    /// The epoch its heartbeats must carry.
    pub(in crate::group) member_epoch: i32,
    /// The one before: a member that missed an answer may still send it.
    pub(in crate::group) previous_member_epoch: i32,
    pub(in crate::group) state: MemberState,
    /// What it asked for. A missing regular expression and an empty one are different here as they are in the records, and
    /// mean the same.
    pub(in crate::group) metadata: Arc<ConsumerGroupMemberMetadataValue>,
    /// What it holds or has been given.
    pub(in crate::group) assigned: PartitionEpochs,
    /// What it has to give up.
    pub(in crate::group) pending_revocation: PartitionEpochs,
}

impl ConsumerGroupMember {
    /// A member that has never been heard of.
    pub(in crate::group) fn new(member_id: MemberId) -> Self {
        let metadata = ConsumerGroupMemberMetadataValue {
            client_id: "".into(),
            client_host: "".into(),
            subscribed_topic_regex: Some("".into()),
            rebalance_timeout_ms: -1,
            ..ConsumerGroupMemberMetadataValue::default()
        };
        Self {
            member_id,
            member_epoch: 0,
            previous_member_epoch: -1,
            state: MemberState::Stable,
            metadata: Arc::new(metadata),
            assigned: PartitionEpochs::default(),
            pending_revocation: PartitionEpochs::default(),
        }
    }

    /// The member with another subscription.
    pub(in crate::group) fn with_metadata(&self, metadata: ConsumerGroupMemberMetadataValue) -> Self {
        Self { metadata: Arc::new(metadata), ..self.clone() }
    }

    /// The member with a current assignment from a record.
    pub(in crate::group) fn with_current_assignment(&self, value: &ConsumerGroupCurrentMemberAssignmentValue) -> Self {
        Self {
            member_epoch: value.member_epoch,
            previous_member_epoch: value.previous_member_epoch,
            state: MemberState::from_number(value.state),
            assigned: PartitionEpochs::from_record(&value.assigned, value.member_epoch),
            pending_revocation: PartitionEpochs::from_record(&value.pending_revocation, value.member_epoch),
            ..self.clone()
        }
    }

    /// What is left of a member whose current assignment has been deleted.
    pub(in crate::group) fn without_current_assignment(&self) -> Self {
        Self {
            member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
            previous_member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
            assigned: PartitionEpochs::default(),
            pending_revocation: PartitionEpochs::default(),
            ..self.clone()
        }
    }

    pub(in crate::group) fn instance_id(&self) -> Option<&Arc<str>> {
        self.metadata.instance_id.as_ref()
    }

    /// The regular expression it subscribes to, if there is a real one.
    pub(in crate::group) fn regex(&self) -> Option<&Arc<str>> {
        self.metadata.subscribed_topic_regex.as_ref().filter(|regex| !regex.is_empty())
    }

    pub(in crate::group) fn uses_classic_protocol(&self) -> bool {
        self.metadata.classic.is_some()
    }

    pub(in crate::group) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.member_epoch == target_epoch
    }

    /// The record of its subscription.
    pub(in crate::group) fn metadata_record(&self, group: &GroupId) -> GroupRecord {
        GroupRecord::ConsumerGroupMemberMetadata {
            group: group.clone(),
            member: self.member_id.clone(),
            value: Some(ConsumerGroupMemberMetadataValue::clone(&self.metadata)),
        }
    }

    /// The record of its current assignment.
    pub(in crate::group) fn current_assignment_record(&self, group: &GroupId) -> GroupRecord {
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.member_epoch,
            previous_member_epoch: self.previous_member_epoch,
            state: self.state.number(),
            assigned: self.assigned.to_record(),
            pending_revocation: self.pending_revocation.to_record(),
        };
        GroupRecord::ConsumerGroupCurrentMemberAssignment { group: group.clone(), member: self.member_id.clone(), value: Some(value) }
    }
}

/// The records that remove a member; the order matters to Kafka's replay.
pub(in crate::group) fn removal_records(group: &GroupId, member: &MemberId) -> [GroupRecord; 3] {
    let (group, member) = (|| group.clone(), || member.clone());
    [
        GroupRecord::ConsumerGroupCurrentMemberAssignment { group: group(), member: member(), value: None },
        GroupRecord::ConsumerGroupTargetAssignmentMember { group: group(), member: member(), value: None },
        GroupRecord::ConsumerGroupMemberMetadata { group: group(), member: member(), value: None },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_kafkas_numbers_and_anything_else_is_unknown() {
        for (state, number) in [
            (MemberState::Stable, 0),
            (MemberState::UnrevokedPartitions, 1),
            (MemberState::UnreleasedPartitions, 2),
            (MemberState::Unknown, 127),
        ] {
            assert_eq!(state.number(), number);
            assert_eq!(MemberState::from_number(number), state);
        }
        assert_eq!(MemberState::from_number(3), MemberState::Unknown);
    }

    #[test]
    fn nothing_becomes_unknown_and_an_unknown_member_has_nothing_to_revoke() {
        assert!(TRANSITIONS.iter().all(|(from, _)| !from.may_become(MemberState::Unknown)));
        assert!(!MemberState::Unknown.may_become(MemberState::UnrevokedPartitions));
        assert!(MemberState::Unknown.may_become(MemberState::Stable));
    }

    #[test]
    fn a_record_without_assignment_epochs_takes_the_members_epoch_but_never_a_negative_one() {
        let topic = TopicId(uuid::Uuid::from_u128(7));
        let record = EpochAssignment([(topic, [(0, None), (1, Some(3))].into())].into());
        assert_eq!(PartitionEpochs::from_record(&record, 5).0, [(topic, [(0, 5), (1, 3)].into())].into());
        assert_eq!(PartitionEpochs::from_record(&record, -2).0, [(topic, [(0, 0), (1, 3)].into())].into());
    }
}
