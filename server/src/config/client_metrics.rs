//! Keys of client metrics subscriptions (KIP-714) and what is checked of them. The texts are Kafka's.

use super::key::{Importance::Medium, KeyDef, Kind::Int, Kind::List, key};
use super::value::Value;
use regex::Regex;
use std::collections::BTreeMap;

/// By name.
#[rustfmt::skip]
pub const CLIENT_METRICS_KEYS: &[KeyDef] = &[
    key("interval.ms", Int, "300000", Medium)
        .doc("Milliseconds between two pushes of a client's metrics."),
    key("match", List, "", Medium)
        .doc("Which clients push, `client_id=<regular expression>` and the like; empty means all."),
    key("metrics", List, "", Medium)
        .doc("Prefixes of the metrics that are wanted; `*` means all, empty none."),
];

/// What a client can be told by.
const SELECTORS: [&str; 6] =
    ["client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address", "client_source_port"];

/// Why a subscription is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// To be answered with INVALID_REQUEST.
    Request(String),
    /// To be answered with INVALID_CONFIG.
    Config(String),
}

/// Checks all settings a subscription would have.
///
/// # Errors
/// In Kafka's words.
pub fn validate_client_metrics(subscription: &str, settings: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if subscription.is_empty() {
        return Err(Refusal::Request("Subscription name can't be empty".into()));
    }
    let of = |name: &str| CLIENT_METRICS_KEYS.iter().find(|key| key.name == name);
    if let Some(stranger) = settings.keys().find(|name| of(name).is_none()) {
        return Err(Refusal::Request(format!("Unknown client metrics configuration: {stranger}")));
    }
    let mut values = BTreeMap::new();
    for (key, text) in settings.iter().filter_map(|(name, text)| of(name).map(|key| (key, text))) {
        let value = Value::parse(key, text).map_err(|problem| Refusal::Config(problem.message(key, text)))?;
        values.insert(key.name, value);
    }
    if let Some(Value::Number(interval)) = values.get("interval.ms")
        && !(100..=3_600_000).contains(interval)
    {
        let text = format!("Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)");
        return Err(Refusal::Request(text));
    }
    let patterns = values.get("match").into_iter().flat_map(|value| value.items());
    for pattern in patterns {
        if !is_selector(pattern) {
            return Err(Refusal::Config(format!("Illegal client matching pattern: {pattern}")));
        }
    }
    Ok(())
}

fn is_selector(pattern: &str) -> bool {
    // Equal signs at the end separate nothing, as Java splits.
    let mut parts = pattern.trim_end_matches('=').split('=');
    let (Some(name), Some(expression), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    SELECTORS.contains(&name.trim()) && Regex::new(expression.trim()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_refused_in_kafkas_words() {
        let check = |name: &str, value: &str| validate_client_metrics("s", &BTreeMap::from([(name.to_owned(), value.to_owned())]));
        for (name, value) in [
            ("metrics", "org.apache.kafka.producer.,*"),
            ("metrics", ""),
            ("interval.ms", "100"),
            ("match", "client_id=a.*, client_software_name = Java"),
            ("match", "client_id=a=="),
            ("match", ""),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}={value}");
        }
        for (name, value, refusal) in [
            ("nope", "1", Refusal::Request("Unknown client metrics configuration: nope".into())),
            ("interval.ms", "x", Refusal::Config("Invalid value x for configuration interval.ms: Not a number of type INT".into())),
            (
                "interval.ms",
                "99",
                Refusal::Request("Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)".into()),
            ),
            ("match", "client_id", Refusal::Config("Illegal client matching pattern: client_id".into())),
            ("match", "client_id=a=b", Refusal::Config("Illegal client matching pattern: client_id=a=b".into())),
            ("match", "color=red", Refusal::Config("Illegal client matching pattern: color=red".into())),
            ("match", "client_id=(", Refusal::Config("Illegal client matching pattern: client_id=(".into())),
        ] {
            assert_eq!(check(name, value), Err(refusal), "{name}={value}");
        }
        assert_eq!(validate_client_metrics("", &BTreeMap::new()), Err(Refusal::Request("Subscription name can't be empty".into())));
    }
}
