//! Is what is found one of the things that compaction may leave, and do all parts of it agree with each other?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use ottla_storage::batch::split;
use ottla_storage::disk::faulty::FaultyDisk;
use ottla_storage::log::{AppendOrigin, ListOffset, PartitionLog};
use ottla_storage::manager::LogManager;
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerId};

use crate::house::{DELETE_RETENTION_MS, clean_log, config, log_id, open_manager};
use crate::load::{Op, batch_for};
use crate::model::{Batch, Decision, Model, Record};

/// How it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Kill,
    PowerLoss,
    /// A kill after a sync had failed: a later power loss may take anything.
    KillInDoubt,
}

/// Opens the log on a disk as it was found, checks it, opens it again, appends, cleans, and loses power.
///
/// `full` is as much as there may be; after a kill at least the first `batches_min` of it, after a power loss what was flushed.
pub(crate) fn verify(disk: &FaultyDisk, full: &Model, batches_min: usize, stop: Stop, at: &dyn Debug) {
    let (manager, log) = open(disk, at);
    let mut found = found_model(&log, full, batches_min, stop, at);
    check(&log, &found, at);
    drop((log, manager));

    let at = &(at, "second time");
    let killed = disk.crash_keep_page_cache();
    let (manager, mut log) = open(&killed, at);
    assert_eq!(log.log_end_offset(), found.end(), "{at:?}");
    check(&log, &found, at);

    // Life goes on, with a pass over all of it, and loses power.
    let mut now = Millis(9_000_000);
    for round in 0..3 {
        now.0 += 1000;
        let op = Op::Append { producer: 1, transactional: false, records: 3, codec: 0, seed: round };
        let sent = batch_for(op, &found, now).expect("a batch");
        let epoch = LeaderEpoch(found.epoch);
        found.batches.push(Batch::stored(&sent, found.end(), epoch));
        log.append_as_leader(now, &sent, epoch, AppendOrigin::Client).unwrap_or_else(|error| panic!("{at:?}: {error}"));
        log.set_high_watermark(found.end());
        log.roll(now).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    }
    let cleaned = clean_log(&manager, &mut log, now, 1000, &mut found.passes).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    if cleaned.is_some() {
        found.durable_to = found.end();
    }
    check(&log, &found, at);
    drop((log, manager));
    if stop == Stop::KillInDoubt {
        return;
    }
    let at = &(at, "third time");
    let (_manager, log) = open(&killed.crash(found.end().0.cast_unsigned() % 3), at);
    let found = found_model(&log, &found, 0, Stop::PowerLoss, at);
    check(&log, &found, at);
}

fn open(disk: &FaultyDisk, at: &dyn Debug) -> (LogManager, PartitionLog) {
    let manager = open_manager(disk).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    let (mut log, report) = manager.open_log(&log_id(), config(), Millis(9_000_000)).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    assert_eq!(report.corruption, None, "{at:?}: a stop is no damage");
    log.set_high_watermark(log.log_end_offset());
    let checkpoint = manager.cleaner_checkpoint(&log_id());
    assert!(checkpoint <= Some(log.log_end_offset()), "{at:?}: {checkpoint:?} is clean, {} the end", log.log_end_offset());
    (manager, log)
}

fn found_model(log: &PartitionLog, full: &Model, batches_min: usize, stop: Stop, at: &dyn Debug) -> Model {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    let Some(mut found) = full.cut(end) else { panic!("{at:?}: found {start}..{end}, which never was; {}", full.end()) };
    match stop {
        Stop::Kill | Stop::KillInDoubt => assert!(found.batches.len() >= batches_min, "{at:?}: ends at {end}, a kill lost records"),
        Stop::PowerLoss => assert!(end >= full.durable_to, "{at:?}: {end} is before what was flushed, {}", full.durable_to),
    }
    assert!(start >= full.durable_log_start.min(end), "{at:?}: begins at {start}, before the checkpoint");
    // What was deleted may be back, in part: only above is everything as it must be.
    found.log_start = found.log_start.max(start).min(end);
    found
}

