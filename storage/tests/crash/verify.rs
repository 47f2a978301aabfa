//! Looks at what is found after a stop: is it one of the things that may be found, and do all parts of it agree with each other?

use ottla_storage::batch::BatchHeader;
use ottla_storage::disk::faulty::FaultyDisk;
use ottla_storage::log::{AppendOrigin, ListOffset, PartitionLog};
use ottla_storage::{LeaderEpoch, Millis, Offset};

use crate::house::{Allowed, config, log_id, open_manager};
use crate::model::{Model, Stored, plain};
use crate::script::{Op, batch_for, stored};

/// How it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The process was killed; all it wrote is there.
    Kill,
    /// The power went; what was not synced may be lost, torn, reordered.
    PowerLoss,
}

/// Opens the log on a disk as it was found, checks it, appends to it, and opens it again. `at` says where we are when it fails.
pub(crate) fn verify(disk: &FaultyDisk, allowed: &Allowed, stop: Stop, at: &dyn std::fmt::Debug) {
    let manager = open_manager(disk).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    let was_clean = manager.dirs()[0].clean_shutdown().is_some();
    let (mut log, report) = manager.open_log(&log_id(), config(), Millis(9_000_000)).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    assert_eq!(report.corruption, None, "{at:?}: a stop is no damage");
    log.set_high_watermark(log.log_end_offset());
    let mut found = found_model(&log, allowed, stop, at);
    if was_clean {
        assert!(allowed.closed, "{at:?}: a clean stop was claimed");
        assert_eq!(found.end(), allowed.full.end(), "{at:?}: a clean stop was claimed too early");
        assert_eq!((report.segments_scanned, report.bytes_truncated), (0, 0), "{at:?}");
    }
    check(&log, &found, at);

    // A second look finds the same, whether the first was ended by a kill, or by a power loss before it wrote anything.
    drop((log, manager));
    let at = &(at, "second time");
    let killed = disk.crash_keep_page_cache();
    let manager = open_manager(&killed).unwrap_or_else(|error| panic!("{at:?}, second time: {error}"));
    let (mut log, report) = manager.open_log(&log_id(), config(), Millis(9_000_000)).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    assert_eq!((report.corruption, report.bytes_truncated), (None, 0), "{at:?}, second time");
    assert_eq!(log.log_end_offset(), found.end(), "{at:?}, second time");
    log.set_high_watermark(log.log_end_offset());
    check(&log, &found, at);

    // Life goes on: what is appended and flushed now survives everything, and what was lost stays lost.
    let producer = u8::from(!found.is_anew);
    // Small after a kill: what makes the segment durable that the dead process began must not be a roll of ours.
    let value_bytes = if stop == Stop::Kill { 20 } else { 700 };
    let op = Op::Append { producer, transactional: false, records: 2, value_bytes };
    for round in 0..3 {
        let now = Millis(9_000_000 + 1000 * round);
        let batch = batch_for(op, &found, now).expect("a batch");
        let epoch = LeaderEpoch(found.epoch);
        found.batches.push(stored(&batch, found.end(), epoch));
        let appended = log.append_as_leader(now, &batch, epoch, AppendOrigin::Client);
        appended.unwrap_or_else(|error| panic!("{at:?}: {error}"));
        log.set_high_watermark(found.end());
        if round == 1 {
            let plan = log.prepare_flush();
            plan.run().unwrap_or_else(|error| panic!("{at:?}: {error}"));
            log.complete_flush(plan);
            found.durable_to = found.end();
        }
    }
    check(&log, &found, at);
    drop((log, manager));
    if allowed.doubtful {
        return;
    }
    let at = &(at, "third time");
    // After a kill the hardest question is what of the dead process's work has become durable with ours.
    let seed = if stop == Stop::Kill { 0 } else { found.end().0 as u64 };
    let manager = open_manager(&killed.crash(seed)).unwrap_or_else(|error| panic!("{at:?}, third time: {error}"));
    let (mut log, report) = manager.open_log(&log_id(), config(), Millis(9_000_000)).unwrap_or_else(|error| panic!("{at:?}: {error}"));
    assert_eq!(report.corruption, None, "{at:?}, third time");
    log.set_high_watermark(log.log_end_offset());
    let later = Allowed { end_min: found.durable_to, batches_min: 0, empty_at: Vec::new(), ..Allowed::exactly(&found) };
    let found = found_model(&log, &later, Stop::PowerLoss, at);
    check(&log, &found, at);
}

/// Which of the allowed logs it is.
fn found_model(log: &PartitionLog, allowed: &Allowed, stop: Stop, at: &dyn std::fmt::Debug) -> Model {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    let full = &allowed.full;
    let is_anew = start == end && allowed.empty_at.contains(&end);
    let count = full.count_at(end).filter(|_| start <= full.log_start && !is_anew);
    let mut found = match count {
        Some(count) => full.cut(count),
        None => {
            assert!(is_anew, "{at:?}: found {start}..{end}, which never was; {}", sketch(full));
            assert!(end >= allowed.end_min, "{at:?}: {end} is before what was flushed, {}", allowed.end_min);
            // Who wrote before is remembered or not.
            Model { origin: end, epoch: full.epoch, is_anew, ..Model::default() }
        }
    };
    if count.is_some() {
        match stop {
            Stop::Kill => {
                assert!(found.batches.len() >= allowed.batches_min, "{at:?}: ends at {end}, a kill lost records; {}", sketch(full))
            }
            Stop::PowerLoss => assert!(end >= allowed.end_min, "{at:?}: {end} is before what was flushed, {}", allowed.end_min),
        }
    }
    // What was deleted may be back as long as no checkpoint said so.
    assert!(start >= full.durable_log_start.min(end), "{at:?}: begins at {start}, before the checkpoint; {}", sketch(full));
    found.log_start = start;
    found.exact_from =
        if stop == Stop::PowerLoss { full.log_start.max(full.exact_from).max(start).min(end) } else { full.exact_from.max(start).min(end) };
    found.durable_to = found.durable_to.min(end);
    found
}

