//! Frame + guard + decode on seeded noise: whatever passes the guard must be decoded without a large allocation.
//!
//! [`fuzz_frame`] is also the body of the fuzz target of that name. A test binary of its own, because it limits the address space of its
//! process: an allocation by a length from the wire then ends the test instead of passing unseen.

#[path = "support/decode.rs"]
mod decode;
#[path = "support/fuzz_frame.rs"]
mod fuzz_frame;

use decode::REQUESTS;
use fuzz_frame::fuzz_frame;

const INPUTS: u64 = 50_000;
/// Room for what the process itself needs; a bomb asks for gigabytes.
const ADDRESS_SPACE_BYTES: u64 = 1 << 30;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A frame with a plausible head and a body of small numbers, text, and now and then a huge length.
fn noise(random: &mut Random) -> Vec<u8> {
    let request = &REQUESTS[random.below(REQUESTS.len() as u64) as usize];
    let versions = (request.last_version - request.first_version + 1) as u64;
    let version = request.first_version + random.below(versions) as i16;
    let mut frame = [&request.api_key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0, 0]].concat();
    if (request.header_version)(version) == 2 {
        frame.push(0);
    }
    for _ in 0..random.below(60) {
        match random.below(12) {
            0 => frame.extend([0x7f, 0xff, 0xff, 0xff]),
            1 => frame.extend([0xff, 0xff, 0xff, 0xff, 0x0f]),
            2 => frame.push(random.next() as u8),
            3 => frame.extend([0xff, 0xff]),
            4..7 => frame.extend([0, 0, 0, random.below(3) as u8]),
            _ => frame.push(random.below(4) as u8),
        }
    }
    [&(frame.len() as i32).to_be_bytes()[..], &frame].concat()
}

#[test]
fn noise_never_panics_nor_makes_the_decoder_allocate_by_a_number_from_the_wire() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::As);
        setrlimit(Resource::As, Rlimit { current: Some(ADDRESS_SPACE_BYTES), maximum: limit.maximum }).expect("a limit");
    }
    let mut decoded = 0;
    for seed in 0..INPUTS {
        decoded += fuzz_frame(&noise(&mut Random(seed)));
    }
    println!("{decoded} of {INPUTS} inputs were decoded");
    assert!(decoded > INPUTS as usize / 50, "only {decoded} inputs got as far as the decoder");
}
