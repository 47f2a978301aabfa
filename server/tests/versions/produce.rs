//! Produce without producer ids: what is accepted, what is refused and with which words.

use super::batches::{self, ATTRIBUTES, LAST_OFFSET_DELTA, MAX_TIMESTAMP, RECORD_COUNT, RECORDS, T0, batch, batch_at, keyed, patched};
use super::{Story, Talk, story};
use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use ottla_storage::batch::{BatchBuilder, compression::Compression};
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("produce good", 3..=13, good),
    story("produce acks", 3..=13, acks),
    story("produce unknown", 3..=13, unknown),
    story("produce malformed", 3..=13, malformed),
    story("produce old formats", 3..=13, old_formats),
    story("produce compression", 3..=13, compression),
    story("produce sizes", 3..=13, sizes),
    story("produce times", 3..=13, times),
    story("produce topic kinds", 3..=13, topic_kinds),
    story("produce unserved", 3..=3, unserved),
];

/// A topic by the name or the id that its version wants.
pub(super) fn to(talk: &Talk, name: &TopicName, id: Uuid, partitions: Vec<(i32, Option<Bytes>)>) -> TopicProduceData {
    let data =
        partitions.into_iter().map(|(index, records)| PartitionProduceData::default().with_index(index).with_records(records)).collect();
    let topic = TopicProduceData::default().with_partition_data(data);
    if talk.version >= 13 { topic.with_topic_id(id) } else { topic.with_name(name.clone()) }
}

pub(super) fn request(topics: Vec<TopicProduceData>) -> ProduceRequest {
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(topics)
}

/// What null records are answered; Apache Kafka 4.3.1 fails inside and never answers.
pub(super) fn null_records(talk: &mut Talk) -> i16 {
    let one = One::new(talk, &[]);
    let topic = to(talk, &one.name, one.id, vec![(0, None)]);
    let version = talk.version;
    talk.quietly(version, &request(vec![topic])).responses[0].partition_responses[0].error_code
}

/// One batch to partition 0 of a topic made for it.
struct One {
    name: TopicName,
    id: Uuid,
}

impl One {
    fn new(talk: &mut Talk, configs: &[(&str, &str)]) -> Self {
        Self::called(talk, "one", configs)
    }

    fn called(talk: &mut Talk, name: &str, configs: &[(&str, &str)]) -> Self {
        Self { id: talk.topic(name, 1, configs), name: talk.name(name) }
    }

    fn ask(&self, talk: &mut Talk, question: &str, records: impl Into<Option<Bytes>>) {
        let topic = to(talk, &self.name, self.id, vec![(0, records.into())]);
        talk.ask(question, &request(vec![topic]));
    }
}

fn good(talk: &mut Talk) {
    let id = talk.topic("one", 3, &[]);
    let name = talk.name("one");
    let topic = to(talk, &name, id, vec![(0, Some(batch(&["a", "b", "c"])))]);
    talk.ask("three records", &request(vec![topic]));
    let topic = to(talk, &name, id, vec![(2, Some(batch(&["a"]))), (0, Some(batch(&["d"])))]);
    talk.ask("two partitions", &request(vec![topic]));
    let other = talk.topic("two", 1, &[]);
    let topics =
        vec![to(talk, &name, id, vec![(1, Some(batch(&["a"])))]), to(talk, &talk.name("two"), other, vec![(0, Some(batch(&["b"])))])];
    talk.ask("two topics", &request(topics));
    let topics = vec![to(talk, &name, id, vec![(1, Some(batch(&["a"]))), (9, Some(batch(&["b"])))])];
    talk.ask("one good, one unknown partition", &request(topics));
    talk.ask("no topics", &request(Vec::new()));
    let topic = to(talk, &name, id, Vec::new());
    talk.ask("no partitions", &request(vec![topic]));
}

