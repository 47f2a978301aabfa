//! A shard, its log and a clock in one hand. After every step the records go through their bytes and are replayed, and every
//! unanswered request is still parked in some member, and every member that may go silent has a timer.

use super::super::{ClassicGroup, ClassicState, ClassicTimer};
use crate::effects::Ticket;
use crate::group::soft::TimerKey;
use crate::group::{Caller, GroupEffects, GroupId, GroupRecord, GroupReply, GroupSettings, GroupShard, MemberId};
use crate::metadata::image::MetadataImage;
use crate::shard::Shard;
use crate::timers::Millis;
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

pub(super) const GROUP: &str = "orders";
pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 60_000;
pub(super) const DELAY_MS: i64 = 3_000;

pub(super) const NONE: i16 = 0;
pub(super) const UNKNOWN_SERVER_ERROR: i16 = -1;
pub(super) const ILLEGAL_GENERATION: i16 = 22;
pub(super) const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
pub(super) const INVALID_GROUP_ID: i16 = 24;
pub(super) const UNKNOWN_MEMBER_ID: i16 = 25;
pub(super) const INVALID_SESSION_TIMEOUT: i16 = 26;
pub(super) const REBALANCE_IN_PROGRESS: i16 = 27;
pub(super) const MEMBER_ID_REQUIRED: i16 = 79;
pub(super) const GROUP_MAX_SIZE_REACHED: i16 = 81;
pub(super) const FENCED_INSTANCE_ID: i16 = 82;

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn group_id(id: &str) -> kafka_protocol::messages::GroupId {
    kafka_protocol::messages::GroupId(text(id))
}

/// A JoinGroup about to be sent; version 9 unless said otherwise.
#[derive(Clone)]
pub(super) struct Join {
    pub(super) version: i16,
    pub(super) request: JoinGroupRequest,
}

/// A consumer that knows `range` only.
pub(super) fn join(member_id: &str) -> Join {
    let request = JoinGroupRequest::default()
        .with_group_id(group_id(GROUP))
        .with_member_id(text(member_id))
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(REBALANCE_MS)
        .with_protocol_type(text("consumer"));
    Join { version: 9, request }.protocols(&[("range", b"metadata")])
}

impl Join {
    pub(super) fn version(mut self, version: i16) -> Self {
        self.version = version;
        self
    }

    pub(super) fn instance(mut self, instance_id: &str) -> Self {
        self.request.group_instance_id = Some(text(instance_id));
        self
    }

    pub(super) fn group(mut self, id: &str) -> Self {
        self.request.group_id = group_id(id);
        self
    }

    pub(super) fn kind(mut self, protocol_type: &str) -> Self {
        self.request.protocol_type = text(protocol_type);
        self
    }

    pub(super) fn session(mut self, session_timeout_ms: i32) -> Self {
        self.request.session_timeout_ms = session_timeout_ms;
        self
    }

    pub(super) fn rebalance(mut self, rebalance_timeout_ms: i32) -> Self {
        self.request.rebalance_timeout_ms = rebalance_timeout_ms;
        self
    }

    pub(super) fn protocols(mut self, protocols: &[(&str, &[u8])]) -> Self {
        let protocol = |(name, metadata): &(&str, &[u8])| {
            JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(Bytes::copy_from_slice(metadata))
        };
        self.request.protocols = protocols.iter().map(protocol).collect();
        self
    }
}

/// A member as its client sees it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) generation: i32,
}

