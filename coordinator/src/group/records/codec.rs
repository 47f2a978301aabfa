//! Which bytes belong to which record: types in keys, versions in values. The fields are in `values.rs`.

use super::values::*;
use super::{GroupRecord, RecordError};
use crate::codec::{FieldError, Reader, Writer};
use crate::group::names::{GroupId, MemberId};
use bytes::Bytes;
use std::sync::Arc;

type Result<T> = std::result::Result<T, RecordError>;

const LEGACY_OFFSET_COMMIT: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
const CONSUMER_GROUP_METADATA: i16 = 3;
const CONSUMER_GROUP_PARTITION_METADATA: i16 = 4;
const CONSUMER_GROUP_MEMBER_METADATA: i16 = 5;
const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA: i16 = 6;
const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER: i16 = 7;
const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT: i16 = 8;
const CONSUMER_GROUP_REGULAR_EXPRESSION: i16 = 16;

/// Reads a record. As in Kafka, bytes behind the last field of a key or a value count for nothing.
pub(super) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<GroupRecord> {
    let mut k = Reader::plain(key);
    let record_type = k.i16("record type")?;
    let v = Value { record_type, bytes: value };
    Ok(match record_type {
        LEGACY_OFFSET_COMMIT | OFFSET_COMMIT => GroupRecord::OffsetCommit {
            group: group(&mut k)?,
            topic: k.text("topic")?.into(),
            partition: k.i32("partition")?,
            value: v.read(if record_type == OFFSET_COMMIT { 4 } else { 0 }, 4, read_offset_commit)?,
        },
        GROUP_METADATA => GroupRecord::GroupMetadata { group: group(&mut k)?, value: v.read(4, 4, read_group_metadata)? },
        CONSUMER_GROUP_METADATA => {
            GroupRecord::ConsumerGroupMetadata { group: group(&mut k)?, value: v.read(0, 0, |r, _| read_consumer_group_metadata(r))? }
        }
        CONSUMER_GROUP_PARTITION_METADATA => {
            GroupRecord::ConsumerGroupPartitionMetadata { group: group(&mut k)?, value: v.read(0, 0, |r, _| read_partition_metadata(r))? }
        }
        CONSUMER_GROUP_MEMBER_METADATA => GroupRecord::ConsumerGroupMemberMetadata {
            group: group(&mut k)?,
            member: member(&mut k)?,
            value: v.read(0, 0, |r, _| read_member_metadata(r))?,
        },
        CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA => GroupRecord::ConsumerGroupTargetAssignmentMetadata {
            group: group(&mut k)?,
            value: v.read(0, 0, |r, _| read_target_assignment_metadata(r))?,
        },
        CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER => GroupRecord::ConsumerGroupTargetAssignmentMember {
            group: group(&mut k)?,
            member: member(&mut k)?,
            value: v.read(0, 0, |r, _| read_target_assignment(r))?,
        },
        CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT => GroupRecord::ConsumerGroupCurrentMemberAssignment {
            group: group(&mut k)?,
            member: member(&mut k)?,
            value: v.read(0, 0, |r, _| read_current_assignment(r))?,
        },
        CONSUMER_GROUP_REGULAR_EXPRESSION => GroupRecord::ConsumerGroupRegularExpression {
            group: group(&mut k)?,
            regex: k.text("regular expression")?.into(),
            value: v.read(0, 0, |r, _| read_regular_expression(r))?,
        },
        _ => GroupRecord::Foreign { key: Bytes::copy_from_slice(key), value: value.map(Bytes::copy_from_slice) },
    })
}

/// A value whose version was not read yet.
struct Value<'a> {
    record_type: i16,
    bytes: Option<&'a [u8]>,
}

