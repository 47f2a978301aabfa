//! OffsetCommit and OffsetFetch at full speed. Each connection is the only member of a group of its own.

use super::classic::ClassicGroup;
use super::flood::{SameAsBefore, Until, flood};
use super::messages::{decode, encode, text};
use super::{GroupLoad, Stage};
use crate::load::{Line, Meter};
use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use serde_json::Value;
use std::time::Duration;

/// Stands for an offset in an encoded request until the real one is known.
const MARK: i64 = 0x0123_4567_89AB_CDEF;

/// How much is asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetLoad {
    /// Partitions named in each request.
    pub partitions: i32,
    pub connections: usize,
}

/// Who commits: no member at all, or a member of a generation.
#[derive(Clone, Debug)]
pub struct Committer {
    pub group_id: String,
    pub member_id: StrBytes,
    pub generation_id: i32,
}

/// An OffsetCommit whose offsets can be changed in place.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    pub bytes: Vec<u8>,
    offsets_at: Vec<usize>,
}

impl CommitRequest {
    /// Encodes a commit of the first partitions of the stage's topic.
    pub fn new(stage: &Stage, committer: &Committer, partitions: i32) -> Result<Self> {
        let partition = |index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(MARK)
                .with_committed_leader_epoch(0)
                .with_committed_metadata(Some(StrBytes::default()))
        };
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text(&stage.topic)))
            .with_partitions((0..partitions).map(partition).collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(&committer.group_id)))
            .with_member_id(committer.member_id.clone())
            .with_generation_id_or_member_epoch(committer.generation_id)
            .with_topics(vec![topic]);
        let bytes = encode(stage.versions.offset_commit, &request)?;
        let offsets_at = positions_of(&bytes, &MARK.to_be_bytes());
        ensure!(offsets_at.len() == partitions as usize, "{} offsets in a commit of {partitions} partitions", offsets_at.len());
        Ok(Self { bytes, offsets_at })
    }

    /// Writes the offsets, in order of partitions, into an encoded copy.
    pub fn set_offsets(&self, encoded: &mut [u8], offset_of: impl Fn(i32) -> i64) {
        for (&at, partition) in self.offsets_at.iter().zip(0..) {
            encoded[at..at + 8].copy_from_slice(&offset_of(partition).to_be_bytes());
        }
    }
}

fn positions_of(bytes: &[u8], pattern: &[u8]) -> Vec<usize> {
    bytes.windows(pattern.len()).enumerate().filter(|(_, window)| *window == pattern).map(|(at, _)| at).collect()
}

/// An OffsetFetch of the first partitions of the stage's topic, as consumers send it.
pub fn fetch_request(stage: &Stage, group_id: &str, partitions: i32) -> Result<Vec<u8>> {
    let topic =
        OffsetFetchRequestTopics::default().with_name(TopicName(text(&stage.topic))).with_partition_indexes((0..partitions).collect());
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group_id))).with_topics(Some(vec![topic]));
    encode(stage.versions.offset_fetch, &OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true))
}

/// The error of an OffsetFetch answer, when the group as a whole has one.
pub fn fetch_error(stage: &Stage, answer: &[u8]) -> Result<i16> {
    let answer = decode::<OffsetFetchRequest>(stage.versions.offset_fetch, answer)?;
    Ok(answer.groups.first().context("an OffsetFetch answer without groups")?.error_code)
}

/// Fails unless the answer has these partitions with the offsets expected of them.
pub fn check_fetched(version: i16, answer: &[u8], partitions: i32, offset_of: impl Fn(i32) -> i64) -> Result<()> {
    let answer = decode::<OffsetFetchRequest>(version, answer)?;
    let group = answer.groups.first().context("no group")?;
    ensure!(group.error_code == 0, "OffsetFetch failed with error {}", group.error_code);
    let mut found: Vec<_> = group.topics.iter().flat_map(|topic| &topic.partitions).collect();
    found.sort_by_key(|partition| partition.partition_index);
    ensure!(found.len() == partitions as usize, "{} partitions in place of {partitions}", found.len());
    for (partition, index) in found.iter().zip(0..) {
        let expected = offset_of(index);
        ensure!(
            (partition.partition_index, partition.error_code, partition.committed_offset) == (index, 0, expected),
            "partition {index} has {partition:?} in place of {expected}"
        );
    }
    Ok(())
}

/// Fails unless every partition was committed.
pub fn check_committed(version: i16, answer: &[u8], partitions: i32) -> Result<()> {
    let answer = decode::<OffsetCommitRequest>(version, answer)?;
    let codes: Vec<i16> = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect();
    ensure!(codes.len() == partitions as usize, "{} partitions in place of {partitions}", codes.len());
    ensure!(codes.iter().all(|code| *code == 0), "OffsetCommit failed with errors {:?}", &codes[..codes.len().min(5)]);
    Ok(())
}

/// Commits, reads all back, fetches; a line for each of the two.
pub fn run(stage: &mut Stage, load: OffsetLoad, each: Duration) -> Result<Vec<Value>> {
    let mut groups = Vec::new();
    let mut committers = Vec::new();
    for connection in 0..load.connections {
        let group_id = stage.fresh_group("offsets");
        let mut group = ClassicGroup::new(&group_id, connection);
        group.join(stage, 1)?;
        let (member_id, generation_id) = group.identity(0);
        groups.push(group);
        committers.push(Committer { group_id, member_id, generation_id });
    }
    let (committed, last) = commit(stage, load, &committers, each)?;
    let fetched = fetch(stage, load, &committers, &last, each)?;
    for group in &mut groups {
        group.leave_all(stage)?;
    }
    Ok(vec![committed, fetched])
}

