//! Opening a log: finding its segments, reading what may be torn, building anew what is missing.
//!
//! After a clean stop only the end of the last segment is looked at. After any other, every batch from the recovery point on is read
//! and its CRC checked. The first bad batch is judged: nothing good behind it and not below the recovery point means a write that
//! was cut short, and the file is cut there. So it is when the machine went down and the batch lies above the recovery point: then
//! what follows may well be good and is not what was promised to anybody, for a hole was written before it. Anything else is damage:
//! the log is opened up to it for reading only, and every byte stays where it is.
//!
//! What is cut or removed here is made durable before the log is used, or a later power loss could bring it back among new batches.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::types::{AbortedTransaction, Corruption, OpenOptions, RecoveryReport};
use super::{Health, LogConfig, Offsets, PartitionLog};
use crate::cleaner::Lease;
use crate::disk::{Disk, OpenMode};
use crate::producer::ProducerStates;
use crate::segment::{FileKind, Phase, Place, Recovered, Scan, ScanError, Segment, file_name, parse_file_name};
use crate::{LeaderEpochCache, LogId, Millis, Offset, StorageError};

impl PartitionLog {
    /// Opens or creates the log in `root/<topic>-<partition>`.
    pub fn open(
        disk: Arc<dyn Disk>,
        root: &Path,
        id: LogId,
        config: Arc<LogConfig>,
        how: OpenOptions,
    ) -> Result<(Self, RecoveryReport), StorageError> {
        let dir = root.join(id.directory_name());
        disk.create_dir_all(&dir).map_err(|source| StorageError::io("create", &dir, source))?;
        let place = Place::new(disk, dir);
        let mut report = RecoveryReport::default();
        let FoundFiles { mut segments, mut snapshots } = find_files(&place, how.now)?;
        if segments.is_empty() {
            if !snapshots.is_empty() {
                // Without records nothing is known of producers either. For good, before a new segment is found beside them.
                snapshots.drain(..).try_for_each(|offset| place.remove(&place.path(offset, FileKind::Snapshot)))?;
                place.sync_dir()?;
            }
            segments.push(Segment::create(&place, how.log_start_offset.max(Offset(0)), how.now)?);
            // Were this name lost and a later segment's not, nobody could tell that the log's beginning is missing.
            place.sync_dir()?;
        }
        let (epochs, epochs_warning) = LeaderEpochCache::open(&*place.disk, &place.dir);
        if let Some(warning) = epochs_warning {
            tracing::warn!(log = %id, %warning, "leader epochs are built anew");
        }
        let producers = ProducerStates::new(config.producer_id_expiration_ms);
        let mut log = Self::assemble(id, place, segments, epochs, producers, config);
        log.snapshots = snapshots;
        // What a killed process created or renamed is seen here but need not be durable.
        log.dir_changes = u64::from(!how.clean);
        log.load(how, &mut report)?;
        // Most logs of a start are not used at once, and there may be more of them than a process may have files.
        log.release_all_files();
        Ok((log, report))
    }

    /// Makes the log in the new, empty directory `root/<topic>-<partition>`. Nothing is synced; [`PartitionLog::sync_creation`] does
    /// it, or a sync of the whole disk.
    pub fn create(disk: Arc<dyn Disk>, root: &Path, id: LogId, config: Arc<LogConfig>, now: Millis) -> Result<Self, StorageError> {
        let place = Place::new(disk, root.join(id.directory_name()));
        let segment = Segment::create(&place, Offset(0), now)?;
        segment.release_file();
        let epochs = LeaderEpochCache::new(&place.dir);
        let producers = ProducerStates::new(config.producer_id_expiration_ms);
        Ok(Self::assemble(id, place, vec![segment], epochs, producers, config))
    }

    /// Makes the log's directory durable as [`PartitionLog::create`] left it. Were the name of its first segment lost and a later
    /// one's not, nobody could tell that the log's beginning is missing.
    pub fn sync_creation(&self) -> Result<(), StorageError> {
        self.place.sync_dir()
    }

