//! What happens to groups, told once for every client.
//!
//! Each story runs under a steady load, ends with [`Group::finish`], and lets the ledger say what was wrong on the way.

use super::Group;
use super::client::{Client, Protocol};
use super::ledger::Life;
use super::load::{Load, send};
use crate::{Broker, BrokerOptions, need};
use anyhow::{Context, Result, ensure};
use std::time::Instant;

/// A group story.
pub struct Story {
    pub title: &'static str,
    /// Short where a member has to be missed, long where a slow machine must not make one missed.
    session_ms: u32,
    tell: fn(&Stage<'_>) -> Result<()>,
}

const SHORT_MS: u32 = 6000;
const LONG_MS: u32 = 30_000;

/// One member, then five, then two: each record is read once.
pub static COME_AND_GO: Story = Story { title: "come_and_go", session_ms: LONG_MS, tell: members_come_and_go };
/// Every member is replaced, one after the other: each record is read once.
pub static ROLLING: Story = Story { title: "rolling", session_ms: LONG_MS, tell: a_rolling_restart };
/// A static member restarts within its session: it gets its partitions back and nobody else hears of it.
pub static STATIC: Story = Story { title: "static", session_ms: LONG_MS, tell: a_static_member_restarts };
/// A member is killed: the others take over when its session has run out; what it had not committed is read again and nothing else.
pub static KILLED: Story = Story { title: "killed", session_ms: SHORT_MS, tell: a_member_is_killed };
/// A member stands still for longer than its session and wakes up: it finds out, commits nothing over the others, and joins again.
pub static STOPPED: Story = Story { title: "stopped", session_ms: SHORT_MS, tell: a_member_is_stopped_and_continued };
/// Pause, resume, seek, commits of both kinds by hand, and where a new member begins.
pub static OBEYS: Story = Story { title: "obeys", session_ms: LONG_MS, tell: a_member_obeys };

/// One client with one protocol at one broker.
pub struct Stage<'a> {
    pub broker: &'a Broker,
    pub client: &'static Client,
    pub protocol: Protocol,
    launcher: super::client::Launcher,
    title: String,
    session_ms: u32,
}

/// Plays a story with a client: with its first protocol, or with all of them when `OTTLA_COMPAT_FULL=1`.
pub fn play(story: &Story, client: &'static Client) {
    let name = format!("{}_{}", client.name, story.title);
    let Some(launcher) = need(&name, (client.install)()) else { return };
    let count = if full() { client.protocols.len() } else { 1 };
    crate::story(&name, group_options(story.session_ms), |broker| {
        client.protocols[..count].iter().try_for_each(|&protocol| {
            let title = format!("{}-{}-{}", story.title, protocol.name, protocol.assignor);
            let stage = Stage { broker, client, protocol, launcher: launcher.clone(), title, session_ms: story.session_ms };
            let began = Instant::now();
            (story.tell)(&stage).with_context(|| format!("{} {}/{}", client.name, protocol.name, protocol.assignor))?;
            println!("{} {}: {:.1?}", client.name, stage.title, began.elapsed());
            Ok(())
        })
    });
}

/// Plays several stories when `OTTLA_COMPAT_FULL=1`, and says so when it does not.
pub fn play_in_full(stories: &[&Story], client: &'static Client) {
    for story in stories {
        match full() {
            true => play(story, client),
            false => println!("{} {}: only with OTTLA_COMPAT_FULL=1", client.name, story.title),
        }
    }
}

/// Whether the whole table is asked for.
pub fn full() -> bool {
    std::env::var("OTTLA_COMPAT_FULL").as_deref() == Ok("1")
}

/// A broker for groups with short sessions.
pub fn group_options(session_ms: u32) -> BrokerOptions {
    BrokerOptions::new()
        .set("num.partitions", super::load::PARTITIONS)
        .set("group.initial.rebalance.delay.ms", 0)
        .set("group.consumer.min.session.timeout.ms", 6000)
        .set("group.consumer.session.timeout.ms", session_ms)
        .set("group.consumer.min.heartbeat.interval.ms", 500)
        .set("group.consumer.heartbeat.interval.ms", 500)
}

impl Stage<'_> {
    fn group(&self) -> Result<Group> {
        let topic = self.topic();
        Group::new(
            self.broker,
            self.client,
            self.protocol,
            self.launcher.clone(),
            &format!("group-{}", self.title),
            &topic,
            self.session_ms,
        )
    }

    fn topic(&self) -> String {
        format!("topic-{}", self.title)
    }
}

fn members_come_and_go(stage: &Stage<'_>) -> Result<()> {
    let load = Load::start(stage.broker, &stage.topic())?;
    let mut group = stage.group()?;
    let names = ["m1", "m2", "m3", "m4", "m5"];
    let commit = [("commit", stage.client.clean_commit)];
    group.join("m1", &commit)?;
    group.settle(&["m1"])?;
    group.progress(&["m1"], 50)?;
    names[1..].iter().try_for_each(|name| group.join(name, &commit))?;
    group.settle(&names)?;
    group.progress(&names, 20)?;
    group.leave(&names[..3])?;
    group.settle(&names[3..])?;
    group.progress(&names[3..], 50)?;
    group.finish(stage.broker, &load.finish()?)
}

fn a_rolling_restart(stage: &Stage<'_>) -> Result<()> {
    let load = Load::start(stage.broker, &stage.topic())?;
    let mut group = stage.group()?;
    let names = ["m1", "m2", "m3"];
    let commit = [("commit", stage.client.clean_commit)];
    names.iter().try_for_each(|name| group.join(name, &commit))?;
    group.settle(&names)?;
    for name in names {
        group.progress(&names, 20)?;
        group.leave(&[name])?;
        group.join(name, &commit)?;
        group.settle(&names)?;
    }
    group.progress(&names, 20)?;
    group.finish(stage.broker, &load.finish()?)
}

