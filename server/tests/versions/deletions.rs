//! DeleteRecords, and what the partition says of itself afterwards.

use super::batches::T0;
use super::fetch::{self, filled};
use super::groups::{committed, group};
use super::produce::{request as produce, to};
use super::transactions::Producer;
use super::{Story, Talk, story};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, DescribeProducersRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("delete records", 0..=2, delete),
    story("delete records refused", 0..=2, refused),
    story("delete records of a producer", 0..=2, of_a_producer),
    story("delete records of a transaction", 0..=2, of_a_transaction),
];

fn topic(name: &TopicName, rows: &[(i32, i64)]) -> DeleteRecordsTopic {
    let row = |&(index, offset): &(i32, i64)| DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
    DeleteRecordsTopic::default().with_name(name.clone()).with_partitions(rows.iter().map(row).collect())
}

fn request(topics: Vec<DeleteRecordsTopic>) -> DeleteRecordsRequest {
    DeleteRecordsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

fn of(name: &TopicName, rows: &[(i32, i64)]) -> DeleteRecordsRequest {
    request(vec![topic(name, rows)])
}

/// What readers of the first partition see now.
fn look(talk: &mut Talk, when: &str, name: &TopicName, offsets: &[i64]) {
    for offset in offsets {
        let asked = fetch::topic_by_name(name, vec![fetch::partition(0, *offset)]);
        talk.ask_at(12, &format!("{when}, fetch from {offset}"), &fetch::request(vec![asked.clone()]));
        talk.ask_at(12, &format!("{when}, fetch committed from {offset}"), &fetch::request(vec![asked]).with_isolation_level(1));
    }
    for timestamp in [-2, -1, -3, -4, T0, T0 + 10_000, T0 + 20_000, T0 + 22_000] {
        let row = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
        let asked = ListOffsetsTopic::default().with_name(name.clone()).with_partitions(vec![row]);
        talk.ask_at(
            8,
            &format!("{when}, at {timestamp}"),
            &ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]),
        );
    }
    for epoch in [0, 1] {
        let row = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(epoch);
        let asked = OffsetForLeaderTopic::default().with_topic(name.clone()).with_partitions(vec![row]);
        let asked = OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
        talk.ask_at(4, &format!("{when}, the end of epoch {epoch}"), &asked);
    }
    let asked = TopicRequest::default().with_name(name.clone()).with_partition_indexes(vec![0]);
    talk.ask_at(0, &format!("{when}, producers"), &DescribeProducersRequest::default().with_topics(vec![asked]));
}

fn delete(talk: &mut Talk) {
    let (name, _) = filled(talk, "one");
    talk.ask("to the beginning", &of(&name, &[(0, 0)]));
    talk.ask("into a batch", &of(&name, &[(0, 4)]));
    look(talk, "into a batch", &name, &[0, 3, 4, 5, 6]);
    talk.ask("back", &of(&name, &[(0, 2)]));
    talk.ask("there again", &of(&name, &[(0, 4)]));
    talk.ask("beyond the end", &of(&name, &[(0, 7)]));
    talk.ask("an empty partition", &of(&name, &[(1, -1)]));
    talk.ask("beyond the end of an empty partition", &of(&name, &[(1, 1)]));
    talk.ask("several", &of(&name, &[(1, 0), (0, 5), (9, 0)]));
    talk.ask("everything", &of(&name, &[(0, -1)]));
    look(talk, "everything", &name, &[0, 5, 6, 7]);
    talk.ask("everything again", &of(&name, &[(0, -1), (1, -1)]));
    talk.ask("no time", &of(&name, &[(0, -1)]).with_timeout_ms(0));
}

