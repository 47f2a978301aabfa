//! Whether a broker may take on other dynamic settings while it runs. The rules, their order and their texts are Kafka's.

use super::builder::listener_base;
use super::key::UpdateMode;
use super::keys::{DYNAMIC_ONLY_KEYS, broker_key};
use super::value::Value;
use super::{Config, groups, listeners};
use std::collections::BTreeMap;

/// Keys that Kafka changes at run time only for one listener, under `listener.name.<listener>.`.
const PER_LISTENER: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];
/// Keys whose listener variants may be set for all brokers.
const OF_ALL_LISTENERS: [&str; 3] = ["max.connections", "max.connection.creation.rate", "num.network.threads"];
/// Counts of threads, which may at most double or halve at a time.
const THREADS: [&str; 6] = [
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];
/// Keys for which 0 passes as a value and is refused as a change.
const POSITIVE: [&str; 5] = [
    "max.connection.creation.rate",
    "max.connections",
    "remote.log.index.file.cache.total.size.bytes",
    "remote.log.manager.copy.max.bytes.per.second",
    "remote.log.manager.fetch.max.bytes.per.second",
];
/// Kafka takes it only at start; here it changes at run time too, for whoever learns late where clients can reach the broker.
const ADVERTISED: &str = "advertised.listeners";

/// Checks all dynamic settings of a broker, or of all brokers if not `per_broker`, by themselves.
///
/// # Errors
/// In Kafka's words.
pub fn validate_broker_configs(settings: &BTreeMap<String, String>, per_broker: bool) -> Result<(), String> {
    let refuse = |why: &str, names: &dyn Fn(&str) -> bool| {
        let names: Vec<&str> = settings.keys().map(String::as_str).filter(|name| names(name)).collect();
        if names.is_empty() { Ok(()) } else { Err(format!("{why}: [{}]", names.join(", "))) }
    };
    let is_fixed =
        |name: &str| broker_key(name).is_some_and(|(_, key)| key.mode == UpdateMode::ReadOnly) && !(per_broker && name == ADVERTISED);
    refuse("Cannot update these configs dynamically", &is_fixed)?;
    let why = "These security configs can be dynamically updated only per-listener using the listener prefix";
    refuse(why, &|name| PER_LISTENER.contains(&name))?;
    for (name, value) in settings {
        let base = listener_base(name).unwrap_or(name);
        let known = broker_key(base).map(|(_, key)| key).filter(|key| key.mode != UpdateMode::ReadOnly);
        if let Some(key) = known.or_else(|| DYNAMIC_ONLY_KEYS.iter().find(|key| key.name == base)) {
            Value::parse(key, value).map_err(|problem| problem.message(key, value))?;
        }
    }
    if !per_broker {
        let is_of_one = |name: &str| match listener_base(name) {
            Some(base) => !OF_ALL_LISTENERS.contains(&base),
            None => broker_key(name).is_some_and(|(_, key)| key.mode == UpdateMode::PerBroker),
        };
        refuse("Cannot update these configs at default cluster level, broker id must be specified", &is_of_one)?;
    }
    Ok(())
}

impl Config {
    /// Whether a running broker may go from this configuration to `new`, which differs in dynamic settings only.
    ///
    /// # Errors
    /// In Kafka's words, where it has any.
    pub fn may_become(&self, new: &Self) -> Result<(), String> {
        groups::check(new).map_err(|error| error.reason())?;
        let number = |config: &Self, name: &str| match config.value(name) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        };
        for name in THREADS {
            let (was, is) = (number(self, name), number(new, name));
            if is != was
                && let Some(why) = threads_refused(name, was, is)
            {
                return Err(refused(&why));
            }
        }
        for name in POSITIVE {
            let (was, is) = (number(self, name), number(new, name));
            if is <= 0 && is != was {
                let remote =
                    format!("Dynamic remote log manager config update validation failed for {name}={is}, value should be at least 1");
                return Err(refused(&if name.starts_with("remote.") { remote } else { format!("Invalid {name} {is}") }));
            }
        }
        for name in ["listeners", "listener.security.protocol.map"] {
            if self.fixed_value(name) != new.value(name).cloned() {
                return Err(format!("{name} cannot change while the broker runs; set it where the broker is started"));
            }
        }
        match new.dynamic.get(ADVERTISED) {
            Some(setting) => listeners::readvertised(&setting.text, self.listeners()).map(drop).map_err(|error| error.reason()),
            None => Ok(()),
        }
    }

    /// What the broker was started with.
    fn fixed_value(&self, name: &str) -> Option<Value> {
        let (_, key) = broker_key(name)?;
        let set = self.fixed.settings.get(name).and_then(|setting| Value::parse(key, &setting.text).ok());
        Some(set.unwrap_or_else(|| Value::default_of(key)))
    }
}

