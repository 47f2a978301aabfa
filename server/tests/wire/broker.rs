//! The whole broker behind raw sockets: connections, versions and framing as real clients need them (reference/PITFALLS.md, rows 1-12).

use super::*;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, FetchRequest, FetchResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use ottla_server::Broker;
use ottla_server::config::Config;
use ottla_storage::Millis;
use ottla_storage::batch::BatchBuilder;
use std::time::Instant;

struct Running {
    broker: Option<Broker>,
    _dir: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let properties = format!("log.dirs={}\n", dir.path().display());
        let builder = Config::builder().properties(&properties, "test").expect("well formed");
        let config = builder.port(0).build().expect("a configuration");
        Self { broker: Some(Broker::start(config).expect("a broker")), _dir: dir }
    }

    fn connect(&self) -> Client {
        Client::to(self.broker.as_ref().expect("running").bound()[0].addresses[0])
    }

    /// With a topic `t` of one partition.
    fn with_topic() -> Self {
        let running = Self::start();
        let topic = CreatableTopic::default().with_name(name()).with_num_partitions(1).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer: CreateTopicsResponse = ask(&mut running.connect(), 19, 7, &request);
        assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0].error_message);
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop();
        }
    }
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

fn frame_of<R: Encodable + HeaderVersion>(key: i16, version: i16, id: i32, message: &R) -> Bytes {
    let mut body = BytesMut::new();
    message.encode(&mut body, version).expect("a valid request");
    request(key, version, id, "wire", R::header_version(version) == 2, &body)
}

fn answer_of<A: Decodable + HeaderVersion>(client: &mut Client, version: i16, id: i32) -> A {
    let mut bytes = Bytes::from(client.receive());
    assert_eq!(bytes.split_to(4)[..], id.to_be_bytes(), "correlation id");
    if A::header_version(version) == 1 {
        assert_eq!(bytes.split_to(1)[..], [0], "no tagged fields in the header");
    }
    let answer = A::decode(&mut bytes, version).expect("a valid answer");
    assert!(bytes.is_empty(), "bytes behind the answer");
    answer
}

fn ask<A: Decodable + HeaderVersion>(client: &mut Client, key: i16, version: i16, request: &(impl Encodable + HeaderVersion)) -> A {
    client.send(&frame_of(key, version, 4711, request));
    answer_of(client, version, 4711)
}

fn api_versions_request() -> ApiVersionsRequest {
    let word = StrBytes::from_static_str;
    ApiVersionsRequest::default().with_client_software_name(word("wire")).with_client_software_version(word("1.0"))
}

fn versions_of(apis: &[ApiVersion], key: i16) -> Option<(i16, i16)> {
    apis.iter().find(|api| api.api_key == key).map(|api| (api.min_version, api.max_version))
}

fn records(text: &'static str) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.push(Millis(1_700_000_000_000), None, Some(text.as_bytes()), &[]);
    builder.build().expect("a batch").into()
}

fn produce_request(acks: i16, partition: i32) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records("value")));
    let topic = TopicProduceData::default().with_name(name()).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(5_000).with_topic_data(vec![topic])
}

fn fetch_request(from: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(from).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name()).with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(max_wait_ms).with_min_bytes(1).with_max_bytes(1 << 20).with_topics(vec![topic])
}

#[test]
fn an_api_versions_of_the_future_is_answered_in_v0_and_the_connection_stays() {
    let running = Running::start();
    let mut client = running.connect();
    client.send(&request(18, 99, 5, "wire", true, b"fields of the future"));
    let answer: ApiVersionsResponse = answer_of(&mut client, 0, 5);
    assert_eq!(answer.error_code, 35);
    // This API alone (KIP-511): franz-go would take all of them for the whole answer, and use no transactions of version 2.
    assert_eq!(answer.api_keys.len(), 1);
    assert!(versions_of(&answer.api_keys, 18).is_some_and(|(_, newest)| newest >= 3));
    let again: ApiVersionsResponse = ask(&mut client, 18, 3, &api_versions_request());
    assert_eq!(again.error_code, 0);
    assert!(again.supported_features.iter().all(|feature| feature.min_version > 0), "old Java clients fail on a minimum of 0");
    let once_more: ApiVersionsResponse = ask(&mut client, 18, 4, &api_versions_request());
    assert_eq!(once_more.api_keys, again.api_keys, "more than once per connection");
}

// Apache Kafka gives group.version and its kin a minimum of 0 from ApiVersions v4 on.
#[test]
fn features_with_a_minimum_of_0_are_shown_from_v4_on() {
    let running = Running::start();
    let answer: ApiVersionsResponse = ask(&mut running.connect(), 18, 4, &api_versions_request());
    assert!(answer.supported_features.iter().any(|feature| feature.min_version == 0));
}

