//! How long a request has kept its thread, for `request_percentage`: from the frame to the answer, without waits and without the socket.

use crate::clock::Clock;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::task::{Context, Poll};

/// The request is not being polled.
const OUTSIDE: u64 = u64::MAX;
const NOT_ASKED: i32 = -1;

/// One request's time, and what it is throttled by. Shared by the request's future and what is inside it, on one thread at a time.
#[derive(Debug)]
pub(crate) struct Spent {
    clock: Clock,
    before_ns: AtomicU64,
    entered_ns: AtomicU64,
    /// What its time costs, once it was asked.
    own_ms: AtomicI32,
    /// What else it did costs.
    least_ms: AtomicI32,
}

impl Spent {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let (before_ns, entered_ns) = (AtomicU64::new(0), AtomicU64::new(OUTSIDE));
        Arc::new(Self { clock, before_ns, entered_ns, own_ms: AtomicI32::new(NOT_ASKED), least_ms: AtomicI32::new(0) })
    }

    fn enter(&self) {
        self.entered_ns.store(self.clock.steady_ns(), Ordering::Relaxed);
    }

    fn leave(&self) {
        let spent_ns = self.so_far_ns();
        self.before_ns.store(spent_ns, Ordering::Relaxed);
        self.entered_ns.store(OUTSIDE, Ordering::Relaxed);
    }

    fn so_far_ns(&self) -> u64 {
        let entered_ns = self.entered_ns.load(Ordering::Relaxed);
        let now_ns = if entered_ns == OUTSIDE { 0 } else { self.clock.steady_ns().saturating_sub(entered_ns) };
        self.before_ns.load(Ordering::Relaxed).saturating_add(now_ns)
    }

    /// The client is throttled by at least this, whatever its time costs.
    pub(crate) fn throttle_at_least(&self, throttle_ms: i32) {
        self.least_ms.fetch_max(throttle_ms, Ordering::Relaxed);
    }

    /// What the client is throttled by; `charge` is told the time, once.
    pub(crate) fn throttle_ms(&self, charge: impl FnOnce(u64) -> i32) -> i32 {
        let mut own_ms = self.own_ms.load(Ordering::Relaxed);
        if own_ms == NOT_ASKED {
            own_ms = charge(self.so_far_ns()).max(0);
            self.own_ms.store(own_ms, Ordering::Relaxed);
        }
        own_ms.max(self.least_ms.load(Ordering::Relaxed))
    }
}

/// A request whose time is measured.
pub(crate) struct Metered<T> {
    pub(crate) request: Pin<Box<dyn Future<Output = T> + Send>>,
    pub(crate) spent: Arc<Spent>,
}

impl<T> Future for Metered<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.spent.enter();
        let polled = self.request.as_mut().poll(cx);
        self.spent.leave();
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_on_the_thread_counts_and_it_is_charged_once() {
        let clock = Clock::manual(1_000);
        let spent = Spent::new(clock.clone());
        let (inner, inner_clock) = (Arc::clone(&spent), clock.clone());
        let request = Box::pin(async move {
            inner_clock.advance(3);
            let mut waited = false;
            std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
            inner_clock.advance(4);
            inner.throttle_ms(|ns| i32::try_from(ns / 1_000_000).expect("small"))
        });
        let mut metered = std::pin::pin!(Metered { request, spent: Arc::clone(&spent) });
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(metered.as_mut().poll(&mut cx).is_pending());
        clock.advance(1_000);
        assert_eq!(metered.as_mut().poll(&mut cx), Poll::Ready(7));
        assert_eq!(spent.throttle_ms(|_| panic!("charged twice")), 7);
        spent.throttle_at_least(9);
        assert_eq!(spent.throttle_ms(|_| panic!("charged twice")), 9);
    }
}
