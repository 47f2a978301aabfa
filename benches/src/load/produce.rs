//! Produce as fast as the broker acknowledges: requests encoded beforehand, a fixed number in flight per connection.

use super::{Line, Meter, Target, now_ms};
use crate::args::size;
use crate::client::Client;
use crate::payload::Payload;
use crate::{batch, wire};
use anyhow::{Context, Result, ensure};
use std::sync::Barrier;
use std::thread;

/// Different requests per connection, so that the broker does not see the same bytes all the time.
const VARIANTS_SIZE_BYTES: usize = 4 << 20;

/// Produces pre-encoded batches with a fixed number of requests in flight.
#[derive(Clone, Debug, clap::Args)]
pub struct Produce {
    #[command(flatten)]
    pub target: Target,
    /// Created if it is not there.
    #[arg(long, default_value = "load")]
    pub topic: String,
    #[arg(long, default_value_t = 1)]
    pub partitions: i32,
    /// Connection number modulo partitions decides where a connection writes.
    #[arg(long, default_value_t = 1)]
    pub connections: i32,
    /// Size of a record's value; keys are null.
    #[arg(long, value_parser = size, default_value = "1k")]
    pub record_size: u64,
    /// Size of a batch, its header included.
    #[arg(long, value_parser = size, default_value = "1mb")]
    pub batch_size: u64,
    /// Requests in flight per connection.
    #[arg(long, default_value_t = 5)]
    pub in_flight: usize,
    /// 0, 1 or -1.
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub acks: i16,
    /// Batch bytes to send in all, measured.
    #[arg(long, value_parser = size, default_value = "1gb")]
    pub total: u64,
    /// Batch bytes to send before that, not measured.
    #[arg(long, value_parser = size, default_value = "64mb")]
    pub warm_up: u64,
    /// Topic configuration for the creation, `name=value`.
    #[arg(long = "topic-config", value_parser = name_value)]
    pub topic_configs: Vec<(String, String)>,
    /// Delete the topic afterwards, where the broker can.
    #[arg(long)]
    pub delete: bool,
}

fn name_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("want name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    requests: u64,
    records: u64,
    bytes: u64,
}

/// Runs the load and prints its line.
pub fn run(load: &Produce) -> Result<()> {
    let mut admin = Client::connect(load.target.address)?;
    let configs: Vec<_> = load.topic_configs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    admin.ensure_topic(&load.topic, load.partitions, &configs)?;
    let ends_before = log_end_offsets(&mut admin, load)?;
    let count = usize::try_from(load.connections)?;
    // Everybody waits twice: warm and quiet, then (after the clocks were read) go. The third wait is the end.
    let barrier = Barrier::new(count + 1);
    let mut line = Line::new("produce", &load.target.label);
    let total = thread::scope(|scope| -> Result<Sent> {
        let barrier = &barrier;
        let workers: Vec<_> = (0..load.connections).map(|index| scope.spawn(move || worker(load, index, barrier))).collect();
        barrier.wait();
        let meter = Meter::start(&load.target);
        barrier.wait();
        barrier.wait();
        let reading = meter.and_then(|meter| meter.stop());
        let (mut total, mut measured) = (Sent::default(), Sent::default());
        for worker in workers {
            let (warm, sent) = worker.join().map_err(|_| anyhow::anyhow!("a connection thread panicked"))??;
            measured = measured.plus(sent);
            total = total.plus(sent).plus(warm);
        }
        reading?.write(&mut line, measured.requests, measured.records, measured.bytes);
        Ok(total)
    })?;
    let ends_after = log_end_offsets(&mut admin, load)?;
    let arrived: i64 = ends_after.iter().zip(&ends_before).map(|(after, before)| after - before).sum();
    ensure!(arrived as u64 == total.records, "{} records acknowledged, but the logs grew by {arrived}", total.records);
    line.set("record_size", load.record_size);
    line.set("batch_size", load.batch_size);
    line.set("in_flight", load.in_flight);
    line.set("acks", load.acks);
    line.set("connections", load.connections);
    line.set("partitions", load.partitions);
    line.set("acknowledged_equals_log_end", true);
    line.print();
    if load.delete {
        admin.delete_topic(&load.topic)?;
    }
    Ok(())
}

