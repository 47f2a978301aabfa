//! Who may commit and fetch offsets of a consumer group.

use super::member::ConsumerGroupMember;
use super::state::ConsumerGroup;
use crate::metadata::{ApiError, TopicId};
use kafka_protocol::ResponseError;

/// Who commits, as the request says.
#[derive(Clone, Copy, Debug)]
pub(in crate::group) struct Committer<'a> {
    pub(in crate::group) member_id: &'a str,
    pub(in crate::group) instance_id: Option<&'a str>,
    /// Member epoch, or generation of the classic protocol; -1 for none.
    pub(in crate::group) epoch: i32,
    /// TxnOffsetCommit.
    pub(in crate::group) transactional: bool,
    pub(in crate::group) api_version: i16,
}

/// What is left to check for each partition of an accepted commit.
#[derive(Clone, Copy, Debug)]
pub(in crate::group) enum CommitCheck<'a> {
    /// Nothing.
    Any,
    /// The member is a rebalance behind: only what it has had since then (KIP-1251).
    HeldSince {
        member: &'a ConsumerGroupMember,
        /// Epoch of the commit, older than the member's.
        epoch: i32,
    },
}

impl CommitCheck<'_> {
    /// Whether every partition passes.
    pub(in crate::group) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// Checks one partition; the topic's id is zero when the topic does not exist.
    pub(in crate::group) fn partition(&self, topic: &str, topic_id: TopicId, partition: i32) -> Result<(), ApiError> {
        let Self::HeldSince { member, epoch } = self else { return Ok(()) };
        let held = member.assigned.epoch(topic_id, partition).or_else(|| member.pending_revocation.epoch(topic_id, partition));
        let what = if member.uses_classic_protocol() { "generation id" } else { "member epoch" };
        match held {
            None => Err(stale(member, format!("Partition {topic}-{partition} is not assigned or pending revocation for member."))),
            Some(assigned) if *epoch < assigned => {
                let text = format!("Received {what} {epoch} is older than assignment epoch {assigned} for partition {topic}-{partition}.");
                Err(stale(member, text))
            }
            Some(_) => Ok(()),
        }
    }
}

/// A classic member knows only generations.
fn stale(member: &ConsumerGroupMember, text: String) -> ApiError {
    let error = if member.uses_classic_protocol() { ResponseError::IllegalGeneration } else { ResponseError::StaleMemberEpoch };
    ApiError::new(error, text)
}

impl ConsumerGroup {
    /// Whether the member may commit at its epoch.
    pub(in crate::group) fn validate_offset_commit(&self, group_id: &str, committer: &Committer<'_>) -> Result<CommitCheck<'_>, ApiError> {
        let Committer { member_id, instance_id, epoch, transactional, api_version } = *committer;
        // An admin tool, or a consumer that assigns partitions to itself: only while nobody else is there.
        if epoch < 0 && self.is_empty() {
            return Ok(CommitCheck::Any);
        }
        // Old transactional producers do not say who they commit for.
        if transactional && epoch == -1 && member_id.is_empty() && instance_id.is_none() {
            return Ok(CommitCheck::Any);
        }
        let member = self.member(member_id).ok_or_else(|| unknown_member(group_id, member_id))?;
        if !transactional && !member.uses_classic_protocol() && api_version < 9 {
            let text = "OffsetCommit version 9 or above must be used by members using the consumer group protocol";
            return Err(ApiError::new(ResponseError::UnsupportedVersion, text));
        }
        if epoch == member.member_epoch {
            return Ok(CommitCheck::Any);
        }
        if epoch > member.member_epoch {
            let what = if member.uses_classic_protocol() { "generation id" } else { "member epoch" };
            let text = format!("Received {what} {epoch} is newer than current member epoch {}.", member.member_epoch);
            return Err(stale(member, text));
        }
        Ok(CommitCheck::HeldSince { member, epoch })
    }

    /// Whether the member may fetch offsets at its epoch; an admin tool says neither.
    pub(in crate::group) fn validate_offset_fetch(&self, group_id: &str, member_id: Option<&str>, epoch: i32) -> Result<(), ApiError> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        let member_id = member_id.unwrap_or("null");
        let member = self.member(member_id).ok_or_else(|| unknown_member(group_id, member_id))?;
        if epoch == member.member_epoch {
            return Ok(());
        }
        let what = if member.uses_classic_protocol() { "generation id" } else { "member epoch" };
        let text = format!("The received {what} {epoch} does not match the expected member epoch {}.", member.member_epoch);
        Err(stale(member, text))
    }
}

/// The refusal of a member id that the group does not have.
pub(in crate::group) fn unknown_member(group_id: &str, member_id: &str) -> ApiError {
    ApiError::new(ResponseError::UnknownMemberId, format!("Member {member_id} is not a member of group {group_id}."))
}
