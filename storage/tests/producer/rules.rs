//! One rule per test.

use crate::{Data, PID, Partition, T, abort, commit, data, marker_header};
use ottla_storage::batch::Origin;
use ottla_storage::producer::{CompletedTransaction, Marker, ProducerCheck, ProducerError};
use ottla_storage::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};

const ACCEPT: Result<ProducerCheck, ProducerError> = Ok(ProducerCheck::Accept);

fn duplicate(first: i64, last: i64) -> Result<ProducerCheck, ProducerError> {
    Ok(ProducerCheck::Duplicate { first_offset: Offset(first), last_offset: Offset(last), timestamp: T })
}

fn version_2(marker: Marker) -> Marker {
    Marker { transaction_version: 2, ..marker }
}

#[test]
fn each_of_the_last_five_batches_is_recognised_with_its_original_offsets() {
    let mut partition = Partition::new();
    for i in 0..6 {
        assert_eq!(partition.client(data(0, i * 3, 3)), ACCEPT);
    }
    for i in 1..6 {
        let first = i64::from(i) * 3;
        assert_eq!(partition.client(data(0, i * 3, 3)), duplicate(first, first + 2), "batch {i}");
    }
    assert!(matches!(partition.client(data(0, 0, 3)), Err(ProducerError::OutOfOrderSequence { .. })), "the sixth is forgotten");
    assert_eq!(partition.end, Offset(18), "nothing was written twice");
}

#[test]
fn a_duplicate_must_match_first_and_last_sequence() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    for half in [data(0, 0, 2), data(0, 1, 2), data(0, 0, 4)] {
        assert!(partition.client(half).is_err(), "{half:?}");
    }
}

#[test]
fn a_duplicate_of_an_old_epoch_is_fenced() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    partition.client(data(1, 0, 1)).unwrap();
    assert!(matches!(partition.client(data(0, 0, 3)), Err(ProducerError::InvalidProducerEpoch { .. })));
}

#[test]
fn sequences_wrap_from_the_largest_to_zero() {
    let mut partition = Partition::new();
    assert_eq!(partition.client(data(0, i32::MAX - 1, 2)), ACCEPT);
    assert_eq!(partition.client(data(0, 0, 3)), ACCEPT);
    assert_eq!(partition.client(data(0, 0, 3)), duplicate(2, 4));

    let mut partition = Partition::new();
    assert_eq!(partition.client(data(0, i32::MAX - 1, 5)), ACCEPT);
    assert_eq!(partition.client(data(0, i32::MAX - 1, 5)), duplicate(0, 4));
    assert_eq!(partition.states.producer(PID).unwrap().last_sequence(), Sequence(2));
    assert_eq!(partition.client(data(0, 3, 1)), ACCEPT);
}

#[test]
fn the_first_write_of_a_producer_may_bear_any_sequence() {
    for sequence in [0, 1, 77, i32::MAX] {
        assert_eq!(Partition::new().client(data(3, sequence, 2)), ACCEPT);
    }
}

#[test]
fn a_gap_is_out_of_order_and_says_what_was_expected() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    let refused = partition.client(data(0, 4, 1)).unwrap_err();
    assert_eq!(
        refused,
        ProducerError::OutOfOrderSequence { producer_id: PID, offset: Offset(3), sequence: Sequence(4), last_sequence: Sequence(2) }
    );
    assert_eq!(
        refused.to_string(),
        "Out of order sequence number for producer 4711 at offset 3: 4 (incoming seq. number), 2 (current end sequence number)"
    );
    assert_eq!(partition.client(data(0, 3, 1)), ACCEPT, "the refused batch left no trace");
}

#[test]
fn a_new_epoch_begins_at_zero() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    assert!(matches!(partition.client(data(1, 3, 1)), Err(ProducerError::SequenceOfNewEpochNotZero { .. })));
    assert_eq!(partition.client(data(1, 0, 1)), ACCEPT);
    assert_eq!(partition.states.producer(PID).unwrap().batches().len(), 1);
}

