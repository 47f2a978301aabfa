//! The cleaner's threads: which log is compacted next, how fast, and what is done about logs that cannot be.
//!
//! How a log is compacted is `ottla_storage::cleaner`'s. Each of `log.cleaner.threads` threads takes the filthiest log that is due and that no
//! other has taken, and rests for `log.cleaner.backoff.ms` when there is none. The logs of compacted topics are here for retention too,
//! between two passes. All `log.cleaner.*` keys take effect while the broker runs.
//!
//! A log whose bytes are damaged is not tried again before a restart, and said so once (Kafka's uncleanable partitions). One whose disk
//! failed is left for a while: it must not keep the thread from all others.

use crate::background::{checkpoints, retention};
use crate::broker::Node;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::partition::{Cleaning, Partition};
use foldhash::{HashMap, HashSet};
use ottla_storage::cleaner::{self, Cleanable, CleanerBuffers, CleanerConfig, CleaningDone, CleaningError, Pace};
use ottla_storage::{LogId, Millis, StorageError};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use uuid::Uuid;

/// A log whose disk failed is tried again after so long.
const REST_AFTER_FAILURE_MS: i64 = 60 * 1000;
/// A thread that waits looks this often whether it still should.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The throttle lets so much time's worth through at once.
const BURST: Duration = Duration::from_millis(300);

/// The threads, and what they know together.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    shared: Mutex<Shared>,
    wake: Condvar,
    stopping: AtomicBool,
    throttle: Mutex<Throttle>,
}

#[derive(Debug, Default)]
struct Shared {
    /// How many threads there are to be: one with a number from there on ends.
    wanted: usize,
    running: usize,
    threads: Vec<JoinHandle<()>>,
    set_aside: HashMap<(Uuid, i32), SetAside>,
    /// When retention looked at the compacted logs last.
    retained_at_ms: Option<i64>,
}

/// A log that is not to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetAside {
    UntilRestart,
    UntilMs(i64),
}

impl Cleaner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Each change is one of a map or a number.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while there is a thread.
    pub(crate) fn is_running(&self) -> bool {
        self.lock().running > 0
    }

    /// Has as many threads as the configuration asks for.
    pub(crate) fn adjust(&self, node: &Arc<Node>) {
        let config = node.dynamic.kept();
        let mut shared = self.lock();
        shared.wanted = if config.log_cleaner_enable() { config.log_cleaner_threads() } else { 0 };
        shared.threads.retain(|thread| !thread.is_finished());
        while shared.running < shared.wanted && !self.is_stopping() {
            let (id, of_thread) = (shared.running, Arc::clone(node));
            match std::thread::Builder::new().name(format!("ottla-cleaner-{id}")).spawn(move || of_thread.cleaner.run(&of_thread, id)) {
                Ok(thread) => shared.threads.push(thread),
                Err(error) => {
                    tracing::error!(%error, "cannot start a cleaner thread");
                    return;
                }
            }
            shared.running += 1;
        }
        if shared.running > shared.wanted {
            self.wake.notify_all();
        }
    }

    /// Ends the threads, wherever they are.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut self.lock().threads);
        self.wake.notify_all();
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a cleaner thread panicked");
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn run(&self, node: &Node, id: usize) {
        let mut memory = Memory::default();
        while !self.is_over(id) {
            let config = node.dynamic.kept();
            let outcome = clean_filthiest(node, &config, &mut memory);
            self.retain_now_and_then(node, &config);
            if outcome == Outcome::Nothing {
                memory = Memory::default();
                let backoff_ms = u64::try_from(config.log_cleaner_backoff_ms()).unwrap_or_default();
                self.rest(Duration::from_millis(backoff_ms.max(1)), || self.is_over(id));
            }
        }
        self.lock().running -= 1;
    }

    fn is_over(&self, id: usize) -> bool {
        self.is_stopping() || id >= self.lock().wanted
    }

    /// Waits, unless it is over.
    fn rest(&self, mut left: Duration, is_over: impl Fn() -> bool) {
        while !left.is_zero() && !is_over() {
            let slice = left.min(LOOK_EVERY);
            let shared = self.lock();
            drop(self.wake.wait_timeout(shared, slice).unwrap_or_else(PoisonError::into_inner));
            left -= slice;
        }
    }

    /// Retention of the compacted logs, once in each `log.cleaner.backoff.ms`.
    fn retain_now_and_then(&self, node: &Node, config: &Config) {
        let now_ms = node.clock.now_ms();
        {
            let retained_at_ms = &mut self.lock().retained_at_ms;
            let is_due = retained_at_ms.is_none_or(|at_ms| !(0..config.log_cleaner_backoff_ms()).contains(&(now_ms - at_ms)));
            if !is_due {
                return;
            }
            *retained_at_ms = Some(now_ms);
        }
        retain(node);
    }

    fn is_set_aside(&self, id: &LogId, now: Millis) -> bool {
        match self.lock().set_aside.get(&key(id)) {
            None => false,
            Some(SetAside::UntilRestart) => true,
            Some(SetAside::UntilMs(until_ms)) => now.0 < *until_ms,
        }
    }

    fn set_aside(&self, id: &LogId, how: SetAside) {
        self.lock().set_aside.insert(key(id), how);
    }

    /// Forgets the logs that are gone.
    fn forget_all_but(&self, logs: &[Arc<Partition>]) {
        let mut shared = self.lock();
        if !shared.set_aside.is_empty() {
            let there: HashSet<_> = logs.iter().map(|partition| key(partition.id())).collect();
            shared.set_aside.retain(|key, _| there.contains(key));
        }
    }

    /// Called for every piece that is read or written.
    fn pace(&self, node: &Node, cleaning: &Cleaning<'_>, bytes: u64) -> Pace {
        let is_over = || self.is_stopping() || cleaning.is_awaited();
        let rate = node.dynamic.kept().log_cleaner_io_max_bytes_per_second();
        let wait = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, rate);
        self.rest(wait, is_over);
        if is_over() { Pace::Stop } else { Pace::GoOn }
    }
}

