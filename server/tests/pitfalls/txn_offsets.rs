//! Rows 68 and 69: offsets that are committed in a transaction.

use crate::kit::Kit;
use crate::kit::groups::{Consumer, Member, commit_request, consumer_join, error, group_id, text, until};
use crate::kit::name;
use crate::kit::transactions::{TV1, TV2, Transactor};
use crate::kit::txn_offsets::{txn_commit, txn_commit_of};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, OffsetDeleteRequest, OffsetFetchRequest, offset_fetch_request::OffsetFetchRequestTopic,
};

const AT_ONCE: &str = "offsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n\
                       group.consumer.assignment.interval.ms=0";

fn kit() -> Kit {
    let kit = Kit::with(AT_ONCE);
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 4, &[]);
    kit
}

#[test]
fn row_68_an_offset_is_pending_until_the_marker() {
    let kit = kit();
    let mut client = kit.connect();
    for produce in [TV1, TV2] {
        for commits in [true, false] {
            let group = format!("{produce}-{commits}");
            let mut producer = client.transactor(&group, produce);
            assert_eq!(client.commit(&group, "t", 0, 7, None), None);
            client.commit_in(&producer, &group, "t", 0, 42);
            client.commit_in(&producer, &group, "t", 1, 43);
            assert_eq!(client.committed(&group, "t", 0).committed_offset, 7, "who does not mind");
            assert_eq!(client.stable(&group, "t", 0), Err(ResponseError::UnstableOffsetCommit));
            assert_eq!(client.stable(&group, "t", 1), Err(ResponseError::UnstableOffsetCommit), "nothing was there before");
            assert_eq!(client.stable(&group, "t", 2), Ok(-1));
            client.end(&mut producer, commits);
            let seen = [0, 1].map(|partition| client.stable(&group, "t", partition));
            assert_eq!(seen, if commits { [Ok(42), Ok(43)] } else { [Ok(7), Ok(-1)] }, "{produce} {commits}");
        }
    }
}

#[test]
fn row_68_what_is_not_stable_is_told_at_every_version_that_can_ask() {
    let kit = kit();
    let mut client = kit.connect();
    let producer = client.transactor("p", TV1);
    client.commit_in(&producer, "g", "t", 0, 42);
    let topic = OffsetFetchRequestTopic::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
    for topics in [Some(vec![topic]), None] {
        let everything = topics.is_none();
        let request = OffsetFetchRequest::default().with_group_id(group_id("g")).with_topics(topics).with_require_stable(true);
        let answer = client.ask(7, &request);
        let rows = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let rows: Vec<_> = rows.map(|row| (row.partition_index, row.committed_offset, error(row.error_code))).collect();
        let unstable = (0, -1, Some(ResponseError::UnstableOffsetCommit));
        let expected = if everything { vec![] } else { vec![unstable, (1, -1, None)] };
        assert_eq!(rows, expected, "of all topics only those with an offset");
        assert_eq!(error(answer.error_code), None, "of the partition, not of the group");
    }
}

#[test]
fn row_68_a_pending_offset_outlives_a_kill_and_a_small_load_buffer() {
    let mut kit = Kit::with(&format!("{AT_ONCE}\noffsets.load.buffer.size=1"));
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 4, &[]);
    let mut kept = client.transactor("kept", TV1);
    let mut dropped = client.transactor("dropped", TV2);
    for partition in 0..4 {
        assert_eq!(client.commit("g", "t", partition, 7, None), None);
    }
    client.commit_in(&kept, "g", "t", 0, 42);
    client.commit_in(&dropped, "g", "t", 1, 43);
    kit.kill_and_restart();
    let mut client = kit.connect();
    client.find_coordinator("g");
    let seen = [0, 1, 2].map(|partition| client.stable("g", "t", partition));
    let unstable = Err(ResponseError::UnstableOffsetCommit);
    assert_eq!(seen, [unstable, unstable, Ok(7)]);
    client.commit_in(&kept, "g", "t", 2, 44);
    client.end(&mut kept, true);
    client.end(&mut dropped, false);
    let seen = [0, 1, 2].map(|partition| client.stable("g", "t", partition));
    assert_eq!(seen, [Ok(42), Ok(7), Ok(44)]);
    kit.kill_and_restart();
    let mut client = kit.connect();
    client.find_coordinator("g");
    assert_eq!([0, 1, 2].map(|partition| client.stable("g", "t", partition)), seen, "and so says the log");
}

