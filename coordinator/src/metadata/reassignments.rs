//! AlterPartitionReassignments and ListPartitionReassignments: replicas on their way from broker to broker (KIP-455, KIP-860).
//!
//! A move to replicas that are all in sync is done at once; another one is recorded as under way and ends when the followers have caught
//! up. On one node there is nowhere to move to, and the answers say so as Kafka's controller does.

use super::elections::min_isr;
use super::image::{MetadataImage, TopicImage};
use super::partition_change::{Election, ElectionRules, PartitionTarget};
use super::placement::{self, MAX_RECORDS_PER_OPERATION};
use super::records::{MetadataRecord, PartitionChangeRecord};
use super::{ApiError, BrokerId, MetadataEffects, MetadataReply, MetadataShard, PartitionRegistration};
use crate::effects::Ticket;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse};
use kafka_protocol::messages::list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment};
use kafka_protocol::messages::{
    self, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeSet;

impl MetadataShard {
    /// AlterPartitionReassignments (key 45), v0-1.
    pub fn alter_partition_reassignments(
        &self,
        ticket: Ticket,
        request: &AlterPartitionReassignmentsRequest,
        rules: &dyn ElectionRules,
    ) -> MetadataEffects {
        let (records, response) = alter(self.image(), request, rules);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::AlterPartitionReassignments(response)) }
    }
}

fn alter(
    image: &MetadataImage,
    request: &AlterPartitionReassignmentsRequest,
    rules: &dyn ElectionRules,
) -> (Vec<MetadataRecord>, AlterPartitionReassignmentsResponse) {
    let mut records = Vec::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut cells = Vec::new();
        for asked in &topic.partitions {
            let target = asked.replicas.as_ref().map(|ids| ids.iter().map(|id| BrokerId(id.0)).collect());
            let (name, number) = (topic.name.as_str(), asked.partition_index);
            let outcome = alter_one(image, name, number, target, request.allow_replication_factor_change, rules);
            let outcome = outcome.and_then(|change| match change {
                Some(_) if records.len() >= MAX_RECORDS_PER_OPERATION => {
                    Err(ApiError::new(ResponseError::PolicyViolation, "Unable to perform excessively large batch operation."))
                }
                change => Ok(change),
            });
            let cell = ReassignablePartitionResponse::default().with_partition_index(asked.partition_index);
            cells.push(match outcome {
                Ok(change) => {
                    records.extend(change.map(MetadataRecord::PartitionChange));
                    cell.with_error_message(None)
                }
                Err(ApiError { error, message }) => {
                    cell.with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string))
                }
            });
        }
        topics.push(ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(cells));
    }
    // Kafka does not look at a request for nothing, and leaves its text empty.
    let message = request.topics.is_empty().then(StrBytes::default);
    let response = AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(request.allow_replication_factor_change || request.topics.is_empty())
        .with_error_message(message)
        .with_responses(topics);
    (records, response)
}

fn alter_one(
    image: &MetadataImage,
    name: &str,
    number: i32,
    target: Option<Vec<BrokerId>>,
    allow_factor_change: bool,
    rules: &dyn ElectionRules,
) -> Result<Option<PartitionChangeRecord>, ApiError> {
    let unknown = |text: String| ApiError::new(ResponseError::UnknownTopicOrPartition, text);
    let topic = image.topics().by_name(name).ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let held = topic.partitions.get(&number).ok_or_else(|| unknown(format!("Unable to find partition {name}:{number}.")))?;
    match target {
        None => cancel(image, topic, number, held, rules),
        Some(target) => begin(image, topic, number, held, &target, allow_factor_change, rules),
    }
}

fn is_moving(held: &PartitionRegistration) -> bool {
    !held.adding_replicas.is_empty() || !held.removing_replicas.is_empty()
}

