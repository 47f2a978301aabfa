//! ListOffsets and OffsetForLeaderEpoch.

use super::batches::T0;
use super::fetch::filled;
use super::{Story, Talk, story};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] =
    &[story("list offsets", 1..=10, list), story("list offsets refused", 1..=10, refused), story("leader epochs", 2..=4, leader_epochs)];

fn at(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp).with_current_leader_epoch(-1)
}

fn request(name: &TopicName, partitions: Vec<ListOffsetsPartition>) -> ListOffsetsRequest {
    let topic = ListOffsetsTopic::default().with_name(name.clone()).with_partitions(partitions);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

fn list(talk: &mut Talk) {
    let (name, _) = filled(talk, "one");
    let times = [T0, T0 + 1, T0 + 1_000, T0 + 1_001, T0 + 10_000, T0 + 21_500, T0 + 22_000, T0 + 22_001, 0, 5, i64::MAX];
    for timestamp in [-1, -2, -3, -4, -5, -6, -7, i64::MIN].into_iter().chain(times) {
        talk.ask(&format!("at {timestamp}"), &request(&name, vec![at(0, timestamp)]));
        talk.ask(&format!("empty, at {timestamp}"), &request(&name, vec![at(1, timestamp)]));
    }
    talk.ask("both partitions", &request(&name, vec![at(1, -1), at(0, -1)]));
    if talk.version >= 2 {
        for timestamp in [-1, -2, -3, T0] {
            talk.ask(&format!("read committed, at {timestamp}"), &request(&name, vec![at(0, timestamp)]).with_isolation_level(1));
        }
    }
    if talk.version >= 10 {
        talk.ask("a timeout", &request(&name, vec![at(0, -1)]).with_timeout_ms(5));
    }
    talk.ask("of a replica", &request(&name, vec![at(0, -1)]).with_replica_id(BrokerId(7)));
    talk.ask("of the debugging consumer", &request(&name, vec![at(0, -1)]).with_replica_id(BrokerId(-2)));
}

fn refused(talk: &mut Talk) {
    let (name, _) = filled(talk, "one");
    let nowhere = talk.name("nowhere");
    talk.ask("an unknown topic", &request(&nowhere, vec![at(0, -1), at(1, T0)]));
    talk.ask("an unknown partition", &request(&name, vec![at(9, -1), at(0, -1), at(-1, -2)]));
    talk.ask("an empty name", &request(&TopicName(StrBytes::from_static_str("")), vec![at(0, -1)]));
    talk.ask("an invalid name", &request(&TopicName(StrBytes::from_static_str("no good/name")), vec![at(0, -1)]));
    talk.ask("a partition twice", &request(&name, vec![at(0, -1), at(1, -1), at(0, -2)]));
    let mut twice = request(&name, vec![at(0, -1)]);
    twice.topics.push(twice.topics[0].clone());
    talk.ask("a topic twice", &twice);
    talk.ask("no topics", &request(&name, Vec::new()).with_topics(Vec::new()));
    talk.ask("no partitions", &request(&name, Vec::new()));
    for timestamp in [-3, -4, -5, -6] {
        talk.ask(&format!("an unknown topic at {timestamp}"), &request(&nowhere, vec![at(0, timestamp)]));
    }
    if talk.version >= 4 {
        for epoch in [0, 1, 99, -2] {
            for timestamp in [-1, T0] {
                let partition = at(0, timestamp).with_current_leader_epoch(epoch);
                talk.ask(&format!("leader epoch {epoch}, at {timestamp}"), &request(&name, vec![partition]));
            }
        }
    }
}

fn leader_epochs(talk: &mut Talk) {
    let (name, _) = filled(talk, "one");
    let ask = |talk: &mut Talk, question: &str, name: &TopicName, rows: &[(i32, i32, i32)]| {
        let row = |&(partition, current, epoch): &(i32, i32, i32)| {
            OffsetForLeaderPartition::default().with_partition(partition).with_current_leader_epoch(current).with_leader_epoch(epoch)
        };
        let topic = OffsetForLeaderTopic::default().with_topic(name.clone()).with_partitions(rows.iter().map(row).collect());
        let replica = BrokerId(if talk.version >= 3 { -1 } else { -2 });
        talk.ask(question, &OffsetForLeaderEpochRequest::default().with_replica_id(replica).with_topics(vec![topic]));
    };
    for epoch in [0, 1, 99, -1, -2] {
        ask(talk, &format!("epoch {epoch}"), &name, &[(0, -1, epoch)]);
        ask(talk, &format!("an empty partition, epoch {epoch}"), &name, &[(1, -1, epoch)]);
        ask(talk, &format!("current epoch {epoch}"), &name, &[(0, epoch, 0)]);
    }
    ask(talk, "partitions that are there and not", &name, &[(1, -1, 0), (9, -1, 0), (0, -1, 0), (-1, 0, 0)]);
    ask(talk, "a partition twice", &name, &[(0, -1, 0), (0, -1, 1)]);
    ask(talk, "no partitions", &name, &[]);
    let nowhere = talk.name("nowhere");
    ask(talk, "an unknown topic", &nowhere, &[(0, -1, 0)]);
    ask(talk, "an empty name", &TopicName(StrBytes::from_static_str("")), &[(0, -1, 0)]);
    talk.ask("no topics", &OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)));
}
