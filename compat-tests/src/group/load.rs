//! A steady load in the background: lines of the corpus, spread over the partitions in turn, and what was sent where.

use crate::librdkafka::{PATIENCE, Producer};
use crate::{Broker, corpus};
use anyhow::{Context, Result, ensure};
use rdkafka::producer::BaseRecord;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many partitions the topic of a group story has.
pub const PARTITIONS: i32 = 6;
/// After so many lines the text begins anew.
const LINES: usize = 20_000;
const BURST_RECORDS: usize = 20;
const BURST_EVERY: Duration = Duration::from_millis(10);

/// Partition and offset of each record, and the checksum of its key and value.
pub type Sent = BTreeMap<(i32, i64), u32>;

/// A producer at work.
pub struct Load {
    stop: Sender<()>,
    thread: JoinHandle<Result<Sent>>,
}

impl Load {
    /// Starts to send; comes back when the topic is there and the first records are in it.
    pub fn start(broker: &Broker, topic: &str) -> Result<Load> {
        Self::paced(broker, topic, BURST_EVERY)
    }

    /// The same with so much time between bursts.
    pub fn paced(broker: &Broker, topic: &str, burst_every: Duration) -> Result<Load> {
        // Brokers come and go in some stories; the load goes on.
        let settings = [
            ("linger.ms", "2"),
            ("enable.idempotence", "true"),
            ("message.timeout.ms", "120000"),
            ("reconnect.backoff.ms", "10"),
            ("reconnect.backoff.max.ms", "200"),
            ("metadata.recovery.strategy", "none"),
        ];
        let mut sender = Source::new(broker, topic, &settings)?;
        // The first record alone makes the topic; with it the client knows all partitions.
        sender.send(1)?;
        sender.collect(PATIENCE)?;
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || sender.run(&stopped, burst_every));
        Ok(Load { stop, thread })
    }

    /// Stops; gives what was sent, all of it acknowledged.
    pub fn finish(self) -> Result<Sent> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow::anyhow!("the load's thread panicked"))?.context("load")
    }
}

/// Sends `count` records and waits for all acknowledgements.
pub fn send(broker: &Broker, topic: &str, count: usize) -> Result<Sent> {
    let mut sender = Source::new(broker, topic, &[])?;
    sender.send(1)?;
    sender.collect(PATIENCE)?;
    sender.send(count - 1)?;
    sender.collect(PATIENCE)?;
    Ok(sender.sent)
}

struct Source {
    producer: Producer,
    topic: String,
    lines: Vec<(&'static [u8], &'static [u8])>,
    /// By number of the record.
    sums: Vec<u32>,
    sent: Sent,
}

impl Source {
    fn new(broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> Result<Source> {
        let lines = corpus::small()?.records().take(LINES).collect();
        Ok(Source { producer: Producer::new(broker, settings)?, topic: topic.to_owned(), lines, sums: Vec::new(), sent: Sent::new() })
    }

    fn run(mut self, stopped: &Receiver<()>, burst_every: Duration) -> Result<Sent> {
        while stopped.recv_timeout(burst_every) == Err(RecvTimeoutError::Timeout) {
            self.send(BURST_RECORDS)?;
        }
        self.collect(4 * PATIENCE)?;
        Ok(self.sent)
    }

    fn send(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let number = self.sums.len();
            let (key, value) = self.lines[number % self.lines.len()];
            let mut sum = flate2::Crc::new();
            sum.update(key);
            sum.update(value);
            self.sums.push(sum.sum());
            let record = BaseRecord::with_opaque_to(&self.topic, 0).key(key).payload(value).partition(number as i32 % PARTITIONS);
            self.producer.send(number, record)?;
        }
        Ok(())
    }

    fn collect(&mut self, limit: Duration) -> Result<()> {
        for (number, receipt) in self.producer.finish(limit)? {
            let place = receipt.map_err(|error| anyhow::anyhow!("record {number}: {error:?}"))?;
            ensure!(self.sent.insert(place, self.sums[number]).is_none(), "two records at {place:?}");
        }
        Ok(())
    }
}
