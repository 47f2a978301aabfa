//! Members of groups, and offsets that are committed and fetched.

use super::{Client, Kit, name};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartitions;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DescribeGroupsRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

/// More questions than any shard takes to do what it does by itself.
const TRIES: usize = 200_000;

/// Text as the protocol wants it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A group id as the protocol wants it.
pub fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// The error behind a code.
pub fn error(code: i16) -> Option<ResponseError> {
    ResponseError::try_from_code(code)
}

/// Asks until it is so: shards load and look at the clock on threads of their own.
pub fn until<T>(mut ask: impl FnMut() -> T, so: impl Fn(&T) -> bool) -> T {
    for _ in 0..TRIES {
        let answer = ask();
        if so(&answer) {
            return answer;
        }
    }
    panic!("it never came to that");
}

impl Client {
    /// Creates the place of groups if need be, and waits until this group can be served.
    pub fn find_coordinator(&mut self, group: &str) {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        assert_eq!(error(self.ask(3, &request).error_code), None);
        let describe = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
        until(|| self.ask(5, &describe).groups.remove(0).error_code, |code| error(*code) != Some(ResponseError::CoordinatorLoadInProgress));
    }

    /// DescribeGroups of one group.
    pub fn describe_group(&mut self, group: &str) -> DescribedGroup {
        self.ask(5, &DescribeGroupsRequest::default().with_groups(vec![group_id(group)])).groups.remove(0)
    }

    /// OffsetCommit of one partition without a member; the partition's error.
    pub fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: i64, metadata: Option<&str>) -> Option<ResponseError> {
        let request = commit_request(group, topic, partition, offset, metadata);
        error(self.ask(8, &request).topics[0].partitions[0].error_code)
    }

    /// OffsetFetch of one partition.
    pub fn committed(&mut self, group: &str, topic: &str, partition: i32) -> OffsetFetchResponsePartitions {
        let topic = OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(vec![partition]);
        let asked = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(Some(vec![topic]));
        let mut answer = self.ask(8, &OffsetFetchRequest::default().with_groups(vec![asked])).groups.remove(0);
        assert_eq!(error(answer.error_code), None);
        answer.topics.remove(0).partitions.remove(0)
    }
}

/// An OffsetCommit of one partition without a member.
pub fn commit_request(group: &str, topic: &str, partition: i32, offset: i64, metadata: Option<&str>) -> OffsetCommitRequest {
    let row = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(metadata.map(text));
    let topic = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![row]);
    OffsetCommitRequest::default().with_group_id(group_id(group)).with_generation_id_or_member_epoch(-1).with_topics(vec![topic])
}

/// A member of the classic protocol, on a connection of its own.
pub struct Member {
    /// The connection.
    pub client: Client,
    /// `group.id`
    pub group: String,
    /// What the coordinator calls it; empty before it has joined.
    pub id: StrBytes,
    /// `group.instance.id`
    pub instance: Option<StrBytes>,
    /// Generation it is in, -1 before it has joined.
    pub generation: i32,
    /// `session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `max.poll.interval.ms`
    pub rebalance_timeout_ms: i32,
    /// Protocols with their metadata, best first.
    pub protocols: Vec<(String, Bytes)>,
}

impl Member {
    /// Not joined yet.
    pub fn of(kit: &Kit, group: &str) -> Self {
        Self {
            client: kit.connect(),
            group: group.to_owned(),
            id: StrBytes::default(),
            instance: None,
            generation: -1,
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 30_000,
            protocols: vec![("range".to_owned(), Bytes::from_static(b"metadata"))],
        }
    }

    /// A static member.
    pub fn instance(mut self, instance: &str) -> Self {
        self.instance = Some(text(instance));
        self
    }