    fn assemble(
        id: LogId,
        place: Place,
        segments: Vec<Segment>,
        epochs: LeaderEpochCache,
        producers: ProducerStates,
        config: Arc<LogConfig>,
    ) -> Self {
        Self {
            id,
            place,
            segments,
            offsets: Offsets::new(Offset(0), Offset(0), None),
            epochs_on_disk: epochs.entries().to_vec(),
            epochs,
            producers,
            snapshots: Vec::new(),
            health: Health::Writable,
            corruption: None,
            recovery_point: Offset(0),
            unsynced: Vec::new(),
            unsynced_count: 0,
            dir_changes: 0,
            dir_changes_synced: 0,
            generation: 0,
            retired: Vec::new(),
            cleaning: Lease::default(),
            config,
        }
    }

    fn load(&mut self, how: OpenOptions, report: &mut RecoveryReport) -> Result<(), StorageError> {
        let interval_bytes = self.config.index_interval_bytes;
        let removals_before = self.dir_changes;
        let mut clean = how.clean;
        let mut producers_known = false;
        if clean {
            let Some(active) = self.segments.last() else { return Err(self.no_segment()) };
            report.indexes_rebuilt += usize::from(active.load_indexes(&self.place, interval_bytes)?);
            clean = active.ends_with_a_batch(&self.place, interval_bytes)?;
        }
        if !clean {
            // A stop said to be clean that left a bad end: only the last segment is in doubt.
            let last_base = self.segments.last().map_or(Offset(0), Segment::base_offset);
            let scan_from = if how.clean { last_base } else { how.recovery_point };
            producers_known = self.scan_from(self.segment_index(scan_from), &how, report)?;
        }
        let mut log_end = self.found_end()?;
        if log_end < how.log_start_offset {
            if self.corruption.is_none() {
                self.discard_segments_from(0)?;
                // With the records goes what was known of their producers, as in Kafka.
                self.forget_snapshots_after(Offset(-1))?;
                self.place.sync_dir()?;
                producers_known = false;
                self.segments.push(Segment::create(&self.place, how.log_start_offset, how.now)?);
                self.dir_changes += 1;
            }
            log_end = how.log_start_offset;
        }
        let first_base = self.segments.first().map_or(Offset(0), Segment::base_offset);
        let log_start = how.log_start_offset.max(first_base).min(log_end);

        // Lost, or written when the log began later than it does now.
        let epochs_lost = self.epochs.earliest().is_none_or(|earliest| earliest.start_offset > log_start);
        let rebuild_epochs = epochs_lost && log_end > log_start;
        if let Err(error) = self.load_states(rebuild_epochs, producers_known, log_end, report) {
            let StorageError::Corrupt { .. } = error else { return Err(error) };
            // A batch below the end cannot be read. Everything there is said to be on disk, so this is damage.
            let all_is_on_disk = OpenOptions { recovery_point: log_end, ..how };
            self.scan_from(0, &all_is_on_disk, report)?;
            log_end = self.found_end()?;
            self.load_states(rebuild_epochs, false, log_end, report)?;
        }
        let log_start = log_start.min(log_end);
        self.epochs.truncate_from_end(log_end);
        self.epochs.truncate_from_start(log_start);
        self.producers.on_log_start_offset_incremented(log_start);
        self.offsets = Offsets::new(log_start, log_end, self.producers.first_unstable_offset());
        self.recovery_point = if clean && how.clean { log_end } else { how.recovery_point.min(log_end).max(log_start) };
        // Beside damage everything stays as it was found.
        let snapshots_removed = self.corruption.is_none() && self.remove_stray_snapshots()?;
        if report.bytes_truncated > 0 || self.dir_changes != removals_before || snapshots_removed {
            self.sync_removals()?;
        }
        if let Some(corruption) = &self.corruption {
            tracing::error!(log = %self.id, file = corruption.file, position = corruption.position, reason = corruption.reason,
                "damaged in the middle: nothing was cut, appends are refused");
            self.health =
                Health::ReadOnly(format!("{} is damaged at byte {}: {}", corruption.file, corruption.position, corruption.reason));
            report.corruption = Some(corruption.clone());
        }
        Ok(())
    }

    /// Where the log ends, as far as it can be read.
    fn found_end(&self) -> Result<Offset, StorageError> {
        match &self.corruption {
            Some(corruption) => Ok(corruption.offset),
            None => self.active().next_offset(&self.place, self.config.index_interval_bytes),
        }
    }

    fn load_states(
        &mut self,
        rebuild_epochs: bool,
        producers_known: bool,
        log_end: Offset,
        report: &mut RecoveryReport,
    ) -> Result<(), StorageError> {
        if rebuild_epochs {
            self.rebuild_epochs()?;
        }
        if producers_known {
            self.producers.set_end_offset(log_end);
            return Ok(());
        }
        self.load_producers(log_end, Some(report))
    }

