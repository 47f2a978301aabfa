//! What producers and brokers say to each other.

use kafka_protocol::ResponseError;
use ottla_coordinator::txn::{Partitions, ProducerIdAndEpoch, TransactionVersion};
use std::sync::Arc;

/// A partition by its topic's name.
pub(crate) type Part = (Arc<str>, i32);

/// One transaction as its producer counts them: what no broker knows, and every checker asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag {
    pub(crate) process: usize,
    pub(crate) number: u32,
}

/// One piece of a transaction: a batch of records, or an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    pub(crate) tag: Tag,
    pub(crate) index: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// InitProducerId; with the producer so far to resume (KIP-360).
    Init { expected: Option<ProducerIdAndEpoch> },
    /// AddPartitionsToTxn, AddOffsetsToTxn.
    Add { partitions: Partitions },
    /// Produce of one batch.
    Produce { part: Part, index: u32, sequence: i32 },
    /// TxnOffsetCommit of one offset.
    Offset { part: Part, index: u32, group: Arc<str>, partition: i32, offset: i64 },
    /// EndTxn.
    End { commit: bool },
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Counts the process's requests.
    pub(crate) call: u64,
    pub(crate) transactional_id: Arc<str>,
    pub(crate) tag: Tag,
    pub(crate) producer: ProducerIdAndEpoch,
    pub(crate) version: TransactionVersion,
    pub(crate) timeout_ms: i32,
    /// The topic of that name when it was sent.
    pub(crate) incarnation: Option<u64>,
    pub(crate) request: Request,
}

impl Message {
    pub(crate) fn piece(&self, index: u32) -> Piece {
        Piece { tag: self.tag, index }
    }
}

/// Why a request failed, as far as its producer can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No answer came: the connection broke, or time is up. Nobody knows what has become of the request.
    Lost,
    Refused(ResponseError),
}

/// An answer; with the producer of the next transaction where there is one.
pub(crate) type Answer = Result<Option<ProducerIdAndEpoch>, Trouble>;

/// One topic's partitions as requests carry them.
pub(crate) fn partitions<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Partitions {
    let mut all = Partitions::new();
    for (topic, partition) in parts {
        all.entry(Arc::clone(topic)).or_default().insert(*partition);
    }
    all
}
