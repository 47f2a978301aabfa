//! What must hold after every step. Each check panics with its own name first (`main.rs` lists them); `main.rs` adds the seed.

use super::message::{Message, Part, Piece, Request, Tag};
use super::partition::{Content, Ended, Partition};
use super::producer::News;
use kafka_protocol::ResponseError;
use ottla_coordinator::txn::{ProducerIdAndEpoch, Transaction, TransactionState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the log says of a transactional id, and whose transaction it is.
#[derive(Debug)]
struct Known {
    transaction: Transaction,
    tag: Option<Tag>,
}

/// The checks and what they remember.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    ids: BTreeMap<Arc<str>, Known>,
    /// The transactional id that has a producer id, and the newest epoch in the coordinator's log.
    producers: BTreeMap<i64, (Arc<str>, i16)>,
    /// Which process an epoch was given to.
    handed: BTreeMap<(i64, i16), usize>,
    /// The process that was initialized last.
    instances: BTreeMap<Arc<str>, usize>,
    begun: BTreeSet<Tag>,
    decided: BTreeMap<Tag, bool>,
    completed: BTreeSet<Tag>,
    /// Decided by their own EndTxn.
    ended_by_producer: BTreeSet<Tag>,
    /// What markers made of a transaction's pieces.
    fates: BTreeMap<Tag, bool>,
    appended: BTreeMap<Piece, Vec<(Part, u64)>>,
    /// Commits that their producer was told of, with the number of pieces.
    promised: Vec<(Tag, u32)>,
    stable: BTreeMap<Part, (u64, i64)>,
}

impl Checks {
    // The coordinator's records.

    /// A record was written; `cause` is the request that led to it.
    pub(crate) fn record(
        &mut self,
        id: &Arc<str>,
        value: Option<&Transaction>,
        cause: Option<&Message>,
        parts: &BTreeMap<Part, Partition>,
    ) {
        let before = self.ids.remove(id);
        let Some(new) = value else {
            let idle = before.is_none_or(|known| !is_open(known.transaction.state));
            return assert!(idle, "decision: {id} was forgotten in the middle of a transaction");
        };
        self.epochs_rise(id, before.as_ref().map(|known| &known.transaction), new);
        if let Some(known) = &before {
            let legal = known.transaction.state.may_become(new.state);
            assert!(legal, "decision: {id} from {:?} to {:?}", known.transaction, new);
        }
        let tag = match new.state {
            TransactionState::Empty => None,
            TransactionState::Ongoing => self.written_to(id, before.as_ref(), cause),
            TransactionState::PrepareCommit => self.commit_decided(id, before.as_ref(), cause),
            TransactionState::PrepareAbort => self.abort_decided(id, before.as_ref(), cause),
            TransactionState::CompleteCommit | TransactionState::CompleteAbort => self.complete(id, before.as_ref(), new.state, parts),
        };
        self.ids.insert(Arc::clone(id), Known { transaction: new.clone(), tag });
    }

    fn epochs_rise(&mut self, id: &Arc<str>, before: Option<&Transaction>, new: &Transaction) {
        let ProducerIdAndEpoch { id: producer_id, epoch } = new.producer;
        let seen = self.producers.insert(producer_id, (Arc::clone(id), epoch));
        let goes_on = before.is_some_and(|before| before.producer.id == producer_id);
        match seen {
            None => assert!(!goes_on, "epochs: {id} has had {producer_id} before"),
            Some((of, newest)) => {
                assert!(goes_on && of == *id, "epochs: producer id {producer_id} of {of} was given to {id} again");
                assert!(newest <= epoch, "epochs: {id} went back from epoch {newest} to {epoch} of {producer_id}");
            }
        }
    }

    fn written_to(&mut self, id: &Arc<str>, before: Option<&Known>, cause: Option<&Message>) -> Option<Tag> {
        let cause = cause.unwrap_or_else(|| panic!("next transaction: {id} was opened without a request"));
        let adds = matches!(cause.request, Request::Add { .. } | Request::Produce { .. } | Request::Offset { .. });
        assert!(adds, "next transaction: {id} was opened by {cause:?}");
        self.is_the_instance(id, cause);
        match before.filter(|known| known.transaction.state == TransactionState::Ongoing) {
            Some(known) => assert_eq!(known.tag, Some(cause.tag), "next transaction: a request of the one became part of the other"),
            None => assert!(self.begun.insert(cause.tag), "next transaction: {:?} begins a second time", cause.tag),
        }
        assert!(!self.decided.contains_key(&cause.tag), "next transaction: {:?} was decided already", cause.tag);
        Some(cause.tag)
    }

