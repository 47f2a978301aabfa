//! Snapshots of the metadata log that are damaged, missing, or cannot be written.

use crate::kit::{Batch, Kit};
use std::fs;
use std::path::PathBuf;

const OFTEN: &str = "metadata.log.max.record.bytes.between.snapshots=500";

fn metadata_dir(kit: &Kit) -> PathBuf {
    kit.data().join("__cluster_metadata-0")
}

fn newest_snapshot(kit: &Kit) -> PathBuf {
    let files = fs::read_dir(metadata_dir(kit)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "checkpoint")).max().unwrap()
}

/// A stopped broker that has written a snapshot.
fn snapshotted() -> Kit {
    let mut kit = Kit::with(OFTEN);
    for number in 0..5 {
        kit.connect().create(&format!("topic-{number}"), 1, &[]);
    }
    kit.stop();
    kit
}

#[test]
fn a_damaged_or_shortened_snapshot_is_refused() {
    let mut kit = snapshotted();
    let path = newest_snapshot(&kit);
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(7).position(|window| window == b"topic-3").unwrap();
    let mut damaged = whole.clone();
    damaged[at + 6] = b'9';
    // The footer is a batch of its own: header, key and value.
    let lengths = |from: usize| 12 + u32::from_be_bytes(whole[from + 8..from + 12].try_into().unwrap()) as usize;
    let mut footer_at = 0;
    while footer_at + lengths(footer_at) < whole.len() {
        footer_at += lengths(footer_at);
    }
    for bad in [&damaged[..], &whole[..footer_at], &[]] {
        fs::write(&path, bad).unwrap();
        let error = kit.try_start().map(drop).unwrap_err().to_string();
        assert!(error.contains(".checkpoint"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bad, "left as it was found");
    }
    fs::write(&path, &whole).unwrap();
    kit.try_start().unwrap();
    assert_eq!(kit.connect().describe("topic-3").error_code, 0);
}

#[test]
fn a_metadata_log_without_its_beginning_is_refused_and_no_log_is_put_aside() {
    let mut kit = snapshotted();
    fs::remove_file(metadata_dir(&kit).join("00000000000000000000.log")).unwrap();
    kit.try_start().unwrap();
    kit.stop();
    let snapshots = fs::read_dir(metadata_dir(&kit)).unwrap().map(|entry| entry.unwrap().path());
    for path in snapshots.filter(|path| path.extension().is_some_and(|extension| extension == "checkpoint")) {
        fs::remove_file(path).unwrap();
    }
    let error = kit.try_start().map(drop).unwrap_err().to_string();
    assert!(error.contains("no snapshot"), "{error}");
    assert!(kit.data().join("topic-0-0").exists());
}

#[test]
fn a_snapshot_that_cannot_be_written_costs_nothing_but_the_snapshot() {
    let mut kit = Kit::with(OFTEN);
    // A directory in the place of every temporary file that the next snapshots could use.
    for end_offset in 0..200 {
        fs::create_dir(metadata_dir(&kit).join(format!("{end_offset:020}-0000000001.checkpoint.tmp"))).unwrap();
    }
    for number in 0..5 {
        kit.connect().create(&format!("topic-{number}"), 1, &[]);
    }
    kit.restart();
    assert_eq!(kit.connect().produce("topic-4", 0, &Batch::of(&["a"])), 0);
}
