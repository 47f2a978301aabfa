//! One of two data directories on a disk that is full, read-only, broken or slow, under load: nothing acknowledged is lost, doubled or
//! moved, the other directory does not notice, the errors are retriable, and the broker goes on when the disk does.
//!
//! Needs root: a small tmpfs is mounted, and strace makes the calls of the running broker fail.

use anyhow::{Context, Result, ensure};
use compat_tests::librdkafka::{PATIENCE, Producer, Receipt, read_topic};
use compat_tests::{Broker, BrokerOptions, Target, skip, story};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rustix::process::{Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TOPIC: &str = "faults";
const PARTITIONS: usize = 4;
const DISK_BYTES: usize = 16 << 20;

/// Two data directories; the second one is a disk of its own.
struct Disks {
    dir: TempDir,
    mounted: bool,
}

impl Disks {
    fn plain() -> Disks {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("b")).expect("a directory");
        Disks { dir, mounted: false }
    }

    fn small(name: &str) -> Option<Disks> {
        let mut disks = Self::plain();
        let size = format!("size={DISK_BYTES}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disks.b()).output();
        match mount {
            Ok(done) if done.status.success() => {
                disks.mounted = true;
                Some(disks)
            }
            Ok(done) => {
                skip(name, &format!("no tmpfs can be mounted: {}", String::from_utf8_lossy(&done.stderr).trim()));
                None
            }
            Err(error) => {
                skip(name, &format!("no tmpfs can be mounted: {error}"));
                None
            }
        }
    }

    fn a(&self) -> PathBuf {
        self.dir.path().join("a")
    }

    fn b(&self) -> PathBuf {
        self.dir.path().join("b")
    }

    fn options(&self) -> BrokerOptions {
        BrokerOptions::new()
            .set("log.dirs", format!("{},{}", self.a().display(), self.b().display()))
            .set("num.partitions", PARTITIONS)
            .set("ottla.disk.reserve.bytes", 64 << 10)
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.b()).status();
        }
    }
}

/// A load that goes on while disks fail. A producer for each partition: answers on one connection come in the order of the requests, so a slow
/// partition would hold back the answers of all others.
struct Load {
    producers: Vec<Producer>,
    sent: usize,
    receipts: Vec<(usize, Receipt)>,
}

impl Load {
    fn start(broker: &Broker) -> Result<Load> {
        let settings = [
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("message.timeout.ms", "120000"),
            ("retry.backoff.ms", "20"),
            ("topic.metadata.refresh.interval.ms", "500"),
            ("reconnect.backoff.max.ms", "100"),
            ("metadata.recovery.strategy", "none"),
        ];
        let producers = (0..PARTITIONS).map(|_| Producer::new(broker, &settings)).collect::<Result<_>>()?;
        let mut load = Load { producers, sent: 0, receipts: Vec::new() };
        load.send(PARTITIONS)?;
        load.until_acknowledged(&(0..PARTITIONS as i32).collect())?;
        Ok(load)
    }

    /// So many records of 1 KiB, in turn over the partitions.
    fn send(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let value = format!("{} {}", self.sent, "x".repeat(1000));
            let partition = self.sent % PARTITIONS;
            let record = BaseRecord::<(), str, usize>::with_opaque_to(TOPIC, 0).partition(partition as i32).payload(&value);
            self.producers[partition].send(self.sent, record)?;
            self.sent += 1;
        }
        Ok(())
    }

    fn missing(&self) -> BTreeMap<i32, usize> {
        let arrived: BTreeSet<usize> = self.receipts.iter().map(|(number, _)| *number).collect();
        let mut missing = BTreeMap::new();
        for number in (0..self.sent).filter(|number| !arrived.contains(number)) {
            *missing.entry((number % PARTITIONS) as i32).or_default() += 1;
        }
        missing
    }

    /// Waits until all that was sent to these partitions has been answered.
    fn until_acknowledged(&mut self, partitions: &BTreeSet<i32>) -> Result<()> {
        let begin = Instant::now();
        loop {
            for producer in &self.producers {
                self.receipts.extend(producer.receipts(Duration::from_millis(5))?);
            }
            let missing = self.missing();
            if !missing.keys().any(|partition| partitions.contains(partition)) {
                return Ok(());
            }
            ensure!(begin.elapsed() < 2 * PATIENCE, "not answered: {missing:?}, of {partitions:?} none should be");
        }
    }

    fn flush(&mut self) -> Result<()> {
        for producer in &self.producers {
            self.receipts.extend(producer.finish(4 * PATIENCE)?);
        }
        Ok(())
    }

    /// Everything arrives, and lies where the receipts say.
    fn finish(mut self, broker: &mut Broker) -> Result<()> {
        self.flush()?;
        check(&read(broker)?, &self.receipts, self.sent)?;
        broker.kill9()?;
        broker.restart()?;
        check(&read(broker)?, &self.receipts, self.sent)
    }
}

