//! Carries out fdatasync off the reactors, for partitions whose flush must precede an acknowledgement.
//!
//! Group commit: a partition is queued at most once; all that was appended to it until its turn comes is covered by one sync. Two threads
//! for each data directory, so that one slow file does not hold back all others, nor one slow disk the other disks.

use super::Partition;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

const THREADS: usize = 2;

/// The queues of the data directories, and their threads. Clones are the same flusher.
#[derive(Clone, Debug, Default)]
pub struct Flusher(Arc<Lanes>);

#[derive(Debug, Default)]
struct Lanes {
    /// By the number of the data directory.
    lanes: Mutex<Vec<Arc<Shared>>>,
    stopping: AtomicBool,
}

/// One directory's.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    partitions: VecDeque<Arc<Partition>>,
    /// Threads that wait for work.
    idle: usize,
    stopping: bool,
    threads: Vec<JoinHandle<()>>,
}

impl Flusher {
    /// A flusher without threads; they start with the first submission, so that a broker that never flushes pays nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, index: usize) -> Arc<Shared> {
        let mut lanes = self.lanes();
        while lanes.len() <= index {
            let lane = Shared::default();
            lane.lock().stopping = self.0.stopping.load(Ordering::SeqCst);
            lanes.push(Arc::new(lane));
        }
        Arc::clone(&lanes[index])
    }

    /// Queues a partition for a sync.
    pub fn submit(&self, partition: Arc<Partition>) {
        let index = partition.dir_index();
        let lane = self.lane(index);
        let mut queue = lane.lock();
        queue.partitions.push_back(partition);
        if !queue.stopping && queue.threads.len() < THREADS && queue.partitions.len() > queue.idle {
            let (flusher, running) = (self.clone(), Arc::clone(&lane));
            let name = format!("ottla-flush-{index}-{}", queue.threads.len());
            match std::thread::Builder::new().name(name).spawn(move || flusher.run(&running)) {
                Ok(thread) => queue.threads.push(thread),
                Err(error) => tracing::error!(%error, "cannot start a flush thread"),
            }
        }
        drop(queue);
        lane.wake.notify_one();
    }

    fn run(&self, lane: &Shared) {
        while let Some(partition) = lane.next() {
            let Some(plan) = partition.prepare_flush() else { continue };
            let outcome = plan.run();
            partition.complete_flush(self, plan, outcome);
        }
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.lanes().iter().map(|lane| lane.lock().partitions.len()).sum()
    }

    /// Finishes what is queued and ends the threads.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        let lanes = self.lanes().clone();
        for lane in &lanes {
            lane.lock().stopping = true;
            lane.wake.notify_all();
        }
        for thread in lanes.iter().flat_map(|lane| std::mem::take(&mut lane.lock().threads)) {
            if thread.join().is_err() {
                tracing::error!("a flush thread panicked");
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Arc<Partition>> {
        let mut queue = self.lock();
        loop {
            if let Some(partition) = queue.partitions.pop_front() {
                return Some(partition);
            }
            if queue.stopping {
                return None;
            }
            queue.idle += 1;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}
