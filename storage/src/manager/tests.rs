use std::fs;

use super::*;
use crate::disk::RealDisk;
use crate::disk::faulty::{Fault, FaultyDisk};
use crate::meta::CLEAN_SHUTDOWN;

struct House {
    temporary: tempfile::TempDir,
    ids: u128,
}

impl House {
    fn new() -> Self {
        Self { temporary: tempfile::tempdir().expect("a temporary directory"), ids: 1000 }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    fn config(&self, dirs: &[&str]) -> LogManagerConfig {
        LogManagerConfig {
            log_dirs: dirs.iter().map(|name| self.dir(name)).collect(),
            metadata_log_dir: None,
            node_id: 1,
            cluster_id: None,
        }
    }

    fn open_with(&mut self, config: &LogManagerConfig) -> Result<LogManager, StorageError> {
        LogManager::open(Arc::new(RealDisk), config, &mut || {
            self.ids += 1;
            Uuid::from_u128(self.ids)
        })
    }

    fn open(&mut self, dirs: &[&str]) -> Result<LogManager, StorageError> {
        let config = self.config(dirs);
        self.open_with(&config)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, text).expect("written");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir(path)).expect("there")
    }

    fn refusal(&mut self, dirs: &[&str]) -> String {
        self.open(dirs).expect_err("refused").to_string()
    }
}

fn id(topic: &str, partition: i32, topic_id: u128) -> LogId {
    LogId { topic: topic.into(), topic_id: Uuid::from_u128(topic_id), partition }
}

fn offsets(id: LogId, recovery_point: i64, log_start_offset: i64, high_watermark: i64) -> LogOffsets {
    let [recovery_point, log_start_offset, high_watermark] = [recovery_point, log_start_offset, high_watermark].map(Offset);
    LogOffsets { id, recovery_point, log_start_offset, high_watermark }
}

#[test]
fn empty_directories_become_ours_and_stay_ours() {
    let mut house = House::new();
    let manager = house.open(&["deep/a", "b"]).expect("opened");
    let cluster_id = manager.cluster_id().to_owned();
    let ids: Vec<Uuid> = manager.dirs().iter().map(DataDir::directory_id).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(manager.metadata_dir(), house.dir("deep/a"));
    assert!(manager.dirs().iter().all(|dir| dir.clean_shutdown().is_none()));
    drop(manager);

    let manager = house.open(&["deep/a", "b"]).expect("opened again");
    assert_eq!(manager.cluster_id(), cluster_id);
    assert_eq!(manager.dirs().iter().map(DataDir::directory_id).collect::<Vec<_>>(), ids);
    assert!(manager.warnings().is_empty());
}

#[test]
fn a_directory_added_later_joins_the_cluster_of_the_others() {
    let mut house = House::new();
    let cluster_id = house.open(&["a"]).expect("opened").cluster_id().to_owned();
    let manager = house.open(&["new", "a"]).expect("opened");
    assert_eq!(manager.cluster_id(), cluster_id);
    assert!(house.read("new/meta.properties").contains(&format!("cluster.id={cluster_id}\n")));
}

#[test]
fn a_directory_without_an_id_of_its_own_is_given_one() {
    let mut house = House::new();
    house.write("a/meta.properties", "version=1\nnode.id=1\ncluster.id=old cluster\n");
    let directory_id = house.open(&["a"]).expect("opened").dirs()[0].directory_id();
    let text = house.read("a/meta.properties");
    assert!(text.contains("cluster.id=old cluster\n") && text.contains(&uuid_to_text(directory_id)), "{text}");
}

