//! `compact`: a dirty log is compacted, by Ottla and (where its jars are) by Apache Kafka's cleaner: rate and peak of memory, as a Markdown table.
//!
//! The same log is written twice, once for each, so that the disk needs room for one of them at a time. Each cleaner runs in a process of its own,
//! without a broker, with the same memory for its map of keys, and is measured from the first key read to the last segment in its place.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use ottla_benches::{args::size, process};
use ottla_storage::batch::{BatchBuilder, split};
use ottla_storage::cleaner::{CleanerBuffers, CleanerConfig, Pace, clean};
use ottla_storage::disk::RealDisk;
use ottla_storage::log::{AppendOrigin, CleanupPolicy, LogConfig, OpenOptions, PartitionLog};
use ottla_storage::{LeaderEpoch, LogId, Millis, Offset};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

const TOPIC: &str = "dirty";
const NOW: Millis = Millis(1_700_000_000_000);
const BATCH_BYTES: usize = 16 * 1024;

#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// How much is written.
    #[arg(long, default_value_t = 10.0)]
    gib: f64,
    /// Parent of the log's directory, which is removed again.
    #[arg(long)]
    scratch: PathBuf,
    /// Directory with the jars of Apache Kafka; without it Kafka is left out.
    #[arg(long, env = "KAFKA_JARS")]
    kafka_jars: Option<PathBuf>,
    /// The program that calls Kafka's cleaner.
    #[arg(long, default_value = "compat-tests/java/Compact.java")]
    kafka_program: PathBuf,
    /// Different keys; each record has one of them, evenly.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 200)]
    value_bytes: usize,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, default_value = "none")]
    codec: String,
    /// Memory for the map of keys, for each of them.
    #[arg(long, default_value = "32m", value_parser = size)]
    dedupe: u64,
    /// `segment.bytes`.
    #[arg(long, default_value = "512m", value_parser = size)]
    segment: u64,
    /// Used by itself: compacts the log in this directory.
    #[arg(long, hide = true)]
    run: bool,
}

/// What one cleaner did.
struct Outcome {
    name: &'static str,
    seconds: f64,
    /// Of the whole process, its start too.
    cpu_seconds: f64,
    passes: u64,
    peak_kib: u64,
    read_bytes: u64,
    left_bytes: u64,
    left_records: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.run {
        return compact(&arguments);
    }
    println!("{}\n\nload average {}\n", process::machine(), process::load_average());
    println!(
        "| cleaner | read MB | s | MB/s | CPU s | passes | peak MiB | left MB | left records |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    let mut outcomes = Vec::new();
    for name in ["ottla", "kafka"] {
        if name == "kafka" && arguments.kafka_jars.is_none() {
            continue;
        }
        let directory = arguments.scratch.join(format!("compact-{name}"));
        std::fs::create_dir_all(&directory)?;
        let outcome = measure(name, &arguments, &directory);
        std::fs::remove_dir_all(&directory)?;
        let outcome = outcome?;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        println!(
            "| {} | {:.0} | {:.2} | {:.1} | {:.2} | {} | {:.1} | {:.1} | {} |",
            outcome.name,
            mb(outcome.read_bytes),
            outcome.seconds,
            mb(outcome.read_bytes) / outcome.seconds,
            outcome.cpu_seconds,
            outcome.passes,
            outcome.peak_kib as f64 / 1024.0,
            mb(outcome.left_bytes),
            outcome.left_records
        );
        outcomes.push(outcome);
    }
    let same = outcomes.windows(2).all(|pair| pair[0].left_records == pair[1].left_records);
    ensure!(same, "the cleaners left different records");
    Ok(())
}

fn measure(name: &'static str, arguments: &Arguments, directory: &Path) -> Result<Outcome> {
    write(arguments, directory)?;
    let written_bytes = log_bytes(directory)?;
    let said = match name {
        "ottla" => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("--run").arg("--scratch").arg(directory);
            command.args(["--dedupe", &arguments.dedupe.to_string(), "--segment", &arguments.segment.to_string()]);
            run(&mut command)?
        }
        _ => {
            let jars = arguments.kafka_jars.as_deref().context("--kafka-jars")?;
            let mut command = Command::new("java");
            command.args(["-Xms64m", "-Xmx1g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"]);
            command.arg(format!("{}/*", jars.display())).arg(&arguments.kafka_program).arg(directory.join(log_id().directory_name()));
            command.arg(format!("topic.internal.segment.bytes={}", arguments.segment));
            command.args([format!("dedupe={}", arguments.dedupe), format!("at={}", NOW.0)]);
            run(&mut command)?
        }
    };
    let word = |after: &str| -> Result<u64> {
        let mut words = said.split_whitespace().skip_while(|word| *word != after).skip(1);
        words.next().and_then(|word| word.parse().ok()).with_context(|| format!("no {after} in {said}"))
    };
    Ok(Outcome {
        name,
        seconds: word("nanos")? as f64 / 1e9,
        cpu_seconds: word("cpu")? as f64 / 1e3,
        passes: word("passes")?,
        peak_kib: word("peak")?,
        read_bytes: written_bytes,
        left_bytes: log_bytes(directory)?,
        left_records: count_records(directory)?,
    })
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}

