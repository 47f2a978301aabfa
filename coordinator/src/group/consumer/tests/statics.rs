//! Static members.

use super::*;

fn join_as(member: &str, instance: &str) -> ConsumerGroupHeartbeatRequest {
    join(member, &["orders"]).with_instance_id(Some(text(instance)))
}

fn beat_as(member: &str, epoch: i32, instance: &str) -> ConsumerGroupHeartbeatRequest {
    beat(member, epoch).with_instance_id(Some(text(instance)))
}

fn bed() -> Bed {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join_as("m1", "i1"));
    bed
}

#[test]
fn a_static_member_comes_back_under_a_new_id_without_a_rebalance() {
    let mut bed = bed();
    let response = bed.accepted(&beat_as("m1", -2, "i1"));
    assert_eq!((response.member_id.as_deref(), response.member_epoch), (Some("m1"), -2));
    assert_eq!(bed.kinds(), ["current m1"]);
    let away = bed.group().member("m1").expect("it keeps its place");
    assert_eq!(away.member_epoch, -2);
    assert!(away.assigned.iter().all(|held| held.2 == 0), "as if it had always had them");

    let response = bed.accepted(&join_as("m2", "i1"));
    assert_eq!((response.member_id.as_deref(), response.member_epoch, assigned_count(&response)), (Some("m2"), 2, 2));
    let expected = ["no current m1", "no target m1", "no member m1", "member m2", "target m2", "current m2", "current m2"];
    assert_eq!(bed.kinds(), expected, "the group epoch stays");
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
    assert!(!bed.has_timer("m1") && bed.has_timer("m2"));
    assert_eq!(bed.refused(&beat_as("m1", 2, "i1")), (82, "Static member m1 with instance id i1 was fenced by member m2.".to_owned()));
    assert_eq!(bed.refused(&beat("m1", 2)).0, 25);
    assert_eq!(bed.sleep(44_999), []);
    bed.accepted(&beat_as("m2", 2, "i1"));
}

#[test]
fn a_static_member_that_comes_back_with_another_subscription_makes_a_rebalance() {
    let mut bed = bed();
    let orders2 = bed.create_topic("orders2", 1);
    bed.accepted(&beat_as("m1", -2, "i1"));
    bed.sleep(1_000);
    let request = join_as("m2", "i1").with_subscribed_topic_names(Some(vec![text("orders").into(), text("orders2").into()]));
    let response = bed.accepted(&request);
    assert_eq!((response.member_epoch, assigned_count(&response)), (3, 3));
    assert_eq!(bed.group().target_of("m2").0.get(&orders2).map(|partitions| partitions.len()), Some(1));
    assert_eq!(bed.group().members().len(), 1);
}

#[test]
fn an_instance_id_that_is_in_use_is_not_given_away() {
    let mut bed = bed();
    let text = "Static member m2 with instance id i1 cannot join the group because the instance id is owned by m1 member.";
    assert_eq!(bed.refused(&join_as("m2", "i1")), (111, text.to_owned()));
    assert_eq!(bed.refused(&join_as("m1", "i1")).0, 111, "not even to the same member");
}

#[test]
fn an_unknown_instance_id_is_an_unknown_member() {
    let mut bed = bed();
    let unknown = (25, "Instance id i2 is unknown.".to_owned());
    assert_eq!(bed.refused(&beat_as("m1", 2, "i2")), unknown);
    assert_eq!(bed.refused(&beat_as("m1", -2, "i2")), unknown);
    assert_eq!(bed.refused(&beat_as("m9", -1, "i1")).0, 82);
}

#[test]
fn a_static_member_that_stays_away_is_removed_when_its_session_ends() {
    let mut bed = bed();
    bed.sleep(10_000);
    bed.accepted(&beat_as("m1", -2, "i1"));
    assert_eq!(bed.sleep(34_999), []);
    let written: Vec<String> = bed.sleep(1).iter().map(kind).collect();
    assert_eq!(written, ["no current m1", "no target m1", "no member m1", "epoch 3"]);
}

#[test]
fn a_static_member_can_leave_for_good() {
    let mut bed = bed();
    bed.accepted(&beat_as("m1", -1, "i1"));
    assert_eq!(bed.state(), ConsumerGroupState::Empty);
    assert_eq!(bed.group().static_member_id(Some("i1")), None);
}

#[test]
fn a_static_member_that_left_while_it_had_to_revoke_is_not_fenced_for_that() {
    let mut bed = bed();
    bed.sleep(1_000);
    bed.accepted(&join("m2", &["orders"]));
    bed.accepted(&beat_as("m1", 2, "i1"));
    bed.sleep(20_000);
    bed.accepted(&beat_as("m1", -2, "i1"));
    bed.accepted(&beat("m2", 3));
    assert!(bed.group().member("m1").expect("m1").pending_revocation.is_empty(), "what it had to give up is free");
    assert_eq!(assigned_count(&bed.accepted(&join_as("m3", "i1"))), 1);
    bed.sleep(40_000);
    assert!(bed.group().member("m3").is_some());
}

#[test]
fn a_heartbeat_with_a_wrong_epoch_fences_a_static_member_too() {
    let mut bed = bed();
    assert_eq!(bed.refused(&beat_as("m1", 9, "i1")).0, 110);
    bed.accepted(&beat_as("m1", -2, "i1"));
    assert_eq!(bed.refused(&beat_as("m1", 2, "i1")).0, 110, "greater than -2");
}

#[test]
fn a_static_member_that_is_away_does_not_have_to_revoke_in_time() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join_as("m1", "i1").with_rebalance_timeout_ms(10_000));
    bed.sleep(1_000);
    bed.accepted(&join("m2", &["orders"]));
    bed.accepted(&beat_as("m1", 2, "i1"));
    bed.sleep(5_000);
    bed.accepted(&beat_as("m1", -2, "i1"));
    bed.sleep(20_000);
    assert!(bed.group().member("m1").is_some(), "its session has not ended");
}

#[test]
fn a_static_member_that_comes_back_finds_its_own_partitions_in_a_new_target() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("orders", 6);
    for (member, instance) in [("m1", "i1"), ("m2", "i2"), ("m3", "i3")] {
        bed.accepted(&join_as(member, instance));
    }
    let orders = topic_id("orders");
    let before = bed.group().target_of("m1").0[&orders].clone();
    bed.accepted(&beat_as("m1", -2, "i1"));
    for partition in 6..12 {
        bed.add_partition("orders", partition);
    }
    bed.accepted(&join_as("z1", "i1"));
    let after = bed.group().target_of("z1").0[&orders].clone();
    assert!(after.len() == 4 && after.is_superset(&before), "{before:?} became {after:?}");
}
