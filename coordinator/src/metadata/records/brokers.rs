//! Broker registrations: types 0, 1, 7, 8 and 17.

use crate::codec::{FieldError, Reader, Writer};
use crate::metadata::{BrokerEpoch, BrokerId, DirectoryId, IncarnationId};

/// A broker process registered (type 0, v0-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// Left over from ZooKeeper migrations (v2).
    pub is_migrating_zk_broker: bool,
    /// Names this run of the process.
    pub incarnation_id: IncarnationId,
    /// The epoch of this registration.
    pub broker_epoch: BrokerEpoch,
    /// Where clients and brokers reach it, by listener.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels it can run at.
    pub features: Vec<SupportedFeature>,
    /// The rack, if configured.
    pub rack: Option<String>,
    /// Whether it starts fenced.
    pub fenced: bool,
    /// Whether it is shutting down (v1).
    pub in_controlled_shutdown: bool,
    /// Its online log directories (v3).
    pub log_dirs: Vec<DirectoryId>,
    /// Directories that take no new replicas (v4, metadata.version 30); `None` when never said.
    pub cordoned_log_dirs: Option<Vec<DirectoryId>>,
}

/// One listener of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The range of levels a node supports of one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The feature's name.
    pub name: String,
    /// The lowest level.
    pub min: i16,
    /// The highest level.
    pub max: i16,
}

/// A broker left for good (type 1, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnregisterBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The epoch of the registration that ends.
    pub broker_epoch: BrokerEpoch,
}

/// A broker was fenced (type 7, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
}

/// A broker was unfenced (type 8, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfenceBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
}

/// What a registration change says about fencing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FenceChange {
    /// The broker was unfenced (-1).
    Unfence,
    /// Nothing changed (0).
    #[default]
    None,
    /// The broker was fenced (1).
    Fence,
}

/// A registered broker was fenced, unfenced or changed its directories (type 17, v0-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistrationChangeRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: BrokerEpoch,
    /// What changed about fencing.
    pub fenced: FenceChange,
    /// Whether it has begun a controlled shutdown (v1).
    pub in_controlled_shutdown: bool,
    /// Its online log directories, empty if they did not change (v2).
    pub log_dirs: Vec<DirectoryId>,
    /// Directories that take no new replicas, `None` if they did not change (v3).
    pub cordoned_log_dirs: Option<Vec<DirectoryId>>,
}

impl Endpoint {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let endpoint = Self {
            name: r.string("endpoint name")?,
            host: r.string("endpoint host")?,
            port: r.u16("endpoint port")?,
            security_protocol: r.i16("endpoint security protocol")?,
        };
        r.no_tags()?;
        Ok(endpoint)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.name);
        w.string(&self.host);
        w.u16(self.port);
        w.i16(self.security_protocol);
        w.no_tags();
    }
}

impl SupportedFeature {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        let feature = Self { name: r.string("feature name")?, min: r.i16("minimum feature level")?, max: r.i16("maximum feature level")? };
        r.no_tags()?;
        Ok(feature)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(&self.name);
        w.i16(self.min);
        w.i16(self.max);
        w.no_tags();
    }
}

pub(super) fn read_directory(r: &mut Reader<'_>) -> Result<DirectoryId, FieldError> {
    r.uuid("directory id").map(DirectoryId)
}

pub(super) fn write_directory(w: &mut Writer, directory: &DirectoryId) {
    w.uuid(directory.0);
}

