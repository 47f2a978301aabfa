//! What is measured: each cell is one or two runs of `load` in a process of its own.

use super::systems::{Instance, System};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Cells that need the same topic, so they run one after the other on one system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// Produce with acks=1, and where `fetch` is set read it all back, warm. `share` is how much of the run's bytes is enough.
    Produce { record_size: &'static str, batch_size: &'static str, share: f64, fetch: bool },
    /// End to end at a fixed rate.
    Latency { rate: u32, record_size: &'static str },
}

/// A batch of this size holds one record, whatever its size.
const ONE_BY_ONE: &str = "1";

/// The cells of the broker issue's acceptance, one for the price of a request, one for latency.
pub const CELLS: [Cell; 6] = [
    Cell::Produce { record_size: "1k", batch_size: "1mb", share: 1.0, fetch: true },
    Cell::Produce { record_size: "100", batch_size: "1mb", share: 1.0, fetch: true },
    Cell::Produce { record_size: "1k", batch_size: "16k", share: 1.0, fetch: false },
    Cell::Produce { record_size: "100", batch_size: "16k", share: 1.0, fetch: false },
    Cell::Produce { record_size: "100", batch_size: ONE_BY_ONE, share: 0.02, fetch: false },
    Cell::Latency { rate: 1000, record_size: "100" },
];

impl Cell {
    /// The names under which its lines are reported.
    pub fn names(self) -> Vec<String> {
        match self {
            Self::Produce { record_size, batch_size, fetch, .. } => {
                let batches = if batch_size == ONE_BY_ONE { "one by one".to_owned() } else { format!("in {batch_size}") };
                let produce = format!("produce {record_size} {batches}");
                if fetch { vec![produce, format!("fetch {record_size}")] } else { vec![produce] }
            }
            Self::Latency { rate, record_size } => vec![format!("latency {rate}/s of {record_size}")],
        }
    }
}

/// How the load is run.
#[derive(Clone, Debug)]
pub struct Loader<'a> {
    pub program: &'a Path,
    pub core: Option<usize>,
    pub gigabytes: f64,
    pub latency_seconds: f64,
}

impl Loader<'_> {
    /// Runs `load` and reads its line.
    pub fn run(&self, core: Option<usize>, arguments: &[String]) -> Result<Value> {
        let mut command = Command::new(self.program);
        if let Some(core) = core {
            command.args(["--core", &core.to_string()]);
        }
        let output = command.args(arguments).output().context("start load")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "load {} failed: {}", arguments.join(" "), errors.trim());
        serde_json::from_slice(&output.stdout).with_context(|| format!("load {}", arguments.join(" ")))
    }

    /// Runs a cell against a started system: `gigabytes` of batches where it produces.
    pub fn cell(&self, cell: Cell, instance: &Instance, topic: &str, gigabytes: f64) -> Result<Vec<Value>> {
        let (address, pid) = (instance.address.to_string(), instance.pid().to_string());
        let target = |load: &str, label: &str| -> Vec<String> {
            [load, "--address", &address, "--broker-pid", &pid, "--label", label, "--topic", topic].map(str::to_owned).to_vec()
        };
        let more = |mut arguments: Vec<String>, added: &[&str]| {
            arguments.extend(added.iter().map(|&word| word.to_owned()));
            self.run(self.core, &arguments)
        };
        let names = cell.names();
        let mut lines = Vec::new();
        for (name, number) in names.iter().zip(0..) {
            lines.push(match (cell, number) {
                (Cell::Produce { record_size, batch_size, share, .. }, 0) => {
                    let (total, warm_up) = (format!("{}gb", gigabytes * share), format!("{}gb", 0.064 * share));
                    more(
                        target("produce", name),
                        &["--record-size", record_size, "--batch-size", batch_size, "--total", &total, "--warm-up", &warm_up],
                    )?
                }
                (Cell::Produce { .. }, _) => more(target("fetch", name), &["--passes", "2"])?,
                (Cell::Latency { rate, record_size }, _) => {
                    let (rate, seconds) = (rate.to_string(), self.latency_seconds.to_string());
                    more(target("latency", name), &["--rate", &rate, "--record-size", record_size, "--seconds", &seconds])?
                }
            });
        }
        // Deleted by a run that sends nothing, so that no cell meets the files of another.
        more(target("produce", ""), &["--total", "0", "--warm-up", "0", "--delete"])?;
        Ok(lines)
    }

    /// From exec to the first acknowledged record, idle memory after it. On all cores: that is how a user starts a broker.
    pub fn start(&self, system: &System, scratch: &Path) -> Result<Value> {
        let mut arguments: Vec<String> = ["start", "--label", "start", "--repeat", "3", "--scratch"].map(str::to_owned).to_vec();
        arguments.extend([scratch.display().to_string(), "--".to_owned()]);
        arguments.extend(system.command.iter().cloned());
        self.run(None, &arguments)
    }

    /// Idle connections on a fresh instance.
    pub fn idle(&self, instance: &Instance) -> Result<Value> {
        let (address, pid) = (instance.address.to_string(), instance.pid().to_string());
        let arguments = ["idle", "--label", "idle connections", "--address", &address, "--broker-pid", &pid, "--connections", "1000"];
        self.run(self.core, &arguments.map(str::to_owned))
    }
}
