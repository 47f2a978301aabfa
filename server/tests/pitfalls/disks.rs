//! Disks that are full, read-only, slow or broken, one of several directories or the only one; DescribeLogDirs.

use crate::kit::groups::Member;
use crate::kit::transactions::TV2;
use crate::kit::{Batch, Client, FetchOne, Kit, Mood, MoodyDisk, PATIENCE};
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use kafka_protocol::messages::{DescribeLogDirsRequest, ProduceRequest};
use ottla_storage::disk::faulty::FaultyDisk;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const STORAGE_ERROR: i16 = 56;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const ONE_OF_EACH: &str = "offsets.topic.num.partitions=1\ntransaction.state.log.num.partitions=1\n";

/// Asks until it is so: who looks after the disks comes by once a second.
fn until<T>(mut ask: impl FnMut() -> T, so: impl Fn(&T) -> bool) -> T {
    let begin = Instant::now();
    loop {
        let answer = ask();
        if so(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "it never came to that");
    }
}

fn describe_log_dirs(client: &mut Client) -> Vec<DescribeLogDirsResult> {
    let answer = client.ask(4, &DescribeLogDirsRequest::default().with_topics(None));
    assert_eq!(answer.error_code, 0);
    answer.results
}

/// Partitions of topic `t` by directory, as DescribeLogDirs tells it.
fn partitions_in(dir: &DescribeLogDirsResult) -> Vec<i32> {
    let topic = dir.topics.iter().find(|topic| topic.name.as_str() == "t");
    topic.map(|topic| topic.partitions.iter().map(|row| row.partition_index).collect()).unwrap_or_default()
}

fn has_reserve(disk: &FaultyDisk) -> bool {
    disk.files().iter().any(|(path, _)| path.ends_with(".ottla_reserve"))
}

/// A broker on a disk in memory, with 512 KiB kept back.
fn reserving() -> (FaultyDisk, Kit) {
    let disk = FaultyDisk::new(1);
    disk.limit_space(Some(64 * MIB));
    let kit = Kit::on_disk(&format!("ottla.disk.reserve.bytes=524288\n{ONE_OF_EACH}"), Arc::new(disk.clone()));
    (disk, kit)
}

/// A broker with two directories, `a` (which also holds the metadata) and `b`, on disks with moods; topic `t` with four partitions.
fn two_dirs(properties: &str, configs: &[(&str, &str)]) -> (MoodyDisk, Kit, PathBuf) {
    let disk = MoodyDisk::default();
    let kit = Kit::stopped(properties).dirs(&["a", "b"]).moody(&disk).running();
    kit.connect().create("t", 4, configs);
    let b = kit.data().join("b");
    (disk, kit, b)
}

/// The partitions of `t` in the first and in the second directory.
fn placed(client: &mut Client) -> (Vec<i32>, Vec<i32>) {
    let dirs = describe_log_dirs(client);
    (partitions_in(&dirs[0]), partitions_in(&dirs[1]))
}

#[test]
fn row_76_log_dirs_are_told_with_true_sizes_and_the_disks_room() {
    let (_disk, kit, b) = two_dirs("", &[]);
    let mut client = kit.connect();
    for partition in 0..4 {
        client.produce("t", partition, &Batch::sized(1000));
    }
    let dirs = describe_log_dirs(&mut client);
    assert_eq!(dirs.len(), 2);
    assert_eq!(dirs[1].log_dir.as_str(), b.to_string_lossy());
    assert_eq!((partitions_in(&dirs[0]).len(), partitions_in(&dirs[1]).len()), (2, 2), "the least loaded directory is next");
    for dir in &dirs {
        assert_eq!(dir.error_code, 0);
        assert!(dir.total_bytes >= dir.usable_bytes && dir.usable_bytes > 0);
        for row in &dir.topics[0].partitions {
            let log = std::path::Path::new(dir.log_dir.as_str()).join(format!("t-{}/00000000000000000000.log", row.partition_index));
            assert_eq!(row.partition_size as u64, log.metadata().expect("there").len());
            assert_eq!((row.offset_lag, row.is_future_key), (0, false));
        }
    }
}

