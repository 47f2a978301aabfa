//! Logs that others have left: older versions, compacted ones.

use super::*;

fn append(bed: &mut Bed, record: GroupRecord) {
    bed.append(&record);
}

#[test]
fn tombstones_of_what_is_not_there_make_nothing() {
    let mut bed = Bed::new();
    let (group, member) = (|| GROUP.into(), || "m1".into());
    for record in [
        GroupRecord::ConsumerGroupMetadata { group: group(), value: None },
        GroupRecord::ConsumerGroupPartitionMetadata { group: group(), value: None },
        GroupRecord::ConsumerGroupMemberMetadata { group: group(), member: member(), value: None },
        GroupRecord::ConsumerGroupTargetAssignmentMetadata { group: group(), value: None },
        GroupRecord::ConsumerGroupTargetAssignmentMember { group: group(), member: member(), value: None },
        GroupRecord::ConsumerGroupCurrentMemberAssignment { group: group(), member: member(), value: None },
        GroupRecord::ConsumerGroupRegularExpression { group: group(), regex: "o.*".into(), value: None },
    ] {
        append(&mut bed, record);
        assert_eq!(bed.state(), ConsumerGroupState::Dead);
    }
}

#[test]
fn tombstones_of_a_group_may_come_in_any_order() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    let tombstones = bed.group().tombstones(&GROUP.into());
    let start = bed.log.len();
    for rotation in 0..tombstones.len() {
        let mut shard = bed.reloaded();
        let (from, to) = tombstones.split_at(rotation);
        for record in to.iter().chain(from).chain([&tombstones[tombstones.len() - 1]]) {
            shard.replay(record);
        }
        assert!(shard.hard.consumer.is_empty());
    }
    assert_eq!(bed.log.len(), start);
}

#[test]
fn a_member_whose_subscription_is_deleted_first_holds_nothing() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    append(&mut bed, GroupRecord::ConsumerGroupMemberMetadata { group: GROUP.into(), member: "m1".into(), value: None });
    assert!(!bed.group().is_held(orders, 0));
    append(&mut bed, GroupRecord::ConsumerGroupCurrentMemberAssignment { group: GROUP.into(), member: "m1".into(), value: None });
    assert!(bed.group().is_empty());
}

#[test]
fn the_partition_metadata_of_an_old_broker_is_deleted_when_the_group_looks_at_its_topics() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    append(&mut bed, GroupRecord::ConsumerGroupPartitionMetadata { group: GROUP.into(), value: Some(BTreeMap::new()) });
    bed.reload();
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.kinds(), ["no partition metadata"]);
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.written, []);
}

#[test]
fn a_group_of_a_broker_without_hashes_rebalances_once() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    let value = Some(ConsumerGroupMetadataValue { epoch: 2, metadata_hash: 0 });
    append(&mut bed, GroupRecord::ConsumerGroupMetadata { group: GROUP.into(), value });
    bed.reload();
    bed.sleep(1_000);
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.kinds(), ["epoch 3", "target epoch 3", "current m1"]);
}

#[test]
fn a_member_in_a_state_of_the_future_has_to_start_over() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: 2,
        previous_member_epoch: 1,
        state: 42,
        assigned: EpochAssignment([(orders, [(0, None)].into())].into()),
        pending_revocation: EpochAssignment::default(),
    };
    append(&mut bed, GroupRecord::ConsumerGroupCurrentMemberAssignment { group: GROUP.into(), member: "m1".into(), value: Some(value) });
    let text = "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.";
    assert_eq!(bed.refused(&beat("m1", 2)), (110, text.to_owned()));
    assert_eq!(bed.refused(&owning("m1", 2, &[("orders", &[0])])), (110, text.to_owned()));
    assert_eq!(assigned_count(&bed.accepted(&join("m1", &["orders"]))), 1);
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}

