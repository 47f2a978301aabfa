//! DescribeLogDirs.

use super::batches::batch;
use super::produce::{request, to};
use super::{Story, Talk, story};
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::{DescribeLogDirsRequest, TopicName};

pub(super) const STORIES: &[Story] = &[story("describe log dirs", 1..=4, describe)];

fn of(topics: &[(&TopicName, &[i32])]) -> DescribeLogDirsRequest {
    let topic = |(name, partitions): &(&TopicName, &[i32])| {
        DescribableLogDirTopic::default().with_topic((*name).clone()).with_partitions(partitions.to_vec())
    };
    DescribeLogDirsRequest::default().with_topics(Some(topics.iter().map(topic).collect()))
}

fn describe(talk: &mut Talk) {
    talk.topic("one", 3, &[]);
    let second = talk.topic("two", 1, &[]);
    let (one, two) = (talk.name("one"), talk.name("two"));
    talk.ask("empty logs", &of(&[(&one, &[0, 1, 2])]));
    for round in 0..2 {
        // The story's version is not Produce's.
        let mut topic = to(talk, &one, second, vec![(0, Some(batch(&["a", "bb"]))), (2, Some(batch(&["ccc"; 7])))]);
        topic.name = one.clone();
        talk.quietly(9, &request(vec![topic]));
        talk.ask(&format!("logs with records {round}"), &of(&[(&one, &[0, 1, 2])]));
    }
    talk.ask("some partitions of two topics", &of(&[(&two, &[0]), (&one, &[2])]));
    talk.ask("a topic twice", &of(&[(&one, &[2]), (&one, &[2, 0])]));
    talk.ask("a partition that does not exist", &of(&[(&one, &[7, 0, -1])]));
    talk.ask("only a partition that does not exist", &of(&[(&one, &[7])]));
    talk.ask("a topic that does not exist", &of(&[(&talk.name("nowhere"), &[0])]));
    talk.ask("no partitions", &of(&[(&one, &[])]));
    talk.ask("no topics", &of(&[]));
    talk.ask("everything", &DescribeLogDirsRequest::default().with_topics(None));
}
