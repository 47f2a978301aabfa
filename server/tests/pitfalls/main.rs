//! Behaviours that break real clients (reference/PITFALLS.md), each as a story against a whole broker. Names begin with the row.

mod epochs;
mod fetch;
mod idempotence;
#[path = "../kit/mod.rs"]
mod kit;
mod listeners;
mod offsets;
mod produce;
mod sessions;
mod topics;
