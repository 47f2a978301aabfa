//! Topic configuration: what a topic sets over what the broker says, as the log and the partition want it.

use super::Config;
use super::key::KeyDef;
use super::keys::{broker_key, topic_key};
use super::value::Value;
use ottla_storage::batch::TimestampType;
use ottla_storage::log::{CleanupPolicy, LogConfig, TopicCompression};

/// What a topic's partitions obey.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// The log's part.
    pub log: LogConfig,
    /// `min.insync.replicas`
    pub min_insync_replicas: usize,
    /// `preallocate`
    pub preallocate: bool,
}

impl TopicConfig {
    /// The configuration of a topic that sets `overrides`. Overrides that do not fit are passed over: the metadata log holds checked ones.
    #[must_use]
    pub fn resolve<'a>(config: &Config, overrides: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let overrides: Vec<(&str, &str)> = overrides.into_iter().collect();
        let of = |name: &str| topic_value(config, name, &overrides);
        let number = |name: &str| match of(name) {
            Value::Number(number) => number,
            _ => 0,
        };
        let size = |name: &str| u32::try_from(number(name)).unwrap_or(u32::MAX);
        let segment_bytes = match of("internal.segment.bytes") {
            Value::Number(bytes) => u32::try_from(bytes).unwrap_or(u32::MAX),
            _ => size("segment.bytes"),
        };
        let cleanup = of("cleanup.policy");
        Self {
            log: LogConfig {
                segment_bytes,
                segment_ms: number("segment.ms"),
                segment_jitter_ms: number("segment.jitter.ms"),
                segment_index_bytes: size("segment.index.bytes"),
                index_interval_bytes: size("index.interval.bytes"),
                flush_messages: number("flush.messages"),
                flush_ms: number("flush.ms"),
                retention_bytes: number("retention.bytes"),
                retention_ms: number("retention.ms"),
                file_delete_delay_ms: number("file.delete.delay.ms"),
                max_message_bytes: size("max.message.bytes"),
                message_timestamp_type: match of("message.timestamp.type") {
                    Value::Text(text) if text == "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                },
                message_timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
                message_timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
                cleanup_policy: CleanupPolicy {
                    delete: cleanup.items().any(|policy| policy == "delete"),
                    compact: cleanup.items().any(|policy| policy == "compact"),
                },
                compression: compression(&of),
                batch_strict: config.batch_strict(),
                delete_retention_ms: number("delete.retention.ms"),
                min_compaction_lag_ms: number("min.compaction.lag.ms"),
                max_compaction_lag_ms: number("max.compaction.lag.ms"),
                min_cleanable_dirty_ratio: match of("min.cleanable.dirty.ratio") {
                    Value::Real(ratio) => ratio,
                    _ => 0.5,
                },
                producer_id_expiration_ms: config.producer_id_expiration_ms(),
                max_transaction_timeout_ms: i64::from(config.transaction_max_timeout_ms()),
            },
            min_insync_replicas: usize::try_from(number("min.insync.replicas")).unwrap_or(1),
            preallocate: of("preallocate") == Value::Bool(true),
        }
    }
}

fn compression(of: &dyn Fn(&str) -> Value) -> TopicCompression {
    let Value::Text(name) = of("compression.type") else { return TopicCompression::Producer };
    let level = |key: &str| match of(key) {
        Value::Number(level) => i32::try_from(level).ok(),
        _ => None,
    };
    let (code, level) = match name.as_ref() {
        "uncompressed" => (0, None),
        "gzip" => (1, level("compression.gzip.level")),
        "snappy" => (2, None),
        "lz4" => (3, level("compression.lz4.level")),
        "zstd" => (4, level("compression.zstd.level")),
        _ => return TopicCompression::Producer,
    };
    TopicCompression::Fixed { code, level }
}

