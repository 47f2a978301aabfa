//! The records of `__transaction_state` and their bytes, in Kafka's schemas (`TransactionLogKey`, `TransactionLogValue` v0 and v1).
//!
//! A key is `type (i16) | transactional id`, a value `version (i16) | fields`; no value is a tombstone. Bytes behind the last field count
//! for nothing, as in Kafka. Tags: 0 previous producer id, 1 next producer id, 2 transaction version of the client; 3 (next producer epoch)
//! is read by nobody.

pub use crate::codec::FieldError;

use super::hard::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Transaction, TransactionalId};
use super::{Partitions, ProducerIdAndEpoch, TransactionState, TransactionVersion};
use crate::codec::{Reader, Writer};
use std::collections::BTreeSet;
use std::sync::Arc;

type Result<T> = std::result::Result<T, FieldError>;

const TRANSACTION_LOG: i16 = 0;
const NEWEST_VALUE: i16 = 1;
const FLEXIBLE_FROM: i16 = 1;

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
    /// A new state. What the version of the value cannot say is left out, so that a reload finds the same.
    pub(super) fn new(transactional_id: TransactionalId, mut value: Transaction, cluster_version: TransactionVersion) -> Self {
        if value_version(&value, cluster_version) == 0 {
            value.previous_producer_id = NO_PRODUCER_ID;
        }
        Self { transactional_id, value: Some(value), cluster_version }
    }

    /// Reads a record. A key or a value of a version from the future is `None`: kept out of all state, as in Kafka.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>> {
        let mut k = Reader::plain(key);
        if k.i16("record type")? != TRANSACTION_LOG {
            return Ok(None);
        }
        let transactional_id = TransactionalId::from(k.text("transactional id")?);
        let Some(value) = value else {
            return Ok(Some(Self { transactional_id, value: None, cluster_version: TransactionVersion(0) }));
        };
        let mut v = Reader::plain(value);
        let version = v.i16("value version")?;
        if !(0..=NEWEST_VALUE).contains(&version) {
            return Ok(None);
        }
        v.set_flexible(version >= FLEXIBLE_FROM);
        let value = Some(read_value(&mut v)?);
        Ok(Some(Self { transactional_id, value, cluster_version: TransactionVersion(version) }))
    }

    /// Key and value bytes; an error for a text that no record can hold.
    pub fn encode(&self) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let mut k = Writer::plain();
        k.i16(TRANSACTION_LOG);
        k.string(&self.transactional_id.0);
        let value = self.value.as_ref().map(|value| {
            let version = value_version(value, self.cluster_version);
            let mut v = Writer::plain();
            v.i16(version);
            v.set_flexible(version >= FLEXIBLE_FROM);
            write_value(&mut v, value);
            v
        });
        if k.too_long || value.as_ref().is_some_and(|v| v.too_long) {
            return Err(FieldError::OutOfRange { field: "a name" });
        }
        Ok((k.bytes, value.map(|v| v.bytes)))
    }

    /// What a batch with this record takes, at most: the same for every state with the same partitions, so that a transaction that could be
    /// opened can also be ended.
    pub(super) fn batch_bytes_max(&self) -> usize {
        let partitions = self.value.iter().flat_map(|value| &value.partitions);
        let partition_bytes: usize = partitions.map(|(topic, ids)| topic.len() + TOPIC_BYTES + PARTITION_BYTES * ids.len()).sum();
        RECORD_AND_BATCH_BYTES + self.transactional_id.0.len() + partition_bytes
    }

    /// A name is longer than any record can hold.
    pub(super) fn is_unwritable(&self) -> bool {
        let longest = i16::MAX as usize;
        let topics = self.value.iter().flat_map(|value| value.partitions.keys());
        self.transactional_id.0.len() > longest || topics.into_iter().any(|topic| topic.len() > longest)
    }
}

/// The header of a batch (61); lengths, deltas and counts of a record (28); type and length of a key (4); version, fixed fields, count and
/// tags of a value (63).
const RECORD_AND_BATCH_BYTES: usize = 61 + 28 + 4 + 63;
/// The lengths of a topic's name and of its partitions, and its tags.
const TOPIC_BYTES: usize = 9;
const PARTITION_BYTES: usize = 4;

/// The version for the cluster, or the one that can say what must not be lost.
fn value_version(value: &Transaction, cluster_version: TransactionVersion) -> i16 {
    let says_more = value.next_producer_id != NO_PRODUCER_ID || value.client_version.0 != 0;
    i16::from(cluster_version.0 >= 1 || says_more)
}

fn read_value(v: &mut Reader<'_>) -> Result<Transaction> {
    let id = v.i64("producer id")?;
    let epoch = v.i16("producer epoch")?;
    let timeout_ms = v.i32("transaction timeout")?;
    let state = TransactionState::from_id(v.i8("transaction status")?).ok_or(FieldError::OutOfRange { field: "transaction status" })?;
    let topics = v.nullable_list("transaction partitions", read_topic)?;
    let last_update_ms = v.i64("last update")?;
    let start_ms = v.i64("start")?;
    let (mut previous_producer_id, mut next_producer_id, mut client_version) = (NO_PRODUCER_ID, NO_PRODUCER_ID, 0);
    v.tagged(|tag, r| {
        match tag {
            0 => previous_producer_id = r.i64("previous producer id")?,
            1 => next_producer_id = r.i64("next producer id")?,
            2 => client_version = r.i16("client transaction version")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut partitions = Partitions::new();
    if state != TransactionState::Empty {
        for (topic, ids) in topics.ok_or(FieldError::OutOfRange { field: "transaction partitions" })? {
            partitions.entry(topic).or_default().extend(ids);
        }
    }
    Ok(Transaction {
        producer: ProducerIdAndEpoch { id, epoch },
        previous_producer_id,
        next_producer_id,
        last_epoch: NO_PRODUCER_EPOCH,
        timeout_ms,
        state,
        partitions,
        start_ms,
        last_update_ms,
        client_version: TransactionVersion(client_version),
    })
}

fn read_topic(r: &mut Reader<'_>) -> Result<(Arc<str>, Vec<i32>)> {
    let topic = Arc::from(r.text("topic")?);
    let ids = r.list("partition ids", |r| r.i32("partition id"))?;
    r.no_tags()?;
    Ok((topic, ids))
}

fn write_value(v: &mut Writer, value: &Transaction) {
    v.i64(value.producer.id);
    v.i16(value.producer.epoch);
    v.i32(value.timeout_ms);
    v.i8(value.state.id());
    if value.state == TransactionState::Empty {
        v.null_list();
    } else {
        v.list(&value.partitions, |v, (topic, ids): (&Arc<str>, &BTreeSet<i32>)| {
            v.string(topic);
            v.list(ids, |v, id| v.i32(*id));
            v.no_tags();
        });
    }
    v.i64(value.last_update_ms);
    v.i64(value.start_ms);
    v.tagged(|tags| {
        if value.previous_producer_id != NO_PRODUCER_ID {
            tags.field(0, |w| w.i64(value.previous_producer_id));
        }
        if value.next_producer_id != NO_PRODUCER_ID {
            tags.field(1, |w| w.i64(value.next_producer_id));
        }
        if value.client_version.0 != 0 {
            tags.field(2, |w| w.i16(value.client_version.0));
        }
    });
}
