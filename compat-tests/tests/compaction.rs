//! Apache Kafka's own cleaner and ours clean the same log: what survives is the same, byte for byte where nothing is compressed, and
//! `kafka-dump-log` finds nothing wrong in ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use compat_tests::java::Java;
use compat_tests::need;
use ottla_storage::batch::{BatchHeader, HEADER_SIZE_BYTES, split};
use ottla_storage::cleaner::{CleanerBuffers, CleanerConfig, Pace, clean};
use ottla_storage::disk::RealDisk;
use ottla_storage::log::{AppendOrigin, CleanupPolicy, LogConfig, OpenOptions, PartitionLog};
use ottla_storage::{LeaderEpoch, LogId, Millis, Offset};
use uuid::Uuid;

// The load and the model of storage's own compaction tests.
#[allow(dead_code)]
#[path = "../../storage/tests/compaction/load.rs"]
mod load;
#[allow(dead_code)]
#[path = "../../storage/tests/compaction/model.rs"]
mod model;

use load::{Op, batch_for, script};
use model::{Batch, Model};

const SEGMENT_BYTES: u32 = 6000;
const DELETE_RETENTION_MS: i64 = 100_000;
const DIRECTORY: &str = "compacted-0";

#[test]
fn kafkas_cleaner_and_ours_leave_the_same_records() {
    let name = "compaction";
    let Some(java) = need(name, Java::find()) else { return };
    let Some(classes) = need(name, java.compile("Compact.java")) else { return };
    let java = java.with_classes(&classes);
    for (seed, keys) in [(1, 100_000), (3, 8)] {
        compare(&java, seed, keys).unwrap_or_else(|error| panic!("seed {seed}, {keys} keys: {error:?}"));
    }
}

/// One log, three passes of each cleaner with room for so many keys.
fn compare(java: &Java, seed: u64, keys: usize) -> Result<()> {
    let root = tempfile::tempdir()?;
    let (ours, theirs) = (root.path().join("ours"), root.path().join("theirs"));
    let end = live(&ours, seed)?;
    copy(&ours.join(DIRECTORY), &theirs.join(DIRECTORY))?;
    let passes = [Millis(end.0 + 1000), Millis(end.0 + 2000 + DELETE_RETENTION_MS), Millis(end.0 + 3000 + 2 * DELETE_RETENTION_MS)];
    for now in passes {
        compact(&ours, now, keys)?;
        let directory = theirs.join(DIRECTORY);
        let arguments = [
            directory.to_string_lossy().into_owned(),
            format!("topic.internal.segment.bytes={SEGMENT_BYTES}"),
            format!("topic.delete.retention.ms={DELETE_RETENTION_MS}"),
            "topic.index.interval.bytes=500".to_owned(),
            format!("dedupe={}", 24 * keys),
            format!("at={}", now.0),
        ];
        java.main("Compact", &arguments.each_ref().map(String::as_str))?.quiet()?;
        same(&segments(&ours.join(DIRECTORY))?, &segments(&directory)?).with_context(|| format!("at {now}"))?;
    }
    dump(java, &ours.join(DIRECTORY))
}

fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: SEGMENT_BYTES,
        index_interval_bytes: 500,
        cleanup_policy: CleanupPolicy { compact: true, delete: false },
        delete_retention_ms: DELETE_RETENTION_MS,
        message_timestamp_after_max_ms: i64::MAX,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    })
}

fn open(root: &Path) -> Result<PartitionLog> {
    let id = LogId { topic: "compacted".into(), topic_id: Uuid::from_u128(5), partition: 0 };
    let how = OpenOptions { clean: true, machine_stopped: false, recovery_point: Offset(0), log_start_offset: Offset(0), now: Millis(0) };
    let (mut log, _) = PartitionLog::open(Arc::new(RealDisk), root, id, config(), how)?;
    log.set_high_watermark(log.log_end_offset());
    Ok(log)
}

