//! Transactions: one shard per partition of `__transaction_state`.
//!
//! `TxnShard` is the only door; the shell calls one method per request, and `replay` for every committed record. Handlers get
//! `(&Hard, &mut Soft)`, so the compiler keeps the rule that only replay changes what a reload would bring back.
//!
//! The shard decides; it reaches no partition itself. What was decided (`PrepareCommit`, `PrepareAbort`) goes out as
//! [`TxnCommand::WriteMarkers`]; when the shell has written them all it calls [`TxnShard::markers_written`], which completes the
//! transaction. After a reload [`Shard::on_loaded`] asks again for every decision that is not complete.

mod add_partitions;
mod describe;
mod end_txn;
mod expire;
mod hard;
mod init_producer_id;
mod markers_written;
pub mod records;
mod settings;
mod soft;
mod state;
#[cfg(test)]
mod tests;
mod transition;
mod write;

pub use describe::ListFilter;
pub use hard::{Transaction, TransactionalId};
pub use records::TransactionRecord;
pub use settings::TxnSettings;
pub use state::TransactionState;

use crate::effects::{Effects, Ticket};
use crate::metadata::image::MetadataImage;
use crate::shard::Shard;
use crate::timers::Millis;
use hard::Hard;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::TransactionState as DescribedTransaction;
use kafka_protocol::messages::list_transactions_response::TransactionState as ListedTransaction;
use kafka_protocol::messages::{EndTxnRequest, InitProducerIdRequest};
use soft::{Soft, TimerKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a transaction handler wants done.
pub type TxnEffects = Effects<TransactionRecord, TxnReply, TxnCommand>;

/// A producer id that was never given before; `None` until the handler has said that it needs one ([`TxnReply::NeedsProducerId`]).
pub type FreshProducerId = Option<i64>;

/// A producer of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProducerIdAndEpoch {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
}

/// `transaction.version` as a client or the cluster uses it (KIP-890).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionVersion(pub i16);

impl TransactionVersion {
    /// The coordinator bumps the epoch with each transaction, and partitions are added by writing to them.
    #[must_use]
    pub fn supports_epoch_bump(self) -> bool {
        self.0 >= 2
    }
}

/// Partitions of a transaction, by topic name.
pub type Partitions = BTreeMap<Arc<str>, BTreeSet<i32>>;

/// Which partitions are in a transaction: an error for each one that is not.
pub type VerifiedPartitions = BTreeMap<(Arc<str>, i32), Option<ResponseError>>;

/// Partitions that a producer wants in its transaction, or wants to know in it: AddPartitionsToTxn, AddOffsetsToTxn, and what Produce
/// and TxnOffsetCommit ask on the producer's behalf.
#[derive(Clone, Debug)]
pub struct PartitionsOfProducer<'a> {
    /// The transactional id.
    pub transactional_id: &'a str,
    /// Who writes.
    pub producer: ProducerIdAndEpoch,
    /// The transaction version that the client uses.
    pub version: TransactionVersion,
    /// Where to.
    pub partitions: &'a Partitions,
}

/// Something for the world to do after commit. Safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnCommand {
    /// Write the decision to every partition, then call [`TxnShard::markers_written`] with the same.
    WriteMarkers(WriteMarkers),
    /// A transaction has timed out, and to end it takes a new producer id: call [`TxnShard::abort_expired`] with one.
    AbortExpired(TransactionalId),
}

/// A decision and where it must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteMarkers {
    /// Whose transaction.
    pub transactional_id: TransactionalId,
    /// Producer id and epoch that go into the markers. The coordinator epoch is the shell's: the leader epoch of the shard's partition.
    pub producer: ProducerIdAndEpoch,
    /// Transaction version of the client that ended it; 2 wants a marker epoch above that of the data.
    pub version: TransactionVersion,
    /// Committed, or aborted.
    pub committed: bool,
    /// Where to.
    pub partitions: Partitions,
    /// Tells this decision from every other one for the id; only the shard reads it.
    pub decision: u64,
}

/// An answer of a transaction shard.
#[derive(Clone, Debug, PartialEq)]
pub enum TxnReply {
    /// The handler has to be called again with a fresh producer id; nothing was decided.
    NeedsProducerId,
    /// InitProducerId.
    InitProducerId(Result<ProducerIdAndEpoch, ResponseError>),
    /// Partitions were added (or were in the transaction already).
    Added(Result<(), ResponseError>),
    /// Which of the partitions are in the transaction: an error by partition, none when it is.
    Verified(Result<VerifiedPartitions, ResponseError>),
    /// EndTxn; the producer of the next transaction with transaction version 2.
    EndTxn(Result<Option<ProducerIdAndEpoch>, ResponseError>),
    /// One transactional id of a DescribeTransactions.
    Described(Box<DescribedTransaction>),
    /// The transactions of this shard.
    Listed(Vec<ListedTransaction>),
    /// Nothing but that it was taken note of.
    Done,
}

