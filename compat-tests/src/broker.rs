//! One running broker, Ottla or Apache Kafka, on free loopback ports with its own directories.
//!
//! Promises: a broker is stopped when it is dropped, by its process id; its directories go away when the story passed and stay,
//! with their place printed, when it did not.

use crate::process::{pid_of, wait_at_most};
use crate::toolchain::skip;
use crate::{java, ottla};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(120);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// Which broker a story runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Ottla,
    Kafka,
}

/// `server.properties` keys that a story wants, in the order given.
#[derive(Clone, Default)]
pub struct BrokerOptions {
    overrides: Vec<(String, String)>,
}

impl BrokerOptions {
    /// The broker's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one key.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.overrides.push((key.to_owned(), value.to_string()));
        self
    }
}

/// Runs `tell` on a fresh broker of each wanted kind. The entry point of every test.
///
/// # Panics
/// When the story fails, with where the logs and the data are.
pub fn story(name: &str, options: BrokerOptions, tell: impl Fn(&mut Broker) -> Result<()>) {
    for target in targets() {
        let tools = if target == Target::Kafka { java::Java::find().map(drop) } else { Ok(()) };
        if let Err(reason) = tools {
            skip(name, &reason);
            continue;
        }
        let mut broker = Broker::start(target, name, options.clone()).unwrap_or_else(|error| panic!("{name} on {target:?}: {error:#}"));
        if let Err(error) = tell(&mut broker).and_then(|()| broker.end()) {
            panic!("{name} on {target:?}: {error:#}");
        }
    }
}

fn targets() -> Vec<Target> {
    match std::env::var("OTTLA_COMPAT_ORACLE").as_deref() {
        Ok("only") => vec![Target::Kafka],
        Ok("1") => vec![Target::Kafka, Target::Ottla],
        _ => vec![Target::Ottla],
    }
}

/// A broker that a story talks to.
pub struct Broker {
    target: Target,
    options: BrokerOptions,
    dir: PathBuf,
    port: u16,
    controller_port: u16,
    running: Option<Child>,
    starts: u32,
    passed: bool,
}

impl Broker {
    /// Starts a broker and waits until it says it is ready.
    pub fn start(target: Target, name: &str, options: BrokerOptions) -> Result<Broker> {
        let runs = ottla::profile_dir()?.join("compat-runs");
        fs::create_dir_all(&runs)?;
        let dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(runs)?.keep();
        let mut broker = Broker { target, options, dir, port: 0, controller_port: 0, running: None, starts: 0, passed: false };
        if target == Target::Kafka {
            // Apache Kafka must be told its ports; Ottla asks the system itself.
            let (one, two) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
            (broker.port, broker.controller_port) = (one.local_addr()?.port(), two.local_addr()?.port());
            broker.format_kafka()?;
        }
        broker.launch()?;
        Ok(broker)
    }

    /// Which broker this is; stories ask only to name it in a message.
    pub fn target(&self) -> Target {
        self.target
    }

