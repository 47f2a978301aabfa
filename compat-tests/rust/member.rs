//! A group member on the `rdkafka` crate. Arguments, commands and what it says: `compat-tests/DESIGN.md`.

use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

const COMMIT_EVERY_RECORDS: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let args: HashMap<String, String> =
        std::env::args().skip(1).filter_map(|arg| arg.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))).collect();
    let name = args.get("name").cloned().unwrap_or_default();
    if let Err(error) = run(&args) {
        say(&name, &format!("failed {error:#}").replace('\n', " "));
        std::process::exit(1);
    }
}

/// One line, one write: other members write to the same pipe.
fn say(name: &str, words: &str) {
    let line = format!("{name} {words}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        std::process::exit(1);
    }
}

struct Voice {
    name: String,
    topic: String,
    /// Whether to commit before partitions go.
    by_hand: bool,
    /// The offset after the last record that was said, per partition.
    positions: Mutex<BTreeMap<i32, i64>>,
}

impl Voice {
    fn say(&self, words: &str) {
        say(&self.name, words);
    }

    /// How far `partitions` were read.
    fn positions(&self, partitions: Option<&[i32]>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in self.positions.lock().expect("no panic while held").iter() {
            if partitions.is_none_or(|wanted| wanted.contains(partition)) {
                let _ = list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset));
            }
        }
        list
    }

    fn forget(&self, partitions: &[i32]) {
        self.positions.lock().expect("no panic while held").retain(|partition, _| !partitions.contains(partition));
    }

    fn commit(&self, consumer: &BaseConsumer<Voice>, offsets: &TopicPartitionList, mode: CommitMode) {
        if offsets.count() == 0 {
            return;
        }
        match (consumer.commit(offsets, mode), mode) {
            (Ok(()), CommitMode::Sync) => self.committed(offsets),
            // The callback tells.
            (Ok(()), CommitMode::Async) => {}
            (Err(error), _) => self.say(&format!("refused {error}")),
        }
    }

    fn committed(&self, offsets: &TopicPartitionList) {
        let words = offsets.elements().into_iter().filter_map(|element| match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some(format!(" {}:{offset}", element.partition())),
            _ => None,
        });
        self.say(&format!("committed{}", words.collect::<String>()));
    }
}

impl ClientContext for Voice {}

impl ConsumerContext for Voice {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Voice>, rebalance: &Rebalance<'_>) {
        let list = |partitions: &TopicPartitionList| partitions.elements().iter().map(|element| element.partition()).collect::<Vec<_>>();
        let shown = |partitions: &[i32]| partitions.iter().map(|partition| format!(" {partition}")).collect::<String>();
        match rebalance {
            Rebalance::Assign(partitions) => self.say(&format!("assigned -{}", shown(&list(partitions)))),
            Rebalance::Revoke(partitions) => {
                let partitions = list(partitions);
                let read = self.positions(Some(&partitions));
                self.forget(&partitions);
                if consumer.assignment_lost() {
                    return self.say(&format!("lost{}", shown(&partitions)));
                }
                if self.by_hand {
                    self.commit(consumer, &read, CommitMode::Sync);
                }
                self.say(&format!("revoked{}", shown(&partitions)));
            }
            Rebalance::Error(error) => self.say(&format!("note rebalance: {error}")),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        match result {
            Ok(()) => self.committed(offsets),
            Err(error) => self.say(&format!("refused {error}")),
        }
    }
}

