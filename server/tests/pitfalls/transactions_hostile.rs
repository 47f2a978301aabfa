//! Requests about transactions that are well formed and mean harm: Kafka's error, and no other transactional id notices.

use crate::kit::groups::text;
use crate::kit::transactions::{TV1, Transactor};
use crate::kit::{Client, FetchOne, Kit, name, seen};
use kafka_protocol::ResponseError::{
    self, InvalidProducerEpoch, InvalidProducerIdMapping, InvalidRequest, OperationNotAttempted, ProducerFenced, TopicAuthorizationFailed,
    TransactionalIdNotFound, UnknownTopicOrPartition,
};
use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListTransactionsRequest, ProducerId, TransactionalId, WriteTxnMarkersRequest,
};

/// One shard, so that whatever happens to it happens to all transactional ids.
const ONE_SHARD: &str = "transaction.state.log.num.partitions=1\noffsets.topic.num.partitions=1";

fn error(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

fn id(transactional_id: &str) -> TransactionalId {
    TransactionalId(text(transactional_id))
}

/// A producer in the middle of its transaction.
struct Bystander {
    client: Client,
    by: Transactor,
}

impl Bystander {
    fn of(kit: &Kit) -> Self {
        let mut client = kit.connect();
        client.create("quiet", 1, &[]);
        let by = client.transactor("bystander", TV1);
        client.transact(&by, "quiet", 0, 0, &["a"]);
        Self { client, by }
    }

    fn noticed_nothing(mut self) {
        self.client.transact(&self.by, "quiet", 0, 1, &["b"]);
        assert_eq!(self.client.try_end(&mut self.by, true), 0);
        let answer = self.client.fetch_committed("quiet", 0, &FetchOne::from(0));
        assert_eq!((answer.last_stable_offset, answer.aborted_transactions.expect("always there").len()), (3, 0));
        assert_eq!(seen(&answer.records.expect("never null")).len(), 3, "two records and their marker");
    }
}

/// A broker, somebody else's transaction, and a client.
fn story() -> (Kit, Bystander, Client) {
    let kit = Kit::with(ONE_SHARD);
    let bystander = Bystander::of(&kit);
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    (kit, bystander, client)
}

fn initiating(transactional_id: &str) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(id(transactional_id)))
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
        .with_transaction_timeout_ms(60_000)
}

fn topics(rows: &[(&str, &[i32])]) -> Vec<AddPartitionsToTxnTopic> {
    let topic = |(topic, partitions): &(&str, &[i32])| {
        AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(partitions.to_vec())
    };
    rows.iter().map(topic).collect()
}

/// AddPartitionsToTxn at any version; the errors in order.
fn add(client: &mut Client, version: i16, by: &Transactor, rows: &[(&str, &[i32])]) -> Vec<Option<ResponseError>> {
    let results = if version >= 4 {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(id(&by.id))
            .with_producer_id(ProducerId(by.pid))
            .with_producer_epoch(by.epoch)
            .with_topics(topics(rows));
        let mut answer = client.ask(version, &AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]));
        answer.results_by_transaction.remove(0).topic_results
    } else {
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id(&by.id))
            .with_v3_and_below_producer_id(ProducerId(by.pid))
            .with_v3_and_below_producer_epoch(by.epoch)
            .with_v3_and_below_topics(topics(rows));
        client.ask(version, &request).results_by_topic_v3_and_below
    };
    results.iter().flat_map(|topic| &topic.results_by_partition).map(|row| error(row.partition_error_code)).collect()
}

fn end(client: &mut Client, version: i16, by: &Transactor, commit: bool) -> Option<ResponseError> {
    let request = EndTxnRequest::default()
        .with_transactional_id(id(&by.id))
        .with_producer_id(ProducerId(by.pid))
        .with_producer_epoch(by.epoch)
        .with_committed(commit);
    error(client.ask(version, &request).error_code)
}

