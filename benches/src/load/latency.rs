//! End-to-end latency under an open loop: records are due at fixed times whatever the broker does, and a record that leaves late counts
//! from when it was due. One thread sends, receives acknowledgements and long-polls as the consumer.

use super::{Line, Meter, Target, now_ms, rounded};
use crate::args::size;
use crate::batch;
use crate::client::Client;
use crate::percentiles::Sorted;
use crate::wire::{self, FetchAsk};
use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::{Duration, Instant};

/// How long before a due time the thread stops sleeping and watches the clock: timers are no more exact than this.
const SPIN: Duration = Duration::from_micros(80);

/// Sends single-record batches at a fixed rate and times them until a consumer has them.
#[derive(Clone, Debug, clap::Args)]
pub struct Latency {
    #[command(flatten)]
    pub target: Target,
    #[arg(long, default_value = "latency")]
    pub topic: String,
    /// Records per second.
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Left out of the figures, at the start.
    #[arg(long, default_value_t = 1.0)]
    pub warm_up_seconds: f64,
    #[arg(long, value_parser = size, default_value = "100")]
    pub record_size: u64,
    #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
    pub acks: i16,
}

struct Run<'a> {
    load: &'a Latency,
    started: Instant,
    count: usize,
    period: Duration,
    sent: usize,
    acknowledged: usize,
    received: usize,
    /// Nanoseconds from due to acknowledged, and from due to received.
    ack_ns: Vec<u64>,
    end_to_end_ns: Vec<u64>,
    /// The log end offset before the first record.
    first_offset: i64,
}

/// Runs the load and prints its line.
pub fn run(load: &Latency) -> Result<()> {
    ensure!(load.acks != 0 && load.rate > 0.0, "latency needs acknowledgements and a rate");
    let (mut producer, mut consumer) = (Client::connect(load.target.address)?, Client::connect(load.target.address)?);
    producer.ensure_topic(&load.topic, 1, &[])?;
    let count = (load.rate * (load.seconds + load.warm_up_seconds)) as usize;
    let mut value = Vec::new();
    crate::payload::Payload::new(1).append(&mut value, load.record_size as usize);
    let batch = batch::single(&value, now_ms());
    let mut request = wire::produce(producer.versions().produce, load.acks, &load.topic, 0, &batch.bytes);
    let first_offset = producer.offset(&load.topic, 0, -1)?;
    let meter = Meter::start(&load.target)?;
    let mut run = Run {
        load,
        started: Instant::now() + Duration::from_millis(50),
        count,
        period: Duration::from_secs_f64(1.0 / load.rate),
        sent: 0,
        acknowledged: 0,
        received: 0,
        ack_ns: Vec::with_capacity(count),
        end_to_end_ns: Vec::with_capacity(count),
        first_offset,
    };
    run.ask(&mut consumer)?;
    while run.received < count || run.acknowledged < count {
        run.wait(&producer, &consumer)?;
        while run.sent < count && Instant::now() >= run.due(run.sent) {
            producer.send(&mut request)?;
            run.sent += 1;
        }
        run.take_acknowledgements(&mut producer)?;
        run.take_records(&mut consumer)?;
    }
    let mut line = Line::new("latency", &load.target.label);
    meter.stop()?.write(&mut line, count as u64 * 2, count as u64, batch.bytes.len() as u64 * count as u64);
    line.set("rate", load.rate);
    line.set("record_size", load.record_size);
    line.set("acks", load.acks);
    let warm_up = (load.rate * load.warm_up_seconds) as usize;
    for (name, samples) in [("ack_us", run.ack_ns), ("end_to_end_us", run.end_to_end_ns)] {
        let sorted = Sorted::new(samples.get(warm_up..).unwrap_or_default().to_vec());
        for (percent, suffix) in [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99_9"), (100.0, "max")] {
            line.set(&format!("{name}_{suffix}"), rounded(sorted.percentile(percent).context("no samples")? as f64 / 1e3));
        }
    }
    line.print();
    Ok(())
}

impl Run<'_> {
    fn due(&self, index: usize) -> Instant {
        self.started + self.period.mul_f64(index as f64)
    }

    /// Sleeps until something arrives or the next record is nearly due.
    fn wait(&self, producer: &Client, consumer: &Client) -> Result<()> {
        if consumer.has_answer() || producer.has_answer() {
            return Ok(());
        }
        let left = if self.sent < self.count {
            self.due(self.sent).saturating_duration_since(Instant::now()).saturating_sub(SPIN)
        } else {
            Duration::from_secs(30)
        };
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut waited = [PollFd::new(producer.stream(), PollFlags::IN), PollFd::new(consumer.stream(), PollFlags::IN)];
        poll(&mut waited, Some(&timeout))?;
        Ok(())
    }

    fn take_acknowledgements(&mut self, producer: &mut Client) -> Result<()> {
        while self.acknowledged < self.sent && readable(producer)? {
            let answer = wire::read_produce(producer.receive()?).context("Produce answer")?;
            ensure!(answer.error == 0, "Produce failed with error {}", answer.error);
            let at = self.first_offset + self.acknowledged as i64;
            ensure!(answer.base_offset == at, "base offset {} in place of {at}", answer.base_offset);
            self.ack_ns.push(self.due(self.acknowledged).elapsed().as_nanos() as u64);
            self.acknowledged += 1;
        }
        Ok(())
    }

    fn take_records(&mut self, consumer: &mut Client) -> Result<()> {
        while self.received < self.count && readable(consumer)? {
            let version = consumer.versions().fetch;
            let answer = consumer.receive()?;
            let mut next = self.first_offset + self.received as i64;
            wire::read_fetch(version, answer, |fetched| {
                ensure!(fetched.error == 0, "fetch failed with error {}", fetched.error);
                for (header, _) in batch::walk(fetched.records) {
                    ensure!(header.base_offset == next, "batch at offset {} where {next} was due", header.base_offset);
                    next += i64::from(header.last_offset_delta) + 1;
                }
                Ok(())
            })?;
            let now = Instant::now();
            let received = (next - self.first_offset) as usize;
            for index in self.received..received {
                self.end_to_end_ns.push(now.saturating_duration_since(self.due(index)).as_nanos() as u64);
            }
            self.received = received;
            if self.received < self.count {
                self.ask(consumer)?;
            }
        }
        Ok(())
    }

    fn ask(&self, consumer: &mut Client) -> Result<()> {
        let partitions = [(0, self.first_offset + self.received as i64)];
        let ask = FetchAsk {
            topic: &self.load.topic,
            partitions: &partitions,
            wait_ms_max: 500,
            size_bytes_min: 1,
            size_bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
        };
        let mut request = wire::fetch(consumer.versions().fetch, &ask);
        consumer.send(&mut request)?;
        Ok(())
    }
}

/// True when a whole answer is there; never waits for bytes that have not begun to arrive.
fn readable(client: &mut Client) -> Result<bool> {
    if client.has_answer() {
        return Ok(true);
    }
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    let arrived = poll(&mut [PollFd::new(client.stream(), PollFlags::IN)], Some(&none))? > 0;
    if arrived {
        client.fill()?;
    }
    Ok(client.has_answer())
}
