//! Compaction of one log on real files: what stays, what goes, what is left on the disk.

use super::*;
use crate::batch::compression::Compression;
use crate::batch::{Records, records};
use crate::cleaner::{CleanerBuffers, CleanerConfig, CleaningDone, CleaningError, Pace, clean as clean_log};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn compacted(segment_bytes: u32) -> House {
    House::new(LogConfig {
        segment_bytes,
        index_interval_bytes: 100,
        cleanup_policy: CleanupPolicy { compact: true, delete: false },
        ..LogConfig::default()
    })
}

fn small_buffers() -> CleanerBuffers {
    CleanerBuffers::new(CleanerConfig { dedupe_buffer_bytes: 24 * 1000, io_buffer_bytes: 1000, ..CleanerConfig::default() })
}

fn pass_at(log: &mut PartitionLog, checkpoint: Option<Offset>, now: Millis) -> Result<CleaningDone, CleaningError> {
    let cleanable = log.cleanable(checkpoint, now)?.ok_or(CleaningError::Changed)?;
    let mut with_log = |change: &mut dyn FnMut(&mut PartitionLog)| {
        change(log);
        true
    };
    clean_log(&cleanable, now, &mut small_buffers(), &mut with_log, &mut |_| Pace::GoOn)
}

fn pass(log: &mut PartitionLog, checkpoint: Option<Offset>) -> CleaningDone {
    pass_at(log, checkpoint, NOW).expect("cleaned")
}

/// One batch of these keys and values, all at `NOW`.
fn keyed(pairs: &[(&str, Option<&str>)]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for (key, value) in pairs {
        builder.push(NOW, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder
}

fn put(log: &mut PartitionLog, pairs: &[(&str, Option<&str>)]) {
    append(log, &keyed(pairs).build().expect("built"));
}

fn put_as(log: &mut PartitionLog, producer: (i64, i16, i32), transactional: bool, pairs: &[(&str, Option<&str>)]) {
    let mut builder = keyed(pairs).producer(ProducerId(producer.0), ProducerEpoch(producer.1), Sequence(producer.2));
    if transactional {
        builder = builder.transactional();
    }
    append(log, &builder.build().expect("built"));
}

/// `offset:key=value` of every record, control records in brackets, empty batches as `first-last`.
fn told(log: &PartitionLog) -> String {
    let bytes = read_all(log);
    let mut told = Vec::new();
    for view in split(&bytes) {
        let view = view.expect("whole");
        view.check_crc().expect("good CRC");
        if view.header.record_count() == 0 {
            told.push(format!("{}-{}", view.header.base_offset(), view.header.last_offset()));
        }
        let opened: Records<'_> = records(&view, 1 << 20).expect("opened");
        for record in &opened {
            let record = record.expect("a record");
            let text = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned());
            match view.header.is_control() {
                true => told.push(format!("[{}]", record.offset)),
                false => told.push(format!("{}:{}={}", record.offset, text(record.key), text(record.value))),
            }
        }
    }
    told.join(" ")
}

#[test]
fn of_each_key_the_newest_record_stays_where_it_was() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    put(&mut log, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]);
    put(&mut log, &[("a", Some("2")), ("d", Some("1"))]);
    log.roll(NOW).expect("rolled");
    put(&mut log, &[("b", Some("2"))]);
    log.roll(NOW).expect("rolled");
    put(&mut log, &[("c", Some("active"))]);
    let done = pass(&mut log, None);
    assert_eq!(told(&log), "2:c=1 3:a=2 4:d=1 5:b=2 6:c=active", "the active segment is not looked at");
    assert_eq!((done.first_dirty, log.segment_count()), (Offset(6), 2), "two segments are one now");
    assert_eq!((done.stats.messages_read, done.stats.messages_written, done.stats.segments_read), (6, 4, 2));
    assert_eq!(log.cleanable(Some(done.first_dirty), NOW).expect("asked").expect("compacted").dirty_bytes, 0);

    log.roll(NOW).expect("rolled");
    let done = pass(&mut log, Some(done.first_dirty));
    assert_eq!(told(&log), "3:a=2 4:d=1 5:b=2 6:c=active");
    assert_eq!(done.first_dirty, Offset(7));
    log.close(true).expect("closed");
    let log = house.open();
    assert_eq!(told(&log), "3:a=2 4:d=1 5:b=2 6:c=active");
    assert!(house.names().iter().all(|name| !name.ends_with(".cleaned") && !name.ends_with(".swap")), "{:?}", house.names());
}

