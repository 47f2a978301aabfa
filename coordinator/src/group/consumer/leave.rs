//! How members go: by their own word, or because they were not heard of.

use super::super::hard::Hard;
use super::super::names::GroupId;
use super::super::soft::Soft;
use super::super::{GroupEffects, GroupReply, migration};
use super::commit::unknown_member;
use super::join::{expected_static_member, not_a_consumer_group, not_found};
use super::member::{ConsumerGroupMember, LEAVE_GROUP_STATIC_MEMBER_EPOCH, PartitionEpochs, removal_records};
use super::state::ConsumerGroup;
use super::subscription::{SubscribedTopics, count_up};
use super::{GroupChange, cancel_timers};
use crate::effects::Ticket;
use crate::metadata::ApiError;
use crate::timers::Millis;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A heartbeat with epoch -1 or -2.
pub(super) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<GroupEffects, ApiError> {
    let group_id = GroupId::from(request.group_id.as_str());
    let group = existing_group(hard, soft, &group_id)?;
    let member_id = request.member_id.as_str();
    let response =
        ConsumerGroupHeartbeatResponse::default().with_member_id(Some(request.member_id.clone())).with_member_epoch(request.member_epoch);
    let member = match &request.instance_id {
        None => group.member(member_id).ok_or_else(|| unknown_member(group_id.as_str(), member_id))?,
        Some(instance_id) => expected_static_member(group, member_id, instance_id)?,
    };
    let mut effects = if request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        static_leave(&group_id, member)
    } else {
        fence(hard, soft, now, &group_id, group, &[member])
    };
    effects.replies.push((ticket, GroupReply::ConsumerGroupHeartbeat(response)));
    Ok(effects)
}

fn existing_group<'a>(hard: &'a Hard, soft: &Soft, group_id: &GroupId) -> Result<&'a ConsumerGroup, ApiError> {
    match hard.consumer.get(group_id) {
        Some(group) => Ok(group),
        None if soft.classic.contains_key(group_id) || hard.offsets.contains_group(group_id) => Err(not_a_consumer_group(group_id)),
        None => Err(not_found(format!("Group {group_id} not found."))),
    }
}

/// A static member goes for a while: its partitions wait for it until its session ends.
fn static_leave(group_id: &GroupId, member: &ConsumerGroupMember) -> GroupEffects {
    let leaving = ConsumerGroupMember {
        member_epoch: LEAVE_GROUP_STATIC_MEMBER_EPOCH,
        pending_revocation: PartitionEpochs::default(),
        // Whoever comes back under a new member id has had them from its own epoch 0 on.
        assigned: member.assigned.at_epoch_zero(),
        ..member.clone()
    };
    GroupEffects { records: vec![leaving.current_assignment_record(group_id)], ..GroupEffects::default() }
}

/// Removes members and bumps the group epoch. If only classic members are left the group may become a classic one.
pub(in crate::group) fn fence(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    members: &[&ConsumerGroupMember],
) -> GroupEffects {
    if members.is_empty() {
        return GroupEffects::default();
    }
    if let Some(effects) = migration::downgrade_without(hard, soft, now, group_id, group, members) {
        return effects;
    }
    let mut change = GroupChange::new(now, group_id, group, Vec::new());
    for member in members {
        change.records.extend(removal_records(group_id, &member.member_id));
    }
    let regexes = regexes_only_of(group, members);
    for regex in &regexes {
        change.delete_regex(regex);
    }
    let topics = SubscribedTopics::without(group, members, &regexes);
    let metadata_hash = soft.consumer.topic_hashes.group_hash(&topics, &soft.image);
    change.write_group_epoch(group.group_epoch + 1, metadata_hash);
    for member in members {
        cancel_timers(soft, group_id, &member.member_id);
    }
    GroupEffects { records: change.records, ..GroupEffects::default() }
}

/// The regular expressions that nobody else subscribes to.
fn regexes_only_of(group: &ConsumerGroup, members: &[&ConsumerGroupMember]) -> BTreeSet<Arc<str>> {
    let mut counts = BTreeMap::new();
    for regex in members.iter().filter_map(|member| member.regex()) {
        count_up(&mut counts, regex);
    }
    counts.into_iter().filter(|(regex, count)| group.members_with_regex(regex) == *count).map(|(regex, _)| regex).collect()
}
