//! Offsets and sizes of the 61-byte v2 batch header, and the fields the broker may rewrite.
//!
//! Base offset and partition leader epoch lie outside the CRC and may be set freely. Anything else means a new CRC.

use crate::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

/// Base offset and batch length: what precedes the counted bytes of a batch.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// The fixed part of a batch before its first record.
pub const HEADER_SIZE_BYTES: usize = 61;

const BASE_OFFSET: usize = 0;
const BATCH_LENGTH: usize = 8;
const PARTITION_LEADER_EPOCH: usize = 12;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const BASE_TIMESTAMP: usize = 27;
const MAX_TIMESTAMP: usize = 35;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;
const RECORD_COUNT: usize = 57;

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_MASK: i16 = 0x08;
const TRANSACTIONAL_MASK: i16 = 0x10;
const CONTROL_MASK: i16 = 0x20;
const DELETE_HORIZON_MASK: i16 = 0x40;

/// Whose clock a batch's timestamps come from (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// Set by the producer.
    #[default]
    CreateTime,
    /// Set by the broker at append.
    LogAppendTime,
}

/// What a new header is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderFields {
    pub(super) base_offset: Offset,
    pub(super) partition_leader_epoch: LeaderEpoch,
    pub(super) compression_code: u8,
    pub(super) log_append_time: Option<Millis>,
    pub(super) transactional: bool,
    pub(super) control: bool,
    pub(super) base_timestamp: Millis,
    pub(super) max_timestamp: Millis,
    pub(super) producer_id: ProducerId,
    pub(super) producer_epoch: ProducerEpoch,
    pub(super) base_sequence: Sequence,
    pub(super) record_count: i32,
}

impl Default for HeaderFields {
    fn default() -> Self {
        Self {
            base_offset: Offset(0),
            partition_leader_epoch: LeaderEpoch(-1),
            compression_code: 0,
            log_append_time: None,
            transactional: false,
            control: false,
            base_timestamp: super::NO_TIMESTAMP,
            max_timestamp: super::NO_TIMESTAMP,
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            base_sequence: Sequence(-1),
            record_count: 0,
        }
    }
}

/// A batch is bounded by `i32::MAX` bytes; whoever builds one stays below.
fn length_field(records: &[u8]) -> i32 {
    i32::try_from(HEADER_SIZE_BYTES - LOG_OVERHEAD_BYTES + records.len()).expect("a batch is smaller than 2 GiB")
}

/// A copy of one batch header. Getters carry the names of Kafka's specification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader([u8; HEADER_SIZE_BYTES]);

