//! Offsets that are committed in a transaction, and what readers of stable offsets see of them.

use super::groups::{Member, error, group_id, text};
use super::transactions::{TV2, Transactor};
use super::{Client, name};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::{AddOffsetsToTxnRequest, OffsetFetchRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest};

/// A TxnOffsetCommit of one partition without a member.
pub fn txn_commit(by: &Transactor, group: &str, topic: &str, partition: i32, offset: i64) -> TxnOffsetCommitRequest {
    let row = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![row]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(text(&by.id)))
        .with_group_id(group_id(group))
        .with_producer_id(ProducerId(by.pid))
        .with_producer_epoch(by.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic])
}

/// The same in the name of a classic member.
pub fn txn_commit_of(member: &Member, by: &Transactor, topic: &str, partition: i32, offset: i64) -> TxnOffsetCommitRequest {
    txn_commit(by, &member.group, topic, partition, offset)
        .with_member_id(member.id.clone())
        .with_generation_id(member.generation)
        .with_group_instance_id(member.instance.clone())
}

impl Client {
    /// AddOffsetsToTxn.
    pub fn add_offsets(&mut self, by: &Transactor, group: &str) -> Option<ResponseError> {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(text(&by.id)))
            .with_producer_id(ProducerId(by.pid))
            .with_producer_epoch(by.epoch)
            .with_group_id(group_id(group));
        error(self.ask(4, &request).error_code)
    }

    /// The error of the first partition of a TxnOffsetCommit.
    pub fn try_txn_commit(&mut self, version: i16, request: &TxnOffsetCommitRequest) -> Option<ResponseError> {
        error(self.ask(version, request).topics[0].partitions[0].error_code)
    }

    /// Commits an offset as the producer's generation of clients does, the group added first if need be.
    pub fn commit_in(&mut self, by: &Transactor, group: &str, topic: &str, partition: i32, offset: i64) {
        if by.produce != TV2 {
            assert_eq!(self.add_offsets(by, group), None);
        }
        let version = if by.produce == TV2 { 5 } else { 3 };
        assert_eq!(self.try_txn_commit(version, &txn_commit(by, group, topic, partition, offset)), None);
    }

    /// OffsetFetch of one partition by somebody who reads stable offsets only.
    pub fn stable(&mut self, group: &str, topic: &str, partition: i32) -> Result<i64, ResponseError> {
        let topic = OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(vec![partition]);
        let asked = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(true);
        let mut answer = self.ask(8, &request).groups.remove(0);
        if let Some(error) = error(answer.error_code) {
            return Err(error);
        }
        let row = answer.topics.remove(0).partitions.remove(0);
        error(row.error_code).map_or(Ok(row.committed_offset), Err)
    }
}
