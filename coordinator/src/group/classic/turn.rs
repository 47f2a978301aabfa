//! One handling of one classic group: the group, its timers, and what the handling wants done.

use super::super::names::GroupId;
use super::super::settings::GroupSettings;
use super::super::soft::{Soft, TimerKey};
use super::super::{GroupEffects, GroupReply};
use super::ClassicTimer;
use super::group::ClassicGroup;
use super::member::ClassicMember;
use crate::effects::Ticket;
use crate::metadata::TopicName;
use crate::metadata::image::MetadataImage;
use crate::timers::{Millis, Timers};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

/// Where records go.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What a handling of a group works with.
pub(super) struct Turn<'a> {
    pub(super) now: Millis,
    pub(super) group_id: GroupId,
    pub(super) settings: &'a GroupSettings,
    pub(super) group: &'a mut ClassicGroup,
    pub(super) effects: GroupEffects,
    image: &'a MetadataImage,
    timers: &'a mut Timers<TimerKey>,
}

impl<'a> Turn<'a> {
    /// A turn of a live group, `None` if there is no such group.
    pub(super) fn of(soft: &'a mut Soft, now: Millis, group_id: &str) -> Option<Self> {
        let Soft { settings, image, classic, timers, .. } = soft;
        let group_id = classic.get_key_value(group_id)?.0.clone();
        let group = classic.get_mut(&group_id)?;
        Some(Self { now, group_id, settings, group, effects: GroupEffects::default(), image, timers })
    }

    /// Answers a request.
    pub(super) fn reply(&mut self, ticket: Ticket, reply: GroupReply) {
        self.effects.replies.push((ticket, reply));
    }

    /// Writes the group as it is now.
    pub(super) fn write(&mut self) {
        self.effects.records.push(self.group.record(&self.group_id));
    }

    /// Writes the group as it is now, unless it has grown so large that the log would refuse the record: an append that fails costs
    /// the other groups of the shard a reload.
    pub(super) fn write_if_it_fits(&mut self) -> Result<(), ResponseError> {
        const BATCH_AND_RECORD_HEADERS_BYTES: usize = 128;
        let record = self.group.record(&self.group_id);
        let size = record.encode().map(|(key, value)| key.len() + value.map_or(0, |value| value.len()) + BATCH_AND_RECORD_HEADERS_BYTES);
        if !size.is_ok_and(|size| size <= self.record_max_bytes()) {
            // What Kafka makes of MESSAGE_TOO_LARGE.
            return Err(ResponseError::UnknownServerError);
        }
        self.effects.records.push(record);
        Ok(())
    }

    fn record_max_bytes(&self) -> usize {
        let configs = TopicName::parse(OFFSETS_TOPIC).ok().and_then(|topic| self.image.configs().of_topic(&topic));
        let own = configs.and_then(|configs| configs.get("max.message.bytes")?.parse().ok());
        own.unwrap_or(self.settings.message_max_bytes)
    }

    /// Removes a member or a pending member with its timer; its parked requests are answered with `error`.
    pub(super) fn remove(&mut self, member_id: &str, error: ResponseError) {
        self.cancel_session(member_id);
        let Some(mut member) = self.group.remove(member_id) else { return };
        if let Some(ticket) = member.parked_join.take() {
            // Without a member id: the client shall ask for a new one.
            self.reply(ticket, join_error("", error));
        }
        if let Some(ticket) = member.parked_sync.take() {
            self.reply(ticket, sync_error(error));
        }
    }

    /// Parks a JoinGroup. One that the member had parked before is told to come again: only the newest is waited for.
    pub(super) fn park_join(&mut self, member_id: &str, ticket: Ticket) {
        if let Some(Some(old)) = self.group.update(member_id, |member| member.parked_join.replace(ticket)) {
            self.reply(old, join_error(member_id, ResponseError::RebalanceInProgress));
        }
    }

    /// Parks a SyncGroup, as `park_join` does.
    pub(super) fn park_sync(&mut self, member_id: &str, ticket: Ticket) {
        if let Some(Some(old)) = self.group.update(member_id, |member| member.parked_sync.replace(ticket)) {
            self.reply(old, sync_error(ResponseError::RebalanceInProgress));
        }
    }

    /// The member has shown that it lives.
    pub(super) fn restart_session(&mut self, member_id: &str) {
        if let Some(member) = self.group.members.get(member_id) {
            let timeout_ms = i64::from(member.session_timeout_ms);
            self.set_session(member_id, timeout_ms);
        }
    }

    /// Expects a sign of life within `timeout_ms`.
    pub(super) fn set_session(&mut self, member_id: &str, timeout_ms: i64) {
        let timer = ClassicTimer::Session(self.group_id.clone(), member_id.into());
        self.set_timer(timer, timeout_ms);
    }

    pub(super) fn cancel_session(&mut self, member_id: &str) {
        self.cancel_timer(ClassicTimer::Session(self.group_id.clone(), member_id.into()));
    }

    pub(super) fn set_join_timer(&mut self, delay_ms: i64) {
        self.set_timer(ClassicTimer::Join(self.group_id.clone()), delay_ms);
    }

    pub(super) fn cancel_join_timer(&mut self) {
        self.group.initial_delay = None;
        self.cancel_timer(ClassicTimer::Join(self.group_id.clone()));
    }

    pub(super) fn set_sync_timer(&mut self, delay_ms: i64) {
        self.set_timer(ClassicTimer::Sync(self.group_id.clone()), delay_ms);
    }

    pub(super) fn cancel_sync_timer(&mut self) {
        self.cancel_timer(ClassicTimer::Sync(self.group_id.clone()));
    }

    fn set_timer(&mut self, timer: ClassicTimer, delay_ms: i64) {
        self.timers.set(TimerKey::Classic(timer), Millis(self.now.0.saturating_add(delay_ms)));
    }

    fn cancel_timer(&mut self, timer: ClassicTimer) {
        self.timers.cancel(&TimerKey::Classic(timer));
    }
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A JoinGroup answer that lets nobody in.
pub(in super::super) fn join_error(member_id: &str, error: ResponseError) -> GroupReply {
    GroupReply::JoinGroup(
        JoinGroupResponse::default().with_member_id(text(member_id)).with_protocol_name(None).with_error_code(error.code()),
    )
}

/// A SyncGroup answer without an assignment.
pub(super) fn sync_error(error: ResponseError) -> GroupReply {
    GroupReply::SyncGroup(SyncGroupResponse::default().with_error_code(error.code()))
}

/// The current generation for one member, without the list of members.
pub(super) fn joined(group: &ClassicGroup, member_id: &str) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_member_id(text(member_id))
        .with_generation_id(group.generation)
        .with_protocol_type(group.protocol_type.as_deref().map(text))
        .with_protocol_name(group.protocol.as_deref().map(text))
        .with_leader(group.leader.as_ref().map(|leader| text(leader.as_str())).unwrap_or_default())
}

/// All members as the leader needs them.
pub(super) fn members_for_leader(group: &ClassicGroup) -> Vec<JoinGroupResponseMember> {
    let member = |member: &ClassicMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.member_id.as_str()))
            .with_group_instance_id(member.instance_id.as_deref().map(text))
            .with_metadata(member.metadata(group.protocol.as_deref()))
    };
    group.members.values().map(member).collect()
}

/// One member's assignment.
pub(super) fn synced(group: &ClassicGroup, member: &ClassicMember) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_protocol_type(group.protocol_type.as_deref().map(text))
        .with_protocol_name(group.protocol.as_deref().map(text))
        .with_assignment(member.assignment.clone())
}
