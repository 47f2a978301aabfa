//! Rows 75, 77 and 78: partitions that are added, ACLs of a broker without an authorizer, elections and moves on one node. And what
//! UpdateFeatures and UnregisterBroker do to a living broker.

use crate::kit::groups::{Consumer, consumer_join, until};
use crate::kit::transactions::{TV1, TV2};
use crate::kit::{Batch, Client, FetchOne, Kit, name, seen};
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, ApiVersionsRequest, BrokerId, CreateAclsRequest, CreatePartitionsRequest, DeleteAclsRequest,
    DescribeAclsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest, MetadataRequest, UnregisterBrokerRequest,
    UpdateFeaturesRequest,
};
use kafka_protocol::protocol::StrBytes;

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

#[test]
fn row_78_every_leader_of_one_node_is_the_preferred_one_already() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 2, &[]);
    for election_type in [0, 1] {
        let request = ElectLeadersRequest::default().with_election_type(election_type).with_timeout_ms(1_000);
        let all = client.ask(2, &request.clone().with_topic_partitions(None));
        assert_eq!((all.error_code, all.replica_election_results[0].partition_result.len()), (0, 0), "nothing to tell of");
        let named = TopicPartitions::default().with_topic(name("t")).with_partitions(vec![0, 1, 2]);
        let some = client.ask(2, &request.with_topic_partitions(Some(vec![named]))).replica_election_results.remove(0);
        assert_eq!(some.partition_result.iter().map(|result| result.error_code).collect::<Vec<_>>(), [84, 84, 3]);
    }
    assert_eq!(client.leader_epoch("t", 0), 0, "nobody was elected");
}

#[test]
fn row_78_a_move_to_where_it_is_succeeds_and_there_is_nothing_to_cancel() {
    let kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 4, &[]);
    let here = client.describe("t").partitions[0].leader_id;
    let to = |index, brokers: Option<Vec<BrokerId>>| ReassignablePartition::default().with_partition_index(index).with_replicas(brokers);
    let partitions = vec![to(0, Some(vec![here])), to(1, None), to(2, Some(vec![BrokerId(here.0 + 1)])), to(3, Some(vec![here, here]))];
    let topic = ReassignableTopic::default().with_name(name("t")).with_partitions(partitions);
    let answer = client.ask(1, &AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000));
    assert_eq!(answer.responses[0].partitions.iter().map(|result| result.error_code).collect::<Vec<_>>(), [0, 85, 39, 39]);
    assert!(client.ask(0, &ListPartitionReassignmentsRequest::default().with_topics(None)).topics.is_empty());
    assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 0);
}

#[test]
fn row_78_a_node_that_was_unregistered_leads_again_when_it_starts_again() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    assert_eq!(client.produce("t", 0, &Batch::of(&["a"])), 0);
    let id = client.describe("t").partitions[0].leader_id;
    assert_eq!(client.ask(0, &UnregisterBrokerRequest::default().with_broker_id(id)).error_code, 0);
    assert_eq!(client.ask(0, &UnregisterBrokerRequest::default().with_broker_id(id)).error_code, 102);
    let answer = client.ask(12, &MetadataRequest::default().with_topics(None));
    assert_eq!((answer.brokers.len(), answer.topics[0].partitions[0].leader_id.0), (0, -1));
    assert_eq!(client.try_produce("t", 0, &Batch::of(&["b"])).error_code, 6);
    for round in 0..2 {
        if round == 0 {
            kit.restart()
        } else {
            kit.kill_and_restart()
        }
        let mut client = kit.connect();
        assert_eq!(client.values("t", 0), ["a"]);
        assert_eq!(client.leader_epoch("t", 0), 2 + 2 * round, "up with the loss of the leader, up with the next");
        let id = client.describe("t").partitions[0].leader_id;
        assert_eq!(client.ask(0, &UnregisterBrokerRequest::default().with_broker_id(id)).error_code, 0);
    }
}

