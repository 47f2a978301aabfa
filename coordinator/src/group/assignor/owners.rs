//! Who has which partition while an assignor works; members are numbered in order of their ids.

use super::classes::Classes;
use super::{GroupSpec, TargetAssignment};
use crate::group::assignment::Assignment;
use crate::metadata::TopicId;
use std::collections::BTreeMap;

/// A member's place in the order of member ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberIndex(pub usize);

/// The owner of every partition of every topic that somebody wants.
#[derive(Debug)]
pub(super) struct Owners {
    topics: BTreeMap<TopicId, Vec<Option<MemberIndex>>>,
    member_count: usize,
}

impl Owners {
    /// What members may keep: partitions that exist and that they still want. Of two who hold the same the first has it.
    pub(super) fn of_current(spec: &GroupSpec, classes: &Classes<'_>) -> Self {
        let mut topics: BTreeMap<TopicId, Vec<Option<MemberIndex>>> = BTreeMap::new();
        for topic in classes.subscriptions.iter().copied().flatten().filter(|topic| spec.topics.contains_key(topic)) {
            topics.entry(*topic).or_insert_with(|| vec![None; spec.partition_count(*topic)]);
        }
        let mut owners = Self { topics, member_count: spec.members.len() };
        for (index, member) in spec.members.values().enumerate() {
            for (topic, partitions) in member.current.0.iter().filter(|(topic, _)| member.subscription.contains(topic)) {
                for partition in partitions {
                    owners.claim(*topic, *partition, MemberIndex(index));
                }
            }
        }
        owners
    }

    fn claim(&mut self, topic: TopicId, partition: i32, member: MemberIndex) {
        let slot = self.topics.get_mut(&topic).zip(usize::try_from(partition).ok()).and_then(|(slots, at)| slots.get_mut(at));
        if let Some(slot @ None) = slot {
            *slot = Some(member);
        }
    }

    /// Gives the partition to a member.
    pub(super) fn give(&mut self, topic: TopicId, partition: usize, to: MemberIndex) {
        let slot = self.topics.get_mut(&topic).and_then(|slots| slots.get_mut(partition));
        *slot.expect("only partitions that came from here are given away") = Some(to);
    }

    /// Topics in order of their ids, with the owners of their partitions.
    pub(super) fn topics(&self) -> impl Iterator<Item = (TopicId, &[Option<MemberIndex>])> {
        self.topics.iter().map(|(topic, slots)| (*topic, slots.as_slice()))
    }

    /// The owners of one topic's partitions.
    pub(super) fn of_topic(&self, topic: TopicId) -> &[Option<MemberIndex>] {
        self.topics.get(&topic).map_or(&[], Vec::as_slice)
    }

    /// How many partitions each member has.
    pub(super) fn loads(&self) -> Vec<usize> {
        let mut loads = vec![0; self.member_count];
        for MemberIndex(member) in self.topics.values().flatten().flatten() {
            loads[*member] += 1;
        }
        loads
    }

    /// The assignment of every member, those with nothing included.
    pub(super) fn into_target(self, spec: &GroupSpec) -> TargetAssignment {
        let mut assignments = vec![Assignment::default(); self.member_count];
        for (topic, slots) in &self.topics {
            for (partition, owner) in (0..).zip(slots) {
                let MemberIndex(member) = owner.expect("every partition has been given to somebody");
                assignments[member].insert(*topic, partition);
            }
        }
        spec.members.keys().cloned().zip(assignments).collect()
    }
}
