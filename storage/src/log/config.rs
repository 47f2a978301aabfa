//! What one log needs to know of its topic's configuration. Field names are Kafka's topic keys.

use crate::batch::TimestampType;

/// What happens to old data (`cleanup.policy`); both may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Whole old segments are deleted by time, size or log start offset.
    pub delete: bool,
    /// Only the newest record of each key is kept.
    pub compact: bool,
}

/// What the broker does to the compression a producer chose (`compression.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicCompression {
    /// Batches are stored as they came.
    #[default]
    Producer,
    /// Batches are stored with this codec (the attribute code 0 to 4) at this level; other batches are compressed anew.
    Fixed {
        /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        code: u8,
        /// The codec's level; `None` means Kafka's default.
        level: Option<i32>,
    },
}

/// The topic keys a log obeys, with Kafka's defaults in [`Default`].
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment never grows beyond this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment whose first batch is older than this is rolled.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is subtracted from `segment.ms`, so that many logs do not roll at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: the largest size of an offset or time index file.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: how many log bytes lie between two index entries.
    pub index_interval_bytes: u32,
    /// `flush.messages`: fdatasync is due after this many messages; 1 means before the ack.
    pub flush_messages: i64,
    /// `flush.ms`: fdatasync is due after this many milliseconds.
    pub flush_ms: i64,
    /// `retention.bytes`: -1 for no limit.
    pub retention_bytes: i64,
    /// `retention.ms`: -1 for no limit.
    pub retention_ms: i64,
    /// `file.delete.delay.ms`: how long a `.deleted` file stays.
    pub file_delete_delay_ms: i64,
    /// `max.message.bytes`: the largest batch accepted, compressed.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far in the past a record's timestamp may lie.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far in the future a record's timestamp may lie.
    pub message_timestamp_after_max_ms: i64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type` with its level.
    pub compression: TopicCompression,
    /// `ottla.batch.strict` (a broker key): compressed batches of clients are opened, within bounds, before they are stored.
    pub batch_strict: bool,
    /// `delete.retention.ms`: how long the cleaner keeps tombstones and markers.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `producer.id.expiration.ms` (a broker key): when the state of a silent producer is forgotten.
    pub producer_id_expiration_ms: i64,
    /// `transaction.max.timeout.ms` (a broker key): how long a transaction can stay open.
    pub max_transaction_timeout_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            segment_bytes: 1024 * 1024 * 1024,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_bytes: -1,
            retention_ms: 7 * DAY_MS,
            file_delete_delay_ms: 60_000,
            max_message_bytes: 1_048_588,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            compression: TopicCompression::Producer,
            batch_strict: false,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            producer_id_expiration_ms: DAY_MS,
            max_transaction_timeout_ms: 15 * 60 * 1000,
        }
    }
}
