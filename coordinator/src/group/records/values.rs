//! The fields of values, version by version.

use super::super::assignment::Assignment;
use super::*;
use crate::codec::{FieldError, Reader, Writer};

type Result<T> = std::result::Result<T, FieldError>;

fn name(r: &mut Reader<'_>, field: &'static str) -> Result<Arc<str>> {
    Ok(r.text(field)?.into())
}

fn nullable_name(r: &mut Reader<'_>, field: &'static str) -> Result<Option<Arc<str>>> {
    Ok(r.nullable_text(field)?.map(Into::into))
}

fn bytes(r: &mut Reader<'_>, field: &'static str) -> Result<Bytes> {
    Ok(r.bytes(field)?.into())
}

pub(super) fn read_offset_commit(r: &mut Reader<'_>, version: i16) -> Result<OffsetCommitValue> {
    let mut value = OffsetCommitValue {
        offset: r.i64("offset")?,
        leader_epoch: if version >= 3 { r.i32("leader epoch")? } else { -1 },
        metadata: name(r, "metadata")?,
        commit_timestamp_ms: r.i64("commit timestamp")?,
        expire_timestamp_ms: if version == 1 { r.i64("expire timestamp")? } else { -1 },
        topic_id: TopicId::default(),
    };
    r.tagged(|tag, r| {
        if tag == 0 {
            value.topic_id = TopicId(r.uuid("topic id")?);
        }
        Ok(())
    })?;
    Ok(value)
}

pub(super) fn write_offset_commit(w: &mut Writer, version: i16, value: &OffsetCommitValue) {
    w.i64(value.offset);
    if version >= 3 {
        w.i32(value.leader_epoch);
    }
    w.string(&value.metadata);
    w.i64(value.commit_timestamp_ms);
    if version == 1 {
        w.i64(value.expire_timestamp_ms);
    }
    w.tagged(|t| {
        if !value.topic_id.is_zero() {
            t.field(0, |w| w.uuid(value.topic_id.0));
        }
    });
}

pub(super) fn read_group_metadata(r: &mut Reader<'_>, version: i16) -> Result<GroupMetadataValue> {
    let value = GroupMetadataValue {
        protocol_type: name(r, "protocol type")?,
        generation: r.i32("generation")?,
        protocol: nullable_name(r, "protocol")?,
        leader: r.nullable_text("leader")?.map(Into::into),
        current_state_timestamp_ms: if version >= 2 { r.i64("current state timestamp")? } else { -1 },
        members: r.list("members", |r| read_group_metadata_member(r, version))?,
    };
    r.no_tags()?;
    Ok(value)
}

fn read_group_metadata_member(r: &mut Reader<'_>, version: i16) -> Result<GroupMetadataMember> {
    let member = GroupMetadataMember {
        member_id: r.text("member id")?.into(),
        group_instance_id: if version >= 3 { nullable_name(r, "group instance id")? } else { None },
        client_id: name(r, "client id")?,
        client_host: name(r, "client host")?,
        rebalance_timeout_ms: if version >= 1 { r.i32("rebalance timeout")? } else { -1 },
        session_timeout_ms: r.i32("session timeout")?,
        subscription: bytes(r, "subscription")?,
        assignment: bytes(r, "assignment")?,
    };
    r.no_tags()?;
    Ok(member)
}

/// Version 3.
pub(super) fn write_group_metadata(w: &mut Writer, value: &GroupMetadataValue) {
    w.string(&value.protocol_type);
    w.i32(value.generation);
    w.nullable_string(value.protocol.as_deref());
    w.nullable_string(value.leader.as_ref().map(MemberId::as_str));
    w.i64(value.current_state_timestamp_ms);
    w.list(&value.members, |w, member| {
        w.string(&member.member_id.0);
        w.nullable_string(member.group_instance_id.as_deref());
        w.string(&member.client_id);
        w.string(&member.client_host);
        w.i32(member.rebalance_timeout_ms);
        w.i32(member.session_timeout_ms);
        w.byte_string(&member.subscription);
        w.byte_string(&member.assignment);
    });
}

pub(super) fn read_consumer_group_metadata(r: &mut Reader<'_>) -> Result<ConsumerGroupMetadataValue> {
    let mut value = ConsumerGroupMetadataValue { epoch: r.i32("epoch")?, metadata_hash: 0 };
    r.tagged(|tag, r| {
        if tag == 0 {
            value.metadata_hash = r.i64("metadata hash")?;
        }
        Ok(())
    })?;
    Ok(value)
}

