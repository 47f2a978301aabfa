//! One life of one shard: virtual time, clients that come and go, things that go wrong, and in the end peace.

use super::broker::{Answer, Broker, Failure, Lost, Origin, Request};
use super::checks::Checks;
use super::classic::{Classic, SESSION_TIMEOUT_MS};
use super::client::{Client, Move, Protocol, Sight, Standing, all_partitions, group_text, text};
use super::consumer::Consumer;
use super::rng::Rng;
use super::topics::{NAMES, Topics};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{ListGroupsRequest, OffsetCommitRequest, TopicName};
use ottla_coordinator::group::{Caller, GroupId, GroupReply, GroupSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// When the world begins.
const BEGIN: i64 = 1_000_000;
/// How soon a group has to be at peace once nothing goes wrong any more: ghosts of new members may hold it up for five minutes.
const PEACE_WITHIN_MS: i64 = 420_000;
/// Nobody waits for longer: the longest rebalance, and a new member that never heard of it.
const LONGEST_WAIT_MS: i64 = 330_000;

/// Which protocols a group's clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Classic,
    Consumer,
    /// Each client either, as in a rolling upgrade or downgrade.
    Mixed,
}

#[derive(Debug)]
enum Event {
    /// A client is free to act.
    Act { client: usize },
    /// A request reaches the broker.
    Arrive { origin: Origin, request: Box<Request> },
    /// An answer, or its loss, reaches a client.
    Deliver { origin: Origin, sent_at: i64, upheavals: u64, answer: Box<Answer> },
    /// Something happens.
    Chance,
    /// A process starts in the place of one that ended.
    Spawn { group: usize, instance: Option<String> },
}

/// A running client.
#[derive(Debug)]
struct Process {
    client: Client,
    protocol: Protocol,
    attempt: u64,
    sent_at: i64,
    /// Stopped until then.
    stopped_until: i64,
}

struct Group {
    id: GroupId,
    speech: Speech,
}

