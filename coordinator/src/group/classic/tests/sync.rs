//! SyncGroup: who waits, who is answered, what is written.

use super::super::ClassicState;
use super::harness::*;

#[test]
fn followers_wait_for_the_leader_and_get_their_bytes_untouched() {
    let mut world = World::new();
    let members = world.joined_group(3);
    let early = world.sync(&members[1], &[]);
    assert!(world.is_parked(early));
    let wild: &[u8] = &[0xff, 0, 1, 0x80];
    let leader = world.sync(&members[0], &[(&members[0].id, b"mine"), (&members[1].id, wild), (&members[2].id, b"")]);
    let (leader, early) = (world.synced(leader), world.synced(early));
    assert_eq!((leader.error_code, &leader.assignment[..]), (NONE, &b"mine"[..]));
    assert_eq!((early.error_code, &early.assignment[..]), (NONE, wild));
    assert_eq!((early.protocol_type.as_deref(), early.protocol_name.as_deref()), (Some("consumer"), Some("range")));
    let late = world.sync(&members[2], &[]);
    assert_eq!((world.synced(late).error_code, world.synced(late).assignment.len()), (NONE, 0));
    assert_eq!(world.state(), ClassicState::Stable);
}

#[test]
fn the_leaders_assignment_is_written_with_all_that_a_reload_needs() {
    let mut world = World::new();
    let members = world.joined_group(2);
    let completing_since = world.group().state_since.map(|at| at.0);
    world.advance(5);
    world.sync(&members[0], &[(&members[1].id, b"all")]);
    let record = world.group_record();
    assert_eq!((&*record.protocol_type, record.protocol.as_deref()), ("consumer", Some("range")));
    assert_eq!(record.generation, members[0].generation);
    assert_eq!(record.leader.as_ref().map(|id| id.as_str()), Some(&*members[0].id));
    assert_eq!(Some(record.current_state_timestamp_ms), completing_since, "written before the group is stable");
    assert_eq!(record.members.len(), 2);
    for member in &record.members {
        assert_eq!((&*member.client_id, &*member.client_host), ("app", "/127.0.0.1"));
        assert_eq!((member.session_timeout_ms, member.rebalance_timeout_ms), (SESSION_MS, REBALANCE_MS));
        assert_eq!(&member.subscription[..], b"metadata");
        let expected: &[u8] = if member.member_id.as_str() == members[1].id { b"all" } else { b"" };
        assert_eq!(&member.assignment[..], expected, "who was left out has nothing");
    }
}

#[test]
fn shares_for_strangers_are_dropped_and_the_last_of_two_counts() {
    let mut world = World::new();
    let members = world.joined_group(1);
    let ticket = world.sync(&members[0], &[("ghost", b"x"), (&members[0].id, b"old"), (&members[0].id, b"new")]);
    assert_eq!(&world.synced(ticket).assignment[..], b"new");
    assert_eq!(world.group_record().members.len(), 1);
}

#[test]
fn a_stable_group_answers_at_once_and_writes_nothing() {
    let mut world = World::new();
    let members = world.stable_group(2);
    let again = world.sync(&members[1], &[]);
    assert_eq!(world.synced(again).assignment, members[1].id.as_bytes());
    // Also the leader, whose second assignment comes too late.
    let late = world.sync(&members[0], &[(&members[0].id, b"other")]);
    assert_eq!(world.synced(late).assignment, members[0].id.as_bytes());
    assert!(world.written.is_empty());
}

