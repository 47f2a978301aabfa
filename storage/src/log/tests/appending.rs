use super::*;

#[test]
fn an_empty_directory_becomes_a_log_that_survives_a_clean_stop() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    assert_eq!(offsets(&log), (0, 0));
    let info = append(&mut log, &batch(3));
    assert_eq!((info.first_offset, info.last_offset, info.duplicate), (Offset(0), Offset(2), false));
    let info = append(&mut log, &batch(2));
    assert_eq!((info.first_offset, info.last_offset), (Offset(3), Offset(4)));
    let before = read_all(&log);
    assert_eq!(headers(&before).iter().map(|h| (h.base_offset().0, h.partition_leader_epoch().0)).collect::<Vec<_>>(), [(0, 3), (3, 3)]);
    log.close(true).expect("closed");

    let (log, report) = house.open_as(clean());
    assert_eq!(report, RecoveryReport::default(), "nothing to do after a clean stop");
    assert_eq!(offsets(&log), (0, 5));
    assert_eq!(log.recovery_point(), Offset(5));
    assert_eq!(read_all(&log), before);
    assert_eq!(log.latest_epoch(), Some(EPOCH));
}

#[test]
fn earliest_and_latest_are_found() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &batch(3));
    let earliest = log.list_offset(ListOffset::Earliest, Offset(3)).expect("found").expect("there");
    assert_eq!((earliest.offset, earliest.leader_epoch), (Offset(0), Some(EPOCH)));
    let latest = log.list_offset(ListOffset::Latest, Offset(2)).expect("found").expect("there");
    assert_eq!((latest.offset, latest.timestamp, latest.leader_epoch), (Offset(2), Millis(-1), Some(EPOCH)));
}

#[test]
fn a_read_gives_the_whole_batch_that_holds_the_offset() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    for _ in 0..10 {
        append(&mut log, &batch(4));
    }
    let size_bytes = batch(4).len() as u64;
    let plan = log.read(Offset(6), Offset(40), 1, true).expect("read");
    assert_eq!((plan.first_offset, plan.next_offset, plan.size_bytes), (Offset(4), Offset(8), size_bytes));
    assert_eq!(headers(&plan_bytes(&plan)).len(), 1);
    assert_eq!(log.read(Offset(6), Offset(40), 1, false).expect("read").size_bytes, 0, "not even one fits");
    let plan = log.read(Offset(6), Offset(40), 3 * size_bytes + 10, false).expect("read");
    assert_eq!((plan.first_offset, plan.next_offset), (Offset(4), Offset(16)), "whole batches only");
    let plan = log.read(Offset(6), Offset(20), u64::MAX, true).expect("read");
    assert_eq!((plan.first_offset, plan.next_offset), (Offset(4), Offset(20)));
    assert_eq!(log.read(Offset(40), Offset(40), 1000, true).expect("at the end").size_bytes, 0);
    assert!(matches!(log.read(Offset(41), Offset(41), 1000, true), Err(ReadError::OffsetOutOfRange { .. })));
}

fn client(log: &mut PartitionLog, bytes: &[u8]) -> Result<AppendInfo, AppendError> {
    log.append_as_leader(NOW, bytes, EPOCH, AppendOrigin::Client)
}

#[test]
fn a_repeated_batch_gets_the_offsets_of_the_first() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &batch(5));
    let first = append(&mut log, &produced(1, 0, 0, 2, false));
    append(&mut log, &produced(1, 0, 2, 2, false));
    let size_bytes = log.size_bytes();
    let again = append(&mut log, &produced(1, 0, 0, 2, false));
    assert!(again.duplicate);
    assert_eq!((again.first_offset, again.last_offset, again.size_bytes), (first.first_offset, first.last_offset, 0));
    assert_eq!(log.size_bytes(), size_bytes, "nothing was written");
}

