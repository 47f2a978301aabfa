//! Row 38: fetch sessions (KIP-227).

use crate::kit::{Batch, Client, FetchOne, Kit, name};
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse};

const NOT_FOUND: i16 = 70;
const INVALID_EPOCH: i16 = 71;

struct Session {
    id: i32,
    epoch: i32,
}

fn topic(partitions: &[(i32, i64)]) -> FetchTopic {
    let partitions = partitions.iter().map(|(partition, from)| FetchOne::from(*from).partition(*partition)).collect();
    FetchTopic::default().with_topic(name("t")).with_partitions(partitions)
}

/// A session over partitions of `t`, each from offset 0; what the first answer had.
fn open(client: &mut Client, partitions: i32) -> (Session, FetchResponse) {
    let all: Vec<_> = (0..partitions).map(|partition| (partition, 0)).collect();
    let answer = client.ask(12, &FetchOne::from(0).request(topic(&all)).with_session_epoch(0));
    (Session { id: answer.session_id, epoch: 1 }, answer)
}

impl Session {
    fn request(&mut self, changed: &[(i32, i64)]) -> FetchRequest {
        let request = FetchOne::from(0).request(topic(changed)).with_session_id(self.id).with_session_epoch(self.epoch);
        self.epoch += 1;
        if changed.is_empty() { request.with_topics(vec![]) } else { request }
    }

    fn next(&mut self, client: &mut Client, changed: &[(i32, i64)]) -> Vec<i32> {
        let request = self.request(changed);
        let answer = client.ask(12, &request);
        assert_eq!((answer.error_code, answer.session_id), (0, self.id));
        numbers(&answer)
    }
}

fn numbers(answer: &FetchResponse) -> Vec<i32> {
    answer.responses.iter().flat_map(|topic| topic.partitions.iter().map(|partition| partition.partition_index)).collect()
}

fn kit() -> (Kit, Client) {
    let kit = Kit::with("max.incremental.fetch.session.cache.slots=2");
    let mut client = kit.connect();
    client.create("t", 4, &[]);
    (kit, client)
}

#[test]
fn row_38_an_incremental_answer_has_only_partitions_with_news() {
    let (_kit, mut client) = kit();
    let (mut session, first) = open(&mut client, 3);
    assert!(session.id > 0);
    assert_eq!(numbers(&first), [0, 1, 2]);
    assert_eq!(session.next(&mut client, &[]), [0; 0]);
    client.produce("t", 1, &Batch::of(&["a"]));
    client.produce("t", 3, &Batch::of(&["not in the session"]));
    assert_eq!(session.next(&mut client, &[]), [1]);
    assert_eq!(session.next(&mut client, &[]), [1], "the consumer has not moved: the records are still to be had");
    assert_eq!(session.next(&mut client, &[(1, 1)]), [0; 0]);
    assert_eq!(session.next(&mut client, &[(3, 0)]), [3], "added");
}

#[test]
fn row_38_forgotten_partitions_are_not_answered_any_more() {
    let (_kit, mut client) = kit();
    let (mut session, _) = open(&mut client, 3);
    for partition in 0..3 {
        client.produce("t", partition, &Batch::of(&["a"]));
    }
    let forgotten = ForgottenTopic::default().with_topic(name("t")).with_partitions(vec![0, 2]);
    let request = session.request(&[]).with_forgotten_topics_data(vec![forgotten]);
    assert_eq!(numbers(&client.ask(12, &request)), [1]);
    assert_eq!(session.next(&mut client, &[]), [1]);
}

#[test]
fn row_38_errors_are_repeated_until_they_are_gone() {
    let (_kit, mut client) = kit();
    let (mut session, _) = open(&mut client, 2);
    assert_eq!(session.next(&mut client, &[(1, 99)]), [1], "offset out of range");
    assert_eq!(session.next(&mut client, &[]), [1]);
    assert_eq!(session.next(&mut client, &[(1, 0)]), [1], "well again");
    assert_eq!(session.next(&mut client, &[]), [0; 0]);
}

