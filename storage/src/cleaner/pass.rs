//! A pass without the lock: the keys of the dirty part go into the map, then group after group of segments is copied.

use std::path::Path;
use std::sync::Arc;

use super::filter::{BatchFilter, Fate};
use super::map::KeyMap;
use super::plan::{CleanedGroup, CleaningPlan, Source};
use super::transactions::{Transactions, Verdict};
use super::types::{CleanerBuffers, CleaningError, CleaningStats, Pace};
use crate::batch::{BatchHeader, BatchView, Remnant, each_in_order, records};
use crate::disk::OpenMode;
use crate::segment::{FileKind, Located, Phase, Place, Scan, ScanError, Segment, parse_file_name};
use crate::{Offset, StorageError};

/// `pace` is asked when at least so many bytes have been read or written.
const PACE_BYTES: u64 = 64 * 1024;

/// See the module.
pub(super) struct Pass<'a> {
    pub(super) plan: Arc<CleaningPlan>,
    map: &'a mut KeyMap,
    filter: BatchFilter,
    output_bytes: usize,
    pace: &'a mut dyn FnMut(u64) -> Pace,
    unpaced_bytes: u64,
    transactions: Transactions,
    /// The first source that has not been copied yet.
    next_source: usize,
    /// Everything below is in the map.
    mapped_to: Offset,
    pub(super) stats: CleaningStats,
}

impl<'a> Pass<'a> {
    pub(super) fn new(plan: CleaningPlan, buffers: &'a mut CleanerBuffers, pace: &'a mut dyn FnMut(u64) -> Pace) -> Self {
        let config = buffers.config();
        Self {
            mapped_to: plan.first_dirty,
            plan: Arc::new(plan),
            map: buffers.map(),
            filter: BatchFilter::new(config.decompress_limit_bytes),
            output_bytes: config.io_buffer_bytes / 2,
            pace,
            unpaced_bytes: 0,
            transactions: Transactions::default(),
            next_source: 0,
            stats: CleaningStats::default(),
        }
    }

    /// Everything below is clean once the pass is through.
    pub(super) fn end(&self) -> Offset {
        self.mapped_to
    }

    fn paced(&mut self, bytes: u64) -> Result<(), CleaningError> {
        self.unpaced_bytes += bytes;
        if self.unpaced_bytes < PACE_BYTES {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.unpaced_bytes);
        match (self.pace)(bytes) {
            Pace::Stop => Err(CleaningError::Stopped),
            Pace::GoOn if self.plan.lease.is_revoked() => Err(CleaningError::Changed),
            Pace::GoOn => Ok(()),
        }
    }

    /// What cannot be read any more because it is not there any more is no failure of the disk.
    pub(super) fn explained(&self, error: CleaningError) -> CleaningError {
        if self.plan.lease.is_revoked() { CleaningError::Changed } else { error }
    }

    /// Fills the map with the keys of the dirty part, as far as there is room.
    pub(super) fn fill_map(&mut self) -> Result<(), CleaningError> {
        let (first_dirty, end) = (self.plan.first_dirty, self.plan.first_uncleanable);
        self.map.reset(end.since(first_dirty).max(0).cast_unsigned());
        let mut transactions = Transactions::default();
        for index in self.plan.dirty_from.0..self.plan.sources.len() {
            let source = self.plan.sources[index];
            transactions.add_aborted(self.plan.aborted_in(index, source.base_offset.max(first_dirty), source.end_offset)?);
            let position = if index == self.plan.dirty_from.0 { self.plan.dirty_from.1 } else { 0 };
            if !self.map_source(&source, position, &mut transactions)? {
                break;
            }
            self.mapped_to = self.mapped_to.max(source.end_offset);
        }
        self.stats.map_fullness = self.map.fullness();
        Ok(())
    }

    /// False when the map is full.
    fn map_source(&mut self, source: &Source, position: u64, transactions: &mut Transactions) -> Result<bool, CleaningError> {
        let plan = Arc::clone(&self.plan);
        let mut scan = scan(&plan.place, source, position)?;
        let path = scan.path();
        while let Some(batch) = good_batch(&mut scan, &path)? {
            let view = scan.read(&batch).map_err(|error| error.into_storage(&path))?;
            self.stats.map_messages_read += u64::try_from(view.header.record_count()).unwrap_or_default();
            let needed = matches!(transactions.on_batch(&view), Ok(Verdict::Needed));
            if needed && !view.header.is_control() && !self.map_batch(&view) {
                return Ok(false);
            }
            self.mapped_to = self.mapped_to.max(view.header.next_offset());
            self.stats.map_bytes_read += batch.size_bytes;
            scan.skip(&batch);
            self.paced(batch.size_bytes)?;
        }
        Ok(true)
    }