impl BatchHeader {
    /// Copies the header from the front of `bytes`; `None` when fewer than 61 bytes are there. Nothing is checked.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk::<HEADER_SIZE_BYTES>().map(|chunk| Self(*chunk))
    }

    /// The 61 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; HEADER_SIZE_BYTES] {
        &self.0
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[at..at + N]);
        out
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&value);
    }

    /// First offset of the batch.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(self.field(BASE_OFFSET)))
    }

    /// Bytes after the length field, as written; may be negative in hostile input.
    #[must_use]
    pub fn batch_length(&self) -> i32 {
        i32::from_be_bytes(self.field(BATCH_LENGTH))
    }

    /// Size of the whole batch in bytes; `None` when the length field cannot hold a v2 header.
    #[must_use]
    pub fn size_bytes(&self) -> Option<usize> {
        let length = usize::try_from(self.batch_length()).ok()?;
        let size = length.checked_add(LOG_OVERHEAD_BYTES)?;
        (size >= HEADER_SIZE_BYTES).then_some(size)
    }

    /// Leader epoch under which the batch was appended.
    #[must_use]
    pub fn partition_leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(i32::from_be_bytes(self.field(PARTITION_LEADER_EPOCH)))
    }

    /// Format version; this house writes and reads 2.
    #[must_use]
    pub fn magic(&self) -> i8 {
        i8::from_be_bytes(self.field(MAGIC))
    }

    /// CRC-32C over everything from the attributes to the end of the batch.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(self.field(CRC))
    }

    /// Raw attribute bits.
    #[must_use]
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(self.field(ATTRIBUTES))
    }

    /// Compression code, 0 to 7; 5 to 7 mean nothing today.
    #[must_use]
    pub fn compression_code(&self) -> u8 {
        (self.attributes() & COMPRESSION_MASK) as u8
    }

    /// Whose clock the timestamps come from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes() & TIMESTAMP_TYPE_MASK == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL_MASK != 0
    }

    /// Holds control records (transaction markers, raft control), never handed to applications.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL_MASK != 0
    }

    /// The base timestamp field holds the delete horizon set by the cleaner.
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes() & DELETE_HORIZON_MASK != 0
    }

    /// Last offset minus base offset.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.field(LAST_OFFSET_DELTA))
    }

    /// Last offset of the batch, inclusive.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset().0.wrapping_add(i64::from(self.last_offset_delta())))
    }

    /// The offset after this batch.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// Timestamp that record timestamp deltas count from.
    #[must_use]
    pub fn base_timestamp(&self) -> Millis {
        Millis(i64::from_be_bytes(self.field(BASE_TIMESTAMP)))
    }

    /// Largest timestamp of the batch's records.
    #[must_use]
    pub fn max_timestamp(&self) -> Millis {
        Millis(i64::from_be_bytes(self.field(MAX_TIMESTAMP)))
    }

    /// Producer id, -1 for none.
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(i64::from_be_bytes(self.field(PRODUCER_ID)))
    }

    /// Producer epoch, -1 for none.
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(i16::from_be_bytes(self.field(PRODUCER_EPOCH)))
    }

    /// Sequence number of the first record, -1 for none.
    #[must_use]
    pub fn base_sequence(&self) -> Sequence {
        Sequence(i32::from_be_bytes(self.field(BASE_SEQUENCE)))
    }

    /// Sequence number of the last record, wrapping from `i32::MAX` to 0; -1 for none.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        let base = self.base_sequence();
        if base.0 < 0 { Sequence(-1) } else { base.plus(self.last_offset_delta()) }
    }

    /// Number of records in the batch, as written; may be negative in hostile input.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(self.field(RECORD_COUNT))
    }

    /// Rewrites the base offset (outside the CRC).
    pub fn set_base_offset(&mut self, offset: Offset) {
        self.put(BASE_OFFSET, offset.0.to_be_bytes());
    }

    /// Rewrites the partition leader epoch (outside the CRC).
    pub fn set_partition_leader_epoch(&mut self, epoch: LeaderEpoch) {
        self.put(PARTITION_LEADER_EPOCH, epoch.0.to_be_bytes());
    }

    /// Stamps LogAppendTime: sets the attribute bit and the largest timestamp, then the CRC over the new header and `records`
    /// (all bytes of the batch after the header).
    pub fn stamp_log_append_time(&mut self, now: Millis, records: &[u8]) {
        self.put(ATTRIBUTES, (self.attributes() | TIMESTAMP_TYPE_MASK).to_be_bytes());
        self.put(MAX_TIMESTAMP, now.0.to_be_bytes());
        self.put(CRC, self.computed_crc(records).to_be_bytes());
    }

    /// Stamps CreateTime with the largest timestamp that the records really have, then the CRC over the new header and `records`.
    pub fn stamp_create_time(&mut self, max_timestamp: Millis, records: &[u8]) {
        self.put(ATTRIBUTES, (self.attributes() & !TIMESTAMP_TYPE_MASK).to_be_bytes());
        self.put(MAX_TIMESTAMP, max_timestamp.0.to_be_bytes());
        self.put(CRC, self.computed_crc(records).to_be_bytes());
    }

    /// The header of a batch that keeps `record_count` of its records, which now are `records`: offsets, epochs, producer, codec stay.
    pub(super) fn retaining(
        &self,
        record_count: i32,
        base_timestamp: Millis,
        max_timestamp: Millis,
        has_delete_horizon: bool,
        records: &[u8],
    ) -> Self {
        let mut header = *self;
        let kept = COMPRESSION_MASK | TIMESTAMP_TYPE_MASK | TRANSACTIONAL_MASK | CONTROL_MASK;
        let horizon = if has_delete_horizon { DELETE_HORIZON_MASK } else { 0 };
        header.put(ATTRIBUTES, (self.attributes() & kept | horizon).to_be_bytes());
        header.put(BATCH_LENGTH, length_field(records).to_be_bytes());
        header.put(BASE_TIMESTAMP, base_timestamp.0.to_be_bytes());
        header.put(MAX_TIMESTAMP, max_timestamp.0.to_be_bytes());
        header.put(RECORD_COUNT, record_count.to_be_bytes());
        header.put(CRC, header.computed_crc(records).to_be_bytes());
        header
    }

    /// The header of what remains of a batch all of whose records are gone: it still tells of offsets, producer and time.
    pub(super) fn emptied(&self) -> Self {
        let mut header = *self;
        header.put(ATTRIBUTES, (self.attributes() & (TIMESTAMP_TYPE_MASK | TRANSACTIONAL_MASK | CONTROL_MASK)).to_be_bytes());
        header.retaining(0, super::NO_TIMESTAMP, self.max_timestamp(), false, &[])
    }

    /// The header of a batch that tells of nothing but its offsets, leader epoch and time.
    pub(super) fn blank(&self) -> Self {
        let mut header = *self;
        header.put(ATTRIBUTES, (self.attributes() & TIMESTAMP_TYPE_MASK).to_be_bytes());
        header.put(PRODUCER_ID, (-1_i64).to_be_bytes());
        header.put(PRODUCER_EPOCH, (-1_i16).to_be_bytes());
        header.put(BASE_SEQUENCE, (-1_i32).to_be_bytes());
        header.retaining(0, super::NO_TIMESTAMP, self.max_timestamp(), false, &[])
    }

    /// Puts other record bytes under the same header: sets the compression code, the length and the CRC.
    pub(super) fn replace_records(&mut self, compression_code: u8, records: &[u8]) {
        let attributes = (self.attributes() & !COMPRESSION_MASK) | (i16::from(compression_code) & COMPRESSION_MASK);
        self.put(ATTRIBUTES, attributes.to_be_bytes());
        self.put(BATCH_LENGTH, length_field(records).to_be_bytes());
        self.put(CRC, self.computed_crc(records).to_be_bytes());
    }

    /// Lays out a new header for `records`, CRC included.
    pub(super) fn build(fields: &HeaderFields, records: &[u8]) -> Self {
        let mut attributes = i16::from(fields.compression_code) & COMPRESSION_MASK;
        if fields.log_append_time.is_some() {
            attributes |= TIMESTAMP_TYPE_MASK;
        }
        if fields.transactional {
            attributes |= TRANSACTIONAL_MASK;
        }
        if fields.control {
            attributes |= CONTROL_MASK;
        }
        let mut header = Self([0; HEADER_SIZE_BYTES]);
        header.put(BASE_OFFSET, fields.base_offset.0.to_be_bytes());
        header.put(BATCH_LENGTH, length_field(records).to_be_bytes());
        header.put(PARTITION_LEADER_EPOCH, fields.partition_leader_epoch.0.to_be_bytes());
        header.put(MAGIC, 2_i8.to_be_bytes());
        header.put(ATTRIBUTES, attributes.to_be_bytes());
        header.put(LAST_OFFSET_DELTA, (fields.record_count - 1).to_be_bytes());
        header.put(BASE_TIMESTAMP, fields.base_timestamp.0.to_be_bytes());
        header.put(MAX_TIMESTAMP, fields.log_append_time.unwrap_or(fields.max_timestamp).0.to_be_bytes());
        header.put(PRODUCER_ID, fields.producer_id.0.to_be_bytes());
        header.put(PRODUCER_EPOCH, fields.producer_epoch.0.to_be_bytes());
        header.put(BASE_SEQUENCE, fields.base_sequence.0.to_be_bytes());
        header.put(RECORD_COUNT, fields.record_count.to_be_bytes());
        header.put(CRC, header.computed_crc(records).to_be_bytes());
        header
    }

    /// The CRC-32C that belongs to this header followed by `records`.
    #[must_use]
    pub fn computed_crc(&self, records: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.0[ATTRIBUTES..]), records)
    }
}

impl std::fmt::Debug for BatchHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchHeader")
            .field("base_offset", &self.base_offset().0)
            .field("last_offset", &self.last_offset().0)
            .field("batch_length", &self.batch_length())
            .field("partition_leader_epoch", &self.partition_leader_epoch().0)
            .field("magic", &self.magic())
            .field("attributes", &self.attributes())
            .field("producer_id", &self.producer_id().0)
            .field("producer_epoch", &self.producer_epoch().0)
            .field("base_sequence", &self.base_sequence().0)
            .field("record_count", &self.record_count())
            .finish()
    }
}

impl Sequence {
    /// The sequence `count` records further on, wrapping from `i32::MAX` to 0.
    #[must_use]
    pub fn plus(self, count: i32) -> Self {
        let sum = i64::from(self.0) + i64::from(count);
        Self((sum % (i64::from(i32::MAX) + 1)) as i32)
    }
}
