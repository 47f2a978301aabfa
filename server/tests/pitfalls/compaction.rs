//! Compaction as clients see it: the newest record of each key stays where it was, and all that points into the log still holds.

use crate::kit::groups::until;
use crate::kit::transactions::{TV1, TV2};
use crate::kit::{BASE_MS, Batch, Client, FetchOne, Kit, Seen, seen};
use kafka_protocol::ResponseError;
use ottla_storage::Millis;
use ottla_storage::batch::split;
use std::collections::BTreeMap;

/// Nothing happens but what a story asks for.
const BY_HAND: &str = "log.cleaner.enable=false";

/// Segments of about three small batches, compacted as soon as anything can be.
const COMPACTED: &[(&str, &str)] =
    &[("cleanup.policy", "compact"), ("internal.segment.bytes", "250"), ("min.cleanable.dirty.ratio", "0.0")];

/// One record.
fn put(client: &mut Client, topic: &str, key: &str, value: &str) -> i64 {
    client.produce(topic, 0, &Batch::of(&[value]).keyed(key))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Key, value and offset of every record that is left.
fn rows(records: &[Seen]) -> Vec<(String, String, i64)> {
    records.iter().map(|seen| (text(seen.key.as_deref().unwrap_or_default()), text(&seen.value), seen.offset)).collect()
}

/// The last record of each key.
fn last(records: &[Seen]) -> BTreeMap<String, (String, i64)> {
    rows(records).into_iter().map(|(key, value, offset)| (key, (value, offset))).collect()
}

#[test]
fn row_70_the_last_record_of_each_key_stays_and_the_ends_of_the_log_do_not_move() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, COMPACTED);
    for round in 0..10 {
        for key in ["a", "b", "c"] {
            put(&mut client, "t", key, &format!("{key}{round}"));
        }
    }
    let before = client.left("t", 0);
    assert_eq!(before.len(), 30);
    assert!(kit.compact() > 0);
    let after = client.left("t", 0);
    assert!((3..10).contains(&after.len()), "{} records, of which the active segment has up to three", after.len());
    assert_eq!(last(&after), last(&before));
    assert!(after.iter().all(|record| before.contains(&Seen { batch: before[record.offset as usize].batch, ..record.clone() })));
    assert_eq!(kit.compact(), 0, "nothing is due twice");
    assert_eq!((client.ends("t", 0), put(&mut client, "t", "a", "new")), ((0, 30), 30));
    kit.compact();
    let after = client.left("t", 0);
    assert_eq!(last(&after)["a"], ("new".to_owned(), 30));
    for kill in [true, false] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        let mut client = kit.connect();
        assert_eq!((client.ends("t", 0), client.left("t", 0)), ((0, 31), after.clone()));
        assert_eq!(kit.compact(), 0, "the checkpoint is remembered");
    }
}

#[test]
fn the_threads_compact_by_themselves() {
    let kit = Kit::with("log.cleaner.backoff.ms=1\nlog.cleaner.threads=2");
    let mut client = kit.connect();
    for topic in ["t", "u"] {
        client.create(topic, 1, COMPACTED);
        for round in 0..10 {
            put(&mut client, topic, "k", &format!("{round}"));
        }
    }
    for topic in ["t", "u"] {
        let left = until(|| client.left(topic, 0), |left| left.len() <= 4);
        assert_eq!(last(&left), BTreeMap::from([("k".to_owned(), ("9".to_owned(), 9))]));
    }
    // A topic may be deleted whatever its cleaner does, and its name be used again.
    client.delete("t");
    client.create("t", 1, COMPACTED);
    assert_eq!(put(&mut client, "t", "k", "new"), 0);
}

