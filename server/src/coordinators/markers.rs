//! Carries out what transaction shards decided: writes the end of a transaction into every partition it touched.
//!
//! Called by the runtime of the transaction shards (as its courier) and by WriteTxnMarkers. Today every partition is here, and a marker is
//! a local append; in a cluster it is a request to the partition's leader, and only [`Writer::write`] knows.
//!
//! A decision whose record is committed and whose markers are committed at once is carried out by the caller before it goes on, so that
//! EndTxn is answered when the transaction is complete. Everything else goes to one thread, which waits for commits and tries again what
//! could not be written: a shard that still loads, a log on a failed disk. A partition that is gone needs no marker. Before each try the
//! shard is asked whether it still waits: one that was loaded again has asked anew, and the markers of its former life could come when
//! those of this life are written and the next transaction is open.

#[cfg(test)]
mod tests;

use super::group::OFFSETS_TOPIC;
use super::runtime::{Commit, Courier, Errand, Runtime, WeakRuntime};
use crate::broker::{Node, Published};
use crate::clock::Clock;
use crate::errors::PartitionError;
use crate::partition::flusher::Flusher;
use crate::partition::{Partition, Waiter, WakeAt};
use kafka_protocol::ResponseError;
use ottla_coordinator::txn::{
    Partitions, ProducerIdAndEpoch, TransactionVersion, TransactionalId, TxnCommand, TxnReply, TxnShard, WriteMarkers,
};
use ottla_storage::batch::{EndTransactionMarker, end_transaction_batch};
use ottla_storage::log::{AppendOrigin, TransactionCheck};
use ottla_storage::{LeaderEpoch, Millis, ProducerEpoch, ProducerId};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A transaction over more partitions than this does not hold up the thread that ends it.
const INLINE_PARTITIONS_MAX: usize = 128;
/// The first wait before what failed is tried again; it doubles up to the second.
const RETRY_AFTER: Duration = Duration::from_millis(5);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// The end of a transaction, as it is written into a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndMarker {
    /// Whose transaction.
    pub(crate) producer: ProducerIdAndEpoch,
    /// Leader epoch of the coordinator's partition: a lower one than before is a zombie's.
    pub(crate) coordinator_epoch: i32,
    /// Transaction version of the client; from 2 on the marker's epoch must be above that of the data.
    pub(crate) version: TransactionVersion,
    /// Committed, or aborted.
    pub(crate) committed: bool,
}

/// Writes markers.
#[derive(Debug)]
pub(crate) struct Writer {
    clock: Clock,
    flusher: Arc<Flusher>,
    published: OnceLock<Weak<Published>>,
}

impl Writer {
    /// Writes a marker into one partition. `Some` is what must be committed before it may be believed.
    ///
    /// Errors: UNKNOWN_TOPIC_OR_PARTITION for a partition that does not exist (any more), INVALID_PRODUCER_EPOCH and
    /// TRANSACTION_COORDINATOR_FENCED for a marker that comes too late, everything else may be tried again.
    pub(crate) fn write(&self, marker: EndMarker, topic: &str, partition: i32) -> Result<Option<Commit>, ResponseError> {
        let published = self.published.get().and_then(Weak::upgrade).ok_or(ResponseError::NotLeaderOrFollower)?;
        let image = published.image();
        let topic_image = image.topics().by_name(topic).ok_or(ResponseError::UnknownTopicOrPartition)?;
        if !topic_image.partitions.contains_key(&partition) {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if topic == OFFSETS_TOPIC {
            let write = |log: &Arc<Partition>| self.append(marker, log);
            return published.groups.runtime.write_marker(partition, marker.producer.id, marker.committed, write);
        }
        let log = published.registry.get(topic_image.id.0, partition).ok_or(ResponseError::NotLeaderOrFollower)?;
        let at = self.append(marker, &log).map_err(|error| error.response_error())?;
        Ok(at.map(|at| Commit { partition: log, at }))
    }

    fn append(&self, marker: EndMarker, log: &Arc<Partition>) -> Result<Option<WakeAt>, PartitionError> {
        let now_ms = self.clock.now_ms();
        let EndMarker { producer, coordinator_epoch, version, committed } = marker;
        let end = EndTransactionMarker { committed, coordinator_epoch };
        // The log stamps its own leader epoch.
        let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
        let batch = end_transaction_batch(Millis(now_ms), id, epoch, end, LeaderEpoch(-1));
        let check = TransactionCheck::Marker { transaction_version: version.0 };
        let appended = log.append_checked(&self.flusher, now_ms, &batch, AppendOrigin::Coordinator, true, check)?;
        Ok(appended.commit.or(appended.flush))
    }
}

/// A decision on its way to its partitions.
#[derive(Debug)]
struct Delivery {
    place: usize,
    leader_epoch: i32,
    decided: WriteMarkers,
    /// The decision itself must be committed first.
    after: Option<Commit>,
    /// Where the marker still has to be written.
    left: Partitions,
    /// Markers that may not be believed yet.
    commits: Vec<Commit>,
}

/// The marker sender. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Markers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: Writer,
    shards: OnceLock<WeakRuntime<TxnShard>>,
    node: OnceLock<Weak<Node>>,
    completed: Arc<Notify>,
    /// To the thread; `None` once the broker stops.
    queue: Mutex<Option<UnboundedSender<Work>>>,
}

