//! DeleteRecords: what is gone stays gone, and nobody else is harmed.

use crate::kit::life::delete_request;
use crate::kit::transactions::{TV1, TV2};
use crate::kit::{Batch, Client, FetchOne, Kit, seen};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::{DeleteRecordsRequest, FetchRequest};
use ottla_storage::disk::faulty::FaultyDisk;
use std::sync::Arc;

const OFFSET_OUT_OF_RANGE: i16 = 1;
const POLICY_VIOLATION: i16 = 44;
const BY_HAND: &str = "log.cleaner.enable=false";

fn filled(client: &mut Client, topic: &str, configs: &[(&str, &str)]) {
    client.create(topic, 2, configs);
    for value in ["0", "1", "2", "3", "4", "5"] {
        client.produce(topic, 0, &Batch::of(&[value]));
    }
}

#[test]
fn what_was_deleted_is_not_back_after_a_kill_or_a_power_loss() {
    for seed in 0..4 {
        let disk = FaultyDisk::new(seed);
        let mut kit = Kit::on_disk(BY_HAND, Arc::new(disk.clone()));
        let mut client = kit.connect();
        // Of records that a power loss must not take, for the log start would go with them.
        filled(&mut client, "t", &[("flush.messages", "1")]);
        assert_eq!(client.try_delete_records("t", 0, 4), Ok(4));
        kit.crash_to(Arc::new(disk.crash(seed)));
        let mut client = kit.connect();
        assert_eq!((client.ends("t", 0), client.try_delete_records("t", 0, 2)), ((4, 6), Ok(4)), "seed {seed}");
        assert_eq!(client.fetch("t", 0, &FetchOne::from(3)).error_code, OFFSET_OUT_OF_RANGE, "seed {seed}");
        let left = client.fetch("t", 0, &FetchOne::from(4)).records.expect("records");
        assert_eq!(seen(&left).len(), 2, "seed {seed}");
    }
    let mut kit = Kit::with(BY_HAND);
    filled(&mut kit.connect(), "t", &[]);
    assert_eq!(kit.connect().try_delete_records("t", 0, -1), Ok(6));
    kit.kill_and_restart();
    assert_eq!(kit.connect().ends("t", 0), (6, 6));
    kit.restart();
    assert_eq!((kit.connect().ends("t", 0), kit.connect().produce("t", 0, &Batch::of(&["6"]))), ((6, 6), 6));
}

#[test]
fn segments_below_the_log_start_go_with_the_next_retention_even_when_it_has_no_bounds() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[("internal.segment.bytes", "1500"), ("retention.ms", "-1")]);
    for _ in 0..5 {
        client.produce("t", 0, &Batch::sized(1_000));
    }
    assert_eq!(client.try_delete_records("t", 0, 3), Ok(3));
    assert_eq!(kit.files("t-0", ".log").len(), 5);
    assert_eq!((kit.retain(), kit.files("t-0", ".log").len(), client.ends("t", 0)), (3, 2, (3, 5)));
    assert_eq!(client.try_delete_records("t", 0, -1), Ok(5));
    assert_eq!((kit.retain(), kit.files("t-0", ".log").len(), client.ends("t", 0)), (1, 1, (5, 5)), "the newest stays");
}

#[test]
fn only_what_is_deleted_by_segments_can_be_deleted_by_request() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[("cleanup.policy", "compact")]);
    client.produce("t", 0, &Batch::of(&["v"]).keyed("k"));
    assert_eq!(client.try_delete_records("t", 0, 0), Err(POLICY_VIOLATION));
    client.alter("t", &[("cleanup.policy", Some("compact,delete"))]);
    assert_eq!(client.try_delete_records("t", 0, 1), Ok(1));
    client.alter("t", &[("cleanup.policy", Some(""))]);
    assert_eq!(client.try_delete_records("t", 0, -1), Ok(1));
}

#[test]
fn a_reader_that_waits_below_the_new_start_is_told_at_once() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["0"]));
    let mut reader = kit.connect();
    let patient = FetchOne { min_bytes: 1 << 20, max_wait_ms: 25_000, ..FetchOne::from(0) };
    let topic = kafka_protocol::messages::fetch_request::FetchTopic::default()
        .with_topic(crate::kit::name("t"))
        .with_partitions(vec![patient.partition(0)]);
    let id = reader.send(12, &patient.request(topic));
    assert_eq!(client.try_delete_records("t", 0, -1), Ok(1));
    let answer = reader.receive::<FetchRequest>(12, id);
    assert_eq!(answer.responses[0].partitions[0].error_code, OFFSET_OUT_OF_RANGE);
}

