//! How far consumer groups are behind, and committed offsets that the log no longer reaches.
//!
//! [`lags`] is for metrics and administration: it goes over the committed offsets page by page, so no shard is held for long, and asks
//! one partition at a time. It reads the log, so it must not run on a reactor.
//!
//! - **Records**: high watermark minus committed offset, as Kafka's tools count it; never below 0.
//! - **Time**: how old the batch is that holds the first record to be read (the committed offset, or the log start when retention has
//!   overtaken it), by the batch's first timestamp; the broker's own time with `LogAppendTime`. 0 for a group that is caught up.
//!   Only a batch's header is read: within a batch the answer is too old by at most what the batch spans.
//!
//! `clamp_to_log` is OffsetFetch's: a machine that lost power may have lost the end of a log and kept the commits. A consumer that is
//! told such an offset finds it out of range and starts all over. So a commit that is older than this run of the broker is answered with
//! the log's end when it lies beyond it; what is stored stays as it is, and what this run was told is answered as it was told.

use crate::broker::Node;
use crate::partition::{Offsets, Partition, ReadRequest};
use foldhash::{HashSet, HashSetExt};
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_coordinator::group::{GroupId, OffsetTarget};
use ottla_coordinator::metadata::image::MetadataImage;
use ottla_storage::Offset;
use ottla_storage::batch::{BatchHeader, HEADER_SIZE_BYTES, TimestampType};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Offsets copied out of a shard under its lock.
const PAGE_ROWS: usize = 10_000;
/// Partitions that were warned about are remembered so far; then all are forgotten, and may be warned about again.
const WARNED_MAX: usize = 10_000;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct LagQuery<'a> {
    /// One group, or all.
    pub group: Option<&'a str>,
    /// Rows at most.
    pub rows_max: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lags {
    /// By shard, then by group, topic and partition.
    pub rows: Vec<PartitionLag>,
    /// There are more rows than were asked for.
    pub cut: bool,
}

/// One group on one partition that this broker leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// Group.
    pub group: GroupId,
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: i32,
    /// Next offset to be read.
    pub committed_offset: i64,
    /// First offset that is still there.
    pub log_start_offset: i64,
    /// Where a group that reads everything has caught up.
    pub high_watermark: i64,
    /// Where a group that reads committed transactions only has.
    pub last_stable_offset: i64,
    /// Records behind.
    pub lag_records: i64,
    /// Milliseconds behind; `None` when the log cannot say.
    pub lag_ms: Option<i64>,
}

/// An offset as it was copied out of its shard.
struct Committed {
    group: GroupId,
    topic: Arc<str>,
    partition: i32,
    offset: i64,
    topic_id: Uuid,
    committed_at_ms: i64,
}

/// Where groups stand on the partitions that this broker leads. Offsets of topics that are gone are left out.
#[must_use]
pub fn lags(node: &Node, query: LagQuery<'_>) -> Lags {
    let runtime = &node.groups.runtime;
    let image = node.image();
    let now_ms = node.clock.now_ms();
    let places = match query.group {
        Some(group) => runtime.place_of(group).into_iter().collect(),
        None => (0..runtime.places()).collect::<Vec<usize>>(),
    };
    let mut found = Lags::default();
    for place in places {
        let mut last = None;
        while let Some(page) = page_of(node, place, query.group, last.as_ref()) {
            for committed in &page {
                let Some(row) = row(node, &image, committed, now_ms) else { continue };
                if found.rows.len() >= query.rows_max {
                    return Lags { cut: true, ..found };
                }
                found.rows.push(row);
            }
            last = page.into_iter().next_back();
        }
    }
    found
}

/// The next offsets of a shard; `None` when there are no more, or no shard.
fn page_of(node: &Node, place: usize, group: Option<&str>, last: Option<&Committed>) -> Option<Vec<Committed>> {
    // A group's page begins just before its first offset.
    let (of_group, no_topic) = (GroupId::from(group.unwrap_or_default()), Arc::from(""));
    let before = group.map(|_| OffsetTarget { group: &of_group, topic: &no_topic, partition: i32::MIN });
    let last = last.map(|last| OffsetTarget { group: &last.group, topic: &last.topic, partition: last.partition }).or(before);
    let page = node.groups.runtime.inspect_at(place, |shard| {
        let rows = shard.committed_offsets_after(last).take_while(|(target, _)| group.is_none_or(|group| target.group.as_str() == group));
        let copied = rows.take(PAGE_ROWS).map(|(target, committed)| Committed {
            group: target.group.clone(),
            topic: Arc::clone(target.topic),
            partition: target.partition,
            offset: committed.offset,
            topic_id: committed.topic_id.0,
            committed_at_ms: committed.commit_timestamp_ms,
        });
        copied.collect::<Vec<_>>()
    });
    page.filter(|page| !page.is_empty())
}

