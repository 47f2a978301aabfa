//! Offsets in transactions, of members of both group protocols, and what readers of stable offsets see of them.

use super::exactly_once::{committing, joining as adding_group};
use super::groups::{committed, group, word};
use super::members::{Member, joining, syncing};
use super::transactions::Producer;
use super::{Story, Talk, consumers, story};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, TopicName};

pub(super) const STORIES: &[Story] = &[
    story("offsets of members in a transaction", 3..=5, of_members),
    story("odd offsets in a transaction", 0..=5, odd),
    story("unstable offsets", 7..=9, unstable),
];

fn add(talk: &mut Talk, producer: &Producer, group: &GroupId) {
    assert_eq!(talk.quietly(3, &adding_group(producer, group)).error_code, 0);
}

fn of_members(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 1, &[]);
    let producer = Producer::new(talk, "id");
    let classic = group(talk, "classic");
    add(talk, &producer, &classic);
    let fixed = |id: &str, instance: &str| joining(&classic, id).with_group_instance_id(Some(word(instance)));
    let member = Member::joined(talk, &classic, &fixed("", "i"));
    let of = |member: &str, generation: i32, instance: Option<&str>| {
        committing(&producer, &classic, vec![(&one, vec![(0, 4)])])
            .with_member_id(word(member))
            .with_generation_id(generation)
            .with_group_instance_id(instance.map(word))
    };
    talk.ask("while the group waits for its leader", &of(&member.id, member.generation, Some("i")));
    talk.ask("of nobody while the group waits for its leader", &of("", -1, None));
    let synced = talk.quietly(3, &syncing(&classic, &member.id, member.generation).with_group_instance_id(Some(word("i"))));
    assert_eq!(synced.error_code, 0);
    talk.ask("in balance", &of(&member.id, member.generation, Some("i")));
    talk.ask("without the instance", &of(&member.id, member.generation, None));
    talk.ask("an older generation", &of(&member.id, member.generation - 1, Some("i")));
    talk.ask("a newer generation", &of(&member.id, member.generation + 1, Some("i")));
    talk.ask("no generation", &of(&member.id, -1, Some("i")));
    talk.ask("an instance with another member's id", &of("somebody", member.generation, Some("i")));
    talk.ask("an instance that is not there", &of(&member.id, member.generation, Some("j")));
    talk.ask("an unknown member", &of("somebody", member.generation, None));
    talk.ask("no member", &of("", member.generation, None));
    talk.ask("neither member nor generation", &of("", -1, None));
    let modern = consumers::group_that_knows(talk, "modern", &one);
    add(talk, &producer, &modern);
    let joined = talk.quietly(0, &consumers::joining(&modern, "m", &[&one]));
    assert_eq!(joined.error_code, 0);
    let of = |member: &str, epoch: i32| {
        committing(&producer, &modern, vec![(&one, vec![(0, 4)])]).with_member_id(word(member)).with_generation_id(epoch)
    };
    talk.ask("an epoch", &of("m", joined.member_epoch));
    talk.ask("an epoch to come", &of("m", joined.member_epoch + 1));
    talk.ask("an epoch long gone", &of("m", 0));
    talk.ask("a member without an epoch", &of("m", -1));
    talk.ask("somebody else", &of("somebody", joined.member_epoch));
    talk.ask("neither member nor epoch", &of("", -1));
    producer.end(talk, true);
}

fn odd(talk: &mut Talk) {
    let (one, two, nowhere) = (talk.name("one"), talk.name("two"), talk.name("nowhere"));
    talk.topic("one", 2, &[]);
    talk.topic("two", 1, &[]);
    let group = group(talk, "group");
    let producer = Producer::new(talk, "id");
    add(talk, &producer, &group);
    let of = |topics: Vec<(&TopicName, Vec<(i32, i64)>)>| committing(&producer, &group, topics);
    talk.ask("an unknown topic alone", &of(vec![(&nowhere, vec![(0, 1), (1, 2)])]));
    talk.ask("a known topic and an unknown one", &of(vec![(&two, vec![(0, 1)]), (&nowhere, vec![(0, 1)])]));
    talk.ask("a topic twice", &of(vec![(&one, vec![(0, 1)]), (&one, vec![(1, 2)])]));
    talk.ask("a topic twice, one partition unknown", &of(vec![(&one, vec![(0, 1)]), (&one, vec![(9, 2)])]));
    talk.ask("a partition twice", &of(vec![(&one, vec![(0, 1), (0, 2)])]));
    talk.ask("no partitions", &of(vec![(&one, vec![])]));
    talk.ask("an empty topic name", &of(vec![(&TopicName(word("")), vec![(0, 1)])]));
    for (offset, size) in [(1, 4_096), (2, 4_097)] {
        let mut request = of(vec![(&one, vec![(0, offset), (1, 5)])]);
        request.topics[0].partitions[0].committed_metadata = Some(word(&"x".repeat(size)));
        talk.ask(&format!("{size} bytes of metadata"), &request);
    }
    let mut request = of(vec![(&one, vec![(0, 1)])]);
    request.topics[0].partitions[0].committed_metadata = None;
    talk.ask("no metadata", &request);
    for offset in [0, -1, i64::MAX, i64::MIN] {
        talk.ask(&format!("offset {offset}"), &of(vec![(&one, vec![(0, offset)])]));
    }
    talk.ask("an empty group id", &committing(&producer, &GroupId(word("")), vec![(&one, vec![(0, 1)])]));
    let mut request = of(vec![(&one, vec![(0, 1)])]);
    request.transactional_id.0 = word("");
    talk.ask("an empty transactional id", &request);
    producer.end(talk, true);
}

fn unstable(talk: &mut Talk) {
    let one = talk.name("one");
    talk.topic("one", 3, &[]);
    let group = group(talk, "group");
    committed(talk, &group, &one, 7);
    let version = talk.version;
    let asking = |partitions: Option<Vec<i32>>, stable: bool| {
        if version < 8 {
            let topic = |partitions| OffsetFetchRequestTopic::default().with_name(one.clone()).with_partition_indexes(partitions);
            let topics = partitions.map(|partitions| vec![topic(partitions)]);
            return OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(topics).with_require_stable(stable);
        }
        let topic = |partitions| OffsetFetchRequestTopics::default().with_name(one.clone()).with_partition_indexes(partitions);
        let topics = partitions.map(|partitions| vec![topic(partitions)]);
        let asked = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_member_epoch(-1).with_topics(topics);
        OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(stable)
    };
    for committed in [false, true] {
        let producer = Producer::new(talk, if committed { "commits" } else { "aborts" });
        add(talk, &producer, &group);
        let pending = talk.quietly(3, &committing(&producer, &group, vec![(&one, vec![(0, 42), (1, 43)])]));
        assert!(pending.topics[0].partitions.iter().all(|row| row.error_code == 0));
        let ended = if committed { "committed" } else { "aborted" };
        for (when, open) in [("to be", true), ("is", false)] {
            if !open {
                producer.end(talk, committed);
            }
            for stable in [true, false] {
                let reader = if stable { "stable" } else { "any" };
                talk.ask(&format!("{when} {ended}: {reader} of three"), &asking(Some(vec![0, 1, 2]), stable));
                talk.ask(&format!("{when} {ended}: {reader} of all"), &asking(None, stable));
            }
        }
    }
}
