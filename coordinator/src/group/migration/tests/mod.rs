//! Stories of groups between the protocols, told through the doors of a shard.

mod classic_members;
mod downgrade;
mod embedded;
mod upgrade;

use super::super::consumer::tests::{Bed, GROUP, assigned, beat, join, owning, text, topic_id};
use super::super::*;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use std::collections::BTreeMap;

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 30_000;

/// A consumer of the classic protocol, as far as its requests go.
#[derive(Clone, Debug)]
struct Consumer {
    member_id: String,
    instance_id: Option<&'static str>,
    topics: Vec<&'static str>,
    owned: Vec<(&'static str, Vec<i32>)>,
    rack: &'static str,
    protocols: Vec<&'static str>,
    generation: i32,
    /// What SyncGroup brought.
    assigned: Vec<(String, Vec<i32>)>,
}

/// A classic consumer without an id.
fn consumer(topics: &[&'static str]) -> Consumer {
    Consumer {
        member_id: String::new(),
        instance_id: None,
        topics: topics.to_vec(),
        owned: Vec::new(),
        rack: "",
        protocols: vec!["range"],
        generation: -1,
        assigned: Vec::new(),
    }
}

impl Consumer {
    fn static_member(instance_id: &'static str, topics: &[&'static str]) -> Self {
        Self { instance_id: Some(instance_id), ..consumer(topics) }
    }

    fn named(member_id: &str, topics: &[&'static str]) -> Self {
        Self { member_id: member_id.to_owned(), ..consumer(topics) }
    }

    /// `ConsumerProtocolSubscription` version 3.
    fn metadata(&self) -> Vec<u8> {
        let mut bytes = vec![0, 3];
        let mut put = |part: &[u8]| bytes.extend_from_slice(part);
        put(&(self.topics.len() as i32).to_be_bytes());
        for topic in &self.topics {
            put(&(topic.len() as i16).to_be_bytes());
            put(topic.as_bytes());
        }
        put(&(-1i32).to_be_bytes());
        put(&partitions(&self.owned));
        put(&self.generation.to_be_bytes());
        put(&(self.rack.len() as i16).to_be_bytes());
        put(self.rack.as_bytes());
        bytes
    }

    fn join_request(&self) -> JoinGroupRequest {
        let metadata = self.metadata();
        let protocol = |name: &&str| JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone().into());
        JoinGroupRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance_id.map(text))
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(REBALANCE_MS)
            .with_protocol_type(text("consumer"))
            .with_protocols(self.protocols.iter().map(protocol).collect())
    }

    fn sync_request(&self) -> SyncGroupRequest {
        SyncGroupRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance_id.map(text))
            .with_generation_id(self.generation)
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text(self.protocols[0])))
    }

    fn heartbeat_request(&self) -> HeartbeatRequest {
        HeartbeatRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance_id.map(text))
            .with_generation_id(self.generation)
    }

    fn identity(&self) -> MemberIdentity {
        MemberIdentity::default().with_member_id(text(&self.member_id)).with_group_instance_id(self.instance_id.map(text))
    }
}

