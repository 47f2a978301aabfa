//! A broker that comes back with many committed offsets: how soon its coordinators answer, and what the offsets weigh in memory.

use super::flood::{SameAsBefore, Until, flood};
use super::offsets::{CommitRequest, Committer, check_committed, check_fetched, fetch_error, fetch_request};
use super::{OFFSETS_TOPIC_PARTITIONS, Stage};
use crate::compare::systems::System;
use crate::load::{Line, Meter, rounded};
use crate::process;
use anyhow::{Context, Result, ensure};
use kafka_protocol::ResponseError;
use serde_json::Value;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 16;
const TOPIC: &str = "reload";
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the broker may give memory back before it is read.
const SETTLE: Duration = Duration::from_secs(1);

/// How many offsets.
#[derive(Clone, Copy, Debug)]
pub struct ReloadLoad {
    pub groups: u32,
    /// Of each group.
    pub partitions: i32,
}

impl ReloadLoad {
    /// Offsets in all.
    pub fn offsets(self) -> u64 {
        u64::from(self.groups) * self.partitions as u64
    }

    /// How its line is called.
    pub fn label(self) -> String {
        format!("start with {} offsets", self.offsets())
    }
}

fn group_id(number: u32) -> String {
    format!("reload-{number:08}")
}

fn offset_of(group: u32, partition: i32) -> i64 {
    Stage::offset(u64::from(group) * 31 + partition as u64)
}

/// Java's `String.hashCode` without its sign, over the partitions of the coordinators' topic. For ASCII names.
fn shard_of(group_id: &str) -> i32 {
    let hash = group_id.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
    (hash & i32::MAX) % OFFSETS_TOPIC_PARTITIONS
}

/// A group for each shard that has one.
fn one_group_a_shard(groups: u32) -> Vec<u32> {
    let mut first = vec![None; OFFSETS_TOPIC_PARTITIONS as usize];
    for number in 0..groups {
        first[shard_of(&group_id(number)) as usize].get_or_insert(number);
    }
    first.into_iter().flatten().collect()
}

/// On an empty directory of its own: start, commit, stop, start, wait for all shards, read everything back.
pub fn run(system: &System, directory: &Path, core: usize, load: ReloadLoad) -> Result<Value> {
    let mut instance = system.start(directory, Some(core))?;
    let mut line = Line::new("reload", &load.label());
    let stage = Stage::open(instance.address, instance.pid(), TOPIC, load.partitions, CONNECTIONS)?;
    // What a start costs that has shards, but nothing in them.
    instance.restart()?;
    let mut stage = stage.reopened(instance.address, instance.pid())?;
    wait_for_shards(&mut stage, load, None)?;
    thread::sleep(SETTLE);
    let empty = process::memory(instance.pid())?;
    let started = Instant::now();
    commit_all(&mut stage, load)?;
    line.set("committed_s", rounded(started.elapsed().as_secs_f64()));
    let stopping = Instant::now();
    instance.stop();
    line.set("stopped_ms", rounded(stopping.elapsed().as_secs_f64() * 1e3));
    let started = Instant::now();
    instance.restart()?;
    let listening = started.elapsed();
    let mut stage = stage.reopened(instance.address, instance.pid())?;
    wait_for_shards(&mut stage, load, Some(offset_of))?;
    let loaded = started.elapsed();
    line.set("listening_ms", rounded(listening.as_secs_f64() * 1e3));
    line.set("loaded_ms", rounded(loaded.as_secs_f64() * 1e3));
    line.set("after_listening_ms", rounded((loaded - listening).as_secs_f64() * 1e3));
    line.set("start_cpu_s", rounded(process::cpu_seconds(instance.pid())?));
    thread::sleep(SETTLE);
    let full = process::memory(instance.pid())?;
    line.set("broker_rss_kib", full.rss_kib);
    line.set("empty_rss_kib", empty.rss_kib);
    let grown_kib = full.rss_kib as f64 - empty.rss_kib as f64;
    line.set("rss_bytes_per_offset", rounded(grown_kib * 1024.0 / load.offsets() as f64));
    line.set("offsets", load.offsets());
    let meter = Meter::of(Some(instance.pid()))?;
    check_all(&mut stage, load)?;
    meter.stop()?.write_requests(&mut line, u64::from(load.groups));
    line.set("all_read_back", true);
    Ok(line.value())
}