fn log_end_offsets(client: &mut Client, load: &Produce) -> Result<Vec<i64>> {
    (0..load.partitions).map(|partition| client.offset(&load.topic, partition, -1)).collect()
}

impl Sent {
    fn plus(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, records: self.records + other.records, bytes: self.bytes + other.bytes }
    }
}

/// One connection: warm-up, wait, measured part, wait. Returns what was sent in both.
fn worker(load: &Produce, index: i32, barrier: &Barrier) -> Result<(Sent, Sent)> {
    let prepared = Connection::prepare(load, index);
    // The waits happen whatever fails, or the others would wait for ever.
    let mut failed = None;
    let mut sent = [Sent::default(); 2];
    let mut connection = prepared.map_err(|error| failed = Some(error)).ok();
    for (phase, total) in [load.warm_up, load.total].into_iter().enumerate() {
        let bytes = total / load.connections as u64;
        if let Some(connection) = &mut connection {
            match connection.produce(load, bytes) {
                Ok(done) => sent[phase] = done,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        barrier.wait();
        if phase == 0 {
            barrier.wait();
        }
    }
    failed.map_or(Ok((sent[0], sent[1])), |error| Err(error.context(format!("connection {index}"))))
}

struct Connection {
    client: Client,
    partition: i32,
    /// Encoded requests, their records and batch bytes.
    requests: Vec<(Vec<u8>, i32, usize)>,
    next: usize,
    /// Only one connection writes to the partition, so base offsets must follow each other.
    alone: bool,
    next_offset: Option<i64>,
}

impl Connection {
    fn prepare(load: &Produce, index: i32) -> Result<Self> {
        let client = Client::connect(load.target.address)?;
        let partition = index % load.partitions;
        let mut payload = Payload::new(index as u64 + 1);
        let variants = (VARIANTS_SIZE_BYTES / load.batch_size.max(1) as usize).clamp(2, 64);
        let version = client.versions().produce;
        let now = now_ms();
        let requests = (0..variants).map(|_| {
            let batch = batch::fill(&mut payload, load.record_size as usize, load.batch_size as usize, now);
            (wire::produce(version, load.acks, &load.topic, partition, &batch.bytes), batch.record_count, batch.bytes.len())
        });
        let requests = requests.collect();
        Ok(Self { client, partition, requests, next: 0, alone: load.connections <= load.partitions, next_offset: None })
    }

    fn produce(&mut self, load: &Produce, bytes: u64) -> Result<Sent> {
        let mut sent = Sent::default();
        let mut in_flight = std::collections::VecDeque::with_capacity(load.in_flight);
        loop {
            while sent.bytes < bytes && in_flight.len() < load.in_flight {
                let (request, records, size) = &mut self.requests[self.next];
                self.client.send(request)?;
                if load.acks != 0 {
                    in_flight.push_back(*records);
                }
                sent.requests += 1;
                sent.records += *records as u64;
                sent.bytes += *size as u64;
                self.next = (self.next + 1) % self.requests.len();
            }
            let Some(records) = in_flight.pop_front() else { break };
            let answer = wire::read_produce(self.client.receive()?).context("Produce answer")?;
            ensure!(answer.error == 0, "Produce failed with error {}", answer.error);
            if self.alone {
                let expected = self.next_offset.unwrap_or(answer.base_offset);
                ensure!(answer.base_offset == expected, "base offset {} in place of {expected}", answer.base_offset);
                self.next_offset = Some(answer.base_offset + i64::from(records));
            }
        }
        if load.acks == 0 {
            // Nothing came back so far. An answer to a later request on the same connection says that all was handled.
            self.client.offset(&load.topic, self.partition, -1)?;
        }
        Ok(sent)
    }
}
