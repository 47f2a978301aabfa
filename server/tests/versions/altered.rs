//! AlterConfigs and IncrementalAlterConfigs of topics.

use super::{Story, Talk, story};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, alter_configs_request,
    incremental_alter_configs_request as incremental,
};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[story("alter topics", 0..=2, topics), story("alter topics key by key", 0..=1, topics_key_by_key)];

pub(super) const TOPIC: i8 = 2;
pub(super) const SET: i8 = 0;
pub(super) const DELETE: i8 = 1;
pub(super) const APPEND: i8 = 2;
pub(super) const SUBTRACT: i8 = 3;

fn word(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// All keys of a resource.
pub(super) fn all(kind: i8, name: &str, configs: &[(&str, Option<&str>)]) -> alter_configs_request::AlterConfigsResource {
    let config = |(name, value): &(&str, Option<&str>)| {
        alter_configs_request::AlterableConfig::default().with_name(word(name)).with_value(value.map(word))
    };
    alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(word(name))
        .with_configs(configs.iter().map(config).collect())
}

pub(super) fn alter(resources: Vec<alter_configs_request::AlterConfigsResource>) -> AlterConfigsRequest {
    AlterConfigsRequest::default().with_resources(resources)
}

/// Some keys of a resource.
pub(super) fn some(kind: i8, name: &str, configs: &[(i8, &str, Option<&str>)]) -> incremental::AlterConfigsResource {
    let config = |(operation, name, value): &(i8, &str, Option<&str>)| {
        incremental::AlterableConfig::default().with_name(word(name)).with_config_operation(*operation).with_value(value.map(word))
    };
    incremental::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(word(name))
        .with_configs(configs.iter().map(config).collect())
}

pub(super) fn change(resources: Vec<incremental::AlterConfigsResource>) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest::default().with_resources(resources)
}

/// What a resource's own settings are, with synonyms. Apache Kafka's brokers learn of a change after it was answered.
pub(super) fn settings_of(talk: &mut Talk, question: &str, kind: i8, name: &str, keys: &[&str], done: impl Fn(&Shown) -> bool) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(word(name))
        .with_configuration_keys(Some(keys.iter().map(|key| word(key)).collect()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    talk.ask_until_at(4, question, &request, |answer| done(&Shown(answer)));
}

/// A DescribeConfigs answer about one resource.
pub(super) struct Shown<'a>(&'a DescribeConfigsResponse);

impl Shown<'_> {
    /// Whether `key` has this value; `None` for a key that is not shown or has none.
    pub(super) fn is(&self, key: &str, value: Option<&str>) -> bool {
        let row = self.0.results.iter().flat_map(|result| &result.configs).find(|row| &*row.name == key);
        row.and_then(|row| row.value.as_deref()) == value
    }
}

const KEYS: [&str; 4] = ["cleanup.policy", "retention.ms", "segment.bytes", "leader.replication.throttled.replicas"];