#[test]
fn after_a_marker_with_a_new_epoch_the_next_write_begins_at_zero() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3).transactional()).unwrap();
    partition.mark(PID.0, 1, version_2(commit())).unwrap();
    assert!(matches!(
        partition.client(data(1, 3, 1).transactional()),
        Err(ProducerError::OutOfOrderSequence { last_sequence: Sequence(-1), .. })
    ));
    assert_eq!(partition.client(data(1, 0, 1).transactional()), ACCEPT);
}

#[test]
fn a_batch_without_a_producer_is_nobodys_business() {
    let mut partition = Partition::new();
    for _ in 0..2 {
        assert_eq!(partition.client(data(-1, -1, 3).of(-1)), ACCEPT);
    }
    assert_eq!(partition.states.producer_count(), 0);
    assert_eq!(partition.states.end_offset(), Offset(6));
}

#[test]
fn coordinators_write_without_sequences_but_are_fenced_all_the_same() {
    let mut partition = Partition::new();
    for _ in 0..3 {
        assert_eq!(partition.append(data(2, -1, 1).transactional(), Origin::Coordinator), ACCEPT);
    }
    assert!(partition.append(data(1, -1, 1).transactional(), Origin::Coordinator).is_err());
}

#[test]
fn replicas_take_what_the_leader_took() {
    let mut partition = Partition::new();
    partition.client(data(5, 0, 1)).unwrap();
    assert_eq!(partition.append(data(4, 77, 1), Origin::Replication), ACCEPT);
    let header = marker_header(T, PID, 0, partition.end);
    assert_eq!(partition.states.check_marker(&header, Marker { coordinator_epoch: -9, ..abort() }, Origin::Replication), Ok(()));
}

#[test]
fn the_first_unstable_offset_is_held_by_the_oldest_transaction_and_by_unreplicated_markers() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 2)).unwrap();
    assert_eq!(partition.states.first_unstable_offset(), None);
    partition.client(data(0, 0, 3).of(1).transactional()).unwrap(); // offsets 2..=4
    partition.client(data(0, 0, 1).of(2).transactional()).unwrap(); // offset 5
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(2)));

    let done = partition.mark(1, 0, abort()).unwrap().unwrap(); // marker at 6
    let expected = CompletedTransaction {
        producer_id: ProducerId(1),
        first_offset: Offset(2),
        last_offset: Offset(6),
        aborted: true,
        last_stable_offset: Offset(5),
    };
    assert_eq!(done, expected);
    assert_eq!(partition.states.first_undecided_offset(), Some(Offset(5)));
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(2)), "the marker is not replicated yet");
    partition.states.on_high_watermark_updated(Offset(6));
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(2)), "the marker at 6 lies at the high watermark, not below");
    partition.states.on_high_watermark_updated(Offset(7));
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(5)));

    let done = partition.mark(2, 0, commit()).unwrap().unwrap(); // marker at 7
    assert_eq!((done.aborted, done.last_stable_offset), (false, Offset(8)));
    partition.states.on_high_watermark_updated(Offset(8));
    assert_eq!(partition.states.first_unstable_offset(), None);
}

#[test]
fn a_marker_without_a_transaction_ends_nothing_but_raises_the_epochs() {
    let mut partition = Partition::new();
    let done = partition.mark(PID.0, 3, Marker { coordinator_epoch: 8, ..abort() });
    assert_eq!(done, Ok(None));
    let entry = partition.states.producer(PID).unwrap();
    assert_eq!((entry.producer_epoch, entry.coordinator_epoch), (ProducerEpoch(3), 8));
    assert_eq!(partition.states.first_unstable_offset(), None);
}

#[test]
fn a_zombie_coordinator_is_fenced() {
    let mut partition = Partition::new();
    partition.mark(PID.0, 0, Marker { coordinator_epoch: 5, ..commit() }).unwrap();
    partition.client(data(0, 0, 1).transactional()).unwrap();
    let refused = partition.mark(PID.0, 0, Marker { coordinator_epoch: 4, ..commit() });
    assert!(matches!(refused, Err(ProducerError::TransactionCoordinatorFenced { coordinator_epoch: 4, current_coordinator_epoch: 5, .. })));
    assert!(partition.states.has_ongoing_transaction(PID, ProducerEpoch(0)));
    partition.mark(PID.0, 0, Marker { coordinator_epoch: 5, ..commit() }).unwrap();
}

