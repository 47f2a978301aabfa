//! Stories of consumer groups, told through the doors of a shard.

mod config;
mod hash;
mod join;
mod leave;
mod log;
mod offsets;
mod rebalance;
mod refuse;
mod regex;
mod statics;

use super::super::records::*;
use super::super::*;
use super::ConsumerTimer;
use super::state::{ConsumerGroup, ConsumerGroupState};
use crate::metadata::records::{ConfigRecord, MetadataRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord};
use crate::metadata::{BrokerEpoch, BrokerId, DirectoryId, IncarnationId, LeaderEpoch, MetadataShard, PartitionEpoch, TopicId, TopicName};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

pub(in crate::group) const GROUP: &str = "group";
const TICKET: Ticket = Ticket(7);

pub(in crate::group) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A shard with its log and the cluster around it.
pub(in crate::group) struct Bed {
    pub(in crate::group) shard: GroupShard,
    pub(in crate::group) now: Millis,
    /// What the last handling wrote.
    pub(in crate::group) written: Vec<GroupRecord>,
    pub(in crate::group) api_version: i16,
    settings: Arc<GroupSettings>,
    metadata: MetadataShard,
    metadata_end: i64,
    log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Bed {
    pub(in crate::group) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(in crate::group) fn with(set: impl FnOnce(&mut GroupSettings)) -> Self {
        let mut settings = GroupSettings::default();
        set(&mut settings);
        let settings = Arc::new(settings);
        let mut shard = GroupShard::new(Arc::clone(&settings), Arc::default());
        let now = Millis(1_000_000);
        shard.on_loaded(now);
        let (metadata, metadata_end) = (MetadataShard::new(), 0);
        Self { shard, now, written: Vec::new(), api_version: 1, settings, metadata, metadata_end, log: Vec::new() }
    }

    /// Appends as bytes, replays what the bytes say; then a reload must come to the same, and no partition may have two holders.
    pub(in crate::group) fn settle(&mut self, effects: GroupEffects) -> Vec<(Ticket, GroupReply)> {
        self.written = effects.records;
        for record in self.written.clone() {
            self.append(&record);
        }
        assert!(self.reloaded().same_hard_state(&self.shard), "a reload comes to the same state");
        for group in self.shard.hard.consumer.values() {
            check_holders(group);
        }
        effects.replies
    }

    pub(in crate::group) fn append(&mut self, record: &GroupRecord) {
        let (key, value) = record.encode().expect("short enough");
        let decoded = GroupRecord::decode(&key, value.as_deref()).expect("our own bytes");
        assert_eq!(&decoded, record, "what is written is what is read");
        self.shard.replay(&decoded);
        self.log.push((key, value));
    }

    fn reloaded(&self) -> GroupShard {
        let mut shard = GroupShard::new(Arc::clone(&self.settings), Arc::clone(self.metadata.published()));
        for (key, value) in &self.log {
            shard.replay(&GroupRecord::decode(key, value.as_deref()).expect("our own bytes"));
        }
        shard
    }

    /// The broker starts again.
    pub(in crate::group) fn reload(&mut self) {
        self.shard = self.reloaded();
        let effects = self.shard.on_loaded(self.now);
        self.settle(effects);
    }

    pub(in crate::group) fn heartbeat(&mut self, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let fresh_id = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        let caller = Caller { api_version: self.api_version, client_id: "client", client_host: "/127.0.0.1", fresh_id };
        let effects = self.shard.consumer_group_heartbeat(self.now, TICKET, &caller, request);
        match self.settle(effects).as_slice() {
            [(TICKET, GroupReply::ConsumerGroupHeartbeat(response))] => response.clone(),
            other => panic!("one answer to one heartbeat: {other:?}"),
        }
    }

    /// The answer to a heartbeat that must be in order.
    pub(in crate::group) fn accepted(&mut self, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
        let response = self.heartbeat(request);
        assert_eq!((response.error_code, &response.error_message), (0, &None));
        response
    }

    /// Error code and text of a heartbeat that must write nothing.
    pub(in crate::group) fn refused(&mut self, request: &ConsumerGroupHeartbeatRequest) -> (i16, String) {
        let response = self.heartbeat(request);
        assert_eq!(self.written, [], "a refusal writes nothing");
        assert_ne!(response.error_code, 0);
        (response.error_code, response.error_message.map(|text| text.to_string()).unwrap_or_default())
    }

    /// Lets time pass and everything that comes due happen, with what was written.
    pub(in crate::group) fn sleep(&mut self, ms: i64) -> Vec<GroupRecord> {
        let until = Millis(self.now.0 + ms);
        let mut written = Vec::new();
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            let effects = self.shard.handle_timeout(self.now);
            self.settle(effects);
            written.append(&mut self.written);
        }
        self.now = until;
        written
    }

