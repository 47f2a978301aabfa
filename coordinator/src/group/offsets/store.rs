//! The offsets of a shard in memory, packed: a shard may hold a million of them.
//!
//! Written by replay only. A committed offset takes 32 bytes and up to a quarter of slack; what is rare (metadata, an expiry of its
//! own, a topic id unlike its neighbours') sits in a box beside it. Names are kept once per group, and per group and topic.
//!
//! Pending offsets belong to open transactions. Log order decides between them and plain commits: when a newer commit for the same
//! partition becomes visible, older pending ones are emptied. They still count as open until their marker, but bring nothing.

use super::super::names::GroupId;
use super::super::records::OffsetCommitValue;
use super::{CommittedOffset, OffsetTarget};
use crate::metadata::TopicId;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The replayed offsets of a shard. Equal when they say the same, however they came to be packed.
#[derive(Debug, Default)]
pub(in super::super) struct Offsets {
    committed: BTreeMap<GroupId, GroupOffsets>,
    /// What each open transaction would commit; `None` once a newer commit is visible.
    pending: BTreeMap<i64, BTreeMap<Target, Option<OffsetCommitValue>>>,
    /// The producer ids with an open transaction for a partition, the last to write last.
    open: BTreeMap<Target, Vec<i64>>,
}

type Target = (GroupId, Arc<str>, i32);

/// Offsets of one group by topic; sorted, no topic without an offset.
#[derive(Debug, Default)]
pub(in super::super) struct GroupOffsets(Vec<(Arc<str>, TopicOffsets)>);

/// Offsets of one group for one topic, sorted by partition.
#[derive(Debug, Default)]
pub(in super::super) struct TopicOffsets {
    /// Holds for every entry that does not say otherwise.
    topic_id: TopicId,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    commit_timestamp_ms: i64,
    partition: i32,
    leader_epoch: i32,
    rare: Option<Box<Rare>>,
}

#[derive(Debug)]
struct Rare {
    metadata: Box<str>,
    expire_timestamp_ms: i64,
    topic_id: TopicId,
}

const NEVER: i64 = -1;
const _: () = assert!(size_of::<Entry>() == 32, "the figure in DESIGN.md");

impl PartialEq for Offsets {
    fn eq(&self, other: &Self) -> bool {
        self.pending == other.pending && self.open == other.open && self.iter_after(None).eq(other.iter_after(None))
    }
}

impl Offsets {
    /// A commit outside of transactions, or a tombstone.
    pub(in super::super) fn replay(&mut self, group: &GroupId, topic: &Arc<str>, partition: i32, value: Option<&OffsetCommitValue>) {
        let Some(value) = value else { return self.forget(group, topic, partition) };
        if !self.open.is_empty() {
            let target = (group.clone(), Arc::clone(topic), partition);
            let writers = self.open.get(&target).cloned().unwrap_or_default();
            self.empty_pending(&target, &writers);
        }
        self.put(group, topic, partition, value);
    }

    /// A commit inside of a transaction.
    pub(in super::super) fn replay_pending(
        &mut self,
        producer_id: i64,
        group: &GroupId,
        topic: &Arc<str>,
        partition: i32,
        value: &OffsetCommitValue,
    ) {
        let target = (group.clone(), Arc::clone(topic), partition);
        let writers = self.open.entry(target.clone()).or_default();
        writers.retain(|writer| *writer != producer_id);
        writers.push(producer_id);
        self.pending.entry(producer_id).or_default().insert(target, Some(value.clone()));
    }

    /// The end of a transaction.
    pub(in super::super) fn replay_marker(&mut self, producer_id: i64, commit: bool) {
        for (target, value) in self.pending.remove(&producer_id).unwrap_or_default() {
            let older = self.close(&target, producer_id);
            if let Some(value) = value.filter(|_| commit) {
                self.empty_pending(&target, &older);
                self.put(&target.0, &target.1, target.2, &value);
            }
        }
    }

    /// Takes the producer off the writers of a partition; those that wrote before it are the answer.
    fn close(&mut self, target: &Target, producer_id: i64) -> Vec<i64> {
        let Some(writers) = self.open.get_mut(target) else { return Vec::new() };
        let at = writers.iter().position(|writer| *writer == producer_id);
        let older = writers[..at.unwrap_or(0)].to_vec();
        writers.retain(|writer| *writer != producer_id);
        if writers.is_empty() {
            self.open.remove(target);
        }
        older
    }