fn acks(talk: &mut Talk) {
    let id = talk.topic("one", 1, &[]);
    let name = talk.name("one");
    let one =
        |talk: &Talk, acks: i16, partition: i32| request(vec![to(talk, &name, id, vec![(partition, Some(batch(&["a"])))])]).with_acks(acks);
    for acks in [1, -1, 2, -2] {
        let request = one(talk, acks, 0);
        talk.ask(&format!("acks {acks}"), &request);
    }
    let request = one(talk, 2, 9);
    talk.ask("acks 2 to an unknown partition", &request);
    talk.tell(&one(talk, 0, 0));
    talk.whether_closed("acks 0");
    let request = one(talk, 1, 0);
    talk.ask("the offset after it", &request);
    talk.tell(&one(talk, 0, 9));
    talk.whether_closed("acks 0 to an unknown partition");
    talk.tell(&one(talk, 0, 0).with_topic_data(Vec::new()));
    talk.whether_closed("acks 0 to nothing");
}

fn unknown(talk: &mut Talk) {
    let (name, id) = (talk.name("nowhere"), Uuid::from_u128(0xfeed));
    let topic = to(talk, &name, id, vec![(0, Some(batch(&["a"])))]);
    talk.ask("an unknown topic", &request(vec![topic]));
    let one = One::new(talk, &[]);
    for index in [1, -1, i32::MAX] {
        let topic = to(talk, &one.name, one.id, vec![(index, Some(batch(&["a"])))]);
        talk.ask(&format!("partition {index}"), &request(vec![topic]));
    }
    if talk.version < 13 {
        let topic = to(talk, &TopicName(StrBytes::from_static_str("")), id, vec![(0, Some(batch(&["a"])))]);
        talk.ask("an empty name", &request(vec![topic]));
        let topic = to(talk, &TopicName(StrBytes::from_static_str("no good/name")), id, vec![(0, Some(batch(&["a"])))]);
        talk.ask("an invalid name", &request(vec![topic]));
        let topic = to(talk, &TopicName(StrBytes::from_static_str("__consumer_offsets")), id, vec![(0, Some(batch(&["a"])))]);
        talk.ask("an internal topic", &request(vec![topic]));
    } else {
        let topic = to(talk, &name, Uuid::nil(), vec![(0, Some(batch(&["a"])))]);
        talk.ask("the zero id", &request(vec![topic]));
    }
    let topic = to(talk, &one.name, one.id, vec![(0, Some(batch(&["a"])))]);
    let transactional = request(vec![topic]).with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("t"))));
    talk.ask("a transactional id and a plain batch", &transactional);
    talk.ask("a transactional id, acks 1", &transactional.with_acks(1));
}

