//! One topic-partition as the broker sees it: the log, this broker's role, the high watermark, and who waits.
//!
//! `api` calls it for Produce, Fetch, ListOffsets; `registry` creates it and changes its role; `flusher` carries out syncs. A partition
//! sits behind one short lock that is never held across an await or a sync. Lock order: a partition's lock is innermost, and nobody
//! holds two.

mod deleter;
pub mod flusher;
mod high_watermark;
mod life;
pub mod registry;
mod role;
#[cfg(test)]
mod tests;
mod traffic;
mod waiters;

pub use life::{Cleaning, DeleteBefore};
pub use role::Role;
pub(crate) use traffic::{Figures, Traffic};
pub use waiters::{Waiter, WakeAt};

use crate::errors::PartitionError;
use ottla_storage::log::{
    AbortedTransaction, AppendInfo, AppendOrigin, FlushPlan, FoundOffset, ListOffset, LogConfig, PartitionLog, ReadPlan, TransactionCheck,
};
use ottla_storage::producer::{ProducerEntry, UnstableTransaction, VerificationGuard};
use ottla_storage::{LeaderEpoch, LogId, Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use waiters::Waiters;

/// What a partition obeys of its topic's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionConfig {
    /// The log's part.
    pub log: Arc<LogConfig>,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
}

/// One topic-partition on this broker.
#[derive(Debug)]
pub struct Partition {
    id: LogId,
    /// Which data directory its log lies in.
    place: Place,
    state: Mutex<State>,
    fetched: traffic::Fetched,
    /// Told when no job runs any more.
    jobs_ended: Condvar,
    /// The log is given away as soon as its jobs have ended.
    leaving: AtomicBool,
}

/// A data directory, as far as a partition cares.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its number: what is flushed in one directory does not wait for another.
    pub index: usize,
    /// Clients' records are not taken while this is set.
    pub full: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    log: Option<PartitionLog>,
    role: Role,
    config: PartitionConfig,
    waiters: Waiters,
    /// Counts every move of an offset or of the role, so that a parking request can tell that it missed one.
    changes: u64,
    /// Log start offset, last stable offset, high watermark as of the last change.
    shown: [Offset; 3],
    flush_due: bool,
    flush_queued: bool,
    /// One at a time: two of them would write the same small files.
    flush_running: bool,
    /// Somebody wanted one while another was running.
    flush_again: bool,
    /// Whoever works on the log's files by name and without the lock: flushes, retention, removals, the cleaner.
    jobs_running: u32,
    /// The cleaner is at it, and wants the segments to stay.
    cleaning: bool,
    /// When the oldest record came in that no flush covers yet, for `flush.ms`.
    unflushed_since_ms: Option<i64>,
    /// The half of its traffic that is counted under this lock.
    appended: Traffic,
}

/// An append that was done; it may not be acknowledged before `wait` holds.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// What the log did.
    pub info: AppendInfo,
    /// What acks=all waits for; `None` when it holds already.
    pub commit: Option<WakeAt>,
    /// What acks=1 waits for: a flush that is due before the answer.
    pub flush: Option<WakeAt>,
}

/// How a reader reads.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// First offset wanted.
    pub from: Offset,
    /// Leader epoch the reader knows, -1 for unknown.
    pub current_leader_epoch: i32,
    /// Epoch of the reader's last record, -1 for unknown (KIP-595).
    pub last_fetched_epoch: i32,
    /// Only up to the last stable offset, with the aborted transactions.
    pub read_committed: bool,
    /// Bytes at most.
    pub max_bytes: u64,
    /// Give one whole batch even when it is larger.
    pub at_least_one_batch: bool,
}

/// What a read found.
#[derive(Debug)]
pub struct ReadAnswer {
    /// High watermark.
    pub high_watermark: Offset,
    /// Last stable offset.
    pub last_stable_offset: Offset,
    /// Log start offset.
    pub log_start_offset: Offset,
    /// Where the bytes are.
    pub plan: ReadPlan,
    /// With read_committed: aborted transactions that overlap what is read, by first offset.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// The reader's log diverges: its last epoch ends here (KIP-595).
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// To be handed to [`Partition::park`].
    pub changes: u64,
}

