//! Idempotence and transactions of one partition: which batches are duplicates, out of order, fenced; what is still undecided.
//!
//! Called by the log only. `check` before a batch is written, `update` after it was (and for every batch on replay), so an error
//! always means "not written". No I/O, no clock: the log reads and writes snapshot files and passes `now` in.
//!
//! The rules are Apache Kafka's (`ProducerStateManager` of 4.3):
//!
//! | known of the producer | batch | answer |
//! |---|---|---|
//! | nothing | any sequence | accept |
//! | epoch e, last sequence s | epoch < e | `InvalidProducerEpoch` |
//! | | epoch > e, sequence 0 | accept, forget the batches of e |
//! | | epoch > e, other sequence | `SequenceOfNewEpochNotZero` |
//! | | epoch e, exactly one of the last five batches | duplicate: the original offsets |
//! | | epoch e, sequence s + 1 (0 after `i32::MAX`) | accept |
//! | | epoch e, other sequence | `OutOfOrderSequence` |
//!
//! One rule is kinder than Kafka's: state expires `producer.id.expiration.ms` after the later of the last batch's timestamp and the
//! broker's time of the last write. Kafka looks at the timestamp alone, so a producer that writes records with old timestamps
//! loses its state at every sweep.

mod entry;
mod error;
pub mod snapshot;
mod transactions;
mod verification;

pub use entry::{BATCHES_REMEMBERED, ProducerEntry, RememberedBatch};
pub use error::ProducerError;
pub use snapshot::SnapshotError;
pub use transactions::{CompletedTransaction, UnstableTransaction};
pub use verification::VerificationGuard;

use crate::batch::{BatchHeader, EndTransactionMarker, Origin};
use crate::{Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use entry::{NO_EPOCH, NO_SEQUENCE};
use foldhash::{HashMap, HashMapExt};
use transactions::Transactions;
use verification::Verifications;

/// `producer.id.expiration.ms`: one day.
pub const EXPIRATION_MS_DEFAULT: i64 = 86_400_000;
/// How many producers one partition remembers at most. Kafka has no such bound; at ours the longest idle are forgotten first.
pub const PRODUCERS_MAX_DEFAULT: usize = 100_000;
/// How much later than the longest allowed transaction an open one is called late.
const LATE_TRANSACTION_BUFFER_MS: i64 = 5 * 60 * 1000;
/// Transaction version from which a marker carries a higher epoch than the data before it (KIP-890 part 2).
const TRANSACTION_VERSION_EPOCH_BUMP: i16 = 2;

/// What to do with a batch that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerCheck {
    /// Write it.
    Accept,
    /// It is in the log already: answer with these instead of writing.
    Duplicate {
        /// Offset that its first record has.
        first_offset: Offset,
        /// Offset that its last record has.
        last_offset: Offset,
        /// Its largest timestamp, the log append time where that is used.
        timestamp: Millis,
    },
}

/// The end of a transaction, with what the request that carries it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Committed, or aborted.
    pub committed: bool,
    /// Epoch of the transaction coordinator.
    pub coordinator_epoch: i32,
    /// Transaction version of the coordinator (WriteTxnMarkers 2 and later); 0 on replay, where nothing is refused.
    pub transaction_version: i16,
}

impl From<EndTransactionMarker> for Marker {
    fn from(marker: EndTransactionMarker) -> Self {
        Self { committed: marker.committed, coordinator_epoch: marker.coordinator_epoch, transaction_version: 0 }
    }
}

/// The producers of one partition.
#[derive(Clone, Debug)]
pub struct ProducerStates {
    expiration_ms: i64,
    producers_max: usize,
    producers: HashMap<ProducerId, ProducerEntry>,
    transactions: Transactions,
    verifications: Verifications,
    end_offset: Offset,
    snapshot_offset: Offset,
}

impl ProducerStates {
    /// An empty state at offset 0; `expiration_ms` is `producer.id.expiration.ms`.
    #[must_use]
    pub fn new(expiration_ms: i64) -> Self {
        Self {
            expiration_ms,
            producers_max: PRODUCERS_MAX_DEFAULT,
            producers: HashMap::new(),
            transactions: Transactions::default(),
            verifications: Verifications::default(),
            end_offset: Offset(0),
            snapshot_offset: Offset(0),
        }
    }

