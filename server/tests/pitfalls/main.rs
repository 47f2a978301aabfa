//! Behaviours that break real clients (reference/PITFALLS.md), each as a story against a whole broker. Names begin with the row.

#[path = "../kit/mod.rs"]
mod kit;
mod topics;
