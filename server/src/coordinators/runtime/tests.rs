mod commands;
mod transactions;

use super::turn::pause_after;
use super::*;
use crate::partition::PartitionConfig;
use ottla_coordinator::timers::Timers;
use ottla_storage::batch::{BatchBuilder, EndTransactionMarker, end_transaction_batch};
use ottla_storage::disk::faulty::{Fault, FaultyDisk};
use ottla_storage::log::{AppendOrigin, LogConfig, OpenOptions, PartitionLog};
use ottla_storage::{LeaderEpoch, LogId, ProducerEpoch, ProducerId};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A shard that has this name writes nothing when it is loaded.
const LOADS_QUIETLY: &str = "loads quietly";

/// A shard that keeps numbers by name.
#[derive(Debug, Default)]
struct Register {
    numbers: BTreeMap<String, i64>,
    pending: BTreeMap<i64, Vec<(String, i64)>>,
    waiting: Vec<Ticket>,
    timers: Timers<&'static str>,
    commands_of_timer: Vec<&'static str>,
    images: usize,
}

type RegisterEffects = EffectsOf<Register>;

impl Register {
    fn set(ticket: Ticket, name: &str, number: i64) -> RegisterEffects {
        Effects { records: vec![(name.to_owned(), number)], replies: vec![(ticket, number)], ..Effects::default() }
    }

    fn get(&mut self, ticket: Ticket, name: &str) -> RegisterEffects {
        Effects::reply(ticket, self.numbers.get(name).copied().unwrap_or(-1))
    }

    fn wait(&mut self, ticket: Ticket, until: Millis) -> RegisterEffects {
        self.waiting.push(ticket);
        self.timers.set("wait", until);
        Effects::default()
    }
}

impl Shard for Register {
    type Record = (String, i64);
    type Reply = i64;
    type Command = &'static str;

    fn replay(&mut self, (name, number): &(String, i64)) {
        self.numbers.insert(name.clone(), *number);
    }

    fn on_loaded(&mut self, _now: Millis) -> RegisterEffects {
        if self.numbers.contains_key(LOADS_QUIETLY) {
            return Effects::default();
        }
        Effects { records: vec![("loads".to_owned(), self.numbers.get("loads").unwrap_or(&0) + 1)], ..Effects::default() }
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.timers.next_deadline()
    }

    fn shift_deadlines(&mut self, by_ms: i64) {
        self.timers.shift(by_ms);
    }

    fn handle_timeout(&mut self, now: Millis) -> RegisterEffects {
        self.timers.pop_expired(now);
        let commands = std::mem::take(&mut self.commands_of_timer);
        Effects { replies: self.waiting.drain(..).map(|ticket| (ticket, now.0)).collect(), commands, ..Effects::default() }
    }
}

impl CoordinatorShard for Register {
    const TOPIC: &'static str = "__register";
    type Settings = ();

    fn reconfigure(&mut self, _settings: &Arc<()>) {}

    fn new(_settings: &Arc<()>, _image: Arc<MetadataImage>) -> Self {
        Self::default()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<(String, i64)>, String> {
        let number = value.and_then(|value| value.try_into().ok()).map(i64::from_be_bytes);
        Ok(Some((String::from_utf8_lossy(key).into_owned(), number.ok_or("not a number")?)))
    }

    fn encode((name, number): &(String, i64)) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        Ok((name.clone().into_bytes(), Some(number.to_be_bytes().to_vec())))
    }

    fn replay_transactional(&mut self, producer_id: i64, record: &(String, i64)) {
        self.pending.entry(producer_id).or_default().push(record.clone());
    }

    fn replay_marker(&mut self, producer_id: i64, commit: bool) {
        let records = self.pending.remove(&producer_id).unwrap_or_default();
        if commit {
            self.numbers.extend(records);
        }
    }

    fn on_new_image(&mut self, _now: Millis, _image: &Arc<MetadataImage>, _delta: &MetadataDelta) -> RegisterEffects {
        self.images += 1;
        Effects::default()
    }
}

