//! DescribeQuorum and UnregisterBroker.

use super::{Story, Talk, story};
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, TopicName, UnregisterBrokerRequest};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[story("quorum", 0..=2, quorum), story("brokers that are not there", 0..=0, unregister)];

fn quorum(talk: &mut Talk) {
    let of = |name: &'static str, partitions: &[i32]| {
        let partitions = partitions.iter().map(|index| PartitionData::default().with_partition_index(*index)).collect();
        TopicData::default().with_topic_name(TopicName(StrBytes::from_static_str(name))).with_partitions(partitions)
    };
    let mut ask = |question: &str, topics| talk.ask(question, &DescribeQuorumRequest::default().with_topics(topics));
    ask("the log", vec![of("__cluster_metadata", &[0])]);
    ask("nothing", Vec::new());
    ask("no partition", vec![of("__cluster_metadata", &[])]);
    ask("another partition", vec![of("__cluster_metadata", &[1])]);
    ask("another topic", vec![of("t", &[0])]);
    ask("the log twice", vec![of("__cluster_metadata", &[0]), of("__cluster_metadata", &[0])]);
    ask("the log and more", vec![of("__cluster_metadata", &[0, 1])]);
}

fn unregister(talk: &mut Talk) {
    for broker in [77, -1] {
        talk.ask(&format!("{broker}"), &UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker)));
    }
}