#[derive(Debug)]
enum Work {
    Deliver(Delivery),
    AbortExpired { transactional_id: TransactionalId, after: Option<Commit> },
}

impl Markers {
    /// Starts the thread. `completed` hears of every transaction that is complete.
    pub(crate) fn start(clock: Clock, flusher: Arc<Flusher>, completed: Arc<Notify>) -> io::Result<Self> {
        let (sender, receiver) = unbounded_channel();
        let inner = Arc::new(Inner {
            writer: Writer { clock, flusher, published: OnceLock::new() },
            shards: OnceLock::new(),
            node: OnceLock::new(),
            completed,
            queue: Mutex::new(Some(sender)),
        });
        serve(&inner, receiver)?;
        Ok(Self { inner })
    }

    /// What the runtime hands commands to.
    pub(crate) fn courier(&self) -> Arc<dyn Courier<TxnCommand>> {
        Arc::new(self.clone())
    }

    /// For WriteTxnMarkers: somebody else's decision.
    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(crate) fn connect(&self, published: &Arc<Published>, shards: &Runtime<TxnShard>) {
        let _ = self.inner.writer.published.set(Arc::downgrade(published));
        let _ = self.inner.shards.set(shards.downgrade());
    }

    pub(crate) fn connect_node(&self, node: &Arc<Node>) {
        let _ = self.inner.node.set(Arc::downgrade(node));
    }

