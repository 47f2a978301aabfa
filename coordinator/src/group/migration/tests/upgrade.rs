use super::*;

#[test]
fn a_member_with_the_new_protocol_upgrades_the_group_and_nobody_loses_a_partition_at_once() {
    let mut bed = Bed::new();
    let [first, second] = two_classic_members(&mut bed);
    let response = bed.accepted(&join("new", &["a"]));

    assert!(bed.is_consumer_group());
    assert_eq!(response.member_epoch, 2, "generation 1, then a rebalance");
    assert_eq!(assigned(&response), Some(vec![]), "all partitions are held");
    let group = bed.group();
    assert_eq!((group.group_epoch, group.assignment_epoch, group.members().len()), (2, 2, 3));
    for (consumer, held) in [(&first, [0, 1]), (&second, [2, 3])] {
        let member = group.member(&consumer.member_id).expect("it stays");
        assert_eq!((member.member_epoch, member.previous_member_epoch), (1, 1));
        assert!(member.uses_classic_protocol());
        assert!(held.iter().all(|partition| member.assigned.epoch(topic_id("a"), *partition) == Some(1)));
    }
}

#[test]
fn the_records_of_an_upgrade_come_in_kafkas_order() {
    let mut bed = Bed::new();
    let mut consumers = [Consumer::static_member("i", &["a"])];
    bed.create_topic("a", 1);
    bed.classic_group(&mut consumers, &[assignment(&[("a", vec![0])])]);
    let id = &consumers[0].member_id;
    bed.accepted(&join("new", &["a"]));
    let conversion = [
        "no classic group".to_owned(),
        format!("member {id}"),
        "epoch 1".to_owned(),
        format!("target {id}"),
        "target epoch 1".to_owned(),
        format!("current {id}"),
    ];
    assert_eq!(bed.kinds()[..6], conversion);
    assert_eq!(bed.kinds()[6..8], ["member new".to_owned(), "epoch 2".to_owned()]);
}

#[test]
fn rolling_members_bring_the_group_over() {
    let mut bed = Bed::new();
    let mut old = two_classic_members(&mut bed);
    for (number, consumer) in old.iter_mut().enumerate() {
        // A consumer closes and comes back with the new protocol.
        assert_eq!(bed.leave(vec![consumer.identity()])[0].error_code, 0);
        let id = format!("new{number}");
        bed.accepted(&join(&id, &["a"]));
    }
    assert!(bed.is_consumer_group());
    for _ in 0..3 {
        for id in ["new0", "new1"] {
            let epoch = bed.group().member(id).expect("a member").member_epoch;
            let held: Vec<i32> = bed.group().member(id).expect("a member").assigned.iter().map(|(_, partition, _)| partition).collect();
            bed.accepted(&owning(id, epoch, &[("a", &held)]));
        }
        bed.now = Millis(bed.now.0 + 1_000);
    }
    assert_eq!(bed.group().classic_member_count(), 0);
    assert!(bed.group().members().values().all(|member| member.assigned.iter().count() == 2), "two partitions each");
}

#[test]
fn those_who_wait_for_the_classic_rebalance_are_told_to_join_again() {
    let mut bed = Bed::new();
    two_classic_members(&mut bed);
    let required = joined(&bed.try_join(&consumer(&["a"])), Ticket(1)).expect("an answer at once");
    let third = Consumer::named(&required.member_id, &["a"]);
    assert!(bed.try_join_as(Ticket(6), &third).is_empty(), "it waits for the others");
    let request = join("new", &["a"]);
    let replies = bed.call(|shard, now, caller| shard.consumer_group_heartbeat(now, Ticket(7), caller, &request));
    let answer = joined(&replies, Ticket(6)).expect("nobody is forgotten");
    assert_eq!((answer.error_code, answer.member_id.as_str()), (ResponseError::RebalanceInProgress.code(), third.member_id.as_str()));
    assert!(bed.is_consumer_group());
    let mut third = third;
    assert_eq!(bed.join(&mut third).error_code, 0, "it joins the consumer group");
}

#[test]
fn a_group_in_its_first_rebalance_can_be_upgraded_too() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    let mut early = consumer(&["a"]);
    early.member_id = joined(&bed.try_join(&early), Ticket(1)).expect("an id").member_id.to_string();
    assert!(bed.try_join(&early).is_empty(), "the initial delay");
    let request = join("new", &["a"]);
    let replies = bed.call(|shard, now, caller| shard.consumer_group_heartbeat(now, Ticket(7), caller, &request));
    assert_eq!(joined(&replies, Ticket(1)).map(|answer| answer.error_code), Some(ResponseError::RebalanceInProgress.code()));
    assert!(bed.is_consumer_group());
    assert_eq!(bed.group().member(&early.member_id).expect("it stays").member_epoch, 0);
    bed.rejoin(&mut early);
    assert_eq!(early.generation, 1);
}

#[test]
fn sessions_of_classic_members_go_on_with_their_own_timeouts() {
    let mut bed = Bed::new();
    let [first, second] = two_classic_members(&mut bed);
    bed.accepted(&join("new", &["a"]));
    bed.sleep(i64::from(SESSION_MS) - 100);
    assert_eq!(bed.classic_heartbeat(&first), ResponseError::RebalanceInProgress.code());
    bed.sleep(200);
    assert!(bed.group().member(&second.member_id).is_none(), "it was silent for its session timeout");
    assert!(bed.group().member(&first.member_id).is_some());
    assert!(bed.group().member("new").is_some(), "45 seconds");
}

