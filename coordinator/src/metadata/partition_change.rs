//! What a partition is to become, and the one record that makes it so: assignment, in-sync set, eligible leaders, leader.
//!
//! Used by elections and reassignments. The rules are those of Kafka's controller (KIP-455, KIP-966): a reassignment whose new replicas
//! are all in sync is done at once; the ISR below `min.insync.replicas` leaves eligible leaders behind; a leader stays unless it may not
//! lead any more; a shrinking assignment raises the leader epoch.

use super::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use super::image::{LeaderRecoveryState, MetadataImage};
use super::placement::new_directory;
use super::records::PartitionChangeRecord;
use super::{BrokerId, DirectoryId, PartitionRegistration, TopicId};
use std::collections::BTreeSet;

/// What elections ask of a topic's configuration.
pub trait ElectionRules {
    /// `min.insync.replicas`.
    fn min_insync_replicas(&self, topic: &str) -> usize {
        let _ = topic;
        1
    }
    /// `unclean.leader.election.enable`.
    fn unclean_election(&self, topic: &str) -> bool {
        let _ = topic;
        false
    }
}

/// Who may become the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The leader stays if it can.
    Clean,
    /// The first replica, if it can; else as `Clean`.
    Preferred,
    /// As `Clean`, and if nobody in sync is left, anybody alive.
    Unclean,
}

/// A partition on its way from what it is to what it shall be.
pub(super) struct PartitionTarget<'a> {
    image: &'a MetadataImage,
    held: &'a PartitionRegistration,
    /// What `min.insync.replicas` is, at most the replication factor.
    min_isr: usize,
    pub(super) replicas: Vec<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
    pub(super) isr: Vec<BrokerId>,
    pub(super) election: Election,
    /// Who is on its way out of the cluster and may not lead.
    pub(super) leaving: Option<BrokerId>,
    elr: Vec<BrokerId>,
}

impl<'a> PartitionTarget<'a> {
    /// As it is.
    pub(super) fn of(image: &'a MetadataImage, held: &'a PartitionRegistration, min_isr: usize) -> Self {
        Self {
            image,
            held,
            min_isr,
            replicas: held.replicas.clone(),
            adding: held.adding_replicas.clone(),
            removing: held.removing_replicas.clone(),
            isr: held.isr.clone(),
            election: Election::Clean,
            leaving: None,
            elr: held.elr.clone(),
        }
    }

    /// The record that takes the partition there; `None` if it is there.
    pub(super) fn change(mut self, topic_id: TopicId, partition_id: i32) -> Option<PartitionChangeRecord> {
        let unchanged = PartitionChangeRecord::new(topic_id, partition_id);
        let mut change = unchanged.clone();
        self.complete_reassignment();
        self.keep_eligible_leaders();
        self.elect(&mut change);
        let lost = |new: &[BrokerId], old: &[BrokerId]| old.iter().any(|id| !new.contains(id));
        if change.leader.is_none() && lost(&self.replicas, &self.held.replicas) {
            // Naming the leader raises the leader epoch.
            change.leader = Some(self.held.leader.unwrap_or(BrokerId::NONE));
        }
        self.record_in_sync(&mut change);
        self.record_assignment(&mut change);
        (change != unchanged).then_some(change)
    }

    fn elr_enabled(&self) -> bool {
        self.image.features().level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0
    }

