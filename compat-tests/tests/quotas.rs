//! Quotas set with Apache Kafka's tool hold back its producer and librdkafka, and both are told.

use anyhow::{Context, Result, ensure};
use compat_tests::java::{Java, Tools};
use compat_tests::librdkafka::{PATIENCE, Producer};
use compat_tests::{BrokerOptions, need, story};
use rdkafka::producer::BaseRecord;
use std::time::{Duration, Instant};

const CONFIGS: &str = "kafka.admin.ConfigCommand";
const PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
/// Bytes a second.
const QUOTA: f64 = 100_000.0;
/// Of which this many seconds may be used at once.
const WINDOW_SECONDS: f64 = 3.0;
const RECORDS: usize = 800;

#[test]
fn kafka_configs_sets_describes_and_removes_quotas() {
    let Some(java) = need("kafka_configs_quotas", Java::find()) else { return };
    story("kafka_configs_quotas", BrokerOptions::new(), |broker| {
        let tools = Tools::new(&java, broker);
        let alter = |entity: &[&str], change: &[&str]| tools.run(CONFIGS, &[&["--alter"], entity, change].concat());
        let describe = |entity: &[&str]| tools.run(CONFIGS, &[&["--describe"], entity].concat());
        let app = ["--entity-type", "clients", "--entity-name", "app"];
        let everybody = ["--entity-type", "users", "--entity-default"];
        let pair = ["--entity-type", "users", "--entity-name", "alice", "--entity-type", "clients", "--entity-default"];
        let said = alter(&app, &["--add-config", "producer_byte_rate=100000,consumer_byte_rate=200000"])?;
        ensure!(said == "Completed updating config for client app.\n", "{said}");
        alter(&everybody, &["--add-config", "controller_mutation_rate=2"])?;
        alter(&pair, &["--add-config", "request_percentage=50.5"])?;
        alter(&["--entity-type", "ips", "--entity-name", "10.0.0.1"], &["--add-config", "connection_creation_rate=5"])?;
        let said = describe(&app)?;
        ensure!(said == "Quota configs for client-id 'app' are consumer_byte_rate=200000.0, producer_byte_rate=100000.0\n", "{said}");
        let said = describe(&everybody)?;
        ensure!(said == "Quota configs for the default user-principal are controller_mutation_rate=2.0\n", "{said}");
        let said = describe(&pair)?;
        ensure!(said == "Quota configs for user-principal 'alice', the default client-id are request_percentage=50.5\n", "{said}");
        let said = describe(&["--entity-type", "ips"])?;
        ensure!(said == "Quota configs for ip '10.0.0.1' are connection_creation_rate=5.0\n", "{said}");
        alter(&app, &["--delete-config", "producer_byte_rate"])?;
        let said = describe(&app)?;
        ensure!(said == "Quota configs for client-id 'app' are consumer_byte_rate=200000.0\n", "{said}");
        let said = tools.refused(CONFIGS, &[&["--alter"], &app[..], &["--add-config", "producer_byte_rate=-5"]].concat())?;
        ensure!(said.contains("InvalidRequestException: Quota producer_byte_rate must be greater than 0"), "{said}");
        Ok(())
    });
}

/// No more than the quota in any window, and no less than about half of it.
fn held_to_the_quota(bytes: usize, took: Duration) -> Result<()> {
    let most = QUOTA * (took.as_secs_f64() + WINDOW_SECONDS) * 1.1;
    ensure!((bytes as f64) < most, "{bytes} bytes in {took:?}");
    ensure!(took < Duration::from_secs_f64(bytes as f64 / QUOTA * 3.0), "{bytes} bytes took {took:?}");
    Ok(())
}

#[test]
fn a_producer_is_held_to_its_quota_and_told_so() {
    let Some(java) = need("throttled_producers", Java::find()) else { return };
    let options = BrokerOptions::new().set("quota.window.num", WINDOW_SECONDS);
    story("throttled_producers", options, |broker| {
        let tools = Tools::new(&java, broker);
        tools.run(TOPICS, &["--create", "--topic", "t"])?;
        let quota = format!("producer_byte_rate={QUOTA}");
        tools.run(CONFIGS, &["--alter", "--entity-type", "clients", "--entity-default", "--add-config", &quota])?;
        let records = RECORDS.to_string();
        let load = ["--topic", "t", "--num-records", &records, "--record-size", "1000", "--throughput", "-1", "--print-metrics"];
        let properties = ["--command-property", "client.id=java", "batch.size=8000"];
        let began = Instant::now();
        let said = tools.run(PERFORMANCE, &[&load[..], &properties].concat())?;
        held_to_the_quota(RECORDS * 1_000, began.elapsed())?;
        let metric = said.lines().find(|line| line.contains("produce-throttle-time-max:{client-id=java}")).context("a metric")?;
        let told: f64 = metric.rsplit(':').next().context("a number")?.trim().parse()?;
        ensure!(told > 0.0, "{metric}");
        let producer = Producer::new(broker, &[("client.id", "librdkafka"), ("batch.size", "8000")])?;
        let began = Instant::now();
        for number in 0..RECORDS {
            producer.send(number, BaseRecord::<str, str, usize>::with_opaque_to("t", number).payload(&"x".repeat(1_000)))?;
        }
        let receipts = producer.finish(PATIENCE)?;
        ensure!(receipts.iter().all(|(_, receipt)| receipt.is_ok()), "{receipts:?}");
        held_to_the_quota(RECORDS * 1_000, began.elapsed())
    });
}
