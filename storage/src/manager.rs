//! The broker's data directories: whose they are, which logs lie in them, what is remembered about those across a restart.
//!
//! `server` has one [`LogManager`] per broker and shares it; every method takes `&self`. Methods that touch the disk may block and are
//! to be called where blocking is allowed. The manager opens, creates and removes logs but does not hold them: who uses a log owns it,
//! and tells its offsets when checkpoints are to be written.
//!
//! It promises: a directory is used by one process at a time, and only by the node and cluster it belongs to; a clean stop is recorded
//! only after everything else is durable and forgotten as soon as the next start sees it; no checkpoint speaks of an earlier log of
//! the same name.
//!
//! `__cluster_metadata-0` lies in the metadata directory. It is opened with [`LogManager::open_metadata_log`], has no entry in the root
//! checkpoints and is always recovered from its beginning, as in Kafka: it may be written after the data logs have been closed.

mod data_dir;
mod names;
mod opening;
mod space;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use uuid::Uuid;

pub use data_dir::{DataDir, FoundLog};
pub use names::{LogDirectoryName, LogState};

use crate::checkpoint::CheckpointKind;
use crate::disk::{Disk, Space, Watch, WatchedDisk};
use crate::log::{LogConfig, OpenOptions, PartitionLog, RecoveryReport};
use crate::meta::{CleanShutdown, read_topic_id, sync_topic_id, write_topic_id, write_topic_id_unsynced};
use crate::{LogId, Millis, Offset, StorageError, uuid_to_text};
use data_dir::KEPT;
use names::leaving_name;
use opening::{Opening, create_dir_durably};

/// The topic of the metadata log; never listed among the logs.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// The id of the metadata topic.
pub const METADATA_TOPIC_ID: Uuid = Uuid::from_u128(1);

/// Up to so many logs are synced one by one, where it is one kind of sync or the other. A sync costs from 0.1 to 2 ms, four of them a
/// log; one of the whole disk costs as much as all that others have written there.
const LOGS_SYNCED_SINGLY_MAX: usize = 64;

/// Which directories, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogManagerConfig {
    /// `log.dirs`.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`; the first of `log_dirs` when not given.
    pub metadata_log_dir: Option<PathBuf>,
    /// `node.id`.
    pub node_id: i32,
    /// The cluster the directories must belong to; when not given, what they say, or a new one.
    pub cluster_id: Option<String>,
}

/// What is remembered of one log across a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    /// The log.
    pub id: LogId,
    /// Below it everything is durable.
    pub recovery_point: Offset,
    /// The first offset that may be read.
    pub log_start_offset: Offset,
    /// The high watermark.
    pub high_watermark: Offset,
}

impl LogOffsets {
    /// The offsets of a log now.
    #[must_use]
    pub fn of(log: &PartitionLog) -> Self {
        Self {
            id: log.id().clone(),
            recovery_point: log.recovery_point(),
            log_start_offset: log.log_start_offset(),
            high_watermark: log.high_watermark(),
        }
    }
}

/// The files of a deleted log, which may be removed whenever nobody reads them any more.
#[derive(Debug)]
#[must_use = "the files stay until the job has run"]
pub struct DeletionJob {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl DeletionJob {
    /// The directory that goes.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the files. What is left by a crash is found again at the next start.
    pub fn run(self) -> Result<(), StorageError> {
        match self.disk.remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StorageError::io("remove", self.path, error)),
            _ => Ok(()),
        }
    }
}

/// The broker's data directories.
#[derive(Debug)]
pub struct LogManager {
    /// Tells each directory's watch what goes wrong below it.
    disk: Arc<dyn Disk>,
    /// The same, for looks of our own.
    raw: Arc<dyn Disk>,
    dirs: Vec<DataDir>,
    metadata_dir: usize,
    cluster_id: String,
    node_id: i32,
    warnings: Vec<StorageError>,
}

