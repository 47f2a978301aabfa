//! What is encoded here must read the same in another implementation, and the other way round.

use super::*;
use crate::payload::Payload;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

/// Decodes a request of ours, checking size prefix and header; every byte must be used.
fn decode<T: Decodable>(mut encoded: Vec<u8>, key: i16, version: i16) -> T {
    set_correlation_id(&mut encoded, 77);
    let mut bytes = Bytes::from(encoded);
    let size = i32::from_be_bytes(bytes.split_to(4)[..].try_into().unwrap());
    assert_eq!(size as usize, bytes.len());
    let header = RequestHeader::decode(&mut bytes, 1).unwrap();
    assert_eq!((header.request_api_key, header.request_api_version, header.correlation_id), (key, version, 77));
    let request = T::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "{} bytes left over in v{version}", bytes.len());
    request
}

/// An answer as another implementation encodes it: correlation id and body.
fn encode(answer: &impl Encodable, version: i16) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i32(77);
    answer.encode(&mut out, version).unwrap();
    out.to_vec()
}

fn topic(name: &str) -> TopicName {
    TopicName(StrBytes::from(name.to_owned()))
}

#[test]
fn produce_requests_read_the_same() {
    let batch = crate::batch::fill(&mut Payload::new(1), 100, 16_384, 0);
    for version in 3..=8 {
        let request: ProduceRequest = decode(produce(version, -1, "load", 3, &batch.bytes), key::PRODUCE, version);
        assert_eq!((request.acks, request.timeout_ms, request.transactional_id), (-1, 30_000, None));
        let data = &request.topic_data[0];
        assert_eq!((data.name.as_str(), data.partition_data[0].index), ("load", 3));
        assert_eq!(data.partition_data[0].records.as_deref(), Some(&batch.bytes[..]));
    }
}

#[test]
fn produce_answers_are_understood() {
    for version in 3..=8 {
        let partition = PartitionProduceResponse::default().with_index(3).with_error_code(6).with_base_offset(1234);
        let answer = ProduceResponse::default()
            .with_responses(vec![TopicProduceResponse::default().with_name(topic("load")).with_partition_responses(vec![partition])]);
        assert_eq!(read_produce(&encode(&answer, version)), Some(ProduceAnswer { error: 6, base_offset: 1234 }), "v{version}");
    }
    assert_eq!(read_produce(&[0; 7]), None);
}

#[test]
fn fetch_requests_read_the_same() {
    let ask = FetchAsk {
        topic: "load",
        partitions: &[(0, 10), (2, 20)],
        wait_ms_max: 500,
        size_bytes_min: 1,
        size_bytes_max: 50,
        partition_bytes_max: 40,
    };
    for version in 4..=11 {
        let request: FetchRequest = decode(fetch(version, &ask), key::FETCH, version);
        assert_eq!((request.max_wait_ms, request.min_bytes, request.max_bytes, request.isolation_level), (500, 1, 50, 0));
        assert_eq!(request.topics[0].topic.as_str(), "load");
        let partitions: Vec<_> = request.topics[0]
            .partitions
            .iter()
            .map(|p| (p.partition, p.fetch_offset, p.partition_max_bytes, p.current_leader_epoch))
            .collect();
        assert_eq!(partitions, [(0, 10, 40, -1), (2, 20, 40, -1)]);
    }
}

#[test]
fn fetch_answers_are_understood() {
    for version in 4..=11 {
        let data = |index, records| {
            PartitionData::default().with_partition_index(index).with_high_watermark(9).with_records(Some(Bytes::from_static(records)))
        };
        let topic = FetchableTopicResponse::default().with_topic(topic("load")).with_partitions(vec![data(0, b"abc"), data(1, b"")]);
        let answer = encode(&FetchResponse::default().with_responses(vec![topic]), version);
        let mut seen = Vec::new();
        let each = |p: FetchedPartition<'_>| {
            seen.push((p.partition, p.error, p.high_watermark, p.records.to_vec()));
            Ok(())
        };
        read_fetch(version, &answer, each).unwrap();
        assert_eq!(seen, [(0, 0, 9, b"abc".to_vec()), (1, 0, 9, vec![])], "v{version}");
        assert!(read_fetch(version, &answer[..answer.len() - 1], |_| Ok(())).is_err());
    }
}

#[test]
fn list_offsets_goes_both_ways() {
    for version in 1..=5 {
        let request: ListOffsetsRequest = decode(list_offsets(version, "load", 2, -1), key::LIST_OFFSETS, version);
        let partition = &request.topics[0].partitions[0];
        assert_eq!((request.topics[0].name.as_str(), partition.partition_index, partition.timestamp), ("load", 2, -1));
        let found = ListOffsetsPartitionResponse::default().with_partition_index(2).with_error_code(3).with_offset(55);
        let topic = ListOffsetsTopicResponse::default().with_name(topic("load")).with_partitions(vec![found]);
        let answer = encode(&ListOffsetsResponse::default().with_topics(vec![topic]), version);
        assert_eq!(read_list_offsets(version, &answer), Some((3, 55)), "v{version}");
    }
}

#[test]
fn metadata_goes_both_ways() {
    for version in 1..=8 {
        let request: MetadataRequest = decode(metadata(version, "load"), key::METADATA, version);
        assert_eq!(request.topics.unwrap()[0].name.as_ref().unwrap().as_str(), "load");
        let partition = |leader| {
            let replicas = vec![BrokerId(1), BrokerId(2)];
            MetadataResponsePartition::default()
                .with_leader_id(BrokerId(leader))
                .with_replica_nodes(replicas.clone())
                .with_isr_nodes(replicas)
        };
        let found = MetadataResponseTopic::default().with_name(Some(topic("load"))).with_partitions(vec![
            partition(1),
            partition(-1),
            partition(2),
        ]);
        let broker = MetadataResponseBroker::default().with_host(StrBytes::from_static_str("localhost"));
        let answer = MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![found]);
        assert_eq!(read_metadata(version, &encode(&answer, version)), Some((0, 2)), "v{version}");
    }
}

#[test]
fn topics_are_created_and_deleted() {
    for version in 2..=4 {
        let encoded = create_topic(version, "load", 6, &[("retention.ms", "-1")]);
        let request: CreateTopicsRequest = decode(encoded, key::CREATE_TOPICS, version);
        let topic_asked = &request.topics[0];
        assert_eq!((topic_asked.name.as_str(), topic_asked.num_partitions, topic_asked.replication_factor), ("load", 6, 1));
        assert_eq!(topic_asked.configs[0].value.as_deref(), Some("-1"));
        let answer =
            CreateTopicsResponse::default().with_topics(vec![CreatableTopicResult::default().with_name(topic("load")).with_error_code(36)]);
        assert_eq!(read_topic_error(&encode(&answer, version)), Some(36));
    }
    for version in 1..=3 {
        let request: DeleteTopicsRequest = decode(delete_topic(version, "load"), key::DELETE_TOPICS, version);
        assert_eq!(request.topic_names, [topic("load")]);
    }
}

#[test]
fn api_versions_goes_both_ways() {
    let _: ApiVersionsRequest = decode(api_versions(), key::API_VERSIONS, 0);
    let version = api_versions_response::ApiVersion::default().with_api_key(1).with_min_version(4).with_max_version(18);
    let answer = encode(&ApiVersionsResponse::default().with_api_keys(vec![version]), 0);
    assert_eq!(read_api_versions(&answer), Some(vec![(1, 4, 18)]));
}
