//! Rows 56 and 87: the consumer protocol (KIP-848).

use crate::kit::groups::{Consumer, consumer_join, error, group_id, owned, text, until};
use crate::kit::{Client, Kit};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DescribeGroupsRequest, ListGroupsRequest};

fn kit() -> (Kit, Client) {
    let kit = Kit::with("offsets.topic.num.partitions=1");
    let mut client = kit.connect();
    client.find_coordinator("g");
    (kit, client)
}

#[test]
fn row_56_tools_see_a_consumer_group_for_what_it_is() {
    let (_kit, mut client) = kit();
    client.create("t", 2, &[]);
    let id = text("AAAAAAAAAAAAAAAAAAAAAQ");
    let joined = client.ask(1, &consumer_join("g", &id, &["t"]));
    assert_eq!((error(joined.error_code), joined.member_id), (None, Some(id)), "the client made the id");
    let describe = DescribeGroupsRequest::default().with_groups(vec![group_id("g")]);
    let old = client.ask(5, &describe).groups.remove(0);
    assert_eq!((error(old.error_code), old.group_state.as_str()), (None, "Dead"));
    let new = client.ask(6, &describe).groups.remove(0);
    assert_eq!((error(new.error_code), new.group_state.as_str()), (Some(ResponseError::GroupIdNotFound), "Dead"));
    assert!(new.error_message.is_some());
    let listed = client.ask(5, &ListGroupsRequest::default()).groups.remove(0);
    assert_eq!(
        (listed.group_type.as_str(), listed.protocol_type.as_str(), listed.group_state.as_str()),
        ("consumer", "consumer", "Stable")
    );
    let described = client.ask(1, &ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id("g")])).groups.remove(0);
    assert_eq!((error(described.error_code), described.members.len(), described.assignor_name.as_str()), (None, 1, "uniform"));
}

#[test]
fn row_56_a_joining_member_owns_nothing() {
    let (_kit, mut client) = kit();
    let id = client.create("t", 2, &[]);
    let request = consumer_join("g", "m", &["t"]).with_topic_partitions(owned(&[(id, vec![0])]));
    assert_eq!(error(client.ask(1, &request).error_code), Some(ResponseError::InvalidRequest));
}

#[test]
fn row_56_partitions_move_from_member_to_member_and_never_have_two() {
    let (kit, mut client) = kit();
    client.create("t", 4, &[]);
    for assignor in ["uniform", "range"] {
        let join = |member| Consumer::join(&kit, &consumer_join(assignor, member, &["t"]).with_server_assignor(Some(text(assignor))));
        let mut one = join("m1");
        assert_eq!(one.partitions(), [0, 1, 2, 3]);
        one.beat();
        let mut two = join("m2");
        assert_eq!(two.owned, [], "nothing is free");
        // `group.consumer.assignment.interval.ms`
        kit.clock.advance(1_000);
        until(
            || {
                two.beat();
                assert_eq!(two.owned, [], "nothing is free before the first one has given it up");
                // It does not say so before its next heartbeat.
                one.beat();
                one.partitions().len()
            },
            |count| *count == 2,
        );
        one.beat();
        until(|| two.beat().assignment.map(|_| two.partitions().len()), |count| *count == Some(2));
        let mut both = [one.partitions(), two.partitions()].concat();
        both.sort_unstable();
        assert_eq!(both, [0, 1, 2, 3], "{assignor}");
        assert_eq!(one.epoch, two.epoch);
    }
}

/// Joins and beats until as many topics are assigned, and a few times more for what a pattern brings later; their ids, sorted.
fn topics_of(kit: &Kit, request: &ConsumerGroupHeartbeatRequest, at_least: usize) -> Vec<uuid::Uuid> {
    let mut consumer = Consumer::join(kit, request);
    while consumer.owned.len() < at_least {
        kit.clock.advance(1);
        consumer.beat();
    }
    for _ in 0..5 {
        kit.clock.advance(1_000);
        consumer.beat();
    }
    consumer.owned.into_iter().map(|row| row.0).collect()
}

#[test]
fn row_87_an_empty_pattern_is_no_pattern() {
    let (kit, mut client) = kit();
    let (ours, _other) = (client.create("ours", 1, &[]), client.create("other", 1, &[]));
    // librdkafka always sends a pattern, and an empty one when there is none.
    let request = consumer_join("g", "m", &["ours"]).with_subscribed_topic_regex(Some(text("")));
    assert_eq!(topics_of(&kit, &request, 1), [ours]);
    let request = consumer_join("nothing", "m", &[]).with_subscribed_topic_regex(Some(text("")));
    assert_eq!(topics_of(&kit, &request, 0).len(), 0);
}

#[test]
fn row_56_a_pattern_finds_its_topics() {
    let (kit, mut client) = kit();
    let mut ids = [client.create("logs-1", 1, &[]), client.create("logs-22", 1, &[])];
    client.create("xlogs-3", 1, &[]);
    client.create("logs-x", 1, &[]);
    let request = consumer_join("g", "m", &[]).with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("logs-\\d+")));
    let found = topics_of(&kit, &request, 2);
    ids.sort();
    assert_eq!(found, ids);
}

#[test]
fn a_broker_that_does_not_offer_the_protocol_says_so() {
    let kit = Kit::with("offsets.topic.num.partitions=1\ngroup.coordinator.rebalance.protocols=classic");
    let mut client = kit.connect();
    client.find_coordinator("g");
    let unsupported = Some(ResponseError::UnsupportedVersion);
    assert_eq!(error(client.ask(1, &consumer_join("g", "m", &[])).error_code), unsupported);
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id("g")]);
    assert_eq!(error(client.ask(1, &describe).groups[0].error_code), unsupported);
}
