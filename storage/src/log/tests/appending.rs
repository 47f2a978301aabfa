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
