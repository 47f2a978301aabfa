//! Connections that said hello and then nothing: what they cost the broker's memory.

use super::{Line, Target, rounded};
use crate::client::Client;
use crate::process;
use anyhow::{Context, Result};
use std::thread;
use std::time::{Duration, Instant};

/// Opens connections and reads the broker's memory before and after.
#[derive(Clone, Debug, clap::Args)]
pub struct Idle {
    #[command(flatten)]
    pub target: Target,
    #[arg(long, default_value_t = 1000)]
    pub connections: u32,
    /// How long the broker may settle before its memory is read.
    #[arg(long, default_value_t = 1.0)]
    pub settle_seconds: f64,
}

/// Runs the load and prints its line.
pub fn run(load: &Idle) -> Result<()> {
    let pid = load.target.broker_pid.context("idle connections need --broker-pid")?;
    process::raise_file_limit()?;
    let settle = Duration::from_secs_f64(load.settle_seconds);
    // The first connection pays for what the broker makes on first use.
    let _first = Client::connect(load.target.address)?;
    thread::sleep(settle);
    let before = process::memory(pid)?;
    let started = Instant::now();
    let open: Vec<Client> = (0..load.connections).map(|_| Client::connect(load.target.address)).collect::<Result<_>>()?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_before = process::cpu_seconds(pid)?;
    thread::sleep(settle);
    let after = process::memory(pid)?;
    let mut line = Line::new("idle", &load.target.label);
    let per_connection = |after: u64, before: u64| rounded((after as f64 - before as f64) / f64::from(load.connections));
    line.set("connections", open.len());
    line.set("connects_per_s", rounded(open.len() as f64 / seconds));
    line.set("idle_cpu_s", rounded(process::cpu_seconds(pid)? - cpu_before));
    line.set("broker_rss_kib_before", before.rss_kib);
    line.set("broker_rss_kib_after", after.rss_kib);
    line.set("rss_kib_per_connection", per_connection(after.rss_kib, before.rss_kib));
    line.set("anonymous_kib_per_connection", per_connection(after.anonymous_kib, before.anonymous_kib));
    line.print();
    Ok(())
}
