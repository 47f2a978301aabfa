//! `transactions`: transactions of Ottla and (where its jars are) Apache Kafka, cell by cell in one run; a Markdown report on stdout.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ottla_benches::compare::report::{Sample, commit, table};
use ottla_benches::compare::systems::{Instance, System};
use ottla_benches::payload::Random;
use ottla_benches::process;
use ottla_benches::transactions::Stage;
use ottla_benches::transactions::cells::{CELLS, Cell, PRODUCERS_MAX};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TOPIC: &str = "transactions";

/// When a write is acknowledged: the name in labels, and the broker's key.
const MODES: [(&str, Option<(&str, &str)>); 2] = [("page cache", None), ("flush before ack", Some(("log.flush.interval.messages", "1")))];

/// Every system does every cell in every round; the order changes. Ottla defaults to the binary next to this one.
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
    /// How long each cell commits transactions.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Uncounted seconds for each system before the first round: a JVM needs them.
    #[arg(long, default_value_t = 30.0)]
    warm_up_seconds: f64,
    /// Only cells of which the name contains this (`page cache`, `v2`, `16 x 100`, ...).
    #[arg(long, default_value = "")]
    only: String,
    /// Data of all systems.
    #[arg(long)]
    scratch: PathBuf,
    /// Core of the systems under test.
    #[arg(long, default_value_t = 0)]
    broker_core: usize,
    /// Core of the load.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Keep every line here.
    #[arg(long)]
    raw: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn each(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn systems(&self) -> Result<Vec<System>> {
        let mut systems = Vec::new();
        if !self.no_ottla {
            let beside = std::env::current_exe()?.with_file_name("ottla");
            systems.push(System::ottla("ottla", self.ottla.as_ref().unwrap_or(&beside)));
        }
        systems.extend(self.ottla_b.as_deref().map(|program| System::ottla("ottla-b", program)));
        systems.extend(self.kafka_jars.as_deref().map(System::kafka));
        ensure!(!systems.is_empty(), "nothing to measure");
        Ok(systems)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    process::raise_file_limit()?;
    let machine = process::machine();
    // Brokers are put on their own core when they are started.
    process::pin_to_core(arguments.load_core)?;
    let systems = arguments.systems()?;
    let load_before = process::load_average();
    let mut raw = arguments.raw.as_ref().map(File::create).transpose()?;
    let mut samples = Vec::new();
    for (mode, setting) in MODES {
        let cells: Vec<Cell> = CELLS.into_iter().filter(|cell| cell.label(mode).contains(&arguments.only)).collect();
        let set = |system: &System| match setting {
            Some((key, value)) => system.clone().with_setting(key, value),
            None => system.clone(),
        };
        let systems: Vec<System> = systems.iter().map(set).collect();
        measure(&arguments, &systems, mode, &cells, &mut |sample| {
            eprintln!("{} {} {}", sample.round, sample.system, sample.line);
            if let Some(raw) = &mut raw {
                writeln!(raw, r#"{{"round":{},"system":"{}","line":{}}}"#, sample.round, sample.system, sample.line)?;
            }
            samples.push(sample);
            Ok(())
        })?;
    }
    println!("- machine: {machine}");
    println!("- commit: {}", commit());
    println!("- command: `{}`", std::env::args().skip(1).fold("transactions".to_owned(), |line, word| line + " " + &word));
    println!("- layout: broker on core {}, load on core {}, loopback", arguments.broker_core, arguments.load_core);
    println!("- load average before {load_before}, after {}", process::load_average());
    println!("- cells: protocol (v2: KIP-890), producers x messages of 100 bytes in each transaction; one partition a producer");
    println!("- {} rounds, median (lowest-highest); ratios are taken within a round", arguments.rounds);
    println!("{}", table(&samples, systems.last().map_or("", |system| system.name)));
    Ok(())
}

fn measure(
    arguments: &Arguments,
    systems: &[System],
    mode: &str,
    cells: &[Cell],
    keep: &mut dyn FnMut(Sample) -> Result<()>,
) -> Result<()> {
    if cells.is_empty() {
        return Ok(());
    }
    let mut running: Vec<(&System, Instance, Stage)> = Vec::new();
    for system in systems {
        let directory = arguments.scratch.join(format!("{}-{}", system.name, std::process::id()));
        let instance = system.start(&directory, Some(arguments.broker_core))?;
        let mut stage = Stage::open(instance.address, instance.pid(), TOPIC, PRODUCERS_MAX).context(system.name)?;
        let warm_at = Instant::now() + Duration::from_secs_f64(arguments.warm_up_seconds);
        while system.needs_preparation() && Instant::now() < warm_at {
            for cell in cells {
                cell.run(&mut stage, mode, arguments.each()).context(system.name)?;
            }
        }
        running.push((system, instance, stage));
    }
    let mut random = Random::new(arguments.seed);
    for round in 0..arguments.rounds {
        for cell in cells {
            random.shuffle(&mut running);
            for (system, _, stage) in &mut running {
                let line = cell.run(stage, mode, arguments.each()).context(system.name)?;
                keep(Sample { round, system: system.name, line })?;
            }
        }
    }
    Ok(())
}
