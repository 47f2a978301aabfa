//! Runs shards: one for each partition of a coordinator's topic that this broker leads.
//!
//! A shard sits behind one lock; whoever has work for it takes the lock, runs a handler, appends what it decided, replays it, and lets
//! go. Nothing waits under the lock: a reply that must wait for the high watermark waits in the request's own future. The lock of a shard
//! is taken before the lock of a partition, never after, and nobody holds two shards. What a shard asks of the world (a *command*) leaves once
//! the lock is released, and is carried out once its record is committed.
//!
//! Phases of a shard, keyed by (partition, leader epoch):
//!
//! | phase | requests get | leaves by |
//! |---|---|---|
//! | loading | COORDINATOR_LOAD_IN_PROGRESS | the whole log is replayed: active; it cannot be read: failed |
//! | active | an answer | a failed append or a panic: loading again; the leadership goes: unloaded |
//! | failed | NOT_COORDINATOR | a new leader epoch, so with a restart |
//! | unloaded | NOT_COORDINATOR | |
//!
//! Whatever ends an active phase answers all parked tickets first. After a failed append nothing of the shard's memory is believed. A shard
//! that comes back to do at once what its log has no room for is loaded less and less often: once a second at last.

mod load;
#[cfg(test)]
mod tests;
mod timers;
mod turn;

use crate::clock::Clock;
use crate::errors::PartitionError;
use crate::partition::flusher::Flusher;
use crate::partition::registry::Registry;
use crate::partition::{Partition, Role, WakeAt};
use arc_swap::ArcSwap;
use foldhash::{HashMap, HashMapExt};
use kafka_protocol::ResponseError;
use load::Loader;
use ottla_coordinator::effects::{Effects, Ticket};
use ottla_coordinator::metadata::MetadataDelta;
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::partitioner::partition_for;
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use ottla_storage::batch::compression::Compression;
use ottla_storage::log::TransactionCheck;
use ottla_storage::{Offset, Sequence};
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use timers::Timekeeper;
use tokio::sync::oneshot;
use uuid::Uuid;

/// What a coordinator's batches have in place of a sequence: they are not retried.
pub(crate) const NO_SEQUENCE: Sequence = Sequence(-1);

/// What the runtime needs of a shard beside the contract.
pub(crate) trait CoordinatorShard:
    Shard<Record: Debug, Reply: Debug + Send, Command: Debug + Send + Sync> + Debug + Send + Sized + 'static
{
    /// The topic that is the shards' log.
    const TOPIC: &'static str;
    /// What every shard is made from.
    type Settings: Debug + Send + Sync + 'static;

    /// A shard with nothing replayed yet.
    fn new(settings: &Arc<Self::Settings>, image: Arc<MetadataImage>) -> Self;
    /// From now on other settings count.
    fn reconfigure(&mut self, settings: &Arc<Self::Settings>);
    /// Reads a record, `None` when it is one to pass over; the text says why it cannot be read.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self::Record>, String>;
    /// Key and value bytes; the text says why the record cannot be written.
    fn encode(record: &Self::Record) -> Result<(Vec<u8>, Option<Vec<u8>>), String>;
    /// A record of a transaction that is open as far as the log was read.
    fn replay_transactional(&mut self, producer_id: i64, record: &Self::Record);
    /// The end of a transaction.
    fn replay_marker(&mut self, producer_id: i64, commit: bool);
    /// The cluster's metadata changed.
    fn on_new_image(&mut self, now: Millis, image: &Arc<MetadataImage>, delta: &MetadataDelta) -> EffectsOf<Self>;
}

/// What a handler of this shard returns.
pub(crate) type EffectsOf<S> = Effects<<S as Shard>::Record, <S as Shard>::Reply, <S as Shard>::Command>;

/// Something for the world to do, on its way.
#[derive(Debug)]
pub(crate) struct Errand<C> {
    /// Index of the shard's partition.
    pub(crate) place: usize,
    /// Leader epoch of the shard's partition: the coordinator epoch.
    pub(crate) leader_epoch: i32,
    /// What to do.
    pub(crate) command: C,
    /// What the log must have committed before; `None` when it has.
    pub(crate) after: Option<Commit>,
}

