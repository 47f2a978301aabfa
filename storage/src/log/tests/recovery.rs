//! What a crash leaves behind, byte by byte.

use std::fs;

use super::*;

/// Three batches of three records in one segment, never flushed; the bytes of its `.log` and where each batch ends.
fn three_batches() -> (House, Vec<u8>, [u64; 3]) {
    let house = House::small(1 << 20);
    let mut log = house.open();
    let mut ends = [0; 3];
    for end in &mut ends {
        append(&mut log, &batch(3));
        *end = log.size_bytes();
    }
    drop(log);
    let bytes = fs::read(house.file(0, "log")).expect("read");
    assert_eq!(bytes.len() as u64, ends[2]);
    (house, bytes, ends)
}

#[test]
fn a_process_kill_loses_nothing() {
    let (house, bytes, _) = three_batches();
    let (log, report) = house.open_after_crash();
    assert_eq!((report.segments_scanned, report.bytes_truncated), (1, 0));
    assert_eq!(offsets(&log), (0, 9));
    assert_eq!(log.recovery_point(), Offset(0), "what was read is not yet known to be on disk");
    assert_eq!(read_all(&log), bytes);
    assert_eq!(log.latest_epoch(), Some(EPOCH));
}

#[test]
fn the_last_batch_cut_at_every_byte_is_cut_off_and_nothing_else() {
    let (house, bytes, ends) = three_batches();
    for cut in ends[1] as usize..bytes.len() {
        fs::write(house.file(0, "log"), &bytes[..cut]).expect("written");
        let (mut log, report) = house.open_after_crash();
        assert_eq!(offsets(&log), (0, 6), "cut at {cut}");
        assert_eq!(report.bytes_truncated, cut as u64 - ends[1]);
        assert_eq!(report.corruption, None);
        assert_eq!(read_all(&log), &bytes[..ends[1] as usize]);
        assert_eq!(append(&mut log, &batch(1)).first_offset, Offset(6));
        drop(log);
        assert_eq!(offsets(&house.open_after_crash().0), (0, 7));
    }
}

#[test]
fn zeros_and_garbage_behind_the_last_batch_are_cut_off() {
    let (house, bytes, _) = three_batches();
    let garbage: Vec<u8> = (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for tail in [vec![0; 1], vec![0; 61], vec![0; 4096], vec![2; 300], garbage] {
        fs::write(house.file(0, "log"), [bytes.as_slice(), &tail].concat()).expect("written");
        let (log, report) = house.open_after_crash();
        assert_eq!((report.bytes_truncated, offsets(&log)), (tail.len() as u64, (0, 9)));
        assert_eq!(fs::metadata(house.file(0, "log")).expect("there").len(), bytes.len() as u64);
        assert_eq!(report.corruption, None);
    }
}

/// Every byte of a segment but those that the CRC does not cover, changed; below the recovery point and above it.
#[test]
fn a_flipped_byte_is_never_served_and_good_batches_behind_it_are_never_cut() {
    let (house, bytes, ends) = three_batches();
    for recovery_point in [0, 9] {
        for flipped in 0..bytes.len() {
            let in_batch = ends.iter().position(|end| (flipped as u64) < *end).expect("in a batch");
            let begin = if in_batch == 0 { 0 } else { ends[in_batch - 1] } as usize;
            let mut damaged = bytes.clone();
            damaged[flipped] ^= 0xff;
            fs::write(house.file(0, "log"), &damaged).expect("written");
            let (log, report) = house.open_as(OpenOptions { clean: false, recovery_point: Offset(recovery_point), ..clean() });
            let served = served(&log);
            let in_header = flipped - begin;
            if (12..16).contains(&in_header) || (in_header < 8 && in_batch == 2) {
                // The leader epoch lies outside the CRC, and so does the base offset, which only a batch behind it can contradict.
                assert!(served == bytes[..begin] || served == damaged, "flipped {flipped}");
            } else {
                assert_eq!(served, &bytes[..begin], "flipped {flipped}, recovery point {recovery_point}");
            }
            let on_disk = fs::read(house.file(0, "log")).expect("read");
            if report.bytes_truncated > 0 {
                assert_eq!((in_batch, recovery_point), (2, 0), "only the torn end may be cut, flipped {flipped}");
            } else {
                assert_eq!(on_disk, damaged, "flipped {flipped}");
            }
        }
    }
}

/// What a reader gets before the first error.
fn served(log: &PartitionLog) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut offset = log.log_start_offset();
    while let Ok(plan) = log.read(offset, log.log_end_offset(), u64::MAX, true) {
        if plan.size_bytes == 0 {
            break;
        }
        bytes.extend(plan_bytes(&plan));
        offset = plan.next_offset;
    }
    bytes
}

