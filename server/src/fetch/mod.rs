//! What a Fetch needs besides partitions: incremental sessions and the response's bytes.

pub(crate) mod encode;
pub mod session;
