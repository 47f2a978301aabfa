//! Broker keys of tiered storage, which Ottla does not have yet.

use super::super::key::{
    Importance::{Low, Medium},
    KeyDef,
    Kind::{Bool, Double, Int, Long, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("follower.fetch.last.tiered.offset.enable", Bool, "false", Medium).cluster_wide()
        .no_effect("whether a new follower starts from the end of what is tiered"),
    key("remote.fetch.max.wait.ms", Int, "500", Medium).at_least(1).cluster_wide()
        .no_effect("milliseconds a fetch may wait for the remote store"),
    key("remote.list.offsets.request.timeout.ms", Long, "30000", Medium).at_least(1).cluster_wide()
        .no_effect("milliseconds a ListOffsets request may wait for the remote store"),
    key("remote.log.index.file.cache.total.size.bytes", Long, "1073741824", Low).at_least(1).cluster_wide()
        .no_effect("bytes of remote index files kept locally"),
    key("remote.log.index.file.cache.ttl.ms", Long, "900000", Low).at_least(-1).internal()
        .no_effect("milliseconds an unused remote index file is kept locally"),
    key("remote.log.manager.copier.thread.pool.size", Int, "10", Medium).at_least(1).cluster_wide()
        .no_effect("threads that copy segments to the remote store"),
    key("remote.log.manager.copy.max.bytes.per.second", Long, "9223372036854775807", Medium).at_least(1).cluster_wide()
        .no_effect("bytes per second copied to the remote store"),
    key("remote.log.manager.copy.quota.window.num", Int, "11", Medium).at_least(1)
        .no_effect("samples kept for the copy quota"),
    key("remote.log.manager.copy.quota.window.size.seconds", Int, "1", Medium).at_least(1)
        .no_effect("seconds of each sample of the copy quota"),
    key("remote.log.manager.expiration.thread.pool.size", Int, "10", Medium).at_least(1).cluster_wide()
        .no_effect("threads that delete expired remote segments"),
    key("remote.log.manager.fetch.max.bytes.per.second", Long, "9223372036854775807", Medium).at_least(1).cluster_wide()
        .no_effect("bytes per second read from the remote store"),
    key("remote.log.manager.fetch.quota.window.num", Int, "11", Medium).at_least(1)
        .no_effect("samples kept for the fetch quota"),
    key("remote.log.manager.fetch.quota.window.size.seconds", Int, "1", Medium).at_least(1)
        .no_effect("seconds of each sample of the fetch quota"),
    key("remote.log.manager.follower.thread.pool.size", Int, "2", Medium).at_least(1).cluster_wide()
        .no_effect("threads that follow remote state for partitions led elsewhere"),
    key("remote.log.manager.task.interval.ms", Long, "30000", Low).at_least(1)
        .no_effect("milliseconds between runs of the copy and expiry tasks"),
    key("remote.log.manager.task.retry.backoff.max.ms", Long, "30000", Low).at_least(1).internal()
        .no_effect("milliseconds at most before a failed remote task is tried again"),
    key("remote.log.manager.task.retry.backoff.ms", Long, "500", Low).at_least(1).internal()
        .no_effect("milliseconds before a failed remote task is tried again"),
    key("remote.log.manager.task.retry.jitter", Double, "0.2", Low).between_real(0.0, 0.5).internal()
        .no_effect("share (0 to 0.5) by which that wait varies at random"),
    key("remote.log.manager.thread.pool.size", Int, "2", Medium).at_least(1)
        .no_effect("threads of the older common remote task pool"),
    key("remote.log.metadata.custom.metadata.max.bytes", Int, "128", Low).at_least(0)
        .no_effect("bytes of store-specific metadata per remote segment"),
    key("remote.log.metadata.manager.class.name", Text, "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", Medium).not_empty()
        .no_effect("Java class that keeps the metadata of remote segments"),
    unset("remote.log.metadata.manager.class.path", Text, Medium)
        .no_effect("class path of that class"),
    key("remote.log.metadata.manager.impl.prefix", Text, "rlmm.config.", Medium).not_empty()
        .no_effect("prefix of the keys handed to that class"),
    unset("remote.log.metadata.manager.listener.name", Text, Medium).not_empty()
        .no_effect("listener that class connects to"),
    key("remote.log.reader.max.pending.tasks", Int, "100", Medium).at_least(1)
        .no_effect("remote reads queued at most"),
    key("remote.log.reader.threads", Int, "10", Medium).at_least(1).cluster_wide()
        .no_effect("threads that read from the remote store"),
    unset("remote.log.storage.manager.class.name", Text, Medium).not_empty()
        .no_effect("Java class that talks to the remote store"),
    unset("remote.log.storage.manager.class.path", Text, Medium)
        .no_effect("class path of that class"),
    key("remote.log.storage.manager.impl.prefix", Text, "rsm.config.", Medium).not_empty()
        .no_effect("prefix of the keys handed to that class"),
    key("remote.log.storage.system.enable", Bool, "false", Medium)
        .no_effect("whether tiered storage is on"),
];
