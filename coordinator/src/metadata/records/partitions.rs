//! Partitions: types 3, 5 and 28.
//!
//! A change record carries no epochs: replay raises the partition epoch on every change, and the leader epoch exactly
//! when the leader field is present, even if it names the same leader.

use super::RecordError;
use super::brokers::{read_directory, write_directory};
use crate::codec::{FieldError, Reader, TagWriter, Writer};
use crate::metadata::{BrokerId, DirectoryId, LeaderEpoch, PartitionEpoch, TopicId, TopicName};

/// The whole registration of a partition (type 3, v0-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    /// The partition's number.
    pub partition_id: i32,
    /// Its topic.
    pub topic_id: TopicId,
    /// The replicas in order of preference.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Replicas on their way out.
    pub removing_replicas: Vec<BrokerId>,
    /// Replicas on their way in.
    pub adding_replicas: Vec<BrokerId>,
    /// The leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// 0 recovered, 1 recovering from an unclean election.
    pub leader_recovery_state: i8,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch.
    pub partition_epoch: PartitionEpoch,
    /// The log directory of each replica, in the order of `replicas` (v1).
    pub directories: Vec<DirectoryId>,
    /// The eligible leader replicas (v2, KIP-966).
    pub elr: Option<Vec<BrokerId>>,
    /// The last known eligible leader replicas (v2, KIP-966).
    pub last_known_elr: Option<Vec<BrokerId>>,
}

/// What changed in a partition (type 5, v0-2); `None` means it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionChangeRecord {
    /// The partition's number.
    pub partition_id: i32,
    /// Its topic.
    pub topic_id: TopicId,
    /// The new in-sync replicas.
    pub isr: Option<Vec<BrokerId>>,
    /// The new leader, [`BrokerId::NONE`] for none; naming the same leader still raises the leader epoch.
    pub leader: Option<BrokerId>,
    /// The new replicas.
    pub replicas: Option<Vec<BrokerId>>,
    /// The new list of replicas on their way out.
    pub removing_replicas: Option<Vec<BrokerId>>,
    /// The new list of replicas on their way in.
    pub adding_replicas: Option<Vec<BrokerId>>,
    /// The new recovery state.
    pub leader_recovery_state: Option<i8>,
    /// The new eligible leader replicas (v2).
    pub elr: Option<Vec<BrokerId>>,
    /// The new last known eligible leader replicas (v2).
    pub last_known_elr: Option<Vec<BrokerId>>,
    /// The new directories (v1).
    pub directories: Option<Vec<DirectoryId>>,
}

/// Forget the eligible leader replicas of a topic, or of all topics (type 28, v0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearElrRecord {
    /// The topic; `None` means all.
    pub topic: Option<TopicName>,
}

/// On the wire, a leader that did not change.
const NO_LEADER_CHANGE: i32 = -2;
/// On the wire, a recovery state that did not change.
const NO_RECOVERY_CHANGE: i8 = -1;

fn read_broker(r: &mut Reader<'_>) -> Result<BrokerId, FieldError> {
    r.i32("broker id").map(BrokerId)
}

fn write_broker(w: &mut Writer, broker: &BrokerId) {
    w.i32(broker.0);
}

fn write_brokers_tag(t: &mut TagWriter, tag: u32, brokers: Option<&Vec<BrokerId>>) {
    if let Some(brokers) = brokers {
        t.field(tag, |w| w.list(brokers, write_broker));
    }
}

