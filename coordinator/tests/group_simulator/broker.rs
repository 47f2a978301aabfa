//! The shell around the shard: a log of bytes, tickets, appends that fail, reloads, a clock that is set.

use super::checks::Checks;
use super::topics::Change;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{Caller, GroupEffects, GroupRecord, GroupReply, GroupSettings, GroupShard};
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

/// What a client sends; the number is the version of the request.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Join(JoinGroupRequest, i16),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest, i16),
    ConsumerHeartbeat(ConsumerGroupHeartbeatRequest, i16),
    Commit(OffsetCommitRequest, i16),
    Fetch(OffsetFetchRequestGroup),
}

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) client: usize,
    /// Counts the client's requests.
    pub(crate) attempt: u64,
}

/// The connection is gone, or the coordinator is: all that a client needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

pub(crate) type Answer = Result<GroupReply, Lost>;

/// How an append goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// Nothing reached the log.
    NotWritten,
    /// All of it did, but nobody can tell.
    Written,
}

type Bytes = (Vec<u8>, Option<Vec<u8>>);

/// One shard and its log.
#[derive(Debug)]
pub(crate) struct Broker {
    shard: GroupShard,
    settings: Arc<GroupSettings>,
    image: Arc<MetadataImage>,
    log: Vec<Bytes>,
    tickets: BTreeMap<Ticket, (Origin, i64)>,
    next_ticket: u64,
    /// What befalls the next appends.
    pub(crate) failures: VecDeque<Failure>,
    /// How far the broker's clock is ahead of the world's.
    skew_ms: i64,
    /// What is ready to be sent.
    pub(crate) outbox: Vec<(Origin, Answer)>,
}

impl Broker {
    pub(crate) fn new(settings: Arc<GroupSettings>, image: Arc<MetadataImage>, now: i64) -> Self {
        let mut shard = GroupShard::new(Arc::clone(&settings), Arc::clone(&image));
        let effects = shard.on_loaded(Millis(now));
        assert!(effects.records.is_empty() && effects.replies.is_empty(), "an empty log asks for nothing");
        Self {
            shard,
            settings,
            image,
            log: Vec::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            failures: VecDeque::new(),
            skew_ms: 0,
            outbox: Vec::new(),
        }
    }

    /// The log's bytes, for comparing two lives.
    pub(crate) fn log(&self) -> &[Bytes] {
        &self.log
    }

    fn clock(&self, now: i64) -> Millis {
        Millis(now + self.skew_ms)
    }