/// An append that may not be believed yet.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// Where it was made.
    pub(crate) partition: Arc<Partition>,
    /// When it is committed.
    pub(crate) at: WakeAt,
}

/// Carries out what shards ask of the world. Called without any lock; must not block for long.
pub(crate) trait Courier<C>: Debug + Send + Sync {
    /// Takes an errand. It is never forgotten while the broker runs; after a restart the shard asks again.
    fn deliver(&self, errand: Errand<C>);
}

/// The transaction in which a handler's records are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenBy {
    /// Producer id.
    pub(crate) producer_id: i64,
    /// Producer epoch.
    pub(crate) producer_epoch: i16,
    /// What proves that the transaction is open.
    pub(crate) check: TransactionCheck,
}

/// A reply that may leave once the log has committed what it tells.
type Gated<S> = Result<(<S as Shard>::Reply, Option<WakeAt>), ResponseError>;

/// All shards of one kind on this broker. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Runtime<S: CoordinatorShard> {
    inner: Arc<Inner<S>>,
}

impl<S: CoordinatorShard> Clone for Runtime<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// The same for whoever the runtime itself holds on to.
#[derive(Debug)]
pub(crate) struct WeakRuntime<S: CoordinatorShard>(Weak<Inner<S>>);

impl<S: CoordinatorShard> WeakRuntime<S> {
    /// The runtime, unless it is gone.
    pub(crate) fn upgrade(&self) -> Option<Runtime<S>> {
        self.0.upgrade().map(|inner| Runtime { inner })
    }
}

#[derive(Debug)]
struct Inner<S: CoordinatorShard> {
    clock: Clock,
    flusher: Arc<Flusher>,
    settings: ArcSwap<S::Settings>,
    compression: Compression,
    /// How long a reply may wait for the high watermark.
    commit_timeout: Duration,
    /// Bytes read at a time while a shard loads.
    load_buffer_bytes: u64,
    cells: ArcSwap<Vec<Option<Arc<Cell<S>>>>>,
    loader: Loader<S>,
    timekeeper: Arc<Timekeeper>,
    courier: Option<Arc<dyn Courier<S::Command>>>,
}

impl<S: CoordinatorShard> Drop for Inner<S> {
    fn drop(&mut self) {
        self.timekeeper.stop();
    }
}

/// One shard and what surrounds it.
#[derive(Debug)]
struct Cell<S: CoordinatorShard> {
    index: i32,
    leader_epoch: i32,
    partition: Arc<Partition>,
    state: Mutex<CellState<S>>,
}

#[derive(Debug)]
struct CellState<S: CoordinatorShard> {
    phase: Phase<S>,
    /// Requests that wait for a reply, also across handlers.
    parked: HashMap<Ticket, oneshot::Sender<Gated<S>>>,
    next_ticket: u64,
    /// What was appended last and may not be committed yet: every later reply waits for it too.
    uncommitted: Option<WakeAt>,
    /// What handlers asked for under the lock; delivered once it is released.
    outbox: Vec<Errand<S::Command>>,
    /// How often the shard was given up since something was last appended.
    failures: u32,
}

#[derive(Debug)]
enum Phase<S: CoordinatorShard> {
    /// With the metadata changes that came in meanwhile.
    Loading(Vec<(Arc<MetadataImage>, Arc<MetadataDelta>)>),
    Active(Box<S>),
    Failed,
    Unloaded,
}

impl<S: CoordinatorShard> Phase<S> {
    /// What a request gets instead of an answer.
    fn refusal(&self) -> ResponseError {
        match self {
            Self::Loading(_) => ResponseError::CoordinatorLoadInProgress,
            Self::Active(_) | Self::Failed | Self::Unloaded => ResponseError::NotCoordinator,
        }
    }
}

