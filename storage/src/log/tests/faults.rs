//! A disk that fails, fills up, or loses its power.

use super::*;
use crate::disk::Disk;
use crate::disk::faulty::{Fault, FaultyDisk};

const ROOT: &str = "/data";

fn config() -> LogConfig {
    LogConfig { segment_bytes: 1200, index_interval_bytes: 100, ..LogConfig::default() }
}

fn open(disk: &FaultyDisk, how: OpenOptions) -> Result<(PartitionLog, RecoveryReport), StorageError> {
    PartitionLog::open(Arc::new(disk.clone()), Path::new(ROOT), House::id(), Arc::new(config()), how)
}

fn open_new(disk: &FaultyDisk) -> PartitionLog {
    // As the manager does it: the directory is durable before the log is.
    let (log, _) = open(disk, clean()).expect("opened");
    disk.sync_dir(Path::new("/")).expect("synced");
    disk.sync_dir(Path::new(ROOT)).expect("synced");
    log
}

fn flush(log: &mut PartitionLog) {
    let plan = log.prepare_flush();
    plan.run().expect("synced");
    log.complete_flush(plan);
}

#[test]
fn a_failed_append_leaves_nothing_behind_and_the_next_one_succeeds() {
    for seed in 0..20 {
        for fault in [Fault::Io, Fault::NoSpace] {
            let disk = FaultyDisk::new(seed);
            let mut log = open_new(&disk);
            append(&mut log, &batch(3));
            let before = read_all(&log);
            disk.fail_at(disk.operations(), fault);
            let failed = log.append_as_leader(NOW, &batch(2), EPOCH, AppendOrigin::Client);
            assert!(matches!(failed, Err(AppendError::Storage(StorageError::Io { .. }))), "{failed:?}");
            assert!(!log.is_offline());
            assert_eq!((offsets(&log), read_all(&log)), ((0, 3), before.clone()));
            assert_eq!(append(&mut log, &batch(1)).first_offset, Offset(3));
            drop(log);
            let (log, report) = open(&disk, OpenOptions { clean: false, ..clean() }).expect("opened");
            assert_eq!((offsets(&log), report.bytes_truncated), ((0, 4), 0));
        }
    }
}

#[test]
fn a_full_disk_refuses_appends_serves_reads_and_recovers_when_there_is_room() {
    let disk = FaultyDisk::new(1);
    let mut log = open_new(&disk);
    for _ in 0..30 {
        append(&mut log, &batch(2));
    }
    let (before, end) = (read_all(&log), log.log_end_offset());
    disk.limit_space(Some(disk.used_bytes() + 20));
    for _ in 0..40 {
        assert!(log.append_as_leader(NOW, &batch(2), EPOCH, AppendOrigin::Client).is_err());
    }
    assert_eq!((log.log_end_offset(), read_all(&log)), (end, before));
    assert!(!log.is_offline());
    // Retention needs no room.
    let count = log.segment_count();
    log.advance_log_start_offset(log.segments[2].base_offset()).expect("moved");
    assert_eq!(log.enforce_retention(NOW).expect("enforced"), 2);
    assert_eq!(log.segment_count(), count - 2);
    disk.limit_space(None);
    assert_eq!(append(&mut log, &batch(1)).first_offset, end);
}

#[test]
fn an_append_that_can_not_be_undone_takes_the_log_offline() {
    let disk = FaultyDisk::new(1);
    let mut log = open_new(&disk);
    append(&mut log, &batch(3));
    disk.fail_from(disk.operations(), Fault::Io);
    assert!(log.append_as_leader(NOW, &batch(2), EPOCH, AppendOrigin::Client).is_err());
    assert!(log.is_offline());
    disk.heal();
    assert!(matches!(
        log.append_as_leader(NOW, &batch(2), EPOCH, AppendOrigin::Client),
        Err(AppendError::Storage(StorageError::Offline { .. }))
    ));
    assert!(matches!(log.read(Offset(0), Offset(3), 100, true), Err(ReadError::Storage(StorageError::Offline { .. }))));
    drop(log);
    let (log, _) = open(&disk, OpenOptions { clean: false, ..clean() }).expect("opened again");
    assert_eq!(offsets(&log), (0, 3));
}

#[test]
fn a_failed_roll_changes_nothing() {
    for step in 0..12 {
        let disk = FaultyDisk::new(step);
        let mut log = open_new(&disk);
        append(&mut log, &produced(1, 0, 0, 3, false));
        let before = read_all(&log);
        disk.fail_at(disk.operations() + step, Fault::NoSpace);
        if log.roll(NOW).is_err() {
            assert_eq!((log.segment_count(), read_all(&log)), (1, before.clone()), "step {step}");
        }
        disk.heal();
        assert_eq!(append(&mut log, &produced(1, 0, 3, 1, false)).first_offset, Offset(3));
        log.roll(NOW).expect("rolled");
        drop(log);
        let (log, report) = open(&disk, OpenOptions { clean: false, ..clean() }).expect("opened");
        assert_eq!((offsets(&log), report.corruption), ((0, 4), None), "step {step}");
        assert_eq!(log.producers().producer(ProducerId(1)).expect("known").last_sequence(), Sequence(3));
    }
}

