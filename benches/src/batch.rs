//! Record batches (magic 2, uncompressed) as bytes: built once before a measurement, walked by header afterwards.

use crate::payload::Payload;
use crate::wire::Reader;
use bytes::BufMut;

/// Size of a batch header.
pub const HEADER_SIZE_BYTES: usize = 61;
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
const ATTRIBUTES_AT: usize = 21;
const TRANSACTIONAL: u8 = 0x10;
const LAST_OFFSET_DELTA_AT: usize = 23;
const PRODUCER_AT: usize = 43;

/// One encoded batch.
#[derive(Clone, Debug)]
pub struct EncodedBatch {
    pub bytes: Vec<u8>,
    pub record_count: i32,
}

/// Fills a batch with records of `record_size_bytes` (the value; keys are null) until one more would pass `batch_size_bytes`; at least one.
pub fn fill(payload: &mut Payload, record_size_bytes: usize, batch_size_bytes: usize, timestamp_ms: i64) -> EncodedBatch {
    let mut builder = Builder::new(timestamp_ms);
    let mut value = Vec::with_capacity(record_size_bytes);
    loop {
        value.clear();
        payload.append(&mut value, record_size_bytes);
        builder.push(&value);
        if builder.bytes.len() + record_size_bytes + 16 > batch_size_bytes {
            return builder.finish();
        }
    }
}

/// A batch with one record.
pub fn single(value: &[u8], timestamp_ms: i64) -> EncodedBatch {
    let mut builder = Builder::new(timestamp_ms);
    builder.push(value);
    builder.finish()
}

/// A batch of so many records of `record_size_bytes`.
pub fn of_records(payload: &mut Payload, record_size_bytes: usize, count: i32, timestamp_ms: i64) -> EncodedBatch {
    let mut builder = Builder::new(timestamp_ms);
    let mut value = Vec::with_capacity(record_size_bytes);
    for _ in 0..count {
        value.clear();
        payload.append(&mut value, record_size_bytes);
        builder.push(&value);
    }
    builder.finish()
}