#[test]
fn a_classic_member_becomes_one_of_the_new_protocol_under_its_instance_id() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    let mut consumers = [Consumer::static_member("i", &["a"])];
    bed.classic_group(&mut consumers, &[assignment(&[("a", vec![0, 1])])]);
    let response = bed.accepted(&join("new", &["a"]).with_instance_id(Some(text("i"))));
    assert_eq!(assigned(&response), Some(vec![(topic_id("a"), vec![0, 1])]), "it takes the place of the old one");
    assert_eq!(bed.group().members().len(), 1);
    assert_eq!(bed.group().classic_member_count(), 0);
    assert_eq!(bed.classic_heartbeat(&consumers[0]), ResponseError::FencedInstanceId.code());
}

fn refusal(bed: &mut Bed) -> String {
    let (code, text) = bed.refused(&join("new", &["a"]));
    assert_eq!(code, ResponseError::GroupIdNotFound.code());
    assert!(!bed.is_consumer_group());
    text
}

#[test]
fn an_upgrade_that_the_policy_forbids_is_refused() {
    for policy in [MigrationPolicy::Disabled, MigrationPolicy::Downgrade] {
        let mut bed = Bed::with(|settings| settings.consumer_migration_policy = policy);
        let [first, _] = two_classic_members(&mut bed);
        assert_eq!(refusal(&mut bed), "Cannot upgrade classic group group to consumer group because online upgrade is disabled.");
        assert_eq!(bed.classic_heartbeat(&first), 0, "the group goes on");
    }
}

#[test]
fn what_is_no_consumers_group_is_not_upgraded() {
    let mut bed = Bed::new();
    let worker = JoinGroupRequest::default()
        .with_group_id(text(GROUP).into())
        .with_group_instance_id(Some(text("w")))
        .with_session_timeout_ms(SESSION_MS)
        .with_protocol_type(text("connect"))
        .with_protocols(vec![JoinGroupRequestProtocol::default().with_name(text("p"))]);
    bed.call(|shard, now, caller| shard.join_group(now, Ticket(1), caller, &worker));
    assert_eq!(
        refusal(&mut bed),
        "Cannot upgrade classic group group to consumer group because the group does not use the consumer embedded protocol."
    );
}

#[test]
fn a_group_that_is_too_large_is_not_upgraded() {
    let mut bed = Bed::with(|settings| settings.consumer_max_size = 1);
    two_classic_members(&mut bed);
    assert_eq!(
        refusal(&mut bed),
        "Cannot upgrade classic group group to consumer group because the group size exceeds the consumer group maximum size."
    );
}

#[test]
fn malformed_bytes_and_custom_assignors_are_refused() {
    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    bed.classic_group(&mut [Consumer::static_member("i", &["a"])], &[b"not an assignment".to_vec()]);
    assert_eq!(
        refusal(&mut bed),
        "Cannot upgrade classic group group to consumer group because the embedded consumer protocol is malformed."
    );

    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    let with_data = [vec![0, 3], partitions(&[("a", vec![0])]), vec![0, 0, 0, 1, 42]].concat();
    bed.classic_group(&mut [Consumer::static_member("i", &["a"])], &[with_data]);
    assert_eq!(
        refusal(&mut bed),
        "Cannot upgrade classic group group to consumer group because an unsupported custom assignor is in use. Please refer to the \
         documentation or switch to a default assignor before re-attempting the upgrade."
    );
}

#[test]
fn a_member_without_an_assignment_is_taken_over_with_none() {
    let mut bed = Bed::new();
    bed.create_topic("a", 1);
    let mut consumers = [Consumer::static_member("i", &["a"]), Consumer::static_member("j", &["a"])];
    bed.classic_group(&mut consumers, &[assignment(&[("a", vec![0]), ("gone", vec![0])]), Vec::new()]);
    bed.accepted(&join("new", &["a"]));
    let group = bed.group();
    assert_eq!(group.member(&consumers[0].member_id).expect("a member").assigned.iter().count(), 1, "topics that are gone are left out");
    assert!(group.member(&consumers[1].member_id).expect("a member").assigned.is_empty());
}

#[test]
fn what_cooperative_members_keep_through_a_rebalance_is_held_when_the_upgrade_comes_in_the_middle_of_it() {
    let mut bed = Bed::new();
    let [mut first, mut second] = two_classic_members(&mut bed);
    first.owned = vec![("a", vec![0, 1])];
    second.owned = vec![("a", vec![2, 3])];
    bed.try_join_as(Ticket(2), &first);
    let replies = bed.try_join_as(Ticket(3), &second);
    assert_eq!(joined(&replies, Ticket(3)).map(|answer| answer.error_code), Some(0), "the generation is complete");
    // One joins with other topics before the leader has assigned: the assignments are forgotten.
    second.topics = vec!["a", "b"];
    assert!(bed.try_join_as(Ticket(4), &second).is_empty());

    let request = join("new", &["a"]);
    let replies = bed.call(|shard, now, caller| shard.consumer_group_heartbeat(now, Ticket(7), caller, &request));
    let Some(GroupReply::ConsumerGroupHeartbeat(response)) = replies.get(&Ticket(7)) else { panic!("an answer: {replies:?}") };
    assert_eq!(assigned(response), Some(vec![]), "nothing is free");
    for (consumer, held) in [(&first, [0, 1]), (&second, [2, 3])] {
        let member = bed.group().member(&consumer.member_id).expect("it stays");
        let holds: Vec<i32> = member.assigned.iter().map(|(_, partition, _)| partition).collect();
        assert_eq!(holds, held);
    }
}
