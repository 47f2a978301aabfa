//! The newest offset of each key, in a bounded piece of memory: a 16-byte hash and an offset for each of them, as in Kafka.
//!
//! Two keys with the same hash would cost the older one its record. 128 bits make that a matter of 10^-20 for a billion keys, as long as
//! nobody aims at it; and nobody can, because the hash is SipHash under two secret keys of this process. (Kafka's MD5 has no secret: whoever
//! may choose a key, a group's name for instance, can make it meet another.) The alternative, to look the key up in the log, costs a read
//! for every record.
//!
//! Open addressing with linear probing: at nine tenths full a search for a key that is not there looks at some fifty slots, one behind
//! the other in memory.

use std::hash::{BuildHasher, RandomState};

use crate::Offset;

/// Hash and offset + 1; all zeros is an empty slot.
type Slot = [u64; 3];

const SLOT_SIZE_BYTES: usize = size_of::<Slot>();

/// See the module.
#[derive(Debug)]
pub(super) struct KeyMap {
    secrets: [RandomState; 2],
    slots: Vec<Slot>,
    /// Only so many are in use: a small log does not pay for a large map.
    slots_used: usize,
    key_count: usize,
    key_count_max: usize,
}

impl KeyMap {
    /// Memory is touched only as it is needed.
    pub(super) fn new(size_bytes: usize, load_factor: f64) -> Self {
        let slot_count = (size_bytes / SLOT_SIZE_BYTES).max(2);
        let key_count_max = ((slot_count as f64 * load_factor) as usize).clamp(1, slot_count - 1);
        Self {
            secrets: [RandomState::new(), RandomState::new()],
            slots: vec![[0; 3]; slot_count],
            slots_used: 0,
            key_count: 0,
            key_count_max,
        }
    }

    /// Forgets everything; not more than so many keys will come.
    pub(super) fn reset(&mut self, key_count_expected: u64) {
        let dirty = self.slots_used;
        self.slots[..dirty].fill([0; 3]);
        let wanted = usize::try_from(key_count_expected).unwrap_or(usize::MAX).saturating_mul(3) / 2;
        self.slots_used = wanted.saturating_add(2).min(self.slots.len());
        self.key_count = 0;
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [self.secrets[0].hash_one(key), self.secrets[1].hash_one(key)]
    }

    /// The slot with this hash, or the empty one where it belongs. There always is an empty one.
    fn slot_of(&self, hash: [u64; 2]) -> usize {
        let mut at = ((u128::from(hash[0]) * self.slots_used as u128) >> 64) as usize;
        loop {
            let [first, second, offset] = self.slots[at];
            if offset == 0 || [first, second] == hash {
                return at;
            }
            at += 1;
            if at == self.slots_used {
                at = 0;
            }
        }
    }

    /// Notes the newest offset of a key. False when the map is full and nothing was noted.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        if self.is_full() {
            return false;
        }
        let hash = self.hash(key);
        let at = self.slot_of(hash);
        self.key_count += usize::from(self.slots[at][2] == 0);
        self.slots[at] = [hash[0], hash[1], offset.0.cast_unsigned() + 1];
        true
    }

    /// No key can be added.
    pub(super) fn is_full(&self) -> bool {
        self.key_count >= self.key_count_max.min(self.slots_used.saturating_sub(1))
    }

    /// The newest offset of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        if self.slots_used == 0 {
            return None;
        }
        let [_, _, offset] = self.slots[self.slot_of(self.hash(key))];
        offset.checked_sub(1).map(|offset| Offset(offset.cast_signed()))
    }

    /// Share of all slots that hold a key.
    pub(super) fn fullness(&self) -> f64 {
        self.key_count as f64 / self.slots.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_newest_offset_until_the_map_is_full() {
        let mut map = KeyMap::new(24 * 1000, 0.9);
        map.reset(u64::MAX);
        assert_eq!(map.get(b"nobody"), None);
        for number in 0..900_i64 {
            assert!(map.put(&number.to_be_bytes(), Offset(number)));
            assert!(number == 899 || map.put(&(number / 2).to_be_bytes(), Offset(1000 + number)));
        }
        assert!(!map.put(b"one more", Offset(5000)) && !map.put(&0_i64.to_be_bytes(), Offset(5000)));
        assert!((map.fullness() - 0.9).abs() < 1e-9);
        for number in 0..900_i64 {
            let expected = if number < 449 {
                1000 + 2 * number + 1
            } else if number == 449 {
                1898
            } else {
                number
            };
            assert_eq!(map.get(&number.to_be_bytes()), Some(Offset(expected)), "{number}");
        }
        map.reset(10);
        assert_eq!((map.get(&5_i64.to_be_bytes()), map.fullness()), (None, 0.0));
        (0..10_i64).for_each(|number| assert!(map.put(&number.to_be_bytes(), Offset(number)), "as many as were announced"));
    }

    #[test]
    fn offset_zero_is_an_offset() {
        let mut map = KeyMap::new(0, 0.9);
        assert_eq!(map.get(b"k"), None);
        map.reset(1);
        assert!(map.put(b"k", Offset(0)));
        assert_eq!(map.get(b"k"), Some(Offset(0)));
        assert!(!map.put(b"l", Offset(1)), "even the smallest map holds one key");
    }
}
