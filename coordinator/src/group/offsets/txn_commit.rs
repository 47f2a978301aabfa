//! TxnOffsetCommit: a commit whose records count once their transaction's end marker is replayed.
//!
//! The shell appends the records under the producer's id and replays them with `replay_transactional`.

use super::super::consumer::commit::Committer;
use super::super::hard::Hard;
use super::super::names::GroupId;
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects, GroupReply};
use super::commit::{decide, refuse};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse};

pub(in super::super) fn handle(
    hard: &Hard,
    soft: &Soft,
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
    let commit = OffsetCommitRequest::default().with_topics(request.topics.iter().map(plain).collect());
    let (records, response) = decide(hard, soft, now, &group, &committer, &commit).unwrap_or_else(|error| {
        // Producers know nothing of member epochs.
        let error = if error == ResponseError::StaleMemberEpoch { ResponseError::IllegalGeneration } else { error };
        (Vec::new(), refuse(&commit, error))
    });
    GroupEffects { records, replies: vec![(ticket, GroupReply::TxnOffsetCommit(transactional(response)))], commands: Vec::new() }
}

fn plain(topic: &TxnOffsetCommitRequestTopic) -> OffsetCommitRequestTopic {
    let partition = |partition: &TxnOffsetCommitRequestPartition| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_committed_metadata(partition.committed_metadata.clone())
    };
    OffsetCommitRequestTopic::default().with_name(topic.name.clone()).with_partitions(topic.partitions.iter().map(partition).collect())
}

fn transactional(response: OffsetCommitResponse) -> TxnOffsetCommitResponse {
    let partition = |partition: OffsetCommitResponsePartition| {
        TxnOffsetCommitResponsePartition::default().with_partition_index(partition.partition_index).with_error_code(partition.error_code)
    };
    let topic = |topic: OffsetCommitResponseTopic| {
        let partitions = topic.partitions.into_iter().map(partition).collect();
        TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    };
    TxnOffsetCommitResponse::default().with_topics(response.topics.into_iter().map(topic).collect())
}
