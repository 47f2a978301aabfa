//! Looks after the data directories: one thread each, so that a disk that hangs holds back nobody else's chores.
//!
//! What storage meets below a directory wakes its keeper, which also comes by once a second:
//!
//! | seen | what happens | how it ends |
//! |---|---|---|
//! | no space | the reserve is freed, clients' records are refused (KAFKA_STORAGE_ERROR), retention is enforced and deleted segments are removed at once | there is room for twice the reserve |
//! | read-only | writes are refused one by one, reads go on | a probe can be written |
//! | EIO and the like | the log that met it decides for itself; when a probe fails too, or the directory is gone, all its partitions go offline, which the metadata log records | the next start |
//!
//! Nobody retries a failed sync: a log that lost one stays offline until the next start, whatever the probe says.

use crate::background::{Round, checkpoints};
use crate::broker::Node;
use ottla_coordinator::metadata::DirectoryId;
use ottla_storage::disk::{Seen, Trouble};
use ottla_storage::manager::DataDir;
use ottla_storage::{CheckpointKind, Millis, StorageError};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(1);
/// Between two looks.
const REST: Duration = Duration::from_millis(50);
/// How often retention is enforced in a full directory, over and above its own rounds.
const RELIEF_MS: i64 = 30_000;

/// The threads.
#[derive(Debug)]
pub(crate) struct Keepers {
    bells: Vec<Arc<Bell>>,
    threads: Vec<JoinHandle<()>>,
}

/// Wakes a keeper.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    look: bool,
    stop: bool,
}

impl Bell {
    fn rung(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, stop: bool) {
        let mut rung = self.rung();
        rung.look = true;
        rung.stop |= stop;
        self.changed.notify_all();
    }

    /// Returns when it was rung, or after a tick. False: stop.
    fn wait(&self) -> bool {
        // A disk that fails a thousand times a second need not be looked at as often.
        let rest = self.changed.wait_timeout_while(self.rung(), REST, |rung| !rung.stop);
        let (rung, _) = rest.unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self.changed.wait_timeout_while(rung, TICK, |rung| !rung.look).unwrap_or_else(PoisonError::into_inner);
        rung.look = false;
        !rung.stop
    }
}

impl Keepers {
    pub(crate) fn start(node: &Arc<Node>) -> io::Result<Self> {
        let mut keepers = Self { bells: Vec::new(), threads: Vec::new() };
        for (index, dir) in node.published.registry.manager().dirs().iter().enumerate() {
            let bell = Arc::new(Bell::default());
            let listener = Arc::clone(&bell);
            dir.watch().listen(move || listener.ring(false));
            let mut keeper = Keeper::new(Arc::clone(node), index);
            let rung = Arc::clone(&bell);
            keepers.bells.push(bell);
            keepers.threads.push(std::thread::Builder::new().name(format!("ottla-disk-{index}")).spawn(move || {
                while rung.wait() {
                    keeper.look();
                }
            })?);
        }
        Ok(keepers)
    }

    /// Ends the threads, each after what it is at.
    pub(crate) fn stop(self) {
        self.bells.iter().for_each(|bell| bell.ring(true));
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread that looks after a data directory panicked");
            }
        }
    }
}

/// Looks after one directory.
struct Keeper {
    node: Arc<Node>,
    index: usize,
    checkpoints: Round,
    log_starts: Round,
    relief: Round,
    read_only: bool,
}

impl Keeper {
    fn new(node: Arc<Node>, index: usize) -> Self {
        let now_ms = node.clock.now_ms();
        Self {
            index,
            checkpoints: Round::new(node.config.flush_offset_checkpoint_interval_ms(), now_ms),
            log_starts: Round::new(node.config.flush_start_offset_checkpoint_interval_ms(), now_ms),
            relief: Round::new(RELIEF_MS, now_ms),
            read_only: false,
            node,
        }
    }

