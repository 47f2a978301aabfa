use super::*;

fn bases(log: &PartitionLog) -> Vec<i64> {
    log.segments.iter().map(|segment| segment.base_offset().0).collect()
}

#[test]
fn a_segment_that_would_grow_beyond_its_size_is_followed_by_a_new_one() {
    let size_bytes = batch(1).len() as u32;
    let house = House::small(3 * size_bytes);
    let mut log = house.open();
    for _ in 0..7 {
        append(&mut log, &batch(1));
    }
    assert_eq!(bases(&log), [0, 3, 6]);
    for base in [3, 6] {
        assert!(exists(&house.file(base, "snapshot")), "producer state as of the new segment");
    }
    for base in [0, 3] {
        assert!(exists(&house.file(base, "index")) && exists(&house.file(base, "timeindex")));
    }
    let all = read_all(&log);
    assert_eq!(headers(&all).len(), 7);
    let plan = log.read(Offset(1), Offset(7), u64::MAX, true).expect("read");
    assert_eq!((plan.ranges.len(), plan.next_offset), (3, Offset(7)), "one plan crosses segments");
    log.close(true).expect("closed");
    let log = house.open();
    assert_eq!((bases(&log), read_all(&log)), (vec![0, 3, 6], all));
}

#[test]
fn time_passes_by_the_timestamps_of_batches() {
    let house = House::new(LogConfig { segment_ms: 1000, message_timestamp_after_max_ms: i64::MAX, ..LogConfig::default() });
    let mut log = house.open();
    append(&mut log, &batch_at(NOW, 1));
    append(&mut log, &batch_at(Millis(NOW.0 + 1000), 1));
    assert_eq!(bases(&log), [0]);
    append(&mut log, &batch_at(Millis(NOW.0 + 1001), 1));
    assert_eq!(bases(&log), [0, 2]);
}

#[test]
fn batches_without_timestamps_roll_by_the_clock() {
    let house = House::new(LogConfig { segment_ms: 1000, ..LogConfig::default() });
    let mut log = house.open();
    let bytes = batch_at(Millis(-1), 1);
    log.append_as_leader(NOW, &bytes, EPOCH, AppendOrigin::Client).expect("appended");
    log.append_as_leader(Millis(NOW.0 + 1000), &bytes, EPOCH, AppendOrigin::Client).expect("appended");
    log.append_as_leader(Millis(NOW.0 + 1001), &bytes, EPOCH, AppendOrigin::Client).expect("appended");
    assert_eq!(bases(&log), [0, 2]);
}

#[test]
fn a_full_index_ends_a_segment() {
    let house = House::new(LogConfig { segment_index_bytes: 24, index_interval_bytes: 0, ..LogConfig::default() });
    let mut log = house.open();
    for _ in 0..6 {
        append(&mut log, &batch(1));
    }
    assert!(log.segment_count() > 1);
    assert!(std::fs::metadata(house.file(0, "timeindex")).expect("there").len() <= 24);
}

#[test]
fn offsets_too_far_from_the_base_begin_a_new_segment() {
    let at = |offset: i64| {
        let mut builder = BatchBuilder::new().base_offset(Offset(offset)).leader_epoch(LeaderEpoch(0));
        builder.push(NOW, None, None, &[]);
        builder.build().expect("built")
    };
    let house = House::small(1 << 20);
    let mut log = house.open();
    let far = i64::from(i32::MAX);
    log.append_as_follower(NOW, &at(far + 5)).expect("appended");
    assert_eq!(bases(&log), [far + 5], "an empty segment gives way");
    log.append_as_follower(NOW, &[at(far + 6), at(2 * far + 5), at(2 * far + 6)].concat()).expect("appended");
    assert_eq!(bases(&log), [far + 5, 2 * far + 6]);
    drop(log);
    assert_eq!(bases(&house.open_after_crash().0), [far + 5, 2 * far + 6]);
}

#[test]
fn rolling_by_hand_leaves_an_empty_segment_alone() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    log.roll(NOW).expect("nothing to do");
    append(&mut log, &batch(2));
    log.roll(NOW).expect("rolled");
    log.roll(NOW).expect("nothing to do");
    assert_eq!(bases(&log), [0, 2]);
    log.close(true).expect("closed");
    assert_eq!(bases(&house.open()), [0, 2]);
}

#[test]
fn jitter_rolls_early_and_the_same_every_time() {
    let config = LogConfig { segment_ms: 1000, segment_jitter_ms: 900, message_timestamp_after_max_ms: i64::MAX, ..LogConfig::default() };
    let rolled_at = |house: &House| {
        let mut log = house.open();
        append(&mut log, &batch_at(NOW, 1));
        (0..=1001).find(|delta| {
            append(&mut log, &batch_at(Millis(NOW.0 + delta), 1));
            log.segment_count() > 1
        })
    };
    let first = rolled_at(&House::new(config.clone())).expect("rolled");
    assert!((101..1001).contains(&first), "{first}");
    assert_eq!(rolled_at(&House::new(config)), Some(first));
}
