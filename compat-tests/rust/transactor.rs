//! A transactional producer on the `rdkafka` crate that does what it is told. Commands and answers: `compat-tests/DESIGN.md`.

use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Counts what was delivered and keeps the first refusal.
#[derive(Default)]
struct Reports {
    refusal: Mutex<Option<RDKafkaErrorCode>>,
    delivered: AtomicU32,
}

impl rdkafka::ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => _ = self.delivered.fetch_add(1, Ordering::Relaxed),
            Err((error, _)) => {
                self.refusal
                    .lock()
                    .expect("no panic while held")
                    .get_or_insert(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
            }
        }
    }
}

struct Transactor {
    args: HashMap<String, String>,
    producer: ThreadedProducer<Reports>,
    /// One consumer per group that something was copied for.
    consumers: BTreeMap<String, BaseConsumer>,
}

fn main() -> Result<()> {
    let args: HashMap<String, String> =
        std::env::args().skip(1).filter_map(|arg| arg.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))).collect();
    let need = |key: &str| args.get(key).cloned().with_context(|| format!("argument {key}"));
    let name = need("name")?;
    let producer = ClientConfig::new()
        .set("bootstrap.servers", need("bootstrap")?)
        .set("transactional.id", need("transactional_id")?)
        .set("transaction.timeout.ms", need("timeout_ms")?)
        .set("reconnect.backoff.max.ms", "200")
        .set("metadata.recovery.strategy", "none")
        .create_with_context(Reports::default())?;
    let mut transactor = Transactor { args, producer, consumers: BTreeMap::new() };
    // When the commands end, whoever started us is gone.
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["leave"] => break,
            _ => transactor.obey(&words),
        };
        let answer = match answer {
            Ok(text) => format!("{name} ok {text}"),
            Err(error) => format!("{name} error {}", spoken(&error)),
        };
        std::io::stdout().write_all(format!("{}\n", answer.trim_end()).as_bytes())?;
    }
    drop(transactor);
    std::io::stdout().write_all(format!("{name} left\n").as_bytes())?;
    Ok(())
}

/// The kind of an error and its name.
fn spoken(error: &anyhow::Error) -> String {
    eprintln!("{error:#}");
    match error.downcast_ref::<KafkaError>() {
        Some(KafkaError::Transaction(inner)) => {
            let kind = match (inner.is_fatal(), inner.txn_requires_abort(), inner.is_retriable()) {
                (true, _, _) => "fatal",
                (_, true, _) => "abortable",
                (_, _, true) => "retriable",
                _ => "other",
            };
            format!("{kind} {:?}", inner.code())
        }
        Some(other) => format!("other {:?}", other.rdkafka_error_code()),
        None => format!("other {error}"),
    }
}

impl Transactor {
    fn obey(&mut self, words: &[&str]) -> Result<String> {
        match *words {
            ["init"] => self.producer.init_transactions(PATIENCE)?,
            ["begin"] => self.producer.begin_transaction()?,
            ["send", topic, first, last, value] => self.send(topic, first.parse()?..=last.parse()?, value)?,
            ["offsets", group, topic, partition, offset] => self.offsets(group, topic, partition.parse()?, offset.parse()?)?,
            ["commit"] => self.producer.commit_transaction(PATIENCE)?,
            ["abort"] => self.producer.abort_transaction(PATIENCE)?,
            ["copy", group, from, to, count, end] => self.copy(group, from, to, count.parse()?, end == "commit")?,
            ["read", isolation, topic, partitions] => return self.read(isolation, topic, partitions.parse()?),
            _ => bail!("unknown command {words:?}"),
        }
        Ok(String::new())
    }

    fn send(&self, topic: &str, partitions: std::ops::RangeInclusive<i32>, value: &str) -> Result<()> {
        for partition in partitions {
            self.producer.send(BaseRecord::to(topic).partition(partition).key("").payload(value)).map_err(|(error, _)| error)?;
        }
        self.producer.flush(PATIENCE)?;
        match self.producer.context().refusal.lock().expect("no panic while held").take() {
            Some(code) => Err(KafkaError::MessageProduction(code).into()),
            None => Ok(()),
        }
    }

    fn consumer(&mut self, group: &str) -> Result<&BaseConsumer> {
        if !self.consumers.contains_key(group) {
            let consumer = self.settings(group, "read_committed").create()?;
            self.consumers.insert(group.to_owned(), consumer);
        }
        self.consumers.get(group).context("it was just made")
    }

    fn settings(&self, group: &str, isolation: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.args["bootstrap"])
            .set("group.id", group)
            .set("isolation.level", isolation)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false");
        config
    }

    fn offsets(&mut self, group: &str, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let metadata = self.consumer(group)?.group_metadata().context("group metadata")?;
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        Ok(self.producer.send_offsets_to_transaction(&offsets, &metadata, PATIENCE)?)
    }

    fn copy(&mut self, group: &str, from: &str, to: &str, count: usize, commit: bool) -> Result<()> {
        let consumer = self.consumer(group)?;
        if consumer.subscription()?.count() == 0 {
            consumer.subscribe(&[from])?;
        }
        let mut batch: Vec<(i32, i64, Vec<u8>)> = Vec::new();
        while batch.len() < count {
            // A rebalance ends a poll too.
            let until = Instant::now() + PATIENCE;
            let polled = std::iter::from_fn(|| (Instant::now() < until).then(|| consumer.poll(POLL))).flatten().next();
            let message = polled.context("no record comes")??;
            batch.push((message.partition(), message.offset(), message.payload().unwrap_or_default().to_vec()));
        }
        let consumer = &self.consumers[group];
        self.producer.begin_transaction()?;
        let mut offsets = TopicPartitionList::new();
        let mut nexts = BTreeMap::new();
        for (partition, offset, value) in &batch {
            self.producer.send(BaseRecord::to(to).partition(0).key("").payload(value)).map_err(|(error, _)| error)?;
            nexts.insert(*partition, offset + 1);
        }
        for (partition, next) in nexts {
            offsets.add_partition_offset(from, partition, Offset::Offset(next))?;
        }
        let metadata = consumer.group_metadata().context("group metadata")?;
        self.producer.send_offsets_to_transaction(&offsets, &metadata, PATIENCE)?;
        if commit {
            return Ok(self.producer.commit_transaction(PATIENCE)?);
        }
        // What was not sent yet would never be.
        self.producer.flush(PATIENCE)?;
        self.producer.abort_transaction(PATIENCE)?;
        for (partition, offset, _) in batch.iter().rev() {
            consumer.seek(from, *partition, Offset::Offset(*offset), PATIENCE)?;
        }
        Ok(())
    }

    /// Every partition until the record that says END.
    fn read(&self, isolation: &str, topic: &str, partitions: i32) -> Result<String> {
        let consumer: BaseConsumer = self.settings("only-reads", &format!("read_{isolation}")).create()?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let mut open: BTreeSet<i32> = (0..partitions).collect();
        let mut read: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        while !open.is_empty() {
            let message = consumer.poll(PATIENCE).context("no record comes")??;
            let value = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            if value == "END" {
                open.remove(&message.partition());
            } else {
                read.entry(message.partition()).or_default().push(format!("{}@{}", value, message.offset()));
            }
        }
        Ok(read.iter().map(|(partition, values)| format!("{partition}:{}", values.join(","))).collect::<Vec<_>>().join(" "))
    }
}
