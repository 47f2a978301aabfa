//! One file per Kafka API; `table.rs` is the only place that lists them.
//!
//! A handler is always the same five steps, top to bottom: authorize, resolve names against the image, ask one room, map errors, answer.
//! Version checks, decode errors, hooks and timing are written once, here.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod add_raft_voter;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_user_scram_credentials;
mod api_versions;
mod by_topic;
mod config_changes;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_delegation_token;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_delegation_token;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod expire_delegation_token;
mod fetch;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod push_telemetry;
mod remove_raft_voter;
mod renew_delegation_token;
pub mod response;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;
mod table;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

use crate::auth::{Operation, Resource};
use crate::broker::Node;
use crate::clock::Stopwatch;
use crate::net::{CloseReason, ConnectionInfo, Dispatch, Dispatched, Frame, Outcome};
use crate::quota::{Arrival, Metered, Mutations, Spent, Who, write_throttle_time};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use ottla_coordinator::group::{Caller, GroupReply};
use response::Response;
use std::fmt::Debug;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
pub use table::{APIS, find};
use uuid::Uuid;

/// What travels with a request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The broker.
    pub node: Arc<Node>,
    /// Who asks, and over which listener.
    pub connection: Arc<ConnectionInfo>,
    /// Key of the API.
    pub api_key: ApiKey,
    /// Version of the request.
    pub api_version: i16,
    /// To be echoed.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<StrBytes>,
    /// Size of the request without the size prefix.
    pub size_bytes: usize,
    /// Its time, while somebody's is bounded.
    pub(crate) spent: Option<Arc<Spent>>,
}

impl RequestContext {
    /// Asks the authorizer.
    #[must_use]
    pub fn allows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.node.authorizer.allows(&self.connection, operation, resource)
    }

    /// Whose quotas count.
    pub(crate) fn who(&self) -> Who<'_> {
        Who { user: &self.connection.principal.name, client_id: self.client_id.as_deref().unwrap_or_default() }
    }

    /// How long the client is throttled for the time its request took, and by what else was noted for it. To be asked when the answer is
    /// made; the first question notes the time.
    pub(crate) fn throttle_ms(&self) -> i32 {
        // Brokers among themselves are exempt.
        let spent = self.spent.as_ref().filter(|_| self.api_key != ApiKey::WriteTxnMarkers);
        spent.map_or(0, |spent| spent.throttle_ms(|spent_ns| self.node.quota.requested(self.who(), spent_ns)))
    }

    /// The quota of partitions that this request creates or deletes; `strict_since` is the first version that knows
    /// THROTTLING_QUOTA_EXCEEDED.
    pub(crate) fn mutations(&self, strict_since: i16) -> Mutations {
        Mutations::new(&self.node.quota, &self.connection.principal.name, self.client_id.as_ref(), self.api_version >= strict_since)
    }

    /// The client is throttled by at least this.
    pub(crate) fn throttle_at_least(&self, throttle_ms: i32) {
        if let Some(spent) = &self.spent {
            spent.throttle_at_least(throttle_ms);
        }
    }

    /// The client's address as Kafka keeps it with a group's member.
    #[must_use]
    pub fn client_host(&self) -> String {
        client_host(self.connection.peer_addr.ip())
    }

    /// Who asks, for a group. A client without a name is one with an empty name, as in Kafka.
    pub(crate) fn caller<'a>(&'a self, client_host: &'a str, fresh_id: Uuid) -> Caller<'a> {
        Caller { api_version: self.api_version, client_id: self.client_id.as_deref().unwrap_or_default(), client_host, fresh_id }
    }

    /// A buffer that holds the response header.
    #[must_use]
    pub fn response_head(&self) -> BytesMut {
        response_head(self.api_key, self.api_version, self.correlation_id)
    }

    /// Encodes a response behind its header.
    pub fn respond(&self, message: &impl Encodable) -> Outcome {
        let mut out = self.response_head();
        let head_bytes = out.len();
        match message.encode(&mut out, self.api_version) {
            Ok(()) => {
                let throttle_ms = self.throttle_ms();
                if throttle_ms > 0 {
                    write_throttle_time(self.api_key, self.api_version, &mut out[head_bytes..], throttle_ms);
                }
                let mut response = Response::new(out.freeze());
                response.throttle_ms = throttle_ms;
                Outcome::Respond(response)
            }
            Err(error) => close(format!("cannot encode the answer to {:?} v{}: {error}", self.api_key, self.api_version)),
        }
    }
}

fn response_head(api_key: ApiKey, api_version: i16, correlation_id: i32) -> BytesMut {
    let mut head = BytesMut::with_capacity(64);
    head.put_i32(correlation_id);
    if api_key.response_header_version(api_version) >= 1 {
        head.put_u8(0);
    }
    head
}

