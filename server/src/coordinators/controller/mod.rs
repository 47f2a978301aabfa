//! The controller seam: everything that changes cluster metadata goes through here. Today one local thread over a single-voter log;
//! in a cluster the same calls are forwarded.
//!
//! The thread owns the metadata shard and its log. One request at a time: handle, append and sync, replay, show the new image to the
//! publishers in order (partitions first, then request handlers), answer. An append that failed and left nothing behind (a full disk) is the
//! request's own misfortune. A failed sync, or a piece of an append that stays, ends all further changes: what is on disk is no longer
//! known, so only a restart, which reads it back, may go on.

mod client_quotas;
mod cluster;
mod configs;
mod partitions;
mod topics;

use super::metadata_log::{MetadataLog, MetadataLogError};
use crate::broker::{Node, Published};
use crate::clock::Clock;
use kafka_protocol::ResponseError;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::{
    BrokerEpoch, BrokerId, DirectoryId, MetadataEffects, MetadataImage, MetadataRecord, MetadataReply, MetadataShard,
};
use ottla_coordinator::shard::Shard;
use ottla_storage::log::PartitionLog;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Runtime) + Send>;

/// A handle on the controller; cloned freely.
#[derive(Clone, Debug)]
pub struct Controller {
    jobs: Arc<Mutex<Option<Sender<Job>>>>,
}

/// What runs on the controller thread.
pub(crate) struct Runtime {
    broker: BrokerId,
    shard: MetadataShard,
    log: MetadataLog,
    clock: Clock,
    published: Arc<Published>,
    failed: bool,
    bytes_since_snapshot: u64,
    snapshot_bytes: u64,
}

/// What a failed commit left.
enum CommitError {
    /// The log is as it was.
    NothingWritten(MetadataLogError),
    /// Nobody knows.
    InDoubt(MetadataLogError),
}

impl Runtime {
    pub(super) fn new(
        broker: BrokerId,
        shard: MetadataShard,
        log: MetadataLog,
        clock: Clock,
        published: Arc<Published>,
        snapshot_bytes: u64,
    ) -> Self {
        Self { broker, shard, log, clock, published, failed: false, bytes_since_snapshot: 0, snapshot_bytes }
    }

    /// Runs one handler and commits what it decided. The reply is the first one; all of them are released by this commit.
    pub(crate) fn run(
        &mut self,
        handler: impl FnOnce(&MetadataShard, Ticket, i64) -> MetadataEffects,
    ) -> Result<Option<MetadataReply>, ResponseError> {
        if self.failed {
            return Err(ResponseError::KafkaStorageError);
        }
        let now_ms = self.clock.now_ms();
        let effects = handler(&self.shard, Ticket(0), self.log.end_offset());
        if let Err(error) = self.commit(now_ms, &effects.records) {
            return Err(self.refuse(&error));
        }
        self.record_assignments(now_ms);
        Ok(effects.replies.into_iter().next().map(|(_, reply)| reply))
    }

