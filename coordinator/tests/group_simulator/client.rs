//! What clients of both protocols share: who they are, what they own and how far they have read.

use super::broker::{Answer, Request};
use super::checks::{Checks, Part};
use super::classic::Classic;
use super::consumer::Consumer;
use super::rng::Rng;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{OffsetCommitRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::group::{GroupId, GroupReply};
use ottla_coordinator::metadata::TopicId;
use ottla_coordinator::metadata::image::MetadataImage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a client sees of the world while it makes up its mind.
pub(crate) struct Sight<'a> {
    pub(crate) now: i64,
    pub(crate) rng: &'a mut Rng,
    pub(crate) checks: &'a mut Checks,
    pub(crate) image: &'a Arc<MetadataImage>,
}

/// What a client does next.
#[derive(Debug)]
pub(crate) enum Move {
    Send(Box<Request>),
    /// Nothing for some milliseconds.
    Rest(i64),
    /// The process ends; true if an operator starts it again.
    End(bool),
}

/// Whether and how a client speaks for itself.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: usize,
    pub(crate) group: GroupId,
    pub(crate) instance: Option<String>,
    pub(crate) topics: BTreeSet<String>,
    /// What it believes to own.
    pub(crate) owned: BTreeSet<Part>,
    /// The next offset to read, for partitions whose committed offset is known.
    pub(crate) positions: BTreeMap<Part, i64>,
    pub(crate) leaving: bool,
    /// What a reload may have made of it.
    pub(crate) standing: Standing,
    /// Answers in a row that never arrived.
    pub(crate) lost_in_a_row: u32,
    /// Another process with the same instance id runs: each may throw the other out.
    pub(crate) has_twin: bool,
    /// It has just been stopped for long: the first thing it does is to commit, as an auto-commit that is overdue does.
    pub(crate) commit_is_overdue: bool,
    /// When it was last found waking from a long silence.
    pub(crate) resumed_at: i64,
}

/// What a reload may do to a member of a classic group: only completed rebalances are in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// The coordinator has to know it.
    Known,
    /// As member, but perhaps of an earlier generation.
    OfAnEarlierGeneration,
    /// The log has never heard of it.
    Forgotten,
}

/// A client of either protocol.
#[derive(Debug)]
pub(crate) enum Protocol {
    Classic(Classic),
    Consumer(Consumer),
}

impl Protocol {
    /// It is free to act.
    pub(crate) fn next_move(&mut self, client: &mut Client, sight: &mut Sight<'_>) -> Move {
        match self {
            Self::Classic(classic) => classic.next_move(client, sight),
            Self::Consumer(consumer) => consumer.next_move(client, sight),
        }
    }

    /// Its request, sent at `sent_at`, was answered or lost. Returns for how long it wants to rest.
    pub(crate) fn take(&mut self, client: &mut Client, sight: &mut Sight<'_>, sent_at: i64, answer: Answer) -> i64 {
        match self {
            Self::Classic(classic) => classic.take(client, sight, sent_at, answer),
            Self::Consumer(consumer) => consumer.take(client, sight, sent_at, answer),
        }
    }

    /// The name the coordinator knows it by.
    pub(crate) fn member_id(&self) -> &str {
        match self {
            Self::Classic(classic) => &classic.member_id,
            Self::Consumer(consumer) => &consumer.member_id,
        }
    }

    /// In the group, with everything done that it was asked to do.
    pub(crate) fn is_settled(&self) -> bool {
        match self {
            Self::Classic(classic) => classic.is_settled(),
            Self::Consumer(consumer) => consumer.is_settled(),
        }
    }

    /// Generation or member epoch.
    pub(crate) fn number(&self) -> i32 {
        match self {
            Self::Classic(classic) => classic.generation,
            Self::Consumer(consumer) => consumer.epoch,
        }
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn group_text(group: &GroupId) -> kafka_protocol::messages::GroupId {
    kafka_protocol::messages::GroupId(text(group.as_str()))
}

/// Partitions by the names of their topics; those whose topic is gone are left out.
pub(crate) fn by_name<'a>(image: &MetadataImage, parts: impl IntoIterator<Item = &'a Part>) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic_id, partition) in parts {
        if let Some(topic) = image.topics().by_id(*topic_id) {
            topics.entry(topic.name.to_string()).or_default().push(*partition);
        }
    }
    topics
}

pub(crate) fn part(image: &MetadataImage, topic: &str, partition: i32) -> Option<Part> {
    image.topics().by_name(topic).map(|topic| (topic.id, partition))
}

impl Client {
    /// Takes partitions.
    pub(crate) fn gain(&mut self, checks: &mut Checks, parts: impl IntoIterator<Item = Part>) {
        for part in parts {
            if self.owned.insert(part) {
                checks.gain(&self.group, self.id, part);
            }
        }
    }

