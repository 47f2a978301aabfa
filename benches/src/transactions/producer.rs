//! A transactional producer on a connection of its own: one partition, one batch a transaction, one request in flight.

use super::{Stage, Versions};
use crate::batch;
use crate::client::Client;
use crate::groups::messages::{decode, encode, text};
use crate::load::now_ms;
use crate::payload::Payload;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest, ProducerId, TopicName, TransactionalId,
};
use std::thread;
use std::time::{Duration, Instant};

const CONCURRENT_TRANSACTIONS: i16 = 51;
/// Loading, or not there yet: right after a start.
const COORDINATOR_NOT_READY: [i16; 3] = [14, 15, 16];
/// Before what was told CONCURRENT_TRANSACTIONS is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(1);
const RECORD_SIZE_BYTES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(30);

/// What the client knows of `transaction.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AddPartitionsToTxn, Produce, EndTxn; one epoch for all transactions.
    V1,
    /// Produce, EndTxn; an epoch for each transaction (KIP-890).
    V2,
}

impl Protocol {
    /// For labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    fn of(self, versions: [i16; 2]) -> i16 {
        versions[usize::from(self == Self::V2)]
    }
}

/// How long one transaction took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// EndTxn, from the request to an answer without error.
    pub commit: Duration,
    /// Everything.
    pub whole: Duration,
}

/// The producer.
#[derive(Debug)]
pub struct Producer {
    client: Client,
    versions: Versions,
    protocol: Protocol,
    transactional_id: String,
    topic: String,
    partition: i32,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
    record_count: i32,
    /// An encoded Produce, and where its batch begins.
    produce: Vec<u8>,
    batch: std::ops::Range<usize>,
    /// Requests that were sent again because a transaction was not complete.
    pub retries: u64,
}

impl Producer {
    /// Connects, encodes what will be sent, and becomes the producer of its transactional id.
    pub fn open(stage: &Stage, protocol: Protocol, transactional_id: &str, partition: i32, messages: i32) -> Result<Self> {
        let mut payload = Payload::new(u64::try_from(partition)? + 1);
        let batch = batch::of_records(&mut payload, RECORD_SIZE_BYTES, messages, now_ms());
        let version = protocol.of(stage.versions.produce);
        let (produce, batch) = encode_produce(version, transactional_id, &stage.topic, partition, &batch.bytes)?;
        let mut producer = Self {
            client: Client::connect(stage.address)?,
            versions: stage.versions,
            protocol,
            transactional_id: transactional_id.to_owned(),
            topic: stage.topic.clone(),
            partition,
            producer_id: -1,
            epoch: -1,
            sequence: 0,
            record_count: messages,
            produce,
            batch,
            retries: 0,
        };
        producer.init()?;
        Ok(producer)
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(text(&self.transactional_id))
    }

    fn init(&mut self) -> Result<()> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let version = self.versions.init_producer_id;
        let encoded = encode(version, &request)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = decode::<InitProducerIdRequest>(version, self.client.call(encoded.clone())?)?;
            match answer.error_code {
                0 => {
                    (self.producer_id, self.epoch) = (answer.producer_id.0, answer.producer_epoch);
                    return Ok(());
                }
                error => {
                    let passes = error == CONCURRENT_TRANSACTIONS || COORDINATOR_NOT_READY.contains(&error);
                    ensure!(passes && Instant::now() < deadline, "InitProducerId failed with error {error}");
                    thread::sleep(RETRY_AFTER);
                }
            }
        }
    }

    /// One transaction, committed.
    pub fn transact(&mut self) -> Result<Timing> {
        let begun_at = Instant::now();
        if self.protocol == Protocol::V1 {
            self.add_partition()?;
        }
        self.write()?;
        let decided_at = Instant::now();
        self.commit()?;
        let done_at = Instant::now();
        Ok(Timing { commit: done_at - decided_at, whole: done_at - begun_at })
    }

    fn add_partition(&mut self) -> Result<()> {
        let topic = AddPartitionsToTxnTopic::default().with_name(TopicName(text(&self.topic))).with_partitions(vec![self.partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let version = self.versions.add_partitions;
        let encoded = encode(version, &request)?;
        self.until_done("AddPartitionsToTxn", |client| {
            let answer = decode::<AddPartitionsToTxnRequest>(version, client.call(encoded.clone())?)?;
            let topic = answer.results_by_topic_v3_and_below.first().context("no topic")?;
            Ok((topic.results_by_partition.first().context("no partition")?.partition_error_code, ()))
        })
    }

    fn write(&mut self) -> Result<()> {
        batch::set_transactional_producer(&mut self.produce[self.batch.clone()], self.producer_id, self.epoch, self.sequence);
        let version = self.protocol.of(self.versions.produce);
        let mut produce = std::mem::take(&mut self.produce);
        let written = self.until_done("Produce", |client| {
            client.send(&mut produce)?;
            let answer = decode::<ProduceRequest>(version, client.receive()?)?;
            let topic = answer.responses.first().context("no topic")?;
            Ok((topic.partition_responses.first().context("no partition")?.error_code, ()))
        });
        self.produce = produce;
        written?;
        self.sequence += self.record_count;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(true);
        let version = self.protocol.of(self.versions.end_txn);
        let encoded = encode(version, &request)?;
        let (producer_id, epoch) = self.until_done("EndTxn", |client| {
            let answer = decode::<EndTxnRequest>(version, client.call(encoded.clone())?)?;
            Ok((answer.error_code, (answer.producer_id.0, answer.producer_epoch)))
        })?;
        if self.protocol == Protocol::V2 {
            ensure!((producer_id, epoch) != (self.producer_id, self.epoch), "EndTxn did not raise the epoch");
            (self.producer_id, self.epoch, self.sequence) = (producer_id, epoch, 0);
        }
        Ok(())
    }

    /// Sends again what was told CONCURRENT_TRANSACTIONS, as every client does.
    fn until_done<T>(&mut self, name: &str, mut ask: impl FnMut(&mut Client) -> Result<(i16, T)>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask(&mut self.client)? {
                (0, answer) => return Ok(answer),
                (CONCURRENT_TRANSACTIONS, _) if Instant::now() < deadline => {
                    self.retries += 1;
                    thread::sleep(RETRY_AFTER);
                }
                (error, _) => bail!("{name} failed with error {error}"),
            }
        }
    }
}

/// The encoded request, and where the batch stands in it.
fn encode_produce(version: i16, id: &str, topic: &str, partition: i32, batch: &[u8]) -> Result<(Vec<u8>, std::ops::Range<usize>)> {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(Bytes::copy_from_slice(batch)));
    let topic = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let encoded = encode(version, &request)?;
    let at = encoded.windows(batch.len()).position(|window| window == batch).context("the batch is in its request")?;
    Ok((encoded, at..at + batch.len()))
}
