//! librdkafka, a transaction that has a group's offsets pending, and an assignment that changes meanwhile: the client forgets that the
//! offsets are pending and goes by `auto.offset.reset`. Its own bug, at every broker: `compat-tests/DESIGN.md`, "Exactly once".
//!
//! When this fails because the client waits as it should, the warning there and the rejoining in `rust/copier.rs` have had their time.

use anyhow::{Context, Result, bail, ensure};
use compat_tests::ask::Ask;
use compat_tests::librdkafka::{PATIENCE, Producer, commit_from_outside, config, consumer};
use compat_tests::{Broker, BrokerOptions, story};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const TOPIC: &str = "source";
const PARTITIONS: i32 = 2;
const RECORDS: i64 = 10;
/// A member that is told UNSTABLE_OFFSET_COMMIT asks again after 100 ms, 200 ms...
const SOME_QUESTIONS: Duration = Duration::from_millis(700);
const TICK: Duration = Duration::from_millis(10);

/// What a member came upon.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A record of this offset.
    Record(i64),
    /// It would go by `auto.offset.reset`, had it one.
    NoOffset,
}

#[test]
fn a_cooperative_member_forgets_that_offsets_are_pending_when_its_assignment_changes() {
    play("unstable_classic", &[("partition.assignment.strategy", "cooperative-sticky"), ("heartbeat.interval.ms", "300")]);
}

#[test]
fn a_member_that_is_assigned_everything_anew_does_too() {
    play("unstable_range", &[("partition.assignment.strategy", "range"), ("heartbeat.interval.ms", "300")]);
}

#[test]
fn a_member_of_the_new_protocol_does_too() {
    play("unstable_consumer", &[("group.protocol", "consumer")]);
}

fn play(name: &str, protocol: &[(&str, &str)]) {
    let options = BrokerOptions::new()
        .set("num.partitions", PARTITIONS)
        .set("group.initial.rebalance.delay.ms", 0)
        .set("group.consumer.min.heartbeat.interval.ms", 300)
        .set("group.consumer.heartbeat.interval.ms", 300);
    story(name, options, |broker| {
        fill(broker)?;
        let found = second_member_joins_while_offsets_are_pending(broker, protocol, "earliest")?;
        ensure!(found == Found::Record(0), "all is read and committed, and then {found:?}");
        let found = second_member_joins_while_offsets_are_pending(broker, protocol, "error")?;
        ensure!(found == Found::NoOffset, "a client that may not start over says so, and not {found:?}");
        Ok(())
    });
}

/// A group named `reset` has committed the end of each partition, and a transaction is about to commit it again.
fn second_member_joins_while_offsets_are_pending(broker: &Broker, protocol: &[(&str, &str)], reset: &str) -> Result<Found> {
    let ends = ends()?;
    let outside = consumer(broker, &[("group.id", reset)])?;
    commit_from_outside(&outside, &ends)?;
    let producer: BaseProducer = config(broker, &[("transactional.id", reset)]).create()?;
    producer.init_transactions(PATIENCE)?;
    producer.begin_transaction()?;
    producer.send_offsets_to_transaction(&ends, &outside.group_metadata().context("a group")?, PATIENCE)?;
    ensure!(stable_offsets(broker, reset)?.is_none(), "the offsets are pending");

    let one = member(broker, protocol, reset)?;
    let began = Instant::now();
    while one.assignment()?.count() < PARTITIONS as usize {
        ensure!(began.elapsed() < PATIENCE, "a lonely member gets everything");
        ensure!(look(&[&one], TICK)?.is_none(), "read before its offsets are known");
    }
    // As long as its assignment stays the same it asks again and again.
    let found = look(&[&one], SOME_QUESTIONS)?;
    ensure!(found.is_none(), "{found:?} while its offsets are pending");

    let other = member(broker, protocol, reset)?;
    let found = look(&[&one, &other], PATIENCE)?.context("the assignment changed and nothing was found")?;
    ensure!(stable_offsets(broker, reset)?.is_none(), "the offsets were pending all the time");
    producer.commit_transaction(PATIENCE)?;
    Ok(found)
}

fn fill(broker: &Broker) -> Result<()> {
    let producer = Producer::new(broker, &[])?;
    for number in 0..RECORDS * i64::from(PARTITIONS) {
        let record = BaseRecord::<str, str, usize>::with_opaque_to(TOPIC, 0).partition(number as i32 % PARTITIONS).payload("x");
        producer.send(number as usize, record)?;
    }
    let receipts = producer.finish(PATIENCE)?;
    ensure!(receipts.iter().all(|(_, receipt)| receipt.is_ok()), "{receipts:?}");
    Ok(())
}

fn ends() -> Result<TopicPartitionList> {
    let mut ends = TopicPartitionList::new();
    (0..PARTITIONS).try_for_each(|partition| ends.add_partition_offset(TOPIC, partition, Offset::Offset(RECORDS)))?;
    Ok(ends)
}

/// `None`: pending. The answer with UNSTABLE_OFFSET_COMMIT carries offset -1 at both brokers.
fn stable_offsets(broker: &Broker, group: &str) -> Result<Option<std::collections::BTreeMap<i32, i64>>> {
    Ask::connect(broker.port())?.stable_offsets(group, TOPIC, PARTITIONS)
}

fn member(broker: &Broker, protocol: &[(&str, &str)], reset: &str) -> Result<BaseConsumer> {
    let own = [("group.id", reset), ("auto.offset.reset", reset), ("isolation.level", "read_committed"), ("enable.auto.commit", "false")];
    let consumer: BaseConsumer = config(broker, &[protocol, &own].concat()).create()?;
    consumer.subscribe(&[TOPIC])?;
    Ok(consumer)
}

/// Polls the members in turn until one of them comes upon something.
fn look(members: &[&BaseConsumer], span: Duration) -> Result<Option<Found>> {
    let began = Instant::now();
    while began.elapsed() < span {
        for member in members {
            match member.poll(TICK) {
                Some(Ok(record)) => return Ok(Some(Found::Record(record.offset()))),
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => return Ok(Some(Found::NoOffset)),
                Some(Err(error)) => bail!(error),
                None => {}
            }
        }
    }
    Ok(None)
}
