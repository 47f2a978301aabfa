//! Record batches made by hand, right and wrong: what a client library would never send.

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

const GZIP: u16 = 1;
const TRANSACTIONAL: u16 = 1 << 4;

/// A batch of format 2 with one record, ready for a Produce request.
pub fn with_value(value: &[u8]) -> Vec<u8> {
    batch(0, 0, (-1, -1, -1), &record(value))
}

/// The first batch of a producer in a transaction, with one record.
pub fn transactional(producer_id: i64, producer_epoch: i16, timestamp_ms: i64, value: &[u8]) -> Vec<u8> {
    batch(TRANSACTIONAL, timestamp_ms, (producer_id, producer_epoch, 0), &record(value))
}

/// One record with the key "k".
fn record(value: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0, 0];
    // attributes 0, timestamp delta 0, offset delta 0, key "k", value, no headers
    varint(&mut body, 1);
    body.push(b'k');
    varint(&mut body, value.len() as i64);
    body.extend_from_slice(value);
    varint(&mut body, 0);
    let mut record = Vec::new();
    varint(&mut record, body.len() as i64);
    record.extend(body);
    record
}

/// A batch that says it is gzip and unpacks to `unpacked_size_bytes` zero bytes.
pub fn gzip_bomb(unpacked_size_bytes: usize) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..unpacked_size_bytes >> 20 {
        encoder.write_all(&zeros)?;
    }
    Ok(batch(GZIP, 0, (-1, -1, -1), &encoder.finish()?))
}

/// The same batch with one bit of its records turned, which its checksum must tell.
pub fn with_a_flipped_bit(mut batch: Vec<u8>) -> Vec<u8> {
    if let Some(last) = batch.last_mut() {
        *last ^= 1;
    }
    batch
}

fn batch(attributes: u16, timestamp_ms: i64, (producer_id, producer_epoch, base_sequence): (i64, i16, i32), records: &[u8]) -> Vec<u8> {
    let mut checked = Vec::new();
    checked.extend(attributes.to_be_bytes());
    checked.extend(0i32.to_be_bytes()); // last offset delta
    checked.extend(timestamp_ms.to_be_bytes()); // base
    checked.extend(timestamp_ms.to_be_bytes()); // max
    checked.extend(producer_id.to_be_bytes());
    checked.extend(producer_epoch.to_be_bytes());
    checked.extend(base_sequence.to_be_bytes());
    checked.extend(1i32.to_be_bytes()); // record count
    checked.extend(records);
    let mut whole = vec![0; 8]; // base offset
    whole.extend((9 + checked.len() as i32).to_be_bytes());
    whole.extend(0i32.to_be_bytes()); // partition leader epoch
    whole.push(2); // magic
    whole.extend(crc32c::crc32c(&checked).to_be_bytes());
    whole.extend(checked);
    whole
}

fn varint(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}
