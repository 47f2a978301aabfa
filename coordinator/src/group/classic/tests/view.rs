//! What offsets and admin ask.

use super::super::{ClassicGroup, ClassicState, offsets_committed};
use super::harness::*;
use crate::timers::Millis;
use kafka_protocol::ResponseError;

/// A ConsumerProtocolSubscription: version, topics, user data, and whatever a newer version adds.
fn subscription(version: i16, topics: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes.extend(rest);
    bytes
}

fn consumers(kind: &str, metadata: &[&[u8]]) -> World {
    let mut world = World::new();
    for bytes in metadata {
        world.join(&join("").version(3).kind(kind).protocols(&[("range", bytes)]));
    }
    world.rebalance();
    world
}

#[test]
fn a_group_of_consumers_is_subscribed_to_what_its_members_name() {
    let world = consumers("consumer", &[&subscription(0, &["a", "b"], b""), &subscription(3, &["c"], b"newer fields")]);
    let subscribed = |topic| world.group().is_subscribed_to(topic);
    assert!(subscribed("a") && subscribed("b") && subscribed("c") && !subscribed("d"));
}

#[test]
fn unreadable_metadata_counts_as_all_topics_and_other_protocol_types_as_none() {
    let good = subscription(0, &["a"], b"");
    let mut user_data_missing = good.clone();
    user_data_missing.truncate(good.len() - 4);
    user_data_missing.extend(9_i32.to_be_bytes());
    let huge = [0, 0, 0x7f, 0xff, 0xff, 0xff];
    for bad in [&b""[..], b"\0", &good[..good.len() - 1], &good[..7], &huge, &user_data_missing, &[0, 0, 0xff, 0xff, 0xff, 0xff]] {
        let world = consumers("consumer", &[&good, bad]);
        assert!(world.group().is_subscribed_to("any"), "{bad:?}");
    }
    assert!(!consumers("connect", &[&good]).group().is_subscribed_to("a"));
    assert!(!ClassicGroup::empty(Millis(0)).is_subscribed_to("a"));
}

#[test]
fn an_empty_group_of_consumers_is_subscribed_to_nothing() {
    let mut world = World::new();
    let members = world.stable_group(1);
    assert!(world.group().is_subscribed_to("a"), "its metadata cannot be read");
    world.leave(&[(&members[0].id, None)]);
    assert!(!world.group().is_subscribed_to("a"));
}

#[test]
fn commits_of_members_climb_the_ladder() {
    let mut world = World::new();
    let members = world.joined_group(2);
    let (id, generation) = (&*members[0].id, members[0].generation);
    let asks =
        |world: &World, id: &str, instance: Option<&str>, generation| world.group().validate_offset_commit(id, instance, generation, false);
    assert_eq!(asks(&world, "ghost", None, generation), Err(ResponseError::UnknownMemberId));
    assert_eq!(asks(&world, id, Some("ghost"), generation), Err(ResponseError::UnknownMemberId));
    assert_eq!(asks(&world, id, None, generation + 1), Err(ResponseError::IllegalGeneration));
    assert_eq!(asks(&world, id, None, generation), Err(ResponseError::RebalanceInProgress), "CompletingRebalance");
    assert_eq!(world.group().validate_offset_commit(id, None, generation, true), Ok(()), "not in a transaction");
    world.sync_all(&members);
    assert_eq!(asks(&world, id, None, generation), Ok(()));
    world.join(&join(id));
    assert_eq!(asks(&world, &members[1].id, None, generation), Ok(()), "PreparingRebalance takes them");
}

#[test]
fn commits_without_a_generation_are_for_empty_groups() {
    let mut world = World::new();
    let members = world.stable_group(1);
    let admin = |world: &World, transactional| world.group().validate_offset_commit("", None, -1, transactional);
    assert_eq!(admin(&world, false), Err(ResponseError::UnknownMemberId));
    assert_eq!(admin(&world, true), Ok(()), "old transactional producers name no member");
    assert_eq!(world.group().validate_offset_commit(&members[0].id, None, -1, false), Err(ResponseError::IllegalGeneration));
    world.leave(&[(&members[0].id, None)]);
    assert_eq!(admin(&world, false), Ok(()));
    assert_eq!(world.group().validate_offset_commit("ghost", None, 1, false), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_commit_keeps_a_member_alive_except_before_the_assignment() {
    let mut world = World::new();
    let members = world.joined_group(1);
    let commit = |world: &mut World| offsets_committed(&mut world.shard.soft, world.now, GROUP, &members[0].id);
    world.advance(9_000);
    commit(&mut world);
    world.advance(999);
    world.sync_all(&members);
    for _ in 0..5 {
        world.advance(9_000);
        commit(&mut world);
    }
    assert_eq!(world.state(), ClassicState::Stable);
    world.advance(i64::from(SESSION_MS));
    assert_eq!(world.state(), ClassicState::Empty);
    let mut world = World::new();
    let members = world.joined_group(1);
    world.advance(9_000);
    offsets_committed(&mut world.shard.soft, world.now, GROUP, &members[0].id);
    world.advance(1_000);
    assert_eq!(world.state(), ClassicState::Empty, "CompletingRebalance does not count it");
}

#[test]
fn retention_begins_when_the_group_is_empty_or_by_commit() {
    let commit = Millis(5);
    assert_eq!(ClassicGroup::empty(Millis(0)).retention_begins(commit), Some(commit), "a simple group");
    let mut world = consumers("consumer", &[&subscription(0, &["a"], b"")]);
    assert_eq!(world.group().retention_begins(commit), None, "CompletingRebalance");
    let member = Member { id: world.member_ids()[0].to_owned(), generation: 1 };
    world.sync_all(std::slice::from_ref(&member));
    assert_eq!(world.group().retention_begins(commit), Some(commit), "stable: topics that nobody reads go by commit");
    world.leave(&[(&member.id, None)]);
    assert_eq!(world.group().retention_begins(commit), Some(world.now));
    let mut world = World::new();
    world.stable_group(1);
    assert_eq!(world.group().retention_begins(commit), None, "stable, but nobody knows what is read");
}

#[test]
fn what_may_be_deleted_when() {
    let mut world = World::new();
    let members = world.stable_group(1);
    assert_eq!(world.group().validate_delete(), Err(ResponseError::NonEmptyGroup));
    assert_eq!(world.group().validate_offset_delete(), Ok(()), "topic by topic");
    world.leave(&[(&members[0].id, None)]);
    assert_eq!(world.group().validate_delete(), Ok(()));
    assert_eq!(world.group().validate_offset_delete(), Ok(()));
    let connect = consumers("connect", &[b""]);
    assert_eq!(connect.group().validate_offset_delete(), Err(ResponseError::NonEmptyGroup));
}