/// All that can be asked of a log, against the model.
fn check(log: &PartitionLog, model: &Model, at: &dyn std::fmt::Debug) {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    assert_eq!(end, model.end(), "{at:?}");
    let exact_from = model.exact_from.max(start);
    let bytes = read_all(log, exact_from, at);
    assert_eq!(headers(&bytes), headers(&model.readable_bytes(exact_from)), "{at:?}: other batches in {exact_from}..{end}");
    assert!(bytes == model.readable_bytes(exact_from), "{at:?}: other bytes in {exact_from}..{end}");
    let all = headers(&read_all(log, start, at));
    let known = headers(&model.readable_bytes(start));
    assert!(all.iter().all(|header| known.contains(header)), "{at:?}: batches that never were: {all:?}");
    if all != known {
        return;
    }

    // A state without a batch in the log comes from a snapshot alone, which a power loss may take.
    let expected = model.producers();
    for entry in expected.producers().filter(|_| !model.is_anew) {
        let found = log.producers().producer(entry.producer_id);
        let Some(found) = found else {
            assert!(entry.last_data_offset() < Some(start), "{at:?}: producer {} is forgotten", entry.producer_id);
            continue;
        };
        let said = (found.producer_epoch, found.last_sequence(), found.last_data_offset(), found.current_txn_first_offset);
        let expected = (entry.producer_epoch, entry.last_sequence(), entry.last_data_offset(), entry.current_txn_first_offset);
        assert_eq!(said, expected, "{at:?}: producer {}", entry.producer_id);
    }
    for entry in log.producers().producers() {
        assert!(model.is_anew || expected.producer(entry.producer_id).is_some(), "{at:?}: producer {} never wrote", entry.producer_id);
    }

    let stable = model.first_unstable().unwrap_or(end);
    assert_eq!(log.last_stable_offset(), stable.max(start), "{at:?}");
    assert!(start <= log.last_stable_offset() && log.last_stable_offset() <= log.high_watermark() && log.high_watermark() <= end, "{at:?}");
    assert!(log.recovery_point() <= end, "{at:?}");

    // Of a transaction that began before the log's first record, the beginning may be forgotten.
    let aborted: Vec<_> =
        log.aborted_transactions(start, end).expect("readable").iter().map(plain).filter(|(_, first, _)| *first >= start).collect();
    let mut expected: Vec<_> = model.aborted(start).into_iter().filter(|(_, first, _)| *first >= start).collect();
    expected.sort_unstable_by_key(|(_, first, _)| *first);
    assert_eq!(aborted, expected, "{at:?}: aborted transactions");

    for Stored { header, .. } in &model.batches {
        if header.base_offset() >= start {
            assert_eq!(
                log.epoch_for_offset(header.base_offset()),
                model.epoch_at(header.base_offset()),
                "{at:?}: epoch at {}",
                header.base_offset()
            );
        }
        if header.base_offset() >= start && !header.is_control() {
            let found = log.list_offset(ListOffset::Timestamp(header.base_timestamp()), end).expect("readable").expect("there");
            assert_eq!(found.offset, header.base_offset(), "{at:?}: by timestamp");
        }
    }
}

fn read_all(log: &PartitionLog, mut from: Offset, at: &dyn std::fmt::Debug) -> Vec<u8> {
    let mut bytes = Vec::new();
    while from < log.log_end_offset() {
        let plan = log.read(from, log.log_end_offset(), 5000, true).unwrap_or_else(|error| panic!("{at:?}: reading {from}: {error}"));
        assert!(plan.next_offset > from, "a read of {from} goes on");
        from = plan.next_offset;
        for range in plan.ranges {
            let mut part = vec![0; range.size_bytes as usize];
            assert_eq!(range.file.read_at(&mut part, range.position).expect("read"), part.len());
            bytes.extend(part);
        }
    }
    bytes
}

fn headers(mut bytes: &[u8]) -> Vec<(Offset, usize)> {
    let mut headers = Vec::new();
    while let Some(header) = BatchHeader::read(bytes) {
        let size_bytes = header.size_bytes().unwrap_or(bytes.len()).min(bytes.len());
        headers.push((header.base_offset(), size_bytes));
        bytes = &bytes[size_bytes..];
    }
    headers
}

fn sketch(model: &Model) -> String {
    let ends: Vec<i64> = model.batches.iter().map(|batch| batch.header.next_offset().0).collect();
    format!(
        "log start {} (checkpointed {}), flushed to {}, batches end at {ends:?}",
        model.log_start, model.durable_log_start, model.durable_to
    )
}
