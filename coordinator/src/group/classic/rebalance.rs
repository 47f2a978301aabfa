//! The rebalance: from the first reason for one, over waiting for members, to the next generation and its assignment.

use super::super::GroupReply;
use super::group::InitialDelay;
use super::state::ClassicState;
use super::turn::{Turn, joined, members_for_leader, sync_error, synced};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use std::collections::BTreeMap;

impl Turn<'_> {
    /// A reason for a rebalance: starts one, or, if one is under way, ends it when nobody is missing.
    pub(super) fn prepare_or_complete(&mut self) {
        if self.group.may_rebalance() { self.prepare_rebalance() } else { self.complete_if_all_joined() }
    }

    /// Starts a rebalance. The first one of an empty group waits for the initial delay, whoever joins.
    pub(super) fn prepare_rebalance(&mut self) {
        if self.group.state == ClassicState::CompletingRebalance {
            self.cancel_assignments(ResponseError::RebalanceInProgress);
        }
        self.group.pending_sync.clear();
        self.cancel_sync_timer();
        let is_initial = self.group.state == ClassicState::Empty;
        if is_initial {
            let delay_ms = self.settings.initial_rebalance_delay_ms;
            let remaining_ms = (self.group.rebalance_timeout_ms() - delay_ms).max(0);
            self.group.initial_delay = Some(InitialDelay { delay_ms, remaining_ms });
            self.set_join_timer(delay_ms);
        }
        self.group.become_state(self.now, ClassicState::PreparingRebalance);
        if is_initial {
            return;
        }
        if self.group.all_joined() {
            self.complete_join();
        } else {
            self.set_join_timer(self.group.rebalance_timeout_ms());
        }
    }

    /// Ends the waiting when nobody is missing. The initial delay is waited for in full.
    pub(super) fn complete_if_all_joined(&mut self) {
        let group = &self.group;
        let is_initial = group.previous_state == ClassicState::Empty;
        if group.state == ClassicState::PreparingRebalance && !is_initial && group.all_joined() {
            self.complete_join();
        }
    }

    /// The join timer: the initial delay is longer while members keep coming, any other wait is over.
    pub(super) fn join_timer_expired(&mut self) {
        if self.group.state != ClassicState::PreparingRebalance {
            return;
        }
        if let Some(InitialDelay { delay_ms, remaining_ms }) = self.group.initial_delay
            && self.group.new_member_added
            && remaining_ms != 0
        {
            self.group.new_member_added = false;
            let next_ms = self.settings.initial_rebalance_delay_ms.min(remaining_ms);
            self.group.initial_delay = Some(InitialDelay { delay_ms: next_ms, remaining_ms: (remaining_ms - delay_ms).max(0) });
            self.set_join_timer(next_ms);
            return;
        }
        self.complete_join();
    }

    /// Goes on with those who joined. Dynamic members that did not are out; static ones keep their place.
    pub(super) fn complete_join(&mut self) {
        self.cancel_join_timer();
        let stragglers = self.group.members.values().filter(|member| member.parked_join.is_none() && member.instance_id.is_none());
        for straggler in stragglers.map(|member| member.member_id.clone()).collect::<Vec<_>>() {
            self.remove(straggler.as_str(), ResponseError::UnknownMemberId);
        }
        if !self.group.elect_leader() && !self.group.members.is_empty() {
            // Only static members, and all of them silent: wait until they come or expire.
            self.set_join_timer(self.group.rebalance_timeout_ms());
            return;
        }
        self.group.next_generation(self.now);
        if self.group.state == ClassicState::Empty {
            self.write();
        } else {
            self.answer_joins();
            self.set_sync_timer(self.group.rebalance_timeout_ms());
        }
    }

    fn answer_joins(&mut self) {
        let mut members_for_leader = members_for_leader(self.group);
        for member_id in self.group.members.keys().cloned().collect::<Vec<_>>() {
            let parked = self.group.update(member_id.as_str(), |member| {
                member.is_new = false;
                member.parked_join.take()
            });
            if let Some(Some(ticket)) = parked {
                let mut response = joined(self.group, member_id.as_str());
                if self.group.is_leader(member_id.as_str()) {
                    response.members = std::mem::take(&mut members_for_leader);
                }
                self.reply(ticket, GroupReply::JoinGroup(response));
            }
            self.restart_session(member_id.as_str());
            self.group.pending_sync.insert(member_id);
        }
    }

    /// The leader's assignment: everybody who waits gets a share, the others may fetch theirs.
    pub(super) fn assign(&mut self, mut assignments: BTreeMap<&str, &[u8]>) {
        for member in self.group.members.values_mut() {
            let assignment = assignments.remove(member.member_id.as_str()).unwrap_or_default();
            member.assignment = Bytes::copy_from_slice(assignment);
        }
        // Written as of the state in which it was made, as Kafka does.
        if let Err(error) = self.write_if_it_fits() {
            self.cancel_assignments(error);
            return self.prepare_rebalance();
        }
        for member_id in self.group.members.keys().cloned().collect::<Vec<_>>() {
            let parked = self.group.update(member_id.as_str(), |member| member.parked_sync.take());
            if let (Some(Some(ticket)), Some(member)) = (parked, self.group.member(member_id.as_str())) {
                let response = synced(self.group, member);
                self.reply(ticket, GroupReply::SyncGroup(response));
                self.restart_session(member_id.as_str());
            }
        }
        self.group.become_state(self.now, ClassicState::Stable);
    }

    /// There will be no assignment for this generation: those who wait for one are told why.
    fn cancel_assignments(&mut self, error: ResponseError) {
        for member_id in self.group.members.keys().cloned().collect::<Vec<_>>() {
            let parked = self.group.update(member_id.as_str(), |member| {
                member.assignment = Bytes::new();
                member.parked_sync.take()
            });
            if let Some(Some(ticket)) = parked {
                self.reply(ticket, sync_error(error));
                self.restart_session(member_id.as_str());
            }
        }
    }

    /// The sync timer: members that never asked for their assignment are out.
    pub(super) fn sync_timer_expired(&mut self) {
        let waits = matches!(self.group.state, ClassicState::CompletingRebalance | ClassicState::Stable);
        if !waits || self.group.pending_sync.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.group.pending_sync) {
            self.remove(member_id.as_str(), ResponseError::UnknownMemberId);
        }
        self.prepare_rebalance();
    }

    /// The session timer of a member or pending member.
    pub(super) fn session_expired(&mut self, member_id: &str) {
        if self.group.pending_members.contains(member_id) {
            self.remove(member_id, ResponseError::UnknownMemberId);
            self.complete_if_nobody_missing();
            return;
        }
        let Some(member) = self.group.member(member_id) else { return };
        if member.may_be_silent() {
            // The timer starts again with the answer.
            return;
        }
        self.remove(member_id, ResponseError::UnknownMemberId);
        if matches!(self.group.state, ClassicState::Stable | ClassicState::CompletingRebalance) {
            self.prepare_or_complete();
        } else {
            self.complete_if_nobody_missing();
        }
    }

    /// After an expiry, unlike after a leave, an initial delay is not waited for either.
    fn complete_if_nobody_missing(&mut self) {
        if self.group.state == ClassicState::PreparingRebalance && self.group.all_joined() {
            self.complete_join();
        }
    }
}
