//! One request's way to the quota of partitions created and deleted (KIP-599).
//!
//! | client | over its quota |
//! |---|---|
//! | knows THROTTLING_QUOTA_EXCEEDED | what comes after the request that overdrew the bucket is refused with it |
//! | older | nothing is refused, the answer makes it wait |

use super::{Quotas, Who};
use kafka_protocol::protocol::StrBytes;
use std::sync::{Arc, Mutex, PoisonError};

/// Asks for one request, and remembers how long its client is to wait.
#[derive(Debug)]
pub(crate) struct Mutations {
    quotas: Arc<Quotas>,
    user: Arc<str>,
    client_id: Option<StrBytes>,
    strict: bool,
    /// How long, and since when.
    throttle: Mutex<Option<(i64, i64)>>,
}

impl Mutations {
    pub(crate) fn new(quotas: &Arc<Quotas>, user: &Arc<str>, client_id: Option<&StrBytes>, strict: bool) -> Self {
        Self { quotas: Arc::clone(quotas), user: Arc::clone(user), client_id: client_id.cloned(), strict, throttle: Mutex::new(None) }
    }

    /// Uses the quota for so many partitions; false when it is used up.
    pub(crate) fn take(&self, partitions: usize) -> bool {
        let who = Who { user: &self.user, client_id: self.client_id.as_deref().unwrap_or_default() };
        let throttle_ms = self.quotas.mutate(who, partitions, self.strict);
        if throttle_ms > 0 {
            *self.throttle.lock().unwrap_or_else(PoisonError::into_inner) = Some((throttle_ms, self.quotas.clock.steady_ms()));
        }
        !self.strict || throttle_ms == 0
    }

    /// How long the client is still to wait.
    pub(crate) fn throttle_ms(&self) -> i32 {
        let throttle = *self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.map_or(0, |(throttle_ms, since_ms)| {
            let left_ms = throttle_ms.saturating_sub(self.quotas.clock.steady_ms() - since_ms);
            i32::try_from(left_ms.max(0)).unwrap_or(i32::MAX)
        })
    }
}
