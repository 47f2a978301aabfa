//! A partition's log under storage's real rules for producers: data, or offsets with the group shard on top.

use super::message::Piece;
use super::plant::Plant;
use ottla_coordinator::group::{GroupRecord, GroupSettings, GroupShard};
use ottla_coordinator::metadata::MetadataImage;
use ottla_coordinator::shard::Shard;
use ottla_coordinator::txn::ProducerIdAndEpoch;
use ottla_storage::batch::{BatchBuilder, BatchHeader, EndTransactionMarker, Origin, end_transaction_batch};
use ottla_storage::producer::{Marker, ProducerCheck, ProducerError, ProducerStates, VerificationGuard};
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};
use std::sync::Arc;

/// What a batch holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Data(Piece),
    Offsets(Piece, Vec<GroupRecord>),
    Marker(Marker),
}

/// A batch in a log.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) header: BatchHeader,
    pub(crate) content: Content,
    /// What the marker behind it says; `None` as long as there is none.
    pub(crate) fate: Option<bool>,
}

/// What a marker did: the pieces whose fate it is.
pub(crate) type Ended = Vec<(Piece, bool)>;

/// One partition.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Counts the topics of this name.
    pub(crate) incarnation: u64,
    pub(crate) log: Vec<Stored>,
    producers: ProducerStates,
    expiration_ms: i64,
    pub(crate) high_watermark: i64,
    /// How long an append takes to be safe.
    pub(crate) flush_ms: i64,
    /// Offsets partitions have one.
    pub(crate) groups: Option<GroupShard>,
}

impl Partition {
    pub(crate) fn new(incarnation: u64, expiration_ms: i64, flush_ms: i64, groups: Option<GroupShard>) -> Self {
        let producers = ProducerStates::new(expiration_ms);
        Self { incarnation, log: Vec::new(), producers, expiration_ms, high_watermark: 0, flush_ms, groups }
    }

