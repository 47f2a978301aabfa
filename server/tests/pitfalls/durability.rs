//! Acknowledgements and the disk: `flush.messages=1`, failing and full disks, power loss.

use crate::kit::{Batch, Client, FetchOne, GatedDisk, Kit, name};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{DeleteTopicsRequest, ProduceRequest};
use ottla_storage::disk::faulty::FaultyDisk;
use std::sync::Arc;

const STORAGE_ERROR: i16 = 56;
const FLUSHED: &[(&str, &str)] = &[("flush.messages", "1")];

fn gated() -> (GatedDisk, Kit) {
    let disk = GatedDisk::before("slow");
    let kit = Kit::gated("", &disk);
    let mut client = kit.connect();
    client.create("slow", 2, FLUSHED);
    client.create("other", 1, &[]);
    (disk, kit)
}

fn send(client: &mut Client, topic: &str, acks: i16, batch: &Batch) -> i32 {
    client.send(9, &Client::produce_request(topic, 0, acks, batch.bytes()))
}

fn outcome(client: &mut Client, id: i32) -> (i16, i64) {
    let answer = client.receive::<ProduceRequest>(9, id);
    let partition = &answer.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

#[test]
fn with_flush_messages_1_nothing_is_acknowledged_or_shown_before_the_flush() {
    for acks in [-1, 1] {
        let (disk, kit) = gated();
        let (mut producer, mut other) = (kit.connect(), kit.connect());
        disk.shut();
        let id = send(&mut producer, "slow", acks, &Batch::of(&["a"]));
        disk.until_waiting(1);
        let answer = other.fetch("slow", 0, &FetchOne::from(0));
        assert_eq!((answer.error_code, answer.high_watermark, answer.records.as_deref()), (0, 0, Some(&[][..])), "acks={acks}");
        assert_eq!(other.list(8, "slow", 0, -1).offset, 0);
        assert_eq!(disk.syncs(), 0);
        // Others do not wait for this disk.
        assert_eq!(other.produce("other", 0, &Batch::of(&["b"])), 0);
        disk.open();
        assert_eq!(outcome(&mut producer, id), (0, 0));
        assert!(disk.syncs() >= 1);
        assert_eq!(other.values("slow", 0), ["a"]);
    }
}

#[test]
fn a_reader_that_waits_is_woken_by_the_flush() {
    let (disk, kit) = gated();
    let (mut producer, mut reader) = (kit.connect(), kit.connect());
    disk.shut();
    let id = send(&mut producer, "slow", -1, &Batch::of(&["a"]));
    disk.until_waiting(1);
    let opening = disk.clone();
    let opener = std::thread::spawn(move || opening.open());
    let answer = reader.fetch("slow", 0, &FetchOne { max_wait_ms: 600_000, ..FetchOne::from(0) });
    assert_eq!(answer.high_watermark, 1);
    opener.join().expect("no panic");
    assert_eq!(outcome(&mut producer, id), (0, 0));
}

#[test]
fn what_comes_in_during_a_flush_shares_the_next_one() {
    let (disk, kit) = gated();
    disk.shut();
    let mut first = kit.connect();
    let id = send(&mut first, "slow", -1, &Batch::of(&["v"]));
    disk.until_waiting(1);
    let mut others: Vec<_> = (0..20).map(|_| kit.connect()).collect();
    for client in &mut others {
        send(client, "slow", 0, &Batch::of(&["v"]));
        // Answered after the append, which was not answered.
        client.metadata(&[], false);
    }
    let last = send(&mut others[0], "slow", -1, &Batch::of(&["v"]));
    disk.open();
    assert_eq!(outcome(&mut first, id), (0, 0));
    assert_eq!(outcome(&mut others[0], last), (0, 21));
    assert!(disk.syncs() <= 3, "{} syncs for 22 batches", disk.syncs());
}

#[test]
fn flush_ms_flushes_old_records_without_holding_answers_back() {
    let disk = GatedDisk::before("slow");
    let kit = Kit::gated("", &disk);
    let mut client = kit.connect();
    client.create("slow", 1, &[("flush.ms", "5000")]);
    assert_eq!(client.produce("slow", 0, &Batch::of(&["a"])), 0);
    assert_eq!(disk.syncs(), 0);
    disk.shut();
    kit.clock.advance(5000);
    disk.until_waiting(1);
    assert_eq!(client.produce("slow", 0, &Batch::of(&["b"])), 1, "nobody waits for an interval flush");
    assert_eq!(client.values("slow", 0), ["a", "b"]);
    disk.open();
}

#[test]
fn a_failed_flush_takes_the_partition_offline_and_nobody_else_with_it() {
    let (disk, mut kit) = gated();
    let (mut producer, mut reader, mut other) = (kit.connect(), kit.connect(), kit.connect());
    assert_eq!(producer.produce("slow", 0, &Batch::of(&["acknowledged"])), 0);
    disk.shut();
    let id = send(&mut producer, "slow", -1, &Batch::of(&["lost"]));
    disk.until_waiting(1);
    let opening = disk.clone();
    let failing = std::thread::spawn(move || opening.fail());
    let waiting = reader.fetch("slow", 0, &FetchOne { max_wait_ms: 600_000, ..FetchOne::from(1) });
    assert_eq!(waiting.error_code, STORAGE_ERROR, "who waits is told at once");
    failing.join().expect("no panic");
    assert_eq!(outcome(&mut producer, id), (STORAGE_ERROR, -1));
    // A disk that works again does not make up for what it lost.
    disk.open();
    assert_eq!(producer.try_produce("slow", 0, &Batch::of(&["x"])).error_code, STORAGE_ERROR);
    assert_eq!(reader.fetch("slow", 0, &FetchOne::from(0)).error_code, STORAGE_ERROR);
    assert_eq!(reader.list(8, "slow", 0, -1).error_code, STORAGE_ERROR);
    assert_eq!(other.produce("slow", 1, &Batch::of(&["b"])), 0, "the neighbour partition");
    assert_eq!(other.produce("other", 0, &Batch::of(&["c"])), 0);
    other.create("new", 1, &[]);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.values("slow", 0)[0], "acknowledged");
    let end = client.list(8, "slow", 0, -1).offset;
    assert_eq!(client.produce("slow", 0, &Batch::of(&["again"])), end);
    assert_eq!((client.values("slow", 1), client.values("other", 0)), (vec!["b".to_owned()], vec!["c".to_owned()]));
}

