//! Waiting for members: initial delay, rebalance timeout, new members that never hear back.

use super::super::ClassicState;
use super::harness::*;
use crate::group::GroupSettings;

#[test]
fn the_first_rebalance_waits_for_the_initial_delay_although_all_are_there() {
    let mut world = World::new();
    let ticket = world.join(&join("").version(3));
    world.advance(DELAY_MS - 1);
    assert!(world.is_parked(ticket));
    world.advance(1);
    let response = world.joined(ticket);
    assert_eq!((response.error_code, response.generation_id), (NONE, 1));
    assert_eq!(response.leader, response.member_id);
}

#[test]
fn without_an_initial_delay_the_first_rebalance_ends_as_soon_as_timers_run() {
    let mut world = World::with(GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() });
    let ticket = world.join(&join("").version(3));
    world.advance(0);
    assert_eq!(world.joined(ticket).generation_id, 1);
}

#[test]
fn the_initial_delay_grows_while_members_come_up_to_the_rebalance_timeout() {
    let mut world = World::new();
    let first = world.join(&join("").version(3).rebalance(7_000));
    world.advance(2_999);
    let second = world.join(&join("").version(3).rebalance(7_000));
    world.advance(1);
    assert!(world.is_parked(first), "somebody came: 3 s more");
    world.advance(2_999);
    let third = world.join(&join("").version(3).rebalance(7_000));
    world.advance(1);
    assert!(world.is_parked(second), "somebody came: but only 1 s is left of 7");
    world.advance(999);
    assert!(world.is_parked(third));
    world.advance(1);
    for ticket in [first, second, third] {
        assert_eq!(world.joined(ticket).generation_id, 1);
    }
}

#[test]
fn the_initial_delay_does_not_grow_when_nobody_comes() {
    let mut world = World::new();
    let first = world.join(&join("").version(3));
    let second = world.join(&join("").version(3));
    world.advance(DELAY_MS);
    assert!(world.is_parked(first));
    world.advance(DELAY_MS);
    assert_eq!((world.joined(first).generation_id, world.joined(second).generation_id), (1, 1));
}

#[test]
fn members_who_came_to_a_later_rebalance_do_not_extend_the_next_initial_delay() {
    let mut world = World::new();
    let members = world.stable_group(1);
    let late = [world.join(&join("").version(3)), world.join(&join("").version(3))];
    world.join(&join(&members[0].id));
    let late = late.map(|ticket| world.joined(ticket).member_id.to_string());
    assert_eq!(world.leave(&[(&late[0], None), (&late[1], None), (&members[0].id, None)]), [NONE; 3]);
    let ticket = world.join(&join("").version(3));
    world.advance(DELAY_MS);
    assert_eq!(world.joined(ticket).error_code, NONE);
}

#[test]
fn an_expiry_ends_the_initial_delay_and_later_rebalances_know_nothing_of_it() {
    let mut world = World::with(GroupSettings { initial_rebalance_delay_ms: 10_000, ..GroupSettings::default() });
    world.join_now(&join("").session(6_000));
    let patient = |id: &str| join(id).version(3).session(600_000);
    let first = world.join(&patient(""));
    let second = world.join(&patient(""));
    world.advance(6_000);
    let (first, second) = (world.joined(first), world.joined(second));
    assert_eq!((first.generation_id, second.generation_id), (1, 1), "who was given an id did not come: nobody is missing");
    let rejoin = world.join(&patient(&first.member_id).protocols(&[("range", b"new")]));
    world.advance(i64::from(REBALANCE_MS) - 1);
    assert!(world.is_parked(rejoin));
    world.advance(1);
    assert_eq!((world.joined(rejoin).generation_id, world.group().members().len()), (2, 1));
}

#[test]
fn the_leader_stays_whoever_else_comes() {
    let mut world = World::new();
    let members = world.stable_group(1);
    let first_by_name = world.join(&join("").instance("0"));
    let rejoin = world.join(&join(&members[0].id));
    assert!(*world.joined(first_by_name).member_id < *members[0].id);
    assert_eq!(world.joined(first_by_name).leader, text(&members[0].id));
    assert_eq!(world.joined(rejoin).members.len(), 2);
}

