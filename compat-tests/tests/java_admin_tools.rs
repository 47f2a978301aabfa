//! Apache Kafka's tools for administration, and the calls that consoles make: what they print is what they print at Apache Kafka 4.3.1.
//!
//! A script (`scripts/TOOL.txt`) has one command line per line (see `toolbox.rs`); what Apache Kafka's tools printed at Apache Kafka is in `golden/tools/`.
//! All scripts are played one after the other at one broker, in one JVM. `OTTLA_TOOLS_ONLY=text` plays only some of them, to look at them: one may find what another left.

use anyhow::{Context, Result, ensure};
use compat_tests::group::load::send;
use compat_tests::java::{Java, Tools, same_as_golden};
use compat_tests::toolbox::{self, Toolbox};
use compat_tests::{Broker, BrokerOptions, need, story, workspace_root};
use std::fs;

/// In the order in which they are played.
const SCRIPTS: &[&str] = &[
    "kafka-topics",
    "kafka-configs",
    "kafka-configs-quotas",
    "kafka-client-metrics",
    "kafka-cluster",
    "kafka-features",
    "kafka-metadata-quorum",
    "kafka-leader-election",
    "kafka-reassign-partitions",
    "kafka-log-dirs",
    "kafka-delete-records",
    "kafka-get-offsets",
    "kafka-acls",
    "kafka-delegation-tokens",
    "kafka-groups",
    "kafka-streams-application-reset",
    "consoles",
];

#[test]
fn the_tools_print_what_they_print_at_apache_kafka() {
    let Some(java) = need("java_admin_tools", toolbox::find()) else { return };
    let options = BrokerOptions::new().set("node.id", 1).set("group.initial.rebalance.delay.ms", 0).set("num.partitions", 6);
    story("java_admin_tools", options, |broker: &mut Broker| -> Result<()> {
        let only = std::env::var("OTTLA_TOOLS_ONLY").unwrap_or_default();
        send(broker, "t", 60)?;
        let scratch = broker.scratch_dir()?;
        let mut toolbox = Toolbox::start(&java, broker, scratch.join("toolbox.log"))?;
        toolbox.mask(scratch.display().to_string(), "FILES");
        files(broker)?;
        let mut failed = Vec::new();
        for name in SCRIPTS.iter().filter(|name| name.contains(&only)) {
            let path = workspace_root().join(format!("compat-tests/scripts/{name}.txt"));
            let script = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            toolbox.without_numbers = ["kafka-features", "kafka-metadata-quorum"].contains(name);
            toolbox.play(&script)?;
            if let Err(error) = same_as_golden(&format!("tools/{name}.txt"), &toolbox.transcript()) {
                failed.push(format!("{error:#}"));
            }
        }
        toolbox.end()?;
        ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
        Ok(())
    });
}

#[test]
fn the_verifiable_clients_and_the_latency_tool_do_their_work() {
    let Some(java) = need("java_verifiable", Java::find()) else { return };
    story("java_verifiable", BrokerOptions::new().set("group.initial.rebalance.delay.ms", 0), |broker: &mut Broker| -> Result<()> {
        let tools = Tools::new(&java, broker);
        // Clients may warn of a topic that is only about to be.
        let run = |class: &str, args: &[&str]| -> Result<String> {
            let finished = tools.start(&format!("org.apache.kafka.tools.{class}"), args, "")?;
            ensure!(finished.status.success(), "{class}: {}\n{}", finished.text(), finished.stderr);
            Ok(finished.text())
        };
        let sent = run("VerifiableProducer", &["--topic", "v", "--max-messages", "30", "--throughput", "-1"])?;
        ensure!(sent.matches("\"producer_send_success\"").count() == 30, "{sent}");
        for protocol in ["classic", "consumer"] {
            let how = ["--topic", "v", "--group-id", protocol, "--group-protocol", protocol, "--reset-policy", "earliest"];
            let args = [&how[..], &["--max-messages", "30", "--verbose"]].concat();
            let read = run("VerifiableConsumer", &args)?;
            ensure!(read.matches("\"record_data\"").count() == 30, "{protocol}: {read}");
        }
        let sizes = ["--topic", "e2e", "--num-records", "50", "--producer-acks", "1", "--record-size", "100"];
        let latency = run("EndToEndLatency", &sizes)?;
        ensure!(latency.contains("Percentiles: 50th = "), "{latency}");
        Ok(())
    });
}

/// What tools read from files.
fn files(broker: &Broker) -> Result<()> {
    let dir = broker.scratch_dir()?;
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).with_context(|| name.to_owned());
    write("empty.properties", "")?;
    write("topics.json", r#"{"version":1,"topics":[{"topic":"t"}]}"#)?;
    write(
        "itself.json",
        r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":1,"replicas":[1]}]}"#,
    )?;
    write("nobody.json", r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[7]}]}"#)?;
    write("nothing.json", r#"{"version":1,"partitions":[{"topic":"nothing","partition":0,"replicas":[1]}]}"#)?;
    write("election.json", r#"{"partitions":[{"topic":"t","partition":0},{"topic":"t","partition":1}]}"#)?;
    write(
        "records.json",
        r#"{"version":1,"partitions":[{"topic":"t","partition":0,"offset":3},{"topic":"t","partition":1,"offset":-1}]}"#,
    )?;
    write("too-many.json", r#"{"version":1,"partitions":[{"topic":"t","partition":0,"offset":300}]}"#)?;
    write("added.properties", "retention.ms=7200000\nsegment.bytes=2097152\n")
}