#[test]
fn markers_of_transaction_version_2_need_a_higher_epoch_or_nothing_to_end() {
    let mut partition = Partition::new();
    partition.client(data(4, 0, 1).transactional()).unwrap();
    let refused = partition.mark(PID.0, 4, version_2(commit()));
    assert!(matches!(refused, Err(ProducerError::InvalidProducerEpoch { relation: "not larger than", .. })));
    assert!(partition.mark(PID.0, 5, version_2(commit())).unwrap().is_some());
    assert_eq!(partition.mark(PID.0, 5, version_2(commit())), Ok(None), "sent again: accepted, ends nothing");
    assert!(partition.mark(PID.0, 4, version_2(commit())).is_err());

    let mut exhausted = Partition::new();
    exhausted.client(data(i16::MAX, 0, 1).transactional()).unwrap();
    assert!(exhausted.mark(PID.0, i16::MAX, version_2(abort())).unwrap().is_some(), "this epoch cannot be raised");
}

#[test]
fn a_plain_write_inside_a_transaction_is_refused() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 1).transactional()).unwrap();
    assert!(matches!(partition.client(data(0, 1, 1)), Err(ProducerError::NotTransactional { .. })));
    assert_eq!(partition.client(data(0, 1, 1).transactional()), ACCEPT);
}

#[test]
fn idle_producers_expire_but_never_with_a_transaction_open() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 1)).unwrap();
    partition.client(data(0, 0, 1).of(2).transactional()).unwrap();
    assert_eq!(partition.states.remove_expired(Millis(T.0 + 99_999)), 0);
    assert_eq!(partition.states.remove_expired(Millis(T.0 + 100_000)), 1);
    assert!(partition.states.producer(ProducerId(2)).is_some());
    assert_eq!(partition.client(data(0, 55, 1)), ACCEPT, "unknown again, so any sequence");
}

#[test]
fn state_that_has_expired_but_was_not_swept_yet_bars_nobody_and_still_knows_duplicates() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    partition.now = Millis(T.0 + 99_999);
    assert!(partition.client(data(0, 55, 1)).is_err());
    partition.now = Millis(T.0 + 100_000);
    assert_eq!(partition.client(data(0, 0, 3)), duplicate(0, 2));
    assert_eq!(partition.client(data(0, 55, 1)), ACCEPT);
    assert!(partition.client(data(0, 77, 1)).is_err(), "alive again");
}

#[test]
fn a_producer_of_old_timestamps_keeps_its_state_while_it_writes() {
    let old = |sequence| Data { timestamp: Millis(5), ..data(0, sequence, 1) };
    let mut partition = Partition::new();
    partition.client(old(0)).unwrap();
    assert_eq!(partition.states.remove_expired(Millis(T.0 + 1)), 0);
    assert!(partition.client(old(2)).is_err(), "order is kept although the records are older than the expiration time");
    assert_eq!(partition.client(old(1)), ACCEPT);
    assert_eq!(partition.states.remove_expired(Millis(T.0 + 100_000)), 1);
}

#[test]
fn a_clock_that_is_set_forward_makes_nobody_older() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 1)).unwrap();
    partition.states.load(Offset(1), [*partition.states.producer(PID).unwrap()], T);
    let days = 10 * 100_000;
    partition.states.note_clock_set(days);
    assert_eq!(partition.states.remove_expired(Millis(T.0 + days + 99_999)), 0);
    partition.now = Millis(T.0 + days + 99_999);
    assert!(partition.client(data(0, 55, 1)).is_err(), "and its order is kept");
    partition.states.note_clock_set(-days);
    assert_eq!(partition.states.remove_expired(Millis(T.0 + 99_999)), 0);
    assert_eq!(partition.states.remove_expired(Millis(T.0 + 100_000)), 1);
}

#[test]
fn what_holds_the_last_stable_offset_back_is_listed_by_first_offset() {
    let mut partition = Partition::new();
    let open_of = |producer_id, sequence| data(3, sequence, 2).of(producer_id).transactional();
    for producer_id in [5, 4, 6] {
        partition.client(open_of(producer_id, 0)).unwrap();
    }
    partition.mark(4, 3, commit()).unwrap();
    let seen: Vec<_> = partition
        .states
        .unstable_transactions()
        .iter()
        .map(|held| (held.producer_id.0, held.producer_epoch.0, held.first_offset.0, held.marker_offset.map(|at| at.0)))
        .collect();
    assert_eq!(seen, [(5, 3, 0, None), (4, 3, 2, Some(6)), (6, 3, 4, None)]);
    partition.states.on_high_watermark_updated(Offset(7));
    partition.mark(5, 3, commit()).unwrap();
    partition.mark(6, 3, commit()).unwrap();
    partition.states.on_high_watermark_updated(Offset(9));
    assert_eq!(partition.states.unstable_transactions(), []);
}

