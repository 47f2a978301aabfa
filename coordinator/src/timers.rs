//! Keyed deadlines; no clock.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Milliseconds since the Unix epoch, always an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// A set of deadlines, at most one a key.
#[derive(Debug)]
pub struct Timers<K> {
    by_key: HashMap<K, Millis>,
    by_deadline: BTreeSet<(Millis, K)>,
}

impl<K: Clone + Ord + Hash> Default for Timers<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_deadline: BTreeSet::new() }
    }
}

impl<K: Clone + Ord + Hash> Timers<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, deadline: Millis) {
        self.cancel(&key);
        self.by_key.insert(key.clone(), deadline);
        self.by_deadline.insert((deadline, key));
        debug_assert_eq!(self.by_key.len(), self.by_deadline.len(), "the two views hold the same keys");
    }

    /// Sets the deadline of `key` unless it has one.
    pub fn set_if_absent(&mut self, key: K, deadline: Millis) {
        if !self.by_key.contains_key(&key) {
            self.set(key, deadline);
        }
    }

    /// Forgets the deadline of `key`.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_deadline.remove(&(at, key.clone()));
        }
    }

    /// Moves every deadline: the clock was set, and no time has passed.
    pub fn shift(&mut self, by_ms: i64) {
        for at in self.by_key.values_mut() {
            at.0 = at.0.saturating_add(by_ms);
        }
        self.by_deadline = self.by_key.iter().map(|(key, at)| (*at, key.clone())).collect();
    }

    /// Every key, in order of deadlines.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.by_deadline.iter().map(|(_, key)| key)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        self.by_deadline.first().map(|(at, _)| *at)
    }

    /// Takes the earliest key whose deadline is not after `now`.
    pub fn pop_expired(&mut self, now: Millis) -> Option<K> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, key) = self.by_deadline.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_moves_what_is_left_of_every_wait() {
        let mut timers = Timers::default();
        timers.set("a", Millis(20));
        timers.set("b", Millis(10));
        timers.shift(1_000);
        assert_eq!(timers.pop_expired(Millis(1_009)), None);
        assert_eq!(timers.pop_expired(Millis(1_010)), Some("b"));
        assert_eq!(timers.next_deadline(), Some(Millis(1_020)));
    }

    #[test]
    fn the_earliest_deadline_expires_first_and_a_moved_one_moves() {
        let mut timers = Timers::default();
        timers.set("a", Millis(20));
        timers.set("b", Millis(10));
        timers.set("b", Millis(30));
        timers.set_if_absent("b", Millis(99));
        assert_eq!(timers.next_deadline(), Some(Millis(20)));
        assert_eq!(timers.pop_expired(Millis(19)), None);
        assert_eq!(timers.pop_expired(Millis(30)), Some("a"));
        timers.cancel(&"b");
        assert_eq!(timers.pop_expired(Millis(99)), None);
    }
}
