//! A client of the classic protocol, as the Java consumer behaves.

use super::broker::{Answer, Lost, Request};
use super::checks::Part;
use super::client::{Client, Move, Sight, Standing, by_name, group_text, text};
use super::leader::{assign, read_assignment, subscription};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::group::GroupReply;
use std::collections::{BTreeMap, BTreeSet};

/// The shortest session timeout of a classic client here.
pub(crate) const SESSION_TIMEOUT_MS: i32 = 10_000;
const HEARTBEAT_INTERVAL_MS: i64 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Is to join (again).
    Outside,
    /// Has committed what it read before giving it up, or has asked to join.
    Prepared,
    /// Waits for its assignment.
    Joined,
    /// Has it.
    Stable,
    /// Is fenced for ever.
    Fenced,
}

/// The classic side of a client.
#[derive(Debug)]
pub(crate) struct Classic {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    phase: Phase,
    /// Keeps what it owns through a rebalance.
    cooperative: bool,
    /// Version of its JoinGroup requests.
    version: i16,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    /// What it shares out as the leader; `None` for followers.
    shares: Option<BTreeMap<String, Bytes>>,
    /// What the partitions were when it last led.
    led: Option<BTreeSet<Part>>,
    /// Topics of all members, as far as it knows.
    group_topics: BTreeSet<String>,
}

impl Classic {
    pub(crate) fn new(sight: &mut Sight<'_>, client: &Client, cooperative: bool) -> Self {
        let version = if client.instance.is_some() { sight.rng.between(5, 9) } else { sight.rng.between(0, 9) };
        Self {
            member_id: String::new(),
            generation: -1,
            phase: Phase::Outside,
            cooperative,
            version: version as i16,
            session_timeout_ms: if sight.rng.percent(50) { SESSION_TIMEOUT_MS } else { 30_000 },
            rebalance_timeout_ms: sight.rng.between(6_000, 12_000) as i32,
            shares: None,
            led: None,
            group_topics: BTreeSet::new(),
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.phase == Phase::Stable
    }

    pub(crate) fn next_move(&mut self, client: &mut Client, sight: &mut Sight<'_>) -> Move {
        if self.phase == Phase::Fenced {
            return Move::End(true);
        }
        if client.leaving {
            client.lose_all(sight.checks);
            return if self.member_id.is_empty() || client.instance.is_some() {
                Move::End(false)
            } else {
                Move::Send(Box::new(self.leave(client)))
            };
        }
        if self.phase == Phase::Stable && self.has_seen_topics_change(sight) {
            self.phase = Phase::Outside;
        }
        match self.phase {
            Phase::Outside => {
                if !client.owned.is_empty() && self.generation >= 0 && sight.rng.percent(70) {
                    self.phase = Phase::Prepared;
                    if let Some(commit) = client.commit(sight, &self.member_id, self.generation) {
                        return Move::Send(Box::new(commit));
                    }
                }
                self.join(client, sight)
            }
            Phase::Prepared => self.join(client, sight),
            Phase::Joined => Move::Send(Box::new(self.sync(client))),
            Phase::Stable => self.beat(client, sight),
            Phase::Fenced => unreachable!(),
        }
    }

    /// The leader watches the topics of the whole group.
    fn has_seen_topics_change(&self, sight: &Sight<'_>) -> bool {
        self.led.as_ref().is_some_and(|led| *led != super::client::all_partitions(sight.image, &self.group_topics))
    }

    fn join(&mut self, client: &mut Client, sight: &mut Sight<'_>) -> Move {
        // However often it has to ask, it prepares once.
        self.phase = Phase::Prepared;
        if !self.cooperative {
            client.lose_all(sight.checks);
        }
        let owned = by_name(sight.image, &client.owned);
        let names: &[&str] = if self.cooperative { &["cooperative-sticky"] } else { &["range", "roundrobin"] };
        let metadata = subscription(&client.topics, &owned, self.generation);
        let protocols =
            names.iter().map(|name| JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone())).collect();
        let request = JoinGroupRequest::default()
            .with_group_id(group_text(&client.group))
            .with_session_timeout_ms(self.session_timeout_ms)
            .with_rebalance_timeout_ms(if self.version == 0 { -1 } else { self.rebalance_timeout_ms })
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(client.instance.as_deref().map(text))
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(protocols);
        Move::Send(Box::new(Request::Join(request, self.version)))
    }

