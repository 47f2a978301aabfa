//! What holds the last stable offset back: the transactions that readers of committed records wait for, and whose they are.
//!
//! [`stuck`] is for metrics and administration. It goes over the partitions that this broker leads, one short lock at a time, and asks the
//! transaction shards that are here whose producers those are. It reads the log, so it must not run on a reactor.
//!
//! A transaction is *late* when its producer has been silent for five minutes longer than any transaction may last
//! (`transaction.max.timeout.ms`; Kafka's `PartitionsWithLateTransactionsCount`). One that no coordinator knows as its own is *hanging*:
//! nobody will ever end it but an operator (`kafka-transactions abort`).

use crate::broker::Node;
use crate::lag::age_ms;
use crate::partition::Partition;
use foldhash::{HashSet, HashSetExt};
use ottla_coordinator::txn::{Transaction, TransactionState, TransactionalId};
use ottla_storage::producer::UnstableTransaction;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Transactions that were warned about are remembered so far; then all are forgotten, and may be warned about again.
const WARNED_MAX: usize = 10_000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stuck {
    /// By topic, partition and first offset.
    pub rows: Vec<StuckTransaction>,
    /// There are more rows than were asked for.
    pub cut: bool,
}

/// One transaction in one partition that this broker leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckTransaction {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: i32,
    /// Producer id.
    pub producer_id: i64,
    /// The newest epoch known of it.
    pub producer_epoch: i16,
    /// Offset of its first record.
    pub first_offset: i64,
    /// How old its first batch is; `None` when the log cannot say.
    pub open_for_ms: Option<i64>,
    /// How old the producer's last batch is.
    pub silent_for_ms: i64,
    /// It has ended here, and the marker at this offset is not below the high watermark yet.
    pub marker_offset: Option<i64>,
    /// This one decides where the last stable offset stands.
    pub is_first: bool,
    /// What a coordinator here says.
    pub coordinator: Option<Coordinated>,
    /// Open, every shard of `__transaction_state` is here and loaded, and none has this partition in a transaction of this producer.
    pub is_hanging: bool,
}

/// A transaction as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinated {
    /// Transactional id.
    pub transactional_id: TransactionalId,
    /// Where it stands.
    pub state: TransactionState,
}

/// A partition's unstable transactions.
struct Held {
    topic: Arc<str>,
    log: Arc<Partition>,
    transactions: Vec<UnstableTransaction>,
}

/// The transactions that hold back the last stable offset of any partition that this broker leads.
#[must_use]
pub fn stuck(node: &Node, rows_max: usize) -> Stuck {
    let held = held(node);
    let producers: BTreeSet<i64> = held.iter().flat_map(|held| &held.transactions).map(|one| one.producer_id.0).collect();
    let coordinators = Coordinators::of(node, &producers);
    let now_ms = node.clock.now_ms();
    let mut found = Stuck::default();
    for Held { topic, log, transactions } in held {
        for (at, transaction) in transactions.iter().enumerate() {
            if found.rows.len() >= rows_max {
                return Stuck { cut: true, ..found };
            }
            found.rows.push(row(&topic, &log, transaction, at == 0, &coordinators, now_ms));
        }
    }
    found
}

fn held(node: &Node) -> Vec<Held> {
    let image = node.image();
    let mut held = Vec::new();
    for log in node.published.registry.all() {
        let transactions = log.unstable_transactions();
        if let (false, Some(topic)) = (transactions.is_empty(), image.topics().by_name(&log.id().topic)) {
            held.push(Held { topic: Arc::from(topic.name.as_str()), log, transactions });
        }
    }
    held.sort_by(|a, b| (&a.topic, a.log.id().partition).cmp(&(&b.topic, b.log.id().partition)));
    held
}