/// Where each record lies: (partition, offset) -> its number.
fn read(broker: &Broker) -> Result<BTreeMap<(i32, i64), usize>> {
    let mut found = BTreeMap::new();
    read_topic(broker, TOPIC, &[("check.crcs", "true")], |record| {
        let text = String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned();
        let number = text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
        found.insert((record.partition(), record.offset()), number);
    })?;
    Ok(found)
}

fn check(found: &BTreeMap<(i32, i64), usize>, receipts: &[(usize, Receipt)], sent: usize) -> Result<()> {
    let mut before: BTreeMap<i32, usize> = BTreeMap::new();
    for (&(partition, offset), &number) in found {
        let in_order = before.insert(partition, number).is_none_or(|before| before < number);
        ensure!(in_order, "partition {partition}: {number} at {offset} comes late or twice");
    }
    for (number, receipt) in receipts {
        let place = receipt.as_ref().map_err(|error| anyhow::anyhow!("record {number}: {error:?}"))?;
        ensure!(found.get(place) == Some(number), "record {number} was acknowledged at {place:?}: {:?} lies there", found.get(place));
    }
    ensure!((receipts.len(), found.len()) == (sent, sent), "{sent} sent, {} answered, {} found", receipts.len(), found.len());
    Ok(())
}

/// The partitions of the topic in a data directory.
fn partitions_in(dir: &Path) -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        found.extend(name.strip_prefix(&format!("{TOPIC}-")).and_then(|digits| digits.parse::<i32>().ok()));
    }
    Ok(found)
}

/// strace on a running broker: the calls on the logs below a directory do something else.
struct Strace(Child);

impl Strace {
    fn inject(broker: &Broker, below: &Path, calls: &str, what: &str) -> Result<Strace> {
        let pid = broker.pid()?.as_raw_nonzero().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid, "-e"]).arg(format!("trace={calls}"));
        strace.arg("-e").arg(format!("inject={calls}:{what}"));
        for partition in partitions_in(below)? {
            strace.arg("-P").arg(below.join(format!("{TOPIC}-{partition}/00000000000000000000.log")));
        }
        let child = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("strace")?;
        let strace = Strace(child);
        let begin = Instant::now();
        while !all_traced(&pid)? {
            ensure!(begin.elapsed() < PATIENCE, "strace does not attach");
            std::thread::yield_now();
        }
        Ok(strace)
    }

    fn end(&mut self) {
        let _ = kill_process(rustix::process::Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        self.end();
    }
}

fn all_traced(pid: &str) -> Result<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the two looks.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
        if status.lines().any(|line| line.split_whitespace().eq(["TracerPid:", "0"])) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn can_strace(name: &str) -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", "true"]).output();
    match tried {
        Ok(done) if done.status.success() => true,
        Ok(done) => {
            skip(name, &format!("strace may not trace: {}", String::from_utf8_lossy(&done.stderr).trim()));
            false
        }
        Err(error) => {
            skip(name, &format!("no strace: {error}"));
            false
        }
    }
}

#[test]
fn a_full_disk_delays_its_own_records_until_there_is_room() {
    let name = "disk_full";
    let Some(disks) = Disks::small(name) else { return };
    story(name, disks.options(), |broker| {
        if broker.target() == Target::Kafka {
            return Ok(());
        }
        let mut load = Load::start(broker)?;
        let (a, b) = (partitions_in(&disks.a())?, partitions_in(&disks.b())?);
        ensure!((a.len(), b.len()) == (2, 2), "{a:?} and {b:?}");
        let ballast = disks.b().join("ballast");
        let mut file = File::create(&ballast)?;
        while file.write_all(&[0; 4096]).is_ok() {}
        drop(file);
        load.send(4000)?;
        load.until_acknowledged(&a)?;
        ensure!(b.iter().all(|partition| load.missing().contains_key(partition)), "the disk was not full: {:?}", load.missing());
        ensure!(!disks.b().join(".ottla_reserve").exists(), "the reserve is in use");
        let seen = read(broker)?;
        ensure!(seen.keys().filter(|(partition, _)| a.contains(partition)).count() > 2000, "reads go on");
        fs::remove_file(&ballast)?;
        load.until_acknowledged(&b)?;
        load.send(400)?;
        load.finish(broker)
    });
}