    /// Changes `producer.id.expiration.ms`.
    pub fn set_expiration_ms(&mut self, expiration_ms: i64) {
        self.expiration_ms = expiration_ms;
    }

    /// Changes how many producers are remembered.
    pub fn set_producers_max(&mut self, producers_max: usize) {
        self.producers_max = producers_max.max(1);
    }

    /// Decides about a data batch before it is written. The header's base offset, if assigned already, appears in error texts.
    pub fn check(&self, now: Millis, header: &BatchHeader, origin: Origin) -> Result<ProducerCheck, ProducerError> {
        if !has_producer(header) || header.is_control() || origin == Origin::Replication {
            return Ok(ProducerCheck::Accept);
        }
        let unknown = ProducerEntry::unknown(header.producer_id());
        let entry = self.producers.get(&header.producer_id()).unwrap_or(&unknown);
        if origin == Origin::Client
            && let Some(batch) = entry.find(header.producer_epoch(), header.base_sequence(), header.last_sequence())
        {
            return Ok(ProducerCheck::Duplicate {
                first_offset: batch.first_offset(),
                last_offset: batch.last_offset,
                timestamp: batch.timestamp,
            });
        }
        check_epoch(entry, header)?;
        if origin == Origin::Client {
            self.check_sequence(now, entry, header)?;
        }
        if entry.current_txn_first_offset.is_some() && !header.is_transactional() {
            return Err(ProducerError::NotTransactional { producer_id: entry.producer_id, offset: header.base_offset() });
        }
        Ok(ProducerCheck::Accept)
    }

    /// As [`check`](Self::check), and refuses a transactional batch that neither belongs to an open transaction nor shows the
    /// guard of a verification that is still under way (`transaction.partition.verification.enable`).
    pub fn check_verified(
        &self,
        now: Millis,
        header: &BatchHeader,
        origin: Origin,
        guard: Option<VerificationGuard>,
    ) -> Result<ProducerCheck, ProducerError> {
        let checked = self.check(now, header, origin);
        if matches!(checked, Ok(ProducerCheck::Duplicate { .. })) || origin == Origin::Replication {
            return checked;
        }
        let (producer_id, epoch) = (header.producer_id(), header.producer_epoch());
        let transactional = header.is_transactional() && !header.is_control() && has_producer(header);
        let must_show_guard = transactional && !self.has_ongoing_transaction(producer_id, epoch);
        if must_show_guard {
            // A fenced producer hears that it is fenced, whatever else is wrong.
            self.check_current(producer_id, epoch)?;
            if !guard.is_some_and(|g| self.verifications.admits(producer_id, g)) {
                return Err(ProducerError::TransactionNotVerified { producer_id });
            }
        }
        checked
    }

    /// Decides about a transaction marker before it is written.
    pub fn check_marker(&self, header: &BatchHeader, marker: Marker, origin: Origin) -> Result<(), ProducerError> {
        if origin == Origin::Replication {
            return Ok(());
        }
        let unknown = ProducerEntry::unknown(header.producer_id());
        let entry = self.producers.get(&header.producer_id()).unwrap_or(&unknown);
        check_marker_epoch(entry, header, marker)?;
        if entry.coordinator_epoch > marker.coordinator_epoch {
            return Err(ProducerError::TransactionCoordinatorFenced {
                producer_id: entry.producer_id,
                offset: header.base_offset(),
                coordinator_epoch: marker.coordinator_epoch,
                current_coordinator_epoch: entry.coordinator_epoch,
            });
        }
        Ok(())
    }

