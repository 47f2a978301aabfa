//! Reads a shard back from its log, on a thread of its own.

use super::{Cell, CoordinatorShard, Inner, Phase, end_of};
use crate::errors::PartitionError;
use crate::partition::{Partition, WakeAt};
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_storage::batch::{BatchView, EndTransactionMarker, records, split};
use ottla_storage::{Offset, StorageError};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One batch of a coordinator, uncompressed.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A shard to load, with the image it begins with.
type Job<S> = (Arc<Cell<S>>, Option<Arc<MetadataImage>>);

/// The queue of the loading thread.
#[derive(Debug)]
pub(super) struct Loader<S: CoordinatorShard> {
    jobs: Arc<Mutex<Queue<S>>>,
}

#[derive(Debug)]
struct Queue<S: CoordinatorShard> {
    sender: Option<Sender<Job<S>>>,
    receiver: Option<Receiver<Job<S>>>,
    /// The newest image of all jobs, for shards that are loaded again.
    image: Arc<MetadataImage>,
}

impl<S: CoordinatorShard> Default for Loader<S> {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { jobs: Arc::new(Mutex::new(Queue { sender: Some(sender), receiver: Some(receiver), image: Arc::default() })) }
    }
}

impl<S: CoordinatorShard> Loader<S> {
    pub(super) fn submit(&self, cell: Arc<Cell<S>>, image: Arc<MetadataImage>) {
        self.send((cell, Some(image)));
    }

    /// Has a shard read back after a while. The wait is another thread's, so that other shards are loaded meanwhile.
    pub(super) fn submit_again(&self, cell: Arc<Cell<S>>, after: Duration) {
        if after.is_zero() {
            return self.send((cell, None));
        }
        let jobs = Arc::downgrade(&self.jobs);
        let waits = {
            let cell = Arc::clone(&cell);
            std::thread::Builder::new().name("ottla-reload".to_owned()).spawn(move || {
                std::thread::sleep(after);
                if let Some(jobs) = jobs.upgrade() {
                    send(&jobs, (cell, None));
                }
            })
        };
        if let Err(error) = waits {
            tracing::warn!(%error, "no thread to wait on: the shard is loaded again at once");
            self.send((cell, None));
        }
    }

    fn send(&self, job: Job<S>) {
        send(&self.jobs, job);
    }

    /// The newest image that any shard was shown.
    pub(super) fn note_image(&self, image: &Arc<MetadataImage>) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).image = Arc::clone(image);
    }

    fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.jobs.lock().unwrap_or_else(PoisonError::into_inner).image)
    }

    pub(super) fn stop(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
    }
}

fn send<S: CoordinatorShard>(jobs: &Mutex<Queue<S>>, job: Job<S>) {
    let queue = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &queue.sender {
        // Fails only when the thread is gone, and then nothing serves any more.
        let _ = sender.send(job);
    }
}

/// Starts the thread. It ends when the loader is stopped or the runtime is gone.
pub(super) fn serve<S: CoordinatorShard>(inner: &Arc<Inner<S>>) -> io::Result<()> {
    let receiver = inner.loader.jobs.lock().unwrap_or_else(PoisonError::into_inner).receiver.take();
    let Some(jobs) = receiver else { return Ok(()) };
    let weak = Arc::downgrade(inner);
    std::thread::Builder::new().name("ottla-load".to_owned()).spawn(move || {
        while let Ok((cell, image)) = jobs.recv() {
            let Some(inner) = weak.upgrade() else { return };
            inner.load(&cell, image);
        }
    })?;
    Ok(())
}

/// Why a shard cannot be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the log ends at {end}, but offset {at} cannot be read")]
    Gap { at: Offset, end: Offset },
    #[error("offset {offset}: {reason}")]
    Record { offset: Offset, reason: String },
}

