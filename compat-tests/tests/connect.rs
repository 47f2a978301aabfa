//! Kafka Connect in distributed mode, with the file source and the file sink of Apache Kafka: a worker starts, runs, is restarted and stops,
//! its tasks too, its offsets are shown and reset, and each line of the input is in the topic and in the output once.
//!
//! `OTTLA_COMPAT_FULL=1`: also exactly-once sources, and a second worker that takes over when the first is killed.

use anyhow::{Context, Result, ensure};
use compat_tests::ask::Ask;
use compat_tests::http::{Answer, Rest};
use compat_tests::java::Java;
use compat_tests::librdkafka::read_topic;
use compat_tests::service::{Service, free_port};
use compat_tests::{Broker, BrokerOptions, need, story};
use rdkafka::message::Message;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const JVM: [&str; 4] = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
/// A worker starts its web server and looks for plugins before anything else, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);
const TOPIC: &str = "lines";
/// Its internal topics and how many partitions Connect gives them by default.
const INTERNAL: [(&str, i32); 3] = [("connect-configs", 1), ("connect-offsets", 25), ("connect-status", 5)];

#[test]
fn connect_carries_a_file_into_another_through_restarts() {
    let name = "connect";
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new().set("group.initial.rebalance.delay.ms", 0), |broker| carry(&java, broker, &[]));
}

#[test]
fn exactly_once_sources_and_a_second_worker_that_takes_over() {
    if std::env::var("OTTLA_COMPAT_FULL").as_deref() != Ok("1") {
        return;
    }
    let name = "connect_full";
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new().set("group.initial.rebalance.delay.ms", 0), |broker| {
        let exactly_once = [("exactly.once.source.support", "enabled")];
        carry(&java, broker, &exactly_once)?;
        take_over(&java, broker, &exactly_once)
    });
}

/// One worker with a port and a log of its own.
struct Worker {
    service: Service,
    port: u16,
    rest: Rest,
}

impl Worker {
    fn start(java: &Java, broker: &Broker, name: &str, port: u16, extra: &[(&str, &str)]) -> Result<Worker> {
        let scratch = broker.scratch_dir()?;
        let listeners = format!("http://127.0.0.1:{port}");
        let bootstrap = broker.bootstrap();
        let settings = [
            ("bootstrap.servers", &*bootstrap),
            ("group.id", "connect-workers"),
            ("listeners", &listeners),
            ("config.storage.topic", INTERNAL[0].0),
            ("offset.storage.topic", INTERNAL[1].0),
            ("status.storage.topic", INTERNAL[2].0),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.replication.factor", "1"),
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("offset.flush.interval.ms", "500"),
            ("task.shutdown.graceful.timeout.ms", "30000"),
            ("scheduled.rebalance.max.delay.ms", "0"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1000"),
            ("plugin.discovery", "service_load"),
        ];
        let text: String = settings.iter().chain(extra).map(|(key, value)| format!("{key}={value}\n")).collect();
        let properties = scratch.join(format!("{name}.properties"));
        fs::write(&properties, text)?;
        let mut command = java.command("org.apache.kafka.connect.cli.ConnectDistributed", &JVM);
        command.arg(properties);
        let service = Service::start(command, scratch.join(format!("{name}.log")))?;
        Ok(Worker { service, port, rest: Rest::new(port) })
    }

    /// It has joined its group, and says where.
    fn is_ready(&mut self) -> Result<()> {
        self.rest.until("/connectors", DEADLINE, |answer| answer.status == 200).map(drop).with_context(|| self.service.tail())
    }

    /// A connector and its task run, or have come to another state.
    fn is(&self, connector: &str, state: &str, tasks: usize) -> Result<()> {
        let path = format!("/connectors/{connector}/status");
        let is_so = |answer: &Answer| {
            let states: Vec<_> = answer.body["tasks"].as_array().into_iter().flatten().map(|task| &task["state"]).collect();
            answer.body["connector"]["state"] == state && states.len() == tasks && states.iter().all(|task| **task == state)
        };
        self.rest.until(&path, DEADLINE, is_so).map(drop).with_context(|| self.service.tail())
    }

    /// Stops without having complained of anything.
    fn stop(self) -> Result<()> {
        let log = self.service.log();
        self.service.stop()?;
        let complaint = log.lines().find(|line| line.contains("ERROR") || line.contains("FATAL"));
        ensure!(complaint.is_none(), "the worker complains: {complaint:?}");
        Ok(())
    }
}

/// The file that is read and the one that is written.
struct Files {
    input: PathBuf,
    output: PathBuf,
}

impl Files {
    fn new(dir: &Path, name: &str) -> Files {
        Files { input: dir.join(format!("{name}.in")), output: dir.join(format!("{name}.out")) }
    }