    /// False when the map is full. A batch that cannot be opened is kept whole later, so its keys need not be known.
    fn map_batch(&mut self, view: &BatchView<'_>) -> bool {
        let Ok(opened) = records(view, self.filter.decompress_limit_bytes()) else { return true };
        let mut fits = true;
        let (map, first_dirty, mapped_to) = (&mut *self.map, self.plan.first_dirty, &mut self.mapped_to);
        let _ = each_in_order(view, &opened, |record| {
            if let Some(key) = record.key.filter(|_| fits && record.offset >= first_dirty) {
                fits = map.put(key, record.offset);
                if fits {
                    *mapped_to = record.offset.plus(1);
                }
            }
        });
        fits
    }

    /// Copies the next group; `None` when all that is to be cleaned was copied. What it wrote is durable, under names that end with
    /// `.cleaned`.
    pub(super) fn next_group(&mut self) -> Result<Option<CleanedGroup>, CleaningError> {
        while let Some(sources) = self.next_sources()? {
            self.next_source += sources.len();
            if sources.iter().all(|source| source.size_bytes == 0) {
                continue;
            }
            let cleaned = self.plan.place.in_phase(Phase::Cleaned);
            let base_offset = sources.first().map_or(Offset(0), |source| source.base_offset);
            let copied = self.copy(&cleaned, &sources);
            return match copied {
                Ok((segment, seal)) => {
                    self.stats.segments_read += sources.len() as u64;
                    self.stats.segments_written += 1;
                    self.stats.bytes_written += segment.size_bytes();
                    Ok(Some(CleanedGroup { lease: self.plan.lease.clone(), sources, segment, seal }))
                }
                Err(error) => {
                    discard(&cleaned, base_offset);
                    Err(error)
                }
            };
        }
        Ok(None)
    }

    /// As many segments as one can hold, from the next one on, but only such with something to clean.
    fn next_sources(&self) -> Result<Option<Vec<Source>>, StorageError> {
        let rest = self.plan.sources.get(self.next_source..).unwrap_or_default();
        let rest = &rest[..rest.partition_point(|source| source.base_offset < self.mapped_to)];
        let Some(first) = rest.first() else { return Ok(None) };
        let mut group = vec![*first];
        let mut sizes = self.sizes(first)?;
        for source in &rest[1..] {
            let more = self.sizes(source)?;
            let sum = [sizes[0] + more[0], sizes[1] + more[1], sizes[2] + more[2]];
            let index_bytes_max = u64::from(self.plan.config.segment_index_bytes);
            let fits = sum[0] <= u64::from(self.plan.config.segment_bytes) && sum[1] <= index_bytes_max && sum[2] <= index_bytes_max;
            let last_offset = source.end_offset.0 - 1;
            if !fits || (source.size_bytes > 0 && last_offset - first.base_offset.0 > i64::from(i32::MAX)) {
                break;
            }
            group.push(*source);
            sizes = sum;
        }
        Ok(Some(group))
    }

    /// Bytes of the log, the offset index, the time index.
    fn sizes(&self, source: &Source) -> Result<[u64; 3], StorageError> {
        let size_of = |kind| self.plan.place.size_of(&self.plan.place.path(source.base_offset, kind));
        Ok([source.size_bytes, size_of(FileKind::OffsetIndex)?, size_of(FileKind::TimeIndex)?])
    }

    fn copy(&mut self, cleaned: &Place, sources: &[Source]) -> Result<(Segment, Option<String>), CleaningError> {
        remove_leftovers(cleaned)?;
        let base_offset = sources.first().map_or(Offset(0), |source| source.base_offset);
        let created_at = sources.last().map_or(self.plan.now, |source| source.created_at);
        let segment = Segment::create(cleaned, base_offset, created_at)?;
        let mut output = Output {
            place: cleaned,
            segment,
            headers: Vec::new(),
            bytes: Vec::new(),
            interval_bytes: self.plan.config.index_interval_bytes,
        };
        let last = sources.iter().rposition(|source| source.size_bytes > 0);
        for (at, source) in sources.iter().enumerate() {
            let index = self.next_source - sources.len() + at;
            self.transactions.add_aborted(self.plan.aborted_in(index, source.base_offset, source.end_offset)?);
            self.copy_source(source, Some(at) == last, &mut output)?;
        }
        output.write()?;
        let end_offset = sources.last().map_or(base_offset, |source| source.end_offset);
        let seal = output.segment.finish_cleaned(cleaned, end_offset, output.interval_bytes)?;
        // Before the names are changed they are to be there.
        cleaned.sync_dir()?;
        Ok((output.segment, seal))
    }

