//! Row 70 for the broker's own topics: groups and transactions are read back from compacted logs.

use crate::kit::groups::{Member, group_id, text, until};
use crate::kit::transactions::{TV1, TV2, Transactor};
use crate::kit::{Batch, Client, Kit};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeConfigsRequest, DescribeTransactionsRequest, ListGroupsRequest, TransactionalId,
};

const BY_HAND: &str = "log.cleaner.enable=false\noffsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1\n\
                       group.initial.rebalance.delay.ms=0";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Has the topic's log in segments of some batches, compacted as soon as anything can be.
fn shrink(client: &mut Client, topic: &str) {
    client.alter(topic, &[("internal.segment.bytes", Some("2000")), ("min.cleanable.dirty.ratio", Some("0.0"))]);
}

fn config(client: &mut Client, topic: &str, key: &str) -> (String, i8) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configuration_keys(Some(vec![text(key)]));
    let mut answer = client.ask(4, &DescribeConfigsRequest::default().with_resources(vec![resource]));
    let row = answer.results.remove(0).configs.remove(0);
    (row.value.unwrap_or_default().to_string(), row.config_source)
}

/// Bytes of all segments.
fn log_bytes(kit: &Kit, partition: &str) -> u64 {
    let size = |name: &String| std::fs::metadata(kit.data().join(partition).join(name)).expect("a segment").len();
    kit.files(partition, ".log").iter().map(size).sum()
}

#[test]
fn the_brokers_own_topics_are_created_compacted() {
    const OF_TOPIC: i8 = 1;
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.transactor("x", TV2);
    for (topic, key, value) in [
        ("__consumer_offsets", "cleanup.policy", "compact"),
        ("__consumer_offsets", "segment.bytes", "104857600"),
        ("__consumer_offsets", "compression.type", "producer"),
        ("__transaction_state", "cleanup.policy", "compact"),
        ("__transaction_state", "segment.bytes", "104857600"),
        ("__transaction_state", "compression.type", "uncompressed"),
    ] {
        assert_eq!(config(&mut client, topic, key), (value.to_owned(), OF_TOPIC), "{topic} {key}");
    }
}

/// All that clients can learn of the groups.
fn groups(client: &mut Client) -> Vec<String> {
    let loading = ResponseError::CoordinatorLoadInProgress.code();
    let listed = until(|| client.ask(4, &ListGroupsRequest::default()), |answer| answer.error_code != loading);
    let mut seen: Vec<String> = listed.groups.iter().map(|group| format!("{} {}", group.group_id.0, group.group_state)).collect();
    seen.sort();
    for group in ["g0", "g1", "g2", "members", "gone", "tx"] {
        for partition in 0..3 {
            let (row, stable) = (client.committed(group, "t", partition), client.stable(group, "t", partition));
            seen.push(format!("{group} {partition}: {} {:?} {stable:?}", row.committed_offset, row.metadata));
        }
        let described = client.describe_group(group);
        seen.push(format!("{group}: {} {} {}", described.group_state, described.protocol_data, described.members.len()));
    }
    seen
}

#[test]
fn row_70_and_92_committed_offsets_are_the_same_after_their_log_was_compacted() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.find_coordinator("g0");
    client.create("t", 3, &[]);
    for partition in 0..3 {
        client.produce("t", partition, &Batch::count(50));
    }
    shrink(&mut client, "__consumer_offsets");
    let mut producer = client.transactor("x", TV2);
    for round in 0..40 {
        for group in ["g0", "g1", "g2", "gone"] {
            for partition in 0..3 {
                assert_eq!(client.commit(group, "t", partition, round, Some(&format!("{group} {round}"))), None);
            }
        }
        // What is aborted never was.
        client.commit_in(&producer, "tx", "t", 0, if round % 2 == 0 { round } else { 1_000_000 });
        client.end(&mut producer, round % 2 == 0);
    }
    let gone = client.ask(2, &DeleteGroupsRequest::default().with_groups_names(vec![group_id("gone")]));
    assert_eq!(gone.results[0].error_code, 0);
    let mut member = Member::of(&kit, "members").alone();
    assert_eq!(member.commit("t", 1, 7), None);
    assert_eq!(member.leave(), None);
    let before = groups(&mut client);
    assert!(before.contains(&"tx 0: 38 Some(\"\") Ok(38)".to_owned()), "{before:?}");

    let bytes = log_bytes(&kit, "__consumer_offsets-0");
    assert!(kit.compact() > 0);
    assert!(log_bytes(&kit, "__consumer_offsets-0") < bytes / 4, "{} of {bytes}", log_bytes(&kit, "__consumer_offsets-0"));
    assert_eq!(groups(&mut client), before);
    for turn in 0..4 {
        if turn % 2 == 0 {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        client = kit.connect();
        client.find_coordinator("g0");
        assert_eq!(groups(&mut client), before, "turn {turn}");
        // Tombstones and markers go in their time; offsets are committed meanwhile, so that they do not expire.
        kit.clock.advance(DAY_MS + 1);
        for group in ["g0", "g1", "g2"] {
            for partition in 0..3 {
                assert_eq!(client.commit(group, "t", partition, 39, Some(&format!("{group} 39"))), None);
            }
        }
        kit.compact();
        assert_eq!(groups(&mut client), before, "turn {turn}");
    }
}

