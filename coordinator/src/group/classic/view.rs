//! What offsets, admin and migration ask a classic group.

use super::super::names::GroupId;
use super::super::records::{GroupMetadataMember, GroupMetadataValue, GroupRecord};
use super::group::ClassicGroup;
use super::member::ClassicMember;
use super::state::ClassicState;
use super::subscription;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use std::sync::Arc;

impl ClassicGroup {
    /// The state; its name is in DescribeGroups and ListGroups.
    pub(in super::super) fn state(&self) -> ClassicState {
        self.state
    }

    /// No members; ids may have been given out.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.state == ClassicState::Empty
    }

    /// Generation.
    pub(in super::super) fn generation(&self) -> i32 {
        self.generation
    }

    /// Protocol type, `None` for a simple group.
    pub(in super::super) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    /// What the members voted for.
    pub(in super::super) fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    /// Members in order of their ids.
    pub(in super::super) fn members(&self) -> impl ExactSizeIterator<Item = &ClassicMember> {
        self.members.values()
    }

    /// One member.
    pub(in super::super) fn member(&self, member_id: &str) -> Option<&ClassicMember> {
        self.members.get(member_id)
    }

    /// Protocol type `consumer`.
    pub(in super::super) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(subscription::PROTOCOL_TYPE)
    }

    /// Whether a member reads the topic. Consumers whose metadata cannot be read count as reading everything.
    pub(in super::super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// When the retention of an offset that was committed at `commit` begins; `None` while it must be kept.
    pub(in super::super) fn retention_begins(&self, commit: Millis) -> Option<Millis> {
        if self.protocol_type.is_none() {
            return Some(commit);
        }
        match self.state {
            ClassicState::Empty => Some(self.state_since.unwrap_or(commit)),
            ClassicState::Stable if self.uses_consumer_protocol() && self.subscribed_topics.is_some() => Some(commit),
            _ => None,
        }
    }

    /// Whether an OffsetCommit (or TxnOffsetCommit) of this member and generation is accepted.
    pub(in super::super) fn validate_offset_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        is_transactional: bool,
    ) -> Result<(), ResponseError> {
        if self.state == ClassicState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if generation < 0 && self.is_empty() {
            // A tool, or a consumer that assigns itself.
            return Ok(());
        }
        if generation >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.validate_member(member_id, instance_id)?;
            if generation != self.generation {
                return Err(ResponseError::IllegalGeneration);
            }
        } else if !is_transactional {
            return Err(ResponseError::UnknownMemberId);
        }
        if !is_transactional && self.state == ClassicState::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether OffsetDelete may run; single topics may still be refused, see `is_subscribed_to`.
    pub(in super::super) fn validate_offset_delete(&self) -> Result<(), ResponseError> {
        match self.state {
            ClassicState::Dead => Err(ResponseError::GroupIdNotFound),
            ClassicState::Empty => Ok(()),
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(ResponseError::NonEmptyGroup),
        }
    }

    /// Whether DeleteGroups may run.
    pub(in super::super) fn validate_delete(&self) -> Result<(), ResponseError> {
        match self.state {
            ClassicState::Dead => Err(ResponseError::GroupIdNotFound),
            ClassicState::Empty => Ok(()),
            _ => Err(ResponseError::NonEmptyGroup),
        }
    }

    /// The record that says all a reload needs.
    pub(in super::super) fn record(&self, group_id: &GroupId) -> GroupRecord {
        let member = |member: &ClassicMember| GroupMetadataMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(self.protocol.as_deref()),
            assignment: member.assignment.clone(),
        };
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp_ms: self.state_since.map_or(-1, |at| at.0),
            members: self.members.values().map(member).collect(),
        };
        GroupRecord::GroupMetadata { group: group_id.clone(), value: Some(value) }
    }
}
