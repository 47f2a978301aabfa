//! Layers, errors and whole files.

use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

fn from_file(text: &str) -> Result<Config, ConfigError> {
    Config::builder().properties(text, "server.properties")?.build()
}

fn error_of(text: &str) -> String {
    from_file(text).expect_err("must be refused").to_string()
}

fn environment(pairs: &[(&str, &str)]) -> ConfigBuilder {
    Config::builder().environment(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// The keys of `config/server.properties` of Apache Kafka 4, with their values.
const STOCK: &str = "\
# comment
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
#log.flush.interval.messages=10000
log.retention.hours=168
#log.retention.bytes=1073741824
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

#[test]
fn with_no_settings_at_all_a_single_node_listens_on_localhost() {
    let config = Config::default();
    assert_eq!(config.node_id(), 1);
    assert_eq!(config.log_dirs(), [PathBuf::from("./ottla-data")]);
    assert_eq!(config.metadata_log_dir(), PathBuf::from("./ottla-data"));
    assert_eq!(
        config.listeners(),
        [Listener {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            advertised: Advertised::Fixed { host: "localhost".into(), port: 9092 }
        }]
    );
    assert_eq!(config.inter_broker_listener_name(), "PLAINTEXT");
    assert_eq!((config.offsets_topic_replication_factor(), config.transaction_state_log_min_isr()), (1, 1));
    assert_eq!(config.group_initial_rebalance_delay_ms(), 0);
    assert_eq!(config.limits(), crate::limits::Limits::default());
    assert_eq!(config.reactors(), None);
    assert!(config.warnings().is_empty());
}

#[test]
fn the_server_properties_that_kafka_ships_are_accepted_as_they_are() {
    let config = from_file(STOCK).expect("accepted");
    assert_eq!(config.warnings(), &[] as &[String]);
    let listeners: Vec<(&str, u16)> = config.listeners().iter().map(|listener| (&*listener.name, listener.port)).collect();
    assert_eq!(listeners, [("PLAINTEXT", 9092)], "the controller's listener is not for clients");
    assert_eq!(config.listeners()[0].advertised, Advertised::Fixed { host: "localhost".into(), port: 9092 });
    assert_eq!(config.log_dirs(), [PathBuf::from("/tmp/kraft-combined-logs")]);
    assert_eq!(config.reactors(), Some(3));
    assert_eq!(config.group_initial_rebalance_delay_ms(), 3000, "a file means Kafka's defaults");
    let older = STOCK.replace("controller.quorum.bootstrap.servers=localhost:9093", "controller.quorum.voters=1@localhost:9093");
    assert!(from_file(&older).is_ok());
}

#[test]
fn environment_beats_file_and_command_line_beats_both() {
    let builder =
        || environment(&[("KAFKA_NUM_PARTITIONS", "2"), ("PATH", "/bin")]).properties("num.partitions=1\nnode.id=7\n", "f").expect("read");
    let config = builder().build().expect("accepted");
    assert_eq!((config.num_partitions(), config.node_id()), (2, 7));
    assert_eq!(config.origin("num.partitions"), Origin::Environment("KAFKA_NUM_PARTITIONS".into()));
    assert_eq!(config.origin("node.id"), Origin::File { path: "f".into(), line: 2 });
    let config = builder().override_with("num.partitions=3").expect("a pair").build().expect("accepted");
    assert_eq!(config.num_partitions(), 3);
    assert_eq!(config.origin("num.partitions"), Origin::CommandLine("--override".into()));
    assert_eq!(config.origin("num.io.threads"), Origin::Default);
    assert_eq!(config.origin("offsets.topic.replication.factor"), Origin::SingleNode);
}

#[test]
fn a_port_replaces_the_listeners_of_a_file() {
    let config = Config::builder().properties(STOCK, "f").expect("read").port(7).build().expect("accepted");
    let listener = &config.listeners()[0];
    assert_eq!((config.listeners().len(), listener.host.as_str(), listener.port), (1, "localhost", 7));
    assert_eq!(listener.advertised, Advertised::Fixed { host: "localhost".into(), port: 7 });
}

#[test]
fn the_last_setting_of_a_key_in_a_file_counts() {
    assert_eq!(from_file("num.partitions=1\nnum.partitions=5").expect("accepted").num_partitions(), 5);
}

#[test]
fn every_error_names_key_value_what_is_allowed_and_where_it_was_set() {
    assert_eq!(
        error_of("\nnum.partitions=0"),
        "num.partitions = 0 (server.properties:2): Value must be at least 1; allowed: a whole number of 32 bits of 1 or more"
    );
    let error = environment(&[("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "yes")]).build().expect_err("refused").to_string();
    assert_eq!(
        error,
        "auto.create.topics.enable = yes (environment variable KAFKA_AUTO_CREATE_TOPICS_ENABLE): Expected value to be either true or false; allowed: true or false"
    );
    let error = Config::builder().set("listeners", "PLAINTEXT://localhost:99999", "--port").build().expect_err("refused").to_string();
    assert_eq!(
        error,
        "listeners = PLAINTEXT://localhost:99999 (command line --port): 99999 is not a port (0 to 65535); allowed: NAME://host:port,..."
    );
    let error = error_of("ssl.key.password=hunter2\nsasl.server.max.receive.size=x");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn an_unknown_key_is_an_error_that_says_what_may_have_been_meant() {
    assert_eq!(error_of("num.partition=1"), "unknown configuration key num.partition (server.properties:1); did you mean num.partitions?");
    assert_eq!(error_of("no.such.thing.at.all=1"), "unknown configuration key no.such.thing.at.all (server.properties:1)");
    assert_eq!(
        error_of("retention.ms=1"),
        "unknown configuration key retention.ms (server.properties:1); did you mean log.retention.ms (the broker's default of the topic key retention.ms)?"
    );
    let error = Config::builder().override_with("log.dir.s=/x").expect("a pair").build().expect_err("refused").to_string();
    assert_eq!(error, "unknown configuration key log.dir.s (command line --override); did you mean log.dirs?");
    assert_eq!(Config::builder().override_with("nonsense").expect_err("refused").to_string(), "--override nonsense: expected key=value");
}

#[test]
fn a_stray_variable_is_a_warning_because_orchestrators_inject_them() {
    let config = environment(&[("KAFKA_URL", "x"), ("KAFKA_LISTENER", "y"), ("KAFKA_HEAP_OPTS", "-Xmx1g")]).build().expect("accepted");
    assert_eq!(
        config.warnings(),
        [
            "environment variable KAFKA_LISTENER names no known key (listener) and is ignored; did you mean the key listeners?",
            "environment variable KAFKA_URL names no known key (url) and is ignored",
        ]
    );
}

#[test]
fn keys_of_older_kafkas_and_of_vendors_are_ignored_with_a_warning() {
    let config =
        from_file("zookeeper.connect=z:2181\ninter.broker.protocol.version=2.8\nconfluent.support.metrics.enable=false").expect("accepted");
    assert_eq!(config.warnings().len(), 3);
    assert_eq!(config.warnings()[0], "zookeeper.connect (server.properties:1) has no meaning in Kafka 4 and is ignored");
}

#[test]
fn keys_of_plugins_and_of_single_listeners_are_taken_in() {
    let config =
        from_file("super.users=User:admin\nlistener.name.internal.ssl.keystore.location=/k\nlistener.name.a.plain.sasl.jaas.config=x")
            .expect("accepted");
    assert!(config.warnings().is_empty());
    assert!(config.is_set("super.users"));
    assert!(error_of("listener.name.internal.ssl.client.auth=perhaps").starts_with("ssl.client.auth = perhaps (server.properties:1): "));
}

#[test]
fn a_dockerfile_of_testcontainers_starts() {
    let config = environment(&[
        ("CLUSTER_ID", "4L6g3nShT-eMCtK--X86sw"),
        ("KAFKA_LISTENERS", "PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9093,CONTROLLER://0.0.0.0:9094,"),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:32801,BROKER://172.17.0.2:9093"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "BROKER"),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_BROKER_ID", "1"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9094"),
        ("KAFKA_LOG_FLUSH_INTERVAL_MESSAGES", "9223372036854775807"),
        ("KAFKA_ZOOKEEPER_CONNECT", "localhost:2181"),
        ("KAFKA_CONFLUENT_SUPPORT_METRICS_ENABLE", "false"),
        ("KAFKA_REST_BOOTSTRAP_SERVERS", "x"),
        ("KAFKA_OPTS", ""),
    ])
    .build()
    .expect("accepted");
    assert_eq!(config.cluster_id(), Some("4L6g3nShT-eMCtK--X86sw"));
    let listeners: Vec<(&str, &str, u16)> =
        config.listeners().iter().map(|listener| (&*listener.name, listener.host.as_str(), listener.port)).collect();
    assert_eq!(listeners, [("PLAINTEXT", "0.0.0.0", 9092), ("BROKER", "0.0.0.0", 9093)]);
    assert_eq!(config.listeners()[0].advertised, Advertised::Fixed { host: "localhost".into(), port: 32801 });
    assert_eq!(config.inter_broker_listener_name(), "BROKER");
    assert_eq!(config.warnings().len(), 2, "{:?}", config.warnings());
}

#[test]
fn listeners_nobody_set_follow_the_advertised_ones_as_in_the_docker_images() {
    let config = environment(&[("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://kafka:9095")]).build().expect("accepted");
    let listener = &config.listeners()[0];
    assert_eq!((listener.host.as_str(), listener.port), ("0.0.0.0", 9095));
    assert_eq!(listener.advertised, Advertised::Fixed { host: "kafka".into(), port: 9095 });
    let error = environment(&[("KAFKA_ADVERTISED_LISTENERS", "kafka:9095")]).build().expect_err("refused").to_string();
    assert!(error.contains("kafka:9095 is not of the form NAME://host:port"), "{error}");
}

#[test]
fn node_id_and_broker_id_are_one_id() {
    assert_eq!(from_file("broker.id=5").expect("accepted").node_id(), 5);
    assert_eq!(
        error_of("node.id=1\nbroker.id=2"),
        "broker.id = 2 (server.properties:2): node.id is 1 (server.properties:1); both keys mean the same id; allowed: 1"
    );
}

#[test]
fn what_is_not_built_yet_is_refused_in_plain_words() {
    assert!(error_of("process.roles=broker").contains("not supported yet"));
    assert!(error_of("controller.quorum.voters=1@a:1,2@b:1").contains("several controllers is not supported yet"));
    assert!(error_of("node.id=3\ncontroller.quorum.voters=1@a:1").contains("the only voter must be this node, whose node.id is 3"));
    assert!(error_of("listeners=SSL://:9093").contains("listener SSL uses SSL, which is not supported yet"));
    assert!(error_of("security.inter.broker.protocol=SASL_SSL").contains("SASL_SSL is not supported yet"));
    assert!(error_of("authorizer.class.name=org.example.Guard").contains("authorization is not supported yet"));
    assert!(from_file("authorizer.class.name=").is_ok());
}

#[test]
fn a_java_class_that_would_have_decided_something_is_a_warning() {
    let config = from_file("create.topic.policy.class.name=org.example.Policy").expect("accepted");
    assert_eq!(
        config.warnings(),
        ["create.topic.policy.class.name = org.example.Policy (server.properties:1) has no effect: Ottla runs no Java classes"]
    );
}

#[test]
fn the_tighter_of_kafkas_bound_and_ours_counts() {
    let limits =
        from_file("max.connections=50\nottla.limit.connections.per.ip=7\nqueued.max.request.bytes=209715200\nsocket.listen.backlog.size=9")
            .expect("accepted")
            .limits();
    assert_eq!((limits.connections_max, limits.connections_per_ip_max), (50, 7));
    assert_eq!((limits.request_memory_bytes_max, limits.listen_backlog), (209_715_200, 9));
    let limits =
        from_file("socket.request.max.bytes=1048576\nqueued.max.request.bytes=10\nconnections.max.idle.ms=-1").expect("accepted").limits();
    assert_eq!((limits.produce_frame_bytes_max, limits.other_frame_bytes_max), (1_048_576, 1_048_576));
    assert_eq!(limits.request_memory_bytes_max, 1_048_576, "the largest request must fit");
    assert!(limits.idle_max.as_secs() > 300 * 24 * 3600);
}

#[test]
fn dynamic_settings_lie_over_the_static_ones_and_bad_ones_are_left_out() {
    let config = from_file("message.max.bytes=1000").expect("accepted");
    let (dynamic, refused) = config.with_dynamic(
        [("message.max.bytes", "2000"), ("log.retention.ms", "5"), ("num.partitions", "9"), ("ssl.client.auth", "none")],
        [("message.max.bytes", "3000"), ("log.cleaner.threads", "x")],
    );
    assert_eq!(dynamic.message_max_bytes(), 3000);
    assert_eq!(dynamic.origin("message.max.bytes"), Origin::DynamicBroker);
    assert_eq!(dynamic.origin("log.retention.ms"), Origin::DynamicDefault);
    assert_eq!(dynamic.num_partitions(), 1);
    assert_eq!(
        refused,
        [
            "Cannot update these configs dynamically: [num.partitions]",
            "Cannot update these configs at default cluster level, broker id must be specified: [ssl.client.auth]",
            "Invalid value x for configuration log.cleaner.threads: Not a number of type INT",
        ]
    );
    assert_eq!(config.message_max_bytes(), 1000, "the static configuration is as it was");
}

#[test]
fn a_printed_configuration_shows_settings_but_no_secrets() {
    let shown = format!("{:?}", from_file("ssl.key.password=hunter2\nnum.partitions=4").expect("accepted"));
    assert!(shown.contains("\"num.partitions\": 4") && shown.contains("\"ssl.key.password\": [hidden]"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::builder().file(std::path::Path::new("/no/such/file")).expect_err("refused").to_string();
    assert!(error.starts_with("cannot read configuration file /no/such/file: "), "{error}");
    assert_eq!(error_of("a=\\uzzzz"), "configuration file server.properties: line 1: \\u needs four hexadecimal digits");
}

proptest! {
    #[test]
    fn any_listeners_are_read_without_a_panic(text in "[A-Z:/\\[\\]0-9a-f.,\\- ]{0,60}") {
        let _ = Config::builder().set("listeners", &text, "--override").build();
    }

    #[test]
    fn any_value_of_any_key_is_read_without_a_panic(index in 0..BROKER_KEYS.len(), text in "(?s).{0,40}") {
        let _ = Config::builder().set(BROKER_KEYS[index].name, &text, "--override").build();
    }
}
