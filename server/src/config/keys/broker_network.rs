//! Broker keys of listeners, sockets and connections.

use super::super::key::{
    Importance::{High, Low, Medium},
    KeyDef,
    Kind::{Int, List, Long, Text},
    key, unset,
};

#[rustfmt::skip]
pub(super) const KEYS: &[KeyDef] = &[
    key("connection.failed.authentication.delay.ms", Int, "100", Low).at_least(0)
        .later("Milliseconds a connection stays open after it failed to authenticate."),
    key("connections.max.idle.ms", Long, "600000", Medium)
        .doc("Milliseconds without a request after which a connection is closed."),
    key("connections.max.reauth.ms", Long, "0", Medium)
        .later("Milliseconds a SASL session lasts before the client must authenticate again; 0 sets no bound."),
    key("controller.socket.timeout.ms", Int, "30000", Medium)
        .no_effect("milliseconds a broker waits on its connection to a remote controller"),
    unset("early.start.listeners", List, High)
        .no_effect("listeners opened before the authorizer is ready"),
    unset("inter.broker.listener.name", Text, Medium)
        .doc("Listener that brokers use among themselves; unset follows `security.inter.broker.protocol`."),
    key("listener.security.protocol.map", Text, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", Low).per_broker()
        .doc("Security protocol of each listener name, `NAME:PROTOCOL,...`. Only PLAINTEXT works yet."),
    key("listeners", List, "PLAINTEXT://:9092", High).not_empty().per_broker()
        .doc("Addresses to listen on, `NAME://host:port,...`; an empty host means all interfaces, `localhost` both loopbacks, port 0 any free port."),
    key("max.connection.creation.rate", Int, "2147483647", Medium).at_least(0).cluster_wide()
        .doc("New connections per second; above it the listener waits. Quotas bound single addresses, and so does `ottla.limit.connection.rate.per.ip`."),
    key("max.connections", Int, "2147483647", Medium).at_least(0).cluster_wide()
        .doc("Open connections at most; `ottla.limit.connections` may be tighter."),
    key("max.connections.per.ip", Int, "2147483647", Medium).at_least(0).cluster_wide()
        .doc("Open connections per remote address at most; `ottla.limit.connections.per.ip` may be tighter."),
    key("max.connections.per.ip.overrides", Text, "", Medium).cluster_wide()
        .doc("`address:count,...` in place of `max.connections.per.ip` for single addresses; names of hosts are passed over."),
    key("socket.connection.setup.timeout.max.ms", Long, "30000", Medium)
        .no_effect("milliseconds at most to open a connection to another broker"),
    key("socket.connection.setup.timeout.ms", Long, "10000", Medium)
        .no_effect("milliseconds to open a connection to another broker"),
    key("socket.listen.backlog.size", Int, "50", Medium).at_least(1)
        .doc("Connections the kernel queues before they are accepted."),
    key("socket.receive.buffer.bytes", Int, "102400", High)
        .later("Bytes of a connection's receive buffer (SO_RCVBUF); -1 leaves it to the kernel."),
    key("socket.request.max.bytes", Int, "104857600", High).at_least(1)
        .doc("Bytes of one request at most; a larger one closes the connection unread."),
    key("socket.send.buffer.bytes", Int, "102400", High)
        .later("Bytes of a connection's send buffer (SO_SNDBUF); -1 leaves it to the kernel."),
];
