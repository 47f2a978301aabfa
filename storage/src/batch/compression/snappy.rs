//! Snappy as Kafka's clients write it: xerial's framing (a header, then length-prefixed blocks), or one bare block.

use super::{CompressionError, malformed};
use std::io;

/// First bytes of a xerial stream; a second stream may follow the first.
const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_SIZE_BYTES: usize = 16;
const VERSION: u32 = 1;
/// Uncompressed bytes per block, as snappy-java writes them.
const BLOCK_SIZE_BYTES: usize = 32 * 1024;
/// No snappy block expands further: three bytes make at most 64.
const EXPANSION_MAX: usize = 22;

pub(super) fn decompress(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    if !bytes.starts_with(&MAGIC) {
        append_block(&mut out, bytes, limit_bytes)?;
        return Ok(out);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC) {
            rest = rest.get(HEADER_SIZE_BYTES..).ok_or_else(|| malformed("the stream ends inside its header"))?;
            continue;
        }
        let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(|| malformed("the stream ends inside a block length"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(malformed)?;
        let block = tail.get(..length).ok_or_else(|| malformed("a block is longer than the stream"))?;
        append_block(&mut out, block, limit_bytes)?;
        rest = tail.get(length..).unwrap_or_default();
    }
    Ok(out)
}

fn append_block(out: &mut Vec<u8>, block: &[u8], limit_bytes: usize) -> Result<(), CompressionError> {
    let announced = snap::raw::decompress_len(block).map_err(malformed)?;
    if announced > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(malformed("a block announces more bytes than it can hold"));
    }
    let start = out.len();
    let end = start.saturating_add(announced);
    if end > limit_bytes {
        return Err(CompressionError::TooLarge { limit_bytes });
    }
    out.resize(end, 0);
    let space = out.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(block, space).map_err(malformed)?;
    Ok(())
}

pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(HEADER_SIZE_BYTES + bytes.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(BLOCK_SIZE_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(io::Error::other)?;
        let length = u32::try_from(compressed.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}
