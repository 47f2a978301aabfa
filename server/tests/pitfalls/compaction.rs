//! Compaction as clients see it: the newest record of each key stays where it was, and all that points into the log still holds.

use crate::kit::groups::until;
use crate::kit::{Batch, Client, Kit, Seen};
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
