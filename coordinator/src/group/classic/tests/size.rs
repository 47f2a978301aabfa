//! `group.max.size`, and groups too large for a record.

use super::super::ClassicState;
use super::harness::*;
use crate::group::GroupSettings;

#[test]
fn a_full_group_turns_newcomers_away_and_keeps_its_members() {
    let mut world = World::with_max_size(2);
    let members = world.stable_group(2);
    let response = world.join_now(&join("").version(3));
    assert_eq!((response.error_code, &*response.member_id), (GROUP_MAX_SIZE_REACHED, ""));
    assert_eq!(world.join_now(&join("")).error_code, GROUP_MAX_SIZE_REACHED, "not even an id");
    assert_eq!(world.state(), ClassicState::Stable);
    let leader = world.join(&join(&members[0].id));
    let follower = world.join(&join(&members[1].id));
    assert_eq!((world.joined(leader).error_code, world.joined(follower).error_code), (NONE, NONE));
}

#[test]
fn a_restarted_static_member_of_a_full_group_finds_no_room_as_in_kafka() {
    let mut world = World::with_max_size(2);
    world.static_group(&["a", "b"]);
    assert_eq!(world.join_now(&join("").instance("a")).error_code, GROUP_MAX_SIZE_REACHED);
}

#[test]
fn during_a_rebalance_those_who_have_joined_count() {
    let mut world = World::with_max_size(2);
    let ids = [world.member_id(), world.member_id(), world.member_id()];
    let first = world.join(&join(&ids[0]));
    let second = world.join(&join(&ids[1]));
    let third = world.join_now(&join(&ids[2]));
    assert_eq!((third.error_code, &*third.member_id), (GROUP_MAX_SIZE_REACHED, ""));
    assert!(!world.is_pending(&ids[2]));
    // Who waits already may ask again.
    let again = world.join(&join(&ids[0]));
    assert_eq!(world.joined(first).error_code, REBALANCE_IN_PROGRESS);
    world.rebalance();
    assert_eq!((world.joined(again).error_code, world.joined(second).error_code), (NONE, NONE));
}

#[test]
fn a_loaded_group_over_capacity_rebalances_and_the_last_to_come_back_are_out() {
    let mut world = World::new();
    let members = world.stable_group(3);
    world.reload_with(GroupSettings { max_size: 2, ..GroupSettings::default() });
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert!(world.written.is_empty());
    for member in &members {
        assert_eq!(world.heartbeat(member), REBALANCE_IN_PROGRESS, "time to commit");
    }
    let first = world.join(&join(&members[0].id));
    let second = world.join(&join(&members[1].id));
    assert_eq!(world.join_now(&join(&members[2].id)).error_code, GROUP_MAX_SIZE_REACHED);
    assert_eq!(world.group().members().len(), 2);
    world.rebalance();
    assert_eq!((world.joined(first).error_code, world.joined(second).error_code), (NONE, NONE));
}

#[test]
fn an_assignment_too_large_for_a_record_is_an_error_of_its_group_alone() {
    let mut world = World::with(GroupSettings { message_max_bytes: 2_000, ..GroupSettings::default() });
    let members = world.joined_group(2);
    let follower = world.sync(&members[1], &[]);
    let leader = world.sync(&members[0], &[(&members[0].id, &[7; 2_000])]);
    assert_eq!((world.synced(follower).error_code, world.synced(leader).error_code), (UNKNOWN_SERVER_ERROR, UNKNOWN_SERVER_ERROR));
    assert!(world.written.is_empty());
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert_eq!(world.heartbeat(&members[1]), REBALANCE_IN_PROGRESS, "they may try again");
    let tickets = [world.join(&join(&members[0].id)), world.join(&join(&members[1].id))];
    let members: Vec<Member> =
        [0, 1].map(|i| Member { id: members[i].id.clone(), generation: world.joined(tickets[i]).generation_id }).into();
    world.sync_all(&members);
}

#[test]
fn a_restarted_static_member_too_large_for_a_record_is_who_it_was() {
    let mut world = World::with(GroupSettings { message_max_bytes: 2_000, ..GroupSettings::default() });
    let members = world.static_group(&["a"]);
    let before: Vec<_> = world.group().members().cloned().collect();
    let response = world.join_now(&join("").instance("a").session(30_000).protocols(&[("range", &[7; 2_000])]));
    assert_eq!((response.error_code, &*response.member_id), (UNKNOWN_SERVER_ERROR, ""));
    assert_eq!((response.leader, response.generation_id), (text(&members[0].id), 1));
    assert!(world.written.is_empty());
    assert_eq!(world.group().members().cloned().collect::<Vec<_>>(), before);
    assert_eq!(world.heartbeat_as(&members[0], Some("a")), NONE);
    world.advance(i64::from(SESSION_MS));
    assert_eq!(world.state(), ClassicState::Empty, "its session runs");
}
