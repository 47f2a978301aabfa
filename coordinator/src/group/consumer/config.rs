//! What a group obeys: the broker's settings, and what was set for the group itself.

use super::super::soft::Soft;
use crate::metadata::image::{ConfigResource, ConfigResourceType};
use std::collections::BTreeMap;

/// The times of one group, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) struct GroupConfig {
    /// `consumer.session.timeout.ms`
    pub(in crate::group) session_timeout_ms: i32,
    /// `consumer.heartbeat.interval.ms`
    pub(in crate::group) heartbeat_interval_ms: i32,
    /// `consumer.assignment.interval.ms`: the least time between two target assignments (KIP-1263).
    pub(in crate::group) assignment_interval_ms: i32,
}

/// The configuration of a group. What was set before the broker's bounds were is cut to them.
pub(in crate::group) fn of(soft: &Soft, group_id: &str) -> GroupConfig {
    let settings = &soft.settings;
    let resource = ConfigResource { resource_type: ConfigResourceType::Group, name: group_id.to_owned() };
    let own = soft.image.configs().of(&resource);
    let own = |key: &str, default: i32, bounds: (i32, i32)| own.and_then(|own| set_value(own, key, bounds)).unwrap_or(default);
    GroupConfig {
        session_timeout_ms: own(
            "consumer.session.timeout.ms",
            settings.consumer_session_timeout_ms,
            (settings.consumer_min_session_timeout_ms, settings.consumer_max_session_timeout_ms),
        ),
        heartbeat_interval_ms: own(
            "consumer.heartbeat.interval.ms",
            settings.consumer_heartbeat_interval_ms,
            (settings.consumer_min_heartbeat_interval_ms, settings.consumer_max_heartbeat_interval_ms),
        ),
        assignment_interval_ms: own(
            "consumer.assignment.interval.ms",
            settings.consumer_assignment_interval_ms,
            (settings.consumer_min_assignment_interval_ms, settings.consumer_max_assignment_interval_ms),
        ),
    }
}

/// Values are checked when they are set; one that is no number counts as not set.
fn set_value(own: &BTreeMap<String, String>, key: &str, (least, most): (i32, i32)) -> Option<i32> {
    let value: i32 = own.get(key)?.trim().parse().ok()?;
    Some(if value < least { least } else { value.min(most) })
}
