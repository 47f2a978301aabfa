//! JoinGroup: ids, protocols, and what each state answers.

use super::super::ClassicState;
use super::harness::*;
use crate::group::GroupSettings;

#[test]
fn a_new_dynamic_member_must_come_again_with_the_id_it_is_given() {
    let mut world = World::new();
    let response = world.join_now(&join(""));
    assert_eq!(response.error_code, MEMBER_ID_REQUIRED);
    assert!(response.member_id.starts_with("app-"), "{}", &*response.member_id);
    assert_eq!((response.generation_id, &*response.leader, response.members.len()), (-1, "", 0));
    let id = response.member_id.to_string();
    assert!(world.is_pending(&id));
    // The group exists from now on, and is in the log.
    let record = world.group_record();
    assert_eq!((&*record.protocol_type, record.generation, &record.protocol, &record.leader), ("", 0, &None, &None));
    assert_eq!(record.current_state_timestamp_ms, world.now.0);
    let ticket = world.join(&join(&id));
    assert!(world.is_parked(ticket) && !world.is_pending(&id));
    world.advance(DELAY_MS);
    assert_eq!(world.joined(ticket).generation_id, 1);
}

#[test]
fn before_version_4_a_new_member_is_in_at_once() {
    let mut world = World::new();
    let ticket = world.join(&join("").version(3));
    assert!(world.is_parked(ticket));
    assert_eq!(world.group_record().members.len(), 0, "the record of a new group");
    world.advance(DELAY_MS);
    assert_eq!(world.joined(ticket).error_code, NONE);
}

#[test]
fn version_0_waits_as_long_as_the_session_timeout() {
    let mut world = World::new();
    world.join(&join("").version(0).session(7_000).rebalance(-1));
    let members: Vec<_> = world.group().members().collect();
    assert_eq!((members[0].rebalance_timeout_ms, members[0].session_timeout_ms), (7_000, 7_000));
}

#[test]
fn a_pending_id_lives_for_the_session_timeout_that_its_member_asked_for() {
    let mut world = World::new();
    let response = world.join_now(&join("").session(20_000));
    world.advance(19_999);
    assert!(world.is_pending(&response.member_id));
    world.advance(1);
    assert!(!world.is_pending(&response.member_id));
    assert_eq!(world.join_now(&join(&response.member_id)).error_code, UNKNOWN_MEMBER_ID);
}

#[test]
fn a_rebalance_waits_for_pending_ids_until_they_expire() {
    let mut world = World::new();
    let members = world.stable_group(1);
    world.member_id();
    let rejoin = world.join(&join(&members[0].id));
    assert!(world.is_parked(rejoin), "somebody may still come");
    world.advance(i64::from(SESSION_MS));
    assert_eq!(world.joined(rejoin).generation_id, members[0].generation + 1);
}

#[test]
fn a_pending_id_may_not_turn_static() {
    let mut world = World::new();
    let id = world.member_id();
    let response = world.join_now(&join(&id).instance("a"));
    assert_eq!((response.error_code, &*response.member_id), (UNKNOWN_SERVER_ERROR, ""));
}

#[test]
fn an_id_that_nobody_gave_out_is_unknown() {
    let mut world = World::new();
    let response = world.join_now(&join("ghost"));
    assert_eq!((response.error_code, &*response.member_id), (UNKNOWN_MEMBER_ID, "ghost"));
    assert!(world.written.is_empty(), "no group is made for it");
    let id = world.member_id();
    assert_eq!(world.join_now(&join("ghost")).error_code, UNKNOWN_MEMBER_ID);
    world.join(&join(&id));
    assert_eq!(world.join_now(&join("ghost")).error_code, UNKNOWN_MEMBER_ID);
}

