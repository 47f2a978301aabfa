//! ApiVersions and DescribeCluster.

use super::{Story, Talk, story};
use kafka_protocol::messages::{ApiVersionsRequest, DescribeClusterRequest};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[story("api versions", 0..=4, versions), story("describe cluster", 0..=2, cluster)];

fn versions(talk: &mut Talk) {
    if talk.version < 3 {
        talk.ask("plain", &ApiVersionsRequest::default());
        return;
    }
    let word = |text: &'static str| StrBytes::from_static_str(text);
    let request =
        |name, version| ApiVersionsRequest::default().with_client_software_name(word(name)).with_client_software_version(word(version));
    for (name, version) in [("sweep", "1.0"), ("a", "1"), ("", "1.0"), ("sweep", ""), ("-sweep", "1.0"), ("sweep", "1.0-"), ("a b", "1")] {
        talk.ask(&format!("{name:?} {version:?}"), &request(name, version));
    }
}

fn cluster(talk: &mut Talk) {
    talk.ask("plain", &DescribeClusterRequest::default());
    talk.ask("operations", &DescribeClusterRequest::default().with_include_cluster_authorized_operations(true));
    if talk.version >= 1 {
        for endpoint_type in [2, 0, 3, -1] {
            talk.ask(&format!("endpoint type {endpoint_type}"), &DescribeClusterRequest::default().with_endpoint_type(endpoint_type));
        }
    }
    if talk.version >= 2 {
        talk.ask("fenced brokers too", &DescribeClusterRequest::default().with_include_fenced_brokers(true));
    }
}