#[test]
fn row_38_a_session_waits_and_is_woken() {
    let (kit, mut client) = kit();
    let (mut session, _) = open(&mut client, 2);
    let id = client.send(12, &session.request(&[]).with_max_wait_ms(600_000));
    kit.connect().produce("t", 1, &Batch::of(&["a"]));
    assert_eq!(numbers(&client.receive::<FetchRequest>(12, id)), [1]);
}

#[test]
fn row_38_unknown_sessions_and_wrong_epochs_are_refused_and_do_no_harm() {
    let (_kit, mut client) = kit();
    let (mut session, _) = open(&mut client, 2);
    let stranger = Session { id: session.id ^ 1, epoch: 1 }.request(&[]);
    assert_eq!(client.ask(12, &stranger).error_code, NOT_FOUND);
    let early = Session { id: session.id, epoch: 5 }.request(&[]);
    let refused = client.ask(12, &early);
    assert_eq!((refused.error_code, refused.session_id, refused.responses.len()), (INVALID_EPOCH, 0, 0));
    assert_eq!(session.next(&mut client, &[]), [0; 0]);
    let again = Session { id: session.id, epoch: 1 }.request(&[]);
    assert_eq!(client.ask(12, &again).error_code, INVALID_EPOCH, "the same epoch twice");
}

#[test]
fn row_38_epoch_minus_one_ends_the_session() {
    let (_kit, mut client) = kit();
    let (mut session, _) = open(&mut client, 2);
    let last = FetchOne::from(0).request(topic(&[(0, 0)])).with_session_id(session.id).with_session_epoch(-1);
    let answer = client.ask(12, &last);
    assert_eq!((answer.error_code, answer.session_id, numbers(&answer)), (0, 0, vec![0]));
    assert_eq!(client.ask(12, &session.request(&[])).error_code, NOT_FOUND);
}

#[test]
fn row_38_a_full_cache_keeps_the_busy_and_drops_the_forgotten() {
    let (kit, mut client) = kit();
    let (mut first, _) = open(&mut client, 2);
    let (mut second, _) = open(&mut client, 2);
    let (none, answer) = open(&mut client, 2);
    assert_eq!((none.id, numbers(&answer)), (0, vec![0, 1]), "no room: a whole answer without a session");
    assert_eq!(first.next(&mut client, &[]), [0; 0]);
    kit.clock.advance(100_000);
    assert_eq!(second.next(&mut client, &[]), [0; 0]);
    kit.clock.advance(100_000);
    let (mut third, _) = open(&mut client, 2);
    assert_ne!(third.id, 0, "the first was silent for more than two minutes");
    assert_eq!(client.ask(12, &first.request(&[])).error_code, NOT_FOUND);
    assert_eq!(second.next(&mut client, &[]), [0; 0]);
    assert_eq!(third.next(&mut client, &[]), [0; 0]);
}

#[test]
fn row_38_partitions_that_delivered_go_to_the_end_so_that_none_starves() {
    let (_kit, mut client) = kit();
    for partition in 0..3 {
        for _ in 0..3 {
            client.produce("t", partition, &Batch::sized(10_000));
        }
    }
    let all: Vec<_> = (0..3).map(|partition| (partition, 0)).collect();
    let tight = FetchOne { request_max_bytes: 1, ..FetchOne::from(0) };
    let opened = client.ask(12, &tight.request(topic(&all)).with_session_epoch(0));
    let mut session = Session { id: opened.session_id, epoch: 1 };
    let mut served = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let answer = client.ask(12, &session.request(&[]).with_max_bytes(1));
        for partition in &answer.responses[0].partitions {
            if partition.records.as_ref().is_some_and(|records| !records.is_empty()) {
                served.insert(partition.partition_index);
            }
        }
    }
    assert_eq!(served.len(), 3, "{served:?}");
}

#[test]
fn row_38_sessions_end_with_the_broker_and_the_client_is_told() {
    let (mut kit, mut client) = kit();
    let (mut session, _) = open(&mut client, 2);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.ask(12, &session.request(&[])).error_code, NOT_FOUND);
}
