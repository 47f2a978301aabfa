//! How fast connections may come: to the broker, to a listener, from an address (KIP-402, KIP-612).
//!
//! | over the rate of | what happens |
//! |---|---|
//! | the broker (`max.connection.creation.rate`) or the listener (`listener.name.<listener>.max.connection.creation.rate`) | the listener takes no connection for a while; clients wait in its queue |
//! | an address (`connection_creation_rate` of an `ip`) | the connection is held without being read, then closed |
//!
//! The listener that brokers use among themselves is not bound by the broker's rate when there are others.

use super::rate::{Rate, Window};
use crate::clock::Clock;
use crate::config::Config;
use crate::limits::QUOTA_METERS_MAX;
use arc_swap::ArcSwap;
use foldhash::HashMap;
use ottla_coordinator::metadata::client_quotas::{CONNECTION_CREATION_RATE, IP};
use ottla_coordinator::metadata::image::ClientQuotasImage;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A rate of an address that was quiet for so long is forgotten.
const INACTIVE_MS: i64 = 60 * 60 * 1000;
const UNBOUND: i64 = i32::MAX as i64;

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is served.
    Welcome,
    /// It is held for so many milliseconds, then closed.
    TurnedAway(u64),
}

/// The rates of one broker.
#[derive(Debug)]
pub(crate) struct Connections {
    clock: Clock,
    window: Window,
    listeners: ArcSwap<ListenerRates>,
    ips: Arc<Ips>,
    seen: Mutex<Seen>,
}

/// Connections a second, by configuration.
#[derive(Debug, Default)]
struct ListenerRates {
    broker: Option<i64>,
    by_listener: HashMap<String, i64>,
    /// The listener that the broker's rate does not bind.
    exempt: Option<String>,
}

/// Connections a second, by quotas.
#[derive(Debug, Default)]
struct Ips {
    rates: ArcSwap<IpRates>,
    /// Counts the images that were followed: what is looked up for an old one comes too late.
    image: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct IpRates {
    default: Option<i64>,
    by_ip: HashMap<IpAddr, i64>,
}

/// What has come.
#[derive(Debug, Default)]
struct Seen {
    broker: Rate,
    by_listener: HashMap<String, Rate>,
    by_ip: HashMap<IpAddr, (Rate, i64)>,
}

impl ListenerRates {
    fn of(config: &Config) -> Self {
        let bound = |rate: i64| (rate != UNBOUND).then_some(rate);
        let broker = bound(config.max_connection_creation_rate());
        let of_listener = |name: &str| {
            let own = config.listener_number(name, "max.connection.creation.rate").map(bound);
            Some((name.to_owned(), own.unwrap_or(broker)?))
        };
        let by_listener = config.listeners().iter().filter_map(|listener| of_listener(&listener.name)).collect();
        let exempt = (config.listeners().len() > 1).then(|| config.inter_broker_listener_name().to_owned());
        Self { broker, by_listener, exempt }
    }

    fn of_broker(&self, listener: &str) -> Option<i64> {
        self.broker.filter(|_| self.exempt.as_deref() != Some(listener))
    }
}

impl IpRates {
    /// The rates of an image, and those of host names.
    fn of(image: &ClientQuotasImage) -> (Self, Vec<(String, i64)>) {
        let (mut rates, mut names) = (Self::default(), Vec::new());
        for (entity, quotas) in image.iter() {
            let Some(ip) = entity.parts().iter().find(|part| part.entity_type == IP) else { continue };
            let Some(rate) = quotas.get(CONNECTION_CREATION_RATE).map(|rate| *rate as i64) else { continue };
            match ip.entity_name.as_deref().map(|name| (name, name.parse::<IpAddr>())) {
                None => rates.default = Some(rate),
                Some((_, Ok(ip))) => {
                    rates.by_ip.insert(ip.to_canonical(), rate);
                }
                Some((name, Err(_))) => names.push((name.to_owned(), rate)),
            }
        }
        (rates, names)
    }

