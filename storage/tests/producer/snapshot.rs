//! The `.snapshot` file: Kafka's bytes, and nothing but whole ones.

use crate::{Partition, T, abort, commit, data};
use ottla_storage::producer::{ProducerEntry, ProducerStates, SnapshotError, snapshot};
use ottla_storage::{Millis, Offset, ProducerId, Sequence};
use proptest::prelude::*;

fn golden() -> Vec<u8> {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/producers.snapshot");
    std::fs::read(path).unwrap()
}

/// A partition with open, ended and no transactions, remembering more than one batch.
fn lively() -> Partition {
    let mut partition = Partition::new();
    partition.client(data(0, 0, 3)).unwrap();
    partition.client(data(0, 3, 2)).unwrap();
    partition.client(data(1, 0, 2).of(5).transactional()).unwrap();
    partition.client(data(0, 0, 1).of(6).transactional()).unwrap();
    partition.mark(6, 0, abort()).unwrap();
    partition
}

#[test]
fn kafkas_snapshot_is_read_and_written_again_to_the_byte() {
    let entries = snapshot::decode(&golden()).unwrap();
    assert_eq!(entries.iter().map(|e| e.producer_id.0).collect::<Vec<_>>(), [1000, 1001, 1002]);
    assert_eq!((entries[0].last_sequence(), entries[0].last_data_offset()), (Sequence(9), Some(Offset(109))));
    assert_eq!(entries[1].current_txn_first_offset, Some(Offset(90)));
    assert_eq!(entries[1].batches()[0].first_sequence(), Sequence(i32::MAX - 2));
    assert_eq!((entries[2].last_sequence(), entries[2].last_data_offset(), entries[2].coordinator_epoch), (Sequence(-1), None, 4));
    assert_eq!(snapshot::encode(&entries), golden());
}

#[test]
fn the_last_batch_epochs_and_open_transactions_survive() {
    let partition = lively();
    let bytes = partition.states.encode_snapshot();
    let mut reloaded = ProducerStates::new(100_000);
    reloaded.load(partition.end, snapshot::decode(&bytes).unwrap(), T);
    assert_eq!(reloaded.end_offset(), partition.end);
    assert!(!reloaded.snapshot_is_due());
    assert_eq!(reloaded.first_unstable_offset(), Some(Offset(5)));
    assert_eq!(reloaded.encode_snapshot(), bytes);

    let mut again = Partition { states: reloaded, ..partition };
    assert!(again.client(data(0, 5, 1)).is_ok());
    assert!(again.client(data(0, 0, 3)).is_err(), "only the last batch is stored");
    assert_eq!(again.mark(5, 1, commit()).unwrap().unwrap().first_offset, Offset(5));
}

#[test]
fn producers_that_expired_meanwhile_are_left_out_unless_a_transaction_is_open() {
    let bytes = lively().states.encode_snapshot();
    let mut states = ProducerStates::new(100_000);
    states.load(Offset(9), snapshot::decode(&bytes).unwrap(), Millis(T.0 + 100_000));
    assert_eq!(states.producers().map(|e| e.producer_id).collect::<Vec<_>>(), [ProducerId(5)]);
}

#[test]
fn an_empty_state_makes_a_snapshot_of_ten_bytes() {
    let bytes = ProducerStates::new(1).encode_snapshot();
    assert_eq!((bytes.len(), &bytes[..2], &bytes[6..]), (10, &[0, 1][..], &[0; 4][..]));
    assert_eq!(snapshot::decode(&bytes), Ok(vec![]));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let good = golden();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match bit / 8 {
            0 | 1 => assert!(matches!(snapshot::decode(&bad), Err(SnapshotError::UnknownVersion { .. })), "bit {bit}"),
            _ => assert!(matches!(snapshot::decode(&bad), Err(SnapshotError::CrcMismatch { .. })), "bit {bit}"),
        }
    }
    for cut in 0..good.len() {
        assert!(snapshot::decode(&good[..cut]).is_err(), "cut at {cut}");
    }
    assert!(snapshot::decode(&[&good[..], &[0]].concat()).is_err());
}

#[test]
fn a_size_that_does_not_fit_is_refused_although_its_crc_is_right() {
    let refused = |mut bad: Vec<u8>| {
        let crc = crc32c::crc32c(&bad[6..]);
        bad[2..6].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(snapshot::decode(&bad), Err(SnapshotError::SizeMismatch { size_bytes: bad.len() }));
    };
    for count in [-1_i32, 2, 4, i32::MAX] {
        let mut bad = golden();
        bad[6..10].copy_from_slice(&count.to_be_bytes());
        refused(bad);
    }
    refused([&golden()[..], &[0]].concat());
}

#[test]
fn the_file_name_is_twenty_digits() {
    assert_eq!(snapshot::file_name(Offset(42)), "00000000000000000042.snapshot");
    for offset in [0, 42, i64::MAX] {
        assert_eq!(snapshot::offset_of_file_name(&snapshot::file_name(Offset(offset))), Some(Offset(offset)));
    }
    for name in
        ["42.snapshot", "00000000000000000042.snapshot.deleted", "0000000000000000004x.snapshot", "99999999999999999999.snapshot", ""]
    {
        assert_eq!(snapshot::offset_of_file_name(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = snapshot::decode(&bytes);
    }

    #[test]
    fn arbitrary_entries_with_a_right_crc_are_read_and_lived_with(mut bytes in prop::collection::vec(any::<u8>(), 46..=46)) {
        let mut file = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        file.append(&mut bytes);
        let crc = crc32c::crc32c(&file[6..]);
        file[2..6].copy_from_slice(&crc.to_be_bytes());
        let entries = snapshot::decode(&file).unwrap();
        let entry: ProducerEntry = entries[0];
        let mut partition = Partition::new();
        partition.states.load(Offset(1000), entries, T);
        partition.end = Offset(1000);
        let _ = partition.client(data(0, 0, 1).of(entry.producer_id.0));
        let _ = partition.client(data(entry.producer_epoch.0, entry.last_sequence().0.wrapping_add(1), 2).of(entry.producer_id.0));
        let _ = partition.mark(entry.producer_id.0, entry.producer_epoch.0, commit());
    }
}
