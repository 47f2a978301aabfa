//! AlterConfigs and IncrementalAlterConfigs of everything but topics, and ListConfigResources. What is set is taken back.

use super::altered::{APPEND, DELETE, SET, SUBTRACT, TOPIC, all, alter, change, settings_of, some};
use super::{Story, Talk, story};
use kafka_protocol::messages::ListConfigResourcesRequest;

pub(super) const STORIES: &[Story] = &[
    story("alter brokers", 0..=2, brokers),
    story("alter brokers key by key", 0..=1, brokers_key_by_key),
    story("alter brokers wrongly", 0..=1, brokers_wrongly),
    story("alter groups", 0..=1, groups),
    story("alter client metrics", 0..=1, client_metrics),
    story("alter loggers", 0..=1, loggers),
    story("alter and list", 0..=1, list),
];

const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const KEYS: [&str; 7] = [
    "log.cleaner.threads",
    "message.max.bytes",
    "log.retention.ms",
    "compression.type",
    "my.plugin.key",
    "listener.name.plaintext.ssl.key.password",
    "leader.replication.throttled.rate",
];

fn brokers(talk: &mut Talk) {
    let one = |configs: &[(&str, Option<&str>)]| alter(vec![all(BROKER, "1", configs)]);
    talk.ask("only looked at", &one(&[("log.cleaner.threads", Some("2"))]).with_validate_only(true));
    talk.ask("two keys", &one(&[("log.cleaner.threads", Some("2")), ("compression.type", Some("gzip"))]));
    settings_of(talk, "two keys: shows", BROKER, "1", &KEYS, |shown| shown.is("compression.type", Some("gzip")));
    talk.ask("another key", &one(&[("compression.type", Some("zstd"))]));
    settings_of(talk, "another key: shows", BROKER, "1", &KEYS, |shown| {
        shown.is("compression.type", Some("zstd")) && shown.is("log.cleaner.threads", Some("1"))
    });
    for (question, configs) in [
        ("a fixed key", &[("num.partitions", Some("3"))][..]),
        ("a null", &[("log.cleaner.threads", None)]),
        ("no number", &[("log.cleaner.threads", Some("x"))]),
        ("too many threads", &[("log.cleaner.threads", Some("9"))]),
    ] {
        talk.ask(question, &one(configs));
    }
    talk.ask("another broker", &alter(vec![all(BROKER, "2", &[("log.cleaner.threads", Some("2"))])]));
    talk.ask("no keys", &one(&[]));
    settings_of(talk, "no keys: shows", BROKER, "1", &KEYS, |shown| shown.is("compression.type", Some("producer")));
    talk.ask("all brokers without what Kafka set itself", &alter(vec![all(BROKER, "", &[("compression.type", Some("zstd"))])]));
    talk.ask("loggers", &alter(vec![all(LOGGER, "1", &[("root", Some("INFO"))])]));
}

