//! One run: the load, three copiers, faults for a while, then peace until everything is copied, then the checks.

use super::check::{Copied, Said, TARGET_PARTITIONS, View, check, hidden};
use super::copier::Copier;
use super::faults::{self, Fault};
use crate::ask::{Ask, Isolation};
use crate::group::client::Launcher;
use crate::group::load::{Load, PARTITIONS, Sent};
use crate::group::member::{Member, tail};
use crate::librdkafka::{commit_from_outside, consumer, read_topic, wait_for_partitions};
use crate::rng::Rng;
use crate::{Broker, BrokerOptions};
use anyhow::{Context, Result, bail, ensure};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rustix::process::{Signal, kill_process};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const SOURCE: &str = "source";
const TARGET: &str = "target";
const GROUP: &str = "copiers";
const SEATS: usize = 3;
const SESSION_MS: u32 = 3000;
const TRANSACTION_TIMEOUT_MS: u32 = 6000;
/// After an outage of this length transactions may have timed out.
const LONG_OUTAGE: Duration = Duration::from_secs(2);
/// The longest pause of a copier: sessions and transactions are over by then.
const LONG: Duration = Duration::from_millis(8000);
/// From the last fault to the last record in the target.
const FINISHED_WITHIN: Duration = Duration::from_secs(60);
/// From then until nothing is undecided: a paused copier's transaction may have to time out.
const DECIDED_WITHIN: Duration = Duration::from_secs(20);
const CUT_OFF: &str = "cut off in a transaction";
const NOTES: usize = 30;
/// 200 records a second: under kills librdkafka carries little more, and what is left over has to be copied in peace.
const LOAD_EVERY: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a run is to be.
pub struct Plan {
    pub copier: &'static Copier,
    pub launcher: Launcher,
    pub seed: u64,
    /// How long faults go on.
    pub faults_for: Duration,
    /// And how many times the broker is killed at least.
    pub kills_min: u32,
    /// The mean time between faults.
    pub pace: Duration,
    /// A bug on purpose: `offsets-outside`, `read-uncommitted`, or `none`.
    pub plant: String,
}

impl Plan {
    /// The broker for a run, answering through a proxy so that it dies with answers on their way.
    pub fn broker_options(proxy_port: u16) -> BrokerOptions {
        BrokerOptions::new()
            .set("advertised.listeners", format!("PLAINTEXT://localhost:{proxy_port}"))
            .set("num.partitions", PARTITIONS)
            .set("log.segment.bytes", 1 << 20)
            .set("group.initial.rebalance.delay.ms", 0)
            .set("group.min.session.timeout.ms", 1000)
            .set("group.consumer.min.session.timeout.ms", 1000)
            .set("group.consumer.session.timeout.ms", SESSION_MS)
            .set("group.consumer.min.heartbeat.interval.ms", 500)
            .set("group.consumer.heartbeat.interval.ms", 500)
            .set("transaction.abort.timed.out.transaction.cleanup.interval.ms", 500)
    }
}

/// One life of a copier.
struct Life {
    member: Member,
    seat: usize,
    /// It has its producer id: nobody's is newer, until its successor says the same.
    ready: bool,
    /// It stood still, or somebody else took its transactional id: it may find itself fenced.
    may_be_fenced: bool,
    thaw_at: Option<Instant>,
}

struct Run<'a> {
    plan: &'a Plan,
    broker: &'a mut Broker,
    rng: Rng,
    protocol: (&'static str, &'static str),
    lives: BTreeMap<String, Life>,
    /// The present life of each seat, and how many it has had.
    seats: Vec<(String, u32)>,
    said: Said,
    lines: Receiver<String>,
    voice: PipeWriter,
    dir: PathBuf,
    counts: BTreeMap<String, u32>,
    /// The last troubles that copiers told of.
    notes: VecDeque<String>,
    kills: u32,
}

/// Runs a plan on a broker with [`Plan::broker_options`].
pub fn run(broker: &mut Broker, plan: &Plan) -> Result<()> {
    let mut rng = Rng::new(plan.seed);
    let protocol = plan.copier.protocols[rng.below(plan.copier.protocols.len() as u64) as usize];
    let (ears, voice) = std::io::pipe()?;
    let dir = broker.scratch_dir()?;
    let transcript = File::create(dir.join("copiers.lines"))?;
    let (heard, lines) = channel();
    std::thread::spawn(move || listen(ears, transcript, &heard));
    Ask::connect(broker.port())?.create_topic(TARGET, TARGET_PARTITIONS)?;
    wait_for_partitions(broker, TARGET, TARGET_PARTITIONS as usize)?;
    let load = Load::paced(broker, SOURCE, LOAD_EVERY)?;
    commit_beginnings(broker)?;
    let seats = (0..SEATS).map(|_| (String::new(), 0)).collect();
    let (counts, said, notes) = (BTreeMap::new(), Said::default(), VecDeque::new());
    let mut run = Run { plan, broker, rng, protocol, lives: BTreeMap::new(), seats, said, lines, voice, dir, counts, notes, kills: 0 };
    run.play(load).with_context(|| run.last_words())
}

