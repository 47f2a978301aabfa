//! Which brokers a new partition lives on, for CreateTopics and CreatePartitions.
//!
//! Promises: a placement names as many different registered brokers as asked; a partition is made only where somebody active can lead
//! it. Not done: racks.

use super::image::{BrokerRegistration, ClusterImage, LeaderRecoveryState};
use super::{ApiError, BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, PartitionRegistration};
use kafka_protocol::ResponseError;
use std::ops::Range;

/// Kafka's cap on records in one operation.
pub(super) const MAX_RECORDS_PER_OPERATION: usize = 10_000;

/// What no request may exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Partitions of one topic; beyond it INVALID_PARTITIONS.
    pub partitions_per_topic: i32,
    /// Partitions of all topics; beyond it POLICY_VIOLATION.
    pub partitions_total: usize,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self { partitions_per_topic: 10_000, partitions_total: 1_000_000 }
    }
}

impl TopicLimits {
    /// Whether a topic may have `partitions` partitions, `added` of them new, when all topics have `total` so far.
    pub(super) fn check(&self, partitions: usize, added: usize, total: usize) -> Result<(), ApiError> {
        if partitions > usize::try_from(self.partitions_per_topic).unwrap_or_default() {
            let text = format!("{partitions} partitions are more than the {} that one topic may have.", self.partitions_per_topic);
            return Err(ApiError::new(ResponseError::InvalidPartitions, text));
        }
        if total.saturating_add(added) > self.partitions_total {
            let text = format!("The cluster would have more than the {} partitions it may have.", self.partitions_total);
            return Err(ApiError::new(ResponseError::PolicyViolation, text));
        }
        Ok(())
    }
}

/// Whether a caller may place a partition on `replicas`; `factor` is what the topic's other partitions have.
pub(super) fn check_manual(cluster: &ClusterImage, replicas: &[BrokerId], factor: Option<usize>) -> Result<(), ApiError> {
    let invalid = |text: String| Err(ApiError::new(ResponseError::InvalidReplicaAssignment, text));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut previous = None;
    for id in sorted {
        if cluster.broker(id).is_none() {
            return invalid(format!("The manual partition assignment includes broker {id}, but no such broker is registered."));
        }
        if previous == Some(id) {
            return invalid(format!("The manual partition assignment includes the broker {id} more than once."));
        }
        previous = Some(id);
    }
    match factor {
        Some(factor) if factor != replicas.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with previous \
             partitions, which have {factor} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// A new partition on `replicas`, as a caller wants it; `number` is for the error's text.
pub(super) fn manual(cluster: &ClusterImage, replicas: Vec<BrokerId>, number: i32) -> Result<PartitionRegistration, ApiError> {
    registration(cluster, replicas).ok_or_else(|| {
        let text = format!(
            "All brokers specified in the manual partition assignment for partition {number} are fenced or in controlled shutdown."
        );
        ApiError::new(ResponseError::InvalidReplicaAssignment, text)
    })
}

/// The partitions of these numbers, spread over the brokers: each `factor` times, on active brokers as far as there are any.
pub(super) fn spread(cluster: &ClusterImage, numbers: Range<usize>, factor: i16) -> Result<Vec<PartitionRegistration>, ApiError> {
    let invalid = |text: String| ApiError::new(ResponseError::InvalidReplicationFactor, text);
    let brokers = usable_brokers(cluster, factor).map_err(invalid)?;
    let replicas_of = |number: usize| brokers.iter().copied().cycle().skip(number % brokers.len()).take(usize::from(factor.unsigned_abs()));
    numbers
        .map(|number| {
            registration(cluster, replicas_of(number).collect()).ok_or_else(|| {
                invalid(format!(
                    "Unable to replicate the partition {factor} time(s): All brokers are currently fenced or in controlled shutdown."
                ))
            })
        })
        .collect()
}

/// The brokers to place replicas on: active ones first, fenced ones only when the factor needs them.
pub(super) fn usable_brokers(cluster: &ClusterImage, factor: i16) -> Result<Vec<BrokerId>, String> {
    let wanted = usize::from(factor.unsigned_abs());
    let (mut brokers, fenced): (Vec<_>, Vec<_>) = cluster.brokers().partition(|broker| !broker.fenced);
    if factor <= 0 {
        return Err(format!("Invalid replication factor {factor}: the replication factor must be positive."));
    }
    if brokers.is_empty() {
        return Err("All brokers are currently fenced, or have all their log directories cordoned.".to_owned());
    }
    let total = brokers.len() + fenced.len();
    if wanted > total {
        return Err(format!(
            "The target replication factor of {wanted} cannot be reached because only {total} broker(s) are registered or some \
             brokers have all their log directories cordoned."
        ));
    }
    if brokers.len() < wanted {
        brokers.extend(fenced);
    }
    Ok(brokers.iter().map(|broker| broker.id).collect())
}

/// A new partition on `replicas`; `None` if none of them can lead.
fn registration(cluster: &ClusterImage, replicas: Vec<BrokerId>) -> Option<PartitionRegistration> {
    let isr: Vec<BrokerId> = replicas.iter().copied().filter(|id| cluster.is_active(*id)).collect();
    let leader = *isr.first()?;
    Some(PartitionRegistration {
        directories: replicas.iter().map(|id| new_directory(cluster, *id)).collect(),
        replicas,
        isr,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        leader: Some(leader),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
    })
}

/// Where a broker puts a new replica.
pub(super) fn new_directory(cluster: &ClusterImage, broker: BrokerId) -> DirectoryId {
    cluster.broker(broker).map_or(DirectoryId::UNASSIGNED, BrokerRegistration::default_directory)
}