fn brokers_key_by_key(talk: &mut Talk) {
    talk.topic("a", 1, &[]);
    talk.topic("own", 1, &[("retention.ms", "60000")]);
    let (a, own) = (talk.name("a").to_string(), talk.name("own").to_string());
    let topic_keys = ["max.message.bytes", "retention.ms", "compression.type"];
    let of_all = |configs: &[(i8, &str, Option<&str>)]| change(vec![some(BROKER, "", configs)]);
    let of_one = |configs: &[(i8, &str, Option<&str>)]| change(vec![some(BROKER, "1", configs)]);
    let look = |talk: &mut Talk, question: &str, key: &str, value: Option<&str>, topic_key: &str, topic_value: &str| {
        settings_of(talk, &format!("{question}: broker"), BROKER, "1", &KEYS, |shown| shown.is(key, value));
        settings_of(talk, &format!("{question}: all brokers"), BROKER, "", &KEYS, |_| true);
        settings_of(talk, &format!("{question}: topic"), TOPIC, &a, &topic_keys, |shown| shown.is(topic_key, Some(topic_value)));
        settings_of(talk, &format!("{question}: topic with its own"), TOPIC, &own, &topic_keys, |_| true);
    };
    talk.ask("all brokers", &of_all(&[(SET, "log.retention.ms", Some("7000000")), (SET, "message.max.bytes", Some("3000000"))]));
    look(talk, "all brokers", "message.max.bytes", Some("3000000"), "max.message.bytes", "3000000");
    talk.ask("this one", &of_one(&[(SET, "message.max.bytes", Some(" 4000000 "))]));
    look(talk, "this one", "message.max.bytes", Some("4000000"), "max.message.bytes", "4000000");
    talk.ask("not all any more", &of_all(&[(DELETE, "message.max.bytes", None), (DELETE, "log.retention.ms", None)]));
    look(talk, "not all any more", "log.retention.ms", Some("-1"), "retention.ms", "-1");
    talk.ask("nor this one", &of_one(&[(DELETE, "message.max.bytes", None)]));
    look(talk, "nor this one", "message.max.bytes", Some("1048588"), "max.message.bytes", "1048588");
    talk.ask("only looked at", &of_one(&[(SET, "message.max.bytes", Some("5"))]).with_validate_only(true));
    let odd = [
        (SET, "my.plugin.key", Some("secret, maybe")),
        (SET, "listener.name.plaintext.ssl.key.password", Some("s3cret")),
        (SET, "leader.replication.throttled.rate", Some("5")),
        (SET, "compression.type", Some("snappy")),
    ];
    talk.ask("odd ones", &of_one(&odd));
    look(talk, "odd ones", "compression.type", Some("snappy"), "compression.type", "snappy");
    let back: Vec<(i8, &str, Option<&str>)> = odd.iter().map(|(_, key, _)| (DELETE, *key, None)).collect();
    talk.ask("odd ones taken back", &of_one(&back));
    look(talk, "odd ones taken back", "compression.type", Some("producer"), "compression.type", "producer");
    talk.ask("append to a list", &of_one(&[(APPEND, "log.cleanup.policy", Some("compact"))]));
    settings_of(talk, "append to a list: shows", BROKER, "1", &["log.cleanup.policy"], |shown| {
        shown.is("log.cleanup.policy", Some("delete,compact"))
    });
    talk.ask("subtract from a list", &of_one(&[(SUBTRACT, "log.cleanup.policy", Some("delete"))]));
    settings_of(talk, "subtract from a list: shows", BROKER, "1", &["log.cleanup.policy"], |shown| {
        shown.is("log.cleanup.policy", Some("compact"))
    });
    talk.ask("the list again", &of_one(&[(DELETE, "log.cleanup.policy", None)]));
    settings_of(talk, "the list again: shows", BROKER, "1", &["log.cleanup.policy"], |shown| {
        shown.is("log.cleanup.policy", Some("delete"))
    });
    talk.ask("threads", &of_one(&[(SET, "num.io.threads", Some("16"))]));
    settings_of(talk, "threads: shows", BROKER, "1", &["num.io.threads"], |shown| shown.is("num.io.threads", Some("16")));
    talk.ask("threads again", &of_one(&[(DELETE, "num.io.threads", None)]));
    settings_of(talk, "threads again: shows", BROKER, "1", &["num.io.threads"], |shown| shown.is("num.io.threads", Some("8")));
}

fn brokers_wrongly(talk: &mut Talk) {
    for (question, configs) in [
        ("a fixed key", &[(SET, "num.partitions", Some("3"))][..]),
        ("deleting a fixed key", &[(DELETE, "num.partitions", None)]),
        ("append to a fixed list", &[(APPEND, "log.dirs", Some("/x"))]),
        ("a key of one listener", &[(SET, "ssl.keystore.location", Some("/x"))]),
        ("a type", &[(SET, "log.cleaner.threads", Some("x"))]),
        ("a range", &[(SET, "message.max.bytes", Some("-1"))]),
        ("too many threads", &[(SET, "num.io.threads", Some("17"))]),
        ("too few threads", &[(SET, "num.io.threads", Some("3"))]),
        ("too many network threads", &[(SET, "num.network.threads", Some("99"))]),
        ("too many cleaners", &[(SET, "log.cleaner.threads", Some("3"))]),
        ("no connections", &[(SET, "max.connections", Some("0"))]),
        ("no rate", &[(SET, "max.connection.creation.rate", Some("0"))]),
        ("an interval beyond its bounds", &[(SET, "group.consumer.assignment.interval.ms", Some("999999"))]),
        ("append to a number", &[(APPEND, "num.io.threads", Some("1"))]),
        ("subtract from a number", &[(SUBTRACT, "num.io.threads", Some("1"))]),
        ("append to an unknown key", &[(APPEND, "my.plugin.key", Some("1"))]),
        ("an operation that is none", &[(9, "num.io.threads", Some("1"))]),
        ("null", &[(SET, "num.io.threads", None)]),
        ("a fixed key before a bad one", &[(SET, "node.id", Some("3")), (SET, "log.cleaner.threads", Some("x"))]),
        ("a bad one of one listener", &[(SET, "listener.name.plaintext.max.connections", Some("x"))]),
        ("min.insync.replicas", &[(SET, "min.insync.replicas", Some("1"))]),
    ] {
        talk.ask(question, &change(vec![some(BROKER, "1", configs)]));
        talk.ask(&format!("{question}, of all"), &change(vec![some(BROKER, "", configs)]).with_validate_only(true));
    }
    let one = [(SET, "log.cleaner.threads", Some("2"))];
    for name in ["2", "-1", "x", "1.0", "99999999999", "01"] {
        talk.ask(&format!("broker {name:?}"), &change(vec![some(BROKER, name, &one)]).with_validate_only(true));
    }
    talk.ask("of one broker, for all", &change(vec![some(BROKER, "", &[(SET, "ssl.client.auth", Some("none"))])]));
    talk.ask("of one listener, for all", &change(vec![some(BROKER, "", &[(SET, "listener.name.x.ssl.client.auth", Some("none"))])]));
    talk.ask("min.insync.replicas may not go", &change(vec![some(BROKER, "", &[(DELETE, "min.insync.replicas", None)])]));
}