    /// Reads the segments from `first` on, batch by batch. True when the producer state is as of the log's end afterwards.
    fn scan_from(&mut self, first: usize, how: &OpenOptions, report: &mut RecoveryReport) -> Result<bool, StorageError> {
        let recovery_point = how.recovery_point;
        let interval_bytes = self.config.index_interval_bytes;
        let base_offset = self.segments.get(first).map_or(Offset(0), Segment::base_offset);
        // Producer state as of the first segment, so that transactions can be followed from there.
        match self.load_producers(base_offset, None) {
            // A batch before it cannot be read: the damage is found by looking there too.
            Err(StorageError::Corrupt { .. }) if first > 0 => return self.scan_from(0, how, report),
            loaded => loaded?,
        }
        // What the batches say of epochs is newer than what the file says.
        self.epochs.truncate_from_end(base_offset);
        let mut index = first;
        while index < self.segments.len() {
            let segment_end = self.segments.get(index + 1).map(Segment::base_offset);
            let mut aborted = Vec::new();
            let (producers, epochs) = (&mut self.producers, &mut self.epochs);
            let segment = &mut self.segments[index];
            let found = segment.recover(&self.place, interval_bytes, recovery_point, segment_end, |header, marker| {
                if epochs.latest().is_none_or(|latest| latest.epoch < header.partition_leader_epoch()) {
                    epochs.assign(header.partition_leader_epoch(), header.base_offset());
                }
                if let Some(ended) = producers.update(Millis(i64::MIN), header, marker)
                    && ended.aborted
                {
                    aborted.push(AbortedTransaction::from(ended));
                }
            })?;
            segment.set_aborted_transactions(&self.place, aborted)?;
            report.segments_scanned += 1;
            report.bytes_scanned += segment.size_bytes();
            let bad = match (found.bad.clone(), segment_end) {
                (Some(bad), _) => Some(bad),
                (None, Some(end)) if how.machine_stopped && recovery_point < end && self.has_lost_its_end(index, &found, end)? => {
                    // The end of this segment never reached the disk; the next one did, which was written after it.
                    Some((self.segments[index].size_bytes(), format!("offsets {} to {} are missing", found.next_offset, end.0 - 1)))
                }
                _ => None,
            };
            if let Some((position, reason)) = bad {
                self.judge(index, position, reason, found.next_offset, how, report)?;
                // A batch that is cut after all may have been taken note of.
                return Ok(false);
            }
            if let Some(end) = segment_end {
                self.finish_segment(index, end)?;
            }
            index += 1;
        }
        // A snapshot behind the beginning may know of producers whose records are gone.
        Ok(self.snapshots.last().is_none_or(|newest| *newest <= base_offset))
    }

    /// A segment whose offsets do not reach the next one: were its last writes lost with the power? What it was finished with tells.
    /// Without that, only Kafka's cleaner and a cleaned leader leave gaps at the end (ours does not), and hardly ever only there.
    fn has_lost_its_end(&self, index: usize, found: &Recovered, next_base_offset: Offset) -> Result<bool, StorageError> {
        let Some(segment) = self.segments.get(index).filter(|_| found.next_offset < next_base_offset) else { return Ok(false) };
        Ok(match segment.finished(&self.place)? {
            Some(finished) if finished.log_size_bytes == segment.size_bytes() => finished.end_offset != next_base_offset,
            Some(finished) if finished.log_size_bytes > segment.size_bytes() => true,
            _ => !(self.config.cleanup_policy.compact && found.has_gaps),
        })
    }

