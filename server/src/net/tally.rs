//! What the connections of one reactor have done, counted by themselves and added up by whoever looks.
//!
//! A tally has one writer: the thread of its reactor. So a count is a load and a store, no core ever waits for another, and nothing is
//! allocated after the first request of each API. `metrics` reads it from another thread; it may see a request counted in one place and
//! not yet in another.

use super::ConnectionInfo;
use super::shapes::KEYS;
use crate::metrics::histogram::Histogram;
use foldhash::{HashMap, HashMapExt};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Versions that are told apart; the last slot is for all that no API has.
pub(crate) const VERSIONS: usize = 24;

/// A number that one thread adds to and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds; only to be called by the one writer.
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// What it has come to.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of one reactor. Lies alone in its cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Tally {
    apis: [OnceLock<Box<ApiTally>>; KEYS],
    /// In the order of the bound listeners.
    pub(crate) listeners: Box<[ListenerTally]>,
    /// Open connections; touched when one begins, ends or is looked at.
    open: Mutex<HashMap<u64, Arc<ConnectionInfo>>>,
}

/// The counts of one API.
#[derive(Debug, Default)]
pub(crate) struct ApiTally {
    pub(crate) by_version: [Count; VERSIONS],
    pub(crate) request_bytes: Count,
    pub(crate) response_bytes: Count,
    /// From the last byte of the request to its answer, of those that did not have to wait. Most do not, and are counted once.
    pub(crate) at_once: Histogram,
    /// The same of those that had to wait.
    pub(crate) waited: Histogram,
    /// Of those that had to wait: until then.
    pub(crate) local: Histogram,
    /// Of those that had to wait: after that.
    pub(crate) remote: Histogram,
    /// How long clients were asked to stay away; those that were not are not in it.
    pub(crate) throttle: Histogram,
}

/// The counts of one listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerTally {
    pub(crate) opened: Count,
    pub(crate) closed: Count,
    pub(crate) requests: Count,
    pub(crate) responses: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
}

/// A request that is being worked on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) size_bytes: usize,
    pub(super) received_at: Instant,
    /// Set when it had to wait.
    pub(super) local: Option<Duration>,
}

impl Tally {
    pub(super) fn new(listeners: usize) -> Self {
        Self {
            apis: std::array::from_fn(|_| OnceLock::new()),
            listeners: (0..listeners).map(|_| ListenerTally::default()).collect(),
            open: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a request that is done.
    pub(super) fn done(&self, request: &Begun, at: Instant, response_bytes: u64, throttle_ms: i32) {
        let Some(api) = usize::try_from(request.api_key).ok().and_then(|key| self.apis.get(key)) else { return };
        let api = api.get_or_init(Box::default);
        let version = usize::try_from(request.api_version).unwrap_or(VERSIONS).min(VERSIONS - 1);
        api.by_version[version].add(1);
        api.request_bytes.add(request.size_bytes as u64);
        api.response_bytes.add(response_bytes);
        let total = at.duration_since(request.received_at);
        match request.local {
            None => api.at_once.record(total),
            Some(local) => {
                api.waited.record(total);
                api.local.record(local);
                api.remote.record(total.saturating_sub(local));
            }
        }
        if let Ok(throttle_ms @ 1..) = u64::try_from(throttle_ms) {
            api.throttle.record(Duration::from_millis(throttle_ms));
        }
    }

    /// The counts of an API, if it was ever asked for here.
    pub(crate) fn api(&self, key: i16) -> Option<&ApiTally> {
        self.apis.get(usize::try_from(key).ok()?)?.get().map(Box::as_ref)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<ConnectionInfo>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a connection until the answer is dropped.
    pub(super) fn connected(self: &Arc<Self>, info: &Arc<ConnectionInfo>, listener: usize) -> Connected {
        if let Some(listener) = self.listeners.get(listener) {
            listener.opened.add(1);
        }
        self.open().insert(info.id, Arc::clone(info));
        Connected { tally: Arc::clone(self), id: info.id, listener }
    }

    /// Looks at every open connection.
    pub(crate) fn each_open(&self, mut look: impl FnMut(&ConnectionInfo)) {
        self.open().values().for_each(|info| look(info));
    }
}

/// An open connection. Dropped on its reactor, so that the count has one writer still.
#[derive(Debug)]
pub(super) struct Connected {
    tally: Arc<Tally>,
    id: u64,
    listener: usize,
}

impl Connected {
    pub(super) fn listener(&self) -> Option<&ListenerTally> {
        self.tally.listeners.get(self.listener)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.tally.open().remove(&self.id);
        if let Some(listener) = self.listener() {
            listener.closed.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(api_key: i16, api_version: i16, at: Instant) -> Begun {
        Begun { api_key, api_version, size_bytes: 10, received_at: at, local: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_counted_by_api_and_version() {
        let tally = Tally::new(1);
        let now = Instant::now();
        tally.done(&begun(18, 4, now), now + Duration::from_millis(3), 7, 0);
        let waited = Begun { local: Some(Duration::from_millis(1)), ..begun(18, 4, now) };
        tally.done(&waited, now + Duration::from_millis(3), 7, 500);
        // What no table has is counted too, or passed over.
        tally.done(&begun(18, i16::MAX, now), now, 0, 0);
        tally.done(&begun(i16::MAX, 0, now), now, 0, 0);
        tally.done(&begun(-1, -1, now), now, 0, 0);
        let api = tally.api(18).expect("asked for");
        assert_eq!((api.by_version[4].get(), api.by_version[VERSIONS - 1].get()), (2, 1));
        assert_eq!((api.request_bytes.get(), api.response_bytes.get()), (30, 14));
        let sums = [&api.at_once, &api.waited, &api.local, &api.remote, &api.throttle].map(|times| times.counts().sum_ns / 1_000_000);
        assert_eq!(sums, [3, 3, 1, 2, 500]);
        assert!(tally.api(0).is_none());
    }
}
