use super::*;

/// A consumer group of `new` and a classic member, with two partitions of `a` each.
fn mixed_group(bed: &mut Bed) -> Consumer {
    bed.create_topic("a", 4);
    let mut old = [Consumer::static_member("i", &["a"])];
    bed.classic_group(&mut old, &[assignment(&[("a", vec![0, 1, 2, 3])])]);
    bed.accepted(&join("new", &["a"]));
    let [mut old] = old;
    bed.rejoin(&mut old);
    bed.accepted(&owning("new", 2, &[]));
    old
}

#[test]
fn the_group_becomes_classic_when_the_last_member_with_the_new_protocol_leaves() {
    let mut bed = Bed::new();
    let mut old = mixed_group(&mut bed);
    let held = old.assigned.clone();
    bed.accepted(&beat("new", -1));
    assert!(!bed.is_consumer_group());
    let group = bed.classic();
    assert_eq!((group.generation(), group.state().name()), (2, "PreparingRebalance"));
    assert_eq!(read(&group.member(&old.member_id).expect("it stays").assignment), held, "what it had");
    assert_eq!(bed.classic_heartbeat(&old), ResponseError::RebalanceInProgress.code());

    // Everybody there: the next generation begins, one above the group epoch.
    let replies = bed.try_join(&old);
    let response = joined(&replies, Ticket(1)).expect("nobody else to wait for");
    assert_eq!((response.error_code, response.generation_id, response.leader.as_str()), (0, 3, old.member_id.as_str()));
    old.generation = response.generation_id;
    assert_eq!(bed.classic_heartbeat(&old), 0);
}

#[test]
fn the_records_of_a_downgrade_end_with_the_classic_group() {
    let mut bed = Bed::new();
    let old = mixed_group(&mut bed).member_id;
    bed.accepted(&beat("new", -1));
    let mut ids = [old, "new".to_owned()];
    ids.sort();
    let of_members = |what: &str| ids.iter().map(|id| format!("no {what} {id}")).collect::<Vec<_>>();
    let one = |what: &str| vec![what.to_owned()];
    let expected = [
        of_members("current"),
        of_members("target"),
        one("no target epoch"),
        of_members("member"),
        one("no partition metadata"),
        one("no epoch"),
        one("classic group"),
    ];
    assert_eq!(bed.kinds(), expected.concat());
}

#[test]
fn a_fenced_member_takes_the_new_protocol_along_too() {
    let mut bed = Bed::new();
    let old = mixed_group(&mut bed);
    for _ in 0..5 {
        bed.sleep(9_500);
        if bed.is_consumer_group() {
            assert_eq!(bed.classic_heartbeat(&old), 0);
        }
    }
    assert!(!bed.is_consumer_group(), "the session of `new` was over after 45 seconds");
    assert_eq!(bed.classic().members().len(), 1);
}

#[test]
fn timers_of_both_kinds_follow_the_group() {
    let mut bed = Bed::new();
    let old = mixed_group(&mut bed);
    assert!(bed.timers().contains("Consumer("));
    bed.accepted(&beat("new", -1));
    assert!(!bed.timers().contains("Consumer("), "{}", bed.timers());
    bed.try_join(&old);
    bed.sleep(i64::from(SESSION_MS) + i64::from(REBALANCE_MS) * 2);
    assert_eq!(bed.classic().members().len(), 0, "a silent classic member expires");
    assert_eq!(bed.shard.next_deadline().filter(|at| *at <= bed.now), None);
}

#[test]
fn a_downgrade_needs_classic_members_the_policy_and_room() {
    // Nobody left: an empty consumer group.
    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    bed.accepted(&join("new", &["a"]));
    bed.accepted(&beat("new", -1));
    assert!(bed.is_consumer_group());
    // Somebody with the new protocol left.
    bed.accepted(&join("new", &["a"]));
    bed.accepted(&join("newer", &["a"]));
    bed.rejoin(&mut consumer(&["a"]));
    bed.accepted(&beat("new", -1));
    assert!(bed.is_consumer_group());
    // The policy, and the size.
    for set in [
        |settings: &mut GroupSettings| settings.consumer_migration_policy = MigrationPolicy::Upgrade,
        |settings: &mut GroupSettings| settings.max_size = 1,
    ] {
        let mut bed = Bed::with(set);
        bed.create_topic("a", 4);
        bed.accepted(&join("new", &["a"]));
        bed.rejoin(&mut consumer(&["a"]));
        bed.now = Millis(bed.now.0 + 1);
        bed.rejoin(&mut consumer(&["a"]));
        bed.accepted(&beat("new", -1));
        assert!(bed.is_consumer_group(), "it goes on with classic members only");
        assert_eq!(bed.group().classic_member_count(), bed.group().members().len());
    }
}

#[test]
fn a_leave_of_a_classic_member_does_not_downgrade_a_group_with_others() {
    let mut bed = Bed::new();
    let old = mixed_group(&mut bed);
    bed.leave(vec![old.identity()]);
    assert!(bed.is_consumer_group());
    assert_eq!(bed.group().members().len(), 1);
}