    fn look(&mut self) {
        let node = Arc::clone(&self.node);
        let Some(dir) = node.published.registry.manager().dirs().get(self.index) else { return };
        if dir.offline_reason().is_some() {
            return;
        }
        let seen = dir.watch().take();
        if seen.no_space {
            self.no_space(dir);
        }
        self.read_only |= seen.read_only;
        // A directory that is gone says nothing of itself as long as nobody opens a file in it.
        if seen.failing.is_some() || self.read_only || seen.read_only || !node.published.registry.manager().is_there(dir) {
            self.probe(dir, seen.failing.clone());
        }
        if dir.offline_reason().is_some() {
            return;
        }
        self.relieve(dir);
        let now_ms = node.clock.now_ms();
        if self.checkpoints.due(now_ms) {
            checkpoints::write_in(&node, self.index, &[CheckpointKind::RecoveryPoint, CheckpointKind::Replication]);
        }
        if self.log_starts.due(now_ms) {
            checkpoints::write_in(&node, self.index, &[CheckpointKind::LogStartOffset]);
        }
        let well = !dir.is_full() && !self.read_only && seen == Seen::default();
        if well && node.published.registry.has_unopened() {
            node.controller.post(|runtime| runtime.open_again());
        }
    }

    fn no_space(&mut self, dir: &DataDir) {
        if self.node.published.registry.manager().give_up_reserve(dir) {
            tracing::error!(
                dir = %dir.path().display(),
                "the disk is full: records of clients are refused until there is room, reads and deletions go on"
            );
            self.delete_what_may_go();
        }
    }

    /// Makes room as far as retention allows, and ends the emergency when there is some.
    fn relieve(&mut self, dir: &DataDir) {
        match self.node.published.registry.manager().restore_reserve(dir) {
            Ok(true) => {
                tracing::info!(dir = %dir.path().display(), "the disk has room again; records of clients are taken");
                self.node.controller.post(|runtime| runtime.open_again());
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "the reserve cannot be taken back yet"),
        }
        if dir.is_full() && self.relief.due(self.node.clock.now_ms()) {
            self.delete_what_may_go();
        }
    }

    fn delete_what_may_go(&self) {
        let now = Millis(self.node.clock.now_ms());
        for partition in self.node.published.registry.in_dir(self.index) {
            if let Err(error) = partition.enforce_retention(now) {
                tracing::debug!(log = %partition.id(), %error, "nothing could be deleted");
            }
            // Readers keep the files they hold; nobody else needs the delay.
            partition.remove_deleted_files(Millis(i64::MAX));
        }
        checkpoints::write_in(&self.node, self.index, &[CheckpointKind::LogStartOffset]);
    }

    fn probe(&mut self, dir: &DataDir, failing: Option<String>) {
        let registry = &self.node.published.registry;
        let was_read_only = self.read_only;
        let error = match registry.manager().probe(dir) {
            Ok(()) => {
                if std::mem::take(&mut self.read_only) {
                    tracing::info!(dir = %dir.path().display(), "can be written again");
                }
                return;
            }
            Err(error) => error,
        };
        match &error {
            StorageError::Io { source, .. } if Trouble::of(source) == Some(Trouble::NoSpace) => {}
            StorageError::Io { source, .. } if Trouble::of(source) == Some(Trouble::ReadOnly) => {
                self.read_only = true;
                if !was_read_only {
                    tracing::error!(dir = %dir.path().display(), %error, "the disk is read-only: reads go on, writes are refused until it is not");
                }
            }
            _ => {
                let reason = match failing {
                    Some(first) => format!("{first}; then {error}"),
                    None => error.to_string(),
                };
                self.fail(dir, &reason);
            }
        }
    }

    fn fail(&self, dir: &DataDir, reason: &str) {
        let registry = &self.node.published.registry;
        let count = registry.fail_dir(self.index, reason);
        tracing::error!(
            dir = %dir.path().display(),
            reason,
            partitions = count,
            "the data directory has failed; its partitions are offline until the broker restarts"
        );
        if registry.manager().metadata_dir() == dir.path() {
            tracing::error!("it holds the metadata log: no topic or configuration can change until the broker restarts");
        }
        let directory = DirectoryId(dir.directory_id());
        self.node.controller.post(move |runtime| runtime.directory_failed(directory));
    }
}
