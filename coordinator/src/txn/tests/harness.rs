//! A shard with a log, a clock and a counter of producer ids. Every record goes through its bytes, and after every call a reload of the
//! log gives the same hard state.

use super::super::*;
use crate::metadata::image::MetadataImage;
use crate::metadata::records::FeatureLevelRecord;
use crate::metadata::{MetadataRecord, MetadataShard, features};
use kafka_protocol::messages::{ProducerId, TransactionalId as WireId};
use kafka_protocol::protocol::StrBytes;

pub(super) const ID: &str = "payments";
pub(super) const TIMEOUT_MS: i32 = 60_000;
pub(super) const V1: TransactionVersion = TransactionVersion(0);
pub(super) const V2: TransactionVersion = TransactionVersion(2);

pub(super) fn producer(id: i64, epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { id, epoch }
}

pub(super) fn partitions(named: &[(&str, &[i32])]) -> Partitions {
    named.iter().map(|(topic, ids)| (Arc::from(*topic), ids.iter().copied().collect())).collect()
}

pub(super) fn wire(id: &str) -> WireId {
    WireId(StrBytes::from_string(id.to_owned()))
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) shard: TxnShard,
    pub(super) now: Millis,
    pub(super) settings: Arc<TxnSettings>,
    pub(super) image: Arc<MetadataImage>,
    pub(super) log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Commands that nobody has carried out.
    pub(super) commands: Vec<TxnCommand>,
    next_producer_id: i64,
}

impl World {
    /// A cluster with this `transaction.version`.
    pub(super) fn at(cluster_version: i16) -> Self {
        Self::with(cluster_version, TxnSettings::default())
    }

    pub(super) fn with(cluster_version: i16, settings: TxnSettings) -> Self {
        let (settings, image) = (Arc::new(settings), image_at(cluster_version));
        let mut shard = TxnShard::new(Arc::clone(&settings), Arc::clone(&image));
        let now = Millis(1_000_000);
        let loaded = shard.on_loaded(now);
        assert!(loaded.records.is_empty() && loaded.commands.is_empty(), "nothing to do for an empty log");
        Self { shard, now, settings, image, log: Vec::new(), commands: Vec::new(), next_producer_id: 100 }
    }

    /// Appends, replays through bytes, and keeps the commands.
    pub(super) fn apply(&mut self, effects: TxnEffects) -> Vec<TxnReply> {
        for record in &effects.records {
            self.log.push(record.encode().expect("our own record"));
            self.shard.replay(record);
        }
        self.commands.extend(effects.commands);
        assert!(self.shard.same_hard_state(&self.reloaded()), "the log says what the shard holds");
        effects.replies.into_iter().map(|(_, reply)| reply).collect()
    }

    fn one(&mut self, effects: TxnEffects) -> TxnReply {
        let mut replies = self.apply(effects);
        assert_eq!(replies.len(), 1, "one answer");
        replies.remove(0)
    }

    /// A shard that has read the log and not started.
    pub(super) fn reloaded(&self) -> TxnShard {
        let mut shard = TxnShard::new(Arc::clone(&self.settings), Arc::clone(&self.image));
        for (key, value) in &self.log {
            let record = TransactionRecord::decode(key, value.as_deref()).expect("our own bytes").expect("our own version");
            shard.replay(&record);
        }
        shard
    }

    /// The coordinator dies and comes back.
    pub(super) fn reload(&mut self) {
        self.commands.clear();
        self.shard = self.reloaded();
        let effects = self.shard.on_loaded(self.now);
        self.apply(effects);
    }

    pub(super) fn fresh(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id
    }