#[test]
fn row_68_a_group_that_nobody_knows_takes_offsets_without_a_generation_only() {
    let kit = kit();
    let mut client = kit.connect();
    let mut producer = client.transactor("p", TV2);
    for version in 0..=2 {
        assert_eq!(client.add_offsets(&producer, "g"), None);
        assert_eq!(client.try_txn_commit(version, &txn_commit(&producer, "new", "t", 0, 1)), None, "v{version} knows no generations");
    }
    for version in 3..=5 {
        let request = txn_commit(&producer, "new", "t", 0, 42);
        assert_eq!(client.try_txn_commit(version, &request), None, "v{version}");
        for (generation, member) in [(0, ""), (5, ""), (5, "somebody")] {
            let request = txn_commit(&producer, "unknown", "t", 0, 42).with_generation_id(generation).with_member_id(text(member));
            assert_eq!(
                client.try_txn_commit(version, &request),
                Some(ResponseError::IllegalGeneration),
                "v{version} {generation} {member}"
            );
        }
        assert_eq!(client.try_txn_commit(version, &txn_commit(&producer, "", "t", 0, 1)), Some(ResponseError::InvalidGroupId));
    }
    assert_eq!(client.describe_group("new").group_state.as_str(), "Empty", "it is there before the end of the transaction");
    assert_eq!(client.describe_group("unknown").group_state.as_str(), "Dead");
    client.end(&mut producer, true);
    assert_eq!(client.stable("new", "t", 0), Ok(42));
}

#[test]
fn row_68_who_commits_for_a_member_says_which_and_of_when() {
    let kit = kit();
    let mut client = kit.connect();
    let producer = client.transactor("p", TV2);
    let member = Member::of(&kit, "g").instance("i").alone();
    let right = || txn_commit_of(&member, &producer, "t", 0, 42);
    let nobody = || right().with_member_id(text("nobody")).with_group_instance_id(None);
    for version in 3..=5 {
        assert_eq!(client.add_offsets(&producer, "g"), None);
        let mut ask = |request| client.try_txn_commit(version, &request);
        for generation in [member.generation - 1, member.generation + 1] {
            assert_eq!(ask(right().with_generation_id(generation)), Some(ResponseError::IllegalGeneration), "v{version} {generation}");
        }
        assert_eq!(ask(nobody()), Some(ResponseError::UnknownMemberId), "v{version}");
        assert_eq!(ask(right().with_member_id(text("a twin"))), Some(ResponseError::FencedInstanceId), "v{version}");
        assert_eq!(ask(right().with_group_instance_id(Some(text("other")))), Some(ResponseError::UnknownMemberId), "v{version}");
        assert_eq!(ask(right().with_generation_id(-1)), Some(ResponseError::IllegalGeneration), "v{version}: a member says its generation");
        assert_eq!(ask(right()), None, "v{version}");
        assert_eq!(ask(txn_commit(&producer, "g", "t", 0, 42)), None, "v{version}: a producer that does not say for whom");
    }
    assert_eq!(client.commit("g", "t", 0, 1, None), Some(ResponseError::UnknownMemberId), "which an ordinary commit has to");
}

#[test]
fn row_68_and_69_a_member_of_the_new_protocol_is_known_by_its_epoch_and_old_words_tell_of_it() {
    let kit = kit();
    let mut client = kit.connect();
    let mut producer = client.transactor("p", TV2);
    let member = Consumer::join(&kit, &consumer_join("c", "m", &["t"]));
    let of =
        |producer: &Transactor, epoch| txn_commit(producer, "c", "t", 0, 42).with_member_id(text(&member.id)).with_generation_id(epoch);
    for version in 3..=5 {
        assert_eq!(client.add_offsets(&producer, "c"), None);
        let illegal = Some(ResponseError::IllegalGeneration);
        assert_eq!(client.try_txn_commit(version, &of(&producer, member.epoch + 1)), illegal, "v{version}: not STALE_MEMBER_EPOCH");
        assert_eq!(client.try_txn_commit(version, &of(&producer, member.epoch - 1)), illegal, "v{version}: before it had the partition");
        let nobody = of(&producer, member.epoch).with_member_id(text("nobody"));
        assert_eq!(client.try_txn_commit(version, &nobody), Some(ResponseError::UnknownMemberId), "v{version}");
        assert_eq!(client.try_txn_commit(version, &of(&producer, member.epoch)), None, "v{version}");
    }
    client.end(&mut producer, true);
    assert_eq!(client.stable("c", "t", 0), Ok(42));
}

