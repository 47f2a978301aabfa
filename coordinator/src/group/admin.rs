//! ListGroups, DescribeGroups, ConsumerGroupDescribe, DeleteGroups.
//!
//! Authorized operations are the server's. Groups are listed in the order of their ids; Kafka's order is that of a hash.

use super::classic::{ClassicGroup, ClassicMember, ClassicState};
use super::consumer::describe::described;
use super::hard::Hard;
use super::kind::{self, Group};
use super::names::GroupId;
use super::offsets::size::check_deletions;
use super::records::GroupRecord;
use super::soft::Soft;
use super::{Caller, ConsumerDescribedGroup, GroupEffects, GroupReply};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId as WireGroupId, ListGroupsRequest};
use kafka_protocol::protocol::StrBytes;
use std::sync::Arc;

/// First version that tells a missing group from a dead one.
const GROUP_ID_NOT_FOUND_VERSION: i16 = 6;
/// Protocol type of consumer groups, in ListGroups.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn wire_id(group: &str) -> WireGroupId {
    WireGroupId(text(group))
}

/// One group of a DescribeGroups. A consumer group has no place in it: its members are asked for with ConsumerGroupDescribe.
pub(super) fn describe_group(hard: &Hard, soft: &Soft, ticket: Ticket, caller: &Caller<'_>, group_id: &str) -> GroupEffects {
    let group = DescribedGroup::default().with_group_id(wire_id(group_id));
    let group = match kind::find(hard, soft, &group_id.into()) {
        Some(Group::Classic(found)) => describe_classic(group, found),
        Some(Group::Simple) => group.with_group_state(text(ClassicState::Empty.name())),
        Some(Group::Consumer(_)) => not_found(group, caller, format!("Group {group_id} is not a classic group.")),
        None => not_found(group, caller, format!("Group {group_id} not found.")),
    };
    GroupEffects::reply(ticket, GroupReply::DescribeGroup(group))
}

fn not_found(group: DescribedGroup, caller: &Caller<'_>, message: String) -> DescribedGroup {
    let dead = group.with_group_state(text(ClassicState::Dead.name()));
    if caller.api_version < GROUP_ID_NOT_FOUND_VERSION {
        return dead;
    }
    dead.with_error_code(ResponseError::GroupIdNotFound.code()).with_error_message(Some(StrBytes::from_string(message)))
}

fn describe_classic(group: DescribedGroup, found: &ClassicGroup) -> DescribedGroup {
    let stable = found.state() == ClassicState::Stable;
    let protocol = found.protocol().filter(|_| stable);
    let member = |member: &ClassicMember| {
        let described = DescribedGroupMember::default()
            .with_member_id(text(member.member_id.as_str()))
            .with_group_instance_id(member.instance_id.as_deref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_assignment(member.assignment.clone());
        match protocol {
            Some(protocol) => described.with_member_metadata(member.metadata(Some(protocol))),
            None => described,
        }
    };
    group
        .with_group_state(text(found.state().name()))
        .with_protocol_type(text(found.protocol_type().map_or("", |protocol_type| protocol_type)))
        .with_protocol_data(text(protocol.map_or("", |protocol| protocol)))
        .with_members(found.members().map(member).collect())
}

/// One group of a ConsumerGroupDescribe.
pub(super) fn consumer_group_describe(hard: &Hard, soft: &Soft, ticket: Ticket, group_id: &str) -> GroupEffects {
    let refused = |message: String| {
        ConsumerDescribedGroup::default()
            .with_group_id(wire_id(group_id))
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(StrBytes::from_string(message)))
    };
    let default_assignor = soft.settings.consumer_assignors.first().map_or("", String::as_str);
    let group = match kind::find(hard, soft, &group_id.into()) {
        Some(Group::Consumer(found)) => described(group_id, found, default_assignor, soft.image.topics()),
        Some(Group::Classic(_) | Group::Simple) => refused(format!("Group {group_id} is not a consumer group.")),
        None => refused(format!("Group {group_id} not found.")),
    };
    GroupEffects::reply(ticket, GroupReply::ConsumerGroupDescribe(group))
}

/// The groups that pass both filters. An empty filter lets all pass, one with nothing that we know lets none.
pub(super) fn list_groups(hard: &Hard, soft: &Soft, ticket: Ticket, request: &ListGroupsRequest) -> GroupEffects {
    let states: Vec<String> = request.states_filter.iter().map(|state| state.to_lowercase().trim().to_owned()).collect();
    let types: Vec<String> = request.types_filter.iter().map(|group_type| group_type.to_lowercase()).collect();
    let passes = |filter: &[String], value: &str| filter.is_empty() || filter.iter().any(|wanted| *wanted == value.to_lowercase());
    let groups = kind::all(hard, soft).filter_map(|(id, group)| {
        let (group_type, protocol_type, state) = match group {
            Group::Consumer(group) => ("consumer", CONSUMER_PROTOCOL_TYPE, group.state().name()),
            Group::Classic(group) => ("classic", group.protocol_type().map_or("", |protocol_type| &**protocol_type), group.state().name()),
            Group::Simple => ("classic", "", ClassicState::Empty.name()),
        };
        let listed = || {
            ListedGroup::default()
                .with_group_id(wire_id(id.as_str()))
                .with_protocol_type(text(protocol_type))
                .with_group_state(text(state))
                .with_group_type(text(group_type))
        };
        (passes(&states, state) && passes(&types, group_type)).then(listed)
    });
    GroupEffects::reply(ticket, GroupReply::ListGroups(groups.collect()))
}

/// One group of a DeleteGroups: all its offsets, then the group.
pub(super) fn delete_group(hard: &Hard, soft: &mut Soft, now: Millis, ticket: Ticket, group_id: &str) -> GroupEffects {
    let group = GroupId::from(group_id);
    let found = kind::find(hard, soft, &group).ok_or(ResponseError::GroupIdNotFound);
    let checked = found.and_then(Group::check_delete).and_then(|()| {
        let records = offset_tombstones(hard, &group);
        check_deletions(soft, &records).map(|()| records)
    });
    let error = checked.as_ref().err().copied();
    let mut effects = GroupEffects { records: checked.unwrap_or_default(), ..GroupEffects::default() };
    if error.is_none() {
        effects.append(kind::delete(hard, soft, now, &group));
    }
    let result = DeletableGroupResult::default().with_group_id(wire_id(group_id)).with_error_code(error.map_or(0, |error| error.code()));
    effects.replies.push((ticket, GroupReply::DeleteGroup(result)));
    effects
}

/// One for each offset, be it committed or pending.
fn offset_tombstones(hard: &Hard, group: &GroupId) -> Vec<GroupRecord> {
    let tombstone =
        |topic: &Arc<str>, partition| GroupRecord::OffsetCommit { group: group.clone(), topic: Arc::clone(topic), partition, value: None };
    let committed = hard.offsets.group(group.as_str()).into_iter().flat_map(|offsets| offsets.iter());
    let committed = committed.flat_map(|(topic, offsets)| offsets.iter().map(move |(partition, _)| tombstone(topic, partition)));
    let only_pending =
        hard.offsets.pending_of(group).filter(|(topic, partition)| hard.offsets.get(group.as_str(), topic, *partition).is_none());
    committed.chain(only_pending.map(|(topic, partition)| tombstone(topic, partition))).collect()
}
