use super::*;
use crate::group::consumer::member::MemberState;

/// A consumer group of one with the new protocol, `new`, that holds the four partitions of `a`.
fn one_new_member(bed: &mut Bed) {
    bed.create_topic("a", 4);
    bed.accepted(&join("new", &["a"]));
}

#[test]
fn a_classic_member_joins_a_consumer_group_and_gets_its_share_as_others_let_go() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    bed.now = Millis(bed.now.0 + 1_000);
    let mut old = consumer(&["a"]);
    bed.rejoin(&mut old);
    assert_eq!((old.generation, old.assigned.len()), (3, 0), "the other still holds everything");
    assert_eq!(bed.classic_heartbeat(&old), 0, "and has not let go");

    let held = assigned(&bed.accepted(&beat("new", 2))).expect("less than before");
    assert_eq!(held, [(topic_id("a"), vec![0, 1])]);
    assert_eq!(bed.classic_heartbeat(&old), 0, "told, but not done");
    bed.accepted(&owning("new", 2, &[("a", &[0, 1])]));
    assert_eq!(bed.classic_heartbeat(&old), ResponseError::RebalanceInProgress.code(), "now it may have them");
    bed.rejoin(&mut old);
    assert_eq!(old.assigned, [("a".to_owned(), vec![2, 3])]);
    assert_eq!(bed.classic_heartbeat(&old), 0);
    assert_eq!(bed.state().name(), "Stable");
}

#[test]
fn an_answer_to_a_classic_member_never_makes_it_the_leader() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    let response = bed.join(&mut Consumer { protocols: vec!["roundrobin", "range"], ..consumer(&["a"]) });
    assert_eq!((response.leader.as_str(), response.members.len(), response.skip_assignment), ("", 0, false));
    assert_eq!((response.protocol_type.as_deref(), response.protocol_name.as_deref()), (Some("consumer"), Some("roundrobin")));
}

#[test]
fn a_cooperative_member_gives_up_first_and_an_eager_one_has_given_up() {
    for cooperative in [true, false] {
        let mut bed = Bed::new();
        let [mut first, mut second] = two_classic_members(&mut bed);
        bed.accepted(&join("new", &["a"]));
        bed.now = Millis(bed.now.0 + 1_000);
        assert_eq!(bed.classic_heartbeat(&first), ResponseError::RebalanceInProgress.code());

        first.owned = if cooperative { vec![("a", vec![0, 1])] } else { Vec::new() };
        bed.rejoin(&mut first);
        let target = bed.group().target_of(&first.member_id).len();
        assert_eq!(first.assigned.iter().map(|(_, partitions)| partitions.len()).sum::<usize>(), target, "what it may keep");
        let member = bed.group().member(&first.member_id).expect("a member");
        let keeps_all = target == 2;
        if cooperative && !keeps_all {
            assert_eq!((member.state, member.member_epoch), (MemberState::UnrevokedPartitions, 1));
            assert_eq!(bed.classic_heartbeat(&first), ResponseError::RebalanceInProgress.code(), "it must say that it has let go");
            first.owned = vec![("a", first.assigned[0].1.clone())];
            bed.rejoin(&mut first);
        }
        assert_eq!((first.generation, bed.classic_heartbeat(&first)), (2, 0));
        second.owned = if cooperative { vec![("a", vec![2, 3])] } else { Vec::new() };
        bed.rejoin(&mut second);
    }
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_out() {
    let mut bed = Bed::new();
    let [first, _] = two_classic_members(&mut bed);
    bed.accepted(&join("new", &["a"]));
    assert_eq!(bed.classic_heartbeat(&first), ResponseError::RebalanceInProgress.code());
    for _ in 0..5 {
        bed.sleep(i64::from(REBALANCE_MS) / 5 - 10);
        assert_eq!(bed.classic_heartbeat(&first), ResponseError::RebalanceInProgress.code(), "it lives, and the time runs on");
    }
    bed.sleep(100);
    assert_eq!(bed.classic_heartbeat(&first), ResponseError::UnknownMemberId.code());
}

#[test]
fn a_member_that_joins_and_never_asks_for_its_assignment_is_out() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    let mut old = consumer(&["a"]);
    bed.join(&mut old);
    for _ in 0..5 {
        bed.sleep(i64::from(REBALANCE_MS) / 5 - 10);
        bed.classic_heartbeat(&old);
    }
    bed.sleep(100);
    assert!(bed.group().member(&old.member_id).is_none());

    let mut old = consumer(&["a"]);
    bed.rejoin(&mut old);
    for _ in 0..8 {
        bed.sleep(i64::from(REBALANCE_MS) / 5);
        bed.accepted(&beat("new", bed.group().member("new").expect("a member").member_epoch));
        assert_eq!(bed.classic_heartbeat(&old), 0, "with its assignment it may stay");
    }
}

