//! Rows 75, 77 and 78: partitions that are added, ACLs of a broker without an authorizer, elections and moves on one node.

use crate::kit::groups::{Consumer, consumer_join, until};
use crate::kit::{Batch, Client, Kit, name};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, CreatePartitionsRequest, DeleteAclsRequest, DescribeAclsRequest};

/// SECURITY_DISABLED.
const DISABLED: i16 = 54;

#[test]
fn row_77_acls_are_security_disabled_for_each_entry_while_there_is_no_authorizer() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let any =
        DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1).with_permission_type(1);
    assert_eq!(client.ask(3, &any).error_code, DISABLED);
    let acl = AclCreation::default().with_resource_type(2).with_resource_pattern_type(3).with_operation(3).with_permission_type(3);
    let answer = client.ask(3, &CreateAclsRequest::default().with_creations(vec![acl; 3]));
    assert_eq!(answer.results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [DISABLED; 3]);
    let filter =
        DeleteAclsFilter::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1).with_permission_type(1);
    let answer = client.ask(3, &DeleteAclsRequest::default().with_filters(vec![filter; 2]));
    assert_eq!(answer.filter_results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [DISABLED; 2]);
}

fn grow(client: &mut Client, topics: &[(&str, i32)]) -> Vec<(String, i16)> {
    let topic =
        |(topic, count): &(&str, i32)| CreatePartitionsTopic::default().with_name(name(topic)).with_count(*count).with_assignments(None);
    let answer = client.ask(3, &CreatePartitionsRequest::default().with_topics(topics.iter().map(topic).collect()).with_timeout_ms(30_000));
    answer.results.into_iter().map(|result| (result.name.to_string(), result.error_code)).collect()
}

#[test]
fn row_75_there_is_one_row_per_topic_and_what_is_added_leads_at_once() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("a", 1, &[]);
    client.create("b", 2, &[]);
    assert_eq!(client.produce("a", 0, &Batch::of(&["old"])), 0);
    let rows = grow(&mut client, &[("a", 3), ("gone", 2), ("b", 2), ("a.b", 1)]);
    assert_eq!(rows, [("a".into(), 0), ("gone".into(), 3), ("b".into(), 37), ("a.b".into(), 3)]);
    assert_eq!(client.describe("a").partitions.len(), 3);
    for partition in 1..3 {
        assert_eq!(client.leader_epoch("a", partition as usize), 0);
        assert_eq!(client.produce("a", partition, &Batch::of(&["new"])), 0);
    }
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!(["old", "new", "new"].map(|value| vec![value.to_owned()]), [0, 1, 2].map(|partition| client.values("a", partition)));
}

#[test]
fn row_75_a_consumer_group_is_given_the_partitions_that_were_added() {
    let kit = Kit::with("offsets.topic.num.partitions=1");
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 1, &[]);
    let mut consumer = Consumer::join(&kit, &consumer_join("g", "m", &["t"]));
    assert_eq!(consumer.partitions(), [0]);
    consumer.beat();
    assert_eq!(grow(&mut client, &[("t", 3)]), [("t".into(), 0)]);
    kit.clock.advance(1_000);
    until(
        || {
            consumer.beat();
            consumer.partitions()
        },
        |owned| *owned == [0, 1, 2],
    );
}
