//! Rows 45 to 51: the classic group protocol.

use crate::kit::Kit;
use crate::kit::groups::{Member, balanced, error, group_id, text, until};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, DeleteGroupsRequest, DescribeGroupsRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};
use std::sync::Barrier;

/// A group has one shard of one, and does not wait for more members than there are.
const AT_ONCE: &str = "offsets.topic.num.partitions=1\ngroup.initial.rebalance.delay.ms=0";

fn kit() -> Kit {
    let kit = Kit::with(AT_ONCE);
    kit.connect().find_coordinator("g");
    kit
}

/// A stable group of these many members; the first one leads.
fn group(kit: &Kit, count: usize) -> Vec<Member> {
    balanced((0..count).map(|_| Member::of(kit, "g")).collect())
}

#[test]
fn row_45_a_member_without_an_id_is_given_one_and_must_come_back_with_it() {
    let kit = kit();
    let mut member = Member::of(&kit, "g");
    let required = member.client.ask(4, &member.join_request());
    assert_eq!(error(required.error_code), Some(ResponseError::MemberIdRequired));
    assert!(required.member_id.starts_with("kit-"), "{}", required.member_id);
    kit.clock.advance(i64::from(member.session_timeout_ms) - 1);
    member.id = required.member_id;
    let joined = member.join();
    assert_eq!((error(joined.error_code), &joined.member_id, joined.generation_id), (None, &member.id, 1));
}

#[test]
fn row_45_an_id_that_nobody_comes_back_with_is_forgotten() {
    let kit = kit();
    let mut member = Member::of(&kit, "g");
    member.id = member.client.ask(4, &member.join_request()).member_id;
    // Another member falls silent at the same time; when that is noticed, the shard has looked at all deadlines until then.
    let mut silent = Member::of(&kit, "silent").alone();
    kit.clock.advance(i64::from(member.session_timeout_ms));
    until(|| silent.client.describe_group("silent").group_state, |state| state.as_str() == "Empty");
    assert_eq!(error(member.join().error_code), Some(ResponseError::UnknownMemberId));
}

#[test]
fn row_46_metadata_and_assignments_are_bytes_and_the_protocol_is_one_that_all_know() {
    let kit = kit();
    let metadata = |seed: u8| Bytes::from((0..=255u8).map(|byte| byte ^ seed).collect::<Vec<u8>>());
    let protocols =
        |names: &[&str], seed: u8| names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), metadata(seed + at as u8))).collect();
    let (mut one, mut two) = (Member::of(&kit, "g"), Member::of(&kit, "g"));
    one.protocols = protocols(&["private", "shared"], 10);
    two.protocols = protocols(&["shared", "other"], 20);
    assert_eq!(one.join().protocol_name, Some(text("private")));
    let knocking = two.send_join();
    until(|| one.heartbeat(), |error| *error == Some(ResponseError::RebalanceInProgress));
    let (led, followed) = (one.join(), two.receive_join(knocking));
    assert_eq!((&led.protocol_name, &followed.protocol_name), (&Some(text("shared")), &Some(text("shared"))));
    assert_eq!((&led.leader, &followed.leader, followed.members.len()), (&one.id, &one.id, 0));
    let mut seen: Vec<_> = led.members.iter().map(|member| (member.member_id.clone(), member.metadata.clone())).collect();
    seen.sort();
    let mut expected = vec![(one.id.clone(), metadata(11)), (two.id.clone(), metadata(20))];
    expected.sort();
    assert_eq!(seen, expected);
    let odd: Vec<u8> = (0..=255).rev().collect();
    let request = one.sync_request("shared", &[(&one.id, b""), (&two.id, &odd)]);
    assert_eq!(one.client.ask(5, &request).assignment.len(), 0);
    let request = two.sync_request("shared", &[]);
    assert_eq!(two.client.ask(5, &request).assignment[..], odd);
}