fn malformed(talk: &mut Talk) {
    let one = One::new(talk, &[]);
    let good = batch(&["a", "b"]);
    // Not asked: null records. Apache Kafka 4.3.1 fails inside and never answers.
    one.ask(talk, "no bytes", Bytes::new());
    one.ask(talk, "a few bytes", Bytes::from_static(b"hello"));
    one.ask(talk, "a cut header", good.slice(..40));
    one.ask(talk, "a cut batch", good.slice(..good.len() - 3));
    one.ask(talk, "bytes behind the batch", Bytes::from([&good[..], b"abc"].concat()));
    one.ask(talk, "two batches", Bytes::from([&good[..], &good[..]].concat()));
    let mut bad = good.to_vec();
    bad[18] ^= 1;
    one.ask(talk, "a wrong checksum", Bytes::from(bad));
    let mut bad = good.to_vec();
    *bad.last_mut().expect("bytes") ^= 0x55;
    one.ask(talk, "a flipped bit in a record", Bytes::from(bad));
    one.ask(talk, "a count above the records", patched(&good, RECORD_COUNT, &3_i32.to_be_bytes()));
    one.ask(talk, "a count below the records", patched(&good, RECORD_COUNT, &1_i32.to_be_bytes()));
    one.ask(talk, "a count of zero", patched(&good, RECORD_COUNT, &0_i32.to_be_bytes()));
    one.ask(talk, "a negative count", patched(&good, RECORD_COUNT, &(-1_i32).to_be_bytes()));
    let both = patched(&patched(&good, RECORD_COUNT, &3_i32.to_be_bytes()), LAST_OFFSET_DELTA, &2_i32.to_be_bytes());
    one.ask(talk, "a count and an offset delta above the records", both);
    let both = patched(&patched(&good, RECORD_COUNT, &1_i32.to_be_bytes()), LAST_OFFSET_DELTA, &0_i32.to_be_bytes());
    one.ask(talk, "a count and an offset delta below the records", both);
    one.ask(talk, "a wrong last offset delta", patched(&good, LAST_OFFSET_DELTA, &5_i32.to_be_bytes()));
    one.ask(talk, "a negative last offset delta", patched(&good, LAST_OFFSET_DELTA, &(-2_i32).to_be_bytes()));
    one.ask(talk, "a control batch", patched(&good, ATTRIBUTES, &0x20_i16.to_be_bytes()));
    one.ask(talk, "a transactional batch without a producer", patched(&good, ATTRIBUTES, &0x10_i16.to_be_bytes()));
    one.ask(talk, "a log append time batch", patched(&good, ATTRIBUTES, &0x08_i16.to_be_bytes()));
    one.ask(talk, "an unused attribute", patched(&good, ATTRIBUTES, &0x80_i16.to_be_bytes()));
    one.ask(talk, "a record with attributes", patched(&good, RECORDS + 1, &[1]));
    one.ask(talk, "a record that is too long", patched(&good, RECORDS, &[60]));
    one.ask(talk, "a record of length -1", patched(&good, RECORDS, &[1]));
    one.ask(talk, "a batch of a leader epoch", patched(&good, 12, &7_i32.to_be_bytes()));
    one.ask(talk, "a batch with a base offset", patched(&good, 0, &77_i64.to_be_bytes()));
    one.ask(talk, "what was appended in all", batch(&["end"]));
    one.ask(talk, "a record with an offset delta of its own", patched(&good, RECORDS + 3, &[4]));
}

fn old_formats(talk: &mut Talk) {
    let one = One::new(talk, &[]);
    let good = batch(&["a"]);
    for magic in [0, 1, 3, 99, -1_i8] {
        one.ask(talk, &format!("magic {magic}"), patched(&good, 16, &magic.to_be_bytes()));
    }
    // A whole message of magic 1 with a right CRC-32: key null, value "v".
    let message: &[u8] = &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0xc1, 0x67, 0x2a, 0xc5, 1, 0, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0xff, 0xff, 0xff, 0xff, 0,
        0, 0, 1, b'v',
    ];
    one.ask(talk, "a message of magic 1", Bytes::copy_from_slice(message));
}

fn compression(talk: &mut Talk) {
    let one = One::new(talk, &[]);
    for (name, codec) in
        [("gzip", Compression::Gzip), ("snappy", Compression::Snappy), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)]
    {
        let records = batches::build(BatchBuilder::new().compression(codec, None), T0, &["a", "b"]);
        one.ask(talk, name, records);
    }
    let good = batch(&["a"]);
    for code in [5_i16, 6, 7] {
        one.ask(talk, &format!("codec {code}"), patched(&good, ATTRIBUTES, &code.to_be_bytes()));
    }
    for code in [1_i16, 2, 3, 4] {
        one.ask(talk, &format!("codec {code} over plain records"), patched(&good, ATTRIBUTES, &code.to_be_bytes()));
    }
    let recompressed = One::called(talk, "gzip", &[("compression.type", "gzip")]);
    recompressed.ask(talk, "to a topic of another codec", batch(&["a", "b"]));
    let plain = One::called(talk, "plain", &[("compression.type", "uncompressed")]);
    let records = batches::build(BatchBuilder::new().compression(Compression::Lz4, None), T0, &["a", "b"]);
    plain.ask(talk, "to an uncompressed topic", records);
}

