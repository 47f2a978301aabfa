//! A group, of whatever kind: what offsets and admin requests ask of it.
//!
//! A group that only has offsets needs no entry anywhere: it is an empty classic group without a protocol type as long as it has them.

use super::classic::{self, ClassicGroup, ClassicState};
use super::consumer;
use super::consumer::commit::{CommitCheck, Committer};
use super::consumer::state::ConsumerGroup;
use super::hard::Hard;
use super::names::GroupId;
use super::records::GroupRecord;
use super::soft::Soft;
use super::{GroupEffects, GroupSummary};
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use std::ops::Bound;

/// One group.
#[derive(Clone, Copy, Debug)]
pub(super) enum Group<'a> {
    /// KIP-848.
    Consumer(&'a ConsumerGroup),
    /// JoinGroup and SyncGroup.
    Classic(&'a ClassicGroup),
    /// Nothing but offsets.
    Simple,
}

/// The group with this id.
pub(super) fn find<'a>(hard: &'a Hard, soft: &'a Soft, id: &GroupId) -> Option<Group<'a>> {
    if let Some(group) = hard.consumer.get(id) {
        Some(Group::Consumer(group))
    } else if let Some(group) = soft.classic.get(id) {
        Some(Group::Classic(group))
    } else {
        hard.offsets.contains_group(id).then_some(Group::Simple)
    }
}

/// The first group after `last`.
pub(super) fn next(hard: &Hard, soft: &Soft, last: Option<&GroupId>) -> Option<GroupId> {
    let after = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    let consumer = hard.consumer.range::<GroupId, _>(after).next().map(|(id, _)| id);
    let classic = soft.classic.range::<GroupId, _>(after).next().map(|(id, _)| id);
    [consumer, classic, hard.offsets.next_group(last)].into_iter().flatten().min().cloned()
}

/// All groups in order.
pub(super) fn all<'a>(hard: &'a Hard, soft: &'a Soft) -> impl Iterator<Item = (GroupId, Group<'a>)> {
    all_after(hard, soft, None)
}

/// All groups after `last`, in order.
pub(super) fn all_after<'a>(
    hard: &'a Hard,
    soft: &'a Soft,
    last: Option<&GroupId>,
) -> impl Iterator<Item = (GroupId, Group<'a>)> + use<'a> {
    let ids = std::iter::successors(next(hard, soft, last), |last| next(hard, soft, Some(last)));
    ids.filter_map(|id| find(hard, soft, &id).map(|group| (id, group)))
}

impl<'a> Group<'a> {
    /// Whether it takes a commit from this one.
    pub(super) fn check_commit(self, id: &GroupId, committer: &Committer<'_>) -> Result<CommitCheck<'a>, ResponseError> {
        let Committer { member_id, instance_id, epoch, transactional, .. } = *committer;
        match self {
            Self::Consumer(group) => group.validate_offset_commit(id.as_str(), committer).map_err(|error| error.error),
            Self::Classic(group) => group.validate_offset_commit(member_id, instance_id, epoch, transactional).map(|()| CommitCheck::Any),
            Self::Simple if epoch < 0 => Ok(CommitCheck::Any),
            Self::Simple => Err(ResponseError::UnknownMemberId),
        }
    }

    /// Whether it shows its offsets to this one.
    pub(super) fn check_fetch(self, id: &GroupId, member_id: Option<&str>, member_epoch: i32) -> Result<(), ResponseError> {
        match self {
            Self::Consumer(group) => group.validate_offset_fetch(id.as_str(), member_id, member_epoch).map_err(|error| error.error),
            Self::Classic(_) | Self::Simple => Ok(()),
        }
    }

    /// Whether OffsetDelete may run; topics that it is subscribed to are still refused.
    pub(super) fn check_offset_delete(self) -> Result<(), ResponseError> {
        match self {
            Self::Classic(group) => group.validate_offset_delete(),
            Self::Consumer(_) | Self::Simple => Ok(()),
        }
    }

    /// Whether DeleteGroups may run.
    pub(super) fn check_delete(self) -> Result<(), ResponseError> {
        match self {
            Self::Consumer(group) if !group.is_empty() => Err(ResponseError::NonEmptyGroup),
            Self::Classic(group) => group.validate_delete(),
            Self::Consumer(_) | Self::Simple => Ok(()),
        }
    }

    /// Whether a member reads the topic.
    pub(super) fn is_subscribed_to(self, topic: &str) -> bool {
        match self {
            Self::Consumer(group) => group.is_subscribed_to(topic),
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Simple => false,
        }
    }

    /// When the retention of an offset begins; `None` while it must be kept.
    pub(super) fn retention_begins(self, committed_at: Millis) -> Option<Millis> {
        match self {
            Self::Classic(group) => group.retention_begins(committed_at),
            Self::Consumer(_) | Self::Simple => Some(committed_at),
        }
    }

    /// The group in short.
    pub(super) fn summary(self, id: GroupId) -> GroupSummary {
        let (group_type, state, members) = match self {
            Self::Consumer(group) => ("consumer", group.state().name(), group.members().len()),
            Self::Classic(group) => ("classic", group.state().name(), group.members().len()),
            Self::Simple => ("classic", ClassicState::Empty.name(), 0),
        };
        GroupSummary { id, group_type, state, members }
    }

    /// Whether it has no members.
    pub(super) fn is_empty(self) -> bool {
        match self {
            Self::Consumer(group) => group.is_empty(),
            Self::Classic(group) => group.is_empty(),
            Self::Simple => true,
        }
    }
}

/// Deletes an empty group: its tombstones, those of offsets not among them. Its timers and what it has in soft state go at once.
pub(super) fn delete(hard: &Hard, soft: &mut Soft, now: Millis, id: &GroupId) -> GroupEffects {
    let mut effects = classic::uninstall(soft, now, id.as_str(), ResponseError::CoordinatorNotAvailable);
    match hard.consumer.get(id) {
        Some(group) => effects.records.append(&mut consumer::delete(soft, id, group)),
        None => effects.records.push(GroupRecord::GroupMetadata { group: id.clone(), value: None }),
    }
    effects
}

/// Keeps a group that only has offsets, when they go, until the next look for expired offsets, as Kafka does.
pub(super) fn outlive_offsets(hard: &Hard, soft: &mut Soft, now: Millis, id: &GroupId) {
    if let Some(Group::Simple) = find(hard, soft, id) {
        soft.classic.insert(id.clone(), ClassicGroup::empty(now));
    }
}
