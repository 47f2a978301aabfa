//! Rows 16 and 20: partitions that are led elsewhere, or nowhere.

use crate::kit::{Batch, FetchOne, Kit};
use ottla_coordinator::metadata::records::{PartitionRecord, TopicRecord};
use ottla_coordinator::metadata::{BrokerId, DirectoryId, LeaderEpoch, MetadataRecord, PartitionEpoch, TopicId, TopicName};
use ottla_storage::batch::BatchBuilder;
use ottla_storage::{Millis, Offset};
use uuid::Uuid;

const NOT_LEADER: i16 = 6;
const LEADER_NOT_AVAILABLE: i16 = 5;

/// A topic of two partitions: the first on a broker that never registered, the second here.
fn half_elsewhere() -> (Kit, Uuid) {
    let mut kit = Kit::start();
    let here = BrokerId(kit.broker().node().node_id);
    let away = BrokerId(here.0 + 1);
    let end = kit.broker().node().image().provenance().last_offset;
    kit.kill();
    let topic_id = TopicId(Uuid::new_v4());
    let partition = |partition_id: i32, replica: BrokerId| {
        MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id,
            replicas: vec![replica],
            isr: vec![replica],
            removing_replicas: vec![],
            adding_replicas: vec![],
            leader: replica,
            leader_recovery_state: 0,
            leader_epoch: LeaderEpoch(4),
            partition_epoch: PartitionEpoch(4),
            directories: vec![DirectoryId(Uuid::nil())],
            elr: None,
            last_known_elr: None,
        })
    };
    let topic = MetadataRecord::Topic(TopicRecord { name: TopicName::parse("t").expect("valid"), topic_id });
    let mut batch = BatchBuilder::new().base_offset(Offset(end + 1)).leader_epoch(ottla_storage::LeaderEpoch(1));
    for record in [topic, partition(0, away), partition(1, here)] {
        batch.push(Millis(0), None, Some(&record.encode()), &[]);
    }
    let log = kit.data().join("__cluster_metadata-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).expect("readable");
    bytes.extend(batch.build().expect("a batch"));
    std::fs::write(&log, bytes).expect("written");
    kit.try_start().expect("a broker");
    (kit, topic_id.0)
}

#[test]
fn row_20_a_partition_that_is_not_here_is_retriable_and_not_unknown() {
    let (kit, _) = half_elsewhere();
    let mut client = kit.connect();
    assert_eq!(client.try_produce("t", 0, &Batch::of(&["a"])).error_code, NOT_LEADER);
    assert_eq!(client.fetch("t", 0, &FetchOne { max_wait_ms: 600_000, ..FetchOne::from(0) }).error_code, NOT_LEADER);
    assert_eq!(client.list(8, "t", 0, -1).error_code, NOT_LEADER);
    assert_eq!(client.end_of_epoch("t", 0, -1, 0).error_code, NOT_LEADER);
    assert_eq!(client.try_produce("t", 2, &Batch::of(&["a"])).error_code, 3, "that one is unknown");
    assert_eq!(client.produce("t", 1, &Batch::of(&["a"])), 0);
}

#[test]
fn row_16_a_leader_that_is_not_there_is_no_leader_and_takes_no_epoch_back() {
    let (mut kit, topic_id) = half_elsewhere();
    let mut last = 4;
    for _ in 0..2 {
        let mut client = kit.connect();
        let topic = client.describe("t");
        assert_eq!((topic.error_code, topic.topic_id), (0, topic_id));
        let away = &topic.partitions[0];
        assert_eq!((away.error_code, away.leader_id.0), (LEADER_NOT_AVAILABLE, -1));
        assert!(away.leader_epoch >= 4);
        let here = &topic.partitions[1];
        assert_eq!((here.error_code, here.leader_id.0), (0, kit.broker().node().node_id));
        assert!(here.leader_epoch > last);
        last = here.leader_epoch;
        kit.kill_and_restart();
    }
}
