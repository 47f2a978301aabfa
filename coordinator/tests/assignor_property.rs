//! What the server-side assignors promise, over random groups: every partition at exactly one member that wants it, balance, stickiness,
//! and the same target for the same group.

use ottla_coordinator::group::MemberId;
use ottla_coordinator::group::assignor::{Assignor, GroupSpec, MemberSpec, TargetAssignment, TopicSpec};
use ottla_coordinator::metadata::TopicId;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

fn topic(number: usize) -> TopicId {
    TopicId(Uuid::from_u128(number as u128 + 1))
}

fn topics(partitions: &[i32]) -> BTreeMap<TopicId, TopicSpec> {
    partitions.iter().enumerate().map(|(number, partitions)| (topic(number), TopicSpec { partitions: *partitions })).collect()
}

/// Members with the subscriptions given as numbers of topics; every third is static.
fn group(partitions: &[i32], subscriptions: &[Vec<usize>]) -> GroupSpec {
    let members = subscriptions.iter().enumerate().map(|(number, wanted)| {
        let subscription = wanted.iter().map(|number| topic(number % partitions.len())).collect();
        let instance_id = (number % 3 == 0).then(|| format!("i{:03}", 997 * number % 1000).into());
        (member(number), MemberSpec { instance_id, subscription: Arc::new(subscription), ..MemberSpec::default() })
    });
    GroupSpec { members: members.collect(), topics: topics(partitions) }
}

fn member(number: usize) -> MemberId {
    MemberId::from(format!("m{number:05}").as_str())
}

/// The group with the target as what members hold now.
fn settled(spec: &GroupSpec, target: &TargetAssignment) -> GroupSpec {
    let mut spec = spec.clone();
    for (id, member) in &mut spec.members {
        member.current = Arc::new(target.get(id).cloned().unwrap_or_default());
    }
    spec
}

/// Partitions that somebody wanted or had before and that somebody else has now.
fn moved(spec: &GroupSpec, target: &TargetAssignment) -> usize {
    let kept: usize = spec.members.iter().map(|(id, m)| m.current.iter().filter(|(t, p)| target[id].contains(*t, *p)).count()).sum();
    target.values().map(|assignment| assignment.len()).sum::<usize>() - kept
}

fn assert_valid(spec: &GroupSpec, target: &TargetAssignment) {
    assert!(spec.members.keys().eq(target.keys()), "every member has an assignment");
    let mut seen = BTreeSet::new();
    for (id, assignment) in target {
        for (topic, partition) in assignment.iter() {
            assert!(spec.members[id].subscription.contains(&topic), "{id} wants {topic}");
            assert!(seen.insert((topic, partition)), "{topic}-{partition} has one owner");
        }
    }
    let subscriptions: BTreeSet<_> = spec.members.values().map(|member| &member.subscription).collect();
    let wanted: BTreeSet<TopicId> = subscriptions.into_iter().flat_map(|subscription| subscription.iter().copied()).collect();
    let expected: BTreeSet<_> =
        spec.topics.iter().filter(|(id, _)| wanted.contains(id)).flat_map(|(id, topic)| (0..topic.partitions).map(|p| (*id, p))).collect();
    assert_eq!(seen, expected, "all partitions of all wanted topics, and no others");
}

fn spread(target: &TargetAssignment) -> usize {
    let loads = || target.values().map(|assignment| assignment.len());
    loads().max().unwrap_or(0) - loads().min().unwrap_or(0)
}

fn random_partitions() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(1..20i32, 1..8)
}

fn random_subscriptions() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(0..8usize, 0..5), 1..20)
}

