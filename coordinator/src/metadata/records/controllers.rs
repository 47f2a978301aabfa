//! Controller registrations and what is left of ZooKeeper migrations: types 27 and 21.

use super::brokers::{Endpoint, SupportedFeature};
use crate::codec::{FieldError, Reader, Writer};
use crate::metadata::{BrokerId, IncarnationId};

/// A controller process registered (type 27, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterControllerRecord {
    /// The controller's node id.
    pub controller_id: BrokerId,
    /// Names this run of the process.
    pub incarnation_id: IncarnationId,
    /// Left over from ZooKeeper migrations.
    pub zk_migration_ready: bool,
    /// Where it is reached, by listener.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels it can run at.
    pub features: Vec<SupportedFeature>,
}

/// The state of a ZooKeeper migration (type 21, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZkMigrationStateRecord {
    /// Kafka's number of the state.
    pub state: i8,
}

impl RegisterControllerRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self {
            controller_id: BrokerId(r.i32("controller id")?),
            incarnation_id: IncarnationId(r.uuid("incarnation id")?),
            zk_migration_ready: r.bool("migration ready")?,
            endpoints: r.list("endpoints", Endpoint::read)?,
            features: r.list("features", SupportedFeature::read)?,
        };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.i32(self.controller_id.0);
        w.uuid(self.incarnation_id.0);
        w.bool(self.zk_migration_ready);
        w.list(&self.endpoints, |w, endpoint| endpoint.write(w));
        w.list(&self.features, |w, feature| feature.write(w));
        w.no_tags();
    }
}

impl ZkMigrationStateRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let record = Self { state: r.i8("migration state")? };
        r.no_tags()?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.i8(self.state);
        w.no_tags();
    }
}
