//! The tables: every broker, topic and group key of Apache Kafka 4.3.1, and Ottla's own.
//!
//! One file per subject, sorted by name (a test checks). The compiler merges the files into one sorted table per resource, so that a look-up
//! is a binary search and a name used in code is checked at compile time.

mod broker_group;
mod broker_kraft;
mod broker_log;
mod broker_metrics;
mod broker_network;
mod broker_remote;
mod broker_security;
mod broker_server;
mod broker_transaction;
mod group;
mod ottla;
mod topic;

use super::key::{KeyDef, Kind};

const BROKER_PARTS: [&[KeyDef]; 10] = [
    broker_group::KEYS,
    broker_kraft::KEYS,
    broker_log::KEYS,
    broker_metrics::KEYS,
    broker_network::KEYS,
    broker_remote::KEYS,
    broker_security::KEYS,
    broker_server::KEYS,
    broker_transaction::KEYS,
    ottla::KEYS,
];
const BROKER_COUNT: usize = total(&BROKER_PARTS);

const SORTED: &[KeyDef; BROKER_COUNT] = &merged(&BROKER_PARTS);

/// Every broker key, by name.
pub static BROKER_KEYS: &[KeyDef] = SORTED;
/// Every topic key, by name.
pub static TOPIC_KEYS: &[KeyDef] = topic::KEYS;
/// Every group key, by name.
pub static GROUP_KEYS: &[KeyDef] = group::KEYS;
/// Broker keys that exist only as dynamic settings (replication throttles); they never appear in a file.
pub static DYNAMIC_ONLY_KEYS: &[KeyDef] = broker_metrics::DYNAMIC_ONLY_KEYS;

/// The broker key of that name, with its place in [`BROKER_KEYS`].
#[must_use]
pub fn broker_key(name: &str) -> Option<(usize, &'static KeyDef)> {
    let index = BROKER_KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
    Some((index, &BROKER_KEYS[index]))
}

/// The topic key of that name.
#[must_use]
pub fn topic_key(name: &str) -> Option<&'static KeyDef> {
    let index = TOPIC_KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
    TOPIC_KEYS.get(index)
}

/// The group key of that name.
#[must_use]
pub fn group_key(name: &str) -> Option<&'static KeyDef> {
    let index = GROUP_KEYS.binary_search_by(|key| key.name.cmp(name)).ok()?;
    GROUP_KEYS.get(index)
}

/// The place in [`BROKER_KEYS`] of a key of one of these types; a wrong name or type does not compile where this runs in a `const`.
pub(super) const fn index_of(name: &str, kinds: &[Kind]) -> usize {
    let (mut low, mut high) = (0, BROKER_COUNT);
    while low < high {
        let middle = usize::midpoint(low, high);
        match compare(SORTED[middle].name, name) {
            0 => {
                assert!(contains(kinds, SORTED[middle].kind), "this broker key has another type");
                return middle;
            }
            ..0 => low = middle + 1,
            1.. => high = middle,
        }
    }
    panic!("no such broker key")
}

const fn contains(kinds: &[Kind], kind: Kind) -> bool {
    let mut at = 0;
    while at < kinds.len() {
        if kinds[at] as u8 == kind as u8 {
            return true;
        }
        at += 1;
    }
    false
}

const fn compare(left: &str, right: &str) -> i32 {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] as i32 - right[at] as i32;
        }
        at += 1;
    }
    left.len() as i32 - right.len() as i32
}

const fn total(parts: &[&[KeyDef]]) -> usize {
    let (mut part, mut count) = (0, 0);
    while part < parts.len() {
        count += parts[part].len();
        part += 1;
    }
    count
}

/// Merges sorted tables into one; every part must be sorted.
const fn merged<const N: usize, const PARTS: usize>(parts: &[&'static [KeyDef]; PARTS]) -> [KeyDef; N] {
    let mut out = [parts[0][0]; N];
    let mut next = [0; PARTS];
    let mut at = 0;
    while at < N {
        let mut least = PARTS;
        let mut part = 0;
        while part < PARTS {
            if next[part] < parts[part].len()
                && (least == PARTS || compare(parts[part][next[part]].name, parts[least][next[least]].name) < 0)
            {
                least = part;
            }
            part += 1;
        }
        out[at] = parts[least][next[least]];
        next[least] += 1;
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests;
