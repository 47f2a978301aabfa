//! A blocking connection to a broker, and the versions to speak with it.

use crate::wire::{self, key};
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The highest version of each API that both sides know.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    pub produce: i16,
    pub fetch: i16,
    pub list_offsets: i16,
    pub metadata: i16,
    /// `None` where the broker cannot.
    pub create_topics: Option<i16>,
    /// `None` where the broker cannot.
    pub delete_topics: Option<i16>,
}

impl Versions {
    fn choose(offered: &[(i16, i16, i16)]) -> Result<Self> {
        let common = |api_key, ours: std::ops::RangeInclusive<i16>| {
            let &(_, lowest, highest) = offered.iter().find(|(key, ..)| *key == api_key)?;
            let version = highest.min(*ours.end());
            (version >= lowest.max(*ours.start())).then_some(version)
        };
        let needed = |name: &str, version: Option<i16>| version.with_context(|| format!("no common version of {name}"));
        Ok(Self {
            produce: needed("Produce", common(key::PRODUCE, 3..=8))?,
            fetch: needed("Fetch", common(key::FETCH, 4..=11))?,
            list_offsets: needed("ListOffsets", common(key::LIST_OFFSETS, 1..=5))?,
            metadata: needed("Metadata", common(key::METADATA, 1..=8))?,
            create_topics: common(key::CREATE_TOPICS, 2..=4),
            delete_topics: common(key::DELETE_TOPICS, 1..=3),
        })
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    versions: Versions,
    next_correlation_id: i32,
    /// Bytes received: those from `taken` to `filled` are not handed out yet.
    input: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Client {
    /// Connects and asks for the versions.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        let nothing = Versions { produce: 0, fetch: 0, list_offsets: 0, metadata: 0, create_topics: None, delete_topics: None };
        let mut client = Self { stream, versions: nothing, next_correlation_id: 0, input: vec![0; 65_536], taken: 0, filled: 0 };
        let answer = client.call(wire::api_versions())?;
        let offered = wire::read_api_versions(answer).context("ApiVersions answer")?;
        client.versions = Versions::choose(&offered)?;
        Ok(client)
    }

    /// The versions to speak.
    pub fn versions(&self) -> Versions {
        self.versions
    }

    /// Room for answers of this size without growing (a big room also means fewer reads).
    pub fn reserve_input(&mut self, size_bytes: usize) {
        if self.input.len() < size_bytes {
            self.input.resize(size_bytes, 0);
        }
    }

    /// Sends an encoded request; its correlation id is set here and returned.
    pub fn send(&mut self, request: &mut [u8]) -> Result<i32> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        wire::set_correlation_id(request, correlation_id);
        self.stream.write_all(request)?;
        Ok(correlation_id)
    }

    /// The next answer, header included. Waits for it.
    pub fn receive(&mut self) -> Result<&[u8]> {
        while !self.has_answer() {
            self.fill()?;
        }
        let size = self.answer_size().context("no answer")?;
        let start = self.taken + 4;
        self.taken = start + size;
        Ok(&self.input[start..start + size])
    }

    /// True when [`Self::receive`] would not wait.
    pub fn has_answer(&self) -> bool {
        self.answer_size().is_some_and(|size| self.filled - self.taken - 4 >= size)
    }

    /// Reads what is there, waiting for the first byte.
    pub fn fill(&mut self) -> Result<()> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        let needed = 4 + self.answer_size().unwrap_or(0);
        ensure!(needed <= 1 << 30, "answer of {needed} bytes");
        if self.taken + needed > self.input.len() || self.filled == self.input.len() {
            self.input.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
            if needed > self.input.len() {
                self.input.resize(needed, 0);
            }
        }
        match self.stream.read(&mut self.input[self.filled..])? {
            0 => bail!("the broker closed the connection"),
            count => self.filled += count,
        }
        Ok(())
    }

    /// The socket, for waiting on several.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn answer_size(&self) -> Option<usize> {
        let prefix = self.input[self.taken..self.filled].first_chunk::<4>()?;
        Some(u32::from_be_bytes(*prefix) as usize)
    }

    /// Sends a request and waits for its answer.
    pub fn call(&mut self, mut request: Vec<u8>) -> Result<&[u8]> {
        let expected = self.send(&mut request)?;
        let answer = self.receive()?;
        let got = answer.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
        ensure!(got == Some(expected), "answer to request {got:?} in place of {expected}");
        Ok(answer)
    }

    /// Log end offset (`timestamp` -1) or log start offset (-2).
    pub fn offset(&mut self, topic: &str, partition: i32, timestamp: i64) -> Result<i64> {
        let (error, offset) = self.try_offset(topic, partition, timestamp)?;
        ensure!(error == 0, "ListOffsets of {topic}-{partition} failed with error {error}");
        Ok(offset)
    }

    fn try_offset(&mut self, topic: &str, partition: i32, timestamp: i64) -> Result<(i16, i64)> {
        let version = self.versions.list_offsets;
        let answer = self.call(wire::list_offsets(version, topic, partition, timestamp))?;
        wire::read_list_offsets(version, answer).context("ListOffsets answer")
    }

    /// Creates the topic if it is not there (where the broker cannot, asking for its metadata does), and waits until it has leaders.
    pub fn ensure_topic(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<()> {
        const TOPIC_ALREADY_EXISTS: i16 = 36;
        if let Some(version) = self.versions.create_topics {
            let answer = self.call(wire::create_topic(version, topic, partitions, configs))?;
            let error = wire::read_topic_error(answer).context("CreateTopics answer")?;
            ensure!(error == 0 || error == TOPIC_ALREADY_EXISTS, "CreateTopics of {topic} failed with error {error}");
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let version = self.versions.metadata;
            let answer = self.call(wire::metadata(version, topic))?;
            let (mut error, led) = wire::read_metadata(version, answer).context("Metadata answer")?;
            if error == 0 && led >= usize::try_from(partitions)? {
                // Apache Kafka names the leader before the leader knows.
                for partition in 0..partitions {
                    error = error.max(self.try_offset(topic, partition, -1)?.0);
                }
                if error == 0 {
                    return Ok(());
                }
            }
            ensure!(Instant::now() < deadline, "{topic} has {led} of {partitions} partitions with a leader, error {error}");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Deletes the topic where the broker can.
    pub fn delete_topic(&mut self, topic: &str) -> Result<()> {
        if let Some(version) = self.versions.delete_topics {
            let answer = self.call(wire::delete_topic(version, topic))?;
            let error = wire::read_topic_error(answer).context("DeleteTopics answer")?;
            ensure!(error == 0, "DeleteTopics of {topic} failed with error {error}");
        }
        Ok(())
    }
}
