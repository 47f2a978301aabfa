//! A connection that asks, checks the form of the answer, and writes it into a [`Book`].

use super::render::{Tidy, Words};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    BrokerId, CreateTopicsRequest, DescribeClusterRequest, ListOffsetsRequest, MetadataRequest, TopicName,
    metadata_request::MetadataRequestTopic,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);
/// How often a broker is asked whether a new topic can be used.
const TRIES: u32 = 5_000;

/// All that was said: by story and question, by version.
#[derive(Default)]
pub(crate) struct Book {
    order: Vec<String>,
    said: BTreeMap<String, Vec<(i16, String)>>,
    /// API keys and versions that were asked.
    pub(crate) asked: BTreeSet<(i16, i16)>,
}

impl Book {
    fn write(&mut self, question: &str, version: i16, answer: String) {
        let lines = self.said.entry(question.to_owned()).or_insert_with(|| {
            self.order.push(question.to_owned());
            Vec::new()
        });
        lines.push((version, answer));
    }

    /// One paragraph per question; versions with the same answer share a line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for question in &self.order {
            let _ = writeln!(text, "## {question}");
            let lines = &self.said[question];
            let mut at = 0;
            while at < lines.len() {
                let same = lines[at..].iter().take_while(|line| line.1 == lines[at].1).count();
                let (first, last) = (lines[at].0, lines[at + same - 1].0);
                let versions = if first == last { format!("v{first}") } else { format!("v{first}-{last}") };
                let _ = writeln!(text, "{versions}: {}", lines[at].1);
                at += same;
            }
        }
        text
    }
}

/// One story at one version.
pub(crate) struct Talk<'a> {
    address: SocketAddr,
    stream: Option<TcpStream>,
    strict: bool,
    story: &'static str,
    pub(crate) version: i16,
    words: Words,
    next_id: i32,
    book: &'a mut Book,
}

impl<'a> Talk<'a> {
    pub(crate) fn new(address: SocketAddr, strict: bool, story: &'static str, version: i16, book: &'a mut Book) -> Self {
        // Of the same length in every process: lengths show in what consumers tell each other.
        let tag = format!("-{}{version}-{:07}", story.replace(' ', "."), std::process::id());
        let words = Words { tag, port: address.port(), cluster_id: String::new(), ids: Vec::new(), producers: Vec::new() };
        let mut talk = Self { address, stream: None, strict, story, version, words, next_id: 1, book };
        let cluster = talk.quietly(0, &DescribeClusterRequest::default());
        talk.words.cluster_id = cluster.cluster_id.to_string();
        talk
    }

    /// A name that no other story uses; its story's part does not show in the answers.
    pub(crate) fn name(&self, name: &str) -> TopicName {
        TopicName(StrBytes::from_string(format!("{name}{}", self.words.tag)))
    }

    /// Asks and writes the answer down. A closed connection is an answer too: the default one is returned then.
    pub(crate) fn ask<R: Request + Debug>(&mut self, question: &str, request: &R) -> R::Response
    where
        R::Response: Tidy,
    {
        self.ask_until(question, request, |_| true)
    }

    /// Asks until the answer is the one to write down: what Apache Kafka does behind an answer takes a moment.
    pub(crate) fn ask_until<R: Request + Debug>(&mut self, question: &str, request: &R, done: impl Fn(&R::Response) -> bool) -> R::Response
    where
        R::Response: Tidy,
    {
        self.ask_until_at(self.version, question, request, done)
    }

    /// The same at a version of its own choice.
    pub(crate) fn ask_until_at<R: Request + Debug>(
        &mut self,
        version: i16,
        question: &str,
        request: &R,
        done: impl Fn(&R::Response) -> bool,
    ) -> R::Response
    where
        R::Response: Tidy,
    {
        self.book.asked.insert((R::KEY, version));
        let mut answer = self.exchange(version, request);
        for _ in 0..TRIES {
            if answer.as_ref().is_none_or(&done) {
                break;
            }
            answer = self.exchange(version, request);
        }
        self.note(question, answer)
    }

    /// Asks at a version of its own choice and writes the answer down.
    pub(crate) fn ask_at<R: Request + Debug>(&mut self, version: i16, question: &str, request: &R) -> R::Response
    where
        R::Response: Tidy,
    {
        let answer = self.exchange(version, request);
        self.note(question, answer)
    }

    fn note<A: Tidy>(&mut self, question: &str, answer: Option<A>) -> A {
        let text = match answer.clone() {
            None => "(closed)".to_owned(),
            Some(mut tidy) => {
                tidy.tidy(&self.words);
                self.words.clean(&format!("{tidy:?}"))
            }
        };
        self.book.write(&format!("{}: {question}", self.story), self.version, text);
        answer.unwrap_or_default()
    }

    /// Sends what has no answer.
    pub(crate) fn tell<R: Request>(&mut self, request: &R) {
        self.book.asked.insert((R::KEY, self.version));
        self.send(&frame(R::KEY, self.version, self.next_id, request, self.story));
    }

    /// Writes down whether the broker closed the connection: `request` is answered on an open one.
    pub(crate) fn whether_closed(&mut self, question: &str) {
        let ping = frame(3, 1, 99, &MetadataRequest::default().with_topics(Some(Vec::new())), self.story);
        self.send(&ping);
        let text = if self.receive().is_some() { "(open)" } else { "(closed)" };
        self.book.write(&format!("{}: {question}", self.story), self.version, text.to_owned());
    }

