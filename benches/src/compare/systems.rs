//! The systems under test: how each is started on a core of its own, and how it tells which build it is.

use crate::load::start::{Running, free_port};
use crate::process;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Something that speaks Kafka's protocol.
#[derive(Clone, Debug)]
pub struct System {
    pub name: &'static str,
    /// What is run; `{port}` and `{dir}` are filled in.
    pub command: Vec<String>,
    kafka_class_path: Option<String>,
    /// Configuration beside its defaults, as in server.properties.
    settings: Vec<(String, String)>,
    /// Gigabytes to produce and fetch per cell before anything counts.
    pub warm_up_gb: f64,
}

impl System {
    /// The ceiling probe.
    pub fn probe(program: &Path) -> Self {
        let command = words(program, &["--port", "{port}", "--data-dir", "{dir}"]);
        Self { name: "probe", command, kafka_class_path: None, settings: Vec::new(), warm_up_gb: 0.1 }
    }

    /// Ottla with its defaults.
    pub fn ottla(name: &'static str, program: &Path) -> Self {
        let command = words(program, &["--port", "{port}", "--data-dir", "{dir}"]);
        Self { name, command, kafka_class_path: None, settings: Vec::new(), warm_up_gb: 0.1 }
    }

    /// Apache Kafka from a directory of jars, with its defaults and 1 GiB of heap.
    pub fn kafka(jars: &Path) -> Self {
        let class_path = format!("{}/*", jars.display());
        let java = Path::new("java");
        let options = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"];
        let mut command = words(java, &options);
        command.extend(["-cp".to_owned(), class_path.clone(), "kafka.Kafka".to_owned(), "{dir}/server.properties".to_owned()]);
        Self { name: "kafka", command, kafka_class_path: Some(class_path), settings: Vec::new(), warm_up_gb: 2.0 }
    }

    /// The same with a key of its configuration set.
    #[must_use]
    pub fn with_setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        if self.kafka_class_path.is_none() {
            self.command.extend(["--override".to_owned(), format!("{key}={value}")]);
        }
        self
    }

    /// Starts it in an empty directory, on one core if asked to, and waits until it takes connections.
    pub fn start(&self, directory: &Path, core: Option<usize>) -> Result<Instance> {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let port = free_port()?;
        if let Some(class_path) = &self.kafka_class_path {
            format_kafka(class_path, directory, port, &self.settings)?;
        }
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let running = self.run(address, directory, core)?;
        Ok(Instance { running, address, directory: directory.to_owned(), system: self.clone(), core })
    }

    fn run(&self, address: SocketAddr, directory: &Path, core: Option<usize>) -> Result<Running> {
        let cores = core.map(process::pin_to_core).transpose()?;
        let running = Running::start(&self.command, address.port(), directory);
        if let Some(cores) = cores {
            process::run_on(&cores)?;
        }
        let mut running = running?;
        running.wait_until_listening(address, PATIENCE).with_context(|| self.name)?;
        Ok(running)
    }

    /// True when its start needs more than one command on an empty directory.
    pub fn needs_preparation(&self) -> bool {
        self.kafka_class_path.is_some()
    }
}

fn words(program: &Path, arguments: &[&str]) -> Vec<String> {
    std::iter::once(program.display().to_string()).chain(arguments.iter().map(|&word| word.to_owned())).collect()
}

/// A started system. Ended, and its directory removed, when dropped.
pub struct Instance {
    running: Running,
    pub address: SocketAddr,
    directory: PathBuf,
    system: System,
    core: Option<usize>,
}

impl Instance {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Ends it, cleanly.
    pub fn stop(&mut self) {
        self.running.end();
    }

    /// Ends it if it runs, starts it again on what it left, and waits until it takes connections.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.running = self.system.run(self.address, &self.directory, self.core)?;
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.running.end();
        // Scratch: if it stays, it is in nobody's way.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn format_kafka(class_path: &str, directory: &Path, port: u16, settings: &[(String, String)]) -> Result<()> {
    let controller_port = free_port()?;
    let mut properties = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\ncontroller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}/data\n\
         offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         log.segment.delete.delay.ms=1000\n",
        directory.display()
    );
    for (key, value) in settings {
        properties.push_str(&format!("{key}={value}\n"));
    }
    let path = directory.join("server.properties");
    std::fs::write(&path, properties)?;
    let path = path.display().to_string();
    let arguments = ["-cp", class_path, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", &path];
    let status = Command::new("java").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "formatting Apache Kafka's storage failed: {status}");
    Ok(())
}
