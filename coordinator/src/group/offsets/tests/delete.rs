//! OffsetDelete, and offsets of deleted topics.

use super::*;
use crate::metadata::TopicName;
use crate::metadata::image::TopicImage;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use std::collections::BTreeMap;

fn request(group: &str, partitions: &[(&str, i32)]) -> OffsetDeleteRequest {
    let topics = partitions.iter().map(|(topic, partition)| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(*partition);
        OffsetDeleteRequestTopic::default().with_name(text(topic).into()).with_partitions(vec![partition])
    });
    OffsetDeleteRequest::default().with_group_id(text(group).into()).with_topics(topics.collect())
}

/// (error of the request, errors of the partitions, records).
fn delete(shard: &mut GroupShard, request: &OffsetDeleteRequest) -> (i16, Vec<i16>, usize) {
    let effects = shard.offset_delete(NOW, Ticket(7), request);
    let count = effects.records.len();
    let GroupReply::OffsetDelete(response) = settle(shard, effects) else { panic!("an OffsetDelete") };
    let errors = response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    (response.error_code, errors.collect(), count)
}

#[test]
fn a_tool_deletes_offsets_and_the_group_stays_until_the_next_look() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("simple", &[("orders", 0, 42)]));
    let both = request("simple", &[("orders", 0), ("orders", 1)]);
    assert_eq!(delete(&mut shard, &both), (0, vec![0, 0], 1), "no tombstone for what was not there");
    assert_eq!(offset_of(&mut shard, "simple", "orders", 0), -1);
    assert_eq!(state_of(&mut shard, "simple").as_deref(), Some("Empty"));
    assert_eq!(delete(&mut shard, &both), (0, vec![0, 0], 0));
}

#[test]
fn an_unknown_group_and_one_with_members_are_refused() {
    let mut shard = shard();
    assert_eq!(delete(&mut shard, &request("unknown", &[("orders", 0)])), (GROUP_ID_NOT_FOUND, vec![], 0));
    stable_group(&mut shard, "connect", "connect", Bytes::from_static(b"opaque"));
    assert_eq!(delete(&mut shard, &request("connect", &[("orders", 0)])), (68, vec![], 0), "NON_EMPTY_GROUP");
}

#[test]
fn a_topic_that_a_member_reads_keeps_its_offsets() {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    consumer_group(&mut shard, "consumer");
    for group in ["classic", "consumer"] {
        commit_errors(&mut shard, &CLIENT, &by(commit(group, &[("orders", 0, 42), ("others", 0, 43)]), "member", 5));
        let errors = delete(&mut shard, &request(group, &[("orders", 0), ("others", 0)]));
        assert_eq!(errors, (0, vec![86, 0], 1), "GROUP_SUBSCRIBED_TO_TOPIC in {group}");
        assert_eq!((offset_of(&mut shard, group, "orders", 0), offset_of(&mut shard, group, "others", 0)), (42, -1));
    }
}

fn deletion_of(topic: &str, id: Uuid) -> MetadataDelta {
    let name = TopicName::parse(topic).expect("a topic name");
    MetadataDelta {
        deleted_topics: vec![Arc::new(TopicImage { id: TopicId(id), name, partitions: BTreeMap::new() })],
        ..MetadataDelta::default()
    }
}

/// A commit as of Kafka before 4.1, at this time.
fn without_topic_id(group: &str, commit_timestamp_ms: i64) -> GroupRecord {
    let value = OffsetCommitValue {
        offset: 1,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms,
        expire_timestamp_ms: -1,
        topic_id: TopicId::default(),
    };
    GroupRecord::OffsetCommit { group: group.into(), topic: "orders".into(), partition: 0, value: Some(value) }
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("a", &[("orders", 0, 42), ("orders", 1, 43), ("others", 0, 44)]));
    replay(&mut shard, &[without_topic_id("b", 1), without_topic_id("c", NOW.0 + 1)]);
    shard.replay_transactional(4, &without_topic_id("d", 1));
    let effects = shard.on_new_image(NOW, &Arc::default(), &deletion_of("orders", ORDERS));
    replay(&mut shard, &effects.records);
    assert_eq!([0, 1].map(|partition| offset_of(&mut shard, "a", "orders", partition)), [-1, -1]);
    assert_eq!(offset_of(&mut shard, "a", "others", 0), 44);
    assert_eq!(offset_of(&mut shard, "b", "orders", 0), -1, "no id, and as old as the topic");
    assert_eq!(offset_of(&mut shard, "c", "orders", 0), 1, "no id, and committed since");
    shard.replay_marker(4, true);
    assert_eq!(offset_of(&mut shard, "d", "orders", 0), -1, "pending");
    let states = ["a", "b", "c", "d"].map(|group| state_of(&mut shard, group).is_some());
    assert_eq!(states, [true; 4], "groups stay until the next look for expired offsets");
}

#[test]
fn offsets_of_a_new_topic_with_the_name_stay() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("a", &[("orders", 0, 42)]));
    let effects = shard.on_new_image(NOW, &Arc::default(), &deletion_of("orders", Uuid::from_u128(0x0b)));
    assert_eq!(effects.records, []);
}

#[test]
fn many_offsets_of_a_deleted_topic_go_a_thousand_at_a_time() {
    let mut shard = shard();
    let offsets: Vec<_> = (0..2_500).map(|partition| ("orders", partition, 1)).collect();
    commit_errors(&mut shard, &CLIENT, &commit("a", &offsets));
    let mut effects = shard.on_new_image(NOW, &Arc::default(), &deletion_of("orders", ORDERS));
    let mut counts = Vec::new();
    let mut now = NOW;
    while !effects.records.is_empty() {
        counts.push(effects.records.len());
        replay(&mut shard, &effects.records);
        let deadline = shard.next_deadline();
        if deadline != Some(Millis(now.0 + 1)) {
            break;
        }
        now = Millis(now.0 + 1);
        effects = shard.handle_timeout(now);
    }
    assert_eq!(counts, [1_000, 1_000, 500]);
    assert_eq!(shard.committed_offsets().count(), 0);
}
