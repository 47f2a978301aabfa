//! A log manager and a log on a simulated disk, with the model beside them.

use std::sync::Arc;

use ottla_storage::disk::faulty::FaultyDisk;
use ottla_storage::log::{AppendError, AppendOrigin, LogConfig, PartitionLog};
use ottla_storage::manager::{LogManager, LogManagerConfig, LogOffsets};
use ottla_storage::{CheckpointKind, LeaderEpoch, LogId, Millis, Offset, StorageError};
use uuid::Uuid;

use crate::model::Model;
use crate::script::{Op, batch_for, stored};

const KINDS: [CheckpointKind; 3] = [CheckpointKind::RecoveryPoint, CheckpointKind::LogStartOffset, CheckpointKind::Replication];

pub(crate) const ROOT: &str = "/data";

/// Small segments and dense indexes, so that little writing makes much happen.
pub(crate) fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 3000,
        index_interval_bytes: 300,
        retention_ms: -1,
        file_delete_delay_ms: 0,
        message_timestamp_after_max_ms: i64::MAX,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    })
}

pub(crate) fn log_id() -> LogId {
    LogId { topic: "a-b".into(), topic_id: Uuid::from_u128(0xabcd), partition: 7 }
}

pub(crate) fn other_id() -> LogId {
    LogId { topic: "other".into(), topic_id: Uuid::from_u128(0xef01), partition: 0 }
}

pub(crate) fn open_manager(disk: &FaultyDisk) -> Result<LogManager, StorageError> {
    let config = LogManagerConfig { log_dirs: vec![ROOT.into()], metadata_log_dir: None, node_id: 1, cluster_id: Some("cluster".into()) };
    LogManager::open(Arc::new(disk.clone()), &config, &mut || Uuid::from_u128(0x1234_5678))
}

/// What may be found after an operation was cut short.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    /// As much as there may be.
    pub(crate) full: Model,
    /// After a kill of the process, at least so many batches of it.
    pub(crate) batches_min: usize,
    /// After a power loss, the log reaches at least so far.
    pub(crate) end_min: Offset,
    /// The log may be empty, here.
    pub(crate) empty_at: Vec<Offset>,
    /// The stop had been clean before the cut.
    pub(crate) closed: bool,
    /// A sync has failed: a power loss may take anything.
    pub(crate) doubtful: bool,
}

impl Allowed {
    pub(crate) fn exactly(model: &Model) -> Self {
        Self {
            full: model.clone(),
            batches_min: model.batches.len(),
            end_min: model.durable_to,
            empty_at: vec![model.log_start, model.durable_log_start],
            closed: false,
            doubtful: false,
        }
    }
}

/// An operation that failed, and what may be found now.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: StorageError,
    pub(crate) allowed: Allowed,
}

pub(crate) struct House {
    pub(crate) disk: FaultyDisk,
    pub(crate) manager: LogManager,
    pub(crate) log: PartitionLog,
    pub(crate) model: Model,
    pub(crate) now: Millis,
    /// After a failed sync nobody knows what is durable.
    pub(crate) syncs_are_doubtful: bool,
    other: Option<PartitionLog>,
    deletions: u128,
}

impl House {
    /// A new log on a new disk.
    pub(crate) fn build(seed: u64) -> Self {
        let disk = FaultyDisk::new(seed);
        let manager = open_manager(&disk).expect("a new directory");
        let log = manager.create_log(&log_id(), None, config(), Millis(0)).expect("created");
        let model = Model::default();
        Self { disk, manager, log, model, now: Millis(1_000_000), syncs_are_doubtful: false, other: None, deletions: 0 }
    }