impl LogManager {
    /// Locks the directories, makes sure they are ours or makes them ours when they are new, and looks what is in them.
    ///
    /// A directory that fails is left out as offline, unless it is the only one or holds the metadata. `fresh_id` gives a new random id
    /// each time.
    pub fn open(disk: Arc<dyn Disk>, config: &LogManagerConfig, fresh_id: &mut dyn FnMut() -> Uuid) -> Result<Self, StorageError> {
        let mut paths = config.log_dirs.clone();
        let metadata_path = config.metadata_log_dir.clone().or_else(|| paths.first().cloned());
        let Some(metadata_path) = metadata_path else {
            return Err(StorageError::Refused { path: PathBuf::new(), reason: "log.dirs names no directory".into() });
        };
        if !paths.contains(&metadata_path) {
            paths.push(metadata_path.clone());
        }
        for (at, path) in paths.iter().enumerate() {
            if paths[..at].contains(path) {
                return Err(StorageError::Refused { path: path.clone(), reason: "named twice in log.dirs".into() });
            }
        }
        let raw = disk;
        let watches: Vec<(PathBuf, Arc<Watch>)> = paths.iter().map(|path| (path.clone(), Arc::default())).collect();
        let disk: Arc<dyn Disk> = Arc::new(WatchedDisk::new(Arc::clone(&raw), watches.clone()));
        let mut opening = Opening::new(&*disk, metadata_path.clone());
        for (path, watch) in watches {
            opening.enter(path, watch)?;
        }
        let cluster_id = opening.agree(config, fresh_id)?;
        opening.settle(&cluster_id, config.node_id, fresh_id)?;
        let (dirs, warnings) = opening.load()?;
        let metadata_dir = dirs.iter().position(|dir| dir.path == metadata_path).unwrap_or(0);
        let manager = Self { disk, raw, dirs, metadata_dir, cluster_id, node_id: config.node_id, warnings };
        manager.refuse_doubles()?;
        Ok(manager)
    }

    /// The cluster the directories belong to.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The node the directories belong to.
    #[must_use]
    pub fn node_id(&self) -> i32 {
        self.node_id
    }

    /// The data directories, in the order of the configuration.
    #[must_use]
    pub fn dirs(&self) -> &[DataDir] {
        &self.dirs
    }

    /// The disk that the directories lie on, watched over.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    /// The data directory that a path is or lies in.
    #[must_use]
    pub fn dir_holding(&self, path: &Path) -> Option<(usize, &DataDir)> {
        let above = self.dirs.iter().enumerate().filter(|(_, dir)| path.starts_with(&dir.path));
        above.max_by_key(|(_, dir)| dir.path.as_os_str().len())
    }

    /// Where `__cluster_metadata-0` lies.
    #[must_use]
    pub fn metadata_dir(&self) -> &Path {
        &self.dirs[self.metadata_dir].path
    }

    /// The broker epoch of a run that stopped cleanly in every directory; `None` after a crash.
    #[must_use]
    pub fn previous_broker_epoch(&self) -> Option<i64> {
        let epochs: Option<Vec<i64>> = self.dirs.iter().map(|dir| dir.clean?.broker_epoch).collect();
        epochs?.into_iter().min()
    }

    /// What was odd at the start, one entry each: unreadable checkpoints, unknown directories, directories offline.
    #[must_use]
    pub fn warnings(&self) -> &[StorageError] {
        &self.warnings
    }

    /// Size and free space of a directory's disk.
    pub fn space(&self, dir: &DataDir) -> Result<Space, StorageError> {
        self.disk.space(&dir.path).map_err(|error| StorageError::io("ask for the free space of", &dir.path, error))
    }

    /// All logs, in use or on their way out, but for the metadata log.
    #[must_use]
    pub fn logs(&self) -> Vec<FoundLog> {
        self.dirs.iter().filter(|dir| dir.is_online()).flat_map(DataDir::found).collect()
    }

    /// The data directory that holds a log.
    #[must_use]
    pub fn dir_of(&self, topic: &str, partition: i32) -> Option<&DataDir> {
        self.dirs.iter().find(|dir| dir.holds(topic, partition))
    }

    /// The high watermark that was remembered for a log. It may lie outside the log after a crash.
    #[must_use]
    pub fn checkpointed_high_watermark(&self, id: &LogId) -> Option<Offset> {
        self.dir_of(&id.topic, id.partition)?.offset(CheckpointKind::Replication, &id.topic, id.partition)
    }

