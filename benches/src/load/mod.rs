//! The loads, one file each. Every load prints one JSON line; a load whose own counts do not agree with the broker's fails.

pub mod fetch;
pub mod idle;
pub mod latency;
pub mod produce;
pub mod start;

use crate::process;
use anyhow::Result;
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

/// Where the load goes, and whose cost is counted.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// The broker's address.
    #[arg(long, default_value = "127.0.0.1:9092")]
    pub address: SocketAddr,
    /// The broker's process id; with it CPU seconds and memory of the broker are in the answer.
    #[arg(long)]
    pub broker_pid: Option<u32>,
    /// Name of the cell in the answer.
    #[arg(long, default_value = "")]
    pub label: String,
}

/// Wall clock and the broker's CPU clock, both running.
#[derive(Debug)]
pub struct Meter {
    broker: Option<process::CpuSnapshot>,
    own_cpu_seconds: f64,
    machine: process::MachineCpu,
    started: Instant,
}

impl Meter {
    /// Starts both clocks.
    pub fn start(target: &Target) -> Result<Self> {
        Self::of(target.broker_pid)
    }

    /// Starts both clocks; the broker's needs its process id.
    pub fn of(broker_pid: Option<u32>) -> Result<Self> {
        let own_cpu_seconds = process::cpu_seconds(std::process::id())?;
        let machine = process::machine_cpu()?;
        let broker = broker_pid.map(process::CpuSnapshot::take).transpose()?;
        Ok(Self { broker, own_cpu_seconds, machine, started: Instant::now() })
    }

    /// Reads both clocks, and the broker's memory.
    pub fn stop(&self) -> Result<Reading> {
        let seconds = self.started.elapsed().as_secs_f64();
        let broker = match &self.broker {
            Some(before) => Some((before.seconds_since()?, process::memory(before.pid())?)),
            None => None,
        };
        let machine = process::machine_cpu()?;
        let own = process::cpu_seconds(std::process::id())? - self.own_cpu_seconds;
        let busy = machine.busy_seconds - self.machine.busy_seconds;
        Ok(Reading {
            seconds,
            broker,
            load_cores: own / seconds,
            other_cores: (busy - own - broker.map_or(0.0, |(cpu, _)| cpu)) / seconds,
            steal_cores: (machine.steal_seconds - self.machine.steal_seconds) / seconds,
        })
    }
}

/// What the clocks said.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    seconds: f64,
    broker: Option<(f64, process::Memory)>,
    /// Cores this process kept busy.
    load_cores: f64,
    /// Cores that neither the broker nor this process kept busy: noise, and the kernel's own threads.
    other_cores: f64,
    steal_cores: f64,
}

impl Reading {
    /// Writes the fields every cell has. `requests`, `records` and `bytes` are what went through meanwhile.
    pub fn write(&self, line: &mut Line, requests: u64, records: u64, bytes: u64) {
        line.set("requests", requests);
        line.set("records", records);
        line.set("bytes", bytes);
        line.set("seconds", rounded(self.seconds));
        line.set("mb_per_s", rounded(bytes as f64 / 1e6 / self.seconds));
        line.set("records_per_s", rounded(records as f64 / self.seconds));
        if let Some((cpu, _)) = self.broker {
            line.set("cpu_s_per_gb", rounded(cpu / (bytes as f64 / 1e9)));
        }
        self.write_common(line, requests);
    }

    /// Writes what is of use where no records go through.
    pub fn write_requests(&self, line: &mut Line, requests: u64) {
        line.set("requests", requests);
        line.set("seconds", rounded(self.seconds));
        line.set("requests_per_s", rounded(requests as f64 / self.seconds));
        self.write_common(line, requests);
    }

    /// Wall time.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// CPU time of the broker, 0 when it was not measured.
    pub fn broker_cpu_seconds(&self) -> f64 {
        self.broker.map_or(0.0, |(cpu, _)| cpu)
    }

    fn write_common(&self, line: &mut Line, requests: u64) {
        line.set("load_cores", rounded(self.load_cores));
        line.set("other_cores", rounded(self.other_cores));
        line.set("steal_cores", rounded(self.steal_cores));
        if let Some((cpu, memory)) = self.broker {
            line.set("broker_cpu_s", rounded(cpu));
            line.set("us_per_request", rounded(cpu * 1e6 / requests as f64));
            line.set("broker_rss_kib", memory.rss_kib);
        }
    }
}

/// One JSON object, printed as one line.
#[derive(Debug, Default)]
pub struct Line(Map<String, Value>);

impl Line {
    /// A line that says which load, and which cell.
    pub fn new(load: &str, label: &str) -> Self {
        let mut line = Self::default();
        line.set("load", load);
        line.set("label", label);
        line
    }

    /// Adds a field.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Prints it.
    pub fn print(self) {
        println!("{}", self.value());
    }

    /// The object.
    pub fn value(self) -> Value {
        Value::Object(self.0)
    }
}

pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as i64)
}