fn key(id: &LogId) -> (Uuid, i32) {
    (id.topic_id, id.partition)
}

/// The memory of a thread, taken when there is a log to clean.
#[derive(Default)]
struct Memory(Option<(CleanerConfig, CleanerBuffers)>);

impl Memory {
    fn of(&mut self, config: &Config) -> &mut CleanerBuffers {
        let threads = config.log_cleaner_threads().max(1);
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX) / threads;
        let wanted = CleanerConfig {
            dedupe_buffer_bytes: size(config.log_cleaner_dedupe_buffer_bytes()),
            load_factor: config.log_cleaner_io_buffer_load_factor(),
            io_buffer_bytes: size(config.log_cleaner_io_buffer_bytes()),
            ..CleanerConfig::default()
        };
        self.0.take_if(|(made_for, _)| *made_for != wanted);
        &mut self.0.get_or_insert_with(|| (wanted, CleanerBuffers::new(wanted))).1
    }
}

/// Cleans every log that is due, one after the other, then looks after their retention, all on the caller's thread; the number of passes.
/// For embedders and tests: a running broker does it by itself.
pub fn clean(node: &Node) -> usize {
    let config = node.dynamic.kept();
    let mut memory = Memory::default();
    let mut passes = 0;
    loop {
        match clean_filthiest(node, &config, &mut memory) {
            Outcome::Cleaned => passes += 1,
            Outcome::SetAside => {}
            Outcome::Nothing => break,
        }
    }
    retain(node);
    passes
}

/// Retention of the compacted logs.
fn retain(node: &Node) {
    let logs = node.published.registry.all();
    let removed: usize =
        logs.iter().filter(|partition| partition.is_compacted()).map(|partition| retention::enforce_on(node, partition)).sum();
    if removed > 0 {
        checkpoints::write_log_start_offsets(node);
    }
}

/// What a look for work led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// A log is cleaner now; there may be another one.
    Cleaned,
    /// A log cannot be cleaned and will not be tried again soon; there may be another one.
    SetAside,
    /// No log is due, or the one that was is changing.
    Nothing,
}

/// One pass over the log that needs it most.
fn clean_filthiest(node: &Node, config: &Config, memory: &mut Memory) -> Outcome {
    let now = Millis(node.clock.now_ms());
    let Some(partition) = filthiest(node, now) else { return Outcome::Nothing };
    let Some(cleaning) = partition.begin_cleaning() else { return Outcome::Nothing };
    // Another thread may have been quicker.
    let checkpoint = node.published.registry.manager().cleaner_checkpoint(partition.id());
    let Ok(Some(cleanable)) = partition.with_log(|log| log.cleanable(checkpoint, now)).unwrap_or(Ok(None)) else { return Outcome::Nothing };
    let watch = Stopwatch::start();
    let pass = || {
        cleaner::clean(&cleanable, now, memory.of(config), &mut |f| partition.with_log(|log| f(log)).is_some(), &mut |bytes| {
            node.cleaner.pace(node, &cleaning, bytes)
        })
    };
    match std::panic::catch_unwind(AssertUnwindSafe(pass)) {
        Ok(Ok(done)) => finish(node, &partition, &cleanable, &done, watch.elapsed()),
        Ok(Err(error)) => give_up(node, partition.id(), now, &error),
        Err(_) => {
            *memory = Memory::default();
            node.cleaner.set_aside(partition.id(), SetAside::UntilRestart);
            tracing::error!(log = %partition.id(), "the cleaner panicked; the log is not compacted until the broker restarts");
            Outcome::SetAside
        }
    }
}