    /// The JoinGroup request it sends now.
    pub fn join_request(&self) -> JoinGroupRequest {
        let protocol =
            |(name, metadata): &(String, Bytes)| JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone());
        JoinGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_session_timeout_ms(self.session_timeout_ms)
            .with_rebalance_timeout_ms(self.rebalance_timeout_ms)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone())
            .with_protocol_type(text("consumer"))
            .with_protocols(self.protocols.iter().map(protocol).collect())
    }

    /// Takes its id first if it must, then sends JoinGroup and does not wait for the answer.
    pub fn send_join(&mut self) -> i32 {
        if self.id.is_empty() && self.instance.is_none() {
            let required = self.client.ask(9, &self.join_request());
            assert_eq!(error(required.error_code), Some(ResponseError::MemberIdRequired));
            self.id = required.member_id;
        }
        let request = self.join_request();
        self.client.send(9, &request)
    }

    /// Waits for the answer.
    pub fn receive_join(&mut self, id: i32) -> JoinGroupResponse {
        let answer = self.client.receive::<JoinGroupRequest>(9, id);
        if answer.error_code == 0 {
            self.id = answer.member_id.clone();
            self.generation = answer.generation_id;
        }
        answer
    }

    /// JoinGroup.
    pub fn join(&mut self) -> JoinGroupResponse {
        let id = self.send_join();
        self.receive_join(id)
    }

    /// The SyncGroup request it sends now.
    pub fn sync_request(&self, protocol: &str, assignments: &[(&StrBytes, &[u8])]) -> SyncGroupRequest {
        let row = |(member, bytes): &(&StrBytes, &[u8])| {
            SyncGroupRequestAssignment::default().with_member_id((*member).clone()).with_assignment(Bytes::copy_from_slice(bytes))
        };
        SyncGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone())
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text(protocol)))
            .with_assignments(assignments.iter().map(row).collect())
    }

    /// SyncGroup with the first protocol's name.
    pub fn sync(&mut self, assignments: &[(&StrBytes, &[u8])]) -> SyncGroupResponse {
        let request = self.sync_request(&self.protocols[0].0, assignments);
        self.client.ask(5, &request)
    }

    /// Joins a new group alone and brings its own assignment.
    pub fn alone(mut self) -> Self {
        assert_eq!(error(self.join().error_code), None);
        let id = self.id.clone();
        assert_eq!(error(self.sync(&[(&id, b"all")]).error_code), None);
        self
    }

    /// Heartbeat.
    pub fn heartbeat(&mut self) -> Option<ResponseError> {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone());
        error(self.client.ask(4, &request).error_code)
    }

    /// OffsetCommit of one partition.
    pub fn commit(&mut self, topic: &str, partition: i32, offset: i64) -> Option<ResponseError> {
        let request = commit_request(&self.group, topic, partition, offset, None)
            .with_member_id(self.id.clone())
            .with_generation_id_or_member_epoch(self.generation)
            .with_group_instance_id(self.instance.clone());
        error(self.client.ask(8, &request).topics[0].partitions[0].error_code)
    }

    /// LeaveGroup of itself.
    pub fn leave(&mut self) -> Option<ResponseError> {
        let identity = MemberIdentity::default().with_member_id(self.id.clone()).with_group_instance_id(self.instance.clone());
        let request = LeaveGroupRequest::default().with_group_id(group_id(&self.group)).with_members(vec![identity]);
        let answer = self.client.ask(5, &request);
        assert_eq!(error(answer.error_code), None);
        error(answer.members[0].error_code)
    }
}

/// Several members become one new group: all join, the first to be leader assigns to each its own id. The leader comes first.
pub fn balanced(members: Vec<Member>) -> Vec<Member> {
    let mut members = members;
    let group = members[0].group.clone();
    // The first one's generation of its own is over as soon as somebody else knocks.
    let mut joins: Vec<i32> = Vec::new();
    for at in 0..members.len() {
        joins.push(members[at].send_join());
        let mut watch = Client::to(members[at].client.peer());
        until(|| watch.describe_group(&group).members.len(), |count| *count > at);
        if at == 0 {
            let first = members[0].receive_join(joins[0]);
            assert_eq!(error(first.error_code), None);
            let id = members[0].id.clone();
            assert_eq!(error(members[0].sync(&[(&id, b"all")]).error_code), None);
        }
    }
    if members.len() > 1 {
        joins[0] = members[0].send_join();
    }
    let answers: Vec<_> = match members.len() {
        1 => return members,
        _ => members.iter_mut().zip(&joins).map(|(member, join)| member.receive_join(*join)).collect(),
    };
    let ids: Vec<StrBytes> = members.iter().map(|member| member.id.clone()).collect();
    assert!(answers.iter().all(|answer| answer.error_code == 0 && answer.leader == ids[0]));
    let assignments: Vec<(&StrBytes, &[u8])> = ids.iter().map(|id| (id, id.as_bytes())).collect();
    for (at, member) in members.iter_mut().enumerate() {
        let synced = member.sync(if at == 0 { &assignments } else { &[] });
        assert_eq!((error(synced.error_code), &synced.assignment[..]), (None, member.id.as_bytes()));
    }
    members
}

