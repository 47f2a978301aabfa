//! What the offsets partitions must show: computed from their logs, compared with the group shard.

use super::partition::{Content, Partition};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{GroupRecord, GroupReply};
use ottla_coordinator::timers::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Group, topic, partition.
type Key = (Arc<str>, Arc<str>, i32);
const UNSTABLE_OFFSET_COMMIT: i16 = 88;

/// The committed offsets, and what open transactions have written to.
fn expected(partition: &Partition) -> (BTreeMap<Key, i64>, BTreeSet<Key>) {
    let (mut committed, mut open) = (BTreeMap::new(), BTreeSet::new());
    for stored in &partition.log {
        let Content::Offsets(_, records) = &stored.content else { continue };
        for record in records {
            let GroupRecord::OffsetCommit { group, topic, partition, value: Some(value) } = record else { panic!("an offset: {record:?}") };
            let key = (Arc::clone(&group.0), Arc::clone(topic), *partition);
            match stored.fate {
                // Of two commits the one that stands later in the log counts, whichever ended first.
                Some(true) => drop(committed.insert(key, value.offset)),
                Some(false) => {}
                None => drop(open.insert(key)),
            }
        }
    }
    (committed, open)
}

/// Fetches everything as a consumer does and compares. Returns whether anything was unstable.
pub(crate) fn check(now: i64, partition: &mut Partition) -> bool {
    let (committed, open) = expected(partition);
    let Some(groups) = &mut partition.groups else { return false };
    let held: BTreeMap<Key, i64> = groups
        .committed_offsets()
        .map(|(target, value)| ((Arc::clone(&target.group.0), Arc::clone(target.topic), target.partition), value.offset))
        .collect();
    assert_eq!(held, committed, "atomic: committed offsets");
    for key in committed.keys().chain(&open) {
        for require_stable in [false, true] {
            let text = |text: &str| StrBytes::from_string(text.to_owned());
            let topic = OffsetFetchRequestTopics::default().with_name(TopicName(text(&key.1))).with_partition_indexes(vec![key.2]);
            let request = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(&key.0))).with_topics(Some(vec![topic]));
            let effects = groups.offset_fetch(Millis(now), Ticket(0), &request, require_stable);
            let [(_, GroupReply::OffsetFetch(answer))] = &effects.replies[..] else { panic!("a fetch is answered at once") };
            let answered = &answer.topics[0].partitions[0];
            let unstable = require_stable && open.contains(key);
            let offset = if unstable { -1 } else { committed.get(key).copied().unwrap_or(-1) };
            let error_code = if unstable { UNSTABLE_OFFSET_COMMIT } else { 0 };
            assert_eq!(answered.error_code, error_code, "pending offsets: {key:?}");
            assert_eq!(answered.committed_offset, offset, "atomic: the offset of {key:?}");
        }
    }
    !open.is_empty()
}

/// Nothing is pending any more.
pub(crate) fn at_rest(now: i64, partition: &mut Partition) {
    let (_, open) = expected(partition);
    assert!(open.is_empty(), "pending offsets: of {open:?}");
    check(now, partition);
}