    fn sync(&self, client: &Client) -> Request {
        let share = |(member, share): (&String, &Bytes)| {
            SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(share.clone())
        };
        let request = SyncGroupRequest::default()
            .with_group_id(group_text(&client.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(client.instance.as_deref().map(text))
            .with_assignments(self.shares.iter().flatten().map(share).collect());
        Request::Sync(request)
    }

    fn leave(&self, client: &Client) -> Request {
        let member_id = text(&self.member_id);
        let request = LeaveGroupRequest::default().with_group_id(group_text(&client.group));
        if self.version < 3 {
            return Request::Leave(request.with_member_id(member_id), 1);
        }
        Request::Leave(request.with_members(vec![MemberIdentity::default().with_member_id(member_id)]), 4)
    }

    fn beat(&mut self, client: &mut Client, sight: &mut Sight<'_>) -> Move {
        if !client.commit_is_overdue
            && let Some(fetch) = client.fetch(sight.image, None)
        {
            return Move::Send(Box::new(fetch));
        }
        if (std::mem::take(&mut client.commit_is_overdue) || sight.rng.percent(30))
            && let Some(commit) = client.commit(sight, &self.member_id, self.generation)
        {
            return Move::Send(Box::new(commit));
        }
        let request = HeartbeatRequest::default()
            .with_group_id(group_text(&client.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(client.instance.as_deref().map(text));
        Move::Send(Box::new(Request::Heartbeat(request)))
    }

    pub(crate) fn take(&mut self, client: &mut Client, sight: &mut Sight<'_>, sent_at: i64, answer: Answer) -> i64 {
        let reply = match answer {
            Ok(reply) => reply,
            Err(Lost) => return sight.rng.between(50, 300),
        };
        match reply {
            GroupReply::JoinGroup(response) => {
                let error = ResponseError::try_from_code(response.error_code);
                if error == Some(ResponseError::MemberIdRequired) {
                    self.member_id = response.member_id.to_string();
                    return 1;
                }
                if let Some(error) = error {
                    return self.refused(client, sight, error);
                }
                self.member_id = response.member_id.to_string();
                assert!(
                    self.generation <= response.generation_id || client.standing > Standing::Known || sight.checks.is_excused(client.id),
                    "client {}: the generation went back from {} to {}",
                    client.id,
                    self.generation,
                    response.generation_id
                );
                self.generation = response.generation_id;
                let leads = response.leader == response.member_id;
                self.shares = leads.then(BTreeMap::new);
                self.led = None;
                if leads && !response.skip_assignment {
                    assert!(!response.members.is_empty(), "a leader is told of all members");
                    self.lead(sight, &response.members, response.protocol_name.as_deref());
                }
                self.phase = Phase::Joined;
                client.standing = Standing::Known;
                1
            }
            GroupReply::SyncGroup(response) => {
                if let Some(error) = ResponseError::try_from_code(response.error_code) {
                    return self.refused(client, sight, error);
                }
                self.synced(client, sight, sent_at, &response.assignment)
            }
            GroupReply::Heartbeat(response) => match ResponseError::try_from_code(response.error_code) {
                Some(error) => self.refused(client, sight, error),
                None => {
                    client.accepted(sight.checks, sent_at);
                    HEARTBEAT_INTERVAL_MS
                }
            },
            GroupReply::OffsetCommit(response) => {
                let code = response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).max();
                match ResponseError::try_from_code(code.unwrap_or(0)) {
                    Some(ResponseError::RebalanceInProgress) if self.phase == Phase::Prepared => 1,
                    Some(error) => self.refused(client, sight, error),
                    None => sight.rng.between(1, 1_000),
                }
            }
            GroupReply::OffsetFetch(_) => {
                client.fetched(sight.image, &reply);
                sight.rng.between(1, 100)
            }
            GroupReply::LeaveGroup(_) => {
                self.member_id.clear();
                1
            }
            other => panic!("not an answer to a classic client: {other:?}"),
        }
    }

    fn lead(&mut self, sight: &Sight<'_>, members: &[JoinGroupResponseMember], protocol: Option<&str>) {
        self.shares = Some(assign(sight.image, members, protocol == Some("cooperative-sticky")));
        self.group_topics = super::leader::topics_of_all(members);
        self.led = Some(super::client::all_partitions(sight.image, &self.group_topics));
    }

    fn synced(&mut self, client: &mut Client, sight: &mut Sight<'_>, sent_at: i64, assignment: &Bytes) -> i64 {
        let assigned = read_assignment(sight.image, assignment);
        let given_up: Vec<Part> = client.owned.difference(&assigned).copied().collect();
        assert!(self.cooperative || given_up.is_empty(), "an eager client has given up everything before it joins");
        client.lose(sight.checks, given_up.iter().copied());
        client.accepted(sight.checks, sent_at);
        client.gain(sight.checks, assigned);
        // Somebody waits for what was given up.
        self.phase = if given_up.is_empty() { Phase::Stable } else { Phase::Outside };
        1
    }

    fn refused(&mut self, client: &mut Client, sight: &mut Sight<'_>, error: ResponseError) -> i64 {
        match error {
            ResponseError::RebalanceInProgress => self.phase = Phase::Outside,
            ResponseError::UnknownMemberId => {
                client.rejected(sight.checks, "UNKNOWN_MEMBER_ID", Standing::Forgotten);
                self.start_over();
                self.member_id.clear();
            }
            ResponseError::IllegalGeneration => {
                client.rejected(sight.checks, "ILLEGAL_GENERATION", Standing::OfAnEarlierGeneration);
                self.start_over();
            }
            ResponseError::FencedInstanceId => {
                client.rejected(sight.checks, "FENCED_INSTANCE_ID", Standing::Forgotten);
                self.phase = Phase::Fenced;
            }
            // The others of the group speak another protocol, for as long as they are there.
            ResponseError::InconsistentGroupProtocol => {
                client.lose_all(sight.checks);
                self.start_over();
                return 5_000;
            }
            other => panic!("client {} of {} was told {other:?}", client.id, client.group),
        }
        sight.rng.between(1, 100)
    }

    fn start_over(&mut self) {
        self.generation = -1;
        self.phase = Phase::Outside;
        self.shares = None;
        self.led = None;
    }
}
