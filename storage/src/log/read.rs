//! Which byte ranges of which segments answer a read, and which transactions in them were aborted.

use super::PartitionLog;
use super::types::{AbortedTransaction, FileRange, ReadError, ReadPlan};
use crate::segment::{SliceError, Sliced, Want};
use crate::{Offset, StorageError};

/// One plan has at most so many ranges; a reader comes back for more.
const RANGE_COUNT_MAX: usize = 16;

impl PartitionLog {
    /// Plans a read of whole batches from the one that contains `from`, below `up_to`.
    ///
    /// The first batch is included even above `max_bytes` when `at_least_one_batch`. An empty plan means there is nothing now;
    /// the bytes of a plan stay readable when their segment is deleted meanwhile.
    pub fn read(&self, from: Offset, up_to: Offset, max_bytes: u64, at_least_one_batch: bool) -> Result<ReadPlan, ReadError> {
        self.refuse_unless_readable()?;
        let (log_start_offset, log_end_offset) = (self.log_start_offset(), self.log_end_offset());
        if from < log_start_offset || from > log_end_offset {
            if let Some(corruption) = &self.corruption
                && from > log_end_offset
            {
                return Err(ReadError::Corrupt { offset: corruption.offset, source: self.corruption_error(corruption) });
            }
            return Err(ReadError::OffsetOutOfRange { requested: from, log_start_offset, log_end_offset });
        }
        let up_to = up_to.min(log_end_offset);
        let mut plan = ReadPlan { first_offset: from, next_offset: from, ..ReadPlan::default() };
        if from >= up_to {
            if let Some(corruption) = &self.corruption
                && from == log_end_offset
            {
                return Err(ReadError::Corrupt { offset: corruption.offset, source: self.corruption_error(corruption) });
            }
            return Ok(plan);
        }
        let first = self.segment_index(from);
        let mut left = max_bytes;
        for index in first..self.segments.len() {
            let (segment, segment_end) = (&self.segments[index], self.segment_end(index));
            let at_least_one_batch = at_least_one_batch && plan.ranges.is_empty();
            let want = Want { from: plan.next_offset, up_to, segment_end, max_bytes: left, at_least_one_batch };
            let slice = match segment.slice(&self.place, want, self.config.index_interval_bytes) {
                Ok(Sliced::Slice(slice)) => slice,
                Ok(Sliced::NothingHere) => continue,
                Ok(Sliced::Bounded) => break,
                Err(_) if !plan.ranges.is_empty() => break,
                Err(SliceError::Disk(error)) => return Err(ReadError::Storage(error)),
                Err(SliceError::Corrupt(source)) => return Err(ReadError::Corrupt { offset: from, source }),
            };
            if plan.ranges.is_empty() {
                plan.first_offset = slice.first_offset;
            }
            plan.next_offset = slice.next_offset;
            plan.size_bytes += slice.size_bytes;
            left = left.saturating_sub(slice.size_bytes);
            plan.ranges.push(FileRange { file: slice.file, position: slice.position, size_bytes: slice.size_bytes });
            if !slice.reaches_end || left == 0 || plan.ranges.len() == RANGE_COUNT_MAX {
                break;
            }
        }
        Ok(plan)
    }

    /// The segment that holds `offset`, or the one before the gap that does.
    pub(super) fn segment_index(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
    }

    /// Where a segment's offsets end: the next one's base offset, or the log end offset.
    pub(super) fn segment_end(&self, index: usize) -> Offset {
        self.segments.get(index + 1).map_or(self.log_end_offset(), |next| next.base_offset())
    }

    /// Transactions aborted that have records in `from..up_to`, by their first offset.
    pub fn aborted_transactions(&self, from: Offset, up_to: Offset) -> Result<Vec<AbortedTransaction>, StorageError> {
        self.refuse_unless_readable()?;
        let mut found = Vec::new();
        'segments: for index in self.segment_index(from)..self.segments.len() {
            for transaction in self.aborted_in(index)? {
                if transaction.last_offset >= from && transaction.first_offset < up_to {
                    found.push(transaction);
                }
                // Everything that began below has been decided by here.
                if transaction.last_stable_offset >= up_to {
                    break 'segments;
                }
            }
        }
        // The index has them by their ends. Readers take them from the front while they go through the records, and not every client
        // sorts what it gets.
        found.sort_unstable_by_key(|transaction| transaction.first_offset);
        Ok(found)
    }
}
