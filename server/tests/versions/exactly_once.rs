//! Whole transactions: what is written in them, what readers see of it, offsets, and markers on somebody else's word.

use super::fetch;
use super::groups::{group, word};
use super::produce::{request as produce, to};
use super::transactions::{Producer, ending, settled, transactional_id};
use super::{Story, Talk, batches, story};
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, GroupId, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest, WriteTxnMarkersRequest,
};
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("whole transactions", 3..=13, life),
    story("misplaced records", 3..=13, misplaced),
    story("offsets join a transaction", 0..=4, offsets),
    story("offsets in a transaction", 0..=5, commit_offsets),
    story("markers", 1..=1, markers),
];

/// The first version of Produce that adds partitions by writing to them.
const IMPLICIT: i16 = 12;

struct Log {
    name: TopicName,
    id: Uuid,
}

impl Log {
    fn new(talk: &mut Talk, name: &str) -> Self {
        // Records of years ago would go into a segment without their markers, and a fetch ends with its segment.
        Self { id: talk.topic(name, 2, &[("segment.ms", "9223372036854775807")]), name: talk.name(name) }
    }

    fn send(&self, talk: &mut Talk, question: &str, by: &TransactionalId, records: Bytes) {
        let topic = to(talk, &self.name, self.id, vec![(0, Some(records))]);
        talk.ask(question, &produce(vec![topic]).with_transactional_id(Some(by.clone())));
    }

    /// What readers of both kinds see of partition 0.
    fn read(&self, talk: &mut Talk, when: &str) {
        for (isolation_level, reader) in [(0, "read_uncommitted"), (1, "read_committed")] {
            let topic = FetchTopic::default().with_topic(self.name.clone()).with_partitions(vec![fetch::partition(0, 0)]);
            let request = fetch::request(vec![topic]).with_isolation_level(isolation_level);
            talk.ask_at(12, &format!("{reader} {when}"), &request);
        }
    }
}

/// EndTxn as clients of this version of Produce send it; the producer of the next transaction.
fn end(talk: &mut Talk, question: &str, producer: &Producer, committed: bool) -> Producer {
    let version = if talk.version >= IMPLICIT { 5 } else { 4 };
    let answer = talk.ask_at(version, question, &ending(producer, committed));
    settled(talk, &producer.transactional_id);
    if answer.producer_id.0 < 0 {
        return producer.clone();
    }
    Producer { id: answer.producer_id.0, epoch: answer.producer_epoch, ..producer.clone() }
}

fn life(talk: &mut Talk) {
    let log = Log::new(talk, "one");
    let implicit = talk.version >= IMPLICIT;
    let mut producer = Producer::new(talk, "id");
    let id = producer.transactional_id.clone();
    let mut sequence = 0;
    for (round, committed) in [("first", true), ("second", false), ("third", true)] {
        let began = producer.epoch;
        if !implicit {
            producer.begin(talk, &log.name, 0);
        }
        log.send(talk, &format!("{round}: write"), &id, producer.records(sequence, &["a", "b"]));
        log.send(talk, &format!("{round}: write again"), &id, producer.records(sequence, &["a", "b"]));
        log.send(talk, &format!("{round}: write more"), &id, producer.records(sequence + 2, &["c"]));
        log.send(talk, &format!("{round}: a gap"), &id, producer.records(sequence + 7, &["c"]));
        log.read(talk, &format!("{round}, in it"));
        producer = end(talk, &format!("{round}: end"), &producer, committed);
        log.read(talk, &format!("{round}, after it"));
        sequence = if producer.epoch == began { sequence + 3 } else { 0 };
    }
    let empty = end(talk, "commit of nothing", &producer, true);
    end(talk, "abort of nothing", &empty, false);
}

