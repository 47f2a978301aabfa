//! Client metrics (KIP-714) as Apache Kafka handles them without a receiver: subscriptions are told and pushes are checked, and nobody keeps
//! what was pushed. Not advertised either, so that no client asks by itself.
//!
//! Only the two APIs call in here. An instance is what one client said and when; it lives as long as the connection that first showed it,
//! and at most [`instances_max`](INSTANCES_MAX) of them are remembered. Changing any subscription makes all of them begin anew, as in Kafka.

use crate::api::RequestContext;
use crate::net::ConnectionInfo;
use foldhash::HashMap;
use kafka_protocol::ResponseError;
use ottla_coordinator::metadata::image::{ConfigResourceType, ConfigsImage};
use regex::RegexBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use uuid::Uuid;

/// Instances that are remembered. Beyond, the one that was longest silent is forgotten.
const INSTANCES_MAX: usize = 16_384;
/// How long an instance is remembered at least.
const REMEMBERED_MS_MIN: i64 = 60_000;
/// How often clients push that no subscription tells otherwise.
const INTERVAL_MS_DEFAULT: i32 = 5 * 60 * 1000;
/// Stands for all metrics.
const ALL_METRICS: &str = "*";
/// Bytes of a compiled pattern of `match`; one that needs more matches nobody.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What a client is asked to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) id: i32,
    pub(crate) metrics: BTreeSet<String>,
    pub(crate) push_interval_ms: i32,
}

/// What a client pushes, as far as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Push {
    pub(crate) subscription_id: i32,
    pub(crate) terminating: bool,
    pub(crate) compression_type: i8,
    pub(crate) size_bytes: usize,
}

/// All instances of this broker.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    instances: Mutex<Instances>,
}

#[derive(Debug, Default)]
struct Instances {
    by_id: HashMap<Uuid, Instance>,
    /// By when they last spoke, oldest first.
    order: BTreeMap<u64, Uuid>,
    next: u64,
}

#[derive(Debug)]
struct Instance {
    connection: Weak<ConnectionInfo>,
    subscription: Subscription,
    /// Of the subscriptions it was made from.
    fingerprint: u64,
    last_get_ms: i64,
    last_push_ms: i64,
    terminating: bool,
    last_error: Option<ResponseError>,
    spoke: u64,
    spoke_ms: i64,
}

impl Instance {
    fn is_remembered(&self, now_ms: i64) -> bool {
        let for_ms = (i64::from(self.subscription.push_interval_ms) * 3).max(REMEMBERED_MS_MIN);
        self.connection.strong_count() > 0 && now_ms.saturating_sub(self.spoke_ms) < for_ms
    }

    fn get(&mut self, now_ms: i64) -> Result<(), ResponseError> {
        let since_ms = now_ms.saturating_sub(self.last_get_ms.max(self.last_push_ms));
        if since_ms >= i64::from(self.subscription.push_interval_ms) {
            self.last_get_ms = now_ms;
        } else if !matches!(self.last_error, Some(ResponseError::UnknownSubscriptionId | ResponseError::UnsupportedCompressionType)) {
            return Err(ResponseError::ThrottlingQuotaExceeded);
        }
        self.last_error = None;
        Ok(())
    }

    fn push(&mut self, now_ms: i64, push: &Push, max_bytes: usize) -> Result<(), ResponseError> {
        if self.terminating {
            return Err(ResponseError::InvalidRequest);
        }
        // The first push after the subscriptions were fetched may come early: clients spread theirs.
        let due = self.last_get_ms > self.last_push_ms
            || now_ms.saturating_sub(self.last_push_ms) >= i64::from(self.subscription.push_interval_ms);
        if due {
            self.last_push_ms = now_ms;
        } else if !push.terminating {
            return Err(ResponseError::ThrottlingQuotaExceeded);
        }
        if push.subscription_id != self.subscription.id {
            return Err(ResponseError::UnknownSubscriptionId);
        }
        if !(0..=4).contains(&push.compression_type) {
            return Err(ResponseError::UnsupportedCompressionType);
        }
        if push.size_bytes > max_bytes {
            return Err(ResponseError::TelemetryTooLarge);
        }
        Ok(())
    }
}

impl Telemetry {
    /// GetTelemetrySubscriptions: what the client is asked to push.
    pub(crate) fn get(&self, ctx: &RequestContext, id: Uuid) -> Result<Subscription, ResponseError> {
        self.with(ctx, id, |instance, now_ms| instance.get(now_ms).map(|()| instance.subscription.clone()))
    }

    /// PushTelemetry: whether it may be pushed.
    pub(crate) fn push(&self, ctx: &RequestContext, id: Uuid, push: &Push, max_bytes: usize) -> Result<(), ResponseError> {
        self.with(ctx, id, |instance, now_ms| {
            let outcome = instance.push(now_ms, push, max_bytes);
            instance.last_error = outcome.err();
            instance.terminating = push.terminating;
            outcome
        })
    }

