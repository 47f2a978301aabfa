//! Control records: the types are told apart, markers are read, nonsense is refused without a panic.

use crate::golden::golden;
use crate::{LIMIT_BYTES, T, only};
use ottla_storage::batch::{BatchBuilder, BatchError, ControlRecordType, EndTransactionMarker, records};

#[test]
fn every_control_record_type_of_kafka_is_recognised() {
    use ControlRecordType::{Abort, Commit, KRaftVersion, KRaftVoters, LeaderChange, SnapshotFooter, SnapshotHeader};
    for (name, expected) in [
        ("marker-abort", Abort),
        ("marker-commit", Commit),
        ("raft-leader-change", LeaderChange),
        ("raft-snapshot-header", SnapshotHeader),
        ("raft-snapshot-footer", SnapshotFooter),
        ("raft-kraft-version", KRaftVersion),
        ("raft-voters", KRaftVoters),
    ] {
        let bytes = golden(&format!("{name}.batch"));
        let opened = records(&only(&bytes), LIMIT_BYTES).unwrap();
        let record = opened.iter().next().unwrap().unwrap();
        let found = ControlRecordType::from_key(record.key.unwrap()).unwrap();
        assert_eq!(found, expected, "{name}");
        assert_eq!(found.key(), record.key.unwrap());
        assert_eq!(ControlRecordType::from_id(found.id()), found);
    }
}

#[test]
fn only_transaction_markers_are_read_as_markers() {
    let commit = EndTransactionMarker::from_batch(&only(&golden("marker-commit.batch")));
    assert_eq!(commit, Ok(Some(EndTransactionMarker { committed: true, coordinator_epoch: 9 })));
    let abort = EndTransactionMarker::from_batch(&only(&golden("marker-abort.batch")));
    assert_eq!(abort, Ok(Some(EndTransactionMarker { committed: false, coordinator_epoch: 10 })));
    assert_eq!(EndTransactionMarker::from_batch(&only(&golden("raft-voters.batch"))), Ok(None));
    assert_eq!(EndTransactionMarker::from_batch(&only(&golden("small-none.batch"))), Ok(None));
}

#[test]
fn a_type_from_the_future_is_kept_and_a_short_key_is_refused() {
    assert_eq!(ControlRecordType::from_key(&[0, 9, 0, 99, 1, 2]), Ok(ControlRecordType::Unknown(99)));
    for key in [&[][..], &[0, 0, 0], &[0xff, 0xff, 0, 1]] {
        assert!(matches!(ControlRecordType::from_key(key), Err(BatchError::InvalidControlRecord { .. })), "{key:?}");
    }
}

#[test]
fn a_marker_with_a_short_value_is_refused() {
    let commit = ControlRecordType::Commit.key();
    for (key, value) in
        [(Some(&commit[..]), Some(&[0, 0, 0, 0, 0][..])), (Some(&commit), None), (None, None), (Some(&commit), Some(&[0xff; 6]))]
    {
        let mut builder = BatchBuilder::new().control();
        builder.push(T, key, value, &[]);
        let bytes = builder.build().unwrap();
        let read = EndTransactionMarker::from_batch(&only(&bytes));
        assert!(matches!(read, Err(BatchError::InvalidControlRecord { .. })), "{read:?}");
    }
}