#[test]
fn produce_is_advertised_from_0() {
    let running = Running::start();
    let answer: ApiVersionsResponse = ask(&mut running.connect(), 18, 0, &ApiVersionsRequest::default());
    assert_eq!(versions_of(&answer.api_keys, 0).map(|(oldest, _)| oldest), Some(0));
}

#[test]
fn software_names_that_are_no_words_are_invalid() {
    let running = Running::start();
    let mut client = running.connect();
    let request = api_versions_request().with_client_software_name(StrBytes::from_static_str("-wire-"));
    let answer: ApiVersionsResponse = ask(&mut client, 18, 3, &request);
    assert_eq!(answer.error_code, 42);
    let good: ApiVersionsResponse = ask(&mut client, 18, 3, &api_versions_request());
    assert_eq!(good.error_code, 0, "the connection stays");
}

#[test]
fn versions_and_keys_that_are_not_served_close_the_connection() {
    let running = Running::start();
    // Metadata v14, Produce v0 (advertised but not served), Vote (known, not served to clients), a key that does not exist.
    for (key, version) in [(3, 14), (0, 0), (52, 0), (999, 0)] {
        let mut client = running.connect();
        client.send(&request(key, version, 1, "wire", false, &[0; 30]));
        assert!(client.is_closed(), "key {key} v{version}");
    }
}

#[test]
fn a_fetch_that_waits_is_answered_before_what_came_after_it() {
    let running = Running::with_topic();
    let mut consumer = running.connect();
    consumer.send(&frame_of(1, 12, 1, &fetch_request(0, 15_000)));
    consumer.send(&frame_of(3, 9, 2, &MetadataRequest::default()));
    let produced: ProduceResponse = ask(&mut running.connect(), 0, 9, &produce_request(-1, 0));
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 0);
    let fetched: FetchResponse = answer_of(&mut consumer, 12, 1);
    assert!(fetched.responses[0].partitions[0].records.as_ref().is_some_and(|records| records.ends_with(b"value\0")));
    let _: MetadataResponse = answer_of(&mut consumer, 9, 2);
}

#[test]
fn a_fetch_without_data_has_empty_records_and_not_null() {
    let running = Running::with_topic();
    for version in [4, 11, 12] {
        let fetched: FetchResponse = ask(&mut running.connect(), 1, version, &fetch_request(0, 0));
        let partition = &fetched.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.records.as_deref()), (0, Some(&[][..])), "v{version}");
    }
}

#[test]
fn produce_without_acks_has_no_answer_and_holds_nothing_back() {
    let running = Running::with_topic();
    let mut client = running.connect();
    for _ in 0..3 {
        client.send(&frame_of(0, 9, 1, &produce_request(0, 0)));
    }
    let produced: ProduceResponse = ask(&mut client, 0, 9, &produce_request(1, 0));
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 3);
}

#[test]
fn produce_without_acks_that_fails_closes_the_connection() {
    let running = Running::with_topic();
    let mut client = running.connect();
    client.send(&frame_of(0, 9, 1, &produce_request(0, 99)));
    assert!(client.is_closed());
}

#[test]
fn unknown_tagged_fields_are_passed_over() {
    let running = Running::start();
    let mut client = running.connect();
    // Metadata v9 of all topics; tag 77 with two bytes in the header and in the body.
    let body = [1, 77, 2, 0xab, 0xcd, 0, 0, 0, 0, 1, 77, 2, 0xab, 0xcd];
    client.send(&request(3, 9, 6, "wire", false, &body));
    let _: MetadataResponse = answer_of(&mut client, 9, 6);
}

#[test]
fn errors_name_no_leader_when_there_is_none_to_name() {
    let running = Running::with_topic();
    let mut client = running.connect();
    let produced: ProduceResponse = ask(&mut client, 0, 10, &produce_request(1, 99));
    let leader = &produced.responses[0].partition_responses[0].current_leader;
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (-1, -1));
    let mut request = fetch_request(0, 0);
    request.topics[0].partitions[0].partition = 99;
    let fetched: FetchResponse = ask(&mut client, 1, 12, &request);
    let leader = &fetched.responses[0].partitions[0].current_leader;
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (-1, -1));
}

#[test]
fn bytes_behind_a_request_change_nothing() {
    let running = Running::start();
    let mut client = running.connect();
    client.send(&request(3, 1, 8, "wire", false, &[0, 0, 0, 0, 1, 2, 3]));
    let _: MetadataResponse = answer_of(&mut client, 1, 8);
}

#[test]
fn the_broker_stops_while_clients_wait() {
    let mut running = Running::with_topic();
    let mut waiting = running.connect();
    waiting.send(&frame_of(1, 12, 1, &fetch_request(0, 300)));
    let mut idle = running.connect();
    let _: MetadataResponse = ask(&mut idle, 3, 9, &MetadataRequest::default());
    let began = Instant::now();
    running.broker.take().expect("running").stop();
    assert!(began.elapsed() < PATIENCE, "stopped after {:?}", began.elapsed());
    assert!(idle.is_closed());
}
