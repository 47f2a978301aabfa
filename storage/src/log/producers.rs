//! Producer state on disk: snapshots are read and written here, and what they lack is replayed from the log.

use super::PartitionLog;
use super::types::{AbortedTransaction, RecoveryReport};
use crate::disk::{OpenMode, read_file};
use crate::producer::{ProducerEntry, ProducerStates, snapshot};
use crate::segment::{FileKind, OpenFile, Segment};
use crate::{Millis, Offset, StorageError};

const SNAPSHOT_SIZE_BYTES_MAX: u64 = 1 << 30;
/// A replay has no time of its own: nothing expires by it.
const REPLAY: Millis = Millis(i64::MIN);

impl PartitionLog {
    /// Sets the producer state to what it was at `up_to`.
    pub(super) fn load_producers(&mut self, up_to: Offset, report: Option<&mut RecoveryReport>) -> Result<(), StorageError> {
        let (states, replayed_from) = self.producers_at(up_to)?;
        if let (Some(report), Some(from)) = (report, replayed_from) {
            report.producers_rebuilt_from = Some(from);
        }
        self.producers = states;
        Ok(())
    }

    /// The producer state as of `up_to`: the newest good snapshot at or below it, and the batches after that, from the offset told.
    fn producers_at(&self, up_to: Offset) -> Result<(ProducerStates, Option<Offset>), StorageError> {
        let mut states = ProducerStates::new(self.config.producer_id_expiration_ms);
        let first_base = self.segments.first().map_or(Offset(0), Segment::base_offset);
        let from = self.load_snapshot(&mut states, up_to)?.unwrap_or(first_base);
        if from < up_to {
            self.replay(&mut states, from, up_to, |_, _| ())?;
        }
        states.set_end_offset(up_to);
        Ok((states, (from < up_to).then_some(from)))
    }

    /// Sees to a readable snapshot where the log is about to begin: once the records below are gone, nothing else tells of their
    /// producers, were the log cut back to there.
    pub(super) fn ensure_snapshot_at(&mut self, offset: Offset) -> Result<(), StorageError> {
        if self.read_snapshot(offset).is_ok_and(|entries| entries.is_some()) {
            return Ok(());
        }
        let (states, _) = self.producers_at(offset)?;
        self.write_snapshot_at(offset, &states.encode_snapshot())
    }

    /// Loads the newest readable snapshot at or below `up_to`; unreadable ones are skipped.
    fn load_snapshot(&self, states: &mut ProducerStates, up_to: Offset) -> Result<Option<Offset>, StorageError> {
        for offset in self.snapshots.iter().rev().copied().filter(|offset| *offset <= up_to) {
            match self.read_snapshot(offset)? {
                Some(entries) => {
                    states.load(offset, entries, REPLAY);
                    return Ok(Some(offset));
                }
                None => tracing::warn!(log = %self.id, %offset, "a producer snapshot is unreadable and is passed over"),
            }
        }
        Ok(None)
    }

    fn read_snapshot(&self, offset: Offset) -> Result<Option<Vec<ProducerEntry>>, StorageError> {
        match read_file(&*self.place.disk, &self.place.path(offset, FileKind::Snapshot), SNAPSHOT_SIZE_BYTES_MAX) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| snapshot::decode(&bytes).ok())),
            Err(StorageError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes note of the batches in `from..up_to`; `aborted` hears of each aborted transaction and the segment of its marker.
    fn replay(
        &self,
        states: &mut ProducerStates,
        from: Offset,
        up_to: Offset,
        mut aborted: impl FnMut(usize, AbortedTransaction),
    ) -> Result<(), StorageError> {
        for index in self.segment_index(from)..self.segments.len() {
            let segment = &self.segments[index];
            if segment.base_offset() >= up_to {
                break;
            }
            let walked = segment.each_batch(&self.place, |header, marker| {
                if header.base_offset() >= from
                    && header.base_offset() < up_to
                    && let Some(ended) = states.update(REPLAY, header, marker)
                    && ended.aborted
                {
                    aborted(index, ended.into());
                }
            });
            walked.map_err(|error| error.into_storage(&segment.log_path(&self.place)))?;
        }
        Ok(())
    }

    /// The aborted transactions whose marker lies in a segment, from the log itself.
    pub(super) fn find_aborted(&self, index: usize) -> Result<Vec<AbortedTransaction>, StorageError> {
        let Some(segment) = self.segments.get(index) else { return Ok(Vec::new()) };
        let mut states = ProducerStates::new(self.config.producer_id_expiration_ms);
        let first_base = self.segments.first().map_or(Offset(0), Segment::base_offset);
        let from = self.load_snapshot(&mut states, segment.base_offset())?.unwrap_or(first_base);
        let mut found = Vec::new();
        self.replay(&mut states, from, self.segment_end(index), |at, transaction| {
            if at == index {
                found.push(transaction);
            }
        })?;
        Ok(found)
    }

    /// Writes a snapshot of the producer state at its end offset.
    pub(super) fn write_snapshot(&mut self) -> Result<(), StorageError> {
        let offset = self.producers.end_offset();
        self.write_snapshot_at(offset, &self.producers.encode_snapshot())?;
        self.producers.on_snapshot_written(offset);
        Ok(())
    }

    fn write_snapshot_at(&mut self, offset: Offset, text: &[u8]) -> Result<(), StorageError> {
        let path = self.place.path(offset, FileKind::Snapshot);
        let file = self.place.open(&path, OpenMode::Truncate)?;
        file.write_all_at(&[text], 0).map_err(|source| StorageError::io("write", &path, source))?;
        if let Err(at) = self.snapshots.binary_search(&offset) {
            self.snapshots.insert(at, offset);
        }
        self.note_unsynced(OpenFile { path, file });
        Ok(())
    }

    /// Keeps the snapshots that stand at the beginning of a segment, and the newest; removes those beyond the log's end. True when
    /// there were any of the last kind: they say what is no longer so.
    pub(super) fn remove_stray_snapshots(&mut self) -> Result<bool, StorageError> {
        let log_end = self.log_end_offset();
        let newest = self.snapshots.iter().rev().find(|offset| **offset <= log_end).copied();
        let is_stray = |offset: Offset| {
            let at_segment = self.segments.binary_search_by_key(&offset, Segment::base_offset).is_ok();
            offset > log_end || (Some(offset) != newest && !at_segment)
        };
        let stray: Vec<Offset> = self.snapshots.iter().copied().filter(|offset| is_stray(*offset)).collect();
        for offset in &stray {
            self.forget_snapshot(*offset)?;
        }
        Ok(stray.last().is_some_and(|last| *last > log_end))
    }

    /// Removes the snapshots beyond `offset`.
    pub(super) fn forget_snapshots_after(&mut self, offset: Offset) -> Result<(), StorageError> {
        while let Some(last) = self.snapshots.last().copied().filter(|last| *last > offset) {
            self.forget_snapshot(last)?;
        }
        Ok(())
    }

    fn forget_snapshot(&mut self, offset: Offset) -> Result<(), StorageError> {
        let path = self.place.path(offset, FileKind::Snapshot);
        self.place.remove(&path)?;
        self.snapshots.retain(|snapshot| *snapshot != offset);
        self.unsynced.retain(|(_, open)| open.path != path);
        Ok(())
    }
}