/// One life.
pub(crate) struct World {
    rng: Rng,
    now: i64,
    topics: Topics,
    broker: Broker,
    checks: Checks,
    groups: Vec<Group>,
    processes: BTreeMap<usize, Process>,
    next_client: usize,
    /// What static members read.
    instances: BTreeMap<String, BTreeSet<String>>,
    events: BTreeMap<(i64, u64), Event>,
    next_event: u64,
    chaos_until: i64,
    trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, speeches: &[Speech], trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut topics = Topics::new();
        for name in NAMES {
            if rng.percent(75) {
                topics.create(&mut rng, name);
            }
        }
        let settings = GroupSettings {
            initial_rebalance_delay_ms: [0, 500, 3_000][rng.below(3) as usize],
            consumer_session_timeout_ms: 15_000,
            consumer_min_session_timeout_ms: 15_000,
            consumer_heartbeat_interval_ms: 3_000,
            consumer_min_heartbeat_interval_ms: 3_000,
            consumer_assignment_interval_ms: [0, 1_000][rng.below(2) as usize],
            consumer_regex_refresh_interval_ms: 10_000,
            ..GroupSettings::default()
        };
        let image = topics.image();
        let broker = Broker::new(Arc::new(settings), Arc::clone(&image), BEGIN);
        let speech = *rng.pick(speeches).expect("a protocol");
        let count = rng.between(1, 2);
        let groups = (0..count).map(|index| Group { id: GroupId::from(&*format!("g{index}")), speech }).collect();
        let chaos_until = BEGIN + rng.between(30_000, 120_000);
        let mut world = Self {
            rng,
            now: BEGIN,
            topics,
            broker,
            checks: Checks::new(image),
            groups,
            processes: BTreeMap::new(),
            next_client: 0,
            instances: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            chaos_until,
            trace,
        };
        world.schedule(0, Event::Chance);
        world
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>7} {}", self.now - BEGIN, what());
        }
    }

    fn schedule(&mut self, after_ms: i64, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now + after_ms, self.next_event), event);
    }

    fn is_calm(&self) -> bool {
        self.now >= self.chaos_until
    }

    /// Lives through chaos and into peace.
    pub(crate) fn run(&mut self) {
        let give_up_at = self.chaos_until + PEACE_WITHIN_MS;
        let mut look_at = self.chaos_until + 5_000;
        let mut began_calm = false;
        loop {
            if self.is_calm() && !began_calm {
                began_calm = true;
                self.begin_calm();
            }
            if self.now >= look_at {
                match self.unrest() {
                    None => break,
                    Some(why) => assert!(self.now < give_up_at, "no peace after {PEACE_WITHIN_MS} ms: {why}"),
                }
                look_at = self.now + 1_000;
            }
            self.step();
        }
        self.broker.reload(&mut self.checks, self.now);
    }

    /// Nothing goes wrong from now on. A last new member makes classic groups look at their topics: a static leader that was replaced
    /// behind an old version of JoinGroup does not.
    fn begin_calm(&mut self) {
        self.note(|| "calm".to_owned());
        self.broker.failures.clear();
        for group in 0..self.groups.len() {
            self.schedule(1, Event::Spawn { group, instance: None });
        }
    }

    /// The log's bytes.
    pub(crate) fn log(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        self.broker.log().to_vec()
    }

    fn step(&mut self) {
        let (reloads, upheavals) = (self.checks.reloads, self.checks.upheavals);
        let at = self.events.first_key_value().map_or(self.now + 1_000, |((at, _), _)| *at);
        if let Some(deadline) = self.broker.next_deadline().filter(|deadline| *deadline <= at) {
            self.now = self.now.max(deadline);
            self.broker.wake(&mut self.checks, self.now);
        } else {
            self.now = self.now.max(at);
            if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
        }
        if self.checks.reloads > reloads {
            self.after_reload();
        }
        for group in std::mem::take(&mut self.checks.downgraded) {
            self.after_downgrade(&group);
        }
        self.send_answers(upheavals);
        let waits = self.broker.longest_wait_ms(self.now);
        assert!(waits <= LONGEST_WAIT_MS, "a request waits for {waits} ms: {:?}", self.broker.waiting().collect::<Vec<_>>());
    }

    fn send_answers(&mut self, upheavals: u64) {
        for (origin, answer) in std::mem::take(&mut self.broker.outbox) {
            let Some(process) = self.processes.get(&origin.client) else { continue };
            let sent_at = process.sent_at;
            let answer = if !self.is_calm() && self.rng.percent(1) { Err(Lost) } else { answer };
            let latency = self.rng.between(1, 30);
            self.schedule(latency, Event::Deliver { origin, sent_at, upheavals, answer: Box::new(answer) });
        }
    }

    fn happen(&mut self, event: Event) {
        let client = match &event {
            Event::Act { client } => Some(*client),
            Event::Deliver { origin, .. } => Some(origin.client),
            _ => None,
        };
        if let Some(process) = client.and_then(|client| self.processes.get(&client))
            && process.stopped_until > self.now
        {
            let wait = process.stopped_until - self.now;
            return self.schedule(wait, event);
        }
        match event {
            Event::Act { client } => self.act(client),
            Event::Arrive { origin, request } => {
                self.note(|| format!("c{} -> {request:?}", origin.client));
                let fresh_id = self.rng.uuid();
                self.broker.receive(&mut self.checks, self.now, origin, fresh_id, &request);
                for (to, answer) in &self.broker.outbox {
                    self.note(|| format!("   c{} <- {answer:?}", to.client));
                }
            }
            Event::Deliver { origin, sent_at, upheavals, answer } => self.deliver(origin, sent_at, upheavals, *answer),
            Event::Chance => self.chance(),
            Event::Spawn { group, instance } => {
                let taken = instance.is_some() && self.processes.values().any(|process| process.client.instance == instance);
                if !taken {
                    self.spawn(group, instance);
                }
            }
        }
    }

    fn with<R>(&mut self, client: usize, work: impl FnOnce(&mut Process, &mut Sight<'_>) -> R) -> Option<R> {
        let image = self.topics.image();
        let process = self.processes.get_mut(&client)?;
        let mut sight = Sight { now: self.now, rng: &mut self.rng, checks: &mut self.checks, image: &image };
        Some(work(process, &mut sight))
    }

    fn act(&mut self, client: usize) {
        let Some(next) = self.with(client, |process, sight| process.protocol.next_move(&mut process.client, sight)) else { return };
        match next {
            Move::Rest(ms) => self.schedule(ms, Event::Act { client }),
            Move::End(again) => {
                self.note(|| format!("c{client} ends"));
                let Some(process) = self.end(client) else { return };
                if again && !self.is_calm() {
                    self.start_again(&process.client, 5_000);
                }
            }
            Move::Send(request) => {
                let Some(process) = self.processes.get_mut(&client) else { return };
                process.attempt += 1;
                process.sent_at = self.now;
                let origin = Origin { client, attempt: process.attempt };
                if !self.is_calm() && self.rng.percent(1) {
                    return self.schedule(50, Event::Deliver { origin, sent_at: self.now, upheavals: 0, answer: Box::new(Err(Lost)) });
                }
                let latency = self.rng.between(1, 30);
                self.schedule(latency, Event::Arrive { origin, request });
            }
        }
    }

    fn deliver(&mut self, origin: Origin, sent_at: i64, upheavals: u64, answer: Answer) {
        if self.processes.get(&origin.client).is_none_or(|process| process.attempt != origin.attempt) {
            return;
        }
        let rest = self.with(origin.client, |process, sight| {
            let before = process.client.standing;
            let client = &mut process.client;
            let rest = process.protocol.take(client, sight, sent_at, answer);
            // What was said before a reload or a downgrade vouches for nothing after it.
            if sight.checks.upheavals > upheavals {
                client.standing = client.standing.max(before);
            }
            rest
        });
        self.schedule(rest.unwrap_or(1), Event::Act { client: origin.client });
    }

    // Clients.

    fn spawn(&mut self, group: usize, instance: Option<String>) {
        let (id, image) = (self.next_client, self.topics.image());
        self.next_client += 1;
        let speech = self.groups[group].speech;
        let names = self.some_topics(instance.as_deref());
        let client = Client {
            id,
            group: self.groups[group].id.clone(),
            instance,
            topics: names,
            owned: BTreeSet::new(),
            positions: BTreeMap::new(),
            leaving: false,
            standing: Standing::Known,
            lost_in_a_row: 0,
            has_twin: false,
            commit_is_overdue: false,
            resumed_at: self.now,
        };
        let consumer = match speech {
            Speech::Classic => false,
            Speech::Consumer => true,
            Speech::Mixed => self.rng.percent(50),
        };
        // Eager and cooperative clients have no protocol in common.
        let cooperative = group == 1;
        let mut sight = Sight { now: self.now, rng: &mut self.rng, checks: &mut self.checks, image: &image };
        let protocol = if consumer {
            Protocol::Consumer(Consumer::new(&mut sight, &client))
        } else {
            Protocol::Classic(Classic::new(&mut sight, &client, cooperative))
        };
        self.note(|| format!("c{id} starts: {client:?} {protocol:?}"));
        self.processes.insert(id, Process { client, protocol, attempt: 0, sent_at: 0, stopped_until: 0 });
        self.schedule(1, Event::Act { client: id });
    }

    /// What a client reads. A static member comes back as it was: the classic protocol would not notice that it wants something else.
    fn some_topics(&mut self, instance: Option<&str>) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = NAMES.iter().filter(|_| self.rng.percent(60)).map(ToString::to_string).collect();
        names.insert(NAMES[self.rng.below(4) as usize].to_owned());
        match instance {
            Some(instance) => self.instances.entry(instance.to_owned()).or_insert(names).clone(),
            None => names,
        }
    }

    /// The process is gone; the coordinator learns of it by silence only.
    fn end(&mut self, client: usize) -> Option<Process> {
        let process = self.processes.remove(&client)?;
        self.checks.excuse(client);
        let instance = &process.client.instance;
        let mut left: Vec<&mut Process> = self.processes.values_mut().filter(|other| other.client.instance == *instance).collect();
        if let (true, [last]) = (instance.is_some(), &mut left[..]) {
            last.client.has_twin = false;
            // What is under way may still be meant for the other.
            last.client.resumed_at = last.client.resumed_at.max(self.now + 1_000);
        }
        Some(process)
    }

    fn start_again(&mut self, old: &Client, after_ms: i64) {
        let group = self.groups.iter().position(|group| group.id == old.group).unwrap_or(0);
        let after_ms = self.rng.between(1, after_ms);
        self.schedule(after_ms, Event::Spawn { group, instance: old.instance.clone() });
    }

    fn any_client(&mut self) -> Option<usize> {
        let all: Vec<usize> = self.processes.keys().copied().collect();
        self.rng.pick(&all).copied()
    }

    // Chance.

    fn chance(&mut self) {
        if self.is_calm() {
            return;
        }
        let wait = self.rng.between(50, 4_000);
        self.schedule(wait, Event::Chance);
        match self.rng.below(100) {
            0..30 => self.one_more(),
            30..40 => self.one_leaves(),
            40..48 => self.one_crashes(),
            48..60 => self.one_stops(),
            60..65 => self.one_twice(),
            65..75 => self.topics_change(),
            75..81 => {
                let failure = if self.rng.percent(50) { Failure::NotWritten } else { Failure::Written };
                self.broker.failures.push_back(failure);
            }
            81..85 => self.reload(),
            85..87 => {
                let by_ms = self.rng.between(-100_000, 100_000);
                self.note(|| format!("the clock is set by {by_ms}"));
                self.broker.set_clock(by_ms);
            }
            87..94 => self.tool_commits(),
            _ => self.administrator_looks(),
        }
    }

    fn one_more(&mut self) {
        if self.processes.len() >= 7 {
            return;
        }
        let group = self.rng.below(self.groups.len() as u64) as usize;
        let instance = self.rng.percent(30).then(|| format!("{}-static-{}", self.groups[group].id, self.rng.below(3)));
        self.schedule(0, Event::Spawn { group, instance });
    }

    fn one_leaves(&mut self) {
        let Some(client) = self.any_client() else { return };
        self.note(|| format!("c{client} is to leave"));
        let Some(process) = self.processes.get_mut(&client) else { return };
        process.client.leaving = true;
        let old = (process.client.group.clone(), process.client.instance.clone());
        // A rolling restart.
        if old.1.is_none() && self.rng.percent(50) {
            let group = self.groups.iter().position(|group| group.id == old.0).unwrap_or(0);
            self.schedule(2_000, Event::Spawn { group, instance: None });
        }
    }

    fn one_crashes(&mut self) {
        let Some(client) = self.any_client() else { return };
        self.note(|| format!("c{client} crashes"));
        let Some(process) = self.end(client) else { return };
        if self.rng.percent(60) {
            self.start_again(&process.client, 3_000);
        }
    }

    /// SIGSTOP: for so short that nobody notices, for about as long as a rebalance waits, or for so long that the group goes on alone.
    fn one_stops(&mut self) {
        let Some(client) = self.any_client() else { return };
        let for_ms = match self.rng.below(10) {
            0..4 => self.rng.between(100, 1_500),
            4..7 => self.rng.between(4_000, 12_000),
            _ => self.rng.between(12_000, 40_000),
        };
        self.note(|| format!("c{client} stops for {for_ms}"));
        let until = self.now + for_ms;
        let Some(process) = self.processes.get_mut(&client) else { return };
        process.stopped_until = process.stopped_until.max(until);
        if for_ms > i64::from(SESSION_TIMEOUT_MS) / 3 {
            process.client.resumed_at = process.stopped_until;
            process.client.commit_is_overdue = true;
            self.checks.excuse(client);
        }
    }

    /// Two processes with the same instance id.
    fn one_twice(&mut self) {
        let Some(client) = self.any_client() else { return };
        let Some(process) = self.processes.get(&client) else { return };
        let Some(instance) = process.client.instance.clone() else { return };
        let Some(group) = self.groups.iter().position(|group| group.id == process.client.group) else { return };
        // The classic protocol fences the older one; KIP-848 refuses the newer one as long as the older one is there.
        let fights = self.groups[group].speech != Speech::Consumer;
        self.spawn(group, Some(instance.clone()));
        if fights {
            for (id, process) in self.processes.iter_mut().filter(|(_, process)| process.client.instance.as_ref() == Some(&instance)) {
                process.client.has_twin = true;
                self.checks.excuse(*id);
            }
        }
    }

    fn topics_change(&mut self) {
        let name = NAMES[self.rng.below(4) as usize];
        let change = match self.rng.below(10) {
            0..5 => self.topics.create(&mut self.rng, name),
            5..8 => self.topics.grow(&mut self.rng, name),
            _ => {
                self.checks.reused_names.insert(name.to_owned());
                self.topics.delete(name)
            }
        };
        if let Some(change) = change {
            self.note(|| format!("{name} changes"));
            self.broker.publish(&mut self.checks, self.now, change);
        }
    }

    fn reload(&mut self) {
        self.note(|| "reload".to_owned());
        self.broker.reload(&mut self.checks, self.now);
    }

    /// A tool commits for a group without members.
    fn tool_commits(&mut self) {
        let Some(name) = self.topics.image().topics().iter().map(|topic| topic.name.to_string()).next() else { return };
        let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(self.rng.between(0, 1_000));
        let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text(&name))).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_text(&GroupId::from("simple")))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let origin = Origin { client: usize::MAX, attempt: 0 };
        self.broker.receive(&mut self.checks, self.now, origin, Uuid::nil(), &Request::Commit(request, 9));
    }

    fn administrator_looks(&mut self) {
        let group = self.groups[self.rng.below(self.groups.len() as u64) as usize].id.clone();
        let caller = Caller { api_version: 6, client_id: "admin", client_host: "/127.0.0.1", fresh_id: Uuid::nil() };
        let (now, checks) = (self.now, &mut self.checks);
        for reply in [
            self.broker.ask(checks, now, |shard, _, ticket| shard.describe_group(ticket, &caller, group.as_str())),
            self.broker.ask(checks, now, |shard, _, ticket| shard.consumer_group_describe(ticket, group.as_str())),
            self.broker.ask(checks, now, |shard, _, ticket| shard.list_groups(ticket, &ListGroupsRequest::default())),
        ] {
            assert!(reply.is_some(), "questions are answered at once");
        }
        checks.deleting = true;
        let doomed = if self.rng.percent(50) { "simple" } else { group.as_str() };
        let reply = self.broker.ask(checks, now, |shard, now, ticket| shard.delete_group(now, ticket, doomed));
        checks.deleting = false;
        assert!(matches!(reply, Some(GroupReply::DeleteGroup(_)) | None), "{reply:?}");
    }

    /// Classic clients may find that the log knows less than they do.
    fn after_reload(&mut self) {
        for process in self.processes.values_mut() {
            let client = &mut process.client;
            let known = self.checks.remembers(&client.group, process.protocol.member_id());
            let standing = if known { Standing::OfAnEarlierGeneration } else { Standing::Forgotten };
            if matches!(process.protocol, Protocol::Classic(_)) {
                client.standing = client.standing.max(standing);
            }
        }
    }

    /// The generation is now the group's epoch, which not every member has reached; and a consumer group remembers no ids that it has
    /// told clients to come back with.
    fn after_downgrade(&mut self, group: &GroupId) {
        self.note(|| format!("{group} is a classic group again"));
        for process in self.processes.values_mut().filter(|process| process.client.group == *group) {
            let known = self.checks.remembers(group, process.protocol.member_id());
            let standing = if known { Standing::OfAnEarlierGeneration } else { Standing::Forgotten };
            process.client.standing = process.client.standing.max(standing);
        }
    }

    // Peace.

    /// Why the groups are not at peace; `None` if they are.
    fn unrest(&self) -> Option<String> {
        let image = self.topics.image();
        for group in &self.groups {
            let members: Vec<&Process> = self.processes.values().filter(|process| process.client.group == group.id).collect();
            if let Some(process) = members.iter().find(|process| process.client.leaving) {
                return Some(format!("client {} has not left", process.client.id));
            }
            if let Some(process) = members.iter().find(|process| !process.protocol.is_settled()) {
                return Some(format!("client {} is not settled: {:?}", process.client.id, process.protocol));
            }
            let numbers: BTreeSet<i32> = members.iter().map(|process| process.protocol.number()).collect();
            if numbers.len() > 1 {
                return Some(format!("{}: members are of {numbers:?}", group.id));
            }
            let wanted: BTreeSet<_> = members.iter().flat_map(|process| all_partitions(&image, &process.client.topics)).collect();
            let mut owned: BTreeMap<_, _> = self.checks.owned(&group.id);
            owned.retain(|(topic, _), _| image.topics().by_id(*topic).is_some());
            if owned.keys().copied().collect::<BTreeSet<_>>() != wanted {
                return Some(format!("{}: {owned:?} is owned instead of {wanted:?}", group.id));
            }
        }
        None
    }
}
