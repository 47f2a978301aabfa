//! Kafka's cluster metadata records (KRaft): the types, and their bytes.
//!
//! A record's value is `frame version (1) | type | version | body`, the first three as unsigned varints, the body in
//! Kafka's flexible encoding: compact strings and arrays, tagged fields at the end. Keys are null.
//! One file per family; each record is a plain struct with a body codec beside it.
//!
//! Promises: decoding never panics, never allocates more than the input could fill, skips unknown tagged fields, and
//! refuses unknown types, versions above ours, trailing bytes and topic names that break Kafka's rules.
//! Encoding picks the version Kafka would pick at metadata.version 27 unless told otherwise.

mod acls;
mod brokers;
mod configs;
pub mod control;
mod controllers;
mod features;
mod partitions;
mod producer_ids;
mod quotas;
mod scram;
mod tokens;
mod topics;
mod transactions;

pub use acls::{AccessControlEntryRecord, RemoveAccessControlEntryRecord};
pub use brokers::{
    BrokerRegistrationChangeRecord, Endpoint, FenceBrokerRecord, FenceChange, RegisterBrokerRecord, SupportedFeature, UnfenceBrokerRecord,
    UnregisterBrokerRecord,
};
pub use configs::ConfigRecord;
pub use controllers::{RegisterControllerRecord, ZkMigrationStateRecord};
pub use features::FeatureLevelRecord;
pub use partitions::{ClearElrRecord, PartitionChangeRecord, PartitionRecord};
pub use producer_ids::ProducerIdsRecord;
pub use quotas::{ClientQuotaRecord, QuotaEntityPart};
pub use scram::{RemoveUserScramCredentialRecord, UserScramCredentialRecord};
pub use tokens::{DelegationTokenRecord, RemoveDelegationTokenRecord};
pub use topics::{RemoveTopicRecord, TopicRecord};
pub use transactions::{AbortTransactionRecord, BeginTransactionRecord};

pub use crate::codec::FieldError;
use crate::codec::{Reader, Writer};
use bytes::Bytes;

/// Why bytes are not a metadata record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not the record's fields.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A topic name that breaks Kafka's rules.
    #[error("{0}")]
    TopicName(#[from] crate::metadata::InvalidTopicName),
    /// The frame version is not 1.
    #[error("frame version {0}, expected 1")]
    FrameVersion(u32),
    /// No record of this type is known.
    #[error("unknown record type {0}")]
    UnknownType(u32),
    /// The record's version is newer than this code.
    #[error("{record} version {version} is newer than {newest}")]
    UnsupportedVersion {
        /// Kafka's name of the record.
        record: &'static str,
        /// The version found.
        version: u32,
        /// The newest version known here.
        newest: u32,
    },
    /// Bytes follow the record.
    #[error("{0} bytes after the record")]
    TrailingBytes(usize),
}

/// One record of `__cluster_metadata`.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataRecord {
    /// Type 0: a broker process registered.
    RegisterBroker(RegisterBrokerRecord),
    /// Type 1: a broker left for good.
    UnregisterBroker(UnregisterBrokerRecord),
    /// Type 2: a topic's name and id.
    Topic(TopicRecord),
    /// Type 3: the whole registration of a partition.
    Partition(PartitionRecord),
    /// Type 4: one config key of one resource; null removes it.
    Config(ConfigRecord),
    /// Type 5: what changed in a partition.
    PartitionChange(PartitionChangeRecord),
    /// Type 7: only in logs older than metadata.version 6.
    FenceBroker(FenceBrokerRecord),
    /// Type 8: only in logs older than metadata.version 6.
    UnfenceBroker(UnfenceBrokerRecord),
    /// Type 9: a topic and all its partitions are gone.
    RemoveTopic(RemoveTopicRecord),
    /// Type 10: a delegation token.
    DelegationToken(DelegationTokenRecord),
    /// Type 11: a SCRAM credential of a user.
    UserScramCredential(UserScramCredentialRecord),
    /// Type 12: a finalized feature level.
    FeatureLevel(FeatureLevelRecord),
    /// Type 14: one quota key of one entity.
    ClientQuota(ClientQuotaRecord),
    /// Type 15: the next producer id that was not handed out.
    ProducerIds(ProducerIdsRecord),
    /// Type 17: a registered broker was fenced, unfenced or changed its directories.
    BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    /// Type 18: an ACL.
    AccessControlEntry(AccessControlEntryRecord),
    /// Type 19: an ACL is gone.
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    /// Type 20: nothing; Kafka's leader writes it to move the log on.
    NoOp,
    /// Type 21: left over from ZooKeeper migrations.
    ZkMigrationState(ZkMigrationStateRecord),
    /// Type 22: a SCRAM credential is gone.
    RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    /// Type 23: records up to the end or abort belong together.
    BeginTransaction(BeginTransactionRecord),
    /// Type 24: the records since the begin count.
    EndTransaction,
    /// Type 25: the records since the begin do not count.
    AbortTransaction(AbortTransactionRecord),
    /// Type 26: a delegation token is gone.
    RemoveDelegationToken(RemoveDelegationTokenRecord),
    /// Type 27: a controller process registered.
    RegisterController(RegisterControllerRecord),
    /// Type 28: forget the eligible leader replicas of a topic, or of all.
    ClearElr(ClearElrRecord),
}