#[test]
fn a_key_without_a_value_goes_when_its_horizon_has_passed() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    put(&mut log, &[("a", Some("1")), ("b", Some("1"))]);
    put(&mut log, &[("a", None), ("c", Some("1"))]);
    log.roll(NOW).expect("rolled");
    put(&mut log, &[("x", Some("1"))]);
    pass(&mut log, None);
    assert_eq!(told(&log), "1:b=1 2:a=- 3:c=1 4:x=1");
    let horizon = |log: &PartitionLog| headers(&read_all(log)).into_iter().find(|header| header.has_delete_horizon());
    let header = horizon(&log).expect("set");
    assert_eq!((header.base_offset(), header.base_timestamp(), header.max_timestamp()), (Offset(2), Millis(NOW.0 + DAY_MS), NOW));

    let next = |log: &mut PartitionLog, now: i64| {
        log.roll(NOW).expect("rolled");
        put(log, &[("y", Some("1"))]);
        pass_at(log, None, Millis(NOW.0 + now)).expect("cleaned");
        told(log)
    };
    assert_eq!(next(&mut log, DAY_MS - 1), "1:b=1 2:a=- 3:c=1 4:x=1 5:y=1", "a pass later does not put it off");
    assert_eq!(horizon(&log).map(|header| header.base_timestamp()), Some(Millis(NOW.0 + DAY_MS)));
    assert_eq!(next(&mut log, DAY_MS), "1:b=1 3:c=1 4:x=1 5:y=1 6:y=1");
    assert_eq!(horizon(&log).map(|header| header.max_timestamp()), Some(NOW), "the other records keep their time");
}

#[test]
fn aborted_data_goes_and_markers_stay_until_their_horizon_has_passed() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    put_as(&mut log, (1, 0, 0), true, &[("a", Some("kept")), ("b", Some("old"))]);
    put_as(&mut log, (2, 0, 0), true, &[("a", Some("aborted"))]);
    end_transaction(&mut log, 1, true);
    end_transaction(&mut log, 2, false);
    put_as(&mut log, (1, 0, 2), true, &[("b", Some("new"))]);
    end_transaction(&mut log, 1, true);
    // Both producers write on, so that none of these batches is their last.
    put_as(&mut log, (2, 0, 1), true, &[("c", Some("2"))]);
    end_transaction(&mut log, 2, true);
    log.roll(NOW).expect("rolled");
    put_as(&mut log, (1, 0, 3), false, &[("x", Some("1"))]);
    put_as(&mut log, (2, 0, 2), false, &[("x", Some("2"))]);
    assert_eq!(log.aborted_transactions(Offset(0), Offset(99)).expect("asked").len(), 1);
    pass(&mut log, None);
    assert_eq!(told(&log), "0:a=kept [3] [4] 5:b=new [6] 7:c=2 [8] 9:x=1 10:x=2");
    assert_eq!(log.aborted_transactions(Offset(0), Offset(99)).expect("asked").len(), 1, "its data was there when the pass began");

    let next = |log: &mut PartitionLog, now: i64| {
        log.roll(NOW).expect("rolled");
        put(log, &[("y", Some("1"))]);
        pass_at(log, None, Millis(NOW.0 + now)).expect("cleaned");
        told(log)
    };
    assert_eq!(next(&mut log, 0), "0:a=kept [3] [4] 5:b=new [6] 7:c=2 [8] 9-9 10:x=2 11:y=1", "no data is left of 4: its horizon is set");
    assert!(log.aborted_transactions(Offset(0), Offset(99)).expect("asked").is_empty());
    assert_eq!(next(&mut log, DAY_MS), "0:a=kept [3] 5:b=new [6] 7:c=2 [8] 9-9 10:x=2 11:y=1 12:y=1", "committed data needs its marker");
}

#[test]
fn the_last_batch_of_a_producer_stays_even_without_records() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    put_as(&mut log, (1, 3, 0), false, &[("a", Some("1"))]);
    put_as(&mut log, (1, 3, 1), false, &[("a", Some("2")), ("b", Some("2"))]);
    put(&mut log, &[("a", Some("3")), ("b", Some("3"))]);
    log.roll(NOW).expect("rolled");
    pass(&mut log, None);
    assert_eq!(told(&log), "1-2 3:a=3 4:b=3");
    // Without snapshots the log alone tells of the producer.
    drop(log);
    let snapshots = house.names().into_iter().filter(|name| name.ends_with(".snapshot"));
    snapshots.for_each(|name| std::fs::remove_file(house.log_dir().join(name)).expect("removed"));
    let (mut log, _) = house.open_after_crash();
    let producer = log.producers().producer(ProducerId(1)).expect("known");
    assert_eq!((producer.last_sequence(), producer.last_data_offset()), (Sequence(2), Some(Offset(2))));
    put_as(&mut log, (1, 3, 3), false, &[("c", Some("4"))]);
    log.roll(NOW).expect("rolled");
    put(&mut log, &[("z", Some("1"))]);
    log.roll(NOW).expect("rolled");
    pass(&mut log, None);
    assert_eq!(told(&log), "3:a=3 4:b=3 5:c=4 6:z=1", "it is not the last one any more");
}

