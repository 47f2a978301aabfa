//! DescribeQuorum, AddRaftVoter, RemoveRaftVoter and UnregisterBroker.

use super::{Story, Talk, story};
use kafka_protocol::messages::add_raft_voter_request::Listener;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{
    AddRaftVoterRequest, BrokerId, DescribeQuorumRequest, RemoveRaftVoterRequest, TopicName, UnregisterBrokerRequest,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] =
    &[story("quorum", 0..=2, quorum), story("brokers that are not there", 0..=0, unregister), story("voters", 0..=0, voters)];

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

fn voters(talk: &mut Talk) {
    let word = StrBytes::from_static_str;
    // Every listener that a controller may have for its first.
    let listener = |name| Listener::default().with_name(word(name)).with_host(word("localhost")).with_port(9);
    let listeners = vec![listener("CONTROLLER"), listener("PLAINTEXT")];
    let directory = Uuid::from_u128(0xfeed);
    let add = AddRaftVoterRequest::default()
        .with_cluster_id(None)
        .with_timeout_ms(1_000)
        .with_voter_id(2)
        .with_voter_directory_id(directory)
        .with_listeners(listeners);
    talk.ask("one more", &add);
    talk.ask("one more in another cluster", &add.clone().with_cluster_id(Some(word("elsewhere"))));
    talk.ask("one more without a directory", &add.clone().with_voter_directory_id(Uuid::nil()));
    talk.ask("one more without an id", &add.with_voter_id(-1));
    let remove = RemoveRaftVoterRequest::default().with_cluster_id(None).with_voter_id(1).with_voter_directory_id(directory);
    talk.ask("one less", &remove);
    talk.ask("one less in another cluster", &remove.clone().with_cluster_id(Some(word("elsewhere"))));
    talk.ask("one less without a directory", &remove.clone().with_voter_directory_id(Uuid::nil()));
    talk.ask("one less without an id", &remove.with_voter_id(-1));
}
