//! Damaged and missing files of single partitions: who suffers and who does not.

use crate::kit::{Batch, FetchOne, Kit, seen};
use std::path::PathBuf;

fn log_of(kit: &Kit, partition: &str) -> PathBuf {
    kit.data().join(partition).join("00000000000000000000.log")
}

/// Six batches in partition 0 of `t`, one in partition 1; stopped or killed.
fn written(clean: bool) -> Kit {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    for at in 0..6 {
        client.produce("t", 0, &Batch::of(&[&format!("{at}")]));
    }
    client.produce("t", 1, &Batch::of(&["neighbour"]));
    if clean {
        kit.stop()
    } else {
        kit.kill()
    }
    kit
}

#[test]
fn a_damaged_middle_is_kept_what_is_before_it_is_served_and_nobody_else_is_harmed() {
    let mut kit = written(false);
    let log = log_of(&kit, "t-0");
    let mut bytes = std::fs::read(&log).expect("readable");
    let batch = bytes.len() / 6;
    bytes[3 * batch + 65] ^= 1;
    std::fs::write(&log, &bytes).expect("written");
    for kill in [true, false, true] {
        kit.try_start().expect("a broker");
        let mut client = kit.connect();
        let before = client.fetch("t", 0, &FetchOne::from(0));
        assert_eq!((before.error_code, seen(&before.records.expect("never null")).len()), (0, 3));
        for from in [3, 4, 5] {
            let answer = client.fetch("t", 0, &FetchOne { max_wait_ms: 600_000, ..FetchOne::from(from) });
            assert_ne!(answer.error_code, 0, "from {from}");
            assert_ne!(answer.error_code, 1, "from {from}: out of range would make consumers begin anew");
        }
        assert_ne!(client.try_produce("t", 0, &Batch::of(&["x"])).error_code, 0, "nothing is written behind damage");
        assert_eq!(client.values("t", 1)[0], "neighbour");
        client.produce("t", 1, &Batch::of(&["more"]));
        if kill {
            kit.kill()
        } else {
            kit.stop()
        }
        assert_eq!(std::fs::read(log_of(&kit, "t-0")).expect("readable"), bytes);
    }
}

#[test]
fn a_torn_tail_is_cut_and_the_partition_goes_on() {
    for cut in [1, 30, 61] {
        let mut kit = written(false);
        let log = log_of(&kit, "t-0");
        let size = std::fs::metadata(&log).expect("there").len();
        std::fs::OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(size - cut)).expect("cut");
        kit.try_start().expect("a broker");
        let mut client = kit.connect();
        assert_eq!(client.values("t", 0), ["0", "1", "2", "3", "4"]);
        assert_eq!(client.list(8, "t", 0, -1).offset, 5);
        assert_eq!(client.produce("t", 0, &Batch::of(&["again"])), 5);
        assert_eq!(client.values("t", 1), ["neighbour"]);
    }
}

#[test]
fn companion_files_may_be_lost_or_scrambled() {
    for clean in [true, false] {
        for scramble in [false, true] {
            let mut kit = written(clean);
            let dir = kit.data().join("t-0");
            for entry in std::fs::read_dir(&dir).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.extension().is_some_and(|kind| kind == "log") || path.ends_with("partition.metadata") {
                    continue;
                }
                let done = if scramble { std::fs::write(&path, [0xa5; 1000]) } else { std::fs::remove_file(&path) };
                done.expect("done");
            }
            kit.try_start().expect("a broker");
            let mut client = kit.connect();
            assert_eq!(client.values("t", 0), ["0", "1", "2", "3", "4", "5"], "clean={clean} scramble={scramble}");
            assert_eq!(client.produce("t", 0, &Batch::of(&["6"])), 6);
            assert_eq!(client.list(8, "t", 0, 0).offset, 0);
        }
    }
}

#[test]
fn root_checkpoints_may_be_lost_or_scrambled() {
    for clean in [true, false] {
        for scramble in [false, true] {
            let mut kit = written(clean);
            for name in ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"] {
                let path = kit.data().join(name);
                let done = if scramble { std::fs::write(&path, "0\nx\n") } else { std::fs::remove_file(&path).or(Ok(())) };
                done.expect("done");
            }
            kit.try_start().expect("a broker");
            let mut client = kit.connect();
            assert_eq!(client.values("t", 0), ["0", "1", "2", "3", "4", "5"], "clean={clean} scramble={scramble}");
            assert_eq!(client.produce("t", 0, &Batch::of(&["6"])), 6);
        }
    }
}

#[test]
fn a_topic_whose_directory_belongs_to_another_incarnation_starts_empty_and_the_old_one_is_put_aside() {
    let mut kit = written(true);
    let id = kit.data().join("t-0/partition.metadata");
    let text = std::fs::read_to_string(&id).expect("readable");
    let other = text.lines().map(|line| if line.starts_with("topic_id") { "topic_id: AAAAAAAAAAAAAAAAAAAAAQ" } else { line });
    std::fs::write(&id, other.collect::<Vec<_>>().join("\n")).expect("written");
    kit.try_start().expect("a broker");
    let mut client = kit.connect();
    assert_eq!(client.values("t", 0), [""; 0]);
    assert_eq!(client.produce("t", 0, &Batch::of(&["new"])), 0);
    let aside = std::fs::read_dir(kit.data()).expect("listed").any(|entry| {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        name.starts_with("t-0.") && name.ends_with("-stray")
    });
    assert!(aside, "the old records are kept");
}

#[test]
fn partitions_spread_over_directories_and_come_back_from_each() {
    let root = tempfile::tempdir().expect("a directory");
    let dirs: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| root.path().join(name)).collect();
    let list = dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(",");
    let mut kit = Kit::with(&format!("log.dirs={list}"));
    kit.connect().create("t", 9, &[]);
    for round in 0..3 {
        let mut client = kit.connect();
        for partition in 0..9 {
            assert_eq!(client.produce("t", partition, &Batch::of(&["a"])), round);
        }
        kit.restart();
    }
    for dir in &dirs {
        let held =
            std::fs::read_dir(dir).expect("listed").filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().starts_with("t-")));
        assert_eq!(held.count(), 3, "{}", dir.display());
    }
}
