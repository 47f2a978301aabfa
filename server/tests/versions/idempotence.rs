//! Produce with producer ids: sequences, epochs, duplicates.

use super::batches::{ATTRIBUTES, of_producer, patched};
use super::produce::{request, to};
use super::{Story, Talk, story};
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("sequences", 3..=13, sequences),
    story("producer epochs", 3..=13, epochs),
    story("sequence wrap", 3..=13, wrap),
    story("init producer id", 0..=5, init),
];

struct Partition {
    name: TopicName,
    id: Uuid,
}

impl Partition {
    fn new(talk: &mut Talk) -> Self {
        Self { id: talk.topic("one", 1, &[]), name: talk.name("one") }
    }

    fn send(&self, talk: &mut Talk, question: &str, producer: i64, epoch: i16, sequence: i32, count: usize) {
        let topic = to(talk, &self.name, self.id, vec![(0, Some(of_producer(producer, epoch, sequence, count)))]);
        talk.ask(question, &request(vec![topic]));
    }
}

fn sequences(talk: &mut Talk) {
    let log = Partition::new(talk);
    log.send(talk, "first", 9001, 0, 0, 2);
    log.send(talk, "second", 9001, 0, 2, 2);
    log.send(talk, "second again", 9001, 0, 2, 2);
    log.send(talk, "first again", 9001, 0, 0, 2);
    log.send(talk, "a gap", 9001, 0, 6, 1);
    log.send(talk, "inside a batch", 9001, 0, 3, 1);
    log.send(talk, "the same start, more records", 9001, 0, 2, 3);
    for at in 0..5 {
        log.send(talk, &format!("batch {} in the row", at + 3), 9001, 0, 4 + at, 1);
    }
    log.send(talk, "too long ago", 9001, 0, 0, 2);
    log.send(talk, "five batches ago", 9001, 0, 4, 1);
    log.send(talk, "six batches ago", 9001, 0, 2, 2);
    log.send(talk, "a new producer in the middle", 9002, 0, 17, 1);
    log.send(talk, "a new producer with an epoch", 9003, 5, 0, 1);
    log.send(talk, "no sequence", 9004, 0, -1, 1);
    log.send(talk, "a producer of id -1 with a sequence", -1, 0, 3, 1);
    log.send(talk, "a producer of id -5", -5, 0, 0, 1);
    log.send(talk, "an epoch of -1", 9005, -1, 0, 1);
    log.send(talk, "the end", 9006, 0, 0, 1);
}

fn epochs(talk: &mut Talk) {
    let log = Partition::new(talk);
    log.send(talk, "epoch 1", 9001, 1, 0, 1);
    log.send(talk, "an old epoch", 9001, 0, 1, 1);
    log.send(talk, "a new epoch from zero", 9001, 2, 0, 1);
    log.send(talk, "a new epoch in the middle", 9001, 3, 4, 1);
    log.send(talk, "the epoch before again", 9001, 1, 1, 1);
    let transactional = patched(&of_producer(9010, 0, 0, 1), ATTRIBUTES, &0x10_i16.to_be_bytes());
    let topic = to(talk, &log.name, log.id, vec![(0, Some(transactional.clone()))]);
    talk.ask("transactional without a transactional id", &request(vec![topic]));
    let control = patched(&of_producer(9010, 0, 0, 1), ATTRIBUTES, &0x30_i16.to_be_bytes());
    let topic = to(talk, &log.name, log.id, vec![(0, Some(control))]);
    talk.ask("a client's control batch", &request(vec![topic]));
}

fn wrap(talk: &mut Talk) {
    let log = Partition::new(talk);
    log.send(talk, "to the last number", 9001, 0, i32::MAX - 1, 2);
    log.send(talk, "from zero again", 9001, 0, 0, 1);
    log.send(talk, "and on", 9001, 0, 1, 1);
    log.send(talk, "across the end", 9002, 0, i32::MAX, 3);
    log.send(talk, "after the end", 9002, 0, 2, 1);
    log.send(talk, "across the end, a gap", 9002, 0, 4, 1);
}

fn plain() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None).with_producer_id(ProducerId(-1)).with_producer_epoch(-1)
}

/// A producer id that nobody has. Asks as long as a new Apache Kafka has none to give.
pub(super) fn fresh_producer(talk: &mut Talk) -> i64 {
    for _ in 0..20_000 {
        let answer = talk.quietly(4, &plain());
        if answer.error_code == 0 {
            return answer.producer_id.0;
        }
    }
    panic!("no producer ids");
}

fn init(talk: &mut Talk) {
    let plain = plain();
    talk.ask("plain", &plain.clone().with_transaction_timeout_ms(60_000));
    talk.ask("plain, no timeout", &plain.clone().with_transaction_timeout_ms(0));
    talk.ask("plain, the largest timeout", &plain.clone().with_transaction_timeout_ms(i32::MAX));
    if talk.version >= 3 {
        let known = plain.clone().with_transaction_timeout_ms(60_000);
        talk.ask("with an id and an epoch", &known.clone().with_producer_id(ProducerId(7)).with_producer_epoch(3));
        talk.ask("with an id only", &known.clone().with_producer_id(ProducerId(7)));
        talk.ask("with an epoch only", &known.with_producer_epoch(3));
    }
    talk.ask("an empty transactional id", &plain.with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("")))));
}