/// Why a number of threads may not change so.
fn threads_refused(name: &str, was: i64, is: i64) -> Option<String> {
    let cleaners = name == "log.cleaner.threads";
    let step = if cleaners {
        match is {
            ..1 => "Log cleaner threads should be at least 1".to_owned(),
            _ if is < was / 2 => format!("Log cleaner threads cannot be reduced to less than half the current value {was}"),
            _ => format!("Log cleaner threads cannot be increased to more than double the current value {was}"),
        }
    } else {
        let bound = match is {
            ..1 => "be at least 1".to_owned(),
            _ if is < was / 2 => format!("be at least half the current value {was}"),
            _ => format!("not be greater than double the current value {was}"),
        };
        format!("Dynamic thread count update validation failed for {name}={is}, value should {bound}")
    };
    (is < 1 || is < was / 2 || is > was.saturating_mul(2)).then_some(step)
}

/// What Kafka says when a part of the broker refuses to change: the reason where a value belongs, as it happens.
fn refused(reason: &str) -> String {
    format!("Invalid value org.apache.kafka.common.config.ConfigException: {reason} for configuration Invalid dynamic configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(name: &str, value: &str, per_broker: bool) -> Result<(), String> {
        let settings = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        validate_broker_configs(&settings, per_broker)?;
        let config = Config::default();
        let pair = [(name, value)];
        let (new, refused) = if per_broker { config.with_dynamic([], pair) } else { config.with_dynamic(pair, []) };
        assert!(refused.is_empty(), "{name}: {refused:?}");
        config.may_become(&new)
    }

    #[test]
    fn what_may_change_is_said_in_kafkas_order_and_words() {
        let fixed = "Cannot update these configs dynamically";
        let of_one = "Cannot update these configs at default cluster level, broker id must be specified";
        for (name, value, per_broker, refusal) in [
            ("num.partitions", "3", true, format!("{fixed}: [num.partitions]")),
            ("advertised.listeners", "PLAINTEXT://a:1", false, format!("{fixed}: [advertised.listeners]")),
            (
                "ssl.keystore.location",
                "/x",
                true,
                "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]"
                    .into(),
            ),
            ("ssl.client.auth", "none", false, format!("{of_one}: [ssl.client.auth]")),
            ("listener.name.a.ssl.client.auth", "none", false, format!("{of_one}: [listener.name.a.ssl.client.auth]")),
            ("log.cleaner.threads", "x", true, "Invalid value x for configuration log.cleaner.threads: Not a number of type INT".into()),
            (
                "num.io.threads",
                "17",
                false,
                refused(
                    "Dynamic thread count update validation failed for num.io.threads=17, value should not be greater than double the current value 8",
                ),
            ),
            (
                "num.io.threads",
                "3",
                false,
                refused(
                    "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half the current value 8",
                ),
            ),
            ("max.connections", "0", false, refused("Invalid max.connections 0")),
            (
                "group.consumer.assignment.interval.ms",
                "999999",
                false,
                "group.consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms".into(),
            ),
        ] {
            assert_eq!(alone(name, value, per_broker), Err(refusal), "{name}={value}");
        }
        for (name, value, per_broker) in [
            ("num.io.threads", "16", false),
            ("num.io.threads", "4", true),
            ("log.retention.ms", "5", false),
            ("listener.name.plaintext.max.connections", "5", false),
            ("listener.name.plaintext.ssl.keystore.location", "/x", true),
            ("plugin.key", "5", false),
            ("listeners", "PLAINTEXT://localhost:9092", true),
            ("advertised.listeners", "PLAINTEXT://broker.example:19092", true),
        ] {
            assert_eq!(alone(name, value, per_broker), Ok(()), "{name}={value}");
        }
    }

    #[test]
    fn clients_can_be_told_another_address_at_run_time() {
        let config = Config::default();
        let (told, _) = config.with_dynamic([], [("advertised.listeners", "PLAINTEXT://[::1]:19092")]);
        assert_eq!(told.advertised_anew("PLAINTEXT"), Some(("::1", 19_092)));
        assert_eq!(config.advertised_anew("PLAINTEXT"), None);
        for wrong in ["OTHER://a:1", "PLAINTEXT://0.0.0.0:1", "PLAINTEXT://a:0", "PLAINTEXT://", ""] {
            let (new, _) = config.with_dynamic([], [("advertised.listeners", wrong)]);
            assert!(config.may_become(&new).is_err() || new.advertised_anew("PLAINTEXT").is_none(), "{wrong}");
            assert_eq!(new.advertised_anew("PLAINTEXT"), None, "{wrong}");
        }
    }
}