/// Makes an encoded batch one of a transaction of this producer.
pub fn set_transactional_producer(batch: &mut [u8], producer_id: i64, epoch: i16, base_sequence: i32) {
    batch[ATTRIBUTES_AT + 1] |= TRANSACTIONAL;
    batch[PRODUCER_AT..PRODUCER_AT + 8].copy_from_slice(&producer_id.to_be_bytes());
    batch[PRODUCER_AT + 8..PRODUCER_AT + 10].copy_from_slice(&epoch.to_be_bytes());
    batch[PRODUCER_AT + 10..PRODUCER_AT + 14].copy_from_slice(&base_sequence.to_be_bytes());
    let crc = crc32c::crc32c(&batch[CRC_FROM..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

struct Builder {
    bytes: Vec<u8>,
    record: Vec<u8>,
    record_count: i32,
}

impl Builder {
    fn new(timestamp_ms: i64) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.put_i64(0); // base offset: the broker's
        bytes.put_i32(0); // length: finish
        bytes.put_i32(-1); // partition leader epoch: the broker's
        bytes.put_i8(2); // magic
        bytes.put_u32(0); // crc: finish
        bytes.put_i16(0); // attributes
        bytes.put_i32(0); // last offset delta: finish
        bytes.put_i64(timestamp_ms);
        bytes.put_i64(timestamp_ms);
        bytes.put_i64(-1); // producer id
        bytes.put_i16(-1); // producer epoch
        bytes.put_i32(-1); // base sequence
        bytes.put_i32(0); // record count: finish
        Self { bytes, record: Vec::new(), record_count: 0 }
    }

    fn push(&mut self, value: &[u8]) {
        self.record.clear();
        self.record.put_i8(0); // attributes
        put_varint(&mut self.record, 0); // timestamp delta
        put_varint(&mut self.record, self.record_count);
        put_varint(&mut self.record, -1); // key: null
        put_varint(&mut self.record, value.len() as i32);
        self.record.put_slice(value);
        put_varint(&mut self.record, 0); // headers
        put_varint(&mut self.bytes, self.record.len() as i32);
        self.bytes.extend_from_slice(&self.record);
        self.record_count += 1;
    }

    fn finish(mut self) -> EncodedBatch {
        let length = (self.bytes.len() - 12) as i32;
        self.bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
        self.bytes[LAST_OFFSET_DELTA_AT..LAST_OFFSET_DELTA_AT + 4].copy_from_slice(&(self.record_count - 1).to_be_bytes());
        self.bytes[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        let crc = crc32c::crc32c(&self.bytes[CRC_FROM..]);
        self.bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        EncodedBatch { bytes: self.bytes, record_count: self.record_count }
    }
}

fn put_varint(out: &mut Vec<u8>, value: i32) {
    let mut left = ((value << 1) ^ (value >> 31)) as u32;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// What the walk needs of a batch header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub base_offset: i64,
    pub last_offset_delta: i32,
    /// Whole batch, header included.
    pub size_bytes: usize,
    pub crc: u32,
}

/// Reads the header of the batch at the front; `None` when it is cut short or nonsense.
pub fn header(bytes: &[u8]) -> Option<Header> {
    let mut reader = Reader::new(bytes.get(..HEADER_SIZE_BYTES)?);
    let base_offset = reader.i64()?;
    let size_bytes = usize::try_from(reader.i32()?).ok()?.checked_add(12)?;
    reader.take(5)?;
    let crc = reader.i32()? as u32;
    reader.take(2)?;
    let last_offset_delta = reader.i32()?;
    (size_bytes >= HEADER_SIZE_BYTES && last_offset_delta >= 0).then_some(Header { base_offset, last_offset_delta, size_bytes, crc })
}

/// Whole batches of `bytes`, front to back; stops at the first that is cut short.
pub fn walk(bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let header = header(left)?;
        let (batch, rest) = left.split_at_checked(header.size_bytes)?;
        left = rest;
        Some((header, batch))
    })
}

/// True when the checksum in the header is that of the bytes.
pub fn crc_matches(header: &Header, batch: &[u8]) -> bool {
    batch.get(CRC_FROM..).is_some_and(|covered| crc32c::crc32c(covered) == header.crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::records::RecordBatchDecoder;

    #[test]
    fn another_decoder_reads_the_same_records() {
        for (record_size, batch_size) in [(100, 16_384), (1024, 16_384), (100, 1_000_000), (1024, 1_000_000), (2000, 100)] {
            let encoded = fill(&mut Payload::new(1), record_size, batch_size, 1_700_000_000_000);
            assert!(encoded.record_count == 1 || encoded.bytes.len() <= batch_size);
            assert!(encoded.bytes.len() + record_size + 16 > batch_size, "the batch is not full");
            let decoded = RecordBatchDecoder::decode(&mut Bytes::from(encoded.bytes)).unwrap();
            assert_eq!(decoded.records.len(), encoded.record_count as usize);
            let mut payload = Payload::new(1);
            for (at, record) in decoded.records.iter().enumerate() {
                let mut value = Vec::new();
                payload.append(&mut value, record_size);
                assert_eq!(record.value.as_deref(), Some(&value[..]));
                assert_eq!((record.key.as_deref(), record.offset, record.timestamp), (None, at as i64, 1_700_000_000_000));
            }
        }
    }

    #[test]
    fn another_decoder_sees_the_producer_of_a_transaction() {
        let mut encoded = of_records(&mut Payload::new(1), 100, 3, 0);
        set_transactional_producer(&mut encoded.bytes, 7_000_000_000, 5, 42);
        let decoded = RecordBatchDecoder::decode(&mut Bytes::from(encoded.bytes)).unwrap();
        let seen: Vec<_> = decoded
            .records
            .iter()
            .map(|record| (record.transactional, record.producer_id, record.producer_epoch, record.sequence))
            .collect();
        assert_eq!(seen, [(true, 7_000_000_000, 5, 42), (true, 7_000_000_000, 5, 43), (true, 7_000_000_000, 5, 44)]);
    }

    #[test]
    fn the_walk_sees_whole_batches_and_stops_at_a_torn_one() {
        let one = fill(&mut Payload::new(1), 100, 1000, 0);
        let two = single(b"x", 0);
        let mut bytes = [one.bytes.clone(), two.bytes.clone()].concat();
        let seen: Vec<_> =
            walk(&bytes).map(|(header, batch)| (header.last_offset_delta + 1, batch.len(), crc_matches(&header, batch))).collect();
        assert_eq!(seen, [(one.record_count, one.bytes.len(), true), (1, two.bytes.len(), true)]);
        bytes.pop();
        assert_eq!(walk(&bytes).count(), 1);
        bytes[70] ^= 1;
        let (header, batch) = walk(&bytes).next().unwrap();
        assert!(!crc_matches(&header, batch));
    }
}
