//! A consumer group becomes a classic group, because the last member with the new protocol goes, or comes back with the old one.
//!
//! The group epoch becomes the generation, each member's target its assignment. If anything is left to rebalance the members are asked
//! to join again at once; they hold what they had until then.

use super::embedded::{self, Malformed};
use crate::group::GroupEffects;
use crate::group::assignment::Assignment;
use crate::group::classic::{self, ClassicGroup, ClassicMember};
use crate::group::consumer;
use crate::group::consumer::member::ConsumerGroupMember;
use crate::group::consumer::state::ConsumerGroup;
use crate::group::names::{GroupId, MemberId};
use crate::group::records::GroupRecord;
use crate::group::soft::Soft;
use crate::metadata::image::TopicsImage;
use crate::timers::Millis;
use bytes::Bytes;
use std::sync::Arc;

/// Whether the group becomes a classic one when these members go: somebody stays, all of them classic, and it is allowed.
pub(super) fn is_due_without(soft: &Soft, group: &ConsumerGroup, leaving: &[&ConsumerGroupMember]) -> bool {
    let classic_leaving = leaving.iter().filter(|member| member.uses_classic_protocol()).count();
    let (staying, classic_staying) = (group.members().len() - leaving.len(), group.classic_member_count() - classic_leaving);
    staying > 0 && staying == classic_staying && is_allowed(soft, staying)
}

/// Whether the group becomes a classic one when a classic member takes the place of this one.
pub(super) fn is_due_with_replaced(soft: &Soft, group: &ConsumerGroup, replaced: &ConsumerGroupMember) -> bool {
    let size = group.members().len();
    !replaced.uses_classic_protocol() && group.classic_member_count() == size - 1 && is_allowed(soft, size)
}

fn is_allowed(soft: &Soft, size: usize) -> bool {
    soft.settings.consumer_migration_policy.allows_downgrade() && size <= soft.settings.max_size
}

/// The group without those who leave, as a classic group.
pub(super) fn without(
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    leaving: &[&ConsumerGroupMember],
) -> Result<GroupEffects, Malformed> {
    let stays = |member: &&ConsumerGroupMember| leaving.iter().all(|leaver| leaver.member_id != member.member_id);
    let staying = group.members().values().filter(stays).map(|member| (member, group.target_of(member.member_id.as_str())));
    let classic = classic_group(soft, now, group, staying)?;
    Ok(install(soft, now, group_id, group, classic, true, group.tombstones(group_id)))
}

/// The group as a classic group, with a classic member in the place of a static one. The records that replace the one by the other have
/// been written already.
pub(super) fn with_replaced(
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    (replaced, joining): (&MemberId, &ConsumerGroupMember),
    rebalance: bool,
) -> Result<GroupEffects, Malformed> {
    let others = group.members().values().filter(|member| member.member_id != *replaced);
    let members = others.map(|member| (member, group.target_of(member.member_id.as_str())));
    let members = members.chain([(joining, group.target_of(replaced.as_str()))]);
    let classic = classic_group(soft, now, group, members)?;
    let mut tombstones = group.tombstones(group_id);
    for tombstone in &mut tombstones {
        if let GroupRecord::ConsumerGroupCurrentMemberAssignment { member, .. }
        | GroupRecord::ConsumerGroupTargetAssignmentMember { member, .. }
        | GroupRecord::ConsumerGroupMemberMetadata { member, .. } = tombstone
            && member == replaced
        {
            *member = joining.member_id.clone();
        }
    }
    Ok(install(soft, now, group_id, group, classic, rebalance, tombstones))
}

fn install(
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    classic: ClassicGroup,
    rebalance: bool,
    mut records: Vec<GroupRecord>,
) -> GroupEffects {
    records.push(classic.record(group_id));
    consumer::forget(soft, group_id, group);
    let mut effects = GroupEffects { records, ..GroupEffects::default() };
    effects.append(classic::install(soft, now, group_id, classic, rebalance));
    effects
}

fn classic_group<'a>(
    soft: &Soft,
    now: Millis,
    group: &ConsumerGroup,
    members: impl Iterator<Item = (&'a ConsumerGroupMember, Arc<Assignment>)>,
) -> Result<ClassicGroup, Malformed> {
    let (mut classic_members, targets): (Vec<ClassicMember>, Vec<_>) =
        members.filter_map(|(member, target)| Some((classic_member(member)?, target))).unzip();
    let protocol = super::vote(classic_members.iter().cloned());
    for (member, target) in classic_members.iter_mut().zip(&targets) {
        // In the version that the member itself speaks.
        member.assignment = assignment(&member.metadata(protocol.as_deref()), target, soft.image.topics())?;
    }
    let protocol_type = Some(embedded::PROTOCOL_TYPE.into());
    Ok(ClassicGroup::with_members(Some(now), group.group_epoch, protocol_type, protocol, None, classic_members))
}

fn classic_member(member: &ConsumerGroupMember) -> Option<ClassicMember> {
    let metadata = &member.metadata;
    let classic = metadata.classic.as_ref()?;
    Some(ClassicMember::new(
        member.member_id.clone(),
        metadata.instance_id.clone(),
        (Arc::clone(&metadata.client_id), Arc::clone(&metadata.client_host)),
        metadata.rebalance_timeout_ms,
        classic.session_timeout_ms,
        classic.supported_protocols.clone(),
        Bytes::new(),
    ))
}

/// Partitions in the consumer's own bytes; topics that do not exist any more are left out.
pub(super) fn assignment(metadata: &[u8], assignment: &Assignment, topics: &TopicsImage) -> Result<Bytes, Malformed> {
    let named = assignment.0.iter().filter_map(|(topic, partitions)| Some((topics.by_id(*topic)?.name.as_str(), partitions)));
    let partitions: Vec<(&str, Vec<i32>)> = named.map(|(name, partitions)| (name, partitions.iter().copied().collect())).collect();
    embedded::write_assignment(metadata, &partitions)
}