fn add_group(client: &mut Client, version: i16, by: &Transactor) -> Option<ResponseError> {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id(&by.id))
        .with_producer_id(ProducerId(by.pid))
        .with_producer_epoch(by.epoch)
        .with_group_id(text("g").into());
    error(client.ask(version, &request).error_code)
}

/// Everything that claims to be this producer is refused so; below version 2 in words that old clients know.
fn refused_as(client: &mut Client, who: &str, by: &Transactor, expected: ResponseError) {
    let of_version = |version| match expected {
        ProducerFenced if version < 2 => InvalidProducerEpoch,
        expected => expected,
    };
    for version in 0..=5 {
        let expected = Some(of_version(version));
        assert_eq!(add(client, version, by, &[("t", &[0, 1])]), [expected; 2], "AddPartitionsToTxn {version}: {who}");
        for commit in [true, false] {
            assert_eq!(end(client, version, by, commit), expected, "EndTxn {version}, commit {commit}: {who}");
        }
        if version <= 4 {
            assert_eq!(add_group(client, version, by), expected, "AddOffsetsToTxn {version}: {who}");
        }
    }
}

#[test]
fn whoever_is_not_the_producer_is_refused_in_the_words_of_its_version() {
    let (_kit, bystander, mut client) = story();
    let own = client.transactor("intruder", TV1);
    let theirs = &bystander.by;
    let called = |who: &str, pid, epoch| Transactor { id: who.to_owned(), pid, epoch, produce: TV1 };
    refused_as(&mut client, "an unknown id", &called("nobody", own.pid, 0), InvalidProducerIdMapping);
    refused_as(&mut client, "an empty id", &called("", own.pid, 0), InvalidRequest);
    refused_as(&mut client, "another's producer id", &called("intruder", theirs.pid, 0), InvalidProducerIdMapping);
    refused_as(&mut client, "another's transactional id", &called("bystander", own.pid, 0), InvalidProducerIdMapping);
    refused_as(&mut client, "a producer id that nobody has", &called("intruder", i64::MAX, 0), InvalidProducerIdMapping);
    refused_as(&mut client, "no producer", &called("intruder", -1, -1), InvalidProducerIdMapping);
    for epoch in [1, i16::MAX, -1, i16::MIN] {
        refused_as(&mut client, &format!("epoch {epoch}"), &called("intruder", own.pid, epoch), ProducerFenced);
        refused_as(&mut client, &format!("another's epoch {epoch}"), &called("bystander", theirs.pid, epoch), ProducerFenced);
    }
    let successor = client.transactor("intruder", TV1);
    refused_as(&mut client, "a producer that was replaced", &own, ProducerFenced);
    assert_eq!(add(&mut client, 3, &successor, &[("t", &[0])]), [None]);
    assert_eq!(end(&mut client, 3, &successor, true), None);
    bystander.noticed_nothing();
}

#[test]
fn a_partition_that_is_refused_takes_the_others_of_its_transaction_with_it() {
    let (_kit, bystander, mut client) = story();
    let by = client.transactor("id", TV1);
    for version in 0..=5 {
        let refused = |bad| [Some(bad), Some(OperationNotAttempted)];
        let internal = if version < 4 { TopicAuthorizationFailed } else { OperationNotAttempted };
        assert_eq!(add(&mut client, version, &by, &[("nowhere", &[0]), ("t", &[0])]), refused(UnknownTopicOrPartition));
        for partition in [2, -1, i32::MAX, i32::MIN] {
            assert_eq!(add(&mut client, version, &by, &[("t", &[partition, 0])]), refused(UnknownTopicOrPartition));
        }
        for bad in ["", "../t", "t\0", "__cluster_metadata"] {
            assert_eq!(add(&mut client, version, &by, &[(bad, &[0]), ("t", &[0])]), refused(UnknownTopicOrPartition), "{bad:?}");
        }
        let mixed = add(&mut client, version, &by, &[("__transaction_state", &[0]), ("nowhere", &[0])]);
        assert_eq!(mixed, [Some(internal), Some(UnknownTopicOrPartition)]);
    }
    let state = client.ask(0, &DescribeTransactionsRequest::default().with_transactional_ids(vec![id("id")])).transaction_states.remove(0);
    assert_eq!((state.transaction_state.as_str(), state.topics.len()), ("Empty", 0), "nothing was added");
    bystander.noticed_nothing();
}

