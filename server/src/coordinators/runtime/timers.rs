//! Wakes shards when a deadline of theirs has come, on a thread of its own.

use super::{CoordinatorShard, Inner};
use crate::clock::Clock;
use ottla_coordinator::timers::Millis;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A wall clock that moves by this much against the monotonic one was set; less is correction in passing.
const CLOCK_SET_MS: i64 = 1_000;

/// What the timer thread sleeps on.
#[derive(Debug)]
pub(super) struct Timekeeper {
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The earliest deadline that anybody asked for since the last round.
    earliest: Option<Millis>,
    stopping: bool,
}

impl Timekeeper {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a round at `deadline`, or earlier.
    pub(super) fn arm(&self, deadline: Millis) {
        let mut state = self.lock();
        if state.earliest.is_none_or(|earliest| deadline < earliest) {
            state.earliest = Some(deadline);
            self.changed.notify_one();
        }
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_one();
    }

    /// Sleeps until a deadline has come; false when there will be no more.
    fn sleep(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return false;
            }
            let left_ms = state.earliest.map(|at| at.0.saturating_sub(self.clock.now_ms()));
            if left_ms.is_some_and(|left| left <= 0) {
                state.earliest = None;
                return true;
            }
            // The wall clock may jump: it is looked at again from time to time.
            state = match left_ms.and_then(|left| u64::try_from(left).ok()) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let nap = Duration::from_millis(left).min(self.clock.look_again_after());
                    self.changed.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Starts the thread. It ends when the timekeeper is stopped or the runtime is gone.
pub(super) fn serve<S: CoordinatorShard>(inner: &Arc<Inner<S>>) -> io::Result<()> {
    let (weak, timekeeper) = (Arc::downgrade(inner), Arc::clone(&inner.timekeeper));
    std::thread::Builder::new().name("ottla-timers".to_owned()).spawn(move || {
        let mut before = timekeeper.clock.moment();
        while timekeeper.sleep() {
            let Some(inner) = weak.upgrade() else { return };
            let set_by_ms = timekeeper.clock.was_set_by(&before);
            before = timekeeper.clock.moment();
            if set_by_ms.abs() >= CLOCK_SET_MS {
                tracing::warn!("the system clock moved by {set_by_ms} ms while no time passed; session timeouts do not count it");
                inner.cells.load().iter().flatten().for_each(|cell| inner.shift_deadlines(cell, set_by_ms));
            }
            for cell in inner.cells.load_full().iter().flatten() {
                if let Some(deadline) = inner.handle_timeouts(cell) {
                    inner.timekeeper.arm(deadline);
                }
            }
        }
    })?;
    Ok(())
}