#[test]
fn a_classic_member_is_refused_by_policy_protocol_and_size() {
    let mut bed = Bed::with(|settings| settings.consumer_migration_policy = MigrationPolicy::Disabled);
    one_new_member(&mut bed);
    assert_eq!(bed.join(&mut consumer(&["a"])).error_code, ResponseError::InconsistentGroupProtocol.code());

    let mut bed = Bed::with(|settings| settings.consumer_max_size = 2);
    one_new_member(&mut bed);
    let mut worker = consumer(&["a"]).join_request();
    worker.protocol_type = text("connect");
    let replies = bed.call(|shard, now, caller| shard.join_group(now, Ticket(1), caller, &worker));
    assert_eq!(joined(&replies, Ticket(1)).expect("an answer").error_code, ResponseError::InconsistentGroupProtocol.code());
    assert_eq!(
        bed.join(&mut Consumer { protocols: vec![], ..consumer(&["a"]) }).error_code,
        ResponseError::InconsistentGroupProtocol.code()
    );
    bed.rejoin(&mut consumer(&["a"]));
    let other = Consumer { protocols: vec!["sticky"], ..consumer(&["a"]) };
    assert_eq!(bed.join(&mut other.clone()).error_code, ResponseError::GroupMaxSizeReached.code(), "size is looked at first");

    let mut bed = Bed::new();
    one_new_member(&mut bed);
    bed.rejoin(&mut consumer(&["a"]));
    assert_eq!(bed.join(&mut other.clone()).error_code, ResponseError::InconsistentGroupProtocol.code(), "no protocol that all know");
}

#[test]
fn malformed_metadata_harms_nobody() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    let mut request = Consumer::named("m", &["a"]).join_request();
    request.protocols[0].metadata = vec![0, 3, 0x7f].into();
    let replies = bed.call(|shard, now, caller| shard.join_group(now, Ticket(1), caller, &request));
    assert_eq!(joined(&replies, Ticket(1)).expect("an answer").error_code, ResponseError::UnknownServerError.code());
    assert_eq!(bed.written, []);
    assert_eq!(bed.group().members().len(), 1);
}