proptest! {
    #[test]
    fn every_partition_goes_to_one_member_that_wants_it(partitions in random_partitions(), subscriptions in random_subscriptions()) {
        let spec = group(&partitions, &subscriptions);
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let target = assignor.assign(&spec);
            assert_valid(&spec, &target);
            prop_assert_eq!(&target, &assignor.assign(&spec.clone()), "the same group, the same target");
        }
    }

    #[test]
    fn a_target_stays_valid_when_subscriptions_and_topics_change(
        before in random_partitions(), after in random_partitions(),
        subscriptions in random_subscriptions(), new_subscriptions in random_subscriptions(),
    ) {
        let old = group(&before, &subscriptions);
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let held = assignor.assign(&old);
            let spec = settled(&group(&after, &new_subscriptions), &held);
            assert_valid(&spec, &assignor.assign(&spec));
        }
    }

    #[test]
    fn nonsense_in_the_current_assignment_is_not_kept(
        partitions in random_partitions(), subscriptions in random_subscriptions(),
        held in prop::collection::vec((0..20usize, 0..10usize, -3..30i32), 0..60),
    ) {
        let mut spec = group(&partitions, &subscriptions);
        for (number, topic_number, partition) in held {
            if let Some(member) = spec.members.get_mut(&member(number)) {
                Arc::make_mut(&mut member.current).insert(topic(topic_number), partition);
            }
        }
        for assignor in [Assignor::Uniform, Assignor::Range] {
            assert_valid(&spec, &assignor.assign(&spec));
        }
    }

    #[test]
    fn equal_subscriptions_give_loads_that_differ_by_one_at_most(partitions in random_partitions(), members in 1..40usize) {
        let all: Vec<usize> = (0..partitions.len()).collect();
        let mut spec = group(&partitions, &vec![all; members]);
        let target = Assignor::Uniform.assign(&spec);
        prop_assert!(spread(&target) <= 1);
        spec = settled(&spec, &target);
        prop_assert_eq!(&target, &Assignor::Uniform.assign(&spec), "a balanced group is left alone");
        let range = Assignor::Range.assign(&spec);
        for (number, count) in partitions.iter().enumerate() {
            let of_topic = |id: &MemberId| range[id].0.get(&topic(number)).map_or(0, BTreeSet::len);
            let (low, high) = (*count as usize / members, (*count as usize).div_ceil(members));
            prop_assert!(range.keys().all(|id| (low..=high).contains(&of_topic(id))));
        }
    }

    #[test]
    fn a_member_that_leaves_moves_only_what_it_had(partitions in random_partitions(), members in 2..40usize, leaves in 0..40usize) {
        let all: Vec<usize> = (0..partitions.len()).collect();
        let spec = group(&partitions, &vec![all; members]);
        let before = Assignor::Uniform.assign(&spec);
        let mut spec = settled(&spec, &before);
        let leaver = member(leaves % members);
        spec.members.remove(&leaver);
        let after = Assignor::Uniform.assign(&spec);
        assert_valid(&spec, &after);
        prop_assert!(spread(&after) <= 1);
        prop_assert_eq!(moved(&spec, &after), before[&leaver].len());
    }

    #[test]
    fn a_member_that_joins_moves_only_what_it_gets(partitions in random_partitions(), members in 1..40usize, id in "[a-z][0-9]{3}") {
        let all: Vec<usize> = (0..partitions.len()).collect();
        let spec = group(&partitions, &vec![all; members]);
        let mut spec = settled(&spec, &Assignor::Uniform.assign(&spec));
        let joiner = MemberId::from(id.as_str());
        let subscription = Arc::new((0..partitions.len()).map(topic).collect());
        spec.members.insert(joiner.clone(), MemberSpec { subscription, ..MemberSpec::default() });
        let after = Assignor::Uniform.assign(&spec);
        assert_valid(&spec, &after);
        prop_assert!(spread(&after) <= 1);
        prop_assert_eq!(moved(&spec, &after), after[&joiner].len());
    }

    #[test]
    fn different_subscriptions_are_sticky_too(partitions in random_partitions(), subscriptions in random_subscriptions()) {
        let spec = group(&partitions, &subscriptions);
        let target = Assignor::Uniform.assign(&spec);
        let mut again = settled(&spec, &target);
        prop_assert_eq!(&target, &Assignor::Uniform.assign(&again), "a settled group is left alone");
        // Whoever could take a partition over has at most one partition less than the owner.
        let load = |id: &MemberId| target[id].len();
        for (owner, assignment) in &target {
            for topic in assignment.0.keys() {
                let takers = again.members.iter().filter(|(_, member)| member.subscription.contains(topic));
                prop_assert!(takers.clone().all(|(taker, _)| load(owner) <= load(taker) + 1), "{} is balanced", topic);
            }
        }
        let (leaver, _) = again.members.pop_first().expect("a group has members");
        let after = Assignor::Uniform.assign(&again);
        assert_valid(&again, &after);
        prop_assert!(moved(&again, &after) >= target[&leaver].iter().filter(|(t, _)| again.members.values().any(|m| m.subscription.contains(t))).count());
    }
}

