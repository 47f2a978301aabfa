//! The only file that reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the broker gets its time from; cloned freely, injected into everything that needs `now`.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// Since when, on both clocks.
    System(Moment),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(Moment { wall_ms: wall_ms(), steady: Instant::now() }))
    }

    /// A clock that stands at `now_ms` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(now_ms: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now_ms))))
    }

    /// Milliseconds since the Unix epoch; 0 when the machine's clock stands before it.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System(_) => wall_ms(),
            Source::Manual(at) => at.load(Ordering::Relaxed),
        }
    }

    /// Milliseconds that only go forward, whatever happens to the wall clock: what it showed at the start, and the time since.
    #[must_use]
    pub fn steady_ms(&self) -> i64 {
        match &self.0 {
            Source::System(start) => start.wall_ms.saturating_add(i64::try_from(start.steady.elapsed().as_millis()).unwrap_or(i64::MAX)),
            Source::Manual(at) => at.load(Ordering::Relaxed),
        }
    }

    /// Nanoseconds since some moment before the first use, to measure spans with.
    #[must_use]
    pub fn steady_ns(&self) -> u64 {
        match &self.0 {
            Source::System(start) => u64::try_from(start.steady.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Source::Manual(at) => u64::try_from(at.load(Ordering::Relaxed)).unwrap_or(0).saturating_mul(1_000_000),
        }
    }

    /// Remembers this moment on the wall clock and on the monotonic one.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment { wall_ms: self.now_ms(), steady: Instant::now() }
    }

    /// By how much the clock was set since then, in milliseconds: time that the wall clock saw pass and the monotonic clock did not (the
    /// machine slept, or somebody corrected it). What a manual clock shows did pass.
    #[must_use]
    pub fn was_set_by(&self, since: &Moment) -> i64 {
        match &self.0 {
            Source::System(_) => {
                let passed = i64::try_from(since.steady.elapsed().as_millis()).unwrap_or(i64::MAX);
                self.now_ms().saturating_sub(since.wall_ms).saturating_sub(passed)
            }
            Source::Manual(_) => 0,
        }
    }

    /// How long a sleeper may sleep before it looks at the clock again: the machine's clock may be set, a manual one moved at any moment.
    #[must_use]
    pub fn look_again_after(&self) -> Duration {
        match &self.0 {
            Source::System(_) => Duration::from_secs(1),
            Source::Manual(_) => Duration::from_millis(1),
        }
    }

    /// Moves a manual clock; does nothing to the system clock.
    pub fn advance(&self, by_ms: i64) {
        if let Source::Manual(at) = &self.0 {
            at.fetch_add(by_ms, Ordering::Relaxed);
        }
    }
}

/// Milliseconds since the Unix epoch; 0 when the machine's clock stands before it.
fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// One moment on two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    wall_ms: i64,
    steady: Instant,
}

/// Measures a span on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(1_000);
        let same = clock.clone();
        clock.advance(5);
        assert_eq!(same.now_ms(), 1_005);
    }
}