    fn check_sequence(&self, now: Millis, entry: &ProducerEntry, header: &BatchHeader) -> Result<(), ProducerError> {
        let (producer_id, offset, sequence) = (header.producer_id(), header.base_offset(), header.base_sequence());
        if let Some(verification) = self.verifications.of(producer_id) {
            if verification.supports_epoch_bump && sequence.0 != 0 && entry.batches().is_empty() {
                return Err(ProducerError::FirstSequenceNotZero { producer_id, offset, sequence });
            }
            if sequence > verification.lowest_sequence {
                let lowest_sequence = verification.lowest_sequence;
                return Err(ProducerError::SequenceAheadOfVerification { producer_id, offset, sequence, lowest_sequence });
            }
        }
        if entry.producer_epoch == NO_EPOCH || self.is_expired(now, entry) {
            return Ok(());
        }
        if header.producer_epoch() != entry.producer_epoch {
            if sequence.0 == 0 {
                return Ok(());
            }
            let (epoch, current_epoch) = (header.producer_epoch(), entry.producer_epoch);
            return Err(ProducerError::SequenceOfNewEpochNotZero { producer_id, offset, epoch, sequence, current_epoch });
        }
        let last_sequence = entry.last_sequence();
        let expected = if last_sequence == NO_SEQUENCE { Sequence(0) } else { last_sequence.plus(1) };
        if sequence == expected { Ok(()) } else { Err(ProducerError::OutOfOrderSequence { producer_id, offset, sequence, last_sequence }) }
    }

    /// Takes note of a batch that is in the log, offsets assigned. For control batches `marker` says what they hold, `None` when
    /// it is no transaction marker. Returns the transaction that the marker ended.
    ///
    /// Never refuses: on replay the log is the truth, even where it breaks the rules.
    pub fn update(&mut self, now: Millis, header: &BatchHeader, marker: Option<Marker>) -> Option<CompletedTransaction> {
        self.end_offset = header.next_offset();
        if !has_producer(header) || (header.is_control() && marker.is_none()) {
            return None;
        }
        let producer_id = header.producer_id();
        if header.is_transactional() {
            self.verifications.end(producer_id, header.producer_epoch(), header.is_control());
        }
        if self.producers.len() >= self.producers_max && !self.producers.contains_key(&producer_id) {
            self.forget_longest_idle();
        }
        let entry = self.producers.entry(producer_id).or_insert_with(|| ProducerEntry::unknown(producer_id));
        entry.set_epoch(header.producer_epoch());
        entry.last_timestamp = header.max_timestamp();
        entry.written_at = now;
        if let Some(marker) = marker.filter(|_| header.is_control()) {
            entry.coordinator_epoch = marker.coordinator_epoch;
            let first_offset = entry.current_txn_first_offset.take()?;
            return Some(self.transactions.complete(producer_id, first_offset, header.base_offset(), !marker.committed));
        }
        entry.remember(RememberedBatch {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta(),
            timestamp: header.max_timestamp(),
        });
        if header.is_transactional() && entry.current_txn_first_offset.is_none() {
            entry.current_txn_first_offset = Some(header.base_offset());
            self.transactions.begin(header.base_offset(), producer_id);
        }
        None
    }

    /// Begins verification of a transactional write; `None` when the transaction is open in this partition already, so that
    /// nothing needs to be verified. A fenced producer is refused before anybody is asked.
    pub fn begin_verification(
        &mut self,
        now: Millis,
        producer_id: ProducerId,
        sequence: Sequence,
        epoch: ProducerEpoch,
        supports_epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, ProducerError> {
        self.check_current(producer_id, epoch)?;
        if self.has_ongoing_transaction(producer_id, epoch) {
            return Ok(None);
        }
        Ok(Some(self.verifications.begin(now, producer_id, sequence, epoch, supports_epoch_bump)))
    }

    /// True while the producer has a transaction of this epoch open in this partition. One of an older epoch may have been decided
    /// without this partition having heard of it yet.
    #[must_use]
    pub fn has_ongoing_transaction(&self, producer_id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.producers.get(&producer_id).is_some_and(|e| e.current_txn_first_offset.is_some() && e.producer_epoch == epoch)
    }

    fn check_current(&self, producer_id: ProducerId, epoch: ProducerEpoch) -> Result<(), ProducerError> {
        match self.producers.get(&producer_id) {
            Some(entry) if epoch < entry.producer_epoch => Err(ProducerError::InvalidProducerEpoch {
                producer_id,
                offset: self.end_offset,
                epoch,
                current_epoch: entry.producer_epoch,
                relation: "smaller than",
            }),
            _ => Ok(()),
        }
    }

    /// First offset that is undecided, or decided by a marker that is not below the high watermark yet. The last stable offset is
    /// this or, when `None`, the high watermark.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.transactions.first_unstable()
    }

