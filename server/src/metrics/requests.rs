//! What reactors counted of requests and connections, added up.

use super::histogram::Counts;
use crate::api::APIS;
use crate::net::tally::{ListenerTally, Tally, VERSIONS};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names of client software that are told apart in one scrape; clients choose them, so there may be any number.
const SOFTWARE_MAX: usize = 200;
const SOFTWARE_LETTERS_MAX: usize = 64;
const OTHER: &str = "other";
/// What Kafka calls a client that did not say.
const UNKNOWN: &str = "unknown";

/// The times of one API.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) total: Counts,
    pub(super) local: Counts,
    pub(super) remote: Counts,
    pub(super) throttle: Counts,
}

impl Times {
    fn add(&mut self, tally: &Tally, key: i16) -> bool {
        let Some(api) = tally.api(key) else { return false };
        // Sums of parts that only grow: a counter must not seem to fall.
        let (at_once, waited) = (api.at_once.counts(), api.waited.counts());
        let (mut remote, mut throttle) = (api.remote.counts(), api.throttle.counts());
        // Those that did not wait, and those that were not told to stay away, took no time at that.
        let count = at_once.total() + waited.total();
        remote.buckets[0] += at_once.total();
        throttle.buckets[0] += count.saturating_sub(throttle.total());
        self.total.add(&at_once);
        self.total.add(&waited);
        self.local.add(&at_once);
        self.local.add(&api.local.counts());
        self.remote.add(&remote);
        self.throttle.add(&throttle);
        true
    }
}

/// The times of every API that was asked for.
pub(super) fn times_of(tallies: &[Arc<Tally>]) -> BTreeMap<i16, Times> {
    let mut all = BTreeMap::new();
    for key in APIS.iter().map(|entry| entry.key as i16) {
        let mut times = Times::default();
        let asked = tallies.iter().filter(|tally| times.add(tally, key)).count();
        if asked > 0 {
            all.insert(key, times);
        }
    }
    all
}

/// One API that was asked for.
#[derive(Debug)]
pub(super) struct ApiRow {
    pub(super) key: i16,
    pub(super) name: String,
    /// Version and requests.
    pub(super) by_version: Vec<(usize, u64)>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) times: Times,
}

/// All APIs that were asked for, by key.
pub(super) fn rows_of(tallies: &[Arc<Tally>]) -> Vec<ApiRow> {
    let mut times = times_of(tallies);
    let rows = APIS.iter().filter_map(|entry| {
        let key = entry.key as i16;
        let mut row = ApiRow {
            key,
            name: format!("{:?}", entry.key),
            by_version: Vec::new(),
            request_bytes: 0,
            response_bytes: 0,
            times: times.remove(&key)?,
        };
        let mut counts = [0; VERSIONS];
        for api in tallies.iter().filter_map(|tally| tally.api(key)) {
            counts.iter_mut().zip(&api.by_version).for_each(|(sum, count)| *sum += count.get());
            row.request_bytes += api.request_bytes.get();
            row.response_bytes += api.response_bytes.get();
        }
        row.by_version = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        Some(row)
    });
    rows.collect()
}

/// One listener on one reactor.
#[derive(Debug)]
pub(super) struct ListenerRow {
    pub(super) listener: Arc<str>,
    pub(super) reactor: usize,
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) requests: u64,
    pub(super) responses: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

pub(super) fn listeners_of(names: &[Arc<str>], tallies: &[Arc<Tally>]) -> Vec<ListenerRow> {
    let row = |name: &Arc<str>, reactor: usize, tally: &ListenerTally| ListenerRow {
        listener: Arc::clone(name),
        reactor,
        // In this order: no connection must seem to have ended before it began.
        closed: tally.closed.get(),
        opened: tally.opened.get(),
        responses: tally.responses.get(),
        requests: tally.requests.get(),
        bytes_in: tally.bytes_in.get(),
        bytes_out: tally.bytes_out.get(),
    };
    let per_reactor = tallies.iter().enumerate();
    per_reactor
        .flat_map(|(reactor, tally)| names.iter().zip(&tally.listeners).map(move |(name, tally)| row(name, reactor, tally)))
        .collect()
}

/// Open connections of one kind of client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Software {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) listener: Arc<str>,
    pub(super) reactor: usize,
}

pub(super) fn software_of(tallies: &[Arc<Tally>]) -> BTreeMap<Software, u64> {
    let mut all = BTreeMap::new();
    for (reactor, tally) in tallies.iter().enumerate() {
        tally.each_open(|info| {
            let told = info.client_software.get().map_or((UNKNOWN, UNKNOWN), |(name, version)| (name.as_str(), version.as_str()));
            let short = |word: &str| word.len() <= SOFTWARE_LETTERS_MAX;
            let (name, version) = if short(told.0) && short(told.1) { told } else { (OTHER, OTHER) };
            let of = |name: &str, version: &str| Software {
                name: name.to_owned(),
                version: version.to_owned(),
                listener: Arc::clone(&info.listener_name),
                reactor,
            };
            let mut software = of(name, version);
            if all.len() >= SOFTWARE_MAX && !all.contains_key(&software) {
                software = of(OTHER, OTHER);
            }
            *all.entry(software).or_default() += 1;
        });
    }
    all
}
