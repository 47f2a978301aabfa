//! OffsetDelete, and offsets of topics that are gone.

use super::super::hard::Hard;
use super::super::kind::{self, Group};
use super::super::names::GroupId;
use super::super::records::GroupRecord;
use super::super::soft::{Soft, TimerKey};
use super::super::{GroupEffects, GroupReply};
use super::{Batch, size, soon, tombstone};
use crate::effects::Ticket;
use crate::metadata::{MetadataDelta, TopicId};
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::sync::Arc;

pub(in super::super) fn handle(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, request: &OffsetDeleteRequest) -> GroupEffects {
    let group = GroupId::from(&*request.group_id.0);
    let refuse = |error: ResponseError| {
        let response = OffsetDeleteResponse::default().with_error_code(error.code());
        GroupEffects::reply(ticket, GroupReply::OffsetDelete(response))
    };
    let found = kind::find(hard, soft, &group).ok_or(ResponseError::GroupIdNotFound);
    let found = match found.and_then(|found| found.check_offset_delete().map(|()| found)) {
        Ok(found) => found,
        Err(error) => return refuse(error),
    };
    let mut records = Vec::new();
    let topics = request.topics.iter().map(|topic| delete_topic(hard, found, &group, topic, &mut records)).collect();
    if let Err(error) = size::check_deletions(soft, &records) {
        return refuse(error);
    }
    kind::outlive_offsets(hard, soft, now, &group);
    let response = OffsetDeleteResponse::default().with_topics(topics);
    GroupEffects { records, replies: vec![(ticket, GroupReply::OffsetDelete(response))], commands: Vec::new() }
}

fn delete_topic(
    hard: &Hard,
    found: Group<'_>,
    group: &GroupId,
    topic: &OffsetDeleteRequestTopic,
    records: &mut Vec<GroupRecord>,
) -> OffsetDeleteResponseTopic {
    let name: Arc<str> = Arc::from(&*topic.name.0);
    let subscribed = found.is_subscribed_to(&name);
    let partitions = topic.partitions.iter().map(|partition| {
        let index = partition.partition_index;
        let known = || hard.offsets.get(group.as_str(), &name, index).is_some() || hard.offsets.is_pending(group, &name, index);
        if !subscribed && known() {
            records.push(tombstone(group, &name, index));
        }
        let error_code = if subscribed { ResponseError::GroupSubscribedToTopic.code() } else { 0 };
        OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(error_code)
    });
    let partitions = partitions.collect();
    OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
}

/// A topic whose offsets are being deleted, a bounded number at a time.
#[derive(Clone, Debug)]
pub(in super::super) struct DeletedTopic {
    id: TopicId,
    name: Arc<str>,
    /// An offset without a topic id belongs to the topic that is gone if it was committed by then.
    deleted_at: Millis,
}

impl DeletedTopic {
    fn owns(&self, topic_id: TopicId, commit_timestamp_ms: i64) -> bool {
        topic_id == self.id || (topic_id.0.is_nil() && commit_timestamp_ms <= self.deleted_at.0)
    }
}

pub(in super::super) fn of_deleted_topics(hard: &Hard, soft: &mut Soft, now: Millis, delta: &MetadataDelta) -> GroupEffects {
    let deleted = delta.deleted_topics.iter().map(|topic| DeletedTopic { id: topic.id, name: topic.name.as_str().into(), deleted_at: now });
    soft.offsets.deleted_topics.extend(deleted);
    if soft.offsets.deleted_topics.is_empty() { GroupEffects::default() } else { continue_with_topics(hard, soft, now) }
}

/// Deletes the next offsets of deleted topics.
pub(in super::super) fn continue_with_topics(hard: &Hard, soft: &mut Soft, now: Millis) -> GroupEffects {
    let mut batch = Batch::default();
    while let Some(topic) = soft.offsets.deleted_topics.front().cloned() {
        let finished = of_topic(hard, soft, now, &topic, &mut batch);
        if !finished {
            soft.timers.set(TimerKey::DeletedTopics, soon(now));
            break;
        }
        soft.offsets.deleted_topics.pop_front();
    }
    batch.effects
}

/// Whether all is said; else the next call goes over the topic again and finds what is left.
fn of_topic(hard: &Hard, soft: &mut Soft, now: Millis, topic: &DeletedTopic, batch: &mut Batch) -> bool {
    let mut pending = hard.offsets.pending_targets().filter(|(target, timestamp_ms, topic_id)| {
        *target.topic == topic.name
            && topic.owns(*topic_id, *timestamp_ms)
            && hard.offsets.get(target.group.as_str(), target.topic, target.partition).is_none()
    });
    let mut committed = hard.offsets.of_topic(&topic.name).filter(|(_, offset)| topic.owns(offset.topic_id, offset.commit_timestamp_ms));
    let targets = committed.by_ref().map(|(target, _)| target).chain(pending.by_ref().map(|(target, ..)| target));
    for target in targets {
        if batch.is_full() {
            return false;
        }
        kind::outlive_offsets(hard, soft, now, target.group);
        batch.push(tombstone(target.group, target.topic, target.partition));
    }
    true
}
