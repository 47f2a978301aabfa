//! One of the broker's `log.dirs`: its lock, its identity, its logs by name, its root checkpoints.
//!
//! Two locks, taken in this order: `writer`, which serializes writing the checkpoints and may be held over a sync, then `state`,
//! which is held for a few map operations only.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::names::{LogDirectoryName, LogState};
use super::space::Reserve;
use super::{LogOffsets, METADATA_TOPIC};
use crate::checkpoint::{CheckpointKind, OffsetCheckpoint};
use crate::disk::{Disk, OpenMode, Watch, WholeDisk, read_file};
use crate::meta::{CleanShutdown, read_topic_id};
use crate::{LogId, Offset, StorageError};

/// The checkpoints that the manager keeps.
pub(super) const KEPT: [CheckpointKind; 4] = CheckpointKind::ALL;

/// Our own file in a data directory; Kafka ignores it.
const CACHE_LIFE: &str = ".ottla_page_cache";
const CACHE_LIFE_SIZE_BYTES_MAX: u64 = 1024;

/// One data directory.
#[derive(Debug)]
pub struct DataDir {
    pub(super) path: PathBuf,
    pub(super) id: Uuid,
    pub(super) clean: Option<CleanShutdown>,
    /// The page cache is not the one of the run before: what that run had written and not synced is lost, in part, in any order.
    pub(super) machine_stopped: bool,
    /// Held until the directory is given up.
    pub(super) lock: Mutex<Option<Box<dyn Debug + Send + Sync>>>,
    whole_disk: Option<Box<dyn WholeDisk>>,
    pub(super) writer: Mutex<()>,
    watch: Arc<Watch>,
    pub(super) reserve: Reserve,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offline: Option<String>,
    logs: BTreeMap<String, KnownLog>,
    others: Vec<FoundLog>,
    /// A log was closed that could not be vouched for.
    in_doubt: bool,
    checkpoints: [Kept; KEPT.len()],
}

#[derive(Debug)]
struct KnownLog {
    topic: String,
    partition: i32,
    topic_id: Option<Uuid>,
    /// Opened since the start, so that what a crash left there has been repaired.
    opened: bool,
}

/// A checkpoint as it should be, and as it is known to be on disk.
#[derive(Clone, Debug, Default)]
struct Kept {
    wanted: OffsetCheckpoint,
    on_disk: Option<OffsetCheckpoint>,
}

/// A log that was found in a data directory at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLog {
    /// The data directory.
    pub root: PathBuf,
    /// Name of the log's directory in it.
    pub directory: String,
    /// The topic's name.
    pub topic: String,
    /// The topic's id, when a `partition.metadata` says it.
    pub topic_id: Option<Uuid>,
    /// The partition.
    pub partition: i32,
    /// What becomes of it.
    pub state: LogState,
}

