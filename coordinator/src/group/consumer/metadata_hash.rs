//! The hash over a group's topics that tells whether their metadata changed (KIP-1101).
//!
//! XXH3 over the bytes that Kafka feeds it, so that a group neither rebalances nor misses a change when a broker of the other kind takes
//! over its log: numbers little-endian, text as UTF-16 units followed by their number.

use super::subscription::SubscribedTopics;
use crate::metadata::TopicName;
use crate::metadata::image::{MetadataImage, TopicImage};
use std::collections::HashMap;
use twox_hash::XxHash3_64;

/// Version of the way topics are hashed.
const MAGIC: u8 = 0;

/// Hashes of topics, kept until a topic changes.
#[derive(Debug, Default)]
pub(in crate::group) struct TopicHashes(HashMap<TopicName, u64>);

impl TopicHashes {
    pub(in crate::group) fn forget(&mut self, topic: &TopicName) {
        self.0.remove(topic);
    }

    pub(in crate::group) fn clear(&mut self) {
        self.0.clear();
    }

    /// The hash of a group that subscribes to `topics`; those that do not exist count for nothing.
    pub(in crate::group) fn group_hash(&mut self, topics: &SubscribedTopics, image: &MetadataImage) -> i64 {
        let mut bytes = Vec::new();
        for topic in topics.names().filter_map(|name| image.topics().by_name(name)) {
            let hash = match self.0.get(&topic.name) {
                Some(hash) => *hash,
                None => *self.0.entry(topic.name.clone()).or_insert(topic_hash(topic, image)),
            };
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        if bytes.is_empty() { 0 } else { XxHash3_64::oneshot(&bytes).cast_signed() }
    }
}

fn topic_hash(topic: &TopicImage, image: &MetadataImage) -> u64 {
    let mut bytes = vec![MAGIC];
    let (most, least) = topic.id.0.as_u64_pair();
    bytes.extend_from_slice(&most.to_le_bytes());
    bytes.extend_from_slice(&least.to_le_bytes());
    put_text(&mut bytes, &utf16(topic.name.as_str()));
    bytes.extend_from_slice(&(topic.partitions.len() as i32).to_le_bytes());
    for partition in 0..topic.partitions.len() as i32 {
        bytes.extend_from_slice(&partition.to_le_bytes());
        let replicas = topic.partitions.get(&partition).map_or(&[][..], |partition| &partition.replicas);
        let rack = |broker| image.cluster().broker(broker)?.rack.as_deref().map(utf16);
        let mut racks: Vec<Vec<u16>> = replicas.iter().filter_map(|broker| rack(*broker)).collect();
        racks.sort_unstable();
        for rack in racks {
            bytes.extend_from_slice(&(rack.len() as i32).to_le_bytes());
            put_text(&mut bytes, &rack);
        }
    }
    XxHash3_64::oneshot(&bytes)
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn put_text(bytes: &mut Vec<u8>, text: &[u16]) {
    bytes.extend(text.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend_from_slice(&(text.len() as i32).to_le_bytes());
}
