//! Ottla's own keys, `ottla.*`. Where a Kafka key bounds the same thing, the tighter of the two counts.

use super::super::key::{
    Importance::{Low, Medium},
    KeyDef,
    Kind::{Bool, Int, Long, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("ottla.batch.strict", Bool, "false", Medium)
        .doc("Whether Produce also decompresses every batch, within bounds, and walks its records before it is stored."),
    unset("ottla.cluster.id", Text, Medium).not_empty()
        .doc("Cluster id given to an empty data directory; 22 characters of URL-safe base64. Unset makes a random one."),
    key("ottla.disk.reserve.bytes", Long, "67108864", Medium).at_least(0)
        .doc("Bytes kept back in each data directory, at most 1% of its disk. When the disk is full they are freed, clients' records are refused, and deletions, checkpoints, metadata and committed offsets go on. 0 keeps nothing back."),
    key("ottla.limit.connection.rate.per.ip", Int, "200", Low).at_least(1)
        .doc("New connections per second of one remote address; beyond, after a burst of ten seconds' worth, they are closed. Loopback is not counted."),
    key("ottla.limit.connections", Int, "10000", Medium).at_least(1)
        .doc("Open connections; beyond, new ones are closed at once."),
    key("ottla.limit.connections.per.ip", Int, "1000", Medium).at_least(1)
        .doc("Open connections of one remote address; beyond, new ones are closed at once. Loopback is not counted."),
    key("ottla.limit.first.request.ms", Int, "10000", Low).at_least(1)
        .doc("Milliseconds a connection has for its first whole request; then it is closed."),
    key("ottla.limit.half.open.connections", Int, "1000", Low).at_least(1)
        .doc("Connections that have not yet sent a whole first request; beyond, new ones are closed at once."),
    key("ottla.limit.in.flight.requests", Int, "100", Low).at_least(1)
        .doc("Requests of one connection at work or waiting to be answered; beyond, reading pauses."),
    key("ottla.limit.other.frame.bytes", Int, "8388608", Low).at_least(1024)
        .doc("Bytes of one request other than Produce; a larger one closes the connection unread."),
    key("ottla.limit.queued.response.bytes", Long, "67108864", Low).at_least(1024)
        .doc("Bytes of answers of one connection that wait for the client to read them; beyond, reading pauses."),
    key("ottla.limit.request.elements", Int, "200000", Low).at_least(1)
        .doc("Array elements of every kind in one request; more closes the connection."),
    key("ottla.limit.request.memory.bytes", Long, "536870912", Medium).at_least(1_048_576)
        .doc("Bytes of requests held at once over all connections; beyond, reading pauses."),
    key("ottla.limit.request.partitions", Int, "100000", Low).at_least(1)
        .doc("Partitions in one request; more closes the connection."),
    key("ottla.limit.request.topics", Int, "10000", Low).at_least(1)
        .doc("Topics in one request; more closes the connection."),
    key("ottla.limit.stalled.reader.ms", Int, "60000", Low).at_least(1)
        .doc("Milliseconds a client may leave an answer unread without taking a byte; then its connection is closed."),
    key("ottla.limit.whole.frame.ms", Int, "30000", Low).at_least(1)
        .doc("Milliseconds from the first to the last byte of one request; then the connection is closed."),
    key("ottla.metrics.detail", Text, "partition", Medium).one_of(&["broker", "topic", "partition"])
        .doc("How far `/metrics` goes: sums of the broker only, topics and groups, or every partition too."),
    unset("ottla.metrics.listener", Text, Medium).not_empty()
        .doc("`host:port` to serve `/metrics`, `/livez` and `/readyz` on over HTTP, for instance `localhost:9404`; an empty host is every interface. Unset opens no port."),
    key("ottla.reactors", Int, "0", Medium).between(0, 1024)
        .doc("Reactors (event loop threads); 0 follows `num.network.threads` if that is set, else one per core."),
];
