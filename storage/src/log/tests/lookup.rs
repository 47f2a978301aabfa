use super::*;

fn find(log: &PartitionLog, timestamp: i64) -> Option<(i64, i64)> {
    let found = log.list_offset(ListOffset::Timestamp(Millis(timestamp)), log.high_watermark()).expect("answered");
    found.map(|found| (found.offset.0, found.timestamp.0))
}

fn at(timestamps: &[i64]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for timestamp in timestamps {
        builder.push(Millis(*timestamp), None, Some(&[b'v'; 40]), &[]);
    }
    builder.build().expect("built")
}

#[test]
fn the_first_record_at_or_after_a_timestamp_is_found_inside_its_batch() {
    let house = House::small(1000);
    let mut log = house.open();
    for round in 0..20 {
        append(&mut log, &at(&[round * 100, round * 100 + 10, round * 100 + 20]));
    }
    assert!(log.segment_count() > 2);
    assert_eq!(find(&log, -1), Some((0, 0)));
    assert_eq!(find(&log, 505), Some((16, 510)));
    assert_eq!(find(&log, 520), Some((17, 520)));
    assert_eq!(find(&log, 521), Some((18, 600)));
    assert_eq!(find(&log, 1920), Some((59, 1920)));
    assert_eq!(find(&log, 1921), None);
}

#[test]
fn timestamps_out_of_order_give_the_first_offset_not_the_smallest_timestamp() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    for timestamps in [[50, 10], [300, 20], [40, 200], [100, 250]] {
        append(&mut log, &at(&timestamps));
    }
    assert_eq!(find(&log, 60), Some((2, 300)));
    assert_eq!(find(&log, 11), Some((0, 50)));
    assert_eq!(find(&log, 301), None);
}

#[test]
fn compressed_batches_are_opened_to_find_the_record() {
    let house = House::new(LogConfig { compression: TopicCompression::Fixed { code: 2, level: None }, ..LogConfig::default() });
    let mut log = house.open();
    append(&mut log, &at(&[10, 20, 30]));
    assert_eq!(find(&log, 15), Some((1, 20)));
}

#[test]
fn nothing_at_or_beyond_the_askers_horizon_is_found() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &at(&[10, 20]));
    append(&mut log, &at(&[30]));
    let up_to = |up_to| log.list_offset(ListOffset::Timestamp(Millis(25)), Offset(up_to)).expect("answered");
    assert_eq!(up_to(2), None);
    assert_eq!(up_to(3).map(|found| found.offset), Some(Offset(2)));
}

#[test]
fn records_below_the_log_start_are_not_found() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &at(&[10, 20, 30]));
    append(&mut log, &at(&[5]));
    append(&mut log, &at(&[40]));
    log.advance_log_start_offset(Offset(2)).expect("moved");
    assert_eq!(find(&log, 0), Some((2, 30)));
    log.advance_log_start_offset(Offset(3)).expect("moved");
    assert_eq!(find(&log, 6), Some((4, 40)));
}

#[test]
fn the_largest_timestamp_is_found_at_its_first_record() {
    let house = House::small(500);
    let mut log = house.open();
    assert_eq!(log.list_offset(ListOffset::MaxTimestamp, Offset(0)).expect("answered"), None);
    append(&mut log, &at(&[10, 70, 70]));
    for _ in 0..10 {
        append(&mut log, &at(&[70, 60]));
    }
    let found = log.list_offset(ListOffset::MaxTimestamp, log.high_watermark()).expect("answered").expect("found");
    assert_eq!((found.offset, found.timestamp, found.leader_epoch), (Offset(1), Millis(70), Some(EPOCH)));
}

#[test]
fn records_without_timestamps_are_never_found() {
    let house = House::small(1 << 20);
    let mut log = house.open();
    append(&mut log, &at(&[-1, -1]));
    assert_eq!(find(&log, 0), None);
    assert_eq!(log.list_offset(ListOffset::MaxTimestamp, Offset(2)).expect("answered"), None);
}