fn groups(talk: &mut Talk) {
    let g = talk.name("g").to_string();
    let keys = ["consumer.session.timeout.ms", "consumer.heartbeat.interval.ms", "share.isolation.level"];
    let of = |configs: &[(i8, &str, Option<&str>)]| change(vec![some(GROUP, &g, configs)]);
    talk.ask("only looked at", &of(&[(SET, keys[0], Some("50000"))]).with_validate_only(true));
    settings_of(talk, "only looked at: shows", GROUP, &g, &keys, |_| true);
    talk.ask("a timeout", &of(&[(SET, keys[0], Some("50000")), (SET, keys[2], Some("read_committed"))]));
    settings_of(talk, "a timeout: shows", GROUP, &g, &keys, |shown| shown.is(keys[0], Some("50000")));
    for (question, configs) in [
        ("an unknown key", &[(SET, "no.such.key", Some("1"))][..]),
        ("deleting an unknown key", &[(DELETE, "no.such.key", None)]),
        ("no number", &[(SET, keys[0], Some("x"))]),
        ("too small", &[(SET, keys[0], Some("1"))]),
        ("too large", &[(SET, keys[0], Some("99999999"))]),
        ("a word that is none", &[(SET, keys[2], Some("maybe"))]),
        ("append", &[(APPEND, keys[0], Some("1"))]),
        ("null", &[(SET, keys[0], None)]),
        ("twice", &[(SET, keys[0], Some("50000")), (SET, keys[0], Some("50000"))]),
        ("nothing", &[]),
    ] {
        talk.ask(question, &of(configs));
    }
    talk.ask("no name", &change(vec![some(GROUP, "", &[(SET, keys[0], Some("50000"))])]));
    talk.ask("no name, a bad key", &change(vec![some(GROUP, "", &[(SET, "no.such.key", Some("1"))])]));
    talk.ask("taken back", &of(&[(DELETE, keys[0], None), (DELETE, keys[2], None)]));
    settings_of(talk, "taken back: shows", GROUP, &g, &keys, |shown| shown.is(keys[0], Some("45000")));
}

