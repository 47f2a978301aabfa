//! One running group: its members, their common pipe and the books.

use super::client::{Client, Launcher, Protocol};
use super::history;
use super::ledger::{Ledger, Life};
use super::load::{PARTITIONS, Sent};
use super::member::{Member, tail};
use crate::Broker;
use crate::librdkafka::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long anything in a group may take: a session that runs out, a rebalance and a slow start on a busy machine together.
const DEADLINE: Duration = Duration::from_secs(60);

/// A group of members of one client.
pub struct Group {
    pub ledger: Ledger,
    pub id: String,
    topic: String,
    bootstrap: String,
    session_ms: String,
    client: &'static Client,
    protocol: Protocol,
    launcher: Launcher,
    members: BTreeMap<String, Member>,
    /// Told to leave and not yet gone.
    leaving: BTreeSet<String>,
    lines: Receiver<String>,
    voice: PipeWriter,
    dir: PathBuf,
}

impl Group {
    /// A group that nobody has joined yet.
    pub fn new(
        broker: &Broker,
        client: &'static Client,
        protocol: Protocol,
        launcher: Launcher,
        id: &str,
        topic: &str,
        session_ms: u32,
    ) -> Result<Group> {
        let (ears, voice) = std::io::pipe()?;
        let dir = broker.scratch_dir()?;
        let transcript = File::create(dir.join(format!("{id}.lines")))?;
        let (heard, lines) = channel();
        std::thread::spawn(move || listen(ears, transcript, &heard));
        let mut ledger = Ledger::default();
        ledger.foreign = client.foreign_voice.is_some();
        ledger.echoes = client.echoes;
        Ok(Group {
            ledger,
            id: id.to_owned(),
            topic: topic.to_owned(),
            bootstrap: broker.bootstrap(),
            session_ms: session_ms.to_string(),
            client,
            protocol,
            launcher,
            members: BTreeMap::new(),
            leaving: BTreeSet::new(),
            lines,
            voice,
            dir,
        })
    }

    /// Starts a member; `more` are arguments on top of what every member gets.
    pub fn join(&mut self, name: &str, more: &[(&str, &str)]) -> Result<()> {
        self.ledger.seat(name)?;
        let always = [
            ("name", name),
            ("bootstrap", &self.bootstrap),
            ("group", &self.id),
            ("topic", &self.topic),
            ("protocol", self.protocol.name),
            ("assignor", self.protocol.assignor),
            ("session_ms", &self.session_ms),
            ("heartbeat_ms", "500"),
        ];
        let args: BTreeMap<&str, &str> = always.iter().chain(more).copied().collect();
        let command = (self.launcher)(&args);
        let voice = match self.client.foreign_voice {
            None => self.voice.try_clone()?,
            Some(translate) => translated(name, self.voice.try_clone()?, translate)?,
        };
        let member = Member::start(command, voice, self.dir.join(format!("{}-{name}.err", self.id)))?;
        self.members.insert(name.to_owned(), member);
        Ok(())
    }

    /// Tells a member something.
    pub fn tell(&mut self, name: &str, command: &str) -> Result<()> {
        self.members.get_mut(name).with_context(|| format!("no member {name}"))?.tell(command)
    }

    /// Members leave, all told at once, and their programs end.
    pub fn leave(&mut self, names: &[&str]) -> Result<()> {
        names.iter().try_for_each(|name| self.dismiss(name))?;
        let left = |ledger: &Ledger| names.iter().all(|name| ledger.member(name).is_some_and(|seat| seat.life == Life::Left));
        self.wait(&format!("{names:?} to leave"), left)?;
        self.leaving.retain(|name| !names.contains(&name.as_str()));
        names.iter().try_for_each(|name| self.members.remove(*name).context("a member")?.ended().with_context(|| (*name).to_owned()))
    }

    /// Tells a member to leave, and does not wait for it.
    pub fn dismiss(&mut self, name: &str) -> Result<()> {
        if !self.leaving.insert(name.to_owned()) {
            return Ok(());
        }
        match self.client.foreign_voice {
            None => self.tell(name, "leave"),
            Some(_) => self.signal(name, Signal::INT),
        }
    }

    /// Everybody who still lives leaves.
    pub fn leave_all(&mut self) -> Result<()> {
        let names: Vec<String> = self.members.keys().cloned().collect();
        self.leave(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Kill -9.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let member = self.members.remove(name).with_context(|| format!("no member {name}"))?;
        drop(member);
        self.ledger.unclean(name, Life::Dead)
    }

    /// SIGSTOP.
    pub fn freeze(&mut self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)?;
        self.ledger.unclean(name, Life::Frozen)
    }

    /// SIGCONT. The member stays [`Life::Frozen`] until it says that it lost or was given something.
    pub fn thaw(&mut self, name: &str) -> Result<()> {
        self.signal(name, Signal::CONT)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        self.members.get(name).with_context(|| format!("no member {name}"))?.signal(signal)
    }

