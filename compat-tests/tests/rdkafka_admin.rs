//! librdkafka's admin client: topics are made, described, refused for the right reason and deleted; a new topic is usable as soon as it shows in the metadata.

use anyhow::{Context, Result, ensure};
use compat_tests::librdkafka::{PATIENCE, Producer, config, consumer, read_topic, wait_for_partitions};
use compat_tests::{Broker, BrokerOptions, story};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::BaseRecord;

/// The admin client and something to run its futures on.
struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    fn new(broker: &Broker) -> Result<Admin> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Admin { client: config(broker, &[]).create()?, runtime })
    }

    fn create(&self, topics: &[NewTopic<'_>], options: &AdminOptions) -> Result<Vec<Result<String, (String, RDKafkaErrorCode)>>> {
        Ok(self.runtime.block_on(self.client.create_topics(topics, options))?)
    }

    fn delete(&self, topics: &[&str]) -> Result<Vec<Result<String, (String, RDKafkaErrorCode)>>> {
        Ok(self.runtime.block_on(self.client.delete_topics(topics, &AdminOptions::new()))?)
    }
}

fn topic(name: &str, partitions: i32) -> NewTopic<'_> {
    NewTopic::new(name, partitions, TopicReplication::Fixed(1))
}

#[test]
fn topics_come_and_go_and_are_usable_when_they_show() {
    story("admin_topics", BrokerOptions::new(), |broker| {
        let admin = Admin::new(broker)?;
        let options = AdminOptions::new();
        for round in 0..3 {
            let made = admin.create(&[topic("come-and-go", 2 + round), topic("other", 1)], &options)?;
            ensure!(made.iter().all(Result::is_ok), "round {round}: {made:?}");
            wait_for_partitions(broker, "come-and-go", 2 + round as usize)?;
            let producer = Producer::new(broker, &[])?;
            for partition in 0..2 + round {
                producer.send(0, BaseRecord::<str, str, usize>::with_opaque_to("come-and-go", 0).partition(partition).payload("x"))?;
            }
            let receipts = producer.finish(PATIENCE)?;
            ensure!(receipts.iter().all(|(_, receipt)| receipt.is_ok_and(|(_, offset)| offset == 0)), "round {round}: {receipts:?}");
            ensure!(read_topic(broker, "come-and-go", &[], |_| ())? == 2 + round as u64, "nothing of the round before");
            let gone = admin.delete(&["come-and-go", "other"])?;
            ensure!(gone.iter().all(Result::is_ok), "round {round}: {gone:?}");
        }
        Ok(())
    });
}

#[test]
fn each_refusal_names_its_reason() {
    story("admin_refusals", BrokerOptions::new(), |broker| {
        use RDKafkaErrorCode as Code;
        let admin = Admin::new(broker)?;
        let options = AdminOptions::new();
        admin.create(&[topic("there", 1)], &options)?;
        let long = "x".repeat(250);
        let cases = [
            (topic("there", 1), Code::TopicAlreadyExists),
            (topic("a b", 1), Code::InvalidTopic),
            (topic(&long, 1), Code::InvalidTopic),
            (topic("..", 1), Code::InvalidTopic),
            (NewTopic::new("x", 1, TopicReplication::Fixed(3)), Code::InvalidReplicationFactor),
            (topic("x", 1).set("retention.ms", "soon"), Code::InvalidConfig),
            (topic("x", 1).set("no.such.key", "1"), Code::InvalidConfig),
            (topic("x", 1).set("min.insync.replicas", "0"), Code::InvalidConfig),
        ];
        for (topic, reason) in &cases {
            let answer = admin.create(std::slice::from_ref(topic), &options)?;
            ensure!(matches!(&answer[..], [Err((_, code))] if code == reason), "{} {:?}: {answer:?}", topic.name, topic.config);
        }
        // In one request the good one is made, whatever the others are.
        let mixed = admin.create(&[topic("there", 1), topic("good", 1), topic("a b", 1)], &options)?;
        ensure!(mixed.iter().map(Result::is_ok).collect::<Vec<_>>() == [false, true, false], "{mixed:?}");
        let only_asked = admin.create(&[topic("asked", 1)], &AdminOptions::new().validate_only(true))?;
        ensure!(only_asked[0].is_ok(), "{only_asked:?}");
        let unknown = admin.delete(&["asked", "good"])?;
        ensure!(matches!(&unknown[..], [Err((_, Code::UnknownTopicOrPartition)), Ok(_)]), "{unknown:?}");
        Ok(())
    });
}

#[test]
fn configs_are_described_with_their_sources() {
    story("admin_configs", BrokerOptions::new().set("log.retention.bytes", 123_456_789), |broker| {
        let admin = Admin::new(broker)?;
        admin.create(&[topic("set", 1).set("cleanup.policy", "compact")], &AdminOptions::new())?;
        let metadata = consumer(broker, &[])?.fetch_metadata(Some("set"), PATIENCE)?;
        let id = metadata.brokers().first().context("a broker")?.id();
        let asked = [ResourceSpecifier::Topic("set"), ResourceSpecifier::Broker(id), ResourceSpecifier::Topic("nowhere")];
        let answers = admin.runtime.block_on(admin.client.describe_configs(&asked, &AdminOptions::new()))?;
        let [of_topic, of_broker, of_nothing] = &answers[..] else { anyhow::bail!("{answers:?}") };
        let value = |key: &str| -> Result<(Option<String>, String, bool)> {
            let entry = of_topic.as_ref().map_err(|code| anyhow::anyhow!("{code}"))?.get(key).with_context(|| key.to_owned())?;
            Ok((entry.value.clone(), format!("{:?}", entry.source), entry.is_default))
        };
        let text = |text: &str| Some(text.to_owned());
        ensure!(value("cleanup.policy")? == (text("compact"), "DynamicTopic".to_owned(), false), "{:?}", value("cleanup.policy")?);
        ensure!(value("retention.bytes")? == (text("123456789"), "StaticBroker".to_owned(), false), "{:?}", value("retention.bytes")?);
        ensure!(value("max.message.bytes")? == (text("1048588"), "Default".to_owned(), true), "{:?}", value("max.message.bytes")?);
        let of_broker = of_broker.as_ref().map_err(|code| anyhow::anyhow!("{code}"))?;
        let secret = of_broker.get("ssl.key.password").context("ssl.key.password")?;
        ensure!(secret.is_sensitive && secret.value.is_none(), "{secret:?}");
        let id_entry = of_broker.get("node.id").context("node.id")?;
        ensure!(id_entry.value == Some(id.to_string()) && id_entry.is_read_only, "{id_entry:?}");
        // The crate swallows the error of a single resource and leaves it without entries.
        ensure!(!of_nothing.as_ref().is_ok_and(|resource| !resource.entries.is_empty()), "{of_nothing:?}");
        Ok(())
    });
}
