use super::*;

/// Segments of three batches of two records.
fn filled(batch_count: usize) -> (House, PartitionLog) {
    let house = House::small(3 * batch(2).len() as u32);
    let mut log = house.open();
    for _ in 0..batch_count {
        append(&mut log, &batch(2));
    }
    (house, log)
}

#[test]
fn truncation_removes_whole_batches_and_the_log_goes_on_from_there() {
    for target in 0..=20 {
        let (house, mut log) = filled(10);
        let whole = read_all(&log);
        let size_bytes = batch(2).len();
        assert_eq!(log.truncate_to(Offset(target)).expect("truncated"), target < 20);
        let end = if target >= 20 { 20 } else { target / 2 * 2 };
        assert_eq!(offsets(&log), (0, end), "to {target}");
        assert!(log.high_watermark() <= log.log_end_offset() && log.recovery_point() <= log.log_end_offset());
        assert_eq!(read_all(&log), &whole[..end as usize / 2 * size_bytes]);
        assert_eq!(append(&mut log, &batch(1)).first_offset, Offset(end));
        log.close(true).expect("closed");
        let log = house.open();
        assert_eq!(offsets(&log), (0, end + 1));
        assert_eq!(headers(&read_all(&log)).len(), end as usize / 2 + 1);
    }
}

#[test]
fn truncation_takes_producers_transactions_and_epochs_back() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &produced(1, 0, 0, 1, false));
    append(&mut log, &produced(2, 0, 0, 1, true));
    end_transaction(&mut log, 2, false);
    append(&mut log, &produced(1, 0, 1, 1, false));
    log.assign_leader_epoch(LeaderEpoch(7)).expect("assigned");
    append(&mut log, &produced(1, 0, 2, 1, false));
    assert!(log.truncate_to(Offset(2)).expect("truncated"));
    assert_eq!(log.latest_epoch(), Some(EPOCH));
    assert_eq!(log.first_unstable_offset(), Some(Offset(1)), "the transaction is open again");
    assert_eq!(log.aborted_transactions(Offset(0), Offset(9)).expect("listed"), []);
    let again = log.append_as_leader(NOW, &produced(1, 0, 1, 1, false), EPOCH, AppendOrigin::Client).expect("appended");
    assert!(!again.duplicate, "its batch is gone");
    assert_eq!(again.first_offset, Offset(2));
    let refused = log.append_as_leader(NOW, &produced(1, 0, 3, 1, false), EPOCH, AppendOrigin::Client);
    assert!(matches!(refused, Err(AppendError::OutOfOrderSequence(_))));
}

#[test]
fn truncation_below_the_first_segment_begins_anew() {
    let (house, mut log) = filled(10);
    log.advance_log_start_offset(Offset(13)).expect("moved");
    log.enforce_retention(NOW).expect("enforced");
    assert_eq!(log.log_start_offset(), Offset(13));
    assert!(log.segments[0].base_offset() == Offset(12));
    log.truncate_to(Offset(4)).expect("truncated");
    assert_eq!(offsets(&log), (4, 4));
    assert_eq!(append(&mut log, &batch(1)).first_offset, Offset(4));
    drop(log);
    assert_eq!(offsets(&house.open_after_crash().0), (4, 5));
}

#[test]
fn starting_anew_forgets_everything() {
    let (house, mut log) = filled(10);
    append(&mut log, &produced(1, 0, 0, 1, true));
    log.truncate_fully_and_start_at(Offset(100)).expect("restarted");
    assert_eq!((offsets(&log), log.high_watermark(), log.recovery_point()), ((100, 100), Offset(100), Offset(100)));
    assert_eq!((log.latest_epoch(), log.first_unstable_offset(), log.producers().producer_count()), (None, None, 0));
    assert_eq!(append(&mut log, &batch(1)).first_offset, Offset(100));
    log.close(true).expect("closed");
    let log = house.open();
    assert_eq!(offsets(&log), (100, 101));
    assert!(house.names().iter().all(|name| !name.ends_with(".deleted")), "leftovers go at the next start");
}

#[test]
fn a_reader_keeps_what_it_was_given_when_its_segment_is_deleted() {
    let (house, mut log) = filled(10);
    let plan = log.read(Offset(0), Offset(20), 10_000, true).expect("read");
    let whole = read_all(&log);
    log.truncate_fully_and_start_at(Offset(50)).expect("restarted");
    assert!(house.names().iter().any(|name| name.ends_with(".log.deleted")));
    assert_eq!(log.remove_deleted_files(NOW), 0, "too early");
    assert!(log.remove_deleted_files(Millis(NOW.0 + 60_000)) > 0);
    assert!(house.names().iter().all(|name| !name.ends_with(".deleted")));
    assert_eq!(plan_bytes(&plan), whole);
}