#[test]
fn row_69_offsets_are_taken_while_the_group_rebalances() {
    let kit = kit();
    let mut client = kit.connect();
    let mut producer = client.transactor("p", TV1);
    // Joined, but nobody has brought an assignment yet.
    let mut first = Member::of(&kit, "g");
    assert_eq!(error(first.join().error_code), None);
    assert_eq!(client.describe_group("g").group_state.as_str(), "CompletingRebalance");
    assert_eq!(first.commit("t", 0, 1), Some(ResponseError::RebalanceInProgress), "an ordinary commit is not");
    assert_eq!(client.add_offsets(&producer, "g"), None);
    assert_eq!(client.try_txn_commit(3, &txn_commit_of(&first, &producer, "t", 0, 42)), None);
    let id = first.id.clone();
    assert_eq!(error(first.sync(&[(&id, b"all")]).error_code), None);
    // A second one knocks.
    let mut second = Member::of(&kit, "g");
    let joining = second.send_join();
    until(|| client.describe_group("g").group_state.to_string(), |state| state == "PreparingRebalance");
    assert_eq!(client.try_txn_commit(3, &txn_commit_of(&first, &producer, "t", 1, 43)), None);
    let again = first.send_join();
    assert_eq!(error(first.receive_join(again).error_code), None);
    assert_eq!(error(second.receive_join(joining).error_code), None);
    client.end(&mut producer, true);
    assert_eq!([0, 1].map(|partition| client.stable("g", "t", partition)), [Ok(42), Ok(43)]);
}

#[test]
fn row_69_a_refused_offset_costs_its_transaction_and_not_the_producer() {
    let kit = kit();
    let mut client = kit.connect();
    let member = Member::of(&kit, "g").alone();
    for produce in [TV1, TV2] {
        let mut producer = client.transactor("p", produce);
        let version = if produce == TV2 { 5 } else { 3 };
        for transaction in 0..2 {
            if produce == TV1 {
                assert_eq!(client.add_offsets(&producer, "g"), None);
            }
            let right = txn_commit_of(&member, &producer, "t", 0, 42 + transaction);
            let refused = [
                (right.clone().with_generation_id(member.generation + 1), ResponseError::IllegalGeneration),
                (right.clone().with_member_id(text("nobody")), ResponseError::UnknownMemberId),
            ];
            for (request, expected) in refused {
                assert_eq!(client.try_txn_commit(version, &request), Some(expected), "what clients abort for, and go on");
            }
            assert_eq!(client.stable("g", "t", 0), Ok(if transaction == 0 && produce == TV1 { -1 } else { 42 }), "nothing is pending");
            client.end(&mut producer, false);
            if produce == TV1 {
                assert_eq!(client.add_offsets(&producer, "g"), None);
            }
            let right = txn_commit_of(&member, &producer, "t", 0, 42);
            assert_eq!(client.try_txn_commit(version, &right), None, "the next transaction");
            client.end(&mut producer, true);
            assert_eq!(client.stable("g", "t", 0), Ok(42));
        }
    }
}

#[test]
fn row_69_a_transaction_that_is_not_open_is_told_by_version() {
    let kit = kit();
    let mut client = kit.connect();
    let mut producer = client.transactor("p", TV1);
    for version in 0..=4 {
        let expected = if version < 4 { ResponseError::InvalidTxnState } else { ResponseError::TransactionAbortable };
        assert_eq!(client.try_txn_commit(version, &txn_commit(&producer, "g", "t", 0, 1)), Some(expected), "v{version}: nobody began it");
    }
    assert_eq!(client.try_txn_commit(5, &txn_commit(&producer, "g", "t", 0, 42)), None, "v5 begins it");
    assert_eq!(client.stable("g", "t", 0), Err(ResponseError::UnstableOffsetCommit));
    client.end(&mut producer, true);
    assert_eq!(client.stable("g", "t", 0), Ok(42));
    // A newer instance is there.
    let zombie = producer.clone();
    let newer = client.transactor("p", TV1);
    assert!(newer.epoch > zombie.epoch);
    for version in 0..=5 {
        let fenced = Some(ResponseError::InvalidProducerEpoch);
        assert_eq!(client.try_txn_commit(version, &txn_commit(&zombie, "g", "t", 0, 1)), fenced, "v{version}: never PRODUCER_FENCED here");
        let stranger = Transactor { pid: zombie.pid + 1_000, ..zombie.clone() };
        let unknown = Some(ResponseError::InvalidProducerIdMapping);
        assert_eq!(client.try_txn_commit(version, &txn_commit(&stranger, "g", "t", 0, 1)), unknown, "v{version}");
    }
    assert_eq!(client.stable("g", "t", 0), Ok(42));
}

