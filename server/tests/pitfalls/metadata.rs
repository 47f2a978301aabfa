//! The metadata log over time: restarts, kills, snapshots, half-made directories, damage.

use crate::kit::{Batch, Kit};
use ottla_storage::disk::faulty::{Fault, FaultyDisk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn metadata_dir(kit: &Kit) -> PathBuf {
    kit.data().join("__cluster_metadata-0")
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        (path.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(path).expect("a file"))
    };
    std::fs::read_dir(dir).expect("a directory").map(entry).collect()
}

fn snapshots(kit: &Kit) -> Vec<String> {
    files(&metadata_dir(kit)).into_keys().filter(|name| name.ends_with(".checkpoint")).collect()
}

#[test]
fn topics_and_their_settings_survive_restarts_and_kills() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("stamped", 2, &[("message.timestamp.type", "LogAppendTime")]);
    client.create("gone", 1, &[]);
    client.delete("gone");
    for kill in [false, true, true, false] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        let mut client = kit.connect();
        assert_eq!(client.describe("stamped").partitions.len(), 2);
        assert_eq!(client.describe("gone").error_code, 3);
        assert_eq!(client.try_produce("stamped", 1, &Batch::of(&["a"])).log_append_time_ms, kit.clock.now_ms());
    }
    assert!(
        !std::fs::read_dir(kit.data()).expect("listed").any(|e| e.expect("an entry").file_name().to_string_lossy().starts_with("gone"))
    );
}

#[test]
fn snapshots_are_written_and_the_next_start_stands_on_them() {
    let mut kit = Kit::with("metadata.log.max.record.bytes.between.snapshots=500");
    let mut client = kit.connect();
    let ids: Vec<_> = (0..20).map(|at| client.create(&format!("t{at}"), 2, &[("retention.ms", "12345")])).collect();
    client.delete("t3");
    client.produce("t0", 0, &Batch::of(&["a"]));
    assert!(!snapshots(&kit).is_empty());
    for kill in [true, false, true] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        let mut client = kit.connect();
        for (at, id) in ids.iter().enumerate().filter(|(at, _)| *at != 3) {
            assert_eq!(client.describe(&format!("t{at}")).topic_id, *id);
        }
        assert_eq!(client.describe("t3").error_code, 3);
        assert_eq!(client.values("t0", 0), ["a"]);
    }
    // Without the log below it, the snapshot alone must do.
    kit.stop();
    let newest = snapshots(&kit).pop().expect("a snapshot");
    for name in files(&metadata_dir(&kit)).into_keys().filter(|name| name.starts_with('0') && *name != newest) {
        std::fs::remove_file(metadata_dir(&kit).join(name)).expect("removed");
    }
    kit.try_start().expect("a broker");
    let mut client = kit.connect();
    for at in [0, 1, 2, 4, 10] {
        assert_eq!(client.describe(&format!("t{at}")).topic_id, ids[at]);
    }
    assert_eq!(client.values("t0", 0), ["a"]);
    let fresh = client.create("fresh", 1, &[]);
    kit.kill_and_restart();
    assert_eq!(kit.connect().describe("fresh").topic_id, fresh);
}

#[test]
fn a_first_start_that_was_cut_anywhere_is_finished_by_the_next() {
    let whole = FaultyDisk::new(0);
    let mut kit = Kit::on_disk("", Arc::new(whole.clone()));
    let operations = whole.operations();
    kit.stop();
    assert!(operations > 10, "{operations}");
    for cut in 0..operations {
        for seed in [0, 1] {
            let disk = FaultyDisk::new(cut);
            disk.fail_from(cut, Fault::PowerOff);
            let mut kit = Kit::stopped("").simulated(Arc::new(disk.clone()));
            assert!(kit.try_start().is_err(), "cut at {cut}: a dead disk cannot be started from");
            kit.crash_to(Arc::new(disk.crash(seed)));
            let mut client = kit.connect();
            client.create("t", 1, &[]);
            assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 0, "cut at {cut}");
        }
    }
}

#[test]
fn a_later_start_that_was_cut_anywhere_loses_nothing() {
    let disk = FaultyDisk::new(0);
    let mut kit = Kit::on_disk("metadata.log.max.record.bytes.between.snapshots=500", Arc::new(disk.clone()));
    let mut client = kit.connect();
    let id = client.create("t", 1, &[("flush.messages", "1")]);
    client.produce("t", 0, &Batch::of(&["a"]));
    let epoch = client.leader_epoch("t", 0);
    let killed = disk.crash(1);
    let begun = killed.crash(1);
    kit.crash_to(Arc::new(begun.clone()));
    let operations = begun.operations();
    kit.stop();
    assert!(operations > 5, "{operations}");
    for cut in 0..operations {
        let disk = killed.crash(1);
        disk.fail_from(cut, Fault::PowerOff);
        let mut again = kit.twin().simulated(Arc::new(disk.clone()));
        assert!(again.try_start().is_err(), "cut at {cut}");
        again.crash_to(Arc::new(disk.crash(cut)));
        let mut client = again.connect();
        assert_eq!(client.describe("t").topic_id, id, "cut at {cut}");
        assert_eq!(client.values("t", 0), ["a"], "cut at {cut}");
        assert!(client.leader_epoch("t", 0) > epoch, "cut at {cut}");
    }
}