#[test]
fn data_of_others_is_refused_and_left_as_it_was() {
    let mut house = House::new();
    let meta = "version=1\nnode.id=1\ncluster.id=one\ndirectory.id=ncAqN1M8l_nNhWG6f4DHPA\n";
    house.write("a/meta.properties", meta);
    house.write("a/.kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":5}");
    house.write("other/meta.properties", "version=1\nnode.id=1\ncluster.id=two\ndirectory.id=MvPK-asNn7HIyzmpH3xHZg\n");
    house.write("node/meta.properties", "version=1\nnode.id=2\ncluster.id=one\ndirectory.id=MvPK-asNn7HIyzmpH3xHZg\n");
    house.write("copy/meta.properties", meta);
    house.write("future/meta.properties", "version=2\n");
    house.write("orphan/foo-0/00000000000000000000.log", "");

    assert!(house.refusal(&["a", "other"]).contains("belongs to another cluster"));
    assert!(house.refusal(&["a", "node"]).contains("node.id is 2, but this node is 1"));
    assert!(house.refusal(&["a", "copy"]).contains("one is a copy"));
    assert!(house.refusal(&["a", "future"]).contains("version 2"));
    assert!(house.refusal(&["orphan"]).contains("no meta.properties"));
    assert!(house.refusal(&["a", "b", "a"]).contains("named twice"));
    assert!(house.refusal(&[]).contains("log.dirs"));
    let mut config = house.config(&["a"]);
    config.cluster_id = Some("three".into());
    let error = house.open_with(&config).expect_err("refused").to_string();
    assert!(error.contains("the configuration says three"), "{error}");

    assert_eq!(house.read("a/meta.properties"), meta);
    let manager = house.open(&["a"]).expect("its owner is let in");
    assert_eq!(manager.previous_broker_epoch(), Some(5), "the marker outlived the refusals");
}

#[test]
fn a_second_broker_on_the_same_directory_is_turned_away() {
    let mut house = House::new();
    let first = house.open(&["a"]).expect("opened");
    assert!(matches!(house.open(&["b", "a"]), Err(StorageError::Locked { path }) if path == house.dir("a/.lock")));
    drop(first);
    house.open(&["b", "a"]).expect("free again");
}

