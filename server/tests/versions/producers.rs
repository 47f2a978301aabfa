//! What a partition knows of its producers, and transactional batches that nobody vouches for.

use super::batches::{ATTRIBUTES, of_producer, patched};
use super::produce::{request, to};
use super::{Story, Talk, story};
use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DeleteTopicsRequest, DescribeProducersRequest, EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest,
    ProducerId, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[
    story("describe producers", 0..=0, describe),
    story("unvouched", 3..=13, unvouched),
    story("vouched", 3..=13, vouched),
    story("topic made anew", 11..=13, made_anew),
];

/// Asks until the coordinator of transactions is there and no longer busy.
const TRIES: usize = 5_000;

fn of(name: &TopicName, partitions: &[i32]) -> DescribeProducersRequest {
    DescribeProducersRequest::default()
        .with_topics(vec![TopicRequest::default().with_name(name.clone()).with_partition_indexes(partitions.to_vec())])
}

fn describe(talk: &mut Talk) {
    talk.topic("one", 2, &[]);
    let name = talk.name("one");
    talk.ask("nobody yet", &of(&name, &[0, 1]));
    for (producer, epoch, sequence, count) in [(9001, 0, 0, 2), (9001, 0, 2, 3), (9003, 5, 17, 1), (9002, 1, i32::MAX, 2)] {
        let batch = of_producer(producer, epoch, sequence, count);
        let topic = to(talk, &name, uuid::Uuid::nil(), vec![(0, Some(batch))]);
        talk.quietly(9, &request(vec![topic]));
    }
    talk.ask("three producers", &of(&name, &[0, 1]));
    talk.ask("a partition that does not exist", &of(&name, &[7, 0, -1]));
    talk.ask("a partition twice", &of(&name, &[1, 1]));
    talk.ask("a topic that does not exist", &of(&talk.name("nowhere"), &[0, 1]));
    talk.ask("an empty name", &of(&TopicName(StrBytes::from_static_str("")), &[0]));
    talk.ask("an invalid name", &of(&TopicName(StrBytes::from_static_str("no good/name")), &[0]));
    talk.ask("no partitions", &of(&name, &[]));
    talk.ask("no topics", &DescribeProducersRequest::default());
}

fn transactional(producer: i64, epoch: i16, sequence: i32) -> Bytes {
    patched(&of_producer(producer, epoch, sequence, 1), ATTRIBUTES, &0x10_i16.to_be_bytes())
}

/// A producer of this transactional id.
pub(super) fn init(talk: &mut Talk, id: &TransactionalId) -> (i64, i16) {
    let find = FindCoordinatorRequest::default().with_key(id.0.clone()).with_key_type(1);
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
        .with_transaction_timeout_ms(60_000);
    for _ in 0..TRIES {
        if talk.quietly(3, &find).error_code == 0 {
            let answer = talk.quietly(4, &request);
            if answer.error_code == 0 {
                return (answer.producer_id.0, answer.producer_epoch);
            }
        }
    }
    panic!("no coordinator for {id:?}");
}

/// Batches of a transaction as it goes on, up to a new instance that fences the first one.
fn vouched(talk: &mut Talk) {
    let topic_id = talk.topic("one", 3, &[]);
    let name = talk.name("one");
    let id = TransactionalId(talk.name("tx").0);
    let (producer, epoch) = init(talk, &id);
    let send = |talk: &mut Talk, question: &str, rows: &[(i32, i32)]| {
        let rows = rows.iter().map(|(partition, sequence)| (*partition, Some(transactional(producer, epoch, *sequence)))).collect();
        let topic = to(talk, &name, topic_id, rows);
        talk.ask(question, &request(vec![topic]).with_transactional_id(Some(id.clone())));
    };
    send(talk, "before anything", &[(0, 0)]);
    let topic = AddPartitionsToTxnTopic::default().with_name(name.clone()).with_partitions(vec![0, 1]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id.clone())
        .with_v3_and_below_producer_id(ProducerId(producer))
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![topic]);
    let added = talk.quietly(3, &add);
    assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
    send(talk, "after two partitions were added", &[(0, 0), (1, 0), (2, 0)]);
    send(talk, "again", &[(0, 0), (1, 0), (2, 0)]);
    send(talk, "and on", &[(0, 1), (1, 1), (2, 1)]);
    send(talk, "a gap", &[(0, 5)]);
    let topic = to(talk, &name, topic_id, vec![(0, Some(of_producer(producer, epoch, 2, 1)))]);
    talk.ask("a plain batch in the transaction", &request(vec![topic]).with_transactional_id(Some(id.clone())));
    talk.ask_at(0, "the producers", &of(&name, &[0, 1, 2]));
    init(talk, &id);
    send(talk, "fenced, where it was known", &[(0, 2), (1, 1)]);
    send(talk, "fenced, where it was not", &[(2, 9)]);
    talk.ask_at(0, "the producers after it was fenced", &of(&name, &[0, 1]));
}

