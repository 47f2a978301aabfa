//! SyncGroup, Heartbeat and LeaveGroup of members of a consumer group.

use super::{Malformed, downgrade, embedded};
use crate::effects::Ticket;
use crate::group::assignment::Assignment;
use crate::group::classic::leave_group::member_response;
use crate::group::consumer::commit::unknown_member;
use crate::group::consumer::join::expected_static_member;
use crate::group::consumer::member::{ConsumerGroupMember, MemberState};
use crate::group::consumer::state::ConsumerGroup;
use crate::group::consumer::{self, ConsumerTimer};
use crate::group::names::GroupId;
use crate::group::records::ClassicMemberMetadata;
use crate::group::soft::{Soft, TimerKey};
use crate::group::{GroupEffects, GroupReply};
use crate::metadata::ApiError;
use crate::timers::Millis;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse, SyncGroupRequest, SyncGroupResponse};

/// The member, under the instance id that it names.
fn find<'a>(
    group_id: &GroupId,
    group: &'a ConsumerGroup,
    member_id: &str,
    instance_id: Option<&str>,
) -> Result<&'a ConsumerGroupMember, ApiError> {
    match instance_id {
        None => group.member(member_id).ok_or_else(|| unknown_member(group_id.as_str(), member_id)),
        Some(instance_id) => expected_static_member(group, member_id, instance_id),
    }
}

/// The member's classic side, if the request is of its generation.
fn classic_side(member: &ConsumerGroupMember, generation: i32) -> Result<&ClassicMemberMetadata, ApiError> {
    let Some(classic) = &member.metadata.classic else {
        let text = format!("Member {} does not use the classic protocol.", member.member_id);
        return Err(ApiError::new(ResponseError::UnknownMemberId, text));
    };
    if member.member_epoch != generation {
        let text = format!(
            "The request generation id {generation} is not equal to the member epoch {} of member {}.",
            member.member_epoch, member.member_id
        );
        return Err(ApiError::new(ResponseError::IllegalGeneration, text));
    }
    Ok(classic)
}

fn restart_session(soft: &mut Soft, now: Millis, group_id: &GroupId, member: &ConsumerGroupMember, classic: &ClassicMemberMetadata) {
    let timer = ConsumerTimer::Session(group_id.clone(), member.member_id.clone());
    consumer::set_timer(soft, now, timer, classic.session_timeout_ms);
}

/// The member is told to join again, and has its rebalance timeout for that from the first time it is told.
fn expect_join(soft: &mut Soft, now: Millis, group_id: &GroupId, member: &ConsumerGroupMember) {
    let timer = TimerKey::Consumer(ConsumerTimer::Join(group_id.clone(), member.member_id.clone()));
    soft.timers.set_if_absent(timer, Millis(now.0.saturating_add(i64::from(member.metadata.rebalance_timeout_ms))));
}

pub(super) fn sync(
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    request: &SyncGroupRequest,
) -> Result<SyncGroupResponse, ApiError> {
    let member = find(group_id, group, &request.member_id, request.group_instance_id.as_deref())?;
    let classic = classic_side(member, request.generation_id)?;
    let (protocol, metadata) = classic.supported_protocols.first().map(|(name, metadata)| (&**name, &**metadata)).unwrap_or_default();
    let inconsistent = |text: String| Err(ApiError::new(ResponseError::InconsistentGroupProtocol, text));
    if let Some(asked) = request.protocol_type.as_deref().filter(|asked| *asked != embedded::PROTOCOL_TYPE) {
        return inconsistent(format!(
            "The protocol type {asked} from member {} request is not equal to the group protocol type consumer.",
            member.member_id
        ));
    }
    if let Some(asked) = request.protocol_name.as_deref().filter(|asked| *asked != protocol) {
        return inconsistent(format!(
            "The protocol name {asked} from member {} request is not equal to the protocol name {protocol} returned in the join response.",
            member.member_id
        ));
    }
    // One that has something to give up has joined for this target already.
    if group.assignment_epoch > member.member_epoch && member.state != MemberState::UnrevokedPartitions {
        expect_join(soft, now, group_id, member);
        let text = format!("A new rebalance is triggered in group {group_id} and member {} should rejoin to catch up.", member.member_id);
        return Err(ApiError::new(ResponseError::RebalanceInProgress, text));
    }
    let assignment = assignment(soft, member, metadata)?;
    soft.timers.cancel(&TimerKey::Consumer(ConsumerTimer::Sync(group_id.clone(), member.member_id.clone())));
    restart_session(soft, now, group_id, member, classic);
    Ok(SyncGroupResponse::default()
        .with_protocol_type(request.protocol_type.clone())
        .with_protocol_name(request.protocol_name.clone())
        .with_assignment(assignment))
}