/// A member of the consumer protocol (KIP-848) before it has joined.
pub fn consumer_join(group: &str, member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(member))
        .with_rebalance_timeout_ms(30_000)
        .with_subscribed_topic_names(Some(topics.iter().map(|topic| name(topic)).collect()))
        .with_topic_partitions(Some(Vec::new()))
}

/// What a member of the consumer protocol says when nothing is new.
pub fn consumer_beat(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default().with_group_id(group_id(group)).with_member_id(text(member)).with_member_epoch(epoch)
}

/// The partitions of an answer, by topic id, sorted.
pub fn assigned(answer: &ConsumerGroupHeartbeatResponse) -> Option<Vec<(uuid::Uuid, Vec<i32>)>> {
    let assignment = answer.assignment.as_ref()?;
    let mut rows: Vec<_> = assignment.topic_partitions.iter().map(|topic| (topic.topic_id, topic.partitions.clone())).collect();
    rows.iter_mut().for_each(|row| row.1.sort_unstable());
    rows.sort();
    Some(rows)
}

/// Partitions as a member says that it owns them.
pub fn owned(rows: &[(uuid::Uuid, Vec<i32>)]) -> Option<Vec<TopicPartitions>> {
    let row = |(id, partitions): &(uuid::Uuid, Vec<i32>)| TopicPartitions::default().with_topic_id(*id).with_partitions(partitions.clone());
    Some(rows.iter().map(row).collect())
}

/// A member of the consumer protocol on a connection of its own. It takes and gives up partitions at once.
pub struct Consumer {
    /// The connection.
    pub client: Client,
    /// `group.id`
    pub group: String,
    /// The id that it made.
    pub id: String,
    /// Member epoch, 0 before it has joined.
    pub epoch: i32,
    /// What it owns, by topic id.
    pub owned: Vec<(uuid::Uuid, Vec<i32>)>,
    /// What it owns is news to the coordinator.
    news: bool,
}

impl Consumer {
    /// Joins.
    pub fn join(kit: &Kit, request: &ConsumerGroupHeartbeatRequest) -> Self {
        let (group, id) = (request.group_id.to_string(), request.member_id.to_string());
        let mut consumer = Self { client: kit.connect(), group, id, epoch: 0, owned: Vec::new(), news: false };
        consumer.ask(request);
        consumer
    }

    /// The next heartbeat.
    pub fn beat(&mut self) -> ConsumerGroupHeartbeatResponse {
        let request = consumer_beat(&self.group, &self.id, self.epoch);
        let request = if self.news { request.with_topic_partitions(owned(&self.owned)) } else { request };
        self.ask(&request)
    }

    fn ask(&mut self, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let answer = self.client.ask(1, request);
        assert_eq!(error(answer.error_code), None, "{}: {:?}", self.id, answer.error_message);
        self.epoch = answer.member_epoch;
        let assigned = assigned(&answer);
        self.news = assigned.is_some();
        self.owned = assigned.unwrap_or_else(|| std::mem::take(&mut self.owned));
        answer
    }

    /// Its partitions of all topics, sorted.
    pub fn partitions(&self) -> Vec<i32> {
        let mut all: Vec<i32> = self.owned.iter().flat_map(|row| row.1.clone()).collect();
        all.sort_unstable();
        all
    }
}