#[test]
fn ids_of_every_length_have_their_transactions() {
    let (mut kit, bystander, mut client) = story();
    let longest = "i".repeat(32_767);
    let ids = ["\0", "../../etc/passwd", "ü\u{202e}", " ", &longest];
    for transactional_id in ids {
        let mut by = client.transactor(transactional_id, TV1);
        client.transact(&by, "t", 0, 0, &["a"]);
        assert_eq!(client.try_end(&mut by, true), 0);
    }
    bystander.noticed_nothing();
    kit.kill_and_restart();
    client = kit.connect();
    for transactional_id in ids {
        assert_eq!(client.transactor(transactional_id, TV1).epoch, 1, "known after a restart");
    }
    // Longer than a string may be.
    client.send(5, &initiating(&"i".repeat(32_768)));
    assert!(client.is_closed());
    assert_eq!(error(kit.connect().ask(5, &initiating("well")).error_code), None);
}

#[test]
fn an_id_that_is_null_where_it_must_not_be_closes_the_connection() {
    let (kit, bystander, mut client) = story();
    // A string of length -1 in front of a producer id and an epoch.
    for (key, rest) in [(24, &[0, 0, 0, 0][..]), (25, &[0, 1, b'g']), (26, &[1])] {
        let mut body = vec![0xff, 0xff];
        body.extend([0; 10]);
        body.extend(rest);
        client.send_raw(key, 0, &body);
        assert!(client.is_closed(), "key {key}");
        client = kit.connect();
    }
    bystander.noticed_nothing();
}

#[test]
fn a_hundred_thousand_partitions_in_one_request_are_answered_one_by_one() {
    const MANY: usize = 100_000;
    let (_kit, bystander, mut client) = story();
    let by = client.transactor("id", TV1);
    let partitions: Vec<i32> = (0..MANY as i32).collect();
    for version in [0, 3, 5] {
        let errors = add(&mut client, version, &by, &[("t", &partitions)]);
        let expected = |at: usize| Some(if at < 2 { OperationNotAttempted } else { UnknownTopicOrPartition });
        assert!(errors.len() == MANY && errors.iter().enumerate().all(|(at, error)| *error == expected(at)), "version {version}");
    }
    let same = vec![1; MANY];
    assert!(add(&mut client, 3, &by, &[("t", &same)]).iter().all(Option::is_none));
    let topic = WritableTxnMarkerTopic::default().with_name(name("t")).with_partition_indexes(partitions);
    let answer = client.ask(1, &markers(vec![marker(&by, false).with_topics(vec![topic])]));
    assert_eq!(answer.markers[0].topics[0].partitions.len(), MANY);
    bystander.noticed_nothing();
}

fn marker(by: &Transactor, commit: bool) -> WritableTxnMarker {
    WritableTxnMarker::default()
        .with_producer_id(ProducerId(by.pid))
        .with_producer_epoch(by.epoch)
        .with_transaction_result(commit)
        .with_coordinator_epoch(0)
}

fn markers(markers: Vec<WritableTxnMarker>) -> WriteTxnMarkersRequest {
    WriteTxnMarkersRequest::default().with_markers(markers)
}

