//! Rows 32, 33 and 64 to 67: what transactions write, and what readers see of it.

use crate::kit::groups::until;
use crate::kit::transactions::{TV1, TV2, Transactor};
use crate::kit::{Batch, Client, FetchOne, GatedDisk, Kit, Seen, seen};
use bytes::Buf;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ProduceRequest;
use ottla_server::stuck::stuck;
use std::collections::BTreeSet;

/// The place of transactions is made quickly.
const SMALL: &str = "transaction.state.log.num.partitions=2";
const BOTH: [i16; 2] = [TV1, TV2];

fn code(error: ResponseError) -> i16 {
    error.code()
}

/// A broker with a topic `t` of two partitions.
fn story(properties: &str) -> (Kit, Client) {
    let kit = Kit::with(&format!("{SMALL}\n{properties}"));
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    (kit, client)
}

/// High watermark and last stable offset.
fn offsets(client: &mut Client, partition: i32) -> (i64, i64) {
    let answer = client.fetch("t", partition, &FetchOne::from(0));
    assert_eq!(answer.error_code, 0);
    (answer.high_watermark, answer.last_stable_offset)
}

fn text(record: &Seen) -> String {
    String::from_utf8(record.value.clone()).expect("text")
}

/// What a consumer with read_committed hands to its user, as clients filter it: from the aborted list and the markers.
fn committed(client: &mut Client, partition: i32) -> Vec<String> {
    let (mut values, mut from) = (Vec::new(), 0);
    loop {
        let answer = client.fetch_committed("t", partition, &FetchOne::from(from));
        assert_eq!(answer.error_code, 0);
        let mut aborted: Vec<_> = answer.aborted_transactions.expect("always there").into_iter().collect();
        assert!(aborted.is_sorted_by_key(|aborted| aborted.first_offset), "clients read the list from the front");
        aborted.reverse();
        let records = seen(&answer.records.expect("never null"));
        let Some(last) = records.last() else { return values };
        from = last.offset + 1;
        let mut silenced = BTreeSet::new();
        for record in &records {
            while aborted.last().is_some_and(|next| next.first_offset <= record.offset) {
                silenced.extend(aborted.pop().map(|next| next.producer_id.0));
            }
            let by = record.batch.producer_id().0;
            if record.batch.is_control() {
                silenced.remove(&by);
            } else if !(record.batch.is_transactional() && silenced.contains(&by)) {
                values.push(text(record));
            }
        }
    }
}

#[test]
fn row_64_readers_of_committed_records_see_nothing_from_the_first_open_transaction_on() {
    for version in BOTH {
        let (_kit, mut client) = story("");
        let (mut a, mut b) = (client.transactor("a", version), client.transactor("b", version));
        client.produce("t", 0, &Batch::of(&["plain"]));
        assert_eq!(client.transact(&a, "t", 0, 0, &["a0"]), 1);
        assert_eq!(client.transact(&b, "t", 0, 0, &["b0"]), 2);
        assert_eq!(offsets(&mut client, 0), (3, 1));
        assert_eq!(committed(&mut client, 0), ["plain"]);
        assert_eq!(client.fetch_committed("t", 0, &FetchOne::from(2)).records.as_deref(), Some(&[][..]));
        client.end(&mut b, true);
        assert_eq!(offsets(&mut client, 0), (4, 1), "the other one is open still");
        assert_eq!(client.transact(&a, "t", 0, 1, &["a1"]), 4);
        client.end(&mut a, true);
        assert_eq!(offsets(&mut client, 0), (6, 6));
        assert_eq!(committed(&mut client, 0), ["plain", "a0", "b0", "a1"]);
    }
}