    fn copy_source(&mut self, source: &Source, is_last: bool, output: &mut Output<'_>) -> Result<(), CleaningError> {
        let plan = Arc::clone(&self.plan);
        let mut scan = scan(&plan.place, source, 0)?;
        let path = scan.path();
        while let Some(batch) = good_batch(&mut scan, &path)? {
            let view = scan.read(&batch).map_err(|error| error.into_storage(&path))?;
            let verdict = self.transactions.on_batch(&view);
            if let Ok(Verdict::NeededAndListed(transaction)) = verdict {
                output.segment.note_aborted(output.place, transaction);
            }
            let ends_segment = is_last && batch.end() == source.size_bytes;
            let remnant = match view.header.next_offset() == plan.first_uncleanable || plan.producers.are_told_by(&view.header) {
                true => Remnant::Header,
                // The segment's last offset is to be told by a batch: what a crash leaves is judged by it.
                false if ends_segment => Remnant::Offsets,
                false => Remnant::Nothing,
            };
            let before = output.bytes.len();
            let fate = self.filter.apply(&view, verdict, remnant, &plan, self.map, self.mapped_to, &mut output.bytes);
            let record_count = u64::try_from(view.header.record_count()).unwrap_or_default();
            self.stats.messages_read += record_count;
            self.stats.bytes_read += batch.size_bytes;
            match fate {
                Fate::Filtered { kept_count, keyless_count } => {
                    self.stats.messages_written += kept_count;
                    self.stats.invalid_messages_read += keyless_count;
                }
                Fate::Unopened => {
                    self.stats.messages_written += record_count;
                    self.stats.batches_unopened += 1;
                }
            }
            let written_bytes = (output.bytes.len() - before) as u64;
            if let Some(header) = output.bytes.get(before..).and_then(BatchHeader::read) {
                output.headers.push(header);
            }
            scan.skip(&batch);
            if output.bytes.len() >= self.output_bytes {
                output.write()?;
            }
            self.paced(batch.size_bytes + written_bytes)?;
        }
        Ok(())
    }
}

fn scan<'p>(place: &'p Place, source: &Source, position: u64) -> Result<Scan<'p>, StorageError> {
    let file = place.open(&place.path(source.base_offset, FileKind::Log), OpenMode::Read)?;
    Ok(Scan::new(place, file, source.base_offset, position, source.size_bytes))
}

/// The next batch, its CRC checked.
fn good_batch(scan: &mut Scan<'_>, path: &Path) -> Result<Option<Located>, StorageError> {
    let mut found = || -> Result<_, ScanError> {
        let Some(batch) = scan.peek()? else { return Ok(None) };
        scan.check(&batch)?;
        Ok(Some(batch))
    };
    found().map_err(|error| error.into_storage(path))
}

/// The segment being made.
struct Output<'p> {
    place: &'p Place,
    segment: Segment,
    /// Of the batches in `bytes`, which wait to be written.
    headers: Vec<BatchHeader>,
    bytes: Vec<u8>,
    interval_bytes: u32,
}

impl Output<'_> {
    fn write(&mut self) -> Result<(), StorageError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        if self.segment.size_bytes() + self.bytes.len() as u64 > i32::MAX as u64 {
            let reason = "compressed anew it does not fit into a segment".into();
            return Err(StorageError::Refused { path: self.segment.log_path(self.place), reason });
        }
        let written = self.segment.append(self.place, &[&self.bytes], self.headers.drain(..), self.interval_bytes);
        self.bytes.clear();
        written.map_err(|failed| failed.error)
    }
}

/// Removes what an earlier pass could not. Beside a leftover nothing may be swapped in: opening the log would undo it.
fn remove_leftovers(place: &Place) -> Result<(), StorageError> {
    for entry in place.disk.list(&place.dir).map_err(|source| StorageError::io("list", &place.dir, source))? {
        if matches!(parse_file_name(&entry.name), Some((_, _, Some(Phase::Cleaned)))) {
            place.remove(&place.dir.join(&entry.name))?;
        }
    }
    Ok(())
}

/// Removes what was made in vain, as far as that goes.
pub(super) fn discard(cleaned: &Place, base_offset: Offset) {
    if let Err(error) = Segment::remove_files(cleaned, base_offset) {
        tracing::warn!(%error, "a half made segment of the cleaner stays until the next pass");
    }
}
