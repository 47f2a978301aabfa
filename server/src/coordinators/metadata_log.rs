//! The bytes of `__cluster_metadata-0`: Kafka's records in batches, committed by a local sync, with snapshots beside them.
//!
//! A single voter: what is synced is committed. Each start takes a new raft epoch and opens it with a LeaderChange control batch, as
//! Kafka's raft leader does. Snapshots are `<end offset>-<epoch>.checkpoint` files: a header control batch, data batches, a footer.

use super::quorum_state;
use bytes::Bytes;
use ottla_coordinator::metadata::records::control::ControlRecord;
use ottla_coordinator::metadata::{BrokerId, MetadataImage, MetadataRecord, Provenance, ReplayError, SnapshotId, image_records};
use ottla_storage::batch::{BatchBuilder, BatchError, BatchView, records, split};
use ottla_storage::disk::{Disk, read_file, replace_file};
use ottla_storage::log::{AppendError, AppendOrigin, FileRange, LogConfig, PartitionLog, ReadError};
use ottla_storage::manager::LogManager;
use ottla_storage::{LeaderEpoch, Millis, Offset, StorageError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const READ_BYTES: u64 = 8 * 1024 * 1024;
const SNAPSHOT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
const SNAPSHOT_BATCH_RECORDS: usize = 1024;

/// Why the metadata log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataLogError {
    /// The disk failed or a file is damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A batch cannot be read or built.
    #[error("metadata log: {0}")]
    Batch(#[from] BatchError),
    /// The log refused a batch of ours.
    #[error("metadata log: {0}")]
    Append(#[from] AppendError),
    /// The log cannot be read back.
    #[error("metadata log: {0}")]
    Read(#[from] ReadError),
    /// The records contradict each other.
    #[error("metadata log: {0}")]
    Replay(#[from] ReplayError),
    /// A record that this version does not understand.
    #[error("metadata log, offset {offset}: {reason}; was it written by a newer version?")]
    Record {
        /// Offset of the record.
        offset: i64,
        /// Why.
        reason: String,
    },
}

/// One record with where it stands.
#[derive(Debug)]
pub(super) struct Positioned {
    /// Where the log stands once this record is replayed.
    pub(super) stands_for: Provenance,
    pub(super) record: MetadataRecord,
}

/// What a commit did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    pub(super) last_offset: i64,
    pub(super) size_bytes: u64,
}

/// The open log.
#[derive(Debug)]
pub(super) struct MetadataLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log: PartitionLog,
    epoch: LeaderEpoch,
}

impl MetadataLog {
    /// Opens the log and hands every committed record to `replay` in order. Nothing is written: what was found may still be refused.
    pub(super) fn open(
        manager: &LogManager,
        disk: Arc<dyn Disk>,
        now_ms: i64,
        mut replay: impl FnMut(Positioned) -> Result<(), MetadataLogError>,
    ) -> Result<Self, MetadataLogError> {
        let (mut log, report) = manager.open_metadata_log(Arc::new(config()), Millis(now_ms))?;
        let dir = manager.metadata_dir().join(log.id().directory_name());
        let snapshot = newest_snapshot(&*disk, &dir)?;
        let start = Offset(snapshot.map_or(0, |id| id.end_offset));
        if let Some(damage) = report.corruption {
            let reason = format!("{}; nothing was changed", damage.reason);
            return Err(StorageError::Corrupt { path: dir.join(damage.file), position: damage.position, reason }.into());
        }
        if log.log_start_offset() > start {
            let reason = format!("it begins at {}, and no snapshot holds what came before; nothing was changed", log.log_start_offset());
            return Err(StorageError::Corrupt { path: dir, position: 0, reason }.into());
        }
        if let Some(id) = snapshot {
            load_snapshot(&*disk, &dir, id, &mut replay)?;
        }
        if log.log_end_offset() < start {
            log.truncate_fully_and_start_at(start)?;
        }
        log.set_high_watermark(log.log_end_offset());
        replay_log(&log, start, &mut replay)?;
        let epoch = quorum_state::read_epoch(&*disk, &dir)?.max(log.latest_epoch().map_or(0, |epoch| epoch.0));
        Ok(Self { disk, dir, log, epoch: LeaderEpoch(epoch) })
    }

    /// Begins a new raft epoch with `node_id` as its leader. Before anything is committed.
    pub(super) fn begin_epoch(&mut self, node_id: i32, now_ms: i64) -> Result<(), MetadataLogError> {
        self.epoch = LeaderEpoch(self.epoch.0.saturating_add(1));
        quorum_state::write(&*self.disk, &self.dir, node_id, self.epoch.0)?;
        self.log.assign_leader_epoch(self.epoch)?;
        let voter = vec![(BrokerId(node_id), None)];
        let leader = ControlRecord::LeaderChange { leader_id: BrokerId(node_id), voters: voter.clone(), granting_voters: voter };
        self.append(BatchBuilder::new().control(), now_ms, [control(&leader)])?;
        Ok(())
    }

    /// The next offset.
    pub(super) fn end_offset(&self) -> i64 {
        self.log.log_end_offset().0
    }

    /// A failure has left it in doubt: nothing is written to it any more.
    pub(super) fn is_offline(&self) -> bool {
        self.log.is_offline()
    }

    /// This run's raft epoch.
    pub(super) fn epoch(&self) -> i32 {
        self.epoch.0
    }

    /// Appends the records as one batch and syncs it: durable when this returns.
    pub(super) fn commit(&mut self, now_ms: i64, records: &[MetadataRecord]) -> Result<Committed, MetadataLogError> {
        self.append(BatchBuilder::new(), now_ms, records.iter().map(|record| (None, record.encode())))
    }

    fn append(
        &mut self,
        builder: BatchBuilder,
        now_ms: i64,
        entries: impl IntoIterator<Item = (Option<Bytes>, Bytes)>,
    ) -> Result<Committed, MetadataLogError> {
        let bytes = batch(builder.leader_epoch(self.epoch), now_ms, entries)?;
        let info = self.log.append_as_leader(Millis(now_ms), &bytes, self.epoch, AppendOrigin::Raft)?;
        let plan = self.log.prepare_flush();
        if let Err(error) = plan.run() {
            // Never tried again, not even when the log is closed.
            self.log.fail(&error.to_string());
            return Err(error.into());
        }
        self.log.complete_flush(plan);
        self.log.set_high_watermark(self.log.log_end_offset());
        Ok(Committed { last_offset: info.last_offset.0, size_bytes: info.size_bytes })
    }

    /// Writes a snapshot of the image, which holds everything below the log end, and removes older ones.
    pub(super) fn write_snapshot(&mut self, now_ms: i64, image: &MetadataImage) -> Result<(), MetadataLogError> {
        let id = SnapshotId::of(image.provenance());
        replace_file(&*self.disk, &self.dir.join(id.to_string()), &self.snapshot_bytes(now_ms, &image_records(image))?)?;
        for entry in self.disk.list(&self.dir).map_err(|source| StorageError::io("list", &self.dir, source))? {
            if SnapshotId::parse_file_name(&entry.name).is_some_and(|older| older < id) {
                let old = self.dir.join(&entry.name);
                self.disk.remove_file(&old).map_err(|source| StorageError::io("remove", &old, source))?;
            }
        }
        Ok(())
    }

    fn snapshot_bytes(&self, now_ms: i64, image: &[MetadataRecord]) -> Result<Vec<u8>, MetadataLogError> {
        let mut next = Offset(0);
        let mut out = Vec::new();
        let mut push = |builder: BatchBuilder, entries: Vec<(Option<Bytes>, Bytes)>| -> Result<(), BatchError> {
            let count = entries.len() as i64;
            let builder = builder.base_offset(next).leader_epoch(self.epoch);
            out.extend_from_slice(&batch(builder, now_ms, entries)?);
            next = next.plus(count);
            Ok(())
        };
        let header = ControlRecord::SnapshotHeader { last_contained_log_timestamp: now_ms };
        push(BatchBuilder::new().control(), vec![control(&header)])?;
        for chunk in image.chunks(SNAPSHOT_BATCH_RECORDS) {
            push(BatchBuilder::new(), chunk.iter().map(|record| (None, record.encode())).collect())?;
        }
        push(BatchBuilder::new().control(), vec![control(&ControlRecord::SnapshotFooter)])?;
        Ok(out)
    }

    /// Hands the log over to be closed with the others.
    pub(super) fn into_log(self) -> PartitionLog {
        self.log
    }
}

fn config() -> LogConfig {
    LogConfig { max_message_bytes: 64 * 1024 * 1024, retention_ms: -1, ..LogConfig::default() }
}

fn batch(mut builder: BatchBuilder, now_ms: i64, entries: impl IntoIterator<Item = (Option<Bytes>, Bytes)>) -> Result<Vec<u8>, BatchError> {
    for (key, value) in entries {
        builder.push(Millis(now_ms), key.as_deref(), Some(&value), &[]);
    }
    builder.build()
}

fn control(record: &ControlRecord) -> (Option<Bytes>, Bytes) {
    let bytes = record.encode();
    (Some(bytes.key), bytes.value)
}

fn newest_snapshot(disk: &dyn Disk, dir: &Path) -> Result<Option<SnapshotId>, StorageError> {
    let entries = disk.list(dir).map_err(|source| StorageError::io("list", dir, source))?;
    Ok(entries.iter().filter_map(|entry| SnapshotId::parse_file_name(&entry.name)).max())
}

fn load_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    id: SnapshotId,
    replay: &mut impl FnMut(Positioned) -> Result<(), MetadataLogError>,
) -> Result<(), MetadataLogError> {
    let path = dir.join(id.to_string());
    let bytes = read_file(disk, &path, SNAPSHOT_BYTES_MAX)?.unwrap_or_default();
    if let Err(reason) = check_snapshot(&bytes) {
        return Err(StorageError::Corrupt { path, position: 0, reason: format!("{reason}; nothing was changed") }.into());
    }
    // Offsets inside a snapshot count its own records; what they stand for is the log below its end.
    let stands_for = Provenance { last_offset: id.end_offset - 1, epoch: id.epoch };
    replay_batches(&bytes, Offset(0), &mut |record| replay(Positioned { stands_for, ..record }))
}

/// Every batch is as it was written, and the last one holds the footer: nothing is missing.
fn check_snapshot(bytes: &[u8]) -> Result<(), String> {
    let mut last = None;
    for view in split(bytes) {
        let view = view.map_err(|error| error.to_string())?;
        view.check_crc().map_err(|error| error.to_string())?;
        last = Some(view);
    }
    let footer = |view: &BatchView<'_>| -> Option<bool> {
        let opened = records(view, bytes.len()).ok()?;
        let record = opened.iter().last()?.ok()?;
        Some(ControlRecord::decode(record.key?, record.value?).ok()? == Some(ControlRecord::SnapshotFooter))
    };
    match last.filter(|view| view.header.is_control()).as_ref().and_then(footer) {
        Some(true) => Ok(()),
        _ => Err("the snapshot has no end".to_owned()),
    }
}

