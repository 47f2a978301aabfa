//! Carries out fdatasync off the reactors, for partitions whose flush must precede an acknowledgement.
//!
//! Group commit: a partition is queued at most once; all that was appended to it until its turn comes is covered by one sync. Two threads,
//! so that one slow file does not hold back all others.

use super::Partition;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

const THREADS: usize = 2;

/// The queue and its threads.
#[derive(Debug, Default)]
pub struct Flusher {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    partitions: VecDeque<Arc<Partition>>,
    stopping: bool,
    threads: Vec<JoinHandle<()>>,
}

impl Flusher {
    /// A flusher without threads; they start with the first submission, so that a broker that never flushes pays nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn handle(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }

    /// Queues a partition for a sync.
    pub fn submit(&self, partition: Arc<Partition>) {
        let mut queue = self.shared.lock();
        queue.partitions.push_back(partition);
        if !queue.stopping && queue.threads.len() < THREADS && queue.partitions.len() > queue.threads.len() {
            let flusher = self.handle();
            let name = format!("ottla-flush-{}", queue.threads.len());
            match std::thread::Builder::new().name(name).spawn(move || flusher.run()) {
                Ok(thread) => queue.threads.push(thread),
                Err(error) => tracing::error!(%error, "cannot start a flush thread"),
            }
        }
        drop(queue);
        self.shared.wake.notify_one();
    }

    fn run(&self) {
        while let Some(partition) = self.shared.next() {
            let Some(plan) = partition.prepare_flush() else { continue };
            let outcome = plan.run();
            partition.complete_flush(self, plan, outcome);
        }
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.shared.lock().partitions.len()
    }

    /// Finishes what is queued and ends the threads.
    pub fn stop(&self) {
        let threads = {
            let mut queue = self.shared.lock();
            queue.stopping = true;
            std::mem::take(&mut queue.threads)
        };
        self.shared.wake.notify_all();
        for thread in threads {
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
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
