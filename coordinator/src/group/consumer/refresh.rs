//! Subscriptions by regular expression: when they are looked at, and what they resolve to.
//!
//! All expressions of a group are resolved together, so that new topics cost one rebalance. Kafka filters what the member may not
//! describe; here everything is allowed until there is an authorizer.

use super::super::records::{ConsumerGroupRegularExpressionValue, GroupRecord};
use super::super::soft::Soft;
use super::change::GroupChange;
use super::member::ConsumerGroupMember;
use super::regex::TopicRegex;
use super::subscription::{count_down, count_up};
use crate::metadata::ApiError;
use crate::metadata::image::MetadataImage;
use kafka_protocol::ResponseError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The least time between two looks at a group's expressions.
const MIN_INTERVAL_MS: i64 = 10_000;

/// What a heartbeat did to its member's regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum RegexUpdate {
    /// Nothing.
    Unchanged,
    /// It is new and not resolved yet: the group epoch rises when it is.
    Changed,
    /// It is gone, or another member's that is resolved: the group epoch rises now.
    ChangedAndResolved,
}

impl GroupChange<'_> {
    /// Takes over a changed expression; plans to resolve all of them if that is due.
    pub(in crate::group) fn update_regex(
        &mut self,
        soft: &Soft,
        old: &ConsumerGroupMember,
        new: &ConsumerGroupMember,
    ) -> Result<RegexUpdate, ApiError> {
        let mut update = RegexUpdate::Unchanged;
        let mut due = false;
        if old.metadata.subscribed_topic_regex != new.metadata.subscribed_topic_regex {
            update = RegexUpdate::Changed;
            if let Some(regex) = old.regex()
                && self.group.members_with_regex(regex) == 1
            {
                self.delete_regex(regex);
            }
            match new.regex() {
                Some(regex) if self.group.members_with_regex(regex) == 0 => {
                    TopicRegex::compile(regex)
                        .map_err(|error| ApiError::new(ResponseError::InvalidRegularExpression, error.to_string()))?;
                    due = true;
                }
                Some(regex) if self.group.resolved_regexes().contains_key(regex) => update = RegexUpdate::ChangedAndResolved,
                None if old.regex().is_some() => update = RegexUpdate::ChangedAndResolved,
                _ => {}
            }
        }
        self.refresh_regexes = self.is_refresh_due(soft, old, new, due);
        Ok(update)
    }

    pub(super) fn delete_regex(&mut self, regex: &Arc<str>) {
        self.records.push(GroupRecord::ConsumerGroupRegularExpression {
            group: self.group_id.clone(),
            regex: Arc::clone(regex),
            value: None,
        });
    }

    fn is_refresh_due(&self, soft: &Soft, old: &ConsumerGroupMember, new: &ConsumerGroupMember, has_new_regex: bool) -> bool {
        if !has_new_regex && self.group.regex_members().is_empty() {
            return false;
        }
        // They are resolved together: any of them speaks for all.
        let last = self.group.resolved_regexes().values().next();
        let since_ms = last.map_or(i64::MAX, |last| self.now.0.saturating_sub(last.timestamp_ms));
        if since_ms <= MIN_INTERVAL_MS {
            return false;
        }
        let mut regexes = self.group.regex_members().clone();
        if let Some(regex) = old.regex() {
            count_down(&mut regexes, regex);
        }
        if let Some(regex) = new.regex() {
            count_up(&mut regexes, regex);
        }
        let due = has_new_regex
            || regexes.len() != self.group.resolved_regexes().len()
            || last.map_or(0, |last| last.version) < soft.consumer.last_new_topics_version
            || since_ms > soft.settings.consumer_regex_refresh_interval_ms;
        due && !regexes.is_empty()
    }
}

/// Resolves every expression of the group and bumps its epoch if a match or a topic has changed.
pub(super) fn resolve_all(change: &mut GroupChange<'_>, soft: &mut Soft) {
    let group = change.group;
    let mut topics = group.topics().clone();
    let mut bump = false;
    for regex in group.regex_members().keys() {
        let matches = matching_topics(regex, &soft.image);
        let old = group.resolved_regexes().get(regex);
        let nothing = BTreeSet::new();
        let old_matches = old.map_or(&nothing, |old| &old.topics);
        if *old_matches != matches {
            bump = true;
            topics.remove_matches(old_matches);
            topics.add_matches(&matches);
        }
        let version = soft.image.provenance().last_offset;
        let value = Some(ConsumerGroupRegularExpressionValue { topics: matches, version, timestamp_ms: change.now.0 });
        let record = GroupRecord::ConsumerGroupRegularExpression { group: change.group_id.clone(), regex: Arc::clone(regex), value };
        change.records.push(record);
    }
    let metadata_hash = soft.consumer.topic_hashes.group_hash(&topics, &soft.image);
    if bump || metadata_hash != group.metadata_hash {
        change.write_group_epoch(group.group_epoch + 1, metadata_hash);
        soft.consumer.refreshed(change.now, change.group_id);
    }
}

/// The topics that match. An expression of the log that does not compile here matches nothing.
fn matching_topics(regex: &str, image: &MetadataImage) -> BTreeSet<Arc<str>> {
    let Ok(regex) = TopicRegex::compile(regex) else { return BTreeSet::new() };
    image.topics().iter().filter(|topic| regex.matches(topic.name.as_str())).map(|topic| Arc::from(topic.name.as_str())).collect()
}
