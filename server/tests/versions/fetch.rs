//! Fetch without sessions: offsets, limits, epochs, errors.

use super::batches::{batch, batch_at};
use super::produce::{request as produce, to};
use super::{Story, Talk, story};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("fetch offsets", 4..=18, by_offset),
    story("fetch limits", 4..=18, limits),
    story("fetch unknown", 4..=18, unknown),
    story("fetch epochs", 9..=18, epochs),
];

pub(super) fn partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(1 << 20)
}

pub(super) fn topic(talk: &Talk, name: &TopicName, id: Uuid, partitions: Vec<FetchPartition>) -> FetchTopic {
    let topic = FetchTopic::default().with_partitions(partitions);
    if talk.version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(name.clone()) }
}

/// As versions below 13 want it.
pub(super) fn topic_by_name(name: &TopicName, partitions: Vec<FetchPartition>) -> FetchTopic {
    FetchTopic::default().with_topic(name.clone()).with_partitions(partitions)
}

/// No waiting, no session.
pub(super) fn request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_min_bytes(0)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(topics)
}

/// Three batches: 0-1, 2-2, 3-5.
pub(super) fn filled(talk: &mut Talk, name: &str) -> (TopicName, Uuid) {
    let id = talk.topic(name, 2, &[]);
    let name = talk.name(name);
    for (at, values) in [&["a", "b"][..], &["c"], &["d", "e", "f"]].into_iter().enumerate() {
        let version = talk.version;
        talk.version = 12;
        let records = if at == 0 { batch(values) } else { batch_at(super::batches::T0 + 10_000 * at as i64, values) };
        let topic = to(talk, &name, id, vec![(0, Some(records))]);
        talk.version = version;
        let answer = talk.quietly(12, &produce(vec![topic]));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    (name, id)
}

fn by_offset(talk: &mut Talk) {
    let (name, id) = filled(talk, "one");
    for offset in [0, 1, 2, 4, 5, 6, 7, -1, -2, i64::MAX] {
        let asked = request(vec![topic(talk, &name, id, vec![partition(0, offset)])]);
        talk.ask(&format!("from {offset}"), &asked);
    }
    let asked = request(vec![topic(talk, &name, id, vec![partition(0, 3)])]);
    talk.ask("read committed", &asked.clone().with_isolation_level(1));
    talk.ask("an isolation level that does not exist", &asked.with_isolation_level(7));
    let asked = request(vec![topic(talk, &name, id, vec![partition(1, 0), partition(0, 3)])]);
    talk.ask("an empty partition and a full one", &asked.clone().with_min_bytes(1).with_max_wait_ms(30_000));
    let asked = request(vec![topic(talk, &name, id, vec![partition(1, 0)])]);
    talk.ask("an empty partition", &asked.with_min_bytes(1).with_max_wait_ms(20));
}

fn limits(talk: &mut Talk) {
    let (name, id) = filled(talk, "one");
    for bytes in [0, 1, 70, 140, 200, 1_000, -1] {
        let asked = request(vec![topic(talk, &name, id, vec![partition(0, 0).with_partition_max_bytes(bytes)])]);
        talk.ask(&format!("{bytes} bytes of the partition"), &asked);
        let asked = request(vec![topic(talk, &name, id, vec![partition(0, 0)])]).with_max_bytes(bytes);
        talk.ask(&format!("{bytes} bytes in all"), &asked);
    }
    let (second, other) = filled(talk, "two");
    let topics = vec![topic(talk, &name, id, vec![partition(0, 0)]), topic(talk, &second, other, vec![partition(0, 0)])];
    for bytes in [1, 100, 250, 500] {
        talk.ask(&format!("{bytes} bytes of two topics"), &request(topics.clone()).with_max_bytes(bytes));
    }
    let small = |partition: FetchPartition| partition.with_partition_max_bytes(1);
    let topics = vec![topic(talk, &name, id, vec![small(partition(0, 0))]), topic(talk, &second, other, vec![small(partition(0, 0))])];
    talk.ask("a byte of each of two topics", &request(topics));
    talk.ask("no topics", &request(Vec::new()));
    let asked = request(vec![topic(talk, &name, id, Vec::new())]);
    talk.ask("no partitions", &asked);
    let asked = request(vec![topic(talk, &name, id, vec![partition(0, 0), partition(0, 3)])]);
    talk.ask("a partition twice", &asked);
}

fn unknown(talk: &mut Talk) {
    let (name, id) = filled(talk, "one");
    let nowhere = talk.name("nowhere");
    let asked = request(vec![topic(talk, &nowhere, Uuid::from_u128(0xfeed), vec![partition(0, 0)])]);
    talk.ask("an unknown topic", &asked.clone().with_min_bytes(1).with_max_wait_ms(20_000));
    for index in [2, -1, i32::MAX] {
        let asked = request(vec![topic(talk, &name, id, vec![partition(index, 0)])]);
        talk.ask(&format!("partition {index}"), &asked.with_min_bytes(1).with_max_wait_ms(20_000));
    }
    let topics = vec![
        topic(talk, &nowhere, Uuid::from_u128(0xfeed), vec![partition(0, 0), partition(1, 0)]),
        topic(talk, &name, id, vec![partition(0, 3), partition(7, 0)]),
    ];
    talk.ask("known and unknown", &request(topics));
    if talk.version < 13 {
        let empty = TopicName(StrBytes::from_static_str(""));
        let asked = request(vec![topic(talk, &empty, Uuid::nil(), vec![partition(0, 0)])]);
        talk.ask("an empty name", &asked);
        let invalid = TopicName(StrBytes::from_static_str("no good/name"));
        let asked = request(vec![topic(talk, &invalid, Uuid::nil(), vec![partition(0, 0)])]);
        talk.ask("an invalid name", &asked);
    } else {
        let asked = request(vec![topic(talk, &name, Uuid::nil(), vec![partition(0, 0)])]);
        talk.ask("the zero id", &asked);
    }
    if talk.version >= 11 {
        let asked = request(vec![topic(talk, &name, id, vec![partition(0, 3)])]);
        talk.ask("with a rack", &asked.with_rack_id(StrBytes::from_static_str("rack-7")));
    }
}

fn epochs(talk: &mut Talk) {
    let (name, id) = filled(talk, "one");
    for epoch in [0, 1, 99, -1, -2] {
        let asked = request(vec![topic(talk, &name, id, vec![partition(0, 3).with_current_leader_epoch(epoch)])]);
        talk.ask(&format!("leader epoch {epoch}"), &asked);
    }
    if talk.version >= 12 {
        for (epoch, offset) in [(0, 3), (0, 6), (0, 9), (1, 3), (99, 3), (-2, 3)] {
            let asked = request(vec![topic(talk, &name, id, vec![partition(0, offset).with_last_fetched_epoch(epoch)])]);
            talk.ask(&format!("offset {offset}, last fetched epoch {epoch}"), &asked);
        }
    }
}
