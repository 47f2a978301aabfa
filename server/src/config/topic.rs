//! Topic configuration: what a topic sets over what the broker says, and the checks behind CreateTopics and AlterConfigs.

use super::Config;
use super::key::{KeyDef, UpdateMode};
use super::keys::{DYNAMIC_ONLY_KEYS, broker_key, group_key, topic_key};
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

/// Checks one setting of a topic; the error is Kafka's text for INVALID_CONFIG.
pub fn validate_topic_config(name: &str, value: &str) -> Result<(), String> {
    let key = topic_key(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
    Value::parse(key, value).map(drop).map_err(|problem| problem.message(key, value))
}

/// Checks all settings a topic would have, together.
pub fn validate_topic_configs<'a>(config: &Config, overrides: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let overrides: Vec<(&str, &str)> = overrides.into_iter().collect();
    if let Some((stranger, _)) = overrides.iter().find(|(name, _)| topic_key(name).is_none()) {
        return Err(format!("Unknown topic config name: {stranger}"));
    }
    for (name, value) in &overrides {
        validate_topic_config(name, value)?;
    }
    let number = |name| match topic_value(config, name, &overrides) {
        Value::Number(number) => number,
        _ => 0,
    };
    let (least, most) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
    if least > most {
        return Err(format!("conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"));
    }
    Ok(())
}

/// Checks one setting of a group.
pub fn validate_group_config(name: &str, value: &str) -> Result<(), String> {
    let key = group_key(name).ok_or_else(|| format!("Unknown group config name: {name}"))?;
    Value::parse(key, value).map(drop).map_err(|problem| problem.message(key, value))
}

/// Checks one dynamic setting of a broker, or of all brokers if not `per_broker`.
pub fn validate_broker_config(name: &str, value: &str, per_broker: bool) -> Result<(), String> {
    let listener_key = super::builder::listener_base(name).and_then(broker_key).map(|(_, key)| key);
    let dynamic_only = || DYNAMIC_ONLY_KEYS.iter().find(|key| key.name == name);
    let Some(key) = listener_key.or_else(|| broker_key(name).map(|(_, key)| key)).or_else(dynamic_only) else {
        // Kafka keeps keys it does not know, for plugins.
        return Ok(());
    };
    match key.mode {
        UpdateMode::ReadOnly => return Err(format!("Cannot update these configs dynamically: Set({name})")),
        UpdateMode::PerBroker if !per_broker => {
            return Err(format!("Cannot update these configs at default cluster level, broker id must be specified: Set({name})"));
        }
        _ => {}
    }
    Value::parse(key, value).map(drop).map_err(|problem| problem.message(key, value))
}