#[test]
fn sync_and_heartbeat_climb_kafkas_ladder_of_errors() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    let mut old = Consumer { member_id: String::new(), ..Consumer::static_member("i", &["a"]) };
    bed.rejoin(&mut old);
    let new = Consumer { generation: 2, ..Consumer::named("new", &["a"]) };
    let stranger = Consumer { generation: 2, ..Consumer::named("x", &["a"]) };
    let impostor = Consumer { member_id: "x".to_owned(), ..old.clone() };
    let nobody = Consumer { instance_id: Some("unknown"), ..old.clone() };
    let late = Consumer { generation: old.generation - 1, ..old.clone() };
    for (who, error) in [
        (&new, ResponseError::UnknownMemberId),
        (&stranger, ResponseError::UnknownMemberId),
        (&nobody, ResponseError::UnknownMemberId),
        (&impostor, ResponseError::FencedInstanceId),
        (&late, ResponseError::IllegalGeneration),
    ] {
        assert_eq!(bed.classic_heartbeat(who), error.code(), "{who:?}");
        assert_eq!(bed.sync(&mut who.clone()).error_code, error.code(), "{who:?}");
    }
    for (who, error) in [(&impostor, ResponseError::FencedInstanceId), (&nobody, ResponseError::UnknownMemberId)] {
        let refused = joined(&bed.try_join(who), Ticket(1)).expect("an answer");
        assert_eq!((refused.error_code, refused.member_id.as_str()), (error.code(), ""));
    }
    let other_protocol = Consumer { protocols: vec!["sticky"], ..old.clone() };
    assert_eq!(bed.sync(&mut other_protocol.clone()).error_code, ResponseError::InconsistentGroupProtocol.code());
    let request = old.sync_request().with_protocol_type(Some(text("connect")));
    let replies = bed.call(|shard, now, _| shard.sync_group(now, Ticket(2), &request));
    let inconsistent = sync_error_code(&replies);
    assert_eq!(inconsistent, ResponseError::InconsistentGroupProtocol.code());

    bed.now = Millis(bed.now.0 + 1_000);
    bed.accepted(&join("newer", &["a"]));
    assert_eq!(bed.sync(&mut old).error_code, ResponseError::RebalanceInProgress.code());
}

fn sync_error_code(replies: &BTreeMap<Ticket, GroupReply>) -> i16 {
    match replies.get(&Ticket(2)) {
        Some(GroupReply::SyncGroup(response)) => response.error_code,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_static_classic_member_comes_back_with_what_it_had() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    let mut old = [Consumer::static_member("i", &["a"])];
    bed.classic_group(&mut old, &[assignment(&[("a", vec![0, 1])])]);
    bed.accepted(&join("new", &["a"]));
    let [mut old] = old;
    old.owned = vec![("a", vec![0])];
    bed.rejoin(&mut old);
    let before = old.clone();

    let mut back = Consumer::static_member("i", &["a"]);
    bed.rejoin(&mut back);
    assert_ne!(back.member_id, before.member_id);
    assert_eq!((&back.assigned, back.generation), (&before.assigned, before.generation), "no rebalance");
    assert_eq!(bed.classic_heartbeat(&before), ResponseError::FencedInstanceId.code());
    assert!(!bed.timers().contains(&before.member_id), "{}", bed.timers());
    let written = bed.sleep(i64::from(SESSION_MS) - 10);
    assert_eq!(written, [], "the timers of the one before are gone");
}

#[test]
fn members_leave_by_id_by_instance_and_together() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    let mut dynamic = consumer(&["a"]);
    bed.rejoin(&mut dynamic);
    let mut fixed = Consumer::static_member("i", &["a"]);
    bed.rejoin(&mut fixed);
    let by_instance = Consumer { member_id: String::new(), ..fixed.clone() };
    let fenced = Consumer { member_id: "x".to_owned(), ..fixed.clone() };
    let nobody = Consumer { instance_id: Some("nobody"), member_id: String::new(), ..fixed.clone() };
    let all = [&Consumer::named("x", &[]), &fenced, &nobody, &dynamic, &by_instance, &dynamic];
    let answers = bed.leave(all.iter().map(|consumer| consumer.identity()).collect());
    let codes: Vec<i16> = answers.iter().map(|answer| answer.error_code).collect();
    let [unknown, fenced] = [ResponseError::UnknownMemberId.code(), ResponseError::FencedInstanceId.code()];
    assert_eq!(codes, [unknown, fenced, unknown, 0, 0, 0]);
    assert_eq!(bed.group().members().keys().map(MemberId::as_str).collect::<Vec<_>>(), ["new"]);

    let epoch = bed.group().group_epoch;
    bed.leave(vec![Consumer::named("x", &[]).identity()]);
    assert_eq!((bed.group().group_epoch, bed.written.len()), (epoch, 0), "nobody left, nothing happens");
}