    /// A write cut short is undone, and so is what a machine that went down left behind a hole, whose good batches are set aside.
    /// Damage is kept and fenced off.
    fn judge(
        &mut self,
        index: usize,
        position: u64,
        reason: String,
        next_offset: Offset,
        how: &OpenOptions,
        report: &mut RecoveryReport,
    ) -> Result<(), StorageError> {
        let segment = &self.segments[index];
        let is_unflushed = next_offset >= how.recovery_point;
        let good_here = is_unflushed && segment.find_batch_after(&self.place, position.saturating_add(1))?.is_some();
        let mut good_later = Vec::new();
        for later in self.segments[index + 1..].iter().filter(|_| is_unflushed) {
            good_later.push(later.find_batch_after(&self.place, 0)?.is_some());
        }
        let good_follows = good_here || good_later.contains(&true);
        if !is_unflushed || (good_follows && !how.machine_stopped) {
            let file = file_name(segment.base_offset(), FileKind::Log);
            self.segments[index].hide_from(position);
            self.segments.truncate(index + 1);
            self.corruption = Some(Corruption { file, position, offset: next_offset, reason });
            return Ok(());
        }
        if good_here {
            report.set_aside.push(segment.set_tail_aside(&self.place, position)?);
        }
        for (later, _) in self.segments[index + 1..].iter().zip(good_later).filter(|(_, is_good)| *is_good) {
            report.set_aside.push(later.set_aside(&self.place)?);
        }
        let cut_bytes = segment.size_bytes() - position;
        tracing::warn!(log = %self.id, segment = %segment.base_offset(), position, cut_bytes, reason, set_aside = ?report.set_aside,
            "the end was torn and is cut off");
        report.bytes_truncated += self.segments[index..].iter().map(Segment::size_bytes).sum::<u64>() - position;
        self.discard_segments_from(index + 1)?;
        if cut_bytes > 0 {
            self.segments[index].cut_at(&self.place, position, next_offset, self.config.index_interval_bytes)?;
        }
        Ok(())
    }

    /// Removes segments that hold nothing worth keeping.
    pub(super) fn discard_segments_from(&mut self, index: usize) -> Result<(), StorageError> {
        for segment in self.segments.split_off(index) {
            for kind in FileKind::COMPANIONS.into_iter().chain([FileKind::Log]) {
                self.place.remove(&self.place.path(segment.base_offset(), kind))?;
            }
        }
        self.dir_changes += 1;
        Ok(())
    }

    fn rebuild_epochs(&mut self) -> Result<(), StorageError> {
        self.epochs.clear();
        let epochs = &mut self.epochs;
        for segment in &self.segments {
            let walked = segment.each_batch(&self.place, |header, _| {
                if epochs.latest().is_none_or(|latest| latest.epoch < header.partition_leader_epoch()) {
                    epochs.assign(header.partition_leader_epoch(), header.base_offset());
                }
            });
            walked.map_err(|error| error.into_storage(&segment.log_path(&self.place)))?;
        }
        Ok(())
    }

    /// The aborted transactions whose marker lies in a segment. A transaction index that this process has not written or checked is
    /// compared with the markers in the log first, and built anew when it differs.
    pub(super) fn aborted_in(&self, index: usize) -> Result<Vec<AbortedTransaction>, StorageError> {
        let Some(segment) = self.segments.get(index) else { return Ok(Vec::new()) };
        if let Some(known) = segment.aborted_transactions(&self.place, self.config.index_interval_bytes)? {
            return Ok(known);
        }
        let mut markers = BTreeMap::new();
        let walked = segment.each_batch(&self.place, |header, marker| {
            if marker.is_some_and(|marker| !marker.committed) {
                markers.insert(header.last_offset(), header.producer_id());
            }
        });
        walked.map_err(|error| error.into_storage(&segment.log_path(&self.place)))?;
        if let Some(listed) = segment.unchecked_aborted_transactions(&self.place)? {
            let same = listed.len() == markers.len()
                && listed.iter().all(|transaction| markers.get(&transaction.last_offset) == Some(&transaction.producer_id));
            if same {
                segment.trust_aborted_transactions(listed.len());
                return Ok(listed);
            }
        }
        let found = self.find_aborted(index)?;
        segment.set_aborted_transactions(&self.place, found.clone())?;
        Ok(found)
    }
}

