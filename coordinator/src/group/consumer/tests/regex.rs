//! Subscriptions by regular expression.

use super::*;
use std::collections::BTreeSet;

fn matches(bed: &Bed, regex: &str) -> Vec<String> {
    bed.group().resolved_regexes()[regex].topics.iter().map(ToString::to_string).collect()
}

#[test]
fn a_pattern_is_resolved_right_after_the_heartbeat_that_brings_it() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.create_topic("orders2", 1);
    bed.create_topic("my-orders", 1);
    let response = bed.accepted(&join_regex("m1", "orders.*"));
    assert_eq!((response.member_epoch, assigned(&response)), (1, Some(vec![])), "Kafka resolves in the background");
    assert_eq!(bed.kinds(), ["member m1", "current m1", "regex orders.*", "epoch 2"]);
    let GroupRecord::ConsumerGroupRegularExpression { value: Some(value), .. } = &bed.written[2] else { panic!("a resolution") };
    assert_eq!(value.topics, BTreeSet::from(["orders".into(), "orders2".into()]), "the whole name must match");
    assert_eq!((value.version, value.timestamp_ms), (bed.shard.soft.image.provenance().last_offset, bed.now.0));
    let response = bed.accepted(&beat("m1", 1));
    assert_eq!((response.member_epoch, assigned_count(&response)), (2, 2));
    assert!(bed.group().is_subscribed_to("orders2"));
}

#[test]
fn an_empty_pattern_is_no_pattern() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    let response = bed.accepted(&join("m1", &["orders"]).with_subscribed_topic_regex(Some(text(""))));
    assert_eq!(assigned_count(&response), 1);
    assert!(bed.kinds().iter().all(|kind| !kind.contains("regex")));
    let response = bed.accepted(&join_regex("m2", ""));
    assert_eq!(assigned_count(&response), 0);
    assert!(bed.group().regex_members().is_empty());
}

#[test]
fn a_broken_pattern_is_refused() {
    let mut bed = Bed::new();
    let (code, message) = bed.refused(&join_regex("m1", "(orders"));
    assert_eq!(code, 128);
    assert!(message.starts_with("SubscribedTopicRegex `(orders` is not a valid regular expression: "), "{message}");
    assert_eq!(bed.state(), ConsumerGroupState::Dead);
}

#[test]
fn names_and_a_pattern_add_up() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.create_topic("users", 1);
    bed.accepted(&join("m1", &["users"]).with_subscribed_topic_regex(Some(text("o.*"))));
    bed.sleep(1_000);
    let epoch = bed.accepted(&beat("m1", 2)).member_epoch;
    assert_eq!(epoch, 3);
    assert_eq!(bed.group().member("m1").expect("a member").assigned.iter().count(), 2);
}

#[test]
fn a_pattern_that_somebody_else_has_brought_is_used_as_it_is() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("orders", 2);
    bed.accepted(&join_regex("m1", "o.*"));
    let response = bed.accepted(&join_regex("m2", "o.*"));
    assert_eq!(bed.kinds(), ["member m2", "epoch 3", "target m1", "target m2", "target epoch 3", "current m2"]);
    assert_eq!((response.member_epoch, assigned_count(&response)), (3, 1), "m1 had not got anything yet");
}

#[test]
fn a_new_topic_is_found_at_a_heartbeat_ten_seconds_after_the_last_look() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.accepted(&beat("m1", 1));
    bed.create_topic("orders2", 1);
    bed.sleep(10_000);
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.written, [], "not more than ten seconds");
    bed.sleep(1);
    bed.accepted(&beat("m1", 2));
    assert_eq!(bed.kinds(), ["regex o.*", "epoch 3"]);
    assert_eq!(matches(&bed, "o.*"), ["orders", "orders2"]);
    assert_eq!(assigned_count(&bed.accepted(&beat("m1", 2))), 2);
}

#[test]
fn without_new_topics_patterns_are_looked_at_again_after_the_interval() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    let mut epoch = 1;
    let mut looks = 0;
    for _ in 0..61 {
        bed.sleep(10_000);
        epoch = bed.accepted(&beat("m1", epoch)).member_epoch;
        looks += bed.kinds().iter().filter(|kind| *kind == "regex o.*").count();
    }
    assert_eq!(looks, 1, "once in ten minutes");
    assert_eq!(epoch, 2, "without a rebalance");
}

