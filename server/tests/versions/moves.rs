//! ElectLeaders, AlterPartitionReassignments and ListPartitionReassignments: one node has nowhere to go.

use super::{Story, Talk, story};
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ListPartitionReassignmentsRequest, TopicName,
};

pub(super) const STORIES: &[Story] = &[story("elections", 0..=2, elections), story("moves", 0..=1, moves), story("moving", 0..=0, moving)];

fn elections(talk: &mut Talk) {
    talk.topic("one", 2, &[]);
    let (one, nowhere) = (talk.name("one"), talk.name("nowhere"));
    let of =
        |topic: &TopicName, partitions: &[i32]| TopicPartitions::default().with_topic(topic.clone()).with_partitions(partitions.to_vec());
    let types: &[i8] = if talk.version == 0 { &[0] } else { &[0, 1, 2, -1] };
    for election_type in types {
        let mut ask = |question: &str, topics: Option<Vec<TopicPartitions>>| {
            let request = ElectLeadersRequest::default().with_timeout_ms(30_000).with_election_type(*election_type);
            talk.ask(&format!("type {election_type}, {question}"), &request.with_topic_partitions(topics));
        };
        ask("all", None);
        ask("none", Some(Vec::new()));
        ask("two", Some(vec![of(&one, &[0, 1])]));
        ask("unknown ones", Some(vec![of(&one, &[1, 2, -1]), of(&nowhere, &[0])]));
        ask("no partitions", Some(vec![of(&one, &[])]));
        ask("a partition twice", Some(vec![of(&one, &[0, 0])]));
    }
}

fn moves(talk: &mut Talk) {
    talk.topic("one", 2, &[]);
    let (one, nowhere) = (talk.name("one"), talk.name("nowhere"));
    let to = |index: i32, brokers: Option<&[i32]>| {
        let brokers = brokers.map(|brokers| brokers.iter().map(|id| BrokerId(*id)).collect());
        ReassignablePartition::default().with_partition_index(index).with_replicas(brokers)
    };
    let of = |topic: &TopicName, partitions: Vec<ReassignablePartition>| {
        ReassignableTopic::default().with_name(topic.clone()).with_partitions(partitions)
    };
    let request =
        |topics: Vec<ReassignableTopic>| AlterPartitionReassignmentsRequest::default().with_timeout_ms(30_000).with_topics(topics);
    talk.ask("none", &request(Vec::new()));
    talk.ask("no partitions", &request(vec![of(&one, Vec::new())]));
    talk.ask("where it is", &request(vec![of(&one, vec![to(0, Some(&[1])), to(1, Some(&[1]))])]));
    talk.ask("to brokers that are not there", &request(vec![of(&one, vec![to(0, Some(&[2])), to(1, Some(&[1, 2]))])]));
    talk.ask("to a negative broker", &request(vec![of(&one, vec![to(0, Some(&[-1]))])]));
    talk.ask("to the same broker twice", &request(vec![of(&one, vec![to(0, Some(&[1, 1]))])]));
    talk.ask("to no brokers", &request(vec![of(&one, vec![to(0, Some(&[]))])]));
    talk.ask("back", &request(vec![of(&one, vec![to(0, None), to(1, None)])]));
    talk.ask("unknown ones", &request(vec![of(&one, vec![to(2, Some(&[1])), to(-1, None)]), of(&nowhere, vec![to(0, Some(&[1]))])]));
    talk.ask("unknown ones back", &request(vec![of(&nowhere, vec![to(0, None)])]));
    if talk.version >= 1 {
        let fixed = |topics| request(topics).with_allow_replication_factor_change(false);
        talk.ask("the same factor", &fixed(vec![of(&one, vec![to(0, Some(&[1]))])]));
        talk.ask("another factor", &fixed(vec![of(&one, vec![to(0, Some(&[1, 2]))])]));
        talk.ask("no factor", &fixed(vec![of(&one, vec![to(0, Some(&[]))])]));
    }
}

fn moving(talk: &mut Talk) {
    talk.topic("one", 2, &[]);
    let of = |name: TopicName, partitions: &[i32]| {
        ListPartitionReassignmentsTopics::default().with_name(name).with_partition_indexes(partitions.to_vec())
    };
    let (one, nowhere) = (talk.name("one"), talk.name("nowhere"));
    let request = |topics| ListPartitionReassignmentsRequest::default().with_timeout_ms(30_000).with_topics(topics);
    talk.ask("all", &request(None));
    talk.ask("none", &request(Some(Vec::new())));
    talk.ask("some", &request(Some(vec![of(one, &[0, 1, 2]), of(nowhere, &[0])])));
}