#[test]
fn a_refused_batch_leaves_no_trace() {
    let house = House::new(LogConfig { max_message_bytes: 2000, segment_bytes: 1500, ..LogConfig::default() });
    let mut log = house.open();
    append(&mut log, &produced(1, 3, 0, 1, false));
    let before = read_all(&log);
    let mut bad_crc = batch(1);
    *bad_crc.last_mut().expect("bytes") ^= 1;
    let mut not_from_zero = batch(1);
    not_from_zero[7] = 9;
    let big = |size: usize| {
        let mut builder = BatchBuilder::new();
        builder.push(NOW, None, Some(&vec![b'x'; size]), &[]);
        builder.build().expect("built")
    };
    let late = batch_at(Millis(NOW.0 + 3_600_001), 1);
    assert!(matches!(client(&mut log, &bad_crc), Err(AppendError::Corrupt(_))));
    assert!(matches!(client(&mut log, &not_from_zero), Err(AppendError::InvalidRecord { .. })));
    assert!(matches!(client(&mut log, &[]), Err(AppendError::InvalidRecord { .. })));
    assert!(matches!(client(&mut log, &batch(1)[..70]), Err(AppendError::InvalidRecord { .. })), "no whole batch");
    assert!(matches!(client(&mut log, &[batch(1), batch(1)].concat()), Err(AppendError::InvalidRecord { .. })));
    assert!(matches!(client(&mut log, &big(2000)), Err(AppendError::MessageTooLarge(_))));
    assert!(matches!(client(&mut log, &big(1500)), Err(AppendError::RecordListTooLarge(_))));
    assert!(matches!(client(&mut log, &produced(1, 3, 5, 1, false)), Err(AppendError::OutOfOrderSequence(_))));
    assert!(matches!(client(&mut log, &produced(1, 2, 1, 1, false)), Err(AppendError::InvalidProducerEpoch(_))));
    assert!(matches!(client(&mut log, &marker(1, 3, true)), Err(AppendError::InvalidRecord { .. })), "control records are not for clients");
    let Err(AppendError::InvalidTimestamp { record_errors, .. }) = client(&mut log, &late) else { panic!("too late") };
    assert_eq!(record_errors.len(), 1);
    assert_eq!(offsets(&log), (0, 1));
    assert_eq!(read_all(&log), before);
    assert_eq!(append(&mut log, &produced(1, 3, 1, 1, false)).first_offset, Offset(1));
}

#[test]
fn bytes_behind_the_one_batch_are_trimmed_as_kafka_does() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    let bytes = batch(2);
    append(&mut log, &[bytes.as_slice(), &bytes[..40]].concat());
    assert_eq!(log.size_bytes(), bytes.len() as u64);
}

#[test]
fn only_offset_and_epoch_of_a_batch_are_rewritten() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &batch(1));
    let mut bytes = batch(3);
    append(&mut log, &bytes);
    let stored = plan_bytes(&log.read(Offset(1), Offset(4), 1000, true).expect("read"));
    bytes[7] = 1;
    bytes[12..16].copy_from_slice(&EPOCH.0.to_be_bytes());
    assert_eq!(stored, bytes);
}

#[test]
fn log_append_time_is_stamped_and_answered() {
    let house = House::new(LogConfig { message_timestamp_type: crate::batch::TimestampType::LogAppendTime, ..LogConfig::default() });
    let mut log = house.open();
    let info = append(&mut log, &batch_at(Millis(5), 2));
    assert_eq!(info.log_append_time, Some(NOW));
    let header = headers(&read_all(&log))[0];
    assert_eq!((header.max_timestamp(), header.timestamp_type()), (NOW, crate::batch::TimestampType::LogAppendTime));
    let found = log.list_offset(ListOffset::Timestamp(NOW), Offset(2)).expect("answered").expect("found");
    assert_eq!((found.offset, found.timestamp), (Offset(0), NOW));
}

#[test]
fn a_topics_own_compression_is_applied_and_records_stay_the_same() {
    let house = House::new(LogConfig { compression: TopicCompression::Fixed { code: 4, level: None }, ..LogConfig::default() });
    let mut log = house.open();
    append(&mut log, &batch(50));
    let stored = read_all(&log);
    assert!(stored.len() < batch(50).len());
    let view = split(&stored).next().expect("one").expect("whole");
    assert_eq!(view.header.compression_code(), 4);
    let records = crate::batch::records(&view, 1 << 20).expect("opened");
    assert_eq!(records.iter().count(), 50);
}

#[test]
fn compacted_topics_want_keys() {
    let house = House::new(LogConfig { cleanup_policy: CleanupPolicy { delete: false, compact: true }, ..LogConfig::default() });
    let mut log = house.open();
    let Err(AppendError::InvalidRecord { record_errors, .. }) = client(&mut log, &produced(1, 0, 0, 2, false)) else { panic!("no keys") };
    assert_eq!(record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [0, 1]);
    append(&mut log, &batch(2));
}

