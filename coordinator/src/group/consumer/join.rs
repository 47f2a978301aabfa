//! Which member of a group a request is about: one that is there, a new one, or one in the place of a static member that has gone.

use super::super::names::{GroupId, MemberId};
use super::GroupChange;
use super::commit::unknown_member;
use super::member::{ConsumerGroupMember, LEAVE_GROUP_STATIC_MEMBER_EPOCH};
use super::reconcile::Owned;
use super::state::ConsumerGroup;
use crate::metadata::ApiError;
use kafka_protocol::ResponseError;

/// Who a request says it is from.
#[derive(Clone, Copy, Debug)]
pub(in crate::group) struct Sender<'a> {
    pub(in crate::group) member_id: &'a MemberId,
    pub(in crate::group) instance_id: Option<&'a str>,
    /// Whether a member may be made.
    pub(in crate::group) joins: bool,
    /// Member epoch and owned partitions of a heartbeat; `None` for a request of the classic protocol, which has neither.
    pub(in crate::group) heartbeat: Option<(i32, Option<&'a Owned>)>,
}

impl GroupChange<'_> {
    /// The member as it was before the request, or as the request's first word makes it.
    pub(in crate::group) fn sender(&mut self, sender: &Sender<'_>) -> Result<ConsumerGroupMember, ApiError> {
        match sender.instance_id {
            None => self.dynamic_member(sender),
            Some(instance_id) => self.static_member(sender, instance_id),
        }
    }

    fn dynamic_member(&self, sender: &Sender<'_>) -> Result<ConsumerGroupMember, ApiError> {
        let member = match self.group.member(sender.member_id.as_str()) {
            Some(member) => member.clone(),
            None if sender.joins => ConsumerGroupMember::new(sender.member_id.clone()),
            None => return Err(unknown_member(self.group_id.as_str(), sender.member_id.as_str())),
        };
        check_epoch(&member, sender)?;
        Ok(member)
    }

    fn static_member(&mut self, sender: &Sender<'_>, instance_id: &str) -> Result<ConsumerGroupMember, ApiError> {
        let existing = self.group.static_member(Some(instance_id));
        if !sender.joins {
            let existing = expected_static_member(self.group, sender.member_id.as_str(), instance_id)?;
            check_epoch(existing, sender)?;
            return Ok(existing.clone());
        }
        let Some(existing) = existing else {
            let member_id = sender.member_id;
            return Ok(self.group.member(member_id.as_str()).cloned().unwrap_or_else(|| ConsumerGroupMember::new(member_id.clone())));
        };
        let is_of_consumer_protocol = sender.heartbeat.is_some() && !existing.uses_classic_protocol();
        if is_of_consumer_protocol && existing.member_epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH {
            let text = format!(
                "Static member {} with instance id {instance_id} cannot join the group because the instance id is owned by {} member.",
                sender.member_id, existing.member_id
            );
            return Err(ApiError::new(ResponseError::UnreleasedInstanceId, text));
        }
        let successor =
            ConsumerGroupMember { member_id: sender.member_id.clone(), member_epoch: 0, previous_member_epoch: 0, ..existing.clone() };
        self.records.extend(self.group.replacement_records(self.group_id, &existing.member_id, &successor));
        Ok(successor)
    }
}

/// The member behind an instance id, if it has the id of the sender.
pub(in crate::group) fn expected_static_member<'a>(
    group: &'a ConsumerGroup,
    member_id: &str,
    instance_id: &str,
) -> Result<&'a ConsumerGroupMember, ApiError> {
    let unknown = || ApiError::new(ResponseError::UnknownMemberId, format!("Instance id {instance_id} is unknown."));
    let existing = group.static_member(Some(instance_id)).ok_or_else(unknown)?;
    if existing.member_id.as_str() != member_id {
        let text = format!("Static member {member_id} with instance id {instance_id} was fenced by member {}.", existing.member_id);
        return Err(ApiError::new(ResponseError::FencedInstanceId, text));
    }
    Ok(existing)
}

/// Whether there is room for the sender.
pub(in crate::group) fn check_size(group: &ConsumerGroup, member_id: &str, max_size: usize) -> Result<(), ApiError> {
    if group.members().len() >= max_size && (member_id.is_empty() || group.member(member_id).is_none()) {
        let text = format!("The consumer group has reached its maximum capacity of {max_size} members.");
        return Err(ApiError::new(ResponseError::GroupMaxSizeReached, text));
    }
    Ok(())
}

/// A heartbeat carries the member's epoch, or the one before as long as the member holds nothing that it must not: the answer with the
/// new one may have been lost. Epoch 0 starts over.
fn check_epoch(member: &ConsumerGroupMember, sender: &Sender<'_>) -> Result<(), ApiError> {
    let Some((epoch, owned)) = sender.heartbeat else { return Ok(()) };
    let known = member.member_epoch;
    if epoch == 0 || epoch == known {
        return Ok(());
    }
    let missed_an_answer =
        epoch < known && epoch == member.previous_member_epoch && owned.is_some_and(|owned| owned.is_within(&member.assigned));
    if missed_an_answer {
        return Ok(());
    }
    let relation = if epoch > known { "greater" } else { "smaller" };
    let text = format!(
        "The consumer group member has a {relation} member epoch ({epoch}) than the one known by the group coordinator ({known}). The \
         member must abandon all its partitions and rejoin."
    );
    Err(ApiError::new(ResponseError::FencedMemberEpoch, text))
}

/// What a group id that is not a consumer group's is refused with.
pub(in crate::group) fn not_found(text: impl Into<String>) -> ApiError {
    ApiError::new(ResponseError::GroupIdNotFound, text)
}

/// The refusal of a group of another kind.
pub(in crate::group) fn not_a_consumer_group(group_id: &GroupId) -> ApiError {
    not_found(format!("Group {group_id} is not a consumer group."))
}
