//! What happens without a request: interval flushes, checkpoints, expiry of producers, late transactions, descriptors of old segments. One
//! thread; every tick takes its time from the injected clock.

use crate::broker::Node;
use crate::clock::Moment;
use crate::stuck;
use ottla_storage::manager::LogOffsets;
use ottla_storage::{CheckpointKind, Millis};
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(1);
/// How long a descriptor of an old segment may stay open after it was read.
const RELEASE_FILES_MS: i64 = 60 * 1000;
/// How often late transactions are looked for.
const LATE_TRANSACTIONS_MS: i64 = 60 * 1000;
/// A wall clock that moves by this much against the monotonic one was set; less is correction in passing.
const CLOCK_SET_MS: i64 = 1_000;

/// The thread.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Mutex<Option<Sender<()>>>,
    thread: JoinHandle<()>,
}

impl Background {
    pub(crate) fn start(node: Arc<Node>) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("ottla-background".to_owned()).spawn(move || {
            let mut rounds = Rounds::new(&node);
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                rounds.tick(&node);
            }
        })?;
        Ok(Self { stop: Mutex::new(Some(stop)), thread })
    }

    pub(crate) fn stop(self) {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.thread.join().is_err() {
            tracing::error!("the background thread panicked");
        }
    }
}

/// When each chore is due next.
struct Rounds {
    checkpoints: Round,
    files: Round,
    producers: Round,
    transactions: Round,
    before: Moment,
}

struct Round {
    every_ms: i64,
    next_ms: i64,
}

impl Round {
    fn due(&mut self, now_ms: i64) -> bool {
        let due = now_ms >= self.next_ms;
        // A clock that jumped back must not silence the chore.
        if due || self.next_ms - now_ms > self.every_ms {
            self.next_ms = now_ms + self.every_ms;
        }
        due
    }
}

impl Rounds {
    fn new(node: &Node) -> Self {
        let now_ms = node.clock.now_ms();
        let every = |every_ms: i64| Round { every_ms, next_ms: now_ms + every_ms };
        Self {
            checkpoints: every(node.config.flush_offset_checkpoint_interval_ms()),
            files: every(RELEASE_FILES_MS),
            producers: every(node.config.producer_id_expiration_check_interval_ms()),
            transactions: every(LATE_TRANSACTIONS_MS),
            before: node.clock.moment(),
        }
    }

    fn tick(&mut self, node: &Node) {
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
        if self.checkpoints.due(now_ms) {
            write_checkpoints(node);
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
    }
}

pub(crate) fn write_checkpoints(node: &Node) {
    let registry = &node.published.registry;
    let offsets = registry.all().iter().filter_map(|partition| partition.with_log(|log| LogOffsets::of(log))).collect::<Vec<_>>();
    let kinds = [CheckpointKind::RecoveryPoint, CheckpointKind::LogStartOffset, CheckpointKind::Replication];
    if let Err(error) = registry.manager().write_checkpoints(&kinds, offsets) {
        tracing::warn!(%error, "cannot write the offset checkpoints; a crash now would take longer to recover from");
    }
}