#[test]
fn row_47_a_new_group_waits_for_more_members() {
    let kit = Kit::with("offsets.topic.num.partitions=1\ngroup.initial.rebalance.delay.ms=3000");
    let mut watch = kit.connect();
    watch.find_coordinator("g");
    let (mut one, mut two) = (Member::of(&kit, "g"), Member::of(&kit, "g"));
    let first = one.send_join();
    until(|| watch.describe_group("g").members.len(), |count| *count == 1);
    let second = two.send_join();
    until(|| watch.describe_group("g").members.len(), |count| *count == 2);
    assert_eq!(watch.describe_group("g").group_state.as_str(), "PreparingRebalance");
    // The second one came during the delay, so there is another.
    // A second now and then: whoever looks at the clock for the group must see the delays one by one.
    let mut questions = 0;
    let passing = || {
        questions += 1;
        if questions % 50 == 0 {
            kit.clock.advance(1_000);
        }
        watch.describe_group("g").group_state
    };
    until(passing, |state| state.as_str() == "CompletingRebalance");
    let (one, two) = (one.receive_join(first), two.receive_join(second));
    assert_eq!((one.generation_id, two.generation_id), (1, 1));
    assert_eq!(one.members.len() + two.members.len(), 2, "the leader knows both");
}

#[test]
fn row_47_a_straggler_is_dropped_after_the_longest_rebalance_timeout() {
    let kit = kit();
    let mut members: Vec<Member> = (0..2).map(|_| Member::of(&kit, "g")).collect();
    for (member, timeout) in members.iter_mut().zip([10_000, 20_000]) {
        (member.session_timeout_ms, member.rebalance_timeout_ms) = (60_000, timeout);
    }
    let mut members = balanced(members);
    // A leader that joins again means a rebalance; when the other hears of it, its request has arrived.
    let led = members[0].send_join();
    until(|| members[1].heartbeat(), |error| *error == Some(ResponseError::RebalanceInProgress));
    kit.clock.advance(19_999);
    assert_eq!(members[1].heartbeat(), Some(ResponseError::RebalanceInProgress), "it may still come");
    kit.clock.advance(1);
    let led = members[0].receive_join(led);
    assert_eq!((error(led.error_code), led.members.len()), (None, 1));
    assert_eq!(members[1].heartbeat(), Some(ResponseError::UnknownMemberId));
}

#[test]
fn row_47_a_follower_waits_for_the_leaders_assignment() {
    let kit = kit();
    let mut members = group(&kit, 2);
    // The leader joins again: a rebalance.
    let again = members[0].send_join();
    until(|| members[1].heartbeat(), |error| *error == Some(ResponseError::RebalanceInProgress));
    members[1].join();
    members[0].receive_join(again);
    let early = members[1].sync_request("range", &[]);
    let waiting = members[1].client.send(5, &early);
    let (leader, follower) = (members[0].id.clone(), members[1].id.clone());
    members[0].sync(&[(&leader, b"left"), (&follower, b"right")]);
    assert_eq!(members[1].client.receive::<SyncGroupRequest>(5, waiting).assignment[..], *b"right");
}

#[test]
fn row_48_members_that_all_rebalance_at_once_lose_nobody() {
    const MEMBERS: usize = 6;
    const GENERATIONS: i32 = 12;
    let kit = kit();
    let ready = Barrier::new(MEMBERS);
    std::thread::scope(|scope| {
        for _ in 0..MEMBERS {
            scope.spawn(|| {
                let mut member = Member::of(&kit, "g");
                ready.wait();
                while member.generation < GENERATIONS {
                    let joined = member.join();
                    assert_eq!(error(joined.error_code), None, "a live member was lost");
                    let ids: Vec<_> = joined.members.into_iter().map(|member| member.member_id).collect();
                    let assignments: Vec<_> = ids.iter().map(|id| (id, id.as_bytes())).collect();
                    let synced = member.sync(&assignments);
                    match error(synced.error_code) {
                        None => assert_eq!(&synced.assignment[..], member.id.as_bytes(), "somebody else's assignment, or none"),
                        Some(code) => assert_eq!(code, ResponseError::RebalanceInProgress),
                    }
                    // A leader begins the next rebalance by joining again, the others wait for it.
                    if ids.is_empty() {
                        let told = until(|| member.heartbeat(), |error| error.is_some());
                        assert_eq!(told, Some(ResponseError::RebalanceInProgress));
                    }
                }
                assert_eq!(member.leave(), None);
            });
        }
    });
    assert_eq!(kit.connect().describe_group("g").group_state.as_str(), "Empty");
}

