//! Questions that no client library asks: both ends of a partition side by side, transactions by state, stable group offsets.
//!
//! One blocking connection, whole requests and answers by the protocol's own schemas. Only what is asked about a running broker from
//! outside; raw bytes are in [`crate::wire`].

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DescribeConfigsRequest, FetchRequest, GroupId, ListOffsetsRequest, ListTransactionsRequest,
    MetadataRequest, OffsetFetchRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{Record, RecordBatchDecoder};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const NOT_COORDINATOR: i16 = 16;
const CLIENT_ID: &[u8] = b"asks";
const LATEST: i64 = -1;
const TOPIC_RESOURCE: i8 = 2;
const FETCH_MAX_BYTES: i32 = 16 << 20;

/// What a broker answers when a group has an offset pending that nobody may know yet.
pub const UNSTABLE_OFFSET_COMMIT: i16 = 88;

/// What a reader sees: everything, or what is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// `read_uncommitted`
    Uncommitted = 0,
    /// `read_committed`
    Committed = 1,
}

/// A transactional id and the state its transaction is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub transactional_id: String,
    pub producer_id: i64,
    pub state: String,
}

/// What one Fetch of a partition brings.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    /// Markers too.
    pub records: Vec<Record>,
    /// Producer id and first offset of the transactions to leave out.
    pub aborted: Vec<(i64, i64)>,
}

/// A connection for questions.
pub struct Ask {
    stream: TcpStream,
    next_id: i32,
}

