//! How large a batch of offset records would be, before it is encoded.
//!
//! Every record repeats the group's id and the topic's name, so a small request may ask for a huge batch. The log would refuse it, and an
//! append that fails costs every group of the shard a reload: so it is refused here, with what Kafka makes of MESSAGE_TOO_LARGE.

use super::super::records::GroupRecord;
use super::super::soft::Soft;
use crate::metadata::TopicName;
use kafka_protocol::ResponseError;

const OFFSETS_TOPIC: &str = "__consumer_offsets";
const BATCH_HEADER_BYTES: usize = 61;
/// Of a record with a key of type 1: lengths, deltas, version, partition. At most.
const KEY_AND_RECORD_BYTES: usize = 29;
/// Of a value of type 1, but for its metadata. At most.
const VALUE_BYTES: usize = 46;
/// `offsets.topic.segment.bytes`, for a topic without a value of its own.
const SEGMENT_BYTES_DEFAULT: usize = 100 * 1024 * 1024;

/// What one record adds to a batch, at most; only records of offsets are asked for.
pub(super) fn of_record(record: &GroupRecord) -> usize {
    let GroupRecord::OffsetCommit { group, topic, value, .. } = record else { return 0 };
    let value = value.as_ref().map_or(0, |value| VALUE_BYTES + value.metadata.len());
    KEY_AND_RECORD_BYTES + group.as_str().len() + topic.len() + value
}

/// Refuses commits that would be more than `max.message.bytes`, as Kafka does.
pub(super) fn check_commits(soft: &Soft, records: &[GroupRecord]) -> Result<(), ResponseError> {
    check(records, of_topic(soft, "max.message.bytes").unwrap_or(soft.settings.message_max_bytes))
}

/// Refuses deletions that would not go into a segment. Kafka refuses them from `max.message.bytes` on: a group of 20,000 offsets could
/// never be deleted.
pub(in super::super) fn check_deletions(soft: &Soft, records: &[GroupRecord]) -> Result<(), ResponseError> {
    check(records, of_topic(soft, "segment.bytes").unwrap_or(SEGMENT_BYTES_DEFAULT))
}

fn check(records: &[GroupRecord], max_bytes: usize) -> Result<(), ResponseError> {
    let size_bytes = records.iter().map(of_record).sum::<usize>() + BATCH_HEADER_BYTES;
    if records.is_empty() || size_bytes <= max_bytes { Ok(()) } else { Err(ResponseError::UnknownServerError) }
}

fn of_topic(soft: &Soft, key: &str) -> Option<usize> {
    let topic = TopicName::parse(OFFSETS_TOPIC).ok()?;
    soft.image.configs().of_topic(&topic)?.get(key)?.parse().ok()
}
