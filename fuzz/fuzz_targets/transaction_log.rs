#![no_main]

#[path = "../../coordinator/tests/support/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::transaction_log(data));
