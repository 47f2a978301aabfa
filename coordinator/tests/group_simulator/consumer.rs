//! A client of the consumer protocol (KIP-848), as the Java consumer behaves.

use super::broker::{Answer, Lost, Request};
use super::checks::Part;
use super::client::{Client, Move, Sight, Standing, group_text, is_gone, text};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicName};
use ottla_coordinator::group::GroupReply;
use ottla_coordinator::metadata::{TopicId, uuid_text};
use std::collections::{BTreeMap, BTreeSet};

const JOIN: i32 = 0;
const LEAVE: i32 = -1;
const LEAVE_FOR_A_WHILE: i32 = -2;

/// How far a client is on the way to its assignment.
#[derive(Debug)]
enum Way {
    /// It has what it was told to have, and the coordinator knows.
    There,
    /// Commits before it gives partitions up.
    Committing,
    /// Has given partitions up; takes the new ones when its callbacks are through.
    CallingBack { until: i64 },
    /// Has what it was told to have; the next heartbeat says so.
    Acknowledging,
}

/// The consumer side of a client.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    /// What the coordinator wants it to have, as far as its topics are there.
    target: Option<BTreeSet<Part>>,
    /// The same with topics that are gone.
    told: BTreeSet<Part>,
    /// The coordinator waits for an answer to what it told, even if it makes no difference here.
    owes_answer: bool,
    way: Way,
    /// Heartbeats carry everything, as they do after an error.
    send_all: bool,
    version: i16,
    assignor: Option<&'static str>,
    regex: Option<String>,
    heartbeat_interval_ms: i64,
    next_heartbeat_at: i64,
    fatal: bool,
}

impl Consumer {
    pub(crate) fn new(sight: &mut Sight<'_>, client: &Client) -> Self {
        let version = sight.rng.between(0, 1) as i16;
        // In version 1 the client names itself.
        let member_id = if version >= 1 { uuid_text(sight.rng.uuid()) } else { String::new() };
        let regex = (version >= 1 && sight.rng.percent(15)).then(|| client.topics.iter().cloned().collect::<Vec<_>>().join("|"));
        Self {
            member_id,
            epoch: JOIN,
            target: None,
            told: BTreeSet::new(),
            owes_answer: false,
            way: Way::There,
            send_all: true,
            version,
            assignor: sight.rng.pick(&[None, None, Some("uniform"), Some("range")]).copied().flatten(),
            regex,
            heartbeat_interval_ms: 1_000,
            next_heartbeat_at: 0,
            fatal: false,
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.epoch > 0 && matches!(self.way, Way::There)
    }

    pub(crate) fn next_move(&mut self, client: &mut Client, sight: &mut Sight<'_>) -> Move {
        if self.fatal {
            return Move::End(true);
        }
        if client.leaving {
            client.lose_all(sight.checks);
            if self.epoch <= 0 {
                return Move::End(false);
            }
            let epoch = if client.instance.is_some() && sight.rng.percent(60) { LEAVE_FOR_A_WHILE } else { LEAVE };
            return Move::Send(Box::new(Request::ConsumerHeartbeat(self.bare(client, epoch), self.version)));
        }
        if self.epoch > 0 {
            if std::mem::take(&mut client.commit_is_overdue)
                && let Some(commit) = client.commit(sight, &self.member_id, self.epoch)
            {
                return Move::Send(Box::new(commit));
            }
            if let Some(commit) = self.walk(client, sight) {
                return Move::Send(Box::new(commit));
            }
            if sight.now < self.next_heartbeat_at && !matches!(self.way, Way::Acknowledging) {
                return self.work(client, sight);
            }
        } else if sight.now < self.next_heartbeat_at {
            // In the group, but without an epoch as long as its regular expression is looked at.
            return Move::Rest(self.next_heartbeat_at - sight.now);
        }
        Move::Send(Box::new(self.heartbeat(client)))
    }

    /// One step towards the target. Returns the commit that comes first.
    fn walk(&mut self, client: &mut Client, sight: &mut Sight<'_>) -> Option<Request> {
        match self.way {
            Way::There => {
                let target = self.target.as_ref()?;
                if *target == client.owned {
                    if std::mem::take(&mut self.owes_answer) {
                        self.way = Way::Acknowledging;
                    }
                    return None;
                }
                self.way = Way::Committing;
                if client.owned.is_subset(target) {
                    return self.walk(client, sight);
                }
                client.commit(sight, &self.member_id, self.epoch).or_else(|| self.walk(client, sight))
            }
            Way::Committing => {
                let target = self.target.clone().unwrap_or_default();
                let given_up: Vec<Part> = client.owned.difference(&target).copied().collect();
                client.lose(sight.checks, given_up);
                self.way = Way::CallingBack { until: sight.now + sight.rng.between(0, 400) };
                None
            }
            Way::CallingBack { until } if sight.now >= until => {
                let target = self.target.clone().unwrap_or_default();
                client.gain(sight.checks, target);
                self.owes_answer = true;
                self.way = Way::There;
                self.walk(client, sight)
            }
            Way::CallingBack { .. } | Way::Acknowledging => None,
        }
    }

    /// Between heartbeats it reads and commits.
    fn work(&self, client: &mut Client, sight: &mut Sight<'_>) -> Move {
        if let Some(fetch) = client.fetch(sight.image, Some((&self.member_id, self.epoch))) {
            return Move::Send(Box::new(fetch));
        }
        if sight.rng.percent(20)
            && let Some(commit) = client.commit(sight, &self.member_id, self.epoch)
        {
            return Move::Send(Box::new(commit));
        }
        let rest = match self.way {
            Way::CallingBack { until } => until,
            _ => self.next_heartbeat_at,
        };
        Move::Rest((rest - sight.now).clamp(1, 1_000))
    }

    fn bare(&self, client: &Client, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_text(&client.group))
            .with_member_id(text(&self.member_id))
            .with_member_epoch(epoch)
            .with_instance_id(client.instance.as_deref().map(text))
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_subscribed_topic_regex(None)
            .with_server_assignor(None)
            .with_topic_partitions(None)
    }

