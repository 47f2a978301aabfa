//! A consumer group as ConsumerGroupDescribe shows it.

use super::super::assignment::Assignment;
use super::member::ConsumerGroupMember;
use super::state::ConsumerGroup;
use super::target::preferred_assignor;
use crate::metadata::TopicId;
use crate::metadata::image::TopicsImage;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment as DescribedAssignment, DescribedGroup, Member as DescribedMember, TopicPartitions,
};
use kafka_protocol::messages::{GroupId as WireGroupId, TopicName as WireTopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The group, with its members in the order of their ids. The caller fills in the authorized operations.
pub(in crate::group) fn described(group_id: &str, group: &ConsumerGroup, default_assignor: &str, topics: &TopicsImage) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(WireGroupId(text(group_id)))
        .with_assignor_name(text(preferred_assignor(group.assignor_votes()).map_or(default_assignor, |name| name)))
        .with_group_epoch(group.group_epoch)
        .with_group_state(text(group.state().name()))
        .with_assignment_epoch(group.assignment_epoch)
        .with_members(group.members().values().map(|member| described_member(group, member, topics)).collect())
}

fn described_member(group: &ConsumerGroup, member: &ConsumerGroupMember, topics: &TopicsImage) -> DescribedMember {
    // A member answers for what it has to give up until it has done so.
    let mut held: BTreeMap<TopicId, BTreeSet<i32>> = BTreeMap::new();
    for (topic, partition, _) in member.assigned.iter().chain(member.pending_revocation.iter()) {
        held.entry(topic).or_default().insert(partition);
    }
    let metadata = &member.metadata;
    DescribedMember::default()
        .with_member_id(text(member.member_id.as_str()))
        .with_member_epoch(member.member_epoch)
        .with_instance_id(metadata.instance_id.as_deref().map(text))
        .with_rack_id(metadata.rack_id.as_deref().map(text))
        .with_client_id(text(&metadata.client_id))
        .with_client_host(text(&metadata.client_host))
        .with_subscribed_topic_names(metadata.subscribed_topic_names.iter().map(|name| WireTopicName(text(name))).collect())
        .with_subscribed_topic_regex(metadata.subscribed_topic_regex.as_deref().map(text))
        .with_assignment(described_assignment(&Assignment(held), topics))
        .with_target_assignment(described_assignment(&group.target_of(member.member_id.as_str()), topics))
        .with_member_type(i8::from(!member.uses_classic_protocol()))
}

/// Topics that no longer exist are left out.
fn described_assignment(assignment: &Assignment, topics: &TopicsImage) -> DescribedAssignment {
    let described = assignment.0.iter().filter_map(|(id, partitions)| {
        let topic = topics.by_id(*id)?;
        let partitions = partitions.iter().copied().collect();
        Some(
            TopicPartitions::default()
                .with_topic_id(id.0)
                .with_topic_name(WireTopicName(text(topic.name.as_str())))
                .with_partitions(partitions),
        )
    });
    DescribedAssignment::default().with_topic_partitions(described.collect())
}
