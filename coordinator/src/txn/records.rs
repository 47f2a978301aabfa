//! The records of `__transaction_state` and their bytes, in Kafka's schemas (`TransactionLogKey`, `TransactionLogValue` v0 and v1).

pub use crate::codec::FieldError;

use super::TransactionVersion;
use super::hard::{Transaction, TransactionalId};

/// One record: the state of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// Whose.
    pub transactional_id: TransactionalId,
    /// `None` forgets the id.
    pub value: Option<Transaction>,
    /// `transaction.version` of the cluster when it was written: decides about the version of the value.
    pub cluster_version: TransactionVersion,
}

impl TransactionRecord {
    /// Reads a record. A key of a version from the future is `None`: kept out of all state.
    pub fn decode(_key: &[u8], _value: Option<&[u8]>) -> Result<Option<Self>, FieldError> {
        Ok(None)
    }

    /// Key and value bytes.
    pub fn encode(&self) -> Result<(Vec<u8>, Option<Vec<u8>>), FieldError> {
        Ok((Vec::new(), None))
    }
}