/// One partition of `__transaction_state`.
#[derive(Debug)]
pub struct TxnShard {
    hard: Hard,
    soft: Soft,
}

impl TxnShard {
    /// A shard with nothing replayed yet.
    #[must_use]
    pub fn new(settings: Arc<TxnSettings>, image: Arc<MetadataImage>) -> Self {
        Self { hard: Hard::default(), soft: Soft::new(settings, image) }
    }

    /// From now on other settings count. Timers that are set run out as they were set.
    pub fn reconfigure(&mut self, settings: Arc<TxnSettings>) {
        self.soft.settings = settings;
    }

    /// InitProducerId with a transactional id.
    pub fn init_producer_id(&mut self, now: Millis, ticket: Ticket, fresh: FreshProducerId, request: &InitProducerIdRequest) -> TxnEffects {
        init_producer_id::handle(&self.hard, &mut self.soft, now, ticket, fresh, request)
    }

    /// Adds partitions to the producer's transaction, opening it if need be.
    pub fn add_partitions(&mut self, now: Millis, ticket: Ticket, request: &PartitionsOfProducer<'_>) -> TxnEffects {
        add_partitions::handle(&self.hard, &mut self.soft, now, ticket, request)
    }

    /// Says which partitions are in the producer's open transaction; changes nothing.
    pub fn verify_partitions(&mut self, ticket: Ticket, request: &PartitionsOfProducer<'_>) -> TxnEffects {
        add_partitions::verify(&self.hard, ticket, request)
    }

    /// EndTxn.
    pub fn end_txn(
        &mut self,
        now: Millis,
        ticket: Ticket,
        fresh: FreshProducerId,
        request: &EndTxnRequest,
        version: TransactionVersion,
    ) -> TxnEffects {
        end_txn::handle(&self.hard, &mut self.soft, now, ticket, fresh, request, version)
    }

    /// Goes on with [`TxnCommand::AbortExpired`].
    pub fn abort_expired(&mut self, now: Millis, ticket: Ticket, id: &TransactionalId, fresh: FreshProducerId) -> TxnEffects {
        expire::abort(&self.hard, &mut self.soft, now, ticket, id, fresh)
    }

    /// Every partition of a decision has its marker, or is gone.
    pub fn markers_written(&mut self, now: Millis, ticket: Ticket, written: &WriteMarkers) -> TxnEffects {
        markers_written::handle(&self.hard, &mut self.soft, now, ticket, written)
    }

    /// Whether somebody still waits for the markers of this decision. One whose shard was loaded again since is decided under a new number,
    /// and its markers may all be written: with the older versions another one would end the next transaction.
    #[must_use]
    pub fn awaits(&self, decided: &WriteMarkers) -> bool {
        self.soft.writing.get(&decided.transactional_id) == Some(&decided.decision)
    }

    /// One transactional id of a DescribeTransactions.
    pub fn describe(&mut self, ticket: Ticket, transactional_id: &str) -> TxnEffects {
        describe::describe(&self.hard, ticket, transactional_id)
    }

    /// The transactions of this shard that pass the filter of a ListTransactions.
    pub fn list(&mut self, now: Millis, ticket: Ticket, filter: &ListFilter) -> TxnEffects {
        describe::list(&self.hard, now, ticket, filter)
    }

    /// The cluster's metadata changed.
    pub fn on_new_image(&mut self, image: &Arc<MetadataImage>) -> TxnEffects {
        self.soft.image = Arc::clone(image);
        TxnEffects::default()
    }

    /// Every transactional id of this shard, in order.
    pub fn transactions(&self) -> impl Iterator<Item = (&TransactionalId, &Transaction)> {
        self.hard.transactions.iter()
    }

    /// What is known of a transactional id.
    #[must_use]
    pub fn transaction(&self, transactional_id: &str) -> Option<&Transaction> {
        self.hard.transactions.get(transactional_id)
    }

    /// The whole hard state, for comparing a shard with its reload: all but `last_epoch`, which no record has.
    #[must_use]
    pub fn same_hard_state(&self, other: &Self) -> bool {
        self.hard.is_logged_as(&other.hard)
    }
}

impl Shard for TxnShard {
    type Record = TransactionRecord;
    type Reply = TxnReply;
    type Command = TxnCommand;

    fn replay(&mut self, record: &TransactionRecord) {
        self.hard.replay(record);
    }

    fn on_loaded(&mut self, now: Millis) -> TxnEffects {
        expire::on_loaded(&self.hard, &mut self.soft, now)
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.soft.timers.next_deadline()
    }

    fn shift_deadlines(&mut self, by_ms: i64) {
        self.soft.timers.shift(by_ms);
    }

    fn handle_timeout(&mut self, now: Millis) -> TxnEffects {
        let Self { hard, soft } = self;
        match soft.timers.pop_expired(now) {
            None => TxnEffects::default(),
            Some(TimerKey::Timeout(id)) => expire::on_timeout(hard, soft, now, &id),
            Some(TimerKey::ExpireIds) => expire::expire_ids(hard, soft, now),
        }
    }
}
