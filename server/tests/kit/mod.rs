//! What stories about a whole broker need: a broker in this process with a directory and a clock of its own, and typed clients.
//!
//! The broker listens on a port the system gave it, its clock stands still until a story moves it. It can be stopped and started again
//! on the same directory, or killed: then the next one finds what the page cache held. Nothing here sleeps; a client gives up after
//! [`PATIENCE`], which is reached only when something is broken.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "no test binary uses all of it")]

mod client;
pub mod configs;
mod disks;
pub mod groups;
pub mod life;
mod moody;
mod records;
pub mod transactions;
pub mod txn_offsets;

pub use client::{Client, FetchOne, name};
pub use disks::GatedDisk;
pub use moody::{Mood, MoodyDisk};
pub use records::{BASE_MS, Batch, Seen, seen};

use ottla_server::Broker;
use ottla_server::api::FaultHook;
use ottla_server::broker::{Hooks, StartError};
use ottla_server::clock::Clock;
use ottla_server::config::Config;
use ottla_storage::disk::Disk;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Nothing takes that long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A broker with all it stands on.
pub struct Kit {
    /// The broker's time.
    pub clock: Clock,
    broker: Option<Broker>,
    dir: Arc<TempDir>,
    /// Below `dir`, or a path of the simulated disk.
    data: PathBuf,
    /// Directories below `data`; none means `data` itself.
    dirs: Vec<&'static str>,
    properties: String,
    disk: Option<Arc<dyn Disk>>,
    fault: Option<Arc<dyn FaultHook>>,
    /// Opened when the story ends, however it ends: a broker cannot stop while a sync waits.
    gate: Option<GatedDisk>,
    moods: Option<MoodyDisk>,
}

impl Kit {
    /// A broker with its defaults on an empty directory.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With these lines of `server.properties`.
    pub fn with(properties: &str) -> Self {
        Self::stopped(properties).running()
    }

    /// On this disk instead of the machine's files.
    pub fn on_disk(properties: &str, disk: Arc<dyn Disk>) -> Self {
        let mut kit = Self::stopped(properties);
        kit.disk = Some(disk);
        kit.running()
    }

    /// On the machine's files behind a gate.
    pub fn gated(properties: &str, gate: &GatedDisk) -> Self {
        let mut kit = Self::stopped(properties).simulated(Arc::new(gate.clone()));
        kit.gate = Some(gate.clone());
        kit.running()
    }

    /// This kit on disks with moods, before its first start.
    pub fn moody(mut self, disk: &MoodyDisk) -> Self {
        self.moods = Some(disk.clone());
        self.simulated(Arc::new(disk.clone()))
    }

    /// This kit on a disk, before its first start.
    pub fn simulated(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// This kit with something that happens before each request, before its first start.
    pub fn with_fault(mut self, fault: Arc<dyn FaultHook>) -> Self {
        self.fault = Some(fault);
        self
    }

    /// With several data directories, before its first start.
    pub fn dirs(mut self, dirs: &[&'static str]) -> Self {
        self.dirs = dirs.to_vec();
        self
    }

    /// Not started yet.
    pub fn stopped(properties: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        let data = dir.path().join("data");
        Self {
            clock: Clock::manual(BASE_MS),
            broker: None,
            dir,
            data,
            dirs: Vec::new(),
            properties: properties.to_owned(),
            disk: None,
            fault: None,
            gate: None,
            moods: None,
        }
    }

    fn config(&self) -> Config {
        let dirs: Vec<PathBuf> =
            if self.dirs.is_empty() { vec![self.data.clone()] } else { self.dirs.iter().map(|dir| self.data.join(dir)).collect() };
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        // A disk in memory is not to hold tens of megabytes for nothing.
        let reserve = if self.properties.contains("ottla.disk.reserve.bytes") { "" } else { "ottla.disk.reserve.bytes=0\n" };
        let text = format!("log.dirs={}\nottla.reactors=2\n{reserve}{}\n", dirs.join(","), self.properties);
        let builder = Config::builder().properties(&text, "story").expect("well formed");
        let builder = if self.properties.contains("listeners=") { builder } else { builder.port(0) };
        builder.build().expect("a configuration")
    }

    /// Starts the broker, or says why it does not.
    pub fn try_start(&mut self) -> Result<(), StartError> {
        let hooks = Hooks { disk: self.disk.clone(), fault: self.fault.clone(), ..Hooks::default() };
        self.broker = Some(Broker::start_with(self.config(), self.clock.clone(), hooks)?);
        Ok(())
    }

    /// Started.
    pub fn running(mut self) -> Self {
        self.try_start().expect("a broker");
        self
    }

    /// The broker.
    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("running")
    }

    /// Where the data is.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The address of the n-th listener.
    pub fn address(&self, listener: usize) -> SocketAddr {
        self.broker().bound()[listener].addresses[0]
    }

    /// A client on the first listener.
    pub fn connect(&self) -> Client {
        Client::to(self.address(0))
    }

    /// Stops the broker and records a clean stop.
    pub fn stop(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop();
        }
    }