#[test]
fn a_read_only_disk_delays_its_own_records_until_it_can_be_written() {
    let name = "disk_read_only";
    if !can_strace(name) {
        return;
    }
    let disks = Disks::plain();
    story(name, disks.options(), |broker| {
        if broker.target() == Target::Kafka {
            return Ok(());
        }
        let mut load = Load::start(broker)?;
        let (a, b) = (partitions_in(&disks.a())?, partitions_in(&disks.b())?);
        let mut strace = Strace::inject(broker, &disks.b(), "pwrite64,pwritev,pwritev2,ftruncate", "error=EROFS")?;
        load.send(1000)?;
        load.until_acknowledged(&a)?;
        ensure!(b.iter().all(|partition| load.missing().contains_key(partition)), "it was written: {:?}", load.missing());
        strace.end();
        load.until_acknowledged(&b)?;
        load.send(400)?;
        load.finish(broker)
    });
}

#[test]
fn a_disk_that_fails_costs_its_own_partitions_until_the_restart() {
    let name = "disk_failing";
    if !can_strace(name) {
        return;
    }
    let disks = Disks::plain();
    story(name, disks.options().set("log.flush.interval.messages", 1), |broker| {
        if broker.target() == Target::Kafka {
            return Ok(());
        }
        for calls in ["pwrite64,pwritev,pwritev2,ftruncate", "fdatasync"] {
            let mut load = Load::start(broker)?;
            let (a, b) = (partitions_in(&disks.a())?, partitions_in(&disks.b())?);
            let first = read(broker)?.len() - load.sent;
            let mut strace = Strace::inject(broker, &disks.b(), calls, "error=EIO")?;
            load.send(1000)?;
            load.until_acknowledged(&a)?;
            ensure!(b.iter().all(|partition| load.missing().contains_key(partition)), "it was written: {:?}", load.missing());
            strace.end();
            load.send(400)?;
            load.until_acknowledged(&a)?;
            broker.kill9()?;
            broker.restart()?;
            load.until_acknowledged(&b)?;
            load.flush()?;
            let found = read(broker)?;
            ensure!(found.len() == first + load.sent, "{calls}: {} found, {} sent", found.len() - first, load.sent);
            for (number, receipt) in &load.receipts {
                let place = receipt.as_ref().map_err(|error| anyhow::anyhow!("{calls}: record {number}: {error:?}"))?;
                ensure!(found.get(place) == Some(number), "{calls}: record {number} was acknowledged at {place:?}: lost");
            }
        }
        Ok(())
    });
}

#[test]
fn a_slow_disk_delays_its_own_records_only() {
    let name = "disk_slow";
    if !can_strace(name) {
        return;
    }
    let disks = Disks::plain();
    story(name, disks.options().set("log.flush.interval.messages", 1), |broker| {
        if broker.target() == Target::Kafka {
            return Ok(());
        }
        let mut load = Load::start(broker)?;
        let (a, b) = (partitions_in(&disks.a())?, partitions_in(&disks.b())?);
        let mut strace = Strace::inject(broker, &disks.b(), "fdatasync", "delay_enter=5000000")?;
        let begin = Instant::now();
        load.send(400)?;
        load.until_acknowledged(&a)?;
        let took = begin.elapsed();
        ensure!(took < Duration::from_secs(4), "the other disk waited: {took:?}");
        ensure!(b.iter().any(|partition| load.missing().contains_key(partition)), "nothing was slow");
        let (peak, now) = broker.resident_kib()?;
        println!("{took:?} for the quick disk; {now} KiB, at most {peak}");
        strace.end();
        load.until_acknowledged(&b)?;
        load.finish(broker)
    });
}