    fn heartbeat(&mut self, client: &Client) -> Request {
        let mut request = self.bare(client, self.epoch);
        if self.send_all || self.epoch == JOIN {
            let names = if self.regex.is_some() { Vec::new() } else { client.topics.iter().map(|name| TopicName(text(name))).collect() };
            request = request
                .with_rebalance_timeout_ms(12_000)
                .with_subscribed_topic_names(Some(names))
                .with_subscribed_topic_regex(self.regex.as_deref().map(text))
                .with_server_assignor(self.assignor.map(text));
        }
        if self.send_all || self.epoch == JOIN || matches!(self.way, Way::Acknowledging) {
            request = request.with_topic_partitions(Some(topic_partitions(&client.owned)));
        }
        if matches!(self.way, Way::Acknowledging) {
            self.way = Way::There;
        }
        self.send_all = false;
        Request::ConsumerHeartbeat(request, self.version)
    }

    pub(crate) fn take(&mut self, client: &mut Client, sight: &mut Sight<'_>, sent_at: i64, answer: Answer) -> i64 {
        let reply = match answer {
            Ok(reply) => reply,
            Err(Lost) => {
                client.lost_in_a_row += 1;
                self.send_all = true;
                self.next_heartbeat_at = sight.now;
                return sight.rng.between(50, 300);
            }
        };
        match reply {
            GroupReply::ConsumerGroupHeartbeat(response) => self.beaten(client, sight, sent_at, response),
            GroupReply::OffsetCommit(response) => {
                let code = response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).max();
                match ResponseError::try_from_code(code.unwrap_or(0)) {
                    // The next heartbeat tells what became of it.
                    None | Some(ResponseError::StaleMemberEpoch) => 1,
                    Some(ResponseError::UnknownMemberId) => {
                        client.needs_excuse(sight.checks, "UNKNOWN_MEMBER_ID for a commit", Standing::Forgotten);
                        1
                    }
                    Some(ResponseError::FencedInstanceId) => {
                        client.rejected(sight.checks, "FENCED_INSTANCE_ID for a commit", Standing::Forgotten);
                        self.fatal = true;
                        1
                    }
                    Some(error) => panic!("client {}: a commit was answered {error:?}", client.id),
                }
            }
            GroupReply::OffsetFetch(_) => {
                client.fetched(sight.image, &reply);
                sight.rng.between(100, 500)
            }
            other => panic!("not an answer to a consumer: {other:?}"),
        }
    }

    fn beaten(&mut self, client: &mut Client, sight: &mut Sight<'_>, sent_at: i64, response: ConsumerGroupHeartbeatResponse) -> i64 {
        if let Some(error) = ResponseError::try_from_code(response.error_code) {
            return self.refused(client, sight, error, response.error_message.as_deref().unwrap_or_default());
        }
        client.lost_in_a_row = 0;
        client.standing = Standing::Known;
        if response.member_epoch < 0 {
            self.epoch = JOIN;
            return 1;
        }
        if let Some(member_id) = &response.member_id {
            self.member_id = member_id.to_string();
        }
        assert!(self.epoch <= response.member_epoch, "client {}: the epoch went back from {} to {response:?}", client.id, self.epoch);
        self.epoch = response.member_epoch;
        client.accepted(sight.checks, sent_at);
        self.heartbeat_interval_ms = i64::from(response.heartbeat_interval_ms);
        self.next_heartbeat_at = sight.now + self.heartbeat_interval_ms;
        if let Some(assignment) = response.assignment {
            let parts = assignment.topic_partitions.iter();
            let told: BTreeSet<Part> =
                parts.flat_map(|topic| topic.partitions.iter().map(|index| (TopicId(topic.topic_id), *index))).collect();
            self.target = Some(told.iter().filter(|(topic, _)| !is_gone(sight.image, *topic)).copied().collect());
            self.owes_answer |= told != self.told;
            self.told = told;
            // Java starts over with the new target, and drops what it has not yet acknowledged.
            self.way = Way::There;
        }
        1
    }

    fn refused(&mut self, client: &mut Client, sight: &mut Sight<'_>, error: ResponseError, message: &str) -> i64 {
        match error {
            ResponseError::UnknownMemberId | ResponseError::FencedMemberEpoch => {
                // With two answers lost in a row it may be two epochs behind.
                if client.lost_in_a_row < 2 {
                    client.rejected(sight.checks, &format!("{error:?}: {message}"), Standing::Forgotten);
                }
                client.lose_all(sight.checks);
                if client.leaving {
                    self.epoch = JOIN;
                    return 1;
                }
                self.start_over();
            }
            // Another process has the name.
            ResponseError::UnreleasedInstanceId => self.fatal = true,
            ResponseError::FencedInstanceId => {
                client.rejected(sight.checks, "FENCED_INSTANCE_ID", Standing::Forgotten);
                self.fatal = true;
            }
            ResponseError::GroupIdNotFound => {
                client.rejected(sight.checks, "GROUP_ID_NOT_FOUND", Standing::Forgotten);
                self.start_over();
                return 1_000;
            }
            other => panic!("client {} of {} was told {other:?}: {message}", client.id, client.group),
        }
        sight.rng.between(1, 100)
    }

    fn start_over(&mut self) {
        self.epoch = JOIN;
        self.target = None;
        self.told.clear();
        self.owes_answer = false;
        self.way = Way::There;
        self.send_all = true;
        self.next_heartbeat_at = 0;
    }
}

fn topic_partitions(parts: &BTreeSet<Part>) -> Vec<TopicPartitions> {
    let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in parts {
        topics.entry(*topic).or_default().push(*partition);
    }
    topics.into_iter().map(|(topic, partitions)| TopicPartitions::default().with_topic_id(topic.0).with_partitions(partitions)).collect()
}