    /// What clients call `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The loopback port, for raw sockets.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory that holds the partitions.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// A directory for the story's own files; goes with the broker.
    pub fn scratch_dir(&self) -> Result<PathBuf> {
        let dir = self.dir.join("scratch");
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Kills without warning, as the kernel would.
    pub fn kill9(&mut self) -> Result<()> {
        let mut child = self.running.take().context("the broker is running")?;
        ensure!(child.try_wait()?.is_none(), "the broker had stopped by itself:\n{}", self.log_tail());
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks to stop (SIGTERM) and waits; anything but exit status 0 in good time is an error.
    pub fn stop(&mut self) -> Result<()> {
        let mut child = self.running.take().context("the broker is running")?;
        kill_process(pid_of(&child), Signal::TERM)?;
        let (status, killed) = wait_at_most(&mut child, STOPPED_WITHIN)?;
        ensure!(!killed, "SIGTERM: still running after {STOPPED_WITHIN:?}\n{}", self.log_tail());
        // A JVM ends with 143 after SIGTERM even when it stopped cleanly.
        ensure!(status.success() || self.target == Target::Kafka, "SIGTERM: {status}\n{}", self.log_tail());
        Ok(())
    }

    /// The end of a story that went well: the broker is still there and stops when asked.
    pub fn end(&mut self) -> Result<()> {
        if let Some(child) = &mut self.running {
            ensure!(child.try_wait()?.is_none(), "the broker stopped by itself\n{}", self.log_tail());
            self.stop()?;
        }
        self.passed = true;
        Ok(())
    }

    /// Starts again on the same port and directories; says how long it took to be ready.
    pub fn restart(&mut self) -> Result<Duration> {
        if self.running.is_some() {
            self.stop()?;
        }
        self.launch()
    }

    /// Starts and kills again after `life`, ready or not: a crash during recovery.
    pub fn launch_and_kill(&mut self, life: Duration) -> Result<()> {
        ensure!(self.running.is_none(), "the broker still runs");
        self.spawn()?;
        std::thread::sleep(life);
        self.kill9()
    }

    /// How soon a restart after a kill has to be ready.
    pub fn recovery_limit(&self) -> Duration {
        match self.target {
            Target::Ottla => Duration::from_secs(2),
            Target::Kafka => READY_WITHIN,
        }
    }

    /// How much memory hostile clients may ever make it use.
    pub fn memory_limit_kib(&self) -> u64 {
        match self.target {
            Target::Ottla => 200 << 10,
            Target::Kafka => 2 << 20,
        }
    }

    /// The process id.
    pub fn pid(&self) -> Result<Pid> {
        Ok(pid_of(self.running.as_ref().context("the broker is running")?))
    }

    /// Peak and present resident memory in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?.as_raw_nonzero()))?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).with_context(|| format!("{name} in /proc/PID/status"))?;
            line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).with_context(|| format!("a number in {line}"))
        };
        Ok((field("VmHWM:")?, field("VmRSS:")?))
    }

    fn launch(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let told = self.spawn()?;
        match told.recv_timeout(READY_WITHIN) {
            Ok(Some(port)) => self.port = port,
            Ok(None) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("not ready after {READY_WITHIN:?}\n{}", self.log_tail()),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("ended before it was ready\n{}", self.log_tail()),
        }
        Ok(began.elapsed())
    }

    /// Starts the process; the port comes through the channel when it says that it is ready.
    fn spawn(&mut self) -> Result<mpsc::Receiver<Option<u16>>> {
        self.starts += 1;
        let mut command = match self.target {
            Target::Ottla => self.ottla_command()?,
            Target::Kafka => self.kafka_command()?,
        };
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
        let (ready, told) = mpsc::channel();
        let target = self.target;
        for (name, pipe) in [
            ("stdout", child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>)),
            ("stderr", child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>)),
        ] {
            let pipe = pipe.context("the pipe was asked for")?;
            let log = File::create(self.dir.join(format!("{name}-{}.log", self.starts)))?;
            let ready = ready.clone();
            std::thread::spawn(move || copy_lines(pipe, log, |line| _ = ready_port(target, line).map(|port| ready.send(port))));
        }
        drop(ready);
        self.running = Some(child);
        Ok(told)
    }

    fn ottla_command(&self) -> Result<Command> {
        let mut command = Command::new(ottla::binary()?);
        command.arg("--port").arg(self.port.to_string());
        // The flag would overrule a story's own directories.
        if !self.options.overrides.iter().any(|(key, _)| key == "log.dirs") {
            command.arg("--data-dir").arg(self.data_dir());
        }
        for (key, value) in &self.options.overrides {
            command.arg("--override").arg(format!("{key}={value}"));
        }
        Ok(command)
    }

    fn format_kafka(&self) -> Result<()> {
        let (port, controller) = (self.port, self.controller_port);
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://localhost:{port}\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            self.data_dir().display()
        );
        for (key, value) in &self.options.overrides {
            text.push_str(&format!("{key}={value}\n"));
        }
        fs::write(self.properties(), text)?;
        let java = java::Java::find().map_err(anyhow::Error::msg)?;
        java.main("kafka.tools.StorageTool", &["format", "-t", "T3R0bGFDb21wYXRUZXN0cw", "-c", &self.properties().to_string_lossy()])?
            .ok()
            .map(drop)
    }

    fn kafka_command(&self) -> Result<Command> {
        let java = java::Java::find().map_err(anyhow::Error::msg)?;
        let mut command = java.command("kafka.Kafka", &["-Xmx768m", "-Xms128m"]);
        command.arg(self.properties());
        Ok(command)
    }

    fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    fn log_tail(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.dir.join(format!("{name}-{}.log", self.starts))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        };
        format!("--- stdout\n{}\n--- stderr\n{}\n--- all of it: {}", tail("stdout"), tail("stderr"), self.dir.display())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.passed {
            let _ = fs::remove_dir_all(&self.dir);
        } else {
            eprintln!("{:?}: logs and data are kept in {}\n{}", self.target, self.dir.display(), self.log_tail());
        }
    }
}

/// What the line says when it is the line of readiness: the port where the line tells one.
fn ready_port(target: Target, line: &str) -> Option<Option<u16>> {
    match target {
        Target::Kafka => line.contains("Kafka Server started").then_some(None),
        // Ottla 0.1.0 ready in 12 ms: localhost:41223 (data in DIR, ...)
        Target::Ottla => {
            let (_, place) = line.strip_prefix("Ottla ")?.split_once(" ready in ")?.1.split_once("localhost:")?;
            let digits = place.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(Some(digits.parse().ok()?))
        }
    }
}

fn copy_lines(pipe: impl std::io::Read, mut log: File, mut each: impl FnMut(&str)) {
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let _ = log.write_all(&line);
        each(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