    /// Gives partitions up.
    pub(crate) fn lose(&mut self, checks: &mut Checks, parts: impl IntoIterator<Item = Part>) {
        for part in parts {
            self.positions.remove(&part);
            if self.owned.remove(&part) {
                checks.lose(&self.group, self.id, part);
            }
        }
    }

    /// Gives everything up.
    pub(crate) fn lose_all(&mut self, checks: &mut Checks) {
        let all: Vec<Part> = self.owned.iter().copied().collect();
        self.lose(checks, all);
    }

    /// The coordinator no longer knows what it told this client. That must not happen to one that did nothing wrong.
    pub(crate) fn rejected(&mut self, checks: &mut Checks, why: &str, excuse: Standing) {
        self.needs_excuse(checks, why, excuse);
        self.lose_all(checks);
    }

    pub(crate) fn needs_excuse(&self, checks: &Checks, why: &str, excuse: Standing) {
        let excused = checks.is_excused(self.id) || self.standing >= excuse || self.leaving;
        assert!(excused, "client {} of {} is alive and was told {why}", self.id, self.group);
    }

    /// The coordinator has just shown that it counts on this client.
    pub(crate) fn accepted(&mut self, checks: &mut Checks, sent_at: i64) {
        if sent_at >= self.resumed_at && !self.has_twin {
            checks.welcome_back(&self.group, self.id, &self.owned);
        }
    }

    /// Reads on, and commits how far it got.
    pub(crate) fn commit(&mut self, sight: &mut Sight<'_>, member_id: &str, number: i32) -> Option<Request> {
        for position in self.positions.values_mut() {
            *position += sight.rng.between(0, 9);
        }
        let topics: Vec<_> = by_name(sight.image, self.positions.keys())
            .into_iter()
            .map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|partition| {
                    let position = part(sight.image, &name, partition).and_then(|part| self.positions.get(&part));
                    OffsetCommitRequestPartition::default()
                        .with_partition_index(partition)
                        .with_committed_offset(position.copied().unwrap_or(0))
                        .with_committed_metadata(Some(StrBytes::from_static_str("sim")))
                });
                OffsetCommitRequestTopic::default().with_name(TopicName(text(&name))).with_partitions(partitions.collect())
            })
            .collect();
        if topics.is_empty() {
            return None;
        }
        let request = OffsetCommitRequest::default()
            .with_group_id(group_text(&self.group))
            .with_generation_id_or_member_epoch(number)
            .with_member_id(text(member_id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_topics(topics);
        Some(Request::Commit(request, 9))
    }

    /// Asks where to begin with the partitions that are new.
    pub(crate) fn fetch(&self, image: &MetadataImage, member: Option<(&str, i32)>) -> Option<Request> {
        let unknown: Vec<Part> = self.owned.iter().filter(|part| !self.positions.contains_key(part)).copied().collect();
        let topics: Vec<_> = by_name(image, &unknown)
            .into_iter()
            .map(|(name, partitions)| {
                OffsetFetchRequestTopics::default().with_name(TopicName(text(&name))).with_partition_indexes(partitions)
            })
            .collect();
        if topics.is_empty() {
            return None;
        }
        let (member_id, epoch) = member.map_or((None, -1), |(id, epoch)| (Some(text(id)), epoch));
        let request = OffsetFetchRequestGroup::default()
            .with_group_id(group_text(&self.group))
            .with_member_id(member_id)
            .with_member_epoch(epoch)
            .with_topics(Some(topics));
        Some(Request::Fetch(request))
    }

    /// Learns where to begin. An error means to ask again.
    pub(crate) fn fetched(&mut self, image: &MetadataImage, reply: &GroupReply) -> i16 {
        let GroupReply::OffsetFetch(response) = reply else { panic!("not an answer to a fetch: {reply:?}") };
        if response.error_code == 0 {
            for topic in &response.topics {
                for partition in &topic.partitions {
                    let Some(part) = part(image, &topic.name.0, partition.partition_index) else { continue };
                    if self.owned.contains(&part) {
                        self.positions.entry(part).or_insert(partition.committed_offset.max(0));
                    }
                }
            }
        }
        response.error_code
    }
}

/// The partitions of all topics in `names`.
pub(crate) fn all_partitions(image: &MetadataImage, names: &BTreeSet<String>) -> BTreeSet<Part> {
    let topics = names.iter().filter_map(|name| image.topics().by_name(name));
    topics.flat_map(|topic| topic.partitions.keys().map(|partition| (topic.id, *partition))).collect()
}

/// The id of a topic, for tests of what is left.
pub(crate) fn is_gone(image: &MetadataImage, topic: TopicId) -> bool {
    image.topics().by_id(topic).is_none()
}
