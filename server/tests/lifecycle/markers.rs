//! Ends of transactions that cannot be written at once: they are, as soon as they can be, and a restart does not forget them.

use crate::kit::groups::{error, text, until};
use crate::kit::transactions::{TV1, TV2, Transactor};
use crate::kit::txn_offsets::txn_commit;
use crate::kit::{Client, FetchOne, GatedDisk, Kit, name, seen};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, GroupId, OffsetFetchRequest, ProducerId, TransactionalId,
};

const SMALL: &str = "offsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1";

impl Client {
    fn transaction_state(&mut self, id: &str) -> String {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![TransactionalId(text(id))]);
        let answer = until(|| self.ask(0, &request), |answer| !matches!(answer.transaction_states[0].error_code, 14..=16));
        assert_eq!(error(answer.transaction_states[0].error_code), None);
        answer.transaction_states[0].transaction_state.to_string()
    }

    fn until_complete(&mut self, id: &str, committed: bool) {
        let complete = if committed { "CompleteCommit" } else { "CompleteAbort" };
        until(|| self.transaction_state(id), |state| state == complete);
    }

    /// What a read_committed reader sees of a partition.
    fn committed_values(&mut self, topic: &str, partition: i32) -> Vec<String> {
        let answer = self.fetch_committed(topic, partition, &FetchOne::from(0));
        let aborted = answer.aborted_transactions.unwrap_or_default();
        assert!(aborted.is_empty(), "of aborted ones nothing is asked here");
        let records = seen(&answer.records.unwrap_or_default());
        let data = records.into_iter().filter(|record| !record.batch.is_control());
        data.map(|record| String::from_utf8(record.value).expect("text")).collect()
    }
}

/// A transaction with a record in `t` and an offset of `g`, in a broker that was started again and whose groups do not load: the shard of
/// `g` waits for its turn behind that of `f`.
fn open_while_groups_load(gate: &GatedDisk) -> (Kit, Transactor) {
    let mut kit = Kit::gated("offsets.topic.num.partitions=2\ntransaction.state.log.num.partitions=1", gate);
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 1, &[]);
    assert_eq!(client.commit("f", "t", 0, 1, None), None);
    let producer = client.transactor("p", TV1);
    client.transact(&producer, "t", 0, 0, &["a"]);
    client.commit_in(&producer, "g", "t", 0, 42);
    gate.shut();
    kit.restart();
    gate.until_waiting(1);
    (kit, producer)
}

#[test]
fn the_end_of_a_transaction_waits_for_a_group_that_loads() {
    for committed in [true, false] {
        let gate = GatedDisk::before_loads("__consumer_offsets-0");
        let (kit, mut producer) = open_while_groups_load(&gate);
        let mut client = kit.connect();
        client.end(&mut producer, committed);
        assert_eq!(client.transaction_state("p"), if committed { "PrepareCommit" } else { "PrepareAbort" });
        assert_eq!(client.stable("g", "t", 0), Err(ResponseError::CoordinatorLoadInProgress));
        // A broker that begins with what is on disk now asks again for what was decided.
        let mut next = kit.image();
        next.try_start().unwrap();
        gate.open();
        for kit in [kit, next] {
            let mut client = kit.connect();
            client.until_complete("p", committed);
            assert_eq!(client.stable("g", "t", 0), Ok(if committed { 42 } else { -1 }));
            let mut producer = producer.clone();
            client.commit_in(&producer, "g", "t", 0, 43);
            client.end(&mut producer, true);
            client.until_complete("p", true);
            assert_eq!(client.stable("g", "t", 0), Ok(43), "the producer goes on");
        }
    }
}

#[test]
fn who_asks_a_group_that_loads_is_told_to_ask_again_in_words_of_its_version() {
    let gate = GatedDisk::before_loads("__consumer_offsets-0");
    let (kit, producer) = open_while_groups_load(&gate);
    let mut client = kit.connect();
    let group = GroupId(text("g"));
    let loading = Some(ResponseError::CoordinatorLoadInProgress);
    let topic = OffsetFetchRequestTopic::default().with_name(name("t")).with_partition_indexes(vec![0]);
    let one = OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(Some(vec![topic]));
    assert_eq!(error(client.ask(1, &one).topics[0].partitions[0].error_code), loading);
    for version in 2..=7 {
        assert_eq!(error(client.ask(version, &one).error_code), loading, "v{version}");
    }
    let topic = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0]);
    let asked = OffsetFetchRequestGroup::default().with_group_id(group).with_topics(Some(vec![topic])).with_member_epoch(-1);
    for version in 8..=9 {
        let answer = client.ask(version, &OffsetFetchRequest::default().with_groups(vec![asked.clone()]));
        assert_eq!(error(answer.groups[0].error_code), loading, "v{version}");
    }
    assert_eq!(client.commit("g", "t", 0, 1, None), loading);
    for version in 0..=5 {
        let told = if version < 2 { Some(ResponseError::CoordinatorNotAvailable) } else { loading };
        let commit = txn_commit(&producer, "g", "t", 0, 43);
        assert_eq!(client.try_txn_commit(version, &commit), told, "v{version}: old producers die of the other one");
    }
    gate.open();
    assert_eq!(
        until(|| client.stable("g", "t", 0), |seen| *seen != Err(ResponseError::CoordinatorLoadInProgress)),
        Err(ResponseError::UnstableOffsetCommit)
    );
}

