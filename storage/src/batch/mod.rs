//! The only place that knows where bytes sit inside a record batch (magic 2).
//!
//! Called by the log (append, recovery, compaction) and by whoever writes records of its own (coordinators, markers).
//! Promises: nothing in here panics on foreign bytes, allocates by an announced length, or copies records on the append path.
//! Does not: assign offsets, know a topic's configuration, or read files.

mod builder;
pub mod compression;
mod control;
mod error;
mod header;
mod records;
mod retain;
mod validate;
mod varint;
mod view;

pub use builder::{BatchBuilder, end_transaction_batch, recompress};
pub use control::{ControlRecordType, EndTransactionMarker};
pub use error::{BatchError, MalformedRecord, RecordRejection, RejectedRecord};
pub use header::{BatchHeader, HEADER_SIZE_BYTES, LOG_OVERHEAD_BYTES, TimestampType};
pub use records::{Header, Headers, Record, RecordIter, Records, records};
pub(crate) use retain::{Remnant, Retainer, Survey, each_in_order};
pub use validate::{BatchFacts, DECOMPRESS_LIMIT_BYTES_DEFAULT, Origin, TimestampRule, ValidateOptions, validate};
pub use view::{BatchView, Batches, split};

/// The timestamp of a record that has none (`NO_TIMESTAMP`).
pub const NO_TIMESTAMP: crate::Millis = crate::Millis(-1);
