//! One life: virtual time, producers that come and go, things that go wrong, and in the end peace.

use super::checks::Checks;
use super::coordinator::{Coordinator, Failure, Pending};
use super::markers::Job;
use super::message::{Answer, Message, Part, Request, Trouble};
use super::offsets;
use super::partition::Partition;
use super::plant::Plant;
use super::producer::{OffsetTarget, Places, Producer};
use super::rng::Rng;
use super::sights::{Sight, Sights};
use ottla_coordinator::group::{GroupSettings, GroupShard};
use ottla_coordinator::metadata::records::FeatureLevelRecord;
use ottla_coordinator::metadata::{MetadataImage, MetadataRecord, MetadataShard, features};
use ottla_coordinator::shard::Shard;
use ottla_coordinator::txn::{
    ProducerIdAndEpoch, Transaction, TransactionRecord, TransactionState, TransactionVersion, TransactionalId, TxnSettings,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When the world begins.
const BEGIN: i64 = 1_000_000;
/// How soon everything has to be at rest once nothing goes wrong any more: the longest transaction timeout, and then some.
const PEACE_WITHIN_MS: i64 = 90_000;
/// No request to a shard waits for longer.
const LONGEST_WAIT_MS: i64 = 10_000;
/// After that much time nothing of what was late is still on its way.
const LATEST_MS: i64 = 10_000;
const COORDINATORS: usize = 2;
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
const DATA_TOPICS: [&str; 2] = ["orders", "payments"];

#[derive(Debug)]
pub(crate) enum Event {
    /// A process is free to act.
    Act(usize),
    /// A request reaches the broker.
    Arrive(Box<Message>),
    /// The same, with a producer id that the shard has asked for.
    ArriveWithId(Box<Message>),
    /// An answer, or its loss, reaches a process.
    Deliver {
        process: usize,
        call: u64,
        answer: Answer,
    },
    /// A partition asks the transaction coordinator.
    Verify(Box<Pending>),
    /// A partition appends.
    Write(Box<Pending>),
    AbortExpired {
        shard: usize,
        epoch: i32,
        id: TransactionalId,
    },
    /// The marker sender goes on.
    Marker(u64),
    MarkersWritten(u64),
    Flush {
        part: Part,
        incarnation: u64,
    },
    /// Something happens.
    Chance,
    /// A process starts for a transactional id.
    Spawn(Arc<str>),
    /// The same, when nothing goes wrong any more.
    SpawnLast(Arc<str>),
    CreateTopic(&'static str),
}

/// A running producer.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) producer: Producer,
    /// Stopped until then.
    stopped_until: i64,
}

/// One life.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: i64,
    pub(crate) plant: Option<Plant>,
    image: Arc<MetadataImage>,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) parts: BTreeMap<Part, Partition>,
    /// Producers that wait for a flush: the offset that must be safe.
    pub(crate) unflushed: BTreeMap<Part, Vec<(i64, Message)>>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    pub(crate) checks: Checks,
    pub(crate) sights: Sights,
    pub(crate) processes: BTreeMap<usize, Process>,
    ids: Vec<Arc<str>>,
    cluster_version: i16,
    next_process: usize,
    next_producer_id: i64,
    pub(crate) next_incarnation: u64,
    pub(crate) boot: u64,
    expiration_ms: i64,
    events: BTreeMap<(i64, u64), Event>,
    pub(crate) next_event: u64,
    chaos_until: i64,
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, plant: Option<Plant>, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let cluster_version = if rng.percent(75) { 2 } else { rng.between(0, 1) as i16 };
        let image = image(cluster_version);
        let expires = rng.percent(30);
        let settings = TxnSettings {
            id_expiration_ms: if expires { rng.between(10_000, 40_000) } else { TxnSettings::default().id_expiration_ms },
            expire_ids_interval_ms: 5_000,
            ..TxnSettings::default()
        };
        let settings = Arc::new(settings);
        let coordinators = (0..COORDINATORS).map(|_| Coordinator::new(Arc::clone(&settings), Arc::clone(&image))).collect();
        let ids = (0..rng.between(1, 4)).map(|index| Arc::from(format!("t{index}"))).collect();
        let expiration_ms = if rng.percent(20) { 60_000 } else { 86_400_000 };
        let chaos_until = BEGIN + rng.between(15_000, 60_000);
        let mut world = Self {
            rng,
            now: BEGIN,
            plant,
            image,
            coordinators,
            parts: BTreeMap::new(),
            unflushed: BTreeMap::new(),
            jobs: BTreeMap::new(),
            checks: Checks::default(),
            sights: Sights::default(),
            processes: BTreeMap::new(),
            ids,
            cluster_version,
            next_process: 0,
            next_producer_id: 1_000,
            next_incarnation: 0,
            boot: 0,
            expiration_ms,
            events: BTreeMap::new(),
            next_event: 0,
            chaos_until,
            trace,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for topic in DATA_TOPICS {
            self.create_topic(topic);
        }
        for partition in 0..2 {
            let groups = GroupShard::new(Arc::new(GroupSettings::default()), Arc::clone(&self.image));
            self.create_partition((Arc::from(OFFSETS_TOPIC), partition), Some(groups));
        }
        for shard in 0..COORDINATORS {
            self.reload(shard, true);
        }
        for id in self.ids.clone() {
            if self.rng.percent(40) {
                self.age(&id);
            }
            let after = self.rng.between(0, 2_000);
            self.schedule(after, Event::Spawn(id));
        }
        self.schedule(500, Event::Chance);
    }

    /// The id has a long life behind it: its epochs are nearly used up.
    fn age(&mut self, id: &Arc<str>) {
        let producer = ProducerIdAndEpoch { id: self.fresh_producer_id(), epoch: self.rng.between(32_758, 32_766) as i16 };
        let transaction = Transaction {
            producer,
            previous_producer_id: -1,
            next_producer_id: -1,
            last_epoch: -1,
            timeout_ms: 10_000,
            state: TransactionState::Empty,
            partitions: Default::default(),
            start_ms: -1,
            last_update_ms: self.now,
            client_version: TransactionVersion(0),
        };
        self.checks.record(id, Some(&transaction), None, &self.parts);
        let record = TransactionRecord {
            transactional_id: TransactionalId(Arc::clone(id)),
            value: Some(transaction),
            cluster_version: TransactionVersion(self.cluster_version),
        };
        let shard = self.shard_of(id);
        self.coordinators[shard].append(&[record]);
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>7} {}", self.now - BEGIN, what());
        }
    }

    pub(crate) fn schedule(&mut self, after_ms: i64, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now + after_ms, self.next_event), event);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now >= self.chaos_until
    }

    /// True this often, as long as things go wrong at all.
    pub(crate) fn mishap(&mut self, percent: u64) -> bool {
        !self.is_calm() && self.rng.percent(percent)
    }

    pub(crate) fn fresh_producer_id(&mut self) -> i64 {
        if self.plant != Some(Plant::SameProducerId) || self.rng.percent(50) {
            self.next_producer_id += 1;
        }
        self.next_producer_id
    }

    pub(crate) fn shard_of(&self, id: &str) -> usize {
        self.ids.iter().position(|of| **of == *id).unwrap_or_default() % COORDINATORS
    }

    /// Lives through chaos and into peace.
    pub(crate) fn run(&mut self) {
        let give_up_at = self.chaos_until + PEACE_WITHIN_MS;
        let mut look_at = self.chaos_until + LATEST_MS + 1_000;
        let mut began_calm = false;
        loop {
            if self.is_calm() && !began_calm {
                began_calm = true;
                self.begin_calm();
            }
            if self.now >= look_at {
                match self.unrest() {
                    None => break,
                    Some(why) => assert!(self.now < give_up_at, "{why}, {PEACE_WITHIN_MS} ms after the last fault"),
                }
                look_at = self.now + 1_000;
            }
            self.step();
        }
        self.end();
    }

    /// Nothing goes wrong from now on. Half of the ids are left alone, for time to end their transactions; the others get a process
    /// that must be able to commit.
    fn begin_calm(&mut self) {
        self.note(|| "calm".to_owned());
        self.processes.clear();
        for coordinator in &mut self.coordinators {
            coordinator.failures.clear();
        }
        for topic in DATA_TOPICS {
            self.create_topic(topic);
        }
        for id in self.ids.clone() {
            if self.rng.percent(50) {
                self.schedule(LATEST_MS, Event::SpawnLast(id));
            }
        }
    }

    fn unrest(&mut self) -> Option<String> {
        for process in self.processes.values_mut() {
            assert!(!process.producer.is_dead(), "completes: {}", process.producer.describe());
            if process.producer.commits < 2 {
                return Some(format!("completes: {}", process.producer.describe()));
            }
        }
        self.processes.clear();
        self.checks.unrest()
    }

    fn end(&mut self) {
        for shard in 0..COORDINATORS {
            self.reload(shard, true);
        }
        let now = self.now;
        for (part, partition) in &mut self.parts {
            if part.0.as_ref() == OFFSETS_TOPIC {
                offsets::at_rest(now, partition);
            }
        }
        self.checks.at_rest(&self.parts);
    }

    fn step(&mut self) {
        let at = self.events.first_key_value().map_or(self.now + 1_000, |((at, _), _)| *at);
        let deadline = |coordinator: &Coordinator| coordinator.next_deadline();
        let due = self.coordinators.iter().enumerate().filter_map(|(shard, held)| Some((deadline(held)?, shard))).min();
        if let Some((deadline, shard)) = due.filter(|(deadline, _)| *deadline <= at) {
            self.now = self.now.max(deadline);
            self.wake(shard);
        } else {
            self.now = self.now.max(at);
            if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
        }
        for coordinator in &self.coordinators {
            let waits = coordinator.longest_wait_ms(self.now);
            assert!(waits <= LONGEST_WAIT_MS, "every request is answered: one waits for {waits} ms");
        }
    }

    fn happen(&mut self, event: Event) {
        let process = match &event {
            Event::Act(process) | Event::Deliver { process, .. } => Some(*process),
            _ => None,
        };
        if let Some(process) = process.and_then(|process| self.processes.get(&process))
            && process.stopped_until > self.now
        {
            let wait = process.stopped_until - self.now;
            return self.schedule(wait, event);
        }
        match event {
            Event::Act(process) => self.act(process),
            Event::Arrive(message) => self.arrive(*message, None),
            Event::ArriveWithId(message) => {
                let fresh = self.fresh_producer_id();
                self.arrive(*message, Some(fresh));
            }
            Event::Deliver { process, call, answer } => self.deliver(process, call, answer),
            Event::Verify(pending) => self.verify(*pending),
            Event::Write(pending) => self.write(*pending),
            Event::AbortExpired { shard, epoch, id } => self.abort_expired(shard, epoch, &id),
            Event::Marker(job) => self.write_marker(job),
            Event::MarkersWritten(job) => self.markers_written(job),
            Event::Flush { part, incarnation } => self.flush(&part, incarnation),
            Event::Chance => self.chance(),
            Event::Spawn(id) => {
                let taken = self.processes.values().any(|process| process.producer.transactional_id == id && !process.producer.is_dead());
                if !taken && !self.is_calm() {
                    self.spawn(id);
                }
            }
            Event::SpawnLast(id) => self.spawn(id),
            Event::CreateTopic(name) => self.create_topic(name),
        }
    }

    // Processes.

    fn spawn(&mut self, id: Arc<str>) {
        let number = self.next_process;
        self.next_process += 1;
        let version = TransactionVersion(if self.cluster_version == 2 && self.rng.percent(70) { 2 } else { 1 });
        let timeout_ms = [2_000, 10_000, 30_000][self.rng.below(3) as usize];
        self.note(|| format!("p{number} starts for {id} with version {}, timeout {timeout_ms}", version.0));
        let mut producer = Producer::new(id, number, version, timeout_ms);
        producer.impatient = self.rng.percent(30);
        self.processes.insert(number, Process { producer, stopped_until: 0 });
        self.schedule(0, Event::Act(number));
    }

    fn act(&mut self, number: usize) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        let places = Places {
            data: self.parts.keys().filter(|part| part.0.as_ref() != OFFSETS_TOPIC).cloned().collect(),
            offsets: offset_targets(),
        };
        let producer = &mut process.producer;
        let calls = producer.act(self.now, &mut self.rng, &places);
        let (id, tag, version) = (Arc::clone(&producer.transactional_id), producer.tag(), producer.version);
        let (timeout_ms, at) = (producer.timeout_ms, producer.producer);
        let began_nothing = calls.is_empty() && producer.is_ready();
        for (call, request) in calls {
            let incarnation = match &request {
                Request::Produce { part, .. } => self.parts.get(part).map(|partition| partition.incarnation),
                _ => None,
            };
            let transactional_id = Arc::clone(&id);
            let message = Message { call, transactional_id, tag, producer: at, version, timeout_ms, incarnation, request };
            self.send(message);
        }
        if began_nothing {
            let rest = self.rng.between(10, 200);
            self.schedule(rest, Event::Act(number));
        }
    }

    fn send(&mut self, message: Message) {
        self.note(|| format!("p{} sends {message:?}", message.tag.process));
        let latency = self.rng.between(1, 20);
        let (process, call) = (message.tag.process, message.call);
        let lost = Event::Deliver { process, call, answer: Err(Trouble::Lost) };
        if self.mishap(1) {
            return self.schedule(50, lost);
        }
        // A request that the producer has given up arrives all the same. With version 1 only batches are safe from that.
        let end_is_late = self.plant == Some(Plant::LateEndTxnOfVersion1) && matches!(message.request, Request::End { .. });
        let may_be_late = message.version.supports_epoch_bump() || matches!(message.request, Request::Produce { .. }) || end_is_late;
        if may_be_late && self.mishap(if end_is_late { 20 } else { 2 }) {
            self.sights.see(Sight::LateRequest);
            self.schedule(50, lost);
            let late = self.rng.between(60, 3_000);
            return self.schedule(late, Event::Arrive(Box::new(message)));
        }
        self.schedule(latency, Event::Arrive(Box::new(message)));
    }

    /// Sends an answer on its way.
    pub(crate) fn answer(&mut self, message: &Message, answer: Answer) {
        self.note(|| format!("p{} call {} is answered {answer:?}", message.tag.process, message.call));
        let answer = if self.mishap(1) { Err(Trouble::Lost) } else { answer };
        let latency = if answer.is_err() { 40 } else { self.rng.between(1, 20) };
        self.schedule(latency, Event::Deliver { process: message.tag.process, call: message.call, answer });
    }

    fn deliver(&mut self, number: usize, call: u64, answer: Answer) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        let (rest, news) = process.producer.take(&mut self.rng, call, answer);
        if process.producer.is_dead() {
            return self.bury(number);
        }
        let rest = if self.now >= self.chaos_until { rest.min(100) } else { rest };
        process.producer.rests_until = self.now + rest;
        if let Some(news) = news {
            self.note(|| format!("p{number}: {news:?}"));
            self.checks.news(&news);
        }
        self.schedule(rest, Event::Act(number));
    }

    /// A process has given up; another takes its place.
    fn bury(&mut self, number: usize) {
        let Some(process) = self.processes.get(&number) else { return };
        let id = Arc::clone(&process.producer.transactional_id);
        self.note(|| format!("p{number} gives up: {}", process.producer.describe()));
        if !self.is_calm() {
            self.processes.remove(&number);
            let after = self.rng.between(10, 3_000);
            self.schedule(after, Event::Spawn(id));
        }
    }

    // Mishaps.

    fn chance(&mut self) {
        if self.is_calm() {
            return;
        }
        self.look_at_offsets();
        let kind = self.rng.below(100);
        match kind {
            0..25 => {
                let shard = self.rng.below(COORDINATORS as u64) as usize;
                let elsewhere = self.rng.percent(50);
                self.note(|| format!("coordinator {shard} reloads, elsewhere: {elsewhere}"));
                self.reload(shard, elsewhere);
            }
            25..40 => {
                let failure = if self.rng.percent(50) { Failure::Written } else { Failure::NotWritten };
                let shard = self.rng.below(COORDINATORS as u64) as usize;
                self.coordinators[shard].failures.push_back(failure);
            }
            40..52 => self.stop_a_process(),
            52..60 => {
                let id = self.rng.pick(&self.ids).cloned();
                id.into_iter().for_each(|id| self.spawn(id));
            }
            60..68 => {
                let numbers: Vec<usize> = self.processes.keys().copied().collect();
                if let Some(process) = self.rng.pick(&numbers).and_then(|number| self.processes.remove(number)) {
                    self.note(|| format!("p{} is killed", process.producer.number));
                    let after = self.rng.between(10, 8_000);
                    self.schedule(after, Event::Spawn(Arc::clone(&process.producer.transactional_id)));
                }
            }
            68..76 => self.power_loss(),
            76..79 => {
                let name = DATA_TOPICS[self.rng.below(2) as usize];
                self.delete_topic(name);
                let after = self.rng.between(10, 3_000);
                self.schedule(after, Event::CreateTopic(name));
            }
            85..90 => {
                let by_ms = self.rng.between(-10_000, 10_000);
                self.note(|| format!("the clock is set by {by_ms}"));
                self.coordinators.iter_mut().for_each(|coordinator| coordinator.set_clock(by_ms));
            }
            79..85 => self.parts.values_mut().for_each(|partition| partition.forget_idle_producers(self.now)),
            _ => {}
        }
        let next = self.rng.between(50, 2_500);
        self.schedule(next, Event::Chance);
    }

    fn stop_a_process(&mut self) {
        let numbers: Vec<usize> = self.processes.keys().copied().collect();
        let for_ms = [300, 3_000, 20_000][self.rng.below(3) as usize];
        let Some(number) = self.rng.pick(&numbers).copied() else { return };
        self.note(|| format!("p{number} stops for {for_ms}"));
        let Some(process) = self.processes.get_mut(&number) else { return };
        process.stopped_until = self.now + for_ms;
        // Somebody takes over.
        if self.rng.percent(50) {
            let id = Arc::clone(&process.producer.transactional_id);
            self.spawn(id);
        }
    }

    /// The machine stops and starts again: every log above its high watermark may be gone, and whoever was at work with it.
    fn power_loss(&mut self) {
        self.note(|| "power loss".to_owned());
        self.sights.see(Sight::PowerLoss);
        self.boot += 1;
        self.jobs.clear();
        let waiting: Vec<Message> = std::mem::take(&mut self.unflushed).into_values().flatten().map(|(_, message)| message).collect();
        waiting.iter().for_each(|message| self.answer(message, Err(Trouble::Lost)));
        for (part, partition) in &mut self.parts {
            let end = partition.log_end_offset();
            let keep_up_to = self.rng.between(partition.high_watermark, end);
            partition.restart(self.now, keep_up_to, &self.image, self.plant);
            if partition.log_end_offset() < end {
                self.sights.see(Sight::LostTail);
            }
            self.checks.stable(part, partition);
        }
        for shard in 0..COORDINATORS {
            self.reload(shard, true);
        }
    }

    fn look_at_offsets(&mut self) {
        let now = self.now;
        for (part, partition) in &mut self.parts {
            if part.0.as_ref() == OFFSETS_TOPIC && offsets::check(now, partition) {
                self.sights.see(Sight::UnstableOffset);
            }
        }
    }

    // Topics.

    fn create_topic(&mut self, name: &str) {
        for partition in 0..2 {
            let part = (Arc::from(name), partition);
            if !self.parts.contains_key(&part) {
                self.create_partition(part, None);
            }
        }
    }

    fn create_partition(&mut self, part: Part, groups: Option<GroupShard>) {
        self.next_incarnation += 1;
        let flush_ms = if self.rng.percent(50) { 0 } else { self.rng.between(2, 30) };
        self.parts.insert(part, Partition::new(self.next_incarnation, self.expiration_ms, flush_ms, groups));
    }

    fn delete_topic(&mut self, name: &str) {
        self.note(|| format!("{name} is deleted"));
        self.sights.see(Sight::DeletedTopic);
        self.parts.retain(|part, _| *part.0 != *name);
        let (gone, kept) = std::mem::take(&mut self.unflushed).into_iter().partition(|(part, _)| *part.0 == *name);
        self.unflushed = kept;
        let gone: BTreeMap<Part, Vec<(i64, Message)>> = gone;
        gone.values().flatten().for_each(|(_, message)| self.answer(message, Err(Trouble::Lost)));
    }
}

fn offset_targets() -> Vec<OffsetTarget> {
    let target = |partition: i32, group: &str, of: i32| ((Arc::from(OFFSETS_TOPIC), partition), Arc::from(group), of);
    vec![target(0, "g0", 0), target(0, "g0", 1), target(1, "g1", 0)]
}

fn image(transaction_version: i16) -> Arc<MetadataImage> {
    let mut shard = MetadataShard::new();
    let name = features::TRANSACTION_VERSION.to_owned();
    shard.replay(&MetadataRecord::FeatureLevel(FeatureLevelRecord { name, level: transaction_version }));
    shard.publish(0, 1).expect("a record that fits").expect("no transaction").new
}