/// The value of a topic key: the topic's own, else the broker's, else the built-in one.
pub(super) fn topic_value(config: &Config, name: &str, overrides: &[(&str, &str)]) -> Value {
    let Some(key) = topic_key(name) else { return Value::Null };
    let own = overrides.iter().rev().find(|(other, _)| *other == name).and_then(|(_, text)| Value::parse(key, text).ok());
    own.unwrap_or_else(|| inherited_value(config, key))
}

/// The value of a topic or group key that the topic or group does not set itself.
pub(super) fn inherited_value(config: &Config, key: &'static KeyDef) -> Value {
    for synonym in key.synonyms {
        let Some((index, _)) = broker_key(synonym.name) else { continue };
        match &config.values[index] {
            Value::Null => {}
            // -1 hours is "for ever", as -1 milliseconds is.
            Value::Number(number) if *number < 0 => return Value::Number(*number),
            Value::Number(number) => return Value::Number(number.saturating_mul(synonym.unit.factor())),
            other => return other.clone(),
        }
    }
    Value::default_of(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::builder().properties(text, "f").and_then(|builder| builder.build()).expect("accepted")
    }

    #[test]
    fn a_topic_that_sets_nothing_has_the_logs_own_defaults() {
        let topic = TopicConfig::resolve(&Config::default(), []);
        assert_eq!(topic, TopicConfig { log: LogConfig::default(), min_insync_replicas: 1, preallocate: false });
    }

    #[test]
    fn what_a_topic_sets_beats_what_the_broker_says_and_the_last_setting_wins() {
        let config = config("log.segment.bytes=2000000\nlog.flush.interval.messages=9\nmin.insync.replicas=2\nlog.cleanup.policy=compact");
        let topic = TopicConfig::resolve(
            &config,
            [("flush.messages", "7"), ("flush.messages", "8"), ("compression.type", "zstd"), ("preallocate", "true")],
        );
        assert_eq!((topic.log.segment_bytes, topic.log.flush_messages, topic.min_insync_replicas), (2_000_000, 8, 2));
        assert_eq!(topic.log.cleanup_policy, CleanupPolicy { delete: false, compact: true });
        assert_eq!(topic.log.compression, TopicCompression::Fixed { code: 4, level: Some(3) });
        assert!(topic.preallocate);
    }

    #[test]
    fn milliseconds_beat_minutes_and_minutes_beat_hours() {
        let retention = |text: &str| TopicConfig::resolve(&config(text), []).log.retention_ms;
        assert_eq!(retention(""), 7 * 24 * 3_600_000);
        assert_eq!(retention("log.retention.hours=2"), 7_200_000);
        assert_eq!(retention("log.retention.hours=2\nlog.retention.minutes=3"), 180_000);
        assert_eq!(retention("log.retention.hours=2\nlog.retention.minutes=3\nlog.retention.ms=4"), 4);
        assert_eq!(retention("log.retention.hours=-1"), -1, "for ever");
        assert_eq!(TopicConfig::resolve(&config("log.roll.hours=1\nlog.roll.jitter.hours=1"), []).log.segment_jitter_ms, 3_600_000);
    }

    #[test]
    fn flush_ms_follows_the_schedulers_interval() {
        assert_eq!(TopicConfig::resolve(&config("log.flush.scheduler.interval.ms=5"), []).log.flush_ms, 5);
        assert_eq!(TopicConfig::resolve(&config("log.flush.scheduler.interval.ms=5\nlog.flush.interval.ms=6"), []).log.flush_ms, 6);
    }

    #[test]
    fn a_setting_that_does_not_fit_is_passed_over() {
        assert_eq!(TopicConfig::resolve(&Config::default(), [("segment.bytes", "x"), ("nope", "1")]).log, LogConfig::default());
    }

    #[test]
    fn the_internal_segment_size_goes_below_the_public_bound() {
        assert_eq!(TopicConfig::resolve(&Config::default(), [("internal.segment.bytes", "1000")]).log.segment_bytes, 1000);
    }
}