#[test]
fn of_two_who_hold_a_partition_the_first_keeps_it() {
    let mut spec = group(&[2], &[vec![0], vec![0]]);
    let mut held = MemberSpec::default().current.as_ref().clone();
    held.insert(topic(0), 1);
    for member in spec.members.values_mut() {
        member.current = Arc::new(held.clone());
    }
    assert!(Assignor::Uniform.assign(&spec)[&member(0)].contains(topic(0), 1));
}

#[test]
fn range_gives_a_member_the_same_partitions_of_equal_topics() {
    let spec = group(&[7, 7, 7], &vec![vec![0, 1, 2]; 3]);
    for assignment in Assignor::Range.assign(&spec).values() {
        let of_first = &assignment.0[&topic(0)];
        assert!(assignment.0.values().all(|partitions| partitions == of_first), "co-partitioned");
        assert_eq!(of_first.last().zip(of_first.first()).map(|(last, first)| last - first + 1), i32::try_from(of_first.len()).ok());
    }
}

#[test]
fn range_keeps_a_static_member_in_its_place_when_its_member_id_changes() {
    let with_ids = |ids: [&str; 3]| {
        let mut spec = GroupSpec { topics: topics(&[5]), ..GroupSpec::default() };
        for (id, instance) in ids.into_iter().zip(["b", "a", ""]) {
            let instance_id = (!instance.is_empty()).then(|| instance.into());
            let subscription = Arc::new([topic(0)].into());
            spec.members.insert(id.into(), MemberSpec { instance_id, subscription, ..MemberSpec::default() });
        }
        let target = Assignor::Range.assign(&spec);
        ids.map(|id| target[&MemberId::from(id)].iter().map(|(_, partition)| partition).collect::<Vec<_>>())
    };
    assert_eq!(with_ids(["m1", "m2", "m0"]), [vec![2, 3], vec![0, 1], vec![4]], "static members stand in front, by instance id");
    assert_eq!(with_ids(["x9", "x1", "a0"]), with_ids(["m1", "m2", "m0"]));
}

#[test]
fn range_orders_names_as_java_does() {
    // In UTF-16 a surrogate (D83D) comes before U+FF5E, in code points behind it.
    let mut spec = GroupSpec { topics: topics(&[2]), ..GroupSpec::default() };
    for id in ["\u{ff5e}", "\u{1f600}"] {
        spec.members.insert(id.into(), MemberSpec { subscription: Arc::new([topic(0)].into()), ..MemberSpec::default() });
    }
    let target = Assignor::Range.assign(&spec);
    assert!(target[&MemberId::from("\u{1f600}")].contains(topic(0), 0));
    assert!(target[&MemberId::from("\u{ff5e}")].contains(topic(0), 1));
}

#[test]
fn a_group_without_members_or_topics_gets_nothing() {
    for assignor in [Assignor::Uniform, Assignor::Range] {
        assert!(assignor.assign(&GroupSpec::default()).is_empty());
        let target = assignor.assign(&group(&[3], &[vec![], vec![]]));
        assert_eq!(target.len(), 2);
        assert!(target.values().all(|assignment| assignment.is_empty()));
        let mut gone = group(&[3], &[vec![0], vec![0]]);
        gone.topics.clear();
        assert!(assignor.assign(&gone).values().all(|assignment| assignment.is_empty()), "a topic that is gone has no partitions");
    }
}

#[test]
fn ten_thousand_members_share_a_thousand_topics() {
    // A quadratic step anywhere here would take minutes.
    let all: Vec<usize> = (0..1000).collect();
    let shared = group(&[1; 1000], std::slice::from_ref(&all));
    let mut spec = GroupSpec { topics: shared.topics.clone(), ..GroupSpec::default() };
    let wanted = Arc::clone(&shared.members[&member(0)].subscription);
    for number in 0..10_000 {
        spec.members.insert(member(number), MemberSpec { subscription: Arc::clone(&wanted), ..MemberSpec::default() });
    }
    for assignor in [Assignor::Uniform, Assignor::Range] {
        assert_valid(&spec, &assignor.assign(&spec));
    }
    let odd_one = spec.members.get_mut(&member(7)).expect("it was put there");
    odd_one.subscription = Arc::new([topic(3)].into());
    let target = Assignor::Uniform.assign(&spec);
    assert_valid(&spec, &target);
    assert!(spread(&target) <= 1);
}
