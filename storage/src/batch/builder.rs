//! Builds batches: coordinator records, transaction markers, raft records, and batches re-compressed for a topic.

use super::compression::{Compression, compress};
use super::header::HeaderFields;
use super::records::{Header, records};
use super::{BatchError, BatchHeader, BatchView, EndTransactionMarker, NO_TIMESTAMP, varint};
use crate::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

/// The most record bytes that fit under a header: the length field is an `i32` and counts 49 header bytes.
pub(super) const RECORDS_SIZE_BYTES_MAX: usize = i32::MAX as usize - (super::HEADER_SIZE_BYTES - super::LOG_OVERHEAD_BYTES);

/// Collects records and makes one batch of them. Offsets count up from the base offset.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    fields: HeaderFields,
    compression: Compression,
    level: Option<i32>,
    first_timestamp: Option<Millis>,
    records: Vec<u8>,
    body: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty, uncompressed CreateTime batch without a producer at base offset 0 and leader epoch -1.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: HeaderFields::default(),
            compression: Compression::None,
            level: None,
            first_timestamp: None,
            records: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, offset: Offset) -> Self {
        self.fields.base_offset = offset;
        self
    }

    /// Sets the partition leader epoch.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.fields.partition_leader_epoch = epoch;
        self
    }

    /// Sets the codec and its level (`None` for the codec's default).
    #[must_use]
    pub fn compression(mut self, compression: Compression, level: Option<i32>) -> Self {
        self.compression = compression;
        self.level = level;
        self
    }

    /// Sets the producer; -1 in all three for none.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> Self {
        self.fields.producer_id = id;
        self.fields.producer_epoch = epoch;
        self.fields.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.fields.transactional = true;
        self
    }

    /// Marks the batch as holding control records.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.fields.control = true;
        self
    }

    /// Stamps LogAppendTime: readers see `now` as the timestamp of every record.
    #[must_use]
    pub fn log_append_time(mut self, now: Millis) -> Self {
        self.fields.log_append_time = Some(now);
        self
    }

    /// Adds a record; `None` is null. Records keep their order and get consecutive offsets.
    pub fn push(&mut self, timestamp: Millis, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) {
        let first = *self.first_timestamp.get_or_insert(timestamp);
        self.fields.max_timestamp = self.fields.max_timestamp.max(timestamp);

        let body = &mut self.body;
        body.clear();
        body.push(0);
        varint::write_i64(body, timestamp.0.wrapping_sub(first.0));
        varint::write_i32(body, self.fields.record_count);
        write_field(body, key);
        write_field(body, value);
        varint::write_i32(body, length_of(headers.len()));
        for header in headers {
            write_field(body, Some(header.key));
            write_field(body, header.value);
        }
        varint::write_i32(&mut self.records, length_of(body.len()));
        self.records.extend_from_slice(body);
        self.fields.record_count = self.fields.record_count.checked_add(1).expect("a batch holds fewer than 2^31 records");
    }

    /// Records so far.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        self.fields.record_count
    }

    /// Size of the batch if it were built now without compression.
    #[must_use]
    pub fn uncompressed_size_bytes(&self) -> usize {
        super::HEADER_SIZE_BYTES + self.records.len()
    }

    /// Makes the batch. Fails only when a codec does; with [`Compression::None`] never.
    pub fn build(self) -> Result<Vec<u8>, BatchError> {
        assert!(self.fields.record_count > 0, "a batch has at least one record");
        let Self { mut fields, compression, level, first_timestamp, records, .. } = self;
        fields.base_timestamp = first_timestamp.unwrap_or(NO_TIMESTAMP);
        fields.compression_code = compression.code();
        let records = match compression {
            Compression::None => records,
            _ => {
                compress(compression, level, &records, RECORDS_SIZE_BYTES_MAX).map_err(|e| BatchError::from_compression(compression, e))?
            }
        };
        let header = BatchHeader::build(&fields, &records);
        let mut out = Vec::with_capacity(super::HEADER_SIZE_BYTES + records.len());
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(&records);
        Ok(out)
    }
}

fn write_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(bytes) => {
            varint::write_i32(out, length_of(bytes.len()));
            out.extend_from_slice(bytes);
        }
        None => varint::write_i32(out, -1),
    }
}

fn length_of(size: usize) -> i32 {
    i32::try_from(size).expect("a record is smaller than 2 GiB")
}

/// The control batch that ends a transaction: one record, written by the coordinator's marker sender.
#[must_use]
pub fn end_transaction_batch(
    now: Millis,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    marker: EndTransactionMarker,
    leader_epoch: LeaderEpoch,
) -> Vec<u8> {
    let mut builder =
        BatchBuilder::new().leader_epoch(leader_epoch).producer(producer_id, producer_epoch, Sequence(-1)).transactional().control();
    builder.push(now, Some(&marker.key()), Some(&marker.value()), &[]);
    builder.build().expect("an uncompressed batch always builds")
}

/// Re-compresses a batch for a topic's `compression.type`. Everything else of the header stays, the CRC is computed anew.
///
/// `limit_bytes` bounds what the batch may decompress to.
pub fn recompress(view: &BatchView<'_>, to: Compression, level: Option<i32>, limit_bytes: usize) -> Result<Vec<u8>, BatchError> {
    let opened = records(view, limit_bytes.min(RECORDS_SIZE_BYTES_MAX))?;
    let compressed;
    let payload = match to {
        Compression::None => opened.bytes(),
        _ => {
            compressed = compress(to, level, opened.bytes(), RECORDS_SIZE_BYTES_MAX).map_err(|e| BatchError::from_compression(to, e))?;
            compressed.as_slice()
        }
    };
    let mut header = view.header;
    header.replace_records(to.code(), payload);
    let mut out = Vec::with_capacity(super::HEADER_SIZE_BYTES + payload.len());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(payload);
    Ok(out)
}