fn misplaced(talk: &mut Talk) {
    let log = Log::new(talk, "one");
    let producer = Producer::new(talk, "id");
    let id = producer.transactional_id.clone();
    let nobody = TransactionalId(talk.name("nobody").0);
    let to_come = Producer { epoch: producer.epoch + 1, ..producer.clone() };
    let other = Producer { id: producer.id + 1_000_000, ..producer.clone() };
    let records = producer.records(0, &["a"]);
    let plain = batches::of_producer(producer.id, producer.epoch, 0, 1);
    log.send(talk, "an id that nobody has", &nobody, records.clone());
    log.send(talk, "an empty id", &TransactionalId(word("")), records.clone());
    log.send(talk, "an epoch to come", &id, to_come.records(0, &["a"]));
    log.send(talk, "another producer's", &id, other.records(0, &["a"]));
    log.send(talk, "not transactional", &id, plain.clone());
    log.send(talk, "without adding the partition", &id, records.clone());
    producer.begin(talk, &log.name, 0);
    log.send(talk, "after adding it", &id, producer.records(0, &["a"]));
    log.send(talk, "not transactional in the transaction", &id, batches::of_producer(producer.id, producer.epoch, 1, 1));
    log.send(talk, "an epoch to come in the transaction", &id, to_come.records(0, &["b"]));
    let answer = end(talk, "end", &producer, true);
    log.send(talk, "after the end", &id, producer.records(1, &["b"]));
    log.send(talk, "the next epoch after the end", &id, answer.records(0, &["b"]));
    let next = Producer::new(talk, "id");
    log.send(talk, "a producer that was replaced", &id, producer.records(1, &["c"]));
    log.send(talk, "the one that replaced it, without adding", &id, next.records(0, &["c"]));
    log.read(talk, "at last");
}

pub(super) fn joining(producer: &Producer, group: &GroupId) -> AddOffsetsToTxnRequest {
    AddOffsetsToTxnRequest::default()
        .with_transactional_id(producer.transactional_id.clone())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(group.clone())
}

fn offsets(talk: &mut Talk) {
    let group = group(talk, "group");
    let producer = Producer::new(talk, "id");
    let nobody = Producer { transactional_id: TransactionalId(word("nobody")), ..producer.clone() };
    let empty = Producer { transactional_id: TransactionalId(word("")), ..producer.clone() };
    talk.ask("an unknown id", &joining(&nobody, &group));
    talk.ask("an empty id", &joining(&empty, &group));
    talk.ask("another producer", &joining(&Producer { id: producer.id + 1_000_000, ..producer.clone() }, &group));
    talk.ask("an epoch to come", &joining(&Producer { epoch: producer.epoch + 1, ..producer.clone() }, &group));
    talk.ask("a group", &joining(&producer, &group));
    talk.ask("the same again", &joining(&producer, &group));
    talk.ask("an empty group", &joining(&producer, &GroupId(word(""))));
    producer.end(talk, false);
    talk.ask("after the end", &joining(&producer, &group));
    let next = Producer::new(talk, "id");
    talk.ask("a producer that was replaced", &joining(&producer, &group));
    talk.ask("the one that replaced it", &joining(&next, &group));
}

pub(super) fn committing(producer: &Producer, group: &GroupId, topics: Vec<(&TopicName, Vec<(i32, i64)>)>) -> TxnOffsetCommitRequest {
    let partition = |(index, offset): (i32, i64)| {
        TxnOffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(word("note")))
    };
    let topic = |(name, partitions): (&TopicName, Vec<(i32, i64)>)| {
        TxnOffsetCommitRequestTopic::default().with_name(name.clone()).with_partitions(partitions.into_iter().map(partition).collect())
    };
    TxnOffsetCommitRequest::default()
        .with_transactional_id(producer.transactional_id.clone())
        .with_group_id(group.clone())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_generation_id(-1)
        .with_topics(topics.into_iter().map(topic).collect())
}

fn commit_offsets(talk: &mut Talk) {
    let log = Log::new(talk, "one");
    let nowhere = talk.name("nowhere");
    let group = group(talk, "group");
    let producer = Producer::new(talk, "id");
    let here = || vec![(&log.name, vec![(0, 7)])];
    let other = Producer { id: producer.id + 1_000_000, ..producer.clone() };
    let to_come = Producer { epoch: producer.epoch + 1, ..producer.clone() };
    let nobody = Producer { transactional_id: TransactionalId(word("nobody")), ..producer.clone() };
    talk.ask("an unknown id", &committing(&nobody, &group, here()));
    talk.ask("another producer", &committing(&other, &group, here()));
    talk.ask("an epoch to come", &committing(&to_come, &group, here()));
    assert_eq!(talk.quietly(3, &joining(&producer, &group)).error_code, 0);
    talk.ask("offsets", &committing(&producer, &group, here()));
    talk.ask("the same again", &committing(&producer, &group, here()));
    talk.ask("two partitions", &committing(&producer, &group, vec![(&log.name, vec![(0, 8), (1, 9)])]));
    talk.ask(
        "an unknown topic and partition",
        &committing(&producer, &group, vec![(&nowhere, vec![(0, 1)]), (&log.name, vec![(0, 9), (5, 1)])]),
    );
    talk.ask("nothing", &committing(&producer, &group, vec![]));
    talk.ask("an epoch to come in the transaction", &committing(&to_come, &group, here()));
    if talk.version >= 3 {
        let known = committing(&producer, &group, here());
        talk.ask("a generation of nobody", &known.clone().with_generation_id(3));
        talk.ask("a member that is not there", &known.clone().with_generation_id(1).with_member_id(word("somebody")));
        talk.ask("an instance that is not there", &known.with_group_instance_id(Some(word("somewhere"))));
    }
    producer.end(talk, true);
    talk.ask("after the end", &committing(&producer, &group, here()));
}

