//! Every request type of the decoder by its api key: what the guard protects, for tests and fuzz targets.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

/// What the decoder knows of one request type.
#[derive(Clone, Copy)]
pub(crate) struct RequestType {
    pub(crate) api_key: i16,
    pub(crate) first_version: i16,
    pub(crate) last_version: i16,
    pub(crate) header_version: fn(i16) -> i16,
    /// Decodes a request body, then encodes it again. Gives the number of bytes the decoder left over, and what the encoder made.
    pub(crate) decode_and_encode: fn(i16, Bytes) -> Result<(usize, Bytes), String>,
}

const fn of<R: Decodable + Encodable + HeaderVersion + Message>(api_key: i16) -> RequestType {
    RequestType {
        api_key,
        first_version: R::VERSIONS.min,
        last_version: R::VERSIONS.max,
        header_version: R::header_version,
        decode_and_encode: decode_and_encode::<R>,
    }
}

fn decode_and_encode<R: Decodable + Encodable>(version: i16, mut body: Bytes) -> Result<(usize, Bytes), String> {
    let request = R::decode(&mut body, version).map_err(|error| format!("decode: {error}"))?;
    let mut encoded = BytesMut::new();
    request.encode(&mut encoded, version).map_err(|error| format!("encode: {error}"))?;
    Ok((body.len(), encoded.freeze()))
}

/// The request type with this key.
pub(crate) fn find(api_key: i16) -> Option<&'static RequestType> {
    REQUESTS.iter().find(|request| request.api_key == api_key)
}

/// All of them, in key order.
pub(crate) static REQUESTS: &[RequestType] = &[
    of::<messages::ProduceRequest>(0),
    of::<messages::FetchRequest>(1),
    of::<messages::ListOffsetsRequest>(2),
    of::<messages::MetadataRequest>(3),
    of::<messages::OffsetCommitRequest>(8),
    of::<messages::OffsetFetchRequest>(9),
    of::<messages::FindCoordinatorRequest>(10),
    of::<messages::JoinGroupRequest>(11),
    of::<messages::HeartbeatRequest>(12),
    of::<messages::LeaveGroupRequest>(13),
    of::<messages::SyncGroupRequest>(14),
    of::<messages::DescribeGroupsRequest>(15),
    of::<messages::ListGroupsRequest>(16),
    of::<messages::SaslHandshakeRequest>(17),
    of::<messages::ApiVersionsRequest>(18),
    of::<messages::CreateTopicsRequest>(19),
    of::<messages::DeleteTopicsRequest>(20),
    of::<messages::DeleteRecordsRequest>(21),
    of::<messages::InitProducerIdRequest>(22),
    of::<messages::OffsetForLeaderEpochRequest>(23),
    of::<messages::AddPartitionsToTxnRequest>(24),
    of::<messages::AddOffsetsToTxnRequest>(25),
    of::<messages::EndTxnRequest>(26),
    of::<messages::WriteTxnMarkersRequest>(27),
    of::<messages::TxnOffsetCommitRequest>(28),
    of::<messages::DescribeAclsRequest>(29),
    of::<messages::CreateAclsRequest>(30),
    of::<messages::DeleteAclsRequest>(31),
    of::<messages::DescribeConfigsRequest>(32),
    of::<messages::AlterConfigsRequest>(33),
    of::<messages::AlterReplicaLogDirsRequest>(34),
    of::<messages::DescribeLogDirsRequest>(35),
    of::<messages::SaslAuthenticateRequest>(36),
    of::<messages::CreatePartitionsRequest>(37),
    of::<messages::CreateDelegationTokenRequest>(38),
    of::<messages::RenewDelegationTokenRequest>(39),
    of::<messages::ExpireDelegationTokenRequest>(40),
    of::<messages::DescribeDelegationTokenRequest>(41),
    of::<messages::DeleteGroupsRequest>(42),
    of::<messages::ElectLeadersRequest>(43),
    of::<messages::IncrementalAlterConfigsRequest>(44),
    of::<messages::AlterPartitionReassignmentsRequest>(45),
    of::<messages::ListPartitionReassignmentsRequest>(46),
    of::<messages::OffsetDeleteRequest>(47),
    of::<messages::DescribeClientQuotasRequest>(48),
    of::<messages::AlterClientQuotasRequest>(49),
    of::<messages::DescribeUserScramCredentialsRequest>(50),
    of::<messages::AlterUserScramCredentialsRequest>(51),
    of::<messages::VoteRequest>(52),
    of::<messages::BeginQuorumEpochRequest>(53),
    of::<messages::EndQuorumEpochRequest>(54),
    of::<messages::DescribeQuorumRequest>(55),
    of::<messages::AlterPartitionRequest>(56),
    of::<messages::UpdateFeaturesRequest>(57),
    of::<messages::EnvelopeRequest>(58),
    of::<messages::FetchSnapshotRequest>(59),
    of::<messages::DescribeClusterRequest>(60),
    of::<messages::DescribeProducersRequest>(61),
    of::<messages::BrokerRegistrationRequest>(62),
    of::<messages::BrokerHeartbeatRequest>(63),
    of::<messages::UnregisterBrokerRequest>(64),
    of::<messages::DescribeTransactionsRequest>(65),
    of::<messages::ListTransactionsRequest>(66),
    of::<messages::AllocateProducerIdsRequest>(67),
    of::<messages::ConsumerGroupHeartbeatRequest>(68),
    of::<messages::ConsumerGroupDescribeRequest>(69),
    of::<messages::ControllerRegistrationRequest>(70),
    of::<messages::GetTelemetrySubscriptionsRequest>(71),
    of::<messages::PushTelemetryRequest>(72),
    of::<messages::AssignReplicasToDirsRequest>(73),
    of::<messages::ListConfigResourcesRequest>(74),
    of::<messages::DescribeTopicPartitionsRequest>(75),
    of::<messages::ShareGroupHeartbeatRequest>(76),
    of::<messages::ShareGroupDescribeRequest>(77),
    of::<messages::ShareFetchRequest>(78),
    of::<messages::ShareAcknowledgeRequest>(79),
    of::<messages::AddRaftVoterRequest>(80),
    of::<messages::RemoveRaftVoterRequest>(81),
    of::<messages::UpdateRaftVoterRequest>(82),
    of::<messages::InitializeShareGroupStateRequest>(83),
    of::<messages::ReadShareGroupStateRequest>(84),
    of::<messages::WriteShareGroupStateRequest>(85),
    of::<messages::DeleteShareGroupStateRequest>(86),
    of::<messages::ReadShareGroupStateSummaryRequest>(87),
    of::<messages::DescribeShareGroupOffsetsRequest>(90),
    of::<messages::AlterShareGroupOffsetsRequest>(91),
    of::<messages::DeleteShareGroupOffsetsRequest>(92),
];