    /// Up to where a log was cleaned; `None` when it never was. It may lie outside the log.
    #[must_use]
    pub fn cleaner_checkpoint(&self, id: &LogId) -> Option<Offset> {
        self.dir_of(&id.topic, id.partition)?.offset(CheckpointKind::Cleaner, &id.topic, id.partition)
    }

    /// Remembers, durably, up to where a log is clean; of a log that is gone nothing. It is forgotten with the log. Whoever truncates a
    /// log below it sets it back.
    pub fn set_cleaner_checkpoint(&self, id: &LogId, first_dirty: Offset) -> Result<(), StorageError> {
        match self.dir_of(&id.topic, id.partition) {
            Some(dir) if dir.set_cleaned(id, first_dirty) => dir.write_checkpoint(&*self.disk, CheckpointKind::Cleaner),
            _ => Ok(()),
        }
    }

    /// Opens a log that is there. A log without a topic id (of an old Kafka, or half created) is given this one; a log with another is refused.
    pub fn open_log(&self, id: &LogId, config: Arc<LogConfig>, now: Millis) -> Result<(PartitionLog, RecoveryReport), StorageError> {
        let Some(dir) = self.dir_of(&id.topic, id.partition) else {
            let source = io::Error::from(io::ErrorKind::NotFound);
            return Err(StorageError::io("open log", id.directory_name(), source));
        };
        self.refuse_offline(dir)?;
        match dir.topic_id(&id.topic, id.partition).flatten() {
            Some(topic_id) if topic_id == id.topic_id => {}
            Some(topic_id) => {
                let path = dir.path.join(id.directory_name());
                let reason = format!("belongs to topic id {}, not {}", uuid_to_text(topic_id), uuid_to_text(id.topic_id));
                return Err(StorageError::Refused { path, reason });
            }
            None => {
                write_topic_id(&*self.disk, &dir.path.join(id.directory_name()), id.topic_id)?;
                dir.insert(id);
            }
        }
        let offset = |kind| dir.offset(kind, &id.topic, id.partition).unwrap_or_default();
        let how = OpenOptions {
            clean: dir.clean.is_some(),
            machine_stopped: dir.machine_stopped,
            recovery_point: offset(CheckpointKind::RecoveryPoint),
            log_start_offset: offset(CheckpointKind::LogStartOffset),
            now,
        };
        let (log, report) = PartitionLog::open(Arc::clone(&self.disk), &dir.path, id.clone(), config, how)?;
        if log.recovery_point() < how.recovery_point {
            // A truncation was cut short before its checkpoint. Nothing may be appended while the disk says that it is safe already.
            dir.note(CheckpointKind::RecoveryPoint, &LogOffsets::of(&log));
            dir.write_checkpoint(&*self.disk, CheckpointKind::RecoveryPoint)?;
        }
        dir.mark_opened(id);
        Ok((log, report))
    }

    /// Creates a log, in the directory of that id or else in the one with the fewest logs. There must be none of that name.
    pub fn create_log(
        &self,
        id: &LogId,
        directory_id: Option<Uuid>,
        config: Arc<LogConfig>,
        now: Millis,
    ) -> Result<PartitionLog, StorageError> {
        let mut log = self.create_log_unsynced(id, directory_id, config, now)?;
        self.sync_created(&mut [&mut log])?;
        Ok(log)
    }

    /// As [`LogManager::create_log`], but nothing is durable, and nothing may be appended, before [`LogManager::sync_created`].
    pub fn create_log_unsynced(
        &self,
        id: &LogId,
        directory_id: Option<Uuid>,
        config: Arc<LogConfig>,
        now: Millis,
    ) -> Result<PartitionLog, StorageError> {
        if let Some(dir) = self.dir_of(&id.topic, id.partition) {
            let path = dir.path.join(id.directory_name());
            return Err(StorageError::Refused { path, reason: "a log of this name is there already".into() });
        }
        let online = self.dirs.iter().filter(|dir| dir.is_online());
        let dir = match directory_id {
            Some(directory_id) => online.clone().find(|dir| dir.id == directory_id),
            None => None,
        };
        let Some(dir) = dir.or_else(|| online.min_by_key(|dir| (dir.is_full(), dir.log_count()))) else {
            return Err(StorageError::Offline { log: id.to_string(), reason: "every data directory is offline".into() });
        };
        dir.forget_on_disk(&*self.disk, &id.topic, id.partition)?;
        let path = dir.path.join(id.directory_name());
        self.disk.create_dir_all(&path).map_err(|error| StorageError::io("create", &path, error))?;
        dir.insert(id);
        write_topic_id_unsynced(&*self.disk, &path, id.topic_id)?;
        let log = PartitionLog::create(Arc::clone(&self.disk), &dir.path, id.clone(), config, now)?;
        dir.mark_opened(id);
        Ok(log)
    }

