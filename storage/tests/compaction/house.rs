//! A log manager and a compacted log on a simulated disk, with the model beside them.

use std::sync::Arc;

use ottla_storage::cleaner::{CleanerBuffers, CleanerConfig, CleaningDone, CleaningError, Pace, clean};
use ottla_storage::disk::faulty::FaultyDisk;
use ottla_storage::log::{AppendError, AppendOrigin, CleanupPolicy, LogConfig, PartitionLog};
use ottla_storage::manager::{LogManager, LogManagerConfig, LogOffsets};
use ottla_storage::{CheckpointKind, LeaderEpoch, LogId, Millis, Offset, StorageError};
use uuid::Uuid;

use crate::load::{Op, batch_for};
use crate::model::{Batch, Model};

pub(crate) const DELETE_RETENTION_MS: i64 = 20_000;

/// Small segments and dense indexes, so that little writing makes much happen.
pub(crate) fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 1500,
        index_interval_bytes: 200,
        cleanup_policy: CleanupPolicy { compact: true, delete: true },
        retention_ms: -1,
        retention_bytes: -1,
        delete_retention_ms: DELETE_RETENTION_MS,
        file_delete_delay_ms: 0,
        message_timestamp_after_max_ms: i64::MAX,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    })
}

pub(crate) fn log_id() -> LogId {
    LogId { topic: "a-b".into(), topic_id: Uuid::from_u128(0xabcd), partition: 7 }
}

pub(crate) fn open_manager(disk: &FaultyDisk) -> Result<LogManager, StorageError> {
    let config = LogManagerConfig { log_dirs: vec!["/data".into()], metadata_log_dir: None, node_id: 1, cluster_id: Some("c".into()) };
    LogManager::open(Arc::new(disk.clone()), &config, &mut || Uuid::from_u128(0x1234_5678))
}

/// One pass, with room for this many keys. `None` when there is nothing to clean.
pub(crate) fn clean_log(
    manager: &LogManager,
    log: &mut PartitionLog,
    now: Millis,
    keys: u16,
    passes: &mut Vec<(Millis, Offset)>,
) -> Result<Option<CleaningDone>, CleaningError> {
    let Some(cleanable) = log.cleanable(manager.cleaner_checkpoint(&log_id()), now)?.filter(|found| found.dirty_bytes > 0) else {
        return Ok(None);
    };
    passes.push((now, cleanable.first_uncleanable));
    let config =
        CleanerConfig { dedupe_buffer_bytes: 24 * usize::from(keys), load_factor: 0.9, io_buffer_bytes: 1000, ..Default::default() };
    let mut with_log = |work: &mut dyn FnMut(&mut PartitionLog)| {
        work(log);
        true
    };
    let done = clean(&cleanable, now, &mut CleanerBuffers::new(config), &mut with_log, &mut |_| Pace::GoOn)?;
    assert!(done.first_dirty > cleanable.first_dirty && done.first_dirty <= cleanable.first_uncleanable);
    manager.set_cleaner_checkpoint(&log_id(), done.first_dirty)?;
    Ok(Some(done))
}

/// An operation that failed; `full` is as much as may be in the log now.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: StorageError,
    pub(crate) full: Model,
}

pub(crate) struct House {
    pub(crate) disk: FaultyDisk,
    pub(crate) manager: LogManager,
    pub(crate) log: PartitionLog,
    pub(crate) model: Model,
    pub(crate) now: Millis,
    /// After a failed sync nobody knows what is durable.
    pub(crate) syncs_are_doubtful: bool,
    pub(crate) passes_done: usize,
}

impl House {
    pub(crate) fn build(seed: u64) -> Self {
        let disk = FaultyDisk::new(seed);
        let manager = open_manager(&disk).expect("a new directory");
        let log = manager.create_log(&log_id(), None, config(), Millis(0)).expect("created");
        Self { disk, manager, log, model: Model::default(), now: Millis(1_000_000), syncs_are_doubtful: false, passes_done: 0 }
    }

    pub(crate) fn tell(&mut self, op: Op) -> Result<(), Box<Failed>> {
        self.now.0 += 1000;
        let now = self.now;
        let done = match op {
            Op::Append { .. } => return self.append(op, AppendOrigin::Client),
            Op::EndTransaction { .. } => return self.append(op, AppendOrigin::Coordinator),
            Op::Roll => self.log.roll(now),
            Op::Flush => self.flush(),
            Op::Checkpoint => self.checkpoint(),
            Op::NewLeaderEpoch => {
                self.model.epoch += 1;
                self.log.assign_leader_epoch(LeaderEpoch(self.model.epoch))
            }
            Op::AdvanceStart { percent } => {
                let (start, end) = (self.model.log_start.0, self.model.first_unstable().unwrap_or(self.model.end()).0);
                let to = Offset(start + (end - start).max(0) * i64::from(percent) / 100);
                self.log.advance_log_start_offset(to).map(|_| self.model.log_start = self.log.log_start_offset())
            }
            Op::Retention => self.log.enforce_retention(now).map(|_| ()),
            Op::Clean { keys } => self.clean(keys),
            Op::Wait { ms } => {
                self.now.0 += i64::from(ms);
                Ok(())
            }
        };
        done.map_err(|error| Box::new(Failed { error, full: self.model.clone() }))
    }