#[test]
fn session_timeouts_outside_the_brokers_range_are_refused() {
    let mut world = World::with(GroupSettings { min_session_timeout_ms: 6_000, max_session_timeout_ms: 8_000, ..GroupSettings::default() });
    for (session_ms, error) in
        [(5_999, INVALID_SESSION_TIMEOUT), (6_000, MEMBER_ID_REQUIRED), (8_000, MEMBER_ID_REQUIRED), (8_001, INVALID_SESSION_TIMEOUT)]
    {
        assert_eq!(world.join_now(&join("").session(session_ms)).error_code, error, "{session_ms}");
    }
    assert_eq!(world.join_now(&join("x").session(1)).member_id, text("x"), "the member's id comes back");
}

#[test]
fn an_empty_group_id_is_invalid() {
    let mut world = World::new();
    assert_eq!(world.join_now(&join("").group("")).error_code, INVALID_GROUP_ID);
    let member = Member { id: "x".into(), generation: 1 };
    let sync = World::sync_request(&member, &[]).with_group_id(group_id(""));
    let ticket = world.sync_as(&sync);
    assert_eq!(world.synced(ticket).error_code, INVALID_GROUP_ID);
    assert_eq!(world.heartbeat_of(&kafka_protocol::messages::HeartbeatRequest::default()), INVALID_GROUP_ID);
    let left = world.leave_as(&kafka_protocol::messages::LeaveGroupRequest::default());
    assert_eq!((left.error_code, left.members.len()), (INVALID_GROUP_ID, 0));
}

