//! Transactional ids: their coordinator, producers, partitions, ends, and what administrators ask of them.

use super::batches::{self, T0};
use super::groups::word;
use super::{Story, Talk, story};
use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, EndTxnResponse, FindCoordinatorRequest, InitProducerIdRequest,
    ListTransactionsRequest, ProducerId, TopicName, TransactionalId,
};
use ottla_storage::batch::BatchBuilder;
use ottla_storage::{ProducerEpoch, ProducerId as StoredProducerId, Sequence};

pub(super) const STORIES: &[Story] = &[
    story("find transaction coordinator", 1..=6, find),
    story("init transactional id", 0..=5, init),
    story("resume a producer", 3..=5, resume),
    story("partitions of a transaction", 0..=5, partitions),
    story("partitions of transactions", 4..=5, batched),
    story("end of a transaction", 0..=5, end),
    story("describe transactions", 0..=0, describe),
    story("list transactions", 0..=2, list),
];

const CONCURRENT_TRANSACTIONS: i16 = 51;
const TRIES: u32 = 20_000;
/// Versions of quiet requests. EndTxn 4 is the last one of transaction version 1.
const INIT: i16 = 5;
const ADD: i16 = 3;
const END: i16 = 4;

/// A transactional id and its producer.
#[derive(Clone)]
pub(super) struct Producer {
    pub(super) transactional_id: TransactionalId,
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// A transactional id of this story alone. Asks until its coordinator is known and loaded, for a new Apache Kafka has none yet.
pub(super) fn transactional_id(talk: &mut Talk, name: &str) -> TransactionalId {
    let id = TransactionalId(talk.name(name).0);
    let finding = FindCoordinatorRequest::default().with_key(id.0.clone()).with_key_type(1);
    let found = (0..TRIES).any(|_| talk.quietly(3, &finding).error_code == 0);
    assert!(found, "{id:?} has no coordinator");
    let loaded = (0..TRIES).any(|_| !matches!(state_of(talk, &id).0, 14..=16));
    assert!(loaded, "{id:?} does not load");
    id
}

/// Error code and state.
fn state_of(talk: &mut Talk, id: &TransactionalId) -> (i16, String) {
    let answer = talk.quietly(0, &about(&[id]));
    let state = &answer.transaction_states[0];
    (state.error_code, state.transaction_state.to_string())
}

/// Asks until no transaction of the id waits for its markers.
pub(super) fn settled(talk: &mut Talk, id: &TransactionalId) {
    let done = (0..TRIES).any(|_| !state_of(talk, id).1.starts_with("Prepare"));
    assert!(done, "{id:?} does not come to rest");
}

impl Producer {
    /// A new one. Asks as long as the transaction before has to be ended first.
    pub(super) fn new(talk: &mut Talk, name: &str) -> Self {
        let transactional_id = transactional_id(talk, name);
        Self::of(talk, &transactional_id)
    }

    fn of(talk: &mut Talk, transactional_id: &TransactionalId) -> Self {
        for _ in 0..TRIES {
            let answer = talk.quietly(INIT, &initiating(transactional_id));
            if answer.error_code != CONCURRENT_TRANSACTIONS {
                assert_eq!(answer.error_code, 0, "{transactional_id:?}");
                return Self { transactional_id: transactional_id.clone(), id: answer.producer_id.0, epoch: answer.producer_epoch };
            }
        }
        panic!("{transactional_id:?} does not come to rest");
    }

    /// Opens a transaction over one partition.
    pub(super) fn begin(&self, talk: &mut Talk, topic: &TopicName, partition: i32) {
        let request = adding(ADD, self, vec![(topic, vec![partition])]);
        for _ in 0..TRIES {
            let answer = talk.quietly(ADD, &request);
            let error = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
            if error != CONCURRENT_TRANSACTIONS {
                assert_eq!(error, 0, "{:?}", self.transactional_id);
                return;
            }
        }
        panic!("{:?} does not come to rest", self.transactional_id);
    }

    /// Ends it as clients with transaction version 1 do.
    pub(super) fn end(&self, talk: &mut Talk, committed: bool) {
        assert_eq!(talk.quietly(END, &ending(self, committed)).error_code, 0, "{:?}", self.transactional_id);
        settled(talk, &self.transactional_id);
    }

    fn at_epoch(&self, epoch: i16) -> Self {
        Self { epoch, ..self.clone() }
    }

    fn with_id(&self, id: i64) -> Self {
        Self { id, ..self.clone() }
    }