    /// The image published last.
    pub(super) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(self.shard.published())
    }

    /// The clock's time.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// What a failed commit means for those that follow.
    fn refuse(&mut self, failed: &CommitError) -> ResponseError {
        match failed {
            CommitError::NothingWritten(error) => {
                tracing::warn!(%error, "the metadata log takes nothing at present; the change was not made")
            }
            CommitError::InDoubt(error) => {
                tracing::error!(%error, "the metadata log failed: no topic or configuration can change until the broker restarts");
                self.failed = true;
            }
        }
        ResponseError::KafkaStorageError
    }

    /// Records where logs lie that were opened or created by the last change (KIP-858).
    fn record_assignments(&mut self, now_ms: i64) {
        let assigned = self.published.registry.take_assignments();
        if assigned.is_empty() {
            return;
        }
        let effects = self.shard.assign_directories(Ticket(0), self.broker, &assigned);
        if let Err(error) = self.commit(now_ms, &effects.records) {
            // The next start looks again.
            self.refuse(&error);
        }
    }

    /// Opens or creates what could not be opened or created before.
    pub(crate) fn open_again(&mut self) {
        let now_ms = self.clock.now_ms();
        self.published.registry.open_again(now_ms, self.shard.published());
        if !self.failed {
            self.record_assignments(now_ms);
        }
    }

    /// A data directory has failed: leaderships in it are given up.
    pub(crate) fn directory_failed(&mut self, directory: DirectoryId) {
        let broker = self.broker;
        if self.run(|shard, ticket, _| shard.directories_offline(ticket, broker, &[directory])).is_err() {
            tracing::warn!("the failed directory is not recorded in the metadata log; its partitions are offline all the same");
        }
    }

    /// Commits what the shard asks for after it was loaded.
    pub(crate) fn recover(&mut self, handler: impl FnOnce(&mut MetadataShard) -> MetadataEffects) -> Result<(), ResponseError> {
        let effects = handler(&mut self.shard);
        self.run(|_, _, _| effects).map(drop)
    }

    fn commit(&mut self, now_ms: i64, records: &[MetadataRecord]) -> Result<(), CommitError> {
        if records.is_empty() {
            return Ok(());
        }
        let committed = self
            .log
            .commit(now_ms, records)
            .map_err(|error| if self.log.is_offline() { CommitError::InDoubt(error) } else { CommitError::NothingWritten(error) })?;
        records.iter().for_each(|record| self.shard.replay(record));
        let published = self.shard.publish(committed.last_offset, self.log.epoch());
        if let Some(published) = published.map_err(|error| CommitError::InDoubt(error.into()))? {
            self.published.show(now_ms, &published);
        }
        self.bytes_since_snapshot += committed.size_bytes;
        if self.bytes_since_snapshot >= self.snapshot_bytes {
            self.bytes_since_snapshot = 0;
            if let Err(error) = self.log.write_snapshot(now_ms, self.shard.published()) {
                // The change stands all the same: the log holds it, and the next snapshot will too.
                tracing::warn!(%error, "cannot write a snapshot of the metadata log; the next start reads more of the log");
            }
        }
        Ok(())
    }

    /// A clean stop, as Kafka's controlled shutdown leaves it: leaderships given up, this broker fenced.
    fn fence(&mut self) {
        let broker = self.broker;
        if let Err(error) = self.run(|shard, ticket, _| shard.fence_broker(ticket, broker)) {
            tracing::warn!(%error, "the stop is not recorded in the metadata log");
        }
    }

    /// Hands the log over to be closed.
    fn into_log(self) -> PartitionLog {
        self.log.into_log()
    }
}

impl Controller {
    /// A handle without a thread behind it yet; requests wait.
    pub(crate) fn channel() -> (Self, Receiver<Job>) {
        let (sender, receiver) = channel();
        (Self { jobs: Arc::new(Mutex::new(Some(sender))) }, receiver)
    }

    /// Starts the thread.
    pub(crate) fn serve(mut runtime: Runtime, jobs: Receiver<Job>) -> std::io::Result<JoinHandle<PartitionLog>> {
        std::thread::Builder::new().name("ottla-controller".to_owned()).spawn(move || {
            while let Ok(job) = jobs.recv() {
                job(&mut runtime);
            }
            runtime.fence();
            runtime.into_log()
        })
    }

    /// Lets the thread end after what is queued.
    pub(crate) fn stop(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Runs `job` on the controller thread.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Runtime) -> Result<T, ResponseError> + Send + 'static,
    ) -> Result<T, ResponseError> {
        let (answer, outcome) = oneshot::channel();
        let job: Job = Box::new(move |runtime| {
            // The asker may be gone; the change stands all the same.
            let _ = answer.send(job(runtime));
        });
        {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let jobs = jobs.as_ref().ok_or(ResponseError::NotController)?;
            jobs.send(job).map_err(|_| ResponseError::NotController)?;
        }
        outcome.await.map_err(|_| ResponseError::NotController)?
    }

    /// Runs `job` on the controller thread; nobody waits for it.
    pub(crate) fn post(&self, job: impl FnOnce(&mut Runtime) + Send + 'static) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        // No jobs, no thread: the broker stops.
        let _ = jobs.as_ref().map(|jobs| jobs.send(Box::new(job)));
    }

    /// A fresh block of producer ids, durable before it is given out.
    pub(crate) async fn allocate_producer_ids(&self, node: &Node) -> Result<Range<i64>, ResponseError> {
        let (broker, epoch) = (BrokerId(node.node_id), BrokerEpoch(node.broker_epoch));
        let reply = self.submit(move |runtime| runtime.run(|shard, ticket, _| shard.allocate_producer_ids(ticket, broker, epoch))).await?;
        match reply {
            Some(MetadataReply::ProducerIds(Ok(block))) => Ok(block.first..block.first + block.count),
            Some(MetadataReply::ProducerIds(Err(refused))) => Err(refused.error),
            _ => Err(ResponseError::UnknownServerError),
        }
    }
}
