//! What happens without a request: interval flushes, retention, expiry of producers, late transactions, descriptors of old segments
//! (checkpoints are written by who looks after the directories, `disks.rs`). One thread; every tick takes its time from the injected clock, and a chore of its own file can be asked for at any moment.

pub(crate) mod checkpoints;
mod recovered;
pub mod retention;

use crate::broker::Node;
use crate::clock::{Moment, Stopwatch};
use crate::partition::Partition;
use crate::stuck;
use ottla_storage::Millis;
use ottla_storage::manager::LogOffsets;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

const TICK: Duration = Duration::from_secs(1);
/// How long a descriptor of an old segment may stay open after it was read.
const RELEASE_FILES_MS: i64 = 60 * 1000;
/// How often late transactions are looked for.
const LATE_TRANSACTIONS_MS: i64 = 60 * 1000;
/// A wall clock that moves by this much against the monotonic one was set; less is correction in passing.
const CLOCK_SET_MS: i64 = 1_000;
/// So long retention goes from log to log before the other chores have their turn.
const RETENTION_AT_ONCE: Duration = Duration::from_millis(100);

/// Logs that start elsewhere now, and somebody who waits until the disk knows.
#[derive(Debug)]
struct Moved {
    logs: Vec<LogOffsets>,
    written: oneshot::Sender<()>,
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Errands {
    to_thread: Mutex<Option<Sender<Moved>>>,
}

impl Errands {
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, receiver) = channel();
        (Self { to_thread: Mutex::new(Some(sender)) }, Inbox(receiver))
    }

    /// Has it written down where logs start now; returns when that is done or will not be. All that is asked for while the disk is busy
    /// is written at once.
    pub(crate) async fn write_log_start_offsets(&self, logs: Vec<LogOffsets>) {
        let (written, done) = oneshot::channel();
        let sender = self.to_thread.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if sender.is_some_and(|sender| sender.send(Moved { logs, written }).is_ok()) {
            // Dropped unanswered: the broker stops, and writes everything.
            let _ = done.await;
        }
    }

    fn close(&self) {
        self.to_thread.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) struct Inbox(Receiver<Moved>);

/// The thread, and the one that ends soon after the start.
#[derive(Debug)]
pub(crate) struct Background {
    node: Arc<Node>,
    thread: JoinHandle<()>,
    recovered: JoinHandle<()>,
}

impl Background {
    pub(crate) fn start(node: Arc<Node>, inbox: Inbox) -> io::Result<Self> {
        let of_thread = Arc::clone(&node);
        let thread = std::thread::Builder::new().name("ottla-background".to_owned()).spawn(move || run(&of_thread, &inbox.0))?;
        let recovered = recovered::flush_behind(&node)?;
        Ok(Self { node, thread, recovered })
    }

    pub(crate) fn stop(self) {
        self.node.errands.close();
        if self.thread.join().is_err() | self.recovered.join().is_err() {
            tracing::error!("a background thread panicked");
        }
    }
}

fn run(node: &Arc<Node>, inbox: &Receiver<Moved>) {
    let mut rounds = Rounds::new(node);
    loop {
        let wait = if rounds.retained.is_empty() { TICK } else { Duration::ZERO };
        match inbox.recv_timeout(wait) {
            Ok(first) => {
                let (logs, waiting): (Vec<_>, Vec<_>) =
                    std::iter::once(first).chain(inbox.try_iter()).map(|moved| (moved.logs, moved.written)).unzip();
                checkpoints::write_log_start_offsets_of(node, logs.into_iter().flatten());
                for written in waiting {
                    // Who asked may be gone.
                    let _ = written.send(());
                }
            }
            Err(RecvTimeoutError::Timeout) => rounds.tick(node),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// When each chore is due next.
struct Rounds {
    files: Round,
    producers: Round,
    transactions: Round,
    retention: Round,
    /// Logs that retention has still to look at in its present round.
    retained: VecDeque<Arc<Partition>>,
    /// Segments that it took out in this round.
    removed: usize,
    before: Moment,
}

pub(crate) struct Round {
    every_ms: i64,
    next_ms: i64,
}

impl Round {
    pub(crate) fn new(every_ms: i64, now_ms: i64) -> Self {
        Self { every_ms, next_ms: now_ms.saturating_add(every_ms) }
    }

    pub(crate) fn due(&mut self, now_ms: i64) -> bool {
        let due = now_ms >= self.next_ms;
        // A clock that jumped back must not silence the chore.
        if due || self.next_ms - now_ms > self.every_ms {
            self.next_ms = now_ms.saturating_add(self.every_ms);
        }
        due
    }
}

impl Rounds {
    fn new(node: &Node) -> Self {
        let now_ms = node.clock.now_ms();
        let every = |every_ms: i64| Round::new(every_ms, now_ms);
        let retention = Round {
            next_ms: now_ms.saturating_add(node.config.log_initial_task_delay_ms()),
            ..every(node.config.log_retention_check_interval_ms())
        };
        Self {
            files: every(RELEASE_FILES_MS),
            producers: every(node.config.producer_id_expiration_check_interval_ms()),
            transactions: every(LATE_TRANSACTIONS_MS),
            retention,
            retained: VecDeque::new(),
            removed: 0,
            before: node.clock.moment(),
        }
    }

    fn tick(&mut self, node: &Arc<Node>) {
        let set_by_ms = node.clock.was_set_by(&self.before);
        self.before = node.clock.moment();
        if set_by_ms.abs() >= CLOCK_SET_MS {
            for partition in node.published.registry.all() {
                partition.with_log(|log| log.note_clock_set(set_by_ms));
            }
        }
        let now_ms = node.clock.now_ms();
        for partition in node.published.registry.all() {
            partition.flush_if_old(&node.flusher, now_ms);
        }
        if self.files.due(now_ms) {
            // Readers keep what they hold; old segments nobody reads give their descriptors back.
            for partition in node.published.registry.all() {
                partition.with_log(|log| log.release_files());
            }
        }
        if self.producers.due(now_ms) {
            for partition in node.published.registry.all() {
                partition.with_log(|log| log.expire_producers(Millis(now_ms)));
            }
        }
        if self.transactions.due(now_ms) {
            stuck::warn_of_late(node);
        }
        retention::remove_deleted_files(node);
        node.quota.expire();
        self.retain(node, now_ms);
        node.cleaner.adjust(node);
    }

    /// Begins a round of retention when one is due, and goes on with it for a while.
    fn retain(&mut self, node: &Node, now_ms: i64) {
        if self.retention.due(now_ms) && self.retained.is_empty() {
            let mut logs = node.published.registry.all();
            // The cleaner looks after its own, and more often.
            logs.retain(|partition| !partition.is_compacted() || !node.cleaner.is_running());
            self.retained = logs.into();
        }
        let watch = Stopwatch::start();
        while let Some(partition) = self.retained.pop_front() {
            self.removed += retention::enforce_on(node, &partition);
            if watch.elapsed() >= RETENTION_AT_ONCE {
                break;
            }
        }
        if self.retained.is_empty() && std::mem::take(&mut self.removed) > 0 {
            checkpoints::write_log_start_offsets(node);
        }
    }
}
