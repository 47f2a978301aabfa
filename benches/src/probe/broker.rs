//! What the probe answers. Requests are parsed where they were received; the base offset is written into the same bytes before they go
//! to the file. Bytes it does not understand close the connection.

use crate::batch;
use crate::wire::{Reader, key, put_string};
use anyhow::{Context, Result, bail, ensure};
use bytes::BufMut;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How much of the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Mode {
    /// Receive and acknowledge.
    Null,
    /// And check the CRC.
    Crc,
    /// And append to a file (page cache).
    Write,
    /// And fdatasync before the acknowledgement, once for all requests of a turn.
    Fsync,
}

/// A piece of an answer.
#[derive(Debug)]
pub(super) enum Part {
    Bytes(Vec<u8>),
    File { file: Arc<File>, position: u64, size_bytes: usize },
}

/// How a request ended.
pub(super) enum Handled {
    /// The answer, if there is one, was appended to the parts.
    Done,
    /// A fetch that found too little: ask again when something was appended, or after this long.
    Park(Duration),
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub requests: u64,
    pub produced_bytes: u64,
    pub fetched_bytes: u64,
    pub syncs: u64,
}

struct Partition {
    file: Arc<File>,
    size_bytes: u64,
    log_end_offset: i64,
    /// First offset and position of every batch.
    batches: Vec<(i64, u64)>,
    dirty: bool,
}

/// All the state there is.
pub struct Broker {
    mode: Mode,
    directory: PathBuf,
    port: u16,
    partitions_default: i32,
    topics: HashMap<Vec<u8>, Vec<Option<Partition>>>,
    found: Vec<Found>,
    dirty: Vec<Arc<File>>,
    counters: Counters,
}

/// Records found in a Produce request.
struct Found {
    partition: i32,
    from: usize,
    to: usize,
}