pub(super) struct World {
    pub(super) shard: GroupShard,
    pub(super) now: Millis,
    /// Everything ever written, as bytes.
    log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Records of the last step.
    pub(super) written: Vec<GroupRecord>,
    replies: BTreeMap<Ticket, GroupReply>,
    waiting: BTreeSet<Ticket>,
    last_ticket: u64,
    settings: Arc<GroupSettings>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(GroupSettings { initial_rebalance_delay_ms: DELAY_MS, ..GroupSettings::default() })
    }

    pub(super) fn with_max_size(max_size: usize) -> Self {
        Self::with(GroupSettings { max_size, ..GroupSettings::default() })
    }

    pub(super) fn with(settings: GroupSettings) -> Self {
        let settings = Arc::new(settings);
        let shard = GroupShard::new(Arc::clone(&settings), Arc::new(MetadataImage::default()));
        Self {
            shard,
            now: Millis(1_700_000_000_000),
            log: Vec::new(),
            written: Vec::new(),
            replies: BTreeMap::new(),
            waiting: BTreeSet::new(),
            last_ticket: 0,
            settings,
        }
    }

    /// What the shell does with effects.
    fn carry_out(&mut self, effects: GroupEffects) {
        for record in &effects.records {
            let (key, value) = record.encode().expect("our records have bytes");
            let read = GroupRecord::decode(&key, value.as_deref()).expect("we read what we write");
            assert_eq!(&read, record, "bytes say what the record says");
            self.shard.replay(&read);
            self.log.push((key, value));
        }
        self.written = effects.records;
        for (ticket, reply) in effects.replies {
            assert!(self.waiting.remove(&ticket), "{ticket:?} is answered once: {reply:?}");
            self.replies.insert(ticket, reply);
        }
        self.check();
    }

    fn check(&self) {
        let mut parked = BTreeSet::new();
        for group in self.shard.soft.classic.values() {
            for member in group.members.values() {
                parked.extend(member.parked_join);
                parked.extend(member.parked_sync);
                assert_eq!(group.pending_members.get(&member.member_id), None, "a member is not pending");
                if let Some(instance_id) = &member.instance_id {
                    assert_eq!(group.static_members.get(instance_id), Some(&member.member_id));
                }
            }
            let joined = group.members.values().filter(|member| member.parked_join.is_some()).count();
            assert_eq!(group.joined_count(), joined);
            let statics = group.members.values().filter(|member| member.instance_id.is_some()).count();
            assert_eq!(group.static_members.len(), statics);
            assert_eq!(group.state == ClassicState::Empty, group.is_empty());
            assert!(group.pending_sync.iter().all(|id| group.members.contains_key(id)));
            let has_generation = matches!(group.state, ClassicState::CompletingRebalance | ClassicState::Stable);
            assert!(has_generation || group.pending_sync.is_empty());
            if !matches!(group.state, ClassicState::PreparingRebalance) {
                assert_eq!(joined, 0, "nobody waits for a rebalance that is not");
            }
        }
        assert_eq!(parked, self.waiting, "every unanswered request is parked");
        self.check_timers();
    }

    fn check_timers(&self) {
        let soft = &self.shard.soft;
        let mut timers: BTreeSet<ClassicTimer> = BTreeSet::new();
        timers.extend(soft.timers.keys().filter_map(|key| if let TimerKey::Classic(timer) = key { Some(timer.clone()) } else { None }));
        for (id, group) in &soft.classic {
            let rebalances = group.state == ClassicState::PreparingRebalance;
            assert_eq!(timers.remove(&ClassicTimer::Join(id.clone())), rebalances, "a rebalance ends some day");
            let awaits_sync = !group.pending_sync.is_empty();
            assert_eq!(timers.remove(&ClassicTimer::Sync(id.clone())), awaits_sync, "and so does the wait for SyncGroup");
            for member in group.members.values() {
                let session = ClassicTimer::Session(id.clone(), member.member_id.clone());
                assert!(timers.remove(&session) || member.may_be_silent(), "{} would live for ever", member.member_id);
            }
            for pending in &group.pending_members {
                assert!(timers.remove(&ClassicTimer::Session(id.clone(), pending.clone())), "{pending} would be pending for ever");
            }
        }
        assert!(timers.is_empty(), "timers of nobody: {timers:?}");
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.waiting.insert(ticket);
        ticket
    }

    fn caller(&self, api_version: i16) -> Caller<'static> {
        Caller { api_version, client_id: "app", client_host: "/127.0.0.1", fresh_id: Uuid::from_u128(u128::from(self.last_ticket)) }
    }

    pub(super) fn join(&mut self, join: &Join) -> Ticket {
        let ticket = self.ticket();
        let caller = self.caller(join.version);
        let effects = self.shard.join_group(self.now, ticket, &caller, &join.request);
        self.carry_out(effects);
        ticket
    }

    /// Joins and takes the answer, which must be there.
    pub(super) fn join_now(&mut self, request: &Join) -> JoinGroupResponse {
        let ticket = self.join(request);
        self.joined(ticket)
    }

    pub(super) fn joined(&self, ticket: Ticket) -> JoinGroupResponse {
        match self.replies.get(&ticket) {
            Some(GroupReply::JoinGroup(response)) => response.clone(),
            other => panic!("{ticket:?}: a JoinGroup answer, not {other:?}"),
        }
    }

    pub(super) fn is_parked(&self, ticket: Ticket) -> bool {
        self.waiting.contains(&ticket)
    }

    /// An id through MEMBER_ID_REQUIRED.
    pub(super) fn member_id(&mut self) -> String {
        let response = self.join_now(&join(""));
        assert_eq!(response.error_code, MEMBER_ID_REQUIRED);
        response.member_id.to_string()
    }

    pub(super) fn sync_request(member: &Member, assignments: &[(&str, &[u8])]) -> SyncGroupRequest {
        let share = |(id, bytes): &(&str, &[u8])| {
            SyncGroupRequestAssignment::default().with_member_id(text(id)).with_assignment(Bytes::copy_from_slice(bytes))
        };
        SyncGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_generation_id(member.generation)
            .with_member_id(text(&member.id))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(assignments.iter().map(share).collect())
    }

    pub(super) fn sync(&mut self, member: &Member, assignments: &[(&str, &[u8])]) -> Ticket {
        self.sync_as(&Self::sync_request(member, assignments))
    }

    pub(super) fn sync_as(&mut self, request: &SyncGroupRequest) -> Ticket {
        let ticket = self.ticket();
        let effects = self.shard.sync_group(self.now, ticket, request);
        self.carry_out(effects);
        ticket
    }

    pub(super) fn synced(&self, ticket: Ticket) -> SyncGroupResponse {
        match self.replies.get(&ticket) {
            Some(GroupReply::SyncGroup(response)) => response.clone(),
            other => panic!("{ticket:?}: a SyncGroup answer, not {other:?}"),
        }
    }

    pub(super) fn heartbeat(&mut self, member: &Member) -> i16 {
        self.heartbeat_as(member, None)
    }

    pub(super) fn heartbeat_as(&mut self, member: &Member, instance_id: Option<&str>) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(GROUP))
            .with_generation_id(member.generation)
            .with_member_id(text(&member.id))
            .with_group_instance_id(instance_id.map(text));
        self.heartbeat_of(&request)
    }

    pub(super) fn heartbeat_of(&mut self, request: &HeartbeatRequest) -> i16 {
        let ticket = self.ticket();
        let effects = self.shard.heartbeat(self.now, ticket, request);
        self.carry_out(effects);
        match self.replies.get(&ticket) {
            Some(GroupReply::Heartbeat(response)) => response.error_code,
            other => panic!("a Heartbeat answer at once, not {other:?}"),
        }
    }

    /// LeaveGroup v5 of `(member id, instance id)`s; their error codes.
    pub(super) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<i16> {
        let identity = |(id, instance_id): &(&str, Option<&str>)| {
            MemberIdentity::default().with_member_id(text(id)).with_group_instance_id(instance_id.map(text))
        };
        let members = members.iter().map(identity).collect();
        let response = self.leave_as(&LeaveGroupRequest::default().with_group_id(group_id(GROUP)).with_members(members));
        assert_eq!(response.error_code, NONE);
        response.members.iter().map(|member| member.error_code).collect()
    }

    pub(super) fn leave_as(&mut self, request: &LeaveGroupRequest) -> LeaveGroupResponse {
        let ticket = self.ticket();
        let caller = self.caller(5);
        let effects = self.shard.leave_group(self.now, ticket, &caller, request);
        self.carry_out(effects);
        match self.replies.get(&ticket) {
            Some(GroupReply::LeaveGroup(response)) => response.clone(),
            other => panic!("a LeaveGroup answer at once, not {other:?}"),
        }
    }

    /// Lets time pass; timers come due one by one, in order.
    pub(super) fn advance(&mut self, ms: i64) {
        let until = Millis(self.now.0 + ms);
        let mut written = Vec::new();
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            let effects = self.shard.handle_timeout(self.now);
            self.carry_out(effects);
            written.append(&mut self.written);
        }
        self.now = until;
        self.written = written;
    }

    /// Lets time pass until the rebalance has ended.
    pub(super) fn rebalance(&mut self) {
        while self.state() == ClassicState::PreparingRebalance {
            let next = self.shard.next_deadline().expect("a rebalance ends some day");
            self.advance(next.0 - self.now.0);
        }
    }

    /// Another broker takes over with what is in the log; whoever waits here is told by the shell.
    pub(super) fn reload(&mut self) {
        self.reload_with(GroupSettings::clone(&self.settings));
    }

    pub(super) fn reload_with(&mut self, settings: GroupSettings) {
        self.settings = Arc::new(settings);
        let mut next = GroupShard::new(Arc::clone(&self.settings), Arc::new(MetadataImage::default()));
        for (key, value) in &self.log {
            next.replay(&GroupRecord::decode(key, value.as_deref()).expect("we read what we wrote"));
        }
        assert!(next.same_hard_state(&self.shard), "the log says all");
        self.shard = next;
        self.waiting.clear();
        let effects = self.shard.on_loaded(self.now);
        self.carry_out(effects);
    }

    pub(super) fn group(&self) -> &ClassicGroup {
        &self.shard.soft.classic[GROUP]
    }

    pub(super) fn state(&self) -> ClassicState {
        self.group().state()
    }

    pub(super) fn member_ids(&self) -> Vec<&str> {
        self.group().members().map(|member| member.member_id.as_str()).collect()
    }

    /// `count` dynamic members that have just joined one generation; the leader first. Nobody has synced.
    pub(super) fn joined_group(&mut self, count: usize) -> Vec<Member> {
        let ids: Vec<String> = (0..count).map(|_| self.member_id()).collect();
        let tickets: Vec<Ticket> = ids.iter().map(|id| self.join(&join(id))).collect();
        self.rebalance();
        let mut members = Vec::new();
        for (id, ticket) in ids.into_iter().zip(tickets) {
            let response = self.joined(ticket);
            assert_eq!(response.error_code, NONE);
            let member = Member { generation: response.generation_id, id };
            if *response.leader == *member.id { members.insert(0, member) } else { members.push(member) }
        }
        assert_eq!(self.state(), ClassicState::CompletingRebalance);
        members
    }

    /// `count` dynamic members, stable; the leader first. Each has its own id as assignment.
    pub(super) fn stable_group(&mut self, count: usize) -> Vec<Member> {
        let members = self.joined_group(count);
        self.sync_all(&members);
        members
    }

    /// Everybody syncs, the leader last; each gets its own id as assignment.
    pub(super) fn sync_all(&mut self, members: &[Member]) {
        let shares: Vec<(&str, &[u8])> = members.iter().map(|member| (&*member.id, member.id.as_bytes())).collect();
        let mut tickets = Vec::new();
        for member in members.iter().rev() {
            let leads = self.group().is_leader(&member.id);
            tickets.push((self.sync(member, if leads { &shares } else { &[] }), member));
        }
        for (ticket, member) in tickets {
            assert_eq!(self.synced(ticket).assignment, member.id.as_bytes());
        }
        assert_eq!(self.state(), ClassicState::Stable);
    }

    /// Static members `a`, `b`, ... by instance id, stable; the leader first. Each has its own id as assignment.
    pub(super) fn static_group(&mut self, instance_ids: &[&str]) -> Vec<Member> {
        let tickets: Vec<Ticket> = instance_ids.iter().map(|id| self.join(&join("").instance(id))).collect();
        self.rebalance();
        let mut members = Vec::new();
        for ticket in tickets {
            let response = self.joined(ticket);
            let member = Member { id: response.member_id.to_string(), generation: response.generation_id };
            if response.leader == response.member_id { members.insert(0, member) } else { members.push(member) }
        }
        self.sync_all(&members);
        members
    }

    /// The only record of the last step, which must be of this group.
    pub(super) fn group_record(&self) -> &crate::group::records::GroupMetadataValue {
        match &self.written[..] {
            [GroupRecord::GroupMetadata { group, value: Some(value) }] if *group == GroupId::from(GROUP) => value,
            other => panic!("one GroupMetadata record, not {other:?}"),
        }
    }

    pub(super) fn is_pending(&self, member_id: &str) -> bool {
        self.group().pending_members.contains(&MemberId::from(member_id))
    }
}
