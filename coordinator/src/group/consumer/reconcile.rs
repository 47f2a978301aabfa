//! Brings one member closer to its target: first it gives up what is not its own any more, then it gets what nobody else holds.

use super::super::soft::{Soft, TimerKey};
use super::ConsumerTimer;
use super::change::GroupChange;
use super::member::{ConsumerGroupMember, MemberState, PartitionEpochs};
use super::state::ConsumerGroup;
use super::target::Target;
use crate::metadata::image::TopicsImage;
use crate::metadata::{ApiError, TopicId};
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a member says it holds; a topic may be named without partitions.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct Owned(pub(in crate::group) BTreeMap<TopicId, BTreeSet<i32>>);

impl Owned {
    /// Whether all of it is among these partitions.
    pub(in crate::group) fn is_within(&self, partitions: &PartitionEpochs) -> bool {
        self.0.iter().all(|(topic, owned)| {
            let held = partitions.0.get(topic);
            held.is_some_and(|held| owned.iter().all(|partition| held.contains_key(partition)))
        })
    }

    fn overlaps(&self, partitions: &PartitionEpochs) -> bool {
        self.0.iter().any(|(topic, owned)| owned.iter().any(|partition| partitions.contains(*topic, *partition)))
    }
}

impl GroupChange<'_> {
    /// Moves the member on if it can be moved, writes where it stands then, and sets or cancels its rebalance timer.
    ///
    /// `owned` is `None` when the member did not say.
    pub(in crate::group) fn reconcile(
        &mut self,
        soft: &mut Soft,
        member: ConsumerGroupMember,
        target: &Target,
        subscription_changed: bool,
        owned: Option<&Owned>,
    ) -> Result<ConsumerGroupMember, ApiError> {
        if !subscription_changed && member.is_reconciled_to(target.epoch) {
            return Ok(member);
        }
        let topics = soft.image.topics();
        let step = Step { group: self.group, member: &member, target, subscription_changed, owned, topics };
        let updated = step.next()?;
        assert!(member.state.may_become(updated.state), "no step from {:?} to {:?}", member.state, updated.state);
        if updated == member {
            return Ok(member);
        }
        self.records.push(updated.current_assignment_record(self.group_id));
        // A classic member has timers for joining and for asking for its assignment instead.
        if !updated.uses_classic_protocol() {
            let timer = TimerKey::Consumer(ConsumerTimer::Rebalance(self.group_id.clone(), updated.member_id.clone()));
            if updated.state == MemberState::UnrevokedPartitions {
                let timeout_ms = i64::from(updated.metadata.rebalance_timeout_ms);
                soft.timers.set(timer, Millis(self.now.0.saturating_add(timeout_ms)));
            } else {
                soft.timers.cancel(&timer);
            }
        }
        Ok(updated)
    }
}

struct Step<'a> {
    group: &'a ConsumerGroup,
    member: &'a ConsumerGroupMember,
    target: &'a Target,
    subscription_changed: bool,
    owned: Option<&'a Owned>,
    topics: &'a TopicsImage,
}