impl MetadataRecord {
    /// Kafka's number of the record's type.
    #[must_use]
    pub fn type_id(&self) -> u32 {
        match self {
            Self::RegisterBroker(_) => 0,
            Self::UnregisterBroker(_) => 1,
            Self::Topic(_) => 2,
            Self::Partition(_) => 3,
            Self::Config(_) => 4,
            Self::PartitionChange(_) => 5,
            Self::FenceBroker(_) => 7,
            Self::UnfenceBroker(_) => 8,
            Self::RemoveTopic(_) => 9,
            Self::DelegationToken(_) => 10,
            Self::UserScramCredential(_) => 11,
            Self::FeatureLevel(_) => 12,
            Self::ClientQuota(_) => 14,
            Self::ProducerIds(_) => 15,
            Self::BrokerRegistrationChange(_) => 17,
            Self::AccessControlEntry(_) => 18,
            Self::RemoveAccessControlEntry(_) => 19,
            Self::NoOp => 20,
            Self::ZkMigrationState(_) => 21,
            Self::RemoveUserScramCredential(_) => 22,
            Self::BeginTransaction(_) => 23,
            Self::EndTransaction => 24,
            Self::AbortTransaction(_) => 25,
            Self::RemoveDelegationToken(_) => 26,
            Self::RegisterController(_) => 27,
            Self::ClearElr(_) => 28,
        }
    }

    fn write_body(&self, w: &mut Writer, version: u16) {
        match self {
            Self::RegisterBroker(record) => record.write(w, version),
            Self::UnregisterBroker(record) => record.write(w),
            Self::Topic(record) => record.write(w),
            Self::Partition(record) => record.write(w, version),
            Self::Config(record) => record.write(w),
            Self::PartitionChange(record) => record.write(w, version),
            Self::FenceBroker(record) => record.write(w),
            Self::UnfenceBroker(record) => record.write(w),
            Self::RemoveTopic(record) => record.write(w),
            Self::DelegationToken(record) => record.write(w),
            Self::UserScramCredential(record) => record.write(w),
            Self::FeatureLevel(record) => record.write(w),
            Self::ClientQuota(record) => record.write(w),
            Self::ProducerIds(record) => record.write(w),
            Self::BrokerRegistrationChange(record) => record.write(w, version),
            Self::AccessControlEntry(record) => record.write(w),
            Self::RemoveAccessControlEntry(record) => record.write(w),
            Self::ZkMigrationState(record) => record.write(w),
            Self::RemoveUserScramCredential(record) => record.write(w),
            Self::BeginTransaction(record) => record.write(w),
            Self::AbortTransaction(record) => record.write(w),
            Self::RemoveDelegationToken(record) => record.write(w),
            Self::RegisterController(record) => record.write(w),
            Self::ClearElr(record) => record.write(w),
            Self::NoOp | Self::EndTransaction => w.no_tags(),
        }
    }