/// What a runtime is made with.
#[derive(Debug)]
pub(crate) struct RuntimeConfig<T, C> {
    /// What every shard is made from.
    pub(crate) settings: Arc<T>,
    /// Of the batches that shards write.
    pub(crate) compression: Compression,
    /// How long a reply may wait for the high watermark.
    pub(crate) commit_timeout: Duration,
    /// Bytes read at a time while a shard loads; a larger batch is read whole.
    pub(crate) load_buffer_bytes: u64,
    /// Who carries out the shards' commands; `None` for shards that have none.
    pub(crate) courier: Option<Arc<dyn Courier<C>>>,
}

impl<S: CoordinatorShard> Runtime<S> {
    /// A runtime without shards; they come with the metadata image.
    pub(crate) fn start(config: RuntimeConfig<S::Settings, S::Command>, clock: Clock, flusher: Arc<Flusher>) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            timekeeper: Arc::new(Timekeeper::new(clock.clone())),
            clock,
            flusher,
            settings: ArcSwap::new(config.settings),
            compression: config.compression,
            commit_timeout: config.commit_timeout,
            load_buffer_bytes: config.load_buffer_bytes,
            cells: ArcSwap::default(),
            loader: Loader::default(),
            courier: config.courier,
        });
        load::serve(&inner)?;
        timers::serve(&inner)?;
        Ok(Self { inner })
    }

    /// Tells every shard, those too that still load, what it obeys from now on.
    pub(crate) fn reconfigure(&self, settings: Arc<S::Settings>) {
        self.inner.settings.store(Arc::clone(&settings));
        for cell in self.inner.cells.load().iter().flatten() {
            if let Phase::Active(shard) = &mut self.inner.lock(cell).phase {
                shard.reconfigure(&settings);
            }
        }
    }

    /// A reference that does not keep the runtime.
    pub(crate) fn downgrade(&self) -> WeakRuntime<S> {
        WeakRuntime(Arc::downgrade(&self.inner))
    }

    /// Runs a handler in the shard that `id` belongs to and waits for its reply.
    pub(crate) async fn run(
        &self,
        id: &str,
        handler: impl FnOnce(&mut S, Millis, Ticket) -> EffectsOf<S>,
    ) -> Result<S::Reply, ResponseError> {
        let cell = self.cell_of(id).ok_or(ResponseError::NotCoordinator)?;
        let receiver = self.inner.submit(&cell, None, handler)?;
        self.inner.await_reply(&cell, receiver).await
    }

    /// As [`run`](Self::run), and what the handler decides is written as part of a transaction: it counts once the end marker is there.
    pub(crate) async fn run_transactional(
        &self,
        id: &str,
        by: WrittenBy,
        handler: impl FnOnce(&mut S, Millis, Ticket) -> EffectsOf<S>,
    ) -> Result<S::Reply, ResponseError> {
        let cell = self.cell_of(id).ok_or(ResponseError::NotCoordinator)?;
        let receiver = self.inner.submit(&cell, Some(by), handler)?;
        self.inner.await_reply(&cell, receiver).await
    }

    /// Runs a handler in the shard at `place` unless it is another leader epoch's by now. Nobody waits for the reply.
    pub(crate) fn tell(
        &self,
        place: usize,
        leader_epoch: i32,
        handler: impl FnOnce(&mut S, Millis, Ticket) -> EffectsOf<S>,
    ) -> Result<(), ResponseError> {
        let cells = self.inner.cells.load();
        let cell = cells.get(place).and_then(Option::as_ref).filter(|cell| cell.leader_epoch == leader_epoch);
        self.inner.submit(cell.ok_or(ResponseError::NotCoordinator)?, None, handler).map(drop)
    }

    /// Writes the end of a transaction into the log of a shard, which hears of it at once. What the log refuses leaves the shard as it is.
    pub(crate) fn write_marker(
        &self,
        place: i32,
        producer_id: i64,
        committed: bool,
        write: impl FnOnce(&Arc<Partition>) -> Result<Option<WakeAt>, PartitionError>,
    ) -> Result<Option<Commit>, ResponseError> {
        let cells = self.inner.cells.load();
        let cell = usize::try_from(place).ok().and_then(|place| cells.get(place)?.as_ref()).ok_or(ResponseError::NotCoordinator)?;
        let mut state = self.inner.lock(cell);
        let state = &mut *state;
        let Phase::Active(shard) = &mut state.phase else { return Err(state.phase.refusal()) };
        let at = match write(&cell.partition) {
            Ok(at) => at,
            Err(error) => {
                let told = error.response_error();
                if matches!(error, PartitionError::Storage(_)) {
                    self.inner.distrust(cell, state, &error);
                }
                return Err(told);
            }
        };
        shard.replay_marker(producer_id, committed);
        if at.is_some() {
            state.uncommitted = at;
        }
        Ok(at.map(|at| Commit { partition: Arc::clone(&cell.partition), at }))
    }

    fn cell_of(&self, id: &str) -> Option<Arc<Cell<S>>> {
        let cells = self.inner.cells.load();
        let count = i32::try_from(cells.len()).ok().filter(|count| *count > 0)?;
        cells.get(usize::try_from(partition_for(id, count)).ok()?)?.clone()
    }

    /// The partition whose shard `id` belongs to, if it is here, and its index.
    pub(crate) fn partition_of(&self, id: &str) -> Option<(i32, Arc<Partition>)> {
        self.cell_of(id).map(|cell| (cell.index, Arc::clone(&cell.partition)))
    }

    /// Runs a handler in every shard of this broker, in order of partitions.
    pub(crate) async fn run_all(
        &self,
        mut handler: impl FnMut(&mut S, Millis, Ticket) -> EffectsOf<S>,
    ) -> Result<Vec<S::Reply>, ResponseError> {
        let cells = self.inner.cells.load_full();
        let mut waiting = Vec::new();
        for cell in cells.iter().flatten() {
            match self.inner.submit(cell, None, &mut handler) {
                Ok(receiver) => waiting.push((cell, receiver)),
                Err(ResponseError::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        let mut replies = Vec::with_capacity(waiting.len());
        for (cell, receiver) in waiting {
            replies.push(self.inner.await_reply(cell, receiver).await?);
        }
        Ok(replies)
    }

    /// How many shards there are, here or elsewhere.
    pub(crate) fn places(&self) -> usize {
        self.inner.cells.load().len()
    }

    /// The shard that `id` belongs to.
    pub(crate) fn place_of(&self, id: &str) -> Option<usize> {
        let count = i32::try_from(self.places()).ok().filter(|count| *count > 0)?;
        usize::try_from(partition_for(id, count)).ok()
    }

    /// Reads a shard, if it is active here. Nothing that is not committed yet may be told to a client from it.
    pub(crate) fn inspect_at<T>(&self, place: usize, look: impl FnOnce(&S) -> T) -> Option<T> {
        let cells = self.inner.cells.load();
        let cell = cells.get(place)?.as_ref()?;
        match &self.inner.lock(cell).phase {
            Phase::Active(shard) => Some(look(shard)),
            _ => None,
        }
    }

    /// Why some shards of this broker cannot be asked, in words; nothing when all can.
    pub(crate) fn unready(&self) -> Vec<String> {
        let cells = self.inner.cells.load();
        let (mut loading, mut failed) = (0, 0);
        for cell in cells.iter().flatten() {
            match self.inner.lock(cell).phase {
                Phase::Loading(_) => loading += 1,
                Phase::Failed => failed += 1,
                Phase::Active(_) | Phase::Unloaded => {}
            }
        }
        let told = [(loading, "are being loaded"), (failed, "could not be loaded")].into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} of {} partitions of {} {what}", cells.len(), S::TOPIC)).collect()
    }

    /// Follows the metadata image: shards come, go and look at what changed. Called by the controller thread in commit order, after the
    /// partitions have their roles.
    pub(crate) fn follow(&self, registry: &Registry, image: &Arc<MetadataImage>, delta: &Arc<MetadataDelta>) {
        let inner = &self.inner;
        inner.loader.note_image(image);
        let topic = image.topics().by_name(S::TOPIC);
        let before = inner.cells.load_full();
        let count = topic.map_or(0, |topic| topic.partitions.len());
        let mut after: Vec<Option<Arc<Cell<S>>>> = Vec::with_capacity(count);
        for index in 0..i32::try_from(count).unwrap_or_default() {
            let led = topic.and_then(|topic| led_here(registry, topic.id.0, index));
            let kept = before.get(after.len()).and_then(Option::as_ref);
            after.push(match (led, kept) {
                (Some((partition, epoch)), Some(cell)) if cell.leader_epoch == epoch && Arc::ptr_eq(&cell.partition, &partition) => {
                    Some(Arc::clone(cell))
                }
                (Some((partition, leader_epoch)), _) => Some(Arc::new(Cell::new(index, leader_epoch, partition))),
                (None, _) => None,
            });
        }
        let is_kept = |cell: &Arc<Cell<S>>| after.iter().flatten().any(|other| Arc::ptr_eq(cell, other));
        for gone in before.iter().flatten().filter(|cell| !is_kept(cell)) {
            inner.unload(gone);
        }
        let is_old = |cell: &&Arc<Cell<S>>| before.iter().flatten().any(|other| Arc::ptr_eq(cell, other));
        let fresh: Vec<_> = after.iter().flatten().filter(|cell| !is_old(cell)).cloned().collect();
        inner.cells.store(Arc::new(after.clone()));
        for cell in after.iter().flatten().filter(is_old) {
            inner.show_image(cell, image, delta);
        }
        for cell in fresh {
            // A new topic's shards have nothing to read: whoever asked for the topic finds them ready.
            if end_of(&cell.partition).is_some_and(|(start, end)| start == end) {
                inner.load(&cell, Some(Arc::clone(image)));
            } else {
                inner.loader.submit(cell, Arc::clone(image));
            }
        }
    }

    /// Answers whoever waits and ends the threads. Later requests get NOT_COORDINATOR.
    pub(crate) fn stop(&self) {
        self.inner.timekeeper.stop();
        self.inner.loader.stop();
        for cell in self.inner.cells.load().iter().flatten() {
            self.inner.unload(cell);
        }
    }
}

/// The partition and its leader epoch when this broker leads it.
fn led_here(registry: &Registry, topic_id: Uuid, index: i32) -> Option<(Arc<Partition>, i32)> {
    let partition = registry.get(topic_id, index)?;
    match partition.role() {
        Role::Leader { leader_epoch, .. } => Some((partition, leader_epoch.0)),
        Role::Follower { .. } | Role::Offline { .. } => None,
    }
}

impl<S: CoordinatorShard> Cell<S> {
    fn new(index: i32, leader_epoch: i32, partition: Arc<Partition>) -> Self {
        let state = CellState {
            phase: Phase::Loading(Vec::new()),
            parked: HashMap::new(),
            next_ticket: 0,
            uncommitted: None,
            outbox: Vec::new(),
            failures: 0,
        };
        Self { index, leader_epoch, partition, state: Mutex::new(state) }
    }
}

/// Why a coordinator's log could not be written, as its clients are told (Kafka's `CoordinatorOperationExceptionHelper`).
pub(crate) fn coordinator_error(error: ResponseError) -> ResponseError {
    match error {
        ResponseError::UnknownTopicOrPartition | ResponseError::NotEnoughReplicas | ResponseError::RequestTimedOut => {
            ResponseError::CoordinatorNotAvailable
        }
        ResponseError::NotLeaderOrFollower | ResponseError::KafkaStorageError => ResponseError::NotCoordinator,
        ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => ResponseError::UnknownServerError,
        other => other,
    }
}

/// Where a log begins and ends, for the loader.
fn end_of(partition: &Partition) -> Option<(Offset, Offset)> {
    partition.offsets().map(|offsets| (offsets.log_start_offset, offsets.log_end_offset))
}
