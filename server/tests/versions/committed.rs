//! OffsetCommit, OffsetFetch, OffsetDelete.

use super::groups::{committed, group, word};
use super::members::{Member, joining, subscription, syncing};
use super::{Story, Talk, story};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, TopicName};

pub(super) const STORIES: &[Story] = &[
    story("commit", 2..=9, commit),
    story("commit of members", 2..=9, commit_of_members),
    story("fetch committed", 1..=9, fetch),
    story("fetch committed of groups", 8..=9, fetch_groups),
    story("delete offsets", 0..=0, delete),
];

fn row(partition: i32, offset: i64, metadata: Option<&str>) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(metadata.map(word))
        .with_committed_leader_epoch(-1)
}

fn committing(group: &GroupId, topics: Vec<(&TopicName, Vec<OffsetCommitRequestPartition>)>) -> OffsetCommitRequest {
    let topic = |(name, partitions): (&TopicName, Vec<OffsetCommitRequestPartition>)| {
        OffsetCommitRequestTopic::default().with_name(name.clone()).with_partitions(partitions)
    };
    OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(-1)
        .with_retention_time_ms(-1)
        .with_topics(topics.into_iter().map(topic).collect())
}

/// Below v8 one group, from v8 on a list of one.
fn fetching(version: i16, group: &GroupId, topics: Option<Vec<(&TopicName, Vec<i32>)>>) -> OffsetFetchRequest {
    if version >= 8 {
        return OffsetFetchRequest::default().with_groups(vec![of_group(group, topics)]);
    }
    let topic = |(name, partitions): (&TopicName, Vec<i32>)| {
        OffsetFetchRequestTopic::default().with_name(name.clone()).with_partition_indexes(partitions)
    };
    OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(topics.map(|topics| topics.into_iter().map(topic).collect()))
}

fn of_group(group: &GroupId, topics: Option<Vec<(&TopicName, Vec<i32>)>>) -> OffsetFetchRequestGroup {
    let topic = |(name, partitions): (&TopicName, Vec<i32>)| {
        OffsetFetchRequestTopics::default().with_name(name.clone()).with_partition_indexes(partitions)
    };
    let topics = topics.map(|topics| topics.into_iter().map(topic).collect());
    OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_member_epoch(-1).with_topics(topics)
}

fn commit(talk: &mut Talk) {
    let (one, two, nowhere) = (talk.name("one"), talk.name("two"), talk.name("nowhere"));
    talk.topic("one", 2, &[]);
    talk.topic("two", 1, &[]);
    let group = group(talk, "group");
    let at = |offset| row(0, offset, Some("note"));
    talk.ask("two topics", &committing(&group, vec![(&one, vec![at(7), row(1, 8, None)]), (&two, vec![at(9)])]));
    talk.ask("an unknown topic", &committing(&group, vec![(&nowhere, vec![at(1), row(1, 2, None)])]));
    talk.ask("an unknown topic and a known one", &committing(&group, vec![(&nowhere, vec![at(1)]), (&two, vec![at(1)])]));
    talk.ask("a known topic and an unknown one", &committing(&group, vec![(&two, vec![at(1)]), (&nowhere, vec![at(1)])]));
    talk.ask("unknown partitions", &committing(&group, vec![(&one, vec![row(9, 1, None), at(1), row(-1, 1, None)]), (&two, vec![at(2)])]));
    talk.ask("an empty topic name", &committing(&group, vec![(&TopicName(word("")), vec![at(1)])]));
    talk.ask("a topic twice", &committing(&group, vec![(&one, vec![at(1)]), (&one, vec![row(1, 2, None)])]));
    talk.ask("a topic twice, one partition unknown", &committing(&group, vec![(&one, vec![at(1)]), (&one, vec![row(9, 2, None)])]));
    talk.ask("a partition twice", &committing(&group, vec![(&one, vec![at(1), at(2)])]));
    talk.ask("no topics", &committing(&group, vec![]));
    talk.ask("no partitions", &committing(&group, vec![(&one, vec![])]));
    for (size, offset) in [(4_096, 1), (4_097, 2)] {
        let long = "x".repeat(size);
        talk.ask(
            &format!("{size} bytes of metadata"),
            &committing(&group, vec![(&one, vec![row(0, offset, Some(&long)), row(1, 5, None)])]),
        );
    }
    for offset in [0, -1, -2, i64::MAX, i64::MIN] {
        talk.ask(&format!("offset {offset}"), &committing(&group, vec![(&one, vec![at(offset)])]));
    }
    talk.ask("an empty group id", &committing(&GroupId(word("")), vec![(&one, vec![at(1)])]));
    for generation in [0, 1, -2] {
        let request = committing(&group, vec![(&one, vec![at(1)])]).with_generation_id_or_member_epoch(generation);
        talk.ask(&format!("generation {generation} of a group without members"), &request);
        talk.ask(&format!("generation {generation} of a member that is not there"), &request.with_member_id(word("somebody")));
    }
    let fresh = self::group(talk, "fresh");
    let request = committing(&fresh, vec![(&one, vec![at(1)])]);
    talk.ask("generation 1 of an unknown group", &request.clone().with_generation_id_or_member_epoch(1));
    talk.ask("a member of an unknown group", &request.clone().with_member_id(word("somebody")));
    if talk.version >= 6 {
        talk.ask("a leader epoch", &committing(&group, vec![(&one, vec![at(3).with_committed_leader_epoch(0)])]));
        talk.ask("a leader epoch from nowhere", &committing(&group, vec![(&one, vec![at(3).with_committed_leader_epoch(99)])]));
    }
    if talk.version >= 7 {
        talk.ask("an instance of a group without members", &request.with_group_instance_id(Some(word("i"))));
    }
    if talk.version <= 4 {
        for retention in [0, 1, 1_000] {
            let request = committing(&group, vec![(&one, vec![at(1)])]).with_retention_time_ms(retention);
            talk.ask(&format!("a retention of {retention} ms"), &request);
        }
    }
}

