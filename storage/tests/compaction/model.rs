//! All that was ever written, and what compaction may have made of it.

use std::collections::BTreeMap;

use ottla_storage::batch::{BatchHeader, BatchView, EndTransactionMarker, HEADER_SIZE_BYTES, records};
use ottla_storage::producer::{Marker, ProducerStates};
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerId, Sequence};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: Offset,
    pub(crate) timestamp: Millis,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A batch with its offsets, opened.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) header: BatchHeader,
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
    pub(crate) marker: Option<EndTransactionMarker>,
}

impl Batch {
    pub(crate) fn open(bytes: &[u8]) -> Self {
        let header = BatchHeader::read(bytes).expect("a batch");
        let view = BatchView { header, bytes };
        view.check_crc().expect("good CRC");
        let of = |record: ottla_storage::batch::Record<'_>| Record {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.expect("a key").to_vec(),
            value: record.value.map(<[u8]>::to_vec),
        };
        let opened = records(&view, 1 << 20).expect("opens");
        let records: Vec<Record> = opened.iter().map(|record| of(record.expect("a record"))).collect();
        assert_eq!(records.len(), header.record_count() as usize);
        let marker = EndTransactionMarker::from_batch(&view).expect("a marker or none");
        Self { header, bytes: bytes.to_vec(), records, marker }
    }

    /// As the log must hold what was sent.
    pub(crate) fn stored(sent: &[u8], base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let mut header = BatchHeader::read(sent).expect("a batch");
        header.set_base_offset(base_offset);
        header.set_partition_leader_epoch(leader_epoch);
        Self::open(&[header.as_bytes(), &sent[HEADER_SIZE_BYTES..]].concat())
    }

    pub(crate) fn is_data(&self) -> bool {
        !self.header.is_control()
    }
}

/// What became of the transaction of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// There is none, or it was committed.
    Visible,
    Aborted,
    Open,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) batches: Vec<Batch>,
    pub(crate) log_start: Offset,
    pub(crate) durable_log_start: Offset,
    pub(crate) durable_to: Offset,
    pub(crate) epoch: i32,
    /// Every pass that was begun: when, and up to where it might have cleaned.
    pub(crate) passes: Vec<(Millis, Offset)>,
}

impl Model {
    pub(crate) fn end(&self) -> Offset {
        self.batches.last().map_or(Offset(0), |batch| batch.header.next_offset())
    }

    pub(crate) fn next_sequence(&self, producer: ProducerId) -> Sequence {
        let last = self.batches.iter().rev().find(|batch| batch.header.producer_id() == producer && batch.is_data());
        last.map_or(Sequence(0), |batch| batch.header.last_sequence().plus(1))
    }

    pub(crate) fn open_transaction(&self, producer: ProducerId) -> Option<Offset> {
        let own = self.batches.iter().filter(|batch| batch.header.producer_id() == producer);
        own.fold(None, |open, batch| match batch.is_data() {
            false => None,
            true => open.or(batch.header.is_transactional().then(|| batch.header.base_offset())),
        })
    }

    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        (1000..1004).filter_map(|producer| self.open_transaction(ProducerId(producer))).min()
    }

    pub(crate) fn cut(&self, end: Offset) -> Option<Self> {
        let mut cut = self.clone();
        cut.batches.retain(|batch| batch.header.next_offset() <= end);
        cut.log_start = cut.log_start.min(cut.end());
        cut.durable_to = cut.durable_to.min(cut.end());
        (cut.end() == end).then_some(cut)
    }

    pub(crate) fn producers(&self) -> ProducerStates {
        let mut states = ProducerStates::new(i64::MAX);
        for batch in &self.batches {
            states.update(Millis(0), &batch.header, batch.marker.map(Marker::from));
        }
        states
    }

    /// Each record of data with what became of its transaction, in order.
    pub(crate) fn decided(&self) -> Vec<(&Record, Decision)> {
        let mut decided = Vec::new();
        for (index, batch) in self.batches.iter().enumerate().filter(|(_, batch)| batch.is_data()) {
            let producer = batch.header.producer_id();
            let end = self.batches[index..].iter().filter(|later| later.header.producer_id() == producer).find_map(|later| later.marker);
            let decision = match end {
                _ if !batch.header.is_transactional() => Decision::Visible,
                Some(marker) if marker.committed => Decision::Visible,
                Some(_) => Decision::Aborted,
                None => Decision::Open,
            };
            decided.extend(batch.records.iter().map(|record| (record, decision)));
        }
        decided
    }

    /// Whether a record without a value may have been dropped for its age.
    pub(crate) fn may_have_expired(&self, offset: Offset, delete_retention_ms: i64) -> bool {
        let mut seen = self.passes.iter().filter(|(_, up_to)| offset < *up_to).map(|(now, _)| *now);
        seen.next().is_some_and(|first| seen.any(|later| later.0 >= first.0 + delete_retention_ms))
    }

    pub(crate) fn batch_at(&self, base_offset: Offset) -> Option<&Batch> {
        self.batches.iter().find(|batch| batch.header.base_offset() == base_offset)
    }

    /// The newest visible record of each key.
    pub(crate) fn newest(&self) -> BTreeMap<&[u8], &Record> {
        let visible = self.decided().into_iter().filter(|(_, decision)| *decision == Decision::Visible);
        visible.map(|(record, _)| (record.key.as_slice(), record)).collect()
    }
}