    fn append(&self, numbers: Range<u32>) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(&self.input)?;
        file.write_all(numbers.map(line).map(|line| line + "\n").collect::<String>().as_bytes())?;
        Ok(())
    }

    /// How many times each line has come out.
    fn seen(&self) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        for line in fs::read_to_string(&self.output).unwrap_or_default().lines() {
            *seen.entry(line.to_owned()).or_default() += 1;
        }
        seen
    }

    /// Waits until each of the lines has come out so many times, and no other line.
    fn come_out(&self, numbers: Range<u32>, times: usize) -> Result<()> {
        let expected: BTreeMap<String, usize> = numbers.map(|number| (line(number), times)).collect();
        self.until(|seen| *seen == expected)
    }

    /// Waits until each of the lines has come out, once or more often.
    fn come_out_at_least_once(&self, numbers: Range<u32>) -> Result<()> {
        let expected: BTreeSet<String> = numbers.map(line).collect();
        self.until(|seen| seen.keys().eq(&expected))
    }

    fn until(&self, is_so: impl Fn(&BTreeMap<String, usize>) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            let seen = self.seen();
            if is_so(&seen) {
                return Ok(());
            }
            let count: usize = seen.values().sum();
            ensure!(began.elapsed() < DEADLINE, "{} different lines of {count} in {}", seen.len(), self.output.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn line(number: u32) -> String {
    // The file source counts characters and skips bytes.
    format!("line {number:05}")
}

fn carry(java: &Java, broker: &mut Broker, extra: &[(&str, &str)]) -> Result<()> {
    let files = Files::new(&broker.scratch_dir()?, TOPIC);
    let port = free_port()?;
    files.append(0..1000)?;
    let mut worker = Worker::start(java, broker, "worker", port, extra)?;
    worker.is_ready()?;
    let rest = worker.rest;
    let source = json!({"name": "source", "config": {"connector.class": "FileStreamSource", "file": files.input, "topic": TOPIC}});
    ensure!(rest.post("/connectors", &source)?.status == 201);
    worker.is("source", "RUNNING", 1)?;
    let sink = json!({"name": "sink", "config": {"connector.class": "FileStreamSink", "file": files.output, "topics": TOPIC}});
    ensure!(rest.post("/connectors", &sink)?.status == 201);
    worker.is("sink", "RUNNING", 1)?;
    ensure!(rest.post("/connectors", &sink)?.status == 409, "it is there already");
    files.come_out(0..1000, 1)?;
    internal_topics_are_compacted(broker)?;

    for connector in ["source", "sink"] {
        ensure!(rest.post(&format!("/connectors/{connector}/tasks/0/restart"), &json!({}))?.status == 204);
        worker.is(connector, "RUNNING", 1)?;
    }
    files.append(1000..1500)?;
    files.come_out(0..1500, 1)?;

    // Stopped, its offsets are forgotten, and it carries everything again.
    offset_of_sink_is_behind(&worker, 1500)?;
    ensure!(rest.put("/connectors/sink/stop", None)?.status == 204);
    worker.is("sink", "STOPPED", 0)?;
    rest.delete("/connectors/sink/offsets")?.ok()?;
    ensure!(rest.get("/connectors/sink/offsets")?.ok()?["offsets"] == json!([]), "forgotten");
    ensure!(rest.put("/connectors/sink/resume", None)?.status == 202);
    worker.is("sink", "RUNNING", 1)?;
    files.come_out(0..1500, 2)?;
    offset_of_sink_is_behind(&worker, 1500)?;

    // The worker goes and comes back to what it was told before.
    worker.stop()?;
    fs::remove_file(&files.output)?;
    let mut worker = Worker::start(java, broker, "worker", port, extra)?;
    worker.is_ready()?;
    worker.is("source", "RUNNING", 1)?;
    worker.is("sink", "RUNNING", 1)?;
    files.append(1500..2000)?;
    files.come_out(1500..2000, 1)?;
    holds_each_line_once(broker, TOPIC, 0..2000)?;

    // The broker is killed. What a producer without idempotence sends again may be there twice.
    broker.kill9()?;
    broker.restart()?;
    files.append(2000..2200)?;
    files.come_out_at_least_once(1500..2200)?;
    worker.is("source", "RUNNING", 1)?;
    worker.is("sink", "RUNNING", 1)?;
    for connector in ["source", "sink"] {
        ensure!(worker.rest.delete(&format!("/connectors/{connector}"))?.status == 204);
    }
    worker.rest.until("/connectors", DEADLINE, |answer| answer.body == json!([]))?;
    // It may well complain of a broker that was gone for a while.
    worker.service.stop()
}

/// Behind so many records; the markers of transactions have offsets too.
fn offset_of_sink_is_behind(worker: &Worker, records: u64) -> Result<()> {
    let is_behind = |answer: &Answer| {
        let offset = &answer.body["offsets"][0];
        offset["partition"] == json!({"kafka_topic": TOPIC, "kafka_partition": 0})
            && offset["offset"]["kafka_offset"].as_u64().is_some_and(|offset| offset >= records)
    };
    worker.rest.until("/connectors/sink/offsets", DEADLINE, is_behind).map(drop)
}

fn internal_topics_are_compacted(broker: &Broker) -> Result<()> {
    let mut ask = Ask::connect(broker.port())?;
    let topics = ask.topics()?;
    for (topic, partitions) in INTERNAL {
        ensure!(topics.get(topic) == Some(&partitions), "{topic}: {:?} partitions", topics.get(topic));
        let policy = ask.topic_config(topic, "cleanup.policy")?;
        ensure!(policy.as_deref() == Some("compact"), "{topic} is {policy:?}");
    }
    Ok(())
}

fn holds_each_line_once(broker: &Broker, topic: &str, numbers: Range<u32>) -> Result<()> {
    let mut lines = Vec::new();
    read_topic(broker, topic, &[("isolation.level", "read_committed")], |record| {
        lines.push(String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned());
    })?;
    ensure!(lines.iter().cloned().eq(numbers.map(line)), "{topic} holds {} lines", lines.len());
    Ok(())
}

fn take_over(java: &Java, broker: &Broker, extra: &[(&str, &str)]) -> Result<()> {
    let files = Files::new(&broker.scratch_dir()?, "more");
    files.append(0..500)?;
    let mut workers = Vec::new();
    for name in ["one", "two"] {
        let mut worker = Worker::start(java, broker, name, free_port()?, extra)?;
        worker.is_ready()?;
        workers.push(worker);
    }
    let source = json!({"connector.class": "FileStreamSource", "file": files.input, "topic": "more"});
    workers[0].rest.put("/connectors/more-source/config", Some(&source))?.ok()?;
    workers[1].is("more-source", "RUNNING", 1)?;
    // Told to the one, and to the other: who is not the leader passes it on.
    let sink = json!({"connector.class": "FileStreamSink", "file": files.output, "topics": "more"});
    workers[1].rest.put("/connectors/more-sink/config", Some(&sink))?.ok()?;
    workers[0].is("more-sink", "RUNNING", 1)?;
    files.come_out(0..500, 1)?;

    let status = workers[0].rest.get("/connectors/more-source/status")?.ok()?;
    let has_it = |worker: &Worker| status["tasks"][0]["worker_id"] == format!("127.0.0.1:{}", worker.port);
    let at = workers.iter().position(has_it).with_context(|| format!("one of the two has the task: {status}"))?;
    workers.remove(at).service.kill()?;
    files.append(500..900)?;
    let heir = workers.pop().context("the other one")?;
    let its_id = format!("127.0.0.1:{}", heir.port);
    let moved = |answer: &Answer| answer.body["tasks"][0]["worker_id"] == its_id && answer.body["tasks"][0]["state"] == "RUNNING";
    for connector in ["more-source", "more-sink"] {
        heir.rest.until(&format!("/connectors/{connector}/status"), DEADLINE, moved).with_context(|| heir.service.tail())?;
    }
    files.come_out_at_least_once(0..900)?;
    holds_each_line_once(broker, "more", 0..900)?;
    heir.service.stop()
}