impl DataDir {
    pub(super) fn new(
        path: PathBuf,
        id: Uuid,
        lock: Box<dyn Debug + Send + Sync>,
        whole_disk: Option<Box<dyn WholeDisk>>,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            watch,
            reserve: Reserve::default(),
            path,
            id,
            clean: None,
            machine_stopped: true,
            lock: Mutex::new(Some(lock)),
            whole_disk,
            writer: Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// A directory that could not be used at the start.
    pub(super) fn offline(path: PathBuf, id: Option<Uuid>, reason: String) -> Self {
        let state = State { offline: Some(reason), ..State::default() };
        Self {
            watch: Arc::default(),
            reserve: Reserve::default(),
            path,
            id: id.unwrap_or_default(),
            clean: None,
            machine_stopped: true,
            lock: Mutex::default(),
            whole_disk: None,
            writer: Mutex::default(),
            state: Mutex::new(state),
        }
    }

    /// Takes the clean-stop marker, reads the checkpoints and the names of the logs.
    pub(super) fn load(&mut self, disk: &dyn Disk, warnings: &mut Vec<StorageError>) -> Result<(), StorageError> {
        self.clean = CleanShutdown::take(disk, &self.path)?;
        if self.clean.is_none() {
            // What a killed process renamed is seen here but need not be durable, and is about to be relied on.
            disk.sync_dir(&self.path).map_err(|error| StorageError::io("sync directory", &self.path, error))?;
        }
        self.machine_stopped = begin_cache_life(disk, &self.path);
        let mut state = State::default();
        for entry in disk.list(&self.path).map_err(|error| StorageError::io("list", &self.path, error))? {
            if !entry.is_dir || entry.name == "remote-log-index-cache" {
                continue;
            }
            let Some(name) = LogDirectoryName::parse(&entry.name) else {
                let reason = "not the name of a log's directory; left alone".to_owned();
                warnings.push(StorageError::Refused { path: self.path.join(entry.name), reason });
                continue;
            };
            if name.topic == METADATA_TOPIC {
                continue;
            }
            let LogDirectoryName { topic, partition, state: log_state } = name;
            let topic_id = match read_topic_id(disk, &self.path.join(&entry.name)) {
                Ok(topic_id) => topic_id,
                Err(warning) => {
                    warnings.push(warning);
                    None
                }
            };
            if log_state == LogState::Current {
                state.logs.insert(entry.name, KnownLog { topic, partition, topic_id, opened: false });
            } else {
                let root = self.path.clone();
                state.others.push(FoundLog { root, directory: entry.name, topic, topic_id, partition, state: log_state });
            }
        }
        for (kept, kind) in state.checkpoints.iter_mut().zip(KEPT) {
            let (read, warning) = OffsetCheckpoint::read(disk, &self.path, kind);
            for (topic, partition, offset) in
                read.iter().filter(|(topic, partition, _)| state.logs.contains_key(&directory(topic, *partition)))
            {
                kept.wanted.set(topic, partition, offset);
            }
            kept.on_disk = warning.is_none().then_some(read);
            warnings.extend(warning);
        }
        self.state = Mutex::new(state);
        Ok(())
    }

    /// Where the directory is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's own id (KIP-858).
    #[must_use]
    pub fn directory_id(&self) -> Uuid {
        self.id
    }

    /// What goes wrong below the directory.
    #[must_use]
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// What the last clean stop left; `None` when the last stop was not clean.
    #[must_use]
    pub fn clean_shutdown(&self) -> Option<CleanShutdown> {
        self.clean
    }

    /// Why the directory is offline; `None` when it is not.
    #[must_use]
    pub fn offline_reason(&self) -> Option<String> {
        self.state().offline.clone()
    }

    /// Number of logs in use.
    #[must_use]
    pub fn log_count(&self) -> usize {
        self.state().logs.len()
    }

    pub(super) fn is_online(&self) -> bool {
        self.state().offline.is_none()
    }

    pub(super) fn fail(&self, reason: &str) {
        self.state().offline.get_or_insert_with(|| reason.to_owned());
    }

    pub(super) fn found(&self) -> Vec<FoundLog> {
        let state = self.state();
        let current = state.logs.iter().map(|(directory, log)| FoundLog {
            root: self.path.clone(),
            directory: directory.clone(),
            topic: log.topic.clone(),
            topic_id: log.topic_id,
            partition: log.partition,
            state: LogState::Current,
        });
        current.chain(state.others.iter().cloned()).collect()
    }

    /// The topic id of a log, if there is such a log.
    pub(super) fn topic_id(&self, topic: &str, partition: i32) -> Option<Option<Uuid>> {
        self.state().logs.get(&directory(topic, partition)).map(|log| log.topic_id)
    }

    pub(super) fn holds(&self, topic: &str, partition: i32) -> bool {
        self.topic_id(topic, partition).is_some()
    }

    pub(super) fn insert(&self, id: &LogId) {
        let log = KnownLog { topic: id.topic.clone(), partition: id.partition, topic_id: Some(id.topic_id), opened: false };
        self.state().logs.insert(id.directory_name(), log);
    }

    pub(super) fn mark_opened(&self, id: &LogId) {
        if let Some(log) = self.state().logs.get_mut(&id.directory_name()) {
            log.opened = true;
        }
    }

    /// Forgets a log and its offsets.
    pub(super) fn remove(&self, topic: &str, partition: i32) {
        let mut state = self.state();
        state.logs.remove(&directory(topic, partition));
        for kept in &mut state.checkpoints {
            kept.wanted.remove(topic, partition);
        }
    }

    /// A log is closed of which nobody knows what the disk holds: the next start has to look.
    pub(super) fn leave_in_doubt(&self) {
        self.state().in_doubt = true;
    }

    /// Every log that was there has been opened, or there was nothing to repair; and none is left in doubt.
    pub(super) fn is_repaired(&self) -> bool {
        let state = self.state();
        !state.in_doubt && (self.clean.is_some() || state.logs.values().all(|log| log.opened))
    }

    /// The checkpointed offset of a log.
    pub(super) fn offset(&self, kind: CheckpointKind, topic: &str, partition: i32) -> Option<Offset> {
        let at = KEPT.iter().position(|kept| *kept == kind)?;
        self.state().checkpoints[at].wanted.offset(topic, partition)
    }

    /// Takes over the offsets of a log that lives here. Those of an earlier log of that name come too late.
    pub(super) fn note(&self, kind: CheckpointKind, log: &LogOffsets) {
        let Some(at) = KEPT.iter().position(|kept| *kept == kind) else { return };
        let mut state = self.state();
        let known = state.logs.get(&log.id.directory_name());
        if known.is_none_or(|known| known.topic_id.is_some_and(|topic_id| topic_id != log.id.topic_id)) {
            return;
        }
        let wanted = &mut state.checkpoints[at].wanted;
        let (topic, partition) = (log.id.topic.as_str(), log.id.partition);
        match kind {
            CheckpointKind::RecoveryPoint => wanted.set(topic, partition, log.recovery_point),
            CheckpointKind::Replication => wanted.set(topic, partition, log.high_watermark),
            // Kafka leaves out what the name of the first segment says anyway.
            CheckpointKind::LogStartOffset if log.log_start_offset.0 > 0 => wanted.set(topic, partition, log.log_start_offset),
            CheckpointKind::LogStartOffset => wanted.remove(topic, partition),
            // A log does not know how far it was cleaned: see `set_cleaned`.
            CheckpointKind::Cleaner => {}
        }
    }

    /// Notes up to where a log that lives here was cleaned. False when it is gone.
    pub(super) fn set_cleaned(&self, id: &LogId, first_dirty: Offset) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let is_here = state.logs.get(&id.directory_name()).is_some_and(|known| known.topic_id == Some(id.topic_id));
        for (kept, _) in state.checkpoints.iter_mut().zip(KEPT).filter(|(_, kind)| is_here && *kind == CheckpointKind::Cleaner) {
            kept.wanted.set(&id.topic, id.partition, first_dirty);
        }
        is_here
    }

