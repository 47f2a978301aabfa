//! What group keys must be to each other, checked when the broker starts. The texts are Kafka's.

use super::error::ConfigError;
use super::{Config, Value};

/// Relations of one protocol's keys, `group.<protocol>.` left out. The left one `is` to the right one, or the start is refused.
const RELATIONS: &[(&str, Is, &str)] = &[
    ("max.heartbeat.interval.ms", Is::AtLeast, "min.heartbeat.interval.ms"),
    ("heartbeat.interval.ms", Is::AtLeast, "min.heartbeat.interval.ms"),
    ("heartbeat.interval.ms", Is::AtMost, "max.heartbeat.interval.ms"),
    ("max.session.timeout.ms", Is::AtLeast, "min.session.timeout.ms"),
    ("session.timeout.ms", Is::AtLeast, "min.session.timeout.ms"),
    ("session.timeout.ms", Is::AtMost, "max.session.timeout.ms"),
    ("heartbeat.interval.ms", Is::Less, "session.timeout.ms"),
    ("max.assignment.interval.ms", Is::AtLeast, "min.assignment.interval.ms"),
    ("assignment.interval.ms", Is::AtLeast, "min.assignment.interval.ms"),
    ("assignment.interval.ms", Is::AtMost, "max.assignment.interval.ms"),
    ("num.standby.replicas", Is::AtMost, "max.standby.replicas"),
];

/// Assignors that there are, by name and by Kafka's class name.
const ASSIGNORS: &[&str] = &["uniform", "range"];

#[derive(Clone, Copy)]
enum Is {
    AtLeast,
    AtMost,
    Less,
}

impl Is {
    fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::AtLeast => left >= right,
            Self::AtMost => left <= right,
            Self::Less => left < right,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "greater than or equal to",
            Self::AtMost => "less than or equal to",
            Self::Less => "less than",
        }
    }
}

/// Checks the group keys of a whole configuration.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    for protocol in ["consumer", "share", "streams"] {
        for (left, is, right) in RELATIONS {
            let (left, right) = (format!("group.{protocol}.{left}"), format!("group.{protocol}.{right}"));
            let (Some(of_left), Some(of_right)) = (number(config, &left), number(config, &right)) else { continue };
            if !is.holds(of_left, of_right) {
                let reason = format!("{left} must be {} {right}", is.words());
                let allowed = format!("{} {of_right}", is.words());
                return Err(ConfigError::refused(&left, &of_left.to_string(), reason, &allowed, config.origin(&left)));
            }
        }
    }
    let key = "group.consumer.assignors";
    match config.group_consumer_assignors().into_iter().find(|name| !ASSIGNORS.contains(&name.as_str())) {
        None => Ok(()),
        Some(stranger) => {
            let reason = "Ottla runs no Java classes, and no other assignor is built in".to_owned();
            Err(ConfigError::refused(key, &stranger, reason, &ASSIGNORS.join(", "), config.origin(key)))
        }
    }
}

fn number(config: &Config, key: &str) -> Option<i64> {
    match config.value(key) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pairs: &[(&str, &str)]) -> Option<String> {
        let mut builder = Config::builder();
        for (key, value) in pairs {
            builder = builder.set(key, value, "--override");
        }
        builder.build().err().map(|error| error.to_string())
    }

    #[test]
    fn times_of_groups_fit_each_other() {
        for (pairs, text) in [
            (
                &[("group.consumer.max.session.timeout.ms", "44999")][..],
                "group.consumer.max.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
            ),
            (
                &[("group.consumer.session.timeout.ms", "60001")],
                "group.consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
            ),
            (
                &[("group.consumer.heartbeat.interval.ms", "4999")],
                "group.consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms",
            ),
            (
                &[("group.consumer.max.heartbeat.interval.ms", "45000"), ("group.consumer.heartbeat.interval.ms", "45000")],
                "group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms",
            ),
            (
                &[("group.streams.num.standby.replicas", "3")],
                "group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
            ),
        ] {
            let refusal = refusal(pairs).unwrap_or_else(|| panic!("{pairs:?} is accepted"));
            assert!(refusal.contains(text), "{refusal}");
        }
        assert_eq!(refusal(&[("group.consumer.session.timeout.ms", "60000")]), None);
        assert_eq!(refusal(&[("group.min.session.timeout.ms", "10"), ("group.max.session.timeout.ms", "5")]), None, "nor does Kafka mind");
    }

    #[test]
    fn an_assignor_that_is_a_java_class_is_refused() {
        let class = |name: &str| format!("org.apache.kafka.coordinator.group.assignor.{name}");
        assert_eq!(refusal(&[("group.consumer.assignors", &class("UniformAssignor"))]), None);
        let refusal = refusal(&[("group.consumer.assignors", "range,com.example.Mine")]).expect("refused");
        assert!(refusal.contains("com.example.Mine") && refusal.contains("uniform, range"), "{refusal}");
    }
}
