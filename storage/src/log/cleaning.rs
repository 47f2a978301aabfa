//! The cleaner's doors: what may be cleaned, what to read, and putting the result in its place.

use super::PartitionLog;
use crate::cleaner::Cleanable;
use crate::segment::Segment;
use crate::{Millis, Offset, StorageError};

/// What the choice needs to know of a segment.
#[derive(Clone, Copy, Debug)]
struct Facts {
    base_offset: Offset,
    size_bytes: u64,
    /// Only where `min.compaction.lag.ms` asks.
    largest_timestamp: Option<Millis>,
    /// Only where `max.compaction.lag.ms` asks, and where there is one.
    first_timestamp: Option<Millis>,
}

/// How the log stands.
#[derive(Clone, Copy, Debug)]
struct Standing {
    log_start_offset: Offset,
    last_stable_offset: Offset,
    log_end_offset: Offset,
    min_compaction_lag_ms: i64,
    max_compaction_lag_ms: i64,
}

impl PartitionLog {
    /// What the cleaner could do here; `None` when the topic is not compacted, or the log takes no changes. `checkpoint` is up to where
    /// it was cleaned, if it was.
    pub fn cleanable(&self, checkpoint: Option<Offset>, now: Millis) -> Result<Option<Cleanable>, StorageError> {
        if !self.config.cleanup_policy.compact || self.refuse_unless_writable().is_err() {
            return Ok(None);
        }
        let standing = Standing {
            log_start_offset: self.log_start_offset(),
            last_stable_offset: self.last_stable_offset(),
            log_end_offset: self.log_end_offset(),
            min_compaction_lag_ms: self.config.min_compaction_lag_ms.max(0),
            max_compaction_lag_ms: self.config.max_compaction_lag_ms.max(0),
        };
        let (first_dirty, _) = standing.first_dirty(checkpoint);
        let interval_bytes = self.config.index_interval_bytes;
        let first_dirty_segment = self.segment_index(first_dirty);
        let mut facts = Vec::with_capacity(self.segments.len());
        for (index, segment) in self.segments.iter().enumerate() {
            let is_dirty = index >= first_dirty_segment && index + 1 < self.segments.len();
            let largest_timestamp = match is_dirty && standing.min_compaction_lag_ms > 0 {
                true => Some(largest_timestamp(segment.max_timestamp(&self.place, interval_bytes)?.timestamp, segment)),
                false => None,
            };
            let first_timestamp = match is_dirty && standing.has_max_lag(now) {
                true => segment.first_timestamp(&self.place)?.filter(|timestamp| timestamp.0 > 0),
                false => None,
            };
            let (base_offset, size_bytes) = (segment.base_offset(), segment.size_bytes());
            facts.push(Facts { base_offset, size_bytes, largest_timestamp, first_timestamp });
        }
        Ok(Some(choose(&facts, standing, checkpoint, now)))
    }
}

fn largest_timestamp(of_batches: Millis, segment: &Segment) -> Millis {
    if of_batches.0 >= 0 { of_batches } else { segment.created_at() }
}

impl Standing {
    /// Up to where the log is clean, and whether the checkpoint said something that cannot be.
    fn first_dirty(&self, checkpoint: Option<Offset>) -> (Offset, bool) {
        match checkpoint {
            None => (self.log_start_offset, false),
            Some(offset) if offset < self.log_start_offset || offset > self.log_end_offset => (self.log_start_offset, true),
            Some(offset) => (offset, false),
        }
    }

    fn has_max_lag(&self, now: Millis) -> bool {
        now.0.saturating_sub(self.max_compaction_lag_ms) > 0
    }
}