#[test]
fn row_49_a_static_member_comes_back_into_its_place() {
    let kit = kit();
    let mut members = balanced(vec![Member::of(&kit, "g"), Member::of(&kit, "g").instance("i")]);
    let (generation, old) = (members[1].generation, members[1].id.clone());
    let mut again = Member::of(&kit, "g").instance("i");
    let joined = again.join();
    assert_eq!((error(joined.error_code), joined.generation_id), (None, generation), "no rebalance");
    assert_ne!(joined.member_id, old);
    assert_eq!(again.sync(&[]).assignment[..], *old.as_bytes(), "the assignment of before");
    assert_eq!(members[0].heartbeat(), None, "nobody else notices");
    // What is left of the process before.
    let fenced = Some(ResponseError::FencedInstanceId);
    let zombie = &mut members[1];
    assert_eq!((zombie.heartbeat(), error(zombie.sync(&[]).error_code)), (fenced, fenced));
    assert_eq!(error(zombie.join().error_code), fenced);
    kit.connect().create("t", 1, &[]);
    assert_eq!(zombie.commit("t", 0, 1), fenced);
    assert_eq!(zombie.leave(), fenced);
    assert_eq!(again.heartbeat(), None);
}

#[test]
fn row_49_a_static_member_expires_like_any_other() {
    let kit = kit();
    let mut members = vec![Member::of(&kit, "g"), Member::of(&kit, "g").instance("i")];
    members[0].session_timeout_ms = 60_000;
    let mut members = balanced(members);
    kit.clock.advance(30_000);
    until(|| members[0].heartbeat(), |error| *error == Some(ResponseError::RebalanceInProgress));
    assert_eq!(members[1].heartbeat(), Some(ResponseError::UnknownMemberId));
    assert_eq!(members[0].join().members.len(), 1);
}

#[test]
fn row_49_an_administrator_removes_a_static_member_by_its_instance() {
    let kit = kit();
    let mut members = balanced(vec![Member::of(&kit, "g"), Member::of(&kit, "g").instance("i")]);
    let of = |instance: &str| MemberIdentity::default().with_group_instance_id(Some(text(instance)));
    let request = LeaveGroupRequest::default().with_group_id(group_id("g")).with_members(vec![of("i"), of("nobody")]);
    let left = kit.connect().ask(3, &request);
    let errors: Vec<_> = left.members.iter().map(|member| error(member.error_code)).collect();
    assert_eq!((error(left.error_code), errors), (None, vec![None, Some(ResponseError::UnknownMemberId)]));
    assert_eq!(members[0].heartbeat(), Some(ResponseError::RebalanceInProgress));
}