    /// Stops and starts again, with other properties from now on.
    pub fn restart_with(&mut self, properties: &str) {
        properties.clone_into(&mut self.properties);
        self.restart();
    }

    /// Stops and starts again.
    pub fn restart(&mut self) {
        self.stop();
        self.try_start().expect("a broker");
    }

    /// Goes on as after a kill: with the files as they are this moment, and without a clean stop.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.try_start().expect("a broker");
    }

    /// The broker is gone, the files are what they were the moment before.
    pub fn kill(&mut self) {
        let image = self.dir.path().join(format!("image-{}", uuid::Uuid::new_v4()));
        copy_dir(&self.data, &image);
        self.stop();
        self.data = image;
    }

    /// Another kit on a copy of the data as it is now; its broker does not run yet.
    pub fn image(&self) -> Self {
        let data = self.dir.path().join(format!("image-{}", uuid::Uuid::new_v4()));
        copy_dir(&self.data, &data);
        let (dir, dirs, properties) = (Arc::clone(&self.dir), self.dirs.clone(), self.properties.clone());
        Self {
            clock: Clock::manual(self.clock.now_ms()),
            broker: None,
            dir,
            data,
            dirs,
            properties,
            disk: None,
            fault: None,
            gate: None,
            moods: None,
        }
    }

    /// Another kit on the very same directory.
    pub fn twin(&self) -> Self {
        let (dir, dirs, properties) = (Arc::clone(&self.dir), self.dirs.clone(), self.properties.clone());
        Self {
            clock: self.clock.clone(),
            broker: None,
            dir,
            data: self.data.clone(),
            dirs,
            properties,
            disk: self.disk.clone(),
            fault: self.fault.clone(),
            gate: None,
            moods: None,
        }
    }

    /// Goes on with another disk, as after a crash of the machine.
    pub fn crash_to(&mut self, disk: Arc<dyn Disk>) {
        self.stop();
        self.disk = Some(disk);
        self.try_start().expect("a broker");
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.open();
        }
        if let Some(moods) = &self.moods {
            moods.heal();
        }
        self.stop();
    }
}

/// The broker may run meanwhile, and remove what it deleted.
fn copy_dir(from: &Path, to: &Path) {
    fn there<T>(result: std::io::Result<T>) -> Option<T> {
        match result {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            other => Some(other.expect("readable")),
        }
    }
    std::fs::create_dir_all(to).expect("a directory");
    for entry in there(std::fs::read_dir(from)).into_iter().flatten() {
        let Some(entry) = there(entry) else { continue };
        let target = to.join(entry.file_name());
        if there(entry.file_type()).is_some_and(|kind| kind.is_dir()) {
            copy_dir(&entry.path(), &target);
        } else {
            there(std::fs::copy(entry.path(), target));
        }
    }
}
