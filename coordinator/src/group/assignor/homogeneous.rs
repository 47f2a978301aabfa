//! `uniform` for members that all want the same topics.
//!
//! With P partitions and M members everybody gets P / M, and P % M members get one more. The extra one goes to those, in order of
//! member ids, who hold more than P / M already; what is left of the extras goes to the last members. So nobody gives up a partition
//! that balance allows to stay.

use super::classes::Classes;
use super::owners::{MemberIndex, Owners};
use super::{GroupSpec, TargetAssignment};
use crate::metadata::TopicId;

pub(super) fn assign(spec: &GroupSpec, classes: &Classes<'_>) -> TargetAssignment {
    let mut owners = Owners::of_current(spec, classes);
    let mut free: Vec<(TopicId, usize)> = Vec::new();
    let mut held: Vec<Vec<(TopicId, usize)>> = vec![Vec::new(); spec.members.len()];
    for (topic, slots) in owners.topics() {
        for (partition, owner) in slots.iter().enumerate() {
            match owner {
                Some(MemberIndex(member)) => held[*member].push((topic, partition)),
                None => free.push((topic, partition)),
            }
        }
    }
    let quotas = quotas(&held.iter().map(Vec::len).collect::<Vec<_>>(), free.len());
    for (held, quota) in held.iter().zip(&quotas) {
        free.extend(held.iter().skip(*quota));
    }
    let mut free = free.into_iter();
    for (index, (held, quota)) in held.iter().zip(&quotas).enumerate() {
        for (topic, partition) in free.by_ref().take(quota.saturating_sub(held.len())) {
            owners.give(topic, partition, MemberIndex(index));
        }
    }
    debug_assert!(free.next().is_none(), "quotas add up to the number of partitions, so nothing is left over");
    owners.into_target(spec)
}

/// How many partitions each member is to have.
fn quotas(held: &[usize], free: usize) -> Vec<usize> {
    let total = held.iter().sum::<usize>() + free;
    let base = total / held.len();
    let mut extras = total % held.len();
    let mut quotas = Vec::with_capacity(held.len());
    for (index, held_count) in held.iter().enumerate() {
        let members_left = held.len() - index;
        let extra = extras > 0 && (*held_count > base || members_left <= extras);
        extras -= usize::from(extra);
        quotas.push(base + usize::from(extra));
    }
    debug_assert_eq!(quotas.iter().sum::<usize>(), total, "quotas add up to the number of partitions");
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extra_partition_stays_with_whom_has_it_else_goes_to_the_last() {
        assert_eq!(quotas(&[0, 0, 0], 7), [2, 2, 3]);
        assert_eq!(quotas(&[3, 2, 2], 0), [3, 2, 2]);
        assert_eq!(quotas(&[2, 3, 0], 2), [2, 3, 2]);
        assert_eq!(quotas(&[4, 4, 0], 0), [3, 3, 2]);
        assert_eq!(quotas(&[1, 0, 0], 0), [1, 0, 0]);
        assert_eq!(quotas(&[0, 0], 0), [0, 0]);
    }
}
