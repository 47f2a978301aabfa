//! The data directories of an Apache Kafka 4.3.1 (KRaft, combined, two `log.dirs`), stopped cleanly: every file of them is taken as it is.
//!
//! How they came to be: topic `with-dashes-3` with four partitions and 500 records in partition 1, DeleteRecords up to offset 3 there,
//! topic `gone` created and deleted, stop. Only the empty 10 MiB indexes of the deleted logs were left out.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ottla_storage::disk::RealDisk;
use ottla_storage::manager::{LogManager, LogManagerConfig, LogState, METADATA_TOPIC_ID};
use ottla_storage::meta::{CleanShutdown, read_topic_id};
use ottla_storage::{
    CheckpointKind, EpochEntry, LeaderEpoch, LeaderEpochCache, LogId, Millis, Offset, OffsetCheckpoint, StorageError, uuid_to_text,
};
use tempfile::TempDir;
use uuid::Uuid;

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("created");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

fn kafkas_directories() -> TempDir {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kafka-4.3.1"), temporary.path());
    temporary
}

fn open(root: &Path) -> Result<LogManager, StorageError> {
    let config =
        LogManagerConfig { log_dirs: vec![root.join("d1"), root.join("d2")], metadata_log_dir: None, node_id: 1, cluster_id: None };
    LogManager::open(Arc::new(RealDisk), &config, &mut || panic!("Kafka gave all ids already"))
}

#[test]
fn kafkas_directories_are_known_by_their_own_names() {
    let kafka = kafkas_directories();
    let manager = open(kafka.path()).expect("opened");
    assert!(manager.warnings().is_empty(), "{:?}", manager.warnings());
    assert_eq!(manager.cluster_id(), "vtclvgVVRQ2kF99Lld6_Fw");
    let ids: Vec<String> = manager.dirs().iter().map(|dir| uuid_to_text(dir.directory_id())).collect();
    assert_eq!(ids, ["ncAqN1M8l_nNhWG6f4DHPA", "MvPK-asNn7HIyzmpH3xHZg"]);
    let clean = CleanShutdown { broker_epoch: Some(11) };
    assert!(manager.dirs().iter().all(|dir| dir.clean_shutdown() == Some(clean)));
}

#[test]
fn kafkas_logs_are_found_where_they_lie() {
    let kafka = kafkas_directories();
    let manager = open(kafka.path()).expect("opened");
    let mut found: Vec<(String, i32, LogState, String)> = manager
        .logs()
        .into_iter()
        .map(|log| (log.topic, log.partition, log.state, log.topic_id.map(uuid_to_text).unwrap_or_default()))
        .collect();
    found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let gone = found[0].3.clone();
    let log = |topic: &str, partition, state, id: &str| (topic.to_owned(), partition, state, id.to_owned());
    let mut expected = vec![log("gone", 0, LogState::Deleted, &gone), log("gone", 1, LogState::Deleted, &gone)];
    expected.extend((0..4).map(|partition| log("with-dashes-3", partition, LogState::Current, "8Zse4M6WSiW20NYEuxNfRA")));
    assert_eq!(found, expected);
    assert_ne!(gone, "");
    assert_eq!(manager.pending_deletions().len(), 2);
    let metadata = kafka.path().join("d1/__cluster_metadata-0");
    assert_eq!(read_topic_id(&RealDisk, &metadata).expect("readable"), Some(METADATA_TOPIC_ID));
    assert_ne!(METADATA_TOPIC_ID, Uuid::nil());
}

#[test]
fn kafkas_checkpoints_are_read_line_by_line() {
    let kafka = kafkas_directories();
    let read = |dir: &str, kind| {
        let (checkpoint, warning) = OffsetCheckpoint::read(&RealDisk, &kafka.path().join(dir), kind);
        assert!(warning.is_none(), "{warning:?}");
        checkpoint.iter().map(|(topic, partition, offset)| (topic.to_owned(), partition, offset.0)).collect::<Vec<_>>()
    };
    let line = |partition, offset| ("with-dashes-3".to_owned(), partition, offset);
    assert_eq!(read("d1", CheckpointKind::RecoveryPoint), [line(1, 500), line(3, 0)]);
    assert_eq!(read("d1", CheckpointKind::Replication), [line(1, 500), line(3, 0)]);
    assert_eq!(read("d1", CheckpointKind::LogStartOffset), [line(1, 3)]);
    assert_eq!(read("d1", CheckpointKind::Cleaner), []);
    assert_eq!(read("d2", CheckpointKind::RecoveryPoint), [line(0, 0), line(2, 0)]);
    assert_eq!(read("d2", CheckpointKind::LogStartOffset), []);
}

#[test]
fn kafkas_leader_epochs_are_read() {
    let kafka = kafkas_directories();
    for (log, epoch, start_offset) in [("d1/with-dashes-3-1", 0, 3), ("d1/with-dashes-3-3", 0, 0), ("d1/__cluster_metadata-0", 1, 0)] {
        let (cache, warning) = LeaderEpochCache::open(&RealDisk, &kafka.path().join(log));
        assert!(warning.is_none(), "{warning:?}");
        assert_eq!(cache.entries(), [EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start_offset) }], "{log}");
    }
}

#[test]
fn kafkas_logs_open_without_recovery_and_go_on() {
    let kafka = kafkas_directories();
    let manager = open(kafka.path()).expect("opened");
    let topic_id = ottla_storage::uuid_from_text("8Zse4M6WSiW20NYEuxNfRA").expect("an id");
    let mut logs = Vec::new();
    for (partition, log_start, log_end) in [(0, 0, 0), (1, 3, 500), (2, 0, 0), (3, 0, 0)] {
        let id = LogId { topic: "with-dashes-3".into(), topic_id, partition };
        let (log, report) = manager.open_log(&id, Arc::default(), Millis(0)).expect("opened");
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (Offset(log_start), Offset(log_end)));
        assert_eq!((report.segments_scanned, report.corruption), (0, None));
        logs.push(log);
    }
    let (metadata, report) = manager.open_metadata_log(Arc::default(), Millis(0)).expect("opened");
    assert_eq!((metadata.log_end_offset(), report.corruption, report.bytes_truncated), (Offset(111), None, 0));
    logs.push(metadata);
    manager.close(logs, 12).expect("closed");

    for name in ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint"] {
        let sorted = |path: &Path| {
            let mut lines: Vec<String> = fs::read_to_string(path).expect("there").lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let kafkas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kafka-4.3.1/d1").join(name);
        assert_eq!(sorted(&kafka.path().join("d1").join(name)), sorted(&kafkas), "{name}: the same lines, whatever their order");
    }
    let again = open(kafka.path()).expect("opened");
    assert_eq!(again.previous_broker_epoch(), Some(12));
}
