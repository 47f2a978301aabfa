//! What the leader of a classic group does: reads the members' subscriptions and shares the partitions out.

use super::checks::Part;
use super::client::{part, text};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition as Assigned};
use kafka_protocol::messages::consumer_protocol_subscription::{ConsumerProtocolSubscription, TopicPartition as Owned};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::protocol::{Decodable, Encodable};
use ottla_coordinator::metadata::image::MetadataImage;
use std::collections::{BTreeMap, BTreeSet};

const VERSION: i16 = 3;

/// A member's metadata, as a Java consumer writes it.
pub(crate) fn subscription(topics: &BTreeSet<String>, owned: &BTreeMap<String, Vec<i32>>, generation: i32) -> Bytes {
    let owned = owned
        .iter()
        .map(|(name, partitions)| Owned::default().with_topic(TopicName(text(name))).with_partitions(partitions.clone()))
        .collect();
    let message = ConsumerProtocolSubscription::default()
        .with_topics(topics.iter().map(|topic| text(topic)).collect())
        .with_owned_partitions(owned)
        .with_generation_id(generation);
    versioned(&message)
}

fn versioned(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::from(&VERSION.to_be_bytes()[..]);
    message.encode(&mut bytes, VERSION).expect("a message of this version");
    bytes.freeze()
}

/// What an assignment says, as far as its topics still exist.
pub(crate) fn read_assignment(image: &MetadataImage, assignment: &Bytes) -> BTreeSet<Part> {
    if assignment.is_empty() {
        return BTreeSet::new();
    }
    let mut bytes = assignment.clone();
    let version = i16::from_be_bytes(bytes.split_to(2)[..].try_into().expect("two bytes"));
    let message = ConsumerProtocolAssignment::decode(&mut bytes, version).expect("an assignment");
    let parts = message.assigned_partitions.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (&topic.topic, *partition)));
    parts.filter_map(|(topic, partition)| part(image, &topic.0, partition)).collect()
}

struct Subscriber {
    member_id: String,
    topics: BTreeSet<String>,
    owned: BTreeSet<(String, i32)>,
    generation: i32,
}

fn subscriber(member: &JoinGroupResponseMember) -> Subscriber {
    let mut bytes = member.metadata.clone();
    let version = i16::from_be_bytes(bytes.split_to(2)[..].try_into().expect("two bytes"));
    let message = ConsumerProtocolSubscription::decode(&mut bytes, version).expect("a subscription");
    let owned = message.owned_partitions.iter();
    Subscriber {
        member_id: member.member_id.to_string(),
        topics: message.topics.iter().map(ToString::to_string).collect(),
        owned: owned.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.to_string(), *partition))).collect(),
        generation: message.generation_id,
    }
}

/// Shares out every partition of every topic that somebody reads. Cooperative: what another member still has is given to nobody yet.
pub(crate) fn assign(image: &MetadataImage, members: &[JoinGroupResponseMember], cooperative: bool) -> BTreeMap<String, Bytes> {
    let subscribers: Vec<Subscriber> = members.iter().map(subscriber).collect();
    let topics: BTreeSet<&String> = subscribers.iter().flat_map(|subscriber| &subscriber.topics).collect();
    let mut shares: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> =
        subscribers.iter().map(|subscriber| (&*subscriber.member_id, BTreeMap::new())).collect();
    let mut turn = 0;
    for name in topics {
        let Some(topic) = image.topics().by_name(name) else { continue };
        let readers: Vec<_> = subscribers.iter().filter(|subscriber| subscriber.topics.contains(name)).collect();
        for partition in topic.partitions.keys() {
            let reader = readers[turn % readers.len()];
            turn += 1;
            if cooperative && holder(&subscribers, name, *partition).is_some_and(|holder| holder != reader.member_id) {
                continue;
            }
            shares.get_mut(&*reader.member_id).expect("a member").entry(name).or_default().push(*partition);
        }
    }
    shares.into_iter().map(|(member, share)| (member.to_owned(), assignment(&share))).collect()
}

/// Who says to own a partition; of several, who has the newest word.
fn holder<'a>(subscribers: &'a [Subscriber], topic: &str, partition: i32) -> Option<&'a str> {
    let holders = subscribers.iter().filter(|subscriber| subscriber.owned.iter().any(|(name, index)| name == topic && *index == partition));
    holders.max_by_key(|subscriber| subscriber.generation).map(|subscriber| &*subscriber.member_id)
}

fn assignment(share: &BTreeMap<&str, Vec<i32>>) -> Bytes {
    let topics = share
        .iter()
        .map(|(name, partitions)| Assigned::default().with_topic(TopicName(text(name))).with_partitions(partitions.clone()))
        .collect();
    versioned(&ConsumerProtocolAssignment::default().with_assigned_partitions(topics))
}

/// What any member reads.
pub(crate) fn topics_of_all(members: &[JoinGroupResponseMember]) -> BTreeSet<String> {
    members.iter().flat_map(|member| subscriber(member).topics).collect()
}
