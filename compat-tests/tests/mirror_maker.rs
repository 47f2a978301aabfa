//! MirrorMaker 2 between the broker of the story and an Apache Kafka, both ways at once: topics with their configuration, records, offsets of
//! groups. It starts, runs, stops cleanly and goes on where it was.

use anyhow::{Context, Result, ensure};
use compat_tests::ask::Ask;
use compat_tests::java::{Java, Tools};
use compat_tests::librdkafka::{PATIENCE, Producer, commit_from_outside, consumer, read_topic, wait_for_partitions};
use compat_tests::service::Service;
use compat_tests::{Broker, BrokerOptions, Target, need, story};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

const JVM: [&str; 5] = [
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.mirror.MirrorSourceConnector=info",
];
const DEADLINE: Duration = Duration::from_secs(240);
const GROUP: &str = "readers";
const NO_AUTHORIZER: &str = "No ACL authorizer";

/// Key and value of each record by partition and offset.
type Records = BTreeMap<(i32, i64), (Vec<u8>, Vec<u8>)>;

#[test]
fn mirror_maker_mirrors_both_ways_and_goes_on_after_a_stop() {
    let name = "mirror_maker";
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new().set("group.initial.rebalance.delay.ms", 0), |here| {
        let mut there = Broker::start(Target::Kafka, "mirror_there", BrokerOptions::new())?;
        mirror(&java, here, &there)?;
        there.end()
    });
}

fn mirror(java: &Java, here: &Broker, there: &Broker) -> Result<()> {
    Tools::new(java, here).run("org.apache.kafka.tools.TopicCommand", &created("a", "3"))?;
    Tools::new(java, there).run("org.apache.kafka.tools.TopicCommand", &created("b", "2"))?;
    send(here, "a", 3, 0..300)?;
    send(there, "b", 2, 0..200)?;

    let maker = start(java, here, there)?;
    is_mirrored(&maker, (here, "a"), (there, "here.a"))?;
    is_mirrored(&maker, (there, "b"), (here, "there.b"))?;
    for (broker, topic) in [(there, "here.a"), (here, "there.b")] {
        ensure!(config(broker, topic, "retention.ms")?.as_deref() == Some("86400001"), "{topic} is kept as long as its source");
    }
    offsets_follow(&maker, (here, "a", 3), (there, "here.a"))?;
    offsets_follow(&maker, (there, "b", 2), (here, "there.b"))?;
    what_changes_at_a_source_changes_at_its_mirror(java, &maker, here, there)?;
    internal_topics_are_compacted(here, "there")?;
    internal_topics_are_compacted(there, "here")?;
    ensure!(maker.log().matches(NO_AUTHORIZER).count() >= 2, "both brokers say that they have no ACLs\n{}", maker.tail());
    maker.stop()?;

    send(here, "a", 4, 300..400)?;
    send(there, "b", 4, 200..260)?;
    let maker = start(java, here, there)?;
    is_mirrored(&maker, (here, "a"), (there, "here.a"))?;
    is_mirrored(&maker, (there, "b"), (here, "there.b"))?;
    maker.stop()
}

fn created<'a>(topic: &'a str, partitions: &'a str) -> [&'a str; 7] {
    ["--create", "--topic", topic, "--partitions", partitions, "--config", "retention.ms=86400001"]
}

fn start(java: &Java, here: &Broker, there: &Broker) -> Result<Service> {
    let scratch = here.scratch_dir()?;
    let mut text = format!(
        "clusters=here,there\nhere.bootstrap.servers={}\nthere.bootstrap.servers={}\nhere->there.enabled=true\nthere->here.enabled=true\n\
         here->there.topics=a\nthere->here.topics=b\noffset.lag.max=0\noffset.flush.interval.ms=500\nsync.group.offsets.enabled=true\n",
        here.bootstrap(),
        there.bootstrap()
    );
    for what in
        ["", "checkpoints.topic.", "heartbeats.topic.", "offset-syncs.topic.", "config.storage.", "offset.storage.", "status.storage."]
    {
        text.push_str(&format!("{what}replication.factor=1\n"));
    }
    for what in ["refresh.topics", "refresh.groups", "emit.checkpoints", "sync.group.offsets", "sync.topic.configs", "sync.topic.acls"] {
        text.push_str(&format!("{what}.interval.seconds=1\n"));
    }
    let properties = scratch.join("mirror.properties");
    fs::write(&properties, text)?;
    let mut command = java.command("org.apache.kafka.connect.mirror.MirrorMaker", &JVM);
    command.arg(properties);
    Service::start(command, scratch.join("mirror.log"))
}

