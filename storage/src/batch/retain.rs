//! A batch with fewer records: what compaction leaves of it, byte for byte as Kafka writes it.
//!
//! Base offset, last offset, leader epoch, producer, sequence and codec stay; records keep their offsets and timestamps. With a delete
//! horizon (KIP-534) the base timestamp is that instant, and the timestamps of the records count from it.

use super::compression::{Compression, compress};
use super::{BatchError, BatchView, MalformedRecord, NO_TIMESTAMP, Record, Records, TimestampType, varint};
use crate::Millis;

/// What a look through a batch's records found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) record_count: u64,
    pub(crate) kept_count: u64,
    /// One of those kept has no value.
    pub(crate) keeps_tombstone: bool,
}

/// Memory that one batch after the other is rebuilt in.
#[derive(Debug, Default)]
pub(crate) struct Retainer {
    /// Where the records that stay lie in the record bytes, and their timestamps.
    kept: Vec<(usize, usize, Millis)>,
    encoded: Vec<u8>,
}

impl Retainer {
    /// Asks `keep` about every record, in order. Records that lie outside the batch's offsets or do not rise make the batch unreadable.
    pub(crate) fn survey(
        &mut self,
        view: &BatchView<'_>,
        records: &Records<'_>,
        mut keep: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<Survey, BatchError> {
        self.kept.clear();
        let mut survey = Survey::default();
        let mut at = 0;
        each_in_order(view, records, |record| {
            survey.record_count += 1;
            if keep(record) {
                survey.kept_count += 1;
                survey.keeps_tombstone |= record.value.is_none();
                self.kept.push((at, at + record.size_bytes, record.timestamp));
            }
            at += record.size_bytes;
        })?;
        Ok(survey)
    }

    /// Appends to `out` the batch with only the records that the last survey of it kept, at least one. `delete_horizon` is the new one or
    /// the one it has.
    pub(crate) fn rebuild(
        &mut self,
        view: &BatchView<'_>,
        records: &Records<'_>,
        delete_horizon: Option<Millis>,
        out: &mut Vec<u8>,
    ) -> Result<(), BatchError> {
        let first_timestamp = self.kept.first().map_or(NO_TIMESTAMP, |(.., timestamp)| *timestamp);
        let base_timestamp = delete_horizon.unwrap_or(first_timestamp);
        let max_timestamp = match view.header.timestamp_type() {
            TimestampType::LogAppendTime => view.header.max_timestamp(),
            TimestampType::CreateTime => self.kept.iter().map(|(.., timestamp)| *timestamp).max().unwrap_or(NO_TIMESTAMP),
        };
        self.encoded.clear();
        for (index, (from, to, timestamp)) in (0_u32..).zip(&self.kept) {
            let record = records.bytes().get(*from..*to).unwrap_or_default();
            let written = write_record(record, timestamp.0.wrapping_sub(base_timestamp.0), &mut self.encoded);
            written.map_err(|reason| BatchError::InvalidRecord { index, reason })?;
        }
        let compression = view.compression()?;
        let compressed;
        let payload = match compression {
            Compression::None => self.encoded.as_slice(),
            _ => {
                let limit = super::builder::RECORDS_SIZE_BYTES_MAX;
                compressed =
                    compress(compression, None, &self.encoded, limit).map_err(|error| BatchError::from_compression(compression, error))?;
                compressed.as_slice()
            }
        };
        let count = i32::try_from(self.kept.len()).unwrap_or(i32::MAX);
        let header = view.header.retaining(count, base_timestamp, max_timestamp, delete_horizon.is_some(), payload);
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(payload);
        Ok(())
    }
}

/// Goes through the records of a batch. An error when one cannot be read, or lies outside the batch's offsets or not behind the one before.
pub(crate) fn each_in_order(view: &BatchView<'_>, records: &Records<'_>, mut each: impl FnMut(&Record<'_>)) -> Result<(), BatchError> {
    let mut delta_min = 0;
    let mut iter = records.iter();
    for (index, record) in (0_u32..).zip(iter.by_ref()) {
        let record = record?;
        if record.offset_delta < delta_min || record.offset_delta > view.header.last_offset_delta() {
            let reason = MalformedRecord::OffsetDelta { found: record.offset_delta };
            return Err(BatchError::InvalidRecord { index, reason });
        }
        delta_min = record.offset_delta.saturating_add(1);
        each(&record);
    }
    match iter.remaining_bytes() {
        0 => Ok(()),
        bytes => Err(BatchError::TrailingBytes { count: view.header.record_count(), bytes }),
    }
}

/// What is left of a batch when all its records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remnant {
    Nothing,
    /// That these offsets were given; nothing of its producer or transaction.
    Offsets,
    /// All that its header said.
    Header,
}

impl Remnant {
    pub(crate) fn write(self, view: &BatchView<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Offsets => out.extend_from_slice(view.header.blank().as_bytes()),
            Self::Header => out.extend_from_slice(view.header.emptied().as_bytes()),
        }
    }
}

/// Copies a record with another timestamp delta. Length and attributes are written anew, everything behind the timestamp is as it was.
fn write_record(record: &[u8], timestamp_delta: i64, out: &mut Vec<u8>) -> Result<(), MalformedRecord> {
    let mut at = 0;
    varint::read_i32(record, &mut at)?;
    at += 1;
    varint::read_i64(record, &mut at)?;
    let rest = record.get(at..).unwrap_or_default();
    let size = 1 + varint::size_i64(timestamp_delta) + rest.len();
    varint::write_i64(out, size as i64);
    out.push(0);
    varint::write_i64(out, timestamp_delta);
    out.extend_from_slice(rest);
    Ok(())
}