#[test]
fn a_classic_member_becomes_one_of_the_new_protocol_by_its_heartbeat() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    let mut value = ConsumerGroupMemberMetadataValue::clone(&bed.group().member("m1").expect("m1").metadata);
    value.classic = Some(ClassicMemberMetadata { session_timeout_ms: 10_000, supported_protocols: vec![("range".into(), "x".into())] });
    append(&mut bed, GroupRecord::ConsumerGroupMemberMetadata { group: GROUP.into(), member: "m1".into(), value: Some(value) });
    assert_eq!((bed.group().classic_member_count(), bed.group().classic_members_with_protocol("range")), (1, 1));
    bed.accepted(&join("m1", &["orders"]));
    assert_eq!(bed.kinds(), ["member m1"]);
    assert_eq!((bed.group().classic_member_count(), bed.group().classic_members_with_protocol("range")), (0, 0));
}

#[test]
fn a_described_group_says_what_its_members_answer_for() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]).with_instance_id(Some(text("i1"))).with_rack_id(Some(text("r1"))));
    bed.sleep(1_000);
    bed.accepted(&join("m2", &["orders"]));
    bed.accepted(&beat("m1", 2));
    let described = super::super::describe::described(GROUP, bed.group(), "uniform", bed.shard.soft.image.topics());
    assert_eq!((&*described.group_state, described.group_epoch, described.assignment_epoch), ("Reconciling", 3, 3));
    assert_eq!(&*described.assignor_name, "uniform");
    let [m1, m2] = described.members.as_slice() else { panic!("two members") };
    assert_eq!((m1.instance_id.as_deref(), m1.rack_id.as_deref(), m1.member_type), (Some("i1"), Some("r1"), 1));
    assert_eq!(m1.assignment.topic_partitions[0].partitions, [0, 1], "until it has given up");
    assert_eq!(m1.target_assignment.topic_partitions[0].partitions.len(), 1);
    assert_eq!(m1.assignment.topic_partitions[0].topic_name.0.as_str(), "orders");
    assert_eq!((m2.member_epoch, m2.assignment.topic_partitions.len()), (3, 0));
    assert_eq!(ConsumerGroupState::Dead.to_string(), "Dead");
}

#[test]
fn a_successor_that_is_read_before_its_predecessor_is_deleted_keeps_the_instance_id() {
    let mut bed = Bed::new();
    bed.accepted(&join("m1", &[]).with_instance_id(Some(text("i1"))));
    let value = ConsumerGroupMemberMetadataValue::clone(&bed.group().member("m1").expect("m1").metadata);
    append(&mut bed, GroupRecord::ConsumerGroupMemberMetadata { group: GROUP.into(), member: "m2".into(), value: Some(value) });
    append(&mut bed, GroupRecord::ConsumerGroupMemberMetadata { group: GROUP.into(), member: "m1".into(), value: None });
    assert_eq!(bed.group().static_member_id(Some("i1")).map(MemberId::as_str), Some("m2"));
}

#[test]
fn a_partition_that_is_read_as_given_before_it_is_read_as_taken_stays_held() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 1);
    let current = |member: &str, member_epoch, partitions: &[i32]| {
        let partitions: BTreeMap<i32, Option<i32>> = partitions.iter().map(|partition| (*partition, Some(member_epoch))).collect();
        let topics = Some((orders, partitions)).filter(|(_, partitions)| !partitions.is_empty());
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch,
            previous_member_epoch: member_epoch - 1,
            state: 0,
            assigned: EpochAssignment(topics.into_iter().collect()),
            pending_revocation: EpochAssignment::default(),
        };
        GroupRecord::ConsumerGroupCurrentMemberAssignment { group: GROUP.into(), member: member.into(), value: Some(value) }
    };
    append(&mut bed, current("m1", 2, &[0]));
    append(&mut bed, current("m2", 3, &[0]));
    append(&mut bed, current("m1", 3, &[]));
    assert!(bed.group().is_held(orders, 0), "by m2");
}
