//! A blocking client that speaks whole requests and answers.

use super::{Batch, PATIENCE, Seen, seen};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::offset_for_leader_epoch_response::EpochEndOffset;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    MetadataResponse, OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, TopicName,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use uuid::Uuid;

/// A topic's name as the protocol wants it.
pub fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    next_id: i32,
    client_id: String,
}

/// Most of a Fetch request for one partition; the rest has the defaults of a patient consumer that does not wait.
#[derive(Clone, Debug)]
pub struct FetchOne {
    /// Fetch offset.
    pub from: i64,
    /// Of the partition.
    pub max_bytes: i32,
    /// Of the whole request.
    pub request_max_bytes: i32,
    /// Wait for so much.
    pub min_bytes: i32,
    /// Wait at most so long.
    pub max_wait_ms: i32,
    /// Leader epoch the consumer knows.
    pub leader_epoch: i32,
    /// Epoch of the last record it has.
    pub last_fetched_epoch: i32,
}

impl FetchOne {
    /// From this offset.
    pub fn from(offset: i64) -> Self {
        let most = 10 << 20;
        let (leader_epoch, last_fetched_epoch) = (-1, -1);
        Self { from: offset, max_bytes: most, request_max_bytes: most, min_bytes: 1, max_wait_ms: 0, leader_epoch, last_fetched_epoch }
    }

    /// The partition's part of a request.
    pub fn partition(&self, partition: i32) -> FetchPartition {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(self.from)
            .with_partition_max_bytes(self.max_bytes)
            .with_current_leader_epoch(self.leader_epoch)
            .with_last_fetched_epoch(self.last_fetched_epoch)
    }

    /// A request without a session for one topic.
    pub fn request(&self, topic: FetchTopic) -> FetchRequest {
        FetchRequest::default()
            .with_max_wait_ms(self.max_wait_ms)
            .with_min_bytes(self.min_bytes)
            .with_max_bytes(self.request_max_bytes)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }
}

