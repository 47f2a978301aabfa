//! Who subscribes to what, counted, and what the counts would be after a change.

use super::member::ConsumerGroupMember;
use super::state::ConsumerGroup;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a topic is subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SubscriptionCount {
    /// Members that name it.
    by_name: usize,
    /// Resolved regular expressions that match it.
    by_regex: usize,
}

/// The topics of a group; one that nobody subscribes to is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct SubscribedTopics(BTreeMap<Arc<str>, SubscriptionCount>);

impl SubscribedTopics {
    pub(in crate::group) fn contains(&self, topic: &str) -> bool {
        self.0.contains_key(topic)
    }

    /// Names in order.
    pub(in crate::group) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    pub(in crate::group) fn add_names(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            self.0.entry(Arc::clone(topic)).or_default().by_name += 1;
        }
    }

    pub(in crate::group) fn remove_names(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            self.change(topic, |count| count.by_name = count.by_name.saturating_sub(1));
        }
    }

    pub(in crate::group) fn add_matches(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            self.0.entry(Arc::clone(topic)).or_default().by_regex += 1;
        }
    }

    pub(in crate::group) fn remove_matches(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            self.change(topic, |count| count.by_regex = count.by_regex.saturating_sub(1));
        }
    }

    fn change(&mut self, topic: &Arc<str>, change: impl FnOnce(&mut SubscriptionCount)) {
        let Some(count) = self.0.get_mut(topic) else { return };
        change(count);
        if *count == SubscriptionCount::default() {
            self.0.remove(topic);
        }
    }

    /// The topics of the group once `old` has become `new`. What a new regular expression matches is counted when its record is
    /// replayed, not here.
    pub(in crate::group) fn after_update(group: &ConsumerGroup, old: &ConsumerGroupMember, new: &ConsumerGroupMember) -> Self {
        let mut topics = group.topics().clone();
        if old.metadata.subscribed_topic_names != new.metadata.subscribed_topic_names {
            topics.remove_names(&old.metadata.subscribed_topic_names);
            topics.add_names(&new.metadata.subscribed_topic_names);
        }
        if let Some(regex) = old.regex()
            && new.regex() != Some(regex)
            && group.members_with_regex(regex) == 1
        {
            topics.forget_regex(group, regex);
        }
        topics
    }

    /// The topics of the group without some of its members, and without the regular expressions that go with them.
    pub(in crate::group) fn without(group: &ConsumerGroup, members: &[&ConsumerGroupMember], regexes: &BTreeSet<Arc<str>>) -> Self {
        let mut topics = group.topics().clone();
        for member in members {
            topics.remove_names(&member.metadata.subscribed_topic_names);
        }
        for regex in regexes {
            topics.forget_regex(group, regex);
        }
        topics
    }

    fn forget_regex(&mut self, group: &ConsumerGroup, regex: &Arc<str>) {
        if let Some(resolved) = group.resolved_regexes().get(regex) {
            self.remove_matches(&resolved.topics);
        }
    }
}

/// Adds one.
pub(in crate::group) fn count_up(counts: &mut BTreeMap<Arc<str>, usize>, key: &Arc<str>) {
    *counts.entry(Arc::clone(key)).or_default() += 1;
}

/// Takes one away; nothing is counted as zero.
pub(in crate::group) fn count_down(counts: &mut BTreeMap<Arc<str>, usize>, key: &Arc<str>) {
    let Some(count) = counts.get_mut(key) else { return };
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
    }
}
