//! A Kafka Streams application with `exactly_once_v2` counts words while the broker and its instances are killed and stopped: every word
//! of the input is counted once, in order, and nothing is left open.

use anyhow::{Context, Result, ensure};
use compat_tests::java::Java;
use compat_tests::librdkafka::{PATIENCE, Producer, consumer, partitions, read_topic};
use compat_tests::program::Program;
use compat_tests::rng::Rng;
use compat_tests::{Broker, BrokerOptions, Toolchain, need, story};
use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rustix::process::{Signal, kill_process};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const APPLICATION: &str = "counting";
const PARTITIONS: i32 = 4;
const WORDS: u64 = 300;
const JVM: [&str; 4] = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
/// A start of the application, rebalances, and sessions that have to run out, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);
/// The shortest that the broker allows: so long an instance is missed after a kill.
const SESSION_MS: u64 = 2_000;

#[test]
fn a_streams_application_counts_every_word_once_through_kills() {
    let name = "java_streams";
    let Some(java) = need(name, find()) else { return };
    let seed = Rng::seed_from_env("OTTLA_SEED");
    let seconds: u64 = std::env::var("OTTLA_STREAMS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let options = BrokerOptions::new()
        .set("num.partitions", PARTITIONS)
        .set("group.initial.rebalance.delay.ms", 0)
        .set("group.min.session.timeout.ms", SESSION_MS)
        // Small segments: transactions and their indexes cross rolls.
        .set("log.segment.bytes", 1 << 20);
    story(name, options, |broker| {
        let mut rng = Rng::new(seed);
        let load = Load::start(broker, seed)?;
        let mut first = Instance::start(&java, broker, "first")?;
        first.running()?;
        let mut second = Instance::start(&java, broker, "second")?;
        let (mut kills, mut stops) = (0_u64, 0_u64);
        let until = Instant::now() + Duration::from_secs(seconds);
        // Each kind of fault at least once, in any order from the second round on.
        while kills + stops < 3 || Instant::now() < until {
            std::thread::sleep(Duration::from_millis(300 + rng.below(2000)));
            let instance = if rng.below(2) == 0 { &mut first } else { &mut second };
            match if kills + stops < 3 { (kills + stops) * 2 } else { rng.below(6) } {
                0 | 1 | 3 => {
                    broker.kill9()?;
                    let took = broker.restart()?;
                    ensure!(took <= broker.recovery_limit(), "ready {took:?} after a kill");
                    kills += 1;
                }
                2 => {
                    instance.restart(&java, broker)?;
                    kills += 1;
                }
                5 => {
                    kill_process(broker.pid()?, Signal::STOP)?;
                    std::thread::sleep(Duration::from_millis(rng.below(3000)));
                    kill_process(broker.pid()?, Signal::CONT)?;
                    stops += 1;
                }
                // Its tasks move to the other one, and then it comes back as a zombie.
                _ => {
                    instance.program.signal(Signal::STOP)?;
                    std::thread::sleep(Duration::from_millis(rng.below(2 * SESSION_MS)));
                    instance.program.signal(Signal::CONT)?;
                    stops += 1;
                }
            }
        }
        let expected = load.finish()?;
        let total: u64 = expected.values().sum();
        println!("{name}: {kills} kills, {stops} stops, {total} words");
        let deadline = Instant::now() + DEADLINE;
        while read_topic(broker, "counts", &[("isolation.level", "read_committed")], |_| {})? < total {
            ensure!(Instant::now() < deadline, "waited {DEADLINE:?} for {total} counts");
        }
        let failures: Vec<String> = [first, second].into_iter().map(Instance::end).collect::<Result<Vec<_>>>()?.concat();
        check(broker, &expected)?;
        nothing_is_open(broker)?;
        ensure!(failures.is_empty(), "threads of the application died: {failures:#?}");
        broker.kill9()?;
        broker.restart()?;
        check(broker, &expected)
    });
}

fn find() -> Toolchain<Java> {
    let java = Java::find()?;
    let classes = java.compile("Counting.java")?;
    Ok(java.with_classes(&classes))
}

/// One instance of the application, with a directory of its own.
struct Instance {
    program: Program,
    name: &'static str,
    scratch: PathBuf,
    failures: Vec<String>,
}

impl Instance {
    fn start(java: &Java, broker: &Broker, name: &'static str) -> Result<Instance> {
        let scratch = broker.scratch_dir()?;
        Ok(Instance { program: launch(java, broker, name, &scratch)?, name, scratch, failures: Vec::new() })
    }

    /// Kill -9, and a new one in its place.
    fn restart(&mut self, java: &Java, broker: &Broker) -> Result<()> {
        self.listen();
        // The old one first: it holds the lock of the directory.
        self.program.signal(Signal::KILL)?;
        let next = launch(java, broker, self.name, &self.scratch)?;
        drop(std::mem::replace(&mut self.program, next));
        Ok(())
    }

    fn running(&mut self) -> Result<()> {
        let line = self.program.line(DEADLINE)?;
        ensure!(line == "running", "{}: {line}", self.name);
        Ok(())
    }

    fn listen(&mut self) {
        self.failures.extend(self.program.said().filter(|line| line.starts_with("failed")));
    }

    /// Lets it close; gives the deaths of threads that it told of.
    fn end(mut self) -> Result<Vec<String>> {
        self.listen();
        self.program.end().context(self.name)?;
        Ok(self.failures)
    }
}

fn launch(java: &Java, broker: &Broker, name: &str, scratch: &std::path::Path) -> Result<Program> {
    let mut command = java.command("Counting", &JVM);
    command.args([&broker.bootstrap(), APPLICATION]).arg(scratch.join(name));
    command.arg(format!("consumer.session.timeout.ms={SESSION_MS}")).arg("consumer.heartbeat.interval.ms=500");
    Program::start(command, scratch.join(format!("{name}.log")))
}

/// Lines of words in the background, and how often each word was in them.
struct Load {
    stop: Sender<()>,
    thread: JoinHandle<Result<BTreeMap<String, u64>>>,
}

impl Load {
    /// Comes back when the topics are there.
    fn start(broker: &Broker, seed: u64) -> Result<Load> {
        let settings = [
            ("linger.ms", "2"),
            ("enable.idempotence", "true"),
            ("message.timeout.ms", "300000"),
            ("reconnect.backoff.max.ms", "200"),
            ("metadata.recovery.strategy", "none"),
        ];
        let producer = Producer::new(broker, &settings)?;
        // Asking for a topic makes it; nothing is sent to this one.
        let reader = consumer(broker, &[("allow.auto.create.topics", "true")])?;
        let deadline = Instant::now() + PATIENCE;
        for topic in ["lines", "counts"] {
            while partitions(&reader, topic).map_or(0, |partitions| partitions.len()) != PARTITIONS as usize {
                ensure!(Instant::now() < deadline, "{topic} is not there after {PATIENCE:?}");
            }
        }
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || send(&producer, Rng::new(seed), &stopped));
        Ok(Load { stop, thread })
    }

    fn finish(self) -> Result<BTreeMap<String, u64>> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow::anyhow!("the load's thread panicked"))?
    }
}

