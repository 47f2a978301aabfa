//! Shared parts of the load generators.
