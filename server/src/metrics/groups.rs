//! Groups, committed offsets and transactions of the coordinators here.

use super::Detail;
use crate::broker::Node;
use crate::lag::{LagQuery, PartitionLag, lags};
use crate::limits;
use ottla_coordinator::group::{GroupId, GroupSummary};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Groups copied out of a shard under its lock.
const PAGE_GROUPS: usize = 1_000;

/// What is told of groups and transactions.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// How many there are, by type and state.
    pub(super) by_state: BTreeMap<(&'static str, &'static str), u64>,
    /// By id. Empty unless asked for.
    pub(super) groups: Vec<GroupRow>,
    /// By group, then by topic.
    pub(super) topics: Vec<GroupTopicRow>,
    /// By group, topic and partition.
    pub(super) offsets: Vec<PartitionLag>,
    /// There were more offsets.
    pub(super) cut: bool,
    /// Transactional ids by the state of their last transaction.
    pub(super) transactions: BTreeMap<&'static str, u64>,
}

/// One group.
#[derive(Debug)]
pub(super) struct GroupRow {
    pub(super) id: GroupId,
    pub(super) members: usize,
    /// `None` without committed offsets.
    pub(super) lag: Option<GroupLag>,
}

/// How far behind a group is, over all its offsets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupLag {
    pub(super) sum: i64,
    pub(super) max: i64,
    /// `None` when no log could say.
    pub(super) max_ms: Option<i64>,
}

impl GroupLag {
    fn add(&mut self, offset: &PartitionLag) {
        self.sum = self.sum.saturating_add(offset.lag_records);
        self.max = self.max.max(offset.lag_records);
        self.max_ms = self.max_ms.max(offset.lag_ms);
    }
}

/// One group on one topic.
#[derive(Debug)]
pub(super) struct GroupTopicRow {
    pub(super) group: GroupId,
    pub(super) topic: Arc<str>,
    pub(super) offset_sum: i64,
    pub(super) lag_sum: i64,
}

impl Groups {
    /// Copies it. Reads logs, for lag in time.
    pub(super) fn look(node: &Node, detail: Detail) -> Self {
        let mut groups = Self::default();
        for place in 0..node.groups.runtime.places() {
            let mut last: Option<GroupId> = None;
            while let Some(page) = page_of(node, place, last.as_ref()) {
                for group in &page {
                    *groups.by_state.entry((group.group_type, group.state)).or_default() += 1;
                    if detail >= Detail::Topic {
                        groups.groups.push(GroupRow { id: group.id.clone(), members: group.members, lag: None });
                    }
                }
                last = page.into_iter().next_back().map(|group| group.id);
            }
        }
        groups.look_at_transactions(node);
        if detail >= Detail::Topic {
            let found = lags(node, LagQuery { group: None, rows_max: limits::TOLD_OFFSETS_MAX });
            (groups.offsets, groups.cut) = (found.rows, found.cut);
            groups.sum_up();
        }
        groups
    }

    fn sum_up(&mut self) {
        self.offsets.sort_by(|a, b| (&a.group, &a.topic, a.partition).cmp(&(&b.group, &b.topic, b.partition)));
        self.groups.sort_by(|a, b| a.id.cmp(&b.id));
        for offset in &self.offsets {
            if let Ok(at) = self.groups.binary_search_by(|group| group.id.cmp(&offset.group)) {
                self.groups[at].lag.get_or_insert_default().add(offset);
            }
            match self.topics.last_mut().filter(|last| last.group == offset.group && last.topic == offset.topic) {
                Some(topic) => {
                    topic.offset_sum = topic.offset_sum.saturating_add(offset.committed_offset);
                    topic.lag_sum = topic.lag_sum.saturating_add(offset.lag_records);
                }
                None => self.topics.push(GroupTopicRow {
                    group: offset.group.clone(),
                    topic: Arc::clone(&offset.topic),
                    offset_sum: offset.committed_offset,
                    lag_sum: offset.lag_records,
                }),
            }
        }
    }

    fn look_at_transactions(&mut self, node: &Node) {
        for place in 0..node.txns.runtime.places() {
            node.txns.runtime.inspect_at(place, |shard| {
                for (_, transaction) in shard.transactions() {
                    *self.transactions.entry(transaction.state.name()).or_default() += 1;
                }
            });
        }
    }

    /// How many groups of this type there are, in this state or in any.
    pub(super) fn count(&self, group_type: &str, state: Option<&str>) -> u64 {
        let fits = |key: &(&str, &str)| key.0 == group_type && state.is_none_or(|state| key.1 == state);
        self.by_state.iter().filter(|(key, _)| fits(key)).map(|(_, count)| count).sum()
    }
}

/// The next groups of a shard; `None` when there are no more, or no shard.
fn page_of(node: &Node, place: usize, last: Option<&GroupId>) -> Option<Vec<GroupSummary>> {
    let page = node.groups.runtime.inspect_at(place, |shard| shard.groups_after(last).take(PAGE_GROUPS).collect::<Vec<_>>());
    page.filter(|page| !page.is_empty())
}
