//! Joining a group, and staying in it.

use super::*;

#[test]
fn the_first_member_gets_everything_in_one_step() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 3);
    let response = bed.accepted(&join("m1", &["orders"]));
    assert_eq!(response.member_id.as_deref(), Some("m1"));
    assert_eq!((response.member_epoch, response.heartbeat_interval_ms), (2, 5_000));
    assert_eq!(assigned(&response), Some(vec![(orders, vec![0, 1, 2])]));
    assert_eq!(bed.kinds(), ["member m1", "epoch 2", "target m1", "target epoch 2", "current m1"]);
    let GroupRecord::ConsumerGroupMemberMetadata { value: Some(member), .. } = &bed.written[0] else { panic!("a member") };
    assert_eq!((&*member.client_id, &*member.client_host, member.rebalance_timeout_ms), ("client", "/127.0.0.1", 60_000));
    assert_eq!(member.subscribed_topic_regex.as_deref(), Some(""), "as Kafka writes a member without one");
    let GroupRecord::ConsumerGroupTargetAssignmentMetadata { value: Some(target), .. } = &bed.written[3] else { panic!("a target") };
    assert_eq!(target.assignment_timestamp_ms, bed.now.0);
    let GroupRecord::ConsumerGroupCurrentMemberAssignment { value: Some(current), .. } = &bed.written[4] else { panic!("an assignment") };
    assert_eq!((current.member_epoch, current.previous_member_epoch, current.state), (2, 0, 0));
    assert_eq!(current.assigned.0, [(orders, (0..3).map(|partition| (partition, Some(2))).collect())].into());
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}

#[test]
fn a_heartbeat_without_news_writes_nothing_and_brings_no_assignment() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 3);
    bed.accepted(&join("m1", &["orders"]));
    let response = bed.accepted(&beat("m1", 2));
    assert_eq!((response.member_epoch, assigned(&response)), (2, None));
    assert_eq!(bed.written, []);
}

#[test]
fn a_request_that_says_everything_is_answered_with_the_assignment() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    let full = owning("m1", 2, &[("orders", &[0])]).with_rebalance_timeout_ms(60_000);
    assert_eq!(assigned(&bed.accepted(&full)), None, "no subscription in it");
    let full = full.with_subscribed_topic_names(Some(vec![text("orders").into()]));
    assert_eq!(assigned(&bed.accepted(&full.clone().with_topic_partitions(None))), None, "it does not say what it holds");
    assert_eq!(assigned(&bed.accepted(&full.clone().with_rebalance_timeout_ms(-1))), None, "no timeout in it");
    assert_eq!(assigned(&bed.accepted(&full)), Some(vec![(orders, vec![0])]));
    assert_eq!(bed.written, []);
}

#[test]
fn a_client_of_version_0_gets_its_member_id_from_the_broker() {
    let mut bed = Bed::new();
    bed.api_version = 0;
    let response = bed.accepted(&join("", &[]));
    assert_eq!(response.member_id.as_deref(), Some("AQIDBAUGBwgJCgsMDQ4PEA"));
    assert_eq!(super::super::heartbeat::fresh_member_id(Uuid::from_u128(0xf8 << 120)), "eAAAAAAAAAAAAAAAAAAAAA", "not like an option");
}

#[test]
fn a_member_without_topics_is_a_member() {
    let mut bed = Bed::new();
    let response = bed.accepted(&join("m1", &[]));
    assert_eq!((response.member_epoch, assigned(&response)), (1, Some(vec![])));
    assert_eq!(bed.kinds(), ["member m1", "current m1"]);
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}

#[test]
fn a_topic_that_does_not_exist_yet_is_assigned_once_it_does() {
    let mut bed = Bed::new();
    assert_eq!(assigned(&bed.accepted(&join("m1", &["orders"]))), Some(vec![]));
    assert_eq!(bed.group().metadata_hash, 0);
    let orders = bed.create_topic("orders", 2);
    bed.sleep(1_000);
    let response = bed.accepted(&beat("m1", 2));
    assert_eq!((response.member_epoch, assigned(&response)), (3, Some(vec![(orders, vec![0, 1])])));
    assert_eq!(bed.kinds(), ["epoch 3", "target m1", "target epoch 3", "current m1"]);
}

