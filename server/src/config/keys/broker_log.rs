//! Broker keys of the log: segments, retention, flushing, timestamps, compression, the cleaner. Most are defaults of topic keys.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Bool, Double, Int, List, Long, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("compression.gzip.level", Int, "-1", Medium).gzip_level().cluster_wide()
        .doc("Gzip level (1 fastest to 9 smallest, -1 the codec's own default) used when the broker itself compresses."),
    key("compression.lz4.level", Int, "9", Medium).between(1, 17).cluster_wide()
        .later("LZ4 level (1 fastest to 17 smallest) used when the broker itself compresses; the codec here has one level."),
    key("compression.type", Text, "producer", High).one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]).cluster_wide()
        .doc("Codec of stored batches; `producer` keeps what the client sent, any other value recompresses."),
    key("compression.zstd.level", Int, "3", Medium).between(-131_072, 22).cluster_wide()
        .doc("Zstandard level (negative is faster, 22 smallest) used when the broker itself compresses."),
    key("cordoned.log.dirs", List, "", Medium).per_broker()
        .later("Comma-separated data directories that receive no new partitions; `*` means all."),
    key("log.cleaner.backoff.ms", Long, "15000", Medium).at_least(0).cluster_wide()
        .doc("Milliseconds the cleaner rests when it found nothing to compact."),
    key("log.cleaner.dedupe.buffer.size", Long, "134217728", Medium).cluster_wide()
        .doc("Bytes of memory for the cleaner's key map, shared by its threads."),
    key("log.cleaner.delete.retention.ms", Long, "86400000", Medium).at_least(0).cluster_wide()
        .doc("Milliseconds a tombstone or transaction marker survives compaction, so that slow readers still see it."),
    key("log.cleaner.enable", Bool, "true", Medium)
        .doc("Whether compaction runs at all; without it topics with `cleanup.policy=compact` grow forever."),
    key("log.cleaner.io.buffer.load.factor", Double, "0.9", Medium).cluster_wide()
        .doc("How full (0 to 1) the cleaner's key map may get before a pass ends."),
    key("log.cleaner.io.buffer.size", Int, "524288", Medium).at_least(0).cluster_wide()
        .doc("Bytes of the cleaner's read and write buffers, shared by its threads."),
    key("log.cleaner.io.max.bytes.per.second", Double, "1.7976931348623157E308", Medium).cluster_wide()
        .doc("Bytes per second the cleaner may read and write together, on average."),
    key("log.cleaner.max.compaction.lag.ms", Long, "9223372036854775807", Medium).at_least(1).cluster_wide()
        .doc("Milliseconds after which a record must become eligible for compaction."),
    key("log.cleaner.min.cleanable.ratio", Double, "0.5", Medium).between_real(0.0, 1.0).cluster_wide()
        .doc("Share (0 to 1) of a log that must be uncompacted before the cleaner takes it up."),
    key("log.cleaner.min.compaction.lag.ms", Long, "0", Medium).at_least(0).cluster_wide()
        .doc("Milliseconds a record stays untouched by compaction."),
    key("log.cleaner.threads", Int, "1", Medium).at_least(0).cluster_wide()
        .doc("Threads that compact; 0 stops compaction."),
    key("log.cleanup.policy", List, "delete", Medium).items_of(&["compact", "delete"]).cluster_wide()
        .doc("What happens to old data: `delete` drops old segments, `compact` keeps the last record per key, both do both; empty keeps everything."),
    key("log.dir", List, "/tmp/kafka-logs", High).not_empty()
        .doc("Directories for logs; used only when `log.dirs` is not set."),
    key("log.dir.failure.timeout.ms", Long, "30000", Low).at_least(1)
        .no_effect("milliseconds a broker waits to report a failed directory to a remote controller before it stops"),
    unset("log.dirs", List, High).not_empty()
        .doc("Comma-separated directories for logs; new partitions go to the one that holds fewest."),
    key("log.flush.interval.messages", Long, "9223372036854775807", High).at_least(1).cluster_wide()
        .doc("Messages a partition may hold before it is forced to disk; 1 means every acknowledged record survives power loss (one group-committed fdatasync per round)."),
    unset("log.flush.interval.ms", Long, High).cluster_wide()
        .doc("Milliseconds a message may stay in memory only; unset follows `log.flush.scheduler.interval.ms`."),
    key("log.flush.offset.checkpoint.interval.ms", Int, "60000", High).at_least(0)
        .doc("Milliseconds between writes of `recovery-point-offset-checkpoint`."),
    key("log.flush.scheduler.interval.ms", Long, "9223372036854775807", High)
        .doc("Milliseconds a message may stay in memory only, where `log.flush.interval.ms` is not set; Ottla looks every second."),
    key("log.flush.start.offset.checkpoint.interval.ms", Int, "60000", High).at_least(0)
        .doc("Milliseconds between writes of `log-start-offset-checkpoint`."),
    key("log.index.interval.bytes", Int, "4096", Medium).at_least(0).cluster_wide()
        .doc("Bytes of log between two index entries."),
    key("log.index.size.max.bytes", Int, "10485760", Medium).at_least(4).cluster_wide()
        .doc("Bytes an offset or time index may take; a full index rolls the segment."),
    key("log.initial.task.delay.ms", Long, "30000", Low).at_least(0).internal()
        .doc("Milliseconds after start before retention first runs."),
    key("log.local.retention.bytes", Long, "-2", Medium).at_least(-2).cluster_wide()
        .no_effect("bytes kept on local disk when tiered storage is on; -2 follows `log.retention.bytes`"),
    key("log.local.retention.ms", Long, "-2", Medium).at_least(-2).cluster_wide()
        .no_effect("milliseconds data is kept on local disk when tiered storage is on; -2 follows `log.retention.ms`"),
    key("log.message.timestamp.after.max.ms", Long, "3600000", Medium).at_least(0).cluster_wide()
        .doc("Milliseconds a CreateTime timestamp may lie ahead of the broker's clock; further is refused."),
    key("log.message.timestamp.before.max.ms", Long, "9223372036854775807", Medium).at_least(0).cluster_wide()
        .doc("Milliseconds a CreateTime timestamp may lie behind the broker's clock; further is refused."),
    key("log.message.timestamp.type", Text, "CreateTime", Medium).one_of(&["CreateTime", "LogAppendTime"]).cluster_wide()
        .doc("Whose time a record carries: the producer's (`CreateTime`) or the broker's (`LogAppendTime`)."),
    key("log.preallocate", Bool, "false", Medium).cluster_wide()
        .later("Whether a new segment file gets its full size at once."),
    key("log.retention.bytes", Long, "-1", High).cluster_wide()
        .doc("Bytes a partition may take before its oldest segments go; -1 sets no bound."),
    key("log.retention.check.interval.ms", Long, "300000", Medium).at_least(1)
        .doc("Milliseconds between looks for segments that retention allows to delete."),
    key("log.retention.hours", Int, "168", High)
        .doc("Hours data is kept; -1 for ever. Used when neither `log.retention.minutes` nor `log.retention.ms` is set."),
    unset("log.retention.minutes", Int, High)
        .doc("Minutes data is kept; -1 for ever. Used when `log.retention.ms` is not set."),
    unset("log.retention.ms", Long, High).cluster_wide()
        .doc("Milliseconds data is kept; -1 for ever. Unset follows `log.retention.minutes`, then `log.retention.hours`."),
    key("log.roll.hours", Int, "168", High).at_least(1)
        .doc("Hours after which a segment is closed even if not full. Used when `log.roll.ms` is not set."),
    key("log.roll.jitter.hours", Int, "0", High).at_least(0)
        .doc("Hours at most taken off the roll time at random. Used when `log.roll.jitter.ms` is not set."),
    unset("log.roll.jitter.ms", Long, High).cluster_wide()
        .doc("Milliseconds at most taken off the roll time at random, so that partitions do not roll together."),
    unset("log.roll.ms", Long, High).cluster_wide()
        .doc("Milliseconds after which a segment is closed even if not full; unset follows `log.roll.hours`."),
    key("log.segment.bytes", Int, "1073741824", High).at_least(1_048_576).cluster_wide()
        .doc("Bytes of one segment file at most."),
    key("log.segment.delete.delay.ms", Long, "60000", High).at_least(0).cluster_wide()
        .doc("Milliseconds a deleted segment's file stays on disk, for readers that still hold it."),
    key("message.max.bytes", Int, "1048588", High).at_least(0).cluster_wide()
        .doc("Bytes of one record batch at most, as stored (compressed); topics override it with `max.message.bytes`."),
    key("num.recovery.threads.per.data.dir", Int, "2", High).at_least(1).cluster_wide()
        .doc("Threads per data directory that open logs at start and close them at stop."),
    unset("num.replica.alter.log.dirs.threads", Int, High)
        .no_effect("threads that move replicas between directories"),
    key("producer.id.expiration.check.interval.ms", Int, "600000", Low).at_least(1).internal()
        .doc("Milliseconds between looks for idle producer ids to forget."),
    key("producer.id.expiration.ms", Int, "86400000", Low).at_least(1).cluster_wide()
        .doc("Milliseconds an idle producer's sequence state is remembered; a producer of an open transaction is never forgotten."),
];
