//! Consumer groups and their offsets: one shard per partition of `__consumer_offsets`.
//!
//! `GroupShard` is the only door; the shell calls one method per request, and `replay` for every committed record. Handlers get
//! `(&Hard, &mut Soft)`, so the compiler keeps the rule that only replay changes what a reload would bring back.
//!
//! A group is of one kind at a time. A *classic* group's members and timers live in `Soft` and are rebuilt from the last
//! `GroupMetadata` record after a reload; a *consumer* group (KIP-848) is hard in every part but its timers. A group that only has
//! committed offsets is an empty classic group.

mod admin;
pub mod assignment;
pub mod assignor;
mod classic;
mod consumer;
mod hard;
mod kind;
mod migration;
mod names;
mod offsets;
pub mod records;
mod settings;
mod soft;

pub(crate) use consumer::TopicRegex;
pub use consumer::heartbeat::check_request as check_consumer_group_heartbeat;
pub use names::{GroupId, MemberId};
pub use offsets::{CommittedOffset, OffsetTarget};
pub use records::GroupRecord;
pub use settings::{GroupSettings, MigrationPolicy};

use crate::effects::{Effects, Ticket};
use crate::metadata::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::shard::Shard;
use crate::timers::Millis;
use hard::Hard;
use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup as ConsumerDescribedGroup;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetDeleteResponse, SyncGroupRequest, SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use soft::{Soft, TimerKey};
use std::sync::Arc;
use uuid::Uuid;

/// What a group handler wants done. There are no commands: a group asks nothing of the world.
pub type GroupEffects = Effects<GroupRecord, GroupReply>;

/// Who asks, as far as a group keeps or needs it.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Version of the request.
    pub api_version: i16,
    /// `client.id` of the request header, empty when there is none.
    pub client_id: &'a str,
    /// Address of the client as Kafka writes it: `/127.0.0.1`.
    pub client_host: &'a str,
    /// Randomness for a member id, used by at most one member.
    pub fresh_id: Uuid,
}

/// An answer of a group shard.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupReply {
    /// JoinGroup.
    JoinGroup(JoinGroupResponse),
    /// SyncGroup.
    SyncGroup(SyncGroupResponse),
    /// Heartbeat.
    Heartbeat(HeartbeatResponse),
    /// LeaveGroup.
    LeaveGroup(LeaveGroupResponse),
    /// ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    /// OffsetCommit.
    OffsetCommit(OffsetCommitResponse),
    /// TxnOffsetCommit.
    TxnOffsetCommit(TxnOffsetCommitResponse),
    /// One group of an OffsetFetch.
    OffsetFetch(OffsetFetchResponseGroup),
    /// OffsetDelete.
    OffsetDelete(OffsetDeleteResponse),
    /// One group of a DescribeGroups.
    DescribeGroup(DescribedGroup),
    /// One group of a ConsumerGroupDescribe.
    ConsumerGroupDescribe(ConsumerDescribedGroup),
    /// The groups of this shard.
    ListGroups(Vec<ListedGroup>),
    /// One group of a DeleteGroups.
    DeleteGroup(DeletableGroupResult),
}

/// A group in short, for whoever counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its id.
    pub id: GroupId,
    /// `classic` or `consumer`, as ListGroups says it.
    pub group_type: &'static str,
    /// Its state, as ListGroups says it.
    pub state: &'static str,
    /// How many members it has.
    pub members: usize,
}

/// One partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct GroupShard {
    hard: Hard,
    soft: Soft,
}

impl GroupShard {
    /// A shard with nothing replayed yet.
    #[must_use]
    pub fn new(settings: Arc<GroupSettings>, image: Arc<MetadataImage>) -> Self {
        Self { hard: Hard::default(), soft: Soft::new(settings, image) }
    }

    /// From now on other settings count. Timers that are set run out as they were set.
    pub fn reconfigure(&mut self, settings: Arc<GroupSettings>) {
        self.soft.settings = settings;
    }