#[test]
fn records_without_a_key_are_dropped_and_counted() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    let mut builder = keyed(&[("a", Some("1"))]);
    builder.push(NOW, None, Some(b"who"), &[]);
    // As a topic has them that was not compacted before.
    log.reconfigure(Arc::new(LogConfig { cleanup_policy: CleanupPolicy { compact: false, delete: true }, ..house.config.clone() }));
    append(&mut log, &builder.build().expect("built"));
    assert_eq!(log.cleanable(None, NOW).expect("asked"), None);
    log.reconfigure(Arc::new(house.config.clone()));
    log.roll(NOW).expect("rolled");
    let done = pass(&mut log, None);
    assert_eq!((told(&log).as_str(), done.stats.invalid_messages_read), ("0:a=1", 1));
}

#[test]
fn a_full_map_ends_the_pass_and_the_next_goes_on_there() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    for round in 0..3 {
        for key in 0..500 {
            put(&mut log, &[(&format!("k{key}"), Some(&format!("v{round}")))]);
        }
        log.roll(NOW).expect("rolled");
    }
    let buffers = CleanerConfig { dedupe_buffer_bytes: 24 * 200, load_factor: 0.5, io_buffer_bytes: 1000, ..CleanerConfig::default() };
    let mut buffers = CleanerBuffers::new(buffers);
    let mut checkpoint = None;
    let mut passes = 0;
    loop {
        let cleanable = log.cleanable(checkpoint, NOW).expect("asked").expect("compacted");
        if cleanable.dirty_bytes == 0 {
            break;
        }
        let mut with_log = |change: &mut dyn FnMut(&mut PartitionLog)| {
            change(&mut log);
            true
        };
        let done = clean_log(&cleanable, NOW, &mut buffers, &mut with_log, &mut |_| Pace::GoOn).expect("cleaned");
        assert_eq!(done.first_dirty.since(cleanable.first_dirty), 100, "half of 200 slots");
        assert!((done.stats.map_fullness - 0.5).abs() < 1e-9);
        checkpoint = Some(done.first_dirty);
        passes += 1;
    }
    assert_eq!(passes, 15);
    let expected: Vec<String> = (0..500).map(|key| format!("{}:k{key}=v2", 1000 + key)).collect();
    assert_eq!(told(&log), expected.join(" "));
}

#[test]
fn every_codec_is_kept_and_a_batch_that_does_not_open_is_left_as_it_is() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    for codec in Compression::ALL {
        let value = "x".repeat(500);
        let pairs: Vec<_> = ["a", "b", codec.name()].map(|key| (key, Some(value.as_str()))).into();
        append(&mut log, &keyed(&pairs).compression(codec, None).build().expect("built"));
    }
    let bomb = "0".repeat(100_000);
    append(&mut log, &keyed(&[("a", Some(&bomb))]).compression(Compression::Zstd, None).build().expect("built"));
    log.roll(NOW).expect("rolled");
    let cleanable = log.cleanable(None, NOW).expect("asked").expect("compacted");
    let config = CleanerConfig { dedupe_buffer_bytes: 24 * 100, decompress_limit_bytes: 10_000, ..CleanerConfig::default() };
    let mut with_log = |change: &mut dyn FnMut(&mut PartitionLog)| {
        change(&mut log);
        true
    };
    let done = clean_log(&cleanable, NOW, &mut CleanerBuffers::new(config), &mut with_log, &mut |_| Pace::GoOn).expect("cleaned");
    assert_eq!(done.stats.batches_unopened, 1);
    let told: Vec<_> = told(&log).split(' ').map(|record| record.split('=').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(told, ["2:none", "5:gzip", "8:snappy", "11:lz4", "12:a", "13:b", "14:zstd", "15:a"], "what is in the bomb is not known");
    let codecs: Vec<_> = headers(&read_all(&log)).iter().map(BatchHeader::compression_code).collect();
    assert_eq!(codecs, [0, 1, 2, 3, 4, 4]);
}