#[test]
fn a_damaged_middle_of_the_metadata_log_is_refused_and_left_alone() {
    for clean in [true, false] {
        let mut kit = Kit::start();
        let mut client = kit.connect();
        for at in 0..5 {
            client.create(&format!("t{at}"), 1, &[]);
        }
        client.produce("t0", 0, &Batch::of(&["a"]));
        if clean {
            kit.stop()
        } else {
            kit.kill()
        }
        let log = metadata_dir(&kit).join("00000000000000000000.log");
        let good = std::fs::read(&log).expect("readable");
        for at in [good.len() / 3, good.len() / 2, 20, 70] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            std::fs::write(&log, &bad).expect("written");
            let before = files(&metadata_dir(&kit));
            let error = kit.try_start().expect_err("must not start").to_string();
            assert!(error.contains("__cluster_metadata-0"), "clean={clean}, byte {at}: {error}");
            // Indexes and producer snapshots are made of the log and may be made anew.
            let told: Vec<_> = before.iter().filter(|(name, _)| !name.ends_with("index") && !name.ends_with(".snapshot")).collect();
            let after = files(&metadata_dir(&kit));
            let changed: Vec<_> = told.into_iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).map(|(name, _)| name).collect();
            assert!(changed.is_empty(), "clean={clean}, byte {at}: {changed:?}");
        }
        std::fs::write(&log, &good).expect("written");
        kit.try_start().expect("well again");
        assert_eq!(kit.connect().values("t0", 0), ["a"]);
        assert_eq!(kit.connect().describe("t4").error_code, 0);
    }
}

#[test]
fn a_torn_tail_of_the_metadata_log_is_cut() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let log = metadata_dir(&kit).join("00000000000000000000.log");
    let before = std::fs::metadata(&log).expect("there").len();
    client.create("last", 1, &[]);
    let after = std::fs::metadata(&log).expect("there").len();
    kit.kill();
    for size in [after - 1, before + 61, before + 1, before] {
        let mut image = kit.image();
        let log = metadata_dir(&image).join("00000000000000000000.log");
        std::fs::OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(size)).expect("cut");
        image.try_start().expect("a broker");
        let mut client = image.connect();
        assert_eq!(client.describe("t").error_code, 0, "cut to {size}");
        assert_eq!(client.describe("last").error_code, 3, "cut to {size}");
        client.create("last", 1, &[]);
        assert_eq!(client.produce("last", 0, &Batch::of(&["a"])), 0, "cut to {size}");
    }
}

#[test]
fn a_second_broker_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    let error = kit.twin().try_start().expect_err("must not start").to_string();
    assert!(error.contains("in use"), "{error}");
    assert_eq!(kit.connect().produce("t", 0, &Batch::of(&["a"])), 0);
    kit.restart();
    assert_eq!(kit.connect().values("t", 0), ["a"]);
}

#[test]
fn when_the_metadata_log_fails_nothing_changes_and_records_still_flow() {
    let disk = FaultyDisk::new(3);
    let mut kit = Kit::on_disk("", Arc::new(disk.clone()));
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    // The sync, that is: an append that could be undone is only that request's misfortune.
    disk.fail_at(disk.operations(), Fault::Io);
    assert_eq!(client.try_create("v", 1, &[]).error_code, 56);
    client.create("v", 1, &[]);
    disk.fail_at(disk.operations() + 1, Fault::Io);
    assert_eq!(client.try_create("u", 1, &[]).error_code, 56);
    assert_eq!(client.try_create("u", 1, &[]).error_code, 56, "until a restart reads back what is there");
    assert_eq!(client.metadata(&["u"], true).topics[0].error_code, 3);
    assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 0);
    assert_eq!(client.values("t", 0), ["a"]);
    kit.restart();
    let mut client = kit.connect();
    assert_eq!(client.values("t", 0), ["a"]);
    let state = client.try_create("u", 1, &[]).error_code;
    assert!(state == 0 || state == 36, "{state}");
    assert_eq!(client.produce("u", 0, &Batch::of(&["a"])), 0);
}