    /// Makes new logs durable, before anything is appended to them; many of them with one sync of the disk. A log of which that cannot
    /// be said is offline afterwards; the first error is returned.
    pub fn sync_created(&self, logs: &mut [&mut PartitionLog]) -> Result<(), StorageError> {
        let mut result = Ok(());
        for dir in &self.dirs {
            let mut here: Vec<&mut &mut PartitionLog> =
                logs.iter_mut().filter(|log| log.dir().parent() == Some(dir.path.as_path())).collect();
            if here.is_empty() {
                continue;
            }
            let synced = if here.len() > LOGS_SYNCED_SINGLY_MAX {
                dir.sync_disk()
            } else {
                // The names in the data directory come last.
                here.iter()
                    .try_for_each(|log| sync_topic_id(&*self.disk, log.dir()).and_then(|()| log.sync_creation()))
                    .and_then(|()| self.sync_root(dir))
            };
            if let Err(error) = synced {
                here.iter_mut().for_each(|log| log.fail(&error.to_string()));
                result = result.and(Err(error));
            }
        }
        result
    }

    /// Opens or creates `__cluster_metadata-0`.
    pub fn open_metadata_log(&self, config: Arc<LogConfig>, now: Millis) -> Result<(PartitionLog, RecoveryReport), StorageError> {
        let id = LogId { topic: METADATA_TOPIC.to_owned(), topic_id: METADATA_TOPIC_ID, partition: 0 };
        let root = self.metadata_dir();
        let path = root.join(id.directory_name());
        create_dir_durably(&*self.disk, &path)?;
        if read_topic_id(&*self.disk, &path)?.is_none() {
            write_topic_id(&*self.disk, &path, id.topic_id)?;
        }
        let how = OpenOptions {
            clean: false,
            machine_stopped: self.dirs[self.metadata_dir].machine_stopped,
            recovery_point: Offset(0),
            log_start_offset: Offset(0),
            now,
        };
        PartitionLog::open(Arc::clone(&self.disk), root, id, config, how)
    }

    /// Takes a log out of use for good: its directory is renamed, its name free again, its offsets forgotten. Whoever owns the open log
    /// drops it; readers that hold its files keep them until the job has run, and after it.
    pub fn delete_log(&self, id: &LogId, unique: Uuid) -> Result<DeletionJob, StorageError> {
        self.delete_logs([(id, unique)]).into_iter().next().unwrap_or_else(|| Err(no_such_log(&id.topic, id.partition)))
    }

