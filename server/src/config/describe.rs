//! What DescribeConfigs answers about a topic, a broker, all brokers, a group: every key with value, source, synonyms and type.
//!
//! The API handler copies these rows into its response and adds nothing. Sources and the order of synonyms are Kafka's: the resource's own
//! setting, then this broker's dynamic one, that of all brokers, the static one, the default; when the key's own name is missing in front,
//! synonyms with other names in front of it are dropped, and so may be all of them. `golden/` holds Kafka 4.3.1's answers for one
//! configuration, and a test compares every row. Differences by intent: `ottla.*` keys are listed too, documentation is in our words, and what
//! Ottla chooses for a single node counts as static.

use super::client_metrics::CLIENT_METRICS_KEYS;
use super::key::KeyDef;
use super::keys::{BROKER_KEYS, DYNAMIC_ONLY_KEYS, GROUP_KEYS, TOPIC_KEYS, broker_key};
use super::topic::inherited_value;
use super::value::Value;
use super::{Config, Layer, builder::listener_base};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where a described value comes from, with the codes of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// The topic's own setting.
    DynamicTopic = 1,
    /// A dynamic setting of this broker.
    DynamicBroker = 2,
    /// A dynamic setting of all brokers.
    DynamicDefaultBroker = 3,
    /// Set when the broker started.
    StaticBroker = 4,
    /// Nobody set it.
    Default = 5,
    /// The client metrics subscription's own setting.
    ClientMetrics = 7,
    /// The group's own setting.
    DynamicGroup = 8,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Only these keys; none or an empty list means all.
    pub names: Option<&'a [&'a str]>,
    /// With synonyms.
    pub synonyms: bool,
    /// With documentation.
    pub documentation: bool,
}

impl Wanted<'_> {
    /// Whether the client asks for this one.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        self.names.is_none_or(|names| names.is_empty() || names.contains(&name))
    }
}

/// One key of a described resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described<'a> {
    /// The key.
    pub name: Cow<'a, str>,
    /// The value; none for null and for secrets.
    pub value: Option<Cow<'a, str>>,
    /// Whether it can only be set at start.
    pub read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value is a secret.
    pub is_sensitive: bool,
    /// All settings that were considered, the deciding one first; empty unless wanted.
    pub synonyms: Vec<DescribedSynonym<'a>>,
    /// The type's code (KIP-569), 0 for keys of plugins.
    pub config_type: i8,
    /// For people; none unless wanted and known.
    pub documentation: Option<String>,
}

impl Described<'_> {
    /// The `is_default` of DescribeConfigs v0.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// A setting that decides or would decide a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedSynonym<'a> {
    /// The key it was set under.
    pub name: Cow<'a, str>,
    /// Its value; none for secrets.
    pub value: Option<Cow<'a, str>>,
    /// Where it was set.
    pub source: ConfigSource,
}

