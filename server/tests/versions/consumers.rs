//! The consumer protocol (KIP-848): ConsumerGroupHeartbeat, ConsumerGroupDescribe.

use super::groups::{committed, group, word};
use super::members::Member;
use super::{Story, Talk, story};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, GroupId, TopicName};

pub(super) const STORIES: &[Story] = &[
    story("consumer heartbeat", 0..=1, heartbeat),
    story("consumer heartbeat refused", 0..=1, refused),
    story("consumer heartbeat static", 0..=1, fixed),
    story("consumer describe", 0..=1, describe),
];

pub(super) fn joining(group: &GroupId, member: &str, topics: &[&TopicName]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group.clone())
        .with_member_id(word(member))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(30_000)
        .with_subscribed_topic_names(Some(topics.iter().map(|topic| (*topic).clone()).collect()))
        .with_topic_partitions(Some(Vec::new()))
}

/// Asks with other groups of the same coordinator until it knows the topic: Apache Kafka shows a new image to one coordinator after the
/// other. Then nothing depends on how fast it was.
pub(super) fn group_that_knows(talk: &mut Talk, name: &str, topic: &TopicName) -> GroupId {
    let group = group(talk, name);
    let probes = (0..).map(|at| GroupId(talk.name(&format!("probe{at}of{name}")).0)).filter(|probe| shard_of(probe) == shard_of(&group));
    let probes: Vec<GroupId> = probes.take(100).collect();
    for probe in &probes {
        let answer = talk.quietly(0, &joining(probe, "p", &[topic]));
        talk.quietly(0, &beating(probe, "p", -1));
        if answer.assignment.is_some_and(|assignment| !assignment.topic_partitions.is_empty()) {
            return group;
        }
    }
    panic!("{topic:?} stays unknown");
}

/// Which of 50 coordinators has the group: Java's hash of its id.
fn shard_of(group: &GroupId) -> u32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.unsigned_abs() % 50
}

pub(super) fn beating(group: &GroupId, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default().with_group_id(group.clone()).with_member_id(word(member)).with_member_epoch(epoch)
}

fn heartbeat(talk: &mut Talk) {
    let one = talk.name("one");
    let id = talk.topic("one", 2, &[]);
    let group = group_that_knows(talk, "group", &one);
    talk.ask("a member of an unknown group", &beating(&group, "m", 1));
    talk.ask("leaves an unknown group", &beating(&group, "m", -1));
    let joined = talk.ask("joins", &joining(&group, "m", &[&one]));
    talk.ask("joins again", &joining(&group, "m", &[&one]));
    let owned = |partitions: &[i32]| Some(vec![TopicPartitions::default().with_topic_id(id).with_partitions(partitions.to_vec())]);
    talk.ask("owns all", &beating(&group, "m", joined.member_epoch).with_topic_partitions(owned(&[0, 1])));
    talk.ask("nothing new", &beating(&group, "m", joined.member_epoch));
    talk.ask("owns less", &beating(&group, "m", joined.member_epoch).with_topic_partitions(owned(&[1])));
    talk.ask("an epoch to come", &beating(&group, "m", joined.member_epoch + 1));
    talk.ask("an epoch long gone", &beating(&group, "m", joined.member_epoch + 7));
    talk.ask("somebody else", &beating(&group, "somebody", joined.member_epoch));
    talk.ask("somebody else leaves", &beating(&group, "somebody", -1));
    talk.ask("leaves", &beating(&group, "m", -1));
    talk.ask("has left", &beating(&group, "m", joined.member_epoch));
    let nowhere = talk.name("nowhere");
    let other = self::group(talk, "other");
    let joined = talk.ask("a topic that does not exist", &joining(&other, "m", &[&nowhere]));
    talk.ask("no topics any more", &beating(&other, "m", joined.member_epoch).with_subscribed_topic_names(Some(Vec::new())));
    for assignor in ["range", "uniform"] {
        let group = group_that_knows(talk, assignor, &one);
        talk.ask(&format!("assignor {assignor}"), &joining(&group, "m", &[&one]).with_server_assignor(Some(word(assignor))));
    }
    if talk.version == 0 {
        let group = group_that_knows(talk, "nameless", &one);
        talk.ask("joins without an id", &joining(&group, "", &[&one]));
    }
}

