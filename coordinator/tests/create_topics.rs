//! CreateTopics as a client sees it. Codes and texts are what Apache Kafka 4.3.1 answered to the same requests.

mod support;

use ottla_coordinator::metadata::*;
use std::collections::BTreeSet;
use support::*;

/// What one topic alone is answered.
fn answer(node: &mut Node, topic: kafka_protocol::messages::create_topics_request::CreatableTopic) -> (i16, Option<String>) {
    let before = node.log.len();
    let result = node.create(&create(&[topic])).remove(0);
    if result.error_code != 0 {
        assert_eq!(node.log.len(), before, "a refused topic leaves no record");
        assert_eq!((result.num_partitions, result.replication_factor, result.topic_id.is_nil()), (-1, -1, true));
    }
    (result.error_code, result.error_message.map(|message| message.to_string()))
}

#[track_caller]
fn assert_refused(node: &mut Node, topic: kafka_protocol::messages::create_topics_request::CreatableTopic, code: i16, message: &str) {
    assert_eq!(answer(node, topic), (code, Some(message.to_owned())));
}

#[test]
fn a_created_topic_is_in_the_image_when_the_answer_leaves() {
    let mut node = Node::started();
    let result = node.create(&create(&[topic("orders", 3, 1)])).remove(0);
    assert_eq!(outcome(&result), ("orders", 0, None));
    let created = node.image().topics().by_name("orders").expect("the topic is published").clone();
    assert_eq!(created.id.0, result.topic_id);
    assert!(!result.topic_id.is_nil());
    assert!(created.is_contiguous());
    assert_eq!(created.partitions.len(), 3);
    let partition = &created.partitions[&2];
    assert_eq!((partition.leader, &partition.isr, &partition.replicas), (Some(NODE), &vec![NODE], &vec![NODE]));
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (LeaderEpoch(0), PartitionEpoch(0)));
    assert_eq!(partition.directories, node.image().cluster().broker(NODE).expect("registered").log_dirs);

    let delta = node.last_delta();
    assert_eq!(delta.created_topics.len(), 1);
    let local = delta.local_changes(NODE);
    assert_eq!((local.leaders.len(), local.elected.len(), local.followers.len(), local.deletes.len()), (3, 3, 0, 0));
    assert!(delta.local_changes(BrokerId(99)).leaders.is_empty(), "no business of another broker");
}

#[test]
fn defaults_fill_in_for_minus_one() {
    let mut node = Node::started();
    let result = node.create(&create(&[topic("d", -1, -1)])).remove(0);
    assert_eq!((result.error_code, result.num_partitions, result.replication_factor), (0, 1, 1));
}

#[test]
fn names_that_break_the_rules_are_refused_in_kafkas_words() {
    let mut node = Node::started();
    let long = "n".repeat(250);
    for (name, why) in [
        ("", "the empty string is not allowed".to_owned()),
        (".", "'.' is not allowed".to_owned()),
        ("..", "'..' is not allowed".to_owned()),
        ("../etc", "'../etc' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'".to_owned()),
        ("größe", "'größe' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'".to_owned()),
        (&long, format!("the length of '{long}' is longer than the max allowed length 249")),
    ] {
        assert_refused(&mut node, topic(name, 1, 1), 17, &format!("Topic name is invalid: {why}"));
    }
    assert_eq!(answer(&mut node, topic(&long[1..], 1, 1)), (0, None));
}

#[test]
fn a_topic_that_exists_or_would_share_its_metrics_name_is_refused() {
    let mut node = Node::started();
    assert_eq!(answer(&mut node, topic("a.b", 1, 1)), (0, None));
    assert_refused(&mut node, topic("a.b", 1, 1), 36, "Topic 'a.b' already exists.");
    assert_refused(&mut node, topic("a_b", 1, 1), 17, "Topic 'a_b' collides with existing topic: a.b");
    // Kafka looks at existing topics only: two that collide with each other may come in one request.
    let results = node.create(&create(&[topic("x.y", 1, 1), topic("x_y", 1, 1)]));
    assert_eq!(results.iter().map(outcome).collect::<Vec<_>>(), [("x.y", 0, None), ("x_y", 0, None)]);
}