fn filthiest(node: &Node, now: Millis) -> Option<Arc<Partition>> {
    let manager = node.published.registry.manager();
    let logs = node.published.registry.all();
    node.cleaner.forget_all_but(&logs);
    let mut filthiest: Option<(f64, &Arc<Partition>)> = None;
    for partition in &logs {
        if !partition.is_compacted() || node.cleaner.is_set_aside(partition.id(), now) {
            continue;
        }
        let checkpoint = manager.cleaner_checkpoint(partition.id());
        let (cleanable, ratio_min) = match partition.cleanable(checkpoint, now) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => {
                give_up(node, partition.id(), now, &error.into());
                continue;
            }
        };
        if checkpoint.is_some_and(|checkpoint| checkpoint > cleanable.first_dirty) {
            // What is appended from here on would pass for clean.
            tracing::warn!(log = %partition.id(), ?checkpoint, "the log ends before the place up to where it was cleaned; it is cleaned from its start");
            remember(node, partition.id(), &cleanable.first_dirty);
        }
        let ratio = cleanable.dirty_ratio();
        if cleanable.is_due(ratio_min) && filthiest.is_none_or(|(most, _)| ratio > most) {
            filthiest = Some((ratio, partition));
        }
    }
    filthiest.map(|(_, partition)| Arc::clone(partition))
}

fn finish(node: &Node, partition: &Partition, cleanable: &Cleanable, done: &CleaningDone, took: Duration) -> Outcome {
    let (id, stats) = (partition.id(), &done.stats);
    if done.first_dirty <= cleanable.first_dirty {
        // Not even one segment's keys fit; the next pass would do no better.
        tracing::error!(log = %id, "the cleaner came no further: log.cleaner.dedupe.buffer.size is too small for the log's segments");
        node.cleaner.set_aside(id, SetAside::UntilMs(node.clock.now_ms().saturating_add(REST_AFTER_FAILURE_MS)));
        return Outcome::SetAside;
    }
    remember(node, id, &done.first_dirty);
    tracing::info!(
        log = %id,
        from = cleanable.first_dirty.0,
        to = done.first_dirty.0,
        bytes_read = stats.bytes_read,
        bytes_written = stats.bytes_written,
        messages_read = stats.messages_read,
        messages_written = stats.messages_written,
        ?took,
        "compacted"
    );
    if stats.invalid_messages_read > 0 {
        tracing::warn!(log = %id, count = stats.invalid_messages_read, "records without a key were dropped from a compacted log");
    }
    Outcome::Cleaned
}

/// Notes what a pass failed of.
fn give_up(node: &Node, id: &LogId, now: Millis, error: &CleaningError) -> Outcome {
    match error {
        CleaningError::Stopped | CleaningError::Changed | CleaningError::Storage(StorageError::Offline { .. }) => {
            tracing::debug!(log = %id, %error, "a pass of the cleaner was left");
            return Outcome::Nothing;
        }
        CleaningError::Storage(StorageError::Io { .. }) => {
            tracing::warn!(log = %id, %error, "a pass of the cleaner failed; the log is tried again in a minute");
            node.cleaner.set_aside(id, SetAside::UntilMs(now.0.saturating_add(REST_AFTER_FAILURE_MS)));
        }
        CleaningError::Storage(_) => {
            tracing::error!(log = %id, %error, "the log cannot be cleaned; it is not compacted until the broker restarts");
            node.cleaner.set_aside(id, SetAside::UntilRestart);
        }
    }
    Outcome::SetAside
}

fn remember(node: &Node, id: &LogId, first_dirty: &ottla_storage::Offset) {
    if let Err(error) = node.published.registry.manager().set_cleaner_checkpoint(id, *first_dirty) {
        tracing::warn!(log = %id, %error, "cannot write the cleaner checkpoint; after a crash now the log is cleaned once more");
    }
}

/// How many bytes a second go through, all threads together.
#[derive(Debug)]
struct Throttle {
    watch: Stopwatch,
    /// All that was let through so far is paid for at this moment.
    paid_at: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { watch: Stopwatch::start(), paid_at: Duration::ZERO }
    }
}

impl Throttle {
    fn take(&mut self, bytes: u64, bytes_per_second_max: f64) -> Duration {
        self.take_at(self.watch.elapsed(), bytes, bytes_per_second_max)
    }

    /// How long to wait now that so many bytes were read or written.
    fn take_at(&mut self, at: Duration, bytes: u64, bytes_per_second_max: f64) -> Duration {
        let seconds = bytes as f64 / bytes_per_second_max.max(1.0);
        // Idle time is worth no more than a burst.
        let from = self.paid_at.max(at.saturating_sub(BURST));
        self.paid_at = from.saturating_add(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        self.paid_at.saturating_sub(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_throttle_lets_through_what_it_may_on_average() {
        let mut throttle = Throttle::default();
        // 1,000 bytes a second, in pieces of 100.
        let (mut at, mut bytes) = (ms(10_000), 0);
        while at < ms(20_000) {
            at += throttle.take_at(at, 100, 1_000.0);
            bytes += 100;
        }
        assert!((10_000..=10_400).contains(&bytes), "{bytes} bytes in 10 seconds, a burst of 300 ms included");
    }

    #[test]
    fn the_throttle_does_not_save_up_for_later() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.take_at(ms(60_000), 300, 1_000.0), ms(0));
        assert_eq!(throttle.take_at(ms(60_000), 100, 1_000.0), ms(100));
    }

    #[test]
    fn without_a_bound_nobody_waits() {
        let mut throttle = Throttle::default();
        for _ in 0..1_000 {
            assert_eq!(throttle.take_at(ms(1), u64::from(u32::MAX), f64::MAX), ms(0));
        }
    }
}
