//! TxnOffsetCommit: the same records in a transactional batch; they count once its end marker is replayed.
//!
//! The shell appends these records under the producer's id and replays them with `replay_transactional`.

use super::super::consumer::commit::{CommitCheck, Committer};
use super::super::hard::Hard;
use super::super::names::GroupId;
use super::super::records::{GroupRecord, OffsetCommitValue};
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects, GroupReply};
use super::commit::{check_commit, is_too_large, topic_id};
use super::size;
use crate::effects::Ticket;
use crate::metadata::TopicId;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use std::sync::Arc;
use uuid::Uuid;

pub(in super::super) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &TxnOffsetCommitRequest,
) -> GroupEffects {
    let group = GroupId::from(&*request.group_id.0);
    let committer = Committer {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        epoch: request.generation_id,
        transactional: true,
        api_version: caller.api_version,
    };
    match check_commit(hard, soft, &group, &committer).and_then(|check| accept(soft, now, &group, &check, request)) {
        Ok((records, response)) => {
            GroupEffects { records, replies: vec![(ticket, GroupReply::TxnOffsetCommit(response))], commands: Vec::new() }
        }
        Err(error) => GroupEffects::reply(ticket, GroupReply::TxnOffsetCommit(refuse(request, error))),
    }
}

fn refuse(request: &TxnOffsetCommitRequest, error: ResponseError) -> TxnOffsetCommitResponse {
    // Producers know nothing of member epochs.
    let error = if error == ResponseError::StaleMemberEpoch { ResponseError::IllegalGeneration } else { error };
    let topics = request.topics.iter().map(|topic| answer(topic, |_| error.code())).collect();
    TxnOffsetCommitResponse::default().with_topics(topics)
}

fn answer(
    topic: &TxnOffsetCommitRequestTopic,
    mut error_code: impl FnMut(&TxnOffsetCommitRequestPartition) -> i16,
) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        TxnOffsetCommitResponsePartition::default().with_partition_index(partition.partition_index).with_error_code(error_code(partition))
    });
    TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
}

fn accept(
    soft: &Soft,
    now: Millis,
    group: &GroupId,
    check: &CommitCheck<'_>,
    request: &TxnOffsetCommitRequest,
) -> Result<(Vec<GroupRecord>, TxnOffsetCommitResponse), ResponseError> {
    let mut records = Vec::new();
    let mut response = TxnOffsetCommitResponse::default();
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&*topic.name.0);
        let id = topic_id(soft, &name, Uuid::nil());
        if id.0.is_nil() && !check.is_any() {
            return Err(ResponseError::IllegalGeneration);
        }
        for partition in &topic.partitions {
            if !is_too_large(soft, partition.committed_metadata.as_deref()) {
                check.partition(&name, id, partition.partition_index).map_err(|error| error.error)?;
                let value = OffsetCommitValue {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: Arc::from(partition.committed_metadata.as_deref().unwrap_or_default()),
                    commit_timestamp_ms: now.0,
                    expire_timestamp_ms: -1,
                    // Kafka 4.3 writes none here.
                    topic_id: TopicId::default(),
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
