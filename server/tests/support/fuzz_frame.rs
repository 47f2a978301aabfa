//! What frame, guard and decoder do with any bytes. Expects `decode.rs` beside it as `super::decode`.

use super::decode;
use ottla_server::limits::Limits;
use ottla_server::net::{guard, split_frames};

/// Takes `data` for what a client sent. Panics when the guard and the decoder disagree. Gives the number of requests decoded.
pub(crate) fn fuzz_frame(data: &[u8]) -> usize {
    let limits = Limits::default();
    let (frames, _) = split_frames(data, &limits);
    let mut decoded = 0;
    for frame in frames {
        let verdict = guard::check(frame.api_key, frame.api_version, &frame.body, &limits);
        let Ok(guard::Verdict::Walked { consumed_bytes }) = verdict else { continue };
        let request = decode::find(frame.api_key).expect("the guard knows only what the decoder knows");
        let body_bytes = frame.body.len();
        if let Ok((left, _)) = (request.decode_and_encode)(frame.api_version, frame.body) {
            assert_eq!(body_bytes - left, consumed_bytes, "api key {} v{}", frame.api_key, frame.api_version);
            decoded += 1;
        }
    }
    decoded
}
