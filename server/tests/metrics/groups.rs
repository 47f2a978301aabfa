//! Groups: members, offsets, lag in records and in seconds.

use crate::kit::{BASE_MS, Batch, Client, Kit, name};
use crate::scrape::Scrape;
use crate::watched;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId, OffsetCommitRequest};
use kafka_protocol::protocol::StrBytes;

pub(crate) fn commit(client: &mut Client, group: &str, topic: &str, offsets: &[(i32, i64)]) {
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![StrBytes::from_string(group.to_owned())]);
    assert_eq!(client.ask(4, &find).coordinators[0].error_code, 0);
    let row = |(partition, offset): &(i32, i64)| {
        OffsetCommitRequestPartition::default().with_partition_index(*partition).with_committed_offset(*offset)
    };
    let topic = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(offsets.iter().map(row).collect());
    let group = GroupId(StrBytes::from_string(group.to_owned()));
    let request = OffsetCommitRequest::default().with_group_id(group).with_generation_id_or_member_epoch(-1).with_topics(vec![topic]);
    // The shard may still be loading; that ends by itself.
    let error = loop {
        let error = client.ask(8, &request).topics[0].partitions[0].error_code;
        if error != ResponseError::CoordinatorLoadInProgress.code() {
            break error;
        }
    };
    assert_eq!(error, 0);
}

/// Four records in two partitions, one every second; the group has read two of the first and none of the second.
fn behind(kit: &Kit) {
    let mut client = kit.connect();
    client.create("orders", 2, &[]);
    for (partition, value) in [(0, "a"), (0, "b"), (0, "c"), (1, "d")] {
        let batch = Batch::of(&[value]).at(&[kit.clock.now_ms() - BASE_MS]);
        client.produce("orders", partition, &batch);
        kit.clock.advance(1_000);
    }
    commit(&mut client, "readers \"1\"", "orders", &[(0, 2), (1, 0)]);
}

const GROUP: (&str, &str) = ("consumergroup", "readers \"1\"");

#[test]
fn lag_is_told_in_records_and_in_seconds() {
    let kit = watched("");
    behind(&kit);
    let scrape = Scrape::of(&kit);
    let of = |name: &str, partition: &str| scrape.get(name, &[GROUP, ("topic", "orders"), ("partition", partition)]);
    assert_eq!((of("kafka_consumergroup_current_offset", "0"), of("kafka_consumergroup_lag", "0")), (2.0, 1.0));
    assert_eq!((of("kafka_consumergroup_current_offset", "1"), of("kafka_consumergroup_lag", "1")), (0.0, 1.0));
    assert_eq!(scrape.get("kafka_consumergroup_lag_sum", &[GROUP, ("topic", "orders")]), 2.0);
    assert_eq!(scrape.get("kafka_consumergroup_members", &[GROUP]), 0.0);

    let cluster = ("cluster_name", kit.broker().cluster_id());
    let group = ("group", GROUP.1);
    let named = |name: &str, partition: &str| scrape.get(name, &[cluster, group, ("topic", "orders"), ("partition", partition)]);
    // "c" came two seconds ago, "d" one.
    assert_eq!((named("kafka_consumergroup_group_lag_seconds", "0"), named("kafka_consumergroup_group_lag_seconds", "1")), (2.0, 1.0));
    assert_eq!(scrape.get("kafka_consumergroup_group_max_lag_seconds", &[cluster, group]), 2.0);
    assert_eq!(scrape.get("kafka_consumergroup_group_sum_lag", &[cluster, group]), 2.0);
    let latest = [cluster, ("topic", "orders"), ("partition", "0")];
    assert_eq!(scrape.get("kafka_partition_latest_offset", &latest), 3.0);

    kit.clock.advance(60_000);
    let later = Scrape::of(&kit);
    assert_eq!(later.get("kafka_consumergroup_group_max_lag_seconds", &[cluster, group]), 62.0);
    commit(&mut kit.connect(), GROUP.1, "orders", &[(0, 3), (1, 1)]);
    let caught_up = Scrape::of(&kit);
    assert_eq!(caught_up.get("kafka_consumergroup_group_max_lag_seconds", &[cluster, group]), 0.0);
    assert_eq!(caught_up.get("kafka_consumergroup_group_sum_lag", &[cluster, group]), 0.0);
    assert_eq!(caught_up.get("kafka_coordinator_group_groupmetadatamanager_numgroups", &[]), 1.0);
    assert_eq!(caught_up.get("kafka_coordinator_group_groupmetadatamanager_numoffsets", &[]), 2.0);
}

#[test]
fn the_switch_decides_for_groups_too() {
    let with = |detail: &str| {
        let kit = watched(&format!("ottla.metrics.detail={detail}\n"));
        behind(&kit);
        let cluster = kit.broker().cluster_id().to_owned();
        (Scrape::of(&kit), cluster)
    };
    let (topic, cluster) = with("topic");
    assert_eq!(topic.get("kafka_consumergroup_lag", &[GROUP, ("topic", "orders")]), 2.0, "the sum over both partitions");
    assert_eq!(topic.all("kafka_consumergroup_group_lag_seconds").count(), 0);
    assert_eq!(topic.get("kafka_consumergroup_group_max_lag_seconds", &[("cluster_name", &cluster), ("group", GROUP.1)]), 2.0);
    let (broker, _) = with("broker");
    assert!(broker.samples.keys().all(|(_, labels)| !labels.contains_key("consumergroup") && !labels.contains_key("group")));
    assert_eq!(broker.get("kafka_coordinator_group_groupmetadatamanager_numgroups", &[]), 1.0);
}