#[test]
fn row_92_offsets_and_times_are_found_over_the_gaps_that_compaction_leaves() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, COMPACTED);
    // Offset and time count alike. What is overwritten later is gone afterwards: a whole batch, the beginning, middle and end of others.
    let batches: [&[(&str, i64)]; 7] = [
        &[("a", 0), ("b", 1), ("c", 2)],
        &[("a", 3), ("b", 4)],
        &[("d", 5), ("a", 6), ("e", 7)],
        &[("f", 8), ("b", 9)],
        &[("g", 10), ("f", 11), ("d", 12)],
        &[("z", 13), ("z", 14), ("z", 15)],
        &[("z", 16), ("y", 17)],
    ];
    for batch in batches {
        client.produce("t", 0, &Batch::pairs(batch.iter().map(|(key, at)| (*key, format!("{key}{at}"), *at))));
    }
    assert!(kit.compact() > 0);
    let left: Vec<i64> = client.left("t", 0).iter().map(|record| record.offset).collect();
    let newest = [2, 6, 7, 9, 10, 11, 12];
    assert_eq!(left[..7], newest, "{left:?}");
    let end = 18;
    for how in ["at once", "after a kill", "after a stop"] {
        match how {
            "after a kill" => kit.kill_and_restart(),
            "after a stop" => kit.restart(),
            _ => {}
        }
        let mut client = kit.connect();
        assert_eq!(client.ends("t", 0), (0, end), "{how}: the ends count what was, not what is left");
        for from in 0..end {
            let next = left.iter().copied().find(|offset| *offset >= from).expect("the last record stays");
            let at_time = client.list(8, "t", 0, BASE_MS + from);
            assert_eq!((at_time.offset, at_time.timestamp), (next, BASE_MS + next), "{how}: time {from}");
            let answer = client.fetch("t", 0, &FetchOne { max_bytes: 1, ..FetchOne::from(from) });
            assert_eq!((answer.error_code, answer.high_watermark, answer.last_stable_offset), (0, end, end), "{how}: {from}");
            // A client drops what lies before its position, and asks again behind a batch without records for it.
            let mut records = seen(&answer.records.expect("a batch"));
            records.retain(|record| record.offset >= from);
            let first = records.first().map(|record| record.offset);
            assert!(first.is_none_or(|first| first == next), "{how}: {from} leads to {first:?}, not {next}");
            assert_eq!(read_from(&mut client, from), left[left.partition_point(|offset| *offset < from)..], "{how}: {from}");
        }
        let latest = client.list(8, "t", 0, -3);
        assert_eq!((latest.offset, latest.timestamp), (17, BASE_MS + 17), "{how}");
        assert_eq!(client.list(8, "t", 0, BASE_MS + end).offset, -1, "{how}");
        assert_eq!(client.fetch("t", 0, &FetchOne::from(end + 1)).error_code, 1, "{how}");
    }
}

/// The offsets that a consumer sees from this position on: behind each batch it goes on where the batch ends.
fn read_from(client: &mut Client, from: i64) -> Vec<i64> {
    let (mut position, end) = (from, client.ends("t", 0).1);
    let mut offsets = Vec::new();
    while position < end {
        let bytes = client.fetch("t", 0, &FetchOne { max_bytes: 1, ..FetchOne::from(position) }).records.expect("never null");
        let last = split(&bytes).map_while(Result::ok).last().expect("a batch");
        offsets.extend(seen(&bytes).iter().map(|record| record.offset).filter(|offset| *offset >= position));
        position = last.header.last_offset().0 + 1;
    }
    offsets
}