fn commit_all(stage: &mut Stage, load: ReloadLoad) -> Result<()> {
    let records_before = stage.coordinator_records()?;
    let version = stage.versions.offset_commit;
    // Every name has the same length, so one request does for all.
    let nobody = Committer { group_id: group_id(0), member_id: Default::default(), generation_id: -1 };
    let template = CommitRequest::new(stage, &nobody, load.partitions)?;
    let name = group_id(0);
    let name_at = template.bytes.windows(name.len()).position(|window| window == name.as_bytes()).context("no group id")?;
    let mut requests = vec![template.bytes.clone(); CONNECTIONS];
    let mut next = 0;
    let mut same = SameAsBefore::default();
    let count = flood(
        &mut stage.pool,
        &mut requests,
        Until::Count(u64::from(load.groups)),
        &mut |_, request| {
            let group = next;
            next += 1;
            request[name_at..name_at + name.len()].copy_from_slice(group_id(group).as_bytes());
            template.set_offsets(request, |partition| offset_of(group, partition));
            Ok(())
        },
        &mut |_, answer| same.check(answer, |answer| check_committed(version, answer, load.partitions)),
    )?;
    let grown = stage.coordinator_records()? - records_before;
    ensure!(count == u64::from(load.groups) && grown as u64 == load.offsets(), "{count} commits, but {grown} records");
    Ok(())
}

/// Asks one group of each shard until it answers; with `expected`, until it answers right.
fn wait_for_shards(stage: &mut Stage, load: ReloadLoad, expected: Option<fn(u32, i32) -> i64>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut waiting = one_group_a_shard(load.groups);
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut still = Vec::new();
        for number in waiting {
            let mut request = fetch_request(stage, &group_id(number), load.partitions)?;
            let answer = stage.pool.call(0, &mut request)?.to_vec();
            let error = fetch_error(stage, &answer)?;
            match (ResponseError::try_from_code(error), expected) {
                (None, Some(expected)) => {
                    check_fetched(stage.versions.offset_fetch, &answer, load.partitions, |partition| expected(number, partition))?;
                }
                (None, None) => {}
                (
                    Some(ResponseError::CoordinatorLoadInProgress | ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable),
                    _,
                ) => still.push(number),
                (Some(error), _) => anyhow::bail!("OffsetFetch of {}: {error}", group_id(number)),
            }
        }
        waiting = still;
        ensure!(Instant::now() < deadline, "{} shards do not answer", waiting.len());
        if waiting.len() == before {
            thread::sleep(BETWEEN_ATTEMPTS);
        }
    }
    Ok(())
}

fn check_all(stage: &mut Stage, load: ReloadLoad) -> Result<()> {
    let version = stage.versions.offset_fetch;
    let template = fetch_request(stage, &group_id(0), load.partitions)?;
    let name = group_id(0);
    let name_at = template.windows(name.len()).position(|window| window == name.as_bytes()).context("no group id")?;
    let mut requests = vec![template; CONNECTIONS];
    let mut asked = [0; CONNECTIONS];
    let mut next = 0;
    let asked_of = std::cell::RefCell::new(&mut asked);
    flood(
        &mut stage.pool,
        &mut requests,
        Until::Count(u64::from(load.groups)),
        &mut |connection, request| {
            asked_of.borrow_mut()[connection] = next;
            request[name_at..name_at + name.len()].copy_from_slice(group_id(next).as_bytes());
            next += 1;
            Ok(())
        },
        &mut |connection, answer| {
            let group = asked_of.borrow()[connection];
            check_fetched(version, answer, load.partitions, |partition| offset_of(group, partition))
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_in_the_shards_that_java_puts_them_in() {
        // "reload-00000000".hashCode() and "a".hashCode() as a JVM gives them.
        assert_eq!(shard_of("a"), 97 % 50);
        assert_eq!(shard_of("polygenelubricants"), 0, "hash code i32::MIN");
        assert_eq!(one_group_a_shard(10_000).len(), 50);
    }
}