#[test]
fn row_68_partitions_that_cannot_have_an_offset_are_refused_one_by_one() {
    let kit = kit();
    let mut client = kit.connect();
    let producer = client.transactor("p", TV2);
    let mut request = txn_commit(&producer, "g", "t", 0, 42);
    let row = |partition: i32| request.topics[0].partitions[0].clone().with_partition_index(partition);
    let large = row(1).with_committed_metadata(Some(text(&"x".repeat(4_097))));
    let rows = vec![row(9), row(0), large];
    let nowhere = request.topics[0].clone().with_name(name("nowhere"));
    request.topics[0].partitions = rows;
    request.topics.push(nowhere);
    let answer = client.ask(5, &request);
    let seen: Vec<_> = answer
        .topics
        .iter()
        .map(|topic| topic.partitions.iter().map(|row| (row.partition_index, error(row.error_code))).collect::<Vec<_>>())
        .collect();
    let unknown = Some(ResponseError::UnknownTopicOrPartition);
    assert_eq!(seen, [vec![(9, unknown), (0, None), (1, Some(ResponseError::OffsetMetadataTooLarge))], vec![(0, unknown)]]);
    assert_eq!([0, 1].map(|partition| client.stable("g", "t", partition)), [Err(ResponseError::UnstableOffsetCommit), Ok(-1)]);
}

#[test]
fn row_68_what_is_deleted_while_a_transaction_is_open_stays_deleted() {
    let kit = kit();
    let mut client = kit.connect();
    let mut producer = client.transactor("p", TV2);
    for group in ["offset", "group"] {
        assert_eq!(client.commit(group, "t", 0, 7, None), None);
        client.commit_in(&producer, group, "t", 0, 42);
        client.commit_in(&producer, group, "t", 1, 43);
    }
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let deleted = client.ask(0, &OffsetDeleteRequest::default().with_group_id(group_id("offset")).with_topics(vec![topic]));
    assert_eq!((deleted.error_code, deleted.topics[0].partitions[0].error_code), (0, 0));
    let deleted = client.ask(2, &DeleteGroupsRequest::default().with_groups_names(vec![group_id("group")]));
    assert_eq!(deleted.results[0].error_code, 0);
    assert_eq!(client.stable("offset", "t", 0), Ok(-1));
    assert_eq!(client.stable("offset", "t", 1), Err(ResponseError::UnstableOffsetCommit), "this one is still on its way");
    assert_eq!(client.describe_group("group").group_state.as_str(), "Dead");
    client.end(&mut producer, true);
    assert_eq!([0, 1].map(|partition| client.stable("offset", "t", partition)), [Ok(-1), Ok(43)]);
    assert_eq!([0, 1].map(|partition| client.stable("group", "t", partition)), [Ok(-1), Ok(-1)]);
    assert_eq!(client.describe_group("group").group_state.as_str(), "Dead");
}

#[test]
fn row_68_a_later_commit_outside_of_the_transaction_wins() {
    let kit = kit();
    let mut client = kit.connect();
    let mut producer = client.transactor("p", TV2);
    client.commit_in(&producer, "g", "t", 0, 42);
    assert_eq!(error(client.ask(8, &commit_request("g", "t", 0, 50, None)).topics[0].partitions[0].error_code), None);
    assert_eq!(client.stable("g", "t", 0), Err(ResponseError::UnstableOffsetCommit), "still open");
    client.end(&mut producer, true);
    assert_eq!(client.stable("g", "t", 0), Ok(50), "it is the later one in the log");
}

#[test]
fn row_68_before_anybody_looked_for_a_coordinator_there_is_none() {
    let kit = Kit::with(AT_ONCE);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let stranger = Transactor { id: "p".to_owned(), pid: 7, epoch: 0, produce: TV1 };
    let not_there = Some(ResponseError::CoordinatorNotAvailable);
    for version in 0..=5 {
        assert_eq!(client.try_txn_commit(version, &txn_commit(&stranger, "g", "t", 0, 1)), not_there, "v{version}: of groups");
    }
    client.find_coordinator("g");
    for version in 0..=5 {
        assert_eq!(client.try_txn_commit(version, &txn_commit(&stranger, "g", "t", 0, 1)), not_there, "v{version}: of transactions");
    }
    assert_eq!(client.add_offsets(&stranger, "g"), Some(ResponseError::NotCoordinator));
    assert_eq!(client.committed("g", "t", 0).committed_offset, -1);
}

#[test]
fn row_68_without_verification_old_producers_are_believed() {
    let kit = Kit::with(&format!("{AT_ONCE}\ntransaction.partition.verification.enable=false"));
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 1, &[]);
    let mut producer = client.transactor("p", TV1);
    for version in 0..=4 {
        assert_eq!(client.try_txn_commit(version, &txn_commit(&producer, "g", "t", 0, 42)), None, "v{version}: nobody added the group");
    }
    assert_eq!(client.stable("g", "t", 0), Err(ResponseError::UnstableOffsetCommit), "and nobody would end it");
    // Who adds the group, even if late, ends both: they have one partition.
    client.commit_in(&producer, "other", "t", 0, 43);
    client.end(&mut producer, true);
    assert_eq!([client.stable("g", "t", 0), client.stable("other", "t", 0)], [Ok(42), Ok(43)]);
}
