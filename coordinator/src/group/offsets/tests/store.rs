//! The packed store against a plain map, by seed.

use super::*;
use std::collections::BTreeMap;

/// A small generator of numbers (Knuth's MMIX constants), so that a seed is a story.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }

    fn small(&mut self, count: i32) -> i32 {
        i32::try_from(self.below(u64::from(count.unsigned_abs()))).expect("below an i32")
    }

    fn value(&mut self) -> OffsetCommitValue {
        OffsetCommitValue {
            offset: i64::from(self.small(1_000)),
            leader_epoch: self.small(4) - 1,
            metadata: ["", "", "", "text"][usize::try_from(self.below(4)).expect("below 4")].into(),
            commit_timestamp_ms: i64::from(self.small(9)),
            expire_timestamp_ms: if self.below(8) == 0 { 5 } else { -1 },
            topic_id: TopicId(Uuid::from_u128(u128::from(self.below(8)) / 6)),
        }
    }
}

type Key = (String, String, i32);

fn contents(shard: &GroupShard) -> Vec<(Key, OffsetCommitValue)> {
    let row = |(target, offset): (OffsetTarget<'_>, CommittedOffset<'_>)| {
        let value = OffsetCommitValue {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata.into(),
            commit_timestamp_ms: offset.commit_timestamp_ms,
            expire_timestamp_ms: offset.expire_timestamp_ms.unwrap_or(-1),
            topic_id: offset.topic_id,
        };
        ((target.group.to_string(), target.topic.to_string(), target.partition), value)
    };
    shard.committed_offsets().map(row).collect()
}

#[test]
fn the_packed_store_is_a_map_in_order() {
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let mut shard = shard();
        let mut plain = BTreeMap::new();
        for _ in 0..600 {
            let key = (format!("g{}", dice.below(3)), format!("t{}", dice.below(3)), dice.small(12));
            let value = (dice.below(3) > 0).then(|| dice.value());
            shard.replay(&GroupRecord::OffsetCommit {
                group: key.0.as_str().into(),
                topic: key.1.as_str().into(),
                partition: key.2,
                value: value.clone(),
            });
            match value {
                Some(value) => plain.insert(key, value),
                None => plain.remove(&key),
            };
        }
        let expected: Vec<_> = plain.into_iter().collect();
        assert_eq!(contents(&shard), expected, "seed {seed}");
        for (key, value) in &expected {
            let found = shard.committed_offset(&key.0, &key.1, key.2).map(|found| found.offset);
            assert_eq!(found, Some(value.offset), "seed {seed}");
        }
        // A shard that saw the last words only holds the same, as after a reload of a compacted log.
        let mut reloaded = super::shard();
        for ((group, topic, partition), value) in expected.iter().rev() {
            let (group, topic) = (group.as_str().into(), topic.as_str().into());
            reloaded.replay(&GroupRecord::OffsetCommit { group, topic, partition: *partition, value: Some(value.clone()) });
        }
        assert_eq!(contents(&reloaded), expected, "seed {seed}");
        assert!(reloaded.same_hard_state(&shard), "seed {seed}");
    }
}

#[test]
fn pages_join_without_a_gap() {
    let mut dice = Dice(7);
    let mut shard = shard();
    for _ in 0..300 {
        let value = Some(dice.value());
        let (group, topic) = (format!("g{}", dice.below(4)), format!("t{}", dice.below(4)));
        shard.replay(&GroupRecord::OffsetCommit {
            group: group.as_str().into(),
            topic: topic.as_str().into(),
            partition: dice.small(20),
            value,
        });
    }
    let mut paged = Vec::new();
    let mut last: Option<(GroupId, Arc<str>, i32)> = None;
    loop {
        let after = last.as_ref().map(|(group, topic, partition)| OffsetTarget { group, topic, partition: *partition });
        let page: Vec<_> = shard.committed_offsets_after(after).take(7).map(|(target, _)| target).collect();
        let Some(end) = page.last() else { break };
        last = Some((end.group.clone(), Arc::clone(end.topic), end.partition));
        paged.extend(page);
    }
    assert_eq!(paged, shard.committed_offsets().map(|(target, _)| target).collect::<Vec<_>>());
}
