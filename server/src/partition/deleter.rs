//! Removes the files of deleted logs, off the controller thread: unlinking many gigabytes takes seconds on some file systems.
//!
//! One thread, which lives while there is something to remove. The logs have been renamed before they come here, so nobody sees them any
//! more; what a crash leaves behind is removed at the next start.

use ottla_storage::manager::DeletionJob;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A stop waits for so many removals. Ten thousand took two minutes on a busy disk, longer than an orchestrator waits before it kills.
const JOBS_FINISHED_MAX: usize = 16;

/// The queue and its thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Deleter(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<DeletionJob>,
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Deleter {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a removal.
    pub(super) fn submit(&self, job: DeletionJob) {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        if queue.running {
            return;
        }
        let deleter = self.clone();
        match std::thread::Builder::new().name("ottla-delete".to_owned()).spawn(move || deleter.run()) {
            Ok(thread) => (queue.running, queue.thread) = (true, Some(thread)),
            Err(error) => tracing::error!(%error, "cannot start a thread to remove deleted logs; the next start does it"),
        }
    }

    fn run(&self) {
        loop {
            let Some(job) = self.next() else { return };
            let path = job.path().to_owned();
            if let Err(error) = job.run() {
                tracing::warn!(path = %path.display(), %error, "cannot remove a deleted log; the next start tries again");
            }
        }
    }

    fn next(&self) -> Option<DeletionJob> {
        let mut queue = self.lock();
        let job = queue.jobs.pop_front();
        queue.running = job.is_some();
        job
    }

    /// Returns once little enough is removed: what is left beyond [`JOBS_FINISHED_MAX`] is for the next start.
    pub(super) fn finish(&self) {
        let thread = {
            let mut queue = self.lock();
            queue.jobs.truncate(JOBS_FINISHED_MAX);
            queue.thread.take()
        };
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that removes deleted logs panicked");
        }
    }
}
