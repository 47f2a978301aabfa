//! Apache Kafka's command line tools: each does its work and has nothing to complain about.

use anyhow::{Context, Result, ensure};
use compat_tests::java::{Java, Tools};
use compat_tests::{Broker, BrokerOptions, need, story, workspace_root};
use std::fs;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";

fn tools_story(name: &str, tell: impl Fn(&Tools, &mut Broker) -> Result<()>) {
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new(), |broker| tell(&Tools::new(&java, broker), broker));
}

#[test]
fn kafka_topics_creates_lists_describes_and_deletes() {
    tools_story("kafka_topics", |tools, _| {
        let create = |args: &[&str]| tools.run(TOPICS, &[&["--create"], args].concat());
        ensure!(create(&["--topic", "t", "--partitions", "3", "--config", "retention.ms=3600000"])? == "Created topic t.\n", "create");
        ensure!(create(&["--topic", "t", "--if-not-exists"])?.is_empty(), "again, if not exists");
        create(&["--topic", "u"])?;
        ensure!(tools.run(TOPICS, &["--list"])? == "t\nu\n", "list: {}", tools.run(TOPICS, &["--list"])?);
        let described = tools.run(TOPICS, &["--describe", "--topic", "t"])?;
        let lines: Vec<&str> = described.lines().collect();
        let columns: Vec<&str> = lines.first().context("a first line")?.split('\t').collect();
        ensure!(columns[0] == "Topic: t" && columns[2] == "PartitionCount: 3" && columns[3] == "ReplicationFactor: 1", "{described}");
        ensure!(columns[1].strip_prefix("TopicId: ").is_some_and(|id| id.len() == 22), "{described}");
        ensure!(columns[4] == "Configs: min.insync.replicas=1,retention.ms=3600000", "{described}");
        ensure!(lines.len() == 4, "{described}");
        for (partition, line) in lines[1..].iter().enumerate() {
            ensure!(line.contains(&format!("Topic: t\tPartition: {partition}\tLeader: ")), "{described}");
            let field = |name: &str| line.split('\t').find_map(|column| column.strip_prefix(name)).map(str::trim);
            ensure!(field("Leader:") == field("Replicas:") && field("Leader:") == field("Isr:"), "{described}");
        }
        ensure!(tools.run(TOPICS, &["--delete", "--topic", "t"])?.is_empty(), "delete");
        ensure!(tools.run(TOPICS, &["--list"])? == "u\n", "list after delete");
        create(&["--topic", "t"])?;
        let again = tools.run(TOPICS, &["--describe", "--topic", "t"])?;
        ensure!(again.contains("PartitionCount: 1\t") && !again.contains(columns[1]), "a new topic with a new id: {again}");
        Ok(())
    });
}

#[test]
fn kafka_topics_says_why_a_topic_cannot_be() {
    tools_story("kafka_topics_refused", |tools, _| {
        tools.run(TOPICS, &["--create", "--topic", "there"])?;
        tools.run(TOPICS, &["--create", "--topic", "with_underscore"])?;
        let long = "x".repeat(250);
        let cases: [(&[&str], &str); 9] = [
            (&["--create", "--topic", "there"], "TopicExistsException: Topic 'there' already exists."),
            (&["--create", "--topic", "bad name"], "InvalidTopicException: Topic name is invalid: 'bad name'"),
            (&["--create", "--topic", &long], "InvalidTopicException: "),
            (&["--create", "--topic", "with.underscore"], "InvalidTopicException: Topic 'with.underscore' collides with existing topic"),
            (&["--create", "--topic", "x", "--replication-factor", "3"], "InvalidReplicationFactorException: "),
            (&["--create", "--topic", "x", "--partitions", "0"], "must be"),
            (&["--create", "--topic", "x", "--config", "cleanup.policy=burn"], "ConfigException: "),
            (&["--describe", "--topic", "nowhere"], "Topic 'nowhere' does not exist as expected"),
            (&["--delete", "--topic", "nowhere"], "Topic 'nowhere' does not exist as expected"),
        ];
        for (args, reason) in cases {
            let said = tools.refused(TOPICS, args)?;
            ensure!(said.contains(reason), "{args:?}: expected {reason:?} in\n{said}");
        }
        Ok(())
    });
}

