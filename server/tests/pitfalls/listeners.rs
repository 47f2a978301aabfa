//! Rows 21, 22 and 86: who the brokers are, how a client reaches them, and what they do not say.

use crate::kit::{Client, FetchOne, Kit, name};
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, MetadataRequest};
use kafka_protocol::protocol::{Decodable, StrBytes};

fn addresses(client: &mut Client) -> Vec<(String, i32)> {
    let of_cluster = client.ask(0, &DescribeClusterRequest::default());
    let of_metadata = client.ask(12, &MetadataRequest::default().with_topics(Some(vec![])));
    let told: Vec<_> = of_metadata.brokers.iter().map(|broker| (broker.host.to_string(), broker.port)).collect();
    let again: Vec<_> = of_cluster.brokers.iter().map(|broker| (broker.host.to_string(), broker.port)).collect();
    assert_eq!(told, again, "Metadata and DescribeCluster agree");
    told
}

#[test]
fn row_21_cluster_and_controller_are_known_to_every_version() {
    let mut kit = Kit::start();
    let cluster_id = kit.broker().cluster_id().to_owned();
    for _ in 0..2 {
        let mut client = kit.connect();
        for version in 0..=13 {
            let answer = client.ask(version, &MetadataRequest::default().with_topics(Some(vec![])));
            if version >= 1 {
                assert_eq!(answer.controller_id, answer.brokers[0].node_id, "v{version}");
            }
            if version >= 2 {
                assert_eq!(answer.cluster_id.as_deref(), Some(&*cluster_id), "v{version}");
            }
        }
        let answer = client.ask(1, &DescribeClusterRequest::default());
        assert_eq!((answer.error_code, &*answer.cluster_id, answer.controller_id), (0, &*cluster_id, answer.brokers[0].broker_id));
        kit.restart();
    }
}

#[test]
fn row_22_each_listener_tells_its_own_address() {
    let kit = Kit::with(
        "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0\n\
         advertised.listeners=INSIDE://inner.example:9092,OUTSIDE://outer.example:19092\n\
         listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT\n\
         inter.broker.listener.name=INSIDE",
    );
    assert_eq!(addresses(&mut Client::to(kit.address(0))), [("inner.example".to_owned(), 9092)]);
    assert_eq!(addresses(&mut Client::to(kit.address(1))), [("outer.example".to_owned(), 19092)]);
}

#[test]
fn row_22_a_listener_on_every_interface_tells_the_address_the_client_came_to() {
    let kit = Kit::with("listeners=PLAINTEXT://:0");
    let port = kit.address(0).port();
    for address in ["127.0.0.1", "127.0.0.2"] {
        let mut client = Client::to((address.parse::<std::net::IpAddr>().expect("an address"), port).into());
        assert_eq!(addresses(&mut client), [(address.to_owned(), i32::from(port))]);
    }
}

// librdkafka up to 2.0.2 mis-skips tagged fields, so none may be sent that says nothing.
#[test]
fn row_86_tagged_fields_with_default_values_are_not_sent() {
    let kit = Kit::start();
    let mut client = kit.connect();
    for version in [3, 4] {
        let word = StrBytes::from_static_str;
        let request = ApiVersionsRequest::default().with_client_software_name(word("kit")).with_client_software_version(word("1"));
        client.send(version, &request);
        let answer = client.receive_bytes();
        let decoded = ApiVersionsResponse::decode(&mut answer.slice(4..), version).expect("a valid answer");
        let told = usize::from(!decoded.supported_features.is_empty())
            + usize::from(decoded.finalized_features_epoch != -1)
            + usize::from(!decoded.finalized_features.is_empty())
            + usize::from(decoded.zk_migration_ready);
        // Correlation id, error, count of keys (one byte up to 127), keys of 7 bytes, throttle time; then the number of tags.
        assert!(decoded.api_keys.len() < 127);
        let tags_at = 4 + 2 + 1 + 7 * decoded.api_keys.len() + 4;
        assert_eq!(usize::from(answer[tags_at]), told, "v{version}");
        assert!(told <= 3, "v{version}: this broker never was in ZooKeeper");
    }
    // Answers without anything special end in an empty list of tags.
    client.create("t", 1, &[]);
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![FetchOne::from(0).partition(0)]);
    client.send(12, &FetchOne::from(0).request(topic));
    let answer = client.receive_bytes();
    assert!(answer.ends_with(&[1, 0, 0, 0]), "empty records, no tags of partition, topic and answer: {answer:?}");
}
