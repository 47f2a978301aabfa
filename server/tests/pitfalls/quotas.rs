//! Row 11: quotas and throttling. Time moves only when a story moves it; a muted connection is left alone, the next question comes over
//! another one.

use crate::kit::{Batch, Client, FetchOne, Kit, name};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, ApiKey, ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, FetchRequest, FetchResponse, ListGroupsRequest, MetadataRequest, ProduceResponse,
};
use kafka_protocol::protocol::StrBytes;
use ottla_server::api::{Fault, FaultHook};
use ottla_server::clock::Clock;
use ottla_server::net::ConnectionInfo;
use std::net::TcpStream;
use std::sync::Arc;

const THROTTLING_QUOTA_EXCEEDED: i16 = 89;

/// Sets one quota (`None` removes it), over a connection of its own.
fn set(kit: &Kit, entity: &[(&str, Option<&str>)], key: &str, value: Option<f64>) {
    let string = |text: &str| StrBytes::from_string(text.to_owned());
    let part =
        |(kind, name): &(&str, Option<&str>)| EntityData::default().with_entity_type(string(kind)).with_entity_name(name.map(string));
    let op = OpData::default().with_key(string(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none());
    let entry = EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(vec![op]);
    let answer = kit.connect().ask(1, &AlterClientQuotasRequest::default().with_entries(vec![entry]));
    assert_eq!(answer.entries[0].error_code, 0, "{answer:?}");
}

/// Produces about a kilobyte; how long the client is throttled.
fn produce(client: &mut Client, version: i16) -> i32 {
    let batch = Batch::of(&["x".repeat(1_000).as_str()]);
    let answer: ProduceResponse = client.ask(version, &Client::produce_request("t", 0, -1, batch.bytes()));
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    answer.throttle_time_ms
}

#[test]
fn row_11_a_producer_over_its_quota_is_answered_at_once_and_told_how_long_to_wait() {
    let kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    set(&kit, &[("user", None)], "producer_byte_rate", Some(200.0));
    assert_eq!(produce(&mut kit.connect(), 9), 0);
    let throttle_ms = produce(&mut kit.connect(), 3);
    assert!((1..10_000).contains(&throttle_ms), "{throttle_ms}");
    assert_eq!(kit.connect().values("t", 0).len(), 2, "what is throttled is written all the same");
    kit.clock.advance(i64::from(throttle_ms) + 10_000);
    assert_eq!(produce(&mut kit.connect(), 9), 0);
}

#[test]
fn row_11_the_most_specific_quota_counts_and_goes_when_it_is_removed() {
    let kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    let client = |id: &str| kit.connect().named(id);
    set(&kit, &[("user", None)], "producer_byte_rate", Some(1.0));
    set(&kit, &[("user", Some("ANONYMOUS")), ("client-id", Some("free"))], "producer_byte_rate", Some(1e9));
    assert_eq!(produce(&mut client("free"), 9), 0);
    assert!(produce(&mut client("bound"), 9) > 0);
    assert!(produce(&mut client(""), 9) > 0);
    set(&kit, &[("user", None)], "producer_byte_rate", None);
    assert_eq!(produce(&mut client("bound"), 9), 0);
}

#[test]
fn row_11_quotas_outlive_the_broker() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    set(&kit, &[("client-id", Some("kit"))], "producer_byte_rate", Some(1.0));
    kit.kill_and_restart();
    assert!(produce(&mut kit.connect(), 9) > 0);
    kit.restart();
    assert!(produce(&mut kit.connect(), 9) > 0);
}

fn fetch(client: &mut Client, session_id: i32, epoch: i32, from: Option<i64>) -> FetchResponse {
    let topic = |from| FetchTopic::default().with_topic(name("t")).with_partitions(vec![FetchOne::from(from).partition(0)]);
    let request: FetchRequest = FetchOne::from(0).request(topic(0)).with_topics(from.map(topic).into_iter().collect());
    client.ask(12, &request.with_session_id(session_id).with_session_epoch(epoch))
}