#[test]
fn a_static_member_that_comes_back_with_the_classic_protocol_takes_the_group_along_without_a_rebalance() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    bed.accepted(&join("new", &["a"]).with_instance_id(Some(text("i"))));
    let mut back = Consumer::static_member("i", &["a"]);
    let response = bed.join(&mut back);
    assert_eq!((response.error_code, response.generation_id), (0, 2), "the epoch is the generation");
    let new = &back.member_id;
    let gone = |id: &str| ["current", "target", "member"].map(|what| format!("no {what} {id}"));
    let last = bed.kinds().len() - 7;
    assert_eq!(bed.kinds()[..3], gone("new"), "the old member goes");
    let [current, target, member] = gone(new);
    let of_group = ["no target epoch", "no partition metadata", "no epoch", "classic group"].map(str::to_owned);
    let [no_target_epoch, no_partition_metadata, no_epoch, classic_group] = of_group;
    let end = [current, target, no_target_epoch, member, no_partition_metadata, no_epoch, classic_group];
    assert_eq!(bed.kinds()[last..], end, "then the new one, with the group");
    assert_eq!(bed.classic().state().name(), "Stable");
    assert_eq!(bed.sync(&mut back).error_code, 0);
    assert_eq!(back.assigned, [("a".to_owned(), vec![0, 1])]);
    assert_eq!(bed.classic_heartbeat(&back), 0);
    bed.reload();
    assert_eq!(bed.classic_heartbeat(&back), 0, "and so after a restart");
}

#[test]
fn the_same_with_other_topics_is_a_rebalance() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    bed.create_topic("b", 2);
    bed.accepted(&join("new", &["a"]).with_instance_id(Some(text("i"))));
    let mut back = Consumer::static_member("i", &["b"]);
    let response = bed.join(&mut back);
    assert_eq!((response.error_code, response.generation_id), (0, 0));
    assert_eq!(bed.classic().state().name(), "PreparingRebalance");
    assert_eq!(bed.sync(&mut back).error_code, ResponseError::IllegalGeneration.code());
    let response = joined(&bed.try_join(&back), Ticket(1)).expect("alone");
    assert_eq!((response.error_code, response.generation_id), (0, 3));
}

#[test]
fn a_member_with_the_new_protocol_turns_classic_under_its_own_id() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    bed.accepted(&join("m", &["a"]).with_instance_id(Some(text("i"))));
    let mut same = Consumer { member_id: "m".to_owned(), ..Consumer::static_member("i", &["a"]) };
    assert_eq!(bed.join(&mut same).error_code, 0);
    assert!(!bed.is_consumer_group(), "the only one was replaced by itself");
    assert_eq!(bed.sync(&mut same).error_code, 0);
    assert_eq!(same.assigned, [("a".to_owned(), vec![0, 1])]);

    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    bed.accepted(&join("m", &["a"]));
    let mut same = Consumer::named("m", &["a"]);
    bed.rejoin(&mut same);
    assert!(bed.is_consumer_group(), "a dynamic member does not take the group along");
    assert_eq!(bed.group().classic_member_count(), 1);
}

#[test]
fn generations_rise_on_the_way_there_and_back() {
    let mut bed = Bed::new();
    let mut last = 0;
    let old = &mut two_classic_members(&mut bed);
    for round in 0..4 {
        bed.accepted(&join("new", &["a"]));
        for consumer in old.iter_mut() {
            bed.now = Millis(bed.now.0 + 1_000);
            bed.rejoin(consumer);
            assert!(consumer.generation > last, "round {round}");
        }
        last = bed.group().group_epoch;
        bed.accepted(&beat("new", -1));
        assert_eq!(bed.classic().generation(), last);
        for (ticket, consumer) in (10..).zip(old.iter_mut()) {
            consumer.owned.clear();
            let replies = bed.try_join_as(Ticket(ticket), consumer);
            if let Some(response) = joined(&replies, Ticket(ticket)) {
                assert_eq!((response.error_code, response.generation_id), (0, last + 1));
            }
        }
        last = bed.classic().generation();
        assert_eq!(bed.classic().state().name(), "CompletingRebalance");
        let leader = bed.classic().members().next().map(|member| member.member_id.to_string()).expect("a leader");
        let share = |consumer: &Consumer| {
            SyncGroupRequestAssignment::default().with_member_id(text(&consumer.member_id)).with_assignment(assignment(&[]).into())
        };
        let shares: Vec<_> = old.iter().map(share).collect();
        for consumer in old.iter_mut() {
            consumer.generation = last;
        }
        for is_leader in [false, true] {
            for consumer in old.iter().filter(|consumer| (consumer.member_id == leader) == is_leader) {
                let request = consumer.sync_request().with_assignments(shares.clone());
                bed.call(|shard, now, _| shard.sync_group(now, Ticket(2), &request));
            }
        }
        assert_eq!(bed.classic().state().name(), "Stable");
    }
}
