//! Record values: text that looks like JSON events and compresses about three to one, the same on every run.

use std::io::Write;

/// A source of event text, from a seed.
#[derive(Clone, Debug)]
pub struct Payload {
    random: Random,
    text: Vec<u8>,
    taken: usize,
}

impl Payload {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), text: Vec::new(), taken: 0 }
    }

    /// Appends exactly `size_bytes`; every value starts at the start of an event.
    pub fn append(&mut self, out: &mut Vec<u8>, size_bytes: usize) {
        let end = out.len() + size_bytes;
        while out.len() < end {
            self.event();
            let count = (end - out.len()).min(self.text.len());
            out.extend_from_slice(&self.text[..count]);
        }
    }

    fn event(&mut self) {
        const KINDS: [&str; 5] = ["page_view", "add_to_cart", "checkout", "search", "login"];
        const PLACES: [&str; 6] = ["stockholm", "lisbon", "nairobi", "osaka", "montevideo", "quito"];
        self.text.clear();
        self.taken += 1;
        let random = self.random.next();
        // Writing to a Vec cannot fail.
        let _ = write!(
            self.text,
            r#"{{"id":{},"user":"u{:06x}","event":"{}","city":"{}","amount":{}.{:02},"trace":"{:08x}"}}"#,
            1_000_000 + self.taken,
            random & 0xff_ffff,
            KINDS[(random >> 24) as usize % KINDS.len()],
            PLACES[(random >> 32) as usize % PLACES.len()],
            (random >> 40) % 500,
            (random >> 50) % 100,
            self.random.next() as u32,
        );
    }
}

/// xorshift64: small, seeded, good enough to vary text and the order of a run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "an endless source, not an iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Shuffles in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, (self.next() % (at as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_compress_about_three_to_one() {
        for record_size in [100, 1024] {
            let encoded = crate::batch::fill(&mut Payload::new(7), record_size, 65_536, 0);
            let ratio = encoded.bytes.len() as f64 / lz4_flex::compress(&encoded.bytes).len() as f64;
            assert!((2.0..4.0).contains(&ratio), "{record_size} B records compress {ratio:.2} to one");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let text = |seed| {
            let mut out = Vec::new();
            Payload::new(seed).append(&mut out, 5000);
            out
        };
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
        assert_eq!(text(3).len(), 5000);
    }
}