fn refused(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 1, &[]);
    let group = group(talk, "group");
    let good = || joining(&group, "m", &[&one]);
    for id in ["", "  "] {
        talk.ask(&format!("group id {id:?}"), &good().with_group_id(GroupId(word(id))));
        talk.ask(&format!("instance id {id:?}"), &good().with_instance_id(Some(word(id))));
        talk.ask(&format!("rack id {id:?}"), &good().with_rack_id(Some(word(id))));
        talk.ask(&format!("member id {id:?} beats"), &beating(&group, id, 1));
        talk.ask(&format!("member id {id:?} leaves"), &beating(&group, id, -1));
        if talk.version >= 1 {
            talk.ask(&format!("member id {id:?} joins"), &good().with_member_id(word(id)));
        }
    }
    talk.ask("no rebalance timeout", &good().with_rebalance_timeout_ms(-1));
    talk.ask("partitions of before", &good().with_topic_partitions(None));
    talk.ask("no subscription", &good().with_subscribed_topic_names(None));
    let owned = TopicPartitions::default().with_partitions(vec![0]);
    talk.ask("owns while it joins", &good().with_topic_partitions(Some(vec![owned])));
    talk.ask("leaves as an instance without a name", &beating(&group, "m", -2));
    talk.ask("leaves as an instance of an unknown group", &beating(&group, "m", -2).with_instance_id(Some(word("i"))));
    for epoch in [-3, i32::MIN] {
        talk.ask(&format!("epoch {epoch}"), &beating(&group, "m", epoch));
    }
    talk.ask("an unknown assignor", &good().with_server_assignor(Some(word("magic"))));
    talk.ask("an empty assignor", &good().with_server_assignor(Some(word(""))));
    if talk.version >= 1 {
        for pattern in ["(", "a{2,1}"] {
            talk.ask(&format!("pattern {pattern:?}"), &good().with_subscribed_topic_regex(Some(word(pattern))));
        }
    }
    let classic = self::group(talk, "classic");
    let member = Member::stable(talk, &classic);
    talk.ask("a classic member", &beating(&classic, &member.id, member.generation));
    talk.ask("an unknown member of a classic group", &beating(&classic, "m", 1));
}

fn fixed(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 2, &[]);
    let group = group_that_knows(talk, "group", &one);
    let of = |member: &str| joining(&group, member, &[&one]).with_instance_id(Some(word("i")));
    let joined = talk.ask("an instance joins", &of("m"));
    talk.ask("another member takes the instance", &of("n"));
    talk.ask("away for a while", &beating(&group, "m", -2).with_instance_id(Some(word("i"))));
    talk.ask("back under another id", &of("n"));
    talk.ask("the old id", &beating(&group, "m", joined.member_epoch).with_instance_id(Some(word("i"))));
    talk.ask("the old id without its instance", &beating(&group, "m", joined.member_epoch));
    talk.ask("an instance that is not there", &beating(&group, "n", joined.member_epoch).with_instance_id(Some(word("j"))));
    talk.ask("leaves for good", &beating(&group, "n", -1).with_instance_id(Some(word("i"))));
}

fn describe(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 2, &[]);
    let (nobody, offsets, classic) = (group(talk, "nobody"), group(talk, "offsets"), group(talk, "classic"));
    committed(talk, &offsets, &one, 1);
    Member::stable(talk, &classic);
    let consumers = group_that_knows(talk, "consumers", &one);
    talk.quietly(1, &joining(&consumers, "m", &[&one]).with_instance_id(Some(word("i"))).with_rack_id(Some(word("r"))));
    let left = group_that_knows(talk, "left", &one);
    talk.quietly(1, &joining(&left, "m", &[&one]));
    talk.quietly(1, &beating(&left, "m", -1));
    let about =
        |groups: &[&GroupId]| ConsumerGroupDescribeRequest::default().with_group_ids(groups.iter().map(|group| (*group).clone()).collect());
    talk.ask("an unknown group", &about(&[&nobody]));
    talk.ask("only offsets", &about(&[&offsets]));
    talk.ask("a classic group", &about(&[&classic]));
    talk.ask("a group with a member", &about(&[&consumers]));
    talk.ask("an empty group", &about(&[&left]));
    talk.ask("an empty id", &about(&[&consumers, &GroupId(word(""))]));
    talk.ask("a group twice", &about(&[&left, &left]));
    talk.ask("nothing", &about(&[]));
    talk.ask("operations", &about(&[&consumers]).with_include_authorized_operations(true));
    talk.ask("operations of an unknown group", &about(&[&nobody]).with_include_authorized_operations(true));
}