    /// As [`LogManager::delete_log`] for each of these, in their order, with one sync for all of a data directory.
    pub fn delete_logs<'l>(&self, logs: impl IntoIterator<Item = (&'l LogId, Uuid)>) -> Vec<Result<DeletionJob, StorageError>> {
        let renamed = logs.into_iter().map(|(id, unique)| self.rename_away(&id.topic, id.partition, unique, LogState::Deleted));
        let mut jobs: Vec<Result<DeletionJob, StorageError>> =
            renamed.map(|path| path.map(|path| DeletionJob { disk: Arc::clone(&self.disk), path })).collect();
        for dir in &self.dirs {
            let mut here =
                jobs.iter_mut().filter(|job| job.as_ref().is_ok_and(|job| job.path.parent() == Some(dir.path.as_path()))).peekable();
            if here.peek().is_some()
                && let Err(error) = self.sync_root(dir)
            {
                let reason = error.to_string();
                here.for_each(|job| *job = Err(StorageError::Offline { log: dir.path.display().to_string(), reason: reason.clone() }));
            }
        }
        jobs
    }

    /// Puts a log aside that belongs to no topic of this broker. Its files stay.
    pub fn mark_stray(&self, topic: &str, partition: i32, unique: Uuid) -> Result<(), StorageError> {
        let dir = self.dir_of(topic, partition).ok_or_else(|| no_such_log(topic, partition))?;
        self.rename_away(topic, partition, unique, LogState::Stray)?;
        self.sync_root(dir)
    }

    /// The logs that were deleted before the last stop and whose files are still there.
    pub fn pending_deletions(&self) -> Vec<DeletionJob> {
        let deleted = self.logs().into_iter().filter(|log| log.state == LogState::Deleted);
        deleted.map(|log| DeletionJob { disk: Arc::clone(&self.disk), path: log.root.join(log.directory) }).collect()
    }

    /// Writes the root checkpoints of the given kinds where anything changed. Logs that are not named keep their last offsets.
    ///
    /// After a truncation below a log's recovery point this must succeed before the log is appended to again.
    /// Every directory is tried; the first error is returned.
    pub fn write_checkpoints(&self, kinds: &[CheckpointKind], logs: impl IntoIterator<Item = LogOffsets>) -> Result<(), StorageError> {
        self.note_offsets(kinds, logs);
        let mut result = Ok(());
        for dir in self.dirs.iter().filter(|dir| dir.is_online()) {
            result = result.and(self.write_checkpoints_in(dir, kinds));
        }
        result
    }

    /// As [`LogManager::write_checkpoints`], in one directory.
    pub fn write_checkpoints_of(
        &self,
        dir: &DataDir,
        kinds: &[CheckpointKind],
        logs: impl IntoIterator<Item = LogOffsets>,
    ) -> Result<(), StorageError> {
        self.note_offsets(kinds, logs);
        self.refuse_offline(dir)?;
        self.write_checkpoints_in(dir, kinds)
    }

    fn write_checkpoints_in(&self, dir: &DataDir, kinds: &[CheckpointKind]) -> Result<(), StorageError> {
        let mut result = Ok(());
        for kind in kinds {
            result = result.and(dir.write_checkpoint(&*self.disk, *kind));
        }
        result
    }

    fn note_offsets(&self, kinds: &[CheckpointKind], logs: impl IntoIterator<Item = LogOffsets>) {
        for log in logs {
            if let Some(dir) = self.dir_of(&log.id.topic, log.id.partition) {
                for kind in kinds {
                    dir.note(*kind, &log);
                }
            }
        }
    }

    /// Takes a data directory out of use after a failure. Its logs are for their owners to take offline.
    pub fn fail_dir(&self, root: &Path, reason: &str) {
        if let Some(dir) = self.dirs.iter().find(|dir| dir.path == root) {
            tracing::error!("{}: taken offline: {reason}", root.display());
            dir.fail(reason);
        }
    }

    /// Stops cleanly: every log is flushed and closed, then the checkpoints are written, then the marker, last of all; then the
    /// directories are given up. A directory where anything failed, where a log refuses appends because it is damaged or went offline, or
    /// where a log that was there was never opened after a crash, gets no marker. All is tried; the first error is returned.
    pub fn close(&self, logs: impl IntoIterator<Item = PartitionLog>, broker_epoch: i64) -> Result<(), StorageError> {
        let mut result = Ok(());
        let logs: Vec<PartitionLog> = logs.into_iter().collect();
        let at_once = logs.len() > LOGS_SYNCED_SINGLY_MAX;
        let mut unsynced: Vec<(&DataDir, LogOffsets)> = Vec::new();
        for log in logs {
            let dir = match log.id().topic.as_str() {
                METADATA_TOPIC => Some(&self.dirs[self.metadata_dir]),
                topic => self.dir_of(topic, log.id().partition),
            };
            if let Err(refused) = log.refuse_unless_writable() {
                // Its last checkpoint stands: what lies above is in doubt, and a clean stop would vouch for it.
                dir.into_iter().for_each(DataDir::leave_in_doubt);
                result = result.and(Err(refused));
                continue;
            }
            let closed = if at_once && dir.is_some() { close_before_disk_sync(log) } else { close_synced(log) };
            match (closed, dir) {
                (Ok(offsets), Some(dir)) if at_once => unsynced.push((dir, offsets)),
                (Ok(offsets), Some(dir)) => dir.note_all(&offsets),
                (Ok(_), None) => {}
                (Err(error), dir) => {
                    if let Some(dir) = dir {
                        dir.fail(&error.to_string());
                    }
                    result = result.and(Err(error));
                }
            }
        }
        for dir in self.dirs.iter().filter(|dir| at_once && dir.is_online()) {
            match dir.sync_disk() {
                Ok(()) => unsynced.iter().filter(|(of, _)| std::ptr::eq(*of, dir)).for_each(|(_, offsets)| dir.note_all(offsets)),
                Err(error) => {
                    dir.fail(&error.to_string());
                    result = result.and(Err(error));
                }
            }
        }
        for dir in &self.dirs {
            if dir.is_online() {
                result = result.and(self.close_dir(dir, broker_epoch));
            }
            dir.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        result
    }

    fn close_dir(&self, dir: &DataDir, broker_epoch: i64) -> Result<(), StorageError> {
        for kind in KEPT {
            dir.write_checkpoint(&*self.disk, kind)?;
        }
        if dir.is_repaired() {
            CleanShutdown::write(broker_epoch, &*self.disk, &dir.path)?;
        }
        Ok(())
    }

    /// The caller syncs the data directory.
    fn rename_away(&self, topic: &str, partition: i32, unique: Uuid, state: LogState) -> Result<PathBuf, StorageError> {
        let dir = self.dir_of(topic, partition).ok_or_else(|| no_such_log(topic, partition))?;
        self.refuse_offline(dir)?;
        let from = dir.path.join(format!("{topic}-{partition}"));
        let to = dir.path.join(leaving_name(topic, partition, unique, state));
        self.disk.rename(&from, &to).map_err(|error| StorageError::io("rename", from, error))?;
        dir.remove(topic, partition);
        Ok(to)
    }

    fn sync_root(&self, dir: &DataDir) -> Result<(), StorageError> {
        self.disk.sync_dir(&dir.path).map_err(|error| StorageError::io("sync directory", &dir.path, error))
    }

    fn refuse_offline(&self, dir: &DataDir) -> Result<(), StorageError> {
        match dir.offline_reason() {
            Some(reason) => Err(StorageError::Offline { log: dir.path.display().to_string(), reason }),
            None => Ok(()),
        }
    }

    /// One log in two directories is what a crash in the middle of a move leaves; which is right is for the operator to say.
    fn refuse_doubles(&self) -> Result<(), StorageError> {
        for (at, dir) in self.dirs.iter().enumerate() {
            for log in dir.found().into_iter().filter(|log| log.state == LogState::Current) {
                if let Some(other) = self.dirs[..at].iter().find(|other| other.holds(&log.topic, log.partition)) {
                    let reason = format!("the same log is in {} too; remove one of them", other.path.display());
                    return Err(StorageError::Refused { path: log.root.join(log.directory), reason });
                }
            }
        }
        Ok(())
    }
}

fn close_synced(mut log: PartitionLog) -> Result<LogOffsets, StorageError> {
    flush(&mut log)?;
    let offsets = LogOffsets::of(&log);
    log.close(true)?;
    Ok(offsets)
}

/// What holds once the disk has been synced.
fn close_before_disk_sync(log: PartitionLog) -> Result<LogOffsets, StorageError> {
    let offsets = LogOffsets::of(&log);
    Ok(LogOffsets { recovery_point: log.close_before_disk_sync()?, ..offsets })
}

fn no_such_log(topic: &str, partition: i32) -> StorageError {
    StorageError::io("rename log", format!("{topic}-{partition}"), io::Error::from(io::ErrorKind::NotFound))
}

fn flush(log: &mut PartitionLog) -> Result<(), StorageError> {
    let plan = log.prepare_flush();
    if let Err(error) = plan.run() {
        log.fail(&error.to_string());
        return Err(error);
    }
    log.complete_flush(plan);
    Ok(())
}

#[cfg(test)]
mod many_tests;
#[cfg(test)]
mod space_tests;
#[cfg(test)]
mod tests;