impl<S: CoordinatorShard> Inner<S> {
    pub(super) fn load(&self, cell: &Arc<Cell<S>>, image: Option<Arc<MetadataImage>>) {
        let image = image.unwrap_or_else(|| self.loader.image());
        let mut shard = S::new(&self.settings.load_full(), image);
        let outcome = replay(&cell.partition, &mut shard, self.load_buffer_bytes);
        let mut guard = self.lock(cell);
        let state = &mut *guard;
        let Phase::Loading(missed) = &mut state.phase else { return };
        let missed = std::mem::take(missed);
        match outcome {
            // What was read may not be committed yet: nothing is told, and nothing asked of the world, before it is.
            Ok(end) => state.uncommitted = Some(WakeAt::HighWatermark(end)),
            Err(error) => {
                tracing::error!(%error, "{}-{} cannot be loaded; what it holds is not served until the broker restarts", S::TOPIC, cell.index);
                state.phase = Phase::Failed;
                return;
            }
        }
        // They may have changed since the shard was made; those who change them now wait for the lock.
        shard.reconfigure(&self.settings.load_full());
        let now = self.now();
        let effects = shard.on_loaded(now);
        state.phase = Phase::Active(Box::new(shard));
        self.carry_out(cell, state, now, effects, None);
        for (image, delta) in missed {
            let Phase::Active(shard) = &mut state.phase else { break };
            let effects = shard.on_new_image(now, &image, &delta);
            self.carry_out(cell, state, now, effects, None);
        }
        self.release(guard);
    }
}

/// Hands the whole log to the shard, record by record. Returns its end.
fn replay<S: CoordinatorShard>(partition: &Partition, shard: &mut S, buffer_bytes: u64) -> Result<Offset, LoadError> {
    let (mut at, end) = end_of(partition).ok_or(LoadError::Closed)?;
    let mut bytes = Vec::new();
    while at < end {
        let plan = partition.with_log(|log| log.read(at, end, buffer_bytes, true)).ok_or(LoadError::Closed)?;
        let plan = plan.map_err(PartitionError::from)?;
        bytes.clear();
        for range in &plan.ranges {
            let before = bytes.len();
            bytes.resize(before + usize::try_from(range.size_bytes).unwrap_or(0), 0);
            let read = range.file.read_at(&mut bytes[before..], range.position);
            let read = read.map_err(|source| StorageError::io("read", partition.id().directory_name(), source))?;
            bytes.truncate(before + read);
        }
        for view in split(&bytes) {
            let view = view.map_err(|error| LoadError::Record { offset: at, reason: error.to_string() })?;
            replay_batch(&view, at, shard)?;
        }
        if plan.next_offset <= at {
            return Err(LoadError::Gap { at, end });
        }
        at = plan.next_offset;
    }
    Ok(end)
}

fn replay_batch<S: CoordinatorShard>(view: &BatchView<'_>, from: Offset, shard: &mut S) -> Result<(), LoadError> {
    let header = &view.header;
    let refused = |offset: Offset, reason: String| LoadError::Record { offset, reason };
    if header.is_control() {
        let marker = EndTransactionMarker::from_batch(view).map_err(|error| refused(header.base_offset(), error.to_string()))?;
        if let Some(marker) = marker {
            shard.replay_marker(header.producer_id().0, marker.committed);
        }
        return Ok(());
    }
    let walked = records(view, BATCH_BYTES_MAX).map_err(|error| refused(header.base_offset(), error.to_string()))?;
    for record in walked.iter() {
        let record = record.map_err(|error| refused(header.base_offset(), error.to_string()))?;
        if record.offset < from {
            continue;
        }
        let Some(key) = record.key else { return Err(refused(record.offset, "the record has no key".to_owned())) };
        let decoded = S::decode(key, record.value).map_err(|reason| refused(record.offset, reason))?;
        let Some(decoded) = decoded else { continue };
        if header.is_transactional() {
            shard.replay_transactional(header.producer_id().0, &decoded);
        } else {
            shard.replay(&decoded);
        }
    }
    Ok(())
}
