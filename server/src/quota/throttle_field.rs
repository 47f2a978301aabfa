//! Where an encoded answer says how long its client is throttled. All answers but a few begin with it, in the versions that have it, so it
//! is written into the bytes: what a request costs is known only when its answer is made.

use kafka_protocol::messages::ApiKey;

/// Where in the body `throttle_time_ms` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// So many bytes from the beginning.
    At(usize),
    /// Last; flexible versions have a byte of tagged fields behind it.
    Last { flexible: bool },
    /// Behind the error code and the array of API versions of a flexible ApiVersions.
    BehindApis,
}

/// The place in an answer of this version; `None` when it has none, or its handler writes it (Produce, Fetch).
fn place(key: ApiKey, version: i16) -> Option<Place> {
    use ApiKey as K;
    let (since, place) = match key {
        // Handlers with an answer of parts write it themselves; brokers among themselves are not throttled.
        K::Produce | K::Fetch | K::WriteTxnMarkers => return None,
        K::ApiVersions if version >= 3 => (3, Place::BehindApis),
        K::ApiVersions => (1, Place::Last { flexible: false }),
        K::OffsetDelete => (0, Place::At(2)),
        K::CreateDelegationToken | K::DescribeDelegationToken => (0, Place::Last { flexible: version >= 2 }),
        K::RenewDelegationToken | K::ExpireDelegationToken => (0, Place::At(10)),
        K::SaslHandshake | K::SaslAuthenticate | K::DescribeQuorum => return None,
        K::Metadata | K::OffsetCommit | K::OffsetFetch => (3, Place::At(0)),
        K::ListOffsets | K::JoinGroup | K::OffsetForLeaderEpoch | K::CreateTopics => (2, Place::At(0)),
        K::FindCoordinator | K::Heartbeat | K::LeaveGroup | K::SyncGroup | K::DescribeGroups | K::ListGroups | K::DeleteTopics => {
            (1, Place::At(0))
        }
        _ => (0, Place::At(0)),
    };
    (version >= since).then_some(place)
}

/// Writes the time into the body of an encoded answer.
pub(crate) fn write_throttle_time(key: ApiKey, version: i16, body: &mut [u8], throttle_ms: i32) {
    let at = match place(key, version) {
        None => return,
        Some(Place::At(at)) => Some(at),
        Some(Place::Last { flexible }) => body.len().checked_sub(4 + usize::from(flexible)),
        Some(Place::BehindApis) => behind_apis(body),
    };
    if let Some(field) = at.and_then(|at| body.get_mut(at..at + 4)) {
        field.copy_from_slice(&throttle_ms.to_be_bytes());
    }
}