#[test]
fn row_50_every_group_request_says_when_there_is_no_coordinator() {
    let kit = Kit::with(AT_ONCE);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let not_here = Some(ResponseError::NotCoordinator);
    let g = || group_id("g");
    let joining = Member::of(&kit, "g").join_request();
    assert_eq!(error(client.ask(9, &joining).error_code), not_here);
    assert_eq!(error(client.ask(3, &SyncGroupRequest::default().with_group_id(g())).error_code), not_here);
    assert_eq!(error(client.ask(3, &HeartbeatRequest::default().with_group_id(g())).error_code), not_here);
    assert_eq!(error(client.ask(2, &LeaveGroupRequest::default().with_group_id(g())).error_code), not_here);
    assert_eq!(client.commit("g", "t", 0, 1, None), not_here);
    let fetch = OffsetFetchRequest::default().with_group_id(g()).with_topics(None);
    assert_eq!(error(client.ask(7, &fetch).error_code), not_here);
    assert_eq!(error(client.ask(0, &OffsetDeleteRequest::default().with_group_id(g())).error_code), not_here);
    let describe = DescribeGroupsRequest::default().with_groups(vec![g()]);
    assert_eq!(error(client.ask(5, &describe).groups[0].error_code), not_here);
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![g()]);
    assert_eq!(error(client.ask(2, &delete).results[0].error_code), not_here);
    let beat = crate::kit::groups::consumer_join("g", "m", &["t"]);
    assert_eq!(error(client.ask::<ConsumerGroupHeartbeatRequest>(1, &beat).error_code), not_here);
    let list = client.ask(4, &ListGroupsRequest::default());
    assert_eq!((error(list.error_code), list.groups.len()), (None, 0), "there are none");
}

#[test]
fn row_50_the_ladder_of_errors_of_a_rebalance() {
    let kit = kit();
    kit.connect().create("t", 1, &[]);
    let mut members = group(&kit, 2);
    assert_eq!(members[1].commit("t", 0, 1), None);
    let again = members[0].send_join();
    let rebalancing = Some(ResponseError::RebalanceInProgress);
    until(|| members[1].heartbeat(), |error| *error == rebalancing);
    assert_eq!(members[1].commit("t", 0, 2), None, "the last commit before it gives its partitions up");
    members[1].join();
    members[0].receive_join(again);
    assert_eq!((members[0].commit("t", 0, 3), members[1].commit("t", 0, 3)), (rebalancing, rebalancing), "nobody owns anything now");
    members[1].generation -= 1;
    let illegal = Some(ResponseError::IllegalGeneration);
    assert_eq!((members[1].heartbeat(), error(members[1].sync(&[]).error_code)), (illegal, illegal));
    assert_eq!(members[1].commit("t", 0, 4), illegal);
    members[1].id = text("stranger");
    let unknown = Some(ResponseError::UnknownMemberId);
    assert_eq!((members[1].heartbeat(), error(members[1].sync(&[]).error_code)), (unknown, unknown));
    assert_eq!((members[1].commit("t", 0, 4), error(members[1].join().error_code)), (unknown, unknown));
}

#[test]
fn row_51_leaving_is_noticed_at_once_and_a_broken_connection_is_not() {
    let kit = kit();
    let mut members = group(&kit, 3);
    members[2].client = kit.connect();
    assert_eq!((members[0].heartbeat(), members[2].heartbeat()), (None, None), "only the connection was lost");
    assert_eq!(members[2].leave(), None);
    assert_eq!(members[0].heartbeat(), Some(ResponseError::RebalanceInProgress));
    assert_eq!(members[1].heartbeat(), Some(ResponseError::RebalanceInProgress));
}

#[test]
fn row_51_a_join_whose_connection_broke_does_not_hold_the_group_up() {
    let kit = kit();
    let mut one = Member::of(&kit, "g").alone();
    let mut two = Member::of(&kit, "g");
    two.send_join();
    until(|| one.heartbeat(), |error| *error == Some(ResponseError::RebalanceInProgress));
    two.client = kit.connect();
    let led = one.join();
    assert_eq!((error(led.error_code), led.members.len()), (None, 2));
    let joined: kafka_protocol::messages::JoinGroupResponse = two.client.ask::<JoinGroupRequest>(9, &two.join_request());
    assert_eq!((error(joined.error_code), joined.generation_id), (None, led.generation_id), "it asks again and is told the same");
}
