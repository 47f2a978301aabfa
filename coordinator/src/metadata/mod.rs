//! One shard: `__cluster_metadata`.