#[test]
fn a_producer_goes_on_where_it_was_although_all_its_records_are_deleted() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    for sequence in 0..3 {
        client.produce("t", 0, &Batch::of(&["v"]).by(pid, 0, sequence));
    }
    assert_eq!(client.try_delete_records("t", 0, -1), Ok(3));
    for how in ["at once", "after a kill", "after a stop"] {
        match how {
            "after a kill" => kit.kill_and_restart(),
            "after a stop" => kit.restart(),
            _ => {}
        }
        let mut client = kit.connect();
        assert_eq!(client.produce("t", 0, &Batch::of(&["v"]).by(pid, 0, 2)), 2, "{how}: a duplicate");
        assert_eq!(client.try_produce("t", 0, &Batch::of(&["v"]).by(pid, 0, 9)).error_code, 45, "{how}: a gap");
        assert_eq!(client.ends("t", 0), (3, 3), "{how}");
    }
    assert_eq!(kit.connect().produce("t", 0, &Batch::of(&["v"]).by(pid, 0, 3)), 3);
}

#[test]
fn a_transaction_that_is_open_across_the_new_start_ends_as_it_would_have() {
    for (produce, commit) in [(TV1, true), (TV1, false), (TV2, true), (TV2, false)] {
        for restart in [false, true] {
            let case = format!("Produce {produce}, commit {commit}, restart {restart}");
            let mut kit = Kit::with(&format!("{BY_HAND}\ntransaction.state.log.num.partitions=2"));
            let mut client = kit.connect();
            client.create("t", 1, &[]);
            let mut producer = client.transactor("x", produce);
            client.transact(&producer, "t", 0, 0, &["a", "b"]);
            client.transact(&producer, "t", 0, 2, &["c", "d"]);
            assert_eq!(client.try_delete_records("t", 0, 3), Ok(3), "{case}");
            let before = client.fetch_committed("t", 0, &FetchOne::from(3));
            assert_eq!((before.high_watermark, before.last_stable_offset), (4, 3), "{case}");
            if restart {
                kit.kill_and_restart();
                client = kit.connect();
                let again = client.fetch_committed("t", 0, &FetchOne::from(3));
                assert_eq!((again.high_watermark, again.last_stable_offset), (4, 3), "{case}");
            }
            client.end(&mut producer, commit);
            let after = client.fetch_committed("t", 0, &FetchOne::from(3));
            assert_eq!((after.last_stable_offset, after.log_start_offset), (5, 3), "{case}");
            let aborted: Vec<i64> = after.aborted_transactions.unwrap_or_default().iter().map(|row| row.producer_id.0).collect();
            assert_eq!(aborted, if commit { vec![] } else { vec![producer.pid] }, "{case}");
            assert_eq!(client.transact(&producer, "t", 0, if produce == TV1 { 4 } else { 0 }, &["e"]), 5, "{case}");
            client.end(&mut producer, true);
        }
    }
}

#[test]
fn row_91_a_bad_request_to_delete_records_harms_nobody() {
    let kit = Kit::with(BY_HAND);
    filled(&mut kit.connect(), "t", &[]);
    let row = |partition, offset| DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
    let topic = |topic: &str, rows| DeleteRecordsTopic::default().with_name(crate::kit::name(topic)).with_partitions(rows);
    let numbers = [i64::MIN, -2, -1, 0, 7, i64::MAX];
    for version in 0..=2 {
        for partition in [i32::MIN, -1, 0, 1, 2, i32::MAX] {
            let rows = numbers.iter().map(|offset| row(partition, *offset)).collect();
            let odd = [topic("", vec![row(0, 0)]), topic("no good/name", vec![row(0, 0)]), topic("__consumer_offsets", vec![row(0, -1)])];
            let topics = [vec![topic("t", rows)], odd.to_vec()].concat();
            kit.connect().ask(version, &DeleteRecordsRequest::default().with_topics(topics).with_timeout_ms(i32::MIN));
        }
    }
    for timeout_ms in [i32::MIN, 0, i32::MAX] {
        let answer = kit.connect().ask(2, &delete_request("t", 0, i64::MAX).with_timeout_ms(timeout_ms));
        assert_eq!(answer.topics[0].partitions[0].error_code, OFFSET_OUT_OF_RANGE);
    }
    let mut client = kit.connect();
    assert_eq!(client.ends("t", 0), (0, 6));
    assert_eq!((client.produce("t", 0, &Batch::of(&["6"])), client.values("t", 0).len()), (6, 7));
    assert_eq!((client.try_delete_records("t", 0, -1), client.ends("t", 0)), (Ok(7), (7, 7)));
}

#[test]
fn many_delete_at_once_while_others_produce_and_read() {
    let kit = Kit::with(BY_HAND);
    kit.connect().create("t", 4, &[("internal.segment.bytes", "3000")]);
    std::thread::scope(|scope| {
        for partition in 0..4 {
            let (mut producer, mut purger) = (kit.connect(), kit.connect());
            scope.spawn(move || (0..40).for_each(|at| assert_eq!(producer.produce("t", partition, &Batch::sized(500)), at)));
            scope.spawn(move || {
                let mut start = 0;
                for _ in 0..40 {
                    let low = purger.try_delete_records("t", partition, -1).expect("deleted");
                    assert!(low >= start, "{low} after {start}");
                    start = low;
                    assert!(purger.ends("t", partition).0 >= start);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                kit.retain();
            }
        });
    });
    let mut client = kit.connect();
    for partition in 0..4 {
        assert_eq!(client.try_delete_records("t", partition, -1), Ok(40));
    }
}