impl PartitionRecord {
    pub(super) fn read(r: &mut Reader<'_>, version: u16) -> Result<Self, FieldError> {
        let mut record = Self {
            partition_id: r.i32("partition")?,
            topic_id: TopicId(r.uuid("topic id")?),
            replicas: r.list("replicas", read_broker)?,
            isr: r.list("isr", read_broker)?,
            removing_replicas: r.list("removing replicas", read_broker)?,
            adding_replicas: r.list("adding replicas", read_broker)?,
            leader: BrokerId(r.i32("leader")?),
            leader_recovery_state: 0,
            leader_epoch: LeaderEpoch(r.i32("leader epoch")?),
            partition_epoch: PartitionEpoch(r.i32("partition epoch")?),
            directories: if version >= 1 { r.list("directories", read_directory)? } else { Vec::new() },
            elr: None,
            last_known_elr: None,
        };
        r.tagged(|tag, r| {
            match tag {
                0 => record.leader_recovery_state = r.i8("leader recovery state")?,
                1 if version >= 2 => record.elr = r.nullable_list("elr", read_broker)?,
                2 if version >= 2 => record.last_known_elr = r.nullable_list("last known elr", read_broker)?,
                _ => {}
            }
            Ok(())
        })?;
        if record.partition_id < 0 {
            return Err(FieldError::OutOfRange { field: "partition" });
        }
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer, version: u16) {
        w.i32(self.partition_id);
        w.uuid(self.topic_id.0);
        w.list(&self.replicas, write_broker);
        w.list(&self.isr, write_broker);
        w.list(&self.removing_replicas, write_broker);
        w.list(&self.adding_replicas, write_broker);
        w.i32(self.leader.0);
        w.i32(self.leader_epoch.0);
        w.i32(self.partition_epoch.0);
        if version >= 1 {
            w.list(&self.directories, write_directory);
        }
        w.tagged(|t| {
            if self.leader_recovery_state != 0 {
                t.field(0, |w| w.i8(self.leader_recovery_state));
            }
            if version >= 2 {
                write_brokers_tag(t, 1, self.elr.as_ref());
                write_brokers_tag(t, 2, self.last_known_elr.as_ref());
            }
        });
    }
}

impl PartitionChangeRecord {
    /// A change that changes nothing yet.
    #[must_use]
    pub fn new(topic_id: TopicId, partition_id: i32) -> Self {
        Self {
            partition_id,
            topic_id,
            isr: None,
            leader: None,
            replicas: None,
            removing_replicas: None,
            adding_replicas: None,
            leader_recovery_state: None,
            elr: None,
            last_known_elr: None,
            directories: None,
        }
    }

    pub(super) fn read(r: &mut Reader<'_>, version: u16) -> Result<Self, FieldError> {
        let partition_id = r.i32("partition")?;
        let mut record = Self::new(TopicId(r.uuid("topic id")?), partition_id);
        r.tagged(|tag, r| {
            match tag {
                0 => record.isr = r.nullable_list("isr", read_broker)?,
                1 => record.leader = Some(r.i32("leader")?).filter(|id| *id != NO_LEADER_CHANGE).map(BrokerId),
                2 => record.replicas = r.nullable_list("replicas", read_broker)?,
                3 => record.removing_replicas = r.nullable_list("removing replicas", read_broker)?,
                4 => record.adding_replicas = r.nullable_list("adding replicas", read_broker)?,
                5 => record.leader_recovery_state = Some(r.i8("leader recovery state")?).filter(|s| *s != NO_RECOVERY_CHANGE),
                6 if version >= 2 => record.elr = r.nullable_list("elr", read_broker)?,
                7 if version >= 2 => record.last_known_elr = r.nullable_list("last known elr", read_broker)?,
                8 if version >= 1 => record.directories = r.nullable_list("directories", read_directory)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    pub(super) fn write(&self, w: &mut Writer, version: u16) {
        w.i32(self.partition_id);
        w.uuid(self.topic_id.0);
        w.tagged(|t| {
            write_brokers_tag(t, 0, self.isr.as_ref());
            if let Some(leader) = self.leader {
                t.field(1, |w| w.i32(leader.0));
            }
            write_brokers_tag(t, 2, self.replicas.as_ref());
            write_brokers_tag(t, 3, self.removing_replicas.as_ref());
            write_brokers_tag(t, 4, self.adding_replicas.as_ref());
            if let Some(state) = self.leader_recovery_state {
                t.field(5, |w| w.i8(state));
            }
            if version >= 2 {
                write_brokers_tag(t, 6, self.elr.as_ref());
                write_brokers_tag(t, 7, self.last_known_elr.as_ref());
            }
            if let (true, Some(directories)) = (version >= 1, &self.directories) {
                t.field(8, |w| w.list(directories, write_directory));
            }
        });
    }
}

impl ClearElrRecord {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        let name = r.string("topic name")?;
        let topic = if name.is_empty() { None } else { Some(TopicName::parse(&name)?) };
        r.no_tags()?;
        Ok(Self { topic })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.string(self.topic.as_deref().unwrap_or_default());
        w.no_tags();
    }
}
