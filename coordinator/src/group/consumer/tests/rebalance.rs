//! Partitions on their way from member to member.

use super::*;

/// Two members on one topic; the second has just joined.
fn two_members(bed: &mut Bed) -> (ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatResponse) {
    bed.create_topic("orders", 2);
    let first = bed.accepted(&join("m1", &["orders"]));
    bed.sleep(1_000);
    let second = bed.accepted(&join("m2", &["orders"]));
    (first, second)
}

#[test]
fn a_partition_goes_to_its_new_owner_once_the_old_one_has_given_it_up() {
    let mut bed = Bed::new();
    let (_, second) = two_members(&mut bed);
    assert_eq!((second.member_epoch, assigned(&second)), (3, Some(vec![])), "nothing is free");
    assert_eq!(bed.kinds(), ["member m2", "epoch 3", "target m1", "target m2", "target epoch 3", "current m2"]);
    assert_eq!(bed.state(), ConsumerGroupState::Reconciling);

    let first = bed.accepted(&beat("m1", 2));
    assert_eq!((first.member_epoch, assigned_count(&first)), (2, 1), "the old epoch until it has given up");
    let kept = bed.group().member("m1").expect("m1").assigned.iter().next().expect("one").1;
    let lost = 1 - kept;
    assert_eq!(assigned(&bed.accepted(&owning("m1", 2, &[("orders", &[0, 1])]))), None, "it still holds both");
    assert_eq!(assigned(&bed.accepted(&beat("m2", 3))), None);

    let first = bed.accepted(&owning("m1", 2, &[("orders", &[kept])]));
    assert_eq!((first.member_epoch, assigned(&first)), (3, None), "what it has did not change");
    let second = bed.accepted(&beat("m2", 3));
    assert_eq!((second.member_epoch, assigned(&second)), (3, Some(vec![(topic_id("orders"), vec![lost])])));
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
    let epochs = |member: &str| bed.group().member(member).expect("a member").assigned.iter().map(|held| held.2).collect::<Vec<_>>();
    assert_eq!((epochs("m1"), epochs("m2")), (vec![2], vec![3]), "epochs at which they got what they have");
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_fenced() {
    let mut bed = Bed::new();
    two_members(&mut bed);
    bed.accepted(&beat("m1", 2));
    for _ in 0..5 {
        bed.sleep(11_000);
        bed.accepted(&owning("m1", 2, &[("orders", &[0, 1])]));
        bed.accepted(&beat("m2", 3));
    }
    assert_eq!(bed.group().members().len(), 2);
    let written: Vec<String> = bed.sleep(5_000).iter().map(kind).collect();
    assert_eq!(written, ["no current m1", "no target m1", "no member m1", "epoch 4"]);
    assert_eq!(bed.refused(&beat("m1", 2)).0, 25);
    let response = bed.accepted(&beat("m2", 3));
    assert_eq!((response.member_epoch, assigned_count(&response)), (4, 2));
}

#[test]
fn a_member_that_gave_up_in_time_is_not_fenced() {
    let mut bed = Bed::new();
    two_members(&mut bed);
    bed.accepted(&beat("m1", 2));
    let kept = bed.group().member("m1").expect("m1").assigned.iter().next().expect("one").1;
    bed.accepted(&owning("m1", 2, &[("orders", &[kept])]));
    assert!(!bed.has_timer_of(ConsumerTimer::Rebalance, "m1"));
    for _ in 0..7 {
        bed.sleep(10_000);
        bed.accepted(&beat("m1", 3));
        bed.accepted(&beat("m2", 3));
    }
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}

#[test]
fn after_a_reload_a_member_has_its_rebalance_timeout_again() {
    let mut bed = Bed::new();
    two_members(&mut bed);
    bed.accepted(&beat("m1", 2));
    bed.sleep(40_000);
    bed.reload();
    bed.sleep(40_000);
    bed.accepted(&beat("m1", 2));
    bed.accepted(&beat("m2", 3));
    assert_eq!(bed.group().members().len(), 2);
    bed.sleep(20_000);
    assert!(bed.group().member("m1").is_none(), "60 s after the load");
}

#[test]
fn a_session_that_ends_frees_the_partitions() {
    let mut bed = Bed::new();
    two_members(&mut bed);
    bed.sleep(20_000);
    bed.accepted(&beat("m2", 3));
    let written: Vec<String> = bed.sleep(25_000).iter().map(kind).collect();
    assert_eq!(written, ["no current m1", "no target m1", "no member m1", "epoch 4"]);
    assert_eq!(bed.state(), ConsumerGroupState::Assigning);
    let response = bed.accepted(&beat("m2", 3));
    assert_eq!((response.member_epoch, assigned_count(&response)), (4, 2));
}

#[test]
fn targets_are_not_computed_more_often_than_the_interval_allows() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.sleep(999);
    let second = bed.accepted(&join("m2", &["orders"]));
    assert_eq!(bed.kinds(), ["member m2", "epoch 3", "current m2"]);
    assert_eq!((second.member_epoch, assigned(&second)), (2, Some(vec![])), "at the epoch of the last target");
    assert_eq!(bed.state(), ConsumerGroupState::Assigning);
    bed.sleep(1);
    let first = bed.accepted(&beat("m1", 2));
    assert_eq!(bed.kinds(), ["target m1", "target m2", "target epoch 3", "current m1"]);
    assert_eq!(assigned_count(&first), 1);
}