impl Broker {
    /// A broker without topics; every topic asked for exists with `partitions_default` partitions.
    pub fn new(mode: Mode, directory: PathBuf, port: u16, partitions_default: i32) -> Self {
        let (topics, found, dirty, counters) = (HashMap::new(), Vec::new(), Vec::new(), Counters::default());
        Self { mode, directory, port, partitions_default, topics, found, dirty, counters }
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Makes this turn's appends durable in mode `Fsync`; answers must not leave before.
    pub(super) fn sync(&mut self) -> Result<()> {
        for file in self.dirty.drain(..) {
            file.sync_data()?;
            self.counters.syncs += 1;
        }
        for partition in self.topics.values_mut().flatten().flatten() {
            partition.dirty = false;
        }
        Ok(())
    }

    pub(super) fn wants_sync(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Answers one request (without its size prefix). `may_park` is false when a parked fetch has waited long enough.
    pub(super) fn handle(&mut self, frame: &mut [u8], may_park: bool, out: &mut Vec<Part>) -> Result<Handled> {
        self.counters.requests += 1;
        let mut reader = Reader::new(frame);
        let header = (|| Some((reader.i16()?, reader.i16()?, reader.i32()?, reader.string()?)))();
        let (api_key, version, correlation_id, _client_id) = header.context("request header cut short")?;
        let body_at = reader.position();
        let mut answer = Vec::with_capacity(256);
        answer.put_i32(0);
        answer.put_i32(correlation_id);
        let understood = match api_key {
            key::PRODUCE => return self.produce(version, frame, body_at, answer, out),
            key::FETCH => return self.fetch(version, reader, may_park, answer, out),
            key::API_VERSIONS => {
                api_versions(version, &mut answer);
                Some(())
            }
            key::METADATA => self.metadata(version, reader, &mut answer),
            key::LIST_OFFSETS => self.list_offsets(version, reader, &mut answer)?,
            key::CREATE_TOPICS => self.create_topics(version, reader, &mut answer),
            key::DELETE_TOPICS => self.delete_topics(reader, &mut answer),
            key::FIND_COORDINATOR => {
                answer.put_i16(15); // COORDINATOR_NOT_AVAILABLE
                answer.put_i32(-1);
                put_string(&mut answer, b"");
                answer.put_i32(-1);
                Some(())
            }
            other => bail!("api key {other} is not for a probe"),
        };
        understood.context("request cut short")?;
        seal(&mut answer, 0);
        out.push(Part::Bytes(answer));
        Ok(Handled::Done)
    }

    fn partition(&mut self, topic: &[u8], index: i32) -> Result<&mut Partition> {
        if !self.topics.contains_key(topic) {
            let count = usize::try_from(self.partitions_default)?;
            self.topics.insert(topic.to_vec(), std::iter::repeat_with(|| None).take(count).collect());
        }
        let slot = self.topics.get_mut(topic).and_then(|all| all.get_mut(usize::try_from(index).ok()?)).context("no such partition")?;
        if slot.is_none() {
            let name = String::from_utf8_lossy(topic);
            ensure!(!name.contains('/') && !name.starts_with('.'), "topic name {name:?}");
            let path = self.directory.join(format!("{name}-{index}.log"));
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)
                .with_context(|| path.display().to_string())?;
            *slot = Some(Partition { file: Arc::new(file), size_bytes: 0, log_end_offset: 0, batches: Vec::new(), dirty: false });
        }
        slot.as_mut().context("no such partition")
    }

    fn produce(&mut self, version: i16, frame: &mut [u8], body_at: usize, mut answer: Vec<u8>, out: &mut Vec<Part>) -> Result<Handled> {
        // Two passes, because the bytes are read through one borrow and patched through another: where the records are, then append.
        let cut = "produce request cut short";
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let mut reader = Reader::new(frame);
        reader.take(body_at).context(cut)?;
        if version >= 3 {
            reader.string().context(cut)?;
        }
        let acks = reader.i16().context(cut)?;
        reader.i32().context(cut)?;
        ensure!(reader.count().context(cut)? == 1, "one topic per request is enough for a probe");
        let topic = reader.string().context(cut)?.to_vec();
        let count = reader.count().context(cut)?;
        for _ in 0..count {
            let partition = reader.i32().context(cut)?;
            let records = reader.bytes().context(cut)?;
            found.push(Found { partition, from: reader.position() - records.len(), to: reader.position() });
        }
        answer.put_i32(1);
        put_string(&mut answer, &topic);
        answer.put_i32(count as i32);
        for Found { partition, from, to } in &found {
            let first = self.append(&topic, *partition, &mut frame[*from..*to])?;
            answer.put_i32(*partition);
            answer.put_i16(0);
            answer.put_i64(first);
            if version >= 2 {
                answer.put_i64(-1);
            }
            if version >= 5 {
                answer.put_i64(0);
            }
        }
        self.found = found;
        if version >= 1 {
            answer.put_i32(0);
        }
        if acks != 0 {
            seal(&mut answer, 0);
            out.push(Part::Bytes(answer));
        }
        Ok(Handled::Done)
    }

    fn append(&mut self, topic: &[u8], index: i32, records: &mut [u8]) -> Result<i64> {
        let mode = self.mode;
        self.counters.produced_bytes += records.len() as u64;
        let partition = self.partition(topic, index)?;
        let first = partition.log_end_offset;
        let mut at = 0;
        while at < records.len() {
            let header = batch::header(&records[at..]).context("no record batch")?;
            let bytes = records.get_mut(at..at + header.size_bytes).context("record batch cut short")?;
            if mode >= Mode::Crc {
                ensure!(batch::crc_matches(&header, bytes), "corrupt record batch");
            }
            bytes[..8].copy_from_slice(&partition.log_end_offset.to_be_bytes());
            partition.batches.push((partition.log_end_offset, partition.size_bytes + at as u64));
            partition.log_end_offset += i64::from(header.last_offset_delta) + 1;
            at += header.size_bytes;
        }
        if mode >= Mode::Write {
            partition.file.write_all_at(records, partition.size_bytes)?;
            partition.size_bytes += records.len() as u64;
            if mode == Mode::Fsync && !partition.dirty {
                partition.dirty = true;
                let file = Arc::clone(&partition.file);
                self.dirty.push(file);
            }
        }
        Ok(first)
    }

    fn fetch(&mut self, version: i16, mut reader: Reader<'_>, may_park: bool, answer: Vec<u8>, out: &mut Vec<Part>) -> Result<Handled> {
        let cut = "fetch request cut short";
        reader.i32().context(cut)?;
        let (wait_ms_max, size_bytes_min) = (reader.i32().context(cut)?, reader.i32().context(cut)?);
        let mut left = i64::from(reader.i32().context(cut)?);
        reader.i8().context(cut)?;
        if version >= 7 {
            reader.take(8).context(cut)?;
        }
        let parts_before = out.len();
        let mut bytes = answer;
        bytes.put_i32(0);
        if version >= 7 {
            bytes.put_i16(0);
            bytes.put_i32(0);
        }
        let topics = reader.count().context(cut)?;
        bytes.put_i32(topics as i32);
        let mut total = 0;
        for _ in 0..topics {
            let topic = reader.string().context(cut)?;
            put_string(&mut bytes, topic);
            let count = reader.count().context(cut)?;
            bytes.put_i32(count as i32);
            for _ in 0..count {
                let index = reader.i32().context(cut)?;
                if version >= 9 {
                    reader.i32().context(cut)?;
                }
                let from = reader.i64().context(cut)?;
                if version >= 5 {
                    reader.i64().context(cut)?;
                }
                let size_max = i64::from(reader.i32().context(cut)?).min(left).max(0);
                let partition = self.partition(topic, index)?;
                let (position, size_bytes) = partition.range(from, size_max as u64);
                bytes.put_i32(index);
                bytes.put_i16(0);
                bytes.put_i64(partition.log_end_offset);
                bytes.put_i64(partition.log_end_offset);
                if version >= 5 {
                    bytes.put_i64(0);
                }
                bytes.put_i32(-1); // aborted transactions: null
                if version >= 11 {
                    bytes.put_i32(-1);
                }
                bytes.put_i32(size_bytes as i32);
                if size_bytes > 0 {
                    total += size_bytes;
                    left -= size_bytes as i64;
                    out.push(Part::Bytes(std::mem::take(&mut bytes)));
                    out.push(Part::File { file: Arc::clone(&partition.file), position, size_bytes });
                }
            }
        }
        if may_park && total < usize::try_from(size_bytes_min).unwrap_or(0) {
            out.truncate(parts_before);
            return Ok(Handled::Park(Duration::from_millis(u64::try_from(wait_ms_max).unwrap_or(0))));
        }
        self.counters.fetched_bytes += total as u64;
        let after = bytes.len();
        if after > 0 {
            out.push(Part::Bytes(bytes));
        }
        let mine = &mut out[parts_before..];
        let more: usize = mine.iter().skip(1).map(Part::size_bytes).sum();
        if let Some(Part::Bytes(first)) = mine.first_mut() {
            seal(first, more);
        }
        Ok(Handled::Done)
    }

    fn metadata(&mut self, version: i16, mut reader: Reader<'_>, answer: &mut Vec<u8>) -> Option<()> {
        let names = reader.count()?;
        if version >= 3 {
            answer.put_i32(0);
        }
        answer.put_i32(1);
        answer.put_i32(1);
        put_string(answer, b"127.0.0.1");
        answer.put_i32(i32::from(self.port));
        if version >= 1 {
            answer.put_i16(-1);
        }
        if version >= 2 {
            answer.put_i16(-1);
        }
        if version >= 1 {
            answer.put_i32(1);
        }
        answer.put_i32(names as i32);
        for _ in 0..names {
            let topic = reader.string()?;
            answer.put_i16(0);
            put_string(answer, topic);
            if version >= 1 {
                answer.put_i8(0);
            }
            let partitions = self.topics.get(topic).map_or(self.partitions_default, |all| all.len() as i32);
            answer.put_i32(partitions);
            for index in 0..partitions {
                answer.put_i16(0);
                answer.put_i32(index);
                for _leader_replicas_isr in 0..5 {
                    answer.put_i32(1);
                }
            }
        }
        Some(())
    }

    fn list_offsets(&mut self, version: i16, mut reader: Reader<'_>, answer: &mut Vec<u8>) -> Result<Option<()>> {
        let mut walk = || -> Option<Result<()>> {
            reader.i32()?;
            let topics = reader.count()?;
            answer.put_i32(topics as i32);
            for _ in 0..topics {
                let topic = reader.string()?;
                put_string(answer, topic);
                let count = reader.count()?;
                answer.put_i32(count as i32);
                for _ in 0..count {
                    let (index, timestamp) = (reader.i32()?, reader.i64()?);
                    if version == 0 {
                        reader.i32()?;
                    }
                    let end = match self.partition(topic, index) {
                        Ok(partition) => partition.log_end_offset,
                        Err(error) => return Some(Err(error)),
                    };
                    answer.put_i32(index);
                    answer.put_i16(0);
                    if version == 0 {
                        answer.put_i32(1);
                    } else {
                        answer.put_i64(-1);
                    }
                    answer.put_i64(if timestamp == -2 { 0 } else { end });
                }
            }
            Some(Ok(()))
        };
        walk().transpose()
    }

    fn create_topics(&mut self, version: i16, mut reader: Reader<'_>, answer: &mut Vec<u8>) -> Option<()> {
        answer.put_i32(0);
        let topics = reader.count()?;
        answer.put_i32(topics as i32);
        for _ in 0..topics {
            let topic = reader.string()?;
            let partitions = usize::try_from(reader.i32()?).ok().filter(|count| (1..=100_000).contains(count))?;
            reader.i16()?;
            for _ in 0..reader.count()? {
                reader.i32()?;
                let replicas = reader.count()?;
                reader.take(replicas.checked_mul(4)?)?;
            }
            for _ in 0..reader.count()? {
                reader.string()?;
                reader.string()?;
            }
            self.topics.entry(topic.to_vec()).or_insert_with(|| std::iter::repeat_with(|| None).take(partitions).collect());
            put_string(answer, topic);
            answer.put_i16(0);
            if version >= 1 {
                answer.put_i16(-1);
            }
        }
        Some(())
    }

    fn delete_topics(&mut self, mut reader: Reader<'_>, answer: &mut Vec<u8>) -> Option<()> {
        answer.put_i32(0);
        let topics = reader.count()?;
        answer.put_i32(topics as i32);
        for _ in 0..topics {
            let topic = reader.string()?;
            let known = self.topics.remove(topic);
            put_string(answer, topic);
            answer.put_i16(if known.is_some() { 0 } else { 3 });
            for (index, _) in known.iter().flatten().enumerate().filter(|(_, slot)| slot.is_some()) {
                // The file may be gone already; then there is nothing to do.
                let _ = std::fs::remove_file(self.directory.join(format!("{}-{index}.log", String::from_utf8_lossy(topic))));
            }
        }
        Some(())
    }
}

impl Part {
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File { size_bytes, .. } => *size_bytes,
        }
    }
}

