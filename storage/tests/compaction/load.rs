//! A random life of a compacted log, the same for the same seed.

use ottla_storage::batch::compression::Compression;
use ottla_storage::batch::{BatchBuilder, EndTransactionMarker, end_transaction_batch};
use ottla_storage::{LeaderEpoch, Millis, ProducerEpoch, ProducerId};

use crate::model::Model;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Appends a batch; producer 0 is none, 1 is idempotent, 2 and 3 write in transactions too.
    Append {
        producer: u8,
        transactional: bool,
        records: u8,
        codec: u8,
        seed: u64,
    },
    EndTransaction {
        producer: u8,
        committed: bool,
    },
    Roll,
    Flush,
    Checkpoint,
    NewLeaderEpoch,
    /// DeleteRecords: this many percent of what is readable and stable.
    AdvanceStart {
        percent: u8,
    },
    Retention,
    /// A pass with a map for this many keys.
    Clean {
        keys: u16,
    },
    /// The time goes on.
    Wait {
        ms: u16,
    },
}

pub(crate) fn script(seed: u64, count: usize) -> Vec<Op> {
    let mut random = Random(seed);
    (0..count).map(|_| pick(&mut random)).collect()
}

fn pick(random: &mut Random) -> Op {
    match random.below(100) {
        0..50 => {
            let producer = random.below(4) as u8;
            let transactional = producer >= 2 && random.below(4) > 0;
            let codec = if random.below(3) == 0 { 1 + random.below(4) as u8 } else { 0 };
            Op::Append { producer, transactional, records: 1 + random.below(5) as u8, codec, seed: random.next() }
        }
        50..66 => Op::EndTransaction { producer: 2 + random.below(2) as u8, committed: random.below(2) == 0 },
        66..71 => Op::Roll,
        71..74 => Op::Flush,
        74..77 => Op::Checkpoint,
        77..79 => Op::NewLeaderEpoch,
        79 => Op::AdvanceStart { percent: random.below(50) as u8 },
        80..82 => Op::Retention,
        82..94 => Op::Clean { keys: if random.below(3) == 0 { 1 + random.below(6) as u16 } else { 1000 } },
        _ => Op::Wait { ms: random.below(9000) as u16 },
    }
}

pub(crate) fn id(producer: u8) -> ProducerId {
    ProducerId(1000 + i64::from(producer))
}

/// What a client or coordinator would send for `op` now; `None` when it makes no sense now.
pub(crate) fn batch_for(op: Op, model: &Model, now: Millis) -> Option<Vec<u8>> {
    match op {
        Op::Append { producer, transactional, records, codec, seed } => {
            let mut random = Random(seed);
            let codec = Compression::from_code(codec).expect("one of five");
            let mut builder = BatchBuilder::new().compression(codec, None);
            if producer > 0 {
                // A producer does not mix: inside its transaction all is transactional.
                let transactional = transactional || model.open_transaction(id(producer)).is_some();
                builder = builder.producer(id(producer), ProducerEpoch(3), model.next_sequence(id(producer)));
                if transactional {
                    builder = builder.transactional();
                }
            }
            for _ in 0..records {
                let key = [b'k', random.below(12) as u8];
                let value = vec![b'a' + random.below(26) as u8; random.below(120) as usize];
                let timestamp = Millis(now.0 - random.below(2000).cast_signed());
                builder.push(timestamp, Some(&key), (random.below(4) > 0).then_some(&value), &[]);
            }
            Some(builder.build().expect("built"))
        }
        Op::EndTransaction { producer, committed } => {
            model.open_transaction(id(producer))?;
            let marker = EndTransactionMarker { committed, coordinator_epoch: 1 };
            Some(end_transaction_batch(now, id(producer), ProducerEpoch(3), marker, LeaderEpoch(-1)))
        }
        _ => None,
    }
}
