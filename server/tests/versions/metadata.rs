//! Metadata and DescribeTopicPartitions.

use super::{Story, Talk, story};
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("metadata", 0..=13, by_name),
    story("metadata by id", 10..=13, by_id),
    story("metadata creating", 0..=13, creating),
    story("pages", 0..=0, pages),
];

fn named(name: &TopicName) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(name.clone()))
}

fn literal(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

fn request(talk: &Talk, topics: Vec<MetadataRequestTopic>) -> MetadataRequest {
    MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(talk.version < 4)
}

fn by_name(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 3, &[]);
    talk.topic("two", 1, &[]);
    let two = talk.name("two");
    let asked = request(talk, vec![named(&one)]);
    talk.ask("one topic", &asked);
    let asked = request(talk, vec![named(&two), named(&one)]);
    talk.ask("two topics", &asked);
    let asked = request(talk, vec![named(&one), named(&one)]);
    talk.ask("a topic twice", &asked);
    let asked = request(talk, Vec::new());
    talk.ask("an empty list", &asked);
    if talk.version >= 1 {
        let asked = request(talk, Vec::new()).with_topics(None);
        talk.ask("all topics", &asked);
    }
    if talk.version >= 4 {
        let nowhere = talk.name("nowhere");
        let asked = request(talk, vec![named(&nowhere)]);
        talk.ask("an unknown topic", &asked);
        let asked = request(talk, vec![named(&nowhere), named(&one)]);
        talk.ask("an unknown topic and a known one", &asked);
        for name in
            ["", ".", "..", "no good/name", "__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
        {
            let asked = request(talk, vec![named(&literal(name))]);
            talk.ask(&format!("{name:?} without creating"), &asked);
        }
    }
    if talk.version >= 8 {
        let asked = request(talk, vec![named(&one)]).with_include_topic_authorized_operations(true);
        talk.ask("topic operations", &asked);
        let asked = request(talk, vec![named(&talk.name("nowhere"))]).with_include_topic_authorized_operations(true);
        talk.ask("operations of an unknown topic", &asked);
    }
    if (8..=10).contains(&talk.version) {
        let asked = request(talk, Vec::new()).with_include_cluster_authorized_operations(true);
        talk.ask("cluster operations", &asked);
    }
}

fn by_id(talk: &mut Talk) {
    let id = talk.topic("one", 1, &[]);
    let (one, nowhere) = (talk.name("one"), talk.name("nowhere"));
    let by_id = |id| MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    let unknown = Uuid::from_u128(0xfeed);
    let asked = request(talk, vec![named(&one).with_topic_id(id)]);
    talk.ask("name and id", &asked);
    let asked = request(talk, vec![named(&nowhere).with_topic_id(unknown)]);
    talk.ask("unknown name and id", &asked);
    for (question, topics) in [
        ("by id", vec![by_id(id)]),
        ("an unknown id", vec![by_id(unknown)]),
        ("a known and an unknown id", vec![by_id(id), by_id(unknown)]),
        ("neither name nor id", vec![by_id(Uuid::nil())]),
        ("one by name, one by id", vec![named(&one), by_id(unknown)]),
        ("one by id, one by name", vec![by_id(id), named(&nowhere)]),
        ("an id twice", vec![by_id(id), by_id(id)]),
    ] {
        let asked = request(talk, topics);
        talk.ask(question, &asked);
    }
}

/// Kafka answers LEADER_NOT_AVAILABLE or UNKNOWN_TOPIC_OR_PARTITION while the topic is made; only the names that are refused are compared.
fn creating(talk: &mut Talk) {
    let allow = |talk: &Talk, name: &'static str| request(talk, vec![named(&literal(name))]).with_allow_auto_topic_creation(true);
    for name in ["", ".", "..", "no good/name"] {
        let asked = allow(talk, name);
        talk.ask(&format!("{name:?}"), &asked);
    }
    let name = talk.name("made");
    let asked = request(talk, vec![named(&name)]).with_allow_auto_topic_creation(true);
    talk.quietly(talk.version, &asked);
    talk.ready(&name, 1);
    talk.ask("a topic that was made by asking", &asked);
}

fn pages(talk: &mut Talk) {
    for (name, partitions) in [("a", 2), ("b", 3), ("c", 1)] {
        talk.topic(name, partitions, &[]);
    }
    let row = |name: TopicName| TopicRequest::default().with_name(name);
    let request = |talk: &Talk, names: &[&str]| {
        DescribeTopicPartitionsRequest::default()
            .with_topics(names.iter().map(|name| row(talk.name(name))).collect())
            .with_response_partition_limit(2_000)
    };
    let cursor = |talk: &Talk, name: &str, index| Some(Cursor::default().with_topic_name(talk.name(name)).with_partition_index(index));
    for names in [&["a"][..], &["c", "a", "b"], &["a", "a"], &["nowhere"], &["a", "nowhere", "b"]] {
        let asked = request(talk, names);
        talk.ask(&format!("{names:?}"), &asked);
    }
    for limit in [1, 2, 3, 4, 5, 6, 0, -1, i32::MAX] {
        let asked = request(talk, &["a", "b", "c"]).with_response_partition_limit(limit);
        talk.ask(&format!("{limit} partitions at most"), &asked);
        let asked = request(talk, &["a", "nowhere", "b"]).with_response_partition_limit(limit);
        talk.ask(&format!("{limit} partitions at most, one topic unknown"), &asked);
    }
    for (name, index) in [("a", 0), ("a", 1), ("a", 2), ("a", 9), ("b", 1), ("c", 0), ("aa", 0), ("nowhere", 0), ("z", 0), ("a", -1)] {
        let asked = request(talk, &["a", "b", "c"]).with_cursor(cursor(talk, name, index));
        talk.ask(&format!("from {name} {index}"), &asked);
        let asked = request(talk, &["a", "b", "c"]).with_cursor(cursor(talk, name, index)).with_response_partition_limit(2);
        talk.ask(&format!("two from {name} {index}"), &asked);
    }
    for name in ["", "no good/name", "."] {
        let asked = request(talk, &[]).with_topics(vec![row(literal(name))]);
        talk.ask(&format!("{name:?}"), &asked);
    }
}
