//! Groups that come from the log, and groups that are taken out.

use super::super::{ClassicState, install, uninstall};
use super::harness::*;
use crate::group::records::{GroupMetadataMember, GroupMetadataValue, OffsetCommitValue};
use crate::group::{GroupId, GroupRecord, GroupReply};
use crate::metadata::TopicId;
use crate::shard::Shard;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use std::sync::Arc;

#[test]
fn a_stable_group_survives_the_broker() {
    let mut world = World::new();
    let members = world.stable_group(2);
    let before: Vec<_> = world.group().members().cloned().collect();
    world.advance(9_000);
    world.reload();
    assert_eq!(world.state(), ClassicState::Stable);
    assert_eq!(world.group().members().cloned().collect::<Vec<_>>(), before);
    world.advance(9_000);
    assert_eq!(world.heartbeat(&members[0]), NONE, "sessions begin anew");
    let again = world.sync(&members[1], &[]);
    assert_eq!(world.synced(again).assignment, members[1].id.as_bytes());
    let follower = world.join_now(&join(&members[1].id));
    assert_eq!((follower.error_code, follower.leader), (NONE, text(&members[0].id)));
    world.advance(i64::from(SESSION_MS));
    assert_eq!(world.state(), ClassicState::Empty, "and end");
}

#[test]
fn a_rebalance_that_was_not_finished_is_forgotten() {
    let mut world = World::new();
    let members = world.stable_group(2);
    world.join(&join(&members[0].id));
    world.reload();
    assert_eq!(world.state(), ClassicState::Stable);
    assert_eq!(world.heartbeat(&members[1]), NONE);
    let rejoin = world.join(&join(&members[0].id));
    assert!(world.is_parked(rejoin));
}

#[test]
fn an_empty_group_and_its_age_survive() {
    let mut world = World::new();
    let members = world.stable_group(1);
    world.leave(&[(&members[0].id, None)]);
    let since = world.group().state_since;
    world.advance(1_000);
    world.reload();
    assert_eq!((world.state(), world.group().state_since), (ClassicState::Empty, since));
    assert_eq!(world.group().generation(), members[0].generation + 1);
    let ticket = world.join(&join("").version(3));
    world.advance(DELAY_MS);
    assert_eq!(world.joined(ticket).generation_id, members[0].generation + 2);
}

#[test]
fn a_pending_id_does_not_survive() {
    let mut world = World::new();
    let id = world.member_id();
    world.reload();
    assert_eq!(world.state(), ClassicState::Empty);
    assert_eq!(world.join_now(&join(&id)).error_code, UNKNOWN_MEMBER_ID);
}

#[test]
fn a_group_that_only_has_offsets_is_there_already_when_its_first_member_comes() {
    let mut world = World::new();
    let value = OffsetCommitValue {
        offset: 5,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms: 1,
        expire_timestamp_ms: -1,
        topic_id: TopicId::default(),
    };
    world.shard.replay(&GroupRecord::OffsetCommit { group: GROUP.into(), topic: "t".into(), partition: 0, value: Some(value) });
    world.shard.on_loaded(world.now);
    assert_eq!(world.join_now(&join("ghost")).error_code, UNKNOWN_MEMBER_ID);
    let response = world.join_now(&join(""));
    assert_eq!(response.error_code, MEMBER_ID_REQUIRED);
    assert!(world.written.is_empty(), "only a new group is written before its first rebalance");
    let ticket = world.join(&join(&response.member_id));
    world.rebalance();
    assert_eq!(world.joined(ticket).generation_id, 1);
}

fn member(id: &str, instance_id: Option<&str>) -> GroupMetadataMember {
    GroupMetadataMember {
        member_id: id.into(),
        group_instance_id: instance_id.map(Arc::from),
        client_id: "app".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: -1,
        session_timeout_ms: SESSION_MS,
        subscription: Bytes::from_static(b"metadata"),
        assignment: Bytes::from_static(b"share"),
    }
}

fn loaded(value: GroupMetadataValue) -> World {
    let mut world = World::new();
    world.shard.replay(&GroupRecord::GroupMetadata { group: GROUP.into(), value: Some(value) });
    world.shard.on_loaded(world.now);
    world
}

fn value(members: Vec<GroupMetadataMember>) -> GroupMetadataValue {
    GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 7,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        current_state_timestamp_ms: -1,
        members,
    }
}