pub(super) fn write_consumer_group_metadata(w: &mut Writer, value: &ConsumerGroupMetadataValue) {
    w.i32(value.epoch);
    w.tagged(|t| {
        if value.metadata_hash != 0 {
            t.field(0, |w| w.i64(value.metadata_hash));
        }
    });
}

type PartitionCounts = BTreeMap<TopicId, (Arc<str>, i32)>;

pub(super) fn read_partition_metadata(r: &mut Reader<'_>) -> Result<PartitionCounts> {
    let topics = r.list("topics", |r| {
        let topic = (TopicId(r.uuid("topic id")?), (name(r, "topic name")?, r.i32("number of partitions")?));
        // Racks: of no use since Kafka 4.0.
        r.list("partition metadata", |r| {
            r.i32("partition")?;
            r.list("racks", |r| r.text("rack").map(drop))?;
            r.no_tags()
        })?;
        r.no_tags()?;
        Ok(topic)
    })?;
    r.no_tags()?;
    Ok(topics.into_iter().collect())
}

/// Without racks.
pub(super) fn write_partition_metadata(w: &mut Writer, value: &PartitionCounts) {
    w.list(value, |w, (topic_id, (topic_name, partition_count))| {
        w.uuid(topic_id.0);
        w.string(topic_name);
        w.i32(*partition_count);
        w.list([(); 0], |_, ()| ());
        w.no_tags();
    });
    w.no_tags();
}

pub(super) fn read_member_metadata(r: &mut Reader<'_>) -> Result<ConsumerGroupMemberMetadataValue> {
    let mut value = ConsumerGroupMemberMetadataValue {
        instance_id: nullable_name(r, "instance id")?,
        rack_id: nullable_name(r, "rack id")?,
        client_id: name(r, "client id")?,
        client_host: name(r, "client host")?,
        subscribed_topic_names: r.list("subscribed topic names", |r| name(r, "subscribed topic name"))?.into_iter().collect(),
        subscribed_topic_regex: nullable_name(r, "subscribed topic regex")?,
        rebalance_timeout_ms: r.i32("rebalance timeout")?,
        server_assignor: nullable_name(r, "server assignor")?,
        // So Kafka's class has it: only a null that is written out is none.
        classic: Some(ClassicMemberMetadata::default()),
    };
    r.tagged(|tag, r| {
        if tag == 0 {
            value.classic = read_classic_member_metadata(r)?;
        }
        Ok(())
    })?;
    Ok(value)
}

/// A struct that may be null: 0 is null, any other number stands before the fields.
fn read_classic_member_metadata(r: &mut Reader<'_>) -> Result<Option<ClassicMemberMetadata>> {
    if r.varint("classic member metadata")? == 0 {
        return Ok(None);
    }
    let session_timeout_ms = r.i32("session timeout")?;
    let supported_protocols = r.list("supported protocols", |r| {
        let protocol = (name(r, "protocol name")?, bytes(r, "protocol metadata")?);
        r.no_tags()?;
        Ok(protocol)
    })?;
    r.no_tags()?;
    Ok(Some(ClassicMemberMetadata { session_timeout_ms, supported_protocols }))
}

pub(super) fn write_member_metadata(w: &mut Writer, value: &ConsumerGroupMemberMetadataValue) {
    w.nullable_string(value.instance_id.as_deref());
    w.nullable_string(value.rack_id.as_deref());
    w.string(&value.client_id);
    w.string(&value.client_host);
    w.list(&value.subscribed_topic_names, |w, topic| w.string(topic));
    w.nullable_string(value.subscribed_topic_regex.as_deref());
    w.i32(value.rebalance_timeout_ms);
    w.nullable_string(value.server_assignor.as_deref());
    w.tagged(|t| {
        if value.classic.as_ref() == Some(&ClassicMemberMetadata::default()) {
            return;
        }
        t.field(0, |w| {
            w.varint(u32::from(value.classic.is_some()));
            let Some(classic) = &value.classic else { return };
            w.i32(classic.session_timeout_ms);
            w.list(&classic.supported_protocols, |w, (protocol, metadata)| {
                w.string(protocol);
                w.byte_string(metadata);
                w.no_tags();
            });
            w.no_tags();
        });
    });
}

pub(super) fn read_target_assignment_metadata(r: &mut Reader<'_>) -> Result<ConsumerGroupTargetAssignmentMetadataValue> {
    let mut value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: r.i32("assignment epoch")?, assignment_timestamp_ms: 0 };
    r.tagged(|tag, r| {
        if tag == 0 {
            value.assignment_timestamp_ms = r.i64("assignment timestamp")?;
        }
        Ok(())
    })?;
    Ok(value)
}

