//! Static members (KIP-345).

use super::super::ClassicState;
use super::harness::*;

fn instance_of(world: &World, id: &str) -> String {
    world.group().member(id).and_then(|member| member.instance_id.clone()).map(|id| id.to_string()).unwrap_or_default()
}

#[test]
fn a_static_member_needs_no_second_join_and_is_named_after_its_instance() {
    let mut world = World::new();
    let ticket = world.join(&join("").instance("a"));
    world.advance(DELAY_MS);
    let response = world.joined(ticket);
    assert!(response.member_id.starts_with("a-"), "{}", &*response.member_id);
    assert_eq!(response.members[0].group_instance_id.as_deref(), Some("a"));
}

#[test]
fn a_restarted_follower_takes_its_place_without_a_rebalance() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    let instance = instance_of(&world, &members[1].id);
    let response = world.join_now(&join("").instance(&instance).session(30_000).rebalance(40_000));
    assert_eq!((response.error_code, response.generation_id), (NONE, members[1].generation));
    assert_ne!(*response.member_id, *members[1].id);
    assert_eq!((response.leader, response.skip_assignment, response.members.len()), (text(&members[0].id), false, 0));
    assert_eq!(world.state(), ClassicState::Stable);
    // The new id is in the log, with the old assignment.
    let record = world.group_record().clone();
    let member = record.members.iter().find(|member| member.member_id.as_str() == &*response.member_id).unwrap();
    assert_eq!(member.group_instance_id.as_deref(), Some(&*instance));
    assert_eq!(member.assignment, members[1].id.as_bytes());
    assert_eq!((member.session_timeout_ms, member.rebalance_timeout_ms), (30_000, 40_000));
    // It fetches its old assignment and goes on.
    let back = Member { id: response.member_id.to_string(), generation: response.generation_id };
    let sync = world.sync(&back, &[]);
    assert_eq!(world.synced(sync).assignment, members[1].id.as_bytes());
    assert_eq!(world.heartbeat(&back), NONE);
    assert_eq!(world.heartbeat(&members[0]), NONE, "nobody else notices");
}

#[test]
fn the_old_member_id_is_fenced_everywhere() {
    let mut world = World::new();
    let members = world.static_group(&["a"]);
    let response = world.join_now(&join("").instance("a"));
    assert_eq!(response.error_code, NONE);
    let old = &members[0];
    assert_eq!(world.heartbeat_as(old, Some("a")), FENCED_INSTANCE_ID);
    assert_eq!(world.heartbeat(old), UNKNOWN_MEMBER_ID, "without its instance id it is just nobody");
    let sync = world.sync_as(&World::sync_request(old, &[]).with_group_instance_id(Some(text("a"))));
    assert_eq!(world.synced(sync).error_code, FENCED_INSTANCE_ID);
    let rejoin = world.join_now(&join(&old.id).instance("a"));
    assert_eq!((rejoin.error_code, rejoin.member_id), (FENCED_INSTANCE_ID, text(&old.id)));
    assert_eq!(world.leave(&[(&old.id, Some("a"))]), [FENCED_INSTANCE_ID]);
    let commit = world.group().validate_offset_commit(&old.id, Some("a"), old.generation, false);
    assert_eq!(commit, Err(kafka_protocol::ResponseError::FencedInstanceId));
}

#[test]
fn a_restarted_leader_leads_on_but_does_not_assign() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    let instance = instance_of(&world, &members[0].id);
    let response = world.join_now(&join("").instance(&instance));
    assert_eq!(response.leader, response.member_id);
    assert!(response.skip_assignment);
    assert_eq!(response.members.len(), 2, "it must still watch everybody's topics");
    assert_eq!(world.group_record().leader.as_ref().map(|id| id.as_str()), Some(&*response.member_id));
}

#[test]
fn an_old_client_that_led_is_told_of_its_former_self() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    let instance = instance_of(&world, &members[0].id);
    let response = world.join_now(&join("").instance(&instance).version(8));
    assert_eq!(response.leader, text(&members[0].id), "so that it does not assign");
    assert_ne!(response.leader, response.member_id);
    assert_eq!((response.skip_assignment, response.members.len()), (false, 0));
}