#[test]
fn the_ladder_of_errors() {
    let mut world = World::new();
    let ghost = Member { id: "ghost".into(), generation: 1 };
    let ticket = world.sync(&ghost, &[]);
    assert_eq!(world.synced(ticket).error_code, UNKNOWN_MEMBER_ID, "no such group");
    world.member_id();
    let ticket = world.sync(&ghost, &[]);
    assert_eq!(world.synced(ticket).error_code, UNKNOWN_MEMBER_ID, "an empty group");
    let members = world.joined_group(2);
    let asks = |world: &mut World, change: &dyn Fn(kafka_protocol::messages::SyncGroupRequest) -> _| {
        let ticket = world.sync_as(&change(World::sync_request(&members[1], &[])));
        world.synced(ticket).error_code
    };
    assert_eq!(asks(&mut world, &|r| r.with_member_id(text("ghost"))), UNKNOWN_MEMBER_ID);
    assert_eq!(asks(&mut world, &|r| r.with_group_instance_id(Some(text("ghost")))), UNKNOWN_MEMBER_ID);
    assert_eq!(asks(&mut world, &|r| r.with_generation_id(7)), ILLEGAL_GENERATION);
    assert_eq!(asks(&mut world, &|r| r.with_protocol_type(Some(text("connect")))), INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(asks(&mut world, &|r| r.with_protocol_name(Some(text("sticky")))), INCONSISTENT_GROUP_PROTOCOL);
    world.join(&join(&members[0].id).protocols(&[("range", b"new")]));
    assert_eq!(asks(&mut world, &|r| r), REBALANCE_IN_PROGRESS);
    assert_eq!(asks(&mut world, &|r| r.with_generation_id(7)), ILLEGAL_GENERATION, "before the state");
}

#[test]
fn old_clients_that_name_no_protocol_may_sync() {
    let mut world = World::new();
    let members = world.joined_group(1);
    let request = World::sync_request(&members[0], &[(&members[0].id, b"a")]).with_protocol_name(None).with_protocol_type(None);
    let ticket = world.sync_as(&request);
    assert_eq!(world.synced(ticket).error_code, NONE);
}

#[test]
fn who_waits_for_the_leader_is_told_when_the_rebalance_begins_again() {
    let mut world = World::new();
    let members = world.joined_group(3);
    let waiting = world.sync(&members[1], &[]);
    world.join(&join(&members[2].id).protocols(&[("range", b"new")]));
    let response = world.synced(waiting);
    assert_eq!((response.error_code, response.assignment.len()), (REBALANCE_IN_PROGRESS, 0));
    assert_eq!((response.protocol_type, response.protocol_name), (None, None));
}

#[test]
fn an_assignment_that_is_overtaken_by_a_rebalance_is_nobodys() {
    let mut world = World::new();
    let members = world.stable_group(2);
    world.join(&join(&members[0].id));
    assert!(world.group().members().all(|member| !member.assignment.is_empty()), "the last one stays until there is a new generation");
    world.join(&join(&members[1].id));
    world.join(&join(&members[1].id).protocols(&[("range", b"new")]));
    assert!(world.group().members().all(|member| member.assignment.is_empty()));
}

#[test]
fn a_second_sync_of_a_waiting_member_takes_the_place_of_the_first() {
    let mut world = World::new();
    let members = world.joined_group(2);
    let first = world.sync(&members[1], &[]);
    let second = world.sync(&members[1], &[]);
    assert_eq!(world.synced(first).error_code, REBALANCE_IN_PROGRESS);
    world.sync(&members[0], &[(&members[1].id, b"all")]);
    assert_eq!(&world.synced(second).assignment[..], b"all");
}

#[test]
fn members_that_never_sync_are_out_after_the_rebalance_timeout() {
    let mut world = World::new();
    let members = world.joined_group(3);
    world.sync(&members[1], &[]);
    let beats = |world: &mut World, until: i64, expected: i16| {
        for _ in 0..until / 5_000 {
            world.advance(5_000);
            assert_eq!(world.heartbeat(&members[0]), expected);
            assert_eq!(world.heartbeat(&members[2]), expected);
        }
    };
    beats(&mut world, i64::from(REBALANCE_MS) - 5_000, NONE);
    world.advance(5_000);
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert_eq!(world.member_ids(), [&*members[1].id], "heartbeats do not help");
    assert_eq!(world.heartbeat(&members[0]), UNKNOWN_MEMBER_ID);
}

#[test]
fn members_of_a_stable_group_that_never_sync_are_out_too() {
    let mut world = World::new();
    let members = world.joined_group(2);
    let leader = world.sync(&members[0], &[(&members[0].id, b"all")]);
    assert_eq!(world.synced(leader).error_code, NONE);
    for _ in 0..12 {
        world.advance(4_999);
        assert_eq!(world.heartbeat(&members[0]), NONE);
        assert_eq!(world.heartbeat(&members[1]), NONE);
    }
    world.advance(12);
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert_eq!(world.heartbeat(&members[0]), REBALANCE_IN_PROGRESS);
    assert_eq!(world.heartbeat(&members[1]), UNKNOWN_MEMBER_ID);
}

#[test]
fn once_all_have_synced_nobody_is_missed() {
    let mut world = World::new();
    let members = world.stable_group(2);
    for _ in 0..30 {
        world.advance(5_000);
        assert_eq!((world.heartbeat(&members[0]), world.heartbeat(&members[1])), (NONE, NONE));
    }
    assert_eq!(world.state(), ClassicState::Stable);
}