fn topics(talk: &mut Talk) {
    talk.topic("a", 1, &[("retention.ms", "60000"), ("cleanup.policy", "compact")]);
    talk.topic("b", 1, &[]);
    let (a, b) = (talk.name("a").to_string(), talk.name("b").to_string());
    let nowhere = talk.name("nowhere").to_string();
    talk.ask("only looked at", &alter(vec![all(TOPIC, &a, &[("segment.bytes", Some("2000000"))])]).with_validate_only(true));
    settings_of(talk, "only looked at: shows", TOPIC, &a, &KEYS, |shown| shown.is("cleanup.policy", Some("compact")));
    talk.ask("one key for two", &alter(vec![all(TOPIC, &a, &[("segment.bytes", Some("2000000"))])]));
    settings_of(talk, "one key for two: shows", TOPIC, &a, &KEYS, |shown| shown.is("segment.bytes", Some("2000000")));
    talk.ask("no key", &alter(vec![all(TOPIC, &a, &[])]));
    settings_of(talk, "no key: shows", TOPIC, &a, &KEYS, |shown| shown.is("segment.bytes", Some("1073741824")));
    talk.ask(
        "one of four is good",
        &alter(vec![
            all(TOPIC, &a, &[("no.such.key", Some("1"))]),
            all(TOPIC, &b, &[("retention.ms", Some("1000"))]),
            all(TOPIC, &nowhere, &[("retention.ms", Some("1000"))]),
            all(TOPIC, "", &[("retention.ms", Some("1000"))]),
        ]),
    );
    settings_of(talk, "one of four is good: shows", TOPIC, &b, &KEYS, |shown| shown.is("retention.ms", Some("1000")));
    for (question, configs) in [
        ("a null", &[("retention.ms", None)][..]),
        ("two nulls", &[("retention.ms", None), ("segment.bytes", None)]),
        ("a key twice", &[("retention.ms", Some("1")), ("retention.ms", Some("2"))]),
        ("a null twice", &[("retention.ms", None), ("retention.ms", None)]),
        ("no number", &[("retention.ms", Some("x"))]),
        ("too small", &[("segment.bytes", Some("1"))]),
        ("an empty list", &[("cleanup.policy", Some(""))]),
        ("a list with a stranger", &[("cleanup.policy", Some("delete,burn"))]),
        ("an empty key", &[("", Some("1"))]),
    ] {
        talk.ask(question, &alter(vec![all(TOPIC, &a, configs)]));
    }
    // Apache Kafka fails inside over a resource that comes twice, and never answers.
    for kind in [0, 1, 3, 8, 64, -1] {
        talk.ask(&format!("type {kind}"), &alter(vec![all(kind, "x", &[("a", Some("b"))])]));
    }
    talk.ask("nothing", &alter(Vec::new()));
    talk.ask("a bad name", &alter(vec![all(TOPIC, "no good/name", &[("retention.ms", Some("1000"))])]));
}

