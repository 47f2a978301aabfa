//! What the log of a shard says. Written by replay only.

use super::records::TransactionRecord;
use super::{Partitions, ProducerIdAndEpoch, TransactionState, TransactionVersion};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// `transactional.id`, owned: a name cut out of a request would keep the whole request in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionalId(pub Arc<str>);

impl From<&str> for TransactionalId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Borrow<str> for TransactionalId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No producer id.
pub(super) const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub(super) const NO_PRODUCER_EPOCH: i16 = -1;
/// No time.
pub(super) const NO_TIMESTAMP: i64 = -1;

/// The state of one transactional id, as its last record says (Kafka's `TransactionMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The producer in use.
    pub producer: ProducerIdAndEpoch,
    /// Producer id of the transaction before, -1 for none.
    pub previous_producer_id: i64,
    /// Producer id that follows when the epochs are used up, -1 for none.
    pub next_producer_id: i64,
    /// The epoch before, -1 for none: a retry is told by it. Records do not have it, so it is -1 after a reload, as in Kafka.
    pub last_epoch: i16,
    /// `transaction.timeout.ms` of the producer.
    pub timeout_ms: i32,
    /// Where it stands.
    pub state: TransactionState,
    /// Where it has written; empty unless it is ongoing or prepared.
    pub partitions: Partitions,
    /// When the last transaction began, -1 when there was none since InitProducerId.
    pub start_ms: i64,
    /// Last change.
    pub last_update_ms: i64,
    /// Transaction version of the client that made the last change.
    pub client_version: TransactionVersion,
}

/// The replayed state of one shard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hard {
    pub(super) transactions: BTreeMap<TransactionalId, Transaction>,
}

impl Hard {
    /// Whether both are what the same log says.
    pub(super) fn is_logged_as(&self, other: &Self) -> bool {
        let logged = |transaction: &Transaction| Transaction { last_epoch: NO_PRODUCER_EPOCH, ..transaction.clone() };
        let pairs = || self.transactions.iter().zip(&other.transactions);
        self.transactions.len() == other.transactions.len() && pairs().all(|(a, b)| a.0 == b.0 && logged(a.1) == logged(b.1))
    }

    pub(super) fn replay(&mut self, record: &TransactionRecord) {
        match &record.value {
            Some(transaction) => self.transactions.insert(record.transactional_id.clone(), transaction.clone()),
            None => self.transactions.remove(&record.transactional_id),
        };
    }
}