fn commit_of_members(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 1, &[]);
    let group = group(talk, "group");
    let member = Member::joined(talk, &group, &joining(&group, ""));
    let of = |member: &str, generation: i32| {
        committing(&group, vec![(&one, vec![row(0, 4, Some("note"))])])
            .with_member_id(word(member))
            .with_generation_id_or_member_epoch(generation)
    };
    talk.ask("while the group waits for its leader", &of(&member.id, member.generation));
    let synced = talk.quietly(3, &syncing(&group, &member.id, member.generation));
    assert_eq!(synced.error_code, 0);
    talk.ask("in balance", &of(&member.id, member.generation));
    talk.ask("an older generation", &of(&member.id, member.generation - 1));
    talk.ask("a newer generation", &of(&member.id, member.generation + 1));
    talk.ask("an unknown member", &of("somebody", member.generation));
    talk.ask("no member", &of("", member.generation));
    talk.ask("neither member nor generation", &of("", -1));
    talk.ask("a member without generation", &of(&member.id, -1));
    if talk.version >= 7 {
        talk.ask("an instance that is not there", &of(&member.id, member.generation).with_group_instance_id(Some(word("i"))));
        let fixed = self::group(talk, "fixed");
        let member = Member::joined(talk, &fixed, &joining(&fixed, "").with_group_instance_id(Some(word("i"))));
        let synced = talk.quietly(3, &syncing(&fixed, &member.id, member.generation).with_group_instance_id(Some(word("i"))));
        assert_eq!(synced.error_code, 0);
        let of = |id: &str| {
            committing(&fixed, vec![(&one, vec![row(0, 4, None)])])
                .with_member_id(word(id))
                .with_generation_id_or_member_epoch(member.generation)
                .with_group_instance_id(Some(word("i")))
        };
        talk.ask("of an instance", &of(&member.id));
        talk.ask("an instance with another member's id", &of("somebody"));
    }
}

fn fetch(talk: &mut Talk) {
    let version = talk.version;
    let (one, two, nowhere) = (talk.name("one"), talk.name("two"), talk.name("nowhere"));
    talk.topic("one", 2, &[]);
    talk.topic("two", 1, &[]);
    let (group, nobody) = (group(talk, "group"), group(talk, "nobody"));
    committed(talk, &group, &one, 7);
    let rows = vec![row(1, 8, None).with_committed_leader_epoch(3), row(0, 7, Some("note"))];
    talk.quietly(8, &committing(&group, vec![(&one, rows), (&two, vec![row(0, 9, Some(""))])]));
    talk.ask("three partitions", &fetching(version, &group, Some(vec![(&one, vec![0, 1]), (&two, vec![0])])));
    talk.ask("partitions without an offset", &fetching(version, &group, Some(vec![(&one, vec![5, 0, -1]), (&nowhere, vec![0])])));
    talk.ask("an unknown group", &fetching(version, &nobody, Some(vec![(&one, vec![0])])));
    committed(talk, &GroupId(word("")), &one, 5);
    talk.ask("an empty group id", &fetching(version, &GroupId(word("")), Some(vec![(&one, vec![0, 1])])));
    talk.ask("a topic twice", &fetching(version, &group, Some(vec![(&one, vec![0]), (&one, vec![1])])));
    talk.ask("a partition twice", &fetching(version, &group, Some(vec![(&one, vec![0, 0])])));
    talk.ask("no topics", &fetching(version, &group, Some(vec![])));
    talk.ask("no partitions", &fetching(version, &group, Some(vec![(&one, vec![])])));
    talk.ask("an empty topic name", &fetching(version, &group, Some(vec![(&TopicName(word("")), vec![0])])));
    if version >= 2 {
        talk.ask("all topics", &fetching(version, &group, None));
        talk.ask("all topics of an unknown group", &fetching(version, &nobody, None));
    }
    if version >= 7 {
        talk.ask("only what is stable", &fetching(version, &group, Some(vec![(&one, vec![0, 1])])).with_require_stable(true));
        talk.ask("all that is stable", &fetching(version, &group, None).with_require_stable(true));
    }
}