fn begin(
    image: &MetadataImage,
    topic: &TopicImage,
    number: i32,
    held: &PartitionRegistration,
    target: &[BrokerId],
    allow_factor_change: bool,
    rules: &dyn ElectionRules,
) -> Result<Option<PartitionChangeRecord>, ApiError> {
    placement::check_manual(image.cluster(), target, None)?;
    let factor = held.replicas.iter().filter(|id| !held.removing_replicas.contains(id)).count();
    if !allow_factor_change && factor != target.len() {
        let text = format!("The replication factor is changed from {factor} to {}", target.len());
        return Err(ApiError::new(ResponseError::InvalidReplicationFactor, text));
    }
    let (now, wanted): (BTreeSet<_>, BTreeSet<_>) = (held.replicas.iter().copied().collect(), target.iter().copied().collect());
    let removing: Vec<BrokerId> = now.difference(&wanted).copied().collect();
    let adding: Vec<BrokerId> = wanted.difference(&now).copied().collect();
    let mut next = PartitionTarget::of(image, held, min_isr(rules, topic));
    next.replicas = [target, &removing[..]].concat();
    // What an earlier move wanted stays unless this one says otherwise, as in Kafka.
    if !removing.is_empty() {
        next.removing = removing;
    }
    if !adding.is_empty() {
        next.adding = adding;
    }
    Ok(next.change(topic.id, number))
}

fn cancel(
    image: &MetadataImage,
    topic: &TopicImage,
    number: i32,
    held: &PartitionRegistration,
    rules: &dyn ElectionRules,
) -> Result<Option<PartitionChangeRecord>, ApiError> {
    if !is_moving(held) {
        return Err(ApiError { error: ResponseError::NoReassignmentInProgress, message: None });
    }
    let before = |ids: &[BrokerId]| -> Vec<BrokerId> { ids.iter().copied().filter(|id| !held.adding_replicas.contains(id)).collect() };
    let (replicas, mut isr) = (before(&held.replicas), before(&held.isr));
    let unclean_allowed = rules.unclean_election(&topic.name);
    if isr.is_empty() {
        let invalid = |text: String| ApiError::new(ResponseError::InvalidReplicaAssignment, text);
        let none = "Invalid replica assignment: addingReplicas contains all replicas.";
        isr.push(*replicas.first().ok_or_else(|| invalid(none.to_owned()))?);
        if !unclean_allowed {
            let why = "because it would require an unclean leader election.";
            return Err(invalid(format!("Unable to revert partition assignment for {}:{number} {why}", topic.name)));
        }
    }
    let mut next = PartitionTarget::of(image, held, min_isr(rules, topic));
    if unclean_allowed {
        next.election = Election::Unclean;
    }
    (next.isr, next.replicas) = (isr, replicas);
    next.adding.clear();
    next.removing.clear();
    Ok(next.change(topic.id, number))
}

/// What is under way: of all topics, or of the partitions that are named; unknown ones are left out.
#[must_use]
pub fn list_partition_reassignments(
    image: &MetadataImage,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let topics = match &request.topics {
        None => image.topics().iter().filter_map(|topic| ongoing(topic, topic.partitions.keys())).collect(),
        Some(topics) => topics
            .iter()
            .filter_map(|asked| ongoing(image.topics().by_name(asked.name.as_str())?, asked.partition_indexes.iter()))
            .collect(),
    };
    ListPartitionReassignmentsResponse::default().with_error_message(None).with_topics(topics)
}

fn ongoing<'a>(topic: &TopicImage, numbers: impl Iterator<Item = &'a i32>) -> Option<OngoingTopicReassignment> {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|id| messages::BrokerId(id.0)).collect();
    let describe = |number: &i32| {
        let held = topic.partitions.get(number).filter(|held| is_moving(held))?;
        Some(
            OngoingPartitionReassignment::default()
                .with_partition_index(*number)
                .with_replicas(ids(&held.replicas))
                .with_adding_replicas(ids(&held.adding_replicas))
                .with_removing_replicas(ids(&held.removing_replicas)),
        )
    };
    let partitions: Vec<_> = numbers.filter_map(describe).collect();
    let name = TopicName(StrBytes::from_string(topic.name.to_string()));
    (!partitions.is_empty()).then(|| OngoingTopicReassignment::default().with_name(name).with_partitions(partitions))
}