fn a_static_member_restarts(stage: &Stage<'_>) -> Result<()> {
    let load = Load::start(stage.broker, &stage.topic())?;
    let mut group = stage.group()?;
    let names = ["m1", "m2", "m3"];
    let join =
        |group: &mut Group, name: &str| group.join(name, &[("commit", stage.client.clean_commit), ("instance", &format!("static-{name}"))]);
    names.iter().try_for_each(|name| join(&mut group, name))?;
    group.settle(&names)?;
    group.progress(&names, 20)?;
    let told = |group: &Group| -> Vec<u32> { ["m1", "m3"].iter().filter_map(|name| Some(group.ledger.member(name)?.turns)).collect() };
    let turns = told(&group);
    let owned = group.ledger.member("m2").context("m2")?.owns.clone();
    group.leave(&["m2"])?;
    join(&mut group, "m2")?;
    group.settle(&names)?;
    group.progress(&names, 20)?;
    ensure!(told(&group) == turns, "m1 and m3 were bothered: {turns:?} turns before, {:?} after", told(&group));
    let owns = &group.ledger.member("m2").context("m2")?.owns;
    ensure!(*owns == owned, "m2 owned {owned:?} and owns {owns:?}");
    group.finish(stage.broker, &load.finish()?)
}

fn a_member_is_killed(stage: &Stage<'_>) -> Result<()> {
    let load = Load::start(stage.broker, &stage.topic())?;
    let mut group = stage.group()?;
    let names = ["m1", "m2", "m3"];
    // The victim commits nothing after it got its partitions: all of that is read again.
    let commit = |name: &str| if name == "m2" { stage.client.clean_commit } else { stage.client.eager_commit };
    names.iter().try_for_each(|name| group.join(name, &[("commit", commit(name))]))?;
    group.settle(&names)?;
    group.progress(&names, 100)?;
    group.kill("m2")?;
    group.settle(&["m1", "m3"])?;
    group.progress(&["m1", "m3"], 50)?;
    group.join("m4", &[("commit", stage.client.eager_commit)])?;
    group.settle(&["m1", "m3", "m4"])?;
    group.finish(stage.broker, &load.finish()?)
}

fn a_member_is_stopped_and_continued(stage: &Stage<'_>) -> Result<()> {
    let load = Load::start(stage.broker, &stage.topic())?;
    let mut group = stage.group()?;
    let names = ["m1", "m2", "m3"];
    names.iter().try_for_each(|name| group.join(name, &[("commit", stage.client.eager_commit)]))?;
    group.settle(&names)?;
    group.progress(&names, 100)?;
    group.freeze("m2")?;
    group.settle(&["m1", "m3"])?;
    group.progress(&["m1", "m3"], 50)?;
    group.thaw("m2")?;
    group.wait("m2 to hear of what it missed", |ledger| ledger.member("m2").is_some_and(|seat| seat.life == Life::In))?;
    group.settle(&names)?;
    group.progress(&names, 20)?;
    group.finish(stage.broker, &load.finish()?)
}

fn a_member_obeys(stage: &Stage<'_>) -> Result<()> {
    let sent = send(stage.broker, &stage.topic(), 600)?;
    let mut group = stage.group()?;
    group.ledger.repeats_wanted = true;
    group.join("m1", &[("commit", "none")])?;
    group.read_all(&sent)?;
    ensure!(group.committed()?.is_empty(), "nobody has committed: {:?}", group.committed()?);
    let answered = |group: &mut Group, command: &str, answer: &str| -> Result<()> {
        group.tell("m1", command)?;
        group.wait(answer, |ledger| ledger.member("m1").is_some_and(|seat| seat.answers.iter().any(|said| said == answer)))
    };
    let committed = |group: &mut Group, command: &str, partition: i32, offset: i64| -> Result<()> {
        group.tell("m1", command)?;
        group.committed_at(partition, offset).with_context(|| command.to_owned())
    };
    committed(&mut group, "commit sync 0 10", 0, 10)?;
    committed(&mut group, "commit async 1 20", 1, 20)?;
    // A commit may go back when its owner wants it to.
    committed(&mut group, "commit sync 0 5", 0, 5)?;

    // Paused, sought and not resumed: nothing of partition 2 comes, while partition 3 is read again.
    answered(&mut group, "pause 2", "paused 2")?;
    answered(&mut group, "seek 2 90", "sought 2 90")?;
    answered(&mut group, "seek 3 40", "sought 3 40")?;
    let repeats = group.ledger.repeats;
    group.wait("60 records of partition 3", |ledger| ledger.repeats >= repeats + 60)?;
    answered(&mut group, "resume 2", "resumed 2")?;
    group.wait("10 records of partition 2", |ledger| ledger.repeats >= repeats + 70)?;
    group.leave(&["m1"])?;

    // The next one begins where commits say so, and elsewhere at the start: 95 + 80 + 4 times 100.
    let repeats = group.ledger.repeats;
    group.join("m2", &[("commit", "none")])?;
    group.wait("the rest and the uncommitted", |ledger| ledger.repeats >= repeats + 575)?;
    group.leave(&["m2"])?;
    ensure!(group.ledger.repeats == repeats + 575, "{} records instead of 575", group.ledger.repeats - repeats);
    group.ledger.complete(&sent)
}