fn refused(talk: &mut Talk) {
    let (name, _) = filled(talk, "one");
    let nowhere = talk.name("nowhere");
    for offset in [-2, i64::MIN, i64::MAX] {
        talk.ask(&format!("to {offset}"), &of(&name, &[(0, offset)]));
    }
    talk.ask("an unknown topic", &of(&nowhere, &[(0, 0), (1, -1)]));
    talk.ask("an unknown partition", &of(&name, &[(9, 0), (-1, 0), (0, 1)]));
    talk.ask("an empty name", &of(&TopicName(StrBytes::from_static_str("")), &[(0, 0)]));
    talk.ask("an invalid name", &of(&TopicName(StrBytes::from_static_str("no good/name")), &[(0, 0)]));
    talk.ask("a partition twice", &of(&name, &[(0, 3), (0, 2)]));
    talk.ask("a partition twice, one wrong", &of(&name, &[(0, 3), (0, 99)]));
    talk.ask("a topic twice", &request(vec![topic(&name, &[(0, 4)]), topic(&name, &[(1, 0), (0, 5)])]));
    talk.ask("no partitions", &of(&name, &[]));
    talk.ask("no topics", &request(Vec::new()));
    for policy in ["compact", "compact,delete", "delete"] {
        let name = policy.replace(',', ".");
        talk.topic(&name, 1, &[("cleanup.policy", policy)]);
        let name = talk.name(&name);
        talk.ask(&format!("{policy} to 0"), &of(&name, &[(0, 0)]));
        talk.ask(&format!("{policy} to 9"), &of(&name, &[(0, 9)]));
    }
    let readers = group(talk, "readers");
    committed(talk, &readers, &name, 1);
    let internal = TopicName(StrBytes::from_static_str("__consumer_offsets"));
    talk.ask("of an internal topic", &of(&internal, &[(0, 0), (1, -1), (1_000, 0)]));
    let metadata = TopicName(StrBytes::from_static_str("__cluster_metadata"));
    talk.ask("of the metadata", &of(&metadata, &[(0, 0)]));
}

/// Writes to the first partition; what is answered is written down.
fn write(talk: &mut Talk, question: &str, name: &TopicName, records: bytes::Bytes) {
    let version = std::mem::replace(&mut talk.version, 12);
    let asked = to(talk, name, Uuid::nil(), vec![(0, Some(records))]);
    talk.version = version;
    talk.ask_at(12, question, &produce(vec![asked]));
}

fn of_a_producer(talk: &mut Talk) {
    talk.topic("one", 1, &[]);
    let name = talk.name("one");
    let batch = |sequence| super::batches::of_producer(9001, 0, sequence, 2);
    write(talk, "a batch", &name, batch(0));
    write(talk, "the next", &name, batch(2));
    talk.ask("everything", &of(&name, &[(0, -1)]));
    write(talk, "the last again", &name, batch(2));
    write(talk, "one too far", &name, batch(6));
    write(talk, "the third", &name, batch(4));
    look(talk, "the third", &name, &[3, 4, 5, 6]);
}

fn of_a_transaction(talk: &mut Talk) {
    talk.topic("one", 1, &[]);
    let name = talk.name("one");
    let records = |talk: &mut Talk, producer: &Producer, at: i32| {
        let version = std::mem::replace(&mut talk.version, 9);
        let asked = to(talk, &name, Uuid::nil(), vec![(0, Some(producer.records(at, &["v", "w"])))]);
        talk.version = version;
        let answer = talk.quietly(9, &produce(vec![asked]).with_transactional_id(Some(producer.transactional_id.clone())));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    };
    let producer = Producer::new(talk, "tx");
    producer.begin(talk, &name, 0);
    records(talk, &producer, 0);
    records(talk, &producer, 2);
    talk.ask("into an open one", &of(&name, &[(0, 3)]));
    look(talk, "into an open one", &name, &[2, 3, 4]);
    talk.ask("up to its end", &of(&name, &[(0, -1)]));
    look(talk, "up to its end", &name, &[3, 4]);
    producer.end(talk, false);
    look(talk, "once it is aborted", &name, &[4, 5]);
    producer.begin(talk, &name, 0);
    records(talk, &producer, 4);
    producer.end(talk, true);
    talk.ask("into the next", &of(&name, &[(0, 6)]));
    look(talk, "into the next", &name, &[5, 6, 7, 8]);
}
