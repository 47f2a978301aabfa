//! Percentiles and medians of collected samples. Nearest rank: the answer is always a sample that was seen.

/// Samples in ascending order.
#[derive(Clone, Debug)]
pub struct Sorted<T>(Vec<T>);

impl<T: PartialOrd + Copy> Sorted<T> {
    /// Sorts the samples. Incomparable ones (NaN) keep their place.
    pub fn new(mut samples: Vec<T>) -> Self {
        samples.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        Self(samples)
    }

    /// The smallest sample such that at least `percent` of all samples are not above it; `None` without samples.
    pub fn percentile(&self, percent: f64) -> Option<T> {
        // The slack keeps 99.9 % of 1000 at 999, which binary fractions put a hair above.
        let rank = (percent / 100.0 * self.0.len() as f64 - 1e-6).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied()
    }

    /// The middle sample; the lower one of two.
    pub fn median(&self) -> Option<T> {
        self.percentile(50.0)
    }

    /// The smallest sample.
    pub fn min(&self) -> Option<T> {
        self.0.first().copied()
    }

    /// The largest sample.
    pub fn max(&self) -> Option<T> {
        self.0.last().copied()
    }

    /// Number of samples.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_of_nearest_rank() {
        let sorted = Sorted::new((1..=1000).rev().collect());
        for (percent, expected) in [(0.0, 1), (0.1, 1), (50.0, 500), (90.0, 900), (99.0, 990), (99.9, 999), (99.91, 1000), (100.0, 1000)] {
            assert_eq!(sorted.percentile(percent), Some(expected), "p{percent}");
        }
        assert_eq!((sorted.min(), sorted.max(), sorted.count()), (Some(1), Some(1000), 1000));
    }

    #[test]
    fn few_samples_do_not_invent_values() {
        assert_eq!(Sorted::<f64>::new(vec![]).median(), None);
        assert_eq!(Sorted::new(vec![7]).percentile(99.9), Some(7));
        assert_eq!(Sorted::new(vec![3.0, 1.0]).median(), Some(1.0));
        assert_eq!(Sorted::new(vec![3.0, 1.0, 2.0]).median(), Some(2.0));
    }
}