#[test]
fn the_marker_of_a_clean_stop_is_gone_once_seen() {
    let mut house = House::new();
    house.open(&["a"]).expect("opened").close([], 17).expect("closed");
    assert_eq!(house.read("a/.kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":17}");
    let manager = house.open(&["a"]).expect("opened");
    assert_eq!(manager.previous_broker_epoch(), Some(17));
    assert!(!house.dir("a").join(CLEAN_SHUTDOWN).exists());
    drop(manager);
    assert_eq!(house.open(&["a"]).expect("opened").previous_broker_epoch(), None, "the run between was not stopped cleanly");
}

#[test]
fn a_closed_manager_has_given_up_its_locks() {
    let mut house = House::new();
    let manager = house.open(&["a"]).expect("opened");
    manager.close([], 1).expect("closed");
    house.open(&["a"]).expect("free");
}

#[test]
fn a_crashed_directory_gets_no_marker_before_its_logs_were_opened() {
    let mut house = House::new();
    drop(house.open(&["a"]).expect("opened"));
    house.write("a/foo-0/partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAD6A");
    let manager = house.open(&["a"]).expect("opened");
    manager.close([], 1).expect("closed");
    assert!(!house.dir("a").join(CLEAN_SHUTDOWN).exists());
}

#[test]
fn logs_are_found_with_their_ids_and_states() {
    let mut house = House::new();
    drop(house.open(&["a", "b"]).expect("opened"));
    house.write("a/with-dashes-3-1/partition.metadata", "version: 0\ntopic_id: 8Zse4M6WSiW20NYEuxNfRA");
    house.write("a/__cluster_metadata-0/partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
    house.write("b/gone-0.8a371ab2070b4f94882b0958fb907a96-delete/00000000000000000000.log", "");
    house.write("b/old-0/00000000000000000000.log", "");
    house.write("b/scrambled-0/partition.metadata", "version: 0\n");
    house.write("b/lost+found/x", "");
    house.write("b/remote-log-index-cache/x", "");
    let manager = house.open(&["a", "b"]).expect("opened");
    let found: Vec<(String, i32, bool, LogState)> =
        manager.logs().into_iter().map(|log| (log.topic, log.partition, log.topic_id.is_some(), log.state)).collect();
    let expected = [
        ("with-dashes-3", 1, true, LogState::Current),
        ("old", 0, false, LogState::Current),
        ("scrambled", 0, false, LogState::Current),
        ("gone", 0, false, LogState::Deleted),
    ];
    assert_eq!(found, expected.map(|(topic, partition, has_id, state)| (topic.to_owned(), partition, has_id, state)));
    assert_eq!(manager.warnings().len(), 2, "{:?}", manager.warnings());
    assert_eq!(manager.dir_of("old", 0).map(DataDir::path), Some(house.dir("b").as_path()));

    let pending = manager.pending_deletions();
    assert_eq!(pending.len(), 1);
    pending.into_iter().for_each(|job| job.run().expect("removed"));
    assert!(!house.dir("b/gone-0.8a371ab2070b4f94882b0958fb907a96-delete").exists());
}

#[test]
fn a_log_in_two_directories_is_for_the_operator_to_sort_out() {
    let mut house = House::new();
    drop(house.open(&["a", "b"]).expect("opened"));
    house.write("a/foo-0/x", "");
    house.write("b/foo-0/x", "");
    assert!(house.refusal(&["a", "b"]).contains("the same log is in"));
}

#[test]
fn a_log_of_another_topic_id_is_not_opened() {
    let mut house = House::new();
    drop(house.open(&["a"]).expect("opened"));
    house.write("a/foo-0/partition.metadata", "version: 0\ntopic_id: 8Zse4M6WSiW20NYEuxNfRA");
    let manager = house.open(&["a"]).expect("opened");
    let error = manager.open_log(&id("foo", 0, 77), Arc::default(), Millis(0)).expect_err("another topic");
    assert!(error.to_string().contains("belongs to topic id 8Zse4M6WSiW20NYEuxNfRA"), "{error}");
    let error = manager.open_log(&id("foo", 1, 77), Arc::default(), Millis(0)).expect_err("none");
    assert!(matches!(error, StorageError::Io { .. }));
}

#[test]
fn checkpoints_keep_what_was_not_told_anew_and_drop_what_is_gone() {
    let mut house = House::new();
    drop(house.open(&["a"]).expect("opened"));
    for name in ["a/foo-0/x", "a/foo-1/x"] {
        house.write(name, "");
    }
    house.write("a/recovery-point-offset-checkpoint", "0\n3\nfoo 0 5\nfoo 1 7\nvanished 0 9\n");
    let manager = house.open(&["a"]).expect("opened");
    manager.write_checkpoints(&KEPT, [offsets(id("foo", 0, 1), 10, 0, 12)]).expect("written");
    assert_eq!(house.read("a/recovery-point-offset-checkpoint"), "0\n2\nfoo 0 10\nfoo 1 7\n");
    assert!(!house.dir("a/log-start-offset-checkpoint").exists(), "there is nothing to say");
    assert_eq!(house.read("a/replication-offset-checkpoint"), "0\n1\nfoo 0 12\n");
    assert_eq!(manager.checkpointed_high_watermark(&id("foo", 0, 1)), Some(Offset(12)));

    fs::remove_file(house.dir("a/replication-offset-checkpoint")).expect("removed");
    manager.write_checkpoints(&KEPT, [offsets(id("foo", 0, 1), 10, 3, 12)]).expect("written");
    assert_eq!(house.read("a/log-start-offset-checkpoint"), "0\n1\nfoo 0 3\n");
    assert!(!house.dir("a/replication-offset-checkpoint").exists(), "what has not changed is not written");

    let job = manager.delete_log(&id("foo", 0, 1), Uuid::from_u128(0xabc)).expect("deleted");
    assert_eq!(job.path(), house.dir("a/foo-0.00000000000000000000000000000abc-delete"));
    manager.mark_stray("foo", 1, Uuid::from_u128(0xdef)).expect("put aside");
    manager.write_checkpoints(&KEPT, []).expect("written");
    assert_eq!(house.read("a/recovery-point-offset-checkpoint"), "0\n0\n");
    job.run().expect("removed");
    assert!(house.dir("a/foo-1.00000000000000000000000000000def-stray").exists());
    assert!(!house.dir("a/foo-0.00000000000000000000000000000abc-delete").exists());
}

#[test]
fn how_far_a_log_was_cleaned_is_remembered_across_a_power_loss_and_forgotten_with_the_log() {
    let disk = FaultyDisk::new(6);
    let manager = start(&disk, &mut 1000).expect("opened");
    drop(manager.create_log(&id("foo", 0, 1), None, Arc::default(), Millis(0)).expect("created"));
    assert_eq!(manager.cleaner_checkpoint(&id("foo", 0, 1)), None, "never cleaned");
    manager.set_cleaner_checkpoint(&id("foo", 0, 1), Offset(70)).expect("written");
    let manager = start(&disk.crash(0), &mut 5000).expect("opened");
    assert_eq!(manager.cleaner_checkpoint(&id("foo", 0, 1)), Some(Offset(70)));
    manager.set_cleaner_checkpoint(&id("foo", 0, 2), Offset(90)).expect("ignored");
    manager.set_cleaner_checkpoint(&id("bar", 0, 1), Offset(90)).expect("ignored");
    assert_eq!(manager.cleaner_checkpoint(&id("foo", 0, 1)), Some(Offset(70)), "another log of that name was meant");
    let _files_stay = manager.delete_log(&id("foo", 0, 1), Uuid::from_u128(0xabc)).expect("deleted");
    drop(manager.create_log(&id("foo", 0, 2), None, Arc::default(), Millis(0)).expect("created"));
    assert_eq!(manager.cleaner_checkpoint(&id("foo", 0, 2)), None);
}

#[test]
fn an_unreadable_checkpoint_means_recovery_from_the_beginning() {
    let mut house = House::new();
    drop(house.open(&["a"]).expect("opened"));
    house.write("a/foo-0/x", "");
    house.write("a/recovery-point-offset-checkpoint", "0\n1\nfoo 0 5");
    house.write("a/log-start-offset-checkpoint", "0\n1\nfoo zero 5\n");
    let manager = house.open(&["a"]).expect("opened");
    let dir = &manager.dirs()[0];
    assert_eq!(dir.offset(CheckpointKind::RecoveryPoint, "foo", 0), Some(Offset(5)), "the last line end is no loss");
    assert_eq!(dir.offset(CheckpointKind::LogStartOffset, "foo", 0), None);
    assert_eq!(manager.warnings().len(), 1);
    manager.write_checkpoints(&KEPT, []).expect("written");
    assert_eq!(house.read("a/log-start-offset-checkpoint"), "0\n0\n", "replaced although nothing changed");
}

#[test]
fn a_failed_directory_gets_neither_checkpoints_nor_a_marker() {
    let mut house = House::new();
    let manager = house.open(&["a", "b"]).expect("opened");
    manager.fail_dir(&house.dir("b"), "input/output error");
    assert_eq!(manager.dirs()[1].offline_reason().as_deref(), Some("input/output error"));
    manager.close([], 1).expect("closed");
    assert!(house.dir("a").join(CLEAN_SHUTDOWN).exists());
    assert!(!house.dir("b").join(CLEAN_SHUTDOWN).exists());
    assert!(!house.dir("b/recovery-point-offset-checkpoint").exists());
}

#[test]
fn an_unusable_directory_costs_only_its_own_logs_unless_it_is_the_first() {
    let mut house = House::new();
    house.write("a-file", "");
    let manager = house.open(&["a", "a-file/b"]).expect("opened");
    assert!(manager.dirs()[1].offline_reason().is_some());
    assert_eq!(manager.warnings().len(), 1);
    drop(manager);
    assert!(house.open(&["a-file/b", "a"]).is_err(), "the metadata directory");
}

fn start(disk: &FaultyDisk, ids: &mut u128) -> Result<LogManager, StorageError> {
    let config = LogManagerConfig { log_dirs: vec!["/data/a".into(), "/b".into()], metadata_log_dir: None, node_id: 1, cluster_id: None };
    LogManager::open(Arc::new(disk.clone()), &config, &mut || {
        *ids += 1;
        Uuid::from_u128(*ids)
    })
}

#[test]
fn a_first_start_cut_anywhere_can_be_started_again() {
    let mut ids = 1000;
    let mut operation = 0;
    let mut finished = false;
    while !finished {
        for seed in 0..20 {
            let disk = FaultyDisk::new(seed);
            disk.fail_at(operation, Fault::PowerOff);
            let first = start(&disk, &mut ids).map(|manager| manager.cluster_id().to_owned());
            finished = first.is_ok();
            let after = disk.crash(seed);
            let second = start(&after, &mut ids).expect("nothing is in the way").cluster_id().to_owned();
            if let Ok(first) = first {
                assert_eq!(second, first, "what was announced is durable");
            }
            assert_eq!(start(&after.crash(0), &mut ids).expect("durable").cluster_id(), second);
        }
        operation += 1;
    }
    assert!(operation > 15);
}

#[test]
fn a_clean_stop_is_never_claimed_before_the_checkpoints_are_durable() {
    let prepare = || {
        let disk = FaultyDisk::new(9);
        drop(start(&disk, &mut 1000).expect("opened"));
        for name in ["/data/a/foo-0/x", "/b/foo-1/x"] {
            disk.plant(Path::new(name), b"");
        }
        CleanShutdown::write(1, &disk, Path::new("/data/a")).expect("written");
        CleanShutdown::write(1, &disk, Path::new("/b")).expect("written");
        disk
    };
    let mut offset = 0;
    loop {
        let disk = prepare();
        let manager = start(&disk, &mut 5000).expect("opened");
        assert_eq!(manager.previous_broker_epoch(), Some(1));
        assert_eq!(start(&disk.crash(0), &mut 5000).expect("opened").previous_broker_epoch(), None, "its removal is durable at once");
        for partition in [0, 1] {
            let log = offsets(id("foo", partition, 7), 50, 20, 60);
            let dir = manager.dir_of("foo", partition).expect("there");
            KEPT.into_iter().for_each(|kind| dir.note(kind, &log));
        }
        disk.fail_at(disk.operations() + offset, Fault::PowerOff);
        let closed = manager.close([], 2).is_ok();
        for seed in 0..30 {
            let after = start(&disk.crash(seed), &mut 5000).expect("opened");
            for (dir, partition) in after.dirs().iter().zip([0, 1]) {
                let offset = |kind| dir.offset(kind, "foo", partition);
                if let Some(marker) = dir.clean_shutdown() {
                    assert_eq!(marker.broker_epoch, Some(2));
                    assert_eq!(KEPT.map(offset), [Some(Offset(50)), Some(Offset(20)), Some(Offset(60)), None]);
                }
                assert!(!closed || dir.clean_shutdown().is_some());
            }
        }
        if closed {
            return;
        }
        offset += 1;
    }
}

#[test]
fn a_new_log_never_inherits_the_offsets_of_an_earlier_one() {
    let disk = FaultyDisk::new(4);
    drop(start(&disk, &mut 1000).expect("opened"));
    disk.plant(Path::new("/b/foo-0/x"), b"");
    disk.plant(Path::new("/b/recovery-point-offset-checkpoint"), b"0\n1\nfoo 0 500\n");
    let manager = start(&disk, &mut 5000).expect("opened");
    let _files_stay = manager.delete_log(&id("foo", 0, 1), Uuid::from_u128(0xabc)).expect("deleted");
    assert!(start(&disk.crash(0), &mut 5000).expect("opened").dir_of("foo", 0).is_none(), "deleted is deleted");
    // The log itself is not what this is about.
    let _ = manager.create_log(&id("foo", 0, 2), Some(manager.dirs()[1].directory_id()), Arc::default(), Millis(0));
    let after = start(&disk.crash(0), &mut 5000).expect("opened");
    assert_eq!(after.dir_of("foo", 0).map(DataDir::path), Some(Path::new("/b")));
    assert_eq!(after.dirs()[1].offset(CheckpointKind::RecoveryPoint, "foo", 0), None);
}

#[test]
fn offsets_that_were_asked_for_before_a_log_was_recreated_are_not_the_new_ones() {
    let manager = start(&FaultyDisk::new(5), &mut 1000).expect("opened");
    let create = |topic_id| drop(manager.create_log(&id("foo", 0, topic_id), None, Arc::default(), Millis(0)).expect("created"));
    create(1);
    let of_the_first = offsets(id("foo", 0, 1), 900, 500, 1000);
    let _files_stay = manager.delete_log(&id("foo", 0, 1), Uuid::from_u128(0xabc)).expect("deleted");
    create(2);
    manager.write_checkpoints(&KEPT, [of_the_first]).expect("written");
    let dir = manager.dir_of("foo", 0).expect("there");
    assert_eq!(KEPT.map(|kind| dir.offset(kind, "foo", 0)), [None; KEPT.len()]);
    manager.write_checkpoints(&KEPT, [offsets(id("foo", 0, 2), 3, 0, 4)]).expect("written");
    assert_eq!(manager.checkpointed_high_watermark(&id("foo", 0, 2)), Some(Offset(4)));
}

#[test]
fn a_clean_stop_does_not_vouch_for_a_log_whose_sync_failed() {
    let disk = FaultyDisk::new(3);
    let mut ids = 1000;
    let manager = start(&disk, &mut ids).expect("opened");
    let config = Arc::new(LogConfig::default());
    let mut logs = [7, 8].map(|number| {
        let id = id(&format!("t{number}"), 0, number);
        let directory = Some(manager.dirs()[0].directory_id());
        manager.create_log(&id, directory, Arc::clone(&config), Millis(0)).expect("created")
    });
    for log in &mut logs {
        let mut batch = crate::batch::BatchBuilder::new();
        batch.push(Millis(0), None, Some(b"v"), &[]);
        log.append_as_leader(Millis(0), &batch.build().expect("built"), crate::LeaderEpoch(0), crate::log::AppendOrigin::Client)
            .expect("appended");
    }
    disk.fail_at(disk.operations(), Fault::Io);
    let error = logs[0].prepare_flush().run().expect_err("the sync failed");
    logs[0].fail(&error.to_string());
    manager.close(logs, 5).expect_err("not wholly clean");

    let manager = start(&disk, &mut ids).expect("opened");
    assert_eq!(manager.dirs()[0].clean_shutdown(), None);
    assert_eq!(manager.dirs()[1].clean_shutdown().map(|clean| clean.broker_epoch), Some(Some(5)), "the other directory is fine");
    let opened =
        [7, 8].map(|number| manager.open_log(&id(&format!("t{number}"), 0, number), Arc::clone(&config), Millis(0)).expect("opened").0);
    assert_eq!(opened.map(|log| (log.log_end_offset(), log.recovery_point())), [(Offset(1), Offset(0)), (Offset(1), Offset(1))]);
}

#[test]
fn a_created_log_is_durable_and_one_cut_short_can_be_claimed() {
    let mut operation = 0;
    loop {
        let disk = FaultyDisk::new(operation);
        let manager = start(&disk, &mut 1000).expect("opened");
        disk.fail_at(disk.operations() + operation, Fault::PowerOff);
        let created = manager.create_log(&id("foo", 0, 7), None, Arc::default(), Millis(0)).is_ok();
        for seed in 0..20 {
            let disk = disk.crash(seed);
            let after = start(&disk, &mut 5000).expect("opened");
            let Some(dir) = after.dir_of("foo", 0) else {
                assert!(!created, "operation {operation}, seed {seed}");
                continue;
            };
            if created {
                assert_eq!(dir.topic_id("foo", 0), Some(Some(Uuid::from_u128(7))), "seed {seed}");
                let segment = dir.path().join("foo-0/00000000000000000000.log");
                assert!(disk.exists(&segment).expect("looked"), "seed {seed}");
            }
            let (log, _) = after.open_log(&id("foo", 0, 7), Arc::default(), Millis(0)).expect("claimed");
            assert_eq!(log.log_end_offset(), Offset(0));
        }
        if created {
            assert!(operation > 5, "only {operation} calls");
            return;
        }
        operation += 1;
    }
}

#[test]
fn a_checkpoint_that_a_killed_process_had_not_synced_is_durable_once_it_was_believed() {
    let disk = FaultyDisk::new(5);
    drop(start(&disk, &mut 1000).expect("opened"));
    disk.plant(Path::new("/b/foo-0/x"), b"");
    let manager = start(&disk, &mut 5000).expect("opened");
    let write = |recovery_point| manager.write_checkpoints(&KEPT[..1], [offsets(id("foo", 0, 1), recovery_point, 0, 0)]);
    write(500).expect("written");
    // Create, write, sync and rename the file; the fifth call syncs the directory.
    disk.fail_at(disk.operations() + 4, Fault::PowerOff);
    write(140).expect_err("killed");
    let killed = disk.crash_keep_page_cache();
    let seen = |disk: &FaultyDisk| {
        let manager = start(disk, &mut 6000).expect("opened");
        manager.dirs()[1].offset(CheckpointKind::RecoveryPoint, "foo", 0)
    };
    assert_eq!(seen(&killed.crash(0)), Some(Offset(500)), "had the power gone instead");
    assert_eq!(seen(&killed), Some(Offset(140)));
    assert_eq!(seen(&killed.crash(0)), Some(Offset(140)));
}
