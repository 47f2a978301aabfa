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
