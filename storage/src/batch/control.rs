//! Control records: transaction markers and the raft layer's own records. Key = version, type; the value depends on the type.

use super::{BatchError, BatchView, records};

/// The type in a control record's key. Unknown types are kept and skipped, never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlRecordType {
    /// The transaction was aborted.
    Abort,
    /// The transaction was committed.
    Commit,
    /// A raft leader took over (`LeaderChangeMessage`).
    LeaderChange,
    /// First record of a raft snapshot.
    SnapshotHeader,
    /// Last record of a raft snapshot.
    SnapshotFooter,
    /// `kraft.version` of the quorum.
    KRaftVersion,
    /// The voter set of the quorum.
    KRaftVoters,
    /// A type from the future.
    Unknown(i16),
}

const KEY_SIZE_BYTES: usize = 4;
const MARKER_VALUE_SIZE_BYTES: usize = 6;

impl ControlRecordType {
    /// Reads the type from a control record's key. Newer key versions may only add fields, so they are read as version 0.
    pub fn from_key(key: &[u8]) -> Result<Self, BatchError> {
        let chunk = key.first_chunk::<KEY_SIZE_BYTES>().ok_or(invalid("the key is shorter than version and type"))?;
        if i16::from_be_bytes([chunk[0], chunk[1]]) < 0 {
            return Err(invalid("the key has a negative version"));
        }
        Ok(Self::from_id(i16::from_be_bytes([chunk[2], chunk[3]])))
    }

    /// The type with this id.
    #[must_use]
    pub fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KRaftVersion,
            6 => Self::KRaftVoters,
            other => Self::Unknown(other),
        }
    }

    /// The id in the key.
    #[must_use]
    pub fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KRaftVersion => 5,
            Self::KRaftVoters => 6,
            Self::Unknown(id) => id,
        }
    }

    /// The key of a control record of this type, version 0.
    #[must_use]
    pub fn key(self) -> [u8; KEY_SIZE_BYTES] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }
}

/// The record that ends a transaction in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Committed, or aborted.
    pub committed: bool,
    /// Epoch of the transaction coordinator that sent it; a lower one is a zombie's.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Key of the marker record.
    #[must_use]
    pub fn key(&self) -> [u8; KEY_SIZE_BYTES] {
        if self.committed { ControlRecordType::Commit.key() } else { ControlRecordType::Abort.key() }
    }

    /// Value of the marker record: version 0 and the coordinator epoch.
    #[must_use]
    pub fn value(&self) -> [u8; MARKER_VALUE_SIZE_BYTES] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }

    /// Reads a marker from a record's key and value; `None` when the control record is of another type.
    pub fn from_record(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Option<Self>, BatchError> {
        let key = key.ok_or(invalid("it has no key"))?;
        let committed = match ControlRecordType::from_key(key)? {
            ControlRecordType::Commit => true,
            ControlRecordType::Abort => false,
            _ => return Ok(None),
        };
        let value = value.and_then(|v| v.first_chunk::<MARKER_VALUE_SIZE_BYTES>());
        let [v0, v1, a, b, c, d] = *value.ok_or(invalid("the value is shorter than version and coordinator epoch"))?;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return Err(invalid("the value has a negative version"));
        }
        Ok(Some(Self { committed, coordinator_epoch: i32::from_be_bytes([a, b, c, d]) }))
    }

    /// Reads the marker of a control batch: its first record. `None` for other control batches, for batches that are not
    /// control batches, and for one whose marker the cleaner has removed.
    pub fn from_batch(view: &BatchView<'_>) -> Result<Option<Self>, BatchError> {
        if !view.header.is_control() || view.header.record_count() == 0 {
            return Ok(None);
        }
        let records = records(view, CONTROL_LIMIT_BYTES)?;
        match records.iter().next() {
            Some(record) => record.and_then(|r| Self::from_record(r.key, r.value)),
            None => Ok(None),
        }
    }
}

/// Control batches are small and uncompressed; a compressed one larger than this is not ours.
const CONTROL_LIMIT_BYTES: usize = 1 << 20;

fn invalid(reason: &'static str) -> BatchError {
    BatchError::InvalidControlRecord { reason }
}
