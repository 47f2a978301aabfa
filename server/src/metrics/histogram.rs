//! Times in fixed buckets: four for each doubling, from a microsecond to two minutes. Any quantile is off by an eighth at most.

use crate::net::tally::Count;
use std::time::Duration;

/// Everything below 2 to this many nanoseconds is in the first bucket.
const FIRST_EXPONENT: usize = 10;
/// Everything from 2 to this many on is in the last one.
const LAST_EXPONENT: usize = 37;
const STEPS: usize = 4;
pub(crate) const BUCKETS: usize = (LAST_EXPONENT - FIRST_EXPONENT) * STEPS + 2;

/// Counts by bucket. One writer.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Count; BUCKETS],
    sum_ns: Count,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Count::default()), sum_ns: Count::default() }
    }
}

impl Histogram {
    /// Counts one time.
    #[inline]
    pub(crate) fn record(&self, time: Duration) {
        let ns = time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into());
        if let Some(bucket) = self.buckets.get(bucket_of(ns)) {
            bucket.add(1);
        }
        self.sum_ns.add(ns);
    }

    /// A copy.
    pub(crate) fn counts(&self) -> Counts {
        Counts { buckets: std::array::from_fn(|index| self.buckets[index].get()), sum_ns: self.sum_ns.get() }
    }
}

/// A copy of a histogram, or a sum of several.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) buckets: [u64; BUCKETS],
    pub(crate) sum_ns: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_ns: 0 }
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(count, more)| *count += more);
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// How many times were counted.
    pub(crate) fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many of them were below 2 to so many nanoseconds.
    pub(crate) fn below_power(&self, exponent: usize) -> u64 {
        let end = 1 + exponent.saturating_sub(FIRST_EXPONENT) * STEPS;
        self.buckets.iter().take(end).sum()
    }

    /// The time that this share of what was counted since `before` did not exceed; `None` when nothing was.
    pub(crate) fn quantile_ns(&self, before: Option<&Self>, share: f64) -> Option<f64> {
        let since = |index: usize| self.buckets[index].saturating_sub(before.map_or(0, |before| before.buckets[index]));
        let total: u64 = (0..BUCKETS).map(since).sum();
        if total == 0 {
            return None;
        }
        let rank = share * total as f64;
        let mut below = 0.0;
        for index in 0..BUCKETS {
            let count = since(index) as f64;
            if count > 0.0 && below + count >= rank {
                let (from, to) = bounds(index);
                return Some(from + (to - from) * ((rank - below) / count).clamp(0.0, 1.0));
            }
            below += count;
        }
        Some(bounds(BUCKETS - 1).1)
    }
}

#[inline]
fn bucket_of(ns: u64) -> usize {
    let Some(exponent) = ns.checked_ilog2().map(|exponent| exponent as usize).filter(|exponent| *exponent >= FIRST_EXPONENT) else {
        return 0;
    };
    let step = (ns >> (exponent - 2)) as usize & (STEPS - 1);
    (1 + (exponent - FIRST_EXPONENT) * STEPS + step).min(BUCKETS - 1)
}

/// Where a bucket begins and ends, in nanoseconds.
fn bounds(index: usize) -> (f64, f64) {
    let start_of = |index: usize| match index.checked_sub(1) {
        None => 0.0,
        Some(at) => (1_u64 << (FIRST_EXPONENT + at / STEPS)) as f64 * (1.0 + (at % STEPS) as f64 / STEPS as f64),
    };
    (start_of(index), start_of(index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bucket_whose_bounds_hold_it() {
        for exponent in 0..64 {
            for ns in [(1_u64 << exponent) - 1, 1 << exponent, (1 << exponent) + (1 << exponent) / 3] {
                let index = bucket_of(ns);
                let (from, to) = bounds(index);
                assert!(from <= ns as f64 && ((ns as f64) < to || index == BUCKETS - 1), "{ns} in {from}..{to}");
            }
        }
    }

    #[test]
    fn quantiles_are_near_and_only_of_what_came_since() {
        let times = Histogram::default();
        for us in 1..=1000 {
            times.record(Duration::from_micros(us));
        }
        let before = times.counts();
        for (share, us) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = before.quantile_ns(None, share).expect("some") / 1000.0;
            assert!((found - us).abs() < us / 8.0, "{share}: {found}");
        }
        assert_eq!(before.quantile_ns(Some(&before), 0.5), None);
        times.record(Duration::from_secs(1));
        let found = times.counts().quantile_ns(Some(&before), 0.5).expect("one") / 1e9;
        assert!((found - 1.0).abs() < 0.25, "{found}");
        assert_eq!((times.counts().total(), times.counts().below_power(20), before.sum_ns), (1001, 1000, 500_500_000));
    }
}
