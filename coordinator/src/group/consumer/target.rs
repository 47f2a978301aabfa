//! The target assignment: what each member should end up with, computed for the whole group at once.

use super::super::assignment::Assignment;
use super::super::assignor::{Assignor, GroupSpec, MemberSpec, TopicSpec};
use super::super::names::MemberId;
use super::super::records::{ConsumerGroupTargetAssignmentMetadataValue, GroupRecord};
use super::super::soft::Soft;
use super::change::GroupChange;
use super::config;
use super::member::ConsumerGroupMember;
use super::state::ConsumerGroup;
use super::subscription::{count_down, count_up};
use crate::metadata::TopicId;
use crate::metadata::image::TopicsImage;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::iter::Peekable;
use std::sync::Arc;

/// What a member is to be reconciled to.
#[derive(Clone, Debug)]
pub(in crate::group) struct Target {
    /// The group epoch that it was made for.
    pub(in crate::group) epoch: i32,
    pub(in crate::group) assignment: Arc<Assignment>,
}

/// The assignor with the most votes. Where Kafka leaves a tie to the order of a hash map, the last name wins here.
pub(in crate::group) fn preferred_assignor(votes: &BTreeMap<Arc<str>, usize>) -> Option<&str> {
    votes.iter().max_by_key(|(_, count)| **count).map(|(name, _)| &**name)
}

impl GroupChange<'_> {
    /// Computes a new target assignment if the group epoch has moved on and the last one is old enough.
    pub(in crate::group) fn update_target(
        &mut self,
        soft: &Soft,
        group_epoch: i32,
        old: &ConsumerGroupMember,
        new: &ConsumerGroupMember,
    ) -> Target {
        let group = self.group;
        let instance_id = new.instance_id().map(|id| &**id);
        let interval_ms = config::of(soft, self.group_id.as_str()).assignment_interval_ms;
        if group.assignment_epoch >= group_epoch || !self.is_interval_over(interval_ms) {
            let assignment = group.target_of_instance(new.member_id.as_str(), instance_id);
            return Target { epoch: group.assignment_epoch, assignment };
        }
        let spec = spec(group, new, soft.image.topics());
        let mut targets = self.assignor(soft, old, new).assign(&spec);
        let (mut assigned, mut held) = (InOrder::of(&targets), InOrder::of(group.target()));
        for member_id in spec.members.keys() {
            let target = assigned.find(member_id).cloned().unwrap_or_default();
            if held.find(member_id).is_none_or(|held| **held != target) {
                self.records.push(GroupRecord::ConsumerGroupTargetAssignmentMember {
                    group: self.group_id.clone(),
                    member: member_id.clone(),
                    value: Some(target),
                });
            }
        }
        let value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: group_epoch, assignment_timestamp_ms: self.now.0 };
        self.records.push(GroupRecord::ConsumerGroupTargetAssignmentMetadata { group: self.group_id.clone(), value: Some(value) });
        Target { epoch: group_epoch, assignment: Arc::new(targets.remove(&new.member_id).unwrap_or_default()) }
    }

    /// Whether the time between two assignments has passed (KIP-1263). An interval of 0 is the way out after a clock went back.
    fn is_interval_over(&self, interval_ms: i32) -> bool {
        let last_ms = self.group.assignment_timestamp_ms;
        last_ms == 0 || interval_ms == 0 || self.now.0 >= last_ms.saturating_add(i64::from(interval_ms))
    }

    /// The assignor of most members, else the broker's first.
    fn assignor(&self, soft: &Soft, old: &ConsumerGroupMember, new: &ConsumerGroupMember) -> Assignor {
        let mut votes = self.group.assignor_votes().clone();
        if let Some(assignor) = &old.metadata.server_assignor {
            count_down(&mut votes, assignor);
        }
        if let Some(assignor) = &new.metadata.server_assignor {
            count_up(&mut votes, assignor);
        }
        let default = || soft.settings.consumer_assignors.iter().find_map(|name| Assignor::by_name(name));
        preferred_assignor(&votes).and_then(Assignor::by_name).or_else(default).unwrap_or(Assignor::Uniform)
    }
}