#[test]
fn state_survives_the_deletion_of_its_records() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    partition.states.on_log_start_offset_incremented(Offset(3));
    assert_eq!(partition.client(data(0, 0, 3)), duplicate(0, 2));
    assert!(partition.client(data(0, 9, 1)).is_err());
    assert_eq!(partition.client(data(0, 3, 1)), ACCEPT);
}

#[test]
fn truncating_fully_forgets_everything() {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3).transactional()).unwrap();
    assert!(!partition.states.is_empty());
    partition.states.truncate_fully_and_start_at(Offset(100));
    assert!(partition.states.is_empty());
    assert_eq!(partition.states.first_unstable_offset(), None);
    assert_eq!(partition.states.end_offset(), Offset(100));
}

#[test]
fn an_unverified_transaction_writes_nothing_and_a_stale_guard_opens_nothing() {
    let mut partition = Partition::new();
    let check = |partition: &Partition, guard| {
        let header = Data { at: partition.end, ..data(0, 0, 1).transactional() }.header();
        partition.states.check_verified(T, &header, Origin::Client, guard)
    };
    assert_eq!(check(&partition, None), Err(ProducerError::TransactionNotVerified { producer_id: PID }));
    let guard = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(0), false).unwrap();
    assert_eq!(check(&partition, guard), ACCEPT);

    // An abort marker gets in between: the guard is worth nothing any more, also after a new verification has begun.
    partition.mark(PID.0, 0, abort()).unwrap();
    assert!(check(&partition, guard).is_err());
    let fresh = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(0), false).unwrap();
    assert!(check(&partition, guard).is_err());
    assert_eq!(check(&partition, fresh), ACCEPT);

    // Once written, the transaction is open and needs no guard.
    partition.client(data(0, 0, 1).transactional()).unwrap();
    assert_eq!(partition.states.begin_verification(T, PID, Sequence(1), ProducerEpoch(0), false), Ok(None));
    let header = data(0, 1, 1).transactional().header();
    assert_eq!(partition.states.check_verified(T, &header, Origin::Client, None), ACCEPT);
}

#[test]
fn a_fenced_producer_hears_that_it_is_fenced_and_not_that_its_transaction_is_unknown() {
    let mut partition = Partition::new();
    partition.mark(PID.0, 5, commit()).unwrap();
    let fenced = |refused| matches!(refused, Some(ProducerError::InvalidProducerEpoch { relation: "smaller than", .. }));
    assert!(fenced(partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(4), true).err()));
    let header = data(4, 0, 1).transactional().header();
    assert!(fenced(partition.states.check_verified(T, &header, Origin::Client, None).err()));
}

#[test]
fn a_transaction_of_an_older_epoch_vouches_for_nothing() {
    // It was decided, but its marker is not here yet: the next one has to be verified for itself.
    let mut partition = Partition::new();
    partition.client(data(0, 0, 1).transactional()).unwrap();
    let header = Data { at: partition.end, ..data(1, 0, 1).transactional() }.header();
    let refused = partition.states.check_verified(T, &header, Origin::Client, None);
    assert_eq!(refused, Err(ProducerError::TransactionNotVerified { producer_id: PID }));
    let guard = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(1), true).unwrap();
    assert!(guard.is_some());
    assert_eq!(partition.states.check_verified(T, &header, Origin::Client, guard), ACCEPT);
}

