//! Stories about so many logs that they are synced with their disk and not one by one.

use super::*;
use crate::LeaderEpoch;
use crate::batch::BatchBuilder;
use crate::disk::faulty::{Fault, FaultyDisk};
use crate::log::AppendOrigin;

const COUNT: i32 = LOGS_SYNCED_SINGLY_MAX as i32 + 6;

fn start(disk: &FaultyDisk) -> LogManager {
    let config = LogManagerConfig { log_dirs: vec!["/data".into()], metadata_log_dir: None, node_id: 1, cluster_id: Some("c".into()) };
    LogManager::open(Arc::new(disk.clone()), &config, &mut || Uuid::from_u128(0x1234)).expect("opened")
}

fn id(partition: i32) -> LogId {
    LogId { topic: "many".into(), topic_id: Uuid::from_u128(77), partition }
}

fn create(manager: &LogManager) -> Vec<PartitionLog> {
    let create = |partition| manager.create_log_unsynced(&id(partition), None, Arc::default(), Millis(0)).expect("created");
    (0..COUNT).map(create).collect()
}

fn sync(manager: &LogManager, logs: &mut [PartitionLog]) -> Result<(), StorageError> {
    manager.sync_created(&mut logs.iter_mut().collect::<Vec<_>>())
}

fn append(log: &mut PartitionLog) {
    let mut batch = BatchBuilder::new();
    batch.push(Millis(5), None, Some(b"value"), &[]);
    log.assign_leader_epoch(LeaderEpoch(3)).expect("writable");
    log.append_as_leader(Millis(5), &batch.build().expect("a batch"), LeaderEpoch(3), AppendOrigin::Client).expect("appended");
    log.set_high_watermark(log.log_end_offset());
}

#[test]
fn many_new_logs_are_durable_after_one_sync_of_the_disk() {
    let disk = FaultyDisk::new(1);
    let manager = start(&disk);
    let mut logs = create(&manager);
    let before = disk.operations();
    sync(&manager, &mut logs).expect("synced");
    assert_eq!(disk.operations() - before, 1);
    for seed in 0..10 {
        let after = start(&disk.crash(seed));
        assert_eq!(after.logs().len(), COUNT as usize, "seed {seed}");
        for log in after.logs() {
            assert_eq!(log.topic_id, Some(Uuid::from_u128(77)), "seed {seed}");
            let (log, _) = after.open_log(&id(log.partition), Arc::default(), Millis(0)).expect("opened");
            assert_eq!(log.log_end_offset(), Offset(0));
        }
    }
}

#[test]
fn new_logs_that_may_not_be_durable_take_no_records() {
    let disk = FaultyDisk::new(1);
    let manager = start(&disk);
    let mut logs = create(&manager);
    disk.fail_at(disk.operations(), Fault::Io);
    sync(&manager, &mut logs).expect_err("the sync failed");
    assert!(logs.iter().all(PartitionLog::is_offline));
    let mut few = [manager.create_log_unsynced(&id(COUNT), None, Arc::default(), Millis(0)).expect("created")];
    disk.fail_at(disk.operations() + 1, Fault::Io);
    sync(&manager, &mut few).expect_err("the sync failed");
    assert!(few[0].is_offline());
}

#[test]
fn new_logs_that_were_lost_can_be_made_again() {
    let disk = FaultyDisk::new(1);
    let mut logs = create(&start(&disk));
    logs.iter_mut().for_each(append);
    for seed in 0..30 {
        let after = start(&disk.crash(seed));
        for partition in 0..COUNT {
            let log = match after.dir_of("many", partition) {
                Some(_) => after.open_log(&id(partition), Arc::default(), Millis(0)).expect("opened").0,
                None => after.create_log_unsynced(&id(partition), None, Arc::default(), Millis(0)).expect("created"),
            };
            assert!(log.log_end_offset() <= Offset(1) && !log.is_offline(), "seed {seed}");
        }
    }
}

/// A broker with many logs, each with a record, that stops while the disk fails after so many operations of the stop.
fn stopped(fault: Option<(u64, Fault)>) -> (FaultyDisk, u64, bool) {
    let disk = FaultyDisk::new(9);
    let manager = start(&disk);
    let mut logs = create(&manager);
    sync(&manager, &mut logs).expect("synced");
    logs.iter_mut().for_each(append);
    let before = disk.operations();
    if let Some((after, fault)) = fault {
        disk.fail_at(before + after, fault);
    }
    let closed = manager.close(logs, 2).is_ok();
    let count = disk.operations() - before;
    (disk, count, closed)
}

#[test]
fn a_clean_stop_of_many_logs_is_claimed_only_when_all_of_it_is_durable() {
    let (_, count, closed) = stopped(None);
    assert!(closed);
    // What is written to each log is alike; the end is where it is decided.
    let cuts = (0..count).filter(|cut| *cut < 20 || cut % 97 == 0 || *cut + 20 > count);
    let faults = cuts.flat_map(|cut| [Fault::PowerOff, Fault::Io].map(|fault| Some((cut, fault))));
    for fault in faults.chain([None]) {
        let (disk, _, closed) = stopped(fault);
        assert!(closed || fault.is_some());
        for seed in 0..5 {
            let after = start(&disk.crash(seed));
            let clean = after.previous_broker_epoch().is_some();
            assert!(clean || !closed, "{fault:?}, seed {seed}: what was announced is durable");
            for partition in 0..COUNT {
                let (log, report) = after.open_log(&id(partition), Arc::default(), Millis(0)).expect("opened");
                if clean {
                    let said = (log.log_end_offset(), log.recovery_point(), log.latest_epoch(), report.segments_scanned);
                    assert_eq!(said, (Offset(1), Offset(1), Some(LeaderEpoch(3)), 0), "{fault:?}, seed {seed}, partition {partition}");
                }
            }
        }
    }
}