    fn empty_pending(&mut self, target: &Target, writers: &[i64]) {
        for writer in writers {
            if let Some(value) = self.pending.get_mut(writer).and_then(|pending| pending.get_mut(target)) {
                *value = None;
            }
        }
    }

    fn put(&mut self, group: &GroupId, topic: &Arc<str>, partition: i32, value: &OffsetCommitValue) {
        match self.committed.get_mut(group) {
            Some(offsets) => offsets.put(topic, partition, value),
            None => self.committed.entry(group.clone()).or_default().put(topic, partition, value),
        }
    }

    fn forget(&mut self, group: &GroupId, topic: &Arc<str>, partition: i32) {
        if let Some(offsets) = self.committed.get_mut(group) {
            offsets.remove(topic, partition);
            if offsets.0.is_empty() {
                self.committed.remove(group);
            }
        }
        if self.open.is_empty() {
            return;
        }
        let target = (group.clone(), Arc::clone(topic), partition);
        for writer in self.open.remove(&target).unwrap_or_default() {
            if let Some(pending) = self.pending.get_mut(&writer) {
                pending.remove(&target);
                if pending.is_empty() {
                    self.pending.remove(&writer);
                }
            }
        }
    }

    /// What the group has committed.
    pub(in super::super) fn group(&self, group: &str) -> Option<&GroupOffsets> {
        self.committed.get(group)
    }

    /// What the group has committed for the partition.
    pub(in super::super) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<CommittedOffset<'_>> {
        self.group(group)?.topic(topic)?.get(partition)
    }

    /// Whether the group has offsets, committed or pending: then it exists.
    pub(in super::super) fn contains_group(&self, group: &GroupId) -> bool {
        self.committed.contains_key(group) || self.has_pending(group)
    }

    /// Whether an open transaction has an offset for the partition.
    pub(in super::super) fn is_pending(&self, group: &GroupId, topic: &Arc<str>, partition: i32) -> bool {
        !self.open.is_empty() && self.open.contains_key(&(group.clone(), Arc::clone(topic), partition))
    }

    /// Whether an open transaction has offsets of the group.
    pub(in super::super) fn has_pending(&self, group: &GroupId) -> bool {
        self.pending_of(group).next().is_some()
    }

    /// Partitions for which open transactions have offsets of the group, in order.
    pub(in super::super) fn pending_of<'a>(&'a self, group: &'a GroupId) -> impl Iterator<Item = (&'a Arc<str>, i32)> {
        let first = (group.clone(), Arc::from(""), i32::MIN);
        self.open.range(first..).take_while(move |(target, _)| target.0 == *group).map(|(target, _)| (&target.1, target.2))
    }

    /// What open transactions would commit: whose offset of what, when it was committed, the topic's id.
    pub(in super::super) fn pending_targets(&self) -> impl Iterator<Item = (OffsetTarget<'_>, i64, TopicId)> {
        self.pending.values().flatten().filter_map(|((group, topic, partition), value)| {
            let value = value.as_ref()?;
            Some((OffsetTarget { group, topic, partition: *partition }, value.commit_timestamp_ms, value.topic_id))
        })
    }

    /// Every committed offset for a topic.
    pub(in super::super) fn of_topic(&self, topic: &str) -> impl Iterator<Item = (OffsetTarget<'_>, CommittedOffset<'_>)> {
        self.committed.iter().flat_map(move |(group, offsets)| {
            offsets.position(topic).ok().into_iter().flat_map(move |at| {
                let (topic, offsets) = &offsets.0[at];
                offsets.iter().map(move |(partition, offset)| (OffsetTarget { group, topic, partition }, offset))
            })
        })
    }

    /// The first group after `last` that has offsets, committed or pending.
    pub(in super::super) fn next_group(&self, last: Option<&GroupId>) -> Option<&GroupId> {
        let committed = match last {
            None => self.committed.keys().next(),
            Some(last) => self.committed.range::<GroupId, _>((Bound::Excluded(last), Bound::Unbounded)).next().map(|(group, _)| group),
        };
        let mut open = match last {
            None => self.open.range::<Target, _>(..),
            Some(last) => self.open.range((last.clone(), Arc::from(""), i32::MIN)..),
        };
        let open = open.find(|(target, _)| Some(&target.0) != last).map(|(target, _)| &target.0);
        committed.into_iter().chain(open).min()
    }

    /// Committed offsets in order, those after `last`.
    pub(in super::super) fn iter_after<'a>(
        &'a self,
        last: Option<OffsetTarget<'_>>,
    ) -> impl Iterator<Item = (OffsetTarget<'a>, CommittedOffset<'a>)> {
        let from = last.map_or(Bound::Unbounded, |last| Bound::Included(last.group));
        let all = self.committed.range::<GroupId, _>((from, Bound::Unbounded)).flat_map(|(group, offsets)| {
            offsets.iter().flat_map(move |(topic, offsets)| {
                offsets.iter().map(move |(partition, offset)| (OffsetTarget { group, topic, partition }, offset))
            })
        });
        // Only the group of the last page is gone through twice.
        let last = last.map(|last| (last.group.clone(), Arc::clone(last.topic), last.partition));
        all.skip_while(move |(target, _)| {
            last.as_ref()
                .is_some_and(|(group, topic, partition)| (target.group, target.topic, target.partition) <= (group, topic, *partition))
        })
    }
}

