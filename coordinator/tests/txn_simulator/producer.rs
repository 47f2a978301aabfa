//! A transactional producer as Java's client behaves: what it sends next, and what it makes of answers.
//!
//! With transaction version 1 it adds partitions before it writes to them, goes on with its epoch after a commit, and resumes with
//! InitProducerId after an error (KIP-360). With version 2 it just writes, and takes its next epoch from EndTxn's answer.

use super::message::{Answer, Part, Request, Tag, Trouble, partitions};
use super::rng::Rng;
use kafka_protocol::ResponseError;
use ottla_coordinator::txn::{ProducerIdAndEpoch, TransactionVersion};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often a write is sent before the producer gives up on it.
const TRIES_MAX: u32 = 12;
/// Batches on their way to one partition.
const IN_FLIGHT_MAX: usize = 3;
pub(crate) const NO_PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { id: -1, epoch: -1 };

/// Where an offset goes: the offsets partition, the group, the partition it is about.
pub(crate) type OffsetTarget = (Part, Arc<str>, i32);

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Batch(Part),
    Offset(OffsetTarget),
}

impl What {
    fn part(&self) -> &Part {
        match self {
            Self::Batch(part) | Self::Offset((part, ..)) => part,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    InFlight,
    Done,
}

/// One write of a transaction; its place in the plan is its index.
#[derive(Clone, Debug)]
struct Write {
    what: What,
    progress: Progress,
    /// Given when it is sent for the first time.
    sequence: Option<i32>,
    tries: u32,
    /// Everything before it in its partition was there when it was sent.
    in_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// InitProducerId has to be sent; to resume, or as a newcomer.
    Init {
        resume: bool,
    },
    Ready,
    Open,
    /// EndTxn has to be sent.
    Ending {
        commit: bool,
    },
    /// Given up.
    Dead,
}

#[derive(Clone, Debug)]
enum Call {
    Init,
    Add(BTreeSet<Part>),
    Write(u32),
    End { commit: bool },
}

/// What the world offers to write to.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) data: Vec<Part>,
    pub(crate) offsets: Vec<OffsetTarget>,
}

/// News of a transaction, for the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Committed { tag: Tag, pieces: u32 },
    Aborted { tag: Tag },
}

/// One process.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) number: usize,
    pub(crate) version: TransactionVersion,
    pub(crate) timeout_ms: i32,
    pub(crate) producer: ProducerIdAndEpoch,
    state: State,
    transaction: u32,
    writes: Vec<Write>,
    /// The application's mind: commit, or abort once so many writes are done.
    abort_after: Option<usize>,
    added: BTreeSet<Part>,
    started: bool,
    failed: bool,
    bump_required: bool,
    /// Aborts without waiting for what it has sent, as librdkafka does.
    pub(crate) impatient: bool,
    sequences: BTreeMap<Part, i32>,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
    pub(crate) commits: u32,
    /// Nothing before.
    pub(crate) rests_until: i64,
    pub(crate) last_refusal: Option<ResponseError>,
}