#[test]
fn a_partition_that_is_gone_needs_no_end() {
    let kit = Kit::with(SMALL);
    let mut client = kit.connect();
    client.create("gone", 2, &[]);
    client.create("t", 1, &[]);
    let mut producer = client.transactor("p", TV1);
    client.transact(&producer, "gone", 0, 0, &["a"]);
    client.transact(&producer, "t", 0, 0, &["b"]);
    client.delete("gone");
    client.end(&mut producer, true);
    client.until_complete("p", true);
    assert_eq!(client.committed_values("t", 0), ["b"]);
}

#[test]
fn a_transaction_over_more_partitions_than_a_request_waits_for_ends_in_all_of_them() {
    let kit = Kit::with(SMALL);
    let mut client = kit.connect();
    client.create("wide", 200, &[]);
    let mut producer = client.transactor("p", TV1);
    let topic = AddPartitionsToTxnTopic::default().with_name(name("wide")).with_partitions((0..200).collect());
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(text("p")))
        .with_v3_and_below_producer_id(ProducerId(producer.pid))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![topic]);
    let added = client.ask(3, &request).results_by_topic_v3_and_below.remove(0).results_by_partition;
    assert!(added.len() == 200 && added.iter().all(|row| row.partition_error_code == 0));
    client.transact(&producer, "wide", 199, 0, &["a"]);
    client.end(&mut producer, true);
    client.until_complete("p", true);
    assert_eq!(client.committed_values("wide", 199), ["a"]);
    for partition in 0..199 {
        assert_eq!(client.list(5, "wide", partition, -1).offset, 1, "{partition}: the marker");
    }
}

#[test]
fn a_partition_on_a_failed_disk_has_its_end_after_a_restart_and_the_others_at_once() {
    let gate = GatedDisk::before("broken-0");
    let mut kit = Kit::gated(SMALL, &gate);
    let mut client = kit.connect();
    client.create("broken", 1, &[("flush.messages", "1")]);
    client.create("t", 1, &[]);
    let mut producer = client.transactor("p", TV1);
    client.transact(&producer, "broken", 0, 0, &["a"]);
    client.transact(&producer, "t", 0, 0, &["b"]);
    gate.fail();
    let failed = client.try_transact(&producer, "broken", 0, &producer.batch(1, &["c"]));
    assert_ne!(failed.error_code, 0);
    client.end(&mut producer, true);
    assert_eq!(client.committed_values("t", 0), ["b"]);
    assert_eq!(client.transaction_state("p"), "PrepareCommit");
    assert_eq!(error(client.add_partition(&producer, "t", 0)), Some(ResponseError::ConcurrentTransactions), "the next one has to wait");
    gate.open();
    kit.restart();
    let mut client = kit.connect();
    client.until_complete("p", true);
    assert_eq!(client.committed_values("broken", 0)[0], "a");
    let high_watermark = client.list(5, "broken", 0, -1).offset;
    client.transact(&producer, "t", 0, 1, &["d"]);
    client.end(&mut producer, true);
    assert_eq!(
        (client.committed_values("t", 0), client.list(5, "broken", 0, -1).offset),
        (vec!["b".to_owned(), "d".to_owned()], high_watermark)
    );
}

#[test]
fn with_a_flush_before_each_answer_a_transaction_is_complete_once_its_ends_are_flushed() {
    for produce in [TV1, TV2] {
        let gate = GatedDisk::before("t-0");
        let kit = Kit::gated(&format!("{SMALL}\nlog.flush.interval.messages=1"), &gate);
        let mut client = kit.connect();
        client.find_coordinator("g");
        client.create("t", 1, &[]);
        let mut producer = client.transactor("p", produce);
        client.transact(&producer, "t", 0, 0, &["a"]);
        client.commit_in(&producer, "g", "t", 0, 42);
        gate.shut();
        client.end(&mut producer, true);
        gate.until_waiting(1);
        assert_eq!(client.transaction_state("p"), "PrepareCommit", "decided, and nothing but a crash of the disk can change it");
        assert_eq!(client.committed_values("t", 0), [""; 0], "not told before it is flushed");
        gate.open();
        client.until_complete("p", true);
        assert_eq!(client.committed_values("t", 0), ["a"]);
        assert_eq!(until(|| client.stable("g", "t", 0), |seen| seen.is_ok()), Ok(42));
    }
}