fn client_metrics(talk: &mut Talk) {
    let s = talk.name("s").to_string();
    let of = |configs: &[(i8, &str, Option<&str>)]| change(vec![some(CLIENT_METRICS, &s, configs)]);
    talk.ask("only looked at", &of(&[(SET, "interval.ms", Some("1000"))]).with_validate_only(true));
    settings_of(talk, "only looked at: shows", CLIENT_METRICS, &s, &[], |_| true);
    talk.ask(
        "a subscription",
        &of(&[
            (SET, "interval.ms", Some(" 1000 ")),
            (SET, "metrics", Some("org.apache.kafka.producer., org.apache.kafka.consumer.")),
            (SET, "match", Some("client_software_name=apache-kafka-java,client_id = a.*")),
        ]),
    );
    settings_of(talk, "a subscription: shows", CLIENT_METRICS, &s, &[], |shown| shown.is("interval.ms", Some("1000")));
    settings_of(talk, "a subscription: one key", CLIENT_METRICS, &s, &["metrics", "nope"], |_| true);
    for (question, configs) in [
        ("an unknown key", &[(SET, "no.such.key", Some("1"))][..]),
        ("no number", &[(SET, "interval.ms", Some("x"))]),
        ("too small", &[(SET, "interval.ms", Some("99"))]),
        ("too large", &[(SET, "interval.ms", Some("3600001"))]),
        ("a match of nothing", &[(SET, "match", Some("color=red"))]),
        ("a match without a value", &[(SET, "match", Some("client_id"))]),
        ("a match that is no expression", &[(SET, "match", Some("client_id=("))]),
        ("an empty metric", &[(SET, "metrics", Some("a,,b"))]),
        ("a metric twice", &[(SET, "metrics", Some("a,a"))]),
        ("no metric", &[(SET, "metrics", Some(""))]),
        ("all metrics", &[(SET, "metrics", Some("*"))]),
        ("append", &[(APPEND, "metrics", Some("a"))]),
        ("null", &[(SET, "metrics", None)]),
    ] {
        talk.ask(question, &of(configs));
    }
    talk.ask("no name", &change(vec![some(CLIENT_METRICS, "", &[(SET, "interval.ms", Some("1000"))])]));
    talk.ask("taken back", &of(&[(DELETE, "interval.ms", None), (DELETE, "metrics", None), (DELETE, "match", None)]));
    settings_of(talk, "taken back: shows", CLIENT_METRICS, &s, &[], |shown| shown.is("interval.ms", Some("300000")));
}

fn loggers(talk: &mut Talk) {
    let of = |configs: &[(i8, &str, Option<&str>)]| change(vec![some(LOGGER, "1", configs)]);
    for (question, configs) in [
        ("only looked at", &[(SET, "root", Some("WARN"))][..]),
        ("a logger that is none", &[(SET, "nobody", Some("INFO"))]),
        ("deleting a logger that is none", &[(DELETE, "nobody", None)]),
        ("a level that is none", &[(SET, "root", Some("LOUD"))]),
        ("a level in small letters", &[(SET, "root", Some("warn"))]),
        ("no root", &[(DELETE, "root", None)]),
        ("append", &[(APPEND, "root", Some("INFO"))]),
        ("subtract", &[(SUBTRACT, "root", Some("INFO"))]),
        ("an operation that is none", &[(9, "root", Some("INFO"))]),
        ("null", &[(SET, "root", None)]),
        ("twice", &[(SET, "root", Some("INFO")), (SET, "root", Some("INFO"))]),
        ("nothing", &[]),
    ] {
        talk.ask(question, &of(configs).with_validate_only(true));
    }
    for name in ["", "x", "2", "01"] {
        let question = format!("loggers of {name:?}");
        talk.ask(&question, &change(vec![some(LOGGER, name, &[(SET, "root", Some("INFO"))])]).with_validate_only(true));
    }
    let (before, after) = ("INFO", "ERROR");
    for level in [after, before] {
        talk.ask(&format!("root at {level}"), &of(&[(SET, "root", Some(level))]));
        settings_of(talk, &format!("root at {level}: shows"), LOGGER, "1", &["root"], |shown| shown.is("root", Some(level)));
    }
}

fn list(talk: &mut Talk) {
    talk.topic("t", 1, &[]);
    let (g, s) = (talk.name("g").to_string(), talk.name("s").to_string());
    let group_key = "consumer.session.timeout.ms";
    let both = |group: (i8, &str, Option<&str>), metrics: (i8, &str, Option<&str>)| {
        change(vec![some(GROUP, &g, &[group]), some(CLIENT_METRICS, &s, &[metrics])])
    };
    talk.quietly(1, &both((SET, group_key, Some("50000")), (SET, "interval.ms", Some("1000"))));
    settings_of(talk, "there", CLIENT_METRICS, &s, &["interval.ms"], |shown| shown.is("interval.ms", Some("1000")));
    let of = |types: &[i8]| ListConfigResourcesRequest::default().with_resource_types(types.to_vec());
    talk.ask("of no type", &of(&[]));
    if talk.version >= 1 {
        for types in [&[GROUP][..], &[CLIENT_METRICS], &[BROKER, LOGGER], &[TOPIC, GROUP, TOPIC], &[0], &[TOPIC, 99], &[-1]] {
            talk.ask(&format!("of {types:?}"), &of(types));
        }
    }
    talk.quietly(1, &both((DELETE, group_key, None), (DELETE, "interval.ms", None)));
    settings_of(talk, "gone", CLIENT_METRICS, &s, &["interval.ms"], |shown| shown.is("interval.ms", Some("300000")));
    talk.ask("what is left", &of(&[]));
}