#[test]
fn row_64_aborted_transactions_are_told_by_first_offset_and_only_to_those_who_ask() {
    for version in BOTH {
        let (mut kit, mut client) = story("");
        let names = ["a", "b", "c"];
        let mut all: Vec<Transactor> = names.iter().map(|id| client.transactor(id, version)).collect();
        for (producer, value) in all.iter().zip(names) {
            client.transact(producer, "t", 0, 0, &[value]);
        }
        // They end in another order than they began: the index on disk has them by the end.
        for (at, commit) in [(2, false), (1, true), (0, false)] {
            client.end(&mut all[at], commit);
        }
        for _ in 0..2 {
            let answer = client.fetch_committed("t", 0, &FetchOne::from(0));
            let told = answer.aborted_transactions.expect("a list").into_iter().map(|aborted| aborted.first_offset);
            assert_eq!(told.collect::<Vec<_>>(), [0, 2]);
            let after = client.fetch_committed("t", 0, &FetchOne::from(3)).aborted_transactions.expect("a list");
            assert_eq!(after.iter().map(|aborted| aborted.first_offset).collect::<Vec<_>>(), [0, 2], "their markers lie ahead");
            let after = client.fetch_committed("t", 0, &FetchOne::from(4)).aborted_transactions.expect("a list");
            assert_eq!(after.iter().map(|aborted| aborted.first_offset).collect::<Vec<_>>(), [0]);
            assert_eq!(client.fetch("t", 0, &FetchOne::from(0)).aborted_transactions, None);
            assert_eq!(committed(&mut client, 0), ["b"]);
            kit.kill_and_restart();
            client = kit.connect();
        }
    }
}

#[test]
fn row_65_readers_of_uncommitted_records_get_what_was_aborted_and_what_is_open() {
    for version in BOTH {
        let (_kit, mut client) = story("");
        let (mut a, b) = (client.transactor("a", version), client.transactor("b", version));
        client.transact(&a, "t", 0, 0, &["aborted"]);
        client.end(&mut a, false);
        client.transact(&b, "t", 0, 0, &["open"]);
        let data: Vec<_> = client.read("t", 0).iter().filter(|record| !record.batch.is_control()).map(text).collect();
        assert_eq!(data, ["aborted", "open"]);
        assert_eq!(committed(&mut client, 0), [""; 0]);
    }
}

#[test]
fn row_66_markers_have_an_offset_and_say_who_ended_what() {
    for version in BOTH {
        let (_kit, mut client) = story("");
        let mut producer = client.transactor("a", version);
        for (round, commit) in [(0, true), (1, false)] {
            let first = client.transact(&producer, "t", 0, if version == TV1 { round } else { 0 }, &["v"]);
            assert_eq!(first, i64::from(round) * 2);
            let before = producer.clone();
            client.end(&mut producer, commit);
            let marker = client.read("t", 0).pop().expect("a marker");
            assert_eq!(marker.offset, first + 1);
            assert!(marker.batch.is_control() && marker.batch.is_transactional());
            assert_eq!(marker.batch.producer_id().0, before.pid);
            let raised = i16::from(version == TV2);
            assert_eq!(marker.batch.producer_epoch().0, before.epoch + raised, "from version 2 on the marker's epoch is the next one");
            assert_eq!(marker.batch.base_sequence().0, -1);
            let mut key = marker.key.as_deref().expect("a key");
            assert_eq!((key.get_i16(), key.get_i16()), (0, i16::from(commit)), "version and type");
            let mut value = &marker.value[..];
            assert_eq!((value.get_i16(), value.get_i32()), (0, 0), "version and coordinator epoch");
        }
    }
}

#[test]
fn row_67_a_marker_goes_into_the_log_that_is_there_when_it_is_written() {
    for version in BOTH {
        let (_kit, mut client) = story("");
        let mut producer = client.transactor("a", version);
        client.transact(&producer, "t", 0, 0, &["gone"]);
        client.transact(&producer, "t", 1, 0, &["gone"]);
        client.delete("t");
        client.create("t", 1, &[]);
        client.produce("t", 0, &Batch::of(&["new"]));
        client.end(&mut producer, true);
        // Kafka's coordinator knows topics by name: the new log gets a marker that ends nothing, as there.
        assert_eq!(committed(&mut client, 0), ["new"]);
        let (high_watermark, last_stable) = offsets(&mut client, 0);
        assert_eq!(high_watermark, last_stable);
        client.transact(&producer, "t", 0, 0, &["next"]);
        client.end(&mut producer, true);
        assert_eq!(committed(&mut client, 0), ["new", "next"]);
    }
}

