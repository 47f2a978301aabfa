//! Requests parked on a partition: Produce waiting for the high watermark or a flush, Fetch waiting for anything new.
//!
//! A parked request is one `Waiter`, shared by all partitions it waits on, woken at most once per change of each. The request re-reads its
//! partitions after every wake; nothing is decided here. Bounded by the requests in flight: each leaves when it is answered.

use ottla_storage::Offset;
use std::sync::Arc;
use tokio::sync::Notify;

/// One parked request.
#[derive(Debug, Default)]
pub struct Waiter(Notify);

impl Waiter {
    /// A waiter nobody has woken yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Returns once a partition woke this waiter since the last return.
    pub async fn woken(&self) {
        self.0.notified().await;
    }

    fn wake(&self) {
        self.0.notify_one();
    }
}

/// What a parked request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeAt {
    /// Any move of the high watermark, the last stable offset, the log start offset, or the role.
    AnyChange,
    /// The high watermark has reached this offset.
    HighWatermark(Offset),
    /// Everything below this offset is on stable storage.
    Flushed(Offset),
}

/// The parked requests of one partition.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<(Arc<Waiter>, WakeAt)>);

impl Waiters {
    pub(super) fn park(&mut self, waiter: &Arc<Waiter>, at: WakeAt) {
        self.0.push((Arc::clone(waiter), at));
    }

    pub(super) fn leave(&mut self, waiter: &Arc<Waiter>) {
        self.0.retain(|(parked, _)| !Arc::ptr_eq(parked, waiter));
        if self.0.is_empty() && self.0.capacity() > 64 {
            self.0 = Vec::new();
        }
    }

    /// Wakes and forgets whoever waited for what now holds; `moved` says whether anything a reader sees did.
    pub(super) fn wake(&mut self, moved: bool, high_watermark: Offset, flushed: Offset) {
        self.0.retain(|(waiter, at)| {
            let due = match at {
                WakeAt::AnyChange => moved,
                WakeAt::HighWatermark(offset) => high_watermark >= *offset,
                WakeAt::Flushed(offset) => flushed >= *offset,
            };
            if due {
                waiter.wake();
            }
            !due
        });
    }

    /// Wakes everybody: the partition changed its role or is going away.
    pub(super) fn wake_all(&mut self) {
        for (waiter, _) in self.0.drain(..) {
            waiter.wake();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_for_an_offset_stays_until_the_offset_is_reached() {
        let mut waiters = Waiters::default();
        let (hw, flush, any) = (Waiter::new(), Waiter::new(), Waiter::new());
        waiters.park(&hw, WakeAt::HighWatermark(Offset(10)));
        waiters.park(&flush, WakeAt::Flushed(Offset(5)));
        waiters.park(&any, WakeAt::AnyChange);
        waiters.wake(false, Offset(9), Offset(4));
        assert_eq!(waiters.len(), 3, "nothing that anybody sees has changed");
        waiters.wake(true, Offset(9), Offset(4));
        assert_eq!(waiters.len(), 2, "only the one for any change left");
        waiters.wake(false, Offset(9), Offset(5));
        waiters.wake(false, Offset(10), Offset(5));
        assert_eq!(waiters.len(), 0);
    }

    #[test]
    fn a_request_that_was_answered_leaves_every_place_it_parked() {
        let mut waiters = Waiters::default();
        let waiter = Waiter::new();
        waiters.park(&waiter, WakeAt::AnyChange);
        waiters.park(&waiter, WakeAt::HighWatermark(Offset(1)));
        waiters.leave(&waiter);
        assert_eq!(waiters.len(), 0);
    }
}