    /// The transactions that hold the last stable offset back, by their first offset.
    #[must_use]
    pub fn unstable_transactions(&self) -> Vec<UnstableTransaction> {
        let describe = |(first_offset, producer_id, marker_offset)| {
            let unknown = ProducerEntry::unknown(producer_id);
            let entry = self.producers.get(&producer_id).unwrap_or(&unknown);
            let (producer_epoch, last_timestamp) = (entry.producer_epoch, entry.last_timestamp);
            UnstableTransaction { producer_id, producer_epoch, first_offset, last_timestamp, marker_offset }
        };
        self.transactions.unstable().into_iter().map(describe).collect()
    }

    /// First offset of the oldest open transaction, whatever is replicated. Compaction stops here.
    #[must_use]
    pub fn first_undecided_offset(&self) -> Option<Offset> {
        self.transactions.first_undecided().map(|(first, _)| first)
    }

    /// Markers below the high watermark decide for good.
    pub fn on_high_watermark_updated(&mut self, high_watermark: Offset) {
        self.transactions.replicated_up_to(high_watermark);
    }

    /// The log begins later now. Producers are kept: their state outlives their records.
    pub fn on_log_start_offset_incremented(&mut self, log_start_offset: Offset) {
        self.transactions.replicated_up_to(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
        self.snapshot_offset = self.snapshot_offset.max(log_start_offset);
    }

    /// Forgets producers that have been idle for `producer.id.expiration.ms` and have no open transaction. Returns how many.
    pub fn remove_expired(&mut self, now: Millis) -> usize {
        let before = self.producers.len();
        let expiration_ms = self.expiration_ms;
        self.producers.retain(|_, entry| !is_expired(now, entry, expiration_ms));
        self.verifications.remove_expired(now, expiration_ms);
        before - self.producers.len()
    }

    /// The clock was set by so much, and that time did not pass: nobody was silent for it.
    pub fn note_clock_set(&mut self, by_ms: i64) {
        for entry in self.producers.values_mut() {
            entry.written_at = Millis(last_activity(entry).0.saturating_add(by_ms));
        }
    }

    /// Makes room at the bound: a tenth of the producers at once, so that the search is rare. Those with an open transaction
    /// stay; the coordinator ends them sooner or later.
    fn forget_longest_idle(&mut self) {
        let idleness = |e: &ProducerEntry| (e.written_at, e.last_timestamp, e.producer_id);
        let without_transaction = self.producers.values().filter(|e| e.current_txn_first_offset.is_none());
        let mut idle: Vec<_> = without_transaction.map(idleness).collect();
        if idle.is_empty() {
            return;
        }
        let last_doomed = (self.producers_max / 10).min(idle.len() - 1);
        let bound = *idle.select_nth_unstable(last_doomed).1;
        self.producers.retain(|_, entry| entry.current_txn_first_offset.is_some() || idleness(entry) > bound);
        tracing::warn!(forgotten = last_doomed + 1, max = self.producers_max, "too many producers in one partition");
    }

    fn is_expired(&self, now: Millis, entry: &ProducerEntry) -> bool {
        is_expired(now, entry, self.expiration_ms)
    }

    /// Starts over, empty, at `offset`.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) {
        self.producers.clear();
        self.transactions.clear();
        self.end_offset = offset;
        self.snapshot_offset = Offset(0);
    }

    /// Starts over from a snapshot that was taken at `snapshot_offset`; the caller then replays the log from there. Expired
    /// producers are left out.
    pub fn load(&mut self, snapshot_offset: Offset, entries: impl IntoIterator<Item = ProducerEntry>, now: Millis) {
        self.producers.clear();
        self.transactions.clear();
        for entry in entries {
            if self.is_expired(now, &entry) {
                continue;
            }
            if let Some(first_offset) = entry.current_txn_first_offset {
                self.transactions.begin(first_offset, entry.producer_id);
            }
            self.producers.insert(entry.producer_id, entry);
        }
        self.end_offset = snapshot_offset;
        self.snapshot_offset = snapshot_offset;
    }