#[test]
fn a_pass_is_abandoned_when_the_log_changes_underneath() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    for _ in 0..3 {
        put(&mut log, &[("a", Some("1"))]);
        log.roll(NOW).expect("rolled");
    }
    let cleanable = log.cleanable(None, NOW).expect("asked").expect("compacted");
    let changes: [fn(&mut PartitionLog); 3] = [
        |log| assert!(log.truncate_to(Offset(2)).expect("truncated")),
        |log| log.fail("a story"),
        |log| log.reconfigure(Arc::new(LogConfig::default())),
    ];
    for change in changes {
        let (house, mut log) = {
            let house = compacted(1 << 20);
            let mut log = house.open();
            for _ in 0..3 {
                put(&mut log, &[("a", Some("1"))]);
                log.roll(NOW).expect("rolled");
            }
            (house, log)
        };
        let mut calls = 0;
        let mut with_log = |work: &mut dyn FnMut(&mut PartitionLog)| {
            calls += 1;
            // After the sync and the preparation.
            if calls == 3 {
                change(&mut log);
            }
            work(&mut log);
            true
        };
        let done = clean_log(&cleanable, NOW, &mut small_buffers(), &mut with_log, &mut |_| Pace::GoOn);
        assert!(matches!(done, Err(CleaningError::Changed)), "{done:?}");
        assert!(house.names().iter().all(|name| !name.ends_with(".cleaned") && !name.ends_with(".swap")), "{:?}", house.names());
    }
    let gone = clean_log(&cleanable, NOW, &mut small_buffers(), &mut |_| false, &mut |_| Pace::GoOn);
    assert!(matches!(gone, Err(CleaningError::Changed)));
}

#[test]
fn a_pass_that_is_told_to_stop_leaves_nothing_and_another_may_begin() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    for _ in 0..2000 {
        put(&mut log, &[("a", Some("0123456789012345678901234567890123456789"))]);
    }
    log.roll(NOW).expect("rolled");
    let cleanable = log.cleanable(None, NOW).expect("asked").expect("compacted");
    let before = log.size_bytes();
    for patience in 0..3 {
        let mut asked = 0;
        let mut with_log = |change: &mut dyn FnMut(&mut PartitionLog)| {
            change(&mut log);
            true
        };
        let mut pace = |bytes: u64| {
            assert!(bytes >= 1 << 16);
            asked += 1;
            if asked > patience { Pace::Stop } else { Pace::GoOn }
        };
        let done = clean_log(&cleanable, NOW, &mut small_buffers(), &mut with_log, &mut pace);
        assert!(matches!(done, Err(CleaningError::Stopped)), "{done:?}");
        assert_eq!(log.size_bytes(), before);
        assert!(house.names().iter().all(|name| !name.ends_with(".cleaned")), "{:?}", house.names());
    }
    pass(&mut log, None);
    assert_eq!(told(&log), "1999:a=0123456789012345678901234567890123456789");
}

#[test]
fn a_reader_that_holds_a_plan_reads_on_in_the_old_files() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    put(&mut log, &[("a", Some("1")), ("a", Some("2"))]);
    log.roll(NOW).expect("rolled");
    let plan = log.read(Offset(0), Offset(2), 10_000, true).expect("planned");
    let before = plan_bytes(&plan);
    pass(&mut log, None);
    assert_eq!(told(&log), "1:a=2");
    log.remove_deleted_files(NOW);
    log.remove_deleted_files(Millis(NOW.0 + house.config.file_delete_delay_ms));
    assert_eq!(plan_bytes(&plan), before);
    assert!(house.names().iter().all(|name| !name.ends_with(".deleted")), "{:?}", house.names());
}

#[test]
fn a_damaged_batch_ends_the_pass_with_its_place() {
    let house = compacted(1 << 20);
    let mut log = house.open();
    put(&mut log, &[("a", Some("1")), ("a", Some("2"))]);
    log.roll(NOW).expect("rolled");
    let path = house.file(0, "log");
    let mut bytes = std::fs::read(&path).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let done = pass_at(&mut log, None, NOW);
    assert!(matches!(done, Err(CleaningError::Storage(StorageError::Corrupt { position: 0, .. }))), "{done:?}");
    assert_eq!(std::fs::read(&path).expect("read"), bytes);
}

#[test]
fn cleaned_segments_are_sealed_and_need_nothing_rebuilt() {
    let house = compacted(4000);
    let mut log = house.open();
    for number in 0..400 {
        put_as(&mut log, (number % 3, 0, (number / 3) as i32), false, &[(&format!("k{}", number % 150), Some("v"))]);
    }
    let segments = log.segment_count();
    pass(&mut log, None);
    assert_eq!(log.segment_count(), segments, "all were full");
    pass(&mut log, None);
    assert!(log.segment_count() < segments);
    let before = told(&log);
    log.close(true).expect("closed");
    let log = house.open();
    for segment in &log.segments {
        assert!(!segment.load_indexes(&log.place, 100).expect("loaded"), "{} had to be rebuilt", segment.base_offset());
    }
    assert_eq!(told(&log), before);
    for offset in 0..log.log_end_offset().0 {
        let plan = log.read(Offset(offset), log.log_end_offset(), 1, true).expect("read");
        assert!(offset == log.log_end_offset().0 || plan.next_offset > Offset(offset));
    }
}