impl Partition {
    /// Position and size of the whole batches from the one that holds `from`, at least one, at most `size_max` beyond that.
    fn range(&self, from: i64, size_max: u64) -> (u64, usize) {
        if from >= self.log_end_offset || self.size_bytes == 0 || size_max == 0 {
            return (0, 0);
        }
        let first = self.batches.partition_point(|&(offset, _)| offset <= from).saturating_sub(1);
        let start = self.batches[first].1;
        let limit = start + size_max;
        if limit >= self.size_bytes {
            return (start, (self.size_bytes - start) as usize);
        }
        let after = self.batches.partition_point(|&(_, position)| position <= limit) - 1;
        let end = self.batches.get(after.max(first + 1)).map_or(self.size_bytes, |&(_, position)| position);
        (start, (end - start) as usize)
    }
}

/// Writes the size prefix: what is in `answer` and `more` bytes behind it.
fn seal(answer: &mut [u8], more: usize) {
    let size = (answer.len() - 4 + more) as i32;
    answer[..4].copy_from_slice(&size.to_be_bytes());
}

fn api_versions(version: i16, answer: &mut Vec<u8>) {
    const SUPPORTED: [(i16, i16, i16); 8] = [
        (key::PRODUCE, 0, 7),
        (key::FETCH, 4, 11),
        (key::LIST_OFFSETS, 0, 1),
        (key::METADATA, 0, 4),
        (key::FIND_COORDINATOR, 0, 0),
        (key::API_VERSIONS, 0, 0),
        (key::CREATE_TOPICS, 2, 2),
        (key::DELETE_TOPICS, 1, 1),
    ];
    answer.put_i16(if version > 0 { 35 } else { 0 }); // UNSUPPORTED_VERSION, answered as v0 (KIP-511)
    answer.put_i32(SUPPORTED.len() as i32);
    for (api_key, lowest, highest) in SUPPORTED {
        answer.put_i16(api_key);
        answer.put_i16(lowest);
        answer.put_i16(highest);
    }
}