#[test]
fn records_of_old_brokers_without_rebalance_timeout_or_time_are_understood() {
    let mut world = loaded(value(vec![member("m", None)]));
    let group = world.group();
    assert_eq!(group.member("m").map(|m| m.rebalance_timeout_ms), Some(SESSION_MS));
    assert_eq!(group.state_since, None);
    assert_eq!(world.heartbeat(&Member { id: "m".into(), generation: 7 }), NONE);
}

#[test]
fn records_that_nobody_should_have_written_do_no_harm() {
    let odd = [
        GroupMetadataValue { leader: Some("ghost".into()), ..value(vec![member("m", None)]) },
        GroupMetadataValue { leader: None, ..value(vec![member("m", None)]) },
        GroupMetadataValue { protocol: None, ..value(vec![member("m", None)]) },
        GroupMetadataValue { protocol_type: "".into(), ..value(vec![member("m", None)]) },
        value(vec![member("m", Some("a")), member("n", Some("a")), member("m", None)]),
        GroupMetadataValue { generation: i32::MAX, ..value(vec![member("m", None)]) },
        value(vec![GroupMetadataMember { session_timeout_ms: i32::MIN, ..member("m", None) }]),
    ];
    for value in odd {
        let mut world = loaded(value.clone());
        world.heartbeat(&Member { id: "m".into(), generation: value.generation });
        world.join(&join("m").protocols(&[("range", b"new")]));
        world.join(&join("").version(3));
        world.join(&join("").instance("a"));
        world.advance(590_000);
        assert!(matches!(world.state(), ClassicState::Empty | ClassicState::PreparingRebalance), "{value:?}: {:?}", world.state());
    }
}

#[test]
fn a_deleted_group_leaves_nothing_behind() {
    let mut world = World::new();
    let expiry = world.shard.next_deadline();
    world.stable_group(1);
    world.advance(i64::from(SESSION_MS));
    world.member_id();
    let effects = uninstall(&mut world.shard.soft, world.now, GROUP, ResponseError::UnknownMemberId);
    assert!(effects.replies.is_empty() && effects.records.is_empty());
    assert!(!world.shard.soft.classic.contains_key(GROUP));
    assert_eq!(world.shard.next_deadline(), expiry);
    assert_eq!(world.leave(&[("a", None)]), [UNKNOWN_MEMBER_ID]);
}

#[test]
fn who_waits_in_a_group_that_is_upgraded_shall_join_again() {
    let mut world = World::new();
    let members = world.joined_group(2);
    let sync = world.sync(&members[1], &[]);
    let effects = uninstall(&mut world.shard.soft, world.now, GROUP, ResponseError::RebalanceInProgress);
    assert_eq!(effects.replies.len(), 1);
    let (ticket, GroupReply::SyncGroup(response)) = &effects.replies[0] else { panic!("{effects:?}") };
    assert_eq!((*ticket, response.error_code), (sync, REBALANCE_IN_PROGRESS));
    assert_eq!(world.shard.next_deadline(), None);

    let mut world = World::new();
    let members = world.stable_group(2);
    let join = world.join(&join(&members[0].id));
    let effects = uninstall(&mut world.shard.soft, world.now, GROUP, ResponseError::RebalanceInProgress);
    let [(ticket, GroupReply::JoinGroup(response))] = &effects.replies[..] else { panic!("{effects:?}") };
    assert_eq!((*ticket, response.error_code, &response.member_id), (join, REBALANCE_IN_PROGRESS, &text(&members[0].id)));
    assert_eq!(world.shard.next_deadline(), None);
}

#[test]
fn a_downgraded_group_lives_on_with_its_members_and_may_rebalance_at_once() {
    for rebalance in [false, true] {
        let mut world = World::new();
        let members = world.stable_group(2);
        let group = super::super::ClassicGroup::with_members(
            Some(world.now),
            7,
            Some("consumer".into()),
            None,
            None,
            world.group().members().cloned().collect::<Vec<_>>(),
        );
        uninstall(&mut world.shard.soft, world.now, GROUP, ResponseError::RebalanceInProgress);
        let effects = install(&mut world.shard.soft, world.now, &GroupId::from(GROUP), group, rebalance);
        assert!(effects.records.is_empty(), "the caller writes");
        assert_eq!(world.group().protocol().map(|name| &**name), Some("range"), "voted");
        assert_eq!(world.state(), if rebalance { ClassicState::PreparingRebalance } else { ClassicState::Stable });
        let expected = if rebalance { REBALANCE_IN_PROGRESS } else { NONE };
        assert_eq!(world.heartbeat(&Member { id: members[0].id.clone(), generation: 7 }), expected);
        world.advance(i64::from(SESSION_MS));
        assert!(matches!(world.state(), ClassicState::Empty), "their sessions run");
    }
}
