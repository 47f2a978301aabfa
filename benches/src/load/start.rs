//! From exec to the first acknowledged record, on an empty directory.

use super::{Line, now_ms, rounded};
use crate::client::Client;
use crate::percentiles::Sorted;
use crate::{batch, process, wire};
use anyhow::{Context, Result, ensure};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Between two attempts to connect. Short against anything worth reporting.
const BETWEEN_ATTEMPTS: Duration = Duration::from_micros(200);

/// Starts the broker again and again on empty directories.
#[derive(Clone, Debug, clap::Args)]
pub struct Start {
    /// Name of the cell in the answer.
    #[arg(long, default_value = "")]
    pub label: String,
    #[arg(long, default_value_t = 10)]
    pub repeat: u32,
    /// Parent of the empty directories; they are removed again.
    #[arg(long)]
    pub scratch: PathBuf,
    /// Give up on a start after this long.
    #[arg(long, default_value_t = 60.0)]
    pub patience_seconds: f64,
    /// How long the broker may settle, once, before its idle memory is read.
    #[arg(long, default_value_t = 1.0)]
    pub settle_seconds: f64,
    /// The broker and its arguments; `{port}` and `{dir}` are filled in.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Runs the load and prints its line.
pub fn run(load: &Start) -> Result<()> {
    let (mut listening, mut acknowledged) = (Vec::new(), Vec::new());
    let mut idle = process::Memory::default();
    for round in 0..load.repeat {
        let directory = load.scratch.join(format!("start-{}-{round}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let result = once(load, &directory, round == 0);
        std::fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let times = result?;
        listening.push(times.listening.as_secs_f64() * 1e3);
        acknowledged.push(times.acknowledged.as_secs_f64() * 1e3);
        idle = times.idle.unwrap_or(idle);
    }
    let mut line = Line::new("start", &load.label);
    line.set("starts", load.repeat);
    for (name, samples) in [("listening_ms", listening), ("first_ack_ms", acknowledged)] {
        let sorted = Sorted::new(samples);
        for (suffix, value) in [("median", sorted.median()), ("min", sorted.min()), ("max", sorted.max())] {
            line.set(&format!("{name}_{suffix}"), rounded(value.context("no samples")?));
        }
    }
    line.set("idle_rss_kib", idle.rss_kib);
    line.set("idle_anonymous_kib", idle.anonymous_kib);
    line.print();
    Ok(())
}

struct Times {
    listening: Duration,
    acknowledged: Duration,
    idle: Option<process::Memory>,
}

/// A started broker; ended when dropped.
pub struct Running(Child);

impl Running {
    /// Starts a command, its output thrown away.
    pub fn start(command: &[String], port: u16, directory: &Path) -> Result<Self> {
        let directory = directory.display().to_string();
        let filled: Vec<String> =
            command.iter().map(|word| word.replace("{port}", &port.to_string()).replace("{dir}", &directory)).collect();
        let (program, arguments) = filled.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("start {program}"))?))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it takes connections.
    pub fn wait_until_listening(&mut self, address: SocketAddr, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.0.try_wait()? {
                anyhow::bail!("the broker ended while starting: {status}");
            }
            ensure!(Instant::now() < deadline, "nothing listens on {address} after {patience:?}");
            thread::sleep(BETWEEN_ATTEMPTS);
        }
        Ok(())
    }

    /// Asks it to end and waits until it has.
    pub fn end(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_none()) && process::terminate(self.pid()).is_ok() {
            // Nothing can be done about a failed wait.
            let _ = self.0.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port nobody listens on at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn once(load: &Start, directory: &Path, measure_idle: bool) -> Result<Times> {
    let port = free_port()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let batch = batch::single(b"first", now_ms());
    let started = Instant::now();
    let mut broker = Running::start(&load.command, port, directory)?;
    broker.wait_until_listening(address, Duration::from_secs_f64(load.patience_seconds))?;
    let listening = started.elapsed();
    let mut client = Client::connect(address)?;
    client.ensure_topic("first", 1, &[])?;
    let version = client.versions().produce;
    let deadline = started + Duration::from_secs_f64(load.patience_seconds);
    loop {
        let answer = client.call(wire::produce(version, -1, "first", 0, &batch.bytes))?;
        let answer = wire::read_produce(answer).context("Produce answer")?;
        if answer.error == 0 {
            break;
        }
        ensure!(Instant::now() < deadline, "Produce still fails with error {}", answer.error);
        thread::sleep(BETWEEN_ATTEMPTS);
    }
    let acknowledged = started.elapsed();
    let idle = if measure_idle {
        drop(client);
        thread::sleep(Duration::from_secs_f64(load.settle_seconds));
        Some(process::memory(broker.pid())?)
    } else {
        None
    };
    Ok(Times { listening, acknowledged, idle })
}