#[test]
fn a_consumer_group_without_members_makes_room_for_a_classic_one() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    bed.accepted(&beat("new", -1));
    assert_eq!(bed.state().name(), "Empty");
    let known = Consumer::named("m", &["a"]);
    let refused = joined(&bed.try_join(&known), Ticket(1)).expect("an answer");
    assert_eq!(refused.error_code, ResponseError::UnknownMemberId.code());
    assert!(bed.is_consumer_group());
    assert_eq!(bed.classic_heartbeat(&known), ResponseError::UnknownMemberId.code());

    let mut consumers = [consumer(&["a"])];
    bed.classic_group(&mut consumers, &[assignment(&[("a", vec![0])])]);
    assert!(!bed.is_consumer_group());
    bed.reload();
    assert!(!bed.is_consumer_group());
    assert_eq!(bed.classic_heartbeat(&consumers[0]), 0);
}

#[test]
fn a_join_stops_the_wait_for_it_and_a_sync_is_a_sign_of_life() {
    let mut bed = Bed::new();
    let [mut first, _] = two_classic_members(&mut bed);
    bed.accepted(&join("new", &["a"]));
    assert_eq!(bed.classic_heartbeat(&first), ResponseError::RebalanceInProgress.code());
    assert!(bed.timers().contains("Join("));
    first.owned = vec![("a", vec![])];
    assert_eq!(bed.join(&mut first).error_code, 0);
    assert!(!bed.timers().contains("Join(") && bed.timers().contains("Sync("), "{}", bed.timers());
    bed.sleep(i64::from(SESSION_MS) - 100);
    assert_eq!(bed.sync(&mut first).error_code, 0);
    assert!(!bed.timers().contains("Sync("), "{}", bed.timers());
    bed.sleep(i64::from(SESSION_MS) - 100);
    assert!(bed.group().member(&first.member_id).is_some(), "it was heard of when it asked for its assignment");
}

#[test]
fn a_static_member_that_turns_classic_beside_others_loses_its_expression_and_keeps_its_vote() {
    let mut bed = Bed::new();
    bed.create_topic("a", 2);
    bed.accepted(&join("other", &["a"]));
    let both = join("new", &["a"]).with_subscribed_topic_regex(Some(text("a.*"))).with_instance_id(Some(text("i")));
    bed.accepted(&both.with_server_assignor(Some(text("range"))).with_rack_id(Some(text("r0"))));
    let epoch = bed.group().group_epoch;
    let mut back = Consumer::static_member("i", &["a"]);
    assert_eq!(bed.join(&mut back).error_code, 0);
    assert!(bed.is_consumer_group(), "somebody else has the new protocol");
    let group = bed.group();
    assert_eq!((group.regex_members().len(), group.group_epoch), (0, epoch + 1), "the same names, but no expression");
    let metadata = &group.member(&back.member_id).expect("it is back").metadata;
    assert_eq!((metadata.server_assignor.as_deref(), metadata.rack_id.as_deref()), (Some("range"), Some("r0")));

    back.rack = "r1";
    assert_eq!(bed.join(&mut back).error_code, 0);
    assert_eq!(bed.group().member(&back.member_id).expect("a member").metadata.rack_id.as_deref(), Some("r1"));
}

#[test]
fn the_oldest_join_has_no_rebalance_timeout_and_gets_the_session_timeout() {
    let mut bed = Bed::new();
    one_new_member(&mut bed);
    let request = consumer(&["a"]).join_request().with_rebalance_timeout_ms(-1);
    let replies = bed.call(|shard, now, caller| shard.join_group(now, Ticket(1), &Caller { api_version: 0, ..*caller }, &request));
    let member_id = joined(&replies, Ticket(1)).expect("no id is asked for").member_id;
    assert_eq!(bed.group().member(&member_id).expect("a member").metadata.rebalance_timeout_ms, SESSION_MS);
    bed.sleep(i64::from(SESSION_MS) / 2);
    assert!(bed.group().member(&member_id).is_some());
}