    fn with<T>(&self, ctx: &RequestContext, id: Uuid, ask: impl FnOnce(&mut Instance, i64) -> T) -> T {
        let now_ms = ctx.node.clock.now_ms();
        let image = ctx.node.image();
        let fingerprint = fingerprint(image.configs());
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let Instances { by_id, order, next } = &mut *instances;
        let spoke = *next;
        *next += 1;
        let fresh = |connection: Weak<ConnectionInfo>| Instance {
            connection,
            subscription: subscription(image.configs(), ctx, id),
            fingerprint,
            last_get_ms: 0,
            last_push_ms: 0,
            terminating: false,
            last_error: None,
            spoke,
            spoke_ms: now_ms,
        };
        let instance = by_id.entry(id).or_insert_with(|| fresh(Arc::downgrade(&ctx.connection)));
        if !instance.is_remembered(now_ms) || instance.fingerprint != fingerprint {
            order.remove(&instance.spoke);
            *instance = fresh(Arc::downgrade(&ctx.connection));
        }
        order.remove(&instance.spoke);
        order.insert(spoke, id);
        (instance.spoke, instance.spoke_ms) = (spoke, now_ms);
        let outcome = ask(instance, now_ms);
        while by_id.len() > INSTANCES_MAX
            && let Some((_, oldest)) = order.pop_first()
        {
            by_id.remove(&oldest);
        }
        outcome
    }
}

fn subscriptions(configs: &ConfigsImage) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
    let ours = configs.iter().filter(|(resource, _)| resource.resource_type == ConfigResourceType::ClientMetrics);
    ours.map(|(resource, settings)| (resource.name.as_str(), &**settings))
}

/// Changes with any subscription.
fn fingerprint(configs: &ConfigsImage) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    subscriptions(configs).for_each(|subscription| subscription.hash(&mut hasher));
    hasher.finish()
}

fn items(settings: &BTreeMap<String, String>, key: &str) -> impl Iterator<Item = String> {
    let text = settings.get(key).map_or("", String::as_str);
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn subscription(configs: &ConfigsImage, ctx: &RequestContext, id: Uuid) -> Subscription {
    let mut metrics = BTreeSet::new();
    let mut push_interval_ms = INTERVAL_MS_DEFAULT;
    for (_, settings) in subscriptions(configs) {
        if items(settings, "match").all(|pattern| matches(ctx, id, &pattern)) {
            metrics.extend(items(settings, "metrics"));
            let own = settings.get("interval.ms").and_then(|text| text.trim().parse().ok()).unwrap_or(INTERVAL_MS_DEFAULT);
            push_interval_ms = push_interval_ms.min(own);
        }
    }
    if metrics.contains(ALL_METRICS) {
        metrics = BTreeSet::from([ALL_METRICS.to_owned()]);
    }
    Subscription { id: subscription_id(&metrics, push_interval_ms, id), metrics, push_interval_ms }
}

/// One `attribute=pattern` of `match`.
fn matches(ctx: &RequestContext, id: Uuid, pattern: &str) -> bool {
    let Some((attribute, pattern)) = pattern.split_once('=') else { return false };
    let software = ctx.connection.client_software.get();
    let value = match attribute.trim() {
        "client_instance_id" => Some(java_text(id)),
        "client_id" => ctx.client_id.as_ref().map(ToString::to_string),
        "client_software_name" => Some(software.map_or_else(|| "unknown".to_owned(), |software| software.0.to_string())),
        "client_software_version" => Some(software.map_or_else(|| "unknown".to_owned(), |software| software.1.to_string())),
        "client_source_address" => Some(ctx.client_host().trim_start_matches('/').to_owned()),
        "client_source_port" => Some(ctx.connection.peer_addr.port().to_string()),
        _ => None,
    };
    let whole = RegexBuilder::new(&format!("^(?:{})$", pattern.trim())).size_limit(PATTERN_BYTES_MAX).build();
    value.is_some_and(|value| whole.is_ok_and(|whole| whole.is_match(&value)))
}

/// 22 letters of URL-safe base64.
fn java_text(id: Uuid) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    // 128 bits are 21 letters and a third.
    let letter = |at: u32| LETTERS[(if at == 21 { bits << 4 } else { bits >> (122 - 6 * at) } & 63) as usize] as char;
    (0..22).map(letter).collect()
}

/// Clients only compare it; Kafka makes it so from the same parts.
fn subscription_id(metrics: &BTreeSet<String>, push_interval_ms: i32, id: Uuid) -> i32 {
    let told = format!("[{}]{push_interval_ms}", metrics.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    let (high, low) = id.as_u64_pair();
    let folded = high ^ low;
    crc32c::crc32c(told.as_bytes()).cast_signed() ^ ((folded >> 32) as u32 ^ folded as u32).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_is_written_as_java_writes_it() {
        // The metadata topic's id, as Kafka's tools show it.
        assert_eq!(java_text(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(java_text(Uuid::from_u128(u128::MAX)), "_____________________w");
    }
}