/// Kafka's rules, as a pure choice. `segments` is not empty, the last one is active.
fn choose(segments: &[Facts], standing: Standing, checkpoint: Option<Offset>, now: Millis) -> Cleanable {
    let (first_dirty, checkpoint_was_wrong) = standing.first_dirty(checkpoint);
    let active = segments.len().saturating_sub(1);
    let holding = |offset: Offset| segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1);
    let first_dirty_segment = holding(first_dirty);
    let dirty = segments.get(first_dirty_segment..active).unwrap_or_default();

    let too_young = now.0.saturating_sub(standing.min_compaction_lag_ms);
    let young = dirty.iter().position(|segment| segment.largest_timestamp.is_some_and(|largest| largest.0 > too_young));
    let limit = holding(standing.last_stable_offset.max(first_dirty)).min(active);
    let limit = young.map_or(limit, |young| limit.min(first_dirty_segment + young));
    let first_uncleanable = segments.get(limit).map_or(first_dirty, |segment| segment.base_offset);

    let size_of = |range: Option<&[Facts]>| range.unwrap_or_default().iter().map(|segment| segment.size_bytes).sum();
    let oldest = dirty.iter().filter_map(|segment| segment.first_timestamp).min();
    let clean_until = now.0.saturating_sub(standing.max_compaction_lag_ms);
    Cleanable {
        first_dirty,
        first_uncleanable,
        // The segment in which the dirty part begins counts on both sides.
        clean_bytes: size_of(segments.get(..segments.partition_point(|segment| segment.base_offset < first_dirty))),
        dirty_bytes: size_of(segments.get(first_dirty_segment.min(limit)..limit)),
        overdue_ms: oldest.map_or(0, |oldest| clean_until.saturating_sub(oldest.0).max(0)),
        checkpoint_was_wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four segments of 100 offsets and 1000 bytes each, timestamps of 1000 to 4000; the last is active.
    fn four() -> Vec<Facts> {
        let of = |number: i64| Facts {
            base_offset: Offset((number - 1) * 100),
            size_bytes: 1000,
            largest_timestamp: Some(Millis(number * 1000)),
            first_timestamp: Some(Millis(number * 1000)),
        };
        (1..=4).map(of).collect()
    }

    const STANDING: Standing = Standing {
        log_start_offset: Offset(0),
        last_stable_offset: Offset(400),
        log_end_offset: Offset(400),
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
    };

    fn range(standing: Standing, checkpoint: Option<i64>, now: i64) -> (i64, i64, u64, u64) {
        // Young segments count only where the configuration asks.
        let mut facts = four();
        if standing.min_compaction_lag_ms == 0 {
            facts.iter_mut().for_each(|facts| facts.largest_timestamp = None);
        }
        let found = choose(&facts, standing, checkpoint.map(Offset), Millis(now));
        (found.first_dirty.0, found.first_uncleanable.0, found.clean_bytes, found.dirty_bytes)
    }

    #[test]
    fn a_log_never_cleaned_is_dirty_up_to_its_active_segment() {
        assert_eq!(range(STANDING, None, 9999), (0, 300, 0, 3000));
        assert_eq!(range(STANDING, Some(200), 9999), (200, 300, 2000, 1000));
        assert_eq!(range(STANDING, Some(300), 9999), (300, 300, 3000, 0));
        assert_eq!(range(STANDING, Some(400), 9999), (400, 300, 4000, 0));
        assert_eq!(range(STANDING, Some(150), 9999), (150, 300, 2000, 2000), "a pass ended where its map was full");
    }

    #[test]
    fn a_checkpoint_outside_the_log_counts_for_nothing() {
        let standing = Standing { log_start_offset: Offset(120), ..STANDING };
        for (checkpoint, wrong) in [(Some(119), true), (Some(401), true), (None, false)] {
            let found = choose(&four(), standing, checkpoint.map(Offset), Millis(99));
            assert_eq!((found.first_dirty, found.checkpoint_was_wrong), (Offset(120), wrong), "{checkpoint:?}");
        }
        assert!(!choose(&four(), standing, Some(Offset(400)), Millis(99)).checkpoint_was_wrong);
    }

    #[test]
    fn an_open_transaction_keeps_its_segment_and_all_behind_it_from_being_cleaned() {
        assert_eq!(range(Standing { last_stable_offset: Offset(299), ..STANDING }, None, 9999), (0, 200, 0, 2000));
        assert_eq!(range(Standing { last_stable_offset: Offset(200), ..STANDING }, None, 9999), (0, 200, 0, 2000));
        assert_eq!(range(Standing { last_stable_offset: Offset(50), ..STANDING }, None, 9999), (0, 0, 0, 0));
        assert_eq!(range(Standing { last_stable_offset: Offset(50), ..STANDING }, Some(200), 9999), (200, 200, 2000, 0));
    }

    #[test]
    fn what_is_younger_than_the_smallest_lag_waits() {
        let standing = Standing { min_compaction_lag_ms: 500, ..STANDING };
        assert_eq!(range(standing, None, 9999), (0, 300, 0, 3000));
        assert_eq!(range(standing, None, 2500), (0, 200, 0, 2000), "exactly as old as the lag is old enough");
        assert_eq!(range(standing, None, 2499), (0, 100, 0, 1000));
        assert_eq!(range(standing, Some(300), 0), (300, 300, 3000, 0));
    }

    #[test]
    fn the_largest_lag_forces_a_pass_whatever_the_ratio() {
        let standing = Standing { max_compaction_lag_ms: 5000, ..STANDING };
        let at = |now| choose(&four(), standing, Some(Offset(200)), Millis(now));
        assert_eq!((at(8000).overdue_ms, at(8001).overdue_ms, at(9000).overdue_ms), (0, 1, 1000));
        assert!(!at(8000).is_due(0.5) && at(8001).is_due(0.5), "a third is dirty");
        assert!(at(8000).is_due(0.3));
        let nothing_dirty = choose(&four(), standing, Some(Offset(300)), Millis(99_999));
        assert!(!nothing_dirty.is_due(0.0));
    }
}