    /// Does one operation to the log and to the model.
    pub(crate) fn tell(&mut self, op: Op) -> Result<(), Box<Failed>> {
        self.now.0 += 1000;
        match op {
            Op::Append { .. } => self.append(op, AppendOrigin::Client),
            Op::EndTransaction { .. } => self.append(op, AppendOrigin::Coordinator),
            Op::Roll => self.log.roll(self.now).map_err(|error| self.unchanged(error)),
            Op::Flush => self.flush().map_err(|error| self.unchanged(error)),
            Op::Truncate { batches } => self.truncate(batches),
            Op::StartAnew { ahead } => self.start_anew(ahead),
            Op::AdvanceStart { percent } => {
                let (start, end) = (self.model.log_start.0, self.model.first_unstable().unwrap_or(self.model.end()).0);
                let to = Offset(start + (end - start).max(0) * i64::from(percent) / 100);
                self.log.advance_log_start_offset(to).map_err(|error| self.unchanged(error))?;
                self.model.log_start = self.log.log_start_offset();
                assert!(self.model.log_start == to || to.0 <= start);
                Ok(())
            }
            Op::Retention => {
                let done = self.log.enforce_retention(self.now).map(|_| ());
                done.map_err(|error| self.unchanged(error))
            }
            Op::Checkpoint => self.checkpoint(&KINDS).map_err(|error| self.unchanged(error)),
            Op::NewLeaderEpoch => {
                self.model.epoch += 1;
                self.log.assign_leader_epoch(LeaderEpoch(self.model.epoch)).map_err(|error| self.unchanged(error))
            }
            Op::OtherLog => self.other().map_err(|error| self.unchanged(error)),
        }
    }

    /// The log is as it was before the operation.
    fn unchanged(&self, error: StorageError) -> Box<Failed> {
        Box::new(Failed { error, allowed: Allowed::exactly(&self.model) })
    }

    fn append(&mut self, op: Op, origin: AppendOrigin) -> Result<(), Box<Failed>> {
        let Some(batch) = batch_for(op, &self.model, self.now) else { return Ok(()) };
        let epoch = LeaderEpoch(self.model.epoch);
        let stored = stored(&batch, self.model.end(), epoch);
        match self.log.append_as_leader(self.now, &batch, epoch, origin) {
            Ok(info) => {
                assert_eq!(info.first_offset, self.model.end());
                assert!(!info.duplicate);
                self.model.batches.push(stored);
                self.log.set_high_watermark(self.model.end());
                Ok(())
            }
            Err(AppendError::Storage(error)) => {
                let mut allowed = Allowed::exactly(&self.model);
                allowed.full.batches.push(stored);
                Err(Box::new(Failed { error, allowed }))
            }
            Err(refused) => panic!("{op:?} was refused: {refused}"),
        }
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let plan = self.log.prepare_flush();
        if let Err(error) = plan.run() {
            self.syncs_are_doubtful = true;
            self.log.fail(&error.to_string());
            return Err(error);
        }
        self.log.complete_flush(plan);
        assert_eq!(self.log.recovery_point(), self.model.end());
        if !self.syncs_are_doubtful {
            self.model.durable_to = self.model.end();
        }
        Ok(())
    }

    fn truncate(&mut self, batches: u8) -> Result<(), Box<Failed>> {
        let readable = self.model.batches.iter().filter(|batch| batch.header.base_offset() >= self.model.log_start).count();
        let kept = self.model.batches.len() - readable.min(usize::from(batches));
        let after = self.model.cut(kept);
        let in_flight = Allowed { batches_min: kept, end_min: after.durable_to, ..Allowed::exactly(&self.model) };
        self.log.truncate_to(after.end()).map_err(|error| Box::new(Failed { error, allowed: in_flight }))?;
        assert_eq!(self.log.log_end_offset(), after.end());
        self.model = after;
        self.log.set_high_watermark(self.model.end());
        self.checkpoint(&[CheckpointKind::RecoveryPoint]).map_err(|error| self.unchanged(error))
    }

    fn start_anew(&mut self, ahead: u8) -> Result<(), Box<Failed>> {
        let origin = self.model.end().plus(i64::from(ahead));
        let mut in_flight = Allowed { batches_min: 0, end_min: Offset(0), ..Allowed::exactly(&self.model) };
        in_flight.empty_at.push(origin);
        self.log.truncate_fully_and_start_at(origin).map_err(|error| Box::new(Failed { error, allowed: in_flight }))?;
        let (epoch, durable_log_start) = (self.model.epoch, self.model.durable_log_start);
        self.model = Model { origin, log_start: origin, durable_to: origin, epoch, durable_log_start, ..Model::default() };
        self.log.set_high_watermark(origin);
        self.checkpoint(&[CheckpointKind::RecoveryPoint]).map_err(|error| self.unchanged(error))
    }

