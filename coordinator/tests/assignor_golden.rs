//! Our assignors against the targets that Apache Kafka's own computed; see `golden/README.md`.
//!
//! `range`, and `uniform` with equal subscriptions, come to the same targets when Kafka is given members and topics in order, as we
//! take them. With different subscriptions many targets are equally good, so those are compared by balance and by moves.

use ottla_coordinator::group::MemberId;
use ottla_coordinator::group::assignment::Assignment;
use ottla_coordinator::group::assignor::{Assignor, GroupSpec, MemberSpec, TargetAssignment, TopicSpec};
use ottla_coordinator::metadata::TopicId;
use std::sync::Arc;
use uuid::Uuid;

struct Case {
    assignor: Assignor,
    spec: GroupSpec,
    target_of_kafka: TargetAssignment,
    text: String,
}

fn topic(number: &str) -> TopicId {
    TopicId(Uuid::from_u128(number.parse().expect("a number")))
}

fn assignment(text: &str) -> Assignment {
    let mut assignment = Assignment::default();
    for (number, partitions) in text.split('/').filter_map(|of_topic| of_topic.split_once(':')) {
        partitions.split('+').for_each(|partition| assignment.insert(topic(number), partition.parse().expect("a number")));
    }
    assignment
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("golden/assignors.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["case", assignor, partitions] = words[..] {
            let count = |partitions: &str| TopicSpec { partitions: partitions.parse().expect("a number") };
            let topics = (1..).zip(partitions.split(',')).map(|(number, partitions)| (topic(&format!("{number}")), count(partitions)));
            let spec = GroupSpec { topics: topics.collect(), ..GroupSpec::default() };
            let assignor = Assignor::by_name(assignor).expect("a name");
            cases.push(Case { assignor, spec, target_of_kafka: TargetAssignment::new(), text: format!("{line}\n") });
        } else if let ([member_id, instance_id, topics, current, target], Some(case)) = (&words[..], cases.last_mut()) {
            let member_id = MemberId::from(*member_id);
            let member = MemberSpec {
                instance_id: Some(*instance_id).filter(|id| *id != "-").map(Arc::from),
                subscription: Arc::new(topics.split(',').filter(|number| *number != "-").map(topic).collect()),
                current: Arc::new(assignment(current)),
                ..MemberSpec::default()
            };
            case.spec.members.insert(member_id.clone(), member);
            case.target_of_kafka.insert(member_id, assignment(target));
            case.text.push_str(line);
            case.text.push('\n');
        }
    }
    // Kafka works on the topics that somebody wants.
    for case in &mut cases {
        let members = &case.spec.members;
        case.spec.topics.retain(|topic, _| members.values().any(|member| member.subscription.contains(topic)));
    }
    cases
}

impl Case {
    fn has_equal_subscriptions(&self) -> bool {
        let mut subscriptions = self.spec.members.values().map(|member| &member.subscription);
        let first = subscriptions.next();
        subscriptions.all(|other| Some(other) == first)
    }

    /// Lower is more even.
    fn unevenness(target: &TargetAssignment) -> usize {
        target.values().map(|assignment| assignment.len().pow(2)).sum()
    }

    fn kept(&self, target: &TargetAssignment) -> usize {
        let kept = |id: &MemberId, assignment: &Assignment| {
            self.spec.members[id].current.iter().filter(|(topic, partition)| assignment.contains(*topic, *partition)).count()
        };
        target.iter().map(|(id, assignment)| kept(id, assignment)).sum()
    }
}

#[test]
fn targets_that_follow_from_the_order_of_names_are_kafkas() {
    let mut seen = 0;
    for case in cases().iter().filter(|case| case.assignor == Assignor::Range || case.has_equal_subscriptions()) {
        assert_eq!(case.assignor.assign(&case.spec), case.target_of_kafka, "{}", case.text);
        seen += 1;
    }
    assert!(seen > 200, "{seen} cases");
}

#[test]
fn other_targets_are_as_even_as_kafkas_and_move_as_little() {
    let (mut seen, mut unevenness, mut kept) = (0, [0, 0], [0, 0]);
    for case in cases().iter().filter(|case| case.assignor == Assignor::Uniform && !case.has_equal_subscriptions()) {
        let targets = [&case.assignor.assign(&case.spec), &case.target_of_kafka];
        let [ours, kafkas] = targets.map(Case::unevenness);
        // Where subscriptions overlap like a chain both stop one step before the best, in different places.
        assert!(ours <= kafkas + 2, "{ours} against {kafkas}: {}", case.text);
        for (side, target) in targets.into_iter().enumerate() {
            unevenness[side] += Case::unevenness(target);
            kept[side] += case.kept(target);
        }
        seen += 1;
    }
    assert!(seen > 100, "{seen} cases");
    assert!(unevenness[0] <= unevenness[1], "as even over all: {unevenness:?}");
    assert!(200 * kept[0] >= 199 * kept[1], "as sticky over all, but for the toss of a coin: {kept:?}");
}
