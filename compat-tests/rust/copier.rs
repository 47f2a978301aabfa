//! A copier on the `rdkafka` crate: consume, transform, produce and commit offsets, all in one transaction. Arguments, commands and what
//! it says: `compat-tests/DESIGN.md`.

use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// A broker that was killed or paused is back long before.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

fn main() {
    let args: HashMap<String, String> =
        std::env::args().skip(1).filter_map(|arg| arg.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))).collect();
    let name = args.get("name").cloned().unwrap_or_default();
    if let Err(error) = run(&args) {
        say(&name, &format!("failed {error:#}").replace('\n', " "));
        std::process::exit(1);
    }
}

/// One line, one write: other copiers write to the same pipe.
fn say(name: &str, words: &str) {
    let line = format!("{name} {words}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        std::process::exit(1);
    }
}

/// What became of a call in a transaction.
enum Trouble {
    /// The transaction has to be aborted; the producer goes on.
    Abort(String),
    /// This producer is at its end.
    Fatal(String),
}

/// Hears of rebalances, which happen inside `poll` only.
#[derive(Default)]
struct Ears {
    revoked: Mutex<BTreeSet<i32>>,
}

impl ClientContext for Ears {}

impl ConsumerContext for Ears {
    fn pre_rebalance(&self, _: &BaseConsumer<Ears>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.revoked.lock().expect("no panic while held").extend(partitions.elements().iter().map(|element| element.partition()));
        }
    }
}

struct Record {
    source: (i32, i64),
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Record {
    fn new(message: &BorrowedMessage<'_>) -> Record {
        Record {
            source: (message.partition(), message.offset()),
            key: message.key().unwrap_or_default().to_vec(),
            value: message.payload().unwrap_or_default().to_vec(),
        }
    }
}

struct Copier {
    name: String,
    from: String,
    to: String,
    targets: i64,
    plant: String,
    consumer: BaseConsumer<Ears>,
    /// Aborting waits for delivery reports, which somebody else has to take.
    producer: ThreadedProducer<DefaultProducerContext>,
    transactions: u32,
    /// In the next transaction, when the copies and the offsets are written.
    dies: bool,
}

fn run(args: &HashMap<String, String>) -> Result<()> {
    let need = |key: &str| args.get(key).cloned().with_context(|| format!("argument {key}"));
    let mut copier = Copier {
        name: need("name")?,
        from: need("from")?,
        to: need("to")?,
        targets: need("targets")?.parse()?,
        plant: need("plant")?,
        consumer: consumer_settings(args)?.create_with_context(Ears::default())?,
        producer: producer_settings(args)?.create()?,
        transactions: 0,
        dies: false,
    };
    let commands = commands();
    // Its predecessor's transaction is aborted here; the group must not give away partitions before.
    copier.insist("init", |copier| copier.producer.init_transactions(PATIENCE)).map_err(fatal)?;
    copier.consumer.subscribe(&[&copier.from])?;
    copier.say("ready");
    let batch_max: usize = need("batch_max")?.parse()?;
    // Batches of all sizes, with no two copiers in step.
    let mut size = copier.name.bytes().fold(7, |size, byte| size * 31 % 65_521 + usize::from(byte));
    loop {
        match commands.try_recv() {
            Ok(command) if command == "leave" => break,
            Ok(command) if command == "die" => copier.dies = true,
            Ok(command) => bail!("unknown command {command}"),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        size = size * 31 % 65_521 + 7;
        let batch = copier.poll(1 + size % batch_max)?;
        if !batch.is_empty() {
            copier.copy(&batch)?;
        }
    }
    let name = copier.name.clone();
    drop(copier);
    say(&name, "left");
    Ok(())
}

fn fatal(trouble: Trouble) -> anyhow::Error {
    match trouble {
        Trouble::Abort(text) => anyhow::anyhow!("abortable {text}"),
        Trouble::Fatal(text) => anyhow::anyhow!("fatal {text}"),
    }
}

impl Copier {
    fn say(&self, words: &str) {
        say(&self.name, words);
    }

    /// Some records of partitions that this member still owns when the last one came.
    fn poll(&self, count: usize) -> Result<Vec<Record>> {
        let mut batch = Vec::new();
        let until = Instant::now() + POLL;
        while batch.len() < count {
            let polled = self.consumer.poll(until.saturating_duration_since(Instant::now()));
            let revoked = std::mem::take(&mut *self.consumer.context().revoked.lock().expect("no panic while held"));
            batch.retain(|record: &Record| !revoked.contains(&record.source.0));
            match polled {
                Some(Ok(message)) => batch.push(Record::new(&message)),
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    self.rejoin()?;
                    return Ok(Vec::new());
                }
                Some(Err(error)) => self.say(&format!("note {error}")),
                None => break,
            }
        }
        Ok(batch)
    }

    /// librdkafka wanted to start a partition over. Everything is given up and asked for anew, and with it the committed offsets.
    fn rejoin(&self) -> Result<()> {
        self.say("rejoins");
        self.consumer.unsubscribe();
        self.consumer.subscribe(&[&self.from]).context("subscribe")
    }

    /// One transaction: the copies and the offsets, or neither.
    fn copy(&mut self, batch: &[Record]) -> Result<()> {
        self.transactions += 1;
        let transaction = format!("{}.{}", self.name, self.transactions);
        match self.attempt(batch, &transaction) {
            Ok(()) => {
                self.say(&format!("committed {transaction}"));
                return Ok(());
            }
            Err(Trouble::Fatal(text)) => bail!("fatal {text}"),
            Err(Trouble::Abort(text)) => self.say(&format!("aborting {transaction} {text}")),
        }
        self.insist("abort", |copier| copier.producer.abort_transaction(PATIENCE)).map_err(fatal)?;
        self.say(&format!("aborted {transaction}"));
        // What was read is read again, unless a rebalance that is waiting in the next poll gives it to somebody else.
        let mut firsts: BTreeMap<i32, i64> = BTreeMap::new();
        batch.iter().for_each(|record| _ = firsts.entry(record.source.0).or_insert(record.source.1));
        for (partition, offset) in firsts {
            self.consumer.seek(&self.from, partition, Offset::Offset(offset), PATIENCE).context("seek")?;
        }
        Ok(())
    }

    fn attempt(&self, batch: &[Record], transaction: &str) -> Result<(), Trouble> {
        self.producer.begin_transaction().map_err(|error| trouble("begin", error))?;
        for (index, record) in batch.iter().enumerate() {
            let (partition, offset) = record.source;
            let mut value = format!("{partition} {offset} {transaction} {index} {}\n", batch.len()).into_bytes();
            value.extend(record.value.iter().rev());
            let target = ((i64::from(partition) + offset) % self.targets) as i32;
            self.send(BaseRecord::to(&self.to).partition(target).key(&record.key).payload(&value))?;
        }
        let mut offsets = TopicPartitionList::new();
        let mut nexts: BTreeMap<i32, i64> = BTreeMap::new();
        batch.iter().for_each(|record| _ = nexts.insert(record.source.0, record.source.1 + 1));
        for (partition, next) in nexts {
            offsets.add_partition_offset(&self.from, partition, Offset::Offset(next)).map_err(|error| trouble("offsets", error))?;
        }
        match self.plant.as_str() {
            "offsets-outside" => self.consumer.commit(&offsets, CommitMode::Sync).map_err(|error| Trouble::Abort(error.to_string()))?,
            _ => {
                let group = self.consumer.group_metadata().ok_or_else(|| Trouble::Fatal("no group metadata".to_owned()))?;
                self.insist("offsets", |copier| copier.producer.send_offsets_to_transaction(&offsets, &group, PATIENCE))?;
            }
        }
        if self.dies {
            self.producer.flush(PATIENCE).map_err(|error| Trouble::Abort(format!("flush: {error}")))?;
            self.say("dying");
            std::process::abort();
        }
        self.insist("commit", |copier| copier.producer.commit_transaction(PATIENCE))
    }

    fn send(&self, mut record: BaseRecord<'_, Vec<u8>, Vec<u8>>) -> Result<(), Trouble> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(POLL);
                }
                Err((error, _)) => return Err(Trouble::Abort(format!("send: {error}"))),
            }
        }
    }

    /// What may be tried again is tried again for a while.
    fn insist(&self, what: &str, call: impl Fn(&Copier) -> KafkaResult<()>) -> Result<(), Trouble> {
        let until = Instant::now() + 2 * PATIENCE;
        loop {
            match call(self) {
                Ok(()) => return Ok(()),
                // librdkafka calls NOT_COORDINATOR neither fatal nor retriable when it answers InitProducerId.
                Err(KafkaError::Transaction(error))
                    if Instant::now() < until && (error.is_retriable() || (what == "init" && !error.is_fatal())) =>
                {
                    self.say(&format!("note {what}: {} {}: again", error.code(), error.string()));
                    std::thread::sleep(POLL);
                }
                Err(error) => return Err(trouble(what, error)),
            }
        }
    }
}