#[test]
fn a_late_marker_of_the_epoch_under_verification_does_not_end_that_verification() {
    // Transaction version 2: the marker of the last transaction bears the epoch in which the next one is being verified.
    for (bump, survives) in [(true, true), (false, false)] {
        let mut partition = Partition::new();
        let guard = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(5), bump).unwrap();
        partition.mark(PID.0, 5, commit()).unwrap();
        let header = data(5, 0, 1).transactional().header();
        assert_eq!(partition.states.check_verified(T, &header, Origin::Client, guard).is_ok(), survives);
        let guard = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(5), bump).unwrap();
        partition.mark(PID.0, 6, commit()).unwrap();
        let header = data(6, 0, 1).transactional().header();
        assert!(partition.states.check_verified(T, &header, Origin::Client, guard).is_err(), "a marker of a later epoch ends it");
    }
}

#[test]
fn a_verification_belongs_to_the_version_of_its_newest_epoch() {
    // One of version 2 was never answered, and its producer gave way to one of version 1, whose markers end what they come upon.
    let mut partition = Partition::new();
    partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(4), true).unwrap();
    let guard = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(5), false).unwrap();
    partition.mark(PID.0, 5, commit()).unwrap();
    let header = data(5, 0, 1).transactional().header();
    assert!(partition.states.check_verified(T, &header, Origin::Client, guard).is_err());
}

#[test]
fn plain_and_replicated_batches_need_no_guard() {
    let partition = Partition::new();
    assert_eq!(partition.states.check_verified(T, &data(0, 0, 1).header(), Origin::Client, None), ACCEPT);
    let header = data(0, 0, 1).transactional().header();
    assert_eq!(partition.states.check_verified(T, &header, Origin::Replication, None), ACCEPT);
}

#[test]
fn while_a_batch_is_being_verified_a_later_one_waits() {
    let mut partition = Partition::new();
    partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(0), false).unwrap();
    let refused = partition.client(data(0, 3, 1).transactional());
    assert!(matches!(refused, Err(ProducerError::SequenceAheadOfVerification { .. })));
    assert_eq!(partition.client(data(0, 0, 3).transactional()), ACCEPT);
}

#[test]
fn at_the_bound_the_longest_idle_are_forgotten_but_no_open_transaction() {
    let mut partition = Partition::new();
    partition.states.set_producers_max(20);
    partition.client(data(0, 0, 1).of(0).transactional()).unwrap();
    for producer_id in 1..=20 {
        partition.now = Millis(T.0 + producer_id);
        partition.client(data(0, 0, 1).of(producer_id)).unwrap();
    }
    let mut left: Vec<_> = partition.states.producers().map(|e| e.producer_id.0).collect();
    left.sort_unstable();
    assert_eq!(left, [&[0][..], &(4..=20).collect::<Vec<_>>()].concat(), "a tenth and one were forgotten to make room for the last");
    assert_eq!(partition.client(data(0, 0, 1).of(4)), duplicate(4, 4));
}

#[test]
fn verifications_are_bounded_and_the_oldest_gives_way() {
    let mut partition = Partition::new();
    let first = partition.states.begin_verification(T, PID, Sequence(0), ProducerEpoch(0), false).unwrap();
    let header = data(0, 0, 1).transactional().header();
    for other in 0..9_999 {
        partition.states.begin_verification(T, ProducerId(10_000 + other), Sequence(0), ProducerEpoch(0), false).unwrap();
    }
    assert_eq!(partition.states.check_verified(T, &header, Origin::Client, first), ACCEPT);
    partition.states.begin_verification(T, ProducerId(5), Sequence(0), ProducerEpoch(0), false).unwrap();
    assert!(partition.states.check_verified(T, &header, Origin::Client, first).is_err());
}

#[test]
fn a_transaction_left_hanging_is_called_late() {
    let mut partition = Partition::new();
    assert!(!partition.states.has_late_transaction(Millis(i64::MAX), 900_000));
    partition.client(data(0, 0, 1).transactional()).unwrap();
    let limit = T.0 + 900_000 + 300_000;
    assert!(!partition.states.has_late_transaction(Millis(limit), 900_000));
    assert!(partition.states.has_late_transaction(Millis(limit + 1), 900_000));
}

#[test]
fn a_control_batch_that_is_no_marker_only_moves_the_end() {
    let mut partition = Partition::new();
    let header = marker_header(T, PID, 0, Offset(9));
    assert_eq!(partition.states.update(T, &header, None), None);
    assert!(partition.states.is_empty());
    assert_eq!(partition.states.end_offset(), Offset(10));
}