    fn read_body(r: &mut Reader<'_>, type_id: u32, version: u16) -> Result<Self, RecordError> {
        Ok(match type_id {
            0 => Self::RegisterBroker(RegisterBrokerRecord::read(r, version)?),
            1 => Self::UnregisterBroker(UnregisterBrokerRecord::read(r)?),
            2 => Self::Topic(TopicRecord::read(r)?),
            3 => Self::Partition(PartitionRecord::read(r, version)?),
            4 => Self::Config(ConfigRecord::read(r)?),
            5 => Self::PartitionChange(PartitionChangeRecord::read(r, version)?),
            7 => Self::FenceBroker(FenceBrokerRecord::read(r)?),
            8 => Self::UnfenceBroker(UnfenceBrokerRecord::read(r)?),
            9 => Self::RemoveTopic(RemoveTopicRecord::read(r)?),
            10 => Self::DelegationToken(DelegationTokenRecord::read(r)?),
            11 => Self::UserScramCredential(UserScramCredentialRecord::read(r)?),
            12 => Self::FeatureLevel(FeatureLevelRecord::read(r)?),
            14 => Self::ClientQuota(ClientQuotaRecord::read(r)?),
            15 => Self::ProducerIds(ProducerIdsRecord::read(r)?),
            17 => Self::BrokerRegistrationChange(BrokerRegistrationChangeRecord::read(r, version)?),
            18 => Self::AccessControlEntry(AccessControlEntryRecord::read(r)?),
            19 => Self::RemoveAccessControlEntry(RemoveAccessControlEntryRecord::read(r)?),
            20 => {
                r.no_tags()?;
                Self::NoOp
            }
            21 => Self::ZkMigrationState(ZkMigrationStateRecord::read(r)?),
            22 => Self::RemoveUserScramCredential(RemoveUserScramCredentialRecord::read(r)?),
            23 => Self::BeginTransaction(BeginTransactionRecord::read(r)?),
            24 => {
                r.no_tags()?;
                Self::EndTransaction
            }
            25 => Self::AbortTransaction(AbortTransactionRecord::read(r)?),
            26 => Self::RemoveDelegationToken(RemoveDelegationTokenRecord::read(r)?),
            27 => Self::RegisterController(RegisterControllerRecord::read(r)?),
            28 => Self::ClearElr(ClearElrRecord::read(r)?),
            _ => return Err(RecordError::UnknownType(type_id)),
        })
    }
}

/// The types known here with Kafka's names and the newest version of each.
const KNOWN: &[(u32, &str, u16)] = &[
    (0, "RegisterBrokerRecord", 4),
    (1, "UnregisterBrokerRecord", 0),
    (2, "TopicRecord", 0),
    (3, "PartitionRecord", 2),
    (4, "ConfigRecord", 0),
    (5, "PartitionChangeRecord", 2),
    (7, "FenceBrokerRecord", 0),
    (8, "UnfenceBrokerRecord", 0),
    (9, "RemoveTopicRecord", 0),
    (10, "DelegationTokenRecord", 0),
    (11, "UserScramCredentialRecord", 0),
    (12, "FeatureLevelRecord", 0),
    (14, "ClientQuotaRecord", 0),
    (15, "ProducerIdsRecord", 0),
    (17, "BrokerRegistrationChangeRecord", 3),
    (18, "AccessControlEntryRecord", 0),
    (19, "RemoveAccessControlEntryRecord", 0),
    (20, "NoOpRecord", 0),
    (21, "ZkMigrationStateRecord", 0),
    (22, "RemoveUserScramCredentialRecord", 0),
    (23, "BeginTransactionRecord", 0),
    (24, "EndTransactionRecord", 0),
    (25, "AbortTransactionRecord", 0),
    (26, "RemoveDelegationTokenRecord", 0),
    (27, "RegisterControllerRecord", 0),
    (28, "ClearElrRecord", 0),
];

/// The frame version of every metadata record.
const FRAME_VERSION: u32 = 1;

impl MetadataRecord {
    /// The version Kafka writes this record at under metadata.version 27: the lowest that carries what it says for
    /// registration changes, fixed by the level for the others.
    #[must_use]
    pub fn version(&self) -> u16 {
        match self {
            Self::RegisterBroker(record) => 3 + u16::from(record.cordoned_log_dirs.is_some()),
            Self::Partition(_) | Self::PartitionChange(_) => 2,
            Self::BrokerRegistrationChange(record) => record.lowest_version(),
            _ => 0,
        }
    }

    /// The record's value bytes: frame version, type, version, body.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.encode_at(self.version())
    }

    /// The record's value bytes at a given version of its type; fields that the version lacks are left out.
    #[must_use]
    pub fn encode_at(&self, version: u16) -> Bytes {
        let mut w = Writer::default();
        w.varint(FRAME_VERSION);
        w.varint(self.type_id());
        w.varint(u32::from(version));
        self.write_body(&mut w, version);
        Bytes::from(w.bytes)
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// The bytes are not one whole record of a known type and version.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(value);
        let frame_version = r.varint("frame version")?;
        if frame_version != FRAME_VERSION {
            return Err(RecordError::FrameVersion(frame_version));
        }
        let type_id = r.varint("record type")?;
        let version = r.varint("record version")?;
        let (_, record, newest) = *KNOWN.iter().find(|(id, ..)| *id == type_id).ok_or(RecordError::UnknownType(type_id))?;
        let version = u16::try_from(version).ok().filter(|v| *v <= newest).ok_or(RecordError::UnsupportedVersion {
            record,
            version,
            newest: u32::from(newest),
        })?;
        let decoded = Self::read_body(&mut r, type_id, version)?;
        match r.remaining() {
            0 => Ok(decoded),
            left => Err(RecordError::TrailingBytes(left)),
        }
    }
}
