//! One member of a classic group.

use super::super::names::MemberId;
use crate::effects::Ticket;
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use std::sync::Arc;

/// Protocols of a member in its order of preference, each with opaque metadata.
pub(in super::super) type Protocols = Vec<(Arc<str>, Bytes)>;

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct ClassicMember {
    pub(in super::super) member_id: MemberId,
    /// `group.instance.id` of a static member.
    pub(in super::super) instance_id: Option<Arc<str>>,
    pub(in super::super) client_id: Arc<str>,
    pub(in super::super) client_host: Arc<str>,
    pub(in super::super) rebalance_timeout_ms: i32,
    pub(in super::super) session_timeout_ms: i32,
    pub(in super::super) protocols: Protocols,
    /// Opaque; empty until the leader has sent one.
    pub(in super::super) assignment: Bytes,
    /// A JoinGroup that waits for the rebalance.
    pub(super) parked_join: Option<Ticket>,
    /// A SyncGroup that waits for the leader.
    pub(super) parked_sync: Option<Ticket>,
    /// Has never had an answer to a JoinGroup, so cannot send heartbeats.
    pub(super) is_new: bool,
}

impl ClassicMember {
    /// A member that waits for nothing.
    pub(in super::super) fn new(
        member_id: MemberId,
        instance_id: Option<Arc<str>>,
        client: (Arc<str>, Arc<str>),
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
        protocols: Protocols,
        assignment: Bytes,
    ) -> Self {
        Self {
            member_id,
            instance_id,
            client_id: client.0,
            client_host: client.1,
            rebalance_timeout_ms,
            session_timeout_ms,
            protocols,
            assignment,
            parked_join: None,
            parked_sync: None,
            is_new: false,
        }
    }

    /// Metadata for a protocol; nothing if the member does not know it.
    pub(in super::super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let known = self.protocols.iter().find(|(name, _)| Some(&**name) == protocol);
        known.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// Whether the request names the same protocols, in the same order, with the same metadata.
    pub(super) fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        self.protocols.len() == protocols.len()
            && self.protocols.iter().zip(protocols).all(|((name, metadata), asked)| **name == *asked.name && *metadata == asked.metadata)
    }

    /// Whether an expired session is to be forgiven: a member that waits for us cannot send heartbeats.
    pub(super) fn may_be_silent(&self) -> bool {
        !self.is_new && (self.parked_join.is_some() || self.parked_sync.is_some())
    }
}

/// Copies protocols out of a request.
pub(super) fn owned_protocols(protocols: &[JoinGroupRequestProtocol]) -> Protocols {
    protocols.iter().map(|protocol| (Arc::from(&*protocol.name), Bytes::copy_from_slice(&protocol.metadata))).collect()
}