#[test]
fn the_rebalance_timeout_is_the_longest_of_all_members() {
    let mut world = World::new();
    let slow = world.join(&join("").version(3).rebalance(50_000).session(60_000));
    let quick = world.join(&join("").version(3).rebalance(5_000).session(60_000));
    world.rebalance();
    assert_eq!(world.state(), ClassicState::CompletingRebalance);
    let (slow, quick) = (world.joined(slow), world.joined(quick));
    let leader = world.group().leader.clone().map(|id| id.to_string()).unwrap_or_default();
    let members: Vec<Member> = [&slow, &quick].map(|j| Member { id: j.member_id.to_string(), generation: 1 }).into();
    world
        .sync_all(&members.iter().filter(|m| m.id != leader).chain(members.iter().filter(|m| m.id == leader)).cloned().collect::<Vec<_>>());
    let rejoin = world.join(&join(&slow.member_id).rebalance(50_000).session(60_000).protocols(&[("range", b"new")]));
    world.advance(49_999);
    assert!(world.is_parked(rejoin));
    world.advance(1);
    assert_eq!(world.joined(rejoin).generation_id, 2);
    assert_eq!(world.member_ids(), [&*slow.member_id], "the straggler is out");
    let straggler = Member { id: quick.member_id.to_string(), generation: 1 };
    assert_eq!(world.heartbeat(&straggler), UNKNOWN_MEMBER_ID);
}

#[test]
fn a_leader_that_does_not_come_back_is_replaced() {
    let mut world = World::new();
    let members = world.stable_group(3);
    let rejoin = world.join(&join(&members[1].id).protocols(&[("range", b"new")]));
    for _ in 0..12 {
        assert_eq!((world.heartbeat(&members[0]), world.heartbeat(&members[2])), (REBALANCE_IN_PROGRESS, REBALANCE_IN_PROGRESS));
        assert!(world.is_parked(rejoin));
        world.advance(5_000);
    }
    let response = world.joined(rejoin);
    assert_eq!(response.leader, response.member_id);
    assert_eq!(response.members.len(), 1);
}

#[test]
fn a_group_that_all_left_in_silence_becomes_empty_and_says_so_in_the_log() {
    let mut world = World::new();
    let members = world.stable_group(2);
    world.advance(i64::from(SESSION_MS));
    assert_eq!(world.state(), ClassicState::Empty);
    let record = world.group_record();
    assert_eq!(record.generation, members[0].generation + 1);
    assert_eq!((&*record.protocol_type, &record.protocol, &record.leader), ("consumer", &None, &None));
    assert!(record.members.is_empty());
    assert_eq!(record.current_state_timestamp_ms, world.now.0);
}

#[test]
fn an_empty_group_may_come_back_with_another_protocol_type() {
    let mut world = World::new();
    let members = world.stable_group(1);
    world.leave(&[(&members[0].id, None)]);
    assert_eq!(world.group().protocol_type().map(|name| &**name), Some("consumer"));
    let ticket = world.join(&join("").version(3).kind("connect").protocols(&[("v1", b"")]));
    world.advance(DELAY_MS);
    let response = world.joined(ticket);
    assert_eq!((response.error_code, response.protocol_type.as_deref(), response.generation_id), (NONE, Some("connect"), 3));
}

#[test]
fn a_member_dies_while_others_wait_and_they_go_on_at_once() {
    let mut world = World::new();
    let members = world.stable_group(3);
    let tickets = [world.join(&join(&members[0].id)), world.join(&join(&members[1].id))];
    world.advance(i64::from(SESSION_MS));
    for ticket in tickets {
        assert_eq!(world.joined(ticket).generation_id, members[0].generation + 1);
    }
    assert!(!world.member_ids().contains(&&*members[2].id));
}

