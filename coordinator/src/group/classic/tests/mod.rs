//! Stories of classic groups, told through the shard's doors.

mod harness;
mod heartbeat;
mod join;
mod leave;
mod load;
mod rebalance;
mod size;
mod state;
mod static_members;
mod sync;
mod view;