#[test]
fn row_70_read_committed_sees_the_same_records_before_and_after() {
    let mut kit = Kit::with(&format!("{BY_HAND}\ntransaction.state.log.num.partitions=1"));
    let mut client = kit.connect();
    client.create("t", 1, COMPACTED);
    let mut sequence = 0;
    for produce in [TV1, TV2] {
        let mut producer = client.transactor(&format!("x{produce}"), produce);
        for round in 0..12_i64 {
            let batch = Batch::pairs([("a", format!("a{round}"), round), ("b", format!("b{round}"), round)]);
            let batch = batch.by(producer.pid, producer.epoch, sequence).transactional();
            if produce == TV1 {
                assert_eq!(client.add_partition(&producer, "t", 0), 0);
            }
            assert_eq!(client.try_transact(&producer, "t", 0, &batch).error_code, 0, "{produce} {round}");
            client.end(&mut producer, round % 3 != 1);
            sequence = if produce == TV1 { sequence + 2 } else { 0 };
        }
        sequence = 0;
    }
    let open = client.transactor("open", TV1);
    client.add_partition(&open, "t", 0);
    let batch = Batch::of(&["never decided"]).keyed("c").by(open.pid, open.epoch, 0).transactional();
    assert_eq!(client.try_transact(&open, "t", 0, &batch).error_code, 0);
    let before = committed(&mut client);
    assert_eq!((before["a"].0.as_str(), before.len()), ("a11", 2));
    for pass in 0..4 {
        put(&mut client, "t", "plain", &format!("{pass}"));
        // Markers are kept for a while, and then go; what is open times out.
        kit.clock.advance(25 * 60 * 60 * 1000);
        kit.compact();
        let ends = client.ends("t", 0);
        assert_eq!(committed(&mut client), before, "pass {pass}");
        if pass == 1 {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        client = kit.connect();
        assert_eq!((committed(&mut client), client.ends("t", 0)), (before.clone(), ends), "pass {pass}, after a restart");
    }
}

/// The last committed record of each key but `plain`, as a consumer makes it out with the aborted transactions of the answer.
fn committed(client: &mut Client) -> BTreeMap<String, (String, i64)> {
    let mut position = 0;
    let mut newest = BTreeMap::new();
    loop {
        let answer = client.fetch_committed("t", 0, &FetchOne::from(position));
        assert_eq!(answer.error_code, 0);
        let bytes = answer.records.expect("never null");
        let Some(end) = split(&bytes).map_while(Result::ok).last() else {
            newest.remove("plain");
            return newest;
        };
        let mut aborted = answer.aborted_transactions.unwrap_or_default();
        aborted.sort_by_key(|one| -one.first_offset);
        let mut open = Vec::new();
        for batch in split(&bytes).map_while(Result::ok) {
            while aborted.last().is_some_and(|one| one.first_offset <= batch.header.last_offset().0) {
                open.push(aborted.pop().expect("there is one").producer_id.0);
            }
            let producer = batch.header.producer_id().0;
            if batch.header.is_control() {
                open.retain(|id| *id != producer);
            } else if !(batch.header.is_transactional() && open.contains(&producer)) {
                newest.extend(last(&seen(batch.bytes)));
            }
        }
        position = end.header.last_offset().0 + 1;
    }
}

#[test]
fn a_tombstone_is_seen_for_delete_retention_ms_and_goes_then() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[COMPACTED, &[("delete.retention.ms", "1000")]].concat());
    put(&mut client, "t", "k", "v");
    client.produce("t", 0, &Batch::tombstone("k"));
    let fill = |client: &mut Client| drop((0..4).map(|at| put(client, "t", "filler", &format!("{at}"))).collect::<Vec<_>>());
    let of_k = |client: &mut Client| -> Vec<i64> {
        client.left("t", 0).iter().filter(|record| record.key.as_deref() == Some(b"k")).map(|record| record.offset).collect()
    };
    fill(&mut client);
    assert!(kit.compact() > 0);
    assert_eq!(of_k(&mut client), [1], "the value is gone, its end is told");
    kit.clock.advance(999);
    fill(&mut client);
    assert!(kit.compact() > 0);
    assert_eq!(of_k(&mut client), [1]);
    // How long it stays was decided when it was first cleaned.
    client.alter("t", &[("delete.retention.ms", Some("1000000"))]);
    kit.clock.advance(1);
    fill(&mut client);
    assert!(kit.compact() > 0);
    assert_eq!(of_k(&mut client), Vec::<i64>::new());
}

#[test]
fn how_dirty_and_how_old_a_log_may_become_is_the_topics_affair_and_changes_at_once() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[("cleanup.policy", "compact"), ("internal.segment.bytes", "250"), ("min.compaction.lag.ms", "60000")]);
    let fill = |client: &mut Client| drop((0..10).map(|at| put(client, "t", "k", &format!("{at}"))).collect::<Vec<_>>());
    fill(&mut client);
    assert_eq!(kit.compact(), 0, "too young");
    kit.clock.advance(60_000);
    assert_eq!(kit.compact(), 1, "all of it is dirty");
    client.alter("t", &[("min.compaction.lag.ms", None), ("min.cleanable.dirty.ratio", Some("1.0"))]);
    fill(&mut client);
    assert_eq!(kit.compact(), 0, "never that dirty");
    client.alter("t", &[("max.compaction.lag.ms", Some("1000"))]);
    assert_eq!(kit.compact(), 1, "its records are a minute old by now");
    client.alter("t", &[("max.compaction.lag.ms", None)]);
    fill(&mut client);
    // What the topic does not say the broker does, and that may change too.
    client.alter("t", &[("min.cleanable.dirty.ratio", None)]);
    client.alter_brokers(&[("log.cleaner.min.cleanable.ratio", Some("1.0"))]);
    assert_eq!(kit.compact(), 0);
    client.alter_brokers(&[("log.cleaner.min.cleanable.ratio", None)]);
    assert_eq!(kit.compact(), 1);
    client.alter("t", &[("cleanup.policy", Some("delete"))]);
    fill(&mut client);
    assert_eq!(kit.compact(), 0, "not compacted any more");
}

