//! `groups`: consumer groups of Ottla and (where its jars are) Apache Kafka, cell by cell in one run; a Markdown report on stdout.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ottla_benches::compare::report::{Sample, commit, table};
use ottla_benches::compare::systems::{Instance, System};
use ottla_benches::groups::Stage;
use ottla_benches::groups::cells::{CELLS, CONNECTIONS, Cell};
use ottla_benches::groups::reload::{self, ReloadLoad};
use ottla_benches::payload::Random;
use ottla_benches::process;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TOPIC: &str = "groups";

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
    /// A broker that runs already, in place of all others; needs --broker-pid.
    #[arg(long, requires = "broker_pid")]
    address: Option<SocketAddr>,
    #[arg(long)]
    broker_pid: Option<u32>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long requests are sent at full speed in each cell that does.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Partitions of the topic that groups consume; at least 100 for all cells.
    #[arg(long, default_value_t = 100)]
    partitions: i32,
    /// Uncounted seconds for each system before the first round: a JVM needs them.
    #[arg(long, default_value_t = 30.0)]
    warm_up_seconds: f64,
    /// Only cells of which a line's name contains this (`classic 500`, `OffsetCommit`, `start`, ...).
    #[arg(long, default_value = "")]
    only: String,
    /// Rounds that measure a start with many committed offsets.
    #[arg(long, default_value_t = 1)]
    reload_rounds: usize,
    /// Groups of that start; each commits `reload_partitions` offsets.
    #[arg(long, default_value_t = 10_000)]
    reload_groups: u32,
    #[arg(long, default_value_t = 100)]
    reload_partitions: i32,
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

    fn cells(&self) -> Vec<Cell> {
        CELLS.into_iter().filter(|cell| cell.names().iter().any(|name| name.contains(&self.only))).collect()
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    process::raise_file_limit()?;
    let machine = process::machine();
    // Brokers are put on their own core when they are started.
    process::pin_to_core(arguments.load_core)?;
    if let (Some(address), Some(pid)) = (arguments.address, arguments.broker_pid) {
        return measure_running(&arguments, address, pid);
    }
    let mut systems = Vec::new();
    if !arguments.no_ottla {
        let beside = std::env::current_exe()?.with_file_name("ottla");
        systems.push(System::ottla("ottla", arguments.ottla.as_ref().unwrap_or(&beside)));
    }
    systems.extend(arguments.ottla_b.as_deref().map(|program| System::ottla("ottla-b", program)));
    systems.extend(arguments.kafka_jars.as_deref().map(System::kafka));
    ensure!(!systems.is_empty(), "nothing to measure");
    // No waiting that the protocols do on purpose: what is left is the broker's own time.
    let undelayed = |system: System| {
        system.with_setting("group.initial.rebalance.delay.ms", "0").with_setting("group.consumer.assignment.interval.ms", "0")
    };
    let systems: Vec<System> = systems.into_iter().map(undelayed).collect();
    let load_before = process::load_average();
    let mut raw = arguments.raw.as_ref().map(File::create).transpose()?;
    let mut samples = Vec::new();
    let mut keep = |round: usize, system: &'static str, line: Value| -> Result<()> {
        eprintln!("{round} {system} {line}");
        if let Some(raw) = &mut raw {
            writeln!(raw, r#"{{"round":{round},"system":"{system}","line":{line}}}"#)?;
        }
        samples.push(Sample { round, system, line });
        Ok(())
    };
    measure_cells(&arguments, &systems, &mut keep)?;
    measure_reloads(&arguments, &systems, &mut keep)?;
    println!("- machine: {machine}");
    println!("- commit: {}", commit());
    println!("- command: `{}`", std::env::args().skip(1).fold("groups".to_owned(), |line, word| line + " " + &word));
    println!("- layout: broker on core {}, load on core {}, loopback", arguments.broker_core, arguments.load_core);
    println!("- load average before {load_before}, after {}", process::load_average());
    println!("- {} rounds, median (lowest-highest); ratios are taken within a round", arguments.rounds);
    println!("{}", table(&samples, systems.last().map_or("", |system| system.name)));
    Ok(())
}

type Keep<'a> = dyn FnMut(usize, &'static str, Value) -> Result<()> + 'a;

fn measure_running(arguments: &Arguments, address: SocketAddr, pid: u32) -> Result<()> {
    let mut stage = Stage::open(address, pid, TOPIC, arguments.partitions, CONNECTIONS)?;
    for _ in 0..arguments.rounds {
        for cell in arguments.cells() {
            for line in cell.run(&mut stage, arguments.each())? {
                println!("{line}");
            }
        }
    }
    Ok(())
}

fn measure_cells(arguments: &Arguments, systems: &[System], keep: &mut Keep<'_>) -> Result<()> {
    let cells = arguments.cells();
    if cells.is_empty() {
        return Ok(());
    }
    let mut running: Vec<(&System, Instance, Stage)> = Vec::new();
    for system in systems {
        let directory = arguments.scratch.join(format!("{}-{}", system.name, std::process::id()));
        let instance = system.start(&directory, Some(arguments.broker_core))?;
        let mut stage = Stage::open(instance.address, instance.pid(), TOPIC, arguments.partitions, CONNECTIONS).context(system.name)?;
        let warm_at = Instant::now() + Duration::from_secs_f64(arguments.warm_up_seconds);
        while system.needs_preparation() && Instant::now() < warm_at {
            for cell in &cells {
                cell.run(&mut stage, arguments.each()).context(system.name)?;
            }
        }
        running.push((system, instance, stage));
    }
    let mut random = Random::new(arguments.seed);
    for round in 0..arguments.rounds {
        for cell in &cells {
            random.shuffle(&mut running);
            for (system, _, stage) in &mut running {
                for line in cell.run(stage, arguments.each()).context(system.name)? {
                    keep(round, system.name, line)?;
                }
            }
        }
    }
    Ok(())
}

fn measure_reloads(arguments: &Arguments, systems: &[System], keep: &mut Keep<'_>) -> Result<()> {
    let load = ReloadLoad { groups: arguments.reload_groups, partitions: arguments.reload_partitions };
    if !load.label().contains(&arguments.only) {
        return Ok(());
    }
    let mut order: Vec<&System> = systems.iter().collect();
    let mut random = Random::new(arguments.seed);
    for round in 0..arguments.reload_rounds {
        random.shuffle(&mut order);
        for system in &order {
            let directory = arguments.scratch.join(format!("{}-reload-{}", system.name, std::process::id()));
            let line = reload::run(system, &directory, arguments.broker_core, load).context(system.name)?;
            keep(round, system.name, line)?;
        }
    }
    Ok(())
}