impl Ask {
    /// Connects to a loopback port.
    pub fn connect(port: u16) -> Result<Ask> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("a connection for questions")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Ask { stream, next_id: 1 })
    }

    /// One request and its answer.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let id = self.next_id;
        self.next_id += 1;
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        frame.put_i16(R::KEY);
        frame.put_i16(version);
        frame.put_i32(id);
        frame.put_i16(CLIENT_ID.len() as i16);
        frame.put_slice(CLIENT_ID);
        if R::header_version(version) == 2 {
            frame.put_u8(0);
        }
        request.encode(&mut frame, version)?;
        let length = u32::try_from(frame.len() - 4)?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).with_context(|| format!("the answer to API {} version {version}", R::KEY))?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut body)?;
        ensure!(body.len() > 4 && body[..4] == id.to_be_bytes(), "an answer to another question");
        let skip = if R::Response::header_version(version) >= 1 { 5 } else { 4 };
        let mut body = Bytes::from(body).slice(skip..);
        let answer = R::Response::decode(&mut body, version)?;
        ensure!(body.is_empty(), "{} bytes after the answer to API {} version {version}", body.len(), R::KEY);
        Ok(answer)
    }

    /// Every topic, the broker's own ones too, and how many partitions it has.
    pub fn topics(&mut self) -> Result<BTreeMap<String, i32>> {
        let answer = self.ask(9, &MetadataRequest::default().with_topics(None))?;
        answer
            .topics
            .into_iter()
            .map(|topic| Ok((topic.name.context("topics have names")?.to_string(), i32::try_from(topic.partitions.len())?)))
            .collect()
    }

    /// Makes a topic.
    pub fn create_topic(&mut self, topic: &str, partitions: i32) -> Result<()> {
        self.create_topic_with(topic, partitions, &[])
    }

    /// Makes a topic with these settings.
    pub fn create_topic_with(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<()> {
        let word = |text: &str| StrBytes::from_string(text.to_owned());
        let config = |(key, value): &(&str, &str)| CreatableTopicConfig::default().with_name(word(key)).with_value(Some(word(value)));
        let wanted = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.iter().map(config).collect());
        let answer = self.ask(5, &CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(PATIENCE.as_millis() as i32))?;
        let error = answer.topics.first().context("the topic that was asked for")?.error_code;
        ensure!(error == 0, "CreateTopics of {topic}: error {error}");
        Ok(())
    }

    /// What a topic's configuration says of a key.
    pub fn topic_config(&mut self, topic: &str, key: &str) -> Result<Option<String>> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(StrBytes::from_string(topic.to_owned()))
            .with_configuration_keys(Some(vec![StrBytes::from_string(key.to_owned())]));
        let answer = self.ask(4, &DescribeConfigsRequest::default().with_resources(vec![resource]))?;
        let result = answer.results.into_iter().next().context("the topic that was asked for")?;
        ensure!(result.error_code == 0, "DescribeConfigs of {topic}: error {}", result.error_code);
        Ok(result.configs.into_iter().find_map(|config| config.value).map(|value| value.to_string()))
    }

    /// The end of each partition of a topic as a reader of this kind sees it: the high watermark, or the last stable offset.
    pub fn ends(&mut self, topic: &str, partitions: i32, isolation: Isolation) -> Result<BTreeMap<i32, i64>> {
        let asked = (0..partitions).map(|partition| ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(LATEST));
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation as i8)
            .with_topics(vec![ListOffsetsTopic::default().with_name(name(topic)).with_partitions(asked.collect())]);
        let mut ends = BTreeMap::new();
        for partition in self.ask(6, &request)?.topics.into_iter().flat_map(|topic| topic.partitions) {
            ensure!(partition.error_code == 0, "ListOffsets of {topic}-{}: error {}", partition.partition_index, partition.error_code);
            ends.insert(partition.partition_index, partition.offset);
        }
        Ok(ends)
    }

    /// A partition from offset 0 as a reader of this kind gets it, in one piece.
    pub fn fetch(&mut self, topic: &str, partition: i32, isolation: Isolation) -> Result<Fetched> {
        let part = FetchPartition::default().with_partition(partition).with_fetch_offset(0).with_partition_max_bytes(FETCH_MAX_BYTES);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(0)
            .with_max_bytes(FETCH_MAX_BYTES)
            .with_isolation_level(isolation as i8)
            .with_session_epoch(-1)
            .with_topics(vec![FetchTopic::default().with_topic(name(topic)).with_partitions(vec![part])]);
        let mut answer = self.ask(11, &request)?;
        let answered = answer.responses.pop().and_then(|mut topic| topic.partitions.pop()).context("the partition that was asked for")?;
        ensure!(answered.error_code == 0, "Fetch of {topic}-{partition}: error {}", answered.error_code);
        let mut records = Vec::new();
        if let Some(mut batches) = answered.records.filter(|batches| !batches.is_empty()) {
            records = RecordBatchDecoder::decode_all(&mut batches)?.into_iter().flat_map(|batch| batch.records).collect();
        }
        let aborted = answered.aborted_transactions.unwrap_or_default();
        Ok(Fetched {
            high_watermark: answered.high_watermark,
            last_stable_offset: answered.last_stable_offset,
            records,
            aborted: aborted.into_iter().map(|aborted| (aborted.producer_id.0, aborted.first_offset)).collect(),
        })
    }

    /// Every transactional id that the broker knows, by name. A broker that is still loading them is waited for.
    pub fn transactions(&mut self) -> Result<Vec<Transaction>> {
        let deadline = Instant::now() + PATIENCE;
        let mut answer = self.ask(0, &ListTransactionsRequest::default())?;
        while answer.error_code == COORDINATOR_LOAD_IN_PROGRESS && Instant::now() < deadline {
            std::thread::sleep(ASK_AGAIN_AFTER);
            answer = self.ask(0, &ListTransactionsRequest::default())?;
        }
        ensure!(answer.error_code == 0, "ListTransactions: error {}", answer.error_code);
        let mut found: Vec<Transaction> = answer
            .transaction_states
            .into_iter()
            .map(|state| Transaction {
                transactional_id: state.transactional_id.to_string(),
                producer_id: state.producer_id.0,
                state: state.transaction_state.to_string(),
            })
            .collect();
        found.sort_by(|one, other| one.transactional_id.cmp(&other.transactional_id));
        Ok(found)
    }

    /// What a group has committed of a topic, asked for as a transactional reader would: `None` while something is pending.
    pub fn stable_offsets(&mut self, group: &str, topic: &str, partitions: i32) -> Result<Option<BTreeMap<i32, i64>>> {
        let topics = OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes((0..partitions).collect());
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_topics(Some(vec![topics]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
        let deadline = Instant::now() + PATIENCE;
        let mut answer = self.ask(8, &request)?.groups.pop().context("the group that was asked for")?;
        while [COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR].contains(&answer.error_code) && Instant::now() < deadline {
            std::thread::sleep(ASK_AGAIN_AFTER);
            answer = self.ask(8, &request)?.groups.pop().context("the group that was asked for")?;
        }
        ensure!(answer.error_code == 0, "OffsetFetch: error {}", answer.error_code);
        let mut offsets = BTreeMap::new();
        for partition in answer.topics.into_iter().flat_map(|topic| topic.partitions) {
            match partition.error_code {
                0 if partition.committed_offset >= 0 => _ = offsets.insert(partition.partition_index, partition.committed_offset),
                0 => {}
                UNSTABLE_OFFSET_COMMIT => return Ok(None),
                error => anyhow::bail!("OffsetFetch of partition {}: error {error}", partition.partition_index),
            }
        }
        Ok(Some(offsets))
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