fn marker(producer: &Producer, committed: bool, topics: Vec<(&TopicName, Vec<i32>)>) -> WritableTxnMarker {
    let topic = |(name, partitions): (&TopicName, Vec<i32>)| {
        WritableTxnMarkerTopic::default().with_name(name.clone()).with_partition_indexes(partitions)
    };
    WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_transaction_result(committed)
        .with_coordinator_epoch(0)
        .with_topics(topics.into_iter().map(topic).collect())
}

fn markers(talk: &mut Talk) {
    let log = Log::new(talk, "one");
    let nowhere = talk.name("nowhere");
    let of = |markers: Vec<WritableTxnMarker>| WriteTxnMarkersRequest::default().with_markers(markers);
    let here = || vec![(&log.name, vec![0])];
    let id = transactional_id(talk, "id");
    let nobody = |id_of: i64, epoch: i16| Producer { transactional_id: id.clone(), id: id_of, epoch };
    let stranger = nobody(77_000_001, 3);
    talk.ask("nothing", &of(vec![]));
    talk.ask("a marker without topics", &of(vec![marker(&stranger, true, vec![])]));
    talk.ask("a marker without partitions", &of(vec![marker(&stranger, true, vec![(&log.name, vec![])])]));
    talk.ask("an unknown topic", &of(vec![marker(&stranger, true, vec![(&nowhere, vec![0])])]));
    talk.ask("unknown partitions and a known one", &of(vec![marker(&stranger, true, vec![(&log.name, vec![-1, 1, 9])])]));
    talk.ask("an unknown producer", &of(vec![marker(&stranger, true, here())]));
    talk.ask("the same again", &of(vec![marker(&stranger, true, here())]));
    talk.ask("the contrary", &of(vec![marker(&stranger, false, here())]));
    talk.ask("an epoch before", &of(vec![marker(&nobody(77_000_001, 2), false, here())]));
    talk.ask("an epoch after", &of(vec![marker(&nobody(77_000_001, 4), false, here())]));
    talk.ask("a later coordinator", &of(vec![marker(&nobody(77_000_001, 4), false, here()).with_coordinator_epoch(5)]));
    talk.ask("an earlier coordinator", &of(vec![marker(&nobody(77_000_001, 4), false, here()).with_coordinator_epoch(4)]));
    talk.ask("a coordinator of epoch -1", &of(vec![marker(&nobody(77_000_002, 0), false, here()).with_coordinator_epoch(-1)]));
    talk.ask("no producer", &of(vec![marker(&nobody(-1, 0), true, here())]));
    talk.ask("a producer below none", &of(vec![marker(&nobody(-5, 0), true, here())]));
    talk.ask("no epoch", &of(vec![marker(&nobody(77_000_003, -1), true, here())]));
    talk.ask("an epoch below none", &of(vec![marker(&nobody(77_000_003, -5), true, here())]));
    let two = vec![marker(&nobody(77_000_004, 0), true, vec![(&log.name, vec![0, 1])]), marker(&nobody(77_000_005, 0), false, here())];
    talk.ask("two producers", &of(two));
    let twice = vec![
        marker(&nobody(77_000_006, 0), true, here()),
        marker(&nobody(77_000_006, 0), true, vec![(&log.name, vec![1]), (&nowhere, vec![0])]),
    ];
    talk.ask("two markers of one producer", &of(twice));

    let open = Producer::new(talk, "open");
    open.begin(talk, &log.name, 0);
    log.send_at(talk, 11, &open);
    log.read(talk, "in a transaction");
    talk.ask("an operator aborts it", &of(vec![marker(&open, false, here())]));
    log.read(talk, "after that");
    open.end(talk, true);
    log.read(talk, "after its own end");
}

impl Log {
    /// One record of a producer's transaction; nothing is written down.
    fn send_at(&self, talk: &mut Talk, version: i16, by: &Producer) {
        let topic = to(talk, &self.name, self.id, vec![(0, Some(by.records(0, &["x"])))]);
        let answer = talk.quietly(version, &produce(vec![topic]).with_transactional_id(Some(by.transactional_id.clone())));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
}