    /// When the shard wants to be woken, in the world's time.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.shard.next_deadline().map(|at| at.0.saturating_sub(self.skew_ms))
    }

    /// A request arrives.
    pub(crate) fn receive(&mut self, checks: &mut Checks, now: i64, origin: Origin, fresh_id: Uuid, request: &Request) {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.tickets.insert(ticket, (origin, now));
        let clock = self.clock(now);
        let name = format!("c{}", origin.client);
        let caller = |api_version| Caller { api_version, client_id: &name, client_host: "/127.0.0.1", fresh_id };
        let shard = &mut self.shard;
        let effects = match request {
            Request::Join(request, version) => shard.join_group(clock, ticket, &caller(*version), request),
            Request::Sync(request) => shard.sync_group(clock, ticket, request),
            Request::Heartbeat(request) => shard.heartbeat(clock, ticket, request),
            Request::Leave(request, version) => shard.leave_group(clock, ticket, &caller(*version), request),
            Request::ConsumerHeartbeat(request, version) => shard.consumer_group_heartbeat(clock, ticket, &caller(*version), request),
            Request::Commit(request, version) => shard.offset_commit(clock, ticket, &caller(*version), request),
            Request::Fetch(request) => shard.offset_fetch(clock, ticket, request, false),
        };
        if let Request::Commit(request, _) = request {
            checks.commit_handled(request, &effects, ticket, origin.client);
        }
        self.carry_out(checks, now, effects);
        checks.commit_done();
        if let Request::Fetch(request) = request {
            checks.fetch_answered(request, &self.outbox);
        }
    }

    /// An administrator asks something; the answers are for the checks.
    pub(crate) fn ask(
        &mut self,
        checks: &mut Checks,
        now: i64,
        question: impl FnOnce(&mut GroupShard, Millis, Ticket) -> GroupEffects,
    ) -> Option<GroupReply> {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let clock = self.clock(now);
        let mut effects = question(&mut self.shard, clock, ticket);
        let at = effects.replies.iter().position(|(to, _)| *to == ticket);
        let reply = at.map(|at| effects.replies.remove(at).1);
        self.carry_out(checks, now, effects);
        reply
    }

    /// The earliest deadline has come.
    pub(crate) fn wake(&mut self, checks: &mut Checks, now: i64) {
        let effects = self.shard.handle_timeout(self.clock(now));
        self.carry_out(checks, now, effects);
    }

    pub(crate) fn publish(&mut self, checks: &mut Checks, now: i64, (image, delta): Change) {
        self.image = Arc::clone(&image);
        checks.image = Arc::clone(&image);
        let effects = self.shard.on_new_image(self.clock(now), &image, &delta);
        self.carry_out(checks, now, effects);
    }

    /// Somebody sets the broker's clock.
    pub(crate) fn set_clock(&mut self, by_ms: i64) {
        self.skew_ms += by_ms;
        self.shard.shift_deadlines(by_ms);
    }

    fn carry_out(&mut self, checks: &mut Checks, now: i64, effects: GroupEffects) {
        if !effects.records.is_empty() {
            let failure = self.failures.pop_front();
            if !matches!(failure, Some(Failure::NotWritten)) {
                self.append(checks, &effects.records);
            }
            if failure.is_some() {
                return self.fail(checks, now, &effects);
            }
        }
        for (ticket, reply) in effects.replies {
            let (origin, _) = self.tickets.remove(&ticket).unwrap_or_else(|| panic!("{ticket:?} is answered twice: {reply:?}"));
            self.outbox.push((origin, Ok(reply)));
        }
    }

    fn append(&mut self, checks: &mut Checks, records: &[GroupRecord]) {
        for record in records {
            let bytes = record.encode().expect("short texts");
            let read = GroupRecord::decode(&bytes.0, bytes.1.as_deref());
            assert_eq!(read.as_ref(), Ok(record), "a record survives its bytes");
            self.log.push(bytes);
            self.shard.replay(record);
        }
        checks.appended(records, &self.shard);
    }

    /// As the shell does when an append fails: everybody who waits is sent away and the shard is loaded anew.
    fn fail(&mut self, checks: &mut Checks, now: i64, effects: &GroupEffects) {
        for (ticket, _) in &effects.replies {
            assert!(self.tickets.contains_key(ticket), "{ticket:?} is answered twice");
        }
        self.reload(checks, now);
    }

    /// Another shard takes over from the log.
    pub(crate) fn reload(&mut self, checks: &mut Checks, now: i64) {
        for (origin, _) in std::mem::take(&mut self.tickets).into_values() {
            self.outbox.push((origin, Err(Lost)));
        }
        let mut loaded = GroupShard::new(Arc::clone(&self.settings), Arc::clone(&self.image));
        for (key, value) in &self.log {
            loaded.replay(&GroupRecord::decode(key, value.as_deref()).expect("our own bytes"));
        }
        assert!(loaded.same_hard_state(&self.shard), "the log gives back the state\nheld: {:#?}\nloaded: {loaded:#?}", self.shard);
        self.shard = loaded;
        checks.reloaded(&self.shard);
        let effects = self.shard.on_loaded(self.clock(now));
        assert!(effects.replies.is_empty(), "nobody has asked yet");
        self.carry_out(checks, now, effects);
    }

    /// How long the oldest request has been waiting.
    pub(crate) fn longest_wait_ms(&self, now: i64) -> i64 {
        self.tickets.values().map(|(_, since)| now - since).max().unwrap_or(0)
    }

    /// Who waits.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Origin, i64)> + '_ {
        self.tickets.values().copied()
    }
}
