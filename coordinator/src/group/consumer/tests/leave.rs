//! Leaving.

use super::*;

#[test]
fn a_member_that_leaves_is_gone_at_once() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    let response = bed.accepted(&beat("m1", -1));
    assert_eq!((response.member_id.as_deref(), response.member_epoch), (Some("m1"), -1));
    assert_eq!((response.heartbeat_interval_ms, &response.assignment), (0, &None));
    assert_eq!(bed.kinds(), ["no current m1", "no target m1", "no member m1", "epoch 3"]);
    assert_eq!(bed.state(), ConsumerGroupState::Empty);
    assert_eq!(bed.group().metadata_hash, 0, "nobody reads anything");
    assert!(bed.shard.next_deadline() > Some(Millis(bed.now.0 + 60_000)), "no timer is left");
}

#[test]
fn who_is_not_there_cannot_leave() {
    let mut bed = Bed::new();
    assert_eq!(bed.refused(&beat("m1", -1)), (69, "Group group not found.".to_owned()));
    bed.accepted(&join("m1", &[]));
    assert_eq!(bed.refused(&beat("m2", -1)), (25, "Member m2 is not a member of group group.".to_owned()));
}

#[test]
fn an_emptied_group_takes_new_members_at_its_next_epoch() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.accepted(&beat("m1", -1));
    bed.sleep(1_000);
    let response = bed.accepted(&join("m2", &["orders"]));
    assert_eq!((response.member_epoch, assigned_count(&response)), (4, 2));
}

#[test]
fn a_deleted_group_leaves_nothing() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.accepted(&join_regex("m2", "o.*"));
    let group = bed.group().clone();
    let effects = GroupEffects { records: super::super::delete(&mut bed.shard.soft, &GROUP.into(), &group), ..GroupEffects::default() };
    bed.settle(effects);
    let expected = [
        "no current m1",
        "no current m2",
        "no target m1",
        "no target m2",
        "no target epoch",
        "no member m1",
        "no member m2",
        "no regex o.*",
        "no partition metadata",
        "no epoch",
    ];
    assert_eq!(bed.kinds(), expected);
    assert_eq!(bed.state(), ConsumerGroupState::Dead);
    assert!(bed.shard.next_deadline() > Some(Millis(bed.now.0 + 60_000)), "no timer is left");
    assert!(bed.shard.soft.consumer.metadata_refresh.is_empty());
    assert_eq!(bed.accepted(&join("m1", &["orders"])).member_epoch, 2, "a new life");
}
