//! Brokers and controllers come and go; partition leaders follow.
//!
//! Kafka registers a starting broker fenced, and unfences it once it has caught up; on the way down it gives up its
//! leaderships. Each loss and gain of a leader raises the leader epoch. A node that is its own controller has caught up
//! before it registers, so registering, unfencing and electing are one batch here, and the epoch rises by one.

use super::features::ELIGIBLE_LEADER_REPLICAS_VERSION;
use super::image::{LeaderRecoveryState, MetadataImage};
use super::records::{
    BrokerRegistrationChangeRecord, Endpoint, FenceChange, MetadataRecord, PartitionChangeRecord, RegisterBrokerRecord,
    RegisterControllerRecord, SupportedFeature,
};
use super::{ApiError, BrokerEpoch, BrokerId, DirectoryId, IncarnationId, PartitionRegistration, TopicId};
use kafka_protocol::ResponseError;
use std::collections::BTreeSet;

/// What a starting broker says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistrationRequest {
    /// The broker.
    pub broker_id: BrokerId,
    /// A fresh random id for this run of the process.
    pub incarnation_id: IncarnationId,
    /// Where it is reached, by listener.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels it can run at, see [`super::features::supported`].
    pub features: Vec<SupportedFeature>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// The ids of its online log directories.
    pub log_dirs: Vec<DirectoryId>,
}

/// What a starting controller says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistrationRequest {
    /// The controller's node id.
    pub controller_id: BrokerId,
    /// A fresh random id for this run of the process.
    pub incarnation_id: IncarnationId,
    /// Where it is reached, by listener.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels it can run at.
    pub features: Vec<SupportedFeature>,
}

pub(super) fn register_controller(request: &ControllerRegistrationRequest) -> Vec<MetadataRecord> {
    vec![MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: false,
        endpoints: request.endpoints.clone(),
        features: request.features.clone(),
    })]
}

/// The registration, the unfencing, and an election for every partition this broker may lead.
pub(super) fn register_broker(
    image: &MetadataImage,
    request: &BrokerRegistrationRequest,
    log_end_offset: i64,
) -> Result<Vec<MetadataRecord>, ApiError> {
    check(request)?;
    let broker_id = request.broker_id;
    let broker_epoch = BrokerEpoch(log_end_offset);
    let mut log_dirs = request.log_dirs.clone();
    log_dirs.sort_unstable();
    let registration = RegisterBrokerRecord {
        broker_id,
        is_migrating_zk_broker: false,
        incarnation_id: request.incarnation_id,
        broker_epoch,
        endpoints: request.endpoints.clone(),
        features: request.features.clone(),
        rack: request.rack.clone(),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs,
        cordoned_log_dirs: None,
    };
    let mut unfenced = BrokerRegistrationChangeRecord::new(broker_id, broker_epoch);
    unfenced.fenced = FenceChange::Unfence;
    let mut records = vec![MetadataRecord::RegisterBroker(registration), MetadataRecord::BrokerRegistrationChange(unfenced)];
    for topic in image.topics().iter_by_id() {
        for (partition_id, partition) in &topic.partitions {
            let directory = partition.directory_of(broker_id).unwrap_or(DirectoryId::UNASSIGNED);
            if !directory.is_online_among(&request.log_dirs) {
                // Its directory did not come back with the broker.
                if partition.leader == Some(broker_id) || partition.isr.contains(&broker_id) {
                    records.push(MetadataRecord::PartitionChange(given_up(image, topic.id, *partition_id, broker_id, partition)));
                }
            } else if may_lead(image, broker_id, partition) {
                records.push(MetadataRecord::PartitionChange(elected(topic.id, *partition_id, broker_id, partition)));
            }
        }
    }
    Ok(records)
}

fn check(request: &BrokerRegistrationRequest) -> Result<(), ApiError> {
    let refuse = |why: &str| Err(ApiError::new(ResponseError::InvalidRegistration, why));
    if request.log_dirs.is_empty() {
        return refuse("No directories specified in request");
    }
    if request.log_dirs.iter().any(|directory| directory.is_reserved()) {
        return refuse("Reserved directory ID in request");
    }
    if request.log_dirs.iter().collect::<BTreeSet<_>>().len() != request.log_dirs.len() {
        return refuse("Duplicate directory ID in request");
    }
    Ok(())
}

/// Whether a starting `broker` is to be elected: it led when it was last seen, or nobody leads and it is in sync, an
/// eligible leader replica, or the last leader known.
fn may_lead(image: &MetadataImage, broker: BrokerId, partition: &PartitionRegistration) -> bool {
    if !partition.has_replica(broker) {
        return false;
    }
    match partition.leader {
        Some(leader) if leader == broker => true,
        Some(leader) if image.cluster().is_active(leader) => false,
        _ if partition.isr.contains(&broker) => true,
        _ => {
            let last_known = partition.elr.is_empty() && partition.last_known_elr == [broker];
            partition.isr.is_empty() && (partition.elr.contains(&broker) || last_known)
        }
    }
}

