//! Stories and tables of one shard: every request against every state, through bytes.

mod harness;
mod init_producer_id;
