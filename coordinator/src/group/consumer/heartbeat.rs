//! ConsumerGroupHeartbeat.
//!
//! | member epoch | means |
//! |---|---|
//! | 0 | join, or start over after being fenced; the group is made if there is none |
//! | > 0 | the member is alive, has moved on, or has changed its mind |
//! | -1 | leaves |
//! | -2 | a static member leaves for a while |
//!
//! A heartbeat that is no leave goes through four steps: the member, the group epoch, the target assignment, the member's way to its
//! target. Each may write; all of it is one batch.

use super::super::hard::Hard;
use super::super::names::{GroupId, MemberId};
use super::super::records::{ConsumerGroupMemberMetadataValue, GroupRecord};
use super::super::soft::Soft;
use super::super::{Caller, GroupEffects, GroupReply, classic, migration};
use super::join::{Sender, check_size, not_a_consumer_group, not_found};
use super::member::{ConsumerGroupMember, LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH, PartitionEpochs};
use super::reconcile::Owned;
use super::refresh::RegexUpdate;
use super::state::ConsumerGroup;
use super::{GroupChange, cancel_timers, config, leave, restart_session};
use crate::effects::Ticket;
use crate::metadata::{ApiError, TopicId, uuid_text};
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// From this version on the client makes the member id.
const CLIENT_MEMBER_ID_VERSION: i16 = 1;

pub(in crate::group) fn handle(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> GroupEffects {
    let outcome = check(soft, caller.api_version, request).and_then(|()| match request.member_epoch {
        LEAVE_GROUP_MEMBER_EPOCH | LEAVE_GROUP_STATIC_MEMBER_EPOCH => leave::handle(hard, soft, now, ticket, request),
        _ => heartbeat(hard, soft, now, ticket, caller, request),
    });
    outcome.unwrap_or_else(|error| {
        let response = ConsumerGroupHeartbeatResponse::default()
            .with_error_code(error.error.code())
            .with_error_message(error.message.map(StrBytes::from_string));
        GroupEffects::reply(ticket, GroupReply::ConsumerGroupHeartbeat(response))
    })
}

fn check(soft: &Soft, api_version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<(), ApiError> {
    if !soft.settings.consumer_protocol_enabled {
        return Err(ApiError { error: ResponseError::UnsupportedVersion, message: None });
    }
    check_request(api_version, request, &soft.settings.consumer_assignors)
}

/// What can be told of a ConsumerGroupHeartbeat without looking at the group, in Kafka's order. The shard checks it too; the shell may
/// ask before it knows whether there is a shard.
///
/// # Errors
/// INVALID_REQUEST or UNSUPPORTED_ASSIGNOR.
pub fn check_request(api_version: i16, request: &ConsumerGroupHeartbeatRequest, assignors: &[String]) -> Result<(), ApiError> {
    let invalid = |text: &str| Err(ApiError::new(ResponseError::InvalidRequest, text));
    let epoch = request.member_epoch;
    let needs_id = api_version >= CLIENT_MEMBER_ID_VERSION || epoch > 0 || epoch == LEAVE_GROUP_MEMBER_EPOCH;
    if needs_id && is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.instance_id.as_deref().is_some_and(is_blank) {
        return invalid("InstanceId can't be empty.");
    }
    if request.rack_id.as_deref().is_some_and(is_blank) {
        return invalid("RackId can't be empty.");
    }
    if epoch == 0 {
        if request.rebalance_timeout_ms == -1 {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
        }
    } else if epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH && request.instance_id.is_none() {
        return invalid("InstanceId can't be null.");
    } else if epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    match &request.server_assignor {
        Some(assignor) if !assignors.iter().any(|known| known == assignor.as_str()) => {
            let text = format!("ServerAssignor {assignor} is not supported. Supported assignors: {}.", assignors.join(", "));
            Err(ApiError::new(ResponseError::UnsupportedAssignor, text))
        }
        _ => Ok(()),
    }
}

/// Empty as Java's `trim` sees it.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c <= ' ')
}

/// A group to work on.
struct Opened<'a> {
    group: Cow<'a, ConsumerGroup>,
    /// The records that make it what it is, if it was something else before.
    records: Vec<GroupRecord>,
    was_classic: bool,
}

/// The group, made or converted if the member joins.
fn open<'a>(hard: &'a Hard, soft: &Soft, group_id: &GroupId, joins: bool) -> Result<Opened<'a>, ApiError> {
    if let Some(group) = hard.consumer.get(group_id) {
        return Ok(Opened { group: Cow::Borrowed(group), records: Vec::new(), was_classic: false });
    }
    let new = |records, was_classic| Ok(Opened { group: Cow::Owned(ConsumerGroup::default()), records, was_classic });
    let tombstone = || vec![GroupRecord::GroupMetadata { group: group_id.clone(), value: None }];
    match soft.classic.get(group_id) {
        Some(_) if !joins => Err(not_a_consumer_group(group_id)),
        Some(classic) if classic.is_empty() => new(tombstone(), true),
        Some(_) => {
            let (group, records) = migration::upgrade(soft, group_id)?;
            Ok(Opened { group: Cow::Owned(group), records, was_classic: true })
        }
        // A group that only has offsets is an empty classic one.
        None if hard.offsets.contains_group(group_id) && !joins => Err(not_a_consumer_group(group_id)),
        None if hard.offsets.contains_group(group_id) => new(tombstone(), false),
        None if joins => new(Vec::new(), false),
        None => Err(not_found(format!("Consumer group {group_id} not found."))),
    }
}

