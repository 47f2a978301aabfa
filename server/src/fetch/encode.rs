//! A Fetch response as parts: heads encoded here, record bytes left where they are.
//!
//! The crate's `FetchResponse` would copy every record byte into one buffer; here a partition's records stay file ranges. A test decodes
//! what this file writes with the crate, for every version.

use crate::api::response::{Part, Response};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::fetch_response::{EpochEndOffset, LeaderIdAndEpoch};
use kafka_protocol::protocol::Encodable;
use ottla_storage::log::{AbortedTransaction, FileRange};
use uuid::Uuid;

/// One partition's answer.
#[derive(Debug, Default)]
pub(crate) struct PartitionAnswer {
    pub(crate) partition: i32,
    pub(crate) error_code: i16,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) diverging_epoch: Option<EpochEndOffset>,
    pub(crate) current_leader: Option<LeaderIdAndEpoch>,
    /// `None` unless the reader asked for read_committed.
    pub(crate) aborted_transactions: Option<Vec<AbortedTransaction>>,
    pub(crate) ranges: Vec<FileRange>,
    pub(crate) record_bytes: u64,
}

/// One topic's answers.
#[derive(Debug)]
pub(crate) struct TopicAnswer {
    pub(crate) topic: TopicName,
    pub(crate) topic_id: Uuid,
    pub(crate) partitions: Vec<PartitionAnswer>,
}

/// The whole answer; `head` already holds the response header.
pub(crate) fn fetch_response(
    head: BytesMut,
    version: i16,
    throttle_time_ms: i32,
    error_code: i16,
    session_id: i32,
    topics: Vec<TopicAnswer>,
) -> anyhow::Result<Response> {
    let flexible = version >= 12;
    let mut out = Writer { buffer: head, parts: Vec::new(), flexible };
    out.buffer.put_i32(throttle_time_ms);
    if version >= 7 {
        out.buffer.put_i16(error_code);
        out.buffer.put_i32(session_id);
    }
    out.array_len(topics.len());
    for topic in topics {
        if version >= 13 {
            out.buffer.put_slice(topic.topic_id.as_bytes());
        } else {
            out.string(&topic.topic)?;
        }
        out.array_len(topic.partitions.len());
        for partition in topic.partitions {
            partition_answer(&mut out, version, partition)?;
        }
        out.no_tags();
    }
    out.no_tags();
    Ok(out.finish())
}

/// What Kafka counts for such an answer: the body and four bytes, whatever it says of errors and sessions.
pub(crate) fn fetch_size_bytes(version: i16, topics: &[TopicAnswer]) -> u64 {
    let flexible = version >= 12;
    let count = |count: u64, fixed: u64| if flexible { varint_bytes(count + 1) } else { fixed };
    let tags = u64::from(flexible);
    let partition = |answer: &PartitionAnswer| {
        let fixed = 4 + 2 + 8 + 8 + if version >= 5 { 8 } else { 0 } + if version >= 11 { 4 } else { 0 };
        let aborted = answer.aborted_transactions.as_ref().map_or(count(0, 4), |aborted| {
            let aborted = aborted.len() as u64;
            count(aborted, 4) + aborted * (16 + tags)
        });
        // An epoch and a leader of their own are rare and small: two numbers with their tags.
        let tagged = |present: bool, bytes: u64| if flexible && present { 2 + bytes } else { 0 };
        let tagged = tagged(answer.diverging_epoch.is_some(), 13) + tagged(answer.current_leader.is_some(), 9);
        fixed + aborted + count(answer.record_bytes, 4) + answer.record_bytes + tags + tagged
    };
    let topic = |topic: &TopicAnswer| {
        let name = topic.topic.len() as u64;
        let named = if version >= 13 { 16 } else { count(name, 2) + name };
        named + count(topic.partitions.len() as u64, 4) + topic.partitions.iter().map(partition).sum::<u64>() + tags
    };
    let head = 4 + 4 + if version >= 7 { 6 } else { 0 } + tags;
    head + count(topics.len() as u64, 4) + topics.iter().map(topic).sum::<u64>()
}

fn varint_bytes(value: u64) -> u64 {
    (u64::from(u64::BITS - (value | 1).leading_zeros())).div_ceil(7)
}