fn send(producer: &Producer, mut rng: Rng, stopped: &Receiver<()>) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let mut number = 0;
    while stopped.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
        for _ in 0..3 {
            let words: Vec<String> = (0..1 + rng.below(6)).map(|_| format!("word{}", rng.below(WORDS))).collect();
            let line = words.join(" ");
            producer.send(
                number,
                BaseRecord::<str, str, usize>::with_opaque_to("lines", 0).payload(&line).partition(number as i32 % PARTITIONS),
            )?;
            number += 1;
            words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
        }
    }
    let receipts = producer.finish(4 * PATIENCE)?;
    ensure!(receipts.iter().all(|(_, receipt)| receipt.is_ok()), "a line was not taken");
    Ok(counts)
}

/// Every word was counted from 1 to as often as it was sent, without a gap, a repeat or a step back; and the changelog says the same.
fn check(broker: &Broker, expected: &BTreeMap<String, u64>) -> Result<()> {
    let committed = [("isolation.level", "read_committed")];
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    read_topic(broker, "counts", &committed, |record| {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let (word, count) = (text(record.key()), text(record.payload()));
        let last = counts.entry(word.clone()).or_default();
        if count != (*last + 1).to_string() {
            wrong.push(format!("{word}: {count} after {last} at {}/{}", record.partition(), record.offset()));
        }
        *last += 1;
    })?;
    ensure!(wrong.is_empty(), "{} wrong counts: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    ensure!(
        counts == *expected,
        "{} words of {}, {} counts of {}",
        counts.len(),
        expected.len(),
        counts.values().sum::<u64>(),
        expected.values().sum::<u64>()
    );
    let mut changelog = BTreeMap::new();
    read_topic(broker, &format!("{APPLICATION}-counted-changelog"), &committed, |record| {
        let count = record.payload().and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        changelog.insert(String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned(), count);
    })?;
    ensure!(changelog == *expected, "the changelog holds other counts");
    Ok(())
}

/// Both isolation levels end at the same offsets everywhere.
fn nothing_is_open(broker: &Broker) -> Result<()> {
    let (stable, all) =
        (consumer(broker, &[("isolation.level", "read_committed")])?, consumer(broker, &[("isolation.level", "read_uncommitted")])?);
    for topic in ["counts", &format!("{APPLICATION}-counted-changelog"), &format!("{APPLICATION}-words-repartition"), "__consumer_offsets"]
    {
        for partition in partitions(&all, topic)? {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let (_, high_watermark) = all.fetch_watermarks(topic, partition, PATIENCE)?;
                let (_, last_stable) = stable.fetch_watermarks(topic, partition, PATIENCE)?;
                if last_stable == high_watermark {
                    break;
                }
                ensure!(Instant::now() < deadline, "{topic}-{partition} is stable to {last_stable} of {high_watermark}");
            }
        }
    }
    Ok(())
}
