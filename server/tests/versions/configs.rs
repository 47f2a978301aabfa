//! DescribeConfigs.

use super::{Story, Talk, story};
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[
    story("configs of a topic", 1..=4, of_topic),
    story("configs of a broker", 1..=4, of_broker),
    story("configs of others", 1..=4, others),
];

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn resource(kind: i8, name: &str, keys: Option<&[&'static str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_string(name.to_owned()))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| StrBytes::from_static_str(key)).collect()))
}

fn request(resources: Vec<DescribeConfigsResource>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default().with_resources(resources)
}

fn of_topic(talk: &mut Talk) {
    talk.topic("one", 1, &[("retention.ms", "60000"), ("cleanup.policy", "compact,delete")]);
    let one = talk.name("one").to_string();
    let some: &[&'static str] = &["retention.ms", "cleanup.policy", "segment.bytes"];
    talk.ask("some", &request(vec![resource(TOPIC, &one, Some(some))]));
    talk.ask("some with synonyms", &request(vec![resource(TOPIC, &one, Some(some))]).with_include_synonyms(true));
    if talk.version >= 3 {
        talk.ask("some with documentation", &request(vec![resource(TOPIC, &one, Some(some))]).with_include_documentation(true));
        talk.ask("all with synonyms", &request(vec![resource(TOPIC, &one, None)]).with_include_synonyms(true));
    }
    talk.ask("all", &request(vec![resource(TOPIC, &one, None)]));
    talk.ask("none", &request(vec![resource(TOPIC, &one, Some(&[]))]));
    talk.ask("unknown keys", &request(vec![resource(TOPIC, &one, Some(&["no.such.key", "log.dirs"]))]));
    let nowhere = talk.name("nowhere").to_string();
    talk.ask("unknown and known", &request(vec![resource(TOPIC, &nowhere, None), resource(TOPIC, &one, Some(&["retention.ms"]))]));
    talk.ask("twice", &request(vec![resource(TOPIC, &one, Some(&["retention.ms"])), resource(TOPIC, &one, Some(&["retention.ms"]))]));
    for name in ["", "no good/name", "."] {
        talk.ask(&format!("{name:?}"), &request(vec![resource(TOPIC, name, None)]));
    }
    talk.ask("nothing", &request(Vec::new()));
}

fn of_broker(talk: &mut Talk) {
    let some: &[&'static str] = &["log.retention.ms", "num.partitions", "log.cleanup.policy", "ssl.keystore.password", "node.id"];
    talk.ask("some", &request(vec![resource(BROKER, "1", Some(some))]));
    talk.ask("some with synonyms", &request(vec![resource(BROKER, "1", Some(some))]).with_include_synonyms(true));
    if talk.version == 4 {
        talk.ask("all", &request(vec![resource(BROKER, "1", None)]));
    }
    if [1, 4].contains(&talk.version) {
        talk.ask("all with synonyms", &request(vec![resource(BROKER, "1", None)]).with_include_synonyms(true));
        talk.ask("all brokers", &request(vec![resource(BROKER, "", None)]).with_include_synonyms(true));
    }
    talk.ask("all brokers, some", &request(vec![resource(BROKER, "", Some(some))]));
    for name in ["2", "-1", "x", "1.0", "99999999999"] {
        talk.ask(&format!("broker {name:?}"), &request(vec![resource(BROKER, name, Some(some))]));
    }
}

fn others(talk: &mut Talk) {
    for name in ["2", "x", ""] {
        talk.ask(&format!("loggers of {name:?}"), &request(vec![resource(8, name, None)]));
    }
    for name in ["", "metrics"] {
        talk.ask(&format!("client metrics {name:?}"), &request(vec![resource(16, name, None)]));
    }
    for name in ["", "group"] {
        talk.ask(&format!("group {name:?}"), &request(vec![resource(32, name, None)]).with_include_synonyms(true));
    }
    for kind in [0, 1, 3, 7, -1, 127] {
        talk.ask(&format!("type {kind}"), &request(vec![resource(kind, "x", None)]));
    }
}
