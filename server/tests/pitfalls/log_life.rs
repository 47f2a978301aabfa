//! Retention as a client and an operator see it. The clock stands until a story moves it; the broker is asked to look.

use crate::kit::{BASE_MS, Batch, Client, FetchOne, GatedDisk, Kit};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const STORAGE_ERROR: i16 = 56;
const HOUR_MS: i64 = 3_600_000;

/// Nothing happens but what a story asks for.
const BY_HAND: &str = "log.cleaner.enable=false";

/// Segments of one batch of about 1,000 bytes, which may be of a later hour.
const SMALL: &[(&str, &str)] = &[("internal.segment.bytes", "1500"), ("message.timestamp.after.max.ms", "9223372036854775807")];

/// A batch of about 1,000 bytes, so many hours after the stories begin.
fn at_hour(hour: i64) -> Batch {
    Batch::sized(1_000).keyed(&format!("k{hour}")).at(&[hour * HOUR_MS])
}

/// A topic with a batch in each of these hours, one segment each.
fn hours(client: &mut Client, topic: &str, count: i64, configs: &[(&str, &str)]) {
    client.create(topic, 1, &[SMALL, configs].concat());
    for hour in 0..count {
        assert_eq!(client.produce(topic, 0, &at_hour(hour)), hour);
    }
}

#[test]
fn row_71_retention_by_time_follows_the_clock_and_the_topics_configuration() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    hours(&mut client, "t", 6, &[("retention.ms", &(10 * HOUR_MS).to_string())]);
    kit.clock.advance(10 * HOUR_MS);
    assert_eq!((kit.retain(), client.ends("t", 0)), (0, (0, 6)), "exactly as old as allowed");
    kit.clock.advance(1);
    assert_eq!((kit.retain(), client.ends("t", 0)), (1, (1, 6)));

    client.alter("t", &[("retention.ms", Some(&(7 * HOUR_MS).to_string()))]);
    assert_eq!((kit.retain(), client.ends("t", 0)), (3, (4, 6)), "at once");
    assert_eq!(client.fetch("t", 0, &FetchOne::from(3)).error_code, OFFSET_OUT_OF_RANGE);
    let answer = client.fetch("t", 0, &FetchOne::from(4));
    assert_eq!((answer.error_code, answer.log_start_offset), (0, 4));

    client.alter("t", &[("retention.ms", Some("-1"))]);
    kit.clock.advance(1_000 * HOUR_MS);
    assert_eq!((kit.retain(), client.ends("t", 0)), (0, (4, 6)), "for ever");
    // Without its own, the topic has the broker's seven days.
    client.alter("t", &[("retention.ms", None)]);
    assert_eq!((kit.retain(), client.ends("t", 0)), (2, (6, 6)));
    assert_eq!(client.produce("t", 0, &at_hour(1_010)), 6, "offsets go on");
    assert_eq!(client.left("t", 0).len(), 1);
}

#[test]
fn row_71_retention_by_size_goes_by_whole_segments() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    hours(&mut client, "t", 6, &[("retention.ms", "-1"), ("retention.bytes", "4000")]);
    let sizes: Vec<usize> = (0..6)
        .map(|from| client.fetch("t", 0, &FetchOne { max_bytes: 1, ..FetchOne::from(from) }).records.map_or(0, |it| it.len()))
        .collect();
    assert!(sizes.iter().all(|size| (1_000..1_200).contains(size)), "{sizes:?}");
    assert_eq!((kit.retain(), client.ends("t", 0)), (2, (2, 6)), "without the third, less than 4,000 bytes would be left");
    client.alter("t", &[("retention.bytes", Some("0"))]);
    assert_eq!((kit.retain(), client.ends("t", 0)), (4, (6, 6)));
    assert_eq!((kit.retain(), client.produce("t", 0, &at_hour(7))), (0, 6));
}

#[test]
fn row_71_the_policy_changes_while_the_topic_is_in_use_and_its_data_stay_readable() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    hours(&mut client, "t", 4, &[("retention.ms", &HOUR_MS.to_string())]);
    kit.clock.advance(100 * HOUR_MS);
    client.alter("t", &[("cleanup.policy", Some("compact"))]);
    assert_eq!((kit.retain(), client.left("t", 0).len()), (0, 4), "nothing is too old for a compacted topic");
    assert_eq!(client.try_produce("t", 0, &Batch::of(&["no key"])).error_code, 87, "and every record has a key");
    // Neither the one nor the other keeps everything.
    client.alter("t", &[("cleanup.policy", Some(""))]);
    assert_eq!((kit.retain(), client.left("t", 0).len()), (0, 4));
    assert_eq!(client.produce("t", 0, &at_hour(100)), 4);
    client.alter("t", &[("cleanup.policy", Some("compact,delete"))]);
    assert_eq!((kit.retain(), client.ends("t", 0)), (4, (4, 5)));
    client.alter("t", &[("cleanup.policy", Some("delete"))]);
    assert_eq!(client.produce("t", 0, &Batch::sized(1_000).at(&[100 * HOUR_MS])), 5, "no key");
    kit.clock.advance(2 * HOUR_MS);
    assert_eq!((kit.retain(), client.ends("t", 0)), (2, (6, 6)));
}

