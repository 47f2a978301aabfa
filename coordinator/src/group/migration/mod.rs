//! Groups that change their protocol while they have members, and classic members of consumer groups.
//!
//! `GroupShard`'s doors come here with requests of the classic protocol to a group that is a consumer group; `consumer/` asks
//! `upgrade` and `downgrade_without`. A conversion is one batch: the tombstones of the old kind and the records of the new one. Which
//! way is open says `group.consumer.migration.policy`.
//!
//! | group | what happens | becomes |
//! |---|---|---|
//! | classic, members | a member comes with the new protocol | consumer; generation = group epoch, then a rebalance |
//! | classic, empty | the same | consumer, new |
//! | consumer, some of the new protocol | a classic member joins | stays; the member has a classic side |
//! | consumer, one of the new protocol | it leaves or is fenced | classic; group epoch = generation, and a rebalance |
//! | consumer, one static member of the new protocol | it comes back with the classic one | classic; a rebalance if its topics changed |
//! | consumer, empty | a classic member joins | classic, new |
//!
//! | file | one thought |
//! |---|---|
//! | `upgrade.rs` `downgrade.rs` | the two conversions |
//! | `join.rs` `members.rs` | JoinGroup; SyncGroup, Heartbeat and LeaveGroup |
//! | `embedded.rs` | the consumer's bytes in the classic protocol |

mod downgrade;
mod embedded;
mod join;
mod members;
#[cfg(test)]
mod tests;
mod upgrade;

use super::classic::{ClassicGroup, ClassicMember};
use super::consumer::join::not_a_consumer_group;
use super::consumer::member::ConsumerGroupMember;
use super::consumer::state::ConsumerGroup;
use super::consumer::{self, ConsumerTimer};
use super::hard::Hard;
use super::names::GroupId;
use super::records::GroupRecord;
use super::soft::Soft;
use super::{Caller, GroupEffects, GroupReply, classic};
use crate::effects::Ticket;
use crate::metadata::image::TopicsImage;
use crate::metadata::{ApiError, TopicId};
use crate::timers::Millis;
use embedded::Malformed;
use kafka_protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest};
use std::sync::Arc;

pub(super) fn join_group(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &JoinGroupRequest,
) -> GroupEffects {
    match hard.consumer.get_key_value(&*request.group_id.0) {
        None => classic::join_group::handle(hard, soft, now, ticket, caller, request),
        Some((group_id, group)) if group.is_empty() => join::to_empty_group(hard, soft, now, ticket, caller, request, (group_id, group)),
        Some((group_id, group)) => join::Join { now, ticket, caller, request, group_id, group }.run(soft),
    }
}

pub(super) fn sync_group(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, request: &SyncGroupRequest) -> GroupEffects {
    match hard.consumer.get_key_value(&*request.group_id.0) {
        None => classic::sync_group::handle(hard, soft, now, ticket, request),
        Some((group_id, group)) => members::sync_reply(ticket, members::sync(soft, now, group_id, group, request)),
    }
}

pub(super) fn heartbeat(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, request: &HeartbeatRequest) -> GroupEffects {
    match hard.consumer.get_key_value(&*request.group_id.0) {
        None => classic::heartbeat::handle(hard, soft, now, ticket, request),
        Some((group_id, group)) => members::heartbeat_reply(ticket, members::heartbeat(soft, now, group_id, group, request)),
    }
}

pub(super) fn leave_group(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &LeaveGroupRequest,
) -> GroupEffects {
    let Some((group_id, group)) = hard.consumer.get_key_value(&*request.group_id.0) else {
        return classic::leave_group::handle(hard, soft, now, ticket, caller, request);
    };
    let (leaving, responses) = members::leaving(group_id, group, &request.members);
    let mut effects = consumer::leave::fence(hard, soft, now, group_id, group, &leaving);
    effects.replies.push((ticket, GroupReply::LeaveGroup(LeaveGroupResponse::default().with_members(responses))));
    effects
}

/// A live classic group with members as a consumer group, and the records that make it one. Changes nothing: the heartbeat that asks may
/// still be refused.
pub(super) fn upgrade(soft: &Soft, group_id: &GroupId) -> Result<(ConsumerGroup, Vec<GroupRecord>), ApiError> {
    let classic = soft.classic.get(group_id).ok_or_else(|| not_a_consumer_group(group_id))?;
    upgrade::convert(soft, group_id, classic)
}

/// The upgrade goes through, and the classic group has been uninstalled: starts the sessions of its members.
pub(super) fn upgraded(soft: &mut Soft, now: Millis, group_id: &GroupId, group: &ConsumerGroup) {
    for member in group.members().values() {
        if let Some(classic) = &member.metadata.classic {
            let timer = ConsumerTimer::Session(group_id.clone(), member.member_id.clone());
            consumer::set_timer(soft, now, timer, classic.session_timeout_ms);
        }
    }
}

/// Everything it takes to go on as a classic group without `leaving`, if only classic members are left and it is allowed. A group whose
/// members' bytes cannot be read stays what it is.
pub(super) fn downgrade_without(
    _hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    leaving: &[&ConsumerGroupMember],
) -> Option<GroupEffects> {
    if !downgrade::is_due_without(soft, group, leaving) {
        return None;
    }
    downgrade::without(soft, now, group_id, group, leaving).ok()
}

/// What these members vote for.
fn vote(members: impl Iterator<Item = ClassicMember>) -> Option<Arc<str>> {
    ClassicGroup::with_members(None, 0, None, None, None, members).protocol().cloned()
}

/// Partitions by topic id, without the topics that do not exist.
fn by_id<'a>(partitions: &'a embedded::Partitions, topics: &'a TopicsImage) -> impl Iterator<Item = (TopicId, i32)> + 'a {
    let of_topic = |(name, partitions): &'a (Arc<str>, Vec<i32>)| Some((topics.by_name(name)?.id, partitions));
    partitions.iter().filter_map(of_topic).flat_map(|(topic, partitions)| partitions.iter().map(move |partition| (topic, *partition)))
}
