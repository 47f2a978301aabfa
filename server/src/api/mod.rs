//! Kafka APIs.

pub mod response;
