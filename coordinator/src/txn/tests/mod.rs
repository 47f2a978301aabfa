//! Stories and tables of one shard: every request against every state, through bytes.

mod add_partitions;
mod end_txn;
mod harness;
mod init_producer_id;
mod lists;
mod markers;
mod mixed_versions;
mod state;
mod time;
