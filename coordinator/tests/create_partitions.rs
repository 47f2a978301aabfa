//! CreatePartitions: what the records do, and what is refused. What Kafka answers is asked over the wire.

mod support;

use ottla_coordinator::metadata::*;
use support::*;

fn node() -> Node {
    let mut node = Node::started();
    node.create(&create(&[topic("t", 2, 1), topic("u", 1, 1)]));
    node
}

fn answer(node: &mut Node, count: i32, brokers: Option<&[Vec<i32>]>) -> (i16, String) {
    let before = node.log.len();
    let result = node.grow(&[grow("t", count, brokers)]).remove(0);
    if result.error_code != 0 {
        assert_eq!(node.log.len(), before, "what is refused leaves no record");
    }
    (result.error_code, result.error_message.unwrap_or_default().to_string())
}

#[test]
fn new_partitions_are_new_leaders_and_old_ones_stay_as_they_are() {
    let mut node = node();
    let old = node.partition("t", 1).clone();
    assert_eq!(answer(&mut node, 4, None), (0, String::new()));
    assert_eq!(node.partition("t", 1), &old);
    assert_eq!(node.partition("t", 3), &PartitionRegistration { ..old });
    let local = node.last_delta().local_changes(NODE);
    assert_eq!(local.elected.iter().map(|(_, partition, epoch)| (*partition, epoch.0)).collect::<Vec<_>>(), [(2, 0), (3, 0)]);
    assert!(node.last_delta().created_topics.is_empty());
}

#[test]
fn only_validating_leaves_no_record() {
    let mut node = node();
    let before = node.log.len();
    let request =
        kafka_protocol::messages::CreatePartitionsRequest::default().with_topics(vec![grow("t", 3, None)]).with_validate_only(true);
    assert_eq!(node.grow_with(&request, &Unrestricted, TopicLimits::default())[0].error_code, 0);
    assert_eq!((node.log.len(), node.image().topics().partition_count()), (before, 3));
}

#[test]
fn a_bad_topic_does_not_disturb_a_good_one() {
    let mut node = node();
    let rows = node.grow(&[grow("t", 9, Some(&[vec![3]])), grow("u", 2, None), grow("v", 2, None)]);
    assert_eq!(rows.iter().map(|row| row.error_code).collect::<Vec<_>>(), [39, 0, 3]);
    assert_eq!(node.image().topics().partition_count(), 4);
}

#[test]
fn an_assignment_that_fails_late_leaves_nothing() {
    let mut node = node();
    let (code, text) = answer(&mut node, 4, Some(&[vec![3], vec![8]]));
    assert_eq!((code, text.as_str()), (39, "The manual partition assignment includes broker 8, but no such broker is registered."));
    node.run(|shard, _| shard.fence_broker(ottla_coordinator::effects::Ticket(0), NODE));
    let (code, text) = answer(&mut node, 3, Some(&[vec![3]]));
    assert_eq!(
        (code, text.as_str()),
        (39, "All brokers specified in the manual partition assignment for partition 2 are fenced or in controlled shutdown.")
    );
    let (code, text) = answer(&mut node, 3, None);
    assert_eq!((code, text.as_str()), (38, "All brokers are currently fenced, or have all their log directories cordoned."));
}

#[test]
fn limits_hold_for_the_topic_the_cluster_and_the_request() {
    let mut node = node();
    let limits = TopicLimits { partitions_per_topic: 5, partitions_total: 6 };
    let mut ask = |topics: &[_]| {
        let request = kafka_protocol::messages::CreatePartitionsRequest::default().with_topics(topics.to_vec());
        node.grow_with(&request, &Unrestricted, limits).iter().map(|row| row.error_code).collect::<Vec<_>>()
    };
    assert_eq!(ask(&[grow("t", 6, None)]), [37]);
    assert_eq!(ask(&[grow("t", i32::MAX, None)]), [37]);
    assert_eq!(ask(&[grow("t", 4, None), grow("u", 3, None)]), [0, 44], "the second no longer fits into the cluster");
    assert_eq!(ask(&[grow("u", 2, None)]), [0]);
    let names: Vec<String> = (0..4).map(|n| format!("n{n}")).collect();
    let mut node = Node::started();
    node.create(&create(&names.iter().map(|name| topic(name, 1, 1)).collect::<Vec<_>>()));
    let rows = node.grow(&names.iter().map(|name| grow(name, 4_001, None)).collect::<Vec<_>>());
    assert_eq!(rows.iter().map(|row| row.error_code).collect::<Vec<_>>(), [0, 0, 44, 44], "10,000 records at a time");
}

#[test]
fn who_may_not_alter_a_topic_is_told_so_and_nothing_more() {
    struct Nobody;
    impl TopicAccess for Nobody {
        fn may_alter(&self, topic: &str) -> bool {
            topic == "u"
        }
    }
    let mut node = node();
    let request = kafka_protocol::messages::CreatePartitionsRequest::default().with_topics(vec![
        grow("t", 3, None),
        grow("u", 3, None),
        grow("v", 3, None),
    ]);
    let rows = node.grow_with(&request, &Nobody, TopicLimits::default());
    let rows: Vec<_> = rows.iter().map(|row| (row.error_code, row.error_message.clone())).collect();
    assert_eq!(rows, [(29, None), (0, None), (29, None)]);
}