#[test]
fn an_interval_of_zero_lets_every_change_through() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    assert_eq!(bed.accepted(&join("m2", &["orders"])).member_epoch, 3);
}

#[test]
fn a_topic_that_a_member_unsubscribes_from_goes_at_once() {
    let mut bed = Bed::new();
    let a = bed.create_topic("a", 1);
    bed.create_topic("b", 1);
    bed.accepted(&join("m1", &["a", "b"]));
    // Within the interval: there is no new target yet.
    let only_a = owning("m1", 2, &[("a", &[0]), ("b", &[0])]).with_subscribed_topic_names(Some(vec![text("a").into()]));
    let response = bed.accepted(&only_a);
    assert_eq!((response.member_epoch, assigned(&response)), (2, Some(vec![(a, vec![0])])));
    assert_eq!(bed.kinds(), ["member m1", "epoch 3", "current m1"]);
    bed.sleep(1_000);
    let response = bed.accepted(&owning("m1", 2, &[("a", &[0])]));
    assert_eq!((response.member_epoch, assigned(&response)), (3, None));
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}

#[test]
fn a_topic_that_a_member_has_given_up_with_its_subscription_needs_no_second_word() {
    let mut bed = Bed::new();
    let a = bed.create_topic("a", 1);
    bed.create_topic("b", 1);
    bed.accepted(&join("m1", &["a", "b"]));
    let only_a = owning("m1", 2, &[("a", &[0])]).with_subscribed_topic_names(Some(vec![text("a").into()]));
    assert_eq!(assigned(&bed.accepted(&only_a)), Some(vec![(a, vec![0])]));
    let member = bed.group().member("m1").expect("a member");
    assert!(member.pending_revocation.is_empty());
}

#[test]
fn a_member_that_must_revoke_more_is_told_so_while_it_revokes() {
    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    bed.create_topic("b", 1);
    bed.create_topic("c", 1);
    bed.accepted(&join("m1", &["a", "b", "c"]));
    let names = |names: &[&str]| Some(names.iter().map(|name| text(name).into()).collect());
    let all: &[(&str, &[i32])] = &[("a", &[0]), ("b", &[0]), ("c", &[0])];
    assert_eq!(assigned_count(&bed.accepted(&owning("m1", 2, all).with_subscribed_topic_names(names(&["a", "b"])))), 2);
    assert_eq!(assigned_count(&bed.accepted(&owning("m1", 2, all).with_subscribed_topic_names(names(&["a"])))), 1);
    let member = bed.group().member("m1").expect("a member");
    assert_eq!(member.pending_revocation.iter().map(|held| held.0).collect::<Vec<_>>(), [topic_id("b"), topic_id("c")]);
    bed.sleep(1_000);
    assert_eq!(bed.accepted(&owning("m1", 2, &[("a", &[0])])).member_epoch, 4);
}