#[test]
fn row_64_an_open_transaction_outlives_a_kill_and_is_ended_by_its_marker() {
    for (version, commit) in [(TV1, true), (TV1, false), (TV2, true), (TV2, false)] {
        let (mut kit, mut client) = story("");
        let mut producer = client.transactor("a", version);
        client.transact(&producer, "t", 0, 0, &["a0"]);
        client.transact(&producer, "t", 1, 0, &["a1"]);
        client.produce("t", 0, &Batch::of(&["plain"]));
        for kill in [true, false, true] {
            if kill {
                kit.kill_and_restart();
            } else {
                kit.restart();
            }
            client = kit.connect();
            assert_eq!(offsets(&mut client, 0), (2, 0));
            assert_eq!(offsets(&mut client, 1), (1, 0));
        }
        let again = client.try_transact(&producer, "t", 0, &producer.batch(0, &["a0"]));
        assert_eq!((again.error_code, again.base_offset), (0, 0), "a duplicate");
        assert_eq!(client.try_transact(&producer, "t", 0, &producer.batch(1, &["a2"])).base_offset, 2, "open: nobody is asked");
        client.end(&mut producer, commit);
        assert_eq!(offsets(&mut client, 0), (4, 4));
        assert_eq!(offsets(&mut client, 1), (2, 2));
        let left = if commit { vec!["a0", "plain", "a2"] } else { vec!["plain"] };
        assert_eq!(committed(&mut client, 0), left);
        kit.kill_and_restart();
        assert_eq!(committed(&mut kit.connect(), 0), left);
    }
}

/// What the log of a partition has: values, and markers as the word for their kind.
fn log_of(client: &mut Client, topic: &str) -> Vec<String> {
    let word = |record: &Seen| match record.key.as_deref() {
        Some([_, _, 0, commit]) if record.batch.is_control() => ["ABORT", "COMMIT"][usize::from(*commit)].to_owned(),
        _ => text(record),
    };
    client.read(topic, 0).iter().map(word).collect()
}

// Row 58 in the log: what was decided is told again after a restart, and to be told twice does no harm.
#[test]
fn row_66_a_marker_that_is_not_committed_frees_nobody_and_is_written_again_after_a_kill() {
    for (version, commit) in [(TV1, true), (TV1, false), (TV2, true), (TV2, false)] {
        let disk = GatedDisk::before("slow");
        let kit = Kit::gated(SMALL, &disk);
        let (mut client, mut other) = (kit.connect(), kit.connect());
        client.create("slow", 1, &[("flush.messages", "1")]);
        let mut producer = client.transactor("a", version);
        client.transact(&producer, "slow", 0, 0, &["v"]);
        disk.shut();
        client.send_end(&producer, commit);
        disk.until_waiting(1);
        let answer = other.fetch("slow", 0, &FetchOne::from(0));
        assert_eq!((answer.high_watermark, answer.last_stable_offset), (1, 0), "the marker is in the log, and not committed");
        let rows = stuck(kit.broker().node(), 10).rows;
        assert_eq!((rows.len(), rows[0].marker_offset, rows[0].is_hanging), (1, Some(1), false));

        let mut later = kit.image();
        later.try_start().expect("a broker");
        let mut client = later.connect();
        let before = producer.clone();
        client.end(&mut producer, commit);
        let word = if commit { "COMMIT" } else { "ABORT" };
        assert_eq!(log_of(&mut client, "slow"), ["v", word, word]);
        let answer = client.fetch_committed("slow", 0, &FetchOne::from(0));
        assert_eq!((answer.high_watermark, answer.last_stable_offset), (3, 3));
        let aborted: Vec<_> =
            answer.aborted_transactions.expect("a list").iter().map(|one| (one.producer_id.0, one.first_offset)).collect();
        assert_eq!(aborted, if commit { vec![] } else { vec![(before.pid, 0)] }, "one transaction, however often it was ended");
        client.transact(&producer, "slow", 0, i32::from(version == TV1), &["next"]);
        client.end(&mut producer, true);
        // EndTxn may be answered once it is decided; the marker waits for its flush.
        let log = until(|| log_of(&mut client, "slow"), |log| log.len() == 5);
        assert_eq!(log, ["v", word, word, "next", "COMMIT"]);
        disk.open();
    }
}

#[test]
fn row_33_a_fenced_producer_hears_47_from_produce_and_90_from_the_coordinator() {
    for version in BOTH {
        let (_kit, mut client) = story("");
        let mut old = client.transactor("a", version);
        client.transact(&old, "t", 0, 0, &["old"]);
        // A new instance ends what the old one has begun.
        let mut new = client.transactor("a", version);
        assert!(new.epoch > old.epoch);
        assert_eq!(offsets(&mut client, 0), (2, 2));
        let fenced = code(ResponseError::InvalidProducerEpoch);
        let known = client.try_transact(&old, "t", 0, &old.batch(1, &["zombie"]));
        assert_eq!((known.error_code, known.error_message), (fenced, None), "the partition knows the new epoch");
        let unknown = client.try_transact(&old, "t", 1, &old.batch(0, &["zombie"]));
        assert_eq!((unknown.error_code, unknown.error_message), (fenced, None), "the coordinator said PRODUCER_FENCED");
        assert_eq!(client.try_end(&mut old, true), code(ResponseError::ProducerFenced));
        client.transact(&new, "t", 1, 0, &["new"]);
        client.end(&mut new, true);
        assert_eq!((committed(&mut client, 0), committed(&mut client, 1)), (vec![], vec!["new".to_owned()]));
    }
}

