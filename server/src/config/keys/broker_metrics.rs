//! Broker keys of metrics and quotas.

use super::super::key::{
    Importance::{Low, Medium},
    KeyDef,
    Kind::{Int, List, Long, Text},
    key,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("alter.log.dirs.replication.quota.window.num", Int, "11", Low).at_least(1)
        .no_effect("samples kept for the quota of moves between directories"),
    key("alter.log.dirs.replication.quota.window.size.seconds", Int, "1", Low).at_least(1)
        .no_effect("seconds of each such sample"),
    key("controller.quota.window.num", Int, "11", Low).at_least(1)
        .doc("Samples kept for the controller mutation quota."),
    key("controller.quota.window.size.seconds", Int, "1", Low).at_least(1)
        .doc("Seconds of each sample of the controller mutation quota."),
    key("kafka.metrics.polling.interval.secs", Int, "10", Low).at_least(1)
        .no_effect("seconds between reports of `kafka.metrics.reporters`"),
    key("kafka.metrics.reporters", List, "", Low)
        .no_effect("Java classes that report the server's metrics"),
    key("metric.reporters", List, "org.apache.kafka.common.metrics.JmxReporter", Low).cluster_wide()
        .no_effect("Java classes that report client-style metrics"),
    key("metrics.num.samples", Int, "2", Low).at_least(1)
        .no_effect("samples kept for each metric"),
    key("metrics.recording.level", Text, "INFO", Low)
        .no_effect("how many metrics are recorded: INFO, DEBUG, TRACE"),
    key("metrics.sample.window.ms", Long, "30000", Low).at_least(1)
        .no_effect("milliseconds of one metric sample"),
    key("quota.window.num", Int, "11", Low).at_least(1)
        .doc("Samples kept for client quotas."),
    key("quota.window.size.seconds", Int, "1", Low).at_least(1)
        .doc("Seconds of each sample of client quotas."),
    key("replication.quota.window.num", Int, "11", Low).at_least(1)
        .no_effect("samples kept for replication quotas"),
    key("replication.quota.window.size.seconds", Int, "1", Low).at_least(1)
        .no_effect("seconds of each sample of replication quotas"),
];

#[rustfmt::skip]
pub(super) const DYNAMIC_ONLY_KEYS: &[KeyDef] = &[
    key("follower.replication.throttled.rate", Long, "9223372036854775807", Medium).at_least(0).cluster_wide()
        .no_effect("bytes per second of throttled replicas that catch up"),
    key("leader.replication.throttled.rate", Long, "9223372036854775807", Medium).at_least(0).cluster_wide()
        .no_effect("bytes per second of throttled replicas that are fed"),
    key("replica.alter.log.dirs.io.max.bytes.per.second", Long, "9223372036854775807", Medium).at_least(0).cluster_wide()
        .no_effect("bytes per second moved between directories"),
];