fn row(node: &Node, image: &MetadataImage, committed: &Committed, now_ms: i64) -> Option<PartitionLag> {
    let topic = image.topics().by_name(&committed.topic)?;
    if !committed.topic_id.is_nil() && committed.topic_id != topic.id.0 {
        return None;
    }
    let partition = node.published.registry.get(topic.id.0, committed.partition)?;
    let offsets = partition.offsets_as_leader()?;
    if is_lost(node, committed.offset, committed.committed_at_ms, &offsets) {
        node.lost_tails.warn(&partition, &committed.topic, committed.group.as_str(), committed.offset, &offsets);
    }
    let lag_records = offsets.high_watermark.0.saturating_sub(committed.offset).max(0);
    let lag_ms = if lag_records == 0 { Some(0) } else { age_ms(&partition, committed.offset, &offsets, now_ms) };
    Some(PartitionLag {
        group: committed.group.clone(),
        topic: Arc::clone(&committed.topic),
        partition: committed.partition,
        committed_offset: committed.offset,
        log_start_offset: offsets.log_start_offset.0,
        high_watermark: offsets.high_watermark.0,
        last_stable_offset: offsets.last_stable_offset.0,
        lag_records,
        lag_ms,
    })
}

/// The age of the batch that holds the first record at or after `from`. The plan is made under the partition's lock, the read is not.
pub(crate) fn age_ms(partition: &Partition, from: i64, offsets: &Offsets, now_ms: i64) -> Option<i64> {
    let request = ReadRequest {
        from: Offset(from.max(offsets.log_start_offset.0)),
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        read_committed: false,
        max_bytes: 1,
        at_least_one_batch: true,
    };
    let plan = partition.read(request).ok()?.plan;
    let range = plan.ranges.first()?;
    let mut bytes = [0; HEADER_SIZE_BYTES];
    let read = range.file.read_at(&mut bytes, range.position).ok()?;
    let header = BatchHeader::read(bytes.get(..read)?)?;
    let timestamp_ms = match header.timestamp_type() {
        // Compaction keeps something else in the place of the first timestamp.
        TimestampType::CreateTime if !header.has_delete_horizon() => header.base_timestamp().0,
        TimestampType::CreateTime | TimestampType::LogAppendTime => header.max_timestamp().0,
    };
    (timestamp_ms >= 0).then(|| now_ms.saturating_sub(timestamp_ms).max(0))
}

/// The log cannot have had its end cut in this run: a newer commit is its client's own affair.
fn is_lost(node: &Node, offset: i64, committed_at_ms: i64, offsets: &Offsets) -> bool {
    offset > offsets.log_end_offset.0 && committed_at_ms < node.started_at_ms
}

/// Answers the log's end in place of offsets behind an end that the log has lost.
pub(crate) fn clamp_to_log(node: &Node, group: &mut OffsetFetchResponseGroup) {
    let id = group.group_id.clone();
    let image = node.image();
    for topic in &mut group.topics {
        let Some(found) = image.topics().by_name(&topic.name) else { continue };
        for answer in topic.partitions.iter_mut().filter(|answer| answer.error_code == 0 && answer.committed_offset > 0) {
            let Ok(partition) = node.partition(found, answer.partition_index) else { continue };
            let Some(offsets) = partition.offsets_as_leader() else { continue };
            if answer.committed_offset <= offsets.log_end_offset.0 {
                continue;
            }
            let place = node.groups.runtime.place_of(&id);
            let committed_at_ms = place.and_then(|place| {
                let look = node.groups.runtime.inspect_at(place, |shard| {
                    let committed = shard.committed_offset(&id, &topic.name, answer.partition_index)?;
                    let of_this_topic = committed.topic_id.0.is_nil() || committed.topic_id.0 == partition.id().topic_id;
                    of_this_topic.then_some(committed.commit_timestamp_ms)
                });
                look.flatten()
            });
            if committed_at_ms.is_some_and(|at_ms| is_lost(node, answer.committed_offset, at_ms, &offsets)) {
                node.lost_tails.warn(&partition, &topic.name, &id, answer.committed_offset, &offsets);
                answer.committed_offset = offsets.log_end_offset.0;
            }
        }
    }
}

/// Partitions whose lost end was warned about.
#[derive(Debug, Default)]
pub(crate) struct LostTails {
    warned: Mutex<HashSet<(Uuid, i32)>>,
}

impl LostTails {
    /// Warns once for each partition.
    fn warn(&self, partition: &Partition, topic: &str, group: &str, committed_offset: i64, offsets: &Offsets) {
        let id = partition.id();
        if self.is_first(id.topic_id, id.partition) {
            tracing::warn!(
                topic,
                partition = id.partition,
                group,
                committed_offset,
                log_end_offset = offsets.log_end_offset.0,
                "the log ends before an offset that was committed in an earlier run: its end was lost; groups go on at the log's end"
            );
        }
    }

    fn is_first(&self, topic_id: Uuid, partition: i32) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= WARNED_MAX {
            *warned = HashSet::new();
        }
        warned.insert((topic_id, partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_warned_about_once_and_no_memory_is_kept_without_bound() {
        let tails = LostTails::default();
        assert_eq!([0, 1, 0].map(|partition| tails.is_first(Uuid::from_u128(1), partition)), [true, true, false]);
        for partition in 2..i32::try_from(WARNED_MAX).expect("a small number") {
            assert!(tails.is_first(Uuid::from_u128(1), partition));
        }
        assert!(tails.is_first(Uuid::from_u128(1), 0), "all were forgotten at the bound");
        assert_eq!(tails.warned.lock().expect("no panic").len(), 1);
    }
}
