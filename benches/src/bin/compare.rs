//! `compare`: the probe, Ottla and (where its jars are) Apache Kafka, cell by cell in one run; a Markdown report on stdout.

use anyhow::{Context, Result};
use clap::Parser;
use ottla_benches::compare::cells::{CELLS, Loader};
use ottla_benches::compare::report::{Sample, commit, table};
use ottla_benches::compare::systems::{Instance, System};
use ottla_benches::payload::Random;
use ottla_benches::process;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Every system does every cell in every round; the order changes. Programs default to those next to this one.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    ottla: Option<PathBuf>,
    /// Another build of Ottla, for a change held against its parent; reported as `ottla-b`.
    #[arg(long)]
    ottla_b: Option<PathBuf>,
    /// Leave Ottla out.
    #[arg(long)]
    no_ottla: bool,
    /// Directory with the jars of Apache Kafka; without it Kafka is left out.
    #[arg(long, env = "KAFKA_JARS")]
    kafka_jars: Option<PathBuf>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Batch bytes per produce cell.
    #[arg(long, default_value_t = 1.0)]
    gigabytes: f64,
    #[arg(long, default_value_t = 5.0)]
    latency_seconds: f64,
    /// Only cells whose name contains this (`produce 1k in 16k`, `latency`, `start`, ...).
    #[arg(long, default_value = "")]
    only: String,
    /// Data of all systems; needs room for one cell each.
    #[arg(long)]
    scratch: PathBuf,
    /// Core of the systems under test.
    #[arg(long, default_value_t = 0)]
    broker_core: usize,
    /// Core of the load.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Keep every line of `load` here.
    #[arg(long)]
    raw: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    process::raise_file_limit()?;
    let here = std::env::current_exe()?;
    let beside = |name: &str| here.with_file_name(name);
    let mut systems = vec![System::probe(&beside("probe"))];
    if !arguments.no_ottla {
        systems.push(System::ottla("ottla", arguments.ottla.as_ref().unwrap_or(&beside("ottla"))));
    }
    systems.extend(arguments.ottla_b.as_deref().map(|program| System::ottla("ottla-b", program)));
    systems.extend(arguments.kafka_jars.as_deref().map(System::kafka));
    let load = beside("load");
    let (gigabytes, latency_seconds) = (arguments.gigabytes, arguments.latency_seconds);
    let loader = Loader { program: &load, core: Some(arguments.load_core), gigabytes, latency_seconds };
    let load_before = process::load_average();
    let mut samples = Vec::new();
    let mut raw = arguments.raw.as_ref().map(File::create).transpose()?;
    let mut keep = |round, system, line: serde_json::Value| -> Result<()> {
        if let Some(raw) = &mut raw {
            writeln!(raw, r#"{{"round":{round},"system":"{system}","line":{line}}}"#)?;
        }
        samples.push(Sample { round, system, line });
        Ok(())
    };
    measure_cells(&arguments, &systems, &loader, &mut keep)?;
    measure_starts(&arguments, &systems, &loader, &mut keep)?;
    println!("- machine: {}", process::machine());
    println!("- commit: {}", commit());
    println!("- command: `{}`", std::env::args().skip(1).fold("compare".to_owned(), |line, word| line + " " + &word));
    println!("- layout: broker on core {}, load on core {}, loopback", arguments.broker_core, arguments.load_core);
    println!("- load average before {load_before}, after {}", process::load_average());
    println!("- {} rounds, median (lowest-highest); ratios are taken within a round", arguments.rounds);
    println!("{}", table(&samples, "probe"));
    Ok(())
}

type Keep<'a> = dyn FnMut(usize, &'static str, serde_json::Value) -> Result<()> + 'a;

fn measure_cells(arguments: &Arguments, systems: &[System], loader: &Loader<'_>, keep: &mut Keep<'_>) -> Result<()> {
    let cells: Vec<_> = CELLS.into_iter().filter(|cell| cell.names().iter().any(|name| name.contains(&arguments.only))).collect();
    if cells.is_empty() {
        return Ok(());
    }
    let mut instances: Vec<(&System, Instance)> = Vec::new();
    for system in systems {
        let directory = arguments.scratch.join(format!("{}-{}", system.name, std::process::id()));
        let instance = system.start(&directory, Some(arguments.broker_core))?;
        for (number, cell) in cells.iter().enumerate() {
            loader.cell(*cell, &instance, &format!("warm-{number}"), system.warm_up_gb).context(system.name)?;
        }
        instances.push((system, instance));
    }
    let mut random = Random::new(arguments.seed);
    for round in 0..arguments.rounds {
        for (number, cell) in cells.iter().enumerate() {
            random.shuffle(&mut instances);
            for (system, instance) in &instances {
                let topic = format!("round-{round}-{number}");
                for line in loader.cell(*cell, instance, &topic, loader.gigabytes).context(system.name)? {
                    eprintln!("{round} {} {line}", system.name);
                    keep(round, system.name, line)?;
                }
            }
        }
    }
    Ok(())
}

fn measure_starts(arguments: &Arguments, systems: &[System], loader: &Loader<'_>, keep: &mut Keep<'_>) -> Result<()> {
    for round in 0..arguments.rounds {
        for system in systems.iter().filter(|system| !system.needs_preparation()) {
            if "start".contains(&arguments.only) {
                keep(round, system.name, loader.start(system, &arguments.scratch).context(system.name)?)?;
            }
        }
        for system in systems {
            if "idle connections".contains(&arguments.only) {
                let directory = arguments.scratch.join(format!("{}-{}", system.name, std::process::id()));
                let instance = system.start(&directory, Some(arguments.broker_core))?;
                keep(round, system.name, loader.idle(&instance).context(system.name)?)?;
            }
        }
    }
    Ok(())
}