/// A partition's log as a directory listing tells it.
#[derive(Clone, Debug)]
pub struct LogOnDisk {
    /// The data directory.
    pub root: PathBuf,
    /// Bytes in all segments.
    pub size_bytes: u64,
    /// How far its end lies behind: a copy behind the log it copies, a log behind its high watermark.
    pub offset_lag: i64,
    /// A copy in the making.
    pub is_future: bool,
}

/// The offsets a response carries beside an error or an answer.
#[derive(Clone, Copy, Debug)]
pub struct Offsets {
    /// Log start offset.
    pub log_start_offset: Offset,
    /// High watermark.
    pub high_watermark: Offset,
    /// Last stable offset.
    pub last_stable_offset: Offset,
    /// Log end offset.
    pub log_end_offset: Offset,
}

impl Partition {
    /// A partition over an opened log; serves nothing until it has a role.
    #[must_use]
    pub fn new(id: LogId, log: PartitionLog, config: PartitionConfig) -> Self {
        Self::build(id, Some(log), Role::Follower { leader: -1, leader_epoch: LeaderEpoch(-1) }, config)
    }

    /// Says where the log lies.
    #[must_use]
    pub fn in_dir(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The number of the data directory.
    #[must_use]
    pub fn dir_index(&self) -> usize {
        self.place.index
    }

    /// A partition whose log could not be opened.
    #[must_use]
    pub fn offline(id: LogId, config: PartitionConfig, reason: String) -> Self {
        Self::build(id, None, Role::Offline { reason }, config)
    }

    fn build(id: LogId, log: Option<PartitionLog>, role: Role, config: PartitionConfig) -> Self {
        let state = State {
            log,
            role,
            config,
            waiters: Waiters::default(),
            changes: 0,
            shown: [Offset(0); 3],
            flush_due: false,
            flush_queued: false,
            flush_running: false,
            flush_again: false,
            jobs_running: 0,
            cleaning: false,
            unflushed_since_ms: None,
            appended: Traffic::default(),
        };
        Self {
            id,
            place: Place::default(),
            state: Mutex::new(state),
            fetched: traffic::Fetched::default(),
            jobs_ended: Condvar::new(),
            leaving: AtomicBool::new(false),
        }
    }

    /// Which partition this is.
    #[must_use]
    pub fn id(&self) -> &LogId {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            // Somebody stopped half way through a change: what the log believes of itself is no longer known to be so.
            let mut state = poisoned.into_inner();
            self.state.clear_poison();
            state.fail("a request failed in the middle of a change; the log is read back when the broker restarts");
            state
        })
    }

    /// Takes the partition offline: its data directory has failed.
    pub fn fail(&self, reason: &str) {
        self.lock().fail(reason);
    }

    /// True while there is no log to serve, because it could not be opened or created.
    #[must_use]
    pub fn is_unopened(&self) -> bool {
        let state = self.lock();
        state.log.is_none() && matches!(state.role, Role::Offline { .. })
    }

    /// Takes a role from a metadata record. A new leader epoch is noted in the log's epoch cache before anything is appended under it; a
    /// damaged log takes no notes and no records, but what lies before the damage is still served.
    pub fn set_role(&self, role: Role) {
        let mut state = self.lock();
        if state.role == role {
            return;
        }
        let unusable = match (&mut state.log, &role) {
            (Some(log), Role::Leader { leader_epoch, .. }) => {
                log.assign_leader_epoch(*leader_epoch).err().filter(|_| log.is_offline()).map(|error| error.to_string())
            }
            (None, _) => return,
            // What failed stays so, whoever leads.
            (Some(log), _) => log.is_offline().then(|| "the log is offline".to_owned()),
        };
        state.role = match unusable {
            None => role,
            Some(reason) => Role::Offline { reason },
        };
        state.advance();
        state.changes += 1;
        state.waiters.wake_all();
    }

    /// Follows a change of the topic's configuration.
    pub fn reconfigure(&self, config: PartitionConfig) {
        let mut state = self.lock();
        if let Some(log) = &mut state.log {
            log.reconfigure(Arc::clone(&config.log));
        }
        state.config = config;
    }

    /// Wakes every parked request, to look again at whether it should wait.
    pub fn wake_all(&self) {
        self.lock().waiters.wake_all();
    }

    /// Takes the log away: the partition is deleted or the broker stops. Parked requests are told to look for the leader again.
    pub fn retire(&self) -> Option<PartitionLog> {
        self.leaving.store(true, Ordering::SeqCst);
        let mut state = self.lock();
        state.role = Role::Follower { leader: -1, leader_epoch: LeaderEpoch(-1) };
        state.changes += 1;
        state.waiters.wake_all();
        let log = state.log.take();
        // A job reaches into the log's directory by name, and that name may soon be another log's.
        drop(self.jobs_ended.wait_while(state, |state| state.jobs_running > 0).unwrap_or_else(PoisonError::into_inner));
        log
    }

    /// This broker's role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.lock().role.clone()
    }

    /// Appends as leader. The write is done when this returns; whether it may be acknowledged is in the answer.
    pub fn append(
        self: &Arc<Self>,
        flusher: &flusher::Flusher,
        now_ms: i64,
        records: &[u8],
        origin: AppendOrigin,
        needs_all: bool,
    ) -> Result<Appended, PartitionError> {
        // Nothing vouches for a transactional batch of a client here: the transaction must be open in this partition already.
        let check = if origin == AppendOrigin::Client { TransactionCheck::Verified(None) } else { TransactionCheck::Unchecked };
        self.append_checked(flusher, now_ms, records, origin, needs_all, check)
    }

    /// As [`append`](Self::append), with what the transaction protocol wants checked.
    pub fn append_checked(
        self: &Arc<Self>,
        flusher: &flusher::Flusher,
        now_ms: i64,
        records: &[u8],
        origin: AppendOrigin,
        needs_all: bool,
        check: TransactionCheck,
    ) -> Result<Appended, PartitionError> {
        if origin == AppendOrigin::Client && self.place.full.load(Ordering::Relaxed) {
            return Err(PartitionError::DiskFull);
        }
        let mut state = self.lock();
        let state = &mut *state;
        state.appended.produce_requests += 1;
        let (leader_epoch, isr, replicas) = match &state.role {
            Role::Leader { leader_epoch, isr, replicas } => (*leader_epoch, isr.len(), *replicas),
            Role::Follower { .. } => return Err(PartitionError::NotLeader),
            Role::Offline { reason } => return Err(PartitionError::Offline(reason.clone())),
        };
        // More than there are replicas cannot be asked for.
        let min_insync_replicas = state.config.min_insync_replicas.min(replicas);
        if needs_all && isr < min_insync_replicas {
            return Err(PartitionError::NotEnoughReplicas { isr, min_insync_replicas });
        }
        let log = state.log.as_mut().ok_or_else(|| PartitionError::Offline("the log is closed".to_owned()))?;
        let appended = log.append_as_leader_checked(Millis(now_ms), records, leader_epoch, origin, check);
        let info = match appended {
            Ok(info) => info,
            Err(error) => {
                state.appended.failed_produce_requests += 1;
                if log.is_offline() {
                    state.fail(&error.to_string());
                }
                return Err(error.into());
            }
        };
        let end = info.last_offset.plus(1);
        if !info.duplicate {
            state.appended.messages_in += u64::try_from(info.last_offset.0 - info.first_offset.0 + 1).unwrap_or(0);
            state.appended.bytes_in += info.size_bytes;
            state.flush_due |= log.unflushed_messages() >= state.config.log.flush_messages;
            state.unflushed_since_ms.get_or_insert(now_ms);
        }
        let flush = (state.flush_due && log.recovery_point() < end).then_some(WakeAt::Flushed(end));
        if flush.is_some() && !std::mem::replace(&mut state.flush_queued, true) {
            flusher.submit(Arc::clone(self));
        }
        state.advance();
        let reached = state.log.as_ref().is_some_and(|log| log.high_watermark() >= end);
        Ok(Appended { info, commit: (!reached).then_some(WakeAt::HighWatermark(end)), flush })
    }

    /// Begins to verify that a producer's transaction is open, before something is written in it; `None` when it is open in this
    /// partition already. The guard is shown again with the append (KIP-890).
    pub fn begin_verification(
        &self,
        now_ms: i64,
        producer: (ProducerId, ProducerEpoch),
        sequence: Sequence,
        supports_epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, PartitionError> {
        let mut state = self.lock();
        state.leader_log(-1)?;
        let log = state.log.as_mut().ok_or(PartitionError::NotLeader)?;
        Ok(log.begin_verification(Millis(now_ms), producer, sequence, supports_epoch_bump)?)
    }

    /// What is known of the partition's producers, by their ids. A follower knows it too.
    pub fn producers(&self) -> Result<Vec<ProducerEntry>, PartitionError> {
        let state = self.lock();
        if let Role::Offline { reason } = &state.role {
            return Err(PartitionError::Offline(reason.clone()));
        }
        let log = state.log.as_ref().ok_or(PartitionError::NotLeader)?;
        let mut producers: Vec<_> = log.producers().producers().copied().collect();
        producers.sort_unstable_by_key(|producer| producer.producer_id);
        Ok(producers)
    }

    /// The transactions that hold the last stable offset back, by first offset, when this broker leads the partition.
    #[must_use]
    pub fn unstable_transactions(&self) -> Vec<UnstableTransaction> {
        self.lock().leader_log(-1).map(|log| log.producers().unstable_transactions()).unwrap_or_default()
    }

    /// True when the oldest open transaction has been silent for longer than any may last, and this broker leads the partition.
    #[must_use]
    pub fn has_late_transaction(&self, now_ms: i64, transaction_timeout_ms_max: i64) -> bool {
        let state = self.lock();
        state.leader_log(-1).is_ok_and(|log| log.producers().has_late_transaction(Millis(now_ms), transaction_timeout_ms_max))
    }

    /// Plans a read as leader.
    pub fn read(&self, request: ReadRequest) -> Result<ReadAnswer, PartitionError> {
        let state = self.lock();
        let log = state.leader_log(request.current_leader_epoch)?;
        let offsets = offsets_of(log);
        let mut answer = ReadAnswer {
            high_watermark: offsets.high_watermark,
            last_stable_offset: offsets.last_stable_offset,
            log_start_offset: offsets.log_start_offset,
            plan: ReadPlan { first_offset: request.from, next_offset: request.from, ..ReadPlan::default() },
            aborted: request.read_committed.then(Vec::new),
            diverging: None,
            changes: state.changes,
        };
        if request.last_fetched_epoch >= 0 {
            let (epoch, end) = log
                .end_offset_for_epoch(LeaderEpoch(request.last_fetched_epoch))
                .ok_or(PartitionError::OffsetOutOfRange { log_start_offset: offsets.log_start_offset })?;
            if epoch.0 < request.last_fetched_epoch || end < request.from {
                answer.diverging = Some((epoch, end));
                return Ok(answer);
            }
        }
        let up_to = if request.read_committed { offsets.last_stable_offset } else { offsets.high_watermark };
        answer.plan = log.read(request.from, up_to, request.max_bytes, request.at_least_one_batch)?;
        if let Some(aborted) = &mut answer.aborted
            && answer.plan.size_bytes > 0
        {
            *aborted = log.aborted_transactions(answer.plan.first_offset, answer.plan.next_offset)?;
        }
        Ok(answer)
    }

    /// Finds an offset for ListOffsets, below the last stable offset or the high watermark.
    pub fn list_offset(
        &self,
        current_leader_epoch: i32,
        by: ListOffset,
        read_committed: bool,
    ) -> Result<Option<FoundOffset>, PartitionError> {
        let state = self.lock();
        let log = state.leader_log(current_leader_epoch)?;
        let up_to = if read_committed { log.last_stable_offset() } else { log.high_watermark() };
        Ok(log.list_offset(by, up_to)?)
    }

    /// Where a leader epoch ends, as OffsetForLeaderEpoch answers it.
    pub fn end_offset_for_epoch(
        &self,
        current_leader_epoch: i32,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, PartitionError> {
        let state = self.lock();
        Ok(state.leader_log(current_leader_epoch)?.end_offset_for_epoch(epoch))
    }

    /// The offsets, whatever the role; `None` when the log is closed.
    #[must_use]
    pub fn offsets(&self) -> Option<Offsets> {
        self.lock().log.as_ref().map(offsets_of)
    }

    /// The offsets, when this broker leads the partition.
    #[must_use]
    pub fn offsets_as_leader(&self) -> Option<Offsets> {
        self.lock().leader_log(-1).ok().map(offsets_of)
    }

    /// What lies on disk of this partition, and where; nothing while it is offline.
    #[must_use]
    pub fn logs_on_disk(&self) -> Vec<LogOnDisk> {
        let state = self.lock();
        let Some(log) = state.log.as_ref().filter(|log| !log.is_offline()) else { return Vec::new() };
        let root = log.dir().parent().unwrap_or(Path::new("")).to_owned();
        // The end is never below the high watermark.
        vec![LogOnDisk { root, size_bytes: log.size_bytes(), offset_lag: 0, is_future: false }]
    }

    /// Runs `f` on the log, for the background and for shutdown. Readers that wait are woken when it moved what they see.
    pub fn with_log<T>(&self, f: impl FnOnce(&mut PartitionLog) -> T) -> Option<T> {
        let mut state = self.lock();
        let result = state.log.as_mut().map(f);
        state.follow_log();
        state.advance();
        result
    }

    /// Parks a request. False: what it waits for holds already, or (with `AnyChange`) something moved since `changes` was read.
    #[must_use]
    pub fn park(&self, waiter: &Arc<Waiter>, at: WakeAt, changes: u64) -> bool {
        let mut state = self.lock();
        let holds = match (&state.log, at) {
            (None, _) => true,
            (Some(_), WakeAt::AnyChange) => state.changes != changes,
            (Some(log), WakeAt::HighWatermark(offset)) => log.high_watermark() >= offset,
            (Some(log), WakeAt::Flushed(offset)) => log.recovery_point() >= offset,
        };
        if !holds {
            state.waiters.park(waiter, at);
        }
        !holds
    }

    /// True when what was waited for holds; an error when it never will.
    pub fn reached(&self, at: WakeAt) -> Result<bool, PartitionError> {
        let state = self.lock();
        let log = state.leader_log(-1)?;
        Ok(match at {
            WakeAt::AnyChange => true,
            WakeAt::HighWatermark(offset) => log.high_watermark() >= offset,
            WakeAt::Flushed(offset) => log.recovery_point() >= offset,
        })
    }

    /// Removes a parked request.
    pub fn leave(&self, waiter: &Arc<Waiter>) {
        self.lock().waiters.leave(waiter);
    }

    /// Queues a flush when unflushed records are older than `flush.ms`.
    pub fn flush_if_old(self: &Arc<Self>, flusher: &flusher::Flusher, now_ms: i64) {
        let mut state = self.lock();
        let flush_ms = state.config.log.flush_ms;
        let old = state.unflushed_since_ms.as_mut().is_some_and(|since| {
            // A clock that jumped back must not put the flush off.
            *since = now_ms.min(*since);
            now_ms.saturating_sub(*since) >= flush_ms
        });
        if old && !std::mem::replace(&mut state.flush_queued, true) {
            flusher.submit(Arc::clone(self));
        }
    }

    /// What a flush has to sync; run it without any lock. `None` while another runs: what came in meanwhile is queued when that is done.
    #[must_use]
    pub fn prepare_flush(&self) -> Option<FlushPlan> {
        let mut state = self.lock();
        state.flush_queued = false;
        if state.flush_running {
            state.flush_again = true;
            return None;
        }
        let plan = state.log.as_ref().map(PartitionLog::prepare_flush)?;
        state.flush_running = true;
        state.jobs_running += 1;
        state.unflushed_since_ms = None;
        Some(plan)
    }

    /// Takes note of a finished flush; what came in meanwhile and is due is queued again.
    pub fn complete_flush(self: &Arc<Self>, flusher: &flusher::Flusher, plan: FlushPlan, outcome: Result<(), ottla_storage::StorageError>) {
        let mut state = self.lock();
        let state = &mut *state;
        state.jobs_running -= 1;
        state.flush_running = false;
        let again = std::mem::take(&mut state.flush_again);
        if state.jobs_running == 0 {
            self.jobs_ended.notify_all();
        }
        let Some(log) = &mut state.log else { return };
        if let Err(error) = outcome {
            // A failed sync is final: the kernel may have dropped the pages (RELIABILITY.md 0.3).
            let reason = error.to_string();
            tracing::error!(log = %self.id, %reason, "flush failed, the partition is offline until the broker restarts");
            state.fail(&reason);
            return;
        }
        let up_to = plan.up_to();
        log.complete_flush(plan);
        if log.is_offline() {
            // Nothing more can be flushed, and nobody need wait for it.
            return state.fail("the log is offline");
        }
        // A plan that a truncation overtook has covered nothing.
        let overtaken = log.recovery_point() < up_to.min(log.log_end_offset());
        state.flush_due = log.unflushed_messages() >= state.config.log.flush_messages;
        if (state.flush_due || overtaken || again) && !std::mem::replace(&mut state.flush_queued, true) {
            flusher.submit(Arc::clone(self));
        }
        state.advance();
    }
}

impl State {
    fn leader_log(&self, current_leader_epoch: i32) -> Result<&PartitionLog, PartitionError> {
        match &self.role {
            Role::Leader { leader_epoch, .. } => {
                if current_leader_epoch >= 0 && current_leader_epoch != leader_epoch.0 {
                    let known = leader_epoch.0;
                    return Err(if current_leader_epoch < known {
                        PartitionError::FencedLeaderEpoch
                    } else {
                        PartitionError::UnknownLeaderEpoch
                    });
                }
            }
            Role::Follower { .. } => return Err(PartitionError::NotLeader),
            Role::Offline { reason } => return Err(PartitionError::Offline(reason.clone())),
        }
        self.log.as_ref().ok_or(PartitionError::NotLeader)
    }

    /// Serves nothing any more until the broker restarts.
    fn fail(&mut self, reason: &str) {
        if let Some(log) = &mut self.log {
            log.fail(reason);
            self.role = Role::Offline { reason: reason.to_owned() };
        }
        self.changes += 1;
        self.waiters.wake_all();
    }

    /// A log that went offline takes its partition with it.
    fn follow_log(&mut self) {
        let is_offline = self.log.as_ref().is_some_and(PartitionLog::is_offline);
        if is_offline && !matches!(self.role, Role::Offline { .. }) {
            self.fail("the log is offline");
        }
    }

    /// Moves the high watermark as far as it may and wakes whoever waited for that.
    fn advance(&mut self) {
        let Some(log) = &mut self.log else { return };
        let own = high_watermark::Own { log_end_offset: log.log_end_offset(), flushed: log.recovery_point(), flush_due: self.flush_due };
        if matches!(self.role, Role::Leader { .. }) {
            log.set_high_watermark(high_watermark::decide(log.high_watermark(), own, []));
        }
        let shown = [log.log_start_offset(), log.last_stable_offset(), log.high_watermark()];
        let moved = std::mem::replace(&mut self.shown, shown) != shown;
        self.changes += u64::from(moved);
        self.waiters.wake(moved, log.high_watermark(), log.recovery_point());
    }
}

fn offsets_of(log: &PartitionLog) -> Offsets {
    Offsets {
        log_start_offset: log.log_start_offset(),
        high_watermark: log.high_watermark(),
        last_stable_offset: log.last_stable_offset(),
        log_end_offset: log.log_end_offset(),
    }
}
