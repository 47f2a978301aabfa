//! `uniform` for members that want different topics.
//!
//! Members keep what they still want; free partitions go, topic by topic, to the subscriber with the least; then, again topic by topic,
//! partitions move from the subscriber with the most to the one with the least while they differ by more than one. Topics with many
//! partitions for few subscribers come first. Rounds end when a whole one moved nothing, or after `ROUNDS_MAX`: with subscriptions that
//! overlap like a chain each round only halves what is uneven.
//!
//! A topic looks at the first of each class that wants it and not at all its subscribers.

use super::classes::Classes;
use super::owners::{MemberIndex, Owners};
use super::{GroupSpec, TargetAssignment};
use crate::metadata::TopicId;
use std::collections::{BTreeMap, BTreeSet};

const ROUNDS_MAX: usize = 16;

pub(super) fn assign(spec: &GroupSpec, classes: Classes<'_>) -> TargetAssignment {
    let mut balancer = Balancer::new(spec, classes);
    let topics = balancer.topics_in_order();
    for topic in &topics {
        balancer.fill(*topic);
    }
    for _ in 0..ROUNDS_MAX {
        let moved: usize = topics.iter().map(|topic| balancer.balance(*topic)).sum();
        if moved == 0 {
            break;
        }
    }
    balancer.owners.into_target(spec)
}

/// Members that want the same topics, by how many partitions they have.
type Class = BTreeSet<(usize, MemberIndex)>;

/// Least loaded members first, each with its class. An entry may be out of date.
type Queue = BTreeSet<(usize, MemberIndex, usize)>;

struct Balancer {
    owners: Owners,
    loads: Vec<usize>,
    classes: Vec<Class>,
    class_of: Vec<usize>,
    classes_of_topic: BTreeMap<TopicId, Vec<usize>>,
}

impl Balancer {
    fn new(spec: &GroupSpec, classes: Classes<'_>) -> Self {
        let owners = Owners::of_current(spec, &classes);
        let loads = owners.loads();
        let mut members = vec![Class::new(); classes.subscriptions.len()];
        for (index, (class, load)) in classes.of_member.iter().zip(&loads).enumerate() {
            members[*class].insert((*load, MemberIndex(index)));
        }
        Self { owners, loads, classes: members, classes_of_topic: classes.by_topic(), class_of: classes.of_member }
    }

    /// Most partitions per subscriber first; then those with fewer subscribers; then by id.
    fn topics_in_order(&self) -> Vec<TopicId> {
        let size = |topic: TopicId| -> (u64, u64) {
            let subscribers: usize = self.classes_of_topic[&topic].iter().map(|class| self.classes[*class].len()).sum();
            (self.owners.of_topic(topic).len() as u64, subscribers as u64)
        };
        let mut topics: Vec<_> = self.owners.topics().map(|(topic, _)| (topic, size(topic))).collect();
        topics.sort_by(|(a_topic, (a_partitions, a_subscribers)), (b_topic, (b_partitions, b_subscribers))| {
            let per_subscriber = (b_partitions * a_subscribers).cmp(&(a_partitions * b_subscribers));
            per_subscriber.then(a_subscribers.cmp(b_subscribers)).then(a_topic.cmp(b_topic))
        });
        topics.into_iter().map(|(topic, _)| topic).collect()
    }

    /// Gives the topic's free partitions away.
    fn fill(&mut self, topic: TopicId) {
        let owners = self.owners.of_topic(topic).iter().enumerate();
        let free: Vec<usize> = owners.filter(|(_, owner)| owner.is_none()).map(|(partition, _)| partition).collect();
        if free.is_empty() {
            return;
        }
        let mut queue = self.queue(topic);
        for partition in free {
            let to = self.least_loaded(&mut queue);
            self.owners.give(topic, partition, to);
            self.change_load(to, 1, &mut queue);
        }
    }

    /// Evens the topic's subscribers out; returns how many partitions moved.
    fn balance(&mut self, topic: TopicId) -> usize {
        let mut held: BTreeMap<MemberIndex, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in self.owners.of_topic(topic).iter().enumerate() {
            held.entry(owner.expect("balancing comes after filling")).or_default().push(partition);
        }
        let mut donors: BTreeSet<(usize, MemberIndex)> = held.keys().map(|member| (self.loads[member.0], *member)).collect();
        let mut queue = self.queue(topic);
        let mut moved = 0;
        while let Some((load, from)) = donors.pop_last() {
            let to = self.least_loaded(&mut queue);
            if load <= self.loads[to.0] + 1 {
                break;
            }
            let partitions = held.get_mut(&from).expect("donors hold something");
            let partition = partitions.pop().expect("a donor that has nothing left is no donor");
            if !partitions.is_empty() {
                donors.insert((load - 1, from));
            }
            self.owners.give(topic, partition, to);
            self.change_load(from, -1, &mut queue);
            self.change_load(to, 1, &mut queue);
            moved += 1;
        }
        moved
    }

    /// The first of each class that wants the topic.
    fn queue(&self, topic: TopicId) -> Queue {
        let classes = self.classes_of_topic[&topic].iter();
        classes.filter_map(|class| self.classes[*class].first().map(|(load, member)| (*load, *member, *class))).collect()
    }

    /// The subscriber with the least, the first by id among equals.
    fn least_loaded(&self, queue: &mut Queue) -> MemberIndex {
        loop {
            let (load, member, class) = *queue.first().expect("a topic is here because somebody wants it");
            if self.classes[class].first() == Some(&(load, member)) {
                return member;
            }
            queue.pop_first();
        }
    }

    fn change_load(&mut self, member: MemberIndex, by: isize, queue: &mut Queue) {
        let class = self.class_of[member.0];
        let load = &mut self.loads[member.0];
        self.classes[class].remove(&(*load, member));
        *load = load.checked_add_signed(by).expect("nobody gives what it does not have");
        self.classes[class].insert((*load, member));
        let (load, first) = *self.classes[class].first().expect("the member is in its class");
        queue.insert((load, first, class));
    }
}
