//! Topic keys, as CreateTopics and the config APIs take them. What a topic does not set, its broker key decides.

use super::super::key::{
    Importance::Medium,
    KeyDef,
    Kind::{Bool, Double, Int, List, Long, Text},
    hours, key, minutes, same, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("cleanup.policy", List, "delete", Medium).items_of(&["compact", "delete"]).synonyms(&[same("log.cleanup.policy")])
        .doc("What happens to old data: `delete` drops old segments, `compact` keeps the last record per key, both do both; empty keeps everything."),
    key("compression.gzip.level", Int, "-1", Medium).gzip_level().synonyms(&[same("compression.gzip.level")])
        .doc("Gzip level (1 fastest to 9 smallest, -1 the codec's own default) used when the broker itself compresses."),
    key("compression.lz4.level", Int, "9", Medium).between(1, 17).synonyms(&[same("compression.lz4.level")])
        .later("LZ4 level (1 fastest to 17 smallest) used when the broker itself compresses; the codec here has one level."),
    key("compression.type", Text, "producer", Medium).one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]).synonyms(&[same("compression.type")])
        .doc("Codec of stored batches; `producer` keeps what the client sent, any other value recompresses."),
    key("compression.zstd.level", Int, "3", Medium).between(-131_072, 22).synonyms(&[same("compression.zstd.level")])
        .doc("Zstandard level (negative is faster, 22 smallest) used when the broker itself compresses."),
    key("delete.retention.ms", Long, "86400000", Medium).at_least(0).synonyms(&[same("log.cleaner.delete.retention.ms")])
        .doc("Milliseconds a tombstone or transaction marker survives compaction, so that slow readers still see it."),
    key("file.delete.delay.ms", Long, "60000", Medium).at_least(0).synonyms(&[same("log.segment.delete.delay.ms")])
        .doc("Milliseconds a deleted segment's file stays on disk, for readers that still hold it."),
    key("flush.messages", Long, "9223372036854775807", Medium).at_least(1).synonyms(&[same("log.flush.interval.messages")])
        .doc("Messages that may be in memory only before they are forced to disk; 1 means every acknowledged record survives power loss."),
    key("flush.ms", Long, "9223372036854775807", Medium).at_least(0).synonyms(&[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")])
        .doc("Milliseconds a message may stay in memory only."),
    key("follower.replication.throttled.replicas", List, "", Medium).throttled_replicas()
        .no_effect("replicas (`partition:broker,...` or `*`) whose catching up is throttled"),
    key("index.interval.bytes", Int, "4096", Medium).at_least(0).synonyms(&[same("log.index.interval.bytes")])
        .doc("Bytes of log between two index entries."),
    unset("internal.segment.bytes", Int, Medium).internal()
        .doc("Bytes of one segment file, without the lower bound of the public key; for tests."),
    key("leader.replication.throttled.replicas", List, "", Medium).throttled_replicas()
        .no_effect("replicas (`partition:broker,...` or `*`) whose feeding is throttled"),
    key("local.retention.bytes", Long, "-2", Medium).at_least(-2).synonyms(&[same("log.local.retention.bytes")])
        .no_effect("bytes kept on local disk when tiered storage is on; -2 follows `retention.bytes`"),
    key("local.retention.ms", Long, "-2", Medium).at_least(-2).synonyms(&[same("log.local.retention.ms")])
        .no_effect("milliseconds data is kept on local disk when tiered storage is on; -2 follows `retention.ms`"),
    key("max.compaction.lag.ms", Long, "9223372036854775807", Medium).at_least(1).synonyms(&[same("log.cleaner.max.compaction.lag.ms")])
        .doc("Milliseconds after which a record must become eligible for compaction."),
    key("max.message.bytes", Int, "1048588", Medium).at_least(0).synonyms(&[same("message.max.bytes")])
        .doc("Bytes of one record batch at most, as stored (compressed)."),
    key("message.timestamp.after.max.ms", Long, "3600000", Medium).at_least(0).synonyms(&[same("log.message.timestamp.after.max.ms")])
        .doc("Milliseconds a CreateTime timestamp may lie ahead of the broker's clock; further is refused."),
    key("message.timestamp.before.max.ms", Long, "9223372036854775807", Medium).at_least(0).synonyms(&[same("log.message.timestamp.before.max.ms")])
        .doc("Milliseconds a CreateTime timestamp may lie behind the broker's clock; further is refused."),
    key("message.timestamp.type", Text, "CreateTime", Medium).one_of(&["CreateTime", "LogAppendTime"]).synonyms(&[same("log.message.timestamp.type")])
        .doc("Whose time a record carries: the producer's (`CreateTime`) or the broker's (`LogAppendTime`)."),
    key("min.cleanable.dirty.ratio", Double, "0.5", Medium).between_real(0.0, 1.0).synonyms(&[same("log.cleaner.min.cleanable.ratio")])
        .doc("Share (0 to 1) of the log that must be uncompacted before the cleaner takes it up."),
    key("min.compaction.lag.ms", Long, "0", Medium).at_least(0).synonyms(&[same("log.cleaner.min.compaction.lag.ms")])
        .doc("Milliseconds a record stays untouched by compaction."),
    key("min.insync.replicas", Int, "1", Medium).at_least(1).synonyms(&[same("min.insync.replicas")])
        .doc("In-sync replicas an acks=all write needs."),
    key("preallocate", Bool, "false", Medium).synonyms(&[same("log.preallocate")])
        .later("Whether a new segment file gets its full size at once."),
    key("remote.log.copy.disable", Bool, "false", Medium)
        .no_effect("whether a tiered topic stops copying to the remote store"),
    key("remote.log.delete.on.disable", Bool, "false", Medium)
        .no_effect("whether remote data goes when tiering is switched off"),
    key("remote.storage.enable", Bool, "false", Medium)
        .no_effect("whether the topic is tiered"),
    key("retention.bytes", Long, "-1", Medium).synonyms(&[same("log.retention.bytes")])
        .doc("Bytes a partition may take before its oldest segments go; -1 sets no bound."),
    key("retention.ms", Long, "604800000", Medium).at_least(-1).synonyms(&[same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")])
        .doc("Milliseconds data is kept; -1 for ever."),
    key("segment.bytes", Int, "1073741824", Medium).at_least(1_048_576).synonyms(&[same("log.segment.bytes")])
        .doc("Bytes of one segment file at most."),
    key("segment.index.bytes", Int, "10485760", Medium).at_least(4).synonyms(&[same("log.index.size.max.bytes")])
        .doc("Bytes an offset or time index may take; a full index rolls the segment."),
    key("segment.jitter.ms", Long, "0", Medium).at_least(0).synonyms(&[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")])
        .doc("Milliseconds at most taken off the roll time at random, so that partitions do not roll together."),
    key("segment.ms", Long, "604800000", Medium).at_least(1).synonyms(&[same("log.roll.ms"), hours("log.roll.hours")])
        .doc("Milliseconds after which a segment is closed even if not full."),
    key("unclean.leader.election.enable", Bool, "false", Medium).synonyms(&[same("unclean.leader.election.enable")])
        .no_effect("whether a replica that is not in sync may become leader and so lose data"),
];
