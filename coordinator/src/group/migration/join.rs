//! JoinGroup to a consumer group: the classic word for "what is my target, and here is what I have given up".
//!
//! Nobody waits for others: the answer has the member's own epoch as generation and the first of its protocols, and never a leader. The
//! steps are those of a heartbeat of the new protocol. A static member that leaves the new protocol this way may take the group along.

use super::{Malformed, downgrade, embedded};
use crate::effects::Ticket;
use crate::group::classic::{self, ClassicGroup};
use crate::group::consumer::heartbeat::fresh_member_id;
use crate::group::consumer::join::{Sender, check_size, not_found};
use crate::group::consumer::member::ConsumerGroupMember;
use crate::group::consumer::reconcile::Owned;
use crate::group::consumer::refresh::RegexUpdate;
use crate::group::consumer::state::ConsumerGroup;
use crate::group::consumer::target::Target;
use crate::group::consumer::{self, ConsumerTimer, GroupChange};
use crate::group::hard::Hard;
use crate::group::names::{GroupId, MemberId};
use crate::group::records::{ClassicMemberMetadata, ConsumerGroupMemberMetadataValue, GroupRecord};
use crate::group::settings::MigrationPolicy;
use crate::group::soft::{Soft, TimerKey};
use crate::group::{Caller, GroupEffects, GroupReply};
use crate::metadata::ApiError;
use crate::timers::Millis;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use std::sync::Arc;

/// First version whose new dynamic members must come again with the id they were given (KIP-394).
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;

/// A consumer group without members makes room for a classic one.
pub(super) fn to_empty_group(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &JoinGroupRequest,
    (group_id, group): (&GroupId, &ConsumerGroup),
) -> GroupEffects {
    if !request.member_id.is_empty() {
        return GroupEffects::reply(ticket, classic::join_error(&request.member_id, ResponseError::UnknownMemberId));
    }
    let mut effects = GroupEffects { records: consumer::delete(soft, group_id, group), ..GroupEffects::default() };
    effects.append(classic::join_group::handle(hard, soft, now, ticket, caller, request));
    if !effects.records.iter().any(|record| matches!(record, GroupRecord::GroupMetadata { .. })) {
        effects.records.push(ClassicGroup::empty(now).record(group_id));
    }
    effects
}

/// One JoinGroup.
pub(super) struct Join<'a> {
    pub(super) now: Millis,
    pub(super) ticket: Ticket,
    pub(super) caller: &'a Caller<'a>,
    pub(super) request: &'a JoinGroupRequest,
    pub(super) group_id: &'a GroupId,
    pub(super) group: &'a ConsumerGroup,
}

