//! Members that want the same topics. Groups mostly have one such class, or two while their members are replaced, so whoever works by
//! class works in proportion to partitions and not to partitions times members.

use super::GroupSpec;
use crate::metadata::TopicId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The classes of a group, numbered as they come in the order of member ids.
#[derive(Debug, Default)]
pub(super) struct Classes<'a> {
    /// What each class wants.
    pub(super) subscriptions: Vec<&'a BTreeSet<TopicId>>,
    /// The class of each member, in order of member ids.
    pub(super) of_member: Vec<usize>,
}

impl<'a> Classes<'a> {
    pub(super) fn of(spec: &'a GroupSpec) -> Self {
        let mut classes = Self::default();
        let mut by_content: BTreeMap<&BTreeSet<TopicId>, usize> = BTreeMap::new();
        // Sets are shared as a rule; then their content need not be compared.
        let mut by_address: BTreeMap<*const BTreeSet<TopicId>, usize> = BTreeMap::new();
        for member in spec.members.values() {
            let subscription = &member.subscription;
            let class = *by_address.entry(Arc::as_ptr(subscription)).or_insert_with(|| {
                *by_content.entry(subscription).or_insert_with(|| {
                    classes.subscriptions.push(subscription);
                    classes.subscriptions.len() - 1
                })
            });
            classes.of_member.push(class);
        }
        classes
    }

    /// The classes that want each topic.
    pub(super) fn by_topic(&self) -> BTreeMap<TopicId, Vec<usize>> {
        let mut by_topic: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
        for (class, subscription) in self.subscriptions.iter().enumerate() {
            for topic in *subscription {
                by_topic.entry(*topic).or_default().push(class);
            }
        }
        by_topic
    }
}