impl Run<'_> {
    fn play(&mut self, load: Load) -> Result<()> {
        (0..SEATS).try_for_each(|seat| self.begin_life(seat))?;
        self.hear_a_commit()?;
        let began = Instant::now();
        // Whatever the seed picks: one transaction is cut off after it has written.
        self.strike(Fault::CutOff(0))?;
        self.hear_until("a transaction is cut off", |run| run.counts.contains_key(CUT_OFF))?;
        while began.elapsed() < self.plan.faults_for || self.kills < self.plan.kills_min {
            let pace_ms = self.plan.pace.as_millis() as u64;
            let span = Duration::from_millis(self.rng.below(2 * pace_ms));
            self.hear(span)?;
            let fault = faults::next(&mut self.rng, SEATS, LONG);
            self.strike(fault).with_context(|| format!("{fault:?}"))?;
        }
        self.thaw(|_| true)?;
        let sent = load.finish()?;
        let peace_began = Instant::now();
        self.finish_copying(&sent)?;
        let finished = peace_began.elapsed();
        self.everybody_leaves()?;
        self.nothing_is_undecided()?;
        self.judge(&sent)?;
        // What recovery makes of the same log must be the same.
        self.broker.kill9()?;
        self.broker.restart()?;
        self.nothing_is_undecided()?;
        self.judge(&sent).context("after one more kill")?;
        println!("{}\n{} records, all copied {finished:.1?} after the last fault", self.summary(), sent.len());
        Ok(())
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn summary(&self) -> String {
        let (protocol, assignor) = self.protocol;
        let counts: Vec<String> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        format!("{} {protocol}/{assignor} seed {}: {}", self.plan.copier.name, self.plan.seed, counts.join(", "))
    }

    /// What there is to know when a run has failed.
    fn last_words(&self) -> String {
        let logs: Vec<String> = self.lives.iter().map(|(name, life)| format!("\n--- {name}\n{}", tail(life.member.log()))).collect();
        let notes: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        format!("{}\n{}{}", self.summary(), notes.join("\n"), logs.concat())
    }

    fn begin_life(&mut self, seat: usize) -> Result<()> {
        let number = self.seats[seat].1 + 1;
        let name = format!("c{seat}.{number}");
        let (bootstrap, transactional_id) = (self.broker.bootstrap(), format!("copier-{seat}"));
        let (session_ms, timeout_ms, targets) = (SESSION_MS.to_string(), TRANSACTION_TIMEOUT_MS.to_string(), TARGET_PARTITIONS.to_string());
        let args = BTreeMap::from([
            ("name", name.as_str()),
            ("bootstrap", &bootstrap),
            ("group", GROUP),
            ("from", SOURCE),
            ("to", TARGET),
            ("targets", &targets),
            ("transactional_id", &transactional_id),
            ("protocol", self.protocol.0),
            ("assignor", self.protocol.1),
            ("session_ms", &session_ms),
            ("timeout_ms", &timeout_ms),
            ("batch_max", "200"),
            ("plant", &self.plan.plant),
        ]);
        let command = (self.plan.launcher)(&args);
        let member = Member::start(command, self.voice.try_clone()?, self.dir.join(format!("{name}.err")))?;
        self.lives.insert(name.clone(), Life { member, seat, ready: false, may_be_fenced: false, thaw_at: None });
        self.seats[seat] = (name, number);
        Ok(())
    }

    /// Listens for a while; who ended begins anew, who stood still long enough goes on.
    fn hear(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        loop {
            let now = Instant::now();
            self.thaw(|at| at <= now)?;
            let next = self.lives.values().filter_map(|life| life.thaw_at).fold(until, Instant::min);
            match self.lines.recv_timeout(next.saturating_duration_since(now)) {
                Ok(line) => self.enter(&line).with_context(|| line.clone())?,
                Err(_) if Instant::now() >= until => return Ok(()),
                Err(_) => {}
            }
        }
    }

    fn thaw(&mut self, due: impl Fn(Instant) -> bool) -> Result<()> {
        for life in self.lives.values_mut().filter(|life| life.thaw_at.is_some_and(&due)) {
            life.thaw_at = None;
            life.member.signal(Signal::CONT)?;
        }
        Ok(())
    }

    fn enter(&mut self, line: &str) -> Result<()> {
        let (name, words) = line.split_once(' ').context("a line has a name")?;
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        match word {
            "ready" => self.lives.get_mut(name).into_iter().for_each(|life| life.ready = true),
            "left" => {}
            "dying" => self.died(name)?,
            "note" => {}
            "rejoins" => self.count("refusals to start over"),
            "committed" => {
                self.count("committed");
                ensure!(self.said.committed.insert(rest.to_owned()), "committed twice");
            }
            "aborting" => self.notes.push_back(line.to_owned()),
            "aborted" => {
                self.count("aborted");
                self.said.aborted.insert(rest.to_owned());
            }
            "failed" => self.failed(name, rest)?,
            _ => bail!("not a copier's word"),
        }
        if self.notes.len() > NOTES {
            self.notes.pop_front();
        }
        Ok(())
    }

    fn failed(&mut self, name: &str, words: &str) -> Result<()> {
        self.count("gave up");
        // A killed copier's last words may come late.
        let Some(life) = self.lives.remove(name) else { return Ok(()) };
        ensure!(life.may_be_fenced, "{name} had no reason to give up: {words}\n{}", tail(life.member.log()));
        if self.seats[life.seat].0 == name {
            self.begin_life(life.seat)?;
        }
        Ok(())
    }

    /// It ended itself within a transaction, as it was told.
    fn died(&mut self, name: &str) -> Result<()> {
        self.count(CUT_OFF);
        let Some(life) = self.lives.remove(name) else { return Ok(()) };
        if self.seats[life.seat].0 == name {
            self.begin_life(life.seat)?;
        }
        Ok(())
    }

    fn strike(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillBroker => self.kill_broker(0),
            Fault::KillBrokerAndRecovery(times) => self.kill_broker(times),
            Fault::PauseBroker(span) => {
                self.count("broker pauses");
                let pid = self.broker.pid()?;
                kill_process(pid, Signal::STOP)?;
                let heard = self.hear(span);
                kill_process(pid, Signal::CONT)?;
                heard
            }
            Fault::KillCopier(seat) => {
                self.count("copiers killed");
                let name = self.seats[seat].0.clone();
                drop(self.lives.remove(&name));
                self.begin_life(seat)
            }
            Fault::CutOff(seat) => {
                let name = self.seats[seat].0.clone();
                let Some(life) = self.lives.get_mut(&name) else { return Ok(()) };
                // One that has just given up does not hear it.
                let _ = life.member.tell("die");
                Ok(())
            }
            Fault::PauseCopier(seat, span) => {
                let name = self.seats[seat].0.clone();
                let Some(life) = self.lives.get_mut(&name).filter(|life| life.thaw_at.is_none()) else { return Ok(()) };
                life.member.signal(Signal::STOP)?;
                (life.may_be_fenced, life.thaw_at) = (true, Some(Instant::now() + span));
                self.count("copiers paused");
                Ok(())
            }
            Fault::UsurpCopier(seat) => {
                let name = self.seats[seat].0.clone();
                // One that is still starting could come second, and be the usurper.
                let Some(life) = self.lives.get_mut(&name).filter(|life| life.ready) else { return Ok(()) };
                life.may_be_fenced = true;
                self.count("copiers usurped");
                self.begin_life(seat)
            }
        }
    }

    fn kill_broker(&mut self, recoveries: u32) -> Result<()> {
        self.count("broker kills");
        self.kills += 1;
        let began = Instant::now();
        self.broker.kill9()?;
        for _ in 0..recoveries {
            let life = Duration::from_millis(self.rng.below(80));
            self.broker.launch_and_kill(life)?;
        }
        let took = self.broker.restart()?;
        ensure!(took <= self.broker.recovery_limit(), "ready {took:?} after a kill");
        if began.elapsed() > LONG_OUTAGE {
            self.lives.values_mut().for_each(|life| life.may_be_fenced = true);
        }
        // Mostly the copiers get to work again before the next fault.
        if self.rng.below(100) < 70 { self.hear_a_commit() } else { Ok(()) }
    }

    /// Whatever happened before: left alone, somebody gets something done.
    fn hear_a_commit(&mut self) -> Result<()> {
        let before = self.said.committed.len();
        self.hear_until("a transaction is committed", |run| run.said.committed.len() > before)
    }

    fn hear_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + FINISHED_WITHIN;
        while !done(self) {
            ensure!(Instant::now() < deadline, "waited {FINISHED_WITHIN:?} until {what}");
            self.hear(LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Waits until the group's offsets are the ends of the source.
    fn finish_copying(&mut self, sent: &Sent) -> Result<()> {
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        sent.keys().for_each(|&(partition, offset)| _ = ends.insert(partition, offset + 1));
        let deadline = Instant::now() + FINISHED_WITHIN;
        loop {
            let committed = Ask::connect(self.broker.port())?.stable_offsets(GROUP, SOURCE, PARTITIONS)?;
            if committed.as_ref() == Some(&ends) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "not all is copied {FINISHED_WITHIN:?} after the last fault: offsets {committed:?} (None: pending) of {ends:?}, {}, transactions {:?}",
                self.ends_of_target()?,
                Ask::connect(self.broker.port())?.transactions()?
            );
            self.hear(LOOK_EVERY)?;
        }
    }

    fn ends_of_target(&self) -> Result<String> {
        let mut ask = Ask::connect(self.broker.port())?;
        let stable = ask.ends(TARGET, TARGET_PARTITIONS, Isolation::Committed)?;
        let all = ask.ends(TARGET, TARGET_PARTITIONS, Isolation::Uncommitted)?;
        Ok(format!("target stable to {stable:?} of {all:?}"))
    }

    fn everybody_leaves(&mut self) -> Result<()> {
        for (_, mut life) in std::mem::take(&mut self.lives) {
            // One that was fenced may be about to say so.
            let told = life.member.tell("leave");
            ensure!(told.is_ok() || life.may_be_fenced, "{told:?}");
            let ended = life.member.ended();
            ensure!(ended.is_ok() || life.may_be_fenced, "{ended:?}");
        }
        while let Ok(line) = self.lines.recv_timeout(LOOK_EVERY) {
            self.enter(&line).with_context(|| line.clone())?;
        }
        Ok(())
    }

    /// No transaction is open or half decided, and every partition's last stable offset is its high watermark.
    fn nothing_is_undecided(&self) -> Result<()> {
        let deadline = Instant::now() + DECIDED_WITHIN;
        let mut ask = Ask::connect(self.broker.port())?;
        loop {
            let found = undecided(&mut ask)?;
            if found.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "still undecided after {DECIDED_WITHIN:?}: {}", found.join(", "));
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn judge(&mut self, sent: &Sent) -> Result<()> {
        let everything = self.view("read_uncommitted")?;
        let committed = if self.plan.plant == "read-uncommitted" { everything.clone() } else { self.view("read_committed")? };
        check(sent, &self.said, &committed, &everything)?;
        let (records, transactions) = hidden(&committed, &everything);
        self.counts.insert("records of aborted transactions".to_owned(), records as u32);
        self.counts.insert("transactions with hidden records".to_owned(), transactions.len() as u32);
        ensure!(records > 0, "no transaction was aborted after it had written: faults that interrupt nothing prove nothing");
        Ok(())
    }

    fn view(&self, isolation: &str) -> Result<View> {
        let mut view = View::new();
        let mut strange = None;
        read_topic(self.broker, TARGET, &[("check.crcs", "true"), ("isolation.level", isolation)], |record| {
            match Copied::parse(record.key().unwrap_or_default(), record.payload().unwrap_or_default()) {
                Ok(copy) => _ = view.entry(record.partition()).or_default().insert(record.offset(), copy),
                Err(error) => strange = Some(error.context(format!("{}@{}", record.partition(), record.offset()))),
            }
        })?;
        strange.map_or(Ok(view), Err)
    }
}

/// So that no copier ever finds a partition without a committed offset: then "start over" is never right.
fn commit_beginnings(broker: &Broker) -> Result<()> {
    let mut beginnings = TopicPartitionList::new();
    (0..PARTITIONS).try_for_each(|partition| beginnings.add_partition_offset(SOURCE, partition, Offset::Offset(0)))?;
    commit_from_outside(&consumer(broker, &[("group.id", GROUP)])?, &beginnings).context("offset 0 of every source partition")
}

fn undecided(ask: &mut Ask) -> Result<Vec<String>> {
    let mut found: Vec<String> = ask
        .transactions()?
        .into_iter()
        .filter(|transaction| ["Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"].contains(&transaction.state.as_str()))
        .map(|transaction| format!("{} is {}", transaction.transactional_id, transaction.state))
        .collect();
    for (topic, partitions) in ask.topics()? {
        let stable = ask.ends(&topic, partitions, Isolation::Committed)?;
        for (partition, end) in ask.ends(&topic, partitions, Isolation::Uncommitted)? {
            if stable.get(&partition) != Some(&end) {
                found.push(format!("{topic}-{partition} ends at {end}, stable to {:?}", stable.get(&partition)));
            }
        }
    }
    Ok(found)
}

fn listen(ears: PipeReader, mut transcript: File, heard: &Sender<String>) {
    for line in BufReader::new(ears).lines().map_while(Result::ok) {
        let _ = writeln!(transcript, "{line}");
        // When the run is over, copiers that are being killed must not hang on a full pipe.
        let _ = heard.send(line);
    }
}