#[test]
fn five_members_become_two_and_nothing_is_lost() {
    let mut bed = Bed::new();
    bed.create_topic("orders", 7);
    let mut epochs: BTreeMap<String, i32> = BTreeMap::new();
    for member in 1..=5 {
        let id = format!("m{member}");
        epochs.insert(id.clone(), bed.accepted(&join(&id, &["orders"])).member_epoch);
    }
    let settle = |bed: &mut Bed, epochs: &mut BTreeMap<String, i32>| {
        for _ in 0..4 {
            bed.sleep(1_000);
            for (id, epoch) in epochs.iter_mut() {
                let held: Vec<i32> = bed.group().member(id).expect("a member").assigned.iter().map(|held| held.1).collect();
                let owned: &[(&str, &[i32])] = if held.is_empty() { &[] } else { &[("orders", &held)] };
                *epoch = bed.accepted(&owning(id, *epoch, owned)).member_epoch;
            }
        }
        assert_eq!(bed.state(), ConsumerGroupState::Stable);
        let mut counts: Vec<usize> = bed.group().members().values().map(|member| member.assigned.iter().count()).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(settle(&mut bed, &mut epochs), [1, 1, 1, 2, 2]);
    for id in ["m2", "m3", "m4"] {
        bed.accepted(&beat(id, -1));
        epochs.remove(id);
    }
    assert_eq!(settle(&mut bed, &mut epochs), [3, 4]);
}

#[test]
fn an_interval_of_zero_is_the_way_out_after_a_clock_went_back() {
    let mut bed = Bed::with(|settings| settings.consumer_assignment_interval_ms = 0);
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.now.0 -= 500_000;
    assert_eq!(bed.accepted(&join("m2", &["orders"])).member_epoch, 3);
}

#[test]
fn what_a_member_no_longer_wants_is_taken_although_the_target_has_it() {
    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    bed.create_topic("b", 1);
    bed.accepted(&join("m1", &["a", "b"]));
    bed.sleep(1_000);
    // A target that m1 has not seen yet, with both topics.
    bed.create_topic("c", 1);
    bed.accepted(&join("m2", &["c"]));
    assert_eq!(bed.group().assignment_epoch, 3);
    let only_a = owning("m1", 2, &[("a", &[0]), ("b", &[0])]).with_subscribed_topic_names(Some(vec![text("a").into()]));
    let response = bed.accepted(&only_a);
    assert_eq!((response.member_epoch, assigned(&response)), (2, Some(vec![(topic_id("a"), vec![0])])));
}

#[test]
fn what_a_member_no_longer_wants_is_not_given_although_the_target_has_it() {
    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    bed.create_topic("b", 1);
    bed.accepted(&join("m1", &["a"]));
    bed.accepted(&join("m2", &[]));
    bed.accepted(&owning("m1", 2, &[("a", &[0])]).with_subscribed_topic_names(Some(vec![text("a").into(), text("b").into()])));
    bed.sleep(1_000);
    bed.accepted(&beat("m2", 2));
    assert_eq!(bed.group().target_of("m1").len(), 2);
    let response = bed.accepted(&owning("m1", 2, &[("a", &[0])]).with_subscribed_topic_names(Some(vec![text("a").into()])));
    assert_eq!(assigned(&response), None, "what it has did not change");
    assert_eq!(bed.group().member("m1").expect("m1").assigned.iter().count(), 1);
}

#[test]
fn a_partition_that_comes_back_to_the_member_that_gives_it_up_is_given_at_once() {
    let mut bed = Bed::new();
    two_members(&mut bed);
    bed.accepted(&beat("m1", 2));
    let kept = bed.group().member("m1").expect("m1").assigned.iter().next().expect("one").1;
    bed.accepted(&beat("m2", -1));
    bed.sleep(1_000);
    let response = bed.accepted(&owning("m1", 2, &[("orders", &[kept])]));
    assert_eq!((response.member_epoch, assigned_count(&response)), (4, 2));
    assert_eq!(bed.state(), ConsumerGroupState::Stable);
}