#[test]
fn duplicates_and_the_metadata_topic_are_answered_after_the_rest() {
    let mut node = Node::started();
    let request =
        create(&[topic("dup", 1, 1), topic("__cluster_metadata", 1, 1), topic("d/p", 1, 1), topic("dup", 1, 1), topic("one", 1, 1)]);
    let results = node.create(&request);
    assert_eq!(
        results.iter().map(outcome).collect::<Vec<_>>(),
        [
            (
                "d/p",
                17,
                Some("Topic name is invalid: 'd/p' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
            ),
            ("one", 0, None),
            ("dup", 42, Some("Duplicate topic name.")),
            ("__cluster_metadata", 42, Some("Creation of internal topic __cluster_metadata is prohibited.")),
        ]
    );
    assert!(node.image().topics().by_name("dup").is_none());
}

#[test]
fn counts_out_of_range_are_refused_the_factor_first() {
    let mut node = Node::started();
    let factor = "Replication factor must be larger than 0, or -1 to use the default value.";
    let partitions = "Number of partitions was set to an invalid non-positive value.";
    assert_refused(&mut node, topic("t", 1, 0), 38, factor);
    assert_refused(&mut node, topic("t", 1, -2), 38, factor);
    assert_refused(&mut node, topic("t", 0, 0), 38, factor);
    assert_refused(&mut node, topic("t", 0, 1), 37, partitions);
    assert_refused(&mut node, topic("t", -2, 1), 37, partitions);
    let few = "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 \
               broker(s) are registered or some brokers have all their log directories cordoned.";
    assert_refused(&mut node, topic("t", 1, 2), 38, few);
}

#[test]
fn without_a_live_broker_no_topic_is_created() {
    let mut node = Node::started();
    node.run(|shard, _| shard.fence_broker(ottla_coordinator::effects::Ticket(0), NODE));
    let text = "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned.";
    assert_refused(&mut node, topic("t", 1, 1), 38, text);
    let text = "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.";
    assert_refused(&mut node, assigned("t", &[(0, &[3])]), 39, text);
}

#[test]
fn manual_assignments_are_checked_one_by_one() {
    let mut node = Node::started();
    let with_count = topic("m", 1, -1).with_assignments(assigned("m", &[(0, &[3])]).assignments);
    let with_factor = topic("m", 1, 1).with_assignments(assigned("m", &[(0, &[3])]).assignments);
    let text = "A manual partition assignment was specified, but numPartitions was not set to -1.";
    assert_refused(&mut node, with_count, 42, text);
    let text = "A manual partition assignment was specified, but replication factor was not set to -1.";
    assert_refused(&mut node, with_factor, 42, text);
    let sequence = "partitions should be a consecutive 0-based integer sequence";
    assert_refused(&mut node, assigned("m", &[(0, &[3]), (2, &[3])]), 39, sequence);
    assert_refused(&mut node, assigned("m", &[(-1, &[3])]), 39, sequence);
    let text = "Found multiple manual partition assignments for partition 0";
    assert_refused(&mut node, assigned("m", &[(0, &[3]), (0, &[3])]), 39, text);
    let text = "The manual partition assignment includes an empty replica list.";
    assert_refused(&mut node, assigned("m", &[(0, &[])]), 39, text);
    let text = "The manual partition assignment includes broker 5, but no such broker is registered.";
    assert_refused(&mut node, assigned("m", &[(0, &[3, 5])]), 39, text);
    let text = "The manual partition assignment includes the broker 3 more than once.";
    assert_refused(&mut node, assigned("m", &[(0, &[3, 3])]), 39, text);
    assert_eq!(answer(&mut node, assigned("m", &[(1, &[3]), (0, &[3])])), (0, None));
    assert_eq!(node.image().topics().by_name("m").expect("created").partitions.len(), 2);
}

#[test]
fn configs_are_honoured_and_echoed_in_order_of_name() {
    let mut node = Node::started();
    let request = create(&[with_config(topic("c", 1, 1), "retention.ms", Some("5"))]);
    let result = node.create(&request).remove(0);
    let configs = result.configs.expect("an echo");
    let echoed: Vec<_> = configs.iter().map(|c| (c.name.as_str(), c.value.as_deref(), c.config_source)).collect();
    assert_eq!(echoed, [("cleanup.policy", Some("delete"), 5), ("retention.ms", Some("5"), 1)]);
    let name = TopicName::parse("c").expect("a valid name");
    assert_eq!(node.image().configs().of_topic(&name).map(|c| c["retention.ms"].as_str()), Some("5"));
    assert_eq!(node.last_delta().changed_configs, [image::ConfigResource::topic(&name)]);
}

#[test]
fn configs_that_break_the_rules_refuse_the_topic_before_its_counts() {
    let mut node = Node::started();
    let unknown = with_config(topic("c", 1, 1), "no.such", Some("x"));
    assert_refused(&mut node, unknown, 40, "Unknown topic config name: no.such");
    let invalid = with_config(topic("c", 0, 1), "retention.ms", Some("x"));
    assert_refused(&mut node, invalid, 40, "Invalid value x for configuration retention.ms: Not a number of type LONG");
    let nulls = with_config(with_config(topic("c", 1, 1), "retention.ms", None), "segment.ms", None);
    assert_refused(&mut node, nulls, 40, "Null value not supported for topic configs: retention.ms,segment.ms");
    let long = with_config(topic("c", 1, 1), "cleanup.policy", Some(&"x".repeat(40_000)));
    assert_eq!(answer(&mut node, long).0, 40, "a value that no record can hold");
    let twice = with_config(with_config(topic("c", 1, 1), "retention.ms", Some("1")), "retention.ms", Some("2"));
    assert_eq!(answer(&mut node, twice), (0, None));
    let name = TopicName::parse("c").expect("a valid name");
    assert_eq!(node.image().configs().of_topic(&name).map(|c| c["retention.ms"].as_str()), Some("2"), "the last one counts");
}

#[test]
fn validate_only_answers_alike_and_records_nothing() {
    let mut node = Node::started();
    let before = node.log.len();
    let request = create(&[topic("v", 3, 1), topic("bad/", 1, 1)]).with_validate_only(true);
    let results = node.create(&request);
    assert_eq!((results[0].error_code, results[0].num_partitions, results[1].error_code), (0, 3, 17));
    assert_eq!(results[0].configs.as_ref().map(Vec::len), Some(2));
    assert_eq!(node.log.len(), before);
    assert!(node.image().topics().is_empty());
}

#[test]
fn too_much_at_once_fails_the_whole_request() {
    let mut node = Node::started();
    let text = Some("Excessively large number of partitions per request.");
    let results = node.create(&create(&[topic("big", 10_001, 1), topic("bad/", 1, 1)]));
    assert_eq!(results.iter().map(outcome).collect::<Vec<_>>(), [("big", 44, text), ("bad/", 44, text)]);
    // Duplicates and what is refused beforehand do not count.
    let results = node.create(&create(&[topic("big", 9_000, 1), topic("two", 9_000, 1), topic("two", 1, 1)]).with_validate_only(true));
    assert_eq!(results[0].error_code, 0);
    let text = Some("Unable to perform excessively large batch operation.");
    let results = node.create(&create(&[topic("ok", 1, 1), topic("big", 9_999, 1)]));
    assert_eq!(results.iter().map(outcome).collect::<Vec<_>>(), [("ok", 44, text), ("big", 44, text)]);
    assert!(node.image().topics().is_empty());
    assert_eq!(answer(&mut node, topic("big", 9_999, 1)), (0, None));
}

#[test]
fn limits_bound_a_topic_and_the_cluster() {
    let mut node = Node::started();
    let limits = TopicLimits { partitions_per_topic: 10, partitions_total: 15 };
    let results =
        node.create_with(&create(&[topic("a", 11, 1), topic("b", 10, 1), topic("c", 6, 1), topic("d", 5, 1)]), &Unrestricted, limits);
    assert_eq!(results.iter().map(|r| r.error_code).collect::<Vec<_>>(), [37, 0, 44, 0]);
    let results = node.create_with(&create(&[topic("e", 1, 1)]), &Unrestricted, limits);
    assert_eq!(results[0].error_code, 44, "topics that exist count");
}

#[test]
fn a_caller_without_rights_learns_nothing() {
    struct Only(BTreeSet<&'static str>);
    impl TopicAccess for Only {
        fn may_create(&self, topic: &str) -> bool {
            self.0.contains(topic)
        }
        fn may_describe_configs(&self, _topic: &str) -> bool {
            false
        }
    }
    let mut node = Node::started();
    node.create(&create(&[topic("secret", 1, 1)]));
    let access = Only(BTreeSet::from(["mine"]));
    let results = node.create_with(&create(&[topic("secret", 1, 1), topic("mine", 2, 1)]), &access, TopicLimits::default());
    assert_eq!(results.iter().map(outcome).collect::<Vec<_>>(), [("mine", 0, None), ("secret", 29, Some("Authorization failed."))]);
    let mine = &results[0];
    assert_eq!((mine.topic_config_error_code, mine.num_partitions, mine.replication_factor), (29, -1, -1));
    assert_eq!(mine.configs.as_ref().map(Vec::len), Some(0));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let run = || {
        let mut node = Node::started();
        let mut request = create(&[topic("b", 2, 1), with_config(topic("a", 3, 1), "retention.ms", Some("5"))]);
        request.topics.push(with_config(topic("c", 1, 1), "cleanup.policy", Some("compact")));
        let results = node.create(&request);
        (format!("{results:?}"), node.log)
    };
    assert_eq!(run(), run());
}