pub(super) fn write_target_assignment_metadata(w: &mut Writer, value: &ConsumerGroupTargetAssignmentMetadataValue) {
    w.i32(value.assignment_epoch);
    w.tagged(|t| {
        if value.assignment_timestamp_ms != 0 {
            t.field(0, |w| w.i64(value.assignment_timestamp_ms));
        }
    });
}

pub(super) fn read_target_assignment(r: &mut Reader<'_>) -> Result<Assignment> {
    let topics = r.list("topic partitions", |r| {
        let topic = (TopicId(r.uuid("topic id")?), r.list("partitions", |r| r.i32("partition"))?);
        r.no_tags()?;
        Ok(topic)
    })?;
    r.no_tags()?;
    let mut assignment = Assignment::default();
    for (topic, partitions) in topics {
        partitions.into_iter().for_each(|partition| assignment.insert(topic, partition));
    }
    Ok(assignment)
}

pub(super) fn write_target_assignment(w: &mut Writer, value: &Assignment) {
    w.list(&value.0, |w, (topic_id, partitions)| {
        w.uuid(topic_id.0);
        w.list(partitions, |w, partition| w.i32(*partition));
        w.no_tags();
    });
    w.no_tags();
}

pub(super) fn read_current_assignment(r: &mut Reader<'_>) -> Result<ConsumerGroupCurrentMemberAssignmentValue> {
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: r.i32("member epoch")?,
        previous_member_epoch: r.i32("previous member epoch")?,
        state: r.i8("state")?,
        assigned: read_epoch_assignment(r, "assigned partitions")?,
        pending_revocation: read_epoch_assignment(r, "partitions pending revocation")?,
    };
    r.no_tags()?;
    Ok(value)
}

/// Epochs count only when there is one for each partition. Topics without partitions are dropped.
fn read_epoch_assignment(r: &mut Reader<'_>, field: &'static str) -> Result<EpochAssignment> {
    let topics = r.list(field, |r| {
        let topic_id = TopicId(r.uuid("topic id")?);
        let partitions = r.list("partitions", |r| r.i32("partition"))?;
        let mut epochs = None;
        r.tagged(|tag, r| {
            if tag == 0 {
                epochs = r.nullable_list("assignment epochs", |r| r.i32("assignment epoch"))?;
            }
            Ok(())
        })?;
        Ok((topic_id, partitions, epochs))
    })?;
    let mut assignment = EpochAssignment::default();
    for (topic_id, partitions, epochs) in topics {
        let epochs = epochs.filter(|epochs| epochs.len() == partitions.len());
        let with_epochs: BTreeMap<_, _> = match epochs {
            Some(epochs) => partitions.into_iter().zip(epochs.into_iter().map(Some)).collect(),
            None => partitions.into_iter().map(|partition| (partition, None)).collect(),
        };
        if !with_epochs.is_empty() {
            assignment.0.insert(topic_id, with_epochs);
        }
    }
    Ok(assignment)
}

pub(super) fn write_current_assignment(w: &mut Writer, value: &ConsumerGroupCurrentMemberAssignmentValue) {
    w.i32(value.member_epoch);
    w.i32(value.previous_member_epoch);
    w.i8(value.state);
    write_epoch_assignment(w, &value.assigned);
    write_epoch_assignment(w, &value.pending_revocation);
    w.no_tags();
}

/// The epochs of a topic are written if there is one for each partition.
fn write_epoch_assignment(w: &mut Writer, value: &EpochAssignment) {
    w.list(&value.0, |w, (topic_id, partitions)| {
        w.uuid(topic_id.0);
        w.list(partitions.keys(), |w, partition| w.i32(*partition));
        w.tagged(|t| {
            let epochs: Option<Vec<i32>> = partitions.values().copied().collect();
            if let Some(epochs) = epochs {
                t.field(0, |w| w.list(epochs, |w, epoch| w.i32(epoch)));
            }
        });
    });
}

pub(super) fn read_regular_expression(r: &mut Reader<'_>) -> Result<ConsumerGroupRegularExpressionValue> {
    let value = ConsumerGroupRegularExpressionValue {
        topics: r.list("topics", |r| name(r, "topic"))?.into_iter().collect(),
        version: r.i64("version")?,
        timestamp_ms: r.i64("timestamp")?,
    };
    r.no_tags()?;
    Ok(value)
}

pub(super) fn write_regular_expression(w: &mut Writer, value: &ConsumerGroupRegularExpressionValue) {
    w.list(&value.topics, |w, topic| w.string(topic));
    w.i64(value.version);
    w.i64(value.timestamp_ms);
    w.no_tags();
}
