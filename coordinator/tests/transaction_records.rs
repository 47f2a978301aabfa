//! The records of `__transaction_state` against bytes that Apache Kafka's own classes wrote (see `golden/README.md`), against
//! themselves, and against bytes that are no records.

use ottla_coordinator::txn::{
    Partitions, ProducerIdAndEpoch, Transaction, TransactionRecord, TransactionState, TransactionVersion, TransactionalId,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::sync::Arc;

#[path = "support/hostile.rs"]
mod hostile;

type Encoded = (Vec<u8>, Option<Vec<u8>>);

fn unhex(text: &str) -> Vec<u8> {
    let nibble = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}

fn golden() -> BTreeMap<&'static str, Encoded> {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("label, key and value");
        let (label, key, value) = (word(), word(), word());
        (label, (unhex(key), (value != "-").then(|| unhex(value))))
    };
    include_str!("golden/transaction_records.hex").lines().map(line).collect()
}

fn partitions() -> Partitions {
    [("a", [0, 3].as_slice()), ("b", &[7])].map(|(topic, ids)| (Arc::from(topic), ids.iter().copied().collect())).into()
}

fn record(id: &str, value: Transaction, cluster_version: i16) -> TransactionRecord {
    TransactionRecord { transactional_id: id.into(), value: Some(value), cluster_version: TransactionVersion(cluster_version) }
}

/// What Kafka wrote in a state on a cluster of a `transaction.version`.
fn written(state: TransactionState, cluster_version: i16) -> TransactionRecord {
    let id = 1_234_567_890_123;
    let is_empty = state == TransactionState::Empty;
    let value = Transaction {
        producer: ProducerIdAndEpoch { id, epoch: 5 },
        previous_producer_id: if cluster_version >= 1 { id } else { -1 },
        next_producer_id: -1,
        last_epoch: -1,
        timeout_ms: 60_000,
        state,
        partitions: if state == TransactionState::Ongoing || state.is_prepared() { partitions() } else { Partitions::new() },
        start_ms: if is_empty { -1 } else { 1_000 },
        last_update_ms: 2_000,
        client_version: TransactionVersion(if cluster_version >= 2 && !is_empty { 2 } else { 0 }),
    };
    record("payments", value, cluster_version)
}

fn rotating(cluster_version: i16) -> TransactionRecord {
    let value = Transaction {
        producer: ProducerIdAndEpoch { id: 7, epoch: i16::MAX },
        previous_producer_id: 6,
        next_producer_id: 8,
        last_epoch: -1,
        timeout_ms: i32::MAX,
        state: TransactionState::PrepareCommit,
        partitions: partitions(),
        start_ms: 1_000,
        last_update_ms: 2_000,
        client_version: TransactionVersion(2),
    };
    record("payments-é", value, cluster_version)
}

/// Labels of records that Kafka would write just so, and the records.
fn as_kafka_writes() -> Vec<(String, TransactionRecord)> {
    let states = TransactionState::ALL.into_iter().flat_map(|state| (0..=2).map(move |version| (state, version)));
    let mut all: Vec<_> = states.map(|(state, version)| (format!("{}-tv{version}", state.name()), written(state, version))).collect();
    all.extend([1, 2].map(|version| (format!("rotating-tv{version}"), rotating(version))));
    let gone = TransactionRecord { value: None, ..written(TransactionState::Empty, 0) };
    all.push(("tombstone".to_owned(), gone));
    all
}

/// Labels of records that Kafka may read, and what they say.
fn as_kafka_reads() -> Vec<(String, TransactionRecord)> {
    let bare = |state| Transaction {
        producer: ProducerIdAndEpoch { id: 1, epoch: 2 },
        previous_producer_id: -1,
        next_producer_id: -1,
        last_epoch: -1,
        timeout_ms: 3,
        state,
        partitions: Partitions::new(),
        start_ms: 5,
        last_update_ms: 4,
        client_version: TransactionVersion(0),
    };
    let mut all = Vec::new();
    for version in 0..=1 {
        all.push((format!("bare-v{version}"), record("", bare(TransactionState::CompleteAbort), version)));
        all.push((format!("empty-with-partitions-v{version}"), record("", bare(TransactionState::Empty), version)));
    }
    let zero = Transaction {
        producer: ProducerIdAndEpoch { id: 1, epoch: 0 },
        timeout_ms: 0,
        start_ms: 0,
        last_update_ms: 0,
        ..bare(TransactionState::Empty)
    };
    all.push(("future-tags-v1".to_owned(), record("", zero, 1)));
    all
}

/// A record as it is read: the cluster's version shows in the value's, which is 0 or 1.
fn as_read(record: &TransactionRecord) -> TransactionRecord {
    let version = if record.value.is_some() { record.cluster_version.0.min(1) } else { 0 };
    TransactionRecord { cluster_version: TransactionVersion(version), ..record.clone() }
}

#[test]
fn every_record_is_written_byte_for_byte_as_kafka_writes_it() {
    let golden = golden();
    for (label, record) in as_kafka_writes() {
        assert_eq!(record.encode().as_ref(), Ok(&golden[&*label]), "{label}");
    }
}

#[test]
fn every_record_of_kafka_is_read() {
    let golden = golden();
    let expected: Vec<_> = as_kafka_writes().into_iter().chain(as_kafka_reads()).collect();
    assert_eq!(expected.len(), golden.len(), "each golden line is looked at");
    for (label, record) in expected {
        let (key, value) = &golden[&*label];
        assert_eq!(TransactionRecord::decode(key, value.as_deref()), Ok(Some(as_read(&record))), "{label}");
    }
}