fn close(reason: String) -> Outcome {
    Outcome::Close(CloseReason(reason.into()))
}

/// One Kafka request type with an ordinary answer.
pub trait Api {
    /// Decoded request.
    type Request: Decodable + Send + 'static;
    /// Answer before encoding.
    type Response: Encodable + Send + 'static;
    /// Kafka's key.
    const KEY: ApiKey;
    /// What is served.
    const VERSIONS: RangeInclusive<i16>;
    /// The five steps.
    fn handle(ctx: RequestContext, request: Self::Request) -> impl Future<Output = Self::Response> + Send;
}

/// A request type whose answer is parts, nothing, or a closed connection.
pub(crate) trait RawApi {
    type Request: Decodable + Send + 'static;
    const KEY: ApiKey;
    const VERSIONS: RangeInclusive<i16>;
    /// What ApiVersions says; may begin below what is served.
    const ADVERTISED: RangeInclusive<i16> = Self::VERSIONS;
    /// The next request may begin while this one waits.
    const PIPELINED: bool = false;
    fn handle(ctx: RequestContext, request: Self::Request) -> impl Future<Output = Outcome> + Send;
}

type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One row of the table.
#[derive(Debug)]
pub struct ApiEntry {
    /// Kafka's key.
    pub key: ApiKey,
    /// Oldest version served.
    pub min_version: i16,
    /// Newest version served.
    pub max_version: i16,
    /// Oldest version that ApiVersions advertises.
    pub advertised_min_version: i16,
    /// False: served to whoever asks, and not told by ApiVersions.
    pub advertised: bool,
    pipelined: bool,
    run: fn(RequestContext, Bytes) -> Answer,
}

impl ApiEntry {
    const fn of<A: Api>() -> Self {
        let (min, max) = (*A::VERSIONS.start(), *A::VERSIONS.end());
        let (advertised_min_version, advertised) = (min, true);
        Self { key: A::KEY, min_version: min, max_version: max, advertised_min_version, advertised, pipelined: false, run: run::<A> }
    }

    /// The same row, not told by ApiVersions.
    const fn unadvertised(self) -> Self {
        Self { advertised: false, ..self }
    }

    const fn raw<A: RawApi>() -> Self {
        Self {
            key: A::KEY,
            min_version: *A::VERSIONS.start(),
            max_version: *A::VERSIONS.end(),
            advertised_min_version: *A::ADVERTISED.start(),
            advertised: true,
            pipelined: A::PIPELINED,
            run: run_raw::<A>,
        }
    }
}

fn run<A: Api>(ctx: RequestContext, mut body: Bytes) -> Answer {
    Box::pin(async move {
        match A::Request::decode(&mut body, ctx.api_version) {
            Ok(request) => {
                drop(body);
                let answer = A::handle(ctx.clone(), request).await;
                ctx.respond(&answer)
            }
            Err(error) => undecodable(&ctx, &error),
        }
    })
}

fn run_raw<A: RawApi>(ctx: RequestContext, mut body: Bytes) -> Answer {
    Box::pin(async move {
        match A::Request::decode(&mut body, ctx.api_version) {
            Ok(request) => {
                drop(body);
                A::handle(ctx, request).await
            }
            Err(error) => undecodable(&ctx, &error),
        }
    })
}

fn undecodable(ctx: &RequestContext, error: &dyn std::fmt::Display) -> Outcome {
    close(format!("cannot decode {:?} v{}: {error}", ctx.api_key, ctx.api_version))
}

/// Bits of Kafka's ACL operation codes that a topic has; all are allowed without an authorizer.
pub(crate) const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// Bits of Kafka's ACL operation codes that the cluster has.
pub(crate) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
/// Bits of Kafka's ACL operation codes that a group has.
pub(crate) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;
/// Stands for "authorized operations were not asked for".
pub(crate) const NOT_ASKED: i32 = i32::MIN;

/// Kafka's text for INVALID_REQUEST.
pub(crate) const MALFORMED: &str = "This most likely occurs because of a request being malformed by the client library or the message was \
                                    sent to an incompatible broker. See the broker logs for more details.";

/// The error of a group that gave no answer, or not the one that was asked for.
pub(crate) fn no_answer(outcome: Result<GroupReply, ResponseError>) -> ResponseError {
    outcome.err().unwrap_or(ResponseError::UnknownServerError)
}

/// PRODUCER_FENCED as clients below version `since` of the API know it: INVALID_PRODUCER_EPOCH (KIP-588).
pub(crate) fn fenced_before(since: i16, api_version: i16, error: ResponseError) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if api_version < since => ResponseError::InvalidProducerEpoch,
        error => error,
    }
}

/// Java's text of an address: `/127.0.0.1`, `/0:0:0:0:0:0:0:1`.
fn client_host(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}"),
        IpAddr::V6(address) => v6_host(address),
    }
}