#[test]
fn a_broken_directory_takes_its_own_partitions_offline_and_a_restart_brings_them_back() {
    let (disk, mut kit, b) = two_dirs("", &[]);
    let mut client = kit.connect();
    for partition in 0..4 {
        client.produce("t", partition, &Batch::of(&["acknowledged"]));
    }
    let (well, broken) = placed(&mut client);
    disk.set(&b, Mood::Broken);
    for partition in &broken {
        assert_eq!(client.try_produce("t", *partition, &Batch::of(&["lost"])).error_code, STORAGE_ERROR);
        assert_eq!(client.fetch("t", *partition, &FetchOne::from(0)).error_code, STORAGE_ERROR);
    }
    for partition in &well {
        assert_eq!(client.produce("t", *partition, &Batch::of(&["goes on"])), 1);
    }
    let told = until(|| client.describe("t"), |topic| topic.partitions.iter().filter(|row| row.leader_id.0 == -1).count() == 2);
    for row in &told.partitions {
        let gone = broken.contains(&row.partition_index);
        assert_eq!((row.error_code, row.offline_replicas.len()), if gone { (5, 1) } else { (0, 0) }, "{row:?}");
    }
    let dirs = describe_log_dirs(&mut client);
    assert_eq!((dirs[0].error_code, dirs[1].error_code), (0, STORAGE_ERROR));
    assert_eq!(partitions_in(&dirs[0]), well);
    client.create("new", 2, &[]);
    assert_eq!(client.produce("new", 1, &Batch::of(&["here"])), 0, "new partitions go where they can");
    assert_eq!(client.try_produce("t", broken[0], &Batch::of(&["lost"])).error_code, STORAGE_ERROR, "retriable, and stays so");

    // A start without the directory serves what there is, and waits for the rest.
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!(client.values("t", well[0]), ["acknowledged", "goes on"]);
    disk.set(&kit.data().join("b"), Mood::Broken);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.values("t", well[0]), ["acknowledged", "goes on"]);
    assert_eq!(client.try_produce("t", broken[0], &Batch::of(&["lost"])).error_code, STORAGE_ERROR);
    let told = client.describe("t");
    assert!(told.partitions.iter().all(|row| (row.leader_id.0 == -1) == broken.contains(&row.partition_index)), "{told:?}");

    disk.set(&kit.data().join("b"), Mood::Well);
    kit.restart();
    let mut client = kit.connect();
    for partition in 0..4 {
        let values = client.values("t", partition);
        let expected: &[&str] = if broken.contains(&partition) { &["acknowledged"] } else { &["acknowledged", "goes on"] };
        assert_eq!(values, expected, "partition {partition}");
        assert_eq!(client.produce("t", partition, &Batch::of(&["again"])), expected.len() as i64);
    }
    assert_eq!(client.values("new", 1), ["here"]);
}

#[test]
fn a_directory_that_is_removed_under_the_broker_is_noticed() {
    let (_disk, kit, b) = two_dirs("", &[]);
    let mut client = kit.connect();
    let (well, gone) = placed(&mut client);
    std::fs::rename(&b, b.with_file_name("elsewhere")).expect("moved");
    until(|| client.describe("t"), |topic| topic.partitions.iter().filter(|row| row.leader_id.0 == -1).count() == 2);
    assert_eq!(client.try_produce("t", gone[0], &Batch::of(&["nowhere"])).error_code, STORAGE_ERROR);
    assert_eq!(client.produce("t", well[0], &Batch::of(&["here"])), 0);
}

#[test]
fn where_partitions_lie_is_remembered_by_the_metadata() {
    let (_disk, mut kit, _) = two_dirs("", &[]);
    let before = placed(&mut kit.connect());
    kit.kill_and_restart();
    assert_eq!(placed(&mut kit.connect()), before);
    let image = kit.broker().node().image();
    let topic = image.topics().by_name("t").expect("there");
    let me = ottla_coordinator::metadata::BrokerId(kit.broker().node().node_id);
    let directories: std::collections::BTreeSet<_> = topic.partitions.values().filter_map(|row| row.directory_of(me)).collect();
    assert!(directories.len() == 2 && directories.iter().all(|directory| !directory.is_reserved()), "{directories:?}");
}

