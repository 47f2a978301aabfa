//! The checks behind CreateTopics, AlterConfigs and IncrementalAlterConfigs. Refusals are Kafka's texts: tools match on them.
//!
//! Topic and group refusals go out as INVALID_CONFIG, broker refusals as INVALID_REQUEST.

use super::Config;
use super::key::KeyDef;
use super::keys::{GROUP_KEYS, group_key, topic_key};
use super::reconfigure::validate_broker_configs;
use super::topic::{inherited_value, topic_value};
use super::value::Value;
use std::collections::BTreeMap;

/// Checks one setting of a topic by itself.
pub fn validate_topic_config(name: &str, value: &str) -> Result<(), String> {
    let key = topic_key(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
    check(key, value)
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
    if topic_value(config, "remote.storage.enable", &overrides) == Value::Bool(true) {
        return Err("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.".into());
    }
    Ok(())
}

/// Checks one setting of a group by itself.
pub fn validate_group_config(name: &str, value: &str) -> Result<(), String> {
    let key = group_key(name).ok_or_else(|| format!("Unknown group config name: {name}"))?;
    check(key, value)
}

/// Checks all settings a group would have, together and against the broker's bounds (`group.consumer.min.session.timeout.ms` and its kin).
pub fn validate_group_configs<'a>(config: &Config, overrides: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let overrides: Vec<(&str, &str)> = overrides.into_iter().collect();
    for (name, value) in &overrides {
        validate_group_config(name, value)?;
    }
    let number_of = |key: &'static KeyDef| {
        let own = overrides.iter().rev().find(|(name, _)| *name == key.name).and_then(|(_, text)| Value::parse(key, text).ok());
        match own.unwrap_or_else(|| inherited_value(config, key)) {
            Value::Number(number) => Some(number),
            _ => None,
        }
    };
    let broker_number = |name: &str| match config.value(name) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    for key in GROUP_KEYS.iter().filter(|key| overrides.iter().any(|(name, _)| *name == key.name)) {
        let (Some(number), Some((protocol, rest))) = (number_of(key), key.name.split_once('.')) else { continue };
        // The one bound that is not named after its key.
        let rest = if rest == "num.standby.replicas" { "standby.replicas" } else { rest };
        let (least, most) = (format!("group.{protocol}.min.{rest}"), format!("group.{protocol}.max.{rest}"));
        if broker_number(&least).is_some_and(|bound| number < bound) {
            return Err(format!("{} must be greater than or equal to {least}", key.name));
        }
        if broker_number(&most).is_some_and(|bound| number > bound) {
            return Err(format!("{} must be less than or equal to {most}", key.name));
        }
    }
    for protocol in ["consumer", "share", "streams"] {
        let (session, heartbeat) = (format!("{protocol}.session.timeout.ms"), format!("{protocol}.heartbeat.interval.ms"));
        let number = |name: &str| group_key(name).and_then(number_of);
        if number(&session).zip(number(&heartbeat)).is_some_and(|(session, heartbeat)| session <= heartbeat) {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

/// Checks one dynamic setting of a broker, or of all brokers if not `per_broker`. Keys that Kafka does not know pass: they may be a plugin's.
pub fn validate_broker_config(name: &str, value: &str, per_broker: bool) -> Result<(), String> {
    validate_broker_configs(&BTreeMap::from([(name.to_owned(), value.to_owned())]), per_broker)
}

fn check(key: &KeyDef, value: &str) -> Result<(), String> {
    Value::parse(key, value).map(drop).map_err(|problem| problem.message(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(pairs: &[(&'static str, &'static str)]) -> Result<(), String> {
        validate_topic_configs(&Config::default(), pairs.iter().copied())
    }

    fn group(pairs: &[(&'static str, &'static str)]) -> Result<(), String> {
        validate_group_configs(&Config::default(), pairs.iter().copied())
    }

    #[test]
    fn topic_settings_are_checked_one_by_one_and_together() {
        assert_eq!(topic(&[("retention.ms", "1"), ("min.compaction.lag.ms", "100")]), Ok(()));
        assert_eq!(topic(&[("nope", "1")]), Err("Unknown topic config name: nope".into()));
        assert_eq!(
            topic(&[("segment.bytes", "1")]),
            Err("Invalid value 1 for configuration segment.bytes: Value must be at least 1048576".into())
        );
        assert_eq!(
            topic(&[("min.compaction.lag.ms", "100"), ("max.compaction.lag.ms", "50")]),
            Err("conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)".into())
        );
        assert_eq!(
            topic(&[("remote.storage.enable", "true")]),
            Err("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.".into())
        );
        assert_eq!(validate_topic_config("retention.ms", "-1"), Ok(()));
    }

    #[test]
    fn a_group_stays_within_the_brokers_bounds() {
        for (name, value, message) in [
            (
                "consumer.session.timeout.ms",
                "1",
                "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
            ),
            (
                "consumer.session.timeout.ms",
                "99999999",
                "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
            ),
            (
                "share.record.lock.duration.ms",
                "1000",
                "share.record.lock.duration.ms must be greater than or equal to group.share.min.record.lock.duration.ms",
            ),
            (
                "share.delivery.count.limit",
                "99",
                "share.delivery.count.limit must be less than or equal to group.share.max.delivery.count.limit",
            ),
            ("share.delivery.count.limit", "1", "Invalid value 1 for configuration share.delivery.count.limit: Value must be at least 2"),
            (
                "share.partition.max.record.locks",
                "99999",
                "share.partition.max.record.locks must be less than or equal to group.share.max.partition.max.record.locks",
            ),
            (
                "streams.num.standby.replicas",
                "9",
                "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
            ),
            (
                "streams.assignment.interval.ms",
                "99999999",
                "streams.assignment.interval.ms must be less than or equal to group.streams.max.assignment.interval.ms",
            ),
            ("nope", "1", "Unknown group config name: nope"),
        ] {
            assert_eq!(group(&[(name, value)]), Err(message.to_owned()), "{name}={value}");
        }
        for (name, value) in [
            ("consumer.assignment.interval.ms", "0"),
            ("streams.initial.rebalance.delay.ms", "99999999"),
            ("consumer.session.timeout.ms", "50000"),
        ] {
            assert_eq!(group(&[(name, value)]), Ok(()), "{name}={value}");
        }
    }

    #[test]
    fn a_groups_session_outlasts_its_heartbeats() {
        let config = Config::builder().set("group.consumer.max.heartbeat.interval.ms", "60000", "--override").build().expect("accepted");
        let pairs = [("consumer.session.timeout.ms", "45000"), ("consumer.heartbeat.interval.ms", "50000")];
        assert_eq!(
            validate_group_configs(&config, pairs),
            Err("consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms".into())
        );
    }

    #[test]
    fn a_broker_setting_may_change_only_where_its_key_allows() {
        for (name, value, per_broker, message) in [
            ("num.partitions", "3", true, "Cannot update these configs dynamically: [num.partitions]"),
            ("node.id", "2", true, "Cannot update these configs dynamically: [node.id]"),
            ("log.cleaner.threads", "x", true, "Invalid value x for configuration log.cleaner.threads: Not a number of type INT"),
            ("message.max.bytes", "-1", false, "Invalid value -1 for configuration message.max.bytes: Value must be at least 0"),
            (
                "ssl.client.auth",
                "none",
                false,
                "Cannot update these configs at default cluster level, broker id must be specified: [ssl.client.auth]",
            ),
            (
                "listener.name.plaintext.ssl.client.auth",
                "none",
                false,
                "Cannot update these configs at default cluster level, broker id must be specified: [listener.name.plaintext.ssl.client.auth]",
            ),
        ] {
            assert_eq!(validate_broker_config(name, value, per_broker), Err(message.to_owned()), "{name}={value}");
        }
        for (name, value, per_broker) in [
            ("nope.key", "1", true),
            ("ssl.client.auth", "none", true),
            ("leader.replication.throttled.rate", "5", true),
            ("message.max.bytes", "5", false),
        ] {
            assert_eq!(validate_broker_config(name, value, per_broker), Ok(()), "{name}={value}");
        }
    }
}