    fn metadata(&mut self, records: Vec<MetadataRecord>) {
        for record in &records {
            self.metadata.replay(record);
        }
        self.metadata_end += records.len() as i64;
        let published = self.metadata.publish(self.metadata_end - 1, 1).expect("records that fit").expect("no transaction");
        let effects = self.shard.on_new_image(self.now, &published.new, &published.delta);
        self.settle(effects);
    }

    pub(in crate::group) fn create_topic(&mut self, name: &str, partitions: i32) -> TopicId {
        let topic_id = topic_id(name);
        let topic = TopicRecord { name: TopicName::parse(name).expect("a name"), topic_id };
        let mut records = vec![MetadataRecord::Topic(topic)];
        records.extend((0..partitions).map(|partition_id| MetadataRecord::Partition(partition(topic_id, partition_id))));
        self.metadata(records);
        topic_id
    }

    pub(in crate::group) fn add_partition(&mut self, name: &str, partition_id: i32) {
        self.metadata(vec![MetadataRecord::Partition(partition(topic_id(name), partition_id))]);
    }

    pub(in crate::group) fn delete_topic(&mut self, name: &str) {
        self.metadata(vec![MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: topic_id(name) })]);
    }

    pub(in crate::group) fn register_broker(&mut self, rack: Option<&str>) {
        self.metadata(vec![MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: BrokerId(1),
            is_migrating_zk_broker: false,
            incarnation_id: IncarnationId(Uuid::from_u128(1)),
            broker_epoch: BrokerEpoch(1),
            endpoints: Vec::new(),
            features: Vec::new(),
            rack: rack.map(str::to_owned),
            fenced: false,
            in_controlled_shutdown: false,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        })]);
    }

    pub(in crate::group) fn set_group_config(&mut self, name: &str, value: &str) {
        let (name, value) = (name.to_owned(), Some(value.to_owned()));
        self.metadata(vec![MetadataRecord::Config(ConfigRecord { resource_type: 32, resource_name: GROUP.to_owned(), name, value })]);
    }

    pub(in crate::group) fn group(&self) -> &ConsumerGroup {
        self.shard.hard.consumer.get(GROUP).expect("a consumer group")
    }

    pub(in crate::group) fn state(&self) -> ConsumerGroupState {
        self.shard.hard.consumer.get(GROUP).map_or(ConsumerGroupState::Dead, ConsumerGroup::state)
    }

    /// Whether a member has a timer of any kind.
    pub(in crate::group) fn has_timer(&self, member: &str) -> bool {
        let kinds = [ConsumerTimer::Session, ConsumerTimer::Rebalance, ConsumerTimer::Join, ConsumerTimer::Sync];
        kinds.into_iter().any(|kind| self.has_timer_of(kind, member))
    }

    pub(in crate::group) fn has_timer_of(&self, kind: fn(GroupId, MemberId) -> ConsumerTimer, member: &str) -> bool {
        let key = TimerKey::Consumer(kind(GROUP.into(), member.into()));
        self.shard.soft.timers.keys().any(|set| *set == key)
    }

    /// What the last handling wrote, a word a record.
    pub(in crate::group) fn kinds(&self) -> Vec<String> {
        self.written.iter().map(kind).collect()
    }
}

fn partition(topic_id: TopicId, partition_id: i32) -> PartitionRecord {
    PartitionRecord {
        partition_id,
        topic_id,
        replicas: vec![BrokerId(1)],
        isr: vec![BrokerId(1)],
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader: BrokerId(1),
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        directories: vec![DirectoryId::UNASSIGNED],
        elr: None,
        last_known_elr: None,
    }
}

