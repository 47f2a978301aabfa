//! The table of APIs: what is served, in key order. The README repeats it, and a test compares the two.

// Each row names its module, and nothing else here does.
use super::*;

/// In key order.
pub static APIS: &[ApiEntry] = &[
    ApiEntry::raw::<produce::Produce>(),
    ApiEntry::raw::<fetch::Fetch>(),
    ApiEntry::of::<list_offsets::ListOffsets>(),
    ApiEntry::of::<metadata::Metadata>(),
    ApiEntry::of::<offset_commit::OffsetCommit>(),
    ApiEntry::of::<offset_fetch::OffsetFetch>(),
    ApiEntry::of::<find_coordinator::FindCoordinator>(),
    ApiEntry::of::<join_group::JoinGroup>(),
    ApiEntry::of::<heartbeat::Heartbeat>(),
    ApiEntry::of::<leave_group::LeaveGroup>(),
    ApiEntry::of::<sync_group::SyncGroup>(),
    ApiEntry::of::<describe_groups::DescribeGroups>(),
    ApiEntry::of::<list_groups::ListGroups>(),
    ApiEntry::of::<sasl_handshake::SaslHandshake>(),
    ApiEntry::of::<api_versions::ApiVersions>(),
    ApiEntry::of::<create_topics::CreateTopics>(),
    ApiEntry::of::<delete_topics::DeleteTopics>(),
    ApiEntry::of::<delete_records::DeleteRecords>(),
    ApiEntry::of::<init_producer_id::InitProducerId>(),
    ApiEntry::of::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    ApiEntry::of::<add_partitions_to_txn::AddPartitionsToTxn>(),
    ApiEntry::of::<add_offsets_to_txn::AddOffsetsToTxn>(),
    ApiEntry::of::<end_txn::EndTxn>(),
    ApiEntry::of::<write_txn_markers::WriteTxnMarkers>(),
    ApiEntry::of::<txn_offset_commit::TxnOffsetCommit>(),
    ApiEntry::raw::<describe_acls::DescribeAcls>(),
    ApiEntry::raw::<create_acls::CreateAcls>(),
    ApiEntry::raw::<delete_acls::DeleteAcls>(),
    ApiEntry::of::<describe_configs::DescribeConfigs>(),
    ApiEntry::of::<alter_configs::AlterConfigs>(),
    ApiEntry::of::<describe_log_dirs::DescribeLogDirs>(),
    ApiEntry::of::<sasl_authenticate::SaslAuthenticate>(),
    ApiEntry::of::<create_partitions::CreatePartitions>(),
    ApiEntry::of::<create_delegation_token::CreateDelegationToken>(),
    ApiEntry::of::<renew_delegation_token::RenewDelegationToken>(),
    ApiEntry::of::<expire_delegation_token::ExpireDelegationToken>(),
    ApiEntry::of::<describe_delegation_token::DescribeDelegationToken>(),
    ApiEntry::of::<delete_groups::DeleteGroups>(),
    ApiEntry::of::<elect_leaders::ElectLeaders>(),
    ApiEntry::of::<incremental_alter_configs::IncrementalAlterConfigs>(),
    ApiEntry::of::<alter_partition_reassignments::AlterPartitionReassignments>(),
    ApiEntry::of::<list_partition_reassignments::ListPartitionReassignments>(),
    ApiEntry::of::<offset_delete::OffsetDelete>(),
    ApiEntry::of::<describe_client_quotas::DescribeClientQuotas>(),
    ApiEntry::of::<alter_client_quotas::AlterClientQuotas>(),
    ApiEntry::of::<describe_user_scram_credentials::DescribeUserScramCredentials>(),
    ApiEntry::of::<alter_user_scram_credentials::AlterUserScramCredentials>(),
    ApiEntry::of::<describe_quorum::DescribeQuorum>(),
    ApiEntry::of::<update_features::UpdateFeatures>(),
    ApiEntry::of::<describe_cluster::DescribeCluster>(),
    ApiEntry::of::<describe_producers::DescribeProducers>(),
    ApiEntry::of::<unregister_broker::UnregisterBroker>(),
    ApiEntry::of::<describe_transactions::DescribeTransactions>(),
    ApiEntry::of::<list_transactions::ListTransactions>(),
    ApiEntry::of::<consumer_group_heartbeat::ConsumerGroupHeartbeat>(),
    ApiEntry::of::<consumer_group_describe::ConsumerGroupDescribe>(),
    ApiEntry::of::<get_telemetry_subscriptions::GetTelemetrySubscriptions>().unadvertised(),
    ApiEntry::of::<push_telemetry::PushTelemetry>().unadvertised(),
    ApiEntry::of::<list_config_resources::ListConfigResources>(),
    ApiEntry::of::<describe_topic_partitions::DescribeTopicPartitions>(),
    ApiEntry::of::<add_raft_voter::AddRaftVoter>(),
    ApiEntry::of::<remove_raft_voter::RemoveRaftVoter>(),
];

/// The row of a key.
#[must_use]
pub fn find(api_key: i16) -> Option<&'static ApiEntry> {
    APIS.binary_search_by_key(&api_key, |entry| entry.key as i16).ok().map(|at| &APIS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_key_order_without_duplicates() {
        assert!(APIS.windows(2).all(|pair| (pair[0].key as i16) < (pair[1].key as i16)));
    }

    #[test]
    fn every_row_is_found_by_its_key_and_no_other() {
        for entry in APIS {
            assert_eq!(find(entry.key as i16).map(|found| found.key), Some(entry.key));
        }
        assert!(find(-1).is_none());
        assert!(find(i16::MAX).is_none());
    }
}