#[test]
fn a_deleted_topic_leaves_the_assignment_and_later_the_resolution() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.accepted(&beat("m1", 1));
    bed.delete_topic("orders");
    bed.sleep(1_000);
    assert_eq!(assigned(&bed.accepted(&beat("m1", 2))), Some(vec![]));
    assert_eq!(bed.accepted(&owning("m1", 2, &[])).member_epoch, 3);
    assert_eq!(matches(&bed, "o.*"), ["orders"], "deleted topics wait for the next look");
}

#[test]
fn the_last_member_takes_its_pattern_along() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("orders", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.accepted(&join_regex("m2", "o.*"));
    bed.accepted(&beat("m1", -1));
    assert!(bed.group().is_subscribed_to("orders"));
    bed.accepted(&beat("m2", -1));
    assert_eq!(bed.kinds(), ["no current m2", "no target m2", "no member m2", "no regex o.*", "epoch 5"]);
    assert!(!bed.group().is_subscribed_to("orders"));
    assert_eq!(bed.group().metadata_hash, 0);
}

#[test]
fn a_member_that_changes_its_pattern_waits_for_the_next_look() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.create_topic("users", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.accepted(&beat("m1", 1));
    bed.sleep(5_000);
    let response = bed.accepted(&owning("m1", 2, &[("orders", &[0])]).with_subscribed_topic_regex(Some(text("u.*"))));
    assert_eq!(assigned(&response), Some(vec![]), "what no pattern matches any more is taken away at once");
    assert_eq!(bed.kinds()[..2], ["member m1", "no regex o.*"]);
    assert!(!bed.group().resolved_regexes().contains_key("u.*"), "ten seconds have not passed");
}

#[test]
fn a_member_that_drops_its_pattern_makes_a_rebalance() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.accepted(&beat("m1", 1));
    bed.sleep(1_000);
    bed.accepted(&owning("m1", 2, &[]).with_subscribed_topic_regex(Some(text(""))));
    assert_eq!(bed.kinds(), ["member m1", "no regex o.*", "epoch 3", "target m1", "target epoch 3", "current m1"]);
}

#[test]
fn a_pattern_that_others_still_use_stays() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.create_topic("users", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.accepted(&join_regex("m2", "o.*"));
    let epoch = bed.accepted(&beat("m1", 1)).member_epoch;
    bed.sleep(1_000);
    let names = Some(vec![text("users").into()]);
    bed.accepted(&owning("m1", epoch, &[]).with_subscribed_topic_names(names).with_subscribed_topic_regex(Some(text(""))));
    assert!(bed.kinds().iter().all(|kind| !kind.contains("regex")));
    assert!(bed.group().is_subscribed_to("orders") && bed.group().is_subscribed_to("users"));
    let hash = bed.group().metadata_hash;
    bed.reload();
    bed.sleep(1_000);
    bed.accepted(&join("m3", &[]));
    assert_eq!(bed.group().metadata_hash, hash, "both topics were in it");
}

#[test]
fn a_pattern_that_matches_what_others_name_makes_a_rebalance() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.accepted(&join_regex("m2", "o.*"));
    assert_eq!(bed.kinds(), ["member m2", "current m2", "regex o.*", "epoch 3"], "although the topics are the same");
}

#[test]
fn a_second_pattern_waits_until_the_first_may_be_looked_at_again() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 1);
    bed.create_topic("users", 1);
    bed.accepted(&join_regex("m1", "o.*"));
    bed.sleep(5_000);
    bed.accepted(&join_regex("m2", "u.*"));
    assert!(bed.kinds().iter().all(|kind| !kind.contains("regex")));
    bed.sleep(5_001);
    bed.accepted(&beat("m1", 1));
    assert_eq!(bed.kinds().iter().filter(|kind| kind.starts_with("regex")).collect::<Vec<_>>(), ["regex o.*", "regex u.*"]);
    assert_eq!(matches(&bed, "u.*"), ["users"]);
}