    /// Ends a reassignment that has nothing to wait for.
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let without_removed =
            |ids: &[BrokerId]| -> Vec<BrokerId> { ids.iter().copied().filter(|id| !self.removing.contains(id)).collect() };
        let (isr, replicas) = (without_removed(&self.isr), without_removed(&self.replicas));
        if !self.removing.is_empty() && (isr.is_empty() || replicas.is_empty()) {
            return;
        }
        let all_in_sync = |ids: &[BrokerId]| ids.iter().all(|id| isr.contains(id));
        let shrinks = self.adding.len() < self.removing.len();
        if all_in_sync(&self.adding) && (!shrinks || all_in_sync(&replicas)) {
            (self.isr, self.replicas) = (isr, replicas);
            self.adding.clear();
            self.removing.clear();
        }
    }

    /// Who leaves an ISR below the minimum stays eligible.
    fn keep_eligible_leaders(&mut self) {
        if !self.elr_enabled() {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.elr.clear();
            return;
        }
        let known: BTreeSet<BrokerId> = self.elr.iter().chain(&self.held.isr).copied().collect();
        self.elr = known.into_iter().filter(|id| !self.isr.contains(id)).collect();
    }

    /// Alive, with the directory of its replica online.
    fn may_lead(&self, id: BrokerId) -> bool {
        let Some(broker) = self.image.cluster().broker(id).filter(|broker| broker.is_active()) else { return false };
        let online = match self.held.directory_of(id) {
            Some(directory) if directory == DirectoryId::LOST => false,
            Some(directory) => directory.is_reserved() || broker.log_dirs.contains(&directory),
            None => true,
        };
        online && self.leaving != Some(id)
    }

    fn may_lead_cleanly(&self, id: BrokerId) -> bool {
        let in_sync = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        in_sync && self.may_lead(id)
    }

    /// The next leader, and whether it may lack records.
    fn next_leader(&self) -> Option<(BrokerId, bool)> {
        let clean = |id: &BrokerId| self.may_lead_cleanly(*id);
        let preferred = self.replicas.first().copied().filter(|_| self.election == Election::Preferred).filter(clean);
        let stays = || self.held.leader.filter(clean);
        if let Some(leader) = preferred.or_else(stays).or_else(|| self.replicas.iter().copied().find(clean)) {
            return Some((leader, false));
        }
        let last_known = match self.held.last_known_elr.as_slice() {
            [only] if self.elr_enabled() && self.elr.is_empty() && self.isr.is_empty() => Some(*only),
            _ => None,
        };
        let anybody = || match self.election {
            Election::Unclean => self.replicas.iter().copied().find(|id| self.may_lead(*id)),
            Election::Clean | Election::Preferred => None,
        };
        last_known.filter(|id| self.may_lead(*id)).or_else(anybody).map(|leader| (leader, true))
    }

    fn elect(&mut self, change: &mut PartitionChangeRecord) {
        let next = self.next_leader();
        let leader = next.map(|(leader, _)| leader);
        if leader == self.held.leader {
            return;
        }
        if let Some(leader) = leader.filter(|leader| self.elr.contains(leader)) {
            self.isr = vec![leader];
            self.elr.retain(|id| *id != leader);
        }
        change.leader = Some(leader.unwrap_or(BrokerId::NONE));
        if let Some((leader, true)) = next {
            change.isr = Some(vec![leader]);
            if self.held.leader_recovery_state != LeaderRecoveryState::Recovering {
                change.leader_recovery_state = Some(1);
            }
        }
    }

    fn record_in_sync(&mut self, change: &mut PartitionChangeRecord) {
        let elr_enabled = self.elr_enabled();
        if change.isr.is_some() || !elr_enabled {
            self.elr.clear();
        }
        if self.elr != self.held.elr {
            change.elr = Some(self.elr.clone());
        }
        if change.isr.is_none() && (elr_enabled || !self.isr.is_empty()) && self.isr != self.held.isr {
            change.isr = Some(self.isr.clone());
        }
        if !elr_enabled {
            return;
        }
        match change.leader {
            Some(BrokerId::NONE) if self.held.last_known_elr.is_empty() => {
                change.last_known_elr = Some(self.held.leader.into_iter().collect())
            }
            Some(leader) if leader != BrokerId::NONE && !self.held.last_known_elr.is_empty() => change.last_known_elr = Some(Vec::new()),
            _ => {}
        }
    }

    fn record_assignment(&self, change: &mut PartitionChangeRecord) {
        let moved = |new: &Vec<BrokerId>, old: &Vec<BrokerId>| (new != old).then(|| new.clone());
        change.replicas = moved(&self.replicas, &self.held.replicas);
        change.adding_replicas = moved(&self.adding, &self.held.adding_replicas);
        change.removing_replicas = moved(&self.removing, &self.held.removing_replicas);
        if change.replicas.is_some() {
            let directory = |id: &BrokerId| self.held.directory_of(*id).unwrap_or_else(|| new_directory(self.image.cluster(), *id));
            change.directories = Some(self.replicas.iter().map(directory).collect());
        }
    }
}
