//! `KAFKA_*` environment variables as the docker images of Apache Kafka and Confluent read them.
//!
//! `KAFKA_LOG_RETENTION_MS` is `log.retention.ms`; `__` stands for `_` and `___` for `-`. Older Confluent images had these two the other way
//! round, so the reading that names a known key wins. `OTTLA_REACTORS` is `ottla.reactors`.

use super::keys::broker_key;

/// What a variable means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A setting of this key.
    Setting(String),
    /// Known, and nothing to do with the broker's configuration.
    NotASetting,
}

/// Variables of the images that steer the Java machine, its logging or the image itself.
const NOT_SETTINGS: &[&str] = &[
    "KAFKA_BASE_DIR",
    "KAFKA_CREATE_TOPICS",
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_OPTS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_USER",
    "KAFKA_VERSION",
];
const NOT_SETTINGS_PREFIXES: &[&str] = &["KAFKA_REST_", "KAFKA_CONNECT_", "KAFKA_KSQL_", "KAFKA_SCHEMA_REGISTRY_"];

/// What the variable `name` means; none if it is not about Kafka or Ottla.
#[must_use]
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    if name == "CLUSTER_ID" || name == "KAFKA_CLUSTER_ID" {
        return Some(Meaning::Setting("ottla.cluster.id".into()));
    }
    if let Some(rest) = name.strip_prefix("OTTLA_") {
        let key = format!("ottla.{}", rest.to_ascii_lowercase().replace('_', "."));
        return Some(if broker_key(&key).is_some() { Meaning::Setting(key) } else { Meaning::NotASetting });
    }
    let rest = name.strip_prefix("KAFKA_")?;
    if rest.is_empty() || NOT_SETTINGS.contains(&name) || NOT_SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Some(Meaning::NotASetting);
    }
    let apache = unfold(rest, '_', '-');
    let confluent = unfold(rest, '-', '_');
    let known = |key: &str| broker_key(key).is_some();
    Some(Meaning::Setting(if !known(&apache) && known(&confluent) { confluent } else { apache }))
}

/// Lower case, `_` to `.`, `__` to `double`, `___` to `triple`.
fn unfold(name: &str, double: char, triple: char) -> String {
    let mut key = String::with_capacity(name.len());
    let mut run = 0;
    let flush = |run: &mut usize, key: &mut String| {
        (0..*run / 3).for_each(|_| key.push(triple));
        match *run % 3 {
            1 => key.push('.'),
            2 => key.push(double),
            _ => {}
        }
        *run = 0;
    };
    for c in name.chars() {
        if c == '_' {
            run += 1;
            continue;
        }
        flush(&mut run, &mut key);
        key.extend(c.to_lowercase());
    }
    flush(&mut run, &mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Option<String> {
        match meaning(name)? {
            Meaning::Setting(key) => Some(key),
            Meaning::NotASetting => None,
        }
    }

    #[test]
    fn one_two_and_three_underscores_are_dot_underscore_and_dash() {
        assert_eq!(key("KAFKA_LISTENERS").as_deref(), Some("listeners"));
        assert_eq!(key("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR").as_deref(), Some("offsets.topic.replication.factor"));
        assert_eq!(key("KAFKA_MY_KEY__X___Y").as_deref(), Some("my.key_x-y"));
        assert_eq!(key("KAFKA_LISTENER_NAME_TC___0_SASL_JAAS_CONFIG").as_deref(), Some("listener.name.tc-0.sasl.jaas.config"));
        assert_eq!(key("KAFKA_A____B").as_deref(), Some("a-.b"));
    }

    #[test]
    fn a_dash_in_a_variable_name_stays_one() {
        assert_eq!(
            key("KAFKA_LISTENER_NAME_SECURE_SCRAM-SHA-512_SASL_JAAS_CONFIG").as_deref(),
            Some("listener.name.secure.scram-sha-512.sasl.jaas.config")
        );
    }

    #[test]
    fn variables_of_the_java_machine_and_of_other_products_are_no_settings() {
        for name in NOT_SETTINGS.iter().copied().chain(["KAFKA_REST_BOOTSTRAP_SERVERS", "KAFKA_", "OTTLA_READY_LINES"]) {
            assert_eq!(meaning(name), Some(Meaning::NotASetting), "{name}");
        }
        for name in ["PATH", "kafka_listeners", "KAFKALISTENERS", ""] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }

    #[test]
    fn the_cluster_id_and_our_own_keys_have_variables_too() {
        assert_eq!(key("CLUSTER_ID").as_deref(), Some("ottla.cluster.id"));
        assert_eq!(key("KAFKA_CLUSTER_ID").as_deref(), Some("ottla.cluster.id"));
        assert_eq!(key("OTTLA_REACTORS").as_deref(), Some("ottla.reactors"));
    }
}
