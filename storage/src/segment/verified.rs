//! Which byte ranges of a segment this process has written itself or has checked against their CRC.

/// Ranges beyond this number are forgotten, smallest first, and checked again when read again.
const RANGE_COUNT_MAX: usize = 32;

/// Disjoint, sorted, non-adjacent half-open ranges.
#[derive(Debug, Default)]
pub(crate) struct VerifiedRanges(Vec<(u64, u64)>);

impl VerifiedRanges {
    /// Notes that `from..to` is good.
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        // Appends at the end are the common case.
        if let Some(last) = self.0.last_mut()
            && last.1 == from
        {
            last.1 = to;
            return;
        }
        let first = self.0.partition_point(|range| range.1 < from);
        let after = self.0.partition_point(|range| range.0 <= to);
        let merged = self.0[first..after].iter().fold((from, to), |all, range| (all.0.min(range.0), all.1.max(range.1)));
        self.0.splice(first..after, [merged]);
        if self.0.len() > RANGE_COUNT_MAX
            && let Some(smallest) = (0..self.0.len()).min_by_key(|&index| self.0[index].1 - self.0[index].0)
        {
            self.0.remove(smallest);
        }
    }

    /// Where the good range that holds `position` ends; `None` when `position` is not known to be good.
    pub(crate) fn good_until(&self, position: u64) -> Option<u64> {
        let after = self.0.partition_point(|range| range.0 <= position);
        let (_, end) = *self.0.get(after.checked_sub(1)?)?;
        (end > position).then_some(end)
    }

    /// Forgets everything from `size_bytes` on.
    pub(crate) fn truncate(&mut self, size_bytes: u64) {
        self.0.retain_mut(|range| {
            range.1 = range.1.min(size_bytes);
            range.0 < range.1
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_when_they_touch() {
        let mut ranges = VerifiedRanges::default();
        ranges.add(10, 20);
        ranges.add(30, 40);
        assert_eq!((ranges.good_until(9), ranges.good_until(10), ranges.good_until(20)), (None, Some(20), None));
        ranges.add(20, 30);
        assert_eq!(ranges.0, [(10, 40)]);
        ranges.add(0, 5);
        ranges.add(4, 11);
        assert_eq!(ranges.0, [(0, 40)]);
        ranges.add(40, 50);
        ranges.truncate(45);
        assert_eq!(ranges.0, [(0, 45)]);
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let mut ranges = VerifiedRanges::default();
        for index in 0..1000 {
            ranges.add(index * 10, index * 10 + 1 + index % 7);
        }
        assert!(ranges.0.len() <= RANGE_COUNT_MAX);
    }
}
