//! The `rdkafka` crate (a current librdkafka), wrapped so that a story reads: send, collect receipts, read a topic to its end.

use crate::Broker;
use crate::corpus::{Corpus, Tally};
use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a healthy broker on loopback may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A record's partition and offset, or why the broker did not take it.
pub type Receipt = Result<(i32, i64), RDKafkaErrorCode>;

/// Client settings: librdkafka's defaults and `settings` on top.
pub fn config(broker: &Broker, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// A producer that keeps the receipt of every record, under the number the story gave it.
pub struct Producer {
    inner: BaseProducer<Receipts>,
}

#[derive(Default)]
struct Receipts {
    arrived: Mutex<Vec<(usize, Receipt)>>,
    fatal: Mutex<Option<String>>,
}

impl ClientContext for Receipts {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            *self.fatal.lock().expect("no panic while held") = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Receipts {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let receipt = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        self.arrived.lock().expect("no panic while held").push((number, receipt));
    }
}

impl Producer {
    /// Connects.
    pub fn new(broker: &Broker, settings: &[(&str, &str)]) -> Result<Producer> {
        Ok(Producer { inner: config(broker, settings).create_with_context(Receipts::default())? })
    }

    /// Hands one record to the client; waits for room in its queue.
    pub fn send<K, V>(&self, number: usize, mut record: BaseRecord<'_, K, V, usize>) -> Result<()>
    where
        K: rdkafka::message::ToBytes + ?Sized,
        V: rdkafka::message::ToBytes + ?Sized,
    {
        record.delivery_opaque = number;
        loop {
            match self.inner.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.inner.poll(Duration::from_millis(100));
                    self.healthy()?;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        self.inner.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits for receipts, at most `limit`; gives those that came since the last call.
    pub fn receipts(&self, limit: Duration) -> Result<Vec<(usize, Receipt)>> {
        let began = Instant::now();
        loop {
            // One long poll would not come back before its time, whatever arrives.
            self.inner.poll(limit.min(Duration::from_millis(1)));
            self.healthy()?;
            let arrived = std::mem::take(&mut *self.inner.context().arrived.lock().expect("no panic while held"));
            if !arrived.is_empty() || began.elapsed() >= limit {
                return Ok(arrived);
            }
        }
    }

    /// Waits for all receipts that are still due; gives those not taken yet.
    pub fn finish(&self, limit: Duration) -> Result<Vec<(usize, Receipt)>> {
        self.inner.flush(limit).with_context(|| format!("{} records are still on their way", self.inner.in_flight_count()))?;
        self.receipts(Duration::ZERO)
    }

    fn healthy(&self) -> Result<()> {
        match &*self.inner.context().fatal.lock().expect("no panic while held") {
            Some(reason) => bail!("the producer gave up for good: {reason}"),
            None => Ok(()),
        }
    }
}

/// Sends a corpus; every record must be acknowledged.
pub fn send_corpus(broker: &Broker, topic: &str, corpus: &Corpus, settings: &[(&str, &str)]) -> Result<Vec<(usize, Receipt)>> {
    let producer = Producer::new(broker, settings)?;
    for (number, (key, value)) in corpus.records().enumerate() {
        producer.send(number, BaseRecord::with_opaque_to(topic, 0).key(key).payload(value))?;
    }
    let receipts = producer.finish(2 * PATIENCE)?;
    let refused = receipts.iter().find(|(_, receipt)| receipt.is_err());
    ensure!(refused.is_none(), "not acknowledged: {refused:?}");
    Ok(receipts)
}

/// Reads a topic from beginning to end without a group, each partition in its order; says how many records there were.
pub fn read_topic(broker: &Broker, topic: &str, settings: &[(&str, &str)], each: impl FnMut(&BorrowedMessage<'_>)) -> Result<u64> {
    let consumer = consumer(broker, settings)?;
    let partitions = partitions(&consumer, topic)?;
    let from: Vec<(i32, Offset)> = partitions.into_iter().map(|partition| (partition, Offset::Beginning)).collect();
    read_to_end(&consumer, topic, &from, each)
}

/// What a whole topic holds.
pub fn tally_topic(broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> Result<Tally> {
    let mut tally = Tally::default();
    read_topic(broker, topic, settings, |record| tally.add(record.key().unwrap_or_default(), record.payload().unwrap_or_default()))?;
    Ok(tally)
}

/// A consumer that joins no group and tells when a partition ends.
pub fn consumer(broker: &Broker, settings: &[(&str, &str)]) -> Result<BaseConsumer> {
    // librdkafka wants a group id for assign(), and uses it for nothing as long as nobody subscribes or commits.
    let always = [("group.id", "never-joined"), ("enable.auto.commit", "false"), ("enable.partition.eof", "true")];
    Ok(config(broker, &[&always[..], settings].concat()).create()?)
}

/// Commits offsets for the consumer's group from outside of it, as an administrator would; a coordinator that is still starting is waited for.
pub fn commit_from_outside(consumer: &BaseConsumer, offsets: &TopicPartitionList) -> Result<()> {
    let began = Instant::now();
    loop {
        match consumer.commit(offsets, CommitMode::Sync) {
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NotCoordinator | RDKafkaErrorCode::CoordinatorLoadInProgress))
                if began.elapsed() < PATIENCE => {}
            done => return Ok(done?),
        }
    }
}

/// The partitions of a topic.
pub fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let topic = metadata.topics().first().context("the topic that was asked for")?;
    ensure!(topic.error().is_none(), "{}: {:?}", topic.name(), topic.error());
    Ok(topic.partitions().iter().map(|partition| partition.id()).collect())
}

/// Waits until a topic that was just created shows with this many partitions: Apache Kafka tells its brokers only after it answered.
pub fn wait_for_partitions(broker: &Broker, topic: &str, count: usize) -> Result<()> {
    let consumer = consumer(broker, &[])?;
    let began = Instant::now();
    while partitions(&consumer, topic).map_or(0, |partitions| partitions.len()) != count {
        ensure!(began.elapsed() < PATIENCE, "{topic} does not show with {count} partitions");
    }
    Ok(())
}

/// Reads the given partitions from the given places to their ends.
pub fn read_to_end(
    consumer: &BaseConsumer,
    topic: &str,
    from: &[(i32, Offset)],
    mut each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<u64> {
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in from {
        assignment.add_partition_offset(topic, *partition, *offset)?;
    }
    consumer.assign(&assignment)?;
    let mut open: BTreeSet<i32> = from.iter().map(|(partition, _)| *partition).collect();
    let mut count = 0;
    while !open.is_empty() {
        match consumer.poll(PATIENCE) {
            Some(Ok(record)) => {
                count += 1;
                each(&record);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => _ = open.remove(&partition),
            Some(Err(error)) => return Err(error).with_context(|| format!("after {count} records of {topic}")),
            None => bail!("{topic}: nothing for {PATIENCE:?} after {count} records, partitions {open:?} still open"),
        }
    }
    consumer.unassign()?;
    Ok(count)
}
