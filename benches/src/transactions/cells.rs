//! What is measured, in what order.

use super::{Producer, Protocol, Stage, Timing};
use crate::load::{Line, Meter, now_ms, rounded};
use crate::percentiles::Sorted;
use anyhow::{Result, anyhow};
use serde_json::Value;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// So many producers, each with a partition of its own, commit transactions of so many messages one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub protocol: Protocol,
    pub producers: i32,
    pub messages: i32,
}

/// Producers of the largest cell: so many partitions are needed.
pub const PRODUCERS_MAX: i32 = 16;

/// The cells of the transactions issue's acceptance, for both protocols.
pub const CELLS: [Cell; 8] = [
    Cell { protocol: Protocol::V2, producers: 1, messages: 1 },
    Cell { protocol: Protocol::V2, producers: 1, messages: 100 },
    Cell { protocol: Protocol::V2, producers: PRODUCERS_MAX, messages: 1 },
    Cell { protocol: Protocol::V2, producers: PRODUCERS_MAX, messages: 100 },
    Cell { protocol: Protocol::V1, producers: 1, messages: 1 },
    Cell { protocol: Protocol::V1, producers: 1, messages: 100 },
    Cell { protocol: Protocol::V1, producers: PRODUCERS_MAX, messages: 1 },
    Cell { protocol: Protocol::V1, producers: PRODUCERS_MAX, messages: 100 },
];

/// What one producer did.
#[derive(Debug, Default)]
struct Done {
    timings: Vec<Timing>,
    retries: u64,
}

impl Cell {
    /// The name under which it is reported.
    pub fn label(self, mode: &str) -> String {
        let Self { protocol, producers, messages } = self;
        format!("{mode} {} {producers} x {messages}", protocol.name())
    }

    /// Runs it for so long and checks what the log has.
    pub fn run(self, stage: &mut Stage, mode: &str, each: Duration) -> Result<Value> {
        let run = now_ms();
        let mut producers = Vec::new();
        for index in 0..self.producers {
            let id = format!("{}-{}-{run:x}-{index}", self.protocol.name(), self.messages);
            let mut producer = Producer::open(stage, self.protocol, &id, index, self.messages)?;
            // Uncounted: connections, caches, the partition's first append by this producer.
            producer.transact()?;
            producer.retries = 0;
            producers.push(producer);
        }
        let ends = stage.ends(self.producers)?;
        // The uncounted transaction may still be without its marker.
        let ends = settled(stage, ends)?;
        let barrier = Barrier::new(producers.len() + 1);
        let (done, reading) = thread::scope(|scope| {
            let barrier = &barrier;
            let workers: Vec<_> = producers.into_iter().map(|producer| scope.spawn(move || work(producer, barrier, each))).collect();
            let meter = Meter::of(Some(stage.pid));
            barrier.wait();
            let outcomes = workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a producer panicked"))?);
            let done: Result<Vec<Done>> = outcomes.collect();
            (done, meter.and_then(|meter| meter.stop()))
        });
        let (done, reading) = (done?, reading?);
        let grown = |done: &Done| i64::try_from(done.timings.len()).map(|count| count * i64::from(self.messages + 1));
        let expected: Vec<i64> = ends.iter().zip(&done).map(|(end, done)| Ok(end + grown(done)?)).collect::<Result<_>>()?;
        stage.wait_for_ends(&expected)?;

        let mut line = Line::new("transactions", &self.label(mode));
        let count: usize = done.iter().map(|done| done.timings.len()).sum();
        reading.write_requests(&mut line, count as u64);
        line.set("transactions_per_s", rounded(count as f64 / reading.seconds()));
        line.set("retries", done.iter().map(|done| done.retries).sum::<u64>());
        let sorted = |of: fn(&Timing) -> Duration| {
            Sorted::new(done.iter().flat_map(|done| &done.timings).map(|timing| of(timing).as_secs_f64() * 1e6).collect::<Vec<_>>())
        };
        for (name, sorted) in [("commit", sorted(|timing| timing.commit)), ("transaction", sorted(|timing| timing.whole))] {
            for (percent, suffix) in [(50.0, "p50"), (99.0, "p99")] {
                line.set(&format!("{name}_us_{suffix}"), sorted.percentile(percent).map(rounded));
            }
        }
        Ok(line.value())
    }
}

/// Commits one transaction after the other, from the barrier on.
fn work(mut producer: Producer, barrier: &Barrier, each: Duration) -> Result<Done> {
    barrier.wait();
    let mut done = Done::default();
    let until = Instant::now() + each;
    while Instant::now() < until {
        done.timings.push(producer.transact()?);
    }
    done.retries = producer.retries;
    Ok(done)
}

/// The ends once they stay the same for a while.
fn settled(stage: &mut Stage, mut ends: Vec<i64>) -> Result<Vec<i64>> {
    loop {
        thread::sleep(Duration::from_millis(50));
        let later = stage.ends(i32::try_from(ends.len())?)?;
        if later == ends {
            return Ok(ends);
        }
        ends = later;
    }
}
