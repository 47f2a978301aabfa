//! LeaveGroup.

use super::super::ClassicState;
use super::harness::*;

#[test]
fn a_leave_takes_effect_at_once() {
    let mut world = World::new();
    let members = world.stable_group(2);
    assert_eq!(world.leave(&[(&members[1].id, None)]), [NONE]);
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert_eq!(world.heartbeat(&members[0]), REBALANCE_IN_PROGRESS);
    let rejoin = world.join(&join(&members[0].id));
    assert_eq!(world.joined(rejoin).generation_id, members[0].generation + 1);
}

#[test]
fn the_last_to_leave_empties_the_group_in_the_log() {
    let mut world = World::new();
    let members = world.stable_group(1);
    assert_eq!(world.leave(&[(&members[0].id, None)]), [NONE]);
    assert_eq!(world.state(), ClassicState::Empty);
    let record = world.group_record();
    assert_eq!((record.members.len(), record.generation, &record.leader), (0, members[0].generation + 1, &None));
    world.advance(i64::from(SESSION_MS));
    assert!(world.written.is_empty(), "no timer is left behind");
    let left = world.leave(&[(&members[0].id, None)]);
    assert_eq!(left, [UNKNOWN_MEMBER_ID], "twice is once too often");
}

#[test]
fn several_may_leave_together_each_with_an_answer_of_its_own() {
    let mut world = World::new();
    let members = world.stable_group(3);
    let request: Vec<(&str, Option<&str>)> = vec![(&members[1].id, None), ("ghost", None), (&members[2].id, Some("ghost")), ("", None)];
    assert_eq!(world.leave(&request), [NONE, UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID]);
    assert_eq!(world.group().members().len(), 2);
}

#[test]
fn when_nobody_really_leaves_nothing_happens() {
    let mut world = World::new();
    world.stable_group(2);
    assert_eq!(world.leave(&[("ghost", None)]), [UNKNOWN_MEMBER_ID]);
    assert_eq!(world.state(), ClassicState::Stable);
    assert!(world.leave(&[]).is_empty());
}

#[test]
fn a_pending_id_may_leave() {
    let mut world = World::new();
    let members = world.stable_group(1);
    let pending = world.member_id();
    let rejoin = world.join(&join(&members[0].id));
    assert!(world.is_parked(rejoin));
    assert_eq!(world.leave(&[(&pending, None)]), [NONE]);
    assert_eq!(world.joined(rejoin).error_code, NONE);
    assert_eq!(world.join_now(&join(&pending)).error_code, UNKNOWN_MEMBER_ID);
}

#[test]
fn parked_requests_of_who_leaves_are_answered() {
    let mut world = World::new();
    let members = world.joined_group(3);
    let sync = world.sync(&members[1], &[]);
    world.leave(&[(&members[1].id, None)]);
    assert_eq!(world.synced(sync).error_code, UNKNOWN_MEMBER_ID);
    let join = world.join(&join(&members[0].id));
    world.leave(&[(&members[0].id, None)]);
    let response = world.joined(join);
    assert_eq!((response.error_code, &*response.member_id), (UNKNOWN_MEMBER_ID, ""));
}

#[test]
fn the_next_to_join_leads_when_the_leader_leaves() {
    let mut world = World::new();
    let members = world.stable_group(3);
    world.leave(&[(&members[0].id, None)]);
    let tickets = [world.join(&join(&members[1].id)), world.join(&join(&members[2].id))];
    let leader = world.joined(tickets[0]).leader;
    assert!([&members[1].id, &members[2].id].iter().any(|id| **id == *leader));
    assert_eq!(tickets.iter().filter(|ticket| !world.joined(**ticket).members.is_empty()).count(), 1);
}

#[test]
fn in_a_group_that_is_not_there_nobody_is_known() {
    let mut world = World::new();
    assert_eq!(world.leave(&[("a", None), ("", Some("b"))]), [UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID]);
}
