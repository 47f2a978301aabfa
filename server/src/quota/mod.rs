//! How much a client may use: bytes produced and fetched (KIP-13, KIP-55), the time its requests take (KIP-124), partitions it creates and
//! deletes (KIP-599), and connections (KIP-612). Who is over its quota is answered at once and then not heard for a while (KIP-219).
//!
//! `api` asks before it answers, `net` (through `Dispatch`) before it takes a connection; the controller thread brings new quotas when the
//! image has them. Promises: while no quota of a kind is set, asking costs one relaxed load; with quotas, clients of different groups meet
//! at a lock only by chance; what is remembered is bounded; figures are those of Apache Kafka for the same bytes at the same times.
//!
//! | file | what |
//! |---|---|
//! | `rate.rs` | the arithmetic: sampled rates, token buckets, throttle times |
//! | `entities.rs` | which quota applies to whom, and who shares a measurement |
//! | `meters.rs` | the measurements, sharded and bounded |
//! | `spent.rs` | how long a request has kept its thread |
//! | `mutations.rs` | partitions to be created or deleted |
//! | `connections.rs` | how fast connections may come |
//! | `throttle_field.rs` | where an encoded answer says how long its client is throttled |
//!
//! Time is the clock's steady one: a wall clock that is set throttles nobody and frees nobody.

mod connections;
mod entities;
mod meters;
mod mutations;
mod rate;
mod spent;
mod throttle_field;

pub(crate) use connections::{Arrival, Connections};
pub(crate) use entities::Who;
pub(crate) use mutations::Mutations;
pub(crate) use spent::{Metered, Spent};
pub(crate) use throttle_field::write_throttle_time;

use crate::clock::Clock;
use crate::config::Config;
use arc_swap::ArcSwap;
use entities::Entities;
use meters::Meters;
use ottla_coordinator::metadata::client_quotas::{CONSUMER_BYTE_RATE, CONTROLLER_MUTATION_RATE, PRODUCER_BYTE_RATE, REQUEST_PERCENTAGE};
use ottla_coordinator::metadata::image::ClientQuotasImage;
use rate::{Rate, TokenBucket, Window};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Produce = 0,
    Fetch = 1,
    Request = 2,
    Mutation = 3,
}

const KEYS: [&str; 4] = [PRODUCER_BYTE_RATE, CONSUMER_BYTE_RATE, REQUEST_PERCENTAGE, CONTROLLER_MUTATION_RATE];
/// Per cent of a second.
const PERCENT_PER_NS: f64 = 100.0 / 1e9;
/// Who has no quota may do as much as this; so Kafka has it.
const NO_QUOTA: f64 = i64::MAX as f64;
/// How often measurements are looked through for those to forget, as in Kafka.
const EXPIRE_EVERY_MS: i64 = 30_000;

impl Kind {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The quotas of a broker and what its clients have used of them.
#[derive(Debug)]
pub struct Quotas {
    clock: Clock,
    window: Window,
    mutation_window: Window,
    /// A bit for each kind of which quotas are set.
    set: AtomicU8,
    entities: ArcSwap<[Option<Entities>; 4]>,
    produce: Meters<Rate>,
    fetch: Meters<Rate>,
    request: Meters<Rate>,
    mutation: Meters<TokenBucket>,
    connections: Connections,
    expire_ms: AtomicI64,
}

impl Quotas {
    /// None set.
    #[must_use]
    pub fn new(config: &Config, clock: Clock) -> Self {
        let window = Window { samples: config.quota_window_num(), sample_ms: seconds(config.quota_window_size_seconds()) };
        Self {
            window,
            mutation_window: Window {
                samples: config.controller_quota_window_num(),
                sample_ms: seconds(config.controller_quota_window_size_seconds()),
            },
            set: AtomicU8::new(0),
            entities: ArcSwap::default(),
            produce: Meters::new(),
            fetch: Meters::new(),
            request: Meters::new(),
            mutation: Meters::new(),
            connections: Connections::new(window, config, clock.clone()),
            expire_ms: AtomicI64::new(0),
            clock,
        }
    }

    /// The quotas of an image, from now on.
    pub fn follow(&self, image: &ClientQuotasImage) {
        let entities = KEYS.map(|key| Entities::of(image, key));
        let set = entities.iter().enumerate().filter(|(_, entities)| entities.is_some()).map(|(at, _)| 1 << at).sum();
        self.entities.store(std::sync::Arc::new(entities));
        self.set.store(set, Ordering::Relaxed);
        self.connections.follow(image);
    }

    /// The broker keys that may change while it runs.
    pub fn configure(&self, config: &Config) {
        self.connections.configure(config);
    }

    /// How fast connections may come.
    #[must_use]
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    fn is_set(&self, kind: Kind) -> bool {
        self.set.load(Ordering::Relaxed) & kind.bit() != 0
    }