#[test]
fn damage_with_good_batches_behind_it_leaves_a_log_to_read_up_to_it() {
    let (house, bytes, ends) = three_batches();
    let mut damaged = bytes.clone();
    damaged[ends[0] as usize + 70] ^= 1;
    fs::write(house.file(0, "log"), &damaged).expect("written");
    let (mut log, report) = house.open_after_crash();
    let corruption = report.corruption.expect("reported");
    assert_eq!((corruption.offset, corruption.position), (Offset(3), ends[0]));
    assert_eq!(corruption.file, "00000000000000000000.log");
    assert_eq!(read_all(&log), &bytes[..ends[0] as usize]);
    assert!(matches!(log.read(Offset(3), Offset(9), 1000, true), Err(ReadError::Corrupt { offset: Offset(3), .. })));
    assert!(matches!(
        log.append_as_leader(NOW, &batch(1), EPOCH, AppendOrigin::Client),
        Err(AppendError::Storage(StorageError::Offline { .. }))
    ));
    assert!(log.truncate_to(Offset(0)).is_err());
    assert!(log.prepare_flush().is_empty());
    log.close(true).expect("closed");
    assert_eq!(fs::read(house.file(0, "log")).expect("read"), damaged, "not a byte has changed");
}

#[test]
fn damage_that_only_a_read_meets_is_refused_there_and_later_data_is_kept() {
    let (house, bytes, ends) = three_batches();
    house.open_after_crash().0.close(true).expect("closed");
    let mut damaged = bytes.clone();
    damaged[ends[0] as usize + 70] ^= 1;
    fs::write(house.file(0, "log"), &damaged).expect("written");
    let log = house.open();
    assert_eq!(offsets(&log), (0, 9), "a clean start reads no records");
    let plan = log.read(Offset(0), Offset(9), u64::MAX, true).expect("the good part");
    assert_eq!((plan_bytes(&plan), plan.next_offset), (bytes[..ends[0] as usize].to_vec(), Offset(3)));
    assert!(matches!(log.read(Offset(3), Offset(9), u64::MAX, true), Err(ReadError::Corrupt { offset: Offset(3), .. })));
    let plan = log.read(Offset(6), Offset(9), u64::MAX, true).expect("the batch behind it");
    assert_eq!(plan_bytes(&plan), &bytes[ends[1] as usize..]);
}

/// Base offsets lie outside the CRC: only their neighbours can tell.
#[test]
fn a_wrong_base_offset_met_by_a_read_is_not_served() {
    let (house, bytes, ends) = three_batches();
    house.open_after_crash().0.close(true).expect("closed");
    for (flipped, bits) in (0..8).map(|byte| (byte, 0x11)).chain([(7, 1), (7, 2), (7, 4)]) {
        for batch in [0, 1] {
            let begin = if batch == 0 { 0 } else { ends[0] as usize };
            let mut damaged = bytes.clone();
            damaged[begin + flipped] ^= bits;
            fs::write(house.file(0, "log"), &damaged).expect("written");
            let (log, _) = house.open_as(OpenOptions { recovery_point: Offset(9), ..clean() });
            assert!(bytes.starts_with(&served(&log)), "byte {flipped} of batch {batch}");
            let at_the_damage = log.read(Offset(batch * 3), Offset(9), u64::MAX, true);
            assert!(matches!(at_the_damage, Err(ReadError::Corrupt { .. })), "byte {flipped} of batch {batch}: {at_the_damage:?}");
            assert_eq!(fs::read(house.file(0, "log")).expect("read"), damaged);
            assert_eq!(log.log_end_offset(), Offset(9), "what lies behind is still there");
            if batch == 0 {
                let behind = log.read(Offset(6), Offset(9), u64::MAX, true).expect("read");
                assert_eq!(plan_bytes(&behind), &bytes[ends[1] as usize..]);
            }
        }
    }
}

