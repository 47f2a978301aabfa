//! Groups whose members speak both protocols, and groups that change from one to the other.

use super::consumers::{beating, group_that_knows, joining as consumer_joining};
use super::groups::{committed, group, word};
use super::members::{Member, joining as classic_joining, subscription, syncing};
use super::{Story, Talk, story};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
    TopicName,
};

pub(super) const STORIES: &[Story] = &[
    story("migration upgrade", 0..=1, upgrade),
    story("migration of an empty group", 0..=1, of_empty),
    story("migration refused", 0..=1, refused),
    story("migration of a classic member", 3..=9, classic_member),
];

fn subscribing(group: &GroupId, member: &str, topic: &TopicName) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(word("range")).with_metadata(subscription(&[topic]));
    classic_joining(group, member).with_protocols(vec![protocol])
}

/// What a leader tells a consumer: partitions of one topic.
fn assignment(topic: &TopicName, partitions: &[i32]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(topic.len() as i16);
    bytes.put_slice(topic.as_bytes());
    bytes.put_i32(partitions.len() as i32);
    partitions.iter().for_each(|partition| bytes.put_i32(*partition));
    bytes.put_i32(-1);
    bytes.freeze()
}

fn beat(group: &GroupId, member: &str, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest::default().with_group_id(group.clone()).with_member_id(word(member)).with_generation_id(generation)
}

fn following(group: &GroupId, member: &str, generation: i32) -> SyncGroupRequest {
    syncing(group, member, generation)
        .with_assignments(Vec::new())
        .with_protocol_type(Some(word("consumer")))
        .with_protocol_name(Some(word("range")))
}

fn leaving(group: &GroupId, member: &str) -> LeaveGroupRequest {
    let member = MemberIdentity::default().with_member_id(word(member));
    LeaveGroupRequest::default().with_group_id(group.clone()).with_members(vec![member])
}

/// A classic group of one consumer that owns the whole topic.
fn classic(talk: &mut Talk, group: &GroupId, topic: &TopicName) -> Member {
    let member = Member::joined(talk, group, &subscribing(group, "", topic));
    let row = SyncGroupRequestAssignment::default().with_member_id(word(&member.id)).with_assignment(assignment(topic, &[0, 1]));
    let synced = talk.quietly(3, &syncing(group, &member.id, member.generation).with_assignments(vec![row]));
    assert_eq!(synced.error_code, 0);
    member
}

fn about(group: &GroupId) -> (DescribeGroupsRequest, ConsumerGroupDescribeRequest) {
    let groups = vec![group.clone()];
    (DescribeGroupsRequest::default().with_groups(groups.clone()), ConsumerGroupDescribeRequest::default().with_group_ids(groups))
}

fn upgrade(talk: &mut Talk) {
    let one = talk.name("one");
    let id = talk.topic("one", 2, &[]);
    let group = group_that_knows(talk, "group", &one);
    let (as_classic, as_consumer) = about(&group);
    let old = classic(talk, &group, &one);
    let new = talk.ask("a consumer joins a classic group", &consumer_joining(&group, "m", &[&one]));
    talk.ask_at(1, "the group after it", &as_consumer);
    talk.ask_at(6, "the group after it, as a classic one", &as_classic);
    talk.ask_at(4, "the classic member beats", &beat(&group, &old.id, old.generation));
    talk.ask_at(5, "the classic member has not joined again", &following(&group, &old.id, old.generation));
    let joined = talk.ask_at(9, "the classic member joins again", &subscribing(&group, &old.id, &one));
    talk.ask_at(5, "the classic member follows", &following(&group, &old.id, joined.generation_id));
    talk.ask_at(4, "the classic member beats again", &beat(&group, &old.id, joined.generation_id));
    let given = talk.ask("the consumer is given what is free", &beating(&group, "m", new.member_epoch));
    let owned = given.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
    let owned = owned.map(|row| TopicPartitions::default().with_topic_id(id).with_partitions(row.partitions.clone())).collect();
    talk.ask("the consumer owns it", &beating(&group, "m", given.member_epoch).with_topic_partitions(Some(owned)));
    talk.ask_at(1, "both at rest", &as_consumer);
    talk.ask_at(4, "another generation", &beat(&group, &old.id, joined.generation_id + 7));
    talk.ask_at(5, "another protocol", &following(&group, &old.id, joined.generation_id).with_protocol_name(Some(word("sticky"))));
    // The last consumer leaves: the group is classic again.
    talk.ask("the consumer leaves", &beating(&group, "m", -1));
    talk.ask_at(4, "the classic member beats once more", &beat(&group, &old.id, joined.generation_id));
    talk.ask_at(1, "no consumer group any more", &as_consumer);
    let again = talk.ask_at(9, "the classic member joins once more", &subscribing(&group, &old.id, &one));
    talk.ask_at(6, "a classic group", &as_classic);
    talk.ask_at(5, "the classic member leaves", &leaving(&group, &again.member_id));
    talk.ask_at(6, "an empty group", &as_classic);
}