fn log_id() -> LogId {
    LogId { topic: TOPIC.into(), topic_id: Uuid::from_u128(5), partition: 0 }
}

fn open(arguments: &Arguments, root: &Path) -> Result<PartitionLog> {
    let config = LogConfig {
        segment_bytes: u32::try_from(arguments.segment)?,
        cleanup_policy: CleanupPolicy { compact: true, delete: false },
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    let how = OpenOptions { clean: true, machine_stopped: false, recovery_point: Offset(0), log_start_offset: Offset(0), now: NOW };
    let (mut log, _) = PartitionLog::open(Arc::new(RealDisk), root, log_id(), Arc::new(config), how)?;
    log.set_high_watermark(log.log_end_offset());
    Ok(log)
}

/// Writes the dirty log, the same each time.
fn write(arguments: &Arguments, root: &Path) -> Result<()> {
    let mut log = open(arguments, root)?;
    let codecs = ottla_storage::batch::compression::Compression::ALL;
    let codec = codecs.into_iter().find(|codec| codec.name() == arguments.codec).context("no such codec")?;
    let total_bytes = (arguments.gib * f64::from(1 << 30)) as u64;
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    };
    let mut value = vec![b'v'; arguments.value_bytes];
    let mut written_bytes = 0;
    while written_bytes < total_bytes {
        let mut builder = BatchBuilder::new().compression(codec, None);
        while builder.uncompressed_size_bytes() < BATCH_BYTES {
            let key = format!("key-{:012}", next() % arguments.keys);
            // One half of it cannot be compressed.
            value.chunks_exact_mut(16).for_each(|chunk| chunk[..8].copy_from_slice(&next().to_be_bytes()));
            builder.push(NOW, Some(key.as_bytes()), Some(&value), &[]);
        }
        let appended = log.append_as_leader(NOW, &builder.build()?, LeaderEpoch(0), AppendOrigin::Coordinator)?;
        written_bytes += appended.size_bytes;
    }
    log.roll(NOW)?;
    Ok(log.close(true)?)
}

/// Compacts, in this process, and says how long it took and how much memory at most.
fn compact(arguments: &Arguments) -> Result<()> {
    let mut log = open(arguments, &arguments.scratch)?;
    let started = Instant::now();
    let config = CleanerConfig { dedupe_buffer_bytes: usize::try_from(arguments.dedupe)?, ..CleanerConfig::default() };
    let mut buffers = CleanerBuffers::new(config);
    let (mut checkpoint, mut passes) = (None, 0);
    loop {
        let cleanable = log.cleanable(checkpoint, NOW)?.context("a compacted log")?;
        if cleanable.dirty_bytes == 0 {
            break;
        }
        let mut with_log = |work: &mut dyn FnMut(&mut PartitionLog)| {
            work(&mut log);
            true
        };
        checkpoint = Some(clean(&cleanable, NOW, &mut buffers, &mut with_log, &mut |_| Pace::GoOn)?.first_dirty);
        log.remove_deleted_files(NOW);
        passes += 1;
    }
    println!("passes {passes} nanos {}", started.elapsed().as_nanos());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    println!("cpu {}", (process::cpu_seconds(std::process::id())? * 1e3) as u64);
    println!("peak {}", peak.trim().trim_end_matches(" kB"));
    Ok(log.close(true)?)
}

fn logs(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root.join(log_id().directory_name()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect())
}

fn log_bytes(root: &Path) -> Result<u64> {
    logs(root)?.iter().map(|path| Ok(path.metadata()?.len())).sum()
}

fn count_records(root: &Path) -> Result<u64> {
    let mut count = 0;
    for path in logs(root)? {
        let bytes = std::fs::read(path)?;
        for batch in split(&bytes) {
            count += u64::try_from(batch?.header.record_count())?;
        }
    }
    Ok(count)
}