#[test]
fn an_aborted_transaction_is_listed_and_an_open_one_holds_readers_back() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &batch(2));
    append(&mut log, &produced(1, 0, 0, 3, true));
    append(&mut log, &batch(2));
    assert_eq!((log.last_stable_offset(), log.first_unstable_offset()), (Offset(2), Some(Offset(2))));
    end_transaction(&mut log, 1, false);
    assert_eq!((log.last_stable_offset(), log.first_unstable_offset()), (Offset(8), None));
    let expected =
        AbortedTransaction { producer_id: ProducerId(1), first_offset: Offset(2), last_offset: Offset(7), last_stable_offset: Offset(8) };
    assert_eq!(log.aborted_transactions(Offset(0), Offset(8)).expect("listed"), [expected]);
    assert_eq!(log.aborted_transactions(Offset(0), Offset(2)).expect("listed"), [], "it began later");
    append(&mut log, &produced(1, 0, 3, 1, true));
    end_transaction(&mut log, 1, true);
    assert_eq!(log.aborted_transactions(Offset(8), Offset(10)).expect("listed"), []);
    drop(log);
    let (log, _) = house.open_after_crash();
    assert_eq!(log.aborted_transactions(Offset(0), Offset(8)).expect("listed"), [expected]);
}

#[test]
fn a_marker_from_an_old_coordinator_is_refused() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &produced(1, 0, 0, 1, true));
    let with_epoch = |coordinator_epoch| {
        end_transaction_batch(
            NOW,
            ProducerId(1),
            ProducerEpoch(0),
            EndTransactionMarker { committed: true, coordinator_epoch },
            LeaderEpoch(-1),
        )
    };
    log.append_as_leader(NOW, &with_epoch(5), EPOCH, AppendOrigin::Coordinator).expect("appended");
    let refused = log.append_as_leader(NOW, &with_epoch(4), EPOCH, AppendOrigin::Coordinator);
    assert!(matches!(refused, Err(AppendError::TransactionCoordinatorFenced(_))));
}

#[test]
fn a_transactional_batch_needs_its_verification_when_that_is_asked_for() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    let bytes = produced(1, 0, 0, 1, true);
    let verified = |guard| TransactionCheck::Verified(guard);
    let refused = log.append_as_leader_checked(NOW, &bytes, EPOCH, AppendOrigin::Client, verified(None));
    assert!(matches!(refused, Err(AppendError::InvalidTxnState(_))));
    let guard = log.begin_verification(NOW, (ProducerId(1), ProducerEpoch(0)), Sequence(0), true).expect("begun");
    log.append_as_leader_checked(NOW, &bytes, EPOCH, AppendOrigin::Client, verified(guard)).expect("verified");
    log.append_as_leader_checked(NOW, &produced(1, 0, 1, 1, true), EPOCH, AppendOrigin::Client, verified(None)).expect("open already");
}

#[test]
fn a_follower_takes_offsets_and_epochs_as_given() {
    let leader_house = House::small(400);
    let mut leader = leader_house.open();
    for round in 0..12 {
        leader.assign_leader_epoch(LeaderEpoch(round / 5)).expect("assigned");
        append(&mut leader, &batch(2));
    }
    let bytes = read_all(&leader);
    let house = House::small(500);
    let mut follower = house.open();
    let info = follower.append_as_follower(NOW, &bytes[..bytes.len() - 7]).expect("the last batch is cut off, no matter");
    assert_eq!((info.first_offset, info.last_offset), (Offset(0), Offset(21)));
    let last = bytes.len() - batch(2).len();
    follower.append_as_follower(NOW, &bytes[last..]).expect("appended");
    assert_eq!(read_all(&follower), bytes);
    assert!(follower.segment_count() > 1, "one answer of the leader may fill several segments");
    for epoch in 0..4 {
        assert_eq!(follower.end_offset_for_epoch(LeaderEpoch(epoch)), leader.end_offset_for_epoch(LeaderEpoch(epoch)));
    }
    assert!(matches!(follower.append_as_follower(NOW, &bytes[last..]), Err(AppendError::OffsetsOutOfOrder(_))));
    assert_eq!(follower.high_watermark(), Offset(0), "the log never decides it");
}

#[test]
fn the_metadata_log_takes_several_batches_at_once() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    let bytes = [batch(2), batch(3)].concat();
    let info = log.append_as_leader(NOW, &bytes, LeaderEpoch(9), AppendOrigin::Raft).expect("appended");
    assert_eq!((info.first_offset, info.last_offset), (Offset(0), Offset(4)));
    log.set_high_watermark(Offset(5));
    assert_eq!(
        headers(&read_all(&log)).iter().map(|h| (h.base_offset().0, h.partition_leader_epoch().0)).collect::<Vec<_>>(),
        [(0, 9), (2, 9)]
    );
}
