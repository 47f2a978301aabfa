//! The court: rules only. No disk, no network, no clock, no tasks.

mod codec;
pub mod effects;
pub mod group;
pub mod metadata;
pub mod partitioner;
pub mod shard;
pub mod timers;
pub mod txn;
