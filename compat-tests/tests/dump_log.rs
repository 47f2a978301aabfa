//! `kafka-dump-log` finds nothing wrong in the files that are left after rolls, a kill in the middle of a load, and restarts.

use anyhow::{Context, Result, bail, ensure};
use compat_tests::java::Java;
use compat_tests::librdkafka::{PATIENCE, Producer};
use compat_tests::{Broker, BrokerOptions, corpus, need, story};
use rdkafka::producer::BaseRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TOOL: &str = "org.apache.kafka.tools.DumpLogSegments";
const SEGMENT_SIZE_BYTES: u64 = 1 << 20;

#[test]
fn kafka_dump_log_finds_nothing_wrong_after_rolls_a_kill_and_restarts() {
    let name = "dump_log";
    let Some(java) = need(name, Java::find()) else { return };
    // 1 MiB is the smallest segment Apache Kafka 4 accepts.
    let options = BrokerOptions::new()
        .set("num.partitions", 2)
        .set("log.segment.bytes", SEGMENT_SIZE_BYTES)
        .set("log.index.interval.bytes", 512)
        .set("metadata.log.max.record.bytes.between.snapshots", 1024);
    story(name, options, |broker| {
        let mut acknowledged = load(broker, "plain", "none", false)?;
        acknowledged += load(broker, "plain", "gzip", true)?;
        broker.restart()?;
        acknowledged += load(broker, "plain", "lz4", false)?;
        (0..20).try_for_each(|number| load_one(broker, &format!("small-{number}")))?;
        broker.stop()?;
        let dirs: Vec<PathBuf> = (0..2).map(|partition| broker.data_dir().join(format!("plain-{partition}"))).collect();
        let mut found = 0;
        for dir in &dirs {
            found += records_are_whole(&java, dir)?;
            offset_indexes_are_sane(&java, dir)?;
            time_indexes_are_sane(&java, dir)?;
            snapshots_name_producers(&java, dir)?;
        }
        ensure!(found >= acknowledged, "{acknowledged} records were acknowledged, the logs hold {found}");
        metadata_log_is_readable(&java, &broker.data_dir().join("__cluster_metadata-0"))
    });
}

/// Sends the small corpus; with `kill`, ends the broker in the middle and starts it again. Says how many were acknowledged.
fn load(broker: &mut Broker, topic: &str, codec: &str, kill: bool) -> Result<u64> {
    let settings =
        [("enable.idempotence", "true"), ("compression.type", codec), ("metadata.recovery.strategy", "none"), ("batch.size", "20000")];
    let producer = Producer::new(broker, &settings)?;
    let mut receipts = Vec::new();
    let corpus = corpus::small()?;
    let middle = corpus.tally().count as usize / 2;
    for (number, (key, value)) in corpus.records().enumerate() {
        producer.send(number, BaseRecord::with_opaque_to(topic, 0).key(key).payload(value))?;
        if kill && number == middle {
            // Some must have arrived, some not: that is the moment.
            while receipts.is_empty() {
                receipts.extend(producer.receipts(Duration::from_millis(50))?);
            }
            broker.kill9()?;
            broker.restart()?;
        }
    }
    receipts.extend(producer.finish(2 * PATIENCE)?);
    Ok(receipts.iter().filter(|(_, receipt)| receipt.is_ok()).count() as u64)
}

fn load_one(broker: &Broker, topic: &str) -> Result<()> {
    let producer = Producer::new(broker, &[("acks", "all")])?;
    producer.send(0, BaseRecord::with_opaque_to(topic, 0).key("k").payload("v"))?;
    producer.finish(PATIENCE)?.into_iter().try_for_each(|(_, receipt)| receipt.map(drop).map_err(Into::into))
}

fn dump(java: &Java, flags: &[&str], files: &[PathBuf]) -> Result<String> {
    let list = files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>().join(",");
    Ok(java.main(TOOL, &[flags, &["--files", &list]].concat())?.quiet()?.text())
}

/// Files of a directory with this ending, oldest first.
fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("{}", dir.display()))?;
    let paths: std::io::Result<BTreeSet<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    Ok(paths?.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect())
}