    /// Records of its transaction.
    pub(super) fn records(&self, sequence: i32, values: &[&str]) -> Bytes {
        let builder =
            BatchBuilder::new().producer(StoredProducerId(self.id), ProducerEpoch(self.epoch), Sequence(sequence)).transactional();
        batches::build(builder, T0, values)
    }
}

pub(super) fn initiating(id: &TransactionalId) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

fn topics(topics: Vec<(&TopicName, Vec<i32>)>) -> Vec<AddPartitionsToTxnTopic> {
    let topic =
        |(name, partitions): (&TopicName, Vec<i32>)| AddPartitionsToTxnTopic::default().with_name(name.clone()).with_partitions(partitions);
    topics.into_iter().map(topic).collect()
}

fn of_broker(producer: &Producer, to: Vec<(&TopicName, Vec<i32>)>, verify_only: bool) -> AddPartitionsToTxnTransaction {
    AddPartitionsToTxnTransaction::default()
        .with_transactional_id(producer.transactional_id.clone())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_verify_only(verify_only)
        .with_topics(topics(to))
}

/// Below v4 as a client, from v4 on as a broker.
pub(super) fn adding(version: i16, producer: &Producer, to: Vec<(&TopicName, Vec<i32>)>) -> AddPartitionsToTxnRequest {
    if version >= 4 {
        return AddPartitionsToTxnRequest::default().with_transactions(vec![of_broker(producer, to, false)]);
    }
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(producer.transactional_id.clone())
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(topics(to))
}

pub(super) fn ending(producer: &Producer, committed: bool) -> EndTxnRequest {
    EndTxnRequest::default()
        .with_transactional_id(producer.transactional_id.clone())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(committed)
}

fn about(ids: &[&TransactionalId]) -> DescribeTransactionsRequest {
    DescribeTransactionsRequest::default().with_transactional_ids(ids.iter().map(|id| (*id).clone()).collect())
}

fn find(talk: &mut Talk) {
    let one = transactional_id(talk, "one").0;
    let looking = |talk: &Talk, keys: &[&str]| {
        let request = FindCoordinatorRequest::default().with_key_type(1);
        match keys {
            [key] if talk.version < 4 => request.with_key(word(key)),
            _ => request.with_coordinator_keys(keys.iter().map(|key| word(key)).collect()),
        }
    };
    talk.ask("an id", &looking(talk, &[&one]));
    talk.ask("an empty id", &looking(talk, &[""]));
    if talk.version >= 4 {
        talk.ask("two ids", &looking(talk, &[&one, "another"]));
        talk.ask("no ids", &looking(talk, &[]));
    }
}

/// InitProducerId until the transaction before has ended; the last answer is written down.
fn init_patiently(talk: &mut Talk, question: &str, request: &InitProducerIdRequest) {
    talk.ask_until(question, request, |answer| answer.error_code != CONCURRENT_TRANSACTIONS);
}

fn init(talk: &mut Talk) {
    let one = transactional_id(talk, "one");
    let two = transactional_id(talk, "two");
    talk.topic("topic", 1, &[]);
    let topic = talk.name("topic");
    talk.ask("a new id", &initiating(&one));
    talk.ask("a new id again", &initiating(&one));
    talk.ask("another id", &initiating(&two));
    for timeout in [1, 900_000, 900_001, 0, -1, i32::MIN, i32::MAX] {
        talk.ask(&format!("a timeout of {timeout} ms"), &initiating(&two).with_transaction_timeout_ms(timeout));
    }
    talk.ask("an empty id", &initiating(&TransactionalId(word(""))));
    talk.ask("an empty id and a timeout too long", &initiating(&TransactionalId(word(""))).with_transaction_timeout_ms(900_001));
    let three = Producer::new(talk, "three");
    three.begin(talk, &topic, 0);
    init_patiently(talk, "in a transaction", &initiating(&three.transactional_id));
    talk.ask_at(END, "the producer before commits", &ending(&three, true));
    talk.ask_at(1, "the producer before commits, at an old version", &ending(&three, true));
    let four = Producer::new(talk, "four");
    four.begin(talk, &topic, 0);
    four.end(talk, true);
    talk.ask("after a commit", &initiating(&four.transactional_id));
    let five = Producer::new(talk, "five");
    five.begin(talk, &topic, 0);
    five.end(talk, false);
    talk.ask("after an abort", &initiating(&five.transactional_id));
}

fn resume(talk: &mut Talk) {
    let resuming = |producer: &Producer, epoch: i16| {
        initiating(&producer.transactional_id).with_producer_id(ProducerId(producer.id)).with_producer_epoch(epoch)
    };
    talk.topic("topic", 1, &[]);
    let topic = talk.name("topic");
    let fresh = |talk: &mut Talk, name: &str| Producer { transactional_id: transactional_id(talk, name), id: 0, epoch: 0 };
    let zero = fresh(talk, "zero");
    talk.ask("a new id with producer 0", &resuming(&zero, 0));
    let seven = fresh(talk, "seven").with_id(7_000_000);
    talk.ask("a new id with some producer", &resuming(&seven, 3));
    let half = fresh(talk, "half");
    talk.ask("a new id with a producer id only", &resuming(&half, -1));
    talk.ask("a new id with an epoch only", &resuming(&half.with_id(-1), 0));
    talk.ask("a new id with negative ones", &resuming(&half.with_id(-5), -5));

    let one = Producer::new(talk, "one");
    talk.ask("the current epoch", &resuming(&one, 0));
    talk.ask("the epoch before: a retry", &resuming(&one, 0));
    talk.ask("the current epoch again", &resuming(&one, 1));
    talk.ask("an epoch long gone", &resuming(&one, 0));
    talk.ask("an epoch to come", &resuming(&one, 9));
    talk.ask("another producer id", &resuming(&one.with_id(one.id + 1_000_000), 2));
    talk.ask("without a producer", &initiating(&one.transactional_id));
    talk.ask("the epoch before that: a retry too", &resuming(&one, 2));
    talk.ask("no epoch", &resuming(&one, -1));
    talk.ask("the last epoch", &resuming(&one, i16::MAX));

    let open = Producer::new(talk, "open");
    open.begin(talk, &topic, 0);
    init_patiently(talk, "in a transaction", &resuming(&open, 0));
    talk.ask_at(END, "the epoch before ends it", &ending(&open, true));
    let zombie = Producer::new(talk, "zombie");
    Producer::of(talk, &zombie.transactional_id).begin(talk, &topic, 0);
    init_patiently(talk, "a producer that was replaced", &resuming(&zombie, 0));
}

fn partitions(talk: &mut Talk) {
    talk.topic("one", 2, &[]);
    talk.topic("two", 1, &[]);
    let (one, two, nowhere) = (talk.name("one"), talk.name("two"), talk.name("nowhere"));
    let version = talk.version;
    let producer = Producer::new(talk, "id");
    let mut ask = |question: &str, producer: &Producer, to: Vec<(&TopicName, Vec<i32>)>| {
        talk.ask(question, &adding(version, producer, to));
    };
    let here = || vec![(&one, vec![0])];
    let internal = |name: &str| TopicName(word(name));
    ask("an unknown id", &Producer { transactional_id: TransactionalId(word("nobody")), ..producer.clone() }, here());
    ask("an empty id", &Producer { transactional_id: TransactionalId(word("")), ..producer.clone() }, here());
    ask(
        "an empty id and an unknown topic",
        &Producer { transactional_id: TransactionalId(word("")), ..producer.clone() },
        vec![(&nowhere, vec![0])],
    );
    ask("another producer id", &producer.with_id(producer.id + 1_000_000), here());
    ask("another producer id and epoch", &producer.with_id(producer.id + 1_000_000).at_epoch(9), here());
    ask("an epoch to come", &producer.at_epoch(1), here());
    ask("an epoch below 0", &producer.at_epoch(-1), here());
    ask("an unknown topic", &producer, vec![(&nowhere, vec![0, 1])]);
    ask("an unknown topic and a known one", &producer, vec![(&nowhere, vec![0]), (&one, vec![0, 1])]);
    ask("unknown partitions", &producer, vec![(&one, vec![0, 2, -1]), (&two, vec![0])]);
    ask("an unknown topic and another epoch", &producer.at_epoch(9), vec![(&nowhere, vec![0])]);
    ask("an empty topic name", &producer, vec![(&internal(""), vec![0])]);
    ask("an internal topic", &producer, vec![(&internal("__transaction_state"), vec![0]), (&one, vec![0])]);
    ask("an internal topic that is not there", &producer, vec![(&internal("__share_group_state"), vec![0])]);
    ask("one partition", &producer, here());
    ask("the same again", &producer, here());
    ask("two topics", &producer, vec![(&one, vec![0, 1]), (&two, vec![0])]);
    ask("a partition twice", &producer, vec![(&one, vec![0, 0])]);
    ask("a topic without partitions", &producer, vec![(&one, vec![])]);
    ask("nothing", &producer, vec![]);
    ask("nothing with another epoch", &producer.at_epoch(9), vec![]);
    let mut next = producer.clone();
    for committed in [true, false] {
        next.end(talk, committed);
        talk.ask(&format!("after an end, committed {committed}"), &adding(version, &next, vec![(&two, vec![0])]));
    }
    next = Producer::of(talk, &producer.transactional_id);
    talk.ask("a producer that was replaced", &adding(version, &producer, vec![(&one, vec![0])]));
    talk.ask("the one that replaced it", &adding(version, &next, vec![(&one, vec![0])]));
    let empty = Producer::new(talk, "empty");
    talk.ask("nothing in a new transaction", &adding(version, &empty, vec![]));
    talk.ask_at(0, "what that leaves", &about(&[&empty.transactional_id]));
}

fn batched(talk: &mut Talk) {
    talk.topic("one", 2, &[]);
    let (one, nowhere) = (talk.name("one"), talk.name("nowhere"));
    let (first, second, idle) = (Producer::new(talk, "first"), Producer::new(talk, "second"), Producer::new(talk, "idle"));
    let both = |transactions: Vec<AddPartitionsToTxnTransaction>| AddPartitionsToTxnRequest::default().with_transactions(transactions);
    let here = || vec![(&one, vec![0])];
    talk.ask("two transactions", &both(vec![of_broker(&first, here(), false), of_broker(&second, here(), false)]));
    talk.ask(
        "one that cannot be",
        &both(vec![of_broker(&first.at_epoch(9), here(), false), of_broker(&second, vec![(&one, vec![1])], false)]),
    );
    let verify = |producer: &Producer, to: Vec<(&TopicName, Vec<i32>)>| both(vec![of_broker(producer, to, true)]);
    talk.ask("verify what is there", &verify(&first, here()));
    talk.ask("verify what is not there", &verify(&first, vec![(&one, vec![0, 1])]));
    talk.ask("verify what does not exist", &verify(&first, vec![(&one, vec![0, 7]), (&nowhere, vec![0])]));
    talk.ask("verify without a transaction", &verify(&idle, here()));
    talk.ask("verify another epoch", &verify(&first.at_epoch(9), here()));
    talk.ask("verify another producer", &verify(&first.with_id(first.id + 1_000_000), here()));
    talk.ask("verify an unknown id", &verify(&Producer { transactional_id: TransactionalId(word("nobody")), ..first.clone() }, here()));
    talk.ask("verify an empty id", &verify(&Producer { transactional_id: TransactionalId(word("")), ..first.clone() }, here()));
    talk.ask(
        "verify and add",
        &both(vec![of_broker(&first, vec![(&one, vec![1])], true), of_broker(&second, vec![(&one, vec![1])], false)]),
    );
    talk.ask("verify nothing", &verify(&first, vec![]));
    first.end(talk, true);
    talk.ask("verify after the end", &verify(&first, here()));
}

/// EndTxn, and the producer it leaves.
fn ask_end(talk: &mut Talk, question: &str, producer: &Producer, committed: bool) -> Producer {
    let done = |answer: &EndTxnResponse| answer.error_code != CONCURRENT_TRANSACTIONS;
    let answer = talk.ask_until(question, &ending(producer, committed), done);
    settled(talk, &producer.transactional_id);
    let moved = answer.error_code == 0 && answer.producer_id.0 >= 0;
    if moved { producer.with_id(answer.producer_id.0).at_epoch(answer.producer_epoch) } else { producer.clone() }
}

fn end(talk: &mut Talk) {
    talk.topic("one", 1, &[]);
    let one = talk.name("one");
    let first = Producer::new(talk, "first");
    let nobody = Producer { transactional_id: TransactionalId(word("nobody")), ..first.clone() };
    let empty = Producer { transactional_id: TransactionalId(word("")), ..first.clone() };
    for committed in [true, false] {
        let word = if committed { "commit" } else { "abort" };
        ask_end(talk, &format!("{word} of an unknown id"), &nobody, committed);
        ask_end(talk, &format!("{word} of an empty id"), &empty, committed);
        ask_end(talk, &format!("{word} of another producer"), &first.with_id(first.id + 1_000_000), committed);
        ask_end(talk, &format!("{word} of an epoch to come"), &first.at_epoch(1), committed);
        ask_end(talk, &format!("{word} of an epoch below 0"), &first.at_epoch(-1), committed);
        let fresh = Producer::new(talk, word);
        ask_end(talk, &format!("{word} of nothing"), &fresh, committed);
        let mut producer = Producer::new(talk, &format!("{word}.all"));
        for round in ["the first time", "the second time"] {
            producer.begin(talk, &one, 0);
            let other = producer.at_epoch(producer.epoch + 1);
            ask_end(talk, &format!("{word} of an open transaction with an epoch to come {round}"), &other, committed);
            let next = ask_end(talk, &format!("{word} {round}"), &producer, committed);
            ask_end(talk, &format!("{word} {round}, again"), &producer, committed);
            ask_end(talk, &format!("{word} {round}, and then the contrary"), &producer, !committed);
            if next.epoch != producer.epoch {
                let after = ask_end(talk, &format!("{word} {round}, then of nothing"), &next, committed);
                ask_end(talk, &format!("{word} {round}, then of nothing, again"), &next, committed);
                producer = ask_end(talk, &format!("{word} {round}, then an abort of nothing"), &after, false);
            }
        }
        let zombie = Producer::new(talk, &format!("{word}.zombie"));
        let replaced = Producer::of(talk, &zombie.transactional_id);
        replaced.begin(talk, &one, 0);
        ask_end(talk, &format!("{word} of a producer that was replaced"), &zombie, committed);
        ask_end(talk, &format!("{word} of the one that replaced it"), &replaced, committed);
    }
}

fn describe(talk: &mut Talk) {
    talk.topic("one", 3, &[]);
    talk.topic("two", 1, &[]);
    let (one, two) = (talk.name("one"), talk.name("two"));
    let nobody = transactional_id(talk, "nobody");
    let (empty, open) = (Producer::new(talk, "empty"), Producer::new(talk, "open"));
    let (committed, aborted) = (Producer::new(talk, "committed"), Producer::new(talk, "aborted"));
    open.begin(talk, &one, 2);
    open.begin(talk, &one, 0);
    open.begin(talk, &two, 0);
    for (producer, commit) in [(&committed, true), (&aborted, false)] {
        producer.begin(talk, &one, 0);
        producer.end(talk, commit);
    }
    talk.ask("an unknown id", &about(&[&nobody]));
    talk.ask("an empty id", &about(&[&TransactionalId(word(""))]));
    talk.ask("no transaction yet", &about(&[&empty.transactional_id]));
    talk.ask("an open one", &about(&[&open.transactional_id]));
    talk.ask("a committed one", &about(&[&committed.transactional_id]));
    talk.ask("an aborted one", &about(&[&aborted.transactional_id]));
    talk.ask("three of them", &about(&[&aborted.transactional_id, &nobody, &empty.transactional_id]));
    talk.ask("an id twice", &about(&[&empty.transactional_id, &empty.transactional_id]));
    talk.ask("nothing", &about(&[]));
}

fn list(talk: &mut Talk) {
    talk.topic("one", 1, &[]);
    let one = talk.name("one");
    let (empty, open, done) = (Producer::new(talk, "empty"), Producer::new(talk, "open"), Producer::new(talk, "done"));
    open.begin(talk, &one, 0);
    done.begin(talk, &one, 0);
    done.end(talk, true);
    let all = ListTransactionsRequest::default().with_duration_filter(-1).with_transactional_id_pattern(None);
    let states = |names: &[&str]| all.clone().with_state_filters(names.iter().map(|name| word(name)).collect());
    talk.ask("all", &all);
    talk.ask("the open ones", &states(&["Ongoing"]));
    talk.ask("two states", &states(&["Empty", "CompleteCommit"]));
    for name in ["ongoing", "", "Dead", "PrepareEpochFence", "PrepareAbort", "Nonsense"] {
        talk.ask(&format!("state {name:?}"), &states(&[name]));
    }
    talk.ask("a state and nonsense", &states(&["Nonsense", "Ongoing", "Nonsense"]));
    talk.ask("one producer", &all.clone().with_producer_id_filters(vec![ProducerId(empty.id)]));
    talk.ask("an unknown producer", &all.clone().with_producer_id_filters(vec![ProducerId(i64::MAX)]));
    talk.ask("a producer and a state it is not in", &states(&["Ongoing"]).with_producer_id_filters(vec![ProducerId(empty.id)]));
    if talk.version >= 1 {
        for duration in [i64::MIN, 0, 3_600_000, i64::MAX] {
            talk.ask(
                &format!("longer than {duration} ms, but for open ones"),
                &states(&["Empty", "CompleteCommit"]).with_duration_filter(duration),
            );
        }
        talk.ask("open for longer than an hour", &states(&["Ongoing"]).with_duration_filter(3_600_000));
    }
    if talk.version >= 2 {
        for pattern in ["", ".*", "open.*", "open", "(?i)OPEN.*", "[", "(a", "a{2000}", "\\pN", "(?=a)", "*"] {
            talk.ask(&format!("pattern {pattern:?}"), &all.clone().with_transactional_id_pattern(Some(word(pattern))));
        }
    }
}