    /// Takes over all offsets of a log.
    pub(super) fn note_all(&self, log: &LogOffsets) {
        KEPT.into_iter().for_each(|kind| self.note(kind, log));
    }

    /// Makes everything on this directory's disk durable.
    pub(super) fn sync_disk(&self) -> Result<(), StorageError> {
        let failed = |error| StorageError::io("sync the disk of", &self.path, error);
        self.whole_disk.as_ref().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?.sync().map_err(failed)
    }

    /// Writes a checkpoint when it differs from what is on disk.
    pub(super) fn write_checkpoint(&self, disk: &dyn Disk, kind: CheckpointKind) -> Result<(), StorageError> {
        let Some(at) = KEPT.iter().position(|kept| *kept == kind) else { return Ok(()) };
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = {
            let state = self.state();
            let kept = &state.checkpoints[at];
            if kept.on_disk.as_ref() == Some(&kept.wanted) {
                return Ok(());
            }
            kept.wanted.clone()
        };
        // After a failure either text may be the one on disk.
        self.state().checkpoints[at].on_disk = None;
        wanted.write(disk, &self.path, kind)?;
        self.state().checkpoints[at].on_disk = Some(wanted);
        Ok(())
    }

    /// Makes sure that no checkpoint on disk speaks of an earlier log of this name.
    pub(super) fn forget_on_disk(&self, disk: &dyn Disk, topic: &str, partition: i32) -> Result<(), StorageError> {
        for (at, kind) in KEPT.into_iter().enumerate() {
            let speaks = {
                let mut state = self.state();
                let kept = &mut state.checkpoints[at];
                kept.wanted.remove(topic, partition);
                kept.on_disk.as_ref().is_none_or(|on_disk| on_disk.offset(topic, partition).is_some())
            };
            if speaks {
                self.write_checkpoint(disk, kind)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single map operation, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes which life of the page cache this run belongs to. True when the run before belonged to another, or nobody knows.
///
/// Not synced: when the note is lost, so is the page cache that it speaks of.
fn begin_cache_life(disk: &dyn Disk, root: &Path) -> bool {
    let path = root.join(CACHE_LIFE);
    let Some(now) = disk.cache_life() else { return true };
    let before = read_file(disk, &path, CACHE_LIFE_SIZE_BYTES_MAX).ok().flatten();
    if before.as_deref() == Some(now.as_bytes()) {
        return false;
    }
    let written = disk.open(&path, OpenMode::Truncate).and_then(|file| file.write_all_at(&[now.as_bytes()], 0));
    if let Err(error) = written {
        tracing::warn!("{}: {error}; the next start will take a crash for a power loss", path.display());
    }
    true
}

fn directory(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}
