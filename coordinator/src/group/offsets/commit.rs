//! OffsetCommit, and what TxnOffsetCommit shares with it.

use super::super::classic;
use super::super::consumer::commit::{CommitCheck, Committer};
use super::super::hard::Hard;
use super::super::kind;
use super::super::names::GroupId;
use super::super::records::{GroupRecord, OffsetCommitValue};
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects, GroupReply};
use super::size;
use crate::effects::Ticket;
use crate::metadata::TopicId;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use std::sync::Arc;
use uuid::Uuid;

/// `retention_time_ms` of a client that leaves retention to the broker.
const DEFAULT_RETENTION: i64 = -1;

pub(in super::super) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &OffsetCommitRequest,
) -> GroupEffects {
    let group = GroupId::from(&*request.group_id.0);
    let committer = Committer {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        epoch: request.generation_id_or_member_epoch,
        transactional: false,
        api_version: caller.api_version,
    };
    match decide(hard, soft, now, &group, &committer, request) {
        Ok((records, response)) => {
            classic::offsets_committed(soft, now, group.as_str(), committer.member_id);
            GroupEffects { records, replies: vec![(ticket, GroupReply::OffsetCommit(response))], commands: Vec::new() }
        }
        Err(error) => GroupEffects::reply(ticket, GroupReply::OffsetCommit(refuse(request, error))),
    }
}

/// What a commit writes and how it is answered, or the error of the whole request.
pub(super) fn decide(
    hard: &Hard,
    soft: &Soft,
    now: Millis,
    group: &GroupId,
    committer: &Committer<'_>,
    request: &OffsetCommitRequest,
) -> Result<(Vec<GroupRecord>, OffsetCommitResponse), ResponseError> {
    let check = check_commit(hard, soft, group, committer)?;
    let retention_ms = request.retention_time_ms;
    let expire_timestamp_ms = if retention_ms == DEFAULT_RETENTION { -1 } else { now.0.saturating_add(retention_ms) };
    let mut records = Vec::new();
    let mut response = OffsetCommitResponse::default();
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&*topic.name.0);
        let topic_id = topic_id(soft, &name, topic.topic_id);
        if committer.transactional && topic_id.0.is_nil() && !check.is_any() {
            return Err(ResponseError::IllegalGeneration);
        }
        for partition in &topic.partitions {
            if !is_too_large(soft, partition.committed_metadata.as_deref()) {
                check.partition(&name, topic_id, partition.partition_index).map_err(|error| error.error)?;
                let value = OffsetCommitValue {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: Arc::from(partition.committed_metadata.as_deref().unwrap_or_default()),
                    commit_timestamp_ms: now.0,
                    expire_timestamp_ms,
                    // Kafka 4.3 writes none in a transaction.
                    topic_id: if committer.transactional { TopicId::default() } else { topic_id },
                };
                let (group, topic) = (group.clone(), Arc::clone(&name));
                records.push(GroupRecord::OffsetCommit { group, topic, partition: partition.partition_index, value: Some(value) });
            }
        }
        response.topics.push(answer(topic, |partition| {
            if is_too_large(soft, partition.committed_metadata.as_deref()) { ResponseError::OffsetMetadataTooLarge.code() } else { 0 }
        }));
    }
    size::check_commits(soft, &records)?;
    Ok((records, response))
}

/// Whether the group takes a commit from this one. One that names no generation begins a group.
fn check_commit<'a>(hard: &'a Hard, soft: &'a Soft, group: &GroupId, committer: &Committer<'_>) -> Result<CommitCheck<'a>, ResponseError> {
    match kind::find(hard, soft, group) {
        Some(found) => found.check_commit(group, committer),
        None if committer.epoch < 0 => Ok(CommitCheck::Any),
        None if !committer.transactional && committer.api_version >= 9 => Err(ResponseError::GroupIdNotFound),
        None => Err(ResponseError::IllegalGeneration),
    }
}

/// An error of the whole request is written beside every partition.
pub(super) fn refuse(request: &OffsetCommitRequest, error: ResponseError) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| answer(topic, |_| error.code())).collect();
    OffsetCommitResponse::default().with_topics(topics)
}

fn answer(topic: &OffsetCommitRequestTopic, mut error_code: impl FnMut(&OffsetCommitRequestPartition) -> i16) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index).with_error_code(error_code(partition))
    });
    OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_topic_id(topic.topic_id).with_partitions(partitions.collect())
}

/// The id that the request names, else that of the topic with this name, else nil.
fn topic_id(soft: &Soft, name: &str, requested: Uuid) -> TopicId {
    if requested.is_nil() { soft.image.topics().by_name(name).map(|topic| topic.id).unwrap_or_default() } else { TopicId(requested) }
}

/// Kafka counts the characters of a Java string, though the key says bytes.
fn is_too_large(soft: &Soft, metadata: Option<&str>) -> bool {
    let max = soft.settings.offset_metadata_max_bytes;
    metadata.is_some_and(|text| text.len() > max && text.encode_utf16().count() > max)
}
