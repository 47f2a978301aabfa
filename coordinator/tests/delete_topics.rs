//! DeleteTopics as a client sees it. Codes and texts are what Apache Kafka 4.3.1 answered to the same requests.

mod support;

use kafka_protocol::messages::DeleteTopicsRequest;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_coordinator::metadata::*;
use support::*;
use uuid::Uuid;

const UNKNOWN_NAME: &str = "This server does not host this topic-partition.";
const UNKNOWN_ID: &str = "This server does not host this topic ID.";

fn by_names(names: &[&str]) -> DeleteTopicsRequest {
    DeleteTopicsRequest::default().with_topic_names(names.iter().map(|name| topic_name(name)).collect())
}

fn by(states: &[(Option<&str>, Uuid)]) -> DeleteTopicsRequest {
    let state = |(name, id): &(Option<&str>, Uuid)| DeleteTopicState::default().with_name(name.map(topic_name)).with_topic_id(*id);
    DeleteTopicsRequest::default().with_topics(states.iter().map(state).collect())
}

type Outcome = (Option<String>, Uuid, i16, Option<String>);

fn delete(node: &mut Node, request: &DeleteTopicsRequest, version: i16) -> Vec<Outcome> {
    let results = node.delete_with(request, version, true, &Unrestricted);
    let text = |text: kafka_protocol::protocol::StrBytes| text.to_string();
    results.into_iter().map(|r| (r.name.map(|n| text(n.0)), r.topic_id, r.error_code, r.error_message.map(text))).collect()
}

fn ok(name: &str, id: Uuid) -> Outcome {
    (Some(name.into()), id, 0, None)
}

fn failed(name: Option<&str>, id: Uuid, code: i16, text: &str) -> Outcome {
    (name.map(str::to_owned), id, code, Some(text.into()))
}

fn with_topics(names: &[&str]) -> (Node, Vec<Uuid>) {
    let mut node = Node::started();
    let topics: Vec<_> = names.iter().map(|name| with_config(topic(name, 2, 1), "retention.ms", Some("5"))).collect();
    let ids = node.create(&create(&topics)).iter().map(|result| result.topic_id).collect();
    (node, ids)
}

#[test]
fn a_deleted_topic_is_gone_with_its_partitions_and_configs() {
    let (mut node, ids) = with_topics(&["a", "b"]);
    assert_eq!(delete(&mut node, &by_names(&["a"]), 5), [ok("a", ids[0])]);
    assert!(node.image().topics().by_name("a").is_none());
    assert!(node.image().topics().by_id(TopicId(ids[0])).is_none());
    assert_eq!(node.image().topics().len(), 1);
    let name = TopicName::parse("a").expect("a valid name");
    assert!(node.image().configs().of_topic(&name).is_none());
    let delta = node.last_delta();
    assert_eq!(delta.local_changes(NODE).deletes.len(), 2);
    assert_eq!(delta.changed_configs, [image::ConfigResource::topic(&name)]);
}

#[test]
fn a_topic_created_again_is_another_topic() {
    let (mut node, ids) = with_topics(&["a"]);
    let old = node.image().clone();
    assert_eq!(node.delete("a"), 0);
    let again = node.create(&create(&[topic("a", 1, 1)])).remove(0);
    assert_ne!(again.topic_id, ids[0]);
    assert_eq!(node.partition("a", 0).leader_epoch, LeaderEpoch(0));
    let name = TopicName::parse("a").expect("a valid name");
    assert!(node.image().configs().of_topic(&name).is_none(), "no config of the old topic");
    // Seen in one step, as when a snapshot is loaded: deletes come by id, before the new leaders.
    let local = MetadataDelta::between(&old, node.image()).local_changes(NODE);
    assert!(local.deletes.iter().all(|p| p.topic_id.0 == ids[0] && p.topic == name));
    assert!(local.leaders.iter().all(|p| p.topic_id.0 == again.topic_id));
    assert_eq!((local.deletes.len(), local.leaders.len()), (2, 1));
}