#[test]
fn a_bad_end_below_the_recovery_point_is_damage_not_a_torn_write() {
    let (house, bytes, _) = three_batches();
    fs::write(house.file(0, "log"), &bytes[..bytes.len() - 5]).expect("written");
    for clean_stop in [true, false] {
        let (_, report) = house.open_as(OpenOptions { clean: clean_stop, recovery_point: Offset(9), ..clean() });
        assert_eq!(report.corruption.expect("reported").offset, Offset(6));
        assert_eq!(fs::metadata(house.file(0, "log")).expect("there").len(), bytes.len() as u64 - 5);
    }
}

#[test]
fn behind_a_torn_segment_good_batches_are_set_aside_and_damage_keeps_them() {
    let house = House::small(300);
    let mut log = house.open();
    while log.segment_count() < 3 {
        append(&mut log, &batch(1));
    }
    let bases: Vec<i64> = log.segments.iter().map(|segment| segment.base_offset().0).collect();
    drop(log);
    let second = fs::read(house.file(bases[1], "log")).expect("read");
    let third = fs::read(house.file(bases[2], "log")).expect("read");

    // A process that was killed leaves no such thing: it is damage, and everything stays.
    fs::write(house.file(bases[1], "log"), &second[..second.len() - 1]).expect("written");
    let (log, report) = house.open_after_crash();
    assert_eq!(report.corruption.expect("reported").offset.0, bases[2] - 1);
    assert_eq!(log.log_end_offset().0, bases[2] - 1);
    assert_eq!(fs::read(house.file(bases[2], "log")).expect("still there"), third);
    drop(log);

    // A power loss does: what was written later is no longer part of the log, but it is kept.
    let (mut log, report) = house.open_after_power_loss();
    assert_eq!((report.corruption, report.set_aside.len()), (None, 1));
    assert_eq!(fs::read(house.log_dir().join(&report.set_aside[0])).expect("set aside"), third);
    assert!(!exists(&house.file(bases[2], "log")));
    let end = log.log_end_offset();
    assert!(end.0 < bases[2]);
    assert_eq!(append(&mut log, &batch(1)).first_offset, end);
    drop(log);
    assert_eq!(house.open_after_crash().0.log_end_offset(), end.plus(1));
}

#[test]
fn a_segment_missing_its_last_batches_is_noticed_at_the_next_ones_beginning() {
    let house = House::small(300);
    let mut log = house.open();
    while log.segment_count() < 3 {
        append(&mut log, &batch(1));
    }
    let bases: Vec<i64> = log.segments.iter().map(|segment| segment.base_offset().0).collect();
    drop(log);
    let first = fs::read(house.file(0, "log")).expect("read");
    fs::write(house.file(0, "log"), &first[..batch(1).len()]).expect("written");
    let (log, report) = house.open_after_power_loss();
    assert_eq!((offsets(&log), report.set_aside.len(), report.corruption), ((0, 1), 2, None));
    assert!(bases[1] > 1);
}

