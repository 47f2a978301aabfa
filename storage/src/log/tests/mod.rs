//! Stories of one log on real files.

mod appending;
mod cleaning;
mod companions;
mod faults;
mod lookup;
mod model;
mod recovery;
mod rolling;
mod transactions;
mod truncating;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::batch::{BatchBuilder, BatchHeader, EndTransactionMarker, end_transaction_batch, split};
use crate::disk::RealDisk;
use crate::{ProducerEpoch, ProducerId, Sequence};

const NOW: Millis = Millis(1_700_000_000_000);
const EPOCH: LeaderEpoch = LeaderEpoch(3);

/// A directory that holds one log, which can be opened again and again.
struct House {
    dir: tempfile::TempDir,
    config: LogConfig,
}

impl House {
    fn new(config: LogConfig) -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory"), config }
    }

    /// Segments of about `segment_bytes`, an index entry every 100 bytes.
    fn small(segment_bytes: u32) -> Self {
        Self::new(LogConfig { segment_bytes, index_interval_bytes: 100, ..LogConfig::default() })
    }

    fn id() -> LogId {
        LogId { topic: "story".to_owned(), topic_id: uuid::Uuid::from_u128(7), partition: 4 }
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.path().join(Self::id().directory_name())
    }

    fn file(&self, base_offset: i64, suffix: &str) -> PathBuf {
        self.log_dir().join(format!("{base_offset:020}.{suffix}"))
    }

    fn open_as(&self, how: OpenOptions) -> (PartitionLog, RecoveryReport) {
        PartitionLog::open(Arc::new(RealDisk), self.dir.path(), Self::id(), Arc::new(self.config.clone()), how).expect("opened")
    }

    fn open(&self) -> PartitionLog {
        self.open_as(clean()).0
    }

    fn open_after_crash(&self) -> (PartitionLog, RecoveryReport) {
        self.open_as(OpenOptions { clean: false, ..clean() })
    }

    fn open_after_power_loss(&self) -> (PartitionLog, RecoveryReport) {
        self.open_as(OpenOptions { clean: false, machine_stopped: true, ..clean() })
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.log_dir())
            .expect("listed")
            .map(|e| e.expect("entry").file_name().into_string().expect("utf-8"))
            .collect();
        names.sort();
        names
    }
}

fn clean() -> OpenOptions {
    OpenOptions { clean: true, machine_stopped: false, recovery_point: Offset(0), log_start_offset: Offset(0), now: NOW }
}

/// A produced batch of `count` records with timestamps from `NOW` on.
fn batch(count: i32) -> Vec<u8> {
    batch_at(NOW, count)
}

fn batch_at(timestamp: Millis, count: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for index in 0..count {
        builder.push(Millis(timestamp.0 + i64::from(index)), Some(b"key"), Some(format!("value {index}").as_bytes()), &[]);
    }
    builder.build().expect("built")
}

fn produced(id: i64, epoch: i16, sequence: i32, count: i32, transactional: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new().producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    if transactional {
        builder = builder.transactional();
    }
    for _ in 0..count {
        builder.push(NOW, None, Some(b"v"), &[]);
    }
    builder.build().expect("built")
}

fn marker(id: i64, epoch: i16, committed: bool) -> Vec<u8> {
    end_transaction_batch(
        NOW,
        ProducerId(id),
        ProducerEpoch(epoch),
        EndTransactionMarker { committed, coordinator_epoch: 0 },
        LeaderEpoch(-1),
    )
}

fn append(log: &mut PartitionLog, bytes: &[u8]) -> AppendInfo {
    let epoch = log.latest_epoch().unwrap_or(EPOCH);
    let info = log.append_as_leader(NOW, bytes, epoch, AppendOrigin::Client).expect("appended");
    log.set_high_watermark(log.log_end_offset());
    info
}

fn end_transaction(log: &mut PartitionLog, id: i64, committed: bool) {
    let epoch = log.latest_epoch().unwrap_or(EPOCH);
    log.append_as_leader(NOW, &marker(id, 0, committed), epoch, AppendOrigin::Coordinator).expect("appended");
    log.set_high_watermark(log.log_end_offset());
}

fn plan_bytes(plan: &ReadPlan) -> Vec<u8> {
    let mut bytes = Vec::new();
    for range in &plan.ranges {
        let mut piece = vec![0; range.size_bytes as usize];
        assert_eq!(range.file.read_at(&mut piece, range.position).expect("read"), piece.len());
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(bytes.len() as u64, plan.size_bytes);
    bytes
}

fn headers(bytes: &[u8]) -> Vec<BatchHeader> {
    split(bytes)
        .map(|batch| batch.expect("whole batches only"))
        .inspect(|view| view.check_crc().expect("good CRC"))
        .map(|view| view.header)
        .collect()
}

/// Reads everything from the log start on, plan by plan.
fn read_all(log: &PartitionLog) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let plan = log.read(offset, log.log_end_offset(), 1000, true).expect("read");
        assert!(plan.next_offset > offset, "progress at {offset}");
        bytes.extend(plan_bytes(&plan));
        offset = plan.next_offset;
    }
    bytes
}

fn offsets(log: &PartitionLog) -> (i64, i64) {
    (log.log_start_offset().0, log.log_end_offset().0)
}

fn exists(path: &Path) -> bool {
    path.exists()
}
