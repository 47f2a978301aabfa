#![no_main]

#[allow(dead_code)]
#[path = "../../storage/tests/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::log_directory(data));
