//! JoinGroup of a classic group.

use super::super::hard::Hard;
use super::super::names::{GroupId, MemberId};
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects, GroupReply};
use super::group::ClassicGroup;
use super::member::{ClassicMember, owned_protocols};
use super::state::ClassicState;
use super::turn::{Turn, join_error, joined, members_for_leader};
use crate::effects::Ticket;
use crate::timers::Millis;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::JoinGroupRequest;
use std::sync::Arc;
use uuid::Uuid;

/// How long a new member may wait for its first answer: it cannot send heartbeats before.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1_000;

/// First version whose new dynamic members must come again with the id they were given (KIP-394).
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;

/// First version that tells a returning static leader not to assign (KIP-814).
const SKIP_ASSIGNMENT_VERSION: i16 = 9;

/// What is wrong with a JoinGroup whatever the group is.
pub(in super::super) fn refuse(soft: &Soft, ticket: Ticket, request: &JoinGroupRequest) -> Option<GroupEffects> {
    let settings = &soft.settings;
    let error = if request.group_id.0.is_empty() {
        ResponseError::InvalidGroupId
    } else if request.session_timeout_ms < settings.min_session_timeout_ms || request.session_timeout_ms > settings.max_session_timeout_ms {
        ResponseError::InvalidSessionTimeout
    } else {
        return None;
    };
    Some(GroupEffects::reply(ticket, join_error(&request.member_id, error)))
}

pub(in super::super) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &JoinGroupRequest,
) -> GroupEffects {
    let group_id: &str = &request.group_id.0;
    let mut is_new_group = false;
    if !soft.classic.contains_key(group_id) {
        if !request.member_id.is_empty() {
            return GroupEffects::reply(ticket, join_error(&request.member_id, ResponseError::UnknownMemberId));
        }
        let id = GroupId::from(group_id);
        // A group that only has offsets is there without an entry.
        is_new_group = !hard.offsets.contains_group(&id);
        soft.classic.insert(id, ClassicGroup::empty(now));
    }
    let Some(turn) = Turn::of(soft, now, group_id) else { return GroupEffects::default() };
    let mut join = Join { turn, ticket, caller, request };
    join.run();
    let mut turn = join.turn;
    if is_new_group && turn.effects.records.is_empty() {
        // The group exists from now on, members or not.
        turn.effects.records.push(ClassicGroup::empty(now).record(&turn.group_id));
    }
    turn.effects
}

/// The name of a new member. A client id of 32 KB is cut, or no answer and no record could hold what is made of it.
fn member_id_of(named: &str, fresh_id: Uuid) -> MemberId {
    const BYTES_MAX: usize = i16::MAX as usize - "-".len() - uuid::fmt::Hyphenated::LENGTH;
    let end = (0..=named.len().min(BYTES_MAX)).rev().find(|end| named.is_char_boundary(*end)).unwrap_or_default();
    MemberId(format!("{}-{fresh_id}", &named[..end]).into())
}

/// One JoinGroup to a group that exists.
struct Join<'a> {
    turn: Turn<'a>,
    ticket: Ticket,
    caller: &'a Caller<'a>,
    request: &'a JoinGroupRequest,
}

