//! OffsetFetch, one group of it.
//!
//! No commit is offset -1 without an error, for a group that does not exist too: a consumer that is told of an error in place of
//! "nothing yet" stalls, and one that is told "nothing yet" in place of an error reads everything again.

use super::super::hard::Hard;
use super::super::kind;
use super::super::names::GroupId;
use super::super::soft::Soft;
use super::super::{GroupEffects, GroupReply};
use super::CommittedOffset;
use crate::effects::Ticket;
use crate::metadata::TopicId;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::{OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics};
use kafka_protocol::protocol::StrBytes;
use std::sync::Arc;
use uuid::Uuid;

pub(in super::super) fn handle(
    hard: &Hard,
    soft: &Soft,
    _now: Millis,
    ticket: Ticket,
    request: &OffsetFetchRequestGroup,
    require_stable: bool,
) -> GroupEffects {
    let group = GroupId::from(&*request.group_id.0);
    let read = Read { hard, group: &group, require_stable };
    let answer = OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone());
    let found = kind::find(hard, soft, &group);
    let checked = found.map_or(Ok(()), |found| found.check_fetch(&group, request.member_id.as_deref(), request.member_epoch));
    let answer = match checked {
        Ok(()) => answer.with_topics(match &request.topics {
            Some(topics) => topics.iter().map(|topic| read.topic(topic)).collect(),
            None => read.all(),
        }),
        Err(error) => answer.with_error_code(error.code()),
    };
    GroupEffects::reply(ticket, GroupReply::OffsetFetch(answer))
}

struct Read<'a> {
    hard: &'a Hard,
    group: &'a GroupId,
    require_stable: bool,
}

impl Read<'_> {
    fn topic(&self, topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
        let name: Arc<str> = Arc::from(&*topic.name.0);
        let offsets = self.hard.offsets.group(self.group.as_str()).and_then(|offsets| offsets.topic(&name));
        let partitions = topic.partition_indexes.iter().map(|index| {
            let offset = offsets.and_then(|offsets| offsets.get(*index));
            self.partition(&name, *index, offset.filter(|offset| is_same_topic(offset.topic_id, topic.topic_id)))
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    }

    fn all(&self) -> Vec<OffsetFetchResponseTopics> {
        let Some(offsets) = self.hard.offsets.group(self.group.as_str()) else { return Vec::new() };
        let topics = offsets.iter().map(|(topic, offsets)| {
            let partitions = offsets.iter().map(|(index, offset)| self.partition(topic, index, Some(offset)));
            OffsetFetchResponseTopics::default().with_name(topic_name(topic)).with_partitions(partitions.collect())
        });
        topics.collect()
    }

    fn partition(&self, topic: &Arc<str>, index: i32, offset: Option<CommittedOffset<'_>>) -> OffsetFetchResponsePartitions {
        let unstable = self.require_stable && self.hard.offsets.is_pending(self.group, topic, index);
        let answer = OffsetFetchResponsePartitions::default().with_partition_index(index);
        match offset.filter(|_| !unstable) {
            Some(offset) => answer
                .with_committed_offset(offset.offset)
                .with_committed_leader_epoch(offset.leader_epoch)
                .with_metadata(Some(StrBytes::from_string(offset.metadata.to_owned()))),
            None => answer
                .with_committed_offset(-1)
                .with_committed_leader_epoch(-1)
                .with_metadata(Some(StrBytes::from_static_str("")))
                .with_error_code(if unstable { ResponseError::UnstableOffsetCommit.code() } else { 0 }),
        }
    }
}

/// Offsets of a topic that was deleted and made again under its name are no offsets of the new one, where both ids are known.
fn is_same_topic(committed: TopicId, asked: Uuid) -> bool {
    committed.0.is_nil() || asked.is_nil() || committed.0 == asked
}

fn topic_name(topic: &Arc<str>) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}
