//! One measurement for each group of clients, sharded so that clients on different reactors seldom meet at a lock.
//!
//! Bounded: a measurement without an event for an hour is forgotten, as in Kafka, and when there are too many the quietest of a shard makes
//! room. Who is forgotten begins anew, with a whole window to use.

use super::entities::Who;
use crate::limits::QUOTA_METERS_MAX;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 64;
const SHARD_METERS_MAX: usize = QUOTA_METERS_MAX / SHARDS;
/// A measurement that long without an event is forgotten.
const INACTIVE_MS: i64 = 60 * 60 * 1000;

/// Measurements by group of clients.
#[derive(Debug)]
pub(super) struct Meters<M> {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<String, Metered<M>>>>,
}

#[derive(Debug)]
struct Metered<M> {
    meter: M,
    used_ms: i64,
}

impl<M: Default> Meters<M> {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Runs `use_it` on the measurement of `group`, under the lock of its shard.
    pub(super) fn with<R: Default>(&self, group: Who<'_>, now_ms: i64, use_it: impl FnOnce(&mut M) -> R) -> R {
        // The length keeps `a` + `bc` and `ab` + `c` apart.
        let key = format!("{}:{}{}", group.user.len(), group.user, group.client_id);
        let shard = self.hasher.hash_one(&key) as usize % SHARDS;
        let Some(shard) = self.shards.get(shard) else { return R::default() };
        let mut meters = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= SHARD_METERS_MAX && !meters.contains_key(&key) {
            let quietest = meters.iter().min_by_key(|(_, metered)| metered.used_ms).map(|(key, _)| key.clone());
            quietest.map(|key| meters.remove(&key));
        }
        let metered = meters.entry(key).or_insert_with(|| Metered { meter: M::default(), used_ms: now_ms });
        metered.used_ms = now_ms;
        use_it(&mut metered.meter)
    }

    /// Forgets who was quiet for an hour.
    pub(super) fn expire(&self, now_ms: i64) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, metered| now_ms - metered.used_ms <= INACTIVE_MS);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who<'a>(user: &'a str, client_id: &'a str) -> Who<'a> {
        Who { user, client_id }
    }

    fn count(meters: &Meters<u64>, group: Who<'_>, now_ms: i64) -> u64 {
        meters.with(group, now_ms, |count| {
            *count += 1;
            *count
        })
    }

    #[test]
    fn each_group_has_its_own() {
        let meters = Meters::new();
        assert_eq!(count(&meters, who("a", "bc"), 0), 1);
        assert_eq!(count(&meters, who("ab", "c"), 0), 1);
        assert_eq!(count(&meters, who("", "abc"), 0), 1);
        assert_eq!(count(&meters, who("a", "bc"), 0), 2);
        assert_eq!(meters.len(), 3);
    }

    #[test]
    fn who_was_quiet_for_an_hour_is_forgotten() {
        let meters = Meters::new();
        count(&meters, who("old", ""), 0);
        count(&meters, who("new", ""), 1);
        meters.expire(INACTIVE_MS);
        assert_eq!(meters.len(), 2);
        meters.expire(INACTIVE_MS + 1);
        assert_eq!(meters.len(), 1);
        assert_eq!(count(&meters, who("old", ""), INACTIVE_MS + 1), 1);
    }

    #[test]
    fn ever_new_names_do_not_fill_the_memory() {
        let meters = Meters::new();
        let names = QUOTA_METERS_MAX as i64 * 5 / 4;
        for number in 0..names {
            count(&meters, who("u", &number.to_string()), number);
        }
        assert!(meters.len() <= QUOTA_METERS_MAX, "{} meters", meters.len());
        let last = names - 1;
        assert_eq!(count(&meters, who("u", &last.to_string()), last), 2, "the busiest stay");
    }
}
