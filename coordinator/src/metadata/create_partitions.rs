//! CreatePartitions: more partitions for topics that are there.
//!
//! The order of checks is Kafka's: duplicates, authorization, then per topic existence, the count, the number of assignments, the
//! caller's quota, the assignments themselves, limits. One row per topic: those asked twice first, then the others in the order asked. A topic that fails
//! changes nothing and does not disturb the others; Kafka adds what it had placed before the failure.

use super::create_topics::over_quota;
use super::image::{MetadataImage, TopicImage};
use super::placement::{self, MAX_RECORDS_PER_OPERATION, TopicLimits};
use super::records::MetadataRecord;
use super::{ApiError, BrokerId, MetadataEffects, MetadataReply, MetadataShard, PartitionRegistration, TopicAccess};
use crate::effects::Ticket;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeSet;

/// What CreatePartitions depends on besides the image.
pub struct CreatePartitionsContext<'a> {
    /// What no request may exceed.
    pub limits: TopicLimits,
    /// What the caller may do.
    pub access: &'a dyn TopicAccess,
}

impl MetadataShard {
    /// CreatePartitions (key 37), v0-3.
    pub fn create_partitions(
        &self,
        ticket: Ticket,
        request: &CreatePartitionsRequest,
        context: &CreatePartitionsContext<'_>,
    ) -> MetadataEffects {
        let (records, response) = handle(self.image(), request, context);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::CreatePartitions(response)) }
    }
}

fn handle(
    image: &MetadataImage,
    request: &CreatePartitionsRequest,
    context: &CreatePartitionsContext<'_>,
) -> (Vec<MetadataRecord>, CreatePartitionsResponse) {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).filter(|name| !seen.insert(*name)).collect();
    let duplicate = ApiError::new(ResponseError::InvalidRequest, "Duplicate topic name.");
    let mut results: Vec<_> = twice.iter().map(|name| result(&StrBytes::from_string((*name).to_owned()), Some(&duplicate))).collect();
    let mut records = Vec::new();
    let mut total = image.topics().partition_count();
    for topic in request.topics.iter().filter(|topic| !twice.contains(topic.name.as_str())) {
        let added = add(image, topic, context, total).and_then(|added| {
            if records.len() + added.len() > MAX_RECORDS_PER_OPERATION {
                let text = "Unable to perform excessively large batch operation.";
                return Err(ApiError::new(ResponseError::PolicyViolation, text));
            }
            Ok(added)
        });
        results.push(result(&topic.name, added.as_ref().err()));
        if let Ok(mut added) = added {
            total += added.len();
            records.append(&mut added);
        }
    }
    if request.validate_only {
        records.clear();
    }
    (records, CreatePartitionsResponse::default().with_results(results))
}

fn add(
    image: &MetadataImage,
    asked: &CreatePartitionsTopic,
    context: &CreatePartitionsContext<'_>,
    total: usize,
) -> Result<Vec<MetadataRecord>, ApiError> {
    let name = asked.name.as_str();
    if !context.access.may_alter(name) {
        return Err(ApiError { error: ResponseError::TopicAuthorizationFailed, message: None });
    }
    let unknown = ApiError { error: ResponseError::UnknownTopicOrPartition, message: None };
    let topic = image.topics().by_name(name).ok_or(unknown)?;
    let added = count_added(topic, asked)?;
    if !context.access.may_change_partitions(added) {
        return Err(over_quota());
    }
    let held = topic.partitions.len();
    // The first partition speaks for all, as in Kafka.
    let factor = topic.partitions.values().next().map_or(1, |partition| partition.replicas.len());
    let placed = match &asked.assignments {
        Some(assignments) => place_manually(image, assignments, held, factor)?,
        None => {
            context.limits.check(held + added, added, total)?;
            placement::spread(image.cluster(), held..held + added, i16::try_from(factor).unwrap_or(i16::MAX))?
        }
    };
    context.limits.check(held + added, added, total)?;
    let numbers = i32::try_from(held).unwrap_or(i32::MAX)..;
    Ok(numbers.zip(placed).map(|(number, partition)| MetadataRecord::Partition(partition.to_record(topic.id, number))).collect())
}

/// How many partitions are to be added: at least one.
fn count_added(topic: &TopicImage, asked: &CreatePartitionsTopic) -> Result<usize, ApiError> {
    let held = topic.partitions.len();
    let wanted = usize::try_from(asked.count).unwrap_or_default();
    if wanted == held {
        return Err(ApiError::new(ResponseError::InvalidPartitions, format!("Topic already has {held} partition(s).")));
    }
    if wanted < held {
        let text = format!("The topic {} currently has {held} partition(s); {} would not be an increase.", topic.name, asked.count);
        return Err(ApiError::new(ResponseError::InvalidPartitions, text));
    }
    let added = wanted - held;
    match &asked.assignments {
        Some(assignments) if assignments.len() != added => {
            let text =
                format!("Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.", assignments.len());
            Err(ApiError::new(ResponseError::InvalidReplicaAssignment, text))
        }
        _ => Ok(added),
    }
}

fn place_manually(
    image: &MetadataImage,
    assignments: &[CreatePartitionsAssignment],
    first: usize,
    factor: usize,
) -> Result<Vec<PartitionRegistration>, ApiError> {
    let numbers = i32::try_from(first).unwrap_or(i32::MAX)..;
    let place = |(number, assignment): (i32, &CreatePartitionsAssignment)| {
        let replicas: Vec<BrokerId> = assignment.broker_ids.iter().map(|id| BrokerId(id.0)).collect();
        placement::check_manual(image.cluster(), &replicas, Some(factor))?;
        placement::manual(image.cluster(), replicas, number)
    };
    numbers.zip(assignments).map(place).collect()
}

fn result(name: &StrBytes, error: Option<&ApiError>) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult::default()
        .with_name(TopicName(name.clone()))
        .with_error_code(error.map_or(0, |error| error.error.code()))
        .with_error_message(error.and_then(|error| error.message.clone()).map(StrBytes::from_string))
}