    fn of_ip(&self, ip: IpAddr) -> Option<i64> {
        self.by_ip.get(&ip).copied().or(self.default).filter(|rate| *rate != UNBOUND)
    }
}

impl Ips {
    fn follow(self: &Arc<Self>, image: &ClientQuotasImage) {
        let (mut rates, names) = IpRates::of(image);
        let number = self.image.fetch_add(1, Ordering::SeqCst) + 1;
        self.rates.store(Arc::new(rates.clone()));
        if names.is_empty() {
            return;
        }
        // The controller does not wait for name servers.
        let ips = Arc::clone(self);
        let looked_up = std::thread::Builder::new().name("ottla-look-up".to_owned()).spawn(move || {
            for (name, rate) in names {
                match (name.as_str(), 0).to_socket_addrs().ok().and_then(|mut found| found.next()) {
                    Some(found) => drop(rates.by_ip.insert(found.ip().to_canonical(), rate)),
                    None => tracing::warn!(host = %name, "the connection rate of a host without an address has no effect"),
                }
            }
            if ips.image.load(Ordering::SeqCst) == number {
                ips.rates.store(Arc::new(rates));
            }
        });
        if let Err(error) = looked_up {
            tracing::warn!(%error, "connection rates of host names have no effect");
        }
    }
}

impl Connections {
    pub(super) fn new(window: Window, config: &Config, clock: Clock) -> Self {
        let listeners = ArcSwap::from_pointee(ListenerRates::of(config));
        Self { clock, window, listeners, ips: Arc::default(), seen: Mutex::default() }
    }

    /// The rates of a configuration, from now on.
    pub(super) fn configure(&self, config: &Config) {
        self.listeners.store(Arc::new(ListenerRates::of(config)));
    }

    /// The quotas of an image, from now on. Host names follow as soon as they are looked up.
    pub(super) fn follow(&self, image: &ClientQuotasImage) {
        self.ips.follow(image);
    }

    /// Notes a new connection; how many milliseconds the listener is to wait before it goes on with it. No longer than a sample.
    pub(crate) fn delay_ms(&self, listener: &str) -> u64 {
        let rates = self.listeners.load();
        let (broker, own) = (rates.of_broker(listener), rates.by_listener.get(listener).copied());
        if broker.is_none() && own.is_none() {
            return 0;
        }
        let now_ms = self.clock.steady_ms();
        let mut seen = self.lock();
        let broker_ms = broker.map_or(0, |rate| self.note(&mut seen.broker, rate, now_ms));
        let own_ms = own.map_or(0, |rate| self.note(seen.by_listener.entry(listener.to_owned()).or_default(), rate, now_ms));
        u64::try_from(broker_ms.max(own_ms)).unwrap_or(0)
    }

    /// Notes the connection for its address, after [`Self::delay_ms`]. One that is turned away counts nowhere.
    pub(crate) fn arrive(&self, listener: &str, ip: IpAddr) -> Arrival {
        let Some(rate) = self.ips.rates.load().of_ip(ip) else { return Arrival::Welcome };
        let now_ms = self.clock.steady_ms();
        let mut seen = self.lock();
        if seen.by_ip.len() >= QUOTA_METERS_MAX && !seen.by_ip.contains_key(&ip) {
            let quietest = seen.by_ip.iter().min_by_key(|(_, (_, used_ms))| *used_ms).map(|(ip, _)| *ip);
            quietest.map(|ip| seen.by_ip.remove(&ip));
        }
        let (of_ip, used_ms) = seen.by_ip.entry(ip).or_insert_with(|| (Rate::default(), now_ms));
        *used_ms = now_ms;
        let throttle_ms = self.note(of_ip, rate, now_ms);
        if throttle_ms <= 0 {
            return Arrival::Welcome;
        }
        of_ip.record(self.window, -1.0, now_ms);
        let rates = self.listeners.load();
        if rates.of_broker(listener).is_some() {
            seen.broker.record(self.window, -1.0, now_ms);
        }
        if let Some(own) = seen.by_listener.get_mut(listener) {
            own.record(self.window, -1.0, now_ms);
        }
        Arrival::TurnedAway(u64::try_from(throttle_ms).unwrap_or(0))
    }

    fn note(&self, seen: &mut Rate, rate: i64, now_ms: i64) -> i64 {
        seen.record(self.window, 1.0, now_ms);
        seen.throttle_ms(self.window, rate as f64, now_ms).min(self.window.sample_ms)
    }

    pub(super) fn expire(&self, now_ms: i64) {
        self.lock().by_ip.retain(|_, (_, used_ms)| now_ms - *used_ms <= INACTIVE_MS);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
