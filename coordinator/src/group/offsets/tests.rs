//! Stories through the doors of a shard: handle, replay, handle again.

use super::super::records::{GroupRecord, OffsetCommitValue};
use super::super::*;
use crate::metadata::TopicId;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopics;
use kafka_protocol::protocol::StrBytes;

const NOW: Millis = Millis(1_000_000);
const CLIENT: Caller<'static> = Caller { api_version: 9, client_id: "client", client_host: "/127.0.0.1", fresh_id: Uuid::from_u128(1) };
const ORDERS: Uuid = Uuid::from_u128(0x0a);

fn shard() -> GroupShard {
    GroupShard::new(Arc::default(), Arc::default())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Replays what a handler wanted appended; its only reply.
fn settle(shard: &mut GroupShard, effects: GroupEffects) -> GroupReply {
    for record in &effects.records {
        shard.replay(record);
    }
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

#[test]
fn a_consumer_that_assigns_partitions_itself_commits_and_fetches() {
    let mut shard = shard();
    assert_eq!(commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 0, 42), ("orders", 1, 7)])), [0, 0]);
    let (error, offsets) = fetched(&mut shard, &fetch("simple", &[("orders", 1), ("orders", 0)]), false);
    assert_eq!((error, offsets), (0, vec![("orders".to_owned(), 1, 7, 0), ("orders".to_owned(), 0, 42, 0)]));
}

#[test]
fn no_commit_is_minus_one_without_an_error_for_an_unknown_group_too() {
    let mut shard = shard();
    let nothing = (0, vec![("orders".to_owned(), 3, -1, 0)]);
    assert_eq!(fetched(&mut shard, &fetch("unknown", &[("orders", 3)]), false), nothing);
    commit_errors(&mut shard, &CLIENT, &commit("known", &[("orders", 0, 42)]));
    assert_eq!(fetched(&mut shard, &fetch("known", &[("orders", 3)]), true), nothing);
    let all = fetch("unknown", &[]).with_topics(None);
    assert_eq!(fetched(&mut shard, &all, false), (0, vec![]));
}

#[test]
fn all_topics_are_answered_in_order_when_none_is_named() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("all", &[("b", 1, 1), ("b", 0, 2), ("a", 5, 3)]));
    let expected = [("a", 5, 3), ("b", 0, 2), ("b", 1, 1)].map(|(topic, partition, offset)| (topic.to_owned(), partition, offset, 0));
    assert_eq!(fetched(&mut shard, &fetch("all", &[]).with_topics(None), false), (0, expected.to_vec()));
    assert_eq!(fetched(&mut shard, &fetch("all", &[]), false), (0, vec![]), "no topics is not all topics");
}

#[test]
fn a_member_of_a_group_that_does_not_exist_is_told_so_by_version() {
    let mut shard = shard();
    let request = commit("gone", &[("orders", 0, 42)]).with_generation_id_or_member_epoch(5).with_member_id(text("member"));
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request), [69], "GROUP_ID_NOT_FOUND");
    let old = Caller { api_version: 8, ..CLIENT };
    assert_eq!(commit_errors(&mut shard, &old, &request), [22], "ILLEGAL_GENERATION");
    commit_errors(&mut shard, &CLIENT, &commit("gone", &[("orders", 0, 42)]));
    assert_eq!(commit_errors(&mut shard, &old, &request), [25], "UNKNOWN_MEMBER_ID of a group without members");
}

#[test]
fn a_record_keeps_metadata_leader_epoch_timestamps_and_topic_id() {
    let mut shard = shard();
    let mut request = commit("kept", &[("orders", 0, 42)]).with_retention_time_ms(500);
    let partition = &mut request.topics[0].partitions[0];
    partition.committed_leader_epoch = 9;
    partition.committed_metadata = Some(text("where I was"));
    let effects = shard.offset_commit(NOW, Ticket(7), &CLIENT, &request);
    let value = OffsetCommitValue {
        offset: 42,
        leader_epoch: 9,
        metadata: "where I was".into(),
        commit_timestamp_ms: 1_000_000,
        expire_timestamp_ms: 1_000_500,
        topic_id: TopicId(ORDERS),
    };
    let record = GroupRecord::OffsetCommit { group: "kept".into(), topic: "orders".into(), partition: 0, value: Some(value) };
    assert_eq!(effects.records, [record]);
    settle(&mut shard, effects);
    let effects = shard.offset_fetch(NOW, Ticket(7), &fetch("kept", &[("orders", 0)]), false);
    let GroupReply::OffsetFetch(group) = settle(&mut shard, effects) else { panic!("an OffsetFetch") };
    let partition = &group.topics[0].partitions[0];
    assert_eq!((partition.committed_leader_epoch, partition.metadata.as_deref()), (9, Some("where I was")));
}

#[test]
fn metadata_that_is_too_large_fails_its_partition_only() {
    let mut shard = shard();
    let mut request = commit("large", &[("orders", 0, 42), ("orders", 1, 43), ("orders", 2, 44)]);
    request.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4_097)));
    request.topics[1].partitions[0].committed_metadata = Some(text(&"\u{e9}".repeat(4_096)));
    assert_eq!(commit_errors(&mut shard, &CLIENT, &request), [12, 0, 0], "characters are counted, not bytes");
    let (_, offsets) = fetched(&mut shard, &fetch("large", &[("orders", 0), ("orders", 1)]), false);
    assert_eq!(offsets.iter().map(|offset| offset.2).collect::<Vec<_>>(), [-1, 43]);
}
