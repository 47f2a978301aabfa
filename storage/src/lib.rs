//! The vault: record batches, segments, partition logs. No network, no clock, no tasks, no Kafka error codes.

pub mod batch;
mod checkpoint;
pub mod cleaner;
pub mod disk;
mod epochs;
mod error;
mod ids;
pub mod log;
pub mod manager;
pub mod meta;
pub mod producer;
mod segment;

pub use checkpoint::{CheckpointKind, OffsetCheckpoint};
pub use epochs::{EpochEntry, LEADER_EPOCH_CHECKPOINT, LeaderEpochCache, parse_epochs};
pub use error::StorageError;
pub use ids::{LeaderEpoch, LogId, Millis, Offset, ProducerEpoch, ProducerId, Sequence, uuid_from_text, uuid_to_text};
