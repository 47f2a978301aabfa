//! The command line: arguments to configuration to broker, until a signal asks to stop.
//!
//! Only `main` calls this. Exit codes: 0 after a graceful stop, 1 when something went wrong (one line on stderr says what), 2 for arguments
//! that make no sense. Log lines and the ready line go to stdout, as with Kafka.

mod files;
mod health;
mod logging;

use crate::Broker;
use crate::broker::Hooks;
use crate::clock::{Clock, Stopwatch};
use crate::config::{self, Config, ConfigError};
use crate::metrics;
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use logging::LogFormat;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A server that speaks the Apache Kafka protocol.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without arguments: a complete single node on localhost:9092 with its data in ./ottla-data.\n\
    Settings come from the file, then KAFKA_* environment variables, then the command line; later ones win.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: StartArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server (what happens without a command).
    #[command(alias = "server")]
    Start(StartArguments),
    /// Explain the configuration.
    Config {
        /// Print every key as Markdown.
        #[arg(long, required = true)]
        docs: bool,
    },
    /// Explain the metrics.
    Metrics {
        /// Print every metric as Markdown.
        #[arg(long, required = true)]
        docs: bool,
    },
    /// Ask a server whether it is well: exit code 0 if it answers.
    Health {
        /// Where it listens.
        #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092")]
        bootstrap: String,
    },
}

#[derive(Debug, Args)]
struct StartArguments {
    /// Read settings from this file, in the syntax of server.properties.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a key; may be repeated.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Listen on localhost and this port only, in place of `listeners`; 0 takes any free port.
    #[arg(long)]
    port: Option<u16>,
    /// Keep data in this directory, in place of `log.dirs` [default: ./ottla-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Give an empty data directory this cluster id.
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// Runs the program that the process's arguments and environment ask for.
#[must_use]
pub fn run() -> ExitCode {
    let since_start = Stopwatch::start();
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => start(&arguments.start, since_start),
        Some(Command::Start(start_arguments)) => start(&start_arguments, since_start),
        Some(Command::Config { .. }) => print(&config::markdown()),
        Some(Command::Metrics { .. }) => print(&metrics::markdown()),
        Some(Command::Health { bootstrap }) => health::check(&bootstrap),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ottla: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints without minding that the reader may have gone.
fn print(text: &str) -> anyhow::Result<()> {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn start(arguments: &StartArguments, since_start: Stopwatch) -> anyhow::Result<()> {
    // Variables that are not UTF-8 cannot be settings.
    let environment: Vec<(String, String)> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let config = configure(arguments, &environment)?;
    let log_levels = logging::start(arguments.log_format, &environment);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    files::raise_limit();

    // Listening for signals comes first: one that arrives during the start is obeyed right after it.
    let signals = Signals::new().context("cannot listen for signals")?;
    let broker = Broker::start_with(config, Clock::system(), Hooks { log_levels: Some(log_levels), ..Hooks::default() })?;
    let took_ms = since_start.elapsed().as_millis();
    print(&format!("Ottla {} ready in {took_ms} ms: {}\n", env!("CARGO_PKG_VERSION"), whereabouts(&broker)))?;

    let signals = signals.wait();
    // A second signal means: now.
    std::thread::spawn(move || {
        signals.wait();
        std::process::exit(1);
    });
    broker.stop();
    Ok(())
}

fn configure(arguments: &StartArguments, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let mut builder = Config::builder().environment(environment.iter().cloned());
    if let Some(path) = &arguments.config {
        builder = builder.file(path)?;
    }
    for pair in &arguments.overrides {
        builder = builder.override_with(pair)?;
    }
    if let Some(port) = arguments.port {
        builder = builder.port(port);
    }
    if let Some(dir) = &arguments.data_dir {
        builder = builder.set("log.dirs", &dir.to_string_lossy(), "--data-dir");
    }
    if let Some(id) = &arguments.cluster_id {
        builder = builder.set("ottla.cluster.id", id, "--cluster-id");
    }
    builder.build()
}

/// Where clients connect and where the data is: `localhost:9092 (data in ./ottla-data, cluster id ...)`.
fn whereabouts(broker: &Broker) -> String {
    let addresses: Vec<String> = broker
        .bound()
        .iter()
        .map(|listener| match listener.host.as_str() {
            "" | "0.0.0.0" | "::" => format!("localhost:{}", listener.port),
            host if host.contains(':') => format!("[{host}]:{}", listener.port),
            host => format!("{host}:{}", listener.port),
        })
        .collect();
    let dirs: Vec<String> = broker.data_dirs().iter().map(|dir| dir.display().to_string()).collect();
    let metrics = broker.metrics_bound().map(|bound| format!("metrics on port {}, ", bound.port)).unwrap_or_default();
    format!("{} ({metrics}data in {}, cluster id {})", addresses.join(", "), dirs.join(", "), broker.cluster_id())
}

/// The signals that ask to stop.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        drop(entered);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Blocks until the next one.
    fn wait(mut self) -> Self {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn configured(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let arguments = Arguments::parse_from(std::iter::once("ottla").chain(arguments.iter().copied()));
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        configure(&arguments.start, &environment)
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_win_over_the_environment() {
        let arguments =
            ["--port", "0", "--data-dir", "/d", "--override", "num.partitions=3", "--override", "node.id=5", "--cluster-id", "c"];
        let config =
            configured(&arguments, &[("KAFKA_NUM_PARTITIONS", "2"), ("KAFKA_LOG_DIRS", "/e"), ("CLUSTER_ID", "x")]).expect("accepted");
        assert_eq!((config.num_partitions(), config.node_id(), config.cluster_id()), (3, 5, Some("c")));
        assert_eq!(config.log_dirs(), [PathBuf::from("/d")]);
        assert_eq!((config.listeners()[0].host.as_str(), config.listeners()[0].port), ("localhost", 0));
    }

    #[test]
    fn a_port_replaces_listeners_and_what_was_advertised_for_them() {
        let environment =
            [("KAFKA_LISTENERS", "A://:1"), ("KAFKA_ADVERTISED_LISTENERS", "A://h:2"), ("KAFKA_INTER_BROKER_LISTENER_NAME", "A")];
        let config = configured(&["--port", "7"], &environment).expect("accepted");
        assert_eq!(config.listeners().len(), 1);
        assert_eq!(config.listeners()[0].advertised, config::Advertised::Fixed { host: "localhost".into(), port: 7 });
    }

    #[test]
    fn a_wrong_flag_names_itself() {
        let error = configured(&["--cluster-id", ""], &[]).expect_err("refused").to_string();
        assert!(error.contains("command line --cluster-id"), "{error}");
        let error = configured(&["--override", "listeners=x"], &[]).expect_err("refused").to_string();
        assert!(error.contains("command line --override"), "{error}");
    }
}
