//! Shared parts of the load generator, the ceiling probe and the comparison runner.
//!
//! Nothing here depends on the broker's own crates: a mistake in them must not hide in the thing that measures them.

pub mod args;
pub mod batch;
pub mod client;
pub mod compare;
pub mod groups;
pub mod load;
pub mod payload;
pub mod percentiles;
pub mod probe;
pub mod process;
pub mod transactions;
pub mod wire;
