//! One client at one broker: its running producers, and the transcript of everything that was told, answered and seen.

use super::client::Client;
use super::view::{Names, look};
use crate::ask::{Ask, Isolation};
use crate::group::client::Launcher;
use crate::group::member::{Member, tail};
use crate::librdkafka::{PATIENCE, Producer, wait_for_partitions};
use crate::{Broker, librdkafka};
use anyhow::{Context, Result, bail, ensure};
use rdkafka::producer::BaseRecord;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeWriter};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A broker that comes back, and a client that finds it, on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);

/// Where a story is played.
pub struct Stage<'a> {
    pub broker: &'a mut Broker,
    pub client: &'static Client,
    launcher: Launcher,
    producers: BTreeMap<String, Member>,
    lines: Receiver<String>,
    voice: PipeWriter,
    names: Names,
    transcript: Vec<String>,
}

impl<'a> Stage<'a> {
    /// An empty stage.
    pub fn new(broker: &'a mut Broker, client: &'static Client, launcher: Launcher) -> Result<Stage<'a>> {
        let (ears, voice) = std::io::pipe()?;
        let (heard, lines) = channel();
        std::thread::spawn(move || BufReader::new(ears).lines().map_while(Result::ok).try_for_each(|line| heard.send(line)));
        let (producers, names, transcript) = (BTreeMap::new(), Names::default(), Vec::new());
        Ok(Stage { broker, client, launcher, producers, lines, voice, names, transcript })
    }

    /// A new story begins.
    pub fn title(&mut self, title: &str) {
        // As `java::same_as_golden` tells answers apart.
        self.transcript.push(format!("$ {title}"));
    }

    /// Everything so far.
    pub fn transcript(&self) -> String {
        self.transcript.join("\n") + "\n"
    }

    /// What stays out of the transcript when a story fails.
    pub fn last_words(&self) -> String {
        let logs: Vec<String> = self.producers.iter().map(|(name, member)| format!("--- {name}\n{}", tail(member.log()))).collect();
        format!("{}\n{}", self.transcript.join("\n"), logs.join("\n"))
    }

    /// Makes a topic that nobody has written to.
    pub fn topic(&mut self, topic: &str, partitions: i32) -> Result<()> {
        Ask::connect(self.broker.port())?.create_topic(topic, partitions)?;
        wait_for_partitions(self.broker, topic, usize::try_from(partitions)?)
    }

    /// Writes without a transaction.
    pub fn write(&mut self, topic: &str, partition: i32, values: &[&str]) -> Result<()> {
        let producer = Producer::new(self.broker, &[("linger.ms", "5")])?;
        for (number, value) in values.iter().enumerate() {
            producer.send(number, BaseRecord::with_opaque_to(topic, 0).partition(partition).key("").payload(*value))?;
        }
        producer.finish(PATIENCE)?.into_iter().try_for_each(|(_, receipt)| receipt.map(drop).context("a receipt"))
    }

    /// Starts a producer program.
    pub fn start(&mut self, name: &str, transactional_id: &str, timeout_ms: u32) -> Result<()> {
        let (bootstrap, timeout_ms) = (self.broker.bootstrap(), timeout_ms.to_string());
        let args = BTreeMap::from([
            ("name", name),
            ("bootstrap", &bootstrap),
            ("transactional_id", transactional_id),
            ("timeout_ms", &timeout_ms),
        ]);
        let log = self.broker.scratch_dir()?.join(format!("{name}.err"));
        let member = Member::start((self.launcher)(&args), self.voice.try_clone()?, log)?;
        self.producers.insert(name.to_owned(), member);
        Ok(())
    }

    /// Starts a producer and has it ask for its producer id.
    pub fn ready(&mut self, name: &str, transactional_id: &str) -> Result<()> {
        self.start(name, transactional_id, 60_000)?;
        self.done(name, "init")
    }

    /// Tells a producer something; its answer goes into the transcript.
    pub fn tell(&mut self, name: &str, command: &str) -> Result<String> {
        self.producers.get_mut(name).with_context(|| format!("no producer {name}"))?.tell(command)?;
        let line = self.lines.recv_timeout(ANSWERED_WITHIN).with_context(|| format!("{name} answers nothing to {command}"))?;
        let (speaker, answer) = line.split_once(' ').context("an answer has a name")?;
        ensure!(speaker == name, "{speaker} speaks instead of {name}: {answer}");
        self.transcript.push(format!("{name} {command}: {answer}"));
        Ok(answer.to_owned())
    }

    /// Tells it something that has to work.
    pub fn done(&mut self, name: &str, command: &str) -> Result<()> {
        let answer = self.tell(name, command)?;
        ensure!(answer == "ok" || answer.starts_with("ok "), "{name} {command}: {answer}");
        Ok(())
    }

    /// Tells it something that has to fail.
    pub fn refused(&mut self, name: &str, command: &str) -> Result<()> {
        let answer = self.tell(name, command)?;
        ensure!(answer.starts_with("error "), "{name} {command}: {answer}");
        Ok(())
    }

    /// Kill -9.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.transcript.push(format!("{name} is killed"));
        self.producers.remove(name).map(drop).with_context(|| format!("no producer {name}"))
    }

    /// Ends everybody.
    pub fn dismiss_all(&mut self) -> Result<()> {
        for (name, mut member) in std::mem::take(&mut self.producers) {
            member.tell("leave")?;
            let line = self.lines.recv_timeout(ANSWERED_WITHIN).context("left")?;
            ensure!(line == format!("{name} left"), "{line}");
            member.ended().context(name)?;
        }
        Ok(())
    }

    /// What a topic holds goes into the transcript.
    pub fn look(&mut self, topic: &str, partitions: i32) -> Result<()> {
        let lines = look(&mut self.decided()?, topic, partitions, &mut self.names)?;
        self.transcript.extend(lines);
        Ok(())
    }

    /// Waits until what is decided is done: Apache Kafka answers EndTxn before the markers are written.
    fn decided(&self) -> Result<Ask> {
        let mut ask = Ask::connect(self.broker.port())?;
        let deadline = Instant::now() + PATIENCE;
        while let Some(half) = ask.transactions()?.iter().find(|transaction| transaction.state.starts_with("Prepare")) {
            ensure!(Instant::now() < deadline, "{half:?} for {PATIENCE:?}");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(ask)
    }

    /// Waits until nothing of a topic is undecided.
    pub fn stable(&mut self, topic: &str, partitions: i32) -> Result<()> {
        let mut ask = Ask::connect(self.broker.port())?;
        let deadline = Instant::now() + PATIENCE;
        while ask.ends(topic, partitions, Isolation::Committed)? != ask.ends(topic, partitions, Isolation::Uncommitted)? {
            ensure!(Instant::now() < deadline, "{topic} is still undecided");
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// What a group has committed goes into the transcript; `pending` while a transaction decides.
    pub fn offsets(&mut self, group: &str, topic: &str) -> Result<()> {
        let said = match self.decided()?.stable_offsets(group, topic, 1)? {
            None => "pending".to_owned(),
            Some(offsets) => format!("{offsets:?}"),
        };
        self.transcript.push(format!("  {group} on {topic}: {said}"));
        Ok(())
    }

    /// The transactional ids of these producers and their states go into the transcript.
    pub fn transactions(&mut self, prefix: &str) -> Result<()> {
        let all = self.decided()?.transactions()?;
        let shown = all.iter().filter(|transaction| transaction.transactional_id.starts_with(prefix));
        self.transcript.extend(shown.map(|transaction| format!("  {} {}", transaction.transactional_id, transaction.state)));
        Ok(())
    }

    /// A client's own readers of both kinds, and librdkafka's, side by side. The topic ends here: each partition gets its END.
    pub fn readers(&mut self, name: &str, topic: &str, partitions: i32) -> Result<()> {
        for partition in 0..partitions {
            self.write(topic, partition, &["END"])?;
        }
        for isolation in ["committed", "uncommitted"] {
            let answer = self.tell(name, &format!("read {isolation} {topic} {partitions}"))?;
            let Some(read) = answer.strip_prefix("ok") else { bail!("{name} reads {topic}: {answer}") };
            let found = self.read(isolation, topic)?;
            ensure!(found == read.trim(), "{name} reads {read}, librdkafka reads {found}");
        }
        Ok(())
    }

    fn read(&self, isolation: &str, topic: &str) -> Result<String> {
        use rdkafka::message::Message;
        let mut found: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        librdkafka::read_topic(self.broker, topic, &[("isolation.level", &format!("read_{isolation}"))], |record| {
            let value = String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned();
            if value != "END" {
                found.entry(record.partition()).or_default().push(format!("{value}@{}", record.offset()));
            }
        })?;
        Ok(found.iter().map(|(partition, values)| format!("{partition}:{}", values.join(","))).collect::<Vec<_>>().join(" "))
    }
}