fn elected(topic_id: TopicId, partition_id: i32, broker: BrokerId, partition: &PartitionRegistration) -> PartitionChangeRecord {
    let mut change = PartitionChangeRecord::new(topic_id, partition_id);
    // Naming the leader raises the leader epoch even when it stays the same.
    change.leader = Some(broker);
    if !partition.isr.contains(&broker) {
        change.isr = Some([&partition.isr[..], &[broker]].concat());
        let was_eligible = partition.elr.contains(&broker);
        if was_eligible {
            change.elr = Some(partition.elr.iter().copied().filter(|id| *id != broker).collect());
        }
        if !partition.last_known_elr.is_empty() {
            change.last_known_elr = Some(Vec::new());
        }
    }
    // The only replica has nobody to recover from.
    if partition.leader_recovery_state == LeaderRecoveryState::Recovering && partition.replicas == [broker] {
        change.leader_recovery_state = Some(0);
    }
    change
}

/// A clean stop, as Kafka's controlled shutdown leaves it: leaderships given up, then fenced.
pub(super) fn fence_broker(image: &MetadataImage, broker_id: BrokerId) -> Vec<MetadataRecord> {
    let Some(broker) = image.cluster().broker(broker_id).filter(|broker| !broker.fenced) else { return Vec::new() };
    let mut shutting_down = BrokerRegistrationChangeRecord::new(broker_id, broker.epoch);
    shutting_down.in_controlled_shutdown = true;
    let mut records = vec![MetadataRecord::BrokerRegistrationChange(shutting_down)];
    for topic in image.topics().iter_by_id() {
        for (partition_id, partition) in &topic.partitions {
            if partition.isr.contains(&broker_id) || partition.leader == Some(broker_id) {
                let change = given_up(image, topic.id, *partition_id, broker_id, partition);
                records.push(MetadataRecord::PartitionChange(change));
            }
        }
    }
    let mut fenced = BrokerRegistrationChangeRecord::new(broker_id, broker.epoch);
    fenced.fenced = FenceChange::Fence;
    records.push(MetadataRecord::BrokerRegistrationChange(fenced));
    records
}

fn given_up(
    image: &MetadataImage,
    topic_id: TopicId,
    partition_id: i32,
    broker: BrokerId,
    partition: &PartitionRegistration,
) -> PartitionChangeRecord {
    let elr_enabled = image.features().level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0;
    let mut change = PartitionChangeRecord::new(topic_id, partition_id);
    let others: Vec<BrokerId> = partition.isr.iter().copied().filter(|id| *id != broker).collect();
    if partition.leader == Some(broker) {
        let next = others.iter().copied().find(|id| image.cluster().is_active(*id));
        change.leader = Some(next.unwrap_or(BrokerId::NONE));
    }
    if !others.is_empty() {
        change.isr = Some(others);
    } else if elr_enabled {
        // The last in-sync replica stays eligible: it has every committed record.
        change.isr = Some(Vec::new());
        change.elr = Some([&partition.elr[..], &[broker]].concat());
        change.last_known_elr = Some(vec![broker]);
    }
    change
}

/// The replicas of `broker` whose recorded directory differs from where they are.
pub(super) fn assign_directories(image: &MetadataImage, broker: BrokerId, assigned: &[(TopicId, i32, DirectoryId)]) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for (topic_id, partition_id, directory) in assigned {
        // Topics may have gone since the broker looked.
        let Some(partition) = image.topics().partition(*topic_id, *partition_id) else { continue };
        let Some(slot) = partition.replicas.iter().position(|id| *id == broker) else { continue };
        let mut directories = partition.directories.clone();
        if let Some(held) = directories.get_mut(slot).filter(|held| *held != directory) {
            *held = *directory;
            let mut change = PartitionChangeRecord::new(*topic_id, *partition_id);
            change.directories = Some(directories);
            records.push(MetadataRecord::PartitionChange(change));
        }
    }
    records
}

/// Directories of `broker` have failed: it gives up what lies in them, and is registered with those that are left (KIP-858).
pub(super) fn directories_offline(image: &MetadataImage, broker_id: BrokerId, offline: &[DirectoryId]) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    let Some(broker) = image.cluster().broker(broker_id) else { return records };
    let (gone, left): (Vec<DirectoryId>, Vec<DirectoryId>) = broker.log_dirs.iter().partition(|directory| offline.contains(directory));
    if gone.is_empty() {
        return records;
    }
    for topic in image.topics().iter_by_id() {
        for (partition_id, partition) in &topic.partitions {
            let lies_there = partition.directory_of(broker_id).is_some_and(|directory| gone.contains(&directory));
            if lies_there && (partition.isr.contains(&broker_id) || partition.leader == Some(broker_id)) {
                records.push(MetadataRecord::PartitionChange(given_up(image, topic.id, *partition_id, broker_id, partition)));
            }
        }
    }
    // No directory at all cannot be said in a record: an empty list means that nothing changed.
    if !left.is_empty() {
        let mut change = BrokerRegistrationChangeRecord::new(broker_id, broker.epoch);
        change.log_dirs = left;
        records.push(MetadataRecord::BrokerRegistrationChange(change));
    }
    records
}
