//! `range`: every topic by itself, in ranges, so that members get the same partitions of topics that have equally many.
//!
//! Members stand in line: static ones first, by instance id, the others by member id. Of a topic with P partitions and M members that
//! want it the first P % M get P / M + 1, the others P / M. Nothing depends on the assignment so far; what makes it sticky is the line,
//! in which a static member keeps its place.

use super::{GroupSpec, MemberSpec, TargetAssignment};
use crate::group::assignment::Assignment;
use crate::group::names::MemberId;
use crate::metadata::TopicId;
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub(super) fn assign(spec: &GroupSpec) -> TargetAssignment {
    let mut line: Vec<(&MemberId, &MemberSpec, Assignment)> =
        spec.members.iter().map(|(id, member)| (id, member, Assignment::default())).collect();
    line.sort_by(|a, b| place((a.0, a.1), (b.0, b.1)));
    if let Some(topics) = spec.common_subscription() {
        let everybody: Vec<usize> = (0..line.len()).collect();
        for topic in topics {
            assign_topic(*topic, spec.partition_count(*topic), &everybody, &mut line);
        }
    } else {
        for (topic, subscribers) in subscribers(&line) {
            assign_topic(topic, spec.partition_count(topic), &subscribers, &mut line);
        }
    }
    line.into_iter().map(|(id, _, assignment)| (id.clone(), assignment)).collect()
}

/// Work is in proportion to the partitions, not to the subscribers: those at the end of the line may get none.
fn assign_topic(topic: TopicId, partition_count: usize, subscribers: &[usize], line: &mut [(&MemberId, &MemberSpec, Assignment)]) {
    let (quota, extras) = (partition_count / subscribers.len(), partition_count % subscribers.len());
    let mut partitions = 0..i32::try_from(partition_count).expect("a topic's partitions are numbered by i32");
    for (place, subscriber) in subscribers.iter().enumerate().take(partition_count) {
        let count = quota + usize::from(place < extras);
        line[*subscriber].2.0.insert(topic, partitions.by_ref().take(count).collect());
    }
    debug_assert!(partitions.is_empty(), "ranges add up to the topic");
}

/// For each topic the members that want it, as places in the line.
fn subscribers(line: &[(&MemberId, &MemberSpec, Assignment)]) -> BTreeMap<TopicId, Vec<usize>> {
    let mut subscribers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for (place, (_, member, _)) in line.iter().enumerate() {
        for topic in member.subscription.iter() {
            subscribers.entry(*topic).or_default().push(place);
        }
    }
    subscribers
}

fn place(a: (&MemberId, &MemberSpec), b: (&MemberId, &MemberSpec)) -> Ordering {
    match (&a.1.instance_id, &b.1.instance_id) {
        (Some(a_instance), Some(b_instance)) => java_order(a_instance, b_instance),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => java_order(a.0.as_str(), b.0.as_str()),
    }
}

/// The order of Java strings: by UTF-16 units, which puts U+E000 to U+FFFF behind everything longer.
fn java_order(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}
