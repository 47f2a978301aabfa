//! The control records of the metadata log and its snapshots: key and value bytes for control batches.
//!
//! The key is `version (0) | type`; the value is in Kafka's flexible encoding. They take offsets, never reach the image,
//! and belong in control batches that the shell builds. A snapshot file is one control batch with the header (and, at
//! kraft.version 1, the kraft version and the voters), data batches, and one control batch with the footer. A leader
//! change record opens every new epoch of the log.

use super::{RecordError, brokers::read_directory};
use crate::codec::{FieldError, Reader, Writer};
use crate::metadata::{BrokerId, DirectoryId};
use bytes::Bytes;

/// The key and the value of one control record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlBytes {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// One control record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// Type 2: a leader was elected; the first record of its epoch.
    LeaderChange {
        /// The leader.
        leader_id: BrokerId,
        /// The voters, with their metadata directory where kraft.version is 1.
        voters: Vec<(BrokerId, Option<DirectoryId>)>,
        /// The voters who granted their vote.
        granting_voters: Vec<(BrokerId, Option<DirectoryId>)>,
    },
    /// Type 3: opens a snapshot.
    SnapshotHeader {
        /// The append time of the last record in the snapshot, ms since the epoch.
        last_contained_log_timestamp: i64,
    },
    /// Type 4: closes a snapshot.
    SnapshotFooter,
    /// Type 5: the finalized kraft.version.
    KRaftVersion {
        /// The level.
        level: i16,
    },
    /// Type 6: the voters, at kraft.version 1.
    Voters {
        /// The voters.
        voters: Vec<Voter>,
    },
}

/// One member of the metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The node.
    pub id: BrokerId,
    /// The id of its metadata directory.
    pub directory_id: DirectoryId,
    /// Its controller listeners as name, host, port.
    pub endpoints: Vec<(String, String, u16)>,
    /// The range of kraft.version it can run at.
    pub kraft_versions: (i16, i16),
}

const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const VOTERS: i16 = 6;

impl ControlRecord {
    /// The record's key and value.
    #[must_use]
    pub fn encode(&self) -> ControlBytes {
        let mut w = Writer::default();
        let type_id = match self {
            Self::LeaderChange { leader_id, voters, granting_voters } => {
                // Version 1 adds directories, which exist where the voters are kept in the log.
                let version = i16::from(voters.iter().any(|(_, directory)| directory.is_some()));
                w.i16(version);
                w.i32(leader_id.0);
                for list in [voters, granting_voters] {
                    w.list(list, |w, (id, directory)| {
                        w.i32(id.0);
                        if version >= 1 {
                            w.uuid(directory.unwrap_or_default().0);
                        }
                        w.no_tags();
                    });
                }
                LEADER_CHANGE
            }
            Self::SnapshotHeader { last_contained_log_timestamp } => {
                w.i16(0);
                w.i64(*last_contained_log_timestamp);
                SNAPSHOT_HEADER
            }
            Self::SnapshotFooter => {
                w.i16(0);
                SNAPSHOT_FOOTER
            }
            Self::KRaftVersion { level } => {
                w.i16(0);
                w.i16(*level);
                KRAFT_VERSION
            }
            Self::Voters { voters } => {
                w.i16(0);
                w.list(voters, Self::write_voter);
                VOTERS
            }
        };
        w.no_tags();
        let mut key = Writer::default();
        key.i16(0);
        key.i16(type_id);
        ControlBytes { key: Bytes::from(key.bytes), value: Bytes::from(w.bytes) }
    }

    fn write_voter(w: &mut Writer, voter: &Voter) {
        w.i32(voter.id.0);
        w.uuid(voter.directory_id.0);
        w.list(&voter.endpoints, |w, (name, host, port)| {
            w.string(name);
            w.string(host);
            w.u16(*port);
            w.no_tags();
        });
        w.i16(voter.kraft_versions.0);
        w.i16(voter.kraft_versions.1);
        w.no_tags();
        w.no_tags();
    }

    /// Reads a control record; `None` for types the metadata log has no use for, such as transaction markers.
    ///
    /// # Errors
    /// The bytes are cut short, of a newer version, or longer than the record.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Option<Self>, RecordError> {
        let mut key = Reader::new(key);
        let _key_version = key.i16("control key version")?;
        let type_id = key.i16("control type")?;
        if !(LEADER_CHANGE..=VOTERS).contains(&type_id) {
            return Ok(None);
        }
        let mut r = Reader::new(value);
        let version = r.i16("control version")?;
        let newest = i16::from(type_id == LEADER_CHANGE);
        if !(0..=newest).contains(&version) {
            return Err(RecordError::UnsupportedVersion {
                record: "control record",
                version: u32::from(version.unsigned_abs()),
                newest: u32::from(newest.unsigned_abs()),
            });
        }
        let record = match type_id {
            LEADER_CHANGE => {
                let mut voter = |r: &mut Reader<'_>| {
                    let id = BrokerId(r.i32("voter id")?);
                    let directory = if version >= 1 { Some(read_directory(r)?) } else { None };
                    r.no_tags()?;
                    Ok((id, directory))
                };
                Self::LeaderChange {
                    leader_id: BrokerId(r.i32("leader id")?),
                    voters: r.list("voters", &mut voter)?,
                    granting_voters: r.list("granting voters", &mut voter)?,
                }
            }
            SNAPSHOT_HEADER => Self::SnapshotHeader { last_contained_log_timestamp: r.i64("last contained timestamp")? },
            SNAPSHOT_FOOTER => Self::SnapshotFooter,
            KRAFT_VERSION => Self::KRaftVersion { level: r.i16("kraft version")? },
            _ => Self::Voters { voters: r.list("voters", Self::read_voter)? },
        };
        r.no_tags()?;
        match r.remaining() {
            0 => Ok(Some(record)),
            left => Err(RecordError::TrailingBytes(left)),
        }
    }

    fn read_voter(r: &mut Reader<'_>) -> Result<Voter, FieldError> {
        let voter = Voter {
            id: BrokerId(r.i32("voter id")?),
            directory_id: read_directory(r)?,
            endpoints: r.list("endpoints", |r| {
                let endpoint = (r.string("endpoint name")?, r.string("endpoint host")?, r.u16("endpoint port")?);
                r.no_tags()?;
                Ok(endpoint)
            })?,
            kraft_versions: {
                let range = (r.i16("minimum kraft version")?, r.i16("maximum kraft version")?);
                r.no_tags()?;
                range
            },
        };
        r.no_tags()?;
        Ok(voter)
    }
}