impl RegisterBrokerRecord {
    pub(super) fn read(r: &mut Reader<'_>, version: u16) -> Result<Self, FieldError> {
        let broker_id = BrokerId(r.i32("broker id")?);
        let is_migrating_zk_broker = version >= 2 && r.bool("migrating")?;
        let mut record = Self {
            broker_id,
            is_migrating_zk_broker,
            incarnation_id: IncarnationId(r.uuid("incarnation id")?),
            broker_epoch: BrokerEpoch(r.i64("broker epoch")?),
            endpoints: r.list("endpoints", Endpoint::read)?,
            features: r.list("features", SupportedFeature::read)?,
            rack: r.nullable_string("rack")?,
            fenced: r.bool("fenced")?,
            in_controlled_shutdown: version >= 1 && r.bool("in controlled shutdown")?,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        };
        r.tagged(|tag, r| {
            match tag {
                0 if version >= 3 => record.log_dirs = r.list("log dirs", read_directory)?,
                1 if version >= 4 => record.cordoned_log_dirs = r.nullable_list("cordoned log dirs", read_directory)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer, version: u16) {
        w.i32(self.broker_id.0);
        if version >= 2 {
            w.bool(self.is_migrating_zk_broker);
        }
        w.uuid(self.incarnation_id.0);
        w.i64(self.broker_epoch.0);
        w.list(&self.endpoints, |w, endpoint| endpoint.write(w));
        w.list(&self.features, |w, feature| feature.write(w));
        w.nullable_string(self.rack.as_deref());
        w.bool(self.fenced);
        if version >= 1 {
            w.bool(self.in_controlled_shutdown);
        }
        w.tagged(|t| {
            if version >= 3 && !self.log_dirs.is_empty() {
                t.field(0, |w| w.list(&self.log_dirs, write_directory));
            }
            if let (true, Some(dirs)) = (version >= 4, &self.cordoned_log_dirs) {
                t.field(1, |w| w.list(dirs, write_directory));
            }
        });
    }
}

impl BrokerRegistrationChangeRecord {
    /// A change that changes nothing yet.
    #[must_use]
    pub fn new(broker_id: BrokerId, broker_epoch: BrokerEpoch) -> Self {
        Self {
            broker_id,
            broker_epoch,
            fenced: FenceChange::None,
            in_controlled_shutdown: false,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        }
    }

    /// Kafka writes this record at the lowest version that carries what changed.
    pub(super) fn lowest_version(&self) -> u16 {
        if self.cordoned_log_dirs.is_some() {
            3
        } else if !self.log_dirs.is_empty() {
            2
        } else {
            u16::from(self.in_controlled_shutdown)
        }
    }

    pub(super) fn read(r: &mut Reader<'_>, version: u16) -> Result<Self, FieldError> {
        let broker_id = BrokerId(r.i32("broker id")?);
        let mut record = Self::new(broker_id, BrokerEpoch(r.i64("broker epoch")?));
        r.tagged(|tag, r| {
            match tag {
                0 => {
                    record.fenced = match r.i8("fenced")? {
                        -1 => FenceChange::Unfence,
                        0 => FenceChange::None,
                        1 => FenceChange::Fence,
                        _ => return Err(FieldError::OutOfRange { field: "fenced" }),
                    }
                }
                1 if version >= 1 => {
                    record.in_controlled_shutdown = match r.i8("in controlled shutdown")? {
                        0 => false,
                        1 => true,
                        _ => return Err(FieldError::OutOfRange { field: "in controlled shutdown" }),
                    }
                }
                2 if version >= 2 => record.log_dirs = r.list("log dirs", read_directory)?,
                3 if version >= 3 => record.cordoned_log_dirs = r.nullable_list("cordoned log dirs", read_directory)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer, version: u16) {
        w.i32(self.broker_id.0);
        w.i64(self.broker_epoch.0);
        w.tagged(|t| {
            match self.fenced {
                FenceChange::Unfence => t.field(0, |w| w.i8(-1)),
                FenceChange::None => {}
                FenceChange::Fence => t.field(0, |w| w.i8(1)),
            }
            if version >= 1 && self.in_controlled_shutdown {
                t.field(1, |w| w.i8(1));
            }
            if version >= 2 && !self.log_dirs.is_empty() {
                t.field(2, |w| w.list(&self.log_dirs, write_directory));
            }
            if let (true, Some(dirs)) = (version >= 3, &self.cordoned_log_dirs) {
                t.field(3, |w| w.list(dirs, write_directory));
            }
        });
    }
}

/// The body that types 1, 7 and 8 share: a broker and the epoch of its registration.
fn read_broker_and_epoch(r: &mut Reader<'_>) -> Result<(BrokerId, BrokerEpoch), FieldError> {
    let pair = (BrokerId(r.i32("broker id")?), BrokerEpoch(r.i64("broker epoch")?));
    r.no_tags()?;
    Ok(pair)
}

fn write_broker_and_epoch(w: &mut Writer, broker_id: BrokerId, broker_epoch: BrokerEpoch) {
    w.i32(broker_id.0);
    w.i64(broker_epoch.0);
    w.no_tags();
}

impl UnregisterBrokerRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        read_broker_and_epoch(r).map(|(broker_id, broker_epoch)| Self { broker_id, broker_epoch })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        write_broker_and_epoch(w, self.broker_id, self.broker_epoch);
    }
}

impl FenceBrokerRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        read_broker_and_epoch(r).map(|(broker_id, broker_epoch)| Self { broker_id, broker_epoch })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        write_broker_and_epoch(w, self.broker_id, self.broker_epoch);
    }
}

impl UnfenceBrokerRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FieldError> {
        read_broker_and_epoch(r).map(|(broker_id, broker_epoch)| Self { broker_id, broker_epoch })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        write_broker_and_epoch(w, self.broker_id, self.broker_epoch);
    }
}