#[test]
fn compact_and_delete_does_both() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, &[COMPACTED, &[("retention.ms", "10000")]].concat());
    client.alter("t", &[("cleanup.policy", Some("compact,delete"))]);
    for at in 0..10 {
        client.produce("t", 0, &Batch::pairs([("k", format!("{at}"), 0), (&format!("once{at}"), String::new(), 0)]));
    }
    assert!(kit.compact() > 0);
    let left = client.left("t", 0);
    assert!(left.len() < 16, "{} of 20", left.len());
    assert_eq!(client.ends("t", 0), (0, 20), "nothing is old");
    kit.clock.advance(10_001);
    kit.compact();
    assert_eq!((client.ends("t", 0), client.left("t", 0)), ((20, 20), vec![]), "the same chore deletes what is too old");
    // And what a client deletes.
    client.produce("t", 0, &Batch::of(&["new"]).keyed("k").at(&[10_001]));
    assert_eq!(client.try_delete_records("t", 0, -1), Ok(21));
    kit.compact();
    assert_eq!(client.ends("t", 0), (21, 21));
}

#[test]
fn a_log_that_cannot_be_cleaned_keeps_the_cleaner_from_no_other() {
    let mut kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    for topic in ["bad", "good"] {
        client.create(topic, 1, COMPACTED);
        for at in 0..20 {
            put(&mut client, topic, "k", &format!("{at}"));
        }
    }
    kit.stop();
    let damaged = kit.data().join("bad-0").join(&kit.files("bad-0", ".log")[2]);
    let mut bytes = std::fs::read(&damaged).expect("a segment");
    bytes[70] ^= 1;
    std::fs::write(&damaged, bytes).expect("written");
    kit.try_start().expect("a broker");
    let mut client = kit.connect();
    kit.compact();
    assert!(client.left("good", 0).len() <= 4);
    assert_eq!(kit.compact(), 0, "it is not tried again and again");
    assert_eq!(put(&mut client, "bad", "k", "new"), 20, "and goes on in all else");
    assert_eq!(client.ends("bad", 0), (0, 21));
    assert_eq!(client.fetch("bad", 0, &FetchOne::from(20)).error_code, 0);
    // With the topic goes what was known of it.
    client.delete("bad");
    client.create("bad", 1, COMPACTED);
    for at in 0..20 {
        put(&mut client, "bad", "k", &format!("{at}"));
    }
    assert_eq!(kit.compact(), 1);
}

#[test]
fn nobody_waits_for_a_slow_cleaner_neither_deletion_nor_stop() {
    // A byte a second: no pass ever ends.
    let mut kit = Kit::with("log.cleaner.io.max.bytes.per.second=1\nlog.cleaner.backoff.ms=1");
    let mut client = kit.connect();
    for topic in ["gone", "stays"] {
        client.create(topic, 1, &[("internal.segment.bytes", "30000")]);
        for _ in 0..20 {
            client.produce(topic, 0, &Batch::sized(10_000).keyed("k"));
        }
        client.alter(topic, &[("cleanup.policy", Some("compact"))]);
        // There is one thread: the first topic has it until it is deleted.
        let partition = kit.broker().node().partition_by_name(topic, 0).expect("it is here");
        let look = |client: &mut Client| (client.ends(topic, 0), partition.cleanable(None, Millis(BASE_MS)).expect("readable"));
        until(|| look(&mut client), |(_, cleanable)| cleanable.is_none());
        assert_eq!((put(&mut client, topic, "k", "new"), client.left(topic, 0).len()), (20, 21), "clients notice nothing");
        if topic == "gone" {
            client.delete("gone");
        }
    }
    kit.stop();
    kit.try_start().expect("a broker");
    let offsets: Vec<i64> = kit.connect().left("stays", 0).iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..21).collect::<Vec<_>>(), "nothing of the pass is to be seen");
    let left = kit.files("stays-0", ".cleaned");
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_compacted_topic_takes_only_records_with_keys() {
    let kit = Kit::with(BY_HAND);
    let mut client = kit.connect();
    client.create("t", 1, COMPACTED);
    let answer = client.try_produce("t", 0, &Batch::of(&["no key"]));
    assert_eq!(answer.error_code, ResponseError::InvalidRecord.code());
    assert_eq!(answer.record_errors.len(), 1);
}
