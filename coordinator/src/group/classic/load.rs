//! How a classic group comes into the shard and leaves it other than by requests: loading, migration, deletion.

use super::super::GroupEffects;
use super::super::hard::Hard;
use super::super::names::{GroupId, MemberId};
use super::super::records::{GroupMetadataMember, GroupMetadataValue};
use super::super::soft::Soft;
use super::group::ClassicGroup;
use super::member::ClassicMember;
use super::state::ClassicState;
use super::turn::{Turn, join_error, sync_error};
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use std::sync::Arc;

/// Live groups from the last records. Everybody gets a fresh session. A group that only has offsets needs no entry.
pub(in super::super) fn on_loaded(hard: &Hard, soft: &mut Soft, now: Millis) -> GroupEffects {
    let mut effects = GroupEffects::default();
    for (group_id, value) in &hard.classic {
        if !hard.consumer.contains_key(group_id) {
            // Members that are over capacity now may come back or not; those who are late find no room.
            let too_many = value.members.len() > soft.settings.max_size;
            effects.append(install(soft, now, group_id, from_record(value), too_many));
        }
    }
    effects
}

/// A group as its last record has it.
fn from_record(value: &GroupMetadataValue) -> ClassicGroup {
    let protocol = value.protocol.clone().unwrap_or_default();
    let member = |member: &GroupMetadataMember| {
        let rebalance_timeout_ms = if member.rebalance_timeout_ms == -1 { member.session_timeout_ms } else { member.rebalance_timeout_ms };
        ClassicMember::new(
            member.member_id.clone(),
            member.group_instance_id.clone(),
            (Arc::clone(&member.client_id), Arc::clone(&member.client_host)),
            rebalance_timeout_ms,
            member.session_timeout_ms,
            vec![(Arc::clone(&protocol), member.subscription.clone())],
            member.assignment.clone(),
        )
    };
    ClassicGroup::with_members(
        Some(value.current_state_timestamp_ms).filter(|at| *at != -1).map(Millis),
        value.generation,
        Some(Arc::clone(&value.protocol_type)).filter(|protocol_type| !protocol_type.is_empty()),
        value.protocol.clone(),
        value.leader.clone(),
        value.members.iter().map(member),
    )
}

/// Makes a group live: its members' sessions begin. With `rebalance` they are asked to join again.
pub(in super::super) fn install(soft: &mut Soft, now: Millis, group_id: &GroupId, group: ClassicGroup, rebalance: bool) -> GroupEffects {
    soft.classic.insert(group_id.clone(), group);
    let Some(mut turn) = Turn::of(soft, now, group_id.as_str()) else { return GroupEffects::default() };
    for member_id in turn.group.members.keys().cloned().collect::<Vec<MemberId>>() {
        turn.restart_session(member_id.as_str());
    }
    if rebalance {
        turn.prepare_rebalance();
    }
    turn.effects
}

/// Takes a live group out of the shard, timers and all; those who wait for it are answered with `error`. Writes no record: the caller
/// knows which tombstones there are to be.
pub(in super::super) fn uninstall(soft: &mut Soft, now: Millis, group_id: &str, error: ResponseError) -> GroupEffects {
    let Some(mut turn) = Turn::of(soft, now, group_id) else { return GroupEffects::default() };
    turn.cancel_join_timer();
    turn.cancel_sync_timer();
    for member_id in std::mem::take(&mut turn.group.pending_members) {
        turn.cancel_session(member_id.as_str());
    }
    for (member_id, member) in std::mem::take(&mut turn.group.members) {
        turn.cancel_session(member_id.as_str());
        if let Some(ticket) = member.parked_join {
            turn.reply(ticket, join_error(member_id.as_str(), error));
        }
        if let Some(ticket) = member.parked_sync {
            turn.reply(ticket, sync_error(error));
        }
    }
    turn.group.become_state(now, ClassicState::Dead);
    let effects = turn.effects;
    soft.classic.remove(group_id);
    effects
}

/// A member has committed offsets: that counts as a heartbeat, except while its generation waits for an assignment.
pub(in super::super) fn offsets_committed(soft: &mut Soft, now: Millis, group_id: &str, member_id: &str) {
    if let Some(mut turn) = Turn::of(soft, now, group_id)
        && matches!(turn.group.state, ClassicState::Stable | ClassicState::PreparingRebalance)
    {
        turn.restart_session(member_id);
    }
}