    /// JoinGroup. Parks the ticket until the rebalance is through.
    pub fn join_group(&mut self, now: Millis, ticket: Ticket, caller: &Caller<'_>, request: &JoinGroupRequest) -> GroupEffects {
        let Self { hard, soft } = self;
        if let Some(refusal) = classic::join_group::refuse(soft, ticket, request) {
            return refusal;
        }
        if hard.consumer.contains_key(&*request.group_id.0) {
            return migration::join_group(hard, soft, now, ticket, caller, request);
        }
        classic::join_group::handle(hard, soft, now, ticket, caller, request)
    }

    /// SyncGroup. Parks the ticket until the leader has sent the assignment.
    pub fn sync_group(&mut self, now: Millis, ticket: Ticket, request: &SyncGroupRequest) -> GroupEffects {
        let Self { hard, soft } = self;
        if hard.consumer.contains_key(&*request.group_id.0) {
            return migration::sync_group(hard, soft, now, ticket, request);
        }
        classic::sync_group::handle(hard, soft, now, ticket, request)
    }

    /// Heartbeat of a member that uses the classic protocol.
    pub fn heartbeat(&mut self, now: Millis, ticket: Ticket, request: &HeartbeatRequest) -> GroupEffects {
        let Self { hard, soft } = self;
        if hard.consumer.contains_key(&*request.group_id.0) {
            return migration::heartbeat(hard, soft, now, ticket, request);
        }
        classic::heartbeat::handle(hard, soft, now, ticket, request)
    }

    /// LeaveGroup, also by an administrator. Who leaves is in `members`, and each has a row in the answer, whatever the version.
    pub fn leave_group(&mut self, now: Millis, ticket: Ticket, caller: &Caller<'_>, request: &LeaveGroupRequest) -> GroupEffects {
        let Self { hard, soft } = self;
        if hard.consumer.contains_key(&*request.group_id.0) {
            return migration::leave_group(hard, soft, now, ticket, caller, request);
        }
        classic::leave_group::handle(hard, soft, now, ticket, caller, request)
    }

    /// ConsumerGroupHeartbeat (KIP-848).
    pub fn consumer_group_heartbeat(
        &mut self,
        now: Millis,
        ticket: Ticket,
        caller: &Caller<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> GroupEffects {
        let Self { hard, soft } = self;
        consumer::heartbeat::handle(hard, soft, now, ticket, caller, request)
    }

    /// OffsetCommit. The caller has dropped the partitions that do not exist or are not allowed.
    pub fn offset_commit(&mut self, now: Millis, ticket: Ticket, caller: &Caller<'_>, request: &OffsetCommitRequest) -> GroupEffects {
        offsets::commit::handle(&self.hard, &mut self.soft, now, ticket, caller, request)
    }

    /// TxnOffsetCommit: pending until the transaction's end marker is replayed.
    pub fn txn_offset_commit(
        &mut self,
        now: Millis,
        ticket: Ticket,
        caller: &Caller<'_>,
        request: &TxnOffsetCommitRequest,
    ) -> GroupEffects {
        offsets::txn_commit::handle(&self.hard, &self.soft, now, ticket, caller, request)
    }

    /// One group of an OffsetFetch; no topics means all of them.
    pub fn offset_fetch(&mut self, now: Millis, ticket: Ticket, request: &OffsetFetchRequestGroup, require_stable: bool) -> GroupEffects {
        offsets::fetch::handle(&self.hard, &self.soft, now, ticket, request, require_stable)
    }

    /// OffsetDelete.
    pub fn offset_delete(&mut self, now: Millis, ticket: Ticket, request: &OffsetDeleteRequest) -> GroupEffects {
        offsets::delete::handle(&self.hard, &mut self.soft, now, ticket, request)
    }

    /// One group of a DescribeGroups.
    pub fn describe_group(&mut self, ticket: Ticket, caller: &Caller<'_>, group_id: &str) -> GroupEffects {
        admin::describe_group(&self.hard, &self.soft, ticket, caller, group_id)
    }

    /// One group of a ConsumerGroupDescribe.
    pub fn consumer_group_describe(&mut self, ticket: Ticket, group_id: &str) -> GroupEffects {
        admin::consumer_group_describe(&self.hard, &self.soft, ticket, group_id)
    }

    /// The groups of this shard that pass the request's filters.
    pub fn list_groups(&mut self, ticket: Ticket, request: &ListGroupsRequest) -> GroupEffects {
        admin::list_groups(&self.hard, &self.soft, ticket, request)
    }

    /// One group of a DeleteGroups.
    pub fn delete_group(&mut self, now: Millis, ticket: Ticket, group_id: &str) -> GroupEffects {
        admin::delete_group(&self.hard, &mut self.soft, now, ticket, group_id)
    }

    /// Every committed offset of this shard, in order.
    pub fn committed_offsets(&self) -> impl Iterator<Item = (OffsetTarget<'_>, CommittedOffset<'_>)> {
        self.committed_offsets_after(None)
    }

    /// The committed offsets after this one, for whoever takes them page by page.
    pub fn committed_offsets_after<'a>(
        &'a self,
        last: Option<OffsetTarget<'_>>,
    ) -> impl Iterator<Item = (OffsetTarget<'a>, CommittedOffset<'a>)> {
        self.hard.offsets.iter_after(last)
    }

