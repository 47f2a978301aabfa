//! The vault: record batches, segments, partition logs. No network, no clock, no tasks, no Kafka error codes.

pub mod batch;
pub mod disk;
mod error;
mod ids;
pub mod log;

pub use error::StorageError;
pub use ids::{LeaderEpoch, LogId, Millis, Offset, ProducerEpoch, ProducerId, Sequence};
