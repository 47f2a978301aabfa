//! Markers that come twice or late, and transactions that outlive their records.

use super::*;

fn version(transaction_version: i16) -> TransactionCheck {
    TransactionCheck::Marker { transaction_version }
}

fn mark(log: &mut PartitionLog, epoch: i16, committed: bool, check: TransactionCheck) -> Result<AppendInfo, AppendError> {
    let marked = log.append_as_leader_checked(NOW, &marker(1, epoch, committed), EPOCH, AppendOrigin::Coordinator, check);
    log.set_high_watermark(log.log_end_offset());
    marked
}

/// Where readers of committed records stand, and what they leave out.
fn seen(log: &PartitionLog) -> (Option<Offset>, Vec<(i64, i64)>) {
    let aborted = log.aborted_transactions(Offset(0), Offset(1_000)).expect("listed");
    (log.first_unstable_offset(), aborted.iter().map(|one| (one.producer_id.0, one.first_offset.0)).collect())
}

// A coordinator that restarts asks again for what it decided, and cannot know which markers were written.
#[test]
fn the_same_marker_twice_is_taken_and_changes_nothing_that_readers_see() {
    for (transaction_version, raised, committed) in [(0, 0, true), (0, 0, false), (2, 1, true), (2, 1, false)] {
        let house = House::small(1 << 20);
        let mut log = house.open();
        append(&mut log, &produced(1, 0, 0, 2, true));
        mark(&mut log, raised, committed, version(transaction_version)).expect("ended");
        let once = seen(&log);
        assert_eq!(once, (None, if committed { vec![] } else { vec![(1, 0)] }));
        mark(&mut log, raised, committed, version(transaction_version)).expect("told again");
        assert_eq!((log.log_end_offset(), log.last_stable_offset()), (Offset(4), Offset(4)), "it has an offset");
        assert_eq!(seen(&log), once);
        let next = if raised == 0 { produced(1, 0, 2, 1, true) } else { produced(1, 1, 0, 1, true) };
        append(&mut log, &next);
        assert_eq!(log.first_unstable_offset(), Some(Offset(4)));
        drop(log);
        let (mut log, _) = house.open_after_crash();
        log.set_high_watermark(log.log_end_offset());
        assert_eq!((log.first_unstable_offset(), seen(&log).1), (Some(Offset(4)), once.1), "also when read back");
    }
}

#[test]
fn with_version_2_a_late_marker_cannot_end_the_next_transaction() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &produced(1, 0, 0, 1, true));
    mark(&mut log, 1, true, version(2)).expect("ended");
    append(&mut log, &produced(1, 1, 0, 1, true));
    for late in [0, 1] {
        let refused = mark(&mut log, late, true, version(2));
        assert!(matches!(refused, Err(AppendError::InvalidProducerEpoch(_))), "epoch {late}");
        assert_eq!((log.log_end_offset(), log.first_unstable_offset()), (Offset(3), Some(Offset(2))));
    }
    mark(&mut log, 2, true, version(2)).expect("its own");
    assert_eq!(log.first_unstable_offset(), None);
}

#[test]
fn aborted_transactions_come_by_first_offset_from_however_many_segments() {
    let house = House::small(300);
    let mut log = house.open();
    for id in 1..=6 {
        append(&mut log, &produced(id, 0, 0, 1, true));
    }
    for id in [6, 2, 4, 1, 3, 5] {
        end_transaction(&mut log, id, id == 4);
    }
    assert!(log.segment_count() > 2);
    let firsts = |log: &PartitionLog, from, up_to| -> Vec<i64> {
        log.aborted_transactions(Offset(from), Offset(up_to)).expect("listed").iter().map(|one| one.first_offset.0).collect()
    };
    for _ in 0..2 {
        assert_eq!(firsts(&log, 0, 12), [0, 1, 2, 4, 5]);
        assert_eq!(firsts(&log, 0, 2), [0, 1]);
        assert_eq!(firsts(&log, 8, 12), [0, 2, 4], "those whose markers are still to come");
        assert_eq!(firsts(&log, 11, 12), [4]);
        drop(log);
        log = house.open_after_crash().0;
    }
}

#[test]
fn an_open_transaction_outlives_its_records_and_is_ended_all_the_same() {
    let house = House::small(200);
    let mut log = house.open();
    append(&mut log, &produced(1, 0, 0, 1, true));
    for _ in 0..6 {
        append(&mut log, &batch(2));
    }
    log.advance_log_start_offset(Offset(9)).expect("moved");
    assert!(log.enforce_retention(NOW).expect("enforced") > 0);
    for _ in 0..2 {
        assert_eq!(log.last_stable_offset(), Offset(9), "nothing that is left is stable");
        let again = log.append_as_leader(NOW, &produced(1, 0, 0, 1, true), EPOCH, AppendOrigin::Client).expect("known");
        assert!(again.duplicate);
        drop(log);
        log = house.open_as(OpenOptions { clean: false, log_start_offset: Offset(9), ..clean() }).0;
        log.set_high_watermark(log.log_end_offset());
    }
    mark(&mut log, 0, true, version(0)).expect("ended");
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
}
