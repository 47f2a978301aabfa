//! The replayed state of a consumer group.

/// A KIP-848 group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct ConsumerGroup {}