#[test]
fn a_restart_that_changes_the_vote_rebalances() {
    let mut world = World::new();
    let both: &[(&str, &[u8])] = &[("range", b""), ("sticky", b"")];
    let ticket = world.join(&join("").instance("a").protocols(both));
    world.advance(DELAY_MS);
    let member = Member { id: world.joined(ticket).member_id.to_string(), generation: 1 };
    world.sync_all(&[member]);
    let back = world.join_now(&join("").instance("a").protocols(&[("sticky", b""), ("range", b"")]));
    assert_eq!((back.generation_id, back.protocol_name.as_deref()), (2, Some("sticky")));
    assert_eq!(world.state(), ClassicState::CompletingRebalance);
}

#[test]
fn a_restart_before_the_assignment_rebalances() {
    let mut world = World::new();
    let first = world.join(&join("").instance("a"));
    let second = world.join(&join("").instance("b"));
    world.rebalance();
    let (a, b) = (world.joined(first), world.joined(second));
    let follower = if a.leader == a.member_id { &b } else { &a };
    let instance = instance_of(&world, &follower.member_id);
    let waiting = world.sync(&Member { id: follower.member_id.to_string(), generation: 1 }, &[]);
    let back = world.join(&join("").instance(&instance));
    assert_eq!(world.synced(waiting).error_code, FENCED_INSTANCE_ID, "its former self is told");
    assert!(world.is_parked(back));
    let leader = world.join(&join(&follower.leader));
    assert_eq!((world.joined(back).generation_id, world.joined(leader).generation_id), (2, 2));
}

#[test]
fn a_restart_during_a_rebalance_waits_with_the_others_and_fences_the_old_join() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    let instance = instance_of(&world, &members[1].id);
    world.join(&join(&members[1].id).instance(&instance).protocols(&[("range", b"new")]));
    let parked = world.join(&join(&members[1].id).instance(&instance).protocols(&[("range", b"new")]));
    let back = world.join(&join("").instance(&instance));
    let fenced = world.joined(parked);
    assert_eq!((fenced.error_code, fenced.member_id), (FENCED_INSTANCE_ID, text(&members[1].id)));
    let leader = world.join(&join(&members[0].id));
    assert_eq!((world.joined(back).generation_id, world.joined(leader).generation_id), (2, 2));
}

#[test]
fn a_static_member_that_is_gone_expires_like_any_other() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    world.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(world.heartbeat(&members[0]), NONE);
    world.advance(1);
    assert_eq!(world.member_ids(), [&*members[0].id]);
    assert_eq!(world.heartbeat(&members[0]), REBALANCE_IN_PROGRESS);
}

/// Static members `a` and `b` with a session longer than the rebalance timeout, stable; the leader first.
fn patient_group(world: &mut World) -> Vec<Member> {
    let tickets = ["a", "b"].map(|id| world.join(&join("").instance(id).session(600_000)));
    world.rebalance();
    let mut members: Vec<Member> = tickets.iter().map(|t| Member { id: world.joined(*t).member_id.to_string(), generation: 1 }).collect();
    let leader = world.joined(tickets[0]).leader.to_string();
    members.sort_by_key(|member| member.id != leader);
    world.sync_all(&members);
    members
}

#[test]
fn a_restarted_static_member_that_falls_silent_expires() {
    let mut world = World::new();
    world.static_group(&["a"]);
    assert_eq!(world.join_now(&join("").instance("a")).error_code, NONE);
    world.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(world.state(), ClassicState::Stable);
    world.advance(1);
    assert_eq!(world.state(), ClassicState::Empty);
}

#[test]
fn a_restart_may_be_what_a_rebalance_has_waited_for() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    let instance = instance_of(&world, &members[1].id);
    let leader = world.join(&join(&members[0].id));
    let back = world.join(&join("").instance(&instance));
    assert_eq!((world.joined(back).generation_id, world.joined(leader).generation_id), (2, 2));
}

#[test]
fn a_rebalance_keeps_the_place_of_a_static_member_that_does_not_come() {
    let mut world = World::new();
    let members = patient_group(&mut world);
    let rejoin = world.join(&join(&members[0].id).session(600_000));
    world.rebalance();
    let response = world.joined(rejoin);
    assert_eq!((response.generation_id, response.members.len()), (2, 2), "the leader assigns to both");
}

