//! Rows 20 to 22: who the brokers are and how a client reaches them.

use crate::kit::{Client, Kit};
use kafka_protocol::messages::{DescribeClusterRequest, MetadataRequest};

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
