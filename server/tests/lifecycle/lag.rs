//! How far groups are behind, and commits behind an end that the log has lost.

use crate::kit::transactions::TV2;
use crate::kit::{BASE_MS, Batch, Client, Kit, name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use ottla_server::lag::{LagQuery, Lags, lags};

fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

fn commit(client: &mut Client, group: &str, topic: &str, partition: i32, offset: i64) {
    let row = OffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![row]);
    let request =
        OffsetCommitRequest::default().with_group_id(group_id(group)).with_generation_id_or_member_epoch(-1).with_topics(vec![topic]);
    let error = until_loaded(|| client.ask(8, &request).topics[0].partitions[0].error_code, |error| *error);
    assert_eq!(error, 0);
}

/// Asks again while the shard loads; that ends by itself.
fn until_loaded<T>(mut ask: impl FnMut() -> T, error: impl Fn(&T) -> i16) -> T {
    loop {
        let answer = ask();
        if error(&answer) != ResponseError::CoordinatorLoadInProgress.code() {
            return answer;
        }
    }
}

/// A broker with `orders` of so many partitions, and with a place for groups.
fn started(partitions: i32) -> (Kit, Client) {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("orders", partitions, &[]);
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![StrBytes::from_static_str("group")]);
    assert_eq!(client.ask(4, &request).coordinators[0].error_code, 0);
    (kit, client)
}

fn committed(client: &mut Client, group: &str, topic: &str) -> i64 {
    let topic = OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let response = until_loaded(|| client.ask(8, &request), |response| response.groups[0].error_code);
    assert_eq!(response.groups[0].error_code, 0);
    response.groups[0].topics[0].partitions[0].committed_offset
}

fn of(kit: &Kit, group: Option<&str>) -> Lags {
    lags(kit.broker().node(), LagQuery { group, rows_max: 100 })
}

/// (group, partition, records behind, milliseconds behind)
fn rows(found: &Lags) -> Vec<(&str, i32, i64, Option<i64>)> {
    let mut rows: Vec<_> = found.rows.iter().map(|row| (row.group.as_str(), row.partition, row.lag_records, row.lag_ms)).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn a_group_is_behind_by_records_and_by_the_age_of_the_next_one() {
    let (kit, mut client) = started(2);
    client.produce("orders", 0, &Batch::count(3).at(&[0, 10, 20]));
    client.produce("orders", 0, &Batch::count(2).at(&[1_000, 1_010]));
    client.produce("orders", 1, &Batch::count(1).at(&[0]));
    commit(&mut client, "early", "orders", 0, 1);
    commit(&mut client, "late", "orders", 0, 4);
    commit(&mut client, "done", "orders", 0, 5);
    commit(&mut client, "done", "orders", 1, 1);
    kit.clock.advance(60_000);
    let found = of(&kit, None);
    let first_batch = Some(60_000);
    let second_batch = Some(59_000);
    assert_eq!(
        rows(&found),
        [("done", 0, 0, Some(0)), ("done", 1, 0, Some(0)), ("early", 0, 4, first_batch), ("late", 0, 1, second_batch)]
    );
    assert_eq!(rows(&of(&kit, Some("late"))), [("late", 0, 1, second_batch)]);
    assert_eq!(rows(&of(&kit, Some("unknown"))), []);
    let one = lags(kit.broker().node(), LagQuery { group: Some("done"), rows_max: 1 });
    assert_eq!((one.rows.len(), one.cut), (1, true));
    assert!(!found.cut);
}

#[test]
fn what_a_client_commits_beyond_the_end_is_answered_as_it_was_told() {
    let (mut kit, mut client) = started(1);
    commit(&mut client, "eager", "orders", 0, 10);
    assert_eq!(committed(&mut client, "eager", "orders"), 10);
    assert_eq!(rows(&of(&kit, None)), [("eager", 0, 0, Some(0))], "never below 0");
    kit.clock.advance(1);
    kit.restart();
    assert_eq!(committed(&mut kit.connect(), "eager", "orders"), 0, "in the next run nobody can tell it from a loss");
}

#[test]
fn a_commit_behind_a_lost_end_is_answered_with_the_end() {
    let (mut kit, mut client) = started(1);
    client.produce("orders", 0, &Batch::count(3));
    let kept = std::fs::metadata(log_of(&kit)).expect("a segment").len();
    client.produce("orders", 0, &Batch::count(4));
    commit(&mut client, "group", "orders", 0, 7);
    commit(&mut client, "slow", "orders", 0, 2);
    kit.clock.advance(1);
    kit.kill();
    let segment = std::fs::OpenOptions::new().write(true).open(log_of(&kit)).expect("a segment");
    segment.set_len(kept).expect("cut");
    kit.try_start().expect("a broker");
    let mut client = kit.connect();
    assert_eq!(client.list(5, "orders", 0, -1).offset, 3, "the second batch is gone");
    assert_eq!(committed(&mut client, "group", "orders"), 3);
    assert_eq!(committed(&mut client, "slow", "orders"), 2);
    let mut found = of(&kit, Some("group")).rows;
    let row = found.pop().expect("a row");
    assert_eq!((row.committed_offset, row.lag_records, row.lag_ms), (7, 0, Some(0)), "what is stored stays");
    commit(&mut client, "group", "orders", 0, 9);
    assert_eq!(committed(&mut client, "group", "orders"), 9, "of this run");
}

fn log_of(kit: &Kit) -> std::path::PathBuf {
    kit.data().join("orders-0").join("00000000000000000000.log")
}

#[test]
fn offsets_of_a_deleted_topic_are_behind_nothing() {
    let (kit, mut client) = started(1);
    client.produce("orders", 0, &Batch::count(3));
    commit(&mut client, "group", "orders", 0, 1);
    client.delete("orders");
    assert_eq!(rows(&of(&kit, None)), []);
    client.create("orders", 1, &[]);
    assert_eq!(committed(&mut client, "group", "orders"), -1, "and the new topic begins without offsets");
    assert_eq!(BASE_MS, kit.clock.now_ms());
}

#[test]
fn offsets_of_an_open_transaction_count_for_nothing_until_it_is_committed() {
    let (mut kit, mut client) = started(1);
    client.produce("orders", 0, &Batch::count(5));
    commit(&mut client, "group", "orders", 0, 1);
    let mut producer = client.transactor("p", TV2);
    client.commit_in(&producer, "group", "orders", 0, 4);
    client.commit_in(&producer, "new", "orders", 0, 9);
    let lag = |kit: &Kit| rows(&of(kit, None)).into_iter().map(|row| (row.0.to_owned(), row.2)).collect::<Vec<_>>();
    assert_eq!(lag(&kit), [("group".to_owned(), 4)]);
    kit.clock.advance(1);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(committed(&mut client, "group", "orders"), 1);
    assert_eq!(committed(&mut client, "new", "orders"), -1, "nothing that could lie behind the end of the log");
    assert_eq!(client.stable("new", "orders", 0), Err(ResponseError::UnstableOffsetCommit), "and what is not stable is not moved there");
    client.end(&mut producer, true);
    assert_eq!(client.stable("group", "orders", 0), Ok(4));
    assert_eq!(lag(&kit), [("group".to_owned(), 1), ("new".to_owned(), 0)]);
}