fn row(
    topic: &Arc<str>,
    log: &Partition,
    transaction: &UnstableTransaction,
    is_first: bool,
    coordinators: &Coordinators,
    now_ms: i64,
) -> StuckTransaction {
    let (partition, producer_id) = (log.id().partition, transaction.producer_id.0);
    let open_for_ms = log.offsets().and_then(|offsets| age_ms(log, transaction.first_offset.0, &offsets, now_ms));
    let coordinator = coordinators.of_partition(producer_id, topic, partition);
    StuckTransaction {
        topic: Arc::clone(topic),
        partition,
        producer_id,
        producer_epoch: transaction.producer_epoch.0,
        first_offset: transaction.first_offset.0,
        open_for_ms,
        silent_for_ms: now_ms.saturating_sub(transaction.last_timestamp.0).max(0),
        marker_offset: transaction.marker_offset.map(|offset| offset.0),
        is_first,
        is_hanging: coordinator.is_none() && coordinators.are_all_here && transaction.marker_offset.is_none(),
        coordinator,
    }
}

/// What the shards here know of some producers.
struct Coordinators {
    are_all_here: bool,
    by_producer: BTreeMap<i64, (TransactionalId, Transaction)>,
}

impl Coordinators {
    fn of(node: &Node, producers: &BTreeSet<i64>) -> Self {
        let runtime = &node.txns.runtime;
        let mut all = Self { are_all_here: true, by_producer: BTreeMap::new() };
        for place in 0..runtime.places() {
            let known = runtime.inspect_at(place, |shard| {
                let of_producers = |transaction: &Transaction| {
                    // Near the end of the epochs the marker bears the id of before.
                    [transaction.producer.id, transaction.previous_producer_id].into_iter().find(|id| producers.contains(id))
                };
                let rows = shard.transactions().filter_map(|(id, one)| Some((of_producers(one)?, (id.clone(), one.clone()))));
                rows.collect::<Vec<_>>()
            });
            match known {
                Some(known) => all.by_producer.extend(known),
                None => all.are_all_here = false,
            }
        }
        all
    }

    fn of_partition(&self, producer_id: i64, topic: &str, partition: i32) -> Option<Coordinated> {
        let (id, transaction) = self.by_producer.get(&producer_id)?;
        let is_in = transaction.partitions.get(topic).is_some_and(|partitions| partitions.contains(&partition));
        is_in.then(|| Coordinated { transactional_id: id.clone(), state: transaction.state })
    }
}

/// How many partitions have a late transaction (Kafka's `PartitionsWithLateTransactionsCount`).
#[must_use]
pub fn partitions_with_late_transactions(node: &Node) -> usize {
    late(node).len()
}

fn late(node: &Node) -> Vec<Arc<Partition>> {
    let max_timeout_ms = i64::from(node.dynamic.current().transaction_max_timeout_ms());
    let now_ms = node.clock.now_ms();
    node.published.registry.all().into_iter().filter(|partition| partition.has_late_transaction(now_ms, max_timeout_ms)).collect()
}

/// Says which transactions are late, each once.
pub(crate) fn warn_of_late(node: &Node) {
    for partition in late(node) {
        let Some(first) = partition.unstable_transactions().into_iter().find(|one| one.marker_offset.is_none()) else { continue };
        let id = partition.id();
        if node.late_transactions.is_first((id.topic_id, id.partition, first.first_offset.0)) {
            tracing::warn!(
                topic = id.topic,
                partition = id.partition,
                producer_id = first.producer_id.0,
                first_offset = first.first_offset.0,
                "a transaction is late and holds back all readers of committed records: kafka-transactions find-hanging tells more"
            );
        }
    }
}

/// Transactions that were warned about.
#[derive(Debug, Default)]
pub(crate) struct LateTransactions {
    warned: Mutex<HashSet<(Uuid, i32, i64)>>,
}

impl LateTransactions {
    fn is_first(&self, transaction: (Uuid, i32, i64)) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= WARNED_MAX {
            *warned = HashSet::new();
        }
        warned.insert(transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_warned_about_once_and_no_memory_is_kept_without_bound() {
        let late = LateTransactions::default();
        let warn = |offset| late.is_first((Uuid::from_u128(1), 0, offset));
        assert_eq!([0, 1, 0].map(warn), [true, true, false]);
        for offset in 2..i64::try_from(WARNED_MAX).expect("a small number") {
            assert!(warn(offset));
        }
        assert!(warn(0), "all were forgotten at the bound");
        assert_eq!(late.warned.lock().expect("no panic").len(), 1);
    }
}