fn fetch_groups(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 1, &[]);
    let (first, second, nobody) = (group(talk, "first"), group(talk, "second"), group(talk, "nobody"));
    committed(talk, &first, &one, 1);
    committed(talk, &second, &one, 2);
    let of = |groups: Vec<OffsetFetchRequestGroup>| OffsetFetchRequest::default().with_groups(groups);
    let rows = || Some(vec![(&one, vec![0])]);
    talk.ask("three groups", &of(vec![of_group(&second, rows()), of_group(&nobody, rows()), of_group(&first, None)]));
    talk.ask("a group twice", &of(vec![of_group(&first, rows()), of_group(&first, None)]));
    talk.ask("no groups", &of(vec![]));
    if talk.version < 9 {
        return;
    }
    let as_member = |group: &GroupId, member: Option<&str>, epoch: i32| {
        of(vec![of_group(group, rows()).with_member_id(member.map(word)).with_member_epoch(epoch)])
    };
    talk.ask("a member of a group without members", &as_member(&first, Some("somebody"), 1));
    talk.ask("an epoch without a member", &as_member(&first, None, 1));
    talk.ask("a member without an epoch", &as_member(&first, Some("somebody"), -1));
    let stable = group(talk, "stable");
    let member = Member::stable(talk, &stable);
    talk.ask("a classic member", &as_member(&stable, Some(&member.id), member.generation));
    talk.ask("a classic member of another generation", &as_member(&stable, Some(&member.id), 99));
    talk.ask("not a member", &as_member(&stable, Some("somebody"), member.generation));
}

fn delete(talk: &mut Talk) {
    let (one, two, nowhere) = (talk.name("one"), talk.name("two"), talk.name("nowhere"));
    talk.topic("one", 2, &[]);
    talk.topic("two", 1, &[]);
    let deleting = |group: &GroupId, topics: Vec<(&TopicName, Vec<i32>)>| {
        let partition = |index: i32| OffsetDeleteRequestPartition::default().with_partition_index(index);
        let topic = |(name, indexes): (&TopicName, Vec<i32>)| {
            OffsetDeleteRequestTopic::default().with_name(name.clone()).with_partitions(indexes.into_iter().map(partition).collect())
        };
        OffsetDeleteRequest::default().with_group_id(group.clone()).with_topics(topics.into_iter().map(topic).collect())
    };
    let (group, nobody) = (group(talk, "group"), group(talk, "nobody"));
    committed(talk, &group, &one, 7);
    talk.ask("an unknown group", &deleting(&nobody, vec![(&one, vec![0])]));
    talk.ask("an unknown group and an unknown topic", &deleting(&nobody, vec![(&nowhere, vec![0])]));
    talk.ask("an empty group id", &deleting(&GroupId(word("")), vec![(&one, vec![0])]));
    talk.ask("an unknown topic", &deleting(&group, vec![(&nowhere, vec![0, 1]), (&two, vec![0])]));
    talk.ask("unknown partitions", &deleting(&group, vec![(&one, vec![9, 0, -1])]));
    talk.ask("what is gone", &deleting(&group, vec![(&one, vec![0])]));
    committed(talk, &group, &one, 7);
    talk.ask("a topic twice", &deleting(&group, vec![(&one, vec![0]), (&one, vec![1])]));
    committed(talk, &group, &one, 7);
    talk.ask("a partition twice", &deleting(&group, vec![(&one, vec![0, 0])]));
    committed(talk, &group, &one, 7);
    talk.ask("no topics", &deleting(&group, vec![]));
    talk.ask("no partitions", &deleting(&group, vec![(&one, vec![]), (&nowhere, vec![])]));
    let subscribed = self::group(talk, "subscribed");
    let protocol = JoinGroupRequestProtocol::default().with_name(word("range")).with_metadata(subscription(&[&one]));
    let member = Member::joined(talk, &subscribed, &joining(&subscribed, "").with_protocols(vec![protocol]));
    let synced = talk.quietly(3, &syncing(&subscribed, &member.id, member.generation));
    assert_eq!(synced.error_code, 0);
    talk.ask("a topic that members read", &deleting(&subscribed, vec![(&one, vec![0]), (&two, vec![0])]));
    let workers = self::group(talk, "workers");
    Member::joined(talk, &workers, &joining(&workers, "").with_protocol_type(word("connect")));
    talk.ask("of members that are no consumers", &deleting(&workers, vec![(&one, vec![0])]));
}