    /// The bytes of a snapshot at [`end_offset`](Self::end_offset), producers in order of their ids.
    #[must_use]
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let mut entries: Vec<_> = self.producers.values().collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        snapshot::encode(entries)
    }

    /// The offset after the last batch taken note of: what a snapshot taken now is named after.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// Moves the end offset without a batch, for a log whose tail holds none of this state.
    pub fn set_end_offset(&mut self, offset: Offset) {
        self.end_offset = offset;
    }

    /// Where the newest snapshot stands.
    #[must_use]
    pub fn snapshot_offset(&self) -> Offset {
        self.snapshot_offset
    }

    /// True when a snapshot taken now would be newer than the newest.
    #[must_use]
    pub fn snapshot_is_due(&self) -> bool {
        self.end_offset > self.snapshot_offset
    }

    /// Notes that a snapshot at `offset` is on disk.
    pub fn on_snapshot_written(&mut self, offset: Offset) {
        self.snapshot_offset = offset;
    }

    /// The producers in no particular order, for DescribeProducers and the cleaner.
    pub fn producers(&self) -> impl Iterator<Item = &ProducerEntry> {
        self.producers.values()
    }

    /// What is known of one producer.
    #[must_use]
    pub fn producer(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// How many producers are remembered.
    #[must_use]
    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// True when nothing is remembered and no ended transaction waits for replication.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.first_unstable_offset().is_none()
    }

    /// True when the oldest open transaction has been silent for longer than any transaction may last, plus five minutes:
    /// probably left hanging (metric `PartitionsWithLateTransactionsCount`).
    #[must_use]
    pub fn has_late_transaction(&self, now: Millis, transaction_timeout_ms_max: i64) -> bool {
        let oldest = self.transactions.first_undecided().and_then(|(_, producer_id)| self.producers.get(&producer_id));
        let allowed_ms = transaction_timeout_ms_max.saturating_add(LATE_TRANSACTION_BUFFER_MS);
        oldest.is_some_and(|e| e.last_timestamp.0 > 0 && now.0.saturating_sub(e.last_timestamp.0) > allowed_ms)
    }
}

fn has_producer(header: &BatchHeader) -> bool {
    header.producer_id().0 >= 0
}

fn last_activity(entry: &ProducerEntry) -> Millis {
    entry.last_timestamp.max(entry.written_at)
}

fn is_expired(now: Millis, entry: &ProducerEntry, expiration_ms: i64) -> bool {
    entry.current_txn_first_offset.is_none() && now.0.saturating_sub(last_activity(entry).0) >= expiration_ms
}

fn check_epoch(entry: &ProducerEntry, header: &BatchHeader) -> Result<(), ProducerError> {
    if header.producer_epoch() < entry.producer_epoch { Err(fenced(entry, header, "smaller than")) } else { Ok(()) }
}

fn check_marker_epoch(entry: &ProducerEntry, header: &BatchHeader, marker: Marker) -> Result<(), ProducerError> {
    let (epoch, current) = (header.producer_epoch(), entry.producer_epoch);
    if marker.transaction_version < TRANSACTION_VERSION_EPOCH_BUMP {
        return check_epoch(entry, header);
    }
    // The same marker sent again after the transaction has ended, or an epoch that cannot be raised any further.
    let repeated = epoch == current && (entry.current_txn_first_offset.is_none() || epoch.0 == i16::MAX);
    if epoch > current || repeated { Ok(()) } else { Err(fenced(entry, header, "not larger than")) }
}

fn fenced(entry: &ProducerEntry, header: &BatchHeader, relation: &'static str) -> ProducerError {
    ProducerError::InvalidProducerEpoch {
        producer_id: entry.producer_id,
        offset: header.base_offset(),
        epoch: header.producer_epoch(),
        current_epoch: entry.producer_epoch,
        relation,
    }
}
