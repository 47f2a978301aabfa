//! 1,500 random steps, step by step the same answers and the same state as Apache Kafka.

use crate::{Data, marker_header};
use ottla_storage::batch::Origin;
use ottla_storage::producer::{Marker, ProducerCheck, ProducerEntry, ProducerError, ProducerStates, snapshot};
use ottla_storage::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::{FromStr, SplitWhitespace};

struct Partition {
    states: ProducerStates,
    end: Offset,
    start: Offset,
    snapshots: BTreeMap<Offset, Vec<u8>>,
    /// Kafka expires by the batches' own timestamps alone; a broker that always stood at the beginning of time does as well.
    now: Millis,
}

fn next<T: FromStr>(words: &mut SplitWhitespace<'_>) -> T {
    words.next().and_then(|w| w.parse().ok()).expect("a well-formed trace")
}

fn origin(words: &mut SplitWhitespace<'_>) -> Origin {
    match words.next() {
        Some("CLIENT") => Origin::Client,
        Some("COORDINATOR") => Origin::Coordinator,
        Some("REPLICATION") => Origin::Replication,
        other => panic!("{other:?}"),
    }
}

fn name(error: ProducerError) -> String {
    match error {
        ProducerError::InvalidProducerEpoch { .. } => "InvalidProducerEpochException",
        ProducerError::OutOfOrderSequence { .. }
        | ProducerError::SequenceOfNewEpochNotZero { .. }
        | ProducerError::SequenceAheadOfVerification { .. }
        | ProducerError::FirstSequenceNotZero { .. } => "OutOfOrderSequenceException",
        ProducerError::NotTransactional { .. } | ProducerError::TransactionNotVerified { .. } => "InvalidTxnStateException",
        ProducerError::TransactionCoordinatorFenced { .. } => "TransactionCoordinatorFencedException",
    }
    .to_owned()
}

impl Partition {
    fn step(&mut self, step: &str) -> String {
        let mut words = step.split_whitespace();
        let words = &mut words;
        match words.next() {
            Some("data") => return self.data(words),
            Some("marker") => return self.marker(words),
            Some("hw") => self.states.on_high_watermark_updated(Offset(next(words))),
            Some("start") => {
                self.start = Offset(next(words));
                self.states.on_log_start_offset_incremented(self.start);
            }
            Some("expire") => {
                self.states.remove_expired(Millis(next(words)));
            }
            Some("verify") => {
                let (pid, sequence, epoch, bump) = (next(words), next(words), next(words), next(words));
                // The trace never lets a verification expire.
                let _ = self.states.begin_verification(Millis(i64::MAX), ProducerId(pid), Sequence(sequence), ProducerEpoch(epoch), bump);
            }
            Some("reload") => self.reload(Millis(next(words))),
            other => panic!("{other:?}"),
        }
        "ok".to_owned()
    }

    fn data(&mut self, words: &mut SplitWhitespace<'_>) -> String {
        let origin = origin(words);
        let producer_id = ProducerId(next(words));
        let (epoch, sequence, count, transactional, timestamp) = (next(words), next(words), next(words), next(words), next(words));
        let header = Data { producer_id, epoch, sequence, count, transactional, timestamp: Millis(timestamp), at: self.end }.header();
        match self.states.check(self.now, &header, origin) {
            Ok(ProducerCheck::Accept) => {
                assert_eq!(self.states.update(self.now, &header, None), None);
                self.end = header.next_offset();
                "accept".to_owned()
            }
            Ok(ProducerCheck::Duplicate { first_offset, last_offset, timestamp }) => {
                format!("duplicate {first_offset} {last_offset} {timestamp}")
            }
            Err(error) => name(error),
        }
    }

    fn marker(&mut self, words: &mut SplitWhitespace<'_>) -> String {
        let origin = origin(words);
        let (producer_id, epoch) = (ProducerId(next(words)), next(words));
        let marker = Marker { committed: next(words), coordinator_epoch: next(words), transaction_version: next(words) };
        let header = marker_header(Millis(next(words)), producer_id, epoch, self.end);
        if let Err(error) = self.states.check_marker(&header, marker, origin) {
            return name(error);
        }
        self.end = header.next_offset();
        match self.states.update(self.now, &header, Some(marker)) {
            Some(done) => {
                format!("completed {} {} {} {}", done.first_offset, done.last_offset, done.aborted, done.last_stable_offset)
            }
            None => "accept".to_owned(),
        }
    }

    fn reload(&mut self, now: Millis) {
        let at = self.states.end_offset();
        if self.states.snapshot_is_due() {
            self.snapshots.insert(at, self.states.encode_snapshot());
            self.states.on_snapshot_written(at);
        }
        let start = self.start.min(Offset(at.0 - 1));
        self.snapshots.retain(|offset, _| *offset <= at && *offset > start);
        match self.snapshots.last_key_value() {
            Some((offset, bytes)) => self.states.load(*offset, snapshot::decode(bytes).unwrap(), now),
            None => self.states.load(start, [], now),
        }
    }

    fn describe(&self, pid: i64) -> String {
        let or_none = |offset: Option<Offset>| offset.map_or(-1, |o| o.0);
        let (unstable, undecided) = (or_none(self.states.first_unstable_offset()), or_none(self.states.first_undecided_offset()));
        let (count, end) = (self.states.producer_count(), self.states.end_offset());
        let producer = self.states.producer(ProducerId(pid)).map_or("unknown".to_owned(), describe_producer);
        format!("{unstable} {undecided} {count} {end} | {pid}: {producer}")
    }
}

fn describe_producer(entry: &ProducerEntry) -> String {
    let first_offset = entry.current_txn_first_offset.map_or(-1, |o| o.0);
    let mut text = format!("{} {} {} {first_offset}", entry.producer_epoch, entry.coordinator_epoch, entry.last_timestamp);
    for batch in entry.batches() {
        text += &format!(" {}-{}@{}", batch.first_sequence(), batch.last_sequence, batch.first_offset());
    }
    text
}

#[test]
fn kafkas_answers_are_ours_step_by_step() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/producer-trace.txt");
    let trace = std::fs::read_to_string(path).unwrap();
    let mut partition = Partition {
        states: ProducerStates::new(100_000),
        end: Offset(0),
        start: Offset(0),
        snapshots: BTreeMap::new(),
        now: Millis(i64::MIN),
    };
    for (number, line) in (1..).zip(trace.lines()) {
        let (step, expected) = line.split_once(" | ").unwrap();
        let pid = expected.rsplit_once(" | ").and_then(|(_, s)| s.split_once(':')).unwrap().0.parse().unwrap();
        let answer = partition.step(step);
        assert_eq!(format!("{answer} | {}", partition.describe(pid)), expected, "line {number}: {step}");
    }
}
