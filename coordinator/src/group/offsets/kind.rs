//! What OffsetCommit, OffsetFetch, OffsetDelete and expiry ask of a group, whatever its kind.
//!
//! A group that only has offsets needs no entry anywhere: it is an empty classic group without a protocol type as long as it has them.

use super::super::hard::Hard;
use super::super::names::GroupId;
use super::super::soft::Soft;
use crate::metadata::TopicId;
use crate::timers::Millis;
use kafka_protocol::ResponseError;

/// Who commits, by OffsetCommit or TxnOffsetCommit.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Committer<'a> {
    pub(in super::super) member_id: &'a str,
    pub(in super::super) group_instance_id: Option<&'a str>,
    /// Generation id of a classic member, epoch of a consumer group's member.
    pub(in super::super) generation: i32,
    pub(in super::super) api_version: i16,
    pub(in super::super) is_transactional: bool,
}

/// What is left to check for each partition once the group has accepted the committer.
pub(in super::super) enum CommitCheck<'a> {
    /// Nothing.
    Accept,
    /// The member's epoch is older than the group's: each partition must have been its own at that epoch.
    Partition(Box<dyn Fn(TopicId, i32) -> Result<(), ResponseError> + 'a>),
}

impl CommitCheck<'_> {
    pub(super) fn partition(&self, topic_id: TopicId, partition: i32) -> Result<(), ResponseError> {
        match self {
            Self::Accept => Ok(()),
            Self::Partition(check) => check(topic_id, partition),
        }
    }
}

/// Whether the group takes a commit from this one.
pub(super) fn check_commit<'a>(
    hard: &'a Hard,
    soft: &'a Soft,
    group: &GroupId,
    committer: &Committer<'a>,
) -> Result<CommitCheck<'a>, ResponseError> {
    if hard.consumer.contains_key(group) || soft.classic.contains_key(group) {
        return Ok(CommitCheck::Accept);
    }
    if committer.generation < 0 {
        // Of a tool, or of a consumer that assigns partitions itself: the group begins to exist, or does so by its offsets.
        return Ok(CommitCheck::Accept);
    }
    if hard.offsets.contains_group(group) {
        return Err(ResponseError::UnknownMemberId);
    }
    let knows_new_error = !committer.is_transactional && committer.api_version >= 9;
    Err(if knows_new_error { ResponseError::GroupIdNotFound } else { ResponseError::IllegalGeneration })
}

/// A commit is as good as a heartbeat for a member of a classic group.
pub(super) fn keep_alive(_hard: &Hard, _soft: &mut Soft, _now: Millis, _group: &GroupId, _member_id: &str) {}

/// Whether the group takes an OffsetFetch from this one; GROUP_ID_NOT_FOUND means that it has no offsets.
pub(super) fn check_fetch(
    hard: &Hard,
    soft: &Soft,
    group: &GroupId,
    _member_id: Option<&str>,
    _member_epoch: i32,
) -> Result<(), ResponseError> {
    if hard.consumer.contains_key(group) || soft.classic.contains_key(group) || hard.offsets.contains_group(group) {
        return Ok(());
    }
    Err(ResponseError::GroupIdNotFound)
}