impl Config {
    /// A topic with these settings of its own.
    #[must_use]
    pub fn describe_topic<'a>(&'a self, overrides: &'a BTreeMap<String, String>, wanted: &Wanted<'_>) -> Vec<Described<'a>> {
        let shown = |key: &&KeyDef| wanted.includes(key.name) && (!key.internal || overrides.contains_key(key.name));
        let describe = |key: &'static KeyDef| {
            let inherited = match key.synonyms.first() {
                Some(synonym) => self.broker_synonyms(synonym.name, key.is_sensitive(), true),
                None => Vec::new(),
            };
            self.describe_own(key, overrides.get(key.name), ConfigSource::DynamicTopic, inherited, wanted)
        };
        TOPIC_KEYS.iter().filter(shown).map(describe).collect()
    }

    /// A group with these settings of its own. Its keys that no broker key decides list their default, unlike a topic's.
    #[must_use]
    pub fn describe_group<'a>(&'a self, overrides: &'a BTreeMap<String, String>, wanted: &Wanted<'_>) -> Vec<Described<'a>> {
        let describe = |key: &'static KeyDef| {
            let inherited = match key.synonyms.first() {
                Some(synonym) => self.broker_synonyms(synonym.name, key.is_sensitive(), true),
                None => {
                    vec![DescribedSynonym { name: key.name.into(), value: key.default.map(Cow::Borrowed), source: ConfigSource::Default }]
                }
            };
            self.describe_own(key, overrides.get(key.name), ConfigSource::DynamicGroup, inherited, wanted)
        };
        GROUP_KEYS.iter().filter(|key| wanted.includes(key.name)).map(describe).collect()
    }

    /// This broker.
    #[must_use]
    pub fn describe_broker(&self, wanted: &Wanted<'_>) -> Vec<Described<'_>> {
        let mut names: Vec<&str> = BROKER_KEYS.iter().filter(|key| !key.internal).map(|key| key.name).collect();
        for layer in [&self.fixed.settings, &self.dynamic_defaults, &self.dynamic] {
            names.extend(layer.names());
        }
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter(|name| wanted.includes(name)).map(|name| self.describe_broker_key(name, true, wanted)).collect()
    }

    /// What was set for all brokers dynamically (a broker resource without a name).
    #[must_use]
    pub fn describe_all_brokers(&self, wanted: &Wanted<'_>) -> Vec<Described<'_>> {
        let names = self.dynamic_defaults.names().filter(|name| wanted.includes(name));
        names.map(|name| self.describe_broker_key(name, false, wanted)).collect()
    }

    fn describe_own<'a>(
        &self,
        key: &'static KeyDef,
        own: Option<&'a String>,
        own_source: ConfigSource,
        mut synonyms: Vec<DescribedSynonym<'a>>,
        wanted: &Wanted<'_>,
    ) -> Described<'a> {
        let own_value = own.map(|text| Value::parse(key, text).unwrap_or_else(|_| Value::Text(text.clone().into())));
        let value = own_value.clone().unwrap_or_else(|| inherited_value(self, key));
        let value = if key.is_sensitive() { None } else { value.text().map(|text| Cow::Owned(text.into_owned())) };
        if own_value.is_some() {
            synonyms.insert(0, DescribedSynonym { name: key.name.into(), value: value.clone(), source: own_source });
        }
        Described {
            name: key.name.into(),
            value,
            read_only: false,
            source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
            is_sensitive: key.is_sensitive(),
            synonyms: if wanted.synonyms { synonyms } else { Vec::new() },
            config_type: key.kind.wire_code(),
            documentation: wanted.documentation.then(|| key.documentation()),
        }
    }

    fn describe_broker_key<'a>(&'a self, name: &'a str, this_broker: bool, wanted: &Wanted<'_>) -> Described<'a> {
        let key = key_of(name);
        let exact = broker_key(name).map(|(_, key)| key);
        // Kafka guards what it knows no type of: it may be a secret of a plugin.
        let is_sensitive = key.is_none_or(KeyDef::is_sensitive);
        let mut synonyms = self.broker_synonyms(name, is_sensitive, this_broker);
        let source = synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source);
        let value = if is_sensitive {
            None
        } else if let (true, Some(value)) = (this_broker, self.value(name)) {
            value.text()
        } else {
            self.layers(this_broker).find_map(|(layer, _)| layer.get(name)).map(|setting| Cow::Borrowed(setting.text.as_str()))
        };
        if !wanted.synonyms {
            synonyms.clear();
        }
        Described {
            name: name.into(),
            value,
            read_only: !is_dynamic(name),
            source,
            is_sensitive,
            synonyms,
            config_type: key.map_or(0, |key| key.kind.wire_code()),
            documentation: exact.filter(|_| wanted.documentation).map(KeyDef::documentation),
        }
    }

    /// The dynamic and static layers, the deciding one first.
    fn layers(&self, this_broker: bool) -> impl Iterator<Item = (&Layer, ConfigSource)> {
        let all = [
            (&self.dynamic, ConfigSource::DynamicBroker),
            (&self.dynamic_defaults, ConfigSource::DynamicDefaultBroker),
            (&self.fixed.settings, ConfigSource::StaticBroker),
        ];
        all.into_iter().filter(move |(_, source)| this_broker || *source == ConfigSource::DynamicDefaultBroker)
    }

    fn broker_synonyms<'a>(&'a self, name: &'a str, is_sensitive: bool, this_broker: bool) -> Vec<DescribedSynonym<'a>> {
        let names = names_that_decide(name);
        let shown = |text: &'a str| (!is_sensitive).then_some(Cow::Borrowed(text));
        let mut synonyms = Vec::new();
        for (layer, source) in self.layers(this_broker) {
            for name in &names {
                if let Some(setting) = layer.get(name) {
                    synonyms.push(DescribedSynonym { name: Cow::Borrowed(name), value: shown(&setting.text), source });
                }
            }
        }
        if this_broker {
            for name in &names {
                if let Some(default) = broker_key(name).and_then(|(_, key)| key.default) {
                    synonyms.push(DescribedSynonym { name: Cow::Borrowed(name), value: shown(default), source: ConfigSource::Default });
                }
            }
        }
        let own = synonyms.iter().position(|synonym| synonym.name == name).unwrap_or(synonyms.len());
        synonyms.drain(..own);
        synonyms
    }
}