#[test]
fn a_hole_that_a_power_loss_left_ends_the_log_and_what_follows_is_set_aside() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    let mut ends = Vec::new();
    for _ in 0..4 {
        append(&mut log, &batch(60));
        ends.push(log.size_bytes() as usize);
    }
    drop(log);
    let whole = fs::read(house.file(0, "log")).expect("read");
    let mut holed = whole.clone();
    let sector = ends[0].next_multiple_of(512);
    assert!(sector + 512 < ends[1]);
    holed[sector..sector + 512].fill(0);
    for (recovery_point, machine_stopped, is_undone) in [(0, true, true), (60, true, true), (61, true, false), (0, false, false)] {
        fs::write(house.file(0, "log"), &holed).expect("written");
        let (log, report) = house.open_as(OpenOptions { clean: false, machine_stopped, recovery_point: Offset(recovery_point), ..clean() });
        assert_eq!(log.log_end_offset(), Offset(60));
        assert_eq!((report.corruption.is_none(), report.set_aside.len()), (is_undone, usize::from(is_undone)));
        assert_eq!(read_all(&log), &whole[..ends[0]]);
        if let Some(name) = report.set_aside.first() {
            assert_eq!(fs::read(house.log_dir().join(name)).expect("set aside"), &holed[ends[0]..]);
        }
    }
}

#[test]
fn recovery_reads_records_only_from_the_recovery_point_on() {
    let house = House::small(300);
    let mut log = house.open();
    while log.segment_count() < 5 {
        append(&mut log, &batch(1));
    }
    let plan = log.prepare_flush();
    plan.run().expect("synced");
    log.complete_flush(plan);
    let recovery_point = log.recovery_point();
    assert_eq!(recovery_point, log.log_end_offset());
    append(&mut log, &batch(1));
    drop(log);
    let (log, report) = house.open_as(OpenOptions { clean: false, recovery_point, ..clean() });
    assert_eq!(report.segments_scanned, 1);
    assert_eq!(log.log_end_offset(), recovery_point.plus(1));
}

#[test]
fn a_log_start_offset_beyond_the_end_begins_a_new_log_there() {
    let (house, ..) = three_batches();
    let (mut log, _) = house.open_as(OpenOptions { clean: false, log_start_offset: Offset(50), ..clean() });
    assert_eq!(offsets(&log), (50, 50));
    assert!(!exists(&house.file(0, "log")) && exists(&house.file(50, "log")));
    assert_eq!(append(&mut log, &batch(1)).first_offset, Offset(50));
}

#[test]
fn what_a_cleaner_left_half_done_is_finished_or_undone() {
    let house = House::small(300);
    let mut log = house.open();
    while log.segment_count() < 4 {
        append(&mut log, &batch(1));
    }
    let bases: Vec<i64> = log.segments.iter().map(|segment| segment.base_offset().0).collect();
    let whole = read_all(&log);
    log.close(true).expect("closed");
    let path = |base: i64, suffix: &str| house.file(base, suffix);

    // Cleaned files are dropped, deleted ones removed.
    fs::write(path(bases[1], "log.cleaned"), b"half").expect("written");
    fs::write(path(bases[1], "index.deleted"), b"old").expect("written");
    // A finished swap that replaces the first two segments: its sources go.
    let merged = [fs::read(path(bases[0], "log")).expect("read"), fs::read(path(bases[1], "log")).expect("read")].concat();
    fs::write(path(bases[0], "log.swap"), merged).expect("written");
    fs::remove_file(path(bases[1], "log.cleaned")).expect("removed");
    let log = house.open();
    assert_eq!(read_all(&log), whole);
    assert!(!exists(&path(bases[1], "log")) && !exists(&path(bases[0], "log.swap")) && !exists(&path(bases[1], "index.deleted")));
    log.close(true).expect("closed");

    // A swap beside an unfinished cleaned file is undone.
    fs::write(path(bases[2], "log.swap"), b"unfinished").expect("written");
    fs::write(path(bases[2], "log.cleaned"), b"unfinished").expect("written");
    fs::write(path(99, "index"), b"no log beside me").expect("written");
    let log = house.open();
    assert_eq!(read_all(&log), whole);
    assert!(house.names().iter().all(|name| !name.ends_with(".swap") && !name.ends_with(".cleaned")));
    assert!(!exists(&path(99, "index")));
}