impl<'a> Value<'a> {
    /// Reads the version, at most `newest`, and the fields, flexible from version `flexible_from`.
    fn read<T>(&self, newest: i16, flexible_from: i16, fields: impl FnOnce(&mut Reader<'a>, i16) -> FieldResult<T>) -> Result<Option<T>> {
        let Some(bytes) = self.bytes else { return Ok(None) };
        let mut r = Reader::plain(bytes);
        let version = r.i16("value version")?;
        if !(0..=newest).contains(&version) {
            return Err(RecordError::UnknownVersion { record_type: self.record_type, version, newest });
        }
        // Kafka's own class for the value of a type 0 key is the version 0 of the others.
        r.set_flexible(version >= flexible_from);
        Ok(Some(fields(&mut r, version)?))
    }
}

type FieldResult<T> = std::result::Result<T, FieldError>;

fn group(k: &mut Reader<'_>) -> FieldResult<GroupId> {
    Ok(k.text("group")?.into())
}

fn member(k: &mut Reader<'_>) -> FieldResult<MemberId> {
    Ok(k.text("member")?.into())
}

/// Writes a record at the version that Kafka 4.3.1 writes.
pub(super) fn encode(record: &GroupRecord) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    match record {
        GroupRecord::OffsetCommit { group, topic, partition, value } => {
            let version = |value: &super::OffsetCommitValue| if value.expire_timestamp_ms == -1 { 4 } else { 1 };
            let key = key(OFFSET_COMMIT, &[&group.0, topic], |k| k.i32(*partition));
            finish(key, value.as_ref().map(|value| write_at(version(value), 4, |w| write_offset_commit(w, version(value), value))))
        }
        GroupRecord::GroupMetadata { group, value } => {
            finish(key(GROUP_METADATA, &[&group.0], |_| ()), value.as_ref().map(|value| write_at(3, 4, |w| write_group_metadata(w, value))))
        }
        GroupRecord::ConsumerGroupMetadata { group, value } => {
            flexible(CONSUMER_GROUP_METADATA, &[&group.0], value.as_ref(), write_consumer_group_metadata)
        }
        GroupRecord::ConsumerGroupPartitionMetadata { group, value } => {
            flexible(CONSUMER_GROUP_PARTITION_METADATA, &[&group.0], value.as_ref(), write_partition_metadata)
        }
        GroupRecord::ConsumerGroupMemberMetadata { group, member, value } => {
            flexible(CONSUMER_GROUP_MEMBER_METADATA, &[&group.0, &member.0], value.as_ref(), write_member_metadata)
        }
        GroupRecord::ConsumerGroupTargetAssignmentMetadata { group, value } => {
            flexible(CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA, &[&group.0], value.as_ref(), write_target_assignment_metadata)
        }
        GroupRecord::ConsumerGroupTargetAssignmentMember { group, member, value } => {
            flexible(CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, &[&group.0, &member.0], value.as_ref(), write_target_assignment)
        }
        GroupRecord::ConsumerGroupCurrentMemberAssignment { group, member, value } => {
            flexible(CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT, &[&group.0, &member.0], value.as_ref(), write_current_assignment)
        }
        GroupRecord::ConsumerGroupRegularExpression { group, regex, value } => {
            flexible(CONSUMER_GROUP_REGULAR_EXPRESSION, &[&group.0, regex], value.as_ref(), write_regular_expression)
        }
        GroupRecord::Foreign { key, value } => Ok((key.to_vec(), value.as_deref().map(<[u8]>::to_vec))),
    }
}

/// A record whose value is version 0 and flexible.
fn flexible<T>(record_type: i16, names: &[&Arc<str>], value: Option<&T>, fields: impl FnOnce(&mut Writer, &T)) -> Result<Encoded> {
    finish(key(record_type, names, |_| ()), value.map(|value| write_at(0, 0, |w| fields(w, value))))
}

type Encoded = (Vec<u8>, Option<Vec<u8>>);

fn key(record_type: i16, names: &[&Arc<str>], rest: impl FnOnce(&mut Writer)) -> Writer {
    let mut k = Writer::plain();
    k.i16(record_type);
    for name in names {
        k.string(name);
    }
    rest(&mut k);
    k
}

fn write_at(version: i16, flexible_from: i16, fields: impl FnOnce(&mut Writer)) -> Writer {
    let mut w = Writer::plain();
    w.i16(version);
    w.set_flexible(version >= flexible_from);
    fields(&mut w);
    w
}

fn finish(key: Writer, value: Option<Writer>) -> Result<Encoded> {
    if key.too_long || value.as_ref().is_some_and(|value| value.too_long) {
        return Err(RecordError::TooLong);
    }
    Ok((key.bytes, value.map(|value| value.bytes)))
}
