//! Stories through the doors of a shard: handle, encode, decode, replay, handle again.

mod admin;
mod commit;
mod delete;
mod expire;
mod fetch;
mod store;
mod transactions;

use super::super::records::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue,
    ConsumerGroupTargetAssignmentMetadataValue, EpochAssignment, GroupMetadataMember, GroupMetadataValue, OffsetCommitValue,
};
use super::super::*;
use crate::metadata::TopicId;
use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopics;
use kafka_protocol::protocol::StrBytes;

const NOW: Millis = Millis(1_000_000);
const CLIENT: Caller<'static> = Caller { api_version: 9, client_id: "client", client_host: "/127.0.0.1", fresh_id: Uuid::from_u128(1) };
const ORDERS: Uuid = Uuid::from_u128(0x0a);

const GROUP_ID_NOT_FOUND: i16 = 69;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;

fn shard() -> GroupShard {
    GroupShard::new(Arc::default(), Arc::default())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Replays records as a reload would find them: encoded and decoded.
fn replay(shard: &mut GroupShard, records: &[GroupRecord]) {
    for record in records {
        shard.replay(&through_bytes(record));
    }
}

fn through_bytes(record: &GroupRecord) -> GroupRecord {
    let (key, value) = record.encode().expect("what we want to write can be written");
    GroupRecord::decode(&key, value.as_deref()).expect("what we write can be read")
}

/// Replays what a handler wanted appended; its only reply.
fn settle(shard: &mut GroupShard, effects: GroupEffects) -> GroupReply {
    replay(shard, &effects.records);
    let [(Ticket(7), reply)] = effects.replies.as_slice() else { panic!("one reply: {:?}", effects.replies) };
    reply.clone()
}

/// A commit by nobody in particular: (topic, partition, offset).
fn commit(group: &str, offsets: &[(&str, i32, i64)]) -> OffsetCommitRequest {
    let topics = offsets.iter().map(|(topic, partition, offset)| {
        let partition = OffsetCommitRequestPartition::default().with_partition_index(*partition).with_committed_offset(*offset);
        OffsetCommitRequestTopic::default().with_name(text(topic).into()).with_topic_id(ORDERS).with_partitions(vec![partition])
    });
    OffsetCommitRequest::default().with_group_id(text(group).into()).with_generation_id_or_member_epoch(-1).with_topics(topics.collect())
}

fn by(request: OffsetCommitRequest, member_id: &str, generation: i32) -> OffsetCommitRequest {
    request.with_member_id(text(member_id)).with_generation_id_or_member_epoch(generation)
}

fn fetch(group: &str, partitions: &[(&str, i32)]) -> OffsetFetchRequestGroup {
    let topics = partitions.iter().map(|(topic, partition)| {
        OffsetFetchRequestTopics::default().with_name(text(topic).into()).with_partition_indexes(vec![*partition])
    });
    OffsetFetchRequestGroup::default().with_group_id(text(group).into()).with_member_epoch(-1).with_topics(Some(topics.collect()))
}

/// Error codes in the order of the request.
fn commit_errors(shard: &mut GroupShard, caller: &Caller<'_>, request: &OffsetCommitRequest) -> Vec<i16> {
    let effects = shard.offset_commit(NOW, Ticket(7), caller, request);
    let GroupReply::OffsetCommit(response) = settle(shard, effects) else { panic!("an OffsetCommit") };
    response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect()
}

/// (error of the group, (topic, partition, offset, error)).
fn fetched(shard: &mut GroupShard, request: &OffsetFetchRequestGroup, require_stable: bool) -> (i16, Vec<(String, i32, i64, i16)>) {
    let effects = shard.offset_fetch(NOW, Ticket(7), request, require_stable);
    assert!(effects.records.is_empty(), "a fetch writes nothing");
    let GroupReply::OffsetFetch(group) = settle(shard, effects) else { panic!("an OffsetFetch") };
    let offsets = group
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|p| (topic.name.0.to_string(), p.partition_index, p.committed_offset, p.error_code)));
    (group.error_code, offsets.collect())
}

