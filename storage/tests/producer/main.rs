//! Producer state against Kafka's own answers, and the rules one by one.

mod rules;
mod snapshot;
mod trace;

use ottla_storage::batch::{BatchBuilder, BatchHeader, EndTransactionMarker, Origin, end_transaction_batch, split};
use ottla_storage::producer::{CompletedTransaction, Marker, ProducerCheck, ProducerError, ProducerStates};
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

pub const T: Millis = Millis(1_700_000_000_000);
pub const PID: ProducerId = ProducerId(4711);

pub fn header(bytes: &[u8]) -> BatchHeader {
    split(bytes).next().unwrap().unwrap().header
}

/// A data batch to come.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    pub producer_id: ProducerId,
    pub epoch: i16,
    pub sequence: i32,
    pub count: usize,
    pub transactional: bool,
    pub timestamp: Millis,
    pub at: Offset,
}

pub fn data(epoch: i16, sequence: i32, count: usize) -> Data {
    Data { producer_id: PID, epoch, sequence, count, transactional: false, timestamp: T, at: Offset(0) }
}

impl Data {
    pub fn of(self, producer_id: i64) -> Self {
        Self { producer_id: ProducerId(producer_id), ..self }
    }

    pub fn transactional(self) -> Self {
        Self { transactional: true, ..self }
    }

    pub fn header(self) -> BatchHeader {
        let mut builder =
            BatchBuilder::new().base_offset(self.at).producer(self.producer_id, ProducerEpoch(self.epoch), Sequence(self.sequence));
        if self.transactional {
            builder = builder.transactional();
        }
        for _ in 0..self.count {
            builder.push(self.timestamp, Some(b"k"), Some(b"v"), &[]);
        }
        header(&builder.build().unwrap())
    }
}

pub fn marker_header(now: Millis, producer_id: ProducerId, epoch: i16, at: Offset) -> BatchHeader {
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 0 };
    let mut header = header(&end_transaction_batch(now, producer_id, ProducerEpoch(epoch), marker, LeaderEpoch(0)));
    header.set_base_offset(at);
    header
}

/// A partition: what is accepted gets the next offsets.
pub struct Partition {
    pub states: ProducerStates,
    pub end: Offset,
    pub now: Millis,
}

impl Partition {
    #[allow(clippy::new_without_default, reason = "a test's own helper")]
    pub fn new() -> Self {
        Self { states: ProducerStates::new(100_000), end: Offset(0), now: T }
    }

    pub fn client(&mut self, data: Data) -> Result<ProducerCheck, ProducerError> {
        self.append(data, Origin::Client)
    }

    pub fn append(&mut self, data: Data, origin: Origin) -> Result<ProducerCheck, ProducerError> {
        let header = Data { at: self.end, ..data }.header();
        let check = self.states.check(self.now, &header, origin)?;
        if check == ProducerCheck::Accept {
            assert_eq!(self.states.update(self.now, &header, None), None);
            self.end = header.next_offset();
        }
        Ok(check)
    }

    pub fn mark(&mut self, producer_id: i64, epoch: i16, marker: Marker) -> Result<Option<CompletedTransaction>, ProducerError> {
        let header = marker_header(self.now, ProducerId(producer_id), epoch, self.end);
        self.states.check_marker(&header, marker, Origin::Coordinator)?;
        self.end = header.next_offset();
        Ok(self.states.update(self.now, &header, Some(marker)))
    }
}

pub fn commit() -> Marker {
    Marker { committed: true, coordinator_epoch: 0, transaction_version: 0 }
}

pub fn abort() -> Marker {
    Marker { committed: false, ..commit() }
}