#[test]
fn the_console_tools_carry_lines_and_keys() {
    tools_story("kafka_console", |tools, _| {
        tools.run(TOPICS, &["--create", "--topic", "console"])?;
        let keyed = ["--topic", "console", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
        let lines: String = (0..500).map(|number| format!("key {number}:value {number}\n")).collect();
        tools.start(CONSOLE_PRODUCER, &keyed, &lines)?.quiet()?;
        let read = ["--topic", "console", "--partition", "0", "--from-beginning", "--max-messages", "500"];
        let finished = tools.start(CONSOLE_CONSUMER, &[&read[..], &["--formatter-property", "print.key=true"]].concat(), "")?.quiet()?;
        ensure!(finished.stderr.contains("Processed a total of 500 messages"), "{}", finished.stderr);
        let expected: String = (0..500).map(|number| format!("key {number}\tvalue {number}\n")).collect();
        ensure!(finished.text() == expected, "{}", finished.text());
        Ok(())
    });
}

#[test]
fn kafka_producer_perf_test_writes_and_kafka_get_offsets_counts() {
    tools_story("kafka_perf", |tools, _| {
        tools.run(TOPICS, &["--create", "--topic", "perf", "--partitions", "2"])?;
        let load = ["--topic", "perf", "--num-records", "50000", "--record-size", "1000", "--throughput", "-1"];
        let said = tools.run(PERFORMANCE, &load)?;
        ensure!(said.contains("50000 records sent, "), "{said}");
        let sum = |args: &[&str]| -> Result<Vec<i64>> {
            let said = tools.run(OFFSETS, &[&["--topic", "perf"], args].concat())?;
            said.lines().map(|line| Ok(line.rsplit(':').next().context("topic:partition:offset")?.parse()?)).collect()
        };
        ensure!(sum(&[])?.iter().sum::<i64>() == 50_000, "latest: {:?}", sum(&[])?);
        ensure!(sum(&["--time", "earliest"])? == [0, 0], "earliest: {:?}", sum(&["--time", "earliest"])?);
        ensure!(sum(&["--time", "-1"])?.len() == 2, "two partitions");
        ensure!(sum(&["--time", "1000"])? == [0, 0], "everything is younger than 1970");
        ensure!(sum(&["--time", "max-timestamp"])?.iter().all(|offset| (0..50_000).contains(offset)), "max-timestamp");
        Ok(())
    });
}

#[test]
fn kafka_broker_api_versions_lists_what_the_readme_promises() {
    tools_story("kafka_api_versions", |tools, broker| {
        let said = tools.run(API_VERSIONS, &[])?;
        ensure!(said.starts_with(&format!("{} (id: ", broker.bootstrap())), "{said}");
        let readme = fs::read_to_string(workspace_root().join("README.md"))?;
        let table = readme.split_once("<!-- apis:begin -->").and_then(|(_, rest)| rest.split_once("<!-- apis:end -->"));
        let rows =
            table.context("the table of APIs in the README")?.0.lines().filter(|line| line.starts_with("| ") && !line.contains("Key"));
        let mut count = 0;
        for row in rows {
            let [_, key, name, versions, _] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else { anyhow::bail!("{row}") };
            if versions.ends_with("(not advertised)") {
                ensure!(said.contains(&format!("{name}({key}): UNSUPPORTED")), "{name}: {said}");
                continue;
            }
            // "3-13 (advertised 0-13)": served and announced.
            let versions = versions.split_once(' ').map_or(versions, |(served, _)| served);
            let (first, last) = versions.split_once('-').unwrap_or((versions, versions));
            let line = said
                .lines()
                .find(|line| line.trim().starts_with(&format!("{name}({key}): ")))
                .with_context(|| format!("{name}: {said}"))?;
            let offered = line.split_once("): ").and_then(|(_, rest)| rest.split_once(" [usable: ")).context("usable")?.0;
            let (from, to) = offered.split_once(" to ").unwrap_or((offered, offered));
            let (first, last, from, to): (i16, i16, i16, i16) = (first.parse()?, last.parse()?, from.parse()?, to.parse()?);
            // Apache Kafka may offer more than Ottla promises, never less.
            ensure!(from <= first && last <= to, "promised {row}, offered {line}");
            count += 1;
        }
        ensure!(count >= 12, "{count} rows in the README");
        Ok(())
    });
}

#[test]
fn kafka_configs_describes_a_topic_as_apache_kafka_does() {
    tools_story("kafka_configs_topic", |tools, _| {
        tools.run(TOPICS, &["--create", "--topic", "plain"])?;
        let set = ["--config", "retention.ms=1000", "--config", "cleanup.policy=compact,delete", "--config", "max.message.bytes=5000"];
        tools.run(TOPICS, &[&["--create", "--topic", "set"], &set[..]].concat())?;
        same_lines("kafka-configs-topic.txt", &tools.run(CONFIGS, &["--describe", "--topic", "plain", "--all"])?, &[])?;
        same_lines("kafka-configs-topic-set.txt", &tools.run(CONFIGS, &["--describe", "--topic", "set"])?, &[])?;
        let plain = tools.run(CONFIGS, &["--describe", "--topic", "plain"])?;
        ensure!(plain == "Dynamic configs for topic plain are:\n", "{plain}");
        let both = tools.run(CONFIGS, &["--describe", "--entity-type", "topics"])?;
        ensure!(both.contains("for topic plain are:") && both.contains("  retention.ms=1000 sensitive=false"), "{both}");
        Ok(())
    });
}

#[test]
fn kafka_configs_describes_a_broker_as_apache_kafka_does() {
    tools_story("kafka_configs_broker", |tools, _| {
        let said = tools.run(API_VERSIONS, &[])?;
        let id = said.split_once("(id: ").and_then(|(_, rest)| rest.split_once(' ')).context("the broker's id")?.0;
        let dynamic = tools.run(CONFIGS, &["--describe", "--broker", id])?;
        ensure!(dynamic == format!("Dynamic configs for broker {id} are:\n"), "{dynamic}");
        let all = tools.run(CONFIGS, &["--describe", "--entity-type", "brokers"])?;
        let default = "min.insync.replicas=1 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1}";
        ensure!(all == format!("{dynamic}Default configs for brokers in the cluster are:\n  {default}\n"), "{all}");
        // What the oracle's own properties file, its ports and its directories decide.
        let apart = [
            "advertised.listeners",
            "broker.id",
            "controller.listener.names",
            "controller.quorum.voters",
            "group.initial.rebalance.delay.ms",
            "listeners",
            "log.dir",
            "log.dirs",
            "node.id",
            "offsets.topic.replication.factor",
            "process.roles",
            "share.coordinator.state.topic.min.isr",
            "share.coordinator.state.topic.replication.factor",
            "transaction.state.log.min.isr",
            "transaction.state.log.replication.factor",
        ];
        same_lines("kafka-configs-broker.txt", &tools.run(CONFIGS, &["--describe", "--broker", id, "--all"])?, &apart)
    });
}

/// Compares with what Apache Kafka 4.3.1 printed, kept in `golden/`; lines of keys in `apart` and Ottla's own keys may be anything.
/// `OTTLA_COMPAT_GOLDEN=write` writes the file instead; only with the oracle.
fn same_lines(file: &str, said: &str, apart: &[&str]) -> Result<()> {
    let key_of = |line: &str| line.trim().split('=').next().unwrap_or_default().to_owned();
    let counts = |line: &&str| line.starts_with("  ") && !line.starts_with("  ottla.") && !apart.contains(&key_of(line).as_str());
    let said: Vec<&str> = said.lines().filter(counts).collect();
    let path = workspace_root().join("compat-tests/golden").join(file);
    if std::env::var("OTTLA_COMPAT_GOLDEN").as_deref() == Ok("write") {
        ensure!(std::env::var("OTTLA_COMPAT_ORACLE").as_deref() == Ok("only"), "golden files come from Apache Kafka alone");
        fs::write(&path, said.join("\n") + "\n")?;
    }
    let golden = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let golden: Vec<&str> = golden.lines().collect();
    let missing: Vec<&&str> = golden.iter().filter(|line| !said.contains(line)).collect();
    let surplus: Vec<&&str> = said.iter().filter(|line| !golden.contains(line)).collect();
    ensure!(missing.is_empty() && surplus.is_empty(), "{file}: not said {missing:#?}\nsaid instead {surplus:#?}");
    ensure!(golden == said, "{file}: another order");
    Ok(())
}
