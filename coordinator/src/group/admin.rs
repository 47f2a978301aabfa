//! ListGroups, DescribeGroups, ConsumerGroupDescribe, DeleteGroups.

use super::hard::Hard;
use super::soft::Soft;
use super::{Caller, GroupEffects};
use crate::effects::Ticket;
use crate::timers::Millis;
use kafka_protocol::messages::ListGroupsRequest;

pub(super) fn describe_group(_hard: &Hard, _soft: &Soft, _ticket: Ticket, _caller: &Caller<'_>, _group_id: &str) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn consumer_group_describe(_hard: &Hard, _soft: &Soft, _ticket: Ticket, _caller: &Caller<'_>, _group_id: &str) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn list_groups(_hard: &Hard, _soft: &Soft, _ticket: Ticket, _request: &ListGroupsRequest) -> GroupEffects {
    GroupEffects::default()
}

pub(super) fn delete_group(_hard: &Hard, _soft: &mut Soft, _now: Millis, _ticket: Ticket, _group_id: &str) -> GroupEffects {
    GroupEffects::default()
}
