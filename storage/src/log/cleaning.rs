//! The cleaner's doors: what may be cleaned, what to read, and putting the result in its place.

use super::PartitionLog;
use super::types::AbortedTransaction;
use crate::cleaner::{Cleanable, CleanedGroup, CleaningError, CleaningPlan, ProducersLast, Source};
use crate::segment::{FileKind, Phase, Segment, append_seal, sync_seals, tidy_seals};
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
    /// What the cleaner could do here; `None` when the topic is not compacted, the log takes no changes, or a pass is under way. `checkpoint` is up to where
    /// it was cleaned, if it was.
    pub fn cleanable(&self, checkpoint: Option<Offset>, now: Millis) -> Result<Option<Cleanable>, StorageError> {
        if !self.config.cleanup_policy.compact || self.refuse_unless_writable().is_err() || self.cleaning.is_held() {
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

    /// Notes what a pass needs to know; see [`crate::cleaner::clean`], which calls it.
    pub(crate) fn prepare_cleaning(&mut self, cleanable: &Cleanable, now: Millis) -> Result<CleaningPlan, CleaningError> {
        self.refuse_unless_writable()?;
        let first_uncleanable = cleanable.first_uncleanable;
        let limit = self.segments.partition_point(|segment| segment.base_offset() < first_uncleanable);
        let first_dirty = cleanable.first_dirty.max(self.log_start_offset());
        let still_holds = self.config.cleanup_policy.compact
            && limit > 0
            && limit < self.segments.len()
            && first_dirty < first_uncleanable
            && first_uncleanable <= self.last_stable_offset();
        let Some(lease) = self.cleaning.take().filter(|_| still_holds) else { return Err(CleaningError::Changed) };
        let sources = (0..limit).map(|index| self.source(index)).collect::<Result<Vec<_>, _>>()?;
        let dirty_index = self.segment_index(first_dirty);
        let dirty = &self.segments[dirty_index];
        let located = dirty.locate(&self.place, first_dirty, self.config.index_interval_bytes);
        let located = located.map_err(|error| error.into_storage(&dirty.log_path(&self.place)))?;
        Ok(CleaningPlan {
            lease,
            place: self.place.clone(),
            config: self.config(),
            now,
            first_dirty,
            first_uncleanable,
            dirty_from: (dirty_index, located.map_or(dirty.size_bytes(), |batch| batch.position)),
            sources,
            aborted_later: self.aborted_behind(limit, first_uncleanable)?,
            producers: ProducersLast::of(&self.producers),
        })
    }

    fn source(&self, index: usize) -> Result<Source, StorageError> {
        let segment = &self.segments[index];
        let known = segment.aborted_count(&self.place, self.config.index_interval_bytes)?;
        // A transaction index that nobody has checked yet is checked now, from the batches.
        let aborted_count = known.map_or_else(|| Ok::<_, StorageError>(self.aborted_in(index)?.len()), Ok)?;
        Ok(Source {
            base_offset: segment.base_offset(),
            size_bytes: segment.size_bytes(),
            end_offset: self.segment_end(index),
            created_at: segment.created_at(),
            aborted_count,
        })
    }

    /// The aborted transactions with records below `up_to`, where the segment `index` begins, and their marker in it or later.
    fn aborted_behind(&self, index: usize, up_to: Offset) -> Result<Vec<AbortedTransaction>, StorageError> {
        let mut found = Vec::new();
        for index in index..self.segments.len() {
            for transaction in self.aborted_in(index)? {
                if transaction.first_offset < up_to {
                    found.push(transaction);
                }
                if transaction.last_stable_offset >= up_to {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Puts a group that was copied in the place of its sources. Kafka's order, each step durable before the next relies on it:
    ///
    /// 1. the files become `.swap`: from here on opening the log finishes what was begun;
    /// 2. the sources become `.deleted`;
    /// 3. the new files get their final names.
    ///
    /// An error before 1 is done leaves the log as it was; after it the log goes offline and is finished when it is opened again.
    pub(crate) fn install_cleaned(&mut self, group: CleanedGroup) -> Result<(), CleaningError> {
        let cleaned = self.place.in_phase(Phase::Cleaned);
        let base_offset = group.segment.base_offset();
        let Some(first) = self.index_of(&group) else {
            Segment::remove_files(&cleaned, base_offset)?;
            return Err(CleaningError::Changed);
        };
        if let Err(error) = self.announce_swap(base_offset) {
            return Err(error.into());
        }
        if let Err(error) = self.finish_swap(first, group) {
            self.fail(&format!("swapping in a cleaned segment stopped half way: {error}"));
            return Err(error.into());
        }
        Ok(())
    }

    /// The first of a group's sources, if all of them are there, as they were, and nothing speaks against replacing them.
    fn index_of(&self, group: &CleanedGroup) -> Option<usize> {
        if !self.cleaning.is_this(&group.lease) || self.refuse_unless_writable().is_err() || !self.config.cleanup_policy.compact {
            return None;
        }
        let first = self.segments.binary_search_by_key(&group.segment.base_offset(), Segment::base_offset).ok()?;
        let there = self.segments.get(first..first + group.sources.len()).filter(|_| first + group.sources.len() < self.segments.len())?;
        let same = there
            .iter()
            .zip(&group.sources)
            .all(|(segment, source)| (segment.base_offset(), segment.size_bytes()) == (source.base_offset, source.size_bytes));
        same.then_some(first)
    }

    /// The names `.cleaned` become `.swap`, that of the `.log` last.
    fn announce_swap(&mut self, base_offset: Offset) -> Result<(), StorageError> {
        let (cleaned, swap) = (self.place.in_phase(Phase::Cleaned), self.place.in_phase(Phase::Swap));
        let mut kinds = FileKind::COMPANIONS.into_iter().chain([FileKind::Log]);
        let renamed = kinds.try_for_each(|kind| {
            let is_there = self.place.rename(&cleaned.path(base_offset, kind), &swap.path(base_offset, kind))?;
            assert!(is_there || kind != FileKind::Log, "the segment that the cleaner made is there");
            Ok::<_, StorageError>(())
        });
        self.dir_changes += 1;
        if let Err(error) = renamed {
            // Were one of these names found after a crash, when the log is no longer what it is now, it would be taken at its word.
            let undone = Segment::remove_files(&swap, base_offset)
                .and_then(|()| self.place.sync_dir())
                .and_then(|()| Segment::remove_files(&cleaned, base_offset));
            if let Err(undone) = undone {
                self.fail(&format!("a swap could not be undone: {undone}"));
            }
            return Err(error);
        }
        self.place.sync_dir().inspect_err(|error| self.fail(&format!("nobody knows whether a swap was begun: {error}")))
    }

    fn finish_swap(&mut self, first: usize, group: CleanedGroup) -> Result<(), StorageError> {
        let CleanedGroup { sources, mut segment, seal, .. } = group;
        let base_offset = segment.base_offset();
        let newest_snapshot = self.snapshots.last().copied();
        // In memory first: an error from here on is not undone.
        segment.seal();
        let removed: Vec<Segment> = self.segments.splice(first..first + sources.len(), [segment]).collect();
        for old in &removed {
            self.retire(old)?;
            if old.base_offset() != base_offset && Some(old.base_offset()) != newest_snapshot {
                self.retire_file(old.base_offset(), FileKind::Snapshot)?;
                self.snapshots.retain(|snapshot| *snapshot != old.base_offset());
            }
        }
        // None of these may come back beside the final names.
        self.place.sync_dir()?;
        let swap = self.place.in_phase(Phase::Swap);
        for kind in [FileKind::Log].into_iter().chain(FileKind::COMPANIONS) {
            self.place.rename(&swap.path(base_offset, kind), &self.place.path(base_offset, kind))?;
        }
        self.dir_changes += 1;
        self.place.sync_dir()?;
        self.dir_changes_synced = self.dir_changes;
        self.seal_cleaned(first, seal.as_deref());
        Ok(())
    }

    /// Only a cache: without it the companions are judged by plausibility.
    fn seal_cleaned(&self, index: usize, seal: Option<&str>) {
        let Some(seal) = seal else { return };
        let bases: Vec<Offset> = self.segments.iter().map(Segment::base_offset).collect();
        let ends_early = || {
            let next = self.segments[index].next_offset(&self.place, self.config.index_interval_bytes);
            next.is_ok_and(|next| next < self.segment_end(index))
        };
        let mut sealed = append_seal(&self.place, seal).and_then(|()| tidy_seals(&self.place, &bases));
        if ends_early() {
            // The gap was there before; that it is no loss is what the line is for.
            sealed = sealed.and_then(|()| sync_seals(&self.place));
        }
        if let Err(error) = sealed {
            tracing::debug!(log = %self.id, %error, "a cleaned segment has no seal");
        }
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