#[test]
fn markers_from_the_past_and_for_nobody_end_no_transaction() {
    let (mut kit, bystander, mut client) = story();
    let to = |topic: &str| vec![WritableTxnMarkerTopic::default().with_name(name(topic)).with_partition_indexes(vec![0])];
    let mut tell = |marker: WritableTxnMarker, topic: &str| {
        let answer = client.ask(1, &markers(vec![marker.with_topics(to(topic))]));
        error(answer.markers[0].topics[0].partitions[0].error_code)
    };
    let theirs = &bystander.by;
    let of = |pid, epoch| Transactor { pid, epoch, ..theirs.clone() };
    assert_eq!(tell(marker(&of(theirs.pid, -5), true), "quiet"), Some(InvalidProducerEpoch));
    for (pid, epoch) in [(-1, 0), (theirs.pid, -1)] {
        assert_eq!(tell(marker(&of(pid, epoch), true), "quiet"), Some(ResponseError::UnknownServerError));
    }
    for topic in ["nowhere", "", "__consumer_offsets", "__cluster_metadata", "../quiet"] {
        assert_eq!(tell(marker(&of(987_654, 0), true), topic), Some(UnknownTopicOrPartition), "{topic:?}");
    }
    // The log of transactions is a log like any other.
    assert_eq!(tell(marker(&of(987_654, 0), true), "__transaction_state"), None);
    assert_eq!(tell(marker(&of(987_654, 0), true), "quiet"), None, "a producer that nobody knows");
    let answer = client.fetch("quiet", 0, &FetchOne::from(0));
    assert_eq!((answer.high_watermark, answer.last_stable_offset), (2, 0), "the transaction is still open");
    let by = bystander.by.clone();
    kit.kill_and_restart();
    client = kit.connect();
    let next = client.transactor("another", TV1);
    assert_eq!(next.epoch, 0);
    assert_eq!(add(&mut client, 3, &by, &[("quiet", &[0])]), [None]);
    assert_eq!(end(&mut client, 3, &by, true), None);
    assert_eq!(client.fetch("quiet", 0, &FetchOne::from(0)).last_stable_offset, 3);
}

#[test]
fn lists_that_ask_for_anything_are_answered() {
    let (_kit, bystander, mut client) = story();
    let many = 10_000;
    let about = DescribeTransactionsRequest::default().with_transactional_ids((0..many).map(|at| id(&format!("id-{at}"))).collect());
    let states = client.ask(0, &about).transaction_states;
    assert!(states.len() == many && states.iter().all(|state| error(state.error_code) == Some(TransactionalIdNotFound)));
    let all = ListTransactionsRequest::default().with_duration_filter(-1).with_transactional_id_pattern(None);
    let nonsense = (0..many).map(|at| text(&format!("state-{at}"))).collect();
    assert_eq!(client.ask(2, &all.clone().with_state_filters(nonsense)).unknown_state_filters.len(), many);
    for pattern in ["(((((((((((((((((((((((((((((((a?)*)*)*", "(a{1000}){1000}", "\\", "[", &"(".repeat(30_000), "(?P<n>a)\\1"] {
        let answer = client.ask(2, &all.clone().with_transactional_id_pattern(Some(text(pattern))));
        assert_eq!(error(answer.error_code), Some(ResponseError::InvalidRegularExpression), "{}", &pattern[..pattern.len().min(40)]);
    }
    let slow = all.clone().with_transactional_id_pattern(Some(text("(a*)*(a*)*(a*)*b")));
    assert!(client.ask(2, &slow).transaction_states.is_empty());
    assert_eq!(client.ask(2, &all).transaction_states.len(), 1);
    bystander.noticed_nothing();
}

#[test]
fn many_ids_of_one_client_leave_the_others_alone() {
    let (mut kit, bystander, mut client) = story();
    let find = FindCoordinatorRequest::default().with_key_type(1);
    let keys = (0..2_000).map(|at| text(&format!("id-{at}"))).collect();
    assert!(client.ask(4, &find.with_coordinator_keys(keys)).coordinators.iter().all(|row| row.error_code == 0));
    let sent: Vec<i32> = (0..2_000).map(|at| client.send(5, &initiating(&format!("id-{at}")))).collect();
    for request in sent {
        assert_eq!(error(client.receive::<InitProducerIdRequest>(5, request).error_code), None);
    }
    bystander.noticed_nothing();
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!(client.transactor("id-1999", TV1).epoch, 1);
}
