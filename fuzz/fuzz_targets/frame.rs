#![no_main]

#[allow(dead_code)]
#[path = "../../server/tests/support/decode.rs"]
mod decode;
#[path = "../../server/tests/support/fuzz_frame.rs"]
mod fuzz_frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_frame::fuzz_frame(data);
});