#[test]
fn a_static_leader_that_does_not_come_keeps_its_place_but_not_the_lead() {
    let mut world = World::new();
    let members = patient_group(&mut world);
    let rejoin = world.join(&join(&members[1].id).session(600_000).protocols(&[("range", b"new")]));
    world.rebalance();
    let response = world.joined(rejoin);
    assert_eq!((&response.leader, response.members.len()), (&response.member_id, 2));
    assert_eq!(world.heartbeat(&Member { generation: 2, ..members[0].clone() }), NONE);
}

#[test]
fn with_only_silent_static_members_the_rebalance_waits_for_their_end() {
    let mut world = World::new();
    let tickets = ["a", "b", "c"].map(|id| world.join(&join("").instance(id).session(200_000)));
    world.rebalance();
    let ids = tickets.map(|ticket| world.joined(ticket).member_id.to_string());
    let leader = world.joined(tickets[0]).leader.to_string();
    let mut members: Vec<Member> = ids.iter().map(|id| Member { id: id.clone(), generation: 1 }).collect();
    members.sort_by_key(|member| member.id != leader);
    world.sync_all(&members);
    world.leave(&[(&leader, None)]);
    world.advance(i64::from(REBALANCE_MS) * 2);
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert_eq!(world.group().members().len(), 2);
    let back = instance_of(&world, &members[1].id);
    let ticket = world.join(&join("").instance(&back).session(200_000));
    world.rebalance();
    assert_eq!((world.joined(ticket).generation_id, &world.joined(ticket).leader), (2, &world.joined(ticket).member_id));
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut world = World::new();
    let members = world.static_group(&["a", "b"]);
    let instance = instance_of(&world, &members[1].id);
    assert_eq!(world.leave(&[("", Some(&instance)), ("", Some("ghost"))]), [NONE, UNKNOWN_MEMBER_ID]);
    assert_eq!(world.member_ids(), [&*members[0].id]);
    assert_eq!(world.leave(&[(&members[0].id, Some(&instance_of(&world, &members[0].id)))]), [NONE]);
    assert_eq!(world.state(), ClassicState::Empty);
}

#[test]
fn a_restart_before_the_first_sync_does_not_count_as_missing() {
    let mut world = World::new();
    let tickets = ["a", "b"].map(|id| world.join(&join("").instance(id).session(600_000)));
    world.rebalance();
    let joined = tickets.map(|ticket| world.joined(ticket));
    let leader = joined[0].leader.to_string();
    let follower = joined.iter().find(|j| *j.member_id != *leader).map(|j| j.member_id.to_string()).unwrap();
    world.sync(&Member { id: leader, generation: 1 }, &[(&follower, b"all")]);
    let instance = instance_of(&world, &follower);
    let back = world.join_now(&join("").instance(&instance).session(600_000));
    let ticket = world.sync(&Member { id: back.member_id.to_string(), generation: 1 }, &[]);
    assert_eq!(&world.synced(ticket).assignment[..], b"all");
    world.advance(i64::from(REBALANCE_MS) * 2);
    assert_eq!(world.state(), ClassicState::Stable);
}

#[test]
fn a_restart_before_the_first_sync_must_still_sync() {
    let mut world = World::new();
    let ticket = world.join(&join("").instance("a").session(600_000));
    world.rebalance();
    let first = world.joined(ticket).member_id.to_string();
    let other = world.join(&join("").instance("b").session(600_000));
    let leader = world.join(&join(&first).instance("a").session(600_000));
    let member = Member { id: first, generation: world.joined(leader).generation_id };
    world.sync(&member, &[]);
    assert_eq!(world.joined(other).error_code, NONE);
    let back = world.join_now(&join("").instance("b").session(600_000));
    world.advance(i64::from(REBALANCE_MS));
    assert!(!world.member_ids().contains(&&*back.member_id));
}

#[test]
fn an_instance_id_that_is_not_in_the_group_is_not_a_member() {
    let mut world = World::new();
    let members = world.static_group(&["a"]);
    assert_eq!(world.join_now(&join(&members[0].id).instance("b")).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(world.heartbeat_as(&members[0], Some("b")), UNKNOWN_MEMBER_ID);
}
