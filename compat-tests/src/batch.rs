//! Record batches made by hand, right and wrong: what a client library would never send.

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

const GZIP: u16 = 1;

/// A batch of format 2 with one record, ready for a Produce request.
pub fn with_value(value: &[u8]) -> Vec<u8> {
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
    batch(0, &record)
}

/// A batch that says it is gzip and unpacks to `unpacked_size_bytes` zero bytes.
pub fn gzip_bomb(unpacked_size_bytes: usize) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..unpacked_size_bytes >> 20 {
        encoder.write_all(&zeros)?;
    }
    Ok(batch(GZIP, &encoder.finish()?))
}

/// The same batch with one bit of its records turned, which its checksum must tell.
pub fn with_a_flipped_bit(mut batch: Vec<u8>) -> Vec<u8> {
    if let Some(last) = batch.last_mut() {
        *last ^= 1;
    }
    batch
}

fn batch(attributes: u16, records: &[u8]) -> Vec<u8> {
    let mut checked = Vec::new();
    checked.extend(attributes.to_be_bytes());
    checked.extend(0i32.to_be_bytes()); // last offset delta
    checked.extend([0; 16]); // base and max timestamp
    checked.extend((-1i64).to_be_bytes()); // producer id
    checked.extend((-1i16).to_be_bytes()); // producer epoch
    checked.extend((-1i32).to_be_bytes()); // base sequence
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