#[test]
fn a_full_disk_refuses_clients_and_the_rest_goes_on_in_the_reserve() {
    let (disk, mut kit) = reserving();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.create("other", 1, &[]);
    client.produce("t", 0, &Batch::of(&["a"]));
    client.find_coordinator("g");
    assert_eq!(until(|| client.commit("g", "t", 0, 1, None), Option::is_none), None);
    let mut by = client.transactor("tx", TV2);
    client.transact(&by, "other", 0, 0, &["in a transaction"]);
    assert!(has_reserve(&disk));

    disk.limit_space(Some(disk.used_bytes() + 100));
    assert_eq!(client.try_produce("t", 0, &Batch::sized(10_000)).error_code, STORAGE_ERROR);
    until(|| has_reserve(&disk), |there| !there);
    assert_eq!(client.try_produce("t", 0, &Batch::of(&["small"])).error_code, STORAGE_ERROR, "the room that is left is not for clients");
    assert_eq!(client.values("t", 0), ["a"], "reads go on, and show no part of what was refused");
    assert_eq!(until(|| client.commit("g", "t", 0, 1, None), Option::is_none), None);
    client.end(&mut by, true);
    assert_eq!(client.values("other", 0)[0], "in a transaction");
    client.create("new", 1, &[]);
    client.delete("new");

    disk.limit_space(None);
    let first = until(|| client.try_produce("t", 0, &Batch::of(&["b"])), |answer| answer.error_code == 0);
    assert_eq!(first.base_offset, 1, "without a restart");
    assert!(has_reserve(&disk), "for the next time");
    client.transact(&by, "other", 0, 0, &["another"]);
    client.end(&mut by, true);
    kit.restart();
    assert_eq!(kit.connect().values("t", 0), ["a", "b"]);
}

#[test]
fn retention_makes_room_on_a_full_disk() {
    let (disk, kit) = reserving();
    let mut client = kit.connect();
    client.create("t", 1, &[("segment.bytes", "1048576"), ("retention.bytes", "1048576")]);
    for _ in 0..40 {
        client.produce("t", 0, &Batch::sized(100_000));
    }
    disk.limit_space(Some(disk.used_bytes() + 100));
    assert_eq!(client.try_produce("t", 0, &Batch::sized(10_000)).error_code, STORAGE_ERROR);
    // Nobody frees anything but the broker itself.
    until(|| client.try_produce("t", 0, &Batch::sized(10_000)), |answer| answer.error_code == 0);
    assert!(client.list(8, "t", 0, -2).offset > 0);
}

#[test]
fn without_a_reserve_each_request_tries_its_luck() {
    let disk = FaultyDisk::new(1);
    let kit = Kit::on_disk(ONE_OF_EACH, Arc::new(disk.clone()));
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["a"]));
    client.find_coordinator("g");
    assert_eq!(until(|| client.commit("g", "t", 0, 1, None), Option::is_none), None);
    let mut by = client.transactor("tx", TV2);
    client.transact(&by, "t", 0, 0, &["b"]);
    disk.limit_space(Some(disk.used_bytes()));
    assert_eq!(client.try_create("new", 1, &[]).error_code, STORAGE_ERROR);
    assert!(client.commit("g", "t", 0, 2, None).is_some());
    assert_ne!(client.try_end(&mut by.clone(), true), 0);
    assert_eq!(client.try_produce("t", 0, &Batch::of(&["x"])).error_code, STORAGE_ERROR);
    disk.limit_space(None);
    client.create("new", 1, &[]);
    assert_eq!(client.produce("new", 0, &Batch::of(&["c"])), 0, "a metadata log that found no room goes on");
    assert_eq!(until(|| client.commit("g", "t", 0, 2, None), Option::is_none), None);
    assert_eq!(until(|| client.try_end(&mut by, true), |error| *error == 0), 0);
    assert_eq!(client.committed("g", "t", 0).committed_offset, 2);
    assert_eq!(client.values("t", 0)[..2], ["a", "b"]);
}

