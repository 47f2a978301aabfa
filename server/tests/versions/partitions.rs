//! CreatePartitions.

use super::{Story, Talk, story};
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[story("more partitions", 0..=3, more), story("more partitions assigned", 0..=3, assigned)];

fn to(name: TopicName, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default().with_name(name).with_count(count).with_assignments(None)
}

fn request(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

fn more(talk: &mut Talk) {
    let names = ["one", "two", "three"].map(|name| talk.name(name));
    for name in ["one", "two", "three"] {
        talk.topic(name, 2, &[]);
    }
    let [one, two, three] = names;
    talk.ask("none", &request(Vec::new()));
    talk.ask("to 3, validate only", &request(vec![to(one.clone(), 3)]).with_validate_only(true));
    talk.ask("to 3", &request(vec![to(one.clone(), 3)]));
    talk.ready(&one, 3);
    for count in [3, 2, 0, -1, i32::MIN] {
        talk.ask(&format!("to {count} once there are 3"), &request(vec![to(one.clone(), count)]));
    }
    talk.ask("a topic twice, another once", &request(vec![to(two.clone(), 3), to(two.clone(), 4), to(three.clone(), 3)]));
    talk.ready(&three, 3);
    talk.ask("a good one, a bad one", &request(vec![to(two.clone(), 5), to(three, 1)]));
    talk.ready(&two, 5);
    let unknown = ["", "no good/name", "__cluster_metadata"].map(|name| TopicName(StrBytes::from_static_str(name)));
    for name in unknown.into_iter().chain([talk.name("nowhere")]) {
        let question = format!("the name {:?}", name.split_once('-').map_or(name.as_str(), |(name, _)| name));
        talk.ask(&question, &request(vec![to(name, 9)]));
    }
}

fn assigned(talk: &mut Talk) {
    talk.topic("one", 1, &[]);
    let one = talk.name("one");
    let ask = |talk: &mut Talk, question: &str, count: i32, rows: &[&[i32]], validate_only: bool| {
        let rows = rows
            .iter()
            .map(|brokers| CreatePartitionsAssignment::default().with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect()))
            .collect();
        let asked = to(one.clone(), count).with_assignments(Some(rows));
        talk.ask(question, &request(vec![asked]).with_validate_only(validate_only));
    };
    ask(talk, "two more, validate only", 3, &[&[1], &[1]], true);
    ask(talk, "none for one", 2, &[], true);
    ask(talk, "none for none", 1, &[], true);
    ask(talk, "too few", 3, &[&[1]], true);
    ask(talk, "too many", 2, &[&[1], &[1]], true);
    ask(talk, "an unknown broker", 2, &[&[9]], true);
    ask(talk, "a negative broker", 2, &[&[-1]], true);
    ask(talk, "a broker twice", 2, &[&[1, 1]], true);
    ask(talk, "no brokers", 2, &[&[]], true);
    ask(talk, "another factor", 2, &[&[1, 2]], true);
    ask(talk, "the second is bad", 3, &[&[1], &[7]], true);
    ask(talk, "two more", 3, &[&[1], &[1]], false);
    talk.ready(&one, 3);
}