/// What the shard asked of the world, and what must be committed before.
#[derive(Debug, Default)]
struct Mailbox(Mutex<Vec<Errand<&'static str>>>);

impl Courier<&'static str> for Mailbox {
    fn deliver(&self, errand: Errand<&'static str>) {
        self.0.lock().unwrap().push(errand);
    }
}

/// One shard on a simulated disk; flushes happen when the story says so.
struct Story {
    disk: FaultyDisk,
    clock: Clock,
    runtime: Runtime<Register>,
    partition: Arc<Partition>,
    mailbox: Arc<Mailbox>,
    tokio: tokio::runtime::Runtime,
}

impl Story {
    fn new(log: LogConfig) -> Self {
        Self::on(FaultyDisk::new(1), log)
    }

    fn on(disk: FaultyDisk, log: LogConfig) -> Self {
        Self::reading(disk, log, 1 << 20)
    }

    fn reading(disk: FaultyDisk, log: LogConfig, load_buffer_bytes: u64) -> Self {
        let id = LogId { topic: Register::TOPIC.to_owned(), topic_id: Uuid::from_u128(7), partition: 0 };
        let config = PartitionConfig { log: Arc::new(log), min_insync_replicas: 1 };
        let start = Offset(0);
        let now = ottla_storage::Millis(0);
        let how = OpenOptions { clean: false, machine_stopped: false, recovery_point: start, log_start_offset: start, now };
        let opened = PartitionLog::open(Arc::new(disk.clone()), Path::new("/d"), id.clone(), Arc::clone(&config.log), how).unwrap();
        let partition = Arc::new(Partition::new(id, opened.0, config));
        partition.set_role(Role::Leader { leader_epoch: LeaderEpoch(1), isr: vec![1], replicas: 1 });
        let flusher = Arc::new(Flusher::new());
        flusher.stop();
        let clock = Clock::manual(1_000);
        let mailbox = Arc::new(Mailbox::default());
        let courier: Arc<dyn Courier<&'static str>> = mailbox.clone();
        let config = RuntimeConfig {
            settings: Arc::new(()),
            compression: Compression::None,
            commit_timeout: Duration::from_secs(5),
            load_buffer_bytes,
            courier: Some(courier),
        };
        let runtime = Runtime::start(config, clock.clone(), flusher).unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        Self { disk, clock, runtime, partition, mailbox, tokio }
    }

    /// With the shard loaded here and now.
    fn loaded(self) -> Self {
        let cell = Arc::new(Cell::new(0, 1, Arc::clone(&self.partition)));
        self.runtime.inner.cells.store(Arc::new(vec![Some(Arc::clone(&cell))]));
        self.runtime.inner.load(&cell, Some(Arc::default()));
        self
    }

    fn cell(&self) -> Arc<Cell<Register>> {
        self.runtime.inner.cells.load()[0].clone().unwrap()
    }

    fn run(&self, handler: impl FnOnce(&mut Register, Millis, Ticket) -> RegisterEffects) -> Result<i64, ResponseError> {
        self.tokio.block_on(self.runtime.run("any", handler))
    }

    fn set(&self, name: &str, number: i64) -> Result<i64, ResponseError> {
        self.run(|_, _, ticket| Register::set(ticket, name, number))
    }

    fn get(&self, name: &str) -> Result<i64, ResponseError> {
        self.run(|shard, _, ticket| shard.get(ticket, name))
    }

    fn flush(&self) {
        let plan = self.partition.prepare_flush().unwrap();
        let outcome = plan.run();
        self.partition.complete_flush(&self.runtime.inner.flusher, plan, outcome);
    }

