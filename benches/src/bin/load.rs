//! `load`: one measured load against any broker that speaks Kafka's protocol; one JSON line per run.

use anyhow::Result;
use clap::{Parser, Subcommand};
use ottla_benches::{load, process};

/// A load without client overhead: raw sockets, requests encoded beforehand.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run the load on this core only.
    #[arg(long, global = true)]
    core: Option<usize>,
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    Produce(load::produce::Produce),
    Fetch(load::fetch::Fetch),
    Latency(load::latency::Latency),
    Idle(load::idle::Idle),
    Start(load::start::Start),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(core) = arguments.core {
        process::pin_to_core(core)?;
    }
    match &arguments.load {
        Load::Produce(load) => load::produce::run(load),
        Load::Fetch(load) => load::fetch::run(load),
        Load::Latency(load) => load::latency::run(load),
        Load::Idle(load) => load::idle::run(load),
        Load::Start(load) => load::start::run(load),
    }
}
