//! Broker keys of consumer, share and streams groups and their offsets.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Int, List, Long, Short, Text},
    key,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("group.consumer.assignment.interval.ms", Int, "1000", Medium).at_least(0).cluster_wide()
        .doc("Milliseconds between two assignments of a group of the consumer protocol at least."),
    key("group.consumer.assignors", List, "uniform,range", Medium).not_empty()
        .doc("Server-side assignors of the consumer protocol, first is the default: `uniform`, `range`."),
    key("group.consumer.heartbeat.interval.ms", Int, "5000", Medium).at_least(1)
        .doc("Milliseconds between heartbeats told to members of the consumer protocol."),
    key("group.consumer.max.assignment.interval.ms", Int, "15000", Medium).at_least(0)
        .doc("Milliseconds a group may set at most as `consumer.assignment.interval.ms`."),
    key("group.consumer.max.heartbeat.interval.ms", Int, "15000", Medium).at_least(1)
        .doc("Milliseconds a group may set at most as `consumer.heartbeat.interval.ms`."),
    key("group.consumer.max.session.timeout.ms", Int, "60000", Medium).at_least(1)
        .doc("Milliseconds a group may set at most as `consumer.session.timeout.ms`."),
    key("group.consumer.max.size", Int, "2147483647", Medium).at_least(1)
        .doc("Members of one group of the consumer protocol at most."),
    key("group.consumer.migration.policy", Text, "bidirectional", Medium).one_of_any_case(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"])
        .doc("Which way groups may change between classic and consumer protocol: `upgrade`, `downgrade`, `bidirectional`, `disabled`."),
    key("group.consumer.min.assignment.interval.ms", Int, "0", Medium).at_least(0)
        .doc("Milliseconds a group may set at least as `consumer.assignment.interval.ms`."),
    key("group.consumer.min.heartbeat.interval.ms", Int, "5000", Medium).at_least(1)
        .doc("Milliseconds a group may set at least as `consumer.heartbeat.interval.ms`."),
    key("group.consumer.min.session.timeout.ms", Int, "45000", Medium).at_least(1)
        .doc("Milliseconds a group may set at least as `consumer.session.timeout.ms`."),
    key("group.consumer.regex.refresh.interval.ms", Int, "600000", Medium).at_least(10_000).internal()
        .doc("Milliseconds between fresh looks at the topics a subscription pattern matches."),
    key("group.consumer.session.timeout.ms", Int, "45000", Medium).at_least(1)
        .doc("Milliseconds without a heartbeat after which a member of the consumer protocol is removed."),
    key("group.coordinator.append.linger.ms", Int, "-1", Medium).at_least(-1)
        .no_effect("milliseconds the group coordinator gathers records before it writes them; -1 adapts to the load"),
    key("group.coordinator.background.threads", Int, "2", High).at_least(1)
        .no_effect("threads for the group coordinator's long computations"),
    key("group.coordinator.cached.buffer.max.bytes", Int, "1048588", Medium).at_least(524_288).cluster_wide()
        .no_effect("bytes of write buffer the group coordinator keeps"),
    key("group.coordinator.rebalance.protocols", List, "classic,consumer,streams", Medium).items_of(&["consumer", "classic", "share", "streams"]).not_empty()
        .doc("Group protocols offered: `consumer`; `classic` always is, `streams` and `share` not yet."),
    key("group.coordinator.threads", Int, "4", High).at_least(1)
        .no_effect("group coordinator threads; shards run on the reactors here"),
    key("group.initial.rebalance.delay.ms", Int, "3000", Medium)
        .doc("Milliseconds an empty classic group waits for more members before its first rebalance."),
    key("group.max.session.timeout.ms", Int, "1800000", Medium)
        .doc("Milliseconds a classic member may ask for as session timeout at most."),
    key("group.max.size", Int, "2147483647", Medium).at_least(1)
        .doc("Members of one classic group at most."),
    key("group.min.session.timeout.ms", Int, "6000", Medium)
        .doc("Milliseconds a classic member may ask for as session timeout at least."),
    key("group.share.assignment.interval.ms", Int, "1000", Medium).at_least(0).cluster_wide()
        .later("Milliseconds between two assignments of a share group at least."),
    key("group.share.assignors", List, "simple", Medium).not_empty()
        .later("Server-side assignors of share groups: `simple`."),
    key("group.share.delivery.count.limit", Int, "5", Medium).between(2, 10)
        .later("Deliveries of one record to a share group before it is given up."),
    key("group.share.heartbeat.interval.ms", Int, "5000", Medium).at_least(1)
        .later("Milliseconds between heartbeats told to members of share groups."),
    key("group.share.initialize.retry.interval.ms", Int, "30000", Low).at_least(1).internal()
        .later("Milliseconds before starting state of a share partition is asked for again."),
    key("group.share.max.assignment.interval.ms", Int, "15000", Medium).at_least(0)
        .later("Milliseconds a group may set at most as `share.assignment.interval.ms`."),
    key("group.share.max.delivery.count.limit", Int, "10", Medium).between(5, 25)
        .later("Deliveries a group may set at most as `share.delivery.count.limit`."),
    key("group.share.max.heartbeat.interval.ms", Int, "15000", Medium).at_least(1)
        .later("Milliseconds a group may set at most as `share.heartbeat.interval.ms`."),
    key("group.share.max.partition.max.record.locks", Int, "4000", Medium).between(2_000, 10_000)
        .later("Records a group may set at most as `share.partition.max.record.locks`."),
    key("group.share.max.record.lock.duration.ms", Int, "60000", Medium).between(30_000, 3_600_000)
        .later("Milliseconds a group may set at most as `share.record.lock.duration.ms`."),
    key("group.share.max.session.timeout.ms", Int, "60000", Medium).at_least(1)
        .later("Milliseconds a group may set at most as `share.session.timeout.ms`."),
    key("group.share.max.share.sessions", Int, "2000", Medium).at_least(1)
        .later("Share sessions remembered by this broker at most."),
    key("group.share.max.size", Int, "200", Medium).between(1, 1_000)
        .later("Members of one share group at most."),
    key("group.share.min.assignment.interval.ms", Int, "0", Medium).at_least(0)
        .later("Milliseconds a group may set at least as `share.assignment.interval.ms`."),
    key("group.share.min.delivery.count.limit", Int, "2", Medium).between(2, 5)
        .later("Deliveries a group may set at least as `share.delivery.count.limit`."),
    key("group.share.min.heartbeat.interval.ms", Int, "5000", Medium).at_least(1)
        .later("Milliseconds a group may set at least as `share.heartbeat.interval.ms`."),
    key("group.share.min.partition.max.record.locks", Int, "100", Medium).between(100, 2_000)
        .later("Records a group may set at least as `share.partition.max.record.locks`."),
    key("group.share.min.record.lock.duration.ms", Int, "15000", Medium).between(1_000, 30_000)
        .later("Milliseconds a group may set at least as `share.record.lock.duration.ms`."),
    key("group.share.min.session.timeout.ms", Int, "45000", Medium).at_least(1)
        .later("Milliseconds a group may set at least as `share.session.timeout.ms`."),
    key("group.share.partition.max.record.locks", Int, "2000", Medium).between(100, 10_000)
        .later("Records of one share partition handed out and not yet acknowledged at most."),
    key("group.share.persister.class.name", Text, "org.apache.kafka.server.share.persister.DefaultStatePersister", Medium).internal()
        .no_effect("Java class that stores the state of share partitions"),
    key("group.share.record.lock.duration.ms", Int, "30000", Medium).between(1_000, 3_600_000)
        .later("Milliseconds a record stays reserved for the member that received it."),
    key("group.share.session.timeout.ms", Int, "45000", Medium).at_least(1)
        .later("Milliseconds without a heartbeat after which a member of a share group is removed."),
    key("group.streams.assignment.interval.ms", Int, "1000", Medium).at_least(0).cluster_wide()
        .later("Milliseconds between two assignments of a streams group at least."),
    key("group.streams.heartbeat.interval.ms", Int, "5000", Medium).at_least(1)
        .later("Milliseconds between heartbeats told to members of streams groups."),
    key("group.streams.initial.rebalance.delay.ms", Int, "3000", Medium).at_least(0)
        .later("Milliseconds an empty streams group waits for more members before its first assignment."),
    key("group.streams.max.assignment.interval.ms", Int, "15000", Medium).at_least(0)
        .later("Milliseconds a group may set at most as `streams.assignment.interval.ms`."),
    key("group.streams.max.heartbeat.interval.ms", Int, "15000", Medium).at_least(1)
        .later("Milliseconds a group may set at most as `streams.heartbeat.interval.ms`."),
    key("group.streams.max.session.timeout.ms", Int, "60000", Medium).at_least(1)
        .later("Milliseconds a group may set at most as `streams.session.timeout.ms`."),
    key("group.streams.max.size", Int, "2147483647", Medium).at_least(1)
        .later("Members of one streams group at most."),
    key("group.streams.max.standby.replicas", Int, "2", Medium).at_least(0)
        .later("Standby copies a group may set at most as `streams.num.standby.replicas`."),
    key("group.streams.min.assignment.interval.ms", Int, "0", Medium).at_least(0)
        .later("Milliseconds a group may set at least as `streams.assignment.interval.ms`."),
    key("group.streams.min.heartbeat.interval.ms", Int, "5000", Medium).at_least(1)
        .later("Milliseconds a group may set at least as `streams.heartbeat.interval.ms`."),
    key("group.streams.min.session.timeout.ms", Int, "45000", Medium).at_least(1)
        .later("Milliseconds a group may set at least as `streams.session.timeout.ms`."),
    key("group.streams.num.standby.replicas", Int, "0", Medium).at_least(0)
        .later("Standby copies of each streams task."),
    key("group.streams.session.timeout.ms", Int, "45000", Medium).at_least(1)
        .later("Milliseconds without a heartbeat after which a member of a streams group is removed."),
    key("offset.metadata.max.bytes", Int, "4096", High)
        .doc("Bytes of the text a client may store with a committed offset."),
    key("offsets.commit.timeout.ms", Int, "5000", High).at_least(1)
        .doc("Milliseconds an offset commit may wait for its replicas."),
    key("offsets.load.buffer.size", Int, "5242880", High).at_least(1)
        .doc("Bytes read at a time while a coordinator loads `__consumer_offsets`."),
    key("offsets.retention.check.interval.ms", Long, "600000", High).at_least(1)
        .doc("Milliseconds between looks for expired offsets."),
    key("offsets.retention.minutes", Int, "10080", High).at_least(1)
        .doc("Minutes offsets are kept after a group became empty (or after the commit, for clients without group membership)."),
    key("offsets.topic.compression.codec", Int, "0", High)
        .doc("Codec (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd) of batches the coordinator writes to `__consumer_offsets`."),
    key("offsets.topic.num.partitions", Int, "50", High).at_least(1)
        .doc("Partitions of `__consumer_offsets` when it is created; changing it later has no effect."),
    key("offsets.topic.replication.factor", Short, "3", High).at_least(1)
        .doc("Replicas of `__consumer_offsets` when it is created."),
    key("offsets.topic.segment.bytes", Int, "104857600", High).at_least(1)
        .doc("Bytes of one segment of `__consumer_offsets`."),
];