    pub(crate) fn stop(&self) {
        self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Courier<TxnCommand> for Markers {
    fn deliver(&self, errand: Errand<TxnCommand>) {
        let Errand { place, leader_epoch, command, after } = errand;
        match command {
            TxnCommand::AbortExpired(transactional_id) => self.inner.queue(Work::AbortExpired { transactional_id, after }),
            TxnCommand::WriteMarkers(decided) => {
                let left = decided.partitions.clone();
                let mut delivery = Delivery { place, leader_epoch, decided, after, left, commits: Vec::new() };
                let count: usize = delivery.left.values().map(std::collections::BTreeSet::len).sum();
                if delivery.after.is_none() && count <= INLINE_PARTITIONS_MAX {
                    if !self.inner.is_awaited(&delivery) {
                        return;
                    }
                    self.inner.write_all(&mut delivery);
                }
                if delivery.after.is_none() && delivery.left.is_empty() && delivery.commits.is_empty() {
                    self.inner.complete(&delivery);
                } else {
                    self.inner.queue(Work::Deliver(delivery));
                }
            }
        }
    }
}

impl Inner {
    fn shards(&self) -> Option<Runtime<TxnShard>> {
        self.shards.get().and_then(WeakRuntime::upgrade)
    }

    fn queue(&self, work: Work) {
        if let Some(queue) = &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            // Fails only when the thread is gone; a restart asks again.
            let _ = queue.send(work);
        }
    }

    /// Whether the shard still waits for these markers. One that loads will ask again.
    fn is_awaited(&self, delivery: &Delivery) -> bool {
        let shards = self.shards();
        shards.and_then(|shards| shards.inspect_at(delivery.place, |shard| shard.awaits(&delivery.decided))) == Some(true)
    }

    /// Writes the marker wherever it is still missing; what cannot be written now stays in `left`.
    fn write_all(&self, delivery: &mut Delivery) {
        let WriteMarkers { producer, version, committed, .. } = delivery.decided;
        let marker = EndMarker { producer, coordinator_epoch: delivery.leader_epoch, version, committed };
        let (commits, id) = (&mut delivery.commits, &delivery.decided.transactional_id);
        delivery.left.retain(|topic, partitions| {
            partitions.retain(|partition| match self.writer.write(marker, topic, *partition) {
                Ok(commit) => {
                    commits.extend(commit);
                    false
                }
                Err(ResponseError::UnknownTopicOrPartition) => false,
                Err(error @ (ResponseError::InvalidProducerEpoch | ResponseError::TransactionCoordinatorFenced)) => {
                    tracing::warn!(%error, "the end of a transaction of {id} came too late for {topic}-{partition}: it was ended before");
                    false
                }
                Err(error) => {
                    tracing::debug!(%error, "the end of a transaction of {id} cannot be written to {topic}-{partition} yet");
                    true
                }
            });
            !partitions.is_empty()
        });
    }

    /// All markers are committed: tells the shard.
    fn complete(&self, delivery: &Delivery) {
        if let Some(shards) = self.shards() {
            let written = &delivery.decided;
            // A shard that is not there any more was loaded again, and has asked again.
            let told = shards.tell(delivery.place, delivery.leader_epoch, |shard, now, ticket| shard.markers_written(now, ticket, written));
            if let Err(error) = told {
                tracing::debug!(%error, "nobody waits for the markers of {}", written.transactional_id);
            }
        }
        self.completed.notify_waiters();
    }

    async fn carry_out(self: Arc<Self>, work: Work) {
        match work {
            Work::Deliver(delivery) => self.deliver(delivery).await,
            Work::AbortExpired { transactional_id, after } => self.abort_expired(&transactional_id, after).await,
        }
    }

    async fn deliver(&self, mut delivery: Delivery) {
        if let Some(decision) = delivery.after.take()
            && !committed(&decision).await
        {
            // The shard's log went away under it: whoever loads it finds the decision, or does not.
            return;
        }
        let mut retry_after = RETRY_AFTER;
        loop {
            for commit in std::mem::take(&mut delivery.commits) {
                if !committed(&commit).await {
                    // The partition went away with its marker. Writing one twice does no harm.
                    delivery.left = delivery.decided.partitions.clone();
                }
            }
            if delivery.left.is_empty() {
                return self.complete(&delivery);
            }
            if !self.is_awaited(&delivery) {
                return;
            }
            self.write_all(&mut delivery);
            if !delivery.left.is_empty() {
                tokio::time::sleep(retry_after).await;
                retry_after = (retry_after * 2).min(RETRY_AFTER_MAX);
            }
        }
    }

    async fn abort_expired(&self, id: &TransactionalId, after: Option<Commit>) {
        if let Some(commit) = after
            && !committed(&commit).await
        {
            return;
        }
        let mut retry_after = RETRY_AFTER;
        loop {
            let (Some(node), Some(shards)) = (self.node.get().and_then(Weak::upgrade), self.shards()) else { return };
            let outcome = match node.producer_ids.next(&node).await {
                Ok(fresh) => shards.run(&id.0, |shard, now, ticket| shard.abort_expired(now, ticket, id, Some(fresh))).await,
                Err(error) => Err(error),
            };
            drop((node, shards));
            match outcome {
                Ok(TxnReply::Done) | Err(ResponseError::NotCoordinator) => return,
                other => tracing::debug!(?other, "the expired transaction of {id} cannot be aborted yet"),
            }
            tokio::time::sleep(retry_after).await;
            retry_after = (retry_after * 2).min(RETRY_AFTER_MAX);
        }
    }
}

/// Waits until an append is committed; false when it never will be here.
pub(crate) async fn committed(commit: &Commit) -> bool {
    let waiter = Waiter::new();
    loop {
        match commit.partition.reached(commit.at) {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => return false,
        }
        if commit.partition.park(&waiter, commit.at, 0) {
            waiter.woken().await;
        }
        commit.partition.leave(&waiter);
    }
}

/// Starts the thread. It ends when the sender is stopped; what is on its way then is asked for again after the restart.
fn serve(inner: &Arc<Inner>, mut work: UnboundedReceiver<Work>) -> io::Result<()> {
    let weak = Arc::downgrade(inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("ottla-markers".to_owned()).spawn(move || {
        runtime.block_on(async {
            while let Some(work) = work.recv().await {
                let Some(inner) = weak.upgrade() else { return };
                tokio::spawn(inner.carry_out(work));
            }
        });
    })?;
    Ok(())
}
