//! Finds frames in a stream of bytes: size prefix, size caps, request header.
//!
//! Called by `connection` only. Pure: bytes in, a verdict out. Nothing here allocates by a number that came from the wire.

use super::{Frame, guard};
use crate::limits::Limits;
use bytes::{Buf, Bytes, BytesMut};
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

/// Frames up to this size are copied out of the receive buffer. It costs less than sharing the buffer, and a request that waits, as most
/// fetches of a quiet topic do, keeps a few hundred bytes and not a whole buffer.
const COPIED_BYTES_MAX: usize = 4096;

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

/// Takes the frame that [`peek`] found complete off the front of `buffer`; the body of a large one shares the buffer's memory.
pub(super) fn take(buffer: &mut BytesMut, size_bytes: usize, limits: &Limits, received_at: Instant) -> Result<Frame, FrameError> {
    assert!(buffer.len() >= PREFIX_BYTES + size_bytes, "peek said the frame is complete");
    buffer.advance(PREFIX_BYTES);
    let mut body = if size_bytes <= COPIED_BYTES_MAX {
        let copy = Bytes::copy_from_slice(&buffer[..size_bytes]);
        buffer.advance(size_bytes);
        copy
    } else {
        buffer.split_to(size_bytes).freeze()
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn peek_of(bytes: &[u8]) -> Result<Peek, FrameError> {
        peek(bytes, &Limits::default())
    }

    #[test]
    fn a_frame_is_refused_by_its_first_eight_bytes() {
        assert_eq!(peek_of(&[0, 0, 0]), Ok(Peek::Incomplete { wanted_bytes: HEAD_BYTES }));
        assert_eq!(peek_of(&[0, 0, 0, 20, 0, 18, 0]), Ok(Peek::Incomplete { wanted_bytes: HEAD_BYTES }));
        assert_eq!(peek_of(&[0, 0, 0, 20, 0, 18, 0, 3]), Ok(Peek::Incomplete { wanted_bytes: 24 }));
        assert_eq!(peek_of(&[0, 0, 0, 9]), Err(FrameError::TooSmall(9)));
        assert_eq!(peek_of(&[0, 0, 0, 20, 0, 3, 0, 99]), Err(FrameError::UnknownApi { api_key: 3, api_version: 99 }));
        let nine_mib = [0, 0x90, 0, 0];
        assert!(peek_of(&[&nine_mib[..], &[0, 0, 0, 9]].concat()).is_ok(), "Produce");
        assert!(peek_of(&[&nine_mib[..], &[0, 3, 0, 9]].concat()).is_err(), "Metadata");
        assert!(peek_of(&[0x7f, 0xff, 0xff, 0xff]).is_err());
        assert_eq!(peek_of(&[0xff; 8]), Err(FrameError::TooSmall(-1)));
    }

    #[test]
    fn sizes_that_spell_another_protocol_are_named_only_when_they_are_too_large() {
        assert!(matches!(peek_of(&[0x16, 3, 1, 0]), Err(FrameError::OtherProtocol(guess)) if guess.contains("TLS")));
        assert!(matches!(peek_of(b"HEAD / HTTP/1.1"), Err(FrameError::OtherProtocol(guess)) if guess.contains("HTTP")));
        let limits = Limits { produce_frame_bytes_max: usize::MAX, ..Limits::default() };
        assert!(matches!(peek(b"HEAD", &limits), Ok(Peek::Incomplete { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_frame_leaves_the_buffer_alone_and_a_large_one_shares_it() {
        let of_size = |size_bytes: usize| {
            let mut buffer = BytesMut::zeroed(PREFIX_BYTES + size_bytes);
            buffer[PREFIX_BYTES + 1] = 18;
            let allocated_bytes = buffer.capacity();
            let frame = take(&mut buffer, size_bytes, &Limits::default(), Instant::now()).expect("well formed");
            buffer.clear();
            (buffer.try_reclaim(allocated_bytes), frame)
        };
        let (free, small) = of_size(COPIED_BYTES_MAX);
        assert!(free);
        let (free, large) = of_size(COPIED_BYTES_MAX + 1);
        assert!(!free);
        assert_eq!((small.size_bytes, large.size_bytes), (COPIED_BYTES_MAX, COPIED_BYTES_MAX + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_header_is_taken_off_and_the_next_frame_stays() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 18, 0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'i', b'd', 1, 5, 1, 9, b'b', b'o', 0xee][..]);
        let Ok(Peek::Complete { size_bytes }) = peek_of(&buffer) else { panic!("complete") };
        let frame = take(&mut buffer, size_bytes, &Limits::default(), Instant::now()).expect("well formed");
        assert_eq!((frame.api_key, frame.api_version, frame.correlation_id), (18, 3, 7));
        assert_eq!(frame.client_id.as_deref(), Some("id"));
        assert_eq!(frame.body[..], b"bo"[..]);
        assert_eq!(buffer[..], [0xee]);
    }

    #[tokio::test(start_paused = true)]
    async fn client_ids_may_be_null_or_not_even_text() {
        let take_id = |id: &[u8]| {
            let mut buffer = BytesMut::from(&[0, 0, 0, 0, 0, 18, 0, 0, 0, 0, 0, 7][..]);
            buffer.extend_from_slice(id);
            let size_bytes = buffer.len() - PREFIX_BYTES;
            take(&mut buffer, size_bytes, &Limits::default(), Instant::now()).map(|frame| frame.client_id.map(|id| id.to_string()))
        };
        assert_eq!(take_id(&[0xff, 0xff]), Ok(None));
        assert_eq!(take_id(&[0, 0]), Ok(Some(String::new())));
        assert_eq!(take_id(&[0, 1, 0xfe]), Ok(Some("\u{fffd}".into())));
        assert_eq!(take_id(&[0, 2, b'a']), Err(FrameError::BadHeader));
        assert_eq!(take_id(&[0x7f, 0xff, b'a']), Err(FrameError::BadHeader));
    }
}