fn v6_host(address: Ipv6Addr) -> String {
    let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
    format!("/{}", groups.join(":"))
}

/// Topics that belong to the broker's own coordinators.
pub(crate) fn is_internal_topic(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

fn random_i32() -> i32 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// `ConsumerGroupHeartbeat` lives in `consumer_group_heartbeat.rs`.
#[must_use]
pub fn file_of(entry: &ApiEntry) -> String {
    let mut name = String::new();
    for letter in format!("{:?}", entry.key).chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name + ".rs"
}

/// What an injected fault does to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Close the connection instead of answering.
    Disconnect,
    /// Wait before handling.
    DelayMs(u64),
}

/// Sees every request before it is handled; for deterministic fault injection.
pub trait FaultHook: Send + Sync + Debug {
    /// What to do to this request; `None` for nothing.
    fn before(&self, connection: &ConnectionInfo, api_key: ApiKey, api_version: i16) -> Option<Fault>;
}

/// Sees every request after it was handled; for metrics.
pub trait RequestObserver: Send + Sync + Debug {
    /// One request is done.
    fn done(&self, api_key: ApiKey, api_version: i16, elapsed: std::time::Duration, response_bytes: u64);
}

/// The dispatcher: the one way from `net` into the table.
#[derive(Clone, Debug)]
pub(crate) struct Dispatcher(pub(crate) Arc<Node>);

impl Dispatch for Dispatcher {
    fn dispatch(&self, connection: &Arc<ConnectionInfo>, frame: Frame) -> Dispatched {
        let Some(entry) = find(frame.api_key) else {
            return refuse(format!("API key {} is not supported", frame.api_key));
        };
        let served = entry.min_version..=entry.max_version;
        if !served.contains(&frame.api_version) {
            if entry.key == ApiKey::ApiVersions {
                let answer = api_versions::unsupported_version(&self.0, frame.correlation_id);
                return Dispatched::serial(std::future::ready(answer));
            }
            return refuse(format!(
                "{:?} v{} is not supported, only v{}-{}",
                entry.key, frame.api_version, entry.min_version, entry.max_version
            ));
        }
        let spent = self.0.quota.meters_requests().then(|| Spent::new(self.0.clock.clone()));
        let ctx = RequestContext {
            node: Arc::clone(&self.0),
            connection: Arc::clone(connection),
            api_key: entry.key,
            api_version: frame.api_version,
            correlation_id: frame.correlation_id,
            client_id: frame.client_id,
            size_bytes: frame.size_bytes,
            spent: spent.clone(),
        };
        let hooks = &self.0.hooks;
        let future = if hooks.fault.is_none() && hooks.observer.is_none() {
            (entry.run)(ctx, frame.body)
        } else {
            Box::pin(hooked(entry, ctx, frame.body))
        };
        let future = match spent {
            Some(spent) => Box::pin(Metered { request: future, spent }),
            None => future,
        };
        Dispatched { future, pipelined: entry.pipelined }
    }

    fn arrival_delay_ms(&self, listener_name: &str) -> u64 {
        self.0.quota.connections().delay_ms(listener_name)
    }

    fn turned_away_ms(&self, listener_name: &str, address: IpAddr) -> Option<u64> {
        match self.0.quota.connections().arrive(listener_name, address) {
            Arrival::Welcome => None,
            Arrival::TurnedAway(held_ms) => Some(held_ms),
        }
    }
}

async fn hooked(entry: &'static ApiEntry, ctx: RequestContext, body: Bytes) -> Outcome {
    let node = Arc::clone(&ctx.node);
    let watch = Stopwatch::start();
    let (key, version) = (ctx.api_key, ctx.api_version);
    match node.hooks.fault.as_ref().and_then(|hook| hook.before(&ctx.connection, key, version)) {
        Some(Fault::Disconnect) => return close("an injected fault".to_owned()),
        Some(Fault::DelayMs(delay)) => tokio::time::sleep(std::time::Duration::from_millis(delay)).await,
        None => {}
    }
    let outcome = (entry.run)(ctx, body).await;
    if let Some(observer) = &node.hooks.observer {
        let size = if let Outcome::Respond(response) = &outcome { response.size_bytes() } else { 0 };
        observer.done(key, version, watch.elapsed(), size);
    }
    outcome
}

fn refuse(reason: String) -> Dispatched {
    Dispatched::serial(std::future::ready(close(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_host_is_written_as_java_writes_it() {
        let cases = [("127.0.0.1", "/127.0.0.1"), ("::1", "/0:0:0:0:0:0:0:1"), ("::ffff:10.0.0.7", "/10.0.0.7")];
        for (address, written) in cases.iter().chain(&[("fe80::a:0b", "/fe80:0:0:0:0:0:a:b")]) {
            assert_eq!(client_host(address.parse().expect("an address")), *written);
        }
    }
}