    /// Whether it matters how long requests take, or how many partitions they change.
    pub(crate) fn meters_requests(&self) -> bool {
        self.set.load(Ordering::Relaxed) & (Kind::Request.bit() | Kind::Mutation.bit()) != 0
    }

    /// Whether it matters how many bytes are fetched.
    pub(crate) fn meters_fetches(&self) -> bool {
        self.is_set(Kind::Fetch)
    }

    /// Notes a Produce request of so many bytes; how long the client is to be throttled.
    pub(crate) fn produced(&self, who: Who<'_>, bytes: u64) -> i32 {
        self.note(Kind::Produce, &self.produce, who, bytes as f64)
    }

    /// Notes a Fetch answer of so many bytes; how long the client is to be throttled. When it is, it gets none of them: [`Self::not_fetched`].
    pub(crate) fn fetched(&self, who: Who<'_>, bytes: u64) -> i32 {
        self.note(Kind::Fetch, &self.fetch, who, bytes as f64)
    }

    /// Takes back what was noted, for the client got nothing.
    pub(crate) fn not_fetched(&self, who: Who<'_>, bytes: u64) {
        self.note(Kind::Fetch, &self.fetch, who, -(bytes as f64));
    }

    /// More bytes in one answer would always be throttled, and the client get nowhere.
    pub(crate) fn fetch_bytes_max(&self, who: Who<'_>) -> u64 {
        if !self.is_set(Kind::Fetch) {
            return u64::MAX;
        }
        let quota = self.lookup(Kind::Fetch, |entities| entities.quota(entities.group(who))).flatten();
        // Kafka's is an int.
        let bytes = |quota: f64| (quota * (self.window.samples as f64 - 1.0) * (self.window.sample_ms as f64 / 1000.0)) as i32;
        quota.map_or(u64::MAX, |quota| u64::try_from(bytes(quota)).unwrap_or(0))
    }

    /// Notes how long a request kept its thread; how long the client is to be throttled, no longer than a sample.
    pub(crate) fn requested(&self, who: Who<'_>, spent_ns: u64) -> i32 {
        let throttle_ms = self.note(Kind::Request, &self.request, who, spent_ns as f64 * PERCENT_PER_NS);
        throttle_ms.min(i32::try_from(self.window.sample_ms).unwrap_or(i32::MAX))
    }

    /// Takes tokens for partitions that are to be created or deleted. `strict`: none are taken while the bucket is overdrawn. The time
    /// until it is not.
    fn mutate(&self, who: Who<'_>, partitions: usize, strict: bool) -> i64 {
        if !self.is_set(Kind::Mutation) {
            return 0;
        }
        let (window, now_ms) = (self.mutation_window, self.clock.steady_ms());
        let throttle_ms = self.lookup(Kind::Mutation, |entities| {
            let group = entities.group(who);
            let quota = entities.quota(group).unwrap_or(NO_QUOTA);
            self.mutation.with(group, now_ms, |bucket| {
                if strict {
                    let throttle_ms = bucket.throttle_ms(window, quota, now_ms);
                    if throttle_ms > 0 {
                        return throttle_ms;
                    }
                }
                bucket.take(window, quota, partitions as f64, now_ms);
                if strict { 0 } else { bucket.throttle_ms(window, quota, now_ms) }
            })
        });
        throttle_ms.unwrap_or(0)
    }

    fn note(&self, kind: Kind, meters: &Meters<Rate>, who: Who<'_>, value: f64) -> i32 {
        if !self.is_set(kind) {
            return 0;
        }
        let now_ms = self.clock.steady_ms();
        let throttle_ms = self.lookup(kind, |entities| {
            let group = entities.group(who);
            let quota = entities.quota(group).unwrap_or(NO_QUOTA);
            meters.with(group, now_ms, |rate| {
                rate.record(self.window, value, now_ms);
                rate.throttle_ms(self.window, quota, now_ms)
            })
        });
        throttle_ms.map_or(0, |throttle_ms| i32::try_from(throttle_ms).unwrap_or(i32::MAX))
    }

    fn lookup<R>(&self, kind: Kind, found: impl FnOnce(&Entities) -> R) -> Option<R> {
        self.entities.load().get(kind as usize)?.as_ref().map(found)
    }

    /// Forgets who was quiet for an hour. Called often; looks seldom.
    pub(crate) fn expire(&self) {
        let now_ms = self.clock.steady_ms();
        if now_ms < self.expire_ms.load(Ordering::Relaxed) {
            return;
        }
        self.expire_ms.store(now_ms + EXPIRE_EVERY_MS, Ordering::Relaxed);
        self.produce.expire(now_ms);
        self.fetch.expire(now_ms);
        self.request.expire(now_ms);
        self.mutation.expire(now_ms);
        self.connections.expire(now_ms);
    }

    /// How many groups of clients are remembered.
    #[must_use]
    pub fn meters(&self) -> usize {
        self.produce.len() + self.fetch.len() + self.request.len() + self.mutation.len()
    }
}

fn seconds(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}

#[cfg(test)]
mod tests;
