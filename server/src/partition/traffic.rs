//! What a partition has done, counted where it is done, and the figures that metrics tell of it.

use super::{Offsets, Partition, Role, offsets_of};
use ottla_storage::{Millis, Offset};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the partition was opened; Kafka's BrokerTopicMetrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Records appended.
    pub(crate) messages_in: u64,
    /// Bytes appended.
    pub(crate) bytes_in: u64,
    /// Bytes that answers to Fetch carried.
    pub(crate) bytes_out: u64,
    /// Appends that were tried.
    pub(crate) produce_requests: u64,
    /// Appends that failed.
    pub(crate) failed_produce_requests: u64,
    /// Reads that were answered.
    pub(crate) fetch_requests: u64,
    /// Reads that were answered with an error.
    pub(crate) failed_fetch_requests: u64,
}

impl Traffic {
    /// Adds what another one did.
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages_in += other.messages_in;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.produce_requests += other.produce_requests;
        self.failed_produce_requests += other.failed_produce_requests;
        self.fetch_requests += other.fetch_requests;
        self.failed_fetch_requests += other.failed_fetch_requests;
    }
}

/// The half that is not counted under the lock: a Fetch knows what it sends only after it has let go of it. Readers of one partition on two
/// cores share these as they share its lock.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    requests: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
}

/// What metrics tell of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// All zero when there is no log.
    pub(crate) offsets: Offsets,
    pub(crate) size_bytes: u64,
    pub(crate) segments: usize,
    pub(crate) producers: usize,
    pub(crate) leads: bool,
    pub(crate) offline: bool,
    pub(crate) min_insync_replicas: usize,
    /// A transaction is open for longer than any may last.
    pub(crate) late_transaction: bool,
    pub(crate) traffic: Traffic,
}

impl Figures {
    /// The log can be read.
    pub(crate) fn usable(&self) -> bool {
        !self.offline
    }
}

impl Partition {
    /// Counts an answer to Fetch.
    pub(crate) fn count_fetch(&self, bytes: u64, failed: bool) {
        self.fetched.requests.fetch_add(1, Ordering::Relaxed);
        if bytes > 0 {
            self.fetched.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        if failed {
            self.fetched.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What it did.
    pub(crate) fn traffic(&self) -> Traffic {
        self.all_traffic(&self.lock().appended)
    }

    fn all_traffic(&self, appended: &Traffic) -> Traffic {
        Traffic {
            fetch_requests: self.fetched.requests.load(Ordering::Relaxed),
            failed_fetch_requests: self.fetched.failed.load(Ordering::Relaxed),
            bytes_out: self.fetched.bytes.load(Ordering::Relaxed),
            ..*appended
        }
    }

    /// The figures as they are now.
    pub(crate) fn figures(&self, now_ms: i64, transaction_timeout_ms_max: i64) -> Figures {
        let nowhere =
            Offsets { log_start_offset: Offset(0), high_watermark: Offset(0), last_stable_offset: Offset(0), log_end_offset: Offset(0) };
        let state = self.lock();
        let log = state.log.as_ref();
        Figures {
            offsets: log.map_or(nowhere, offsets_of),
            size_bytes: log.map_or(0, |log| log.size_bytes()),
            segments: log.map_or(0, |log| log.segment_count()),
            producers: log.map_or(0, |log| log.producers().producer_count()),
            leads: matches!(state.role, Role::Leader { .. }),
            offline: matches!(state.role, Role::Offline { .. }),
            min_insync_replicas: state.config.min_insync_replicas,
            late_transaction: log.is_some_and(|log| log.producers().has_late_transaction(Millis(now_ms), transaction_timeout_ms_max)),
            traffic: self.all_traffic(&state.appended),
        }
    }
}
