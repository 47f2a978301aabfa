//! A live classic group: who is in it, what they vote for, where the rebalance stands. Changes of this struct only; timers, answers and
//! records are `rebalance.rs`'s business.

use super::member::ClassicMember;
use super::state::ClassicState;
use super::subscription;
use crate::group::names::MemberId;
use crate::partitioner::java_hash;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A live classic group.
#[derive(Debug)]
pub(in super::super) struct ClassicGroup {
    pub(super) state: ClassicState,
    /// The state before; tells an initial rebalance from others.
    pub(super) previous_state: ClassicState,
    /// When the group came into its state; unknown after old records.
    pub(super) state_since: Option<Millis>,
    pub(super) protocol_type: Option<Arc<str>>,
    /// What the members voted for, for this generation.
    pub(super) protocol: Option<Arc<str>>,
    pub(super) generation: i32,
    pub(super) leader: Option<MemberId>,
    pub(super) members: BTreeMap<MemberId, ClassicMember>,
    /// Member ids by instance id.
    pub(super) static_members: BTreeMap<Arc<str>, MemberId>,
    /// Ids given out with MEMBER_ID_REQUIRED and not used yet.
    pub(super) pending_members: BTreeSet<MemberId>,
    /// Members of this generation that have not asked for their assignment.
    pub(super) pending_sync: BTreeSet<MemberId>,
    /// How many members know a protocol.
    supporters: BTreeMap<Arc<str>, usize>,
    /// Topics of all members, when the protocol type is `consumer` and the metadata can be read.
    pub(super) subscribed_topics: Option<BTreeSet<Arc<str>>>,
    /// Somebody joined during the initial delay, so it may be extended.
    pub(super) new_member_added: bool,
    /// There while the join timer stands for the initial delay.
    pub(super) initial_delay: Option<InitialDelay>,
    /// Number of members with a parked JoinGroup.
    joined: usize,
}

/// The wait before the first rebalance of a group without members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// The wait under way.
    pub(super) delay_ms: i64,
    /// How much longer it may become.
    pub(super) remaining_ms: i64,
}

impl ClassicGroup {
    /// A group without members: what a group that only has offsets is.
    pub(in super::super) fn empty(now: Millis) -> Self {
        Self {
            state: ClassicState::Empty,
            previous_state: ClassicState::Dead,
            state_since: Some(now),
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            supporters: BTreeMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay: None,
            joined: 0,
        }
    }

    /// A group that has been through a rebalance: Stable, or Empty without members. A member whose instance id is taken is left out.
    /// `protocol` of `None` lets the members vote.
    pub(in super::super) fn with_members(
        since: Option<Millis>,
        generation: i32,
        protocol_type: Option<Arc<str>>,
        protocol: Option<Arc<str>>,
        leader: Option<MemberId>,
        members: impl IntoIterator<Item = ClassicMember>,
    ) -> Self {
        let mut group = Self { state_since: since, generation, protocol_type, leader, ..Self::empty(Millis(0)) };
        for member in members {
            let taken = member.instance_id.as_ref().is_some_and(|id| group.static_members.contains_key(id));
            if !taken && !group.members.contains_key(&member.member_id) {
                group.add(member);
            }
        }
        if !group.members.is_empty() {
            group.state = ClassicState::Stable;
        }
        group.protocol = protocol.or_else(|| group.vote());
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }

    /// Moves to a state that may follow.
    pub(super) fn become_state(&mut self, now: Millis, next: ClassicState) {
        assert!(self.state.may_become(next), "a group in {:?} cannot become {next:?}", self.state);
        self.previous_state = self.state;
        self.state = next;
        self.state_since = Some(now);
    }

