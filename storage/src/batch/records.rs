//! Walks the records of one batch. Used by validation, compaction, timestamp look-up and log loading, never by Fetch.

use super::compression::{Compression, decompress};
use super::{BatchError, BatchHeader, BatchView, MalformedRecord, TimestampType, varint};
use crate::{Millis, Offset};
use std::borrow::Cow;

/// Opens a batch for reading record by record; decompresses at most `limit_bytes`. Checks no CRC.
pub fn records<'a>(view: &BatchView<'a>, limit_bytes: usize) -> Result<Records<'a>, BatchError> {
    let compression = view.compression()?;
    let bytes = match compression {
        Compression::None => Cow::Borrowed(view.record_bytes()),
        _ => {
            Cow::Owned(decompress(compression, view.record_bytes(), limit_bytes).map_err(|e| BatchError::from_compression(compression, e))?)
        }
    };
    Ok(Records { header: view.header, bytes })
}

/// The records of one batch, decompressed when they had to be.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl Records<'_> {
    /// Iterates over the records in order; ends after the first error.
    #[must_use]
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter::new(&self.header, &self.bytes)
    }

    /// The uncompressed record bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// One record, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the partition.
    pub offset: Offset,
    /// Timestamp: the producer's, or the batch's for LogAppendTime.
    pub timestamp: Millis,
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Timestamp minus the batch's base timestamp, as written.
    pub timestamp_delta: i64,
    /// `None` for null.
    pub key: Option<&'a [u8]>,
    /// `None` for null (a tombstone where topics are compacted).
    pub value: Option<&'a [u8]>,
    /// In order, duplicates kept.
    pub headers: Headers<'a>,
    /// Bytes of the record with its length prefix.
    pub size_bytes: usize,
}

/// The headers of one record: counted and checked, parsed again as they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// One record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 by convention; not checked here.
    pub key: &'a [u8],
    /// `None` for null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Iterates in order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let Self { count, bytes } = *self;
        let mut at = 0;
        (0..count).map_while(move |_| Header::read(bytes, &mut at).ok())
    }
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8], at: &mut usize) -> Result<Self, MalformedRecord> {
        let length = varint::read_i32(bytes, at)?;
        let key = read_field(bytes, at, length)?.ok_or(MalformedRecord::HeaderKeyLength { length })?;
        let length = varint::read_i32(bytes, at)?;
        Ok(Self { key, value: read_field(bytes, at, length)? })
    }
}

/// Any negative length is null, as in Kafka.
#[inline]
fn read_field<'a>(bytes: &'a [u8], at: &mut usize, length: i32) -> Result<Option<&'a [u8]>, MalformedRecord> {
    let Ok(size) = usize::try_from(length) else { return Ok(None) };
    let field = bytes.get(*at..).and_then(|rest| rest.get(..size)).ok_or(MalformedRecord::FieldLength { length })?;
    *at += size;
    Ok(Some(field))
}

/// A record's fields as they stand in the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRecord<'a> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> RawRecord<'a> {
    /// Reads the record at `at` in `bytes` and moves past it. All lengths have been checked when this returns.
    #[inline]
    pub(super) fn read(bytes: &'a [u8], at: &mut usize) -> Result<Self, MalformedRecord> {
        let length = varint::read_i32(bytes, at)?;
        let rest = bytes.get(*at..).unwrap_or_default();
        let too_long = MalformedRecord::Length { length, available_bytes: rest.len() };
        let size = usize::try_from(length).map_err(|_| too_long)?;
        let body = rest.get(..size).ok_or(too_long)?;
        *at += size;
        Self::read_body(body)
    }

    #[inline]
    fn read_body(body: &'a [u8]) -> Result<Self, MalformedRecord> {
        if body.is_empty() {
            return Err(MalformedRecord::Ends);
        }
        let mut at = 1; // the attributes byte means nothing in magic 2
        let timestamp_delta = varint::read_i64(body, &mut at)?;
        let offset_delta = varint::read_i32(body, &mut at)?;
        let key_length = varint::read_i32(body, &mut at)?;
        let key = read_field(body, &mut at, key_length)?;
        let value_length = varint::read_i32(body, &mut at)?;
        let value = read_field(body, &mut at, value_length)?;
        let count = varint::read_i32(body, &mut at)?;
        let rest = body.get(at..).unwrap_or_default();
        let headers = if count == 0 && rest.is_empty() { Headers::default() } else { read_headers(rest, count)? };
        Ok(Self { timestamp_delta, offset_delta, key, value, headers })
    }
}

fn read_headers(bytes: &[u8], count: i32) -> Result<Headers<'_>, MalformedRecord> {
    let wrong = MalformedRecord::HeaderCount { count };
    let count = usize::try_from(count).map_err(|_| wrong)?;
    if count > bytes.len() {
        return Err(wrong);
    }
    let mut at = 0;
    for _ in 0..count {
        Header::read(bytes, &mut at)?;
    }
    if at != bytes.len() {
        return Err(MalformedRecord::Trailing { bytes: bytes.len() - at });
    }
    Ok(Headers { count, bytes })
}

/// Iterator over [`Records`].
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    bytes: &'a [u8],
    at: usize,
    index: i32,
    count: i32,
    base_offset: Offset,
    base_timestamp: Millis,
    log_append_time: Option<Millis>,
    failed: bool,
}

impl<'a> RecordIter<'a> {
    pub(super) fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            index: 0,
            count: header.record_count(),
            base_offset: header.base_offset(),
            base_timestamp: header.base_timestamp(),
            log_append_time: (header.timestamp_type() == TimestampType::LogAppendTime).then(|| header.max_timestamp()),
            failed: false,
        }
    }

    /// Bytes not read yet; not zero after the last record means the batch lies about its count.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.bytes.len() - self.at
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.index >= self.count {
            return None;
        }
        let start = self.at;
        let index = self.index.cast_unsigned();
        self.index += 1;
        match RawRecord::read(self.bytes, &mut self.at) {
            Ok(raw) => Some(Ok(Record {
                offset: Offset(self.base_offset.0.wrapping_add(i64::from(raw.offset_delta))),
                timestamp: self.log_append_time.unwrap_or(Millis(self.base_timestamp.0.wrapping_add(raw.timestamp_delta))),
                offset_delta: raw.offset_delta,
                timestamp_delta: raw.timestamp_delta,
                key: raw.key,
                value: raw.value,
                headers: raw.headers,
                size_bytes: self.at - start,
            })),
            Err(reason) => {
                self.failed = true;
                Some(Err(BatchError::InvalidRecord { index, reason }))
            }
        }
    }
}
