//! One turn of a shard: a handler runs under the lock, what it decided is appended and replayed, replies are released.

use super::{Cell, CellState, Commit, CoordinatorShard, EffectsOf, Errand, Gated, Inner, NO_SEQUENCE, Phase, WrittenBy, coordinator_error};
use crate::errors::PartitionError;
use crate::partition::{Waiter, WakeAt};
use kafka_protocol::ResponseError;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::MetadataDelta;
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::timers::Millis;
use ottla_storage::batch::BatchBuilder;
use ottla_storage::log::{AppendOrigin, TransactionCheck};
use ottla_storage::{ProducerEpoch, ProducerId};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The first pause before a shard is loaded again that could not be written since it was; it doubles up to the second.
const RELOAD_AFTER: Duration = Duration::from_millis(5);
const RELOAD_AFTER_MAX: Duration = Duration::from_secs(1);

impl<S: CoordinatorShard> Inner<S> {
    pub(super) fn now(&self) -> Millis {
        Millis(self.clock.now_ms())
    }

    /// The lock; a handler that panicked under it left a shard that nobody may believe.
    pub(super) fn lock<'a>(&self, cell: &'a Arc<Cell<S>>) -> MutexGuard<'a, CellState<S>> {
        cell.state.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            let mut state = poisoned.into_inner();
            cell.state.clear_poison();
            tracing::error!("a handler of {}-{} panicked; the shard is loaded again", S::TOPIC, cell.index);
            self.reload(cell, &mut state, ResponseError::CoordinatorLoadInProgress);
            state
        })
    }

    /// Runs a handler; the receiver gets its reply, maybe much later.
    pub(super) fn submit(
        &self,
        cell: &Arc<Cell<S>>,
        by: Option<WrittenBy>,
        handler: impl FnOnce(&mut S, Millis, Ticket) -> EffectsOf<S>,
    ) -> Result<oneshot::Receiver<Gated<S>>, ResponseError> {
        let mut guard = self.lock(cell);
        let state = &mut *guard;
        let Phase::Active(shard) = &mut state.phase else { return Err(state.phase.refusal()) };
        let ticket = Ticket(state.next_ticket);
        state.next_ticket += 1;
        let (sender, receiver) = oneshot::channel();
        state.parked.insert(ticket, sender);
        let now = self.now();
        let effects = handler(shard, now, ticket);
        self.carry_out(cell, state, now, effects, by);
        self.release(guard);
        Ok(receiver)
    }

    /// Lets go of the lock and delivers what was asked for under it.
    pub(super) fn release(&self, mut state: MutexGuard<'_, CellState<S>>) {
        let errands = std::mem::take(&mut state.outbox);
        drop(state);
        if let Some(courier) = &self.courier {
            errands.into_iter().for_each(|errand| courier.deliver(errand));
        }
    }

    /// Appends, replays, releases replies, arms the timer. The one place that does.
    pub(super) fn carry_out(
        &self,
        cell: &Arc<Cell<S>>,
        state: &mut CellState<S>,
        now: Millis,
        effects: EffectsOf<S>,
        by: Option<WrittenBy>,
    ) {
        if !effects.records.is_empty() {
            match self.append(cell, now, &effects.records, by) {
                Ok(commit) => {
                    state.uncommitted = commit;
                    state.failures = 0;
                    if let Phase::Active(shard) = &mut state.phase {
                        effects.records.iter().for_each(|record| match by {
                            Some(by) => shard.replay_transactional(by.producer_id, record),
                            None => shard.replay(record),
                        });
                    }
                }
                // The log refused a producer: a transaction's own fault, and nothing of the shard is in doubt.
                Err(PartitionError::Append(refused)) if by.is_some() => {
                    let error = coordinator_error(PartitionError::Append(refused).response_error());
                    for (ticket, _) in effects.replies {
                        if let Some(sender) = state.parked.remove(&ticket) {
                            let _ = sender.send(Err(error));
                        }
                    }
                    return;
                }
                Err(error) => return self.distrust(cell, state, &error),
            }
        }
        if state.uncommitted.is_some_and(|at| matches!(cell.partition.reached(at), Ok(true))) {
            state.uncommitted = None;
        }
        debug_assert!(effects.commands.is_empty() || self.courier.is_some(), "somebody carries out what shards ask for");
        let after = state.uncommitted.map(|at| Commit { partition: Arc::clone(&cell.partition), at });
        let place = usize::try_from(cell.index).unwrap_or_default();
        let leader_epoch = cell.leader_epoch;
        state.outbox.extend(effects.commands.into_iter().map(|command| Errand { place, leader_epoch, command, after: after.clone() }));
        for (ticket, reply) in effects.replies {
            if let Some(sender) = state.parked.remove(&ticket) {
                // The client may be gone; what was decided stands all the same.
                let _ = sender.send(Ok((reply, state.uncommitted)));
            }
        }
        if let Phase::Active(shard) = &state.phase
            && let Some(deadline) = shard.next_deadline()
        {
            self.timekeeper.arm(deadline);
        }
    }

    pub(super) fn append(
        &self,
        cell: &Arc<Cell<S>>,
        now: Millis,
        records: &[S::Record],
        by: Option<WrittenBy>,
    ) -> Result<Option<WakeAt>, PartitionError> {
        let mut batch = BatchBuilder::new().compression(self.compression, None);
        let mut check = TransactionCheck::Unchecked;
        if let Some(by) = by {
            batch = batch.producer(ProducerId(by.producer_id), ProducerEpoch(by.producer_epoch), NO_SEQUENCE).transactional();
            check = by.check;
        }
        for record in records {
            let (key, value) = S::encode(record).map_err(PartitionError::Damaged)?;
            batch.push(ottla_storage::Millis(now.0), Some(&key), value.as_deref(), &[]);
        }
        let bytes = batch.build().map_err(|error| PartitionError::Damaged(error.to_string()))?;
        let appended = cell.partition.append_checked(&self.flusher, now.0, &bytes, AppendOrigin::Coordinator, true, check)?;
        Ok(appended.commit.or(appended.flush))
    }

    /// Waits for the reply, then for the log to commit what it tells.
    pub(super) async fn await_reply(&self, cell: &Arc<Cell<S>>, receiver: oneshot::Receiver<Gated<S>>) -> Result<S::Reply, ResponseError> {
        let (reply, gate) = receiver.await.map_err(|_| ResponseError::NotCoordinator)??;
        let Some(at) = gate else { return Ok(reply) };
        let waiter = Waiter::new();
        let committed = async {
            loop {
                match cell.partition.reached(at) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => return Err(coordinator_error(error.response_error())),
                }
                if cell.partition.park(&waiter, at, 0) {
                    waiter.woken().await;
                }
            }
        };
        let outcome = tokio::time::timeout(self.commit_timeout, committed).await;
        cell.partition.leave(&waiter);
        outcome.unwrap_or(Err(ResponseError::CoordinatorNotAvailable)).map(|()| reply)
    }

    pub(super) fn handle_timeouts(&self, cell: &Arc<Cell<S>>) -> Option<Millis> {
        let mut guard = self.lock(cell);
        let state = &mut *guard;
        let now = self.now();
        let later = loop {
            let Phase::Active(shard) = &mut state.phase else { break None };
            match shard.next_deadline() {
                Some(deadline) if deadline <= now => {
                    let effects = shard.handle_timeout(now);
                    self.carry_out(cell, state, now, effects, None);
                }
                later => break later,
            }
        };
        self.release(guard);
        later
    }

    pub(super) fn shift_deadlines(&self, cell: &Arc<Cell<S>>, by_ms: i64) {
        if let Phase::Active(shard) = &mut self.lock(cell).phase {
            shard.shift_deadlines(by_ms);
        }
    }

    pub(super) fn show_image(&self, cell: &Arc<Cell<S>>, image: &Arc<MetadataImage>, delta: &Arc<MetadataDelta>) {
        let mut guard = self.lock(cell);
        let state = &mut *guard;
        match &mut state.phase {
            Phase::Loading(missed) => missed.push((Arc::clone(image), Arc::clone(delta))),
            Phase::Active(shard) => {
                let now = self.now();
                let effects = shard.on_new_image(now, image, delta);
                self.carry_out(cell, state, now, effects, None);
            }
            Phase::Failed | Phase::Unloaded => {}
        }
        self.release(guard);
    }

    /// After an append that failed nobody knows what the log holds.
    pub(super) fn distrust(&self, cell: &Arc<Cell<S>>, state: &mut CellState<S>, error: &PartitionError) {
        tracing::warn!(%error, "{}-{} cannot be written; the shard is loaded again", S::TOPIC, cell.index);
        self.reload(cell, state, coordinator_error(error.response_error()));
    }

    /// Forgets the shard and reads it back from its log.
    pub(super) fn reload(&self, cell: &Arc<Cell<S>>, state: &mut CellState<S>, error: ResponseError) {
        answer_all(state, error);
        if matches!(state.phase, Phase::Unloaded) {
            return;
        }
        state.phase = Phase::Loading(Vec::new());
        state.uncommitted = None;
        let pause = pause_after(state.failures);
        state.failures = state.failures.saturating_add(1);
        self.loader.submit_again(Arc::clone(cell), pause);
    }

    pub(super) fn unload(&self, cell: &Arc<Cell<S>>) {
        let mut state = self.lock(cell);
        answer_all(&mut state, ResponseError::NotCoordinator);
        state.phase = Phase::Unloaded;
    }
}

/// How long a shard that was given up that often before, with nothing written in between, is left alone.
pub(super) fn pause_after(failures: u32) -> Duration {
    let doublings = failures.checked_sub(1).map(|more| 1u32.checked_shl(more).unwrap_or(u32::MAX));
    doublings.map_or(Duration::ZERO, |times| RELOAD_AFTER.saturating_mul(times).min(RELOAD_AFTER_MAX))
}

fn answer_all<S: CoordinatorShard>(state: &mut CellState<S>, error: ResponseError) {
    for (_, sender) in state.parked.drain() {
        let _ = sender.send(Err(error));
    }
}
