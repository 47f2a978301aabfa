//! Consumer groups under load: how long until all members have their partitions, what a heartbeat and a committed offset cost, how fast
//! offsets are read back after a restart. Same requests, same versions, same order against every system.
//!
//! Every cell checks itself: each partition has one owner, every answer is decoded or the same bytes as one that was, what was committed
//! is read back and `__consumer_offsets` has grown by as many records as were acknowledged.

pub mod cells;
pub mod classic;
pub mod consumer;
pub mod flood;
pub mod messages;
pub mod offsets;
pub mod ownership;
pub mod pool;
pub mod reload;
mod stage;

pub use stage::{OFFSETS_TOPIC, OFFSETS_TOPIC_PARTITIONS, Stage, Versions};

use anyhow::Result;

/// What it took until a group was stable again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turmoil {
    /// Requests of all members.
    pub requests: u64,
    /// Those among them that only asked whether there is a rebalance (classic).
    pub heartbeats: u64,
    /// Rounds of heartbeats (consumer).
    pub rounds: u64,
    /// Generation or group epoch in the end.
    pub epoch: i32,
}

/// A group whose members live in this process.
pub trait GroupLoad {
    /// Adds members and drives all until the group is stable.
    fn join(&mut self, stage: &mut Stage, count: usize) -> Result<Turmoil>;
    /// Takes the newest member out and drives the others until the group is stable.
    fn leave_last(&mut self, stage: &mut Stage) -> Result<Turmoil>;
    /// Ends the group.
    fn leave_all(&mut self, stage: &mut Stage) -> Result<()>;
    /// The request that each member of a stable group sends again and again.
    fn heartbeats(&self, stage: &Stage) -> Result<Vec<Vec<u8>>>;
    /// Fails unless it is the answer to such a heartbeat.
    fn check_heartbeat(&self, versions: &Versions, answer: &[u8]) -> Result<()>;
}
