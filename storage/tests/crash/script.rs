//! A story of some two hundred operations on one log, the same for the same seed, told to a [`House`] one by one.

use ottla_storage::batch::{BatchBuilder, BatchHeader, EndTransactionMarker, HEADER_SIZE_BYTES, end_transaction_batch};
use ottla_storage::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, Sequence};

use crate::model::{Model, Stored};

/// splitmix64.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// One thing that is done to the log or around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Appends a batch; `producer` 0 is none.
    Append {
        producer: u8,
        transactional: bool,
        records: u8,
        value_bytes: u16,
    },
    /// Ends the producer's transaction, if one is open.
    EndTransaction {
        producer: u8,
        committed: bool,
    },
    Roll,
    /// Prepares, runs and completes a flush.
    Flush,
    /// Truncates this many batches from the end.
    Truncate {
        batches: u8,
    },
    /// Truncates fully, to begin anew this far behind the end.
    StartAnew {
        ahead: u8,
    },
    /// DeleteRecords: this many percent of the readable records.
    AdvanceStart {
        percent: u8,
    },
    Retention,
    Checkpoint,
    NewLeaderEpoch,
    /// Creates another log, or deletes it when it is there.
    OtherLog,
}

/// The operations of a seed.
pub(crate) fn script(seed: u64, count: usize) -> Vec<Op> {
    let mut random = Random(seed);
    (0..count).map(|_| pick(&mut random)).collect()
}

fn pick(random: &mut Random) -> Op {
    match random.below(100) {
        0..52 => {
            let producer = random.below(4) as u8;
            let transactional = producer >= 2 && random.below(3) > 0;
            Op::Append { producer, transactional, records: 1 + random.below(4) as u8, value_bytes: random.below(260) as u16 }
        }
        52..64 => Op::EndTransaction { producer: 2 + random.below(2) as u8, committed: random.below(2) == 0 },
        64..68 => Op::Roll,
        68..77 => Op::Flush,
        77..80 => Op::Truncate { batches: 1 + random.below(9) as u8 },
        80 => Op::StartAnew { ahead: random.below(20) as u8 },
        81..84 => Op::AdvanceStart { percent: random.below(60) as u8 },
        84..87 => Op::Retention,
        87..94 => Op::Checkpoint,
        94..97 => Op::NewLeaderEpoch,
        _ => Op::OtherLog,
    }
}

/// What a client or coordinator would send for `op` now; `None` when it makes no sense now.
pub(crate) fn batch_for(op: Op, model: &Model, now: Millis) -> Option<Vec<u8>> {
    match op {
        Op::Append { producer, transactional, records, value_bytes } => {
            let mut builder = BatchBuilder::new();
            if producer > 0 {
                // A producer does not mix: inside its transaction all is transactional.
                let transactional = transactional || model.open_transaction(id(producer)).is_some();
                let sequence = model.next_sequence(id(producer));
                builder = builder.producer(id(producer), ProducerEpoch(3), sequence);
                if transactional {
                    builder = builder.transactional();
                }
            }
            for n in 0..records {
                let value = vec![b'a' + (now.0 % 23) as u8; usize::from(value_bytes)];
                builder.push(Millis(now.0 + i64::from(n)), Some(&[n]), Some(&value), &[]);
            }
            Some(builder.build().expect("uncompressed"))
        }
        Op::EndTransaction { producer, committed } => {
            model.open_transaction(id(producer))?;
            let marker = EndTransactionMarker { committed, coordinator_epoch: 1 };
            Some(end_transaction_batch(now, id(producer), ProducerEpoch(3), marker, LeaderEpoch(-1)))
        }
        _ => None,
    }
}

fn id(producer: u8) -> ProducerId {
    ProducerId(1000 + i64::from(producer))
}

/// The batch as the log must hold it.
pub(crate) fn stored(batch: &[u8], base_offset: Offset, leader_epoch: LeaderEpoch) -> Stored {
    let mut header = BatchHeader::read(batch).expect("a batch");
    header.set_base_offset(base_offset);
    header.set_partition_leader_epoch(leader_epoch);
    Stored { header, bytes: [header.as_bytes(), &batch[HEADER_SIZE_BYTES..]].concat() }
}

/// The sequence after the last of a batch.
pub(crate) fn after(header: &BatchHeader) -> Sequence {
    Sequence(header.last_sequence().0 + 1)
}