fn of_empty(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 2, &[]);
    let offsets = group_that_knows(talk, "offsets", &one);
    committed(talk, &offsets, &one, 5);
    talk.ask("a consumer joins where only offsets are", &consumer_joining(&offsets, "m", &[&one]));
    talk.ask_at(1, "the group after it", &about(&offsets).1);
    let left = group_that_knows(talk, "left", &one);
    let member = classic(talk, &left, &one);
    talk.quietly(5, &leaving(&left, &member.id));
    talk.ask("a consumer joins where a classic member was", &consumer_joining(&left, "m", &[&one]));
    talk.ask("and leaves", &beating(&left, "m", -1));
    let member = Member::joined(talk, &left, &subscribing(&left, "", &one));
    assert_eq!(member.generation, 1);
    talk.ask_at(6, "a classic member in its place", &about(&left).0);
}

fn refused(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 2, &[]);
    let workers = group(talk, "workers");
    Member::joined(talk, &workers, &classic_joining(&workers, "").with_protocol_type(word("connect")));
    talk.ask("a consumer among workers", &consumer_joining(&workers, "m", &[&one]));
    talk.ask_at(6, "workers", &about(&workers).0);
    let consumers = group_that_knows(talk, "consumers", &one);
    talk.quietly(1, &consumer_joining(&consumers, "m", &[&one]));
    talk.ask_at(9, "a worker among consumers", &classic_joining(&consumers, "").with_protocol_type(word("connect")));
    talk.ask_at(9, "no protocols among consumers", &classic_joining(&consumers, "").with_protocols(Vec::new()));
    talk.ask_at(9, "an unknown id among consumers", &subscribing(&consumers, "stranger", &one));
    talk.ask_at(4, "a classic heartbeat of a consumer", &beat(&consumers, "m", 2));
    talk.ask_at(4, "a classic heartbeat of a stranger", &beat(&consumers, "stranger", 2));
    talk.ask_at(5, "a sync of a consumer", &following(&consumers, "m", 2));
    talk.ask_at(5, "a sync of a stranger", &following(&consumers, "stranger", 2));
    talk.ask_at(5, "a stranger leaves", &leaving(&consumers, "stranger"));
    talk.ask_at(5, "an administrator removes a consumer", &leaving(&consumers, "m"));
    talk.ask_at(1, "consumers", &about(&consumers).1);
}

/// Told at versions of JoinGroup.
fn classic_member(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 2, &[]);
    let group = group_that_knows(talk, "group", &one);
    talk.quietly(1, &consumer_joining(&group, "m", &[&one]));
    let mut joined = talk.ask("a classic member joins", &subscribing(&group, "", &one));
    if talk.version >= 4 {
        joined = talk.ask("with the id it was given", &subscribing(&group, &joined.member_id, &one));
    }
    let id = joined.member_id;
    talk.ask_at(5, "follows", &following(&group, &id, joined.generation_id));
    talk.ask_at(4, "beats", &beat(&group, &id, joined.generation_id));
    talk.ask("joins again", &subscribing(&group, &id, &one));
    if talk.version >= 5 {
        let fixed = |member: &str| subscribing(&group, member, &one).with_group_instance_id(Some(word("i")));
        let first = talk.ask("an instance joins", &fixed("")).member_id;
        talk.ask("the instance joins under another id", &fixed(""));
        talk.ask("the old id of the instance", &fixed(&first));
    }
}