#[test]
fn a_read_that_fails_fails_alone() {
    let disk = FaultyDisk::new(1);
    let mut log = open_new(&disk);
    for _ in 0..20 {
        append(&mut log, &batch(2));
    }
    drop(log);
    let (log, _) = open(&disk, OpenOptions { clean: false, ..clean() }).expect("opened");
    let whole = read_all(&log);
    for step in 0..6 {
        disk.fail_read_at(disk.reads() + step);
        match log.read(Offset(7), Offset(40), 500, true) {
            Ok(_) => {}
            Err(error) => assert!(matches!(error, ReadError::Storage(StorageError::Io { .. })), "{error:?}"),
        }
        disk.heal();
        assert_eq!(read_all(&log), whole);
    }
}

#[test]
fn a_failed_sync_is_told_to_the_caller_who_takes_the_log_offline() {
    let disk = FaultyDisk::new(1);
    let mut log = open_new(&disk);
    append(&mut log, &batch(3));
    let plan = log.prepare_flush();
    disk.fail_at(disk.operations(), Fault::Io);
    let error = plan.run().expect_err("the disk said no");
    log.fail(&error.to_string());
    assert_eq!(log.recovery_point(), Offset(0));
    assert!(log.prepare_flush().is_empty(), "never tried again");
}

/// A life of appends, rolls and flushes, then the power goes: what is found is a prefix of what was written, and at least what was
/// flushed.
#[test]
fn after_a_power_loss_the_log_is_a_prefix_that_holds_everything_flushed() {
    for seed in 0..200_u64 {
        let disk = FaultyDisk::new(seed);
        let mut log = open_new(&disk);
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |range: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % range
        };
        for round in 0..next(40) {
            let mut builder = BatchBuilder::new();
            builder.push(Millis(NOW.0 + round as i64), None, Some(&vec![b'a' + (round % 26) as u8; next(900) as usize]), &[]);
            append(&mut log, &builder.build().expect("built"));
            if next(5) == 0 {
                flush(&mut log);
            }
        }
        let written = read_all(&log);
        let recovery_point = log.recovery_point();
        drop(log);
        let after = disk.crash(seed % 50);
        let (mut log, report) =
            open(&after, OpenOptions { clean: false, machine_stopped: true, recovery_point, ..clean() }).expect("opened");
        assert_eq!(report.corruption, None, "seed {seed}");
        let found = read_all(&log);
        assert!(written.starts_with(&found), "seed {seed}: a prefix");
        assert!(log.log_end_offset() >= recovery_point, "seed {seed}: {} flushed, {} found", recovery_point, log.log_end_offset());
        let end = log.log_end_offset();
        assert_eq!(append(&mut log, &batch(1)).first_offset, end);
        // And once more, without a crash in between.
        flush(&mut log);
        let how = OpenOptions { clean: false, recovery_point: log.recovery_point(), ..clean() };
        drop(log);
        let (log, report) = open(&after, how).expect("opened");
        assert_eq!((report.bytes_truncated, log.log_end_offset()), (0, end.plus(1)), "seed {seed}");
    }
}

#[test]
fn a_read_only_disk_is_read_and_written_again_when_it_can_be() {
    let disk = FaultyDisk::new(1);
    let mut log = open_new(&disk);
    for _ in 0..30 {
        append(&mut log, &batch(2));
    }
    let (before, end) = (read_all(&log), log.log_end_offset());
    disk.set_read_only(true);
    for _ in 0..3 {
        assert!(log.append_as_leader(NOW, &batch(2), EPOCH, AppendOrigin::Client).is_err());
        assert!(log.roll(NOW).is_err());
    }
    assert!(!log.is_offline());
    assert_eq!((log.log_end_offset(), read_all(&log)), (end, before));
    disk.set_read_only(false);
    assert_eq!(append(&mut log, &batch(1)).first_offset, end);
    drop(log);
    let (log, report) = open(&disk, OpenOptions { clean: false, ..clean() }).expect("opened");
    assert_eq!((log.log_end_offset(), report.bytes_truncated), (end.plus(1), 0));
}

/// A write is cut short by a full disk that becomes read-only before the piece can be cut off.
#[test]
fn a_piece_that_could_not_be_cut_off_is_cut_before_anything_is_written_behind_it() {
    for seed in 0..20 {
        let disk = FaultyDisk::new(seed);
        let mut log = open_new(&disk);
        append(&mut log, &batch(3));
        let before = read_all(&log);
        disk.fail_at(disk.operations(), Fault::NoSpace);
        disk.fail_at(disk.operations() + 1, Fault::NoSpace);
        assert!(log.append_as_leader(NOW, &batch(20), EPOCH, AppendOrigin::Client).is_err());
        assert!(!log.is_offline(), "seed {seed}");
        assert_eq!(read_all(&log), before);
        disk.set_read_only(true);
        assert!(log.append_as_leader(NOW, &batch(1), EPOCH, AppendOrigin::Client).is_err());
        disk.set_read_only(false);
        disk.heal();
        if seed % 2 == 0 {
            log.roll(NOW).expect("rolled");
        }
        append(&mut log, &batch(1));
        let whole = read_all(&log);
        drop(log);
        let (log, report) = open(&disk, OpenOptions { clean: false, ..clean() }).expect("opened");
        assert_eq!((report.corruption, report.bytes_truncated), (None, 0), "seed {seed}");
        assert_eq!((offsets(&log), read_all(&log)), ((0, 4), whole), "seed {seed}");
    }
}
