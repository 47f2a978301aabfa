//! ListOffsets: earliest, latest, by timestamp, largest timestamp.

use super::PartitionLog;
use super::types::{FoundOffset, ListOffset};
use crate::batch::{DECOMPRESS_LIMIT_BYTES_DEFAULT, NO_TIMESTAMP, records};
use crate::segment::{Located, ScanError, Segment};
use crate::{LeaderEpoch, Millis, Offset, StorageError};

impl PartitionLog {
    /// Answers ListOffsets. `up_to` is the first offset the asker may not see: high watermark or last stable offset.
    pub fn list_offset(&self, by: ListOffset, up_to: Offset) -> Result<Option<FoundOffset>, StorageError> {
        self.refuse_unless_readable()?;
        match by {
            ListOffset::Earliest => {
                let offset = self.log_start_offset();
                let leader_epoch = self.epochs.earliest().filter(|entry| entry.start_offset <= offset).map(|entry| entry.epoch);
                Ok(Some(FoundOffset { offset, timestamp: NO_TIMESTAMP, leader_epoch }))
            }
            ListOffset::Latest => {
                let offset = up_to.min(self.log_end_offset());
                Ok(Some(FoundOffset { offset, timestamp: NO_TIMESTAMP, leader_epoch: self.latest_epoch() }))
            }
            ListOffset::MaxTimestamp => self.find_max_timestamp(up_to),
            ListOffset::Timestamp(timestamp) => self.find_timestamp(timestamp, up_to),
        }
    }

    fn find_timestamp(&self, wanted: Millis, up_to: Offset) -> Result<Option<FoundOffset>, StorageError> {
        let start = self.log_start_offset();
        for segment in &self.segments[self.segment_index(start)..] {
            if segment.base_offset() >= up_to {
                break;
            }
            if segment.max_timestamp(&self.place, self.config.index_interval_bytes)?.timestamp < wanted {
                continue;
            }
            if let Some(found) = self.find_in(segment, start, |batch| batch.header.max_timestamp() >= wanted, wanted)? {
                return Ok(Some(found).filter(|found| found.offset < up_to));
            }
        }
        Ok(None)
    }

    fn find_max_timestamp(&self, up_to: Offset) -> Result<Option<FoundOffset>, StorageError> {
        let start = self.log_start_offset();
        let mut largest: Option<(Millis, &Segment)> = None;
        for segment in &self.segments[self.segment_index(start)..] {
            let timestamp = segment.max_timestamp(&self.place, self.config.index_interval_bytes)?.timestamp;
            if timestamp > NO_TIMESTAMP && largest.is_none_or(|(largest, _)| timestamp > largest) {
                largest = Some((timestamp, segment));
            }
        }
        let Some((wanted, segment)) = largest else { return Ok(None) };
        let found = self.find_in(segment, start, |batch| batch.header.max_timestamp() == wanted, wanted)?;
        Ok(found.filter(|found| found.offset < up_to))
    }

    /// The first record at or after `start` with a timestamp of at least `wanted`, in a batch that is `suitable` by its header.
    fn find_in(
        &self,
        segment: &Segment,
        start: Offset,
        suitable: impl Fn(&Located) -> bool,
        wanted: Millis,
    ) -> Result<Option<FoundOffset>, StorageError> {
        let path = segment.log_path(&self.place);
        let failed = |error: ScanError| error.into_storage(&path);
        let position = segment.position_before_timestamp(&self.place, wanted, start, self.config.index_interval_bytes)?;
        let mut scan = segment.scan(&self.place, position)?;
        while let Some(batch) = scan.peek().map_err(failed)? {
            if batch.header.last_offset() >= start && suitable(&batch) {
                scan.check(&batch).map_err(failed)?;
                let view = scan.read(&batch).map_err(failed)?;
                let corrupt = |error| failed(ScanError::Bad { position: batch.position, reason: format!("{error}") });
                let opened = records(&view, DECOMPRESS_LIMIT_BYTES_DEFAULT).map_err(corrupt)?;
                for record in &opened {
                    let record = record.map_err(corrupt)?;
                    if record.timestamp >= wanted && record.offset >= start {
                        let leader_epoch = Some(batch.header.partition_leader_epoch()).filter(|epoch| *epoch >= LeaderEpoch(0));
                        return Ok(Some(FoundOffset { offset: record.offset, timestamp: record.timestamp, leader_epoch }));
                    }
                }
            }
            scan.skip(&batch);
        }
        Ok(None)
    }
}