/// The line, and the number of the last commit of each connection.
fn commit(stage: &mut Stage, load: OffsetLoad, committers: &[Committer], each: Duration) -> Result<(Value, Vec<u64>)> {
    let templates: Vec<_> =
        committers.iter().map(|committer| CommitRequest::new(stage, committer, load.partitions)).collect::<Result<_>>()?;
    let mut requests: Vec<_> = templates.iter().map(|template| template.bytes.clone()).collect();
    let records_before = stage.coordinator_records()?;
    let mut sent = vec![0_u64; committers.len()];
    let mut same = SameAsBefore::default();
    let version = stage.versions.offset_commit;
    let meter = Meter::of(Some(stage.pid))?;
    let count = flood(
        &mut stage.pool,
        &mut requests,
        Until::Elapsed(each),
        &mut |number, request| {
            sent[number] += 1;
            templates[number].set_offsets(request, |partition| offset_of(sent[number], partition));
            Ok(())
        },
        &mut |_, answer| same.check(answer, |answer| check_committed(version, answer, load.partitions)),
    )?;
    let reading = meter.stop()?;
    let grown = stage.coordinator_records()? - records_before;
    let acknowledged = count as i64 * i64::from(load.partitions);
    ensure!(grown == acknowledged, "{acknowledged} offsets acknowledged, but {grown} records in {}", super::OFFSETS_TOPIC);
    let mut line = load.line("OffsetCommit");
    reading.write_requests(&mut line, count);
    line.set("us_per_offset", crate::load::rounded(reading.broker_cpu_seconds() * 1e6 / acknowledged as f64));
    line.set("acknowledged_equals_log_end", true);
    Ok((line.value(), sent))
}

fn fetch(stage: &mut Stage, load: OffsetLoad, committers: &[Committer], last: &[u64], each: Duration) -> Result<Value> {
    let requests = committers.iter().map(|committer| fetch_request(stage, &committer.group_id, load.partitions));
    let mut requests: Vec<Vec<u8>> = requests.collect::<Result<_>>()?;
    let version = stage.versions.offset_fetch;
    let mut same: Vec<SameAsBefore> = committers.iter().map(|_| SameAsBefore::default()).collect();
    let meter = Meter::of(Some(stage.pid))?;
    let count = flood(&mut stage.pool, &mut requests, Until::Elapsed(each), &mut |_, _| Ok(()), &mut |number, answer| {
        same[number].check(answer, |answer| check_fetched(version, answer, load.partitions, |partition| offset_of(last[number], partition)))
    })?;
    let reading = meter.stop()?;
    let mut line = load.line("OffsetFetch");
    reading.write_requests(&mut line, count);
    line.set("us_per_offset", crate::load::rounded(reading.broker_cpu_seconds() * 1e6 / (count as f64 * f64::from(load.partitions))));
    line.set("last_commits_read_back", true);
    Ok(line.value())
}

/// What the `number`th commit says of a partition.
fn offset_of(number: u64, partition: i32) -> i64 {
    Stage::offset(number.wrapping_add(partition as u64))
}

impl OffsetLoad {
    /// How its lines are called.
    pub fn label(self, api: &str) -> String {
        let plural = |count| if count == 1 { "" } else { "s" };
        let (partitions, connections) = (self.partitions, self.connections);
        format!("{api} of {partitions} partition{}, {connections} connection{}", plural(i64::from(partitions)), plural(connections as i64))
    }

    fn line(self, api: &str) -> Line {
        let mut line = Line::new("offsets", &self.label(api));
        line.set("partitions", self.partitions);
        line.set("connections", self.connections);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::messages::offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    };
    use kafka_protocol::messages::{OffsetFetchResponse, ResponseHeader};
    use kafka_protocol::protocol::Encodable;

    fn answer(offsets: &[i64]) -> Vec<u8> {
        let partitions = offsets
            .iter()
            .zip(0..)
            .map(|(offset, index)| OffsetFetchResponsePartitions::default().with_partition_index(index).with_committed_offset(*offset));
        let topic = OffsetFetchResponseTopics::default().with_partitions(partitions.collect());
        let group = OffsetFetchResponseGroup::default().with_topics(vec![topic]);
        let mut out = BytesMut::new();
        ResponseHeader::default().encode(&mut out, 1).unwrap();
        OffsetFetchResponse::default().with_groups(vec![group]).encode(&mut out, 9).unwrap();
        out.to_vec()
    }

    #[test]
    fn an_offset_that_was_not_committed_is_told() {
        assert!(check_fetched(9, &answer(&[10, 11]), 2, |partition| 10 + i64::from(partition)).is_ok());
        assert!(check_fetched(9, &answer(&[10, 11]), 2, |_| 10).is_err());
        assert!(check_fetched(9, &answer(&[10]), 2, |_| 10).is_err());
    }

    #[test]
    fn offsets_are_found_where_they_stand() {
        assert_eq!(positions_of(&[MARK.to_be_bytes(), [0; 8], MARK.to_be_bytes()].concat(), &MARK.to_be_bytes()), [0, 16]);
    }
}
