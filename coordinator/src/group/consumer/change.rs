//! One request's work on a group: the group as it was, and the records so far.
//!
//! The steps of a heartbeat are methods here and in the files beside; a classic member that joins a consumer group takes the same ones.
//! None of them changes the group: what they decide is in the records, and in the member and the epochs that they hand on.

use super::super::names::GroupId;
use super::super::records::{ConsumerGroupMetadataValue, GroupRecord};
use super::super::soft::Soft;
use super::member::ConsumerGroupMember;
use super::refresh;
use super::state::ConsumerGroup;
use super::subscription::SubscribedTopics;
use crate::timers::Millis;

/// The work on one group.
#[derive(Debug)]
pub(in crate::group) struct GroupChange<'a> {
    pub(in crate::group) now: Millis,
    pub(in crate::group) group_id: &'a GroupId,
    /// The group before this request, or as it comes out of the conversion of a classic group.
    pub(in crate::group) group: &'a ConsumerGroup,
    pub(in crate::group) records: Vec<GroupRecord>,
    /// How many of the records are about what `group` already is.
    reflected: usize,
    /// Regular expressions have to be resolved once the rest is decided.
    pub(super) refresh_regexes: bool,
}

impl<'a> GroupChange<'a> {
    /// Starts with the records that lead to `group`: none, or those of a conversion.
    pub(in crate::group) fn new(now: Millis, group_id: &'a GroupId, group: &'a ConsumerGroup, records: Vec<GroupRecord>) -> Self {
        Self { now, group_id, group, reflected: records.len(), records, refresh_regexes: false }
    }

    /// Writes the member's subscription if anything in it is new. Says whether the topic names are.
    pub(in crate::group) fn update_member(&mut self, old: &ConsumerGroupMember, new: &ConsumerGroupMember) -> bool {
        if old == new {
            return false;
        }
        self.records.push(new.metadata_record(self.group_id));
        old.metadata.subscribed_topic_names != new.metadata.subscribed_topic_names
    }

    /// Bumps the group epoch if the caller has a reason, or if the topics have changed. Gives the epoch that counts now.
    pub(in crate::group) fn update_group_epoch(
        &mut self,
        soft: &mut Soft,
        bump: bool,
        old: &ConsumerGroupMember,
        new: &ConsumerGroupMember,
    ) -> i32 {
        let topics = SubscribedTopics::after_update(self.group, old, new);
        let metadata_hash = soft.consumer.topic_hashes.group_hash(&topics, &soft.image);
        let mut epoch = self.group.group_epoch;
        if bump || metadata_hash != self.group.metadata_hash {
            epoch += 1;
            self.write_group_epoch(epoch, metadata_hash);
        }
        soft.consumer.refreshed(self.now, self.group_id);
        if self.group.has_partition_metadata_record {
            self.records.push(GroupRecord::ConsumerGroupPartitionMetadata { group: self.group_id.clone(), value: None });
        }
        epoch
    }

    pub(super) fn write_group_epoch(&mut self, epoch: i32, metadata_hash: i64) {
        let value = Some(ConsumerGroupMetadataValue { epoch, metadata_hash });
        self.records.push(GroupRecord::ConsumerGroupMetadata { group: self.group_id.clone(), value });
    }

    /// The group as the records so far leave it.
    fn outcome(&self) -> ConsumerGroup {
        let mut group = self.group.clone();
        for record in &self.records[self.reflected..] {
            group.replay(record);
        }
        group
    }

    /// The last step: resolves regular expressions if that is due, and hands out all records. Kafka resolves in another thread and
    /// writes the outcome right after; so the answer to this request does not know of it either.
    pub(in crate::group) fn finish(mut self, soft: &mut Soft) -> Vec<GroupRecord> {
        if self.refresh_regexes {
            let group = self.outcome();
            let mut change = GroupChange::new(self.now, self.group_id, &group, Vec::new());
            refresh::resolve_all(&mut change, soft);
            let mut resolved = change.records;
            self.records.append(&mut resolved);
        }
        self.records
    }
}
