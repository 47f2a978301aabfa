//! The metadata hash against what Kafka's own class gave for the same topics.

use super::super::metadata_hash::TopicHashes;
use super::super::subscription::SubscribedTopics;
use super::*;
use std::collections::BTreeSet;

/// A cluster with topics by id, name and the racks of each partition's replicas; the hash of a group that reads all of them.
fn hash_of(topics: &[(TopicId, &str, &[&[&str]])], names: &[&str]) -> i64 {
    let mut metadata = MetadataShard::new();
    let mut racks = BTreeMap::new();
    for (topic_id, name, partitions) in topics {
        metadata.replay(&MetadataRecord::Topic(TopicRecord { name: TopicName::parse(name).expect("a name"), topic_id: *topic_id }));
        for (partition_id, partition_racks) in partitions.iter().enumerate() {
            let mut brokers: Vec<BrokerId> = Vec::new();
            for rack in *partition_racks {
                let next = BrokerId(1 + racks.len() as i32);
                brokers.push(*racks.entry(*rack).or_insert(next));
            }
            // A replica without a rack counts for nothing.
            brokers.push(BrokerId(0));
            let directories = vec![DirectoryId::UNASSIGNED; brokers.len()];
            let record = partition(*topic_id, partition_id as i32);
            metadata.replay(&MetadataRecord::Partition(PartitionRecord { replicas: brokers.clone(), isr: brokers, directories, ..record }));
        }
    }
    for (rack, broker_id) in racks.into_iter().map(|(rack, id)| (Some(rack.to_owned()), id)).chain([(None, BrokerId(0))]) {
        metadata.replay(&MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id,
            is_migrating_zk_broker: false,
            incarnation_id: IncarnationId(Uuid::from_u128(1)),
            broker_epoch: BrokerEpoch(1),
            endpoints: Vec::new(),
            features: Vec::new(),
            rack,
            fenced: false,
            in_controlled_shutdown: false,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        }));
    }
    let image = metadata.publish(0, 1).expect("records that fit").expect("no transaction").new;
    let names: BTreeSet<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
    let mut subscribed = SubscribedTopics::default();
    subscribed.add_names(&names);
    TopicHashes::default().group_hash(&subscribed, &image)
}

fn id(most: i64, least: i64) -> TopicId {
    TopicId(Uuid::from_u64_pair(most as u64, least as u64))
}

#[test]
fn a_group_hash_is_the_number_that_kafka_computes() {
    let many: Vec<&[&str]> = vec![&[]; 100];
    let topics: &[(TopicId, &str, &[&[&str]])] = &[
        (id(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210_u64 as i64), "a", &[&[]]),
        (id(-1, -7), "many", &many),
        (id(5, 6), "none", &[]),
        (id(1, 2), "orders.v1", &[&["rack-b", "rack-a"], &[], &["zürich"]]),
    ];
    assert_eq!(hash_of(topics, &["a"]), 3_470_684_412_542_478_659);
    assert_eq!(hash_of(topics, &["many"]), -7_164_961_709_344_842_187);
    assert_eq!(hash_of(topics, &["none"]), 4_338_779_610_113_274_926);
    assert_eq!(hash_of(topics, &["orders.v1"]), -784_760_229_378_501_018);
    assert_eq!(hash_of(topics, &["a", "many", "none", "orders.v1", "not there"]), -7_190_569_985_627_687_155);
    assert_eq!(hash_of(topics, &["not there"]), 0);
}