fn topics_key_by_key(talk: &mut Talk) {
    talk.topic("a", 1, &[("retention.ms", "60000")]);
    talk.topic("b", 1, &[]);
    let (a, b) = (talk.name("a").to_string(), talk.name("b").to_string());
    let nowhere = talk.name("nowhere").to_string();
    let steps = [
        ("append to the default", (APPEND, "cleanup.policy", Some("compact")), Some("delete,compact")),
        ("append what is there", (APPEND, "cleanup.policy", Some("compact")), Some("delete,compact")),
        ("subtract", (SUBTRACT, "cleanup.policy", Some("delete")), Some("compact")),
        ("subtract what is not there", (SUBTRACT, "cleanup.policy", Some("delete")), Some("compact")),
        ("subtract the last", (SUBTRACT, "cleanup.policy", Some("compact")), Some("")),
        ("append to nothing", (APPEND, "cleanup.policy", Some("compact,delete")), Some("compact,delete")),
        ("append a comma", (APPEND, "cleanup.policy", Some(",")), Some("compact,delete")),
        ("append commas at the end", (APPEND, "cleanup.policy", Some("delete,,")), Some("compact,delete")),
        ("delete", (DELETE, "cleanup.policy", None), Some("delete")),
        ("delete with a value", (DELETE, "cleanup.policy", Some("compact")), Some("delete")),
        ("set", (SET, "cleanup.policy", Some(" compact , delete ")), Some("compact,delete")),
        ("throttle", (APPEND, "leader.replication.throttled.replicas", Some("0:1")), Some("compact,delete")),
        ("throttle another", (APPEND, "leader.replication.throttled.replicas", Some("1:1")), Some("compact,delete")),
        ("release one", (SUBTRACT, "leader.replication.throttled.replicas", Some("0:1")), Some("compact,delete")),
        ("release all", (SUBTRACT, "leader.replication.throttled.replicas", Some("1:1")), Some("compact,delete")),
    ];
    for (question, operation, policy) in &steps {
        talk.ask(question, &change(vec![some(TOPIC, &a, &[*operation])]));
        // A second key tells when the first has arrived.
        let mark = question.len().to_string();
        talk.quietly(1, &change(vec![some(TOPIC, &a, &[(SET, "flush.messages", Some(&mark))])]));
        settings_of(talk, &format!("{question}: shows"), TOPIC, &a, &["cleanup.policy", "flush.messages", KEYS[3]], |shown| {
            shown.is("flush.messages", Some(&mark)) && shown.is("cleanup.policy", *policy)
        });
    }
    for (question, configs) in [
        ("append to a number", &[(APPEND, "retention.ms", Some("1"))][..]),
        ("subtract from a number", &[(SUBTRACT, "retention.ms", Some("1"))]),
        ("append to an unknown key", &[(APPEND, "no.such.key", Some("1"))]),
        ("append nothing", &[(APPEND, "cleanup.policy", Some(""))]),
        ("append an empty element", &[(APPEND, "cleanup.policy", Some(",compact"))]),
        ("subtract nothing", &[(SUBTRACT, "cleanup.policy", Some(""))]),
        ("append a stranger", &[(APPEND, "cleanup.policy", Some("burn"))]),
        ("append null", &[(APPEND, "cleanup.policy", None)]),
        ("set null", &[(SET, "retention.ms", None), (SET, "segment.bytes", None)]),
        ("set an unknown key", &[(SET, "no.such.key", Some("1"))]),
        ("delete an unknown key", &[(DELETE, "no.such.key", None)]),
        ("set and delete a key", &[(SET, "retention.ms", Some("1")), (DELETE, "retention.ms", None)]),
        ("no number", &[(SET, "retention.ms", Some("x"))]),
        ("a number with spaces", &[(SET, "retention.ms", Some(" 5 "))]),
        ("out of range", &[(SET, "compression.gzip.level", Some("10"))]),
        ("lags that cross", &[(SET, "min.compaction.lag.ms", Some("9")), (SET, "max.compaction.lag.ms", Some("5"))]),
        ("tiered", &[(SET, "remote.storage.enable", Some("true"))]),
        ("nothing", &[]),
    ] {
        talk.ask(question, &change(vec![some(TOPIC, &a, configs)]));
    }
    for (question, range) in [("much to append", 0..3_000), ("too much to append", 3_000..6_000)] {
        let replicas: Vec<String> = range.map(|replica| format!("{replica}:1")).collect();
        talk.ask(question, &change(vec![some(TOPIC, &a, &[(APPEND, KEYS[3], Some(&replicas.join(",")))])]));
    }
    let only = change(vec![some(TOPIC, &b, &[(SET, "retention.ms", Some("77"))]), some(TOPIC, &a, &[(SET, "retention.ms", Some("x"))])]);
    talk.ask("only looked at", &only.clone().with_validate_only(true));
    talk.ask("in earnest", &only);
    settings_of(talk, "in earnest: shows", TOPIC, &b, &KEYS, |shown| shown.is("retention.ms", Some("77")));
    let one = [(SET, "retention.ms", Some("1"))];
    talk.ask("a topic twice", &change(vec![some(TOPIC, &a, &one), some(TOPIC, &b, &one), some(TOPIC, &a, &one)]));
    talk.ask("a topic that is not there", &change(vec![some(TOPIC, &nowhere, &one)]));
    talk.ask("a topic that is not there, a bad key", &change(vec![some(TOPIC, &nowhere, &[(SET, "no.such.key", Some("1"))])]));
    for name in ["", "no good/name", "."] {
        talk.ask(&format!("{name:?}"), &change(vec![some(TOPIC, name, &one)]));
    }
    for kind in [0, 1, 3, 64, -1] {
        talk.ask(&format!("type {kind}"), &change(vec![some(kind, "x", &one)]));
    }
    talk.ask("of nothing", &change(Vec::new()));
}
