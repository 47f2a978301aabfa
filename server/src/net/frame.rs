//! Finds frames in a stream of bytes: size prefix, size caps, request header.
//!
//! Called by `connection` only. Pure: bytes in, a verdict out. Nothing here allocates by a number that came from the wire.

use super::{Frame, guard};
use crate::limits::Limits;
use bytes::{Buf, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;
use tokio::time::Instant;

/// Bytes of the size prefix.
pub(super) const PREFIX_BYTES: usize = 4;
/// Size prefix, api key and api version: enough to know what may follow.
pub(super) const HEAD_BYTES: usize = PREFIX_BYTES + 4;
/// Api key, api version, correlation id, and a null client id.
const HEADER_BYTES_MIN: usize = 2 + 2 + 4 + 2;

/// Why bytes are no frame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum FrameError {
    /// The first bytes belong to another protocol.
    #[error("{0}")]
    OtherProtocol(&'static str),
    /// No request is that small.
    #[error("a request of {0} bytes is announced, too small for a request header")]
    TooSmall(i32),
    /// Larger than its API's cap.
    #[error("a request of {size_bytes} bytes is announced, {allowed_bytes} are allowed")]
    TooLarge { size_bytes: usize, allowed_bytes: usize },
    /// An api key that does not exist, or a version of it that does not.
    #[error("unknown API {api_key} version {api_version}")]
    UnknownApi { api_key: i16, api_version: i16 },
    /// The request header does not parse.
    #[error("the request header is cut off or garbled")]
    BadHeader,
}

impl FrameError {
    /// True when an operator should see it: a mistake in someone's configuration rather than an odd client.
    pub(super) fn is_for_operator(&self) -> bool {
        !matches!(self, Self::UnknownApi { .. } | Self::BadHeader)
    }
}

/// What the front of the receive buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// Not a whole frame; it will end `wanted_bytes` from its start (a lower bound while less than the head is there).
    Incomplete { wanted_bytes: usize },
    /// A whole frame of this size, prefix not counted.
    Complete { size_bytes: usize },
}

/// Looks at the front of `buffer`. Refuses as soon as the bytes allow, before the body has been read.
pub(super) fn peek(buffer: &[u8], limits: &Limits) -> Result<Peek, FrameError> {
    let Some((prefix, rest)) = buffer.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(Peek::Incomplete { wanted_bytes: HEAD_BYTES });
    };
    let announced = i32::from_be_bytes(*prefix);
    let allowed_bytes = limits.produce_frame_bytes_max.max(limits.other_frame_bytes_max);
    let size_bytes = match usize::try_from(announced) {
        Ok(size_bytes) if size_bytes <= allowed_bytes => size_bytes,
        outside => {
            if let Some(guess) = guess_protocol(*prefix) {
                return Err(FrameError::OtherProtocol(guess));
            }
            return Err(match outside {
                Ok(size_bytes) => FrameError::TooLarge { size_bytes, allowed_bytes },
                Err(_) => FrameError::TooSmall(announced),
            });
        }
    };
    if size_bytes < HEADER_BYTES_MIN {
        return Err(FrameError::TooSmall(announced));
    }
    let Some((key_and_version, _)) = rest.split_first_chunk::<4>() else {
        return Ok(Peek::Incomplete { wanted_bytes: HEAD_BYTES });
    };
    let [k0, k1, v0, v1] = *key_and_version;
    let (api_key, api_version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
    if guard::request_header_version(api_key, api_version).is_none() {
        return Err(FrameError::UnknownApi { api_key, api_version });
    }
    let allowed_bytes = if api_key == ApiKey::Produce as i16 { limits.produce_frame_bytes_max } else { limits.other_frame_bytes_max };
    if size_bytes > allowed_bytes {
        return Err(FrameError::TooLarge { size_bytes, allowed_bytes });
    }
    let wanted_bytes = PREFIX_BYTES + size_bytes;
    Ok(if buffer.len() < wanted_bytes { Peek::Incomplete { wanted_bytes } } else { Peek::Complete { size_bytes } })
}

/// Takes the frame that [`peek`] found complete off the front of `buffer`; its body shares the buffer's memory.
pub(super) fn take(buffer: &mut BytesMut, size_bytes: usize, limits: &Limits, received_at: Instant) -> Result<Frame, FrameError> {
    assert!(buffer.len() >= PREFIX_BYTES + size_bytes, "peek said the frame is complete");
    buffer.advance(PREFIX_BYTES);
    let mut body = buffer.split_to(size_bytes).freeze();
    let api_key = body.try_get_i16().map_err(|_| FrameError::BadHeader)?;
    let api_version = body.try_get_i16().map_err(|_| FrameError::BadHeader)?;
    let correlation_id = body.try_get_i32().map_err(|_| FrameError::BadHeader)?;
    let header_version = guard::request_header_version(api_key, api_version).ok_or(FrameError::UnknownApi { api_key, api_version })?;
    // Client ids are not compact strings even in flexible headers, so that any broker can read them.
    let client_id = match body.try_get_i16().map_err(|_| FrameError::BadHeader)? {
        ..0 => None,
        length => {
            let length = usize::from(length.unsigned_abs());
            if body.remaining() < length {
                return Err(FrameError::BadHeader);
            }
            let bytes = body.split_to(length);
            Some(StrBytes::try_from(bytes.clone()).unwrap_or_else(|_| StrBytes::from_string(String::from_utf8_lossy(&bytes).into_owned())))
        }
    };
    if header_version >= 2 {
        let tags_bytes = guard::tagged_fields_size(&body, limits).map_err(|_| FrameError::BadHeader)?;
        body.advance(tags_bytes);
    }
    Ok(Frame { api_key, api_version, correlation_id, client_id, body, size_bytes, received_at })
}

/// Names the protocol that begins with these four bytes, which would be a frame size beyond any limit.
fn guess_protocol(first: [u8; PREFIX_BYTES]) -> Option<&'static str> {
    match &first {
        [0x16, 3, 0..=4, _] => Some("looks like a TLS handshake on a listener that speaks plain text: is security.protocol=SSL meant?"),
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"DELE" | b"OPTI" | b"PATC" | b"CONN" | b"TRAC" | b"PRI " => {
            Some("looks like an HTTP request on a Kafka listener: is the port meant?")
        }
        b"SSH-" => Some("looks like an SSH client on a Kafka listener: is the port meant?"),
        b"PROX" | [0x0d, 0x0a, 0x0d, 0x0a] => Some("looks like a PROXY protocol header, which is not supported"),
        _ => None,
    }
}