    /// InitProducerId, with a producer id fetched when it takes one.
    pub(super) fn init(&mut self, request: &InitProducerIdRequest) -> Result<ProducerIdAndEpoch, ResponseError> {
        let mut fresh = None;
        loop {
            let effects = self.shard.init_producer_id(self.now, Ticket(1), fresh, request);
            match self.one(effects) {
                TxnReply::NeedsProducerId if fresh.is_none() => fresh = Some(self.fresh()),
                TxnReply::InitProducerId(outcome) => return outcome,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn init_new(&mut self) -> Result<ProducerIdAndEpoch, ResponseError> {
        self.init(&init_request(ID, None))
    }

    pub(super) fn resume(&mut self, expected: ProducerIdAndEpoch) -> Result<ProducerIdAndEpoch, ResponseError> {
        self.init(&init_request(ID, Some(expected)))
    }

    pub(super) fn add(
        &mut self,
        producer: ProducerIdAndEpoch,
        version: TransactionVersion,
        named: &[(&str, &[i32])],
    ) -> Result<(), ResponseError> {
        let partitions = partitions(named);
        let request = PartitionsOfProducer { transactional_id: ID, producer, version, partitions: &partitions };
        let effects = self.shard.add_partitions(self.now, Ticket(1), &request);
        match self.one(effects) {
            TxnReply::Added(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// EndTxn, with a producer id fetched when it takes one.
    pub(super) fn end(
        &mut self,
        producer: ProducerIdAndEpoch,
        committed: bool,
        version: TransactionVersion,
    ) -> Result<Option<ProducerIdAndEpoch>, ResponseError> {
        let request = end_request(producer, committed);
        let mut fresh = None;
        loop {
            let effects = self.shard.end_txn(self.now, Ticket(1), fresh, &request, version);
            match self.one(effects) {
                TxnReply::NeedsProducerId if fresh.is_none() => fresh = Some(self.fresh()),
                TxnReply::EndTxn(outcome) => return outcome,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Carries out every command, and gives what was told to the partitions.
    pub(super) fn carry_out(&mut self) -> Vec<WriteMarkers> {
        let mut written = Vec::new();
        for command in std::mem::take(&mut self.commands) {
            match command {
                TxnCommand::WriteMarkers(markers) => {
                    self.written(&markers);
                    written.push(markers);
                }
                TxnCommand::AbortExpired(id) => {
                    let fresh = Some(self.fresh());
                    let effects = self.shard.abort_expired(self.now, Ticket(1), &id, fresh);
                    assert_eq!(self.one(effects), TxnReply::Done);
                }
            }
        }
        written
    }

    pub(super) fn written(&mut self, markers: &WriteMarkers) {
        let effects = self.shard.markers_written(self.now, Ticket(1), markers);
        assert_eq!(self.one(effects), TxnReply::Done);
    }

    /// Time passes; everything that comes due is handled.
    pub(super) fn sleep(&mut self, ms: i64) {
        let until = Millis(self.now.0 + ms);
        while let Some(at) = self.shard.next_deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            let effects = self.shard.handle_timeout(self.now);
            assert!(effects.replies.is_empty(), "nobody asked");
            self.apply(effects);
        }
        self.now = until;
    }

    pub(super) fn state(&self) -> TransactionState {
        self.shard.transaction(ID).expect("a known id").state
    }

    pub(super) fn producer(&self) -> ProducerIdAndEpoch {
        self.shard.transaction(ID).expect("a known id").producer
    }

    /// Writes a state into the log, as a Kafka might have left it.
    pub(super) fn put(&mut self, transaction: Transaction) {
        let record = TransactionRecord { transactional_id: ID.into(), value: Some(transaction), cluster_version: TransactionVersion(2) };
        self.apply(TxnEffects { records: vec![record], ..TxnEffects::default() });
    }
}

pub(super) fn image_at(cluster_version: i16) -> Arc<MetadataImage> {
    let mut shard = MetadataShard::new();
    let level = FeatureLevelRecord { name: features::TRANSACTION_VERSION.into(), level: cluster_version };
    shard.replay(&MetadataRecord::FeatureLevel(level));
    shard.publish(0, 1).expect("a known feature");
    Arc::clone(shard.published())
}

pub(super) fn init_request(id: &str, expected: Option<ProducerIdAndEpoch>) -> InitProducerIdRequest {
    let expected = expected.unwrap_or(producer(-1, -1));
    InitProducerIdRequest::default()
        .with_transactional_id(Some(wire(id)))
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id(ProducerId(expected.id))
        .with_producer_epoch(expected.epoch)
}

pub(super) fn end_request(producer: ProducerIdAndEpoch, committed: bool) -> EndTxnRequest {
    EndTxnRequest::default()
        .with_transactional_id(wire(ID))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(committed)
}

/// An id that stands in a state, with partitions where there may be some.
pub(super) fn standing(state: TransactionState, producer: ProducerIdAndEpoch) -> Transaction {
    let is_open = state == TransactionState::Ongoing || state.is_prepared();
    Transaction {
        producer,
        previous_producer_id: producer.id,
        next_producer_id: -1,
        last_epoch: -1,
        timeout_ms: TIMEOUT_MS,
        state,
        partitions: if is_open { partitions(&[("a", &[0, 1]), ("b", &[7])]) } else { Partitions::new() },
        start_ms: if state == TransactionState::Empty { -1 } else { 900 },
        last_update_ms: 1_000,
        client_version: if matches!(state, TransactionState::CompleteCommit | TransactionState::CompleteAbort) { V2 } else { V1 },
    }
}