    /// Waits until the books say so.
    pub fn wait(&mut self, what: &str, until: impl Fn(&Ledger) -> bool) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        while !until(&self.ledger) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.ledger.enter(&line).with_context(|| line.clone()).map_err(|error| self.told(error))?,
                Err(_) => {
                    return Err(self.told(anyhow::anyhow!("waited {DEADLINE:?} for {what}")));
                }
            }
        }
        Ok(())
    }

    /// Listens for a while.
    pub fn listen(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.ledger.enter(&line).with_context(|| line.clone()).map_err(|error| self.told(error))?;
        }
        Ok(())
    }

    fn told(&self, error: anyhow::Error) -> anyhow::Error {
        let logs = self.members.iter().map(|(name, member)| format!("--- {name}\n{}", tail(member.log())));
        error.context(format!(
            "{} {}/{}: group {}\n{}\n{}",
            self.client.name,
            self.protocol.name,
            self.protocol.assignor,
            self.id,
            self.ledger.summary(),
            logs.collect::<Vec<_>>().join("\n")
        ))
    }

    /// Waits until these members, and nobody else, own all partitions, each at least one.
    pub fn settle(&mut self, names: &[&str]) -> Result<()> {
        self.wait(&format!("{names:?} to own the topic"), |ledger| ledger.settled(names, PARTITIONS as usize))
    }

    /// Waits until each of these members has read `count` records more.
    pub fn progress(&mut self, names: &[&str], count: u64) -> Result<()> {
        let read = |ledger: &Ledger, name: &str| ledger.member(name).map_or(0, |seat| seat.read_count);
        let goals: Vec<(&str, u64)> = names.iter().map(|name| (*name, read(&self.ledger, name) + count)).collect();
        self.wait(&format!("{names:?} to read {count} more"), |ledger| goals.iter().all(|(name, goal)| read(ledger, name) >= *goal))
    }

    /// Waits until every record that was sent has been read.
    pub fn read_all(&mut self, sent: &Sent) -> Result<()> {
        self.wait(&format!("{} records to be read", sent.len()), |ledger| ledger.has_all(sent))
    }

    /// The end of a story: everything is read, everybody leaves, the books and the broker's committed offsets agree with what was sent.
    pub fn finish(mut self, broker: &Broker, sent: &Sent) -> Result<()> {
        self.read_all(sent)?;
        self.leave_all()?;
        self.ledger.complete(sent).map_err(|error| self.told(error))?;
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        sent.keys().for_each(|&(partition, offset)| _ = ends.insert(partition, offset + 1));
        let committed = self.committed()?;
        ensure!(committed == ends, "the group committed {committed:?}, the topic ends at {ends:?}");
        history::never_goes_back(&history::read(broker)?, &self.id)?;
        println!("{}: {} records, {} read again", self.id, sent.len(), self.ledger.repeats);
        Ok(())
    }

    /// Waits until the broker says that `offset` is committed.
    pub fn committed_at(&self, partition: i32, offset: i64) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let committed = self.committed()?;
            if committed.get(&partition) == Some(&offset) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "waited {DEADLINE:?} for {partition}:{offset}, the broker says {committed:?}");
        }
    }

    /// What the broker says is committed.
    pub fn committed(&self) -> Result<BTreeMap<i32, i64>> {
        committed(&self.bootstrap, &self.id, &self.topic)
    }
}

/// What the broker says a group has committed of a topic.
pub fn committed(bootstrap: &str, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let mut settings = rdkafka::ClientConfig::new();
    let consumer: BaseConsumer = settings.set("bootstrap.servers", bootstrap).set("group.id", group).create()?;
    let mut asked = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|partition| _ = asked.add_partition(topic, partition));
    let answer = consumer.committed_offsets(asked, PATIENCE)?;
    let mut committed = BTreeMap::new();
    for element in answer.elements() {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => _ = committed.insert(element.partition(), offset),
            Offset::Invalid => {}
            other => bail!("partition {}: {other:?}", element.partition()),
        }
    }
    Ok(committed)
}

fn listen(ears: PipeReader, mut transcript: File, heard: &Sender<String>) {
    for line in BufReader::new(ears).lines().map_while(Result::ok) {
        let _ = writeln!(transcript, "{line}");
        if heard.send(line).is_err() {
            // The group is gone. Members that are being killed must not hang on a full pipe.
            continue;
        }
    }
}

/// What a program that does not speak our words says, put into our words.
pub type Translate = fn(line: &str) -> Option<String>;

fn translated(name: &str, mut voice: PipeWriter, translate: Translate) -> Result<PipeWriter> {
    let (ears, own_voice) = std::io::pipe()?;
    let name = name.to_owned();
    std::thread::spawn(move || {
        for line in BufReader::new(ears).lines().map_while(Result::ok) {
            if let Some(words) = translate(&line) {
                let _ = voice.write_all(format!("{name} {words}\n").as_bytes());
            }
        }
        let _ = voice.write_all(format!("{name} left\n").as_bytes());
    });
    Ok(own_voice)
}