    fn checkpoint(&mut self, kinds: &[CheckpointKind]) -> Result<(), StorageError> {
        // A disk that is full for a moment is asked again, as the broker does before it lets anybody append.
        let mut result = Ok(());
        for _ in 0..10 {
            let logs = [Some(&self.log), self.other.as_ref()].into_iter().flatten().map(LogOffsets::of).collect::<Vec<_>>();
            result = self.manager.write_checkpoints(kinds, logs);
            if result.is_ok() {
                break;
            }
        }
        result?;
        if kinds.contains(&CheckpointKind::LogStartOffset) {
            self.model.durable_log_start = self.model.log_start;
        }
        Ok(())
    }

    fn other(&mut self) -> Result<(), StorageError> {
        match self.other.take() {
            None if self.manager.dir_of(&other_id().topic, 0).is_none() => {
                self.other = Some(self.manager.create_log(&other_id(), None, config(), self.now)?);
            }
            log => {
                drop(log);
                self.deletions += 1;
                self.manager.delete_log(&other_id(), Uuid::from_u128(self.deletions))?.run()?;
            }
        }
        Ok(())
    }

    /// The clean stop. The model of what is there is unchanged by it.
    pub(crate) fn close(self) -> (FaultyDisk, Model, Result<(), StorageError>) {
        let Self { disk, manager, log, other, mut model, .. } = self;
        let result = manager.close([log].into_iter().chain(other), 77);
        if result.is_ok() {
            model.durable_to = model.end();
            model.durable_log_start = model.log_start;
        }
        (disk, model, result)
    }

    /// Does one operation whatever the disk does. Afterwards the log is in use, and what it holds is what the model holds.
    pub(crate) fn survive(mut self, op: Op, at: &dyn std::fmt::Debug) -> Self {
        let Err(failed) = self.tell(op) else { return self };
        self.syncs_are_doubtful |= is_failed_sync(&failed.error);
        let was_offline = self.log.is_offline();
        if was_offline {
            self = self.reopen();
        }
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        if start < self.model.log_start {
            // Deleted records are deleted for good once a checkpoint says so.
            assert!(start >= self.model.durable_log_start.min(end), "{at:?}: {start} is before the checkpoint");
            self.model.log_start = start;
        }
        let Failed { error, allowed } = *failed;
        let mut full = allowed.full;
        full.log_start = full.log_start.min(self.model.log_start);
        if !matches!(op, Op::Truncate { .. } | Op::StartAnew { .. }) {
            if was_offline && end == full.end() {
                // The write failed, and so did cutting it off: such a batch is in doubt, and may be found whole.
                self.model = full;
            }
            assert_eq!(end, self.model.end(), "{at:?}: {error} left a trace");
            return self;
        }
        let is_anew = matches!(op, Op::StartAnew { .. }) && self.log.size_bytes() == 0;
        match full.count_at(end).filter(|_| !is_anew) {
            Some(count) => {
                assert!(count >= allowed.batches_min, "{at:?}: {end} is below the truncation's end; {error}");
                self.model = full.cut(count);
            }
            None => {
                assert!(start == end && allowed.empty_at.contains(&end), "{at:?}: {start}..{end} never was; {error}");
                self.model = Model { origin: end, log_start: end, durable_to: end, epoch: full.epoch, is_anew: true, ..Model::default() };
            }
        }
        self
    }

    /// Opens the log again on the same disk in the same process, as after `fail`. The disk works again after a while.
    fn reopen(self) -> Self {
        let Self { disk, manager, log, model, now, mut syncs_are_doubtful, other, deletions } = self;
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
        Self { disk, manager, log, model, now, syncs_are_doubtful, other, deletions }
    }
}

/// What was written before a failed sync may be lost whatever a later one says.
fn is_failed_sync(error: &StorageError) -> bool {
    matches!(error, StorageError::Io { operation, .. } if operation.starts_with("sync"))
}
