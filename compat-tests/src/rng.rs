//! Random numbers from a printed seed: the same seed, the same story.

/// A small generator (splitmix64); quality enough to pick moments and sizes.
pub struct Rng(u64);

impl Rng {
    /// A generator that always gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in the environment variable `name`, or a new one; printed either way.
    pub fn seed_from_env(name: &str) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        let fresh = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        let seed = std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or_else(fresh);
        println!("{name}={seed}");
        seed
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// `size_bytes` bytes that no codec can shrink.
    pub fn bytes(&mut self, size_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size_bytes + 8);
        while bytes.len() < size_bytes {
            bytes.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        bytes.truncate(size_bytes);
        bytes
    }
}