fn sizes(talk: &mut Talk) {
    let one = One::new(talk, &[("max.message.bytes", "200")]);
    one.ask(talk, "small", batch(&["a"]));
    one.ask(talk, "above max.message.bytes", batch(&[&"x".repeat(300)]));
    let exact = batch(&[&"x".repeat(200 - 61 - 8)]);
    one.ask(talk, &format!("{} bytes", exact.len()), exact);
    let above = batch(&[&"x".repeat(201 - 61 - 9)]);
    one.ask(talk, &format!("{} bytes again", above.len()), above);
    let segment = One::called(talk, "segment", &[("segment.bytes", "1048576"), ("max.message.bytes", "4000000")]);
    segment.ask(talk, "above segment.bytes", batch(&[&"x".repeat(1_100_000)]));
    let default = One::called(talk, "default", &[]);
    default.ask(talk, "above the default limit", batch(&[&"x".repeat(1_100_000)]));
}

fn times(talk: &mut Talk) {
    let one = One::new(talk, &[("message.timestamp.before.max.ms", "3600000"), ("message.timestamp.after.max.ms", "3600000")]);
    one.ask(talk, "too old", batch_at(T0, &["a"]));
    let far = One::called(talk, "far", &[]);
    far.ask(talk, "a far future", batch_at(4_000_000_000_000, &["a"]));
    far.ask(talk, "no time", batch_at(-1, &["a"]));
    far.ask(talk, "a negative time", batch_at(-5, &["a"]));
    far.ask(talk, "time zero", batch_at(0, &["a"]));
    let good = batch(&["a", "b"]);
    far.ask(talk, "a wrong max timestamp", patched(&good, MAX_TIMESTAMP, &(T0 + 5).to_be_bytes()));
    far.ask(talk, "a max timestamp of none", patched(&good, MAX_TIMESTAMP, &(-1_i64).to_be_bytes()));
}

fn topic_kinds(talk: &mut Talk) {
    let compacted = One::called(talk, "compacted", &[("cleanup.policy", "compact")]);
    compacted.ask(talk, "compacted: a key", keyed(Some("k"), Some("v")));
    compacted.ask(talk, "compacted: a tombstone", keyed(Some("k"), None));
    compacted.ask(talk, "compacted: an empty key", keyed(Some(""), Some("v")));
    compacted.ask(talk, "compacted: no key", keyed(None, Some("v")));
    let mut builder = BatchBuilder::new();
    for key in [Some(&b"k"[..]), None, None] {
        builder.push(ottla_storage::Millis(T0), key, Some(b"v"), &[]);
    }
    compacted.ask(talk, "compacted: the second and third without keys", Bytes::from(builder.build().expect("a batch")));
    let both = One::called(talk, "both", &[("cleanup.policy", "compact,delete")]);
    both.ask(talk, "compact and delete: no key", keyed(None, Some("v")));
    let stamped = One::called(talk, "stamped", &[("message.timestamp.type", "LogAppendTime")]);
    stamped.ask(talk, "log append time", batch(&["a", "b"]));
    let records = batches::build(BatchBuilder::new().compression(Compression::Gzip, None), T0, &["a", "b"]);
    stamped.ask(talk, "log append time, compressed", records);
    stamped.ask(talk, "log append time: no key, no value", keyed(None, None));
    let strict = One::called(talk, "strict", &[("min.insync.replicas", "2")]);
    strict.ask(talk, "min.insync.replicas above the replicas", batch(&["a"]));
    let topic = to(talk, &strict.name, strict.id, vec![(0, Some(batch(&["a"])))]);
    talk.ask("min.insync.replicas, acks 1", &request(vec![topic]).with_acks(1));
}

fn unserved(talk: &mut Talk) {
    for version in [0, 1, 2, 14] {
        talk.ask_raw(&format!("produce v{version}"), 0, version, &[0xff, 0xff, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    for (key, version) in [(1, 3), (1, 19), (2, 0), (3, 14), (19, 1), (4, 0), (5, 0), (6, 0), (7, 0), (94, 0), (-1, 0), (999, 0)] {
        talk.ask_raw(&format!("key {key} v{version}"), key, version, &[0; 20]);
    }
    talk.ask_raw("api versions v99", 18, 99, &[0; 4]);
    talk.ask_raw("api versions v5", 18, 5, &[0; 4]);
    talk.ask_raw("api versions v-1", 18, -1, &[0; 4]);
}
