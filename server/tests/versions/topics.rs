//! CreateTopics and DeleteTopics.

use super::{Story, Talk, story};
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, DeleteTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("create", 2..=7, create),
    story("create refused", 2..=7, refused),
    story("create with configs", 2..=7, configs),
    story("create assigned", 2..=7, assigned),
    story("delete", 1..=6, delete),
];

fn literal(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

fn topic(name: TopicName, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default().with_name(name).with_num_partitions(partitions).with_replication_factor(replicas)
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

fn create(talk: &mut Talk) {
    let name = |talk: &Talk, name: &str| talk.name(name);
    let asked = request(vec![topic(name(talk, "one"), 2, 1)]);
    talk.ask("validate only", &asked.clone().with_validate_only(true));
    talk.ask("one", &asked);
    talk.ask("one again", &asked);
    talk.ask("one again, validate only", &asked.with_validate_only(true));
    let asked = request(vec![topic(name(talk, "two"), 1, 1), topic(name(talk, "one"), 1, 1), topic(name(talk, "three"), 1, 1)]);
    talk.ask("two good, one there", &asked);
    let asked = request(vec![topic(name(talk, "four"), 1, 1), topic(name(talk, "five"), 1, 1), topic(name(talk, "four"), 2, 1)]);
    talk.ask("a name twice", &asked);
    let asked = request(vec![topic(name(talk, "six"), -1, -1)]);
    talk.ask("defaults", &asked);
    talk.ask("no topics", &request(Vec::new()));
    let asked = request(vec![topic(name(talk, "seven"), 1, 1)]).with_timeout_ms(0);
    talk.ask("no time, validate only", &asked.with_validate_only(true));
}

fn refused(talk: &mut Talk) {
    for (partitions, replicas) in
        [(0, 1), (-2, 1), (1, 0), (1, -2), (1, 2), (-1, 1), (1, -1), (100_000, 1), (i32::MAX, 1), (0, 0), (1, i16::MAX)]
    {
        let asked = request(vec![topic(talk.name("one"), partitions, replicas)]);
        talk.ask(&format!("{partitions} partitions, {replicas} replicas"), &asked.with_validate_only(true));
    }
    let long = TopicName(StrBytes::from_string("x".repeat(250)));
    let names = ["", ".", "..", "no good/name", "ümlaut", "a\0b", "__cluster_metadata", "__consumer_offsets_2"];
    for name in names.into_iter().map(literal).chain([long]) {
        let question = format!("the name {:?}", name.chars().take(20).collect::<String>());
        talk.ask(&question, &request(vec![topic(name, 1, 1)]).with_validate_only(true));
    }
    let (dots, lines) = (talk.name("a.b"), talk.name("a_b"));
    talk.ask("dots", &request(vec![topic(dots, 1, 1)]));
    talk.ask("underscores beside dots", &request(vec![topic(lines, 1, 1)]));
}

fn config(name: &'static str, value: Option<&'static str>) -> CreatableTopicConfig {
    CreatableTopicConfig::default().with_name(StrBytes::from_static_str(name)).with_value(value.map(StrBytes::from_static_str))
}

fn configs(talk: &mut Talk) {
    let good = topic(talk.name("one"), 1, 1).with_configs(vec![
        config("cleanup.policy", Some("compact")),
        config("retention.ms", Some("1000")),
        config("min.insync.replicas", Some("1")),
    ]);
    talk.ask("good, validate only", &request(vec![good.clone()]).with_validate_only(true));
    talk.ask("good", &request(vec![good]));
    for (name, value) in [
        ("no.such.key", Some("1")),
        ("retention.ms", Some("x")),
        ("retention.ms", Some("-2")),
        ("retention.ms", Some("")),
        ("retention.ms", None),
        ("no.such.key", None),
        ("cleanup.policy", Some("maybe")),
        ("cleanup.policy", Some("compact,delete")),
        ("cleanup.policy", Some("")),
        ("cleanup.policy", Some("delete,maybe")),
        ("compression.type", Some("brotli")),
        ("segment.bytes", Some("13")),
        ("segment.bytes", Some("99999999999")),
        ("max.message.bytes", Some("-1")),
        ("message.timestamp.type", Some("Yesterday")),
        ("min.insync.replicas", Some("0")),
        ("unclean.leader.election.enable", Some("perhaps")),
        ("min.cleanable.dirty.ratio", Some("1.5")),
        ("min.cleanable.dirty.ratio", Some("half")),
        ("message.format.version", Some("2.8")),
        ("local.retention.ms", Some("5")),
        ("remote.storage.enable", Some("true")),
        ("max.compaction.lag.ms", Some("0")),
        ("flush.messages", Some("0")),
        ("compression.gzip.level", Some("77")),
        ("compression.zstd.level", Some("99")),
        ("leader.replication.throttled.replicas", Some("nonsense")),
        ("preallocate", Some("TRUE")),
        ("retention.bytes", Some("-1")),
        ("segment.ms", Some("0")),
        ("index.interval.bytes", Some("-1")),
        ("message.timestamp.before.max.ms", Some("-1")),
        ("log.retention.ms", Some("1")),
    ] {
        let asked = topic(talk.name("two"), 1, 1).with_configs(vec![config(name, value)]);
        talk.ask(&format!("{name}={value:?}"), &request(vec![asked]).with_validate_only(true));
    }
    let twice = topic(talk.name("two"), 1, 1).with_configs(vec![config("retention.ms", Some("1")), config("retention.ms", Some("2"))]);
    talk.ask("a key twice", &request(vec![twice]).with_validate_only(true));
    let lags = vec![config("min.compaction.lag.ms", Some("10")), config("max.compaction.lag.ms", Some("5"))];
    talk.ask("lags that contradict", &request(vec![topic(talk.name("two"), 1, 1).with_configs(lags)]).with_validate_only(true));
}

fn assigned(talk: &mut Talk) {
    let ask = |talk: &mut Talk, question: &str, partitions: i32, replicas: i16, rows: &[(i32, &[i32])]| {
        let rows = rows
            .iter()
            .map(|(index, brokers)| {
                CreatableReplicaAssignment::default()
                    .with_partition_index(*index)
                    .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
            })
            .collect();
        let asked = topic(talk.name("one"), partitions, replicas).with_assignments(rows);
        talk.ask(question, &request(vec![asked]).with_validate_only(true));
    };
    ask(talk, "one partition", -1, -1, &[(0, &[1])]);
    ask(talk, "two partitions", -1, -1, &[(1, &[1]), (0, &[1])]);
    ask(talk, "with a count", 1, -1, &[(0, &[1])]);
    ask(talk, "with a factor", -1, 1, &[(0, &[1])]);
    ask(talk, "an unknown broker", -1, -1, &[(0, &[9])]);
    ask(talk, "a broker twice", -1, -1, &[(0, &[1, 1])]);
    ask(talk, "no brokers", -1, -1, &[(0, &[])]);
    ask(talk, "a hole", -1, -1, &[(0, &[1]), (2, &[1])]);
    ask(talk, "from one", -1, -1, &[(1, &[1])]);
    ask(talk, "a partition twice", -1, -1, &[(0, &[1]), (0, &[1])]);
    ask(talk, "uneven", -1, -1, &[(0, &[1]), (1, &[1, 2])]);
    ask(talk, "a negative partition", -1, -1, &[(-1, &[1])]);
    ask(talk, "a negative broker", -1, -1, &[(0, &[-1])]);
}

fn delete(talk: &mut Talk) {
    let names = ["one", "two", "three"].map(|name| talk.name(name));
    let ids = ["one", "two", "three"].map(|name| talk.topic(name, 1, &[]));
    let by_names = |talk: &Talk, names: Vec<TopicName>| {
        let request = DeleteTopicsRequest::default().with_timeout_ms(30_000);
        if talk.version < 6 {
            request.with_topic_names(names)
        } else {
            request.with_topics(names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name))).collect())
        }
    };
    let asked = by_names(talk, vec![talk.name("nowhere")]);
    talk.ask("an unknown topic", &asked);
    let asked = by_names(talk, vec![talk.name("nowhere"), names[0].clone()]);
    talk.ask("an unknown topic and a known one", &asked);
    talk.gone(&names[0]);
    let asked = by_names(talk, vec![names[0].clone()]);
    talk.ask("once more", &asked);
    let asked = by_names(talk, vec![names[1].clone(), names[1].clone()]);
    talk.ask("a name twice", &asked);
    let asked = by_names(talk, Vec::new());
    talk.ask("nothing", &asked);
    for name in ["", "no good/name", "__cluster_metadata"] {
        let asked = by_names(talk, vec![literal(name)]);
        talk.ask(&format!("{name:?}"), &asked);
    }
    if talk.version >= 6 {
        let state = |name: Option<&TopicName>, id| DeleteTopicState::default().with_name(name.cloned()).with_topic_id(id);
        let unknown = Uuid::from_u128(0xfeed);
        for (question, topics) in [
            ("an unknown id", vec![state(None, unknown)]),
            ("name and id", vec![state(Some(&names[2]), ids[2])]),
            ("neither", vec![state(None, Uuid::nil())]),
            ("an id twice", vec![state(None, ids[2]), state(None, ids[2])]),
            ("an unknown id twice", vec![state(None, unknown), state(None, unknown)]),
            ("by name and by id", vec![state(Some(&names[2]), Uuid::nil()), state(None, ids[2])]),
            ("by id", vec![state(None, ids[2])]),
        ] {
            talk.ask(question, &DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000));
        }
    }
}
