//! What is measured, in what order.

use super::classic::ClassicGroup;
use super::consumer::ConsumerGroup;
use super::flood::{SameAsBefore, Until, flood};
use super::offsets::{self, OffsetLoad};
use super::{GroupLoad, Stage, Turmoil};
use crate::load::{Line, Meter, rounded};
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Duration;

/// Which rebalance protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Classic,
    Consumer,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// One group, or one pair of commit and fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// All join, one more, one less, heartbeats.
    Group { protocol: Protocol, members: usize },
    /// OffsetCommit, OffsetFetch.
    Offsets(OffsetLoad),
}

/// The cells of the group issue's acceptance.
pub const CELLS: [Cell; 8] = [
    Cell::Group { protocol: Protocol::Classic, members: 50 },
    Cell::Group { protocol: Protocol::Consumer, members: 50 },
    Cell::Group { protocol: Protocol::Classic, members: 500 },
    Cell::Group { protocol: Protocol::Consumer, members: 500 },
    Cell::Offsets(OffsetLoad { partitions: 1, connections: 1 }),
    Cell::Offsets(OffsetLoad { partitions: 1, connections: 16 }),
    Cell::Offsets(OffsetLoad { partitions: 100, connections: 1 }),
    Cell::Offsets(OffsetLoad { partitions: 100, connections: 16 }),
];

/// Connections that the largest cell needs.
pub const CONNECTIONS: usize = 501;

impl Cell {
    /// The names under which its lines are reported.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Group { protocol, members } => {
                ["join", "one more", "one less", "heartbeats"].map(|step| label(protocol, members, step)).to_vec()
            }
            Self::Offsets(load) => vec![load.label("OffsetCommit"), load.label("OffsetFetch")],
        }
    }

    /// Runs it; `each` is how long requests are sent at full speed.
    pub fn run(self, stage: &mut Stage, each: Duration) -> Result<Vec<Value>> {
        match self {
            Self::Group { protocol, members } => group(stage, protocol, members, each),
            Self::Offsets(load) => offsets::run(stage, load, each),
        }
    }
}

fn label(protocol: Protocol, members: usize, step: &str) -> String {
    format!("{} {members}: {step}", protocol.name())
}

fn group(stage: &mut Stage, protocol: Protocol, members: usize, each: Duration) -> Result<Vec<Value>> {
    stage.pool.grow(members + 1)?;
    let group_id = stage.fresh_group(protocol.name());
    let mut group: Box<dyn GroupLoad> = match protocol {
        Protocol::Classic => Box::new(ClassicGroup::new(&group_id, 0)),
        Protocol::Consumer => Box::new(ConsumerGroup::new(&group_id)),
    };
    let mut lines = Vec::new();
    let mut step = |name: &str, run: &mut dyn FnMut(&mut Stage) -> Result<Turmoil>| -> Result<()> {
        let label = label(protocol, members, name);
        let meter = Meter::of(Some(stage.pid))?;
        let turmoil = run(stage).context(label.clone())?;
        let reading = meter.stop()?;
        let mut line = Line::new("group", &label);
        reading.write_requests(&mut line, turmoil.requests);
        line.set("stable_ms", rounded(reading.seconds() * 1e3));
        line.set("broker_cpu_ms", rounded(reading.broker_cpu_seconds() * 1e3));
        line.set("heartbeats", turmoil.heartbeats);
        line.set("rounds", turmoil.rounds);
        line.set("epoch", turmoil.epoch);
        line.set("members", members);
        line.set("every_partition_owned_once", true);
        lines.push(line.value());
        Ok(())
    };
    step("join", &mut |stage| group.join(stage, members))?;
    step("one more", &mut |stage| group.join(stage, 1))?;
    step("one less", &mut |stage| group.leave_last(stage))?;
    lines.push(heartbeats(stage, &*group, &label(protocol, members, "heartbeats"), each)?);
    group.leave_all(stage)?;
    Ok(lines)
}

/// Every member's heartbeat again and again, one in flight per member.
fn heartbeats(stage: &mut Stage, group: &dyn GroupLoad, label: &str, each: Duration) -> Result<Value> {
    let mut requests = group.heartbeats(stage)?;
    let mut same: Vec<SameAsBefore> = requests.iter().map(|_| SameAsBefore::default()).collect();
    // Every answer is looked at once beforehand; from then on it must stay the same.
    let once = Until::Count(requests.len() as u64);
    let Stage { pool, versions, .. } = stage;
    let versions = *versions;
    flood(pool, &mut requests, once, &mut |_, _| Ok(()), &mut |number, answer| {
        same[number].check(answer, |answer| group.check_heartbeat(&versions, answer))
    })?;
    let meter = Meter::of(Some(stage.pid))?;
    let count = flood(&mut stage.pool, &mut requests, Until::Elapsed(each), &mut |_, _| Ok(()), &mut |number, answer| {
        same[number].check(answer, |answer| group.check_heartbeat(&versions, answer))
    })?;
    let reading = meter.stop()?;
    let mut line = Line::new("heartbeat", label);
    reading.write_requests(&mut line, count);
    line.set("members", requests.len());
    Ok(line.value())
}