#[test]
fn row_32_what_was_not_added_is_not_written_and_each_version_hears_it_in_its_own_words() {
    let (_kit, mut client) = story("");
    let mut producer = client.transactor("a", TV1);
    assert_eq!(client.add_partition(&producer, "t", 0), 0);
    let not_added = Some("Partition was not added to the transaction");
    for (version, error, message) in [
        (3, ResponseError::InvalidTxnState, None),
        (10, ResponseError::InvalidTxnState, not_added),
        (11, ResponseError::TransactionAbortable, None),
    ] {
        producer.produce = version;
        let answer = client.try_transact(&producer, "t", 1, &producer.batch(0, &["v"]));
        assert_eq!((answer.error_code, answer.error_message.as_deref()), (code(error), message), "v{version}");
        assert_eq!((answer.base_offset, answer.log_start_offset), (-1, -1), "v{version}");
    }
    assert_eq!(offsets(&mut client, 1), (0, 0));
    producer.produce = TV2;
    assert_eq!(client.try_transact(&producer, "t", 1, &producer.batch(0, &["v"])).error_code, 0, "writing adds from v12 on");
}

#[test]
fn row_32_one_request_is_one_producers() {
    let (_kit, mut client) = story("");
    let (a, b) = (client.transactor("a", TV2), client.transactor("b", TV2));
    let mut request = a.request("t", 0, &a.batch(0, &["a"]));
    let mut other = b.request("t", 1, &b.batch(0, &["b"]));
    request.topic_data[0].partition_data.append(&mut other.topic_data[0].partition_data);
    for partition in client.ask(TV2, &request).responses.remove(0).partition_responses {
        let text = Some("Transactional records contained more than one producer ID");
        assert_eq!((partition.error_code, partition.error_message.as_deref()), (code(ResponseError::InvalidProducerIdMapping), text));
    }
    assert_eq!((offsets(&mut client, 0), offsets(&mut client, 1)), ((0, 0), (0, 0)));
}

#[test]
fn row_32_without_verification_old_clients_are_believed() {
    let (_kit, mut client) = story("transaction.partition.verification.enable=false");
    let producer = client.transactor("a", TV1);
    assert_eq!(client.try_transact(&producer, "t", 0, &producer.batch(0, &["v"])).error_code, 0);
    assert_eq!(offsets(&mut client, 0), (1, 0));
}

// Sequence numbers: were a later batch looked at while the first one waits for the coordinator, it would be out of order.
#[test]
fn row_32_a_batch_that_waits_for_the_coordinator_is_not_overtaken() {
    let disk = GatedDisk::before("__transaction_state");
    let kit = Kit::gated(&format!("{SMALL}\nlog.flush.interval.messages=1"), &disk);
    let mut client = kit.connect();
    client.create("t", 2, &[("flush.messages", "9223372036854775807")]);
    let producer = client.transactor("a", TV2);
    client.transact(&producer, "t", 1, 0, &["v"]);
    disk.shut();
    // One partition is new in the transaction, the other is open: the first request waits, the second one need not.
    let mut both = producer.request("t", 0, &producer.batch(0, &["v"]));
    let mut open = producer.request("t", 1, &producer.batch(1, &["v"]));
    both.topic_data[0].partition_data.append(&mut open.topic_data[0].partition_data);
    let first = client.send(TV2, &both);
    let second = client.send(TV2, &producer.request("t", 1, &producer.batch(2, &["v"])));
    disk.until_waiting(1);
    disk.open();
    for (id, offsets) in [(first, vec![0, 1]), (second, vec![2])] {
        let rows = client.receive::<ProduceRequest>(TV2, id).responses.remove(0).partition_responses;
        assert_eq!(
            rows.iter().map(|row| (row.error_code, row.base_offset)).collect::<Vec<_>>(),
            offsets.iter().map(|at| (0, *at)).collect::<Vec<_>>()
        );
    }
}