#[test]
fn a_member_needs_a_protocol_type_and_a_protocol() {
    let mut world = World::new();
    assert_eq!(world.join_now(&join("").kind("")).error_code, INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(world.group_record().generation, 0, "Kafka makes the group nevertheless");
    assert_eq!(world.join_now(&join("").protocols(&[])).error_code, INCONSISTENT_GROUP_PROTOCOL);
    assert!(world.written.is_empty());
}

#[test]
fn a_member_must_share_the_type_and_a_protocol_with_all_others() {
    let mut world = World::new();
    let members = world.stable_group(2);
    assert_eq!(world.join_now(&join("").kind("connect")).error_code, INCONSISTENT_GROUP_PROTOCOL);
    let other = join("").protocols(&[("roundrobin", b"")]);
    assert_eq!(world.join_now(&other).error_code, INCONSISTENT_GROUP_PROTOCOL);
    let mut own = join(&members[1].id).protocols(&[("roundrobin", b"")]);
    let response = world.join_now(&own);
    assert_eq!((response.error_code, response.member_id), (INCONSISTENT_GROUP_PROTOCOL, text(&members[1].id)));
    own = own.protocols(&[("roundrobin", b""), ("range", b"")]);
    let parked = world.join(&own);
    assert!(world.is_parked(parked));
}

#[test]
fn the_protocol_that_most_members_like_best_of_those_all_know_wins() {
    let mut world = World::new();
    let wishes: [&[(&str, &[u8])]; 3] = [
        &[("sticky", b""), ("range", b"r0"), ("cooperative", b"c0")],
        &[("cooperative", b"c1"), ("range", b"r1")],
        &[("cooperative", b"c2"), ("sticky", b""), ("range", b"r2")],
    ];
    let tickets: Vec<_> = wishes.iter().map(|wish| world.join(&join("").version(3).protocols(wish))).collect();
    world.rebalance();
    for (ticket, wish) in tickets.iter().zip(wishes) {
        let response = world.joined(*ticket);
        assert_eq!(response.protocol_name.as_deref(), Some("cooperative"), "{wish:?}");
        assert_eq!(response.protocol_type.as_deref(), Some("consumer"));
    }
}

#[test]
fn a_tie_ends_as_in_kafka() {
    // Asked of Apache Kafka 4.3.1: "sticky" over "range".
    for (one, other, winner) in [("range", "sticky", "sticky"), ("sticky", "range", "sticky")] {
        let mut world = World::new();
        let ticket = world.join(&join("").version(3).protocols(&[(one, b""), (other, b"")]));
        world.join(&join("").version(3).protocols(&[(other, b""), (one, b"")]));
        world.rebalance();
        assert_eq!(world.joined(ticket).protocol_name.as_deref(), Some(winner));
    }
}

#[test]
fn a_protocol_named_twice_counts_once() {
    let mut world = World::new();
    let twice = join("").version(3).protocols(&[("range", b"1"), ("range", b"2")]);
    let first = world.join(&twice);
    let second = world.join(&join("").version(3));
    world.rebalance();
    assert_eq!((world.joined(first).error_code, world.joined(second).error_code), (NONE, NONE));
}

#[test]
fn metadata_is_opaque_and_only_the_leader_gets_everybodys() {
    let mut world = World::new();
    let wild: &[u8] = &[0xff, 0x00, 0x80, 0x01];
    let first = world.join(&join("").version(3).protocols(&[("range", wild)]));
    let second = world.join(&join("").version(3).protocols(&[("range", b"")]));
    world.rebalance();
    let (first, second) = (world.joined(first), world.joined(second));
    let (leader, follower) = if first.leader == first.member_id { (&first, &second) } else { (&second, &first) };
    assert!(follower.members.is_empty());
    assert_eq!(leader.leader, follower.leader);
    let listed = |id: &str| leader.members.iter().find(|member| *member.member_id == *id).map(|member| member.metadata.to_vec());
    assert_eq!(listed(&first.member_id).as_deref(), Some(wild));
    assert_eq!(listed(&second.member_id).as_deref(), Some(&b""[..]));
}

#[test]
fn a_member_that_lost_its_answer_may_ask_again_before_the_assignment() {
    let mut world = World::new();
    let members = world.joined_group(2);
    let leader = world.join_now(&join(&members[0].id));
    assert_eq!((leader.error_code, leader.generation_id, leader.members.len()), (NONE, members[0].generation, 2));
    let follower = world.join_now(&join(&members[1].id));
    assert_eq!((follower.error_code, follower.generation_id, follower.members.len()), (NONE, members[0].generation, 0));
    assert_eq!(follower.leader, text(&members[0].id));
    assert_eq!(world.state(), ClassicState::CompletingRebalance);
    // With other metadata it wants another generation.
    let changed = world.join(&join(&members[1].id).protocols(&[("range", b"more topics")]));
    assert!(world.is_parked(changed));
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
}

#[test]
fn in_a_stable_group_a_follower_with_nothing_new_just_gets_the_generation() {
    let mut world = World::new();
    let members = world.stable_group(2);
    let follower = world.join_now(&join(&members[1].id));
    assert_eq!((follower.error_code, follower.generation_id, follower.members.len()), (NONE, members[1].generation, 0));
    assert_eq!(world.state(), ClassicState::Stable);
    let changed = world.join(&join(&members[1].id).protocols(&[("range", b"more topics")]));
    assert!(world.is_parked(changed));
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
}

#[test]
fn the_leader_may_always_start_a_rebalance() {
    let mut world = World::new();
    let members = world.stable_group(2);
    let leader = world.join(&join(&members[0].id));
    assert!(world.is_parked(leader));
    let follower = world.join(&join(&members[1].id));
    assert_eq!(world.joined(leader).generation_id, members[0].generation + 1);
    assert_eq!(world.joined(follower).generation_id, members[0].generation + 1);
}

#[test]
fn a_second_join_of_a_parked_member_takes_the_place_of_the_first() {
    let mut world = World::new();
    let members = world.stable_group(2);
    let first = world.join(&join(&members[0].id));
    let second = world.join(&join(&members[0].id));
    assert_eq!(world.joined(first).error_code, REBALANCE_IN_PROGRESS);
    assert!(world.is_parked(second));
    world.join(&join(&members[1].id));
    assert_eq!(world.joined(second).error_code, NONE);
}

#[test]
fn an_unheard_of_group_of_32_kilobytes_is_a_group() {
    let mut world = World::new();
    let id = "g".repeat(32_767);
    assert_eq!(world.join_now(&join("").group(&id)).error_code, MEMBER_ID_REQUIRED);
    assert_eq!(world.join_now(&join(&"m".repeat(32_767)).group(&id)).error_code, UNKNOWN_MEMBER_ID);
}