fn trouble(what: &str, error: KafkaError) -> Trouble {
    match &error {
        KafkaError::Transaction(inner) => {
            let text = format!("{what}: {:?} {}", inner.code(), inner.string());
            if inner.txn_requires_abort() { Trouble::Abort(text) } else { Trouble::Fatal(text) }
        }
        _ => Trouble::Fatal(format!("{what}: {error}")),
    }
}

fn common_settings(args: &HashMap<String, String>) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", args.get("bootstrap").context("argument bootstrap")?)
        .set("client.id", args.get("name").context("argument name")?)
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .set("metadata.recovery.strategy", "none");
    if let Some(debug) = args.get("debug") {
        config.set("debug", debug);
    }
    Ok(config)
}

fn producer_settings(args: &HashMap<String, String>) -> Result<ClientConfig> {
    let mut config = common_settings(args)?;
    config
        .set("transactional.id", args.get("transactional_id").context("argument transactional_id")?)
        .set("transaction.timeout.ms", args.get("timeout_ms").context("argument timeout_ms")?)
        .set("linger.ms", "1");
    Ok(config)
}

fn consumer_settings(args: &HashMap<String, String>) -> Result<ClientConfig> {
    let mut config = common_settings(args)?;
    let need = |key: &str| args.get(key).with_context(|| format!("argument {key}"));
    config
        .set("group.id", need("group")?)
        .set("group.protocol", need("protocol")?)
        .set("isolation.level", "read_committed")
        // Every partition has a committed offset: who finds none has been misled.
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false");
    if need("protocol")? == "classic" {
        config.set("session.timeout.ms", need("session_ms")?).set("heartbeat.interval.ms", "500");
        if need("assignor")? != "default" {
            config.set("partition.assignment.strategy", need("assignor")?);
        }
    }
    Ok(config)
}

/// Lines of standard input. When it ends, whoever started us is gone.
fn commands() -> Receiver<String> {
    let (told, commands) = channel();
    std::thread::spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    commands
}
