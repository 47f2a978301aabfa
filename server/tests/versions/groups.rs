//! FindCoordinator, and what administrators ask of groups: DescribeGroups, ListGroups, DeleteGroups.

use super::members::{Member, joining};
use super::{Story, Talk, story};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, ListGroupsRequest, OffsetCommitRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[
    story("find coordinator", 0..=6, find),
    story("describe groups", 0..=6, describe),
    story("list groups", 0..=5, list),
    story("delete groups", 0..=2, delete),
];

pub(super) fn word(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A group of this story alone. Asks until its coordinator is known, for a new Apache Kafka has none yet.
pub(super) fn group(talk: &mut Talk, name: &str) -> GroupId {
    let group = GroupId(talk.name(name).0);
    let request = FindCoordinatorRequest::default().with_key(group.0.clone());
    for _ in 0..5_000 {
        if talk.quietly(3, &request).error_code == 0 {
            return loaded(talk, group);
        }
    }
    panic!("{group:?} has no coordinator");
}

/// Asks until the group's part of the log is loaded.
fn loaded(talk: &mut Talk, group: GroupId) -> GroupId {
    let request = DescribeGroupsRequest::default().with_groups(vec![group.clone()]);
    for _ in 0..5_000 {
        if !matches!(talk.quietly(0, &request).groups[0].error_code, 14..=16) {
            return group;
        }
    }
    panic!("{group:?} does not load");
}

/// The group commits an offset without members: an empty group.
pub(super) fn committed(talk: &mut Talk, group: &GroupId, topic: &TopicName, offset: i64) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(word("quiet")));
    let topic = OffsetCommitRequestTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
    let request =
        OffsetCommitRequest::default().with_group_id(group.clone()).with_generation_id_or_member_epoch(-1).with_topics(vec![topic]);
    let answer = talk.quietly(8, &request);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{group:?}");
}

fn find(talk: &mut Talk) {
    let one = group(talk, "one").0;
    let two = group(talk, "two").0;
    let version = talk.version;
    let looking = |keys: &[&StrBytes], key_type: i8| {
        let request = FindCoordinatorRequest::default().with_key_type(key_type);
        if version < 4 {
            request.with_key(keys.first().map(|key| (*key).clone()).unwrap_or_default())
        } else {
            request.with_coordinator_keys(keys.iter().map(|key| (*key).clone()).collect())
        }
    };
    talk.ask("a group", &looking(&[&one], 0));
    talk.ask("an empty name", &looking(&[&word("")], 0));
    if version >= 1 {
        for key_type in [3, -1, i8::MAX] {
            talk.ask(&format!("key type {key_type}"), &looking(&[&one], key_type));
        }
        for key in ["", "g", "g:AAAAAAAAAAAAAAAAAAAAAQ", "g:AAAAAAAAAAAAAAAAAAAAAQ:x", "g:x:0", ":AAAAAAAAAAAAAAAAAAAAAQ:0"] {
            talk.ask(&format!("share key {key:?}"), &looking(&[&word(key)], 2));
        }
    }
    if version >= 4 {
        talk.ask("two groups", &looking(&[&one, &two], 0));
        talk.ask("a group twice", &looking(&[&one, &one], 0));
        talk.ask("no groups", &looking(&[], 0));
        talk.ask("two groups of key type 9", &looking(&[&one, &two], 9));
    }
}

fn describe(talk: &mut Talk) {
    let topic = talk.name("topic");
    talk.topic("topic", 1, &[]);
    let nobody = group(talk, "nobody");
    let empty = group(talk, "empty");
    committed(talk, &empty, &topic, 3);
    let stable = group(talk, "stable");
    Member::stable(talk, &stable);
    let open = group(talk, "open");
    let leader = talk.quietly(3, &joining(&open, ""));
    assert_eq!(leader.error_code, 0);
    let about = |groups: &[&GroupId]| DescribeGroupsRequest::default().with_groups(groups.iter().map(|group| (*group).clone()).collect());
    talk.ask("an unknown group", &about(&[&nobody]));
    talk.ask("only offsets", &about(&[&empty]));
    talk.ask("a stable group", &about(&[&stable]));
    talk.ask("a group that waits for its leader", &about(&[&open]));
    talk.ask("all of them", &about(&[&nobody, &empty, &stable, &open]));
    talk.ask("a group twice", &about(&[&empty, &empty]));
    committed(talk, &GroupId(word("")), &topic, 3);
    talk.ask("an empty id", &about(&[&GroupId(word(""))]));
    talk.ask("nothing", &about(&[]));
    if talk.version >= 3 {
        talk.ask("operations", &about(&[&stable, &empty]).with_include_authorized_operations(true));
        talk.ask("operations of an unknown group", &about(&[&nobody]).with_include_authorized_operations(true));
    }
}

fn list(talk: &mut Talk) {
    let topic = talk.name("topic");
    talk.topic("topic", 1, &[]);
    let empty = group(talk, "empty");
    committed(talk, &empty, &topic, 3);
    let stable = group(talk, "stable");
    Member::stable(talk, &stable);
    talk.ask("all", &ListGroupsRequest::default());
    let words = |words: &[&str]| words.iter().map(|text| word(text)).collect::<Vec<_>>();
    if talk.version >= 4 {
        for states in [&["Stable"][..], &["Empty"], &["stable", "EMPTY"], &["Dead"], &["Nonsense"], &["PreparingRebalance"], &[""]] {
            talk.ask(&format!("states {states:?}"), &ListGroupsRequest::default().with_states_filter(words(states)));
        }
    }
    if talk.version >= 5 {
        for types in [&["classic"][..], &["Classic"], &["consumer"], &["classic", "consumer"], &["share"], &["Nonsense"], &[""]] {
            talk.ask(&format!("types {types:?}"), &ListGroupsRequest::default().with_types_filter(words(types)));
        }
        let both = ListGroupsRequest::default().with_types_filter(words(&["classic"])).with_states_filter(words(&["Empty"]));
        talk.ask("type and state", &both);
    }
}

fn delete(talk: &mut Talk) {
    let topic = talk.name("topic");
    talk.topic("topic", 1, &[]);
    let nobody = group(talk, "nobody");
    let empty = group(talk, "empty");
    committed(talk, &empty, &topic, 3);
    let stable = group(talk, "stable");
    Member::stable(talk, &stable);
    let of = |groups: &[&GroupId]| DeleteGroupsRequest::default().with_groups_names(groups.iter().map(|group| (*group).clone()).collect());
    talk.ask("an unknown group", &of(&[&nobody]));
    talk.ask("a group with members", &of(&[&stable]));
    committed(talk, &GroupId(word("")), &topic, 3);
    talk.ask("an empty id", &of(&[&GroupId(word(""))]));
    talk.ask("an empty id that is gone", &of(&[&GroupId(word(""))]));
    talk.ask("nothing", &of(&[]));
    talk.ask("a group twice, and others", &of(&[&empty, &stable, &empty, &nobody]));
    talk.ask("gone", &of(&[&empty]));
}