impl Producer {
    pub(crate) fn new(transactional_id: Arc<str>, number: usize, version: TransactionVersion, timeout_ms: i32) -> Self {
        Self {
            transactional_id,
            number,
            version,
            timeout_ms,
            producer: NO_PRODUCER,
            state: State::Init { resume: false },
            transaction: 0,
            writes: Vec::new(),
            abort_after: None,
            added: BTreeSet::new(),
            started: false,
            failed: false,
            bump_required: false,
            impatient: false,
            sequences: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            commits: 0,
            rests_until: 0,
            last_refusal: None,
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    /// Has nothing under way.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Ready && self.calls.is_empty()
    }

    pub(crate) fn tag(&self) -> Tag {
        Tag { process: self.number, number: self.transaction }
    }

    fn call(&mut self, call: Call, request: Request) -> (u64, Request) {
        self.next_call += 1;
        self.calls.insert(self.next_call, call);
        (self.next_call, request)
    }

    fn coordinator_is_asked(&self) -> bool {
        self.calls.values().any(|call| !matches!(call, Call::Write(_)))
    }

    /// Everything to send now.
    pub(crate) fn act(&mut self, now: i64, rng: &mut Rng, places: &Places) -> Vec<(u64, Request)> {
        if now < self.rests_until || self.coordinator_is_asked() {
            return Vec::new();
        }
        match self.state {
            State::Dead => Vec::new(),
            State::Init { resume } => {
                let expected = resume.then_some(self.producer);
                vec![self.call(Call::Init, Request::Init { expected })]
            }
            State::Ready => {
                self.begin(rng, places);
                self.write()
            }
            State::Open => self.write(),
            State::Ending { commit } => self.end(commit),
        }
    }

    fn begin(&mut self, rng: &mut Rng, places: &Places) {
        self.transaction += 1;
        self.state = State::Open;
        self.failed = false;
        self.started = false;
        self.added.clear();
        let mut parts: Vec<&Part> = Vec::new();
        (0..rng.between(1, 3)).for_each(|_| parts.extend(rng.pick(&places.data)));
        let what = |rng: &mut Rng| match (rng.percent(25), rng.pick(&parts)) {
            (false, Some(part)) => Some(What::Batch((*part).clone())),
            _ => rng.pick(&places.offsets).cloned().map(What::Offset),
        };
        let count = rng.below(7);
        let whats: Vec<What> = (0..count).filter_map(|_| what(rng)).collect();
        let write = |what| Write { what, progress: Progress::Waiting, sequence: None, tries: 0, in_order: true };
        self.writes = whats.into_iter().map(write).collect();
        self.abort_after = rng.percent(20).then(|| rng.below(count + 1) as usize);
    }

    /// The next writes, or the end.
    fn write(&mut self) -> Vec<(u64, Request)> {
        let done = self.writes.iter().filter(|write| write.progress == Progress::Done).count();
        let in_flight = self.writes.iter().any(|write| write.progress == Progress::InFlight);
        let gives_up = self.failed || self.abort_after.is_some_and(|after| done >= after);
        if gives_up || done == self.writes.len() {
            if gives_up && self.impatient && in_flight {
                self.calls.retain(|_, call| !matches!(call, Call::Write(_)));
                self.writes.iter_mut().for_each(|write| write.progress = Progress::Done);
                self.fail();
                return self.write();
            }
            // What has a sequence goes on until it is known what has become of it; after an error the epoch rises anyway.
            let unresolved = |write: &Write| !self.failed && write.sequence.is_some() && write.progress == Progress::Waiting;
            let again: Vec<usize> = (0..self.writes.len()).filter(|index| unresolved(&self.writes[*index])).collect();
            if in_flight || !again.is_empty() {
                return again.into_iter().filter_map(|index| self.send(index)).collect();
            }
            self.state = State::Ending { commit: !gives_up };
            return self.end(!gives_up);
        }
        let mut calls = Vec::new();
        if !self.version.supports_epoch_bump() {
            let missing: BTreeSet<Part> =
                self.writes.iter().map(|write| write.what.part()).filter(|part| !self.added.contains(*part)).take(2).cloned().collect();
            if !missing.is_empty() {
                let partitions = partitions(&missing);
                calls.push(self.call(Call::Add(missing), Request::Add { partitions }));
            }
        }
        for index in 0..self.writes.len() {
            calls.extend(self.send(index));
        }
        calls
    }

    fn send(&mut self, index: usize) -> Option<(u64, Request)> {
        let write = &self.writes[index];
        let part = write.what.part().clone();
        let allowed = self.version.supports_epoch_bump() || self.added.contains(&part);
        let before = || self.writes[..index].iter().filter(|write| *write.what.part() == part);
        let in_turn = before().all(|write| write.progress != Progress::Waiting);
        let in_flight = self.writes.iter().filter(|write| *write.what.part() == part && write.progress == Progress::InFlight).count();
        if write.progress != Progress::Waiting || !allowed || !in_turn || in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        self.started = true;
        let in_order = before().all(|write| write.progress == Progress::Done);
        let write = &mut self.writes[index];
        write.progress = Progress::InFlight;
        write.in_order = in_order;
        write.tries += 1;
        let request = match &write.what {
            What::Batch(_) => {
                let next = self.sequences.entry(part.clone()).or_insert(0);
                let sequence = *write.sequence.get_or_insert_with(|| std::mem::replace(next, *next + 1));
                Request::Produce { part, index: index as u32, sequence }
            }
            What::Offset((_, group, partition)) => {
                // Says whose it is.
                let offset = (self.number as i64) << 32 | i64::from(self.transaction) << 8 | index as i64;
                Request::Offset { part, index: index as u32, group: Arc::clone(group), partition: *partition, offset }
            }
        };
        Some(self.call(Call::Write(index as u32), request))
    }

    fn end(&mut self, commit: bool) -> Vec<(u64, Request)> {
        if self.started {
            return vec![self.call(Call::End { commit }, Request::End { commit })];
        }
        self.state = if self.bump_required { State::Init { resume: true } } else { State::Ready };
        Vec::new()
    }

    /// Takes an answer. Returns how long to wait before acting again, and what is news.
    pub(crate) fn take(&mut self, rng: &mut Rng, call: u64, answer: Answer) -> (i64, Option<News>) {
        let Some(call) = self.calls.remove(&call) else { return (0, None) };
        if self.state == State::Dead {
            return (0, None);
        }
        if let Err(Trouble::Refused(error)) = answer {
            self.last_refusal = Some(error);
        }
        let backoff = rng.between(20, 100);
        match (call, answer) {
            (Call::Write(index), answer) => {
                self.take_write(index as usize, answer);
                (if answer.is_ok() { 0 } else { backoff }, None)
            }
            (_, Err(Trouble::Lost)) => (backoff, None),
            (_, Err(Trouble::Refused(error))) if is_retriable(error) => (backoff, None),
            (Call::Add(_), Err(Trouble::Refused(ResponseError::TransactionAbortable))) => {
                self.fail();
                (0, None)
            }
            (Call::End { commit: true }, Err(Trouble::Refused(ResponseError::TransactionAbortable))) => {
                self.state = State::Ending { commit: false };
                (0, None)
            }
            (_, Err(Trouble::Refused(_))) => {
                self.state = State::Dead;
                (0, None)
            }
            (Call::Init, Ok(producer)) => {
                self.producer = producer.expect("InitProducerId gives a producer");
                self.sequences.clear();
                self.bump_required = false;
                self.state = State::Ready;
                (rng.between(0, 50), None)
            }
            (Call::Add(parts), Ok(_)) => {
                self.added.extend(parts);
                self.started = true;
                (0, None)
            }
            (Call::End { commit }, Ok(next)) => (self.rest(rng), Some(self.ended(commit, next))),
        }
    }

    fn rest(&self, rng: &mut Rng) -> i64 {
        if rng.percent(3) { rng.between(1_000, 60_000) } else { rng.between(0, 100) }
    }

    fn ended(&mut self, commit: bool, next: Option<ProducerIdAndEpoch>) -> News {
        if let Some(next) = next {
            self.producer = next;
            self.sequences.clear();
        }
        self.state = if self.bump_required { State::Init { resume: true } } else { State::Ready };
        let tag = self.tag();
        if commit {
            self.commits += 1;
            return News::Committed { tag, pieces: self.writes.len() as u32 };
        }
        News::Aborted { tag }
    }

    fn take_write(&mut self, index: usize, answer: Answer) {
        let write = &mut self.writes[index];
        assert_eq!(write.progress, Progress::InFlight);
        write.progress = Progress::Waiting;
        let error = match answer {
            Ok(_) => {
                write.progress = Progress::Done;
                return;
            }
            Err(Trouble::Lost) => None,
            Err(Trouble::Refused(error)) => Some(error),
        };
        let is_offset = matches!(write.what, What::Offset(_));
        let retriable = match error {
            None => true,
            Some(ResponseError::OutOfOrderSequenceNumber) => !write.in_order,
            Some(error) => is_retriable(error),
        };
        if retriable && write.tries < TRIES_MAX {
            return;
        }
        let fatal = match error {
            None => false,
            Some(ResponseError::ProducerFenced | ResponseError::InvalidProducerIdMapping) => true,
            Some(ResponseError::InvalidProducerEpoch) => is_offset,
            Some(_) => false,
        };
        if fatal { self.state = State::Dead } else { self.fail() }
    }

    /// The transaction has to be aborted.
    fn fail(&mut self) {
        self.failed = true;
        if !self.version.supports_epoch_bump() {
            self.bump_required = true;
        }
    }

    pub(crate) fn describe(&self) -> String {
        format!("{:?} of {} at {:?}, last refusal {:?}", self.state, self.transactional_id, self.producer, self.last_refusal)
    }
}

/// As Java sees it; kafka-protocol's table is older.
fn is_retriable(error: ResponseError) -> bool {
    error.is_retriable() || error == ResponseError::ConcurrentTransactions
}
