//! What a power loss leaves of changes that were not synced: of a file's bytes, and of a directory's names.

use std::collections::BTreeMap;

use super::world::{DataOp, DirOp, NodeId};

const SECTOR_SIZE_BYTES: u64 = 512;

/// A small generator of the splitmix64 kind: the same seed, the same numbers.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    fn chance(&mut self) -> bool {
        self.next() & 1 == 0
    }
}

/// How much survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Survival {
    Nothing,
    All,
    /// The first changes, the last of them in part.
    Prefix,
    /// Any of them.
    Some,
}

impl Survival {
    pub(super) fn pick(random: &mut Random) -> Self {
        [Self::Nothing, Self::All, Self::Prefix, Self::Some][random.below(4) as usize]
    }
}

/// Applies one change to a file's bytes.
pub(super) fn apply(image: &mut Vec<u8>, op: &DataOp) {
    match op {
        DataOp::SetLen(size_bytes) => image.resize(*size_bytes as usize, 0),
        DataOp::Write { position, bytes } => write(image, *position as usize, bytes),
    }
}

/// A file's bytes after a power loss.
pub(super) fn surviving_bytes(durable: &[u8], pending: &[DataOp], survival: Survival, random: &mut Random) -> Vec<u8> {
    let mut image = durable.to_vec();
    match survival {
        Survival::Nothing => {}
        Survival::All => pending.iter().for_each(|op| apply(&mut image, op)),
        Survival::Prefix => {
            let whole = random.below(pending.len() as u64 + 1) as usize;
            pending[..whole].iter().for_each(|op| apply(&mut image, op));
            if let Some(DataOp::Write { position, bytes }) = pending.get(whole) {
                let torn = random.below(bytes.len() as u64) as usize;
                write(&mut image, *position as usize, &bytes[..torn]);
            }
        }
        Survival::Some => {
            let mut size_bytes = durable.len();
            for op in pending {
                match op {
                    DataOp::Write { position, bytes } => {
                        write_some_sectors(&mut image, *position, bytes, random);
                        size_bytes = size_bytes.max(*position as usize + bytes.len());
                    }
                    DataOp::SetLen(_) if random.chance() => {
                        apply(&mut image, op);
                        size_bytes = image.len();
                    }
                    DataOp::SetLen(_) => {}
                }
            }
            // The size may be on disk before the bytes are.
            if random.chance() {
                image.resize(size_bytes.max(image.len()), 0);
            }
        }
    }
    image
}

/// A directory's names after a power loss.
pub(super) fn surviving_names(
    durable: &BTreeMap<String, NodeId>,
    pending: &[DirOp],
    survival: Survival,
    random: &mut Random,
) -> BTreeMap<String, NodeId> {
    let mut names = durable.clone();
    let whole = random.below(pending.len() as u64 + 1) as usize;
    for (at, op) in pending.iter().enumerate() {
        let survives = match survival {
            Survival::Nothing => false,
            Survival::All => true,
            Survival::Prefix => at < whole,
            Survival::Some => random.chance(),
        };
        if survives {
            op.apply(&mut names);
        }
    }
    names
}

fn write(image: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if bytes.is_empty() {
        return;
    }
    if image.len() < end {
        image.resize(end, 0);
    }
    image[position..end].copy_from_slice(bytes);
}

fn write_some_sectors(image: &mut Vec<u8>, position: u64, bytes: &[u8], random: &mut Random) {
    let mut at = 0;
    while at < bytes.len() {
        let here = position + at as u64;
        let left_in_sector = (SECTOR_SIZE_BYTES - here % SECTOR_SIZE_BYTES) as usize;
        let end = (at + left_in_sector).min(bytes.len());
        if random.chance() {
            write(image, here as usize, &bytes[at..end]);
        }
        at = end;
    }
}
