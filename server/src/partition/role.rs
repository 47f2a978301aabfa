//! What this broker is for a partition.

use ottla_storage::LeaderEpoch;

/// Leader, follower, or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves reads and writes under this epoch.
    Leader {
        /// From the partition's metadata record.
        leader_epoch: LeaderEpoch,
        /// In-sync replicas, broker ids.
        isr: Vec<i32>,
        /// How many replicas there are, in sync or not.
        replicas: usize,
    },
    /// Another broker leads.
    Follower {
        /// Broker id, -1 when there is none.
        leader: i32,
        /// From the partition's metadata record.
        leader_epoch: LeaderEpoch,
    },
    /// The log cannot be used; the text says why.
    Offline {
        /// For people.
        reason: String,
    },
}
