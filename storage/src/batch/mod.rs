//! The only place that knows where bytes sit inside a record batch (magic 2).

mod header;

pub use header::{BatchHeader, HEADER_SIZE_BYTES, LOG_OVERHEAD_BYTES, TimestampType};