fn partition_answer(out: &mut Writer, version: i16, answer: PartitionAnswer) -> anyhow::Result<()> {
    out.buffer.put_i32(answer.partition);
    out.buffer.put_i16(answer.error_code);
    out.buffer.put_i64(answer.high_watermark);
    out.buffer.put_i64(answer.last_stable_offset);
    if version >= 5 {
        out.buffer.put_i64(answer.log_start_offset);
    }
    match &answer.aborted_transactions {
        None => out.null_array(),
        Some(aborted) => {
            out.array_len(aborted.len());
            for transaction in aborted {
                out.buffer.put_i64(transaction.producer_id.0);
                out.buffer.put_i64(transaction.first_offset.0);
                out.no_tags();
            }
        }
    }
    if version >= 11 {
        out.buffer.put_i32(-1); // preferred read replica: the leader
    }
    out.records(answer.record_bytes, answer.ranges)?;
    if out.flexible {
        let mut tags: Vec<(u32, Bytes)> = Vec::new();
        if let Some(diverging) = &answer.diverging_epoch {
            tags.push((0, encoded(diverging, version)?));
        }
        if let Some(leader) = &answer.current_leader {
            tags.push((1, encoded(leader, version)?));
        }
        put_unsigned_varint(&mut out.buffer, tags.len() as u32);
        for (tag, bytes) in tags {
            put_unsigned_varint(&mut out.buffer, tag);
            put_unsigned_varint(&mut out.buffer, u32::try_from(bytes.len())?);
            out.buffer.put_slice(&bytes);
        }
    }
    Ok(())
}

fn encoded(message: &impl Encodable, version: i16) -> anyhow::Result<Bytes> {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version)?;
    Ok(bytes.freeze())
}

struct Writer {
    buffer: BytesMut,
    parts: Vec<Part>,
    flexible: bool,
}

impl Writer {
    fn array_len(&mut self, count: usize) {
        if self.flexible {
            put_unsigned_varint(&mut self.buffer, count as u32 + 1);
        } else {
            self.buffer.put_i32(count as i32);
        }
    }

    fn null_array(&mut self) {
        if self.flexible { self.buffer.put_u8(0) } else { self.buffer.put_i32(-1) }
    }

    fn string(&mut self, text: &str) -> anyhow::Result<()> {
        if self.flexible {
            put_unsigned_varint(&mut self.buffer, u32::try_from(text.len())? + 1);
        } else {
            self.buffer.put_i16(i16::try_from(text.len())?);
        }
        self.buffer.put_slice(text.as_bytes());
        Ok(())
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        }
    }

    /// Length, then the file ranges as parts of their own. "No data" is empty bytes, never null: librdkafka takes null for a broken response.
    fn records(&mut self, size_bytes: u64, ranges: Vec<FileRange>) -> anyhow::Result<()> {
        let size = i32::try_from(size_bytes)?;
        if self.flexible {
            put_unsigned_varint(&mut self.buffer, size as u32 + 1);
        } else {
            self.buffer.put_i32(size);
        }
        if size > 0 {
            self.parts.push(Part::Bytes(self.buffer.split().freeze()));
            self.parts.extend(ranges.into_iter().map(Part::File));
        }
        Ok(())
    }

    fn finish(mut self) -> Response {
        self.parts.push(Part::Bytes(self.buffer.freeze()));
        let mut parts = self.parts.into_iter();
        let mut response = match parts.next() {
            Some(Part::Bytes(head)) => Response::new(head),
            Some(Part::File(_)) | None => Response::default(),
        };
        for part in parts {
            response.push(part);
        }
        response
    }
}