/// All that can be asked of a log, against the model.
pub(crate) fn check(log: &PartitionLog, model: &Model, at: &dyn Debug) {
    let end = log.log_end_offset();
    assert_eq!(end, model.end(), "{at:?}");
    let start = model.log_start;
    let batches = read_from(log, start, end, at);
    are_an_ordered_part(&batches, model, at);
    let present: BTreeSet<Offset> = records(&batches).map(|record| record.offset).filter(|offset| *offset >= start).collect();
    what_is_gone_may_be_gone(&present, model, at);
    readers_begin_anywhere(log, &batches, start, at);
    a_committed_reader_sees_what_was_committed(log, &batches, &present, model, at);
    producers_are_remembered(log, model, at);
    assert_eq!(log.last_stable_offset(), model.first_unstable().unwrap_or(end).max(log.log_start_offset()), "{at:?}");
    for batch in batches.iter().filter(|batch| batch.header.base_offset() >= start) {
        let epoch = batch.header.partition_leader_epoch();
        assert_eq!(log.epoch_for_offset(batch.header.base_offset()), Some(epoch), "{at:?}: epoch");
    }
    times_are_found(log, &batches, start, at);
}

fn records(batches: &[Batch]) -> impl Iterator<Item = &Record> {
    batches.iter().filter(|batch| batch.is_data()).flat_map(|batch| &batch.records)
}

fn read_from(log: &PartitionLog, from: Offset, end: Offset, at: &dyn Debug) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut offset = from.max(log.log_start_offset());
    while offset < end {
        let plan = log.read(offset, end, 900, true).unwrap_or_else(|error| panic!("{at:?}: reading {offset}: {error}"));
        assert!(plan.next_offset > offset, "{at:?}: a read of {offset} goes on");
        offset = plan.next_offset;
        for range in plan.ranges {
            let mut part = vec![0; range.size_bytes as usize];
            assert_eq!(range.file.read_at(&mut part, range.position).expect("read"), part.len());
            batches.extend(split(&part).map(|view| Batch::open(view.expect("whole batches").bytes)));
        }
    }
    batches
}

/// Batches and records are some of those that were written, in their order, and say of themselves what they said then.
fn are_an_ordered_part(batches: &[Batch], model: &Model, at: &dyn Debug) {
    assert!(batches.is_sorted_by_key(|batch| batch.header.base_offset()), "{at:?}: out of order");
    for found in batches {
        let (header, base_offset) = (found.header, found.header.base_offset());
        let Some(written) = model.batch_at(base_offset) else { panic!("{at:?}: a batch at {base_offset}, where there was none") };
        let told = |header: ottla_storage::batch::BatchHeader| {
            let flags = (header.is_control(), header.is_transactional(), header.timestamp_type());
            let producer = (header.producer_id(), header.producer_epoch(), header.base_sequence(), header.last_sequence());
            (header.last_offset(), header.partition_leader_epoch(), flags, producer)
        };
        if header.record_count() == 0 && header.producer_id().0 < 0 {
            // It only tells where its segment ends.
            assert_eq!(header.last_offset(), written.header.last_offset(), "{at:?}: batch {base_offset}");
            assert_eq!(header.partition_leader_epoch(), written.header.partition_leader_epoch(), "{at:?}: batch {base_offset}");
            continue;
        }
        assert_eq!(told(header), told(written.header), "{at:?}: batch {base_offset}");
        assert!(found.records.iter().all(|record| written.records.contains(record)), "{at:?}: other records in batch {base_offset}");
        assert!(found.records.is_sorted_by_key(|record| record.offset), "{at:?}: out of order in batch {base_offset}");
        if found.records.is_empty() {
            // That of the records it lost last.
            assert!(header.max_timestamp() <= written.header.max_timestamp());
        } else {
            assert_eq!(header.compression_code(), written.header.compression_code(), "{at:?}: batch {base_offset}");
            let newest = found.records.iter().map(|record| record.timestamp).max();
            assert_eq!(Some(header.max_timestamp()), newest, "{at:?}: batch {base_offset}");
        }
        if found.records.len() == written.records.len() && !header.has_delete_horizon() {
            assert_eq!(found.bytes, written.bytes, "{at:?}: batch {base_offset} was touched for nothing");
        }
    }
}

/// A record that is gone was aborted, is overwritten by a later one, or is a tombstone past its time, and then nothing older is there.
fn what_is_gone_may_be_gone(present: &BTreeSet<Offset>, model: &Model, at: &dyn Debug) {
    let newest = model.newest();
    let mut tombstones_gone: BTreeMap<&[u8], Offset> = BTreeMap::new();
    for (record, decision) in model.decided().into_iter().filter(|(record, _)| record.offset >= model.log_start) {
        if present.contains(&record.offset) {
            continue;
        }
        match decision {
            Decision::Open => panic!("{at:?}: record {} of an open transaction is gone", record.offset),
            Decision::Aborted => {}
            Decision::Visible => {
                let is_newest = newest[record.key.as_slice()].offset == record.offset;
                let expired = record.value.is_none() && model.may_have_expired(record.offset, DELETE_RETENTION_MS);
                assert!(
                    !is_newest || expired,
                    "{at:?}: the newest record is gone: {record:?}, {}..{}, {:?}",
                    model.log_start,
                    model.end(),
                    model.passes
                );
                if record.value.is_none() {
                    tombstones_gone.insert(&record.key, record.offset);
                }
            }
        }
    }
    for (key, gone) in tombstones_gone {
        let visible = model.decided().into_iter().filter(|(record, decision)| *decision == Decision::Visible && record.key == key);
        let mut here = visible.filter(|(record, _)| present.contains(&record.offset)).map(|(record, _)| record);
        let older = here.clone().find(|record| record.offset < gone);
        let newer = here.any(|record| record.offset > gone);
        assert!(older.is_none() || newer, "{at:?}: {key:?} was deleted at {gone} and is back: {older:?}");
    }
}