    fn append(&mut self, op: Op, origin: AppendOrigin) -> Result<(), Box<Failed>> {
        let Some(sent) = batch_for(op, &self.model, self.now) else { return Ok(()) };
        let epoch = LeaderEpoch(self.model.epoch);
        let stored = Batch::stored(&sent, self.model.end(), epoch);
        match self.log.append_as_leader(self.now, &sent, epoch, origin) {
            Ok(info) => {
                assert_eq!(info.first_offset, self.model.end());
                self.model.batches.push(stored);
                self.log.set_high_watermark(self.model.end());
                Ok(())
            }
            Err(AppendError::Storage(error)) => {
                let mut full = self.model.clone();
                full.batches.push(stored);
                Err(Box::new(Failed { error, full }))
            }
            Err(refused) => panic!("{op:?} was refused: {refused}"),
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let plan = self.log.prepare_flush();
        if let Err(error) = plan.run() {
            self.log.fail(&error.to_string());
            return Err(error);
        }
        self.log.complete_flush(plan);
        self.model.durable_to = self.model.end();
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), StorageError> {
        let kinds = [CheckpointKind::RecoveryPoint, CheckpointKind::LogStartOffset, CheckpointKind::Replication];
        self.manager.write_checkpoints(&kinds, [LogOffsets::of(&self.log)])?;
        self.model.durable_log_start = self.model.log_start;
        Ok(())
    }

    fn clean(&mut self, keys: u16) -> Result<(), StorageError> {
        match clean_log(&self.manager, &mut self.log, self.now, keys, &mut self.model.passes) {
            Ok(Some(_)) => {
                self.model.durable_to = self.model.end();
                self.passes_done += 1;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(CleaningError::Storage(error)) => Err(error),
            // A disk that failed in between has taken the log offline.
            Err(CleaningError::Changed) if self.log.is_offline() => Err(StorageError::io("clean", "log", std::io::Error::other("offline"))),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) fn close(self) -> (FaultyDisk, Model, Result<(), StorageError>) {
        let Self { disk, manager, log, mut model, .. } = self;
        let result = manager.close([log], 77);
        if result.is_ok() {
            model.durable_to = model.end();
            model.durable_log_start = model.log_start;
        }
        (disk, model, result)
    }

    /// Does one operation whatever the disk does. Afterwards the log is in use, and what it holds is what the model holds.
    pub(crate) fn survive(mut self, op: Op, at: &dyn std::fmt::Debug) -> Self {
        let Err(failed) = self.tell(op) else { return self };
        let Failed { error, full } = *failed;
        self.syncs_are_doubtful |= is_failed_sync(&error);
        let was_offline = self.log.is_offline();
        if was_offline {
            self = self.reopen();
        }
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        if start < self.model.log_start {
            assert!(start >= self.model.durable_log_start.min(end), "{at:?}: {start} is before the checkpoint");
            self.model.log_start = start;
        }
        if was_offline && end == full.end() && full.end() > self.model.end() {
            // The write failed, and so did cutting it off: such a batch is in doubt, and may be found whole.
            self.model.batches = full.batches;
        }
        assert_eq!(end, self.model.end(), "{at:?}: {error} left a trace");
        self
    }

    /// Opens the log again on the same disk in the same process, as after `fail`. The disk works again after a while.
    fn reopen(self) -> Self {
        let Self { disk, manager, log, model, now, mut syncs_are_doubtful, passes_done } = self;
        drop(log);
        let opened = (0..20).find_map(|_| match manager.open_log(&log_id(), config(), now) {
            Ok(opened) => Some(opened),
            Err(error) => {
                syncs_are_doubtful |= is_failed_sync(&error);
                None
            }
        });
        let (mut log, report) = opened.expect("the disk works again");
        assert_eq!(report.corruption, None);
        log.set_high_watermark(log.log_end_offset());
        Self { disk, manager, log, model, now, syncs_are_doubtful, passes_done }
    }
}

/// What was written before a failed sync may be lost whatever a later one says.
fn is_failed_sync(error: &StorageError) -> bool {
    matches!(error, StorageError::Io { operation, .. } if operation.starts_with("sync"))
}