fn partitions(of: &[(&str, Vec<i32>)]) -> Vec<u8> {
    let mut bytes = (of.len() as i32).to_be_bytes().to_vec();
    for (topic, partitions) in of {
        bytes.extend_from_slice(&(topic.len() as i16).to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
        bytes.extend_from_slice(&(partitions.len() as i32).to_be_bytes());
        bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
    }
    bytes
}

/// `ConsumerProtocolAssignment` version 3.
fn assignment(of: &[(&str, Vec<i32>)]) -> Vec<u8> {
    [vec![0, 3], partitions(of), (-1i32).to_be_bytes().to_vec()].concat()
}

fn read(bytes: &[u8]) -> Vec<(String, Vec<i32>)> {
    let read = super::embedded::read_assignment(bytes).expect("an assignment of ours");
    read.partitions.into_iter().map(|(topic, partitions)| (topic.to_string(), partitions)).collect()
}

/// The classic side of the bed. Tickets tell parked requests apart.
impl Bed {
    fn call(&mut self, call: impl FnOnce(&mut GroupShard, Millis, &Caller<'_>) -> GroupEffects) -> BTreeMap<Ticket, GroupReply> {
        let fresh_id = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10 + u128::try_from(self.now.0).unwrap_or(0));
        let caller = Caller { api_version: 9, client_id: "client", client_host: "/127.0.0.1", fresh_id };
        let effects = call(&mut self.shard, self.now, &caller);
        self.now = Millis(self.now.0 + 1);
        self.settle(effects).into_iter().collect()
    }

    fn try_join(&mut self, consumer: &Consumer) -> BTreeMap<Ticket, GroupReply> {
        self.try_join_as(Ticket(1), consumer)
    }

    fn try_join_as(&mut self, ticket: Ticket, consumer: &Consumer) -> BTreeMap<Ticket, GroupReply> {
        let request = consumer.join_request();
        self.call(|shard, now, caller| shard.join_group(now, ticket, caller, &request))
    }

    /// Joins a consumer group: the answer comes at once.
    fn join(&mut self, consumer: &mut Consumer) -> JoinGroupResponse {
        let mut response = joined(&self.try_join(consumer), Ticket(1)).expect("an answer at once");
        if response.error_code == ResponseError::MemberIdRequired.code() {
            consumer.member_id = response.member_id.to_string();
            response = joined(&self.try_join(consumer), Ticket(1)).expect("an answer at once");
        }
        if response.error_code == 0 {
            consumer.member_id = response.member_id.to_string();
            consumer.generation = response.generation_id;
        }
        response
    }

    fn sync(&mut self, consumer: &mut Consumer) -> SyncGroupResponse {
        let request = consumer.sync_request();
        let replies = self.call(|shard, now, _| shard.sync_group(now, Ticket(2), &request));
        let Some(GroupReply::SyncGroup(response)) = replies.get(&Ticket(2)) else { panic!("no answer: {replies:?}") };
        if response.error_code == 0 {
            consumer.assigned = read(&response.assignment);
        }
        response.clone()
    }

    /// JoinGroup and SyncGroup, both in order. An eager consumer has given everything up before.
    fn rejoin(&mut self, consumer: &mut Consumer) {
        assert_eq!(self.join(consumer).error_code, 0);
        assert_eq!(self.sync(consumer).error_code, 0);
    }

    fn classic_heartbeat(&mut self, consumer: &Consumer) -> i16 {
        let request = consumer.heartbeat_request();
        let replies = self.call(|shard, now, _| shard.heartbeat(now, Ticket(3), &request));
        let Some(GroupReply::Heartbeat(response)) = replies.get(&Ticket(3)) else { panic!("no answer: {replies:?}") };
        response.error_code
    }

    fn leave(&mut self, members: Vec<MemberIdentity>) -> Vec<MemberResponse> {
        let request = LeaveGroupRequest::default().with_group_id(text(GROUP).into()).with_members(members);
        let replies = self.call(|shard, now, caller| shard.leave_group(now, Ticket(4), caller, &request));
        let Some(GroupReply::LeaveGroup(response)) = replies.get(&Ticket(4)) else { panic!("no answer: {replies:?}") };
        assert_eq!(response.error_code, 0);
        response.members.clone()
    }

    /// A stable classic group: the consumers join together and the first that leads assigns what `shares` says, in their order.
    fn classic_group(&mut self, consumers: &mut [Consumer], shares: &[Vec<u8>]) {
        for consumer in consumers.iter_mut().filter(|consumer| consumer.instance_id.is_none()) {
            let required = joined(&self.try_join(consumer), Ticket(1)).expect("an answer at once");
            assert_eq!(required.error_code, ResponseError::MemberIdRequired.code());
            consumer.member_id = required.member_id.to_string();
        }
        for (ticket, consumer) in (100..).zip(consumers.iter()) {
            assert!(self.try_join_as(Ticket(ticket), consumer).is_empty(), "everybody waits");
        }
        let replies = self.sleep_for_replies(3_000 * consumers.len() as i64 + i64::from(REBALANCE_MS));
        for (ticket, consumer) in (100..).zip(consumers.iter_mut()) {
            let response = joined(&replies, Ticket(ticket)).expect("an answer after the delay");
            assert_eq!(response.error_code, 0);
            consumer.member_id = response.member_id.to_string();
            consumer.generation = response.generation_id;
        }
        let leader = self.shard.soft.classic[GROUP].members().next().map(|member| member.member_id.to_string()).expect("a leader");
        let share = |(consumer, share): (&Consumer, &Vec<u8>)| {
            SyncGroupRequestAssignment::default().with_member_id(text(&consumer.member_id)).with_assignment(share.clone().into())
        };
        let shares: Vec<_> = consumers.iter().zip(shares).map(share).collect();
        let followers = consumers.iter().filter(|consumer| consumer.member_id != leader);
        let leading = consumers.iter().filter(|consumer| consumer.member_id == leader);
        let mut synced = BTreeMap::new();
        for consumer in followers.chain(leading) {
            let request = consumer.sync_request().with_assignments(shares.clone());
            synced.extend(self.call(|shard, now, _| shard.sync_group(now, Ticket(now.0 as u64), &request)));
        }
        assert_eq!(synced.len(), consumers.len(), "everybody has an assignment");
    }

    fn sleep_for_replies(&mut self, ms: i64) -> BTreeMap<Ticket, GroupReply> {
        let until = Millis(self.now.0 + ms);
        let mut replies = BTreeMap::new();
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= until && replies.is_empty()) {
            self.now = at.max(self.now);
            let effects = self.shard.handle_timeout(self.now);
            replies.extend(self.settle(effects));
        }
        replies
    }

    /// The timers that run, as text.
    fn timers(&self) -> String {
        format!("{:?}", self.shard.soft.timers)
    }

    fn classic(&self) -> &classic::ClassicGroup {
        assert!(!self.shard.hard.consumer.contains_key(GROUP), "no consumer group any more");
        self.shard.soft.classic.get(GROUP).expect("a classic group")
    }

    fn is_consumer_group(&self) -> bool {
        let both = self.shard.soft.classic.contains_key(GROUP) && self.shard.hard.consumer.contains_key(GROUP);
        assert!(!both, "a group is of one kind");
        self.shard.hard.consumer.contains_key(GROUP)
    }
}

fn joined(replies: &BTreeMap<Ticket, GroupReply>, ticket: Ticket) -> Option<JoinGroupResponse> {
    match replies.get(&ticket)? {
        GroupReply::JoinGroup(response) => Some(response.clone()),
        other => panic!("a JoinGroup is answered with {other:?}"),
    }
}

/// A stable classic group of two, each with half of the four partitions of `a`.
fn two_classic_members(bed: &mut Bed) -> [Consumer; 2] {
    bed.create_topic("a", 4);
    let mut consumers = [consumer(&["a"]), consumer(&["a"])];
    bed.classic_group(&mut consumers, &[assignment(&[("a", vec![0, 1])]), assignment(&[("a", vec![2, 3])])]);
    consumers
}