#[test]
fn a_full_disk_refuses_records_and_takes_them_when_there_is_room_again() {
    let disk = FaultyDisk::new(1);
    let kit = Kit::on_disk("", Arc::new(disk.clone()));
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["a"]));
    disk.limit_space(Some(disk.used_bytes() + 500));
    assert_eq!(client.try_produce("t", 0, &Batch::sized(10_000)).error_code, STORAGE_ERROR);
    assert_eq!(client.values("t", 0), ["a"], "reads go on");
    disk.limit_space(None);
    assert_eq!(client.produce("t", 0, &Batch::of(&["b"])), 1);
    assert_eq!(client.values("t", 0), ["a", "b"]);
}

#[test]
fn what_was_acknowledged_after_a_flush_survives_a_power_loss() {
    for seed in 0..8 {
        let disk = FaultyDisk::new(seed);
        let mut kit = Kit::on_disk("", Arc::new(disk.clone()));
        let mut client = kit.connect();
        let id = client.create("flushed", 1, FLUSHED);
        client.create("quick", 1, &[]);
        let pid = client.producer_id();
        for sequence in 0..7 {
            client.produce("flushed", 0, &Batch::of(&[&format!("{sequence}")]).by(pid, 0, sequence));
            client.produce("quick", 0, &Batch::of(&[&format!("{sequence}")]));
        }
        kit.crash_to(Arc::new(disk.crash(seed)));
        let mut client = kit.connect();
        assert_eq!(client.describe("flushed").topic_id, id, "seed {seed}");
        assert_eq!(client.values("flushed", 0), ["0", "1", "2", "3", "4", "5", "6"], "seed {seed}");
        let quick = client.values("quick", 0);
        assert!(quick.iter().enumerate().all(|(at, value)| *value == at.to_string()), "seed {seed}: a prefix, not {quick:?}");
        assert_eq!(client.produce("flushed", 0, &Batch::of(&["6"]).by(pid, 0, 6)), 6, "seed {seed}: a duplicate");
        assert_eq!(client.produce("flushed", 0, &Batch::of(&["7"]).by(pid, 0, 7)), 7, "seed {seed}");
        assert!(client.producer_id() > pid, "seed {seed}");
    }
}

#[test]
fn topics_survive_a_power_loss_the_moment_they_are_acknowledged() {
    for seed in 0..6 {
        let disk = FaultyDisk::new(seed);
        let mut kit = Kit::on_disk("", Arc::new(disk.clone()));
        let mut client = kit.connect();
        client.create("gone", 2, &[]);
        client.create("kept", 3, &[("compression.type", "zstd")]);
        let again = client.create("again", 1, &[]);
        client.delete("gone");
        client.delete("again");
        let again_id = client.create("again", 1, &[]);
        assert_ne!(again, again_id);
        kit.crash_to(Arc::new(disk.crash(seed)));
        let mut client = kit.connect();
        assert_eq!(client.describe("gone").error_code, 3, "seed {seed}");
        assert_eq!(client.describe("kept").partitions.len(), 3, "seed {seed}");
        assert_eq!(client.describe("again").topic_id, again_id, "seed {seed}");
        for partition in 0..3 {
            assert_eq!(client.produce("kept", partition, &Batch::of(&["a"])), 0, "seed {seed}");
        }
        assert_eq!(client.read("kept", 0)[0].batch.compression_code(), 4, "seed {seed}");
        assert_eq!(client.produce("again", 0, &Batch::of(&["a"])), 0, "seed {seed}");
    }
}

#[test]
fn a_topic_may_be_deleted_while_its_flush_is_under_way() {
    let (disk, mut kit) = gated();
    let (mut producer, mut admin) = (kit.connect(), kit.connect());
    disk.shut();
    let produced = send(&mut producer, "slow", -1, &Batch::of(&["a"]));
    disk.until_waiting(1);
    let topic = DeleteTopicState::default().with_name(Some(name("slow")));
    let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let deleted = admin.send(6, &request);
    assert_eq!(kit.connect().produce("other", 0, &Batch::of(&["b"])), 0, "nobody else waits");
    disk.open();
    assert_eq!(admin.receive::<DeleteTopicsRequest>(6, deleted).responses[0].error_code, 0);
    let (error, _) = outcome(&mut producer, produced);
    assert!(error == 0 || error == 6 || error == 3, "{error}");
    admin.create("slow", 2, FLUSHED);
    assert_eq!(producer.produce("slow", 0, &Batch::of(&["new"])), 0);
    kit.kill_and_restart();
    assert_eq!(kit.connect().values("slow", 0), ["new"]);
}