impl Step<'_> {
    fn next(&self) -> Result<ConsumerGroupMember, ApiError> {
        let member = self.member;
        Ok(match member.state {
            MemberState::Stable if member.member_epoch != self.target.epoch => self.towards_target(member.member_epoch),
            MemberState::UnrevokedPartitions if !self.still_owns(&member.pending_revocation) => self.towards_target(member.member_epoch),
            MemberState::Stable | MemberState::UnrevokedPartitions if self.subscription_changed => self.within_subscription(),
            MemberState::Stable | MemberState::UnrevokedPartitions => member.clone(),
            MemberState::UnreleasedPartitions => self.towards_target(member.member_epoch),
            MemberState::Unknown => {
                if self.owned.is_none_or(|owned| !owned.0.is_empty()) {
                    let text = "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.";
                    return Err(ApiError::new(ResponseError::FencedMemberEpoch, text));
                }
                self.towards_target(self.target.epoch)
            }
        })
    }

    /// Whether the member may still hold some of these. One that does not say may.
    fn still_owns(&self, partitions: &PartitionEpochs) -> bool {
        self.owned.is_none_or(|owned| owned.overlaps(partitions))
    }

    fn has_subscription(&self) -> bool {
        !self.member.metadata.subscribed_topic_names.is_empty() || self.matches().is_some_and(|matches| !matches.is_empty())
    }

    /// What the member's regular expression resolved to. One that is not resolved yet matches nothing.
    fn matches(&self) -> Option<&BTreeSet<Arc<str>>> {
        Some(&self.group.resolved_regexes().get(self.member.regex()?)?.topics)
    }

    fn is_subscribed_to(&self, topic: TopicId) -> bool {
        let Some(topic) = self.topics.by_id(topic) else { return false };
        let name = topic.name.as_str();
        self.member.metadata.subscribed_topic_names.contains(name) || self.matches().is_some_and(|matches| matches.contains(name))
    }

    /// Between two targets: only takes away topics that the member has just unsubscribed from.
    fn within_subscription(&self) -> ConsumerGroupMember {
        let member = self.member;
        let mut assigned = PartitionEpochs::default();
        let mut pending = member.pending_revocation.clone();
        for (topic, partition, epoch) in member.assigned.iter() {
            let to = if self.is_subscribed_to(topic) { &mut assigned } else { &mut pending };
            to.insert(topic, partition, epoch);
        }
        // Kafka writes a record for a member without subscription and revocations even when it had nothing to lose.
        let always = !self.has_subscription() && member.pending_revocation.is_empty();
        if assigned == member.assigned && !always {
            return member.clone();
        }
        let mut updated = with_epoch(member, member.member_epoch);
        updated.assigned = assigned;
        if !pending.is_empty() && self.still_owns(&pending) {
            updated.state = MemberState::UnrevokedPartitions;
            updated.pending_revocation = pending;
        }
        updated
    }

    /// Towards the target: what must go, what may come, what is still missing.
    fn towards_target(&self, member_epoch: i32) -> ConsumerGroupMember {
        let member = self.member;
        let mut kept = PartitionEpochs::default();
        let mut revoked = PartitionEpochs::default();
        for (topic, partition, epoch) in member.assigned.iter() {
            let wanted = self.target.assignment.contains(topic, partition) && self.is_subscribed_to(topic);
            let to = if wanted { &mut kept } else { &mut revoked };
            to.insert(topic, partition, epoch);
        }
        if !revoked.is_empty() && self.still_owns(&revoked) {
            let mut updated = with_epoch(member, member_epoch);
            updated.state = MemberState::UnrevokedPartitions;
            updated.assigned = kept;
            updated.pending_revocation = revoked;
            return updated;
        }
        let mut unreleased = false;
        for (topic, partitions) in self.target.assignment.0.iter().filter(|(topic, _)| self.is_subscribed_to(**topic)) {
            for partition in partitions.iter().filter(|partition| !member.assigned.contains(*topic, **partition)) {
                // What the member itself has to give up counts as free: nobody else can have it meanwhile.
                if self.group.is_held(*topic, *partition) && !member.pending_revocation.contains(*topic, *partition) {
                    unreleased = true;
                } else {
                    kept.insert(*topic, *partition, self.target.epoch);
                }
            }
        }
        let mut updated = with_epoch(member, self.target.epoch);
        updated.state = if unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        updated.assigned = kept;
        updated.pending_revocation = PartitionEpochs::default();
        updated
    }
}

/// The member at its next epoch, which may be the same.
fn with_epoch(member: &ConsumerGroupMember, epoch: i32) -> ConsumerGroupMember {
    ConsumerGroupMember { member_epoch: epoch, previous_member_epoch: member.member_epoch, ..member.clone() }
}
