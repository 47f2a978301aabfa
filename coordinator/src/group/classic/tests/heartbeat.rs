//! Heartbeat, and what happens without.

use super::super::ClassicState;
use super::harness::*;

#[test]
fn the_ladder_of_errors() {
    let mut world = World::new();
    let ghost = Member { id: "ghost".into(), generation: 1 };
    assert_eq!(world.heartbeat(&ghost), UNKNOWN_MEMBER_ID, "no such group");
    let pending = Member { id: world.member_id(), generation: 0 };
    assert_eq!(world.heartbeat(&pending), UNKNOWN_MEMBER_ID, "an id is not a member yet");
    let members = world.joined_group(2);
    assert_eq!(world.heartbeat(&ghost), UNKNOWN_MEMBER_ID);
    assert_eq!(world.heartbeat(&Member { generation: 7, ..members[0].clone() }), ILLEGAL_GENERATION);
    assert_eq!(world.heartbeat_as(&members[0], Some("ghost")), UNKNOWN_MEMBER_ID);
    assert_eq!(world.heartbeat(&members[0]), NONE, "before the assignment");
    world.sync_all(&members);
    assert_eq!(world.heartbeat(&members[0]), NONE);
    world.join(&join(&members[0].id));
    assert_eq!(world.heartbeat(&members[1]), REBALANCE_IN_PROGRESS);
    assert_eq!(world.heartbeat(&Member { generation: 7, ..members[1].clone() }), ILLEGAL_GENERATION);
}

#[test]
fn a_member_lives_on_heartbeats_and_dies_without() {
    let mut world = World::new();
    let members = world.stable_group(2);
    for _ in 0..3 {
        world.advance(i64::from(SESSION_MS) - 1);
        assert_eq!(world.heartbeat(&members[0]), if world.group().members().len() == 2 { NONE } else { REBALANCE_IN_PROGRESS });
    }
    assert_eq!(world.state(), ClassicState::PreparingRebalance);
    assert_eq!(world.heartbeat(&members[1]), UNKNOWN_MEMBER_ID);
    assert_eq!(world.member_ids(), [&*members[0].id]);
}

#[test]
fn a_wrong_generation_is_no_sign_of_life() {
    let mut world = World::new();
    let members = world.stable_group(1);
    world.advance(9_000);
    world.heartbeat(&Member { generation: 9, ..members[0].clone() });
    world.advance(1_000);
    assert_eq!(world.state(), ClassicState::Empty);
}

#[test]
fn a_heartbeat_that_is_told_to_rejoin_counts() {
    let mut world = World::new();
    let members = world.stable_group(2);
    world.join(&join(&members[0].id));
    for _ in 0..5 {
        world.advance(9_999);
        assert_eq!(world.heartbeat(&members[1]), REBALANCE_IN_PROGRESS);
    }
}

#[test]
fn other_groups_do_not_notice() {
    let mut world = World::new();
    let members = world.stable_group(1);
    let other = world.join(&join("").version(3).group("other"));
    world.advance(DELAY_MS);
    assert_eq!(world.joined(other).generation_id, 1);
    assert_eq!(world.heartbeat(&members[0]), NONE);
}
