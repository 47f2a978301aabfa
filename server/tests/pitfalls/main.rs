//! Behaviours that break real clients (reference/PITFALLS.md), each as a story against a whole broker. Names begin with the row.

mod commits;
mod compaction;
mod configs;
mod consumers;
mod controllers;
mod damage;
mod deletions;
mod disks;
mod durability;
mod epochs;
mod fetch;
mod group_hostile;
mod groups;
mod hostile;
mod idempotence;
mod internal_topics;
mod isolation;
#[path = "../kit/mod.rs"]
mod kit;
mod leaders;
mod listeners;
mod live_keys;
mod log_life;
mod metadata;
mod offsets;
mod produce;
mod quotas;
mod sessions;
mod topics;
mod transactions;
mod transactions_hostile;
mod txn_offsets;
