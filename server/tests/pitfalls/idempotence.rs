//! Rows 28 to 33: producers that send again.

use crate::kit::groups::{text, until};
use crate::kit::transactions::TV1;
use crate::kit::{Batch, Client, Kit, name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, DescribeTransactionsRequest, TransactionalId};
use std::collections::BTreeSet;

const OUT_OF_ORDER: i16 = 45;
const INVALID_EPOCH: i16 = 47;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One record at a time, so that sequence and offset are the same number when one producer writes alone.
fn one(producer_id: i64, epoch: i16, sequence: i32) -> Batch {
    Batch::of(&["v"]).by(producer_id, epoch, sequence)
}

#[test]
fn row_28_the_last_five_batches_are_recognised_also_after_a_kill() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    for sequence in 0..8 {
        assert_eq!(client.produce("t", 0, &one(pid, 0, sequence)), i64::from(sequence));
    }
    for round in 0..3 {
        let mut client = kit.connect();
        for sequence in 3..8 {
            let answer = client.try_produce("t", 0, &one(pid, 0, sequence));
            assert_eq!((answer.error_code, answer.base_offset), (0, i64::from(sequence)), "round {round}: the original offset");
        }
        assert_eq!(client.try_produce("t", 0, &one(pid, 0, 2)).error_code, OUT_OF_ORDER, "round {round}: the sixth last is forgotten");
        assert_eq!(client.try_produce("t", 0, &one(pid, 0, 9)).error_code, OUT_OF_ORDER, "round {round}: a gap");
        assert_eq!(client.list(8, "t", 0, -1).offset, 8, "round {round}");
        kit.kill_and_restart();
    }
    assert_eq!(kit.connect().produce("t", 0, &one(pid, 0, 8)), 8);
}

// Kafka's `.snapshot` holds one batch of each producer, so that is what a clean stop leaves; requests in flight were answered before.
#[test]
fn row_28_the_last_batch_is_recognised_after_a_clean_stop() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    for sequence in 0..8 {
        client.produce("t", 0, &one(pid, 0, sequence));
    }
    for kill in [false, true, false] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        let mut client = kit.connect();
        let answer = client.try_produce("t", 0, &one(pid, 0, 7));
        assert_eq!((answer.error_code, answer.base_offset), (0, 7));
        assert_eq!(client.try_produce("t", 0, &one(pid, 0, 9)).error_code, OUT_OF_ORDER);
    }
    assert_eq!(kit.connect().produce("t", 0, &one(pid, 0, 8)), 8);
}

#[test]
fn row_28_partitions_have_windows_of_their_own() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    let pid = client.producer_id();
    assert_eq!(client.produce("t", 0, &one(pid, 0, 0)), 0);
    assert_eq!(client.produce("t", 1, &one(pid, 0, 0)), 0);
    assert_eq!(client.produce("t", 0, &one(pid, 0, 1)), 1);
    assert_eq!(client.try_produce("t", 1, &one(pid, 0, 2)).error_code, OUT_OF_ORDER);
}

#[test]
fn row_29_sequences_wrap_to_zero_within_and_between_batches() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let (between, within) = (client.producer_id(), client.producer_id());
    let last = Batch::count(2).by(between, 0, i32::MAX - 1);
    assert_eq!(client.produce("t", 0, &last), 0);
    assert_eq!(client.produce("t", 0, &one(between, 0, 0)), 2);
    let across = Batch::count(3).by(within, 0, i32::MAX);
    assert_eq!(client.produce("t", 0, &across), 3);
    assert_eq!(client.try_produce("t", 0, &one(within, 0, 1)).error_code, OUT_OF_ORDER);
    assert_eq!(client.produce("t", 0, &one(within, 0, 2)), 6);
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!(client.produce("t", 0, &last), 0, "a duplicate");
    assert_eq!(client.produce("t", 0, &across), 3, "a duplicate");
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.produce("t", 0, &one(between, 0, 0)), 2, "a duplicate");
    assert_eq!(client.produce("t", 0, &one(between, 0, 1)), 7);
    assert_eq!(client.produce("t", 0, &one(within, 0, 3)), 8);
}

#[test]
fn row_30_a_producer_nobody_knows_may_begin_anywhere() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    assert_eq!(client.produce("t", 0, &one(987_654, 7, 4711)), 0);
    assert_eq!(client.produce("t", 0, &one(987_654, 7, 4712)), 1);
}

#[test]
fn row_30_producers_are_remembered_for_a_day_and_not_longer() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    let at = |kit: &Kit, sequence| {
        let ms = kit.clock.now_ms() - crate::kit::BASE_MS;
        one(pid, 0, sequence).at(&[ms])
    };
    client.produce("t", 0, &at(&kit, 0));
    kit.clock.advance(DAY_MS - 1);
    assert_eq!(client.try_produce("t", 0, &at(&kit, 5)).error_code, OUT_OF_ORDER);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.try_produce("t", 0, &at(&kit, 5)).error_code, OUT_OF_ORDER, "a restart is no reason to forget");
    assert_eq!(client.produce("t", 0, &at(&kit, 1)), 1);
    kit.clock.advance(DAY_MS + 1);
    assert_eq!(client.produce("t", 0, &at(&kit, 77)), 2);
    assert_eq!(client.try_produce("t", 0, &at(&kit, 79)).error_code, OUT_OF_ORDER);
}

