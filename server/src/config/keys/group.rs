//! Group keys, set per group through the config APIs. What a group does not set, its broker key decides.

use super::super::key::{
    Importance::Medium,
    KeyDef,
    Kind::{Bool, Int, Text},
    key, same,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("consumer.assignment.interval.ms", Int, "1000", Medium).at_least(0).synonyms(&[same("group.consumer.assignment.interval.ms")])
        .doc("Milliseconds between two assignments of the group at least (consumer protocol)."),
    key("consumer.heartbeat.interval.ms", Int, "5000", Medium).at_least(1).synonyms(&[same("group.consumer.heartbeat.interval.ms")])
        .doc("Milliseconds between heartbeats told to members (consumer protocol)."),
    key("consumer.session.timeout.ms", Int, "45000", Medium).at_least(1).synonyms(&[same("group.consumer.session.timeout.ms")])
        .doc("Milliseconds without a heartbeat after which a member is removed (consumer protocol)."),
    key("share.assignment.interval.ms", Int, "1000", Medium).at_least(0).synonyms(&[same("group.share.assignment.interval.ms")])
        .later("Milliseconds between two assignments of the share group at least."),
    key("share.auto.offset.reset", Text, "latest", Medium).auto_offset_reset()
        .later("Where a share group starts: `latest`, `earliest` or `by_duration:<ISO 8601 duration>` before now."),
    key("share.delivery.count.limit", Int, "5", Medium).at_least(2).synonyms(&[same("group.share.delivery.count.limit")])
        .later("Deliveries of one record before it is given up."),
    key("share.heartbeat.interval.ms", Int, "5000", Medium).at_least(1).synonyms(&[same("group.share.heartbeat.interval.ms")])
        .later("Milliseconds between heartbeats told to members (share groups)."),
    key("share.isolation.level", Text, "read_uncommitted", Medium).one_of(&["read_committed", "read_uncommitted"])
        .later("Whether a share group reads only committed records."),
    key("share.partition.max.record.locks", Int, "2000", Medium).at_least(100).synonyms(&[same("group.share.partition.max.record.locks")])
        .later("Records of one share partition handed out and not yet acknowledged at most."),
    key("share.record.lock.duration.ms", Int, "30000", Medium).at_least(1_000).synonyms(&[same("group.share.record.lock.duration.ms")])
        .later("Milliseconds a record stays reserved for the member that received it."),
    key("share.renew.acknowledge.enable", Bool, "true", Medium)
        .later("Whether members may extend the reservation of a record."),
    key("share.session.timeout.ms", Int, "45000", Medium).at_least(1).synonyms(&[same("group.share.session.timeout.ms")])
        .later("Milliseconds without a heartbeat after which a member is removed (share groups)."),
    key("streams.assignment.interval.ms", Int, "1000", Medium).at_least(0).synonyms(&[same("group.streams.assignment.interval.ms")])
        .later("Milliseconds between two assignments of the streams group at least."),
    key("streams.heartbeat.interval.ms", Int, "5000", Medium).at_least(1).synonyms(&[same("group.streams.heartbeat.interval.ms")])
        .later("Milliseconds between heartbeats told to members (streams groups)."),
    key("streams.initial.rebalance.delay.ms", Int, "3000", Medium).at_least(0).synonyms(&[same("group.streams.initial.rebalance.delay.ms")])
        .later("Milliseconds an empty streams group waits for more members before its first assignment."),
    key("streams.num.standby.replicas", Int, "0", Medium).at_least(0).synonyms(&[same("group.streams.num.standby.replicas")])
        .later("Standby copies of each streams task."),
    key("streams.session.timeout.ms", Int, "45000", Medium).at_least(1).synonyms(&[same("group.streams.session.timeout.ms")])
        .later("Milliseconds without a heartbeat after which a member is removed (streams groups)."),
];