fn put_unsigned_varint(buffer: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        buffer.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::{BrokerId, FetchResponse};
    use kafka_protocol::protocol::{Decodable, StrBytes};
    use ottla_storage::disk::DiskFile;
    use ottla_storage::{Offset, ProducerId};
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::sync::Arc;

    /// A file whose every byte is its position.
    #[derive(Debug)]
    struct Counting;

    impl DiskFile for Counting {
        fn write_all_at(&self, _parts: &[&[u8]], _position: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            buffer.iter_mut().zip(position..).for_each(|(byte, at)| *byte = at as u8);
            Ok(buffer.len())
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&self, _size_bytes: u64) -> io::Result<()> {
            Ok(())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(256)
        }
        fn as_fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }
    }

    fn range(position: u64, size_bytes: u64) -> FileRange {
        FileRange { file: Arc::new(Counting), position, size_bytes }
    }

    fn answers() -> Vec<TopicAnswer> {
        let aborted = AbortedTransaction {
            producer_id: ProducerId(9),
            first_offset: Offset(3),
            last_offset: Offset(5),
            last_stable_offset: Offset(3),
        };
        let full = PartitionAnswer {
            partition: 1,
            high_watermark: 20,
            last_stable_offset: 19,
            log_start_offset: 2,
            aborted_transactions: Some(vec![aborted]),
            ranges: vec![range(0, 3), range(100, 2)],
            record_bytes: 5,
            ..PartitionAnswer::default()
        };
        let diverging = PartitionAnswer {
            partition: 2,
            error_code: 6,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: Some(EpochEndOffset::default().with_epoch(4).with_end_offset(40)),
            current_leader: Some(LeaderIdAndEpoch::default().with_leader_id(BrokerId(7)).with_leader_epoch(8)),
            ..PartitionAnswer::default()
        };
        let name = TopicName(StrBytes::from_static_str("t"));
        vec![TopicAnswer { topic: name, topic_id: Uuid::from_u128(77), partitions: vec![full, diverging] }]
    }

    fn on_the_wire(version: i16) -> Bytes {
        let response = fetch_response(BytesMut::new(), version, 12, 0, 34, answers()).unwrap();
        let size_bytes = response.size_bytes();
        let (head, more) = response.into_parts();
        let mut wire = BytesMut::from(&head[..]);
        for part in more {
            match part {
                Part::Bytes(bytes) => wire.put_slice(&bytes),
                Part::File(range) => {
                    let mut bytes = vec![0; range.size_bytes as usize];
                    range.file.read_at(&mut bytes, range.position).unwrap();
                    wire.put_slice(&bytes);
                }
            }
        }
        assert_eq!(wire.len() as u64, size_bytes);
        wire.freeze()
    }

    #[test]
    fn the_crate_reads_back_what_is_written_at_every_version() {
        for version in 4..=18 {
            let mut wire = on_the_wire(version);
            let read = FetchResponse::decode(&mut wire, version).unwrap();
            assert!(wire.is_empty(), "v{version} has bytes left");
            assert_eq!(read.throttle_time_ms, 12);
            assert_eq!(read.session_id, if version >= 7 { 34 } else { 0 });
            let topic = &read.responses[0];
            assert_eq!(topic.topic_id.is_nil(), version < 13);
            assert_eq!(topic.topic.is_empty(), version >= 13);
            let (full, failed) = (&topic.partitions[0], &topic.partitions[1]);
            assert_eq!((full.partition_index, full.high_watermark, full.last_stable_offset), (1, 20, 19));
            assert_eq!(full.log_start_offset, if version >= 5 { 2 } else { -1 });
            assert_eq!(full.records.as_deref(), Some(&[0, 1, 2, 100, 101][..]), "v{version}");
            assert_eq!(full.preferred_read_replica, BrokerId(-1));
            let aborted = full.aborted_transactions.as_ref().unwrap();
            assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (9, 3));
            assert_eq!(full.current_leader, LeaderIdAndEpoch::default(), "no leader named: -1 and -1, not 0");
            assert_eq!((failed.error_code, failed.high_watermark), (6, -1));
            assert_eq!(failed.records.as_deref(), Some(&[][..]), "no data is empty, never null");
            assert_eq!(failed.aborted_transactions, None);
            let tagged = version >= 12;
            assert_eq!(failed.diverging_epoch.end_offset, if tagged { 40 } else { -1 });
            assert_eq!(failed.current_leader.leader_id, BrokerId(if tagged { 7 } else { -1 }));
        }
    }

    #[test]
    fn the_size_that_counts_for_quotas_is_that_of_the_body_and_four_bytes() {
        let many = |count: i32, record_bytes: u64| {
            let partition = |partition| PartitionAnswer { partition, record_bytes, ..PartitionAnswer::default() };
            let topic = TopicName(StrBytes::from_string("t".repeat(200)));
            vec![TopicAnswer { topic, topic_id: Uuid::nil(), partitions: (0..count).map(partition).collect() }]
        };
        for version in 4..=18 {
            assert_eq!(fetch_size_bytes(version, &answers()), on_the_wire(version).len() as u64 + 4, "v{version}");
            for (count, record_bytes) in [(200, 0), (2, 126), (2, 127), (2, 100_000), (0, 0)] {
                let topics = || many(count, record_bytes);
                let ranges = |mut topics: Vec<TopicAnswer>| {
                    for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                        partition.ranges = vec![range(0, partition.record_bytes)];
                    }
                    topics
                };
                let size = fetch_size_bytes(version, &topics());
                let response = fetch_response(BytesMut::new(), version, 0, 0, 0, ranges(topics())).unwrap();
                assert_eq!(size, response.size_bytes() + 4, "v{version}");
            }
        }
    }

    #[test]
    fn a_default_valued_tag_is_not_sent() {
        let quiet = PartitionAnswer { partition: 1, ..PartitionAnswer::default() };
        let topics = vec![TopicAnswer { topic: TopicName::default(), topic_id: Uuid::nil(), partitions: vec![quiet] }];
        let response = fetch_response(BytesMut::new(), 16, 0, 0, 0, topics).unwrap();
        let (head, _) = response.into_parts();
        assert_eq!(head[head.len() - 3..], [0, 0, 0], "no tags for the partition, the topic, the response");
    }
}