/// Two bytes of error code, a count that is one too large, and seven bytes for each API.
fn behind_apis(body: &[u8]) -> Option<usize> {
    let (mut count, mut at) = (0_usize, 2);
    for shift in (0..28).step_by(7) {
        let byte = *body.get(at)?;
        at += 1;
        count |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(at + count.saturating_sub(1) * 7);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::APIS;
    use bytes::BytesMut;
    use kafka_protocol::messages::*;
    use kafka_protocol::protocol::{Decodable, Encodable};
    use std::collections::BTreeSet;

    /// Encodes an answer, writes the time into it and reads it back.
    fn told<R: Encodable + Decodable>(key: ApiKey, version: i16, answer: &R, read: impl Fn(&R) -> i32) -> i32 {
        let mut body = BytesMut::new();
        answer.encode(&mut body, version).expect("encodes");
        let size = body.len();
        write_throttle_time(key, version, &mut body, 0x1234_5678);
        let mut bytes = body.freeze();
        let read_back = read(&R::decode(&mut bytes, version).unwrap_or_else(|error| panic!("{key:?} v{version} of {size}: {error}")));
        assert!(bytes.is_empty(), "{key:?} v{version}");
        read_back
    }

    macro_rules! all {
        ($($key:ident: $answer:ty, since $since:literal;)*) => {
            /// Each API of the table whose answer has the field, and the first version that has it.
            #[test]
            fn the_time_is_where_each_answer_has_it() {
                let mut known = BTreeSet::from([ApiKey::Produce as i16, ApiKey::Fetch as i16, ApiKey::WriteTxnMarkers as i16, ApiKey::DescribeQuorum as i16, ApiKey::SaslHandshake as i16, ApiKey::SaslAuthenticate as i16]);
                $(
                    known.insert(ApiKey::$key as i16);
                    let served = APIS.iter().filter(|entry| entry.key == ApiKey::$key);
                    for version in served.flat_map(|entry| entry.min_version..=entry.max_version) {
                        let said = told(ApiKey::$key, version, &<$answer>::default(), |answer| answer.throttle_time_ms);
                        assert_eq!(said, if version >= $since { 0x1234_5678 } else { 0 }, "{} v{version}", stringify!($key));
                    }
                )*
                let unknown: Vec<ApiKey> = APIS.iter().map(|entry| entry.key).filter(|key| !known.contains(&(*key as i16))).collect();
                assert!(unknown.is_empty(), "say here where {unknown:?} have throttle_time_ms");
            }
        };
    }

    all! {
        ListOffsets: ListOffsetsResponse, since 2;
        Metadata: MetadataResponse, since 3;
        OffsetCommit: OffsetCommitResponse, since 3;
        OffsetFetch: OffsetFetchResponse, since 3;
        FindCoordinator: FindCoordinatorResponse, since 1;
        JoinGroup: JoinGroupResponse, since 2;
        Heartbeat: HeartbeatResponse, since 1;
        LeaveGroup: LeaveGroupResponse, since 1;
        SyncGroup: SyncGroupResponse, since 1;
        DescribeGroups: DescribeGroupsResponse, since 1;
        ListGroups: ListGroupsResponse, since 1;
        ApiVersions: ApiVersionsResponse, since 1;
        CreateTopics: CreateTopicsResponse, since 2;
        DeleteTopics: DeleteTopicsResponse, since 1;
        DeleteRecords: DeleteRecordsResponse, since 0;
        InitProducerId: InitProducerIdResponse, since 0;
        OffsetForLeaderEpoch: OffsetForLeaderEpochResponse, since 2;
        AddPartitionsToTxn: AddPartitionsToTxnResponse, since 0;
        AddOffsetsToTxn: AddOffsetsToTxnResponse, since 0;
        EndTxn: EndTxnResponse, since 0;
        TxnOffsetCommit: TxnOffsetCommitResponse, since 0;
        DescribeAcls: DescribeAclsResponse, since 0;
        CreateAcls: CreateAclsResponse, since 0;
        DeleteAcls: DeleteAclsResponse, since 0;
        DescribeConfigs: DescribeConfigsResponse, since 0;
        AlterConfigs: AlterConfigsResponse, since 0;
        AlterReplicaLogDirs: AlterReplicaLogDirsResponse, since 0;
        DescribeLogDirs: DescribeLogDirsResponse, since 0;
        CreatePartitions: CreatePartitionsResponse, since 0;
        CreateDelegationToken: CreateDelegationTokenResponse, since 0;
        RenewDelegationToken: RenewDelegationTokenResponse, since 0;
        ExpireDelegationToken: ExpireDelegationTokenResponse, since 0;
        DescribeDelegationToken: DescribeDelegationTokenResponse, since 0;
        DeleteGroups: DeleteGroupsResponse, since 0;
        ElectLeaders: ElectLeadersResponse, since 0;
        IncrementalAlterConfigs: IncrementalAlterConfigsResponse, since 0;
        AlterPartitionReassignments: AlterPartitionReassignmentsResponse, since 0;
        ListPartitionReassignments: ListPartitionReassignmentsResponse, since 0;
        OffsetDelete: OffsetDeleteResponse, since 0;
        DescribeClientQuotas: DescribeClientQuotasResponse, since 0;
        AlterClientQuotas: AlterClientQuotasResponse, since 0;
        DescribeUserScramCredentials: DescribeUserScramCredentialsResponse, since 0;
        AlterUserScramCredentials: AlterUserScramCredentialsResponse, since 0;
        UpdateFeatures: UpdateFeaturesResponse, since 0;
        DescribeCluster: DescribeClusterResponse, since 0;
        DescribeProducers: DescribeProducersResponse, since 0;
        UnregisterBroker: UnregisterBrokerResponse, since 0;
        DescribeTransactions: DescribeTransactionsResponse, since 0;
        ListTransactions: ListTransactionsResponse, since 0;
        ConsumerGroupHeartbeat: ConsumerGroupHeartbeatResponse, since 0;
        ConsumerGroupDescribe: ConsumerGroupDescribeResponse, since 0;
        GetTelemetrySubscriptions: GetTelemetrySubscriptionsResponse, since 0;
        PushTelemetry: PushTelemetryResponse, since 0;
        ListConfigResources: ListConfigResourcesResponse, since 0;
        DescribeTopicPartitions: DescribeTopicPartitionsResponse, since 0;
        AddRaftVoter: AddRaftVoterResponse, since 0;
        RemoveRaftVoter: RemoveRaftVoterResponse, since 0;
    }

    #[test]
    fn it_is_found_behind_many_apis() {
        let api = api_versions_response::ApiVersion::default().with_max_version(3);
        let feature = api_versions_response::SupportedFeatureKey::default().with_max_version(1);
        let answer = ApiVersionsResponse::default().with_api_keys(vec![api; 200]).with_supported_features(vec![feature]);
        for version in 1..=4 {
            assert_eq!(told(ApiKey::ApiVersions, version, &answer, |answer| answer.throttle_time_ms), 0x1234_5678);
        }
    }
}