#[test]
fn row_11_a_throttled_fetch_is_empty_and_its_session_goes_on() {
    let kit = Kit::start();
    let mut writer = kit.connect();
    writer.create("t", 1, &[]);
    let session = fetch(&mut kit.connect(), 0, 0, Some(0)).session_id;
    assert!(session != 0);
    set(&kit, &[("client-id", None)], "consumer_byte_rate", Some(100.0));
    produce(&mut writer, 9);
    // A kilobyte in ten seconds is the quota, and the heads of the answer come on top.
    let throttled = fetch(&mut kit.connect(), session, 1, None);
    assert!(throttled.throttle_time_ms > 0);
    assert_eq!((throttled.error_code, throttled.session_id, throttled.responses.len()), (0, session, 0));
    set(&kit, &[("client-id", None)], "consumer_byte_rate", Some(200.0));
    let answered = fetch(&mut kit.connect(), session, 2, None);
    assert_eq!((answered.throttle_time_ms, answered.error_code), (0, 0), "what was not sent did not count");
    assert!(answered.responses[0].partitions[0].records.as_ref().is_some_and(|records| records.len() > 1_000));
    let full = fetch(&mut kit.connect(), 0, 0, Some(0));
    assert!(full.throttle_time_ms > 0);
    assert_eq!((full.error_code, full.session_id, full.responses.len()), (0, 0, 0), "no session begins with nothing");
}

#[test]
fn row_11_a_fetch_asks_for_no_more_than_its_quota_could_ever_answer() {
    let kit = Kit::start();
    let mut writer = kit.connect();
    writer.create("t", 1, &[]);
    for _ in 0..10 {
        produce(&mut writer, 9);
    }
    set(&kit, &[("user", None)], "consumer_byte_rate", Some(500.0));
    // Ten batches are twice what fits into the window; the client would never get on.
    let answer = fetch(&mut kit.connect(), 0, -1, Some(0));
    assert_eq!(answer.throttle_time_ms, 0);
    let bytes = answer.responses[0].partitions[0].records.as_ref().map_or(0, bytes::Bytes::len);
    assert!((1_000..5_000).contains(&bytes), "{bytes}");
}

/// Requests of these APIs take a while.
#[derive(Debug)]
struct Slow(Clock);

impl FaultHook for Slow {
    fn before(&self, _: &ConnectionInfo, api_key: ApiKey, _: i16) -> Option<Fault> {
        if matches!(api_key, ApiKey::Metadata | ApiKey::ApiVersions | ApiKey::ListGroups) {
            self.0.advance(300);
        }
        None
    }
}

