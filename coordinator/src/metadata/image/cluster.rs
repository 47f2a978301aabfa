//! Registered brokers and controllers.

use super::{PartitionRegistration, ReplayError};
use crate::metadata::records::{
    BrokerRegistrationChangeRecord, Endpoint, FenceChange, RegisterBrokerRecord, RegisterControllerRecord, SupportedFeature,
    UnregisterBrokerRecord,
};
use crate::metadata::{BrokerEpoch, BrokerId, DirectoryId, IncarnationId};
use std::collections::BTreeMap;

/// Brokers and controllers by node id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    brokers: BTreeMap<BrokerId, BrokerRegistration>,
    controllers: BTreeMap<BrokerId, ControllerRegistration>,
}

/// One registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// The broker.
    pub id: BrokerId,
    /// The epoch of the registration.
    pub epoch: BrokerEpoch,
    /// Names the run of the process that registered.
    pub incarnation_id: IncarnationId,
    /// Where it is reached, by listener.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels it can run at.
    pub features: Vec<SupportedFeature>,
    /// The rack, if configured.
    pub rack: Option<String>,
    /// Whether clients must not be sent to it.
    pub fenced: bool,
    /// Whether it is shutting down.
    pub in_controlled_shutdown: bool,
    /// Its online log directories, ascending.
    pub log_dirs: Vec<DirectoryId>,
    /// Directories that take no new replicas; `None` when never said.
    pub cordoned_log_dirs: Option<Vec<DirectoryId>>,
}

/// One registered controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// The controller's node id.
    pub id: BrokerId,
    /// Names the run of the process that registered.
    pub incarnation_id: IncarnationId,
    /// Where it is reached, by listener.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels it can run at.
    pub features: Vec<SupportedFeature>,
}

impl BrokerRegistration {
    /// The endpoint of `listener`.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// Whether it may lead partitions and join in-sync sets.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Where a new replica on this broker goes when nobody has said: its only directory, else not assigned yet.
    #[must_use]
    pub fn default_directory(&self) -> DirectoryId {
        match self.log_dirs.as_slice() {
            [] => DirectoryId::MIGRATING,
            [only] => *only,
            _ => DirectoryId::UNASSIGNED,
        }
    }

    /// Whether a replica in this directory can be served: not when the directory is known to be offline.
    #[must_use]
    pub fn has_online(&self, directory: DirectoryId) -> bool {
        directory.is_online_among(&self.log_dirs)
    }

    fn from_record(record: &RegisterBrokerRecord) -> Self {
        let mut log_dirs = record.log_dirs.clone();
        log_dirs.sort_unstable();
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.endpoints.clone(),
            features: record.features.clone(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs,
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        }
    }
}

impl ClusterImage {
    /// The registration of `broker`.
    #[must_use]
    pub fn broker(&self, broker: BrokerId) -> Option<&BrokerRegistration> {
        self.brokers.get(&broker)
    }

    /// All brokers by id, fenced ones too.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerRegistration> {
        self.brokers.values()
    }

    /// All controllers by id.
    pub fn controllers(&self) -> impl Iterator<Item = &ControllerRegistration> {
        self.controllers.values()
    }

    /// Whether `broker` is up and its replica lies in a directory that is not known to be offline.
    #[must_use]
    pub fn serves(&self, broker: BrokerId, partition: &PartitionRegistration) -> bool {
        let directory = partition.directory_of(broker).unwrap_or(DirectoryId::UNASSIGNED);
        self.broker(broker).is_some_and(|registration| registration.is_active() && registration.has_online(directory))
    }

    /// Whether `broker` is registered and may lead partitions.
    #[must_use]
    pub fn is_active(&self, broker: BrokerId) -> bool {
        self.broker(broker).is_some_and(BrokerRegistration::is_active)
    }

    pub(super) fn register(&mut self, record: &RegisterBrokerRecord) {
        self.brokers.insert(record.broker_id, BrokerRegistration::from_record(record));
    }

    pub(super) fn unregister(&mut self, record: &UnregisterBrokerRecord) -> Result<(), ReplayError> {
        self.at_epoch(record.broker_id, record.broker_epoch)?;
        self.brokers.remove(&record.broker_id);
        Ok(())
    }

    pub(super) fn set_fenced(&mut self, broker_id: BrokerId, broker_epoch: BrokerEpoch, fenced: bool) -> Result<(), ReplayError> {
        self.at_epoch(broker_id, broker_epoch)?.fenced = fenced;
        Ok(())
    }

    pub(super) fn change(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ReplayError> {
        let broker = self.at_epoch(record.broker_id, record.broker_epoch)?;
        match record.fenced {
            FenceChange::Unfence => broker.fenced = false,
            FenceChange::None => {}
            FenceChange::Fence => broker.fenced = true,
        }
        broker.in_controlled_shutdown |= record.in_controlled_shutdown;
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
            broker.log_dirs.sort_unstable();
        }
        if record.cordoned_log_dirs.is_some() {
            broker.cordoned_log_dirs.clone_from(&record.cordoned_log_dirs);
        }
        Ok(())
    }

    pub(super) fn register_controller(&mut self, record: &RegisterControllerRecord) {
        let registration = ControllerRegistration {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            endpoints: record.endpoints.clone(),
            features: record.features.clone(),
        };
        self.controllers.insert(record.controller_id, registration);
    }

    fn at_epoch(&mut self, broker_id: BrokerId, broker_epoch: BrokerEpoch) -> Result<&mut BrokerRegistration, ReplayError> {
        let unknown = ReplayError::UnknownBroker { broker_id, broker_epoch };
        self.brokers.get_mut(&broker_id).filter(|broker| broker.epoch == broker_epoch).ok_or(unknown)
    }
}
