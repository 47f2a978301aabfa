//! Kill -9 at random points while keyed records are written, old segments are compacted and deleted, and both aggressively: the last
//! acknowledged value of each key survives, what is left lies where it was acknowledged and in order.
//!
//! A key of the topic with both policies may be gone once it is old: there only what is left is judged.

use anyhow::{Context, Result, ensure};
use compat_tests::ask::Ask;
use compat_tests::librdkafka::{PATIENCE, Producer, Receipt, read_topic};
use compat_tests::rng::Rng;
use compat_tests::{Broker, BrokerOptions, story};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const COMPACTED: &str = "compacted";
const BOTH: &str = "compacted-and-deleted";
const KEYS: u64 = 40;

/// Where a record lies, and its number.
type Places = BTreeMap<(i32, i64), (String, usize)>;

#[test]
fn the_last_value_of_each_key_survives_compaction_under_kills() {
    let kills: u32 = std::env::var("OTTLA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let seed = Rng::seed_from_env("OTTLA_SEED");
    let options = BrokerOptions::new()
        .set("num.partitions", 2)
        .set("auto.create.topics.enable", false)
        .set("log.cleaner.backoff.ms", 10)
        .set("log.cleaner.threads", 2)
        .set("log.cleaner.min.cleanable.ratio", 0.01)
        .set("log.cleaner.delete.retention.ms", 500)
        .set("log.retention.check.interval.ms", 200)
        .set("log.initial.task.delay.ms", 0)
        .set("log.segment.delete.delay.ms", 100);
    story("kill_compaction", options, |broker| {
        let mut rng = Rng::new(seed);
        let mut ask = Ask::connect(broker.port())?;
        let small = ("internal.segment.bytes", "6000");
        ask.create_topic_with(COMPACTED, 2, &[("cleanup.policy", "compact"), small])?;
        ask.create_topic_with(BOTH, 2, &[("cleanup.policy", "compact,delete"), ("retention.ms", "2000"), small])?;
        let settings = [
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("batch.num.messages", "20"),
            ("message.timeout.ms", "120000"),
            ("reconnect.backoff.ms", "10"),
            ("reconnect.backoff.max.ms", "100"),
            ("metadata.recovery.strategy", "none"),
        ];
        let producer = Producer::new(broker, &settings)?;
        let mut sent: Vec<(&str, String)> = Vec::new();
        let mut receipts: Vec<(usize, Receipt)> = Vec::new();
        for _ in 0..kills {
            // The cleaner's threads begin a second after the start.
            let until = Instant::now() + Duration::from_millis(200 + rng.below(2_500));
            while Instant::now() < until {
                for _ in 0..rng.below(10) {
                    let topic = if rng.below(3) == 0 { BOTH } else { COMPACTED };
                    let key = format!("k{}", rng.below(KEYS));
                    let value = format!("{} {}", sent.len(), "x".repeat(rng.below(100) as usize));
                    producer.send(sent.len(), BaseRecord::with_opaque_to(topic, 0).key(&key).payload(&value))?;
                    sent.push((topic, key));
                }
                receipts.extend(producer.receipts(Duration::from_millis(1))?);
            }
            broker.kill9()?;
            // Now and then the recovery itself is killed.
            while rng.below(100) < 15 {
                broker.launch_and_kill(Duration::from_millis(rng.below(40)))?;
            }
            broker.restart()?;
            check_order(&read(broker, COMPACTED)?, COMPACTED, &sent)?;
        }
        receipts.extend(producer.finish(4 * PATIENCE)?);
        let acknowledged = acknowledged(&receipts, &sent)?;
        // Two reads with a kill between them: the cleaner is at it all the time.
        for _ in 0..2 {
            let of_topic = sent.iter().filter(|(topic, _)| *topic == COMPACTED).count();
            let (mut compacted, both) = (read(broker, COMPACTED)?, read(broker, BOTH)?);
            let until = Instant::now() + PATIENCE;
            while compacted.len() >= of_topic / 2 && Instant::now() < until {
                compacted = read(broker, COMPACTED)?;
            }
            check_order(&compacted, COMPACTED, &sent)?;
            check_order(&both, BOTH, &sent)?;
            check_places(&compacted, &acknowledged[COMPACTED])?;
            check_places(&both, &acknowledged[BOTH])?;
            check_last(&compacted, &acknowledged[COMPACTED])?;
            println!("{kills} kills, {of_topic} records sent, {} left; {} left of both policies", compacted.len(), both.len());
            ensure!(compacted.len() < of_topic / 2, "nothing to speak of was compacted");
            broker.kill9()?;
            broker.restart()?;
        }
        Ok(())
    });
}

fn read(broker: &Broker, topic: &str) -> Result<Places> {
    let mut found = BTreeMap::new();
    let mut torn = None;
    read_topic(broker, topic, &[("check.crcs", "true")], |record| {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        match text(record.payload()).split(' ').next().and_then(|number| number.parse().ok()) {
            Some(number) => _ = found.insert((record.partition(), record.offset()), (text(record.key()), number)),
            None => torn = Some((record.partition(), record.offset())),
        }
    })?;
    ensure!(torn.is_none(), "{topic}: nobody sent what lies at {torn:?}");
    Ok(found)
}

/// What was acknowledged, by topic and place.
fn acknowledged<'s>(receipts: &[(usize, Receipt)], sent: &[(&'s str, String)]) -> Result<BTreeMap<&'s str, Places>> {
    let mut places: BTreeMap<&str, Places> = BTreeMap::new();
    ensure!(receipts.len() == sent.len(), "{} receipts for {} records", receipts.len(), sent.len());
    for (number, receipt) in receipts {
        let place = receipt.as_ref().map_err(|error| anyhow::anyhow!("record {number}: {error:?}"))?;
        let (topic, key) = &sent[*number];
        places.entry(topic).or_default().insert(*place, (key.clone(), *number));
    }
    Ok(places)
}

/// Of each partition, offsets and numbers rise together, and each record has the key it was sent with.
fn check_order(found: &Places, topic: &str, sent: &[(&str, String)]) -> Result<()> {
    let mut last: BTreeMap<i32, (i64, usize)> = BTreeMap::new();
    for (&(partition, offset), (key, number)) in found {
        let was = sent.get(*number).with_context(|| format!("{topic}: {number} was never sent"))?;
        ensure!(was.0 == topic && was.1 == *key, "{topic}: {number} with the key {key} was sent as {was:?}");
        if let Some((before, number_before)) = last.insert(partition, (offset, *number)) {
            ensure!(number_before < *number, "{topic}-{partition}: {number} at {offset} after {number_before} at {before}");
        }
    }
    Ok(())
}

/// What is left lies where it was acknowledged.
fn check_places(found: &Places, acknowledged: &Places) -> Result<()> {
    for (place, record) in found {
        ensure!(acknowledged.get(place) == Some(record), "at {place:?} lies {record:?}, not {:?}", acknowledged.get(place));
    }
    Ok(())
}

/// The newest acknowledged record of each key is there.
fn check_last(found: &Places, acknowledged: &Places) -> Result<()> {
    let mut newest: BTreeMap<(i32, &str), (i64, usize)> = BTreeMap::new();
    for (&(partition, offset), (key, number)) in acknowledged {
        newest.insert((partition, key), (offset, *number));
    }
    for ((partition, key), (offset, number)) in newest {
        ensure!(found.contains_key(&(partition, offset)), "the newest of {key}, record {number} at {partition}/{offset}, is lost");
    }
    Ok(())
}