/// A client metrics subscription with these settings. Nothing but its own setting counts as a synonym.
#[must_use]
pub fn describe_client_metrics<'a>(overrides: &'a BTreeMap<String, String>, wanted: &Wanted<'_>) -> Vec<Described<'a>> {
    let describe = |key: &'static KeyDef| {
        let own = overrides.get(key.name);
        let parsed = own.and_then(|text| Value::parse(key, text).ok()).unwrap_or_else(|| Value::default_of(key));
        let value = parsed.text().map(|text| Cow::Owned(text.into_owned()));
        let source = if own.is_some() { ConfigSource::ClientMetrics } else { ConfigSource::Default };
        let synonyms = own.filter(|_| wanted.synonyms).map(|_| DescribedSynonym { name: key.name.into(), value: value.clone(), source });
        Described {
            name: key.name.into(),
            value,
            read_only: false,
            source,
            is_sensitive: false,
            synonyms: synonyms.into_iter().collect(),
            config_type: key.kind.wire_code(),
            documentation: wanted.documentation.then(|| key.documentation()),
        }
    };
    CLIENT_METRICS_KEYS.iter().filter(|key| wanted.includes(key.name)).map(describe).collect()
}

/// The definition behind a broker key, also of `listener.name.*` keys and of those that exist only dynamically.
fn key_of(name: &str) -> Option<&'static KeyDef> {
    let base = listener_base(name).unwrap_or(name);
    broker_key(base).map(|(_, key)| key).or_else(|| DYNAMIC_ONLY_KEYS.iter().find(|key| key.name == name))
}

fn is_dynamic(name: &str) -> bool {
    broker_key(name).is_some_and(|(_, key)| key.mode != super::key::UpdateMode::ReadOnly)
        || DYNAMIC_ONLY_KEYS.iter().any(|key| key.name == name)
}