/// A topic that is deleted, and made anew under its name, while a transaction has written to it.
fn made_anew(talk: &mut Talk) {
    let topic_id = talk.topic("one", 2, &[]);
    let name = talk.name("one");
    let id = TransactionalId(talk.name("tx").0);
    let (producer, epoch) = init(talk, &id);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id.clone())
        .with_v3_and_below_producer_id(ProducerId(producer))
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![AddPartitionsToTxnTopic::default().with_name(name.clone()).with_partitions(vec![0, 1])]);
    talk.quietly(3, &add);
    let topic = to(talk, &name, topic_id, vec![(0, Some(transactional(producer, epoch, 0))), (1, Some(transactional(producer, epoch, 0)))]);
    talk.ask("before", &request(vec![topic]).with_transactional_id(Some(id.clone())));
    let delete = DeleteTopicsRequest::default().with_timeout_ms(30_000);
    talk.quietly(6, &delete.with_topics(vec![DeleteTopicState::default().with_name(Some(name.clone()))]));
    talk.gone(&name);
    let new_id = talk.topic("one", 1, &[]);
    let end = EndTxnRequest::default().with_transactional_id(id.clone()).with_producer_id(ProducerId(producer));
    let end = end.with_producer_epoch(epoch).with_committed(true);
    assert_eq!(talk.quietly(if talk.version > 11 { 5 } else { 3 }, &end).error_code, 0);
    // Waits until the transaction is complete.
    let (producer, epoch) = init(talk, &id);
    talk.ask_at(0, "the producers of the new topic", &of(&name, &[0, 1]));
    if talk.version > 11 {
        let topic = to(talk, &name, new_id, vec![(0, Some(transactional(producer, epoch, 0)))]);
        talk.ask("after", &request(vec![topic]).with_transactional_id(Some(id)));
    }
}

/// Transactional batches of a transactional id that no coordinator knows.
fn unvouched(talk: &mut Talk) {
    let ready = TransactionalId(talk.name("ready").0);
    init(talk, &ready);
    let id = talk.topic("one", 2, &[]);
    let name = talk.name("one");
    let unknown = Some(TransactionalId(talk.name("tx").0));
    let one = to(talk, &name, id, vec![(0, Some(transactional(9010, 0, 0)))]);
    let busy = request(vec![one.clone()]).with_transactional_id(unknown.clone());
    // NOT_ENOUGH_REPLICAS: the coordinator loads.
    let is_busy = |talk: &mut Talk| talk.quietly(talk.version, &busy).responses[0].partition_responses[0].error_code == 19;
    (0..TRIES).find(|_| !is_busy(talk));
    talk.ask("an id that nobody knows", &request(vec![one.clone()]).with_transactional_id(unknown.clone()));
    let empty = Some(TransactionalId(StrBytes::from_static_str("")));
    talk.ask("an empty id", &request(vec![one]).with_transactional_id(empty));
    let two = to(talk, &name, id, vec![(0, Some(transactional(9010, 0, 0))), (1, Some(transactional(9011, 0, 0)))]);
    talk.ask("two producers", &request(vec![two]).with_transactional_id(unknown.clone()));
    let nowhere = to(talk, &name, id, vec![(0, Some(transactional(9010, 0, 0))), (9, Some(transactional(9011, 0, 0)))]);
    talk.ask("another producer where there is no partition", &request(vec![nowhere]).with_transactional_id(unknown.clone()));
    let mixed = to(talk, &name, id, vec![(0, Some(transactional(9010, 0, 0))), (1, Some(of_producer(9012, 0, 0, 1)))]);
    talk.ask("a plain batch beside it", &request(vec![mixed]).with_transactional_id(unknown.clone()));
    let nobody = to(talk, &name, id, vec![(0, Some(transactional(-1, -1, -1)))]);
    talk.ask("a batch of no producer", &request(vec![nobody]).with_transactional_id(unknown.clone()));
    let plain = to(talk, &name, id, vec![(1, Some(of_producer(9012, 0, 1, 1)))]);
    talk.ask("a plain batch with an id", &request(vec![plain]).with_transactional_id(unknown));
}