    fn commit_decided(&mut self, id: &Arc<str>, before: Option<&Known>, cause: Option<&Message>) -> Option<Tag> {
        let cause = cause.unwrap_or_else(|| panic!("decision: {id} committed without a request"));
        assert!(matches!(cause.request, Request::End { commit: true }), "decision: {id} committed by {cause:?}");
        let tag = before.and_then(|known| known.tag);
        assert_eq!(tag, Some(cause.tag), "next transaction: EndTxn of the one committed the other");
        self.is_the_instance(id, cause);
        self.decide(cause.tag, true);
        self.ended_by_producer.insert(cause.tag);
        tag
    }

    fn abort_decided(&mut self, _id: &Arc<str>, before: Option<&Known>, cause: Option<&Message>) -> Option<Tag> {
        let open = before.filter(|known| known.transaction.state == TransactionState::Ongoing);
        let tag = match open {
            Some(known) => known.tag,
            None => cause.map(|cause| cause.tag),
        };
        tag.into_iter().for_each(|tag| self.decide(tag, false));
        let by_producer = cause.filter(|cause| matches!(cause.request, Request::End { .. }) && Some(cause.tag) == tag);
        self.ended_by_producer.extend(by_producer.map(|cause| cause.tag));
        tag
    }

    fn decide(&mut self, tag: Tag, commit: bool) {
        let before = self.decided.insert(tag, commit);
        assert!(before.is_none_or(|before| before == commit), "decision: of {tag:?} was {before:?}, is commit: {commit}");
    }

    fn complete(
        &mut self,
        id: &Arc<str>,
        before: Option<&Known>,
        state: TransactionState,
        parts: &BTreeMap<Part, Partition>,
    ) -> Option<Tag> {
        let known = before.unwrap_or_else(|| panic!("decision: {id} is {state:?} and was nothing"));
        let commit = state == TransactionState::CompleteCommit;
        let decided = known.tag.and_then(|tag| self.decided.get(&tag));
        assert!(decided.is_none_or(|decided| *decided == commit), "decision: of {:?} was {decided:?}, is {state:?}", known.tag);
        for (topic, partitions) in &known.transaction.partitions {
            for partition in partitions {
                let part = (Arc::clone(topic), *partition);
                let open = parts.get(&part).is_some_and(|held| held.has_open_transaction(known.transaction.producer.id));
                assert!(!open, "completes: {id} is {state:?} and {part:?} has no marker");
            }
        }
        self.completed.extend(known.tag);
        known.tag
    }

    /// Another process was initialized since.
    pub(crate) fn is_replaced(&self, message: &Message) -> bool {
        self.instances.get(&message.transactional_id).is_some_and(|instance| *instance != message.tag.process)
    }

    /// Only the process that was initialized last may go on.
    fn is_the_instance(&self, id: &Arc<str>, cause: &Message) {
        let instance = self.instances.get(id);
        assert_eq!(instance, Some(&cause.tag.process), "fencing: {id} did what a replaced process wants");
    }

    // Answers.

    /// A producer was told which epoch to use.
    pub(crate) fn handed(&mut self, message: &Message, producer: ProducerIdAndEpoch) {
        let process = message.tag.process;
        let before = self.handed.insert((producer.id, producer.epoch), process);
        assert!(before.is_none_or(|before| before == process), "epochs: {producer:?} was given to {before:?} and to {process}");
        if matches!(message.request, Request::Init { .. }) {
            self.instances.insert(Arc::clone(&message.transactional_id), process);
        } else {
            self.is_the_instance(&message.transactional_id, message);
        }
    }

    /// EndTxn was answered. Sent again, it is answered as the first time, or has to wait.
    pub(crate) fn end_answered(&self, message: &Message, commit: bool, refused: Option<ResponseError>) {
        let stands = self.ids.get(&message.transactional_id).is_some_and(|known| known.tag == Some(message.tag));
        let again = stands && self.ended_by_producer.contains(&message.tag) && self.decided.get(&message.tag) == Some(&commit);
        let refused = refused.filter(|error| *error != ResponseError::ConcurrentTransactions);
        assert!(!again || refused.is_none(), "again: {message:?} is refused with {refused:?}, and it had been accepted");
    }

    /// A producer has heard what became of its transaction.
    pub(crate) fn news(&mut self, news: &News) {
        match news {
            News::Committed { tag, pieces } => {
                assert_eq!(self.decided.get(tag), Some(&true), "acknowledged commit: {tag:?} was told to be committed");
                self.promised.push((*tag, *pieces));
            }
            News::Aborted { tag } => {
                assert_ne!(self.decided.get(tag), Some(&true), "acknowledged commit: {tag:?} was told to be aborted");
            }
        }
    }