/// The broker keys of which the first that is set decides `name`.
pub(super) fn names_that_decide(name: &str) -> Vec<&str> {
    const FAMILIES: [&[&str]; 3] = [
        &["log.roll.ms", "log.roll.hours"],
        &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    ];
    if let Some(family) = FAMILIES.iter().find(|family| family.contains(&name)) {
        return family.to_vec();
    }
    match (name, listener_base(name)) {
        ("log.flush.interval.ms", _) => vec![name, "log.flush.scheduler.interval.ms"],
        (_, Some(base)) => vec![name, base],
        _ => vec![name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted<'_> = Wanted { names: None, synonyms: true, documentation: true };

    fn source_name(source: ConfigSource) -> &'static str {
        match source {
            ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::DynamicGroup => "DYNAMIC_GROUP_CONFIG",
            ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        }
    }

    /// A row as the golden file has it: name, value, source, secret or not, changeable or not, type, synonyms.
    fn row(described: &Described<'_>) -> String {
        const TYPES: [&str; 10] = ["UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"];
        let null = |value: &Option<Cow<'_, str>>| value.as_deref().unwrap_or("null").to_owned();
        let mut synonyms = String::new();
        for synonym in &described.synonyms {
            synonyms += &format!("{}:{}={};", source_name(synonym.source), synonym.name, null(&synonym.value));
        }
        [
            described.name.as_ref(),
            null(&described.value).as_str(),
            source_name(described.source),
            if described.is_sensitive { "sensitive" } else { "open" },
            if described.read_only { "fixed" } else { "changes" },
            TYPES[usize::try_from(described.config_type).expect("a code")],
            &synonyms,
        ]
        .join("\t")
    }

    fn golden(label: &str) -> Vec<String> {
        let rows = include_str!("golden/describe.tsv").lines().filter_map(|line| line.split_once('\t'));
        rows.filter(|(other, _)| *other == label).map(|(_, row)| row.to_owned()).collect()
    }

    fn static_config() -> Config {
        let builder = Config::builder().properties(include_str!("golden/server.properties"), "server.properties").expect("read");
        let config = builder.build().expect("accepted");
        // Formatting a KRaft cluster with eligible leader replicas sets this one.
        config.with_dynamic([("min.insync.replicas", "1")], []).0
    }

    fn dynamic_config() -> Config {
        let all =
            [("min.insync.replicas", "1"), ("message.max.bytes", "3000000"), ("compression.type", "gzip"), ("log.retention.ms", " 7000 ")];
        let this = [
            ("message.max.bytes", "4000000"),
            ("log.cleaner.threads", "2"),
            ("listener.name.plaintext.ssl.key.password", "s3cret"),
            ("leader.replication.throttled.rate", "5"),
        ];
        let (config, refused) = static_config().with_dynamic(all, this);
        assert!(refused.is_empty(), "{refused:?}");
        config
    }

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn rows(described: Vec<Described<'_>>) -> Vec<String> {
        described.iter().filter(|described| !described.name.starts_with("ottla.")).map(row).collect()
    }

    #[test]
    fn topics_are_described_as_kafka_describes_them() {
        let own = settings(&[
            ("retention.ms", "1000"),
            ("cleanup.policy", "compact, delete"),
            ("segment.bytes", "2000000"),
            ("min.insync.replicas", "1"),
        ]);
        for (config, suffix) in [(static_config(), ""), (dynamic_config(), "-dyn")] {
            assert_eq!(rows(config.describe_topic(&BTreeMap::new(), &ALL)), golden(&format!("topic{suffix}")));
            assert_eq!(rows(config.describe_topic(&own, &ALL)), golden(&format!("topic-set{suffix}")));
        }
    }

    #[test]
    fn brokers_are_described_as_kafka_describes_them() {
        let config = static_config();
        assert_eq!(rows(config.describe_broker(&ALL)), golden("broker"));
        assert_eq!(rows(config.describe_all_brokers(&ALL)), golden("default"));
        let config = dynamic_config();
        assert_eq!(rows(config.describe_all_brokers(&ALL)), golden("default-dyn"));
        let described = rows(config.describe_broker(&ALL));
        for row in golden("broker-dyn") {
            assert!(described.contains(&row), "missing {row}");
        }
    }

    #[test]
    fn groups_are_described_as_kafka_describes_them() {
        assert_eq!(rows(static_config().describe_group(&BTreeMap::new(), &ALL)), golden("group"));
        let own = settings(&[("consumer.session.timeout.ms", "50000")]);
        assert_eq!(rows(dynamic_config().describe_group(&own, &ALL)), golden("group-dyn"));
    }

    #[test]
    fn a_flush_interval_lists_the_schedulers_interval_after_it() {
        let config = Config::builder().set("log.flush.scheduler.interval.ms", "5", "--override").build().expect("accepted");
        let (config, _) = config.with_dynamic([("log.flush.interval.ms", "7")], []);
        let described = config.describe_broker(&Wanted { names: Some(&["log.flush.interval.ms"]), ..ALL });
        assert_eq!(
            row(&described[0]),
            "log.flush.interval.ms\t7\tDYNAMIC_DEFAULT_BROKER_CONFIG\topen\tchanges\tLONG\tDYNAMIC_DEFAULT_BROKER_CONFIG:log.flush.interval.ms=7;STATIC_BROKER_CONFIG:log.flush.scheduler.interval.ms=5;DEFAULT_CONFIG:log.flush.scheduler.interval.ms=9223372036854775807;"
        );
    }

    #[test]
    fn no_answer_holds_a_secret() {
        let text = format!("{:?}", dynamic_config().describe_broker(&ALL));
        assert!(!text.contains("hunter2") && !text.contains("s3cret") && !text.contains("User:admin"), "{text}");
    }

    #[test]
    fn only_what_was_asked_for_is_answered() {
        let config = Config::default();
        let names = ["num.partitions", "no.such.key"];
        let described = config.describe_broker(&Wanted { names: Some(&names), synonyms: false, documentation: false });
        assert_eq!(described.len(), 1);
        assert!(described[0].is_default() && described[0].synonyms.is_empty() && described[0].documentation.is_none());
        assert_eq!(config.describe_broker(&Wanted { names: Some(&[]), ..ALL }).len(), config.describe_broker(&ALL).len());
        let none = BTreeMap::new();
        assert_eq!(config.describe_topic(&none, &Wanted { names: Some(&["retention.ms"]), ..ALL }).len(), 1);
        let internal = settings(&[("internal.segment.bytes", "100")]);
        assert!(config.describe_topic(&internal, &ALL).iter().any(|described| described.name == "internal.segment.bytes"));
    }

    #[test]
    fn what_ottla_chooses_for_a_single_node_counts_as_static() {
        let config = Config::default();
        let described = config.describe_broker(&Wanted { names: Some(&["offsets.topic.replication.factor"]), ..ALL });
        assert_eq!(
            row(&described[0]),
            "offsets.topic.replication.factor\t1\tSTATIC_BROKER_CONFIG\topen\tfixed\tSHORT\tSTATIC_BROKER_CONFIG:offsets.topic.replication.factor=1;DEFAULT_CONFIG:offsets.topic.replication.factor=3;"
        );
    }
}
