//! The replayed state of a consumer group.
//!
//! The state that admins see is derived, never stored; the first row that fits counts:
//!
//! | members | epochs | members' states | group state |
//! |---|---|---|---|
//! | none | any | | Empty |
//! | some | group epoch > assignment epoch | any | Assigning |
//! | some | equal | one is not Stable at the assignment epoch | Reconciling |
//! | some | equal | all are | Stable |
//!
//! A group that does not exist is Dead. Replay takes records in any order that compaction may leave: what a tombstone names and
//! is not there is ignored, and a later record wins.

use super::super::assignment::Assignment;
use super::super::names::{GroupId, MemberId};
use super::super::records::{ConsumerGroupRegularExpressionValue, GroupRecord};
use super::member::{ConsumerGroupMember, PartitionEpochs, removal_records};
use super::subscription::{SubscribedTopics, count_down, count_up};
use crate::metadata::TopicId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What `ListGroups` and `ConsumerGroupDescribe` call the state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum ConsumerGroupState {
    Empty,
    Assigning,
    Reconciling,
    Stable,
    /// There is no such group: an error in every answer, and a state only to tests.
    #[cfg_attr(not(test), allow(dead_code, reason = "Kafka's list of states is whole"))]
    Dead,
}

impl ConsumerGroupState {
    pub(in crate::group) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for ConsumerGroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A KIP-848 group. Fields are read by handlers, and written by `replay` and by the conversion from a classic group.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct ConsumerGroup {
    /// Rises with every change of a subscription or of a subscribed topic.
    pub(in crate::group) group_epoch: i32,
    /// Hash over the subscribed topics as of the group epoch (KIP-1101).
    pub(in crate::group) metadata_hash: i64,
    /// A record of a Kafka before 4.1 is in the log and waits for its tombstone.
    pub(in crate::group) has_partition_metadata_record: bool,
    /// The group epoch that the target assignment was made for; -1 when it has been deleted.
    pub(in crate::group) assignment_epoch: i32,
    /// When it was made; 0 for unknown.
    pub(in crate::group) assignment_timestamp_ms: i64,
    target: BTreeMap<MemberId, Arc<Assignment>>,
    members: BTreeMap<MemberId, ConsumerGroupMember>,
    static_members: BTreeMap<Arc<str>, MemberId>,
    /// Votes for assignors.
    assignors: BTreeMap<Arc<str>, usize>,
    /// How many members subscribe to each topic, by name and by regular expression.
    topics: SubscribedTopics,
    /// How many members subscribe to each regular expression.
    regex_members: BTreeMap<Arc<str>, usize>,
    resolved_regexes: BTreeMap<Arc<str>, Arc<ConsumerGroupRegularExpressionValue>>,
    /// The member epoch of whoever holds a partition or still has to give it up.
    partition_epochs: BTreeMap<TopicId, BTreeMap<i32, i32>>,
    classic_members: usize,
    /// How many classic members know each protocol.
    classic_protocols: BTreeMap<Arc<str>, usize>,
}

impl Default for ConsumerGroup {
    /// A group starts at epoch 1, with an (empty) target assignment for it.
    fn default() -> Self {
        Self {
            group_epoch: 1,
            metadata_hash: 0,
            has_partition_metadata_record: false,
            assignment_epoch: 1,
            assignment_timestamp_ms: 0,
            target: BTreeMap::new(),
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            assignors: BTreeMap::new(),
            topics: SubscribedTopics::default(),
            regex_members: BTreeMap::new(),
            resolved_regexes: BTreeMap::new(),
            partition_epochs: BTreeMap::new(),
            classic_members: 0,
            classic_protocols: BTreeMap::new(),
        }
    }
}

impl ConsumerGroup {
    pub(in crate::group) fn state(&self) -> ConsumerGroupState {
        if self.members.is_empty() {
            ConsumerGroupState::Empty
        } else if self.group_epoch > self.assignment_epoch {
            ConsumerGroupState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(in crate::group) fn members(&self) -> &BTreeMap<MemberId, ConsumerGroupMember> {
        &self.members
    }

    pub(in crate::group) fn member(&self, member_id: &str) -> Option<&ConsumerGroupMember> {
        self.members.get(member_id)
    }

    /// The id of the member that has this `group.instance.id`.
    pub(in crate::group) fn static_member_id(&self, instance_id: Option<&str>) -> Option<&MemberId> {
        self.static_members.get(instance_id?)
    }

    pub(in crate::group) fn static_member(&self, instance_id: Option<&str>) -> Option<&ConsumerGroupMember> {
        self.members.get(self.static_member_id(instance_id)?)
    }

    /// The target assignment of a member, empty when there is none.
    pub(in crate::group) fn target_of(&self, member_id: &str) -> Arc<Assignment> {
        self.target.get(member_id).cloned().unwrap_or_default()
    }

    /// The same, where a static member finds what its predecessor had.
    pub(in crate::group) fn target_of_instance(&self, member_id: &str, instance_id: Option<&str>) -> Arc<Assignment> {
        match instance_id {
            None => self.target_of(member_id),
            Some(_) => self.static_member_id(instance_id).map(|previous| self.target_of(previous.as_str())).unwrap_or_default(),
        }
    }

    pub(in crate::group) fn target(&self) -> &BTreeMap<MemberId, Arc<Assignment>> {
        &self.target
    }

    pub(in crate::group) fn topics(&self) -> &SubscribedTopics {
        &self.topics
    }

    /// Whether a member subscribes to the topic: its offsets are not deleted then.
    pub(in crate::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.topics.contains(topic)
    }

    pub(in crate::group) fn assignor_votes(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.assignors
    }

    pub(in crate::group) fn regex_members(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.regex_members
    }

    pub(in crate::group) fn members_with_regex(&self, regex: &str) -> usize {
        self.regex_members.get(regex).copied().unwrap_or(0)
    }

    pub(in crate::group) fn resolved_regexes(&self) -> &BTreeMap<Arc<str>, Arc<ConsumerGroupRegularExpressionValue>> {
        &self.resolved_regexes
    }

    /// Whether anybody holds the partition or still has to give it up.
    pub(in crate::group) fn is_held(&self, topic: TopicId, partition: i32) -> bool {
        self.partition_epochs.get(&topic).is_some_and(|partitions| partitions.contains_key(&partition))
    }

    pub(in crate::group) fn classic_member_count(&self) -> usize {
        self.classic_members
    }

    /// How many classic members know the protocol.
    pub(in crate::group) fn classic_members_with_protocol(&self, protocol: &str) -> usize {
        self.classic_protocols.get(protocol).copied().unwrap_or(0)
    }

    /// The records that delete the group, in Kafka's order. Offsets have their own.
    pub(in crate::group) fn tombstones(&self, group: &GroupId) -> Vec<GroupRecord> {
        let group = || group.clone();
        let of_members = |record: fn(GroupId, MemberId) -> GroupRecord| self.members.keys().map(move |id| record(group(), id.clone()));
        let mut records = Vec::with_capacity(3 * self.members.len() + self.resolved_regexes.len() + 3);
        records.extend(of_members(|group, member| GroupRecord::ConsumerGroupCurrentMemberAssignment { group, member, value: None }));
        records.extend(of_members(|group, member| GroupRecord::ConsumerGroupTargetAssignmentMember { group, member, value: None }));
        records.push(GroupRecord::ConsumerGroupTargetAssignmentMetadata { group: group(), value: None });
        records.extend(of_members(|group, member| GroupRecord::ConsumerGroupMemberMetadata { group, member, value: None }));
        records.extend(self.resolved_regexes.keys().map(|regex| GroupRecord::ConsumerGroupRegularExpression {
            group: group(),
            regex: Arc::clone(regex),
            value: None,
        }));
        records.push(GroupRecord::ConsumerGroupPartitionMetadata { group: group(), value: None });
        records.push(GroupRecord::ConsumerGroupMetadata { group: group(), value: None });
        records
    }

    /// Puts a member in the place of what was there under its id, and counts again what is derived from members.
    pub(in crate::group) fn update_member(&mut self, new: ConsumerGroupMember) {
        let old = self.members.remove(&new.member_id);
        self.count_out(old.as_ref());
        self.count_in(&new);
        self.members.insert(new.member_id.clone(), new);
    }

    pub(in crate::group) fn remove_member(&mut self, member_id: &MemberId) {
        let old = self.members.remove(member_id);
        self.count_out(old.as_ref());
    }

    pub(in crate::group) fn set_target(&mut self, member_id: MemberId, assignment: Assignment) {
        self.target.insert(member_id, Arc::new(assignment));
    }

    fn count_in(&mut self, member: &ConsumerGroupMember) {
        self.topics.add_names(&member.metadata.subscribed_topic_names);
        if let Some(assignor) = &member.metadata.server_assignor {
            count_up(&mut self.assignors, assignor);
        }
        if let Some(regex) = member.regex() {
            count_up(&mut self.regex_members, regex);
        }
        if let Some(instance_id) = member.instance_id() {
            self.static_members.insert(Arc::clone(instance_id), member.member_id.clone());
        }
        if let Some(classic) = &member.metadata.classic {
            self.classic_members += 1;
            for (protocol, _) in &classic.supported_protocols {
                count_up(&mut self.classic_protocols, protocol);
            }
        }
        self.hold(&member.assigned, member.member_epoch);
        self.hold(&member.pending_revocation, member.member_epoch);
    }

    fn count_out(&mut self, member: Option<&ConsumerGroupMember>) {
        let Some(member) = member else { return };
        self.topics.remove_names(&member.metadata.subscribed_topic_names);
        if let Some(assignor) = &member.metadata.server_assignor {
            count_down(&mut self.assignors, assignor);
        }
        if let Some(regex) = member.regex() {
            count_down(&mut self.regex_members, regex);
        }
        if let Some(instance_id) = member.instance_id()
            && self.static_members.get(instance_id) == Some(&member.member_id)
        {
            self.static_members.remove(instance_id);
        }
        if let Some(classic) = &member.metadata.classic {
            self.classic_members -= 1;
            for (protocol, _) in &classic.supported_protocols {
                count_down(&mut self.classic_protocols, protocol);
            }
        }
        self.release(&member.assigned, member.member_epoch);
        self.release(&member.pending_revocation, member.member_epoch);
    }

    fn hold(&mut self, partitions: &PartitionEpochs, epoch: i32) {
        for (topic, partition, _) in partitions.iter() {
            self.partition_epochs.entry(topic).or_default().insert(partition, epoch);
        }
    }

    /// A partition that somebody else has got meanwhile, at another epoch, stays theirs.
    fn release(&mut self, partitions: &PartitionEpochs, epoch: i32) {
        for (topic, partition, _) in partitions.iter() {
            let Some(held) = self.partition_epochs.get_mut(&topic) else { continue };
            if held.get(&partition) == Some(&epoch) {
                held.remove(&partition);
            }
            if held.is_empty() {
                self.partition_epochs.remove(&topic);
            }
        }
    }

    fn set_resolved_regex(&mut self, regex: &Arc<str>, value: Option<&ConsumerGroupRegularExpressionValue>) {
        if let Some(old) = self.resolved_regexes.remove(regex) {
            self.topics.remove_matches(&old.topics);
        }
        let Some(value) = value else { return };
        self.topics.add_matches(&value.topics);
        self.resolved_regexes.insert(Arc::clone(regex), Arc::new(value.clone()));
    }

    /// Applies a record of this group, other than the tombstone of the group itself.
    pub(in crate::group) fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::ConsumerGroupMetadata { value: Some(value), .. } => {
                self.group_epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            GroupRecord::ConsumerGroupPartitionMetadata { value, .. } => self.has_partition_metadata_record = value.is_some(),
            GroupRecord::ConsumerGroupMemberMetadata { member, value: Some(value), .. } => {
                let old = self.members.get(member).cloned().unwrap_or_else(|| ConsumerGroupMember::new(member.clone()));
                self.update_member(old.with_metadata(value.clone()));
            }
            GroupRecord::ConsumerGroupMemberMetadata { member, value: None, .. } => self.remove_member(member),
            GroupRecord::ConsumerGroupTargetAssignmentMetadata { value, .. } => {
                self.assignment_epoch = value.map_or(-1, |value| value.assignment_epoch);
                self.assignment_timestamp_ms = value.map_or(0, |value| value.assignment_timestamp_ms);
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember { member, value: Some(value), .. } => {
                self.set_target(member.clone(), value.clone());
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember { member, value: None, .. } => {
                self.target.remove(member);
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment { member, value: Some(value), .. } => {
                let old = self.members.get(member).cloned().unwrap_or_else(|| ConsumerGroupMember::new(member.clone()));
                self.update_member(old.with_current_assignment(value));
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment { member, value: None, .. } => {
                if let Some(old) = self.members.get(member) {
                    let new = old.without_current_assignment();
                    self.update_member(new);
                }
            }
            GroupRecord::ConsumerGroupRegularExpression { regex, value, .. } => self.set_resolved_regex(regex, value.as_ref()),
            GroupRecord::ConsumerGroupMetadata { value: None, .. }
            | GroupRecord::OffsetCommit { .. }
            | GroupRecord::GroupMetadata { .. }
            | GroupRecord::Foreign { .. } => {}
        }
    }

    /// The records that replace a member by its successor, a static member under a new member id.
    pub(in crate::group) fn replacement_records(&self, group: &GroupId, old: &MemberId, new: &ConsumerGroupMember) -> Vec<GroupRecord> {
        let mut records = Vec::from(removal_records(group, old));
        records.push(new.metadata_record(group));
        records.push(GroupRecord::ConsumerGroupTargetAssignmentMember {
            group: group.clone(),
            member: new.member_id.clone(),
            value: Some(Assignment::clone(&self.target_of(old.as_str()))),
        });
        records.push(new.current_assignment_record(group));
        records
    }
}

/// Applies a consumer group's record. Only a record with a value makes a group.
pub(in crate::group) fn replay(groups: &mut BTreeMap<GroupId, ConsumerGroup>, record: &GroupRecord) {
    let (group, has_value) = match record {
        GroupRecord::ConsumerGroupMetadata { group, value } => (group, value.is_some()),
        GroupRecord::ConsumerGroupPartitionMetadata { group, value } => (group, value.is_some()),
        GroupRecord::ConsumerGroupMemberMetadata { group, value, .. } => (group, value.is_some()),
        GroupRecord::ConsumerGroupTargetAssignmentMetadata { group, value } => (group, value.is_some()),
        GroupRecord::ConsumerGroupTargetAssignmentMember { group, value, .. } => (group, value.is_some()),
        GroupRecord::ConsumerGroupCurrentMemberAssignment { group, value, .. } => (group, value.is_some()),
        GroupRecord::ConsumerGroupRegularExpression { group, value, .. } => (group, value.is_some()),
        GroupRecord::OffsetCommit { .. } | GroupRecord::GroupMetadata { .. } | GroupRecord::Foreign { .. } => return,
    };
    if let GroupRecord::ConsumerGroupMetadata { value: None, .. } = record {
        groups.remove(group);
    } else if has_value {
        groups.entry(group.clone()).or_default().replay(record);
    } else if let Some(group) = groups.get_mut(group) {
        group.replay(record);
    }
}