/// The group as the assignor sees it: its members as they are, the one at hand as it will be, in the place of whom it replaces.
fn spec(group: &ConsumerGroup, new: &ConsumerGroupMember, topics: &TopicsImage) -> GroupSpec {
    let predecessor = group.static_member_id(new.instance_id().map(|id| &**id)).filter(|id| **id != new.member_id);
    let mut subscriptions = Subscriptions { topics, known: BTreeMap::new() };
    let mut targets = InOrder::of(group.target());
    let others = group.members().values().filter(|member| Some(&member.member_id) != predecessor && member.member_id != new.member_id);
    let members = others.map(|member| {
        let current = targets.find(&member.member_id).cloned().unwrap_or_default();
        (member.member_id.clone(), subscriptions.member(group, member, current))
    });
    let mut spec = GroupSpec { members: members.collect(), ..GroupSpec::default() };
    let current = group.target_of(predecessor.unwrap_or(&new.member_id).as_str());
    spec.members.insert(new.member_id.clone(), subscriptions.member(group, new, current));
    for subscription in subscriptions.known.values() {
        for id in subscription.iter() {
            let partitions = topics.by_id(*id).map_or(0, |topic| topic.partitions.len() as i32);
            spec.topics.insert(*id, TopicSpec { partitions });
        }
    }
    spec
}

/// Looks members up one after the other, in ascending order of ids: a group of thousands is gone through once, not searched as often.
struct InOrder<'a, V>(Peekable<btree_map::Iter<'a, MemberId, V>>);

impl<'a, V> InOrder<'a, V> {
    fn of(map: &'a BTreeMap<MemberId, V>) -> Self {
        Self(map.iter().peekable())
    }

    /// What the map has for the member. No earlier one may be asked for afterwards.
    fn find(&mut self, member_id: &MemberId) -> Option<&'a V> {
        while self.0.next_if(|(id, _)| *id < member_id).is_some() {}
        self.0.next_if(|(id, _)| *id == member_id).map(|(_, value)| value)
    }
}

/// Topic ids by what was asked for, so that members with equal subscriptions share one set.
struct Subscriptions<'a> {
    topics: &'a TopicsImage,
    known: BTreeMap<Asked<'a>, Arc<BTreeSet<TopicId>>>,
}

/// Names and regular expression of a member.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Asked<'a>(&'a BTreeSet<Arc<str>>, Option<&'a Arc<str>>);

impl<'a> Subscriptions<'a> {
    fn member(&mut self, group: &'a ConsumerGroup, member: &'a ConsumerGroupMember, current: Arc<Assignment>) -> MemberSpec {
        let names = &member.metadata.subscribed_topic_names;
        let key = Asked(names, member.regex());
        let topics = self.topics;
        let subscription = self.known.entry(key).or_insert_with(|| {
            let matches = member.regex().and_then(|regex| group.resolved_regexes().get(regex));
            let names = names.iter().chain(matches.iter().flat_map(|matches| &matches.topics));
            Arc::new(names.filter_map(|name| Some(topics.by_name(name)?.id)).collect())
        });
        MemberSpec {
            instance_id: member.metadata.instance_id.clone(),
            rack_id: member.metadata.rack_id.clone(),
            subscription: Arc::clone(subscription),
            current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_in_order_finds_what_is_there_and_skips_the_rest() {
        let map: BTreeMap<MemberId, i32> = [("b", 1), ("c", 2), ("e", 3)].map(|(id, value)| (MemberId::from(id), value)).into();
        let mut walk = InOrder::of(&map);
        let found = ["a", "b", "d", "e", "f"].map(|id| walk.find(&MemberId::from(id)).copied());
        assert_eq!(found, [None, Some(1), None, Some(3), None]);
    }
}