fn run(args: &HashMap<String, String>) -> Result<()> {
    let arg = |key: &str| args.get(key).map(String::as_str);
    let need = |key: &str| arg(key).with_context(|| format!("argument {key}"));
    let commit = arg("commit").unwrap_or("auto");
    let voice = Voice {
        name: need("name")?.to_owned(),
        topic: need("topic")?.to_owned(),
        by_hand: matches!(commit, "sync" | "async" | "revoke"),
        positions: Mutex::new(BTreeMap::new()),
    };
    let consumer: BaseConsumer<Voice> = settings(args)?.create_with_context(voice)?;
    let voice = consumer.context();
    consumer.subscribe(&[need("topic")?])?;
    voice.say("ready");
    let commands = commands();
    let mut uncommitted: u32 = 0;
    loop {
        let polled = consumer.poll(Duration::from_millis(20));
        let idle = polled.is_none();
        match polled {
            Some(Ok(record)) => {
                let mut sum = flate2::Crc::new();
                sum.update(record.key().unwrap_or_default());
                sum.update(record.payload().unwrap_or_default());
                voice.say(&format!("record {} {} {:x}", record.partition(), record.offset(), sum.sum()));
                voice.positions.lock().expect("no panic while held").insert(record.partition(), record.offset() + 1);
                uncommitted += 1;
            }
            Some(Err(error)) => voice.say(&format!("note {error}")),
            None => {}
        }
        if uncommitted >= COMMIT_EVERY_RECORDS || (idle && uncommitted > 0) {
            uncommitted = 0;
            match commit {
                "sync" => voice.commit(&consumer, &voice.positions(None), CommitMode::Sync),
                "async" => voice.commit(&consumer, &voice.positions(None), CommitMode::Async),
                _ => {}
            }
        }
        match commands.try_recv() {
            Ok(command) if command == "leave" => break,
            Ok(command) => obey(&consumer, &command)?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
    let name = voice.name.clone();
    // A static member leaves its partitions to its next incarnation; close() revokes them first.
    drop(consumer);
    say(&name, "left");
    Ok(())
}

fn settings(args: &HashMap<String, String>) -> Result<ClientConfig> {
    let need = |key: &str| args.get(key).with_context(|| format!("argument {key}"));
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", need("bootstrap")?)
        .set("group.id", need("group")?)
        .set("client.id", need("name")?)
        .set("group.protocol", need("protocol")?)
        .set("auto.offset.reset", args.get("reset").map_or("earliest", String::as_str))
        .set("reconnect.backoff.max.ms", "200")
        .set("metadata.recovery.strategy", "none");
    let assignor = need("assignor")?;
    if need("protocol")? == "consumer" {
        // The broker decides about sessions and heartbeats.
        if assignor != "default" {
            config.set("group.remote.assignor", assignor);
        }
    } else {
        config.set("session.timeout.ms", need("session_ms")?).set("heartbeat.interval.ms", need("heartbeat_ms")?);
        if assignor != "default" {
            config.set("partition.assignment.strategy", assignor);
        }
    }
    if let Some(instance) = args.get("instance") {
        config.set("group.instance.id", instance);
    }
    match args.get("commit").map_or("auto", String::as_str) {
        "auto" => config.set("auto.commit.interval.ms", "100"),
        _ => config.set("enable.auto.commit", "false"),
    };
    Ok(config)
}

/// Lines of standard input. When it ends, whoever started us is gone.
fn commands() -> Receiver<String> {
    let (told, commands) = channel();
    std::thread::spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    commands
}

fn obey(consumer: &BaseConsumer<Voice>, command: &str) -> Result<()> {
    let voice = consumer.context();
    let words: Vec<&str> = command.split(' ').collect();
    let partition = |word: &str| -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&voice.topic, word.parse()?);
        Ok(list)
    };
    match words[..] {
        ["pause", which] => {
            consumer.pause(&partition(which)?)?;
            voice.say(&format!("paused {which}"));
        }
        ["resume", which] => {
            consumer.resume(&partition(which)?)?;
            voice.say(&format!("resumed {which}"));
        }
        ["seek", which, offset] => {
            consumer.seek(&voice.topic, which.parse()?, Offset::Offset(offset.parse()?), PATIENCE)?;
            voice.say(&format!("sought {which} {offset}"));
        }
        ["commit", mode, which, offset] => {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&voice.topic, which.parse()?, Offset::Offset(offset.parse()?))?;
            voice.commit(consumer, &list, if mode == "sync" { CommitMode::Sync } else { CommitMode::Async });
        }
        _ => bail!("unknown command {command}"),
    }
    Ok(())
}