/// Writes a log: keyed records of all codecs, tombstones, idempotent producers, transactions committed, aborted and open. The time at its end.
fn live(root: &Path, seed: u64) -> Result<Millis> {
    let mut log = open(root)?;
    let mut model = Model::default();
    let mut now = Millis(1_000_000);
    for op in script(seed, 1500) {
        now.0 += 100;
        let origin = match op {
            Op::Append { .. } => AppendOrigin::Client,
            Op::EndTransaction { .. } => AppendOrigin::Coordinator,
            Op::Roll => {
                log.roll(now)?;
                continue;
            }
            _ => continue,
        };
        let Some(sent) = batch_for(op, &model, now) else { continue };
        model.batches.push(Batch::stored(&sent, model.end(), LeaderEpoch(0)));
        log.append_as_leader(now, &sent, LeaderEpoch(0), origin)?;
    }
    log.close(true)?;
    Ok(now)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// All of it from the beginning, as often as a map of this size needs.
fn compact(root: &Path, now: Millis, keys: usize) -> Result<()> {
    let mut log = open(root)?;
    let mut buffers = CleanerBuffers::new(CleanerConfig { dedupe_buffer_bytes: 24 * keys, ..CleanerConfig::default() });
    let mut checkpoint = None;
    loop {
        let cleanable = log.cleanable(checkpoint, now)?.context("a compacted log")?;
        if cleanable.dirty_bytes == 0 {
            break;
        }
        let mut with_log = |work: &mut dyn FnMut(&mut PartitionLog)| {
            work(&mut log);
            true
        };
        checkpoint = Some(clean(&cleanable, now, &mut buffers, &mut with_log, &mut |_| Pace::GoOn)?.first_dirty);
    }
    Ok(log.close(true)?)
}

/// The batches of each segment, by its name.
fn segments(directory: &Path) -> Result<BTreeMap<String, Vec<Vec<u8>>>> {
    let mut segments = BTreeMap::new();
    for path in files(directory, "log")? {
        let bytes = fs::read(&path)?;
        let batches = split(&bytes).map(|view| Ok(view?.bytes.to_vec())).collect::<Result<_>>()?;
        segments.insert(path.file_name().context("a name")?.to_string_lossy().into_owned(), batches);
    }
    Ok(segments)
}

fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    Ok(found)
}

/// The same segments with the same batches, but that each of ours ends with a batch that tells where the segment ends.
fn same(ours: &BTreeMap<String, Vec<Vec<u8>>>, theirs: &BTreeMap<String, Vec<Vec<u8>>>) -> Result<()> {
    let flat = |segments: &BTreeMap<String, Vec<Vec<u8>>>| segments.values().flatten().cloned().collect::<Vec<_>>();
    let theirs = flat(theirs);
    let known: Vec<Offset> = theirs.iter().filter_map(|bytes| BatchHeader::read(bytes)).map(|header| header.base_offset()).collect();
    let mut left = Vec::new();
    for batches in ours.values() {
        for (number, bytes) in batches.iter().enumerate() {
            let header = BatchHeader::read(bytes).context("a batch")?;
            let is_blank = header.record_count() == 0 && header.producer_id().0 < 0 && bytes.len() == HEADER_SIZE_BYTES;
            let only_ends = number + 1 == batches.len() && is_blank;
            if !only_ends || known.contains(&header.base_offset()) {
                left.push(bytes.clone());
            }
        }
    }
    let told = |batches: &[Vec<u8>]| batches.iter().filter_map(|bytes| BatchHeader::read(bytes)).collect::<Vec<_>>();
    ensure!(left.len() == theirs.len(), "{:#?}\nbut Kafka leaves\n{:#?}", told(&left), told(&theirs));
    for (our, their) in left.iter().zip(&theirs) {
        let (a, b) = (Batch::open(our), Batch::open(their));
        if a.header.compression_code() == 0 {
            ensure!(our == their, "{a:#?}\nbut Kafka leaves\n{b:#?}");
        }
        let fields = |batch: &Batch| {
            let header = batch.header;
            let times = (header.attributes(), header.base_timestamp(), header.max_timestamp(), header.record_count());
            (header.base_offset(), header.last_offset(), header.producer_id(), header.base_sequence(), times, batch.records.clone())
        };
        ensure!(fields(&a) == fields(&b), "{a:#?}\nbut Kafka leaves\n{b:#?}");
    }
    Ok(())
}

/// Every file that the tool knows, looked at as closely as it can.
fn dump(java: &Java, directory: &Path) -> Result<()> {
    let run = |flags: &[&str], extension: &str| -> Result<String> {
        let list = files(directory, extension)?.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>().join(",");
        ensure!(!list.is_empty(), "there is no .{extension}");
        Ok(java.main("org.apache.kafka.tools.DumpLogSegments", &[flags, &["--files", &list]].concat())?.quiet()?.text())
    };
    let records = run(&["--deep-iteration"], "log")?;
    ensure!(records.contains("deleteHorizonMs") && records.contains("endTxnMarker"), "{records}");
    for (said, wrong) in [
        (records, ["isvalid: false", "Found"]),
        (run(&["--index-sanity-check"], "index")?, ["failed", "Found"]),
        (run(&["--verify-index-only"], "index")?, ["Mismatches", "Found"]),
        (run(&["--verify-index-only"], "timeindex")?, ["Found", "Mismatches"]),
        (run(&[], "txnindex")?, ["Found", "Exception"]),
    ] {
        if let Some(line) = said.lines().find(|line| wrong.iter().any(|wrong| line.contains(wrong))) {
            bail!("the tool complains: {line}");
        }
    }
    Ok(())
}
