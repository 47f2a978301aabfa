//! Kill -9 at random points of an idempotent acks=all load: nothing acknowledged is lost, nothing doubled, order kept, two full
//! reads agree, and the broker is back within its limit each time.

use anyhow::{Context, Result, ensure};
use compat_tests::librdkafka::{PATIENCE, Producer, Receipt, read_topic};
use compat_tests::proxy::Proxy;
use compat_tests::rng::Rng;
use compat_tests::{Broker, BrokerOptions, story};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const TOPIC: &str = "killed";
const BURST_RECORDS_MAX: u64 = 100;

#[test]
fn nothing_acknowledged_is_lost_doubled_or_moved_by_kills() {
    let kills: u32 = std::env::var("OTTLA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let seed = Rng::seed_from_env("OTTLA_SEED");
    // Small segments: kills fall on rolls too.
    let options = BrokerOptions::new().set("num.partitions", 3).set("log.segment.bytes", 1 << 20);
    // Answers reach the producer late: what a killed broker did last, the producer will send again.
    let proxy = Proxy::start(Duration::from_millis(2)).expect("a loopback port");
    let options = options.set("advertised.listeners", format!("PLAINTEXT://localhost:{}", proxy.port()));
    story("kill_random", options, |broker| {
        proxy.forward_to(broker.port());
        let mut rng = Rng::new(seed);
        let settings = [
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("batch.num.messages", "50"),
            ("message.timeout.ms", "120000"),
            ("reconnect.backoff.ms", "10"),
            ("reconnect.backoff.max.ms", "100"),
            // With one broker there is nobody to bootstrap from again while it is down.
            ("metadata.recovery.strategy", "none"),
        ];
        let producer = Producer::new(broker, &settings)?;
        // The topic has to be there: while it is not, "unknown topic" is a true answer.
        send(&producer, 0, &mut rng)?;
        let mut receipts: Vec<(usize, Receipt)> = producer.finish(PATIENCE)?;
        let mut sent = 1;
        let mut on_their_way = 0;
        let mut slowest = Duration::ZERO;
        for _ in 0..kills {
            let until = Instant::now() + Duration::from_millis(20 + rng.below(300));
            while Instant::now() < until {
                for _ in 0..rng.below(BURST_RECORDS_MAX) {
                    send(&producer, sent, &mut rng)?;
                    sent += 1;
                }
                receipts.extend(producer.receipts(Duration::from_millis(1))?);
            }
            on_their_way += sent - receipts.len();
            broker.kill9()?;
            // Now and then the recovery itself is killed.
            while rng.below(100) < 15 {
                broker.launch_and_kill(Duration::from_millis(rng.below(40)))?;
            }
            let took = broker.restart()?;
            ensure!(took <= broker.recovery_limit(), "ready {took:?} after a kill");
            slowest = slowest.max(took);
            receipts.extend(producer.receipts(Duration::ZERO)?);
        }
        receipts.extend(producer.finish(4 * PATIENCE)?);
        println!("{kills} kills, {sent} records, {on_their_way} of them on their way at a kill, slowest restart {slowest:?}");
        ensure!(on_their_way > 0, "kills that interrupt nothing prove nothing");

        let first = read(broker)?;
        check(&first, &receipts, sent)?;
        broker.kill9()?;
        broker.restart()?;
        let second = read(broker)?;
        ensure!(first == second, "two full reads with one more kill between them differ: {} and {} records", first.len(), second.len());
        Ok(())
    });
}

fn send(producer: &Producer, number: usize, rng: &mut Rng) -> Result<()> {
    let key = (number % 30).to_string();
    let padding = rng.below(200) as usize;
    let value = format!("{number} {}", "x".repeat(padding));
    producer.send(number, BaseRecord::with_opaque_to(TOPIC, 0).key(&key).payload(&value))
}

/// Where each record lies: (partition, offset) -> its number.
fn read(broker: &Broker) -> Result<BTreeMap<(i32, i64), usize>> {
    let mut found = BTreeMap::new();
    let mut torn = None;
    read_topic(broker, TOPIC, &[("check.crcs", "true")], |record| {
        let text = std::str::from_utf8(record.payload().unwrap_or_default()).unwrap_or_default();
        match text.split(' ').next().and_then(|number| number.parse().ok()) {
            Some(number) => _ = found.insert((record.partition(), record.offset()), number),
            None => torn = Some((record.partition(), record.offset())),
        }
    })?;
    ensure!(torn.is_none(), "nobody sent what lies at {torn:?}");
    Ok(found)
}

fn check(found: &BTreeMap<(i32, i64), usize>, receipts: &[(usize, Receipt)], sent: usize) -> Result<()> {
    let mut last = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for (&(partition, offset), &number) in found {
        ensure!(numbers.insert(number), "record {number} is there twice, again at {partition}/{offset}");
        if let Some((offset_before, number_before)) = last.insert(partition, (offset, number)) {
            ensure!(number_before < number, "partition {partition}: {number} at {offset} after {number_before} at {offset_before}");
            ensure!(offset_before + 1 == offset, "partition {partition}: a hole before offset {offset}");
        }
    }
    ensure!(receipts.len() == sent, "{} receipts for {sent} records", receipts.len());
    for (number, receipt) in receipts {
        let place = receipt.as_ref().map_err(|error| anyhow::anyhow!("record {number}: {error:?}"))?;
        let there = found.get(place).with_context(|| format!("record {number} was acknowledged at {place:?}: lost"))?;
        ensure!(there == number, "record {number} was acknowledged at {place:?}, where {there} lies");
    }
    ensure!(found.len() == sent, "{sent} records sent, {} found", found.len());
    Ok(())
}