#[test]
fn unknown_names_and_ids_get_the_error_of_their_kind() {
    let (mut node, _) = with_topics(&[]);
    let nowhere = Uuid::from_u128(5);
    assert_eq!(
        delete(&mut node, &by_names(&["nope", ""]), 5),
        [failed(Some(""), Uuid::nil(), 3, UNKNOWN_NAME), failed(Some("nope"), Uuid::nil(), 3, UNKNOWN_NAME)]
    );
    assert_eq!(delete(&mut node, &by(&[(None, nowhere)]), 6), [failed(None, nowhere, 100, UNKNOWN_ID)]);
    let metadata = TopicId::CLUSTER_METADATA.0;
    assert_eq!(
        delete(&mut node, &by(&[(Some("__cluster_metadata"), Uuid::nil()), (None, metadata)]), 6),
        [failed(None, metadata, 100, UNKNOWN_ID), failed(Some("__cluster_metadata"), Uuid::nil(), 3, UNKNOWN_NAME)]
    );
}

#[test]
fn what_is_named_twice_is_not_deleted() {
    let (mut node, ids) = with_topics(&["a", "b"]);
    let a = ids[0];
    let twice = "Duplicate topic name.";
    assert_eq!(
        delete(&mut node, &by_names(&["a", "a", "nope"]), 5),
        [failed(Some("a"), Uuid::nil(), 42, twice), failed(Some("nope"), Uuid::nil(), 3, UNKNOWN_NAME)]
    );
    assert_eq!(delete(&mut node, &by(&[(None, a), (None, a)]), 6), [failed(None, a, 42, "Duplicate topic id.")]);
    let supplied = "The provided topic name maps to an ID that was already supplied.";
    assert_eq!(delete(&mut node, &by(&[(None, a), (Some("a"), Uuid::nil())]), 6), [failed(Some("a"), a, 42, supplied)]);
    assert_eq!(
        delete(&mut node, &by(&[(None, a), (None, a), (Some("a"), Uuid::nil()), (Some("b"), Uuid::nil())]), 6),
        [failed(None, a, 42, "Duplicate topic id."), failed(Some("a"), a, 42, supplied), ok("b", ids[1])]
    );
    assert!(node.image().topics().by_name("a").is_some());
}

#[test]
fn a_name_or_an_id_but_not_both_and_not_neither() {
    let (mut node, ids) = with_topics(&["a"]);
    let neither = "Neither topic name nor id were specified.";
    let both = "You may not specify both topic name and topic id.";
    assert_eq!(
        delete(&mut node, &by(&[(None, Uuid::nil()), (Some("a"), ids[0]), (None, Uuid::nil())]), 6),
        [failed(None, Uuid::nil(), 42, neither), failed(Some("a"), ids[0], 42, both), failed(None, Uuid::nil(), 42, neither)]
    );
    assert_eq!(delete(&mut node, &by(&[(None, ids[0])]), 6), [ok("a", ids[0])]);
}

#[test]
fn deletion_switched_off_is_said_in_the_words_of_the_version() {
    let (mut node, _) = with_topics(&["a"]);
    for (version, code) in [(2, 42), (3, 73)] {
        let results = node.delete_with(&by_names(&["a"]), version, false, &Unrestricted);
        assert_eq!(results.iter().map(|r| r.error_code).collect::<Vec<_>>(), [code]);
    }
    assert!(node.image().topics().by_name("a").is_some());
}

#[test]
fn a_caller_without_rights_cannot_tell_what_exists() {
    struct Blind;
    impl TopicAccess for Blind {
        fn may_describe(&self, _topic: &str) -> bool {
            false
        }
        fn may_delete(&self, _topic: &str) -> bool {
            false
        }
    }
    let (mut node, ids) = with_topics(&["a"]);
    let results = node.delete_with(&by_names(&["a", "nope"]), 5, true, &Blind);
    assert_eq!(results.iter().map(|r| (r.error_code, r.topic_id)).collect::<Vec<_>>(), [(29, Uuid::nil()); 2]);
    let results = node.delete_with(&by(&[(None, ids[0])]), 6, true, &Blind);
    assert_eq!((results[0].error_code, results[0].name.is_none()), (29, true), "the name stays hidden");
    assert!(node.image().topics().by_name("a").is_some());
}