/// What the member holds, in the version of its metadata.
fn assignment(soft: &Soft, member: &ConsumerGroupMember, metadata: &[u8]) -> Result<Bytes, ApiError> {
    let mut assigned = Assignment::default();
    for (topic, partition, _) in member.assigned.iter() {
        assigned.insert(topic, partition);
    }
    downgrade::assignment(metadata, &assigned, soft.image.topics()).map_err(|Malformed| {
        let text = "Malformed embedded consumer protocol in version deserialization.";
        ApiError::new(ResponseError::UnknownServerError, text)
    })
}

pub(super) fn heartbeat(
    soft: &mut Soft,
    now: Millis,
    group_id: &GroupId,
    group: &ConsumerGroup,
    request: &HeartbeatRequest,
) -> Result<HeartbeatResponse, ApiError> {
    let member = find(group_id, group, &request.member_id, request.group_instance_id.as_deref())?;
    let classic = classic_side(member, request.generation_id)?;
    restart_session(soft, now, group_id, member, classic);
    let must_join = member.member_epoch < group.assignment_epoch
        || match member.state {
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !waits_for_others(group, member),
            MemberState::Stable | MemberState::Unknown => false,
        };
    if must_join {
        expect_join(soft, now, group_id, member);
        return Ok(HeartbeatResponse::default().with_error_code(ResponseError::RebalanceInProgress.code()));
    }
    Ok(HeartbeatResponse::default())
}

/// Whether somebody still holds what the member is to get.
fn waits_for_others(group: &ConsumerGroup, member: &ConsumerGroupMember) -> bool {
    let target = group.target_of(member.member_id.as_str());
    target.iter().any(|(topic, partition)| !member.assigned.contains(topic, partition) && group.is_held(topic, partition))
}

/// Who of the request leaves, and what each of them is answered.
pub(super) fn leaving<'a>(
    group_id: &GroupId,
    group: &'a ConsumerGroup,
    members: &[MemberIdentity],
) -> (Vec<&'a ConsumerGroupMember>, Vec<MemberResponse>) {
    let mut leaving: Vec<&ConsumerGroupMember> = Vec::new();
    let mut responses = Vec::with_capacity(members.len());
    for identity in members {
        let found = find_leaver(group_id, group, identity);
        responses.push(member_response(identity, found.as_ref().map(|_| ()).map_err(|error| error.error)));
        if let Ok(member) = found
            && !leaving.iter().any(|other| other.member_id == member.member_id)
        {
            leaving.push(member);
        }
    }
    (leaving, responses)
}

/// An administrator names a static member by its instance id alone.
fn find_leaver<'a>(group_id: &GroupId, group: &'a ConsumerGroup, identity: &MemberIdentity) -> Result<&'a ConsumerGroupMember, ApiError> {
    let instance_id = identity.group_instance_id.as_deref();
    match group.static_member(instance_id) {
        Some(member) if identity.member_id.is_empty() => Ok(member),
        _ => find(group_id, group, &identity.member_id, instance_id),
    }
}

/// The answer to a SyncGroup.
pub(super) fn sync_reply(ticket: Ticket, outcome: Result<SyncGroupResponse, ApiError>) -> GroupEffects {
    let response = outcome.unwrap_or_else(|error| SyncGroupResponse::default().with_error_code(error.error.code()));
    GroupEffects::reply(ticket, GroupReply::SyncGroup(response))
}

/// The answer to a Heartbeat.
pub(super) fn heartbeat_reply(ticket: Ticket, outcome: Result<HeartbeatResponse, ApiError>) -> GroupEffects {
    let response = outcome.unwrap_or_else(|error| HeartbeatResponse::default().with_error_code(error.error.code()));
    GroupEffects::reply(ticket, GroupReply::Heartbeat(response))
}