impl Join<'_> {
    pub(super) fn run(&self, soft: &mut Soft) -> GroupEffects {
        self.join(soft).unwrap_or_else(|error| GroupEffects::reply(self.ticket, classic::join_error("", error.error)))
    }

    fn join(&self, soft: &mut Soft) -> Result<GroupEffects, ApiError> {
        let (request, group) = (self.request, self.group);
        self.check(soft)?;
        let is_new = request.member_id.is_empty();
        let member_id = if is_new { fresh_member_id(self.caller.fresh_id).as_str().into() } else { MemberId::from(&*request.member_id) };
        let instance_id = request.group_instance_id.as_deref();
        if is_new && instance_id.is_none() && self.caller.api_version >= MEMBER_ID_REQUIRED_VERSION {
            let refusal = classic::join_error(member_id.as_str(), ResponseError::MemberIdRequired);
            return Ok(GroupEffects::reply(self.ticket, refusal));
        }
        let mut change = GroupChange::new(self.now, self.group_id, group, Vec::new());
        let sender = Sender { member_id: &member_id, instance_id, joins: instance_id.is_none() || is_new, heartbeat: None };
        let member = change.sender(&sender)?;
        let replaced = group.static_member(instance_id);
        let downgrades = replaced.is_some_and(|replaced| downgrade::is_due_with_replaced(soft, group, replaced));
        let subscription = self.subscription()?;
        let owned = self.owned(soft, &subscription);
        let asked = member.with_metadata(self.metadata(&member, subscription));

        let names_changed = change.update_member(&member, &asked);
        let regex = change.update_regex(soft, &member, &asked)?;
        let bump = names_changed || regex != RegexUpdate::Unchanged;
        let mut group_epoch = group.group_epoch;
        if bump || soft.consumer.is_metadata_due(self.now, self.group_id) {
            group_epoch = change.update_group_epoch(soft, bump, &member, &asked);
        }
        if let Some(replaced) = replaced.filter(|_| downgrades) {
            return self.downgrade(soft, change, asked, &replaced.member_id, (group_epoch, bump), &owned);
        }
        let target = change.update_target(soft, group_epoch, &member, &asked);
        let updated = change.reconcile(soft, asked, &target, bump, Some(&owned))?;
        if let Some(replaced) = replaced.filter(|replaced| replaced.member_id != member_id) {
            consumer::cancel_timers(soft, self.group_id, &replaced.member_id);
        }
        self.expect_sync(soft, &member_id);
        let mut effects = GroupEffects::reply(self.ticket, self.response(&updated));
        effects.records = change.finish(soft);
        Ok(effects)
    }

    fn check(&self, soft: &Soft) -> Result<(), ApiError> {
        let request = self.request;
        if soft.settings.consumer_migration_policy == MigrationPolicy::Disabled {
            let text = format!(
                "Cannot join the consumer group {} with the classic protocol because the group migration is disabled.",
                self.group_id
            );
            return Err(ApiError::new(ResponseError::InconsistentGroupProtocol, text));
        }
        check_size(self.group, &request.member_id, soft.settings.consumer_max_size)?;
        // One that all classic members know; the others have no say.
        let known = |name: &str| self.group.classic_members_with_protocol(name) == self.group.classic_member_count();
        if *request.protocol_type != *embedded::PROTOCOL_TYPE || !request.protocols.iter().any(|protocol| known(&protocol.name)) {
            let text = format!("Member {}'s protocols are not supported.", request.member_id);
            return Err(ApiError::new(ResponseError::InconsistentGroupProtocol, text));
        }
        Ok(())
    }

    fn subscription(&self) -> Result<embedded::Subscription, ApiError> {
        let first = self.request.protocols.first().map(|protocol| &*protocol.metadata).unwrap_or_default();
        embedded::read_subscription(first).map_err(|Malformed| {
            let text = "Malformed embedded consumer protocol in subscription deserialization.";
            ApiError::new(ResponseError::UnknownServerError, text)
        })
    }

    fn owned(&self, soft: &Soft, subscription: &embedded::Subscription) -> Owned {
        let mut owned = Owned::default();
        for (topic, partition) in super::by_id(&subscription.owned, soft.image.topics()) {
            owned.0.entry(topic).or_default().insert(partition);
        }
        owned
    }

    /// What the member asks for now. It has no regular expression and no vote for an assignor; a vote from before stays.
    fn metadata(&self, member: &ConsumerGroupMember, subscription: embedded::Subscription) -> ConsumerGroupMemberMetadataValue {
        let (request, old) = (self.request, &member.metadata);
        let rebalance_timeout_ms = self.rebalance_timeout_ms();
        let protocols = request.protocols.iter();
        ConsumerGroupMemberMetadataValue {
            instance_id: request.group_instance_id.as_deref().map(Arc::from).or_else(|| old.instance_id.clone()),
            rack_id: subscription.rack_id.or_else(|| old.rack_id.clone()),
            client_id: self.caller.client_id.into(),
            client_host: self.caller.client_host.into(),
            subscribed_topic_names: subscription.topics,
            subscribed_topic_regex: Some("".into()),
            rebalance_timeout_ms: if rebalance_timeout_ms == -1 { old.rebalance_timeout_ms } else { rebalance_timeout_ms },
            server_assignor: old.server_assignor.clone(),
            classic: Some(ClassicMemberMetadata {
                session_timeout_ms: request.session_timeout_ms,
                supported_protocols: protocols.map(|p| (Arc::from(&*p.name), Bytes::copy_from_slice(&p.metadata))).collect(),
            }),
        }
    }

    /// v0 has no rebalance timeout.
    fn rebalance_timeout_ms(&self) -> i32 {
        if self.caller.api_version == 0 { self.request.session_timeout_ms } else { self.request.rebalance_timeout_ms }
    }

    /// The member has joined: it lives, and is to ask for its assignment next.
    fn expect_sync(&self, soft: &mut Soft, member_id: &MemberId) {
        let of_member = |timer: fn(GroupId, MemberId) -> ConsumerTimer| timer(self.group_id.clone(), member_id.clone());
        soft.timers.cancel(&TimerKey::Consumer(of_member(ConsumerTimer::Join)));
        consumer::set_timer(soft, self.now, of_member(ConsumerTimer::Session), self.request.session_timeout_ms);
        consumer::set_timer(soft, self.now, of_member(ConsumerTimer::Sync), self.rebalance_timeout_ms());
    }

    fn downgrade(
        &self,
        soft: &mut Soft,
        mut change: GroupChange<'_>,
        asked: ConsumerGroupMember,
        replaced: &MemberId,
        (group_epoch, bump): (i32, bool),
        owned: &Owned,
    ) -> Result<GroupEffects, ApiError> {
        // With a new target to come it does not matter where the member stands on its way to the old one.
        let rebalance = self.group.assignment_epoch < group_epoch;
        let updated = if rebalance {
            asked
        } else {
            let assignment = self.group.target_of(replaced.as_str());
            change.reconcile(soft, asked, &Target { epoch: self.group.assignment_epoch, assignment }, bump, Some(owned))?
        };
        let mut effects = GroupEffects { records: change.records, ..GroupEffects::default() };
        let downgrade = downgrade::with_replaced(soft, self.now, self.group_id, self.group, (replaced, &updated), rebalance);
        effects.append(downgrade.map_err(|Malformed| {
            not_found(format!("Cannot downgrade the classic group {}: the embedded consumer protocol is malformed.", self.group_id))
        })?);
        effects.replies.push((self.ticket, self.response(&updated)));
        Ok(effects)
    }

    fn response(&self, member: &ConsumerGroupMember) -> GroupReply {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let response = JoinGroupResponse::default()
            .with_member_id(text(member.member_id.as_str()))
            .with_generation_id(member.member_epoch)
            .with_protocol_type(Some(text(embedded::PROTOCOL_TYPE)))
            .with_protocol_name(self.request.protocols.first().map(|protocol| text(&protocol.name)));
        GroupReply::JoinGroup(response)
    }
}
