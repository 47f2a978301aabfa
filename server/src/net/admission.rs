//! Who may connect: bounds on open, half-open and new connections.
//!
//! Called by `listener` for each accepted socket; `connection` tells when a first request has come. Counts for the whole broker.

use crate::limits::Limits;
use arc_swap::ArcSwap;
use foldhash::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tokio::time::Instant;

/// Remote addresses without an open connection that are remembered for their connection rate.
const QUIET_ADDRESSES_MAX: usize = 10_000;
/// A burst of new connections may be so many times the rate of a second.
const BURST_SECONDS: u32 = 10;

/// Why a connection was turned away.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum TurnedAway {
    #[error("max.connections is reached")]
    Connections,
    #[error("max.connections.per.ip is reached")]
    ConnectionsPerIp,
    #[error("too many new connections a second from this address")]
    Rate,
    #[error("too many connections that have not sent a request yet")]
    HalfOpen,
}

/// The counts of one broker.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ArcSwap<Limits>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    half_open: usize,
    per_ip: HashMap<IpAddr, PerIp>,
}

#[derive(Debug)]
struct PerIp {
    open: usize,
    /// New connections still allowed, as of `refilled_at`.
    allowance: f64,
    refilled_at: Instant,
}

impl Admission {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new(Self { limits: ArcSwap::new(limits), counts: Mutex::default() })
    }

    /// Other bounds from now on. Connections that are open stay open.
    pub(super) fn reconfigure(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new connection in, or says why not.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr, now: Instant) -> Result<Permit, TurnedAway> {
        let limits = self.limits.load();
        let mut counts = self.counts();
        if counts.open >= limits.connections_max {
            return Err(TurnedAway::Connections);
        }
        if counts.half_open >= limits.half_open_connections_max {
            return Err(TurnedAway::HalfOpen);
        }
        let counted_ip = (!ip.is_loopback()).then_some(ip);
        if let Some(ip) = counted_ip {
            if counts.per_ip.len() > counts.open + QUIET_ADDRESSES_MAX {
                counts.per_ip.retain(|_, per_ip| per_ip.open > 0);
            }
            let burst = f64::from(limits.connection_rate_per_ip_max) * f64::from(BURST_SECONDS);
            let per_ip = counts.per_ip.entry(ip).or_insert(PerIp { open: 0, allowance: burst, refilled_at: now });
            if per_ip.open >= limits.connections_per_ip_overrides.get(&ip).copied().unwrap_or(limits.connections_per_ip_max) {
                return Err(TurnedAway::ConnectionsPerIp);
            }
            let refill = now.duration_since(per_ip.refilled_at).as_secs_f64() * f64::from(limits.connection_rate_per_ip_max);
            per_ip.allowance = (per_ip.allowance + refill).min(burst);
            per_ip.refilled_at = now;
            if per_ip.allowance < 1.0 {
                return Err(TurnedAway::Rate);
            }
            per_ip.allowance -= 1.0;
            per_ip.open += 1;
        }
        counts.open += 1;
        counts.half_open += 1;
        Ok(Permit { admission: Arc::clone(self), counted_ip, half_open: true })
    }

    /// Connections open now.
    pub(super) fn open_connections(&self) -> usize {
        self.counts().open
    }
}

/// A connection's place in the counts; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    counted_ip: Option<IpAddr>,
    half_open: bool,
}

impl Permit {
    /// The connection has sent a whole request.
    pub(super) fn first_request_seen(&mut self) {
        if std::mem::take(&mut self.half_open) {
            self.admission.counts().half_open -= 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.first_request_seen();
        let mut counts = self.admission.counts();
        counts.open -= 1;
        if let Some(ip) = self.counted_ip
            && let Some(per_ip) = counts.per_ip.get_mut(&ip)
        {
            per_ip.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn admission(limits: Limits) -> (Arc<Admission>, IpAddr) {
        (Admission::new(Arc::new(limits)), "192.0.2.7".parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_connection_makes_room_for_the_next() {
        let (admission, ip) = admission(Limits { connections_max: 2, ..Limits::default() });
        let now = Instant::now();
        let first = admission.admit(ip, now).expect("room for two");
        let _second = admission.admit(ip, now).expect("room for two");
        assert_eq!(admission.admit(ip, now).expect_err("full"), TurnedAway::Connections);
        drop(first);
        assert_eq!(admission.open_connections(), 1);
        admission.admit(ip, now).expect("room again");
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_cannot_take_all_places_but_loopback_may() {
        let (admission, ip) = admission(Limits { connections_per_ip_max: 1, ..Limits::default() });
        let now = Instant::now();
        let _held = admission.admit(ip, now).expect("the first");
        assert_eq!(admission.admit(ip, now).expect_err("the second"), TurnedAway::ConnectionsPerIp);
        let other: IpAddr = "2001:db8::1".parse().expect("an address");
        let _other = admission.admit(other, now).expect("another address");
        let loopback: IpAddr = "::1".parse().expect("an address");
        let _loopback = [admission.admit(loopback, now).expect("one"), admission.admit(loopback, now).expect("two")];
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_connections_is_cut_and_may_go_on_a_second_later() {
        let (admission, ip) = admission(Limits { connection_rate_per_ip_max: 1, ..Limits::default() });
        let now = Instant::now();
        for _ in 0..10 {
            admission.admit(ip, now).expect("within the burst");
        }
        assert_eq!(admission.admit(ip, now).expect_err("beyond it"), TurnedAway::Rate);
        admission.admit(ip, now + Duration::from_secs(1)).expect("one more a second");
        assert_eq!(admission.admit(ip, now + Duration::from_secs(1)).expect_err("not two"), TurnedAway::Rate);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_never_speak_do_not_crowd_out_those_that_do() {
        let (admission, ip) = admission(Limits { half_open_connections_max: 1, ..Limits::default() });
        let now = Instant::now();
        let mut first = admission.admit(ip, now).expect("the first");
        assert_eq!(admission.admit(ip, now).expect_err("a second silent one"), TurnedAway::HalfOpen);
        first.first_request_seen();
        first.first_request_seen();
        let _second = admission.admit(ip, now).expect("the first has spoken");
    }
}