#[test]
fn a_parked_member_needs_no_heartbeats() {
    let mut world = World::new();
    let members = world.stable_group(2);
    let parked = world.join(&join(&members[0].id));
    for _ in 0..5 {
        world.advance(i64::from(SESSION_MS) - 1_000);
        assert_eq!(world.heartbeat(&members[1]), REBALANCE_IN_PROGRESS);
    }
    assert!(world.is_parked(parked), "both are alive: nothing expires before the rebalance timeout");
    world.join(&join(&members[1].id));
    assert_eq!(world.joined(parked).error_code, NONE);
    // From the answer on it has a full session again.
    world.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(world.group().members().len(), 2);
}

#[test]
fn a_new_member_whose_join_waits_five_minutes_is_told_to_begin_anew() {
    let mut world = World::new();
    let members = world.stable_group(1);
    let old = world.join(&join(&members[0].id).rebalance(3_600_000));
    assert_eq!(world.joined(old).error_code, NONE, "alone, so at once");
    let fresh = world.join(&join("").version(3).rebalance(3_600_000));
    assert!(world.is_parked(fresh));
    // The old member lives on its heartbeats and does not come.
    let old = Member { id: members[0].id.clone(), generation: members[0].generation + 1 };
    for _ in 0..59 {
        world.advance(5_000);
        assert_eq!(world.heartbeat(&old), REBALANCE_IN_PROGRESS);
    }
    assert!(world.is_parked(fresh));
    world.advance(5_000);
    let response = world.joined(fresh);
    assert_eq!((response.error_code, &*response.member_id), (UNKNOWN_MEMBER_ID, ""));
    assert_eq!(world.member_ids(), [&*members[0].id]);
}

#[test]
fn members_that_all_vanish_during_the_initial_delay_leave_an_empty_group() {
    let mut world = World::new();
    let ticket = world.join(&join("").version(3));
    let id = world.member_ids()[0].to_owned();
    assert_eq!(world.leave(&[(&id, None)]), [NONE]);
    assert_eq!(world.joined(ticket).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(world.state(), ClassicState::PreparingRebalance, "the delay is waited for");
    world.advance(DELAY_MS);
    assert_eq!(world.state(), ClassicState::Empty);
    assert_eq!(world.group_record().generation, 1);
}

#[test]
fn a_storm_of_rebalances_loses_no_live_member() {
    let mut world = World::new();
    let mut members = world.stable_group(5);
    for round in 0..20_usize {
        let (leaving, joining) = (round % 5, round % 3);
        // Somebody changes its mind, somebody new comes, everybody lives on heartbeats and comes back late.
        let metadata = format!("round {round}");
        let mut tickets = vec![];
        let changed = join(&members[leaving].id).protocols(&[("range", metadata.as_bytes())]);
        tickets.push((members[leaving].id.clone(), world.join(&changed)));
        let new_ids: Vec<String> = (0..joining).map(|_| world.member_id()).collect();
        tickets.extend(new_ids.iter().map(|id| (id.clone(), world.join(&join(id)))).collect::<Vec<_>>());
        for _ in 0..4 {
            world.advance(9_000);
            for (index, member) in members.iter().enumerate().filter(|(index, _)| *index != leaving) {
                assert_eq!(world.heartbeat(member), REBALANCE_IN_PROGRESS, "round {round}, member {index}");
            }
        }
        for (index, member) in members.iter().enumerate().filter(|(index, _)| *index != leaving) {
            let again = join(&member.id).protocols(&[("range", format!("{round}/{index}").as_bytes())]);
            tickets.push((member.id.clone(), world.join(&again)));
        }
        members = tickets
            .iter()
            .map(|(id, ticket)| {
                let response = world.joined(*ticket);
                assert_eq!((response.error_code, &*response.member_id), (NONE, &**id), "round {round}");
                Member { id: id.clone(), generation: response.generation_id }
            })
            .collect();
        world.sync_all(&members);
    }
    assert_eq!(world.group().members().len(), 5 + 19);
}