const UPGRADE: i8 = 1;
const DOWNGRADE: i8 = 2;

fn set_feature(client: &mut Client, feature: &'static str, level: i16, upgrade_type: i8) -> i16 {
    let update = FeatureUpdateKey::default()
        .with_feature(StrBytes::from_static_str(feature))
        .with_max_version_level(level)
        .with_upgrade_type(upgrade_type);
    client.ask(2, &UpdateFeaturesRequest::default().with_feature_updates(vec![update]).with_timeout_ms(1_000)).error_code
}

/// What a client goes by.
fn finalized(client: &mut Client, feature: &str) -> Option<i16> {
    let word = StrBytes::from_static_str("kit");
    let request = ApiVersionsRequest::default().with_client_software_name(word.clone()).with_client_software_version(word);
    let levels = client.ask(4, &request).finalized_features;
    levels.iter().find(|level| level.name.as_str() == feature).map(|level| level.max_version_level)
}

#[test]
fn row_62_transaction_version_1_takes_effect_live_and_so_does_2() {
    let mut kit = Kit::with("transaction.state.log.num.partitions=2");
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let mut new = client.transactor("new", TV2);
    client.transact(&new, "t", 0, 0, &["a"]);
    assert_eq!(set_feature(&mut client, "transaction.version", 1, UPGRADE), 95, "downwards only by name");
    assert_eq!(set_feature(&mut client, "transaction.version", 1, DOWNGRADE), 0);
    assert_eq!(finalized(&mut client, "transaction.version"), Some(1));
    // What began before ends as its client ends it.
    client.end(&mut new, true);

    let mut old = client.transactor("old", TV1);
    let epoch = old.epoch;
    for (round, commit) in [(0, true), (1, false), (2, true)] {
        client.transact(&old, "t", 0, round, &[["b", "c", "d"][round as usize]]);
        client.end(&mut old, commit);
        assert_eq!(old.epoch, epoch, "with version 1 a producer keeps its epoch");
    }
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!(finalized(&mut client, "transaction.version"), Some(1));
    client.transact(&old, "t", 0, 3, &["e"]);
    client.end(&mut old, true);

    assert_eq!(set_feature(&mut client, "transaction.version", 2, UPGRADE), 0);
    assert_eq!(finalized(&mut client, "transaction.version"), Some(2));
    let mut new = client.transactor("new", TV2);
    let epoch = new.epoch;
    client.transact(&new, "t", 0, 0, &["f"]);
    client.end(&mut new, true);
    assert_eq!(new.epoch, epoch + 1, "with version 2 every transaction has one of its own");
    let read = client.fetch_committed("t", 0, &FetchOne::from(0));
    let aborted: Vec<i64> = read.aborted_transactions.iter().flatten().map(|aborted| aborted.producer_id.0).collect();
    assert_eq!(aborted, [old.pid]);
    let values: Vec<Vec<u8>> = seen(&read.records.unwrap_or_default()).into_iter().map(|record| record.value).collect();
    // Markers are records too, without a value of this kind.
    let values: Vec<_> = values.iter().filter(|value| value.len() == 1).collect();
    assert_eq!(values, [b"a", b"b", b"c", b"d", b"e", b"f"]);
}

#[test]
fn row_56_group_version_0_ends_the_consumer_protocol_and_1_begins_it_again() {
    let kit = Kit::with("offsets.topic.num.partitions=1");
    let mut client = kit.connect();
    client.find_coordinator("g");
    client.create("t", 1, &[]);
    assert_eq!(set_feature(&mut client, "group.version", 0, DOWNGRADE), 0);
    assert_eq!(finalized(&mut client, "group.version"), None);
    assert_eq!(client.ask(1, &consumer_join("g", "m", &["t"])).error_code, 35);
    assert_eq!(set_feature(&mut client, "group.version", 1, UPGRADE), 0);
    assert_eq!(client.ask(1, &consumer_join("g", "m", &["t"])).error_code, 0);
}