fn readers_begin_anywhere(log: &PartitionLog, batches: &[Batch], start: Offset, at: &dyn Debug) {
    let end = log.log_end_offset();
    for from in (start.0..end.0).step_by(7).chain((end.0 - 3).max(start.0)..end.0) {
        let found = read_from(log, Offset(from), end, at).first().map(|batch| batch.header.base_offset());
        let expected = batches.iter().find(|batch| batch.header.last_offset().0 >= from).map(|batch| batch.header.base_offset());
        assert_eq!(found, expected, "{at:?}: reading from {from}");
    }
}

/// Reads as a client does that reads committed records only.
fn a_committed_reader_sees_what_was_committed(
    log: &PartitionLog,
    batches: &[Batch],
    present: &BTreeSet<Offset>,
    model: &Model,
    at: &dyn Debug,
) {
    let (start, stable) = (model.log_start, log.last_stable_offset());
    let decided: BTreeMap<Offset, Decision> = model.decided().into_iter().map(|(record, decision)| (record.offset, decision)).collect();
    for from in [start, Offset(start.0 + stable.since(start).max(0) / 2)] {
        let mut aborted = log.aborted_transactions(from, stable).unwrap_or_else(|error| panic!("{at:?}: {error}")).into_iter().peekable();
        let mut skipped: BTreeSet<ProducerId> = BTreeSet::new();
        let mut seen = Vec::new();
        for batch in batches.iter().filter(|batch| batch.header.last_offset() >= from && batch.header.next_offset() <= stable) {
            while let Some(begun) = aborted.next_if(|transaction| transaction.first_offset <= batch.header.last_offset()) {
                skipped.insert(begun.producer_id);
            }
            match batch.marker {
                Some(marker) if !marker.committed => drop(skipped.remove(&batch.header.producer_id())),
                _ if !batch.is_data() => {}
                _ if batch.header.is_transactional() && skipped.contains(&batch.header.producer_id()) => {}
                _ => seen.extend(batch.records.iter().map(|record| record.offset).filter(|offset| *offset >= from)),
            }
        }
        let expected = present.iter().filter(|offset| **offset >= from && **offset < stable && decided[offset] == Decision::Visible);
        assert_eq!(seen, expected.copied().collect::<Vec<_>>(), "{at:?}: read committed from {from}");
    }
}

fn producers_are_remembered(log: &PartitionLog, model: &Model, at: &dyn Debug) {
    for entry in model.producers().producers() {
        let Some(found) = log.producers().producer(entry.producer_id) else {
            // A state without a batch in the log comes from a snapshot alone, which a power loss may take.
            assert!(entry.last_data_offset() < Some(model.log_start), "{at:?}: producer {} is forgotten", entry.producer_id);
            continue;
        };
        let said = (found.producer_epoch, found.last_sequence(), found.last_data_offset(), found.current_txn_first_offset);
        let expected = (entry.producer_epoch, entry.last_sequence(), entry.last_data_offset(), entry.current_txn_first_offset);
        assert_eq!(said, expected, "{at:?}: producer {}", entry.producer_id);
    }
}

fn times_are_found(log: &PartitionLog, batches: &[Batch], start: Offset, at: &dyn Debug) {
    if log.log_start_offset() < start {
        return;
    }
    let all = || batches.iter().flat_map(|batch| &batch.records).filter(|record| record.offset >= start);
    for wanted in all().step_by(5).map(|record| record.timestamp) {
        let found = log.list_offset(ListOffset::Timestamp(wanted), log.log_end_offset()).unwrap_or_else(|error| panic!("{at:?}: {error}"));
        let expected = all().find(|record| record.timestamp >= wanted).map(|record| record.offset);
        assert_eq!(found.map(|found| found.offset), expected, "{at:?}: by time {wanted}");
    }
}