#[test]
fn versions_from_the_future_are_kept_out_of_all_state() {
    for (label, (key, value)) in golden() {
        for version in [-1_i16, 1, 2, i16::MAX] {
            let newer = [&version.to_be_bytes()[..], &key[2..]].concat();
            assert_eq!(TransactionRecord::decode(&newer, value.as_deref()), Ok(None), "{label}: key {version}");
        }
        let Some(value) = value else { continue };
        for version in [-1_i16, 2, i16::MAX] {
            let newer = [&version.to_be_bytes()[..], &value[2..]].concat();
            assert_eq!(TransactionRecord::decode(&key, Some(&newer)), Ok(None), "{label}: value {version}");
        }
    }
}

#[test]
fn a_state_that_no_log_has_is_refused() {
    const STATE_AT: usize = 2 + 8 + 2 + 4;
    let (key, value) = &golden()["Ongoing-tv2"];
    for state in [-1_i8, 6, 7, 8, i8::MAX] {
        let mut value = value.clone().expect("a value");
        value[STATE_AT] = state.to_be_bytes()[0];
        assert!(TransactionRecord::decode(key, Some(&value)).is_err(), "{state}");
    }
}

#[test]
fn a_record_cut_short_anywhere_is_refused() {
    for (label, (key, value)) in golden() {
        for cut in 0..key.len() {
            assert!(TransactionRecord::decode(&key[..cut], value.as_deref()).is_err(), "{label}: key cut at {cut}");
        }
        let Some(value) = value else { continue };
        for cut in 0..value.len() {
            assert!(TransactionRecord::decode(&key, Some(&value[..cut])).is_err(), "{label}: value cut at {cut}");
        }
        let grown = [&value[..], &[0xff; 3]].concat();
        let read = TransactionRecord::decode(&key, Some(&value));
        assert_eq!(TransactionRecord::decode(&key, Some(&grown)), read, "{label}: Kafka ignores what follows");
    }
}

#[test]
fn a_length_beyond_the_bytes_is_refused_without_setting_memory_aside() {
    // Every place where a length can stand gets the largest ones of each form; a reader that believed one of them would abort.
    for (key, value) in golden().into_values() {
        for (bytes, is_key) in [(Some(key.clone()), true), (value.clone(), false)] {
            let Some(bytes) = bytes else { continue };
            for at in 2..bytes.len() {
                for giant in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff, 0xff, 0xff], &[0x7f, 0xff]] {
                    let hostile = [&bytes[..at], giant, &bytes[at..]].concat();
                    let (key, value) = if is_key { (&hostile, value.as_deref()) } else { (&key, Some(&hostile[..])) };
                    let _ = TransactionRecord::decode(key, value);
                }
            }
        }
    }
}

#[test]
fn a_name_that_no_record_can_hold_is_refused_before_it_reaches_the_log() {
    let long: String = "x".repeat(32_768);
    let mut longest = written(TransactionState::Ongoing, 2);
    longest.transactional_id = long[1..].into();
    assert!(longest.encode().is_ok());
    let too_long = TransactionRecord { transactional_id: long[..].into(), ..longest.clone() };
    assert!(too_long.encode().is_err());
    longest.value.as_mut().expect("a value").partitions.insert(long.into(), [0].into());
    assert!(longest.encode().is_err());
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![3 => "[a-zé]{0,6}", 1 => "[a-z]{120,140}"].prop_map(Arc::from)
}

fn any_record() -> impl Strategy<Value = TransactionRecord> {
    let ids = (any::<i64>(), any::<i16>(), any::<i64>(), any::<i64>());
    let partitions = btree_map(text(), btree_set(any::<i32>(), 0..4), 0..4);
    let rest = (any::<i32>(), select(&TransactionState::ALL[..]), partitions, any::<i64>(), any::<i64>(), any::<i16>());
    let value = (ids, rest).prop_map(|((id, epoch, previous, next), (timeout_ms, state, partitions, start_ms, last_update_ms, client))| {
        Transaction {
            producer: ProducerIdAndEpoch { id, epoch },
            previous_producer_id: previous,
            next_producer_id: next,
            last_epoch: -1,
            timeout_ms,
            state,
            partitions: if state == TransactionState::Empty { Partitions::new() } else { partitions },
            start_ms,
            last_update_ms,
            client_version: TransactionVersion(client),
        }
    });
    (text(), option::of(value)).prop_map(|(id, value)| {
        let cluster_version = TransactionVersion(i16::from(value.is_some()));
        TransactionRecord { transactional_id: TransactionalId(id), value, cluster_version }
    })
}

proptest! {
    #[test]
    fn any_record_survives_its_bytes(record in any_record()) {
        let (key, value) = record.encode().expect("short names");
        prop_assert_eq!(TransactionRecord::decode(&key, value.as_deref()), Ok(Some(record)));
    }

    #[test]
    fn any_bytes_are_a_log_to_start_on(data in vec(any::<u8>(), 0..400)) {
        hostile::transaction_log(&data);
    }

    #[test]
    fn damaged_records_are_a_log_to_start_on(records in vec(any_record(), 1..6), damage in vec((any::<usize>(), any::<u8>()), 0..4)) {
        let mut log = Vec::new();
        for record in records {
            let (key, value) = record.encode().expect("short names");
            for part in [Some(key), value] {
                match part {
                    Some(bytes) if bytes.len() < 255 => {
                        log.push(bytes.len() as u8);
                        log.extend(bytes);
                    }
                    _ => log.push(255),
                }
            }
        }
        for (at, byte) in damage {
            let at = at % log.len();
            log[at] = byte;
        }
        hostile::transaction_log(&log);
    }
}
