//! Fetch from the start of the log to its end, as a consumer that catches up and throws everything away.

use super::{Line, Meter, Target};
use crate::args::size;
use crate::batch;
use crate::client::Client;
use crate::wire::{self, FetchAsk};
use anyhow::{Result, ensure};
use std::thread;

/// What is checked of the records that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Check {
    /// Offsets follow each other without a gap, up to the log end offset.
    Offsets,
    /// And every batch's checksum is right.
    Crc,
}

/// Reads the partitions from offset 0 to their ends.
#[derive(Clone, Debug, clap::Args)]
pub struct Fetch {
    #[command(flatten)]
    pub target: Target,
    #[arg(long, default_value = "load")]
    pub topic: String,
    #[arg(long, default_value_t = 1)]
    pub partitions: i32,
    /// Consumers, each on its own connection, each reading all partitions.
    #[arg(long, default_value_t = 1)]
    pub connections: i32,
    /// How often each consumer reads everything.
    #[arg(long, default_value_t = 1)]
    pub passes: u32,
    /// Times everything is read before that, not measured.
    #[arg(long, default_value_t = 0)]
    pub warm_up_passes: u32,
    /// `max.partition.fetch.bytes`.
    #[arg(long, value_parser = size, default_value = "1m")]
    pub partition_size_max: u64,
    /// `fetch.max.bytes`.
    #[arg(long, value_parser = size, default_value = "50m")]
    pub size_max: u64,
    #[arg(long, value_enum, default_value = "offsets")]
    pub check: Check,
}

#[derive(Clone, Copy, Debug, Default)]
struct Received {
    requests: u64,
    records: u64,
    bytes: u64,
}

/// Runs the load and prints its line.
pub fn run(load: &Fetch) -> Result<()> {
    let mut admin = Client::connect(load.target.address)?;
    let ends: Vec<i64> = (0..load.partitions).map(|partition| admin.offset(&load.topic, partition, -1)).collect::<Result<_>>()?;
    ensure!(ends.iter().sum::<i64>() > 0, "nothing in {}", load.topic);
    for _ in 0..load.warm_up_passes {
        drain_all(load, &ends, 1)?;
    }
    let meter = Meter::start(&load.target)?;
    let received = drain_all(load, &ends, load.passes)?;
    let reading = meter.stop()?;
    let mut line = Line::new("fetch", &load.target.label);
    reading.write(&mut line, received.requests, received.records, received.bytes);
    line.set("connections", load.connections);
    line.set("partitions", load.partitions);
    line.set("partition_size_max", load.partition_size_max);
    line.set("checked", format!("{:?}", load.check).to_lowercase());
    line.print();
    Ok(())
}

fn drain_all(load: &Fetch, ends: &[i64], passes: u32) -> Result<Received> {
    thread::scope(|scope| {
        let drain_often = || -> Result<Received> {
            let mut sum = Received::default();
            let mut client = Client::connect(load.target.address)?;
            client.reserve_input(load.partition_size_max.saturating_mul(load.partitions as u64).min(load.size_max) as usize + 65_536);
            for _ in 0..passes {
                drain(load, ends, &mut client, &mut sum)?;
            }
            Ok(sum)
        };
        let workers: Vec<_> = (0..load.connections).map(|_| scope.spawn(drain_often)).collect();
        workers.into_iter().try_fold(Received::default(), |sum, worker| {
            let one = worker.join().map_err(|_| anyhow::anyhow!("a connection thread panicked"))??;
            Ok(Received { requests: sum.requests + one.requests, records: sum.records + one.records, bytes: sum.bytes + one.bytes })
        })
    })
}

fn drain(load: &Fetch, ends: &[i64], client: &mut Client, received: &mut Received) -> Result<()> {
    let version = client.versions().fetch;
    let mut wanted: Vec<(i32, i64)> = (0..load.partitions).map(|partition| (partition, 0)).collect();
    wanted.retain(|&(partition, offset)| offset < ends[partition as usize]);
    let mut empty_answers = 0;
    while !wanted.is_empty() {
        let ask = FetchAsk {
            topic: &load.topic,
            partitions: &wanted,
            wait_ms_max: 500,
            size_bytes_min: 1,
            size_bytes_max: load.size_max as i32,
            partition_bytes_max: load.partition_size_max as i32,
        };
        let answer = client.call(wire::fetch(version, &ask))?;
        let bytes_before = received.bytes;
        received.requests += 1;
        let mut progress = Vec::with_capacity(wanted.len());
        wire::read_fetch(version, answer, |fetched| {
            ensure!(fetched.error == 0, "fetch of partition {} failed with error {}", fetched.partition, fetched.error);
            let from = wanted.iter().find(|(partition, _)| *partition == fetched.partition).map_or(0, |(_, offset)| *offset);
            let mut next = from;
            for (header, bytes) in batch::walk(fetched.records) {
                ensure!(header.base_offset == next, "batch at offset {} where {next} was due", header.base_offset);
                ensure!(load.check < Check::Crc || batch::crc_matches(&header, bytes), "corrupt batch at offset {next}");
                next += i64::from(header.last_offset_delta) + 1;
                received.bytes += bytes.len() as u64;
            }
            received.records += (next - from) as u64;
            progress.push((fetched.partition, next));
            Ok(())
        })?;
        empty_answers = if received.bytes == bytes_before { empty_answers + 1 } else { 0 };
        ensure!(empty_answers < 10, "no progress at {wanted:?}");
        // Partitions that gave something go to the back, as a consumer's do, so that none starves under `size_max`.
        wanted.retain(|(partition, _)| !progress.iter().any(|(other, _)| other == partition));
        wanted.extend(progress.into_iter().filter(|&(partition, next)| next < ends[partition as usize]));
    }
    Ok(())
}
