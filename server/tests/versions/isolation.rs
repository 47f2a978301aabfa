//! What readers of committed and of all records see of transactions, and where offsets stand meanwhile.

use super::batches::{ATTRIBUTES, batch, of_producer, patched};
use super::fetch::{partition, request as fetch, topic};
use super::produce::request as produce;
use super::{Story, Talk, story};
use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, BrokerId, EndTxnRequest, ListOffsetsRequest, ProducerId, TopicName, TransactionalId,
};
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[story("read committed", 4..=18, read_committed), story("list committed", 2..=10, list_committed)];

const TRIES: usize = 5_000;

struct Log {
    name: TopicName,
    id: Uuid,
    end: i64,
}

struct Producer {
    id: TransactionalId,
    pid: i64,
    epoch: i16,
    sequence: i32,
}

impl Producer {
    fn new(talk: &mut Talk, name: &str) -> Self {
        let id = TransactionalId(talk.name(name).0);
        let (pid, epoch) = super::producers::init(talk, &id);
        Self { id, pid, epoch, sequence: 0 }
    }
}

impl Log {
    fn new(talk: &mut Talk) -> Self {
        // Kafka begins a new segment where the time of the records jumps, and answers a fetch from one segment.
        Self { id: talk.topic("one", 1, &[("segment.ms", "9223372036854775807")]), name: talk.name("one"), end: 0 }
    }

    fn append(&mut self, talk: &mut Talk, records: Bytes, id: Option<TransactionalId>) {
        let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
        let topic = TopicProduceData::default().with_name(self.name.clone()).with_partition_data(vec![data]);
        let answer = talk.quietly(9, &produce(vec![topic]).with_transactional_id(id));
        let row = &answer.responses[0].partition_responses[0];
        assert_eq!((row.error_code, row.base_offset), (0, self.end));
    }

    fn plain(&mut self, talk: &mut Talk, values: &[&str]) {
        self.append(talk, batch(values), None);
        self.end += values.len() as i64;
    }

    fn write(&mut self, talk: &mut Talk, by: &mut Producer, count: usize) {
        let topic = AddPartitionsToTxnTopic::default().with_name(self.name.clone()).with_partitions(vec![0]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(by.id.clone())
            .with_v3_and_below_producer_id(ProducerId(by.pid))
            .with_v3_and_below_producer_epoch(by.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let added =
            |talk: &mut Talk| talk.quietly(3, &add).results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code == 0;
        assert!((0..TRIES).any(|_| added(talk)), "the transaction before is never complete");
        let records = patched(&of_producer(by.pid, by.epoch, by.sequence, count), ATTRIBUTES, &0x10_i16.to_be_bytes());
        self.append(talk, records, Some(by.id.clone()));
        by.sequence += count as i32;
        self.end += count as i64;
    }

    /// Ends the transaction, and waits for its marker: from then on this is the last stable offset.
    fn finish(&mut self, talk: &mut Talk, by: &Producer, commit: bool, stable: i64) {
        let end = EndTxnRequest::default().with_transactional_id(by.id.clone()).with_producer_id(ProducerId(by.pid));
        assert_eq!(talk.quietly(3, &end.with_producer_epoch(by.epoch).with_committed(commit)).error_code, 0);
        self.end += 1;
        for (level, offset) in [(0, self.end), (1, stable)] {
            let latest = self.at(-1, level);
            assert!((0..TRIES).any(|_| talk.quietly(8, &latest).topics[0].partitions[0].offset == offset), "no marker came");
        }
    }

    fn at(&self, timestamp: i64, isolation_level: i8) -> ListOffsetsRequest {
        let row = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(self.name.clone()).with_partitions(vec![row]);
        ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_isolation_level(isolation_level).with_topics(vec![topic])
    }

    fn read(&self, talk: &mut Talk, when: &str, offsets: &[i64]) {
        for offset in offsets {
            for (level, word) in [(0, "all"), (1, "committed")] {
                let asked = fetch(vec![topic(talk, &self.name, self.id, vec![partition(0, *offset)])]).with_isolation_level(level);
                talk.ask(&format!("{when}, {word} from {offset}"), &asked);
            }
        }
    }
}

fn read_committed(talk: &mut Talk) {
    let mut log = Log::new(talk);
    let (mut one, mut two) = (Producer::new(talk, "one"), Producer::new(talk, "two"));
    log.plain(talk, &["a", "b"]);
    log.write(talk, &mut one, 1);
    log.write(talk, &mut two, 2);
    log.plain(talk, &["c"]);
    log.read(talk, "two are open", &[0, 1, 2, 3, 5, 6, 7]);
    log.finish(talk, &one, false, 3);
    log.read(talk, "the first is aborted", &[0, 2, 3, 6, 7, 8]);
    log.finish(talk, &two, true, 8);
    log.read(talk, "the second is committed", &[0, 2, 3, 6, 7, 8]);
    log.write(talk, &mut one, 1);
    log.finish(talk, &one, false, 10);
    log.read(talk, "one more is aborted", &[0, 6, 7, 8, 9]);
    log.write(talk, &mut one, 1);
    log.write(talk, &mut two, 1);
    log.finish(talk, &two, false, 10);
    log.read(talk, "the later one is aborted first", &[0, 10, 11, 12]);
    log.finish(talk, &one, false, 14);
    log.read(talk, "both are aborted", &[0, 10, 11, 12, 13]);
}

fn list_committed(talk: &mut Talk) {
    let mut log = Log::new(talk);
    let mut one = Producer::new(talk, "one");
    log.plain(talk, &["a", "b"]);
    log.write(talk, &mut one, 2);
    let all = |talk: &mut Talk, log: &Log, when: &str| {
        for timestamp in [-1, -2, super::batches::T0, super::batches::T0 + 1_000] {
            talk.ask(&format!("{when}, all at {timestamp}"), &log.at(timestamp, 0));
            talk.ask(&format!("{when}, committed at {timestamp}"), &log.at(timestamp, 1));
        }
    };
    all(talk, &log, "open");
    // Later it is a marker's, of the broker's clock.
    if talk.version >= 7 {
        talk.ask("open, all at -3", &log.at(-3, 0));
        talk.ask("open, committed at -3", &log.at(-3, 1));
    }
    log.finish(talk, &one, false, 5);
    all(talk, &log, "aborted");
}