    pub(crate) fn log_end_offset(&self) -> i64 {
        self.producers.end_offset().0
    }

    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.producers.first_unstable_offset().map_or(self.high_watermark, |first| first.0.min(self.high_watermark))
    }

    pub(crate) fn has_open_transaction(&self, producer_id: i64) -> bool {
        self.producers.producer(ProducerId(producer_id)).is_some_and(|entry| entry.current_txn_first_offset.is_some())
    }

    /// Begins verification; `Ok(None)` when the transaction is open here already.
    pub(crate) fn begin_verification(
        &mut self,
        now: i64,
        producer: ProducerIdAndEpoch,
        sequence: i32,
        epoch_bump: bool,
    ) -> Result<Option<VerificationGuard>, ProducerError> {
        let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
        self.producers.begin_verification(Millis(now), id, Sequence(sequence), epoch, epoch_bump)
    }

    /// Appends a transactional batch. `Ok(None)` for one that is in the log already, else the offset after it.
    pub(crate) fn append(
        &mut self,
        now: i64,
        producer: ProducerIdAndEpoch,
        sequence: i32,
        content: Content,
        guard: Option<VerificationGuard>,
        verify: bool,
    ) -> Result<Option<i64>, ProducerError> {
        let (count, origin) = match &content {
            Content::Offsets(_, records) => (records.len(), Origin::Coordinator),
            _ => (1, Origin::Client),
        };
        let header = data_header(now, self.log_end_offset(), producer, sequence, count);
        let checked = match verify {
            true => self.producers.check_verified(Millis(now), &header, origin, guard)?,
            false => self.producers.check(Millis(now), &header, origin)?,
        };
        if matches!(checked, ProducerCheck::Duplicate { .. }) {
            return Ok(None);
        }
        self.producers.update(Millis(now), &header, None);
        if let (Some(groups), Content::Offsets(_, records)) = (&mut self.groups, &content) {
            records.iter().for_each(|record| groups.replay_transactional(producer.id, record));
        }
        self.log.push(Stored { header, content, fate: None });
        Ok(Some(self.log_end_offset()))
    }

    /// Appends a marker. Returns the offset after it and what it ended.
    pub(crate) fn append_marker(
        &mut self,
        now: i64,
        producer: ProducerIdAndEpoch,
        marker: Marker,
        tell_groups: bool,
    ) -> Result<(i64, Ended), ProducerError> {
        let end = EndTransactionMarker { committed: marker.committed, coordinator_epoch: marker.coordinator_epoch };
        let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
        let bytes = end_transaction_batch(Millis(now), id, epoch, end, LeaderEpoch(0));
        let mut header = BatchHeader::read(&bytes).expect("a whole header");
        header.set_base_offset(Offset(self.log_end_offset()));
        self.producers.check_marker(&header, marker, Origin::Coordinator)?;
        if tell_groups && let Some(groups) = &mut self.groups {
            groups.replay_marker(producer.id, marker.committed);
        }
        let ended = self.end_transaction(now, &header, marker);
        self.log.push(Stored { header, content: Content::Marker(marker), fate: None });
        Ok((self.log_end_offset(), ended))
    }

    fn end_transaction(&mut self, now: i64, header: &BatchHeader, marker: Marker) -> Ended {
        let Some(completed) = self.producers.update(Millis(now), header, Some(marker)) else { return Ended::new() };
        assert_eq!(completed.aborted, !marker.committed);
        let mut ended = Ended::new();
        let of_it = self.log.iter_mut().rev().take_while(|stored| stored.header.base_offset() >= completed.first_offset);
        for stored in of_it.filter(|stored| stored.header.producer_id() == completed.producer_id) {
            if let Content::Data(piece) | Content::Offsets(piece, _) = &stored.content {
                assert_eq!(stored.fate, None, "{piece:?} is decided twice");
                stored.fate = Some(marker.committed);
                ended.push((*piece, marker.committed));
            }
        }
        ended
    }

    /// All that was appended is safe.
    pub(crate) fn flush(&mut self) {
        self.high_watermark = self.log_end_offset();
        self.producers.on_high_watermark_updated(Offset(self.high_watermark));
    }

    pub(crate) fn forget_idle_producers(&mut self, now: i64) {
        self.producers.remove_expired(Millis(now));
    }

    /// The machine stops: what lies above the high watermark may be gone. Everything else is read from the log again.
    pub(crate) fn restart(&mut self, now: i64, keep_up_to: i64, image: &Arc<MetadataImage>, plant: Option<Plant>) {
        let keep_up_to = keep_up_to.max(self.high_watermark);
        let kept = self.log.iter().take_while(|stored| stored.header.next_offset().0 <= keep_up_to).count();
        let lost = kept < self.log.len();
        self.log.truncate(kept);
        self.producers = ProducerStates::new(self.expiration_ms);
        let before = self.groups.take();
        self.groups = before.as_ref().map(|_| GroupShard::new(Arc::new(GroupSettings::default()), Arc::clone(image)));
        let forgotten = if plant == Some(Plant::ForgottenTransaction) && before.is_none() { kept / 2 } else { 0 };
        for at in forgotten..self.log.len() {
            self.replay(now, at);
        }
        if let (Some(before), Some(groups)) = (&before, &mut self.groups) {
            assert!(lost || groups.same_hard_state(before), "the log gives back the offsets\nheld: {before:#?}\nloaded: {groups:#?}");
            let effects = groups.on_loaded(ottla_coordinator::timers::Millis(now));
            assert!(effects.records.is_empty(), "offsets do not expire here");
        }
        self.flush();
    }

    fn replay(&mut self, now: i64, at: usize) {
        let Stored { header, content, .. } = self.log[at].clone();
        self.log[at].fate = None;
        let id = header.producer_id().0;
        match content {
            Content::Data(_) => {
                self.producers.update(Millis(now), &header, None);
            }
            Content::Offsets(_, records) => {
                self.producers.update(Millis(now), &header, None);
                if let Some(groups) = &mut self.groups {
                    records.iter().for_each(|record| groups.replay_transactional(id, record));
                }
            }
            Content::Marker(marker) => {
                let rest = self.log.split_off(at);
                self.end_transaction(now, &header, marker);
                self.log.extend(rest);
                if let Some(groups) = &mut self.groups {
                    groups.replay_marker(id, marker.committed);
                }
            }
        }
    }
}

fn data_header(now: i64, base_offset: i64, producer: ProducerIdAndEpoch, sequence: i32, count: usize) -> BatchHeader {
    let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
    let builder = BatchBuilder::new().base_offset(Offset(base_offset)).producer(id, epoch, Sequence(sequence));
    let mut builder = builder.transactional();
    (0..count).for_each(|_| builder.push(Millis(now), None, None, &[]));
    let bytes = builder.build().expect("no compression");
    BatchHeader::read(&bytes).expect("a whole header")
}