    /// Whether a rebalance may start.
    pub(super) fn may_rebalance(&self) -> bool {
        self.state.may_become(ClassicState::PreparingRebalance)
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.as_str() == member_id)
    }

    /// Adds a member. The first one sets the protocol type before it gets here, and leads.
    pub(super) fn add(&mut self, member: ClassicMember) {
        self.pending_members.remove(&member.member_id);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(Arc::clone(instance_id), member.member_id.clone());
        }
        self.leader.get_or_insert_with(|| member.member_id.clone());
        self.joined += usize::from(member.parked_join.is_some());
        self.count_protocols(&member, true);
        let before = self.members.insert(member.member_id.clone(), member);
        assert!(before.is_none(), "a member is added once");
    }

    /// Removes a member or a pending member. Returns the member, parked requests and all.
    pub(super) fn remove(&mut self, member_id: &str) -> Option<ClassicMember> {
        self.pending_members.remove(member_id);
        self.pending_sync.remove(member_id);
        let member = self.members.remove(member_id)?;
        self.joined -= usize::from(member.parked_join.is_some());
        self.count_protocols(&member, false);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Changes a member in place, keeping what is counted over all members right.
    pub(super) fn update<R>(&mut self, member_id: &str, change: impl FnOnce(&mut ClassicMember) -> R) -> Option<R> {
        let (id, mut member) = self.members.remove_entry(member_id)?;
        self.joined -= usize::from(member.parked_join.is_some());
        self.count_protocols(&member, false);
        let result = change(&mut member);
        assert!(id == member.member_id, "a member keeps its id");
        self.joined += usize::from(member.parked_join.is_some());
        self.count_protocols(&member, true);
        self.members.insert(id, member);
        Some(result)
    }

    fn count_protocols(&mut self, member: &ClassicMember, add: bool) {
        // A name counts once a member, however often the member says it.
        let names: BTreeSet<&Arc<str>> = member.protocols.iter().map(|(name, _)| name).collect();
        for name in names {
            let count = self.supporters.entry(Arc::clone(name)).or_default();
            *count = if add { *count + 1 } else { *count - 1 };
            if *count == 0 {
                self.supporters.remove(name);
            }
        }
    }

    /// Whether somebody with this protocol type and these protocols can be a member beside the others.
    pub(super) fn supports<'a>(&self, protocol_type: &str, mut protocols: impl Iterator<Item = &'a str>) -> bool {
        if self.state == ClassicState::Empty {
            return !protocol_type.is_empty() && protocols.next().is_some();
        }
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.any(|name| self.all_know(name))
    }

    fn all_know(&self, protocol: &str) -> bool {
        self.supporters.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// The protocol known to all that most members like best. `None` without members.
    pub(super) fn vote(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| self.all_know(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = *votes.values().max()?;
        let best = votes.into_iter().filter(|(_, count)| *count == most).map(|(name, _)| name);
        best.min_by_key(|name| tie_break(name)).map(Arc::clone)
    }

    /// Starts the next generation with the members there are, or empties the group.
    pub(super) fn next_generation(&mut self, now: Millis) {
        self.generation = self.generation.wrapping_add(1);
        self.protocol = self.vote();
        self.subscribed_topics = self.compute_subscribed_topics();
        self.pending_sync.clear();
        let next = if self.members.is_empty() { ClassicState::Empty } else { ClassicState::CompletingRebalance };
        self.become_state(now, next);
    }

    fn compute_subscribed_topics(&self) -> Option<BTreeSet<Arc<str>>> {
        if self.protocol_type.as_deref() != Some(subscription::PROTOCOL_TYPE) {
            return None;
        }
        if !self.members.is_empty() && self.protocol.is_none() {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription::topics(&member.metadata(self.protocol.as_deref()))?);
        }
        Some(topics)
    }

    /// Whether every member has joined and no given-out member id is outstanding.
    pub(super) fn all_joined(&self) -> bool {
        self.joined == self.members.len() && self.pending_members.is_empty()
    }

    /// Number of members with a parked JoinGroup.
    pub(super) fn joined_count(&self) -> usize {
        self.joined
    }

    /// Keeps the leader if it has joined, else takes the first member that has. False if there is nobody to lead.
    pub(super) fn elect_leader(&mut self) -> bool {
        let has_joined = |member: &ClassicMember| member.parked_join.is_some();
        let stays = self.leader.as_ref().and_then(|id| self.members.get(id)).is_some_and(has_joined);
        if !stays {
            let Some(next) = self.members.values().find(|member| has_joined(member)) else { return false };
            self.leader = Some(next.member_id.clone());
        }
        true
    }

    /// The longest a member wants to be waited for.
    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0).max(0)
    }

    /// Whether the member is in the group, under the instance id that it names.
    pub(super) fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(owner) if owner.as_str() != member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }
}

/// Of protocols with as many votes, Kafka takes the one that comes first in a `java.util.HashMap`: an order that clients can see.
fn tie_break(protocol: &str) -> i32 {
    const BUCKETS: i32 = 16;
    let hash = java_hash(protocol);
    (hash ^ (hash.cast_unsigned() >> 16).cast_signed()) & (BUCKETS - 1)
}