/// The one committed offset, -1 for none.
fn offset_of(shard: &mut GroupShard, group: &str, topic: &str, partition: i32) -> i64 {
    fetched(shard, &fetch(group, &[(topic, partition)]), false).1[0].2
}

/// What a consumer says it subscribes to, in the bytes of the consumer protocol v0.
fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(u32::try_from(topics.len()).expect("few").to_be_bytes());
    for topic in topics {
        bytes.extend(u16::try_from(topic.len()).expect("short").to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes.into()
}

/// A classic group after a rebalance, generation 5, with one member: `member`.
fn stable_group(shard: &mut GroupShard, group: &str, protocol_type: &str, subscription: Bytes) {
    let member = GroupMetadataMember {
        member_id: "member".into(),
        group_instance_id: Some("instance".into()),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        subscription,
        assignment: Bytes::from_static(b"assigned"),
    };
    group_record(shard, group, protocol_type, vec![member]);
}

/// A classic group whose last member left at `NOW`.
fn empty_group(shard: &mut GroupShard, group: &str) {
    group_record(shard, group, "consumer", Vec::new());
}

fn group_record(shard: &mut GroupShard, group: &str, protocol_type: &str, members: Vec<GroupMetadataMember>) {
    let value = GroupMetadataValue {
        protocol_type: protocol_type.into(),
        generation: 5,
        protocol: (!members.is_empty()).then(|| "range".into()),
        leader: members.first().map(|member| member.member_id.clone()),
        current_state_timestamp_ms: NOW.0,
        members,
    };
    replay(shard, &[GroupRecord::GroupMetadata { group: group.into(), value: Some(value) }]);
    shard.on_loaded(NOW);
}

/// A consumer group at epoch 5 with one member, `member`, that has had partition 0 of `orders` since epoch 3.
fn consumer_group(shard: &mut GroupShard, group: &str) {
    let assigned = EpochAssignment([(TopicId(ORDERS), [(0, Some(3))].into())].into());
    let metadata = ConsumerGroupMemberMetadataValue {
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: ["orders".into()].into(),
        rebalance_timeout_ms: 60_000,
        ..ConsumerGroupMemberMetadataValue::default()
    };
    let current = ConsumerGroupCurrentMemberAssignmentValue { member_epoch: 5, previous_member_epoch: 4, assigned, ..Default::default() };
    let (group, member): (GroupId, MemberId) = (group.into(), "member".into());
    empty_consumer_group(shard, group.as_str());
    replay(
        shard,
        &[
            GroupRecord::ConsumerGroupMemberMetadata { group: group.clone(), member: member.clone(), value: Some(metadata) },
            GroupRecord::ConsumerGroupCurrentMemberAssignment { group, member, value: Some(current) },
        ],
    );
}

fn empty_consumer_group(shard: &mut GroupShard, group: &str) {
    let epoch = ConsumerGroupMetadataValue { epoch: 5, metadata_hash: 0 };
    let target = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: 5, assignment_timestamp_ms: 0 };
    replay(
        shard,
        &[
            GroupRecord::ConsumerGroupMetadata { group: group.into(), value: Some(epoch) },
            GroupRecord::ConsumerGroupTargetAssignmentMetadata { group: group.into(), value: Some(target) },
        ],
    );
}

/// The group's state in ListGroups.
fn state_of(shard: &mut GroupShard, group: &str) -> Option<String> {
    let effects = shard.list_groups(Ticket(7), &ListGroupsRequest::default());
    let GroupReply::ListGroups(groups) = settle(shard, effects) else { panic!("a ListGroups") };
    groups.iter().find(|listed| &*listed.group_id.0 == group).map(|listed| listed.group_state.to_string())
}
