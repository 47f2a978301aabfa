//! Every bound that stands between a stranger and our memory, in one place.
//!
//! Anyone in the server may read these; `config` fills them. Each field says what happens when it is reached.
//! Limits of record batches live with the batches (storage), limits of groups with the groups (coordinator).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// Partitions that all fetch sessions together remember, at about 150 bytes each. Reached: no new sessions, their clients go on with full
/// requests; a session that grows beyond it ends, and its client is told to begin anew.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 1_000_000;

/// Rows in one DescribeConfigs answer, at up to half a kilobyte each. Reached: the resources that follow are answered with INVALID_REQUEST.
pub const DESCRIBED_CONFIGS_MAX: usize = 500_000;

/// Groups of clients whose use of each quota is remembered, at about 600 bytes each. Reached: the quietest is forgotten.
pub const QUOTA_METERS_MAX: usize = 64 * 1024;

/// Connections above their address's rate that are held before they are closed. Reached: new ones are closed at once.
pub const HELD_CONNECTIONS_MAX: usize = 1_000;

/// Host names that one AlterClientQuotas may have looked up. More: they have no address.
pub const QUOTA_HOST_NAMES_MAX: usize = 100;
/// How long each look-up of a host name may take. Passed: the name has no address.
pub const QUOTA_HOST_NAME_WITHIN: Duration = Duration::from_secs(5);

/// Connections to the port for metrics and health. Reached: new ones are closed at once.
pub const HTTP_CONNECTIONS_MAX: usize = 16;

/// Time for the head of a request for metrics or health. Passed: closed.
pub const HTTP_HEAD_WITHIN: Duration = Duration::from_secs(5);

/// Time for a whole connection for metrics or health, its answer included. Passed: closed.
pub const HTTP_CONNECTION_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of the head of such a request. More: refused.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header lines of such a request. More: refused.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Committed offsets in one scrape, at about a hundred bytes each. Reached: the others are left out, and the scrape says so.
pub const TOLD_OFFSETS_MAX: usize = 200_000;

/// How long a reactor may leave a new task alone before `/livez` says that it is stuck.
pub const LIVE_WITHIN: Duration = Duration::from_secs(2);

/// The bounds of one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest Produce request (`socket.request.max.bytes`). Larger: the connection is closed before its body is read.
    pub produce_frame_bytes_max: usize,
    /// Largest request of any other API. Larger: the connection is closed before its body is read.
    pub other_frame_bytes_max: usize,
    /// Largest request before a connection has authenticated. Larger: the connection is closed before its body is read.
    pub unauthenticated_frame_bytes_max: usize,
    /// Bytes all connections together may hold in receive buffers and unfinished requests. Reached: reading pauses until some are freed.
    pub request_memory_bytes_max: usize,
    /// First size of a receive buffer; it grows as bytes arrive, never because bytes were announced.
    pub receive_buffer_bytes_min: usize,
    /// Spare receive buffers one reactor keeps, in bytes. Beyond: buffers are freed.
    pub receive_pool_bytes_max: usize,

    /// Open connections of the broker (`max.connections`). Reached: new ones are closed at once.
    pub connections_max: usize,
    /// Open connections of one remote address (`max.connections.per.ip`); loopback is not counted. Reached: new ones are closed at once.
    pub connections_per_ip_max: usize,
    /// The same for single addresses (`max.connections.per.ip.overrides`).
    pub connections_per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// New connections a second of one remote address; loopback is not counted. Beyond, after a burst of ten seconds' worth: closed at once.
    pub connection_rate_per_ip_max: u32,
    /// Connections that have not yet sent a whole first request. Reached: new ones are closed at once.
    pub half_open_connections_max: usize,
    /// The listen queue (`socket.listen.backlog.size`). Full: the kernel drops connection attempts, clients try again.
    pub listen_backlog: i32,

    /// Time for the first whole request. Passed: closed.
    pub first_request_within: Duration,
    /// Time from the first to the last byte of one request. Passed: closed.
    pub whole_frame_within: Duration,
    /// Time without a request (`connections.max.idle.ms`). Passed: closed, unless a request is being worked on.
    pub idle_max: Duration,
    /// Time a client may leave an answer unread without taking a byte. Passed: closed.
    pub stalled_reader_max: Duration,
    /// Longest mute for a throttled client (KIP-219). Longer throttle times are shortened to it.
    pub throttle_max: Duration,

    /// Requests of one connection that are being worked on or waiting to be answered. Reached: reading pauses.
    pub in_flight_requests_max: usize,
    /// Bytes of answers of one connection that wait for the client to read. Reached: reading pauses.
    pub queued_response_bytes_max: u64,

    /// Topics in one request. More: the connection is closed.
    pub request_topics_max: usize,
    /// Partitions in one request. More: the connection is closed.
    pub request_partitions_max: usize,
    /// Array elements of every kind and unknown tagged fields in one request: what bounds the memory of a decoded request, at up to half a
    /// kilobyte each. More: the connection is closed.
    pub request_elements_max: usize,
    /// Unknown and known tagged fields in one structure. More: the connection is closed.
    pub tagged_fields_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            produce_frame_bytes_max: 100 * MIB,
            other_frame_bytes_max: 8 * MIB,
            unauthenticated_frame_bytes_max: MIB / 2,
            request_memory_bytes_max: 512 * MIB,
            receive_buffer_bytes_min: 64 * 1024,
            receive_pool_bytes_max: 16 * MIB,
            connections_max: 10_000,
            connections_per_ip_max: 1_000,
            connections_per_ip_overrides: BTreeMap::new(),
            connection_rate_per_ip_max: 200,
            half_open_connections_max: 1_000,
            listen_backlog: 1024,
            first_request_within: Duration::from_secs(10),
            whole_frame_within: Duration::from_secs(30),
            idle_max: Duration::from_secs(600),
            stalled_reader_max: Duration::from_secs(60),
            throttle_max: Duration::from_secs(30),
            in_flight_requests_max: 100,
            queued_response_bytes_max: 64 * MIB as u64,
            request_topics_max: 10_000,
            request_partitions_max: 100_000,
            request_elements_max: 200_000,
            tagged_fields_max: 256,
        }
    }
}

const _: () = assert!(std::mem::size_of::<usize>() >= 8, "sizes of frames and budgets are counted in usize");