    // Partitions.

    /// A piece went into a partition's log.
    pub(crate) fn appended(&mut self, message: &Message, piece: Piece, part: &Part, incarnation: u64) {
        let tag = piece.tag;
        let known = self.ids.get(&message.transactional_id);
        let known =
            known.unwrap_or_else(|| panic!("next transaction: {} has none, and {piece:?} is in {part:?}", message.transactional_id));
        assert!(!self.completed.contains(&tag), "next transaction: {piece:?} came into {part:?} after its own end");
        assert_eq!(known.tag, Some(tag), "next transaction: {piece:?} came into {part:?}");
        let of_it = known.transaction.partitions.get(&part.0).is_some_and(|partitions| partitions.contains(&part.1));
        assert!(of_it && is_open(known.transaction.state), "next transaction: {piece:?} is in {part:?}, not in {:?}", known.transaction);
        assert_eq!(known.transaction.producer.id, message.producer.id, "next transaction: {piece:?} of another producer id");
        self.appended.entry(piece).or_default().push((part.clone(), incarnation));
    }

    /// A marker has decided about pieces.
    pub(crate) fn ended(&mut self, part: &Part, ended: &Ended) {
        for (piece, committed) in ended {
            let decided = self.decided.get(&piece.tag);
            assert_eq!(decided, Some(committed), "atomic: {piece:?} in {part:?}, by its decision and by its marker");
            let before = self.fates.insert(piece.tag, *committed);
            assert!(before.is_none_or(|before| before == *committed), "atomic: {piece:?} in {part:?} differs from the rest");
        }
    }

    /// The last stable offset never goes back, and nothing undecided lies below it.
    pub(crate) fn stable(&mut self, part: &Part, partition: &Partition) {
        let now = partition.last_stable_offset();
        let held = self.stable.insert(part.clone(), (partition.incarnation, now));
        let before = held.filter(|(incarnation, _)| *incarnation == partition.incarnation).map_or(0, |(_, at)| at);
        assert!(before <= now, "last stable offset: of {part:?} went back from {before} to {now}");
        let from = partition.log.partition_point(|stored| stored.header.base_offset().0 < before);
        for stored in partition.log[from..].iter().take_while(|stored| stored.header.base_offset().0 < now) {
            let decided = stored.fate.is_some() || matches!(stored.content, Content::Marker(_));
            assert!(decided, "last stable offset: {:?} of {part:?} is undecided below {now}", stored.content);
        }
    }

    // The end.

    /// Why there is no peace yet.
    pub(crate) fn unrest(&self) -> Option<String> {
        let (id, known) = self.ids.iter().find(|(_, known)| is_open(known.transaction.state))?;
        Some(format!("completes: {id} is {:?}", known.transaction))
    }

    /// Everything that was promised is there, once.
    pub(crate) fn at_rest(&self, parts: &BTreeMap<Part, Partition>) {
        let mut visible: BTreeMap<Piece, u32> = BTreeMap::new();
        for (part, partition) in parts {
            assert_eq!(partition.last_stable_offset(), partition.log_end_offset(), "last stable offset: of {part:?} is stuck");
            for stored in partition.log.iter().filter(|stored| stored.fate == Some(true)) {
                match &stored.content {
                    Content::Data(piece) => {
                        let times = visible.entry(*piece).or_default();
                        *times += 1;
                        assert_eq!(*times, 1, "acknowledged commit: {piece:?} is in {part:?} twice");
                    }
                    // An offset may be written again.
                    Content::Offsets(piece, _) => *visible.entry(*piece).or_default() = 1,
                    Content::Marker(_) => {}
                }
            }
        }
        for (tag, pieces) in &self.promised {
            for index in 0..*pieces {
                let piece = Piece { tag: *tag, index };
                let places = self.appended.get(&piece);
                let places = places.unwrap_or_else(|| panic!("acknowledged commit: {piece:?} was never written"));
                let stands = |(part, incarnation): &(Part, u64)| parts.get(part).is_some_and(|held| held.incarnation == *incarnation);
                let topic_is_gone = !places.iter().any(stands);
                assert!(topic_is_gone || visible.contains_key(&piece), "acknowledged commit: {piece:?} is gone");
            }
        }
    }
}

/// Markers are still to come.
fn is_open(state: TransactionState) -> bool {
    state == TransactionState::Ongoing || state.is_prepared()
}
