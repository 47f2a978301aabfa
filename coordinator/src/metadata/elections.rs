//! ElectLeaders: the preferred leader back in its place, or some leader rather than none (KIP-460).

use super::image::{MetadataImage, TopicImage};
use super::partition_change::{Election, ElectionRules, PartitionTarget};
use super::placement::MAX_RECORDS_PER_OPERATION;
use super::records::MetadataRecord;
use super::{ApiError, MetadataEffects, MetadataReply, MetadataShard, PartitionRegistration};
use crate::effects::Ticket;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

/// One request under way.
struct Elector<'a> {
    image: &'a MetadataImage,
    rules: &'a dyn ElectionRules,
    election: Election,
    records: Vec<MetadataRecord>,
}

impl MetadataShard {
    /// ElectLeaders (key 43), v0-2.
    pub fn elect_leaders(&self, ticket: Ticket, request: &ElectLeadersRequest, rules: &dyn ElectionRules) -> MetadataEffects {
        let (records, outcome) = handle(self.image(), request, rules);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::ElectLeaders(outcome)) }
    }
}

fn handle(
    image: &MetadataImage,
    request: &ElectLeadersRequest,
    rules: &dyn ElectionRules,
) -> (Vec<MetadataRecord>, Result<ElectLeadersResponse, ApiError>) {
    // Nothing asked, nothing looked at.
    if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
        return (Vec::new(), Ok(ElectLeadersResponse::default()));
    }
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        other => {
            let error = ApiError::new(ResponseError::InvalidRequest, format!("Unknown election type {other}"));
            return (Vec::new(), Err(error));
        }
    };
    let mut elector = Elector { image, rules, election, records: Vec::new() };
    let results = match &request.topic_partitions {
        None => elector.everywhere(),
        Some(topics) => topics.iter().map(|topic| elector.named(topic.topic.as_str(), &topic.partitions)).collect(),
    };
    (elector.records, Ok(ElectLeadersResponse::default().with_replica_election_results(results)))
}

impl Elector<'_> {
    /// Every topic has a row; partitions that need no election have none.
    fn everywhere(&mut self) -> Vec<ReplicaElectionResult> {
        let mut results = Vec::new();
        for topic in self.image.topics().iter() {
            let mut cells = Vec::new();
            for (number, held) in &topic.partitions {
                match self.elect(topic, *number, held) {
                    Err(why) if why.error == ResponseError::ElectionNotNeeded => {}
                    outcome => cells.push(cell(*number, outcome)),
                }
            }
            results.push(row(&topic.name, cells));
        }
        results
    }

    fn named(&mut self, name: &str, numbers: &[i32]) -> ReplicaElectionResult {
        let unknown = |text: String| Err(ApiError::new(ResponseError::UnknownTopicOrPartition, text));
        let topic = self.image.topics().by_name(name);
        let mut cells = Vec::new();
        for number in numbers {
            let outcome = match topic.map(|topic| (topic, topic.partitions.get(number))) {
                None => unknown(format!("No such topic as {name}")),
                Some((_, None)) => unknown(format!("No such partition as {name}-{number}")),
                Some((topic, Some(held))) => self.elect(topic, *number, held),
            };
            cells.push(cell(*number, outcome));
        }
        row(name, cells)
    }

    fn elect(&mut self, topic: &TopicImage, number: i32, held: &PartitionRegistration) -> Result<(), ApiError> {
        let fails = |error, text: &str| Err(ApiError::new(error, text));
        let needless = match self.election {
            Election::Preferred => held.leader.is_some() && held.leader.as_ref() == held.replicas.first(),
            Election::Unclean | Election::Clean => held.leader.is_some(),
        };
        if needless {
            return fails(ResponseError::ElectionNotNeeded, "Leader election not needed for topic partition.");
        }
        let min_isr = min_isr(self.rules, topic);
        let mut target = PartitionTarget::of(self.image, held, min_isr);
        target.election = self.election;
        match target.change(topic.id, number) {
            None if self.election == Election::Preferred => {
                fails(ResponseError::PreferredLeaderNotAvailable, "The preferred leader was not available.")
            }
            None => fails(ResponseError::EligibleLeadersNotAvailable, "Eligible topic partition leaders are not available."),
            Some(_) if self.records.len() >= MAX_RECORDS_PER_OPERATION => {
                fails(ResponseError::PolicyViolation, "Unable to perform excessively large batch operation.")
            }
            Some(change) => {
                self.records.push(MetadataRecord::PartitionChange(change));
                Ok(())
            }
        }
    }
}

/// `min.insync.replicas` of a topic, at most its replication factor.
pub(super) fn min_isr(rules: &dyn ElectionRules, topic: &TopicImage) -> usize {
    let factor = topic.partitions.get(&0).map_or(1, |partition| partition.replicas.len());
    rules.min_insync_replicas(&topic.name).min(factor)
}

fn row(topic: &str, cells: Vec<PartitionResult>) -> ReplicaElectionResult {
    ReplicaElectionResult::default().with_topic(TopicName(StrBytes::from_string(topic.to_owned()))).with_partition_result(cells)
}

fn cell(number: i32, outcome: Result<(), ApiError>) -> PartitionResult {
    let result = PartitionResult::default().with_partition_id(number);
    match outcome {
        Ok(()) => result.with_error_message(None),
        Err(ApiError { error, message }) => result.with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string)),
    }
}
