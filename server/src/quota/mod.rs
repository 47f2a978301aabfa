//! How much a client may use. Unlimited until quotas are built; asked from the right places already (KIP-13, KIP-219).

use crate::net::ConnectionInfo;
use std::fmt::Debug;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Bytes of records produced.
    ProduceBytes(u64),
    /// Bytes of records fetched.
    FetchBytes(u64),
    /// Partitions created or deleted.
    ControllerMutations(u64),
}

/// Accounts usage.
pub trait Quota: Send + Sync + Debug {
    /// Notes the usage; how many milliseconds the client is to be throttled, 0 for none.
    fn charge(&self, connection: &ConnectionInfo, usage: Usage) -> i32;
}

/// No quotas configured.
#[derive(Debug)]
pub struct Unlimited;

impl Quota for Unlimited {
    fn charge(&self, _connection: &ConnectionInfo, _usage: Usage) -> i32 {
        0
    }
}