#[test]
fn row_70_an_offset_that_is_pending_survives_compaction_and_restarts() {
    for (commit, produce) in [(true, TV1), (false, TV1), (true, TV2), (false, TV2)] {
        let case = format!("commit {commit}, Produce {produce}");
        let mut kit = Kit::with(BY_HAND);
        let mut client = kit.connect();
        client.find_coordinator("g");
        client.create("t", 3, &[]);
        shrink(&mut client, "__consumer_offsets");
        let fill = |client: &mut Client| (0..60).for_each(|at| assert_eq!(client.commit("filler", "t", 0, at, None), None));
        fill(&mut client);
        client.commit("g", "t", 0, 7, None);
        let mut producer = client.transactor("x", produce);
        client.commit_in(&producer, "g", "t", 0, 42);
        fill(&mut client);
        assert!(kit.compact() > 0, "{case}: up to the open transaction");
        kit.kill_and_restart();
        client = kit.connect();
        client.find_coordinator("g");
        let loaded = until(|| client.stable("g", "t", 0), |found| *found != Err(ResponseError::CoordinatorLoadInProgress));
        assert_eq!(loaded, Err(ResponseError::UnstableOffsetCommit), "{case}");
        client.end(&mut producer, commit);
        let decided = until(|| client.stable("g", "t", 0), |found| *found != Err(ResponseError::UnstableOffsetCommit));
        assert_eq!(decided, Ok(if commit { 42 } else { 7 }), "{case}");
        fill(&mut client);
        assert!(kit.compact() > 0, "{case}");
        kit.restart();
        client = kit.connect();
        client.find_coordinator("g");
        let again = until(|| client.stable("g", "t", 0), |found| *found != Err(ResponseError::CoordinatorLoadInProgress));
        assert_eq!(again, decided, "{case}");
    }
}

/// What DescribeTransactions tells of these ids, but for times.
fn transactions(client: &mut Client, ids: &[String]) -> Vec<String> {
    let loading = ResponseError::CoordinatorLoadInProgress.code();
    let named = ids.iter().map(|id| TransactionalId(text(id))).collect();
    let request = DescribeTransactionsRequest::default().with_transactional_ids(named);
    let answer = until(|| client.ask(0, &request), |answer| answer.transaction_states.iter().all(|row| row.error_code != loading));
    let row = |row: &kafka_protocol::messages::describe_transactions_response::TransactionState| {
        format!("{:?}", row.clone().with_transaction_start_time_ms(0))
    };
    answer.transaction_states.iter().map(row).collect()
}

#[test]
fn row_70_transactions_are_the_same_after_their_log_was_compacted() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 3, &[]);
    let mut producers: Vec<Transactor> =
        (0..4).map(|at| client.transactor(&format!("x{at}"), if at % 2 == 0 { TV1 } else { TV2 })).collect();
    shrink(&mut client, "__transaction_state");
    let mut sequences = [0; 4];
    for round in 0..20 {
        for (at, producer) in producers.iter_mut().enumerate() {
            client.transact(producer, "t", 0, sequences[at], &["v"]);
            client.end(producer, round % 3 != 0);
            sequences[at] = if producer.produce == TV1 { sequences[at] + 1 } else { 0 };
        }
    }
    // One stays open.
    client.transact(&producers[0], "t", 1, 0, &["open"]);
    let ids: Vec<String> = producers.iter().map(|producer| producer.id.clone()).collect();
    let before = transactions(&mut client, &ids);
    assert!(before[0].contains("Ongoing") && before[1].contains("CompleteCommit"), "{before:?}");
    let bytes = log_bytes(&kit, "__transaction_state-0");
    assert!(kit.compact() > 0);
    assert!(log_bytes(&kit, "__transaction_state-0") < bytes / 4, "{} of {bytes}", log_bytes(&kit, "__transaction_state-0"));
    for kill in [true, false] {
        assert_eq!(transactions(&mut client, &ids), before);
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        client = kit.connect();
        assert_eq!(transactions(&mut client, &ids), before, "killed: {kill}");
        kit.compact();
    }
    client.end(&mut producers[0], true);
    for (at, producer) in producers.iter_mut().enumerate() {
        client.transact(producer, "t", 0, sequences[at], &["goes on"]);
        client.end(producer, true);
        let next = client.transactor(&producer.id, producer.produce);
        assert_eq!(next.pid, producer.pid, "the id keeps its producer");
        assert!(next.epoch > producer.epoch);
    }
}