/// A topic's id, in the order of names.
pub(in crate::group) fn topic_id(name: &str) -> TopicId {
    let mut bytes = [0; 16];
    for (byte, letter) in bytes.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    TopicId(Uuid::from_bytes(bytes))
}

fn check_holders(group: &ConsumerGroup) {
    let mut holders: BTreeMap<(TopicId, i32), &MemberId> = BTreeMap::new();
    for member in group.members().values() {
        for (topic, partition, _) in member.assigned.iter().chain(member.pending_revocation.iter()) {
            let other = holders.insert((topic, partition), &member.member_id);
            assert_eq!(other, None, "{topic}-{partition} is held twice");
            assert!(group.is_held(topic, partition), "{topic}-{partition} counts as held");
        }
    }
}

/// `member m1`, `no member m1` for its tombstone.
pub(in crate::group) fn kind(record: &GroupRecord) -> String {
    let no = |has_value: bool| if has_value { "" } else { "no " };
    match record {
        GroupRecord::OffsetCommit { value, .. } => format!("{}offset", no(value.is_some())),
        GroupRecord::GroupMetadata { value, .. } => format!("{}classic group", no(value.is_some())),
        GroupRecord::ConsumerGroupMetadata { value: Some(value), .. } => format!("epoch {}", value.epoch),
        GroupRecord::ConsumerGroupMetadata { value: None, .. } => "no epoch".to_owned(),
        GroupRecord::ConsumerGroupPartitionMetadata { value, .. } => format!("{}partition metadata", no(value.is_some())),
        GroupRecord::ConsumerGroupMemberMetadata { member, value, .. } => format!("{}member {member}", no(value.is_some())),
        GroupRecord::ConsumerGroupTargetAssignmentMetadata { value: Some(value), .. } => format!("target epoch {}", value.assignment_epoch),
        GroupRecord::ConsumerGroupTargetAssignmentMetadata { value: None, .. } => "no target epoch".to_owned(),
        GroupRecord::ConsumerGroupTargetAssignmentMember { member, value, .. } => format!("{}target {member}", no(value.is_some())),
        GroupRecord::ConsumerGroupCurrentMemberAssignment { member, value, .. } => format!("{}current {member}", no(value.is_some())),
        GroupRecord::ConsumerGroupRegularExpression { regex, value, .. } => format!("{}regex {regex}", no(value.is_some())),
        GroupRecord::Foreign { .. } => "foreign".to_owned(),
    }
}

/// The first heartbeat of a member.
pub(in crate::group) fn join(member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    beat(member, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(topics.iter().map(|topic| text(topic).into()).collect()))
        .with_topic_partitions(Some(Vec::new()))
}

/// The same by regular expression.
pub(in crate::group) fn join_regex(member: &str, regex: &str) -> ConsumerGroupHeartbeatRequest {
    join(member, &[]).with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text(regex)))
}

/// A heartbeat that says nothing but who and at which epoch.
pub(in crate::group) fn beat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default().with_group_id(text(GROUP).into()).with_member_id(text(member)).with_member_epoch(epoch)
}

/// A heartbeat that says what the member holds.
pub(in crate::group) fn owning(member: &str, epoch: i32, owned: &[(&str, &[i32])]) -> ConsumerGroupHeartbeatRequest {
    let topic = |(name, partitions): &(&str, &[i32])| {
        TopicPartitions::default().with_topic_id(topic_id(name).0).with_partitions(partitions.to_vec())
    };
    beat(member, epoch).with_topic_partitions(Some(owned.iter().map(topic).collect()))
}

/// The assignment of an answer: `None` when there is none in it.
pub(in crate::group) fn assigned(response: &ConsumerGroupHeartbeatResponse) -> Option<Vec<(TopicId, Vec<i32>)>> {
    let assignment = response.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().map(|topic| (TopicId(topic.topic_id), topic.partitions.clone())).collect())
}

/// How many partitions an answer assigns.
pub(in crate::group) fn assigned_count(response: &ConsumerGroupHeartbeatResponse) -> usize {
    assigned(response).expect("an assignment").iter().map(|(_, partitions)| partitions.len()).sum()
}
