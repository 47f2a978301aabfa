//! Record batches, good and bad.

use bytes::{Buf, Bytes};
use ottla_storage::batch::BatchBuilder;
use ottla_storage::{Millis, ProducerEpoch, ProducerId, Sequence};

/// The time of the first record of every batch.
pub(crate) const T0: i64 = 1_700_000_000_000;

pub(crate) const ATTRIBUTES: usize = 21;
pub(crate) const LAST_OFFSET_DELTA: usize = 23;
pub(crate) const MAX_TIMESTAMP: usize = 35;
pub(crate) const RECORD_COUNT: usize = 57;
pub(crate) const RECORDS: usize = 61;

/// Records with these values, a second apart from `first_time` on.
pub(crate) fn batch_at(first_time: i64, values: &[&str]) -> Bytes {
    build(BatchBuilder::new(), first_time, values)
}

/// Records with these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_at(T0, values)
}

pub(crate) fn build(mut builder: BatchBuilder, first_time: i64, values: &[&str]) -> Bytes {
    for (at, value) in values.iter().enumerate() {
        builder.push(Millis(first_time + at as i64 * 1_000), None, Some(value.as_bytes()), &[]);
    }
    builder.build().expect("a batch").into()
}

/// One record with a key.
pub(crate) fn keyed(key: Option<&str>, value: Option<&str>) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.push(Millis(T0), key.map(str::as_bytes), value.map(str::as_bytes), &[]);
    builder.build().expect("a batch").into()
}

/// `count` records of a producer.
pub(crate) fn of_producer(id: i64, epoch: i16, sequence: i32, count: usize) -> Bytes {
    let builder = BatchBuilder::new().producer(ProducerId(id), ProducerEpoch(epoch), Sequence(sequence));
    build(builder, T0, &vec!["x"; count])
}

/// Changes bytes and makes the checksum right again.
pub(crate) fn patched(batch: &[u8], at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

/// The records of a Fetch answer in words.
pub(crate) fn summary(records: &Bytes) -> String {
    let mut rest = records.clone();
    let mut words = Vec::new();
    while rest.len() >= RECORDS {
        let mut header = rest.slice(..RECORDS);
        let (base_offset, size, epoch, magic) = (header.get_i64(), header.get_i32(), header.get_i32(), header.get_i8());
        let _crc = header.get_u32();
        let (attributes, last_delta) = (header.get_i16(), header.get_i32());
        let size = 12 + size as usize;
        if size > rest.len() {
            // Apache Kafka may send the beginning of one more batch; clients drop it.
            break;
        }
        words.push(format!("{base_offset}+{last_delta} epoch {epoch} magic {magic} attributes {attributes} size {size}"));
        rest.advance(size);
    }
    words.join(", ")
}