impl Join<'_> {
    fn run(&mut self) {
        let request = self.request;
        let member_id: &str = &request.member_id;
        if self.turn.group.state == ClassicState::Dead {
            return self.refuse(member_id, ResponseError::CoordinatorNotAvailable);
        }
        if !self.has_room() {
            self.turn.remove(member_id, ResponseError::GroupMaxSizeReached);
            return self.refuse("", ResponseError::GroupMaxSizeReached);
        }
        if !self.turn.group.supports(&request.protocol_type, request.protocols.iter().map(|protocol| &*protocol.name)) {
            return self.refuse(member_id, ResponseError::InconsistentGroupProtocol);
        }
        if member_id.is_empty() { self.new_member() } else { self.existing_member() }
    }

    fn refuse(&mut self, member_id: &str, error: ResponseError) {
        self.turn.reply(self.ticket, join_error(member_id, error));
    }

    /// `group.max.size`. While a rebalance waits for members, those who have joined count: the last to come back are turned away.
    fn has_room(&self) -> bool {
        let group = &*self.turn.group;
        let member = group.member(&self.request.member_id);
        let max_size = self.turn.settings.max_size;
        match group.state {
            ClassicState::Empty | ClassicState::Dead => true,
            ClassicState::PreparingRebalance => {
                member.is_some_and(|member| member.parked_join.is_some()) || group.joined_count() < max_size
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => member.is_some() || group.members.len() < max_size,
        }
    }

    fn new_member(&mut self) {
        let request = self.request;
        let instance_id = request.group_instance_id.as_deref();
        let member_id = member_id_of(instance_id.unwrap_or(self.caller.client_id), self.caller.fresh_id);
        if let Some(instance_id) = instance_id {
            match self.turn.group.static_members.get(instance_id).cloned() {
                Some(old_id) => self.replace_static_member(&old_id, member_id),
                None => self.add_member(member_id),
            }
        } else if self.caller.api_version >= MEMBER_ID_REQUIRED_VERSION {
            self.turn.set_session(member_id.as_str(), i64::from(request.session_timeout_ms));
            self.refuse(member_id.as_str(), ResponseError::MemberIdRequired);
            self.turn.group.pending_members.insert(member_id);
        } else {
            self.add_member(member_id);
        }
    }

    fn existing_member(&mut self) {
        let request = self.request;
        let member_id: &str = &request.member_id;
        let instance_id = request.group_instance_id.as_deref();
        if self.turn.group.pending_members.contains(member_id) {
            if instance_id.is_some() {
                // Ids are given out to dynamic members only; Kafka runs into an exception here.
                return self.refuse("", ResponseError::UnknownServerError);
            }
            return self.add_member(member_id.into());
        }
        if let Err(error) = self.turn.group.validate_member(member_id, instance_id) {
            return self.refuse(member_id, error);
        }
        let group = &*self.turn.group;
        let is_leader = group.is_leader(member_id);
        let same = group.member(member_id).is_some_and(|member| member.matches(&request.protocols));
        match group.state {
            // Its answer got lost, or it only wants to know.
            ClassicState::CompletingRebalance if same => self.answer_at_once(member_id, is_leader),
            ClassicState::Stable if same && !is_leader => self.answer_at_once(member_id, false),
            // A leader may have reasons that its metadata does not show.
            ClassicState::PreparingRebalance | ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.update_member(member_id);
                self.turn.prepare_or_complete();
            }
            ClassicState::Empty | ClassicState::Dead => self.refuse(member_id, ResponseError::UnknownMemberId),
        }
    }

    fn answer_at_once(&mut self, member_id: &str, with_members: bool) {
        let mut response = joined(self.turn.group, member_id);
        if with_members {
            response.members = members_for_leader(self.turn.group);
        }
        self.turn.reply(self.ticket, GroupReply::JoinGroup(response));
    }

    fn add_member(&mut self, member_id: MemberId) {
        let request = self.request;
        let client = (Arc::from(self.caller.client_id), Arc::from(self.caller.client_host));
        let mut member = ClassicMember::new(
            member_id.clone(),
            request.group_instance_id.as_deref().map(Arc::from),
            client,
            self.rebalance_timeout_ms(),
            request.session_timeout_ms,
            owned_protocols(&request.protocols),
            Bytes::new(),
        );
        member.is_new = true;
        member.parked_join = Some(self.ticket);
        let group = &mut *self.turn.group;
        if group.state == ClassicState::PreparingRebalance && group.previous_state == ClassicState::Empty {
            group.new_member_added = true;
        }
        if group.members.is_empty() {
            group.protocol_type = Some(Arc::from(&*request.protocol_type));
        }
        group.add(member);
        self.turn.set_session(member_id.as_str(), NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.turn.prepare_or_complete();
    }

    /// Takes the request's protocols and timeouts over and parks its ticket.
    fn update_member(&mut self, member_id: &str) {
        let (request, rebalance_timeout_ms) = (self.request, self.rebalance_timeout_ms());
        self.turn.group.update(member_id, |member| {
            member.protocols = owned_protocols(&request.protocols);
            member.rebalance_timeout_ms = rebalance_timeout_ms;
            member.session_timeout_ms = request.session_timeout_ms;
        });
        self.turn.park_join(member_id, self.ticket);
    }

    /// v0 has no rebalance timeout.
    fn rebalance_timeout_ms(&self) -> i32 {
        if self.caller.api_version == 0 { self.request.session_timeout_ms } else { self.request.rebalance_timeout_ms }
    }

    /// A static member is back under a new member id (KIP-345); whoever still uses the old one is fenced.
    fn replace_static_member(&mut self, old_id: &MemberId, new_id: MemberId) {
        let old_leader = self.turn.group.leader.clone();
        self.rename_static_member(old_id, &new_id);
        let unchanged = self.turn.group.member(new_id.as_str()).cloned();
        // With the session timeout from before, as Kafka does; the first heartbeat brings the new one.
        self.turn.restart_session(new_id.as_str());
        self.update_member(new_id.as_str());
        match self.turn.group.state {
            ClassicState::Stable if self.turn.group.vote() == self.turn.group.protocol => match self.turn.write_if_it_fits() {
                Ok(()) => self.keep_generation(&new_id, old_leader),
                Err(error) => self.undo_replacement(old_id, unchanged, error),
            },
            // The leader may assign to the old id any moment.
            ClassicState::Stable | ClassicState::CompletingRebalance => self.turn.prepare_rebalance(),
            _ => self.turn.complete_if_all_joined(),
        }
    }

    fn rename_static_member(&mut self, old_id: &MemberId, new_id: &MemberId) {
        let turn = &mut self.turn;
        let was_leader = turn.group.is_leader(old_id.as_str());
        let was_pending = turn.group.pending_sync.contains(old_id);
        turn.cancel_session(old_id.as_str());
        let Some(mut member) = turn.group.remove(old_id.as_str()) else { return };
        if let Some(ticket) = member.parked_join.take() {
            turn.reply(ticket, join_error(old_id.as_str(), ResponseError::FencedInstanceId));
        }
        if let Some(ticket) = member.parked_sync.take() {
            turn.reply(ticket, super::turn::sync_error(ResponseError::FencedInstanceId));
        }
        member.member_id = new_id.clone();
        member.is_new = false;
        turn.group.add(member);
        if was_leader {
            turn.group.leader = Some(new_id.clone());
        }
        if was_pending {
            turn.group.pending_sync.insert(new_id.clone());
        }
    }

    /// The new id could not be written: the member is again who it was.
    fn undo_replacement(&mut self, old_id: &MemberId, renamed: Option<ClassicMember>, error: ResponseError) {
        let Some(renamed) = renamed else { return };
        let new_id = renamed.member_id.clone();
        let protocols = renamed.protocols;
        self.turn.group.update(new_id.as_str(), |member| {
            member.protocols = protocols;
            member.rebalance_timeout_ms = renamed.rebalance_timeout_ms;
            member.session_timeout_ms = renamed.session_timeout_ms;
            member.parked_join = None;
        });
        self.rename_static_member(&new_id, old_id);
        self.turn.restart_session(old_id.as_str());
        let mut response = joined(self.turn.group, "");
        response.error_code = error.code();
        self.turn.reply(self.ticket, GroupReply::JoinGroup(response));
    }

    /// Nothing changes for the others: the new id is written and the member goes on where it was.
    fn keep_generation(&mut self, new_id: &MemberId, old_leader: Option<MemberId>) {
        self.turn.group.update(new_id.as_str(), |member| member.parked_join.take());
        let is_leader = self.turn.group.is_leader(new_id.as_str());
        let mut response = joined(self.turn.group, new_id.as_str());
        if self.caller.api_version >= SKIP_ASSIGNMENT_VERSION {
            response.skip_assignment = is_leader;
            if is_leader {
                response.members = members_for_leader(self.turn.group);
            }
        } else {
            // An old client that found itself leading would assign, to no avail. It is told of its former self.
            response.leader = old_leader.map(|leader| super::turn::text(leader.as_str())).unwrap_or_default();
        }
        self.turn.reply(self.ticket, GroupReply::JoinGroup(response));
    }
}
