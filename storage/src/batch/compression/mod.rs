//! One enum, four codecs, every one bounded: a length announced by a stranger allocates nothing, a bomb stops at the limit.
//!
//! What is written is what Kafka's own writers write (xerial framing for snappy, independent 64 KiB blocks for lz4); what is
//! read is whatever any client has been seen to write.

mod snappy;

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;

/// A codec, with Kafka's codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Stored as is.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Raw snappy blocks in xerial's framing.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

/// Why bytes could not be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// Not what the codec expects.
    #[error("{reason}")]
    Malformed {
        /// In the codec's words.
        reason: String,
    },
    /// More output than allowed.
    #[error("more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The encoder failed.
    #[error("{reason}")]
    Failed {
        /// In the codec's words.
        reason: String,
    },
}

impl Compression {
    /// All codecs in order of their codes.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with this code in a batch's attributes.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The code in a batch's attributes.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The name in `compression.type`; "uncompressed" there means [`Compression::None`] too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Levels that `compression.<name>.level` accepts; `None` for codecs without levels. Gzip takes -1 (its default) as well.
    #[must_use]
    pub fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Gzip => Some(1..=9),
            Self::Lz4 => Some(1..=17),
            Self::Zstd => Some(-131_072..=22),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Largest zstd window that is opened (2^27 = 128 MiB): what Kafka's reader accepts. Memory is touched only as output is made.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const GZIP_LEVEL_DEFAULT: u32 = 6;
const ZSTD_LEVEL_DEFAULT: i32 = 3;

/// Decompresses `bytes` into at most `limit_bytes`.
pub fn decompress(compression: Compression, bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
    match compression {
        Compression::None if bytes.len() > limit_bytes => Err(CompressionError::TooLarge { limit_bytes }),
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => read_bounded(MultiGzDecoder::new(bytes), bytes.len(), limit_bytes),
        Compression::Snappy => snappy::decompress(bytes, limit_bytes),
        Compression::Lz4 => decompress_lz4(bytes, limit_bytes),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(malformed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(malformed)?;
            read_bounded(decoder, bytes.len(), limit_bytes)
        }
    }
}

/// Compresses `bytes` into at most `limit_bytes`; `level` as in `compression.<name>.level`, `None` for the default.
///
/// lz4 has one level here (the fast one): the pure-Rust encoder has no high-compression mode, so its level is accepted and
/// changes nothing that a reader could see.
pub fn compress(compression: Compression, level: Option<i32>, bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
    let out = match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => {
            let level = level.and_then(|l| u32::try_from(l).ok()).unwrap_or(GZIP_LEVEL_DEFAULT).min(9);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(failed)?
        }
        Compression::Snappy => snappy::compress(bytes).map_err(failed)?,
        Compression::Lz4 => {
            let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).map_err(failed)?;
            encoder.finish().map_err(failed)?
        }
        Compression::Zstd => zstd::bulk::compress(bytes, level.unwrap_or(ZSTD_LEVEL_DEFAULT)).map_err(failed)?,
    };
    if out.len() > limit_bytes { Err(CompressionError::TooLarge { limit_bytes }) } else { Ok(out) }
}

/// Doubles its buffer, but never beyond the limit: left to itself the buffer of a bomb would grow to twice that.
fn read_bounded(mut reader: impl Read, input_size_bytes: usize, limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
    let first = input_size_bytes.saturating_mul(2).max(1);
    let mut out = Vec::new();
    while out.len() <= limit_bytes {
        // One byte beyond the limit tells "too large" from "just fits".
        let step = out.len().max(first).min((limit_bytes - out.len()).saturating_add(1));
        out.reserve_exact(step);
        let read = reader.by_ref().take(step as u64).read_to_end(&mut out).map_err(malformed)?;
        if read < step {
            return Ok(out);
        }
    }
    Err(CompressionError::TooLarge { limit_bytes })
}

/// The frame decoder takes a stream without an end mark for a whole one; Kafka's reader does not, so neither do we.
fn decompress_lz4(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
    let mut decoder = FrameDecoder::new(EndSeen { rest: bytes, end_seen: false });
    let out = read_bounded(&mut decoder, bytes.len(), limit_bytes)?;
    if decoder.get_ref().end_seen { Err(malformed("the stream has no end mark")) } else { Ok(out) }
}

/// A slice that remembers whether somebody wanted more than there was.
struct EndSeen<'a> {
    rest: &'a [u8],
    end_seen: bool,
}

impl Read for EndSeen<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.end_seen |= buffer.len() > self.rest.len();
        self.rest.read(buffer)
    }
}

fn malformed(error: impl fmt::Display) -> CompressionError {
    CompressionError::Malformed { reason: error.to_string() }
}

fn failed(error: impl fmt::Display) -> CompressionError {
    CompressionError::Failed { reason: error.to_string() }
}