#[test]
fn retention_by_age_leaves_an_empty_segment_that_goes_on_counting() {
    let (house, mut log) = filled(10);
    let later = Millis(NOW.0 + 8 * 24 * 3600 * 1000);
    assert_eq!(log.enforce_retention(NOW).expect("enforced"), 0);
    assert_eq!(log.enforce_retention(later).expect("enforced"), 4);
    assert_eq!(offsets(&log), (20, 20));
    assert_eq!(log.enforce_retention(later).expect("enforced"), 0);
    assert!(matches!(log.read(Offset(3), Offset(20), 100, true), Err(ReadError::OffsetOutOfRange { .. })));
    log.close(true).expect("closed");
    assert_eq!(offsets(&house.open()), (20, 20));
}

#[test]
fn producers_outlive_their_records() {
    let (_house, mut log) = filled(1);
    let first = append(&mut log, &produced(1, 0, 0, 1, false));
    for _ in 0..9 {
        append(&mut log, &batch(2));
    }
    log.advance_log_start_offset(log.high_watermark()).expect("moved");
    log.enforce_retention(NOW).expect("enforced");
    assert!(log.segments[0].base_offset() > first.last_offset);
    assert!(append(&mut log, &produced(1, 0, 0, 1, false)).duplicate);
}

#[test]
fn the_log_start_offset_stays_between_itself_and_the_high_watermark() {
    let (_house, mut log) = filled(3);
    assert!(log.advance_log_start_offset(Offset(4)).expect("moved"));
    assert!(!log.advance_log_start_offset(Offset(2)).expect("not back"));
    assert!(!log.advance_log_start_offset(Offset(7)).expect("not beyond the high watermark"));
    assert_eq!(log.log_start_offset(), Offset(4));
    let plan = log.read(Offset(5), Offset(6), 1000, true).expect("read");
    assert_eq!(plan.first_offset, Offset(4));
}

#[test]
fn a_flush_plan_moves_the_recovery_point_only_when_it_still_fits() {
    let (_house, mut log) = filled(4);
    assert_eq!(log.unflushed_messages(), 8);
    let plan = log.prepare_flush();
    append(&mut log, &batch(2));
    plan.run().expect("synced");
    log.complete_flush(plan);
    assert_eq!((log.recovery_point(), log.unflushed_messages()), (Offset(8), 2));
    let plan = log.prepare_flush();
    plan.run().expect("synced");
    log.truncate_to(Offset(3)).expect("truncated");
    append(&mut log, &batch(10));
    log.complete_flush(plan);
    assert_eq!(log.recovery_point(), Offset(2), "what the plan synced is gone");
    let plan = log.prepare_flush();
    plan.run().expect("synced");
    log.complete_flush(plan);
    assert_eq!(log.unflushed_messages(), 0);
    assert!(log.prepare_flush().is_empty());
}

#[test]
fn the_last_word_on_a_producer_is_written_down_before_its_records_go() {
    let (house, mut log) = filled(1);
    append(&mut log, &produced(1, 0, 0, 1, false));
    append(&mut log, &batch(2));
    append(&mut log, &batch(2));
    // The snapshot that stood at the second segment's beginning is gone, and a truncation has taken the newer ones.
    let second = log.segments[1].base_offset();
    log.forget_snapshots_after(Offset(-1)).expect("forgotten");
    log.advance_log_start_offset(second).expect("moved");
    assert_eq!(log.enforce_retention(NOW).expect("enforced"), 1);
    drop(log);
    let (mut log, _) = house.open_after_crash();
    assert!(append(&mut log, &produced(1, 0, 0, 1, false)).duplicate);
}

#[test]
fn producers_are_known_where_the_log_begins_though_their_snapshot_there_was_destroyed() {
    let (house, mut log) = filled(0);
    append(&mut log, &produced(1, 0, 0, 2, false));
    log.roll(NOW).expect("rolled");
    append(&mut log, &batch(2));
    log.close(true).expect("closed");
    std::fs::write(house.file(2, "snapshot"), b"no snapshot").expect("written");
    let mut log = house.open();
    log.set_high_watermark(log.log_end_offset());
    log.advance_log_start_offset(Offset(2)).expect("moved");
    assert_eq!(log.enforce_retention(NOW).expect("enforced"), 1);
    assert!(log.truncate_to(Offset(2)).expect("truncated"));
    let again = log.append_as_leader(NOW, &produced(1, 0, 0, 2, false), EPOCH, AppendOrigin::Client).expect("appended");
    assert!(again.duplicate, "its producer was forgotten");
}