#[test]
fn a_topic_made_on_a_full_disk_is_refused_or_can_be_used_once_there_is_room() {
    let disk = FaultyDisk::new(1);
    let kit = Kit::on_disk("", Arc::new(disk.clone()));
    let mut client = kit.connect();
    let mut made = 0;
    for room in (0..500).step_by(60) {
        disk.limit_space(Some(disk.used_bytes() + room));
        let topic = format!("t{room}");
        let created = client.try_create(&topic, 3, &[]).error_code;
        disk.limit_space(None);
        match created {
            0 => made += 1,
            error => {
                assert_eq!(error, STORAGE_ERROR, "room for {room} bytes");
                client.create(&topic, 3, &[]);
            }
        }
        for partition in 0..3 {
            until(|| client.try_produce(&topic, partition, &Batch::of(&["a"])), |answer| answer.error_code == 0);
            assert_eq!(client.values(&topic, partition)[0], "a");
        }
    }
    assert!((1..9).contains(&made), "{made}: both were seen");
}

#[test]
fn a_read_only_disk_is_read_and_written_again_without_a_restart() {
    let disk = FaultyDisk::new(1);
    let mut kit = Kit::on_disk(ONE_OF_EACH, Arc::new(disk.clone()));
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["a"]));
    client.find_coordinator("g");
    assert_eq!(until(|| client.commit("g", "t", 0, 1, None), Option::is_none), None);
    disk.set_read_only(true);
    for _ in 0..3 {
        assert_eq!(client.try_produce("t", 0, &Batch::of(&["x"])).error_code, STORAGE_ERROR);
        assert_eq!(client.try_create("new", 1, &[]).error_code, STORAGE_ERROR);
        assert!(client.commit("g", "t", 0, 2, None).is_some());
        assert_eq!(client.values("t", 0), ["a"]);
    }
    disk.set_read_only(false);
    assert_eq!(client.produce("t", 0, &Batch::of(&["b"])), 1);
    client.create("new", 1, &[]);
    assert_eq!(client.produce("new", 0, &Batch::of(&["c"])), 0);
    assert_eq!(until(|| client.commit("g", "t", 0, 2, None), Option::is_none), None);
    kit.restart();
    assert_eq!(kit.connect().values("t", 0), ["a", "b"]);
}

#[test]
fn a_slow_disk_holds_back_its_own_partitions_only() {
    let (disk, kit, b) = two_dirs(&format!("{ONE_OF_EACH}group.initial.rebalance.delay.ms=0\n"), &[("flush.messages", "1")]);
    let mut client = kit.connect();
    let (quick, slow) = placed(&mut client);
    client.find_coordinator("g");
    let mut member = Member::of(&kit, "g").alone();
    disk.set(&b, Mood::Slow);
    let mut waiting: Vec<(Client, i32)> = Vec::new();
    for partition in slow.iter().chain(&slow).chain(&slow) {
        let mut producer = kit.connect();
        let id = producer.send(9, &Client::produce_request("t", *partition, -1, Batch::of(&["late"]).bytes()));
        waiting.push((producer, id));
    }
    disk.until_waiting(2);
    for round in 0..3 {
        for partition in &quick {
            assert_eq!(client.produce("t", *partition, &Batch::of(&["now"])), round, "a flush of another directory");
        }
        assert_eq!(member.heartbeat(), None);
        assert_eq!(client.values("t", slow[0]).len(), 0, "nothing is shown before its flush");
    }
    disk.set(&b, Mood::Well);
    for (mut producer, id) in waiting {
        assert_eq!(producer.receive::<ProduceRequest>(9, id).responses[0].partition_responses[0].error_code, 0);
    }
    assert_eq!(client.values("t", slow[0]).len(), 3);
}

#[test]
fn a_read_that_fails_fails_alone() {
    let disk = FaultyDisk::new(1);
    let mut kit = Kit::on_disk("", Arc::new(disk.clone()));
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    for _ in 0..10 {
        client.produce("t", 0, &Batch::of(&["a", "b"]));
    }
    kit.restart();
    let mut client = kit.connect();
    let mut failed = 0;
    for read in 0..2 {
        disk.fail_read_at(disk.reads() + read);
        let answer = client.fetch("t", 0, &FetchOne::from(0));
        failed += usize::from(answer.error_code == STORAGE_ERROR);
        assert!([0, STORAGE_ERROR].contains(&answer.error_code), "{}", answer.error_code);
        disk.heal();
        assert_eq!(client.values("t", 0).len(), 20, "the next one does not");
        kit.restart();
        client = kit.connect();
    }
    assert!(failed > 0, "one of them was met");
    assert_eq!(client.produce("t", 0, &Batch::of(&["c"])), 20);
}