    /// The loading thread takes its time.
    fn until_loaded(&self) {
        let patience = std::time::Instant::now() + Duration::from_secs(30);
        while matches!(self.cell().state.lock().unwrap().phase, Phase::Loading(_)) {
            assert!(std::time::Instant::now() < patience, "never loaded");
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_was_answered_is_there_after_the_process_is_killed() {
    let story = Story::new(LogConfig::default()).loaded();
    assert_eq!(story.set("a", 7), Ok(7));
    assert_eq!(story.set("a", 8), Ok(8));
    let again = Story::on(story.disk.crash_keep_page_cache(), LogConfig::default()).loaded();
    assert_eq!(again.get("a"), Ok(8));
    assert_eq!(again.get("loads"), Ok(2), "what on_loaded writes is appended too");
}

#[test]
fn without_a_shard_here_requests_go_elsewhere_and_while_it_loads_they_come_again() {
    let story = Story::new(LogConfig::default());
    assert_eq!(story.get("a"), Err(ResponseError::NotCoordinator));
    story.runtime.inner.cells.store(Arc::new(vec![Some(Arc::new(Cell::new(0, 1, Arc::clone(&story.partition))))]));
    assert_eq!(story.get("a"), Err(ResponseError::CoordinatorLoadInProgress));
    let all = story.tokio.block_on(story.runtime.run_all(|shard, _, ticket| shard.get(ticket, "a")));
    assert_eq!(all, Err(ResponseError::CoordinatorLoadInProgress));
}

#[test]
fn a_reply_waits_until_the_log_has_committed_it_and_so_does_a_read_of_it() {
    let story = Story::new(LogConfig { flush_messages: 1, ..LogConfig::default() }).loaded();
    let inner = &story.runtime.inner;
    let cell = story.cell();
    let written = inner.submit(&cell, None, |_, _, ticket| Register::set(ticket, "a", 7)).unwrap();
    let read = inner.submit(&cell, None, |shard, _, ticket| shard.get(ticket, "a")).unwrap();
    story.tokio.block_on(async {
        let both = async { tokio::join!(inner.await_reply(&cell, written), inner.await_reply(&cell, read)) };
        tokio::pin!(both);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut both).await.is_err(), "nothing is flushed yet");
        story.flush();
        assert_eq!(both.await, (Ok(7), Ok(7)));
    });
    let late = inner.submit(&cell, None, |_, _, ticket| Register::set(ticket, "a", 8)).unwrap();
    assert_eq!(story.tokio.block_on(inner.await_reply(&cell, late)), Err(ResponseError::CoordinatorNotAvailable), "5 s without a flush");
}

#[test]
fn a_failed_append_answers_everybody_and_leaves_the_shard_as_its_log_has_it() {
    let story = Story::new(LogConfig::default()).loaded();
    story.set("a", 7).unwrap();
    let inner = &story.runtime.inner;
    let parked = inner.submit(&story.cell(), None, |shard, _, ticket| shard.wait(ticket, Millis(i64::MAX))).unwrap();
    story.disk.fail_at(story.disk.operations(), Fault::NoSpace);
    assert_eq!(story.set("a", 8), Err(ResponseError::NotCoordinator));
    assert_eq!(story.tokio.block_on(inner.await_reply(&story.cell(), parked)), Err(ResponseError::NotCoordinator));
    story.until_loaded();
    assert_eq!(story.get("a"), Ok(7), "what could not be written was never so");
    assert_eq!(story.set("a", 9), Ok(9), "and the shard goes on");
}

#[test]
fn a_shard_that_cannot_write_what_its_start_wants_is_loaded_less_and_less_often() {
    let pauses: Vec<_> = (0..4).chain([7, 8, 9, 40, u32::MAX]).map(|failures| pause_after(failures).as_millis()).collect();
    assert_eq!(pauses, [0, 5, 10, 20, 320, 640, 1_000, 1_000, 1_000]);

    let story = Story::new(LogConfig::default()).loaded();
    let began = std::time::Instant::now();
    // No write fits; that what was half written is cut off again does, between them.
    let first = story.disk.operations();
    (0..5).for_each(|write| story.disk.fail_at(first + 2 * write, Fault::NoSpace));
    assert_eq!(story.set("a", 8), Err(ResponseError::NotCoordinator));
    story.until_loaded();
    assert!(began.elapsed() >= Duration::from_millis(5 + 10 + 20 + 40), "not in a tight loop");
    assert_eq!([story.set("a", 9), story.get("loads")], [Ok(9), Ok(2)], "and it comes back with the disk");
    assert_eq!(story.cell().state.lock().unwrap().failures, 0);
}

#[test]
fn a_handler_that_panics_costs_its_shard_a_reload_and_nothing_more() {
    let story = Story::new(LogConfig::default()).loaded();
    story.set("a", 7).unwrap();
    let parked = story.runtime.inner.submit(&story.cell(), None, |shard, _, ticket| shard.wait(ticket, Millis(i64::MAX))).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        story.run(|shard, _, _| {
            shard.numbers.clear();
            panic!("a bug");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(story.get("a"), Err(ResponseError::CoordinatorLoadInProgress));
    let answer = story.tokio.block_on(story.runtime.inner.await_reply(&story.cell(), parked));
    assert_eq!(answer, Err(ResponseError::CoordinatorLoadInProgress));
    story.until_loaded();
    assert_eq!(story.get("a"), Ok(7));
}

#[test]
fn a_deadline_wakes_the_shard_and_a_clock_that_was_set_does_not() {
    let story = Story::new(LogConfig::default()).loaded();
    let cell = story.cell();
    let inner = &story.runtime.inner;
    let parked = inner.submit(&cell, None, |shard, _, ticket| shard.wait(ticket, Millis(2_000))).unwrap();
    inner.shift_deadlines(&cell, 500);
    story.clock.advance(1_499);
    assert_eq!(inner.handle_timeouts(&cell), Some(Millis(2_500)));
    story.clock.advance(1);
    // Now the timer thread sees it, too, or the next request.
    let answer = story.tokio.block_on(inner.await_reply(&cell, parked));
    assert_eq!(answer, Ok(2_500));
}

#[test]
fn records_of_a_transaction_count_when_its_marker_says_so() {
    let story = Story::new(LogConfig::default());
    let append = |batch: Vec<u8>| {
        story.partition.append(&story.runtime.inner.flusher, 0, &batch, AppendOrigin::Coordinator, true).unwrap();
    };
    let now = ottla_storage::Millis(0);
    for (producer, name) in [(1, "committed"), (2, "aborted"), (3, "open")] {
        let (id, epoch) = (ProducerId(producer), ProducerEpoch(0));
        let mut batch = BatchBuilder::new().producer(id, epoch, ottla_storage::Sequence(0)).transactional();
        batch.push(now, Some(name.as_bytes()), Some(&7i64.to_be_bytes()), &[]);
        append(batch.build().unwrap());
        if producer != 3 {
            let marker = EndTransactionMarker { committed: producer == 1, coordinator_epoch: 0 };
            append(end_transaction_batch(now, id, epoch, marker, LeaderEpoch(1)));
        }
    }
    let story = story.loaded();
    assert_eq!([story.get("committed"), story.get("aborted"), story.get("open")], [Ok(7), Ok(-1), Ok(-1)]);
}

#[test]
fn a_log_that_cannot_be_understood_is_not_served() {
    let story = Story::new(LogConfig::default());
    let mut batch = BatchBuilder::new();
    batch.push(ottla_storage::Millis(0), Some(b"a"), None, &[]);
    let appended = story.partition.append(&story.runtime.inner.flusher, 0, &batch.build().unwrap(), AppendOrigin::Coordinator, true);
    appended.unwrap();
    let story = story.loaded();
    assert_eq!(story.get("a"), Err(ResponseError::NotCoordinator));
}

#[test]
fn a_stop_answers_who_waits_and_later_requests_go_elsewhere() {
    let story = Story::new(LogConfig::default()).loaded();
    let inner = &story.runtime.inner;
    let parked = inner.submit(&story.cell(), None, |shard, _, ticket| shard.wait(ticket, Millis(i64::MAX))).unwrap();
    story.runtime.stop();
    assert_eq!(story.tokio.block_on(inner.await_reply(&story.cell(), parked)), Err(ResponseError::NotCoordinator));
    assert_eq!(story.get("a"), Err(ResponseError::NotCoordinator));
}