#[test]
fn new_partitions_are_assigned_and_other_topics_change_nothing() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    bed.sleep(1_000);
    bed.create_topic("other", 1);
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.written, []);
    bed.add_partition("orders", 1);
    let response = bed.accepted(&beat("m1", 2));
    assert_eq!((response.member_epoch, assigned(&response)), (3, Some(vec![(orders, vec![0, 1])])));
}

#[test]
fn a_deleted_topic_is_taken_away() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    bed.sleep(1_000);
    bed.delete_topic("orders");
    let response = bed.accepted(&beat("m1", 2));
    assert_eq!((response.member_epoch, assigned(&response)), (2, Some(vec![])), "first it has to give it up");
    let response = bed.accepted(&owning("m1", 2, &[]));
    assert_eq!((response.member_epoch, assigned(&response)), (3, None));
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}

#[test]
fn members_vote_for_the_assignor() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("a", 3);
    bed.create_topic("b", 3);
    bed.accepted(&join("m1", &["a", "b"]).with_server_assignor(Some(text("range"))));
    bed.accepted(&join("m2", &["a", "b"]).with_server_assignor(Some(text("range"))));
    let target = |bed: &Bed, member: &str| bed.group().target_of(member).0.values().map(|p| p.len()).collect::<Vec<_>>();
    assert_eq!((target(&bed, "m1"), target(&bed, "m2")), (vec![2, 2], vec![1, 1]), "by range, topic for topic");
    bed.accepted(&join("m3", &["a", "b"]).with_server_assignor(Some(text("uniform"))));
    let mut all: Vec<_> = ["m1", "m2", "m3"].iter().map(|member| target(&bed, member)).collect();
    all.sort();
    assert_eq!(all, [[1, 1], [1, 1], [1, 1]], "two of three are for range");
}

#[test]
fn a_member_that_starts_over_keeps_its_partitions() {
    let mut bed = Bed::new();
    let orders = bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    let response = bed.accepted(&join("m1", &["orders"]));
    assert_eq!((response.member_epoch, assigned(&response)), (2, Some(vec![(orders, vec![0, 1])])));
    assert_eq!(bed.written, []);
}

#[test]
fn what_a_heartbeat_leaves_out_stays() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]).with_rack_id(Some(text("r1"))));
    bed.accepted(&beat("m1", 2).with_rebalance_timeout_ms(9_000));
    assert_eq!(bed.kinds(), ["member m1"], "a new timeout is no reason to rebalance");
    let member = bed.group().member("m1").expect("a member");
    assert_eq!((member.metadata.rack_id.as_deref(), member.metadata.rebalance_timeout_ms), (Some("r1"), 9_000));
    assert!(bed.group().is_subscribed_to("orders"));
}

#[test]
fn a_reloaded_group_goes_on_where_it_was() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    bed.reload();
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.written, [], "the hash over the topics says that nothing changed");
    assert_eq!(bed.sleep(45_000).len(), 4, "a new session began with the load");
}

#[test]
fn racks_count_when_the_topic_is_looked_at_again() {
    let mut bed = Bed::new();
    bed.register_broker(Some("r1"));
    bed.create_topic("orders", 1);
    bed.accepted(&join("m1", &["orders"]));
    let hash = bed.group().metadata_hash;
    bed.sleep(1_000);
    bed.register_broker(Some("r2"));
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.written, [], "a broker alone is no reason");
    bed.reload();
    assert_eq!(bed.accepted(&beat("m1", 2)).member_epoch, 3);
    assert_ne!(bed.group().metadata_hash, hash);
}

#[test]
fn a_member_without_partitions_that_drops_its_topics_is_written_as_kafka_writes_it() {
    let mut bed = Bed::new();
    bed.accepted(&join("m1", &["not there"]));
    bed.accepted(&beat("m1", 2).with_subscribed_topic_names(Some(Vec::new())));
    assert_eq!(bed.kinds(), ["member m1", "epoch 3", "current m1"]);
    let member = bed.group().member("m1").expect("a member");
    assert_eq!((member.member_epoch, member.previous_member_epoch), (2, 2));
}