/// What the cleaner and deletions may have left behind, finished or undone as Kafka does it; safe to repeat after a crash at any point.
///
/// Each step is durable before the next: a swap that was undone must not be found again when the log has changed, and what was replaced
/// must not be found beside what took its place.
fn finish_interrupted_work(place: &Place) -> Result<(), StorageError> {
    let list = || place.disk.list(&place.dir).map_err(|source| StorageError::io("list", &place.dir, source));
    let mut cleaned = Vec::new();
    let mut swapped = Vec::new();
    for entry in list()? {
        match parse_file_name(&entry.name) {
            Some((_, _, Some(Phase::Deleted))) => place.remove(&place.dir.join(&entry.name))?,
            Some((base_offset, _, Some(Phase::Cleaned))) => cleaned.push((base_offset, entry.name)),
            Some((base_offset, kind, Some(Phase::Swap))) => swapped.push((base_offset, kind, entry.name)),
            _ => {}
        }
    }
    // A swap at or behind a file that is still half made was not announced to its end (or is part of an unfinished split, by Kafka): its
    // sources are all there.
    let cleaned_min = cleaned.iter().map(|(base_offset, _)| *base_offset).min();
    let (unfinished, swapped): (Vec<_>, Vec<_>) =
        swapped.into_iter().partition(|(base_offset, ..)| cleaned_min.is_some_and(|min| *base_offset >= min));
    if !unfinished.is_empty() {
        unfinished.iter().try_for_each(|(_, _, name)| place.remove(&place.dir.join(name)))?;
        place.sync_dir()?;
    }
    if !cleaned.is_empty() {
        cleaned.iter().try_for_each(|(_, name)| place.remove(&place.dir.join(name)))?;
        place.sync_dir()?;
    }
    if swapped.is_empty() {
        return Ok(());
    }
    // The sources of a finished swap lie in the offset ranges of the swapped logs.
    let mut ranges = Vec::new();
    for (base_offset, _, name) in swapped.iter().filter(|(_, kind, _)| *kind == FileKind::Log) {
        ranges.push((*base_offset, end_of_swapped(place, *base_offset, &place.dir.join(name))?));
    }
    for entry in list()? {
        if let Some((base_offset, kind, None)) = parse_file_name(&entry.name)
            && kind != FileKind::Snapshot
            && ranges.iter().any(|(from, to)| *from == base_offset || (*from < base_offset && base_offset < *to))
        {
            place.remove(&place.dir.join(&entry.name))?;
        }
    }
    place.sync_dir()?;
    for (base_offset, kind, name) in &swapped {
        place.rename(&place.dir.join(name), &place.path(*base_offset, *kind))?;
    }
    place.sync_dir()
}

/// The offset after the last batch.
fn end_of_swapped(place: &Place, base_offset: Offset, path: &Path) -> Result<Offset, StorageError> {
    let file = place.open(path, OpenMode::Read)?;
    let size_bytes = file.len().map_err(|source| StorageError::io("read", path, source))?;
    let mut scan = Scan::new(place, file, base_offset, 0, size_bytes);
    loop {
        match scan.next_header() {
            Ok(Some(_)) => {}
            // It was durable before it got this name. Damage is judged where the segments are read.
            Ok(None) | Err(ScanError::Bad { .. }) => return Ok(scan.offset_min()),
            Err(ScanError::Disk(error)) => return Err(error),
        }
    }
}

/// What lies in a log's directory.
struct FoundFiles {
    /// In offset order.
    segments: Vec<Segment>,
    /// Rising.
    snapshots: Vec<Offset>,
}

/// Looks through the directory, finishing what was interrupted; companions without a `.log` are removed.
fn find_files(place: &Place, now: Millis) -> Result<FoundFiles, StorageError> {
    let list = || place.disk.list(&place.dir).map_err(|source| StorageError::io("list", &place.dir, source));
    let mut entries = list()?;
    if entries.iter().any(|entry| matches!(parse_file_name(&entry.name), Some((_, _, Some(_))))) {
        finish_interrupted_work(place)?;
        entries = list()?;
    }
    let mut logs = BTreeMap::new();
    let mut companions = Vec::new();
    let mut snapshots = Vec::new();
    for entry in &entries {
        match parse_file_name(&entry.name) {
            Some((base_offset, FileKind::Log, None)) => drop(logs.insert(base_offset, entry.size_bytes)),
            Some((offset, FileKind::Snapshot, None)) => snapshots.push(offset),
            Some((base_offset, _, None)) => companions.push((base_offset, &entry.name)),
            Some((_, _, Some(_))) | None => {}
        }
    }
    for (base_offset, name) in companions {
        if !logs.contains_key(&base_offset) {
            place.remove(&place.dir.join(name))?;
        }
    }
    snapshots.sort_unstable();
    let segments = logs.into_iter().map(|(base_offset, size_bytes)| Segment::existing(base_offset, size_bytes, now)).collect();
    Ok(FoundFiles { segments, snapshots })
}