    /// The groups after this one, in order, for whoever takes them page by page.
    pub fn groups_after(&self, last: Option<&GroupId>) -> impl Iterator<Item = GroupSummary> {
        kind::all_after(&self.hard, &self.soft, last).map(|(id, group)| group.summary(id))
    }

    /// What a group has committed for a partition.
    #[must_use]
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<CommittedOffset<'_>> {
        self.hard.offsets.get(group, topic, partition)
    }

    /// The cluster's metadata changed: groups look at their topics again, offsets of deleted topics go.
    pub fn on_new_image(&mut self, now: Millis, image: &Arc<MetadataImage>, delta: &MetadataDelta) -> GroupEffects {
        self.soft.image = Arc::clone(image);
        consumer::on_new_image(&self.hard, &mut self.soft, delta);
        offsets::delete::of_deleted_topics(&self.hard, &mut self.soft, now, delta)
    }

    /// Applies a record of an open transaction: it counts once the end marker is replayed.
    pub fn replay_transactional(&mut self, producer_id: i64, record: &GroupRecord) {
        self.hard.replay_transactional(producer_id, record);
    }

    /// Applies an end marker.
    pub fn replay_marker(&mut self, producer_id: i64, commit: bool) {
        self.hard.replay_marker(producer_id, commit);
    }

    /// The whole hard state, for comparing a shard with its reload.
    #[must_use]
    pub fn same_hard_state(&self, other: &Self) -> bool {
        self.hard == other.hard
    }
}

impl Shard for GroupShard {
    type Record = GroupRecord;
    type Reply = GroupReply;
    type Command = ();

    fn replay(&mut self, record: &GroupRecord) {
        self.hard.replay(record);
    }

    fn on_loaded(&mut self, now: Millis) -> GroupEffects {
        let Self { hard, soft } = self;
        let mut effects = classic::on_loaded(hard, soft, now);
        effects.append(consumer::on_loaded(hard, soft, now));
        effects.append(offsets::on_loaded(hard, soft, now));
        effects
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.soft.timers.next_deadline()
    }

    fn shift_deadlines(&mut self, by_ms: i64) {
        self.soft.timers.shift(by_ms);
    }

    fn handle_timeout(&mut self, now: Millis) -> GroupEffects {
        let Self { hard, soft } = self;
        let Some(key) = soft.timers.pop_expired(now) else { return Effects::default() };
        match key {
            TimerKey::ExpireOffsets => offsets::expire::handle(hard, soft, now),
            TimerKey::DeletedTopics => offsets::delete::continue_with_topics(hard, soft, now),
            TimerKey::Classic(timer) => classic::handle_timeout(hard, soft, now, timer),
            TimerKey::Consumer(timer) => consumer::handle_timeout(hard, soft, now, timer),
        }
    }
}
