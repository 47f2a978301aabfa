//! The shell around the coordinator crate: loads shards, serializes what reaches them, appends, replays, releases replies.

pub mod controller;
pub mod group;
pub(crate) mod markers;
mod metadata_log;
mod quorum_state;
pub(crate) mod runtime;
pub(crate) mod settings;
pub mod startup;
pub mod txn;