/// Every batch is valid, offsets have no hole, positions and epochs only grow; says how many records there are.
fn records_are_whole(java: &Java, dir: &Path) -> Result<u64> {
    let logs = files(dir, "log")?;
    ensure!(logs.len() >= 3, "{}: {} segments, expected rolls", dir.display(), logs.len());
    for log in &logs[..logs.len() - 1] {
        ensure!(std::fs::metadata(log)?.len() <= SEGMENT_SIZE_BYTES, "{}: larger than log.segment.bytes", log.display());
    }
    let text = dump(java, &["--deep-iteration"], &logs)?;
    let (mut next_offset, mut next_record, mut epoch, mut position) = (0, 0, 0, 0);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Log starting offset: ") {
            ensure!(name.parse::<u64>()? == next_offset, "{name} begins where the segment before ends: {next_offset}");
            position = 0;
        } else if line.starts_with("baseOffset: ") {
            let fields = fields(line);
            ensure!(number(&fields, "baseOffset")? == next_offset, "offset {next_offset} is due: {line}");
            ensure!(fields.get("isvalid") == Some(&"true") && fields.get("magic") == Some(&"2"), "{line}");
            ensure!(number(&fields, "position")? == position, "position {position} is due: {line}");
            ensure!(number(&fields, "partitionLeaderEpoch")? >= epoch, "the leader epoch went back: {line}");
            ensure!(next_record == next_offset, "records of the batch before: {next_record}, {line}");
            next_offset = number(&fields, "lastOffset")? + 1;
            epoch = number(&fields, "partitionLeaderEpoch")?;
            position += number(&fields, "size")?;
        } else if line.starts_with("| offset: ") {
            ensure!(number(&fields(line), "offset")? == next_record, "record {next_record} is due: {line}");
            next_record += 1;
        } else {
            ensure!(line.is_empty() || line.starts_with("Dumping "), "{line}");
        }
    }
    ensure!(next_record == next_offset, "{next_record} records up to offset {next_offset}");
    ensure!(epoch > 0, "a restart gives a new leader epoch");
    Ok(next_record)
}

fn offset_indexes_are_sane(java: &Java, dir: &Path) -> Result<()> {
    let indexes = files(dir, "index")?;
    ensure!(indexes.len() == files(dir, "log")?.len(), "{}: each segment has an index", dir.display());
    let text = dump(java, &["--index-sanity-check"], &indexes)?;
    ensure!(text.matches("passed sanity check.").count() == indexes.len(), "{text}");
    let text = dump(java, &["--verify-index-only"], &indexes)?;
    let entries = text.lines().filter(|line| line.starts_with("offset: ")).count();
    ensure!(text.lines().all(|line| line.is_empty() || line.starts_with("Dumping ") || line.starts_with("offset: ")), "{text}");
    let all = dump(java, &[], &indexes)?;
    let listed = all.lines().filter(|line| line.starts_with("offset: ")).count();
    ensure!(listed > 100, "log.index.interval.bytes=512 makes many entries, not {listed} ({entries})");
    Ok(())
}

fn time_indexes_are_sane(java: &Java, dir: &Path) -> Result<()> {
    let indexes = files(dir, "timeindex")?;
    ensure!(indexes.len() == files(dir, "log")?.len(), "{}: each segment has a time index", dir.display());
    let text = dump(java, &["--index-sanity-check"], &indexes)?;
    ensure!(text.matches("passed sanity check.").count() == indexes.len(), "{text}");
    let text = dump(java, &[], &indexes)?;
    for complaint in ["Found timestamp mismatch", "Found out of order timestamp", "Indexed offset"] {
        ensure!(!text.contains(complaint), "{text}");
    }
    ensure!(text.lines().filter(|line| line.starts_with("timestamp: ")).count() >= indexes.len() - 1, "entries: {text}");
    Ok(())
}

fn snapshots_name_producers(java: &Java, dir: &Path) -> Result<()> {
    let snapshots = files(dir, "snapshot")?;
    ensure!(!snapshots.is_empty(), "{}: a clean stop leaves a producer snapshot", dir.display());
    let text = dump(java, &[], &snapshots)?;
    let newest = text.rsplit("Dumping ").next().context("the last file")?;
    let producers: Vec<&str> = newest.lines().filter(|line| line.starts_with("producerId: ")).collect();
    ensure!(producers.len() == 3, "three producers wrote here: {text}");
    for producer in producers {
        ensure!(producer.contains("producerEpoch: 0 ") && producer.contains("currentTxnFirstOffset: OptionalLong.empty"), "{producer}");
    }
    Ok(())
}

fn metadata_log_is_readable(java: &Java, dir: &Path) -> Result<()> {
    let logs = files(dir, "log")?;
    let text = dump(java, &["--cluster-metadata-decoder"], &logs)?;
    ensure!(!text.contains("Error") && !text.contains("isvalid: false"), "{text}");
    for kind in ["FEATURE_LEVEL_RECORD", "REGISTER_BROKER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "PRODUCER_IDS_RECORD"] {
        ensure!(text.contains(&format!("\"type\":\"{kind}\"")), "{kind} in\n{text}");
    }
    ensure!(text.contains("\"name\":\"plain\"") && text.contains("\"name\":\"small-19\""), "{text}");
    let snapshots = files(dir, "checkpoint")?;
    let text = dump(java, &["--cluster-metadata-decoder"], &snapshots)?;
    ensure!(!text.contains("Error") && !text.contains("isvalid: false"), "{text}");
    let newest = text.rsplit("Dumping ").next().context("the last file")?;
    match newest.contains("\"name\":\"plain\"") {
        true => Ok(()),
        false => bail!("the newest snapshot names the topics: {text}"),
    }
}

/// `name: value` pairs of a line.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).filter_map(|pair| Some((pair[0].strip_suffix(':')?, pair[1]))).collect()
}

fn number(fields: &BTreeMap<&str, &str>, name: &str) -> Result<u64> {
    fields.get(name).with_context(|| format!("{name} in {fields:?}"))?.parse().with_context(|| name.to_owned())
}
