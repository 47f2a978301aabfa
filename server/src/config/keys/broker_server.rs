//! Broker keys of identity, topics and requests.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Bool, Class, Int, List, Long, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    unset("advertised.listeners", List, High).not_empty()
        .doc("Addresses told to clients, `NAME://host:port` per listener; unset tells the listeners' own addresses."),
    unset("alter.config.policy.class.name", Class, Low)
        .no_effect("Java class that may refuse config changes"),
    key("auto.create.topics.enable", Bool, "true", High)
        .doc("Whether a Metadata request that allows it creates a missing topic."),
    key("auto.leader.rebalance.enable", Bool, "true", High)
        .no_effect("whether leadership returns to preferred replicas by itself"),
    key("background.threads", Int, "10", High).at_least(1).cluster_wide()
        .no_effect("threads for housekeeping"),
    key("broker.heartbeat.interval.ms", Int, "2000", Medium)
        .no_effect("milliseconds between heartbeats to a remote controller"),
    key("broker.id", Int, "-1", High)
        .doc("Older name of `node.id`."),
    unset("broker.rack", Text, Medium)
        .doc("Rack of this broker, told to clients and used to place replicas."),
    key("broker.session.timeout.ms", Int, "9000", Medium)
        .no_effect("milliseconds without a heartbeat after which the controller fences the broker"),
    unset("client.quota.callback.class", Class, Low)
        .no_effect("Java class that decides quotas"),
    key("config.providers", List, "", Low).cluster_wide()
        .no_effect("Java classes that resolve `${provider:path:key}` in values"),
    key("controlled.shutdown.enable", Bool, "true", Medium)
        .no_effect("whether a stopping broker first hands its partitions to others"),
    unset("create.topic.policy.class.name", Class, Low)
        .no_effect("Java class that may refuse new topics"),
    key("default.replication.factor", Int, "1", Medium)
        .doc("Replicas of a topic created without a count."),
    key("delete.records.purgatory.purge.interval.requests", Int, "1", Medium)
        .no_effect("waiting DeleteRecords requests between clean-ups of finished ones"),
    key("delete.topic.enable", Bool, "true", High)
        .doc("Whether topics may be deleted."),
    key("fetch.max.bytes", Int, "57671680", Medium).at_least(1_024)
        .doc("Bytes of one fetch response at most; a first batch larger than that is still sent whole."),
    key("fetch.purgatory.purge.interval.requests", Int, "1000", Medium)
        .no_effect("waiting Fetch requests between clean-ups of finished ones"),
    key("leader.imbalance.check.interval.seconds", Long, "300", High).at_least(1)
        .no_effect("seconds between looks for partitions not led by their preferred replica"),
    key("max.incremental.fetch.session.cache.slots", Int, "1000", Medium).at_least(0)
        .doc("Fetch sessions remembered at most; more clients fall back to full fetches."),
    key("max.request.partition.size.limit", Int, "2000", Medium).at_least(1)
        .doc("Partitions one DescribeTopicPartitions answer holds at most."),
    key("min.insync.replicas", Int, "1", High).at_least(1).cluster_wide()
        .doc("In-sync replicas an acks=all write needs; also Kafka's floor for committing."),
    unset("node.id", Int, High).at_least(0)
        .doc("Number of this node in its cluster."),
    key("num.io.threads", Int, "8", High).at_least(1).cluster_wide()
        .no_effect("request handler threads; requests run on the reactors here"),
    key("num.network.threads", Int, "3", High).at_least(1).cluster_wide()
        .doc("Reactors (event loop threads); when not set, one per core. `ottla.reactors` goes before it."),
    key("num.partitions", Int, "1", Medium).at_least(1)
        .doc("Partitions of a topic created without a count."),
    key("num.replica.fetchers", Int, "1", High).at_least(1).cluster_wide()
        .no_effect("threads that fetch from each leader"),
    key("producer.purgatory.purge.interval.requests", Int, "1000", Medium)
        .no_effect("waiting Produce requests between clean-ups of finished ones"),
    key("queued.max.request.bytes", Long, "-1", Medium)
        .doc("Bytes of requests held at once over all connections; -1 leaves it to `ottla.limit.request.memory.bytes`."),
    key("queued.max.requests", Int, "500", High).at_least(1)
        .no_effect("requests queued before reading stops; `ottla.limit.in.flight.requests` bounds each connection here"),
    key("replica.fetch.backoff.ms", Int, "1000", Medium).at_least(0)
        .no_effect("milliseconds a follower rests after a fetch error"),
    key("replica.fetch.max.bytes", Int, "1048576", Medium).at_least(0)
        .no_effect("bytes per partition a follower asks for"),
    key("replica.fetch.min.bytes", Int, "1", High)
        .no_effect("bytes a follower waits for"),
    key("replica.fetch.response.max.bytes", Int, "10485760", Medium).at_least(0)
        .no_effect("bytes of one fetch response to a follower"),
    key("replica.fetch.wait.max.ms", Int, "500", High)
        .no_effect("milliseconds a follower's fetch may wait"),
    key("replica.high.watermark.checkpoint.interval.ms", Long, "5000", High)
        .later("Milliseconds between writes of `replication-offset-checkpoint`."),
    key("replica.lag.time.max.ms", Long, "30000", High)
        .no_effect("milliseconds a follower may lag before it leaves the in-sync replicas"),
    unset("replica.selector.class", Text, Medium)
        .no_effect("Java class that picks the replica a consumer reads from"),
    key("replica.socket.receive.buffer.bytes", Int, "65536", High)
        .no_effect("bytes of a follower's socket buffer"),
    key("replica.socket.timeout.ms", Int, "30000", High)
        .no_effect("milliseconds a follower waits on its socket"),
    key("request.timeout.ms", Int, "30000", High)
        .no_effect("milliseconds a broker waits for another broker's answer"),
    key("server.max.startup.time.ms", Long, "9223372036854775807", Medium).at_least(0).internal()
        .no_effect("milliseconds a start may take"),
    key("share.fetch.purgatory.purge.interval.requests", Int, "1000", Medium)
        .no_effect("waiting share fetches between clean-ups of finished ones"),
    key("telemetry.max.bytes", Int, "1048576", Low).at_least(1)
        .doc("Bytes of one client metrics push at most."),
    key("unclean.leader.election.enable", Bool, "false", High).cluster_wide()
        .no_effect("whether a replica that is not in sync may become leader and so lose data"),
    key("unstable.api.versions.enable", Bool, "false", High).internal()
        .no_effect("whether API versions under development are offered"),
];