impl GroupOffsets {
    fn position(&self, topic: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(topic))
    }

    fn put(&mut self, topic: &Arc<str>, partition: i32, value: &OffsetCommitValue) {
        let at = self.position(topic).unwrap_or_else(|at| {
            make_room(&mut self.0);
            self.0.insert(at, (Arc::clone(topic), TopicOffsets { topic_id: value.topic_id, entries: Vec::new() }));
            at
        });
        self.0[at].1.put(partition, value);
    }

    fn remove(&mut self, topic: &str, partition: i32) {
        let Ok(at) = self.position(topic) else { return };
        let entries = &mut self.0[at].1.entries;
        if let Ok(slot) = entries.binary_search_by_key(&partition, |entry| entry.partition) {
            entries.remove(slot);
        }
        if entries.is_empty() {
            self.0.remove(at);
        }
    }

    /// Offsets for one topic.
    pub(in super::super) fn topic(&self, topic: &str) -> Option<&TopicOffsets> {
        Some(&self.0[self.position(topic).ok()?].1)
    }

    /// Topics in order.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &TopicOffsets)> {
        self.0.iter().map(|(topic, offsets)| (topic, offsets))
    }
}

impl TopicOffsets {
    fn put(&mut self, partition: i32, value: &OffsetCommitValue) {
        let entry = Entry {
            offset: value.offset,
            commit_timestamp_ms: value.commit_timestamp_ms,
            partition,
            leader_epoch: value.leader_epoch,
            rare: self.rare(value),
        };
        match self.slot(partition) {
            Ok(slot) => self.entries[slot] = entry,
            Err(slot) => {
                make_room(&mut self.entries);
                self.entries.insert(slot, entry);
            }
        }
    }

    fn rare(&self, value: &OffsetCommitValue) -> Option<Box<Rare>> {
        let usual = value.metadata.is_empty() && value.expire_timestamp_ms == NEVER && value.topic_id == self.topic_id;
        (!usual).then(|| {
            Box::new(Rare {
                metadata: value.metadata.as_ref().into(),
                expire_timestamp_ms: value.expire_timestamp_ms,
                topic_id: value.topic_id,
            })
        })
    }

    /// Most groups have all partitions of a topic, so partition n is the nth entry.
    fn slot(&self, partition: i32) -> Result<usize, usize> {
        let guess = usize::try_from(partition).unwrap_or(usize::MAX);
        match self.entries.get(guess) {
            Some(entry) if entry.partition == partition => Ok(guess),
            _ => self.entries.binary_search_by_key(&partition, |entry| entry.partition),
        }
    }

    /// The offset for one partition.
    pub(in super::super) fn get(&self, partition: i32) -> Option<CommittedOffset<'_>> {
        Some(self.view(&self.entries[self.slot(partition).ok()?]))
    }

    /// Partitions in order.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (i32, CommittedOffset<'_>)> {
        self.entries.iter().map(|entry| (entry.partition, self.view(entry)))
    }

    fn view<'a>(&'a self, entry: &'a Entry) -> CommittedOffset<'a> {
        let rare = entry.rare.as_deref();
        CommittedOffset {
            offset: entry.offset,
            leader_epoch: entry.leader_epoch,
            metadata: rare.map_or("", |rare| &rare.metadata),
            commit_timestamp_ms: entry.commit_timestamp_ms,
            expire_timestamp_ms: rare.map(|rare| rare.expire_timestamp_ms).filter(|at| *at != NEVER),
            topic_id: rare.map_or(self.topic_id, |rare| rare.topic_id),
        }
    }
}

/// Grows by a quarter, not twofold.
fn make_room<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact(items.len() / 4 + 1);
    }
}
