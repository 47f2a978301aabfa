//! `range`: every topic by itself, in ranges, so that members get the same partitions of topics that have equally many.
//!
//! Members stand in line: static ones first, by instance id, the others by member id. Of a topic with P partitions and M members that
//! want it the first P % M get P / M + 1, the others P / M. Nothing depends on the assignment so far; what makes it sticky is the line,
//! in which a static member keeps its place.

use super::classes::Classes;
use super::{GroupSpec, MemberSpec, TargetAssignment};
use crate::group::assignment::Assignment;
use crate::group::names::MemberId;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

pub(super) fn assign(spec: &GroupSpec) -> TargetAssignment {
    let classes = Classes::of(spec);
    let mut line: Vec<(&MemberId, &MemberSpec, usize)> =
        spec.members.iter().zip(&classes.of_member).map(|((id, member), class)| (id, member, *class)).collect();
    line.sort_by(|a, b| place((a.0, a.1), (b.0, b.1)));
    let mut line_of_class: Vec<Vec<usize>> = vec![Vec::new(); classes.subscriptions.len()];
    for (place, (_, _, class)) in line.iter().enumerate() {
        line_of_class[*class].push(place);
    }
    let mut assignments = vec![Assignment::default(); line.len()];
    for (topic, classes) in classes.by_topic() {
        let lines: Vec<&[usize]> = classes.iter().map(|class| line_of_class[*class].as_slice()).collect();
        let partition_count = spec.partition_count(topic);
        let subscriber_count: usize = lines.iter().map(|line| line.len()).sum();
        let (quota, extras) = (partition_count / subscriber_count, partition_count % subscriber_count);
        let mut partitions = 0..i32::try_from(partition_count).expect("a topic's partitions are numbered by i32");
        // Those at the end of the line may get none.
        for (number, place) in merged(&lines).take(partition_count).enumerate() {
            let count = quota + usize::from(number < extras);
            assignments[place].0.insert(topic, partitions.by_ref().take(count).collect());
        }
        debug_assert!(partitions.is_empty(), "ranges add up to the topic");
    }
    line.into_iter().zip(assignments).map(|((id, ..), assignment)| (id.clone(), assignment)).collect()
}

/// Ordered lines as one.
fn merged<'a>(lines: &[&'a [usize]]) -> impl Iterator<Item = usize> + 'a {
    let mut heads: BinaryHeap<Reverse<&'a [usize]>> = lines.iter().filter(|line| !line.is_empty()).map(|line| Reverse(*line)).collect();
    std::iter::from_fn(move || {
        let Reverse(line) = heads.pop()?;
        let (place, rest) = line.split_first()?;
        if !rest.is_empty() {
            heads.push(Reverse(rest));
        }
        Some(*place)
    })
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