impl Client {
    /// Connects.
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        Self { stream, next_id: 1, client_id: "kit".to_owned() }
    }

    /// Where it is connected to.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().expect("connected")
    }

    /// With this client id from now on.
    pub fn named(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.client_id);
        self
    }

    /// Sends a request; the id its answer will carry.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        frame.put_i16(R::KEY);
        frame.put_i16(version);
        frame.put_i32(id);
        frame.put_i16(self.client_id.len() as i16);
        frame.put_slice(self.client_id.as_bytes());
        if R::header_version(version) == 2 {
            frame.put_u8(0);
        }
        request.encode(&mut frame, version).expect("a valid request");
        let size = frame.len() as i32 - 4;
        frame[..4].copy_from_slice(&size.to_be_bytes());
        self.stream.write_all(&frame).expect("the broker takes requests");
        id
    }

    /// Sends a body as it is behind a header without tagged fields; nothing is asked back.
    pub fn send_raw(&mut self, api_key: i16, version: i16, body: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_i32(10 + body.len() as i32);
        frame.put_i16(api_key);
        frame.put_i16(version);
        frame.put_i32(-1);
        frame.put_i16(-1);
        frame.put_slice(body);
        self.stream.write_all(&frame).expect("the broker takes requests");
    }

    /// The next answer, which must be to this request.
    pub fn receive<R: Request>(&mut self, version: i16, id: i32) -> R::Response {
        let mut bytes = self.receive_bytes();
        assert_eq!(bytes.split_to(4)[..], id.to_be_bytes(), "correlation id");
        if R::Response::header_version(version) == 1 {
            assert_eq!(bytes.split_to(1)[..], [0], "tagged fields of the header");
        }
        let answer = R::Response::decode(&mut bytes, version).expect("a valid answer");
        assert!(bytes.is_empty(), "bytes behind the answer");
        answer
    }

    /// The next answer with its header, without its size.
    pub fn receive_bytes(&mut self) -> Bytes {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("an answer");
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut answer).expect("the rest of an answer");
        answer.into()
    }

    /// One request and its answer.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let id = self.send(version, request);
        self.receive::<R>(version, id)
    }

    /// True when the broker closed the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
            Err(error) => panic!("neither closed nor answered: {error}"),
        }
    }

    /// CreateTopics of one topic; the whole answer.
    pub fn try_create(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopicResult {
        let config = |(key, value): &(&str, &str)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*key).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        };
        let topic = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.iter().map(config).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        self.ask(7, &request).topics.remove(0)
    }

    /// Creates a topic; its id.
    pub fn create(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let created = self.try_create(topic, partitions, configs);
        assert_eq!(created.error_code, 0, "{:?}", created.error_message);
        created.topic_id
    }

    /// Deletes a topic.
    pub fn delete(&mut self, topic: &str) {
        let topic = DeleteTopicState::default().with_name(Some(name(topic)));
        let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        assert_eq!(self.ask(6, &request).responses[0].error_code, 0);
    }

    /// A Produce request for one partition.
    pub fn produce_request(topic: &str, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
        let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![topic])
    }

    /// Produces one batch with acks=all; the partition's answer.
    pub fn try_produce(&mut self, topic: &str, partition: i32, batch: &Batch) -> PartitionProduceResponse {
        let mut answer = self.ask(9, &Self::produce_request(topic, partition, -1, batch.bytes()));
        answer.responses.remove(0).partition_responses.remove(0)
    }

    /// Produces one batch; the offset of its first record.
    pub fn produce(&mut self, topic: &str, partition: i32, batch: &Batch) -> i64 {
        let answer = self.try_produce(topic, partition, batch);
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
        answer.base_offset
    }

    /// Fetches one partition by topic name, without a session.
    pub fn fetch(&mut self, topic: &str, partition: i32, fetch: &FetchOne) -> PartitionData {
        let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![fetch.partition(partition)]);
        let mut answer = self.ask(12, &fetch.request(topic));
        assert_eq!(answer.error_code, 0);
        answer.responses.remove(0).partitions.remove(0)
    }

    /// Fetches one partition as a reader of committed records, without a session.
    pub fn fetch_committed(&mut self, topic: &str, partition: i32, fetch: &FetchOne) -> PartitionData {
        let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![fetch.partition(partition)]);
        let mut answer = self.ask(12, &fetch.request(topic).with_isolation_level(1));
        assert_eq!(answer.error_code, 0);
        answer.responses.remove(0).partitions.remove(0)
    }

    /// All records of a partition below the high watermark, one fetch after the other.
    pub fn read(&mut self, topic: &str, partition: i32) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        let mut from = 0;
        loop {
            let answer = self.fetch(topic, partition, &FetchOne::from(from));
            assert_eq!(answer.error_code, 0, "fetch from {from}");
            let records = seen(&answer.records.expect("never null"));
            if records.is_empty() {
                return all;
            }
            from = records[records.len() - 1].offset + 1;
            all.extend(records);
        }
    }

    /// The values of all records of a partition.
    pub fn values(&mut self, topic: &str, partition: i32) -> Vec<String> {
        self.read(topic, partition).into_iter().map(|seen| String::from_utf8(seen.value).expect("text")).collect()
    }

    /// ListOffsets of one partition.
    pub fn list(&mut self, version: i16, topic: &str, partition: i32, timestamp: i64) -> ListOffsetsPartitionResponse {
        self.list_at_epoch(version, topic, partition, timestamp, -1)
    }

    /// ListOffsets of one partition by a client that knows a leader epoch.
    pub fn list_at_epoch(
        &mut self,
        version: i16,
        topic: &str,
        partition: i32,
        timestamp: i64,
        leader_epoch: i32,
    ) -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_timestamp(timestamp)
            .with_current_leader_epoch(leader_epoch);
        let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        self.ask(version, &request).topics.remove(0).partitions.remove(0)
    }

    /// OffsetForLeaderEpoch of one partition.
    pub fn end_of_epoch(&mut self, topic: &str, partition: i32, current_leader_epoch: i32, epoch: i32) -> EpochEndOffset {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(current_leader_epoch)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        self.ask(4, &request).topics.remove(0).partitions.remove(0)
    }

    /// Metadata of these topics.
    pub fn metadata(&mut self, topics: &[&str], auto_create: bool) -> MetadataResponse {
        let topics = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic)))).collect();
        self.ask(12, &MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(auto_create))
    }

    /// Metadata of one topic, which is not created.
    pub fn describe(&mut self, topic: &str) -> MetadataResponseTopic {
        self.metadata(&[topic], false).topics.remove(0)
    }

    /// The leader epoch of a partition, from Metadata.
    pub fn leader_epoch(&mut self, topic: &str, partition: usize) -> i32 {
        self.describe(topic).partitions[partition].leader_epoch
    }

    /// A fresh producer id.
    pub fn producer_id(&mut self) -> i64 {
        let request = InitProducerIdRequest::default().with_transactional_id(None).with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
        let answer = self.ask(4, &request.with_transaction_timeout_ms(60_000));
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
        answer.producer_id.0
    }
}
