//! The marker sender: partition by partition, with delays, failures and repeats; and senders that outlive their coordinator. Those of
//! another machine are known by their coordinator epoch; on the same machine, where a shard is loaded anew at the same epoch, they ask.

use super::coordinator::{Coordinator, Then};
use super::message::Part;
use super::partition::Partition;
use super::plant::Plant;
use super::sights::Sight;
use super::world::{Event, World};
use ottla_coordinator::txn::WriteMarkers;
use ottla_storage::producer::{Marker, ProducerError};
use std::sync::Arc;

/// One decision on its way to its partitions.
#[derive(Debug)]
pub(crate) struct Job {
    shard: usize,
    /// Of the shard that decided.
    coordinator_epoch: i32,
    /// The newest partition of that time.
    youngest: u64,
    write: WriteMarkers,
    todo: Vec<Part>,
    /// Markers that are not safe yet: where, in which incarnation, and the offset behind.
    unsafe_yet: Vec<(Part, u64, i64)>,
}

impl Job {
    /// The shard was loaded anew at the same epoch, and has asked again.
    pub(crate) fn is_forgotten_by(&self, shard: usize, coordinator: &Coordinator) -> bool {
        self.shard == shard && self.coordinator_epoch == coordinator.epoch && !coordinator.shard.awaits(&self.write)
    }
}

impl World {
    pub(crate) fn send_markers(&mut self, shard: usize, write: WriteMarkers) {
        let todo = write.partitions.iter().flat_map(|(topic, all)| all.iter().map(|partition| (Arc::clone(topic), *partition)));
        let todo: Vec<Part> = todo.collect();
        let coordinator_epoch = self.coordinators[shard].epoch;
        self.next_event += 1;
        let id = self.next_event;
        self.jobs.insert(id, Job { shard, coordinator_epoch, youngest: self.next_incarnation, write, todo, unsafe_yet: Vec::new() });
        let after = self.soon();
        self.schedule(after, Event::Marker(id));
    }

    /// The coordinator is gone. What it had sent out may still arrive.
    pub(crate) fn marker_senders_end(&mut self, shard: usize) {
        let survives = !self.is_calm() && self.rng.percent(50);
        self.jobs.retain(|_, job| job.shard != shard || survives);
    }

    /// One step of a job.
    pub(crate) fn write_marker(&mut self, id: u64) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        let parts = &self.parts;
        job.unsafe_yet.retain(|(part, incarnation, end)| {
            parts.get(part).is_some_and(|held| held.incarnation == *incarnation && held.high_watermark < *end)
        });
        if job.todo.is_empty() && job.unsafe_yet.is_empty() {
            self.jobs.insert(id, job);
            let after = self.soon();
            return self.schedule(after, Event::MarkersWritten(id));
        }
        if !job.todo.is_empty() {
            let at = self.rng.below(job.todo.len() as u64) as usize;
            let part = job.todo[at].clone();
            match self.mark(&job, &part) {
                Marked::Failed => {}
                Marked::Replaced => return,
                Marked::Written(end) => {
                    job.todo.swap_remove(at);
                    job.unsafe_yet.extend(end.map(|(incarnation, end)| (part, incarnation, end)));
                }
            }
        }
        let deaf = self.plant == Some(Plant::DeafSender) && !self.coordinators[job.shard].shard.awaits(&job.write);
        self.jobs.insert(id, job);
        let after = if deaf { self.rng.between(50, 400) } else { self.soon().max(1) };
        self.schedule(after, Event::Marker(id));
    }

    fn mark(&mut self, job: &Job, part: &Part) -> Marked {
        if self.mishap(5) {
            return Marked::Failed;
        }
        let coordinator = &self.coordinators[job.shard];
        let same_epoch = job.coordinator_epoch == coordinator.epoch;
        if same_epoch && !coordinator.shard.awaits(&job.write) && self.plant != Some(Plant::DeafSender) {
            return Marked::Replaced;
        }
        // A topic that was made anew does not know that the coordinator was replaced: not looked for here.
        let made_anew = |held: &&mut Partition| !same_epoch && held.incarnation > job.youngest;
        let lost = self.plant == Some(Plant::LostMarker) && self.rng.percent(5);
        // A deleted topic needs none.
        let Some(partition) = self.parts.get_mut(part).filter(|held| !lost && !made_anew(held)) else { return Marked::Written(None) };
        let wrong = self.plant == Some(Plant::WrongMarker) && self.rng.percent(5);
        let marker = Marker {
            committed: job.write.committed != wrong,
            coordinator_epoch: job.coordinator_epoch,
            transaction_version: job.write.version.0,
        };
        let tell_groups = self.plant != Some(Plant::GroupsNotTold) || marker.committed;
        let (end, ended) = match partition.append_marker(self.now, job.write.producer, marker, tell_groups) {
            Ok(written) => written,
            Err(error) => {
                let replaced = !same_epoch || self.plant == Some(Plant::DeafSender);
                assert!(replaced, "completes: {part:?} refuses {:?}: {error}", job.write);
                let known =
                    matches!(error, ProducerError::TransactionCoordinatorFenced { .. } | ProducerError::InvalidProducerEpoch { .. });
                assert!(known, "{error}");
                self.sights.see(Sight::ZombieMarker);
                return Marked::Replaced;
            }
        };
        let incarnation = partition.incarnation;
        if ended.is_empty() {
            self.sights.see(Sight::RepeatedMarker);
        }
        self.note(|| format!("{part:?} takes {marker:?} of {:?}", job.write.producer));
        self.checks.ended(part, &ended);
        self.appended(part);
        // It is there, and nobody knows: it will be written again.
        if self.mishap(5) { Marked::Failed } else { Marked::Written(Some((incarnation, end))) }
    }

    /// All markers of a job are safe, and the shard is told: it may be another than the one that decided, and may be told again.
    pub(crate) fn markers_written(&mut self, id: u64) {
        let Some(job) = self.jobs.remove(&id) else { return };
        if self.plant != Some(Plant::LostCompletion) {
            self.handle(job.shard, None, Then::Nobody, |shard, now, ticket| shard.markers_written(now, ticket, &job.write));
        }
        if self.mishap(10) {
            self.jobs.insert(id, job);
            let after = self.rng.between(1, 500);
            self.schedule(after, Event::MarkersWritten(id));
        }
    }
}

enum Marked {
    /// Not written, or nobody knows.
    Failed,
    /// The sender's coordinator has been replaced.
    Replaced,
    /// Written, up to this offset of this incarnation; `None` when there is no such partition.
    Written(Option<(u64, i64)>),
}