fn heartbeat(
    hard: &Hard,
    soft: &mut Soft,
    now: Millis,
    ticket: Ticket,
    caller: &Caller<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<GroupEffects, ApiError> {
    let group_id = GroupId::from(request.group_id.as_str());
    let joins = request.member_epoch == 0;
    let Opened { group, records, was_classic } = open(hard, soft, &group_id, joins)?;
    check_size(&group, &request.member_id, soft.settings.consumer_max_size)?;
    let member_id = member_id(request, caller);
    let owned = owned(request);
    let mut change = GroupChange::new(now, &group_id, &group, records);
    let sender = Sender {
        member_id: &member_id,
        instance_id: request.instance_id.as_deref(),
        joins,
        heartbeat: Some((request.member_epoch, owned.as_ref())),
    };
    let member = change.sender(&sender)?;
    let asked = member.with_metadata(metadata(&member, caller, request));

    let names_changed = change.update_member(&member, &asked);
    let regex = change.update_regex(soft, &member, &asked)?;
    let bump = names_changed || regex == RegexUpdate::ChangedAndResolved;
    let mut group_epoch = group.group_epoch;
    if bump || soft.consumer.is_metadata_due(now, &group_id) {
        group_epoch = change.update_group_epoch(soft, bump, &member, &asked);
    }
    let target = change.update_target(soft, group_epoch, &member, &asked);
    let subscription_changed = names_changed || regex != RegexUpdate::Unchanged;
    let updated = change.reconcile(soft, asked, &target, subscription_changed, owned.as_ref())?;

    let mut effects = GroupEffects::default();
    if was_classic {
        effects.append(classic::uninstall(soft, now, group_id.as_str(), ResponseError::RebalanceInProgress));
        migration::upgraded(soft, now, &group_id, &group);
    }
    if let Some(predecessor) = group.static_member_id(sender.instance_id).filter(|id| **id != member_id) {
        cancel_timers(soft, &group_id, predecessor);
    }
    restart_session(soft, now, &group_id, &member_id);
    let response = response(soft, &group_id, request, &member, &updated);
    effects.records.append(&mut change.finish(soft));
    effects.replies.push((ticket, GroupReply::ConsumerGroupHeartbeat(response)));
    Ok(effects)
}

fn member_id(request: &ConsumerGroupHeartbeatRequest, caller: &Caller<'_>) -> MemberId {
    if request.member_id.is_empty() { MemberId::from(&*fresh_member_id(caller.fresh_id)) } else { MemberId::from(&*request.member_id) }
}

/// A member id as Kafka makes them: its text for a UUID that does not look like an option on a command line.
pub(in crate::group) fn fresh_member_id(id: Uuid) -> String {
    let text = uuid_text(id);
    if text.starts_with('-') { uuid_text(Uuid::from_u128(id.as_u128() ^ 1 << 127)) } else { text }
}

fn owned(request: &ConsumerGroupHeartbeatRequest) -> Option<Owned> {
    let mut owned = Owned::default();
    for topic in request.topic_partitions.as_ref()? {
        owned.0.entry(TopicId(topic.topic_id)).or_default().extend(&topic.partitions);
    }
    Some(owned)
}

/// What the member asks for now: what the request leaves out stays. A heartbeat makes a classic member one of the new protocol.
fn metadata(
    member: &ConsumerGroupMember,
    caller: &Caller<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupMemberMetadataValue {
    let text = |new: &Option<StrBytes>, old: &Option<Arc<str>>| new.as_deref().map(Arc::from).or_else(|| old.clone());
    let old = &member.metadata;
    let names = request.subscribed_topic_names.as_ref().map(|names| names.iter().map(|name| Arc::from(name.as_str())).collect());
    ConsumerGroupMemberMetadataValue {
        instance_id: text(&request.instance_id, &old.instance_id),
        rack_id: text(&request.rack_id, &old.rack_id),
        client_id: caller.client_id.into(),
        client_host: caller.client_host.into(),
        subscribed_topic_names: names.unwrap_or_else(|| old.subscribed_topic_names.clone()),
        subscribed_topic_regex: text(&request.subscribed_topic_regex, &old.subscribed_topic_regex),
        rebalance_timeout_ms: if request.rebalance_timeout_ms == -1 { old.rebalance_timeout_ms } else { request.rebalance_timeout_ms },
        server_assignor: text(&request.server_assignor, &old.server_assignor),
        classic: None,
    }
}

/// The assignment is sent when it has changed, and to a member that may not know it: one that joins or says all it has to say.
fn response(
    soft: &Soft,
    group_id: &GroupId,
    request: &ConsumerGroupHeartbeatRequest,
    before: &ConsumerGroupMember,
    after: &ConsumerGroupMember,
) -> ConsumerGroupHeartbeatResponse {
    let says_all = request.rebalance_timeout_ms != -1
        && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
        && request.topic_partitions.is_some();
    let is_sent = request.member_epoch == 0 || says_all || before.assigned != after.assigned;
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(after.member_id.as_str().to_owned())))
        .with_member_epoch(after.member_epoch)
        .with_heartbeat_interval_ms(config::of(soft, group_id.as_str()).heartbeat_interval_ms)
        .with_assignment(is_sent.then(|| wire_assignment(&after.assigned)))
}

fn wire_assignment(assigned: &PartitionEpochs) -> Assignment {
    let topics = assigned
        .0
        .iter()
        .map(|(topic, partitions)| TopicPartitions::default().with_topic_id(topic.0).with_partitions(partitions.keys().copied().collect()));
    Assignment::default().with_topic_partitions(topics.collect())
}