#[test]
fn row_11_clients_are_throttled_for_the_time_their_requests_take() {
    let kit = Kit::stopped("");
    let slow = Arc::new(Slow(kit.clock.clone()));
    let mut kit = kit.with_fault(slow);
    kit.try_start().expect("a broker");
    set(&kit, &[("client-id", Some("kit"))], "request_percentage", Some(2.0));
    let metadata = |version| kit.connect().ask(version, &MetadataRequest::default().with_topics(None)).throttle_time_ms;
    // 200 ms in ten seconds are two per cent; no request waits longer than a sample.
    assert_eq!(metadata(12), 1_000);
    assert_eq!(metadata(3), 1_000);
    assert_eq!(metadata(2), 0, "there is no room in the answer to say it");
    let software = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("kit"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    for version in [1, 4] {
        let answer = kit.connect().ask(version, &software);
        assert_eq!((answer.throttle_time_ms, answer.error_code), (1_000, 0), "v{version}");
        assert!(!answer.api_keys.is_empty());
    }
    assert_eq!(kit.connect().ask(4, &ListGroupsRequest::default()).throttle_time_ms, 1_000);
    let other = kit.connect().named("other").ask(12, &MetadataRequest::default().with_topics(None));
    assert_eq!(other.throttle_time_ms, 0);
}

fn create(kit: &Kit, version: i16, names: &[&str], partitions: i32, validate_only: bool) -> CreateTopicsResponse {
    let topic = |topic: &&str| CreatableTopic::default().with_name(name(topic)).with_num_partitions(partitions).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(names.iter().map(topic).collect()).with_timeout_ms(10_000);
    kit.connect().ask(version, &request.with_validate_only(validate_only))
}

fn codes(answer: &CreateTopicsResponse) -> Vec<i16> {
    answer.topics.iter().map(|topic| topic.error_code).collect()
}

#[test]
fn row_11_topics_are_created_as_fast_as_the_quota_says() {
    // The bucket holds ten.
    let kit = Kit::with("controller.quota.window.num=10");
    set(&kit, &[("user", Some("ANONYMOUS"))], "controller_mutation_rate", Some(1.0));
    let answer = create(&kit, 7, &["a", "b", "c"], 8, false);
    assert_eq!(codes(&answer), [0, 0, THROTTLING_QUOTA_EXCEEDED], "the bucket may be overdrawn once");
    assert_eq!(answer.topics[2].error_message, None);
    assert_eq!(answer.throttle_time_ms, 6_000);
    let old = create(&kit, 5, &["d"], 4, false);
    assert_eq!((codes(&old), old.throttle_time_ms), (vec![0], 10_000), "who does not know the error is only made to wait");
    kit.clock.advance(10_000);
    let validated = create(&kit, 6, &["e"], 5, true);
    assert_eq!((codes(&validated), validated.throttle_time_ms), (vec![0], 0));
    let refused = create(&kit, 6, &["e", "a"], 1, false);
    assert_eq!(codes(&refused), [THROTTLING_QUOTA_EXCEEDED, 36], "what is wrong anyway is said first");
    assert_eq!(refused.throttle_time_ms, 5_000, "trying had its price too");
    assert_eq!(kit.connect().metadata(&["c", "e"], false).topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn row_11_deleting_and_growing_use_the_same_quota() {
    let kit = Kit::with("controller.quota.window.num=10");
    assert_eq!(codes(&create(&kit, 7, &["a", "b", "c"], 12, false)), [0, 0, 0]);
    set(&kit, &[("user", None)], "controller_mutation_rate", Some(1.0));
    let grow = |version, to| {
        let topic = CreatePartitionsTopic::default().with_name(name("a")).with_count(to).with_assignments(None);
        let answer = kit.connect().ask(version, &CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000));
        (answer.results[0].error_code, answer.throttle_time_ms)
    };
    assert_eq!(grow(3, 23), (0, 0));
    assert_eq!(grow(3, 24), (THROTTLING_QUOTA_EXCEEDED, 1_000));
    assert_eq!(grow(2, 24), (0, 2_000));
    assert_eq!(grow(3, 24), (37, 0), "there are as many already");
    let delete = |version, topic: &str| {
        let request = if version >= 6 {
            DeleteTopicsRequest::default().with_topics(vec![DeleteTopicState::default().with_name(Some(name(topic)))])
        } else {
            DeleteTopicsRequest::default().with_topic_names(vec![name(topic)])
        };
        let answer = kit.connect().ask(version, &request.with_timeout_ms(10_000));
        (answer.responses[0].error_code, answer.throttle_time_ms)
    };
    assert_eq!(delete(6, "b"), (THROTTLING_QUOTA_EXCEEDED, 2_000));
    assert_eq!(kit.connect().metadata(&["b"], false).topics[0].error_code, 0);
    assert_eq!(delete(4, "b"), (0, 14_000));
    kit.clock.advance(14_000);
    assert_eq!(delete(6, "c"), (0, 0));
}

#[test]
fn row_11_an_address_that_connects_too_fast_is_held_and_turned_away() {
    let kit = Kit::with("quota.window.num=2");
    set(&kit, &[("ip", Some("127.0.0.1"))], "connection_creation_rate", Some(100.0));
    let mut last = None;
    for _ in 0..100 {
        last = Some(kit.connect());
    }
    assert!(last.expect("a hundred").ask(12, &MetadataRequest::default().with_topics(None)).brokers.len() == 1);
    // The hundred and first is one more than a second's, and waits a hundredth of one.
    assert!(kit.connect().is_closed());
    drop(TcpStream::connect(kit.address(0)));
    kit.clock.advance(2_000);
    assert!(kit.connect().ask(12, &MetadataRequest::default().with_topics(None)).brokers.len() == 1);
}
