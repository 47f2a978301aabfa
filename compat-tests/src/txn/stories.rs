//! The stories. What has to work or to fail is asserted here; everything else is compared with what the client got from Apache Kafka.

use super::client::Client;
use super::stage::Stage;
use crate::java::same_as_golden;
use crate::{BrokerOptions, need};
use anyhow::{Context, Result};
use std::time::Instant;

const SHORT_MS: u32 = 1000;
/// More than a hundred partitions in one transaction.
const WIDE: i32 = 120;

type Story = fn(&mut Stage<'_>) -> Result<()>;

const STORIES: [(&str, Story); 9] = [
    ("commit and abort", commit_and_abort),
    ("empty transactions", empty_transactions),
    ("a second instance fences the first", fencing),
    ("a transaction times out", timeout),
    ("a killed instance's transaction is aborted when the next one begins", resume),
    ("the broker dies within a transaction", broker_dies),
    ("more than a hundred partitions", wide),
    ("offsets in transactions", offsets),
    ("copies of a group member", copies),
];

/// Plays every story with a client and compares the transcript.
pub fn play(client: &'static Client) {
    let name = format!("transactions_{}", client.name);
    let Some(launcher) = need(&name, (client.install)()) else { return };
    let options = BrokerOptions::new()
        .set("group.initial.rebalance.delay.ms", 0)
        .set("transaction.abort.timed.out.transaction.cleanup.interval.ms", 200)
        .set("auto.create.topics.enable", false);
    crate::story(&name, options, |broker| {
        let mut stage = Stage::new(broker, client, launcher.clone())?;
        for (title, story) in STORIES {
            let began = Instant::now();
            stage.title(title);
            let told = story(&mut stage).and_then(|()| stage.dismiss_all());
            told.with_context(|| stage.last_words()).context(title)?;
            println!("{}: {title}: {:.1?}", client.name, began.elapsed());
        }
        same_as_golden(&format!("transactions-{}.txt", client.name), &stage.transcript())
    });
}

fn commit_and_abort(stage: &mut Stage<'_>) -> Result<()> {
    stage.topic("plain", 3)?;
    stage.ready("one", "plain-one")?;
    stage.ready("two", "plain-two")?;
    stage.done("one", "begin")?;
    stage.done("one", "send plain 0 1 a")?;
    stage.write("plain", 0, &["beside"])?;
    stage.done("two", "begin")?;
    stage.done("two", "send plain 1 2 b")?;
    stage.look("plain", 3)?;
    stage.transactions("plain-")?;
    // What is decided later lies later: the reader waits for the first.
    stage.done("two", "commit")?;
    stage.look("plain", 3)?;
    stage.done("one", "send plain 0 1 c")?;
    stage.done("one", "abort")?;
    stage.look("plain", 3)?;
    stage.done("one", "begin")?;
    stage.done("one", "send plain 0 2 d")?;
    stage.done("one", "commit")?;
    stage.look("plain", 3)?;
    stage.transactions("plain-")?;
    stage.readers("one", "plain", 3)
}

fn empty_transactions(stage: &mut Stage<'_>) -> Result<()> {
    stage.topic("empty", 1)?;
    stage.ready("one", "empty-one")?;
    for end in ["commit", "abort", "commit", "commit"] {
        stage.done("one", "begin")?;
        stage.done("one", end)?;
    }
    stage.look("empty", 1)?;
    stage.transactions("empty-")?;
    stage.done("one", "begin")?;
    stage.done("one", "send empty 0 0 a")?;
    stage.done("one", "commit")?;
    stage.done("one", "begin")?;
    stage.done("one", "commit")?;
    stage.look("empty", 1)?;
    stage.transactions("empty-")
}

fn fencing(stage: &mut Stage<'_>) -> Result<()> {
    stage.topic("fenced", 1)?;
    stage.ready("old", "fenced")?;
    stage.done("old", "begin")?;
    stage.done("old", "send fenced 0 0 zombie")?;
    stage.ready("new", "fenced")?;
    stage.stable("fenced", 1)?;
    stage.look("fenced", 1)?;
    stage.refused("old", "commit")?;
    stage.done("new", "begin")?;
    stage.done("new", "send fenced 0 0 alive")?;
    stage.look("fenced", 1)?;
    stage.done("new", "commit")?;
    stage.look("fenced", 1)?;
    stage.transactions("fenced")?;
    stage.readers("new", "fenced", 1)
}

fn timeout(stage: &mut Stage<'_>) -> Result<()> {
    stage.topic("late", 1)?;
    stage.start("slow", "late", SHORT_MS)?;
    stage.done("slow", "init")?;
    stage.done("slow", "begin")?;
    stage.done("slow", "send late 0 0 too-late")?;
    stage.stable("late", 1)?;
    stage.look("late", 1)?;
    stage.transactions("late")?;
    stage.refused("slow", "commit")?;
    stage.ready("next", "late")?;
    stage.done("next", "begin")?;
    stage.done("next", "send late 0 0 in-time")?;
    stage.done("next", "commit")?;
    stage.look("late", 1)?;
    stage.readers("next", "late", 1)
}

fn resume(stage: &mut Stage<'_>) -> Result<()> {
    stage.topic("resumed", 2)?;
    stage.ready("first", "resumed")?;
    stage.done("first", "begin")?;
    stage.done("first", "send resumed 0 1 kept")?;
    stage.done("first", "commit")?;
    stage.done("first", "begin")?;
    stage.done("first", "send resumed 0 0 lost")?;
    stage.kill("first")?;
    stage.transactions("resumed")?;
    stage.ready("second", "resumed")?;
    stage.stable("resumed", 2)?;
    stage.look("resumed", 2)?;
    stage.done("second", "begin")?;
    stage.done("second", "send resumed 0 1 again")?;
    stage.done("second", "commit")?;
    stage.look("resumed", 2)?;
    stage.readers("second", "resumed", 2)
}

fn broker_dies(stage: &mut Stage<'_>) -> Result<()> {
    if !stage.client.outlives_broker {
        return Ok(());
    }
    stage.topic("outlived", 1)?;
    stage.ready("one", "outlived")?;
    stage.done("one", "begin")?;
    stage.done("one", "send outlived 0 0 before")?;
    stage.broker.kill9()?;
    stage.broker.restart()?;
    stage.look("outlived", 1)?;
    stage.done("one", "send outlived 0 0 after")?;
    stage.done("one", "commit")?;
    stage.look("outlived", 1)?;
    stage.transactions("outlived")?;
    stage.done("one", "begin")?;
    stage.done("one", "send outlived 0 0 aborted")?;
    stage.done("one", "abort")?;
    stage.look("outlived", 1)?;
    stage.broker.kill9()?;
    stage.broker.restart()?;
    stage.look("outlived", 1)?;
    stage.readers("one", "outlived", 1)
}

fn wide(stage: &mut Stage<'_>) -> Result<()> {
    stage.topic("wide", WIDE)?;
    stage.ready("one", "wide")?;
    let last = WIDE - 1;
    for (value, end) in [("a", "commit"), ("b", "abort"), ("c", "commit")] {
        stage.done("one", "begin")?;
        stage.done("one", &format!("send wide 0 {last} {value}"))?;
        stage.done("one", end)?;
        stage.stable("wide", WIDE)?;
    }
    stage.look("wide", WIDE)
}

fn offsets(stage: &mut Stage<'_>) -> Result<()> {
    if !stage.client.offsets {
        return Ok(());
    }
    stage.topic("progress", 1)?;
    stage.write("progress", 0, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])?;
    stage.topic("output", 1)?;
    stage.ready("one", "progress")?;
    stage.done("one", "begin")?;
    stage.done("one", "offsets readers progress 0 5")?;
    stage.offsets("readers", "progress")?;
    stage.done("one", "commit")?;
    stage.offsets("readers", "progress")?;
    stage.done("one", "begin")?;
    stage.done("one", "send output 0 0 a")?;
    stage.done("one", "offsets readers progress 0 7")?;
    stage.offsets("readers", "progress")?;
    stage.done("one", "abort")?;
    stage.offsets("readers", "progress")?;
    stage.done("one", "begin")?;
    stage.done("one", "send output 0 0 b")?;
    stage.done("one", "offsets readers progress 0 9")?;
    if stage.client.outlives_broker {
        stage.broker.kill9()?;
        stage.broker.restart()?;
    }
    stage.offsets("readers", "progress")?;
    stage.done("one", "commit")?;
    stage.offsets("readers", "progress")?;
    stage.look("output", 1)
}

fn copies(stage: &mut Stage<'_>) -> Result<()> {
    if !stage.client.copies {
        return Ok(());
    }
    stage.topic("from", 1)?;
    stage.topic("into", 1)?;
    stage.write("from", 0, &["a", "b", "c", "d", "e", "f"])?;
    stage.start("one", "copies", 60_000)?;
    if stage.client.offsets {
        stage.done("one", "init")?;
    }
    stage.done("one", "copy copiers from into 3 abort")?;
    stage.offsets("copiers", "from")?;
    stage.look("into", 1)?;
    stage.done("one", "copy copiers from into 3 commit")?;
    stage.offsets("copiers", "from")?;
    stage.look("into", 1)?;
    stage.done("one", "copy copiers from into 3 commit")?;
    stage.offsets("copiers", "from")?;
    stage.look("into", 1)?;
    stage.transactions("copies")?;
    stage.readers("one", "into", 1)
}