#[test]
fn files_of_deleted_segments_stay_for_file_delete_delay_ms() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    hours(&mut client, "t", 3, &[("retention.ms", "1"), ("file.delete.delay.ms", "5000")]);
    kit.clock.advance(10 * HOUR_MS);
    assert_eq!(kit.retain(), 3);
    assert_eq!((kit.files("t-0", ".log").len(), kit.files("t-0", ".log.deleted").len()), (1, 3));
    kit.retain();
    kit.clock.advance(4_999);
    kit.retain();
    assert_eq!(kit.files("t-0", ".log.deleted").len(), 3);
    kit.clock.advance(1);
    kit.retain();
    assert_eq!(kit.files("t-0", ".deleted"), Vec::<String>::new());
}

#[test]
fn what_retention_took_stays_away_after_a_kill() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    hours(&mut client, "t", 6, &[("retention.ms", &(3 * HOUR_MS).to_string())]);
    kit.clock.advance(5 * HOUR_MS);
    assert_eq!(kit.retain(), 2);
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!((client.ends("t", 0), client.left("t", 0).len()), ((2, 6), 4));
    assert_eq!(kit.files("t-0", ".deleted"), Vec::<String>::new(), "what was to be removed is removed at the start");
}

#[test]
fn a_log_that_fails_keeps_retention_from_no_other() {
    let disk = GatedDisk::before_names("bad");
    let kit = Kit::gated(BY_HAND, &disk);
    let mut client = kit.connect();
    let logs = ["a", "bad", "c", "d"];
    for topic in logs {
        hours(&mut client, topic, 4, &[("retention.ms", &HOUR_MS.to_string())]);
    }
    kit.clock.advance(3 * HOUR_MS);
    disk.fail();
    assert_eq!(kit.retain(), 2 * 3, "of each of the three others");
    for topic in ["a", "c", "d"] {
        assert_eq!(client.ends(topic, 0), (2, 4), "{topic}");
    }
    assert_eq!(client.list(8, "bad", 0, -1).error_code, STORAGE_ERROR, "its directory may not be what it seems");
    assert_eq!(kit.retain(), 0);
}

#[test]
fn retention_does_not_hold_a_partition_while_its_directory_is_synced() {
    let disk = GatedDisk::before_names("slow");
    let kit = Kit::gated(BY_HAND, &disk);
    let mut client = kit.connect();
    hours(&mut client, "slow", 4, &[("retention.ms", &HOUR_MS.to_string())]);
    kit.clock.advance(3 * HOUR_MS);
    disk.shut();
    std::thread::scope(|scope| {
        let retention = scope.spawn(|| kit.retain());
        disk.until_waiting(1);
        assert_eq!((client.produce("slow", 0, &at_hour(3)), client.ends("slow", 0)), (4, (0, 5)), "nobody waits");
        disk.open();
        assert_eq!(retention.join().expect("no panic"), 2);
    });
    assert_eq!(client.ends("slow", 0), (2, 5));
}

#[test]
fn a_full_disk_is_freed_by_retention() {
    use ottla_storage::disk::faulty::FaultyDisk;
    let disk = FaultyDisk::new(7);
    let kit = Kit::on_disk(BY_HAND, std::sync::Arc::new(disk.clone()));
    let mut client = kit.connect();
    hours(&mut client, "t", 6, &[("retention.ms", "1"), ("file.delete.delay.ms", "0")]);
    kit.clock.advance(100 * HOUR_MS);
    disk.limit_space(Some(disk.used_bytes()));
    assert_eq!(client.try_produce("t", 0, &at_hour(100)).error_code, STORAGE_ERROR);
    assert_eq!((kit.retain(), client.ends("t", 0)), (5, (5, 6)), "there is no room for another segment, so the newest stays");
    kit.retain();
    assert_eq!(client.produce("t", 0, &at_hour(100)), 6, "without a restart");
}

#[test]
fn segments_roll_by_the_time_between_their_records_and_only_when_one_comes() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[("segment.ms", "60000")]);
    let batch = |ms: i64| Batch::of(&["v"]).at(&[ms]);
    for ms in [0, 30_000, 60_000] {
        client.produce("t", 0, &batch(ms));
    }
    assert_eq!(kit.files("t-0", ".log").len(), 1);
    kit.clock.advance(HOUR_MS);
    kit.retain();
    assert_eq!(kit.files("t-0", ".log").len(), 1, "by itself none rolls");
    client.produce("t", 0, &batch(60_001));
    assert_eq!(kit.files("t-0", ".log").len(), 2, "by the records' time, whatever the clock says");
    client.alter("t", &[("segment.ms", Some("10000"))]);
    client.produce("t", 0, &batch(70_002));
    assert_eq!(kit.files("t-0", ".log").len(), 3, "changed while the topic is in use");
    assert_eq!(client.list(8, "t", 0, BASE_MS + 60_001).offset, 3);
}