#[test]
fn row_30_a_clock_that_jumps_back_forgets_nobody() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    client.produce("t", 0, &one(pid, 0, 0));
    kit.clock.advance(-400 * DAY_MS);
    let old = Batch::of(&["v"]).at(&[-400 * DAY_MS]);
    assert_eq!(client.try_produce("t", 0, &old.clone().by(pid, 0, 5)).error_code, OUT_OF_ORDER);
    assert_eq!(client.produce("t", 0, &old.by(pid, 0, 1)), 1);
}

fn producers_of(client: &mut Client, topic: &str) -> Vec<i64> {
    let asked = TopicRequest::default().with_name(name(topic)).with_partition_indexes(vec![0]);
    let mut answer = client.ask(0, &DescribeProducersRequest::default().with_topics(vec![asked]));
    let partition = answer.topics.remove(0).partitions.remove(0);
    assert_eq!(partition.error_code, 0);
    partition.active_producers.iter().map(|producer| producer.producer_id.0).collect()
}

// The sweep is the broker's own; Kafka's `producer.id.expiration.check.interval.ms`.
#[test]
fn row_30_the_sweep_forgets_who_was_silent_for_a_day_but_no_open_transaction_and_no_transactional_id_matters() {
    let kit = Kit::with(
        "transaction.state.log.num.partitions=2\ntransaction.partition.verification.enable=false\n\
         transactional.id.expiration.ms=1000\ntransaction.remove.expired.transaction.cleanup.interval.ms=1000",
    );
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    // Nobody added its partition, so no timeout of a coordinator ends it.
    let open = client.transactor("open", TV1);
    assert_eq!(client.try_transact(&open, "t", 0, &open.batch(0, &["v"])).error_code, 0);
    let mut ended = client.transactor("ended", TV1);
    client.transact(&ended, "t", 0, 0, &["v"]);
    client.end(&mut ended, true);
    let plain = client.producer_id();
    client.produce("t", 0, &one(plain, 0, 0));
    let all = BTreeSet::from([open.pid, ended.pid, plain]);

    kit.clock.advance(DAY_MS - 1);
    // The transactional id goes, and with it nothing that the partition knows.
    let describe = DescribeTransactionsRequest::default().with_transactional_ids(vec![TransactionalId(text("ended"))]);
    let unknown = ResponseError::TransactionalIdNotFound.code();
    until(|| client.ask(0, &describe).transaction_states[0].error_code, |code| *code == unknown);
    assert_eq!(producers_of(&mut client, "t").into_iter().collect::<BTreeSet<_>>(), all);
    kit.clock.advance(1);
    assert_eq!(until(|| producers_of(&mut client, "t"), |left| left.len() == 1), [open.pid]);
}

#[test]
fn row_31_producer_ids_are_never_given_twice() {
    let mut kit = Kit::start();
    let mut given = BTreeSet::new();
    for round in 0..4 {
        let mut client = kit.connect();
        // The second round uses up more than one block.
        for _ in 0..if round == 1 { 1500 } else { 3 } {
            assert!(given.insert(client.producer_id()));
        }
        if round % 2 == 0 { kit.kill_and_restart() } else { kit.restart() }
    }
    assert!(given.iter().all(|id| *id >= 0));
}

#[test]
fn row_32_an_error_means_not_written() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    client.produce("t", 0, &one(pid, 1, 0));
    for (batch, error) in [
        (one(pid, 1, 2), OUT_OF_ORDER),
        (one(pid, 1, i32::MAX), OUT_OF_ORDER),
        (one(pid, 2, 1), OUT_OF_ORDER),
        (one(pid, 0, 0), INVALID_EPOCH),
        (one(pid, 0, 1), INVALID_EPOCH),
        (one(pid, -1, -1), 87),
        (one(pid, 1, -1), 87),
    ] {
        let answer = client.try_produce("t", 0, &batch);
        assert_eq!((answer.error_code, answer.base_offset), (error, -1));
        assert_eq!(client.list(8, "t", 0, -1).offset, 1);
    }
    assert_eq!(client.produce("t", 0, &one(pid, 1, 1)), 1, "and nothing was noted");
}

#[test]
fn row_33_a_new_epoch_begins_at_zero_and_fences_the_old_one_over_restarts() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    for sequence in 0..3 {
        client.produce("t", 0, &one(pid, 0, sequence));
    }
    assert_eq!(client.produce("t", 0, &one(pid, 1, 0)), 3);
    for kill in [false, true] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        let mut client = kit.connect();
        assert_eq!(client.try_produce("t", 0, &one(pid, 0, 3)).error_code, INVALID_EPOCH);
        assert_eq!(
            client.try_produce("t", 0, &one(pid, 0, 2)).error_code,
            INVALID_EPOCH,
            "what the old epoch wrote is no duplicate any more"
        );
        assert_eq!(client.produce("t", 0, &one(pid, 1, 0)), 3, "a duplicate");
    }
}

// As in Apache Kafka: the snapshot at a roll holds one batch of each producer.
#[test]
fn row_28_after_a_roll_and_a_kill_what_the_snapshot_and_the_last_segment_hold_is_recognised() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[("segment.bytes", "1048576")]);
    let pid = client.producer_id();
    let large = |sequence| Batch::sized(400_000).by(pid, 0, sequence);
    for sequence in 0..5 {
        client.produce("t", 0, &large(sequence));
    }
    kit.kill_and_restart();
    let mut client = kit.connect();
    // Two batches in a segment: the snapshot at 4 holds batch 3, the last segment batch 4.
    for sequence in [3, 4] {
        assert_eq!(client.produce("t", 0, &large(sequence)), i64::from(sequence));
    }
    assert_eq!(client.try_produce("t", 0, &large(2)).error_code, OUT_OF_ORDER);
    assert_eq!(client.produce("t", 0, &large(5)), 5);
}