    /// Sends a frame as it is and writes down what comes.
    pub(crate) fn ask_raw(&mut self, question: &str, key: i16, version: i16, body: &[u8]) {
        let mut raw = BytesMut::new();
        raw.put_i32(10 + body.len() as i32);
        raw.put_i16(key);
        raw.put_i16(version);
        raw.put_i32(7);
        raw.put_i16(-1);
        raw.put_slice(body);
        self.send(&raw);
        let text = self.receive().map_or("(closed)".to_owned(), |answer| format!("{:?}", &answer[..answer.len().min(6)]));
        self.book.write(&format!("{}: {question}", self.story), self.version, text);
    }

    /// Asks at a version of its own choice; nothing is written down.
    pub(crate) fn quietly<R: Request>(&mut self, version: i16, request: &R) -> R::Response
    where
        R::Response: Tidy,
    {
        self.exchange(version, request).unwrap_or_else(|| panic!("{} v{}: closed at {} v{version}", self.story, self.version, R::KEY))
    }

    /// Creates a topic and waits until it can be used.
    pub(crate) fn topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let name = self.name(name);
        let word = |text: &str| StrBytes::from_string(text.to_owned());
        let configs =
            configs.iter().map(|(key, value)| CreatableTopicConfig::default().with_name(word(key)).with_value(Some(word(value)))).collect();
        let topic = CreatableTopic::default()
            .with_name(name.clone())
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs);
        let answer = self.quietly(7, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000));
        assert_eq!(answer.topics[0].error_code, 0, "{name:?}: {:?}", answer.topics[0].error_message);
        self.ready(&name, partitions);
        answer.topics[0].topic_id
    }

    /// Asks until every partition answers.
    pub(crate) fn ready(&mut self, name: &TopicName, partitions: i32) {
        let partition =
            |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(name.clone()).with_partitions((0..partitions).map(partition).collect());
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        for _ in 0..TRIES {
            if self.quietly(6, &request).topics.iter().all(|topic| topic.partitions.iter().all(|partition| partition.error_code == 0)) {
                return;
            }
        }
        panic!("{name:?} cannot be used");
    }

    /// Asks until the name is unknown.
    pub(crate) fn gone(&mut self, name: &TopicName) {
        let topic = MetadataRequestTopic::default().with_name(Some(name.clone()));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
        for _ in 0..TRIES {
            if self.quietly(9, &request).topics[0].error_code == 3 {
                return;
            }
        }
        panic!("{name:?} stays");
    }

    fn exchange<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response>
    where
        R::Response: Tidy,
    {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&frame(R::KEY, version, id, request, self.story));
        let mut answer = self.receive()?;
        let context = format!("{} v{}: answer to key {} v{version}", self.story, self.version, R::KEY);
        assert_eq!(answer.split_to(4)[..], id.to_be_bytes(), "{context}: correlation id");
        if R::Response::header_version(version) == 1 {
            assert_eq!(answer.split_to(1)[..], [0], "{context}: tagged fields in the header");
        }
        let whole = answer.clone();
        let decoded = R::Response::decode(&mut answer, version).unwrap_or_else(|error| panic!("{context}: {error}: {whole:?}"));
        assert!(answer.is_empty(), "{context}: {} bytes behind it", answer.len());
        if self.strict {
            // Also says that no tagged field is sent with its default value: the encoder leaves those out.
            let mut again = BytesMut::new();
            decoded.encode(&mut again, version).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(again, whole, "{context}: not the shortest form");
        }
        Some(decoded)
    }

    fn send(&mut self, bytes: &[u8]) {
        let address = self.address;
        let stream = self.stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(address).expect("the broker listens");
            stream.set_nodelay(true).expect("a socket option");
            stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
            stream
        });
        // A broker that hung up shows when the answer is read.
        let _ = stream.write_all(bytes);
    }

    /// The next answer without its size; `None` when the connection was closed, and the next question opens a new one.
    fn receive(&mut self) -> Option<Bytes> {
        let stream = self.stream.as_mut().expect("something was sent");
        let mut size = [0; 4];
        let read = stream.read_exact(&mut size).and_then(|()| {
            let mut answer = vec![0; u32::from_be_bytes(size) as usize];
            stream.read_exact(&mut answer).map(|()| answer)
        });
        match read {
            Ok(answer) => Some(answer.into()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{} v{}: no answer in {PATIENCE:?}", self.story, self.version)
            }
            Err(_) => {
                self.stream = None;
                None
            }
        }
    }
}

fn frame<R: Encodable + HeaderVersion>(key: i16, version: i16, id: i32, request: &R, story: &str) -> Bytes {
    let mut body = BytesMut::new();
    body.put_i32(0);
    body.put_i16(key);
    body.put_i16(version);
    body.put_i32(id);
    body.put_i16(5);
    body.put_slice(b"sweep");
    if R::header_version(version) == 2 {
        body.put_u8(0);
    }
    request.encode(&mut body, version).unwrap_or_else(|error| panic!("{story}: key {key} v{version}: {error}"));
    let size = body.len() as u32 - 4;
    body[..4].copy_from_slice(&size.to_be_bytes());
    body.freeze()
}