fn send(broker: &Broker, topic: &str, partitions: i32, numbers: Range<i32>) -> Result<()> {
    wait_for_partitions(broker, topic, partitions as usize)?;
    let producer = Producer::new(broker, &[])?;
    for number in numbers {
        let (key, value) = (format!("key {number}"), format!("value {number} of {topic}"));
        producer.send(number as usize, BaseRecord::with_opaque_to(topic, 0).partition(number % partitions).key(&key).payload(&value))?;
    }
    let receipts = producer.finish(PATIENCE)?;
    ensure!(receipts.iter().all(|(_, receipt)| receipt.is_ok()), "{receipts:?}");
    Ok(())
}

fn records(broker: &Broker, topic: &str) -> Result<Records> {
    let mut records = Records::new();
    read_topic(broker, topic, &[], |record| {
        let (key, value) = (record.key().unwrap_or_default().to_vec(), record.payload().unwrap_or_default().to_vec());
        records.insert((record.partition(), record.offset()), (key, value));
    })?;
    Ok(records)
}

/// The mirror comes to hold the very same records at the very same places.
fn is_mirrored(maker: &Service, source: (&Broker, &str), mirror: (&Broker, &str)) -> Result<()> {
    let expected = records(source.0, source.1)?;
    until(maker, &format!("{} mirrors {}", mirror.1, source.1), || {
        if !Ask::connect(mirror.0.port())?.topics()?.contains_key(mirror.1) {
            return Ok(false);
        }
        let found = records(mirror.0, mirror.1)?;
        let strange = found.iter().find(|(place, record)| expected.get(place) != Some(record));
        ensure!(strange.is_none(), "{} has {strange:?}", mirror.1);
        Ok(found.len() == expected.len())
    })
}

/// A group that has read the source to its end finds itself at the end of the mirror.
fn offsets_follow(maker: &Service, source: (&Broker, &str, i32), mirror: (&Broker, &str)) -> Result<()> {
    let (broker, topic, partitions) = source;
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    records(broker, topic)?.keys().for_each(|&(partition, offset)| _ = ends.insert(partition, offset + 1));
    let mut list = TopicPartitionList::new();
    ends.iter().try_for_each(|(&partition, &end)| list.add_partition_offset(topic, partition, Offset::Offset(end)))?;
    commit_from_outside(&consumer(broker, &[("group.id", GROUP)])?, &list)?;
    until(maker, &format!("{GROUP} of {topic} is known at {}", mirror.1), || {
        Ok(Ask::connect(mirror.0.port())?.stable_offsets(GROUP, mirror.1, partitions)? == Some(ends.clone()))
    })
}

fn what_changes_at_a_source_changes_at_its_mirror(java: &Java, maker: &Service, here: &Broker, there: &Broker) -> Result<()> {
    for (source, topic, mirror, mirrored) in [(here, "a", there, "here.a"), (there, "b", here, "there.b")] {
        let alter = ["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=86400002"];
        Tools::new(java, source).run("kafka.admin.ConfigCommand", &alter)?;
        Tools::new(java, source).run("org.apache.kafka.tools.TopicCommand", &["--alter", "--topic", topic, "--partitions", "4"])?;
        until(maker, &format!("{mirrored} is kept longer and has more partitions"), || {
            let partitions = Ask::connect(mirror.port())?.topics()?.get(mirrored).copied();
            Ok(config(mirror, mirrored, "retention.ms")?.as_deref() == Some("86400002") && partitions == Some(4))
        })?;
    }
    Ok(())
}

fn config(broker: &Broker, topic: &str, key: &str) -> Result<Option<String>> {
    Ask::connect(broker.port())?.topic_config(topic, key)
}

/// What MirrorMaker keeps at a cluster about mirroring from the other one, and what it tells of both.
fn internal_topics_are_compacted(broker: &Broker, other: &str) -> Result<()> {
    let topics = Ask::connect(broker.port())?.topics()?;
    for topic in ["mm2-configs.OTHER.internal", "mm2-offsets.OTHER.internal", "mm2-status.OTHER.internal", "OTHER.checkpoints.internal"] {
        let topic = topic.replace("OTHER", other);
        ensure!(topics.contains_key(&topic), "{topic} is not among {topics:?}");
        let policy = config(broker, &topic, "cleanup.policy")?;
        ensure!(policy.as_deref() == Some("compact"), "{topic} is {policy:?}");
    }
    ensure!(topics.contains_key("heartbeats"), "{topics:?}");
    Ok(())
}

fn until(maker: &Service, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so().with_context(|| what.to_owned())? {
        ensure!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} until {what}\n{}", maker.tail());
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{what}: {:.1?}", began.elapsed());
    Ok(())
}