fn replay_log(
    log: &PartitionLog,
    from: Offset,
    replay: &mut impl FnMut(Positioned) -> Result<(), MetadataLogError>,
) -> Result<(), MetadataLogError> {
    let (mut at, end) = (from, log.log_end_offset());
    while at < end {
        let plan = log.read(at, end, READ_BYTES, true)?;
        let mut bytes = Vec::new();
        for range in &plan.ranges {
            read_range(range, &mut bytes)?;
        }
        replay_batches(&bytes, at, replay)?;
        if plan.next_offset <= at {
            let reason = format!("the log ends at {end} but offset {at} cannot be read");
            return Err(MetadataLogError::Record { offset: at.0, reason });
        }
        at = plan.next_offset;
    }
    Ok(())
}

fn read_range(range: &FileRange, out: &mut Vec<u8>) -> Result<(), StorageError> {
    let before = out.len();
    out.resize(before + range.size_bytes as usize, 0);
    let read = range
        .file
        .read_at(&mut out[before..], range.position)
        .map_err(|source| StorageError::io("read", "__cluster_metadata-0", source))?;
    out.truncate(before + read);
    Ok(())
}

/// Replays the data records at or above `from`; control batches (leader changes, snapshot header and footer) say nothing about metadata.
fn replay_batches(
    bytes: &[u8],
    from: Offset,
    replay: &mut impl FnMut(Positioned) -> Result<(), MetadataLogError>,
) -> Result<(), MetadataLogError> {
    for view in split(bytes) {
        let view = view?;
        if view.header.is_control() {
            continue;
        }
        for record in records(&view, SNAPSHOT_BYTES_MAX as usize)?.iter() {
            let record = record?;
            let offset = view.header.base_offset().plus(i64::from(record.offset_delta));
            if offset < from {
                continue;
            }
            let refused = |reason: String| MetadataLogError::Record { offset: offset.0, reason };
            let value = record.value.ok_or_else(|| refused("the record has no value".to_owned()))?;
            let decoded = MetadataRecord::decode(value).map_err(|error| refused(error.to_string()))?;
            let stands_for = Provenance { last_offset: offset.0, epoch: view.header.partition_leader_epoch().0 };
            replay(Positioned { stands_for, record: decoded })?;
        }
    }
    Ok(())
}
