//! The shell around one transaction shard: a log of bytes, tickets, appends that fail, reloads.

use super::message::Message;
use super::partition::Partition;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::MetadataImage;
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use ottla_coordinator::txn::{TransactionRecord, TxnEffects, TxnSettings, TxnShard};
use ottla_storage::producer::VerificationGuard;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How an append goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// Nothing reached the log.
    NotWritten,
    /// All of it did, but nobody can tell.
    Written,
}

/// A write that the transaction coordinator has to allow.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) message: Message,
    /// Of the partition.
    pub(crate) incarnation: u64,
    /// The machine's starts so far: a write does not survive one.
    pub(crate) boot: u64,
    pub(crate) guard: Option<VerificationGuard>,
}

impl Pending {
    pub(crate) fn is_of(&self, partition: &Partition) -> bool {
        self.incarnation == partition.incarnation
    }
}

/// Who waits for a reply of the shard.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// A producer.
    Answer(Box<Message>),
    /// A partition that wants to append.
    Write(Box<Pending>),
    /// The shell itself.
    Nobody,
}

/// One shard and its log.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) shard: TxnShard,
    settings: Arc<TxnSettings>,
    image: Arc<MetadataImage>,
    pub(crate) log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Leader epoch of the partition: what markers carry.
    pub(crate) epoch: i32,
    tickets: BTreeMap<Ticket, (Then, i64)>,
    next_ticket: u64,
    /// How far the broker's clock is ahead of the world's.
    skew_ms: i64,
    /// What befalls the next appends.
    pub(crate) failures: VecDeque<Failure>,
}

impl Coordinator {
    pub(crate) fn new(settings: Arc<TxnSettings>, image: Arc<MetadataImage>) -> Self {
        let shard = TxnShard::new(Arc::clone(&settings), Arc::clone(&image));
        let (tickets, failures) = (BTreeMap::new(), VecDeque::new());
        Self { shard, settings, image, log: Vec::new(), epoch: 0, tickets, next_ticket: 0, skew_ms: 0, failures }
    }

    pub(crate) fn clock(&self, now: i64) -> Millis {
        Millis(now + self.skew_ms)
    }

    /// When the shard wants to be woken, in the world's time.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.shard.next_deadline().map(|at| at.0.saturating_sub(self.skew_ms))
    }

    /// Somebody sets the broker's clock.
    pub(crate) fn set_clock(&mut self, by_ms: i64) {
        self.skew_ms += by_ms;
        self.shard.shift_deadlines(by_ms);
    }

    pub(crate) fn park(&mut self, then: Then, now: i64) -> Ticket {
        self.next_ticket += 1;
        self.tickets.insert(Ticket(self.next_ticket), (then, now));
        Ticket(self.next_ticket)
    }

    pub(crate) fn answered(&mut self, ticket: Ticket) -> Then {
        self.tickets.remove(&ticket).unwrap_or_else(|| panic!("every request is answered: {ticket:?} twice")).0
    }

    /// How long the oldest request has been waiting.
    pub(crate) fn longest_wait_ms(&self, now: i64) -> i64 {
        self.tickets.values().map(|(_, since)| now - since).max().unwrap_or(0)
    }

    /// Appends the records as bytes and replays what the bytes say.
    pub(crate) fn append(&mut self, records: &[TransactionRecord]) {
        for record in records {
            let (key, value) = record.encode().expect("short texts");
            let read = TransactionRecord::decode(&key, value.as_deref()).expect("our own bytes").expect("our own version");
            assert_eq!(read.transactional_id, record.transactional_id, "a record survives its bytes");
            self.log.push((key, value));
            self.shard.replay(record);
        }
    }

    /// A new shard takes over from the log, on another machine or on the same one, where the leader epoch stays. Returns who waited for
    /// the old one, and what the new one wants done.
    pub(crate) fn reload(&mut self, now: i64, elsewhere: bool) -> (Vec<Then>, TxnEffects) {
        let mut loaded = TxnShard::new(Arc::clone(&self.settings), Arc::clone(&self.image));
        for (key, value) in &self.log {
            let record = TransactionRecord::decode(key, value.as_deref()).expect("our own bytes");
            loaded.replay(&record.expect("our own version"));
        }
        let same = loaded.same_hard_state(&self.shard);
        assert!(same, "the log gives back the state\nheld: {:#?}\nloaded: {loaded:#?}", self.shard);
        self.shard = loaded;
        self.epoch += i32::from(elsewhere);
        let waited = std::mem::take(&mut self.tickets).into_values().map(|(then, _)| then).collect();
        let effects = self.shard.on_loaded(self.clock(now));
        assert!(effects.replies.is_empty(), "nobody has asked yet");
        (waited, effects)
    }

    /// Plants a bug: the last record never reached the log.
    pub(crate) fn lose_last_record(&mut self) {
        self.log.pop();
    }
}
