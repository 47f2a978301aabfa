//! A classic group with members becomes a consumer group, because a member with the new protocol comes.
//!
//! Everybody stays a member under the generation as epoch, with the assignment that the leader made as target and as what is held; so
//! nobody loses a partition before the rebalance that the new member brings. Who waits for the classic rebalance is told to join again.
//!
//! Cooperative members keep partitions through a rebalance, in which the group forgets the assignment. What they said to own when they
//! joined counts as held then; Kafka takes it for free and may give it to the new member at once.

use super::embedded::{self, Malformed};
use crate::group::assignment::Assignment;
use crate::group::classic::{ClassicGroup, ClassicMember};
use crate::group::consumer::TopicHashes;
use crate::group::consumer::join::not_found;
use crate::group::consumer::member::{ConsumerGroupMember, PartitionEpochs};
use crate::group::consumer::state::ConsumerGroup;
use crate::group::names::GroupId;
use crate::group::records::{
    ClassicMemberMetadata, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMetadataValue,
    GroupRecord,
};
use crate::group::soft::Soft;
use crate::metadata::image::TopicsImage;
use crate::metadata::{ApiError, TopicId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The group and the records that make it one, the classic group's tombstone first.
pub(super) fn convert(soft: &Soft, group_id: &GroupId, classic: &ClassicGroup) -> Result<(ConsumerGroup, Vec<GroupRecord>), ApiError> {
    check(soft, group_id, classic)?;
    let mut group = ConsumerGroup::default();
    group.group_epoch = classic.generation();
    group.assignment_epoch = classic.generation();
    // A group in its first rebalance has not voted yet.
    let protocol = classic.protocol().cloned().or_else(|| super::vote(classic.members().cloned()));
    let mut members = Vec::new();
    for classic_member in classic.members() {
        let member = member(classic_member, protocol.as_deref(), soft.image.topics())
            .map_err(|reason| not_found(format!("Cannot upgrade classic group {group_id} to consumer group because {reason}")))?;
        members.push(member);
    }
    let mut given: BTreeSet<(TopicId, i32)> = members.iter().flat_map(|member| member.target.iter()).collect();
    for Upgraded { metadata, mut target, owned } in members {
        for (topic, partition) in owned.into_iter().filter(|held| given.insert(*held)) {
            target.insert(topic, partition);
        }
        let mut assigned = PartitionEpochs::default();
        target.iter().for_each(|(topic, partition)| assigned.insert(topic, partition, classic.generation()));
        let (member_epoch, previous_member_epoch) = (classic.generation(), classic.generation());
        group.set_target(metadata.member_id.clone(), target);
        group.update_member(ConsumerGroupMember { member_epoch, previous_member_epoch, assigned, ..metadata });
    }
    group.metadata_hash = TopicHashes::default().group_hash(group.topics(), &soft.image);
    let mut records = vec![GroupRecord::GroupMetadata { group: group_id.clone(), value: None }];
    records.extend(creation_records(group_id, &group));
    Ok((group, records))
}

fn check(soft: &Soft, group_id: &GroupId, classic: &ClassicGroup) -> Result<(), ApiError> {
    let settings = &soft.settings;
    let reason = if !settings.consumer_migration_policy.allows_upgrade() {
        "online upgrade is disabled."
    } else if !classic.uses_consumer_protocol() {
        "the group does not use the consumer embedded protocol."
    } else if classic.members().len() > settings.consumer_max_size {
        "the group size exceeds the consumer group maximum size."
    } else {
        return Ok(());
    };
    Err(not_found(format!("Cannot upgrade classic group {group_id} to consumer group because {reason}")))
}

const MALFORMED: &str = "the embedded consumer protocol is malformed.";
const CUSTOM_ASSIGNOR: &str = "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor \
     before re-attempting the upgrade.";

/// A member of the classic group on its way.
struct Upgraded {
    /// The member without epochs and partitions.
    metadata: ConsumerGroupMember,
    /// What the leader gave it.
    target: Assignment,
    /// What it said to own when it joined.
    owned: Vec<(TopicId, i32)>,
}

fn member(classic: &ClassicMember, protocol: Option<&str>, topics: &TopicsImage) -> Result<Upgraded, &'static str> {
    let mut target = Assignment::default();
    // Who has joined and not asked for its assignment yet has none.
    if !classic.assignment.is_empty() {
        let assignment = embedded::read_assignment(&classic.assignment).map_err(|Malformed| MALFORMED)?;
        if assignment.has_user_data {
            return Err(CUSTOM_ASSIGNOR);
        }
        for (topic, partition) in super::by_id(&assignment.partitions, topics) {
            target.insert(topic, partition);
        }
    }
    let subscription = embedded::read_subscription(&classic.metadata(protocol)).map_err(|Malformed| MALFORMED)?;
    let new = ConsumerGroupMember::new(classic.member_id.clone());
    let metadata = ConsumerGroupMemberMetadataValue {
        instance_id: classic.instance_id.clone(),
        rack_id: subscription.rack_id,
        client_id: Arc::clone(&classic.client_id),
        client_host: Arc::clone(&classic.client_host),
        subscribed_topic_names: subscription.topics,
        rebalance_timeout_ms: classic.rebalance_timeout_ms,
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic.protocols.clone(),
        }),
        ..ConsumerGroupMemberMetadataValue::clone(&new.metadata)
    };
    let owned = super::by_id(&subscription.owned, topics).collect();
    Ok(Upgraded { metadata: new.with_metadata(metadata), target, owned })
}

/// The records of a whole group, in Kafka's order.
fn creation_records(group_id: &GroupId, group: &ConsumerGroup) -> Vec<GroupRecord> {
    let members = || group.members().values();
    let mut records: Vec<_> = members().map(|member| member.metadata_record(group_id)).collect();
    let value = Some(ConsumerGroupMetadataValue { epoch: group.group_epoch, metadata_hash: group.metadata_hash });
    records.push(GroupRecord::ConsumerGroupMetadata { group: group_id.clone(), value });
    records.extend(group.target().iter().map(|(member, target)| GroupRecord::ConsumerGroupTargetAssignmentMember {
        group: group_id.clone(),
        member: member.clone(),
        value: Some(Assignment::clone(target)),
    }));
    let value = ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: group.assignment_epoch,
        assignment_timestamp_ms: group.assignment_timestamp_ms,
    };
    records.push(GroupRecord::ConsumerGroupTargetAssignmentMetadata { group: group_id.clone(), value: Some(value) });
    records.extend(members().map(|member| member.current_assignment_record(group_id)));
    records
}
